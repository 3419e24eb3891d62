// Speaks native frames to a server over a link, as its doors do (server/shard_router.hpp).
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "message/frame.hpp"
#include "message/operations.hpp"
#include "server/link.hpp"

namespace folkmoot::test {

/// Every question is answered within the test's time.
class LinkClient {
 public:
  LinkClient(Hub& hub, std::string_view agent, std::string_view token = {}, DoorKind door = DoorKind::http)
      : LinkClient(hub, agent, token, door, Opcode::welcome) {}
  /// Why it is not let in that comes so.
  static Error refusal(Hub& hub, std::string_view agent, std::string_view token) {
    return LinkClient(hub, agent, token, DoorKind::http, Opcode::goodbye).refused_;
  }
  LinkClient(LinkClient&&) = delete;
  LinkClient& operator=(LinkClient&&) = delete;
  ~LinkClient() { link_->close(); }

  void say(std::string_view frames) { ASSERT_TRUE(link_->send(frames)); }
  /// The next frame; its body lives until the next call.
  Frame next() {
    for (;;) {
      auto rest = as_bytes(std::string_view(taken_).substr(at_));
      const auto before = rest.size();
      if (const auto frame = cut_frame(rest, 1 << 30); frame && *frame) {
        at_ += before - rest.size();
        return **frame;
      }
      taken_.erase(0, std::exchange(at_, 0));
      if (const auto more = link_->take(); !more.empty()) {
        taken_ += more;
        continue;
      }
      if (!bell_->wait()) {
        ADD_FAILURE() << "no answer";
        return {};
      }
    }
  }

 private:
  LinkClient(Hub& hub, std::string_view agent, std::string_view token, DoorKind door, Opcode expected)
      : link_(hub.connect(door, kLinkInboxBytesMax, [bell = bell_] { bell->ring(); })) {
    std::string frames;
    append_hello(frames, 1, {.agent = std::string(agent), .token = std::string(token), .software = "test"});
    say(frames);
    const auto answer = next();
    EXPECT_EQ(answer.header.opcode, expected);
    if (expected == Opcode::goodbye) refused_ = read_error(answer).value_or(Error{});
  }
  // The server may still ring when the client is gone.
  class Bell {
   public:
    void ring() {
      const std::lock_guard guard(lock_);
      has_rung_ = true;
      rung_.notify_all();
    }
    bool wait() {
      std::unique_lock guard(lock_);
      return rung_.wait_for(guard, std::chrono::seconds(10), [this] { return std::exchange(has_rung_, false); });
    }

   private:
    std::mutex lock_;
    std::condition_variable rung_;
    bool has_rung_ = false;
  };

  const std::shared_ptr<Bell> bell_ = std::make_shared<Bell>();
  std::string taken_;
  Error refused_;
  std::size_t at_ = 0;
  std::shared_ptr<Link> link_;
};

}  // namespace folkmoot::test
