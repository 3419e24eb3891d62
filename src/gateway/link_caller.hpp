// A link used for one request at a time, as HTTP does: send frames, await those that answer.
#pragma once

#include <optional>
#include <string>

#include "base/error.hpp"
#include "gateway/wakeup.hpp"
#include "message/frame.hpp"

namespace folkmoot {

class LinkCaller {
 public:
  /// `origin`: the client.
  LinkCaller(const Context& context, asio::any_io_executor strand, LinkOrigin origin);
  ~LinkCaller();

  /// Makes the link if there is none, and says HELLO as `agent` (empty: nobody). Another token or agent than before
  /// makes another link: what is asked is asked in somebody's name. Errors: shutting_down.
  Result<void> open(std::string_view token, std::string_view agent);
  /// The same, and waits until the server has taken the token. Errors: those, unauthorized, and those of next().
  asio::awaitable<Result<void>> greet(std::string_view token, std::string_view agent);
  /// The server has taken its token.
  bool is_welcome() const { return link_ && hello_ == 0; }

  /// A number for the next request. Numbers of one connection follow each other.
  std::uint32_t number() { return next_++; }

  /// Waits while the server's inbox is full. Errors: as next().
  asio::awaitable<Result<void>> send(std::string frames);

  /// The next frame whose request is `first` to `last`; its body lives until the next call. Other frames are dropped.
  /// Errors: timed_out at `deadline`; what interrupt() said, unless `in_spite`; the server's own word (GOODBYE), or
  /// connection_lost, after which open() makes a new link.
  asio::awaitable<Result<Frame>> next(std::uint32_t first, std::uint32_t last, Clock::time_point deadline,
                                      bool in_spite = false);

  /// The answer to one request; an ERROR frame becomes an error.
  asio::awaitable<Result<Frame>> answer(std::uint32_t request, Clock::time_point deadline);

  /// Ends whatever waits here: the client is gone, or the gateway stops. On the strand only.
  void interrupt(Error why);
  void resume() { interrupted_.reset(); }
  bool is_interrupted() const { return interrupted_.has_value(); }
  /// Ends the link, and with it what is still on its way; open() makes another.
  void drop_link();

 private:
  const Context& context_;
  const asio::any_io_executor strand_;
  const LinkOrigin origin_;
  const std::shared_ptr<Wakeup> wakeup_;
  std::shared_ptr<Link> link_;
  std::string token_, agent_;
  std::uint32_t hello_ = 0;  // its number, until it is answered
  std::string taken_;        // whole frames from the link
  Bytes rest_;               // of taken_: not looked at yet
  std::uint32_t next_ = 1;
  std::optional<Error> interrupted_;
};

}  // namespace folkmoot
