// What comes in on an HTTP connection: headers, and the bodies that belong to them, for which a client may wait to be
// asked (100 Continue). Requests that come before the answer to the one before wait in its buffer.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>

#include "gateway/admission.hpp"
#include "gateway/http/body.hpp"
#include "gateway/http/exchange.hpp"

namespace folkmoot {

class RequestReader final : public BodyStream {
 public:
  /// `first` are bytes that were read already. The others must outlive it.
  RequestReader(ClientStream& stream, std::shared_ptr<const GatewayOptions> options, Guest& guest,
                std::string_view first);

  /// From now on, between two requests.
  void set_options(std::shared_ptr<const GatewayOptions> options) { options_ = std::move(options); }

  /// Waits until a request has begun; what was held for the one before is free. False: the client has closed, or was
  /// idle for too long.
  asio::awaitable<bool> wait();
  /// Reads the header of a request that has begun. False: it is refused as `why` says, or without an answer if the
  /// status there is 0.
  asio::awaitable<bool> read_head(RequestHead& head, Refusal& why);
  /// Reads the rest of its body, of `bytes_max` at most. False as above.
  asio::awaitable<bool> read_body(std::string& body, std::size_t bytes_max, Refusal& why);
  /// Replaces a body that came with this Content-Encoding by what it holds, of `bytes_max` at most. False as above.
  bool unpack_body(std::string& body, std::string_view encoding, std::size_t bytes_max, Refusal& why);

  /// All of the body has come, or there is none.
  bool has_whole_body() const;
  /// Passes over the body of a request that is not carried out, if all of it is here.
  bool skip_body();
  bool is_body_done() const { return body_.is_done(); }
  /// Bytes of a further request, once the body is done.
  bool has_more() const { return buffer_.size() > 0; }

  std::optional<std::uint64_t> body_bytes() const override { return content_length_; }
  asio::awaitable<Result<std::string_view>> read(std::size_t most) override;

 private:
  asio::awaitable<beast::error_code> read_more(std::size_t bytes, Clock::time_point deadline);
  std::string_view buffered() const { return {static_cast<const char*>(buffer_.data().data()), buffer_.size()}; }
  Result<void> decode(std::string& into, std::size_t most);
  std::chrono::nanoseconds patience() const;

  ClientStream& stream_;
  std::shared_ptr<const GatewayOptions> options_;
  Guest& guest_;
  beast::flat_buffer buffer_;
  BodyDecoder body_;
  std::optional<std::uint64_t> content_length_;
  bool must_say_continue_ = false;         // before more of the body is read: the client waits for it
  std::string part_;                       // what read() has given last
  std::uint64_t given_ = 0;                // bytes that it has given in all
  std::chrono::nanoseconds waited_for_{};  // the client, for them
};

}  // namespace folkmoot
