// What is said to a server and what it answers, as text (operations_test.cpp).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <thread>

#include "../journal/temporary_folder.hpp"
#include "link_client.hpp"
#include "server/server.hpp"

namespace folkmoot::test {

/// A server in this process, and the agents that speak to it over links.
///
/// A line of a transcript begins with an agent, a colon and what it asks; the lines behind it that are indented are the
/// answer:
///
///     ann: stream.set {"name":"s","topic":"news.*"}
///       OK
///
/// Asked is a call with its arguments, or: `publish MESSAGE` (JSON), `take MAILBOX` (one message, under a lease),
/// `await MAILBOX` (the same, as soon as there is one), `ack`, `nack`, `reject`. `$id` stands for the id of the message
/// that was published, taken or told of last, `$lease` for the lease that was had last, `$backup` for a backup's name,
/// `$next` for where a tap goes on. What is different each time is told as `ID`, `TIME`, `NUMBER` and so on.
class TranscriptServer {
 public:
  explicit TranscriptServer(std::uint32_t shards);
  TranscriptServer(TranscriptServer&&) = delete;
  TranscriptServer& operator=(TranscriptServer&&) = delete;
  ~TranscriptServer();

  /// The same questions asked, with the answers that came.
  std::string ask(std::string_view transcript);

 private:
  std::string answer_to(const std::string& agent, std::string_view what);
  std::string call(LinkClient& client, std::string_view name, std::string_view arguments);
  std::string publish(LinkClient& client, std::string_view message);
  std::string take(LinkClient& client, std::string_view mailbox, std::uint64_t wait_ms);
  std::string settle(LinkClient& client, std::string_view how);
  static void wait_for_the_next_ms();
  std::string filled(std::string text) const;
  std::string told(std::string text);

  const TemporaryFolder folder_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
  std::map<std::string, std::unique_ptr<LinkClient>> agents_;
  std::map<std::string, std::string> said_;  // what $names stand for
  std::uint32_t request_ = 100;
};

}  // namespace folkmoot::test
