// One socket to a server: TCP or Unix, frames out of a large read buffer, many frames into one write.
// Everything happens on the strand it is made with; a lost connection gets a new Wire.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "client/address.hpp"
#include "folkmoot/options.hpp"
#include "message/frame.hpp"
#include "transport/tls_session.hpp"

namespace folkmoot::detail {

using Strand = boost::asio::strand<boost::asio::any_io_executor>;

class Wire : public std::enable_shared_from_this<Wire> {
 public:
  explicit Wire(const Strand& strand) : strand_(strand), socket_(strand) {}

  /// Errors: connection_lost with the system's reason; unauthorized for a server that is not the one it has to be, and
  /// what is wrong with the files of `tls`.
  boost::asio::awaitable<Result<void>> connect(Address address, ClientTls tls);
  /// Hands over every frame until the connection or `on_frame` ends it; returns why. A frame's bytes live as long as
  /// the call.
  boost::asio::awaitable<Error> read(std::function<Result<void>(const Frame&)> on_frame);
  void close();

  /// Frames to be sent: append to out(), then flush(). `on_written` runs after each write that went well.
  std::string& out() { return out_; }
  void flush();
  void on_written(std::function<void()> call) { on_written_ = std::move(call); }
  /// When the server last said anything.
  std::chrono::steady_clock::time_point last_heard() const { return last_heard_; }
  std::size_t pending_bytes() const { return out_.size() + writing_.size(); }
  void set_frame_bytes_max(std::size_t bytes) { frame_bytes_max_ = bytes; }

 private:
  boost::asio::awaitable<Result<void>> secure(const Address& address, const ClientTls& tls);
  // What the server said, through TLS if there is one; an error once the connection is over.
  boost::asio::awaitable<Result<std::size_t>> receive(std::span<std::uint8_t> into);
  // What TLS has to say goes out by the next write; with one that is under way it goes behind that.
  void flush_tls();

  Strand strand_;
  boost::asio::generic::stream_protocol::socket socket_;
  std::string out_;      // collects while writing_ is on its way
  std::string writing_;  // on its way
  bool is_writing_ = false;
  std::vector<std::uint8_t> in_;
  std::unique_ptr<TlsSession> tls_;  // null: plain
  std::string sealed_;               // what TLS made of writing_
  std::vector<std::uint8_t> fresh_;  // of the network
  std::chrono::steady_clock::time_point last_heard_{};
  std::size_t frame_bytes_max_ = 64 * 1024;
  std::function<void()> on_written_;
  bool closed_ = false;
};

}  // namespace folkmoot::detail
