// The client: one connection to a folkmoot server, kept alive, over Asio.
//
// Every operation takes an Asio completion token as its last argument and completes with a Result<T>, on the token's
// executor:
//
//   Result<PublishReceipt> receipt = co_await bus.publish(make_message("analyst", "..."));         // the default token
//   bus.publish(message, [](folkmoot::Result<folkmoot::PublishReceipt> receipt) { ... });
//   std::future<...> receipt = bus.publish(message, boost::asio::use_future);
//
// Operations may be started from any thread, any number at a time; they reach the server in the order they were started
// in. While the connection is down they wait for it. docs/client.md tells what a lost connection does to those in
// flight.
//
// Beware of g++ 12: a braced temporary with strings inside a co_await expression, `co_await bus.publish({.to =
// "analyst"})`, is destroyed wrongly by that compiler and crashes. Name the message first (`Message task{.to =
// "analyst"}`), or make_message().
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <concepts>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "folkmoot/content.hpp"
#include "folkmoot/delivery.hpp"
#include "folkmoot/error.hpp"
#include "folkmoot/failure.hpp"
#include "folkmoot/message.hpp"
#include "folkmoot/operations.hpp"
#include "folkmoot/options.hpp"

namespace folkmoot {

namespace asio = boost::asio;

template <class T>
using Completion = std::move_only_function<void(Result<T>&&)>;

/// Called with each status of a request, on the client's executor, one after the other and none after the request's
/// end; must not throw.
using StatusHandler = std::function<void(const Message&)>;

/// What takes a status, and is no completion token.
template <class Function>
concept TakesStatus = std::convertible_to<Function, StatusHandler> && !std::invocable<Function&, Result<Message>>;

namespace detail {

class Connection;  // src/client/connection.hpp
class Flow;        // src/client/flow.hpp

/// A value on its way through Asio, which moves it several times. For a message that is dozens of strings each time: a
/// large value stays in one place.
template <class T>
class Held {
 public:
  explicit Held(T&& value) : value_(wrap(std::move(value))) {}
  T&& take() {
    if constexpr (kApart) {
      return std::move(*value_);
    } else {
      return std::move(value_);
    }
  }

 private:
  static constexpr bool kApart = sizeof(T) > 128;
  static auto wrap(T&& value) {
    if constexpr (kApart) {
      return std::make_unique<T>(std::move(value));
    } else {
      return std::move(value);
    }
  }

  std::conditional_t<kApart, std::unique_ptr<T>, T> value_;
};

/// Runs `start(completion)`, where the completion hands its result to the token's handler on the handler's executor; or
/// `start(completion, slot)`, if it can be cancelled: the slot is the handler's, and belongs to the operation until
/// then.
template <class T, class Token, class Start>
auto initiate(Token&& token, const asio::any_io_executor& fallback, Start start) {
  return asio::async_initiate<Token, void(Result<T>)>(
      [fallback, start = std::move(start)](auto handler) mutable {
        // Tracked work keeps the handler's io_context running while the answer is on its way.
        auto executor =
            asio::prefer(asio::get_associated_executor(handler, fallback), asio::execution::outstanding_work.tracked);
        asio::cancellation_slot slot = asio::get_associated_cancellation_slot(handler);
        constexpr bool cancellable = std::invocable<Start&, Completion<T>, asio::cancellation_slot>;
        Completion<T> done(
            [slot, handler = std::move(handler), executor = std::move(executor)](Result<T>&& result) mutable {
              asio::post(executor, [slot, handler = std::move(handler), result = Held(std::move(result))]() mutable {
                if (cancellable && slot.is_connected()) slot.clear();
                std::move(handler)(result.take());
              });
            });
        if constexpr (cancellable) {
          start(std::move(done), slot);
        } else {
          start(std::move(done));
        }
      },
      token);
}

/// What Subscription and Consumer share: a stream of deliveries, cancelled when the last of it goes.
class Stream {
 public:
  Stream() = default;
  Stream(std::shared_ptr<Connection> connection, std::shared_ptr<Flow> flow);
  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&& other) noexcept;
  ~Stream();

  /// The next delivery, waiting for it as long as it takes, across reconnects. Several may wait; they take turns.
  /// Errors: cancelled (cancel() or Client::close()), whatever the server refused the stream with after a reconnect.
  template <class Token = asio::use_awaitable_t<>>
  auto next(Token&& token = {}) {
    return initiate<Delivery>(
        std::forward<Token>(token), executor(),
        [c = connection_, flow = flow_](Completion<Delivery> done) { start_next(c, flow, std::move(done)); });
  }

  /// Another filter for a subscription, while it runs; "": none. Done when the server chooses by it: what it has sent
  /// before is still handed out, and nothing is missed or comes twice. Errors: invalid_filter (with the column),
  /// not_found (a consumer has none), connection_lost.
  template <class Token = asio::use_awaitable_t<>>
  auto set_filter(std::string filter, Token&& token = {}) {
    return initiate<void>(std::forward<Token>(token), executor(),
                          [c = connection_, flow = flow_, filter = std::move(filter)](Completion<void> done) mutable {
                            start_set_filter(c, flow, std::move(filter), std::move(done));
                          });
  }

  /// Ends the stream; waiting next()s complete with `cancelled`. Undelivered messages go back to their mailbox. May be
  /// called twice.
  void cancel();
  /// Events missed so far for want of credit or room.
  std::uint64_t missed() const;

 private:
  asio::any_io_executor executor() const;
  static void start_next(const std::shared_ptr<Connection>& connection, const std::shared_ptr<Flow>& flow,
                         Completion<Delivery> done);
  static void start_set_filter(const std::shared_ptr<Connection>& connection, const std::shared_ptr<Flow>& flow,
                               std::string filter, Completion<void> done);

  std::shared_ptr<Connection> connection_;
  std::shared_ptr<Flow> flow_;
};

}  // namespace detail

/// Events of a pattern, as they are published.
class Subscription : public detail::Stream {
  using Stream::Stream;
};

/// Messages of a mailbox, pushed ahead of next() up to the credit. Each wants to be settled.
class Consumer : public detail::Stream {
  using Stream::Stream;
};

class Client {
 public:
  /// Nothing is sent before connect(). The executor's context must outlive the client.
  explicit Client(asio::any_io_executor executor, ClientOptions options = {});
  Client(Client&&) noexcept = default;
  Client& operator=(Client&&) = delete;
  /// close().
  ~Client();

  asio::any_io_executor get_executor() const;
  /// The address in use, after defaults.
  const std::string& address() const;
  /// True between WELCOME and the loss of the connection.
  bool is_connected() const;
  /// Messages of publish_nowait and settlements of ack_nowait that the server refused.
  std::uint64_t refused() const;
  /// Called with each of those, on the client's strand: `handler` must be quick and must not throw. Set before
  /// connect().
  void on_refused(std::function<void(const Error&)> handler);
  /// Called for each delivery whose sender took back what it asked for (Delivery::withdrawn()); otherwise as
  /// on_refused.
  void on_withdrawn(std::function<void(const Withdrawal&)> handler);
  /// Called when the circuit breaker of an address changes, by whatever thread made it change; otherwise as on_refused.
  void on_breaker(std::function<void(const BreakerEvent&)> handler);
  ClientMetrics metrics() const;

  /// Connects and says HELLO. Errors: connection_lost (with the reason), unauthorized, unsupported_version,
  /// invalid_field (address), out_of_range (options).
  template <class Token = asio::use_awaitable_t<>>
  auto connect(Token&& token = {}) {
    return start<void>(token, [c = connection_](auto done) { start_connect(c, std::move(done)); });
  }

  /// Ends everything that is under way with `cancelled` and closes the connection. Returns at once; may be called
  /// twice.
  void close();

  /// Publishes and waits for the confirm: a message to a mailbox is on disk then. A content larger than the server
  /// takes in a message (or ClientOptions::reference_above) is stored first, and the message refers to it; so with all
  /// that sends messages. Only then may it be overtaken by messages that were sent later. Errors: connection_lost,
  /// timed_out, busy, and what the server refuses (mailbox_full, no_such_request, ...). A key that was used before is
  /// no error: Outcome::duplicate.
  template <class Token = asio::use_awaitable_t<>>
  auto publish(Message message, Token&& token = {}) {
    return start<PublishReceipt>(token, [c = connection_, message = detail::Held(std::move(message))](
                                            auto done) mutable { start_publish(c, message.take(), std::move(done)); });
  }

  /// Up to 10,000 messages in one frame; each stands for itself, unless they are atomic: then an error is that of all
  /// of them. The results are in the messages' order.
  template <class Token = asio::use_awaitable_t<>>
  auto publish_batch(std::vector<Message> messages, BatchOptions options = {}, Token&& token = {}) {
    return start<Receipts>(token, [c = connection_, messages = std::move(messages), options](auto done) mutable {
      start_publish_batch(c, std::move(messages), options, std::move(done));
    });
  }

  /// Publishes without a confirm. Completes when the message is on its way to the socket; see refused().
  /// A message that is on its way when the connection is lost is lost.
  template <class Token = asio::use_awaitable_t<>>
  auto publish_nowait(Message message, Token&& token = {}) {
    return start<void>(token, [c = connection_, message = detail::Held(std::move(message))](auto done) mutable {
      start_publish_nowait(c, message.take(), std::move(done));
    });
  }

  /// Events of a topic pattern (`*` a word, a last `>` the rest). Errors: invalid_topic, invalid_filter (with the
  /// column), limit_reached, connection_lost.
  template <class Token = asio::use_awaitable_t<>>
  auto subscribe(std::string pattern, SubscribeOptions options = {}, Token&& token = {}) {
    // A coroutine starts this later, when the filter's text may be gone.
    return start<Subscription>(token, [c = connection_, pattern = std::move(pattern), options,
                                       filter = std::string(options.filter)](auto done) mutable {
      options.filter = filter;
      start_subscribe(c, pattern, options, std::move(done));
    });
  }

  /// Becomes a consumer of a mailbox. Errors: invalid_name, limit_reached, connection_lost.
  template <class Token = asio::use_awaitable_t<>>
  auto consume(std::string mailbox, ConsumeOptions options = {}, Token&& token = {}) {
    return start<Consumer>(token, [c = connection_, mailbox = std::move(mailbox), options](auto done) {
      start_consume(c, mailbox, options, std::move(done));
    });
  }

  /// Takes up to options.max messages out of a mailbox; none is not an error.
  template <class Token = asio::use_awaitable_t<>>
  auto receive(std::string mailbox, ReceiveOptions options = {}, Token&& token = {}) {
    return start<std::vector<Delivery>>(token, [c = connection_, mailbox = std::move(mailbox), options](auto done) {
      start_receive(c, mailbox, options, std::move(done));
    });
  }

  /// Settles for good; done when that is durable. Deliveries without a lease need none and are passed over.
  /// Errors: lease_lost (how many of them, and that others may have the message now), connection_lost (settled or not).
  template <class Token = asio::use_awaitable_t<>>
  auto ack(const Delivery& delivery, Token&& token = {}) {
    return ack(std::vector<std::uint64_t>{delivery.lease}, std::forward<Token>(token));
  }
  template <class Token = asio::use_awaitable_t<>>
  auto ack(std::vector<std::uint64_t> leases, Token&& token = {}) {
    return start<void>(
        token, [c = connection_, leases = std::move(leases)](auto done) { start_ack(c, leases, std::move(done)); });
  }
  template <class Token = asio::use_awaitable_t<>>
  auto ack(const HeldLease& held, Token&& token = {}) {
    return start<void>(token, [c = connection_, held](auto done) { start_ack(c, held, std::move(done)); });
  }
  /// Settles without an answer; see refused().
  void ack_nowait(const Delivery& delivery);

  /// Gives a message back, to be delivered again. Errors as ack.
  template <class Token = asio::use_awaitable_t<>>
  auto nack(const Delivery& delivery, NackOptions options = {}, Token&& token = {}) {
    return nack(std::vector<std::uint64_t>{delivery.lease}, options, std::forward<Token>(token));
  }
  template <class Token = asio::use_awaitable_t<>>
  auto nack(std::vector<std::uint64_t> leases, NackOptions options = {}, Token&& token = {}) {
    // A coroutine starts this later, when the text may be gone.
    return start<void>(token, [c = connection_, leases = std::move(leases), delay = options.delay,
                               reason = std::string(options.reason)](auto done) {
      start_nack(c, leases, {delay, reason}, std::move(done));
    });
  }

  template <class Token = asio::use_awaitable_t<>>
  auto nack(const HeldLease& held, NackOptions options = {}, Token&& token = {}) {
    return start<void>(token, [c = connection_, held, delay = options.delay, reason = std::string(options.reason)](
                                  auto done) { start_nack(c, held, {delay, reason}, std::move(done)); });
  }

  /// Holds a lease until now + `lease`; 0 binds it to this connection. Errors as ack.
  template <class Token = asio::use_awaitable_t<>>
  auto extend(const Delivery& delivery, Milliseconds lease, Token&& token = {}) {
    return extend(std::vector<std::uint64_t>{delivery.lease}, lease, std::forward<Token>(token));
  }
  template <class Token = asio::use_awaitable_t<>>
  auto extend(std::vector<std::uint64_t> leases, Milliseconds lease, Token&& token = {}) {
    return start<void>(token, [c = connection_, leases = std::move(leases), lease](auto done) {
      start_extend(c, leases, lease, std::move(done));
    });
  }

  template <class Token = asio::use_awaitable_t<>>
  auto extend(const HeldLease& held, Milliseconds lease, Token&& token = {}) {
    return start<void>(token,
                       [c = connection_, held, lease](auto done) { start_extend(c, held, lease, std::move(done)); });
  }

  /// Settles a message for good and publishes what came of it, both or neither: after a crash there is either the
  /// message or its outputs. The outputs (none is fine) are caused by the message. Errors: lease_lost (others may have
  /// the message now; nothing was published), what publishing refuses, invalid_field (a delivery without a lease),
  /// connection_lost (done or not).
  template <class Token = asio::use_awaitable_t<>>
  auto complete(const Delivery& delivery, std::vector<Message> outputs, Token&& token = {}) {
    return start<Receipts>(token,
                           [c = connection_, lease = delivery.lease, outputs = std::move(outputs)](auto done) mutable {
                             start_complete(c, {Uuid{}, lease}, std::move(outputs), std::move(done));
                           });
  }

  template <class Token = asio::use_awaitable_t<>>
  auto complete(const HeldLease& held, std::vector<Message> outputs, Token&& token = {}) {
    return start<Receipts>(token, [c = connection_, held, outputs = std::move(outputs)](auto done) mutable {
      start_complete(c, held, std::move(outputs), std::move(done));
    });
  }

  /// To the dead letters, at once and whatever the retry policy. Errors as ack.
  template <class Token = asio::use_awaitable_t<>>
  auto reject(const Delivery& delivery, std::string reason, Token&& token = {}) {
    return reject(std::vector<std::uint64_t>{delivery.lease}, std::move(reason), std::forward<Token>(token));
  }
  template <class Token = asio::use_awaitable_t<>>
  auto reject(std::vector<std::uint64_t> leases, std::string reason, Token&& token = {}) {
    return start<void>(token, [c = connection_, leases = std::move(leases), reason = std::move(reason)](auto done) {
      start_reject(c, leases, reason, std::move(done));
    });
  }
  template <class Token = asio::use_awaitable_t<>>
  auto reject(const HeldLease& held, std::string reason, Token&& token = {}) {
    return start<void>(token, [c = connection_, held, reason = std::move(reason)](auto done) {
      start_reject(c, held, reason, std::move(done));
    });
  }

  /// Sends a message and waits for its response. Errors: timed_out, no_consumer, connection_lost (never sent again),
  /// cancelled (by the token's cancellation slot). Whoever works at a request that is given up is told:
  /// Delivery::withdrawn().
  template <class Token = asio::use_awaitable_t<>>
    requires(!TakesStatus<std::remove_cvref_t<Token>>)
  auto request(Message message, Milliseconds timeout = std::chrono::seconds(30), Token&& token = {}) {
    return request(std::move(message), timeout, StatusHandler{}, std::forward<Token>(token));
  }
  /// The same, with the messages of type `status` that come before the response.
  template <TakesStatus Status, class Token = asio::use_awaitable_t<>>
  auto request(Message message, Milliseconds timeout, Status on_status, Token&& token = {}) {
    return start<Message>(
        token, [c = connection_, message = detail::Held(std::move(message)), timeout,
                on_status = StatusHandler(std::move(on_status))](auto done, asio::cancellation_slot slot) mutable {
          start_request(c, message.take(), timeout, std::move(on_status), slot, std::move(done));
        });
  }

  /// Sends each of `messages` as a request, and gathers answers until there are as many as needed, each has one or an
  /// error, or the time is over. The rest is then cancelled. What went wrong with one is in Gathered::missing. Errors:
  /// out_of_range (no messages, more than 1000, or fewer than are needed).
  template <class Token = asio::use_awaitable_t<>>
  auto request_all(std::vector<Message> messages, GatherOptions options = {}, Token&& token = {}) {
    return start<Gathered>(token, [c = connection_, messages = std::move(messages), options](auto done) mutable {
      start_request_all(c, std::move(messages), options, std::move(done));
    });
  }

  /// Has an agent do something: a request of type `command` whose content is {"command": name, "parameters": {...}}.
  /// Its statuses go to `on_status`. Errors: as request.
  template <class Token = asio::use_awaitable_t<>>
  auto send_command(std::string agent, Command command, Milliseconds timeout = std::chrono::seconds(30),
                    StatusHandler on_status = {}, Token&& token = {}) {
    return request(make_command(std::move(agent), command), timeout, std::move(on_status), std::forward<Token>(token));
  }

  /// Tells the requester of `delivery` how far the work is: a message of type `status` to its reply address, or to its
  /// sender's mailbox. Only for requests that follow their status, as send_command() does: to another one it is the
  /// answer. Errors: as reply.
  template <class Token = asio::use_awaitable_t<>>
  auto status(const Delivery& delivery, std::string content, Token&& token = {}) {
    return reply(delivery, make_status(std::move(content)), std::forward<Token>(token));
  }

  /// Publishes `response` to the reply address of `delivery`, or to its sender's mailbox if it has none; type,
  /// conversation, correlation and cause are filled in if they are empty. The delivery still wants to be settled.
  /// Errors: as publish, no_such_request (the requester does not wait any more), no_reply_wanted.
  template <class Token = asio::use_awaitable_t<>>
  auto reply(const Delivery& delivery, Message response, Token&& token = {}) {
    return start<PublishReceipt>(
        token, [c = connection_, message = addressed_reply(delivery, std::move(response))](auto done) mutable {
          start_reply(c, std::move(message), std::move(done));
        });
  }

  /// Publishes make_forward(delivery, to). The delivery still wants to be settled; to do both or neither, give the
  /// message to complete(). Errors: as publish.
  template <class Token = asio::use_awaitable_t<>>
  auto forward(const Delivery& delivery, std::string to, Token&& token = {}) {
    return publish(make_forward(delivery, std::move(to)), std::forward<Token>(token));
  }

  /// Where the recipients' copies stand, in the order of the ids (1000 at most).
  template <class Token = asio::use_awaitable_t<>>
  auto receipts(std::vector<Uuid> ids, Token&& token = {}) {
    return start<std::vector<Receipt>>(
        token, [c = connection_, ids = std::move(ids)](auto done) { start_receipts(c, ids, std::move(done)); });
  }

  /// Waits until the mailbox has a message ready, without taking it. Errors: timed_out.
  template <class Token = asio::use_awaitable_t<>>
  auto wait(std::string mailbox, Milliseconds timeout, Token&& token = {}) {
    return start<MailboxReady>(token, [c = connection_, mailbox = std::move(mailbox), timeout](auto done) {
      start_wait(c, mailbox, timeout, std::move(done));
    });
  }

  /// The server's statistics, JSON text (docs/protocol.md, section 9); of one mailbox, or of all with "".
  template <class Token = asio::use_awaitable_t<>>
  auto stats(std::string mailbox = {}, Token&& token = {}) {
    return start<std::string>(token, [c = connection_, mailbox = std::move(mailbox)](auto done) {
      start_stats(c, mailbox, std::move(done));
    });
  }

  /// Makes a mailbox, or changes how it is bounded; done when durable.
  template <class Token = asio::use_awaitable_t<>>
  auto configure_mailbox(std::string mailbox, MailboxOptions options, Token&& token = {}) {
    return start<void>(token, [c = connection_, mailbox = std::move(mailbox), options](auto done) {
      start_mailbox(c, mailbox, options, std::move(done));
    });
  }

  /// Carries out one of the operations of folkmoot/operations.hpp: what it means, its bounds and its answer stand
  /// there.
  ///
  ///   auto page = co_await bus.call(ListDead{.which = {.mailbox = "analyst"}, .limit = 10});
  ///
  /// Completes with its answer; one that says no more than that it was done is void. Those that may be are sent again
  /// when the connection is lost. Errors: invalid_field and out_of_range with the field's name, and the operation's
  /// own.
  template <DescribedOperation Op, class Token = asio::use_awaitable_t<>>
  auto call(Op operation, Token&& token = {}) {
    return start<AnswerOf<Op>>(token, [c = connection_, operation = std::move(operation)](auto done) mutable {
      static constexpr auto kInfo = operation_info<Op>();
      start_operation(c, kInfo, &operation, [done = std::move(done)](Result<std::shared_ptr<void>> answer) mutable {
        if (!answer) return done(std::unexpected(std::move(answer.error())));
        if constexpr (std::is_void_v<AnswerOf<Op>>) {
          done(Result<void>{});
        } else {
          done(std::move(*std::static_pointer_cast<AnswerOf<Op>>(*answer)));
        }
      });
    });
  }
  /// Any call of the server by its name (docs/protocol.md); `arguments` is a JSON object as text. The answer's body:
  /// JSON text, unless the page says otherwise. Not sent again when the connection is lost.
  template <class Token = asio::use_awaitable_t<>>
  auto call(std::string name, std::string arguments = {}, Token&& token = {}) {
    return start<std::string>(token, [c = connection_, name = std::move(name), arguments = std::move(arguments)](
                                         auto done) { start_call(c, name, arguments, std::move(done)); });
  }

  /// Stores `size` bytes on the server, unless it has them, for messages to refer to (Message::content_ref). It keeps
  /// them for a while (content.grace) and for as long as a message refers to them. Errors: content_too_large,
  /// limit_reached, disk_full, those of `source`.
  template <class Token = asio::use_awaitable_t<>>
  auto upload(ContentSource source, std::uint64_t size, Token&& token = {}) {
    return start<ContentRef>(token, [c = connection_, source = std::move(source), size](auto done) mutable {
      start_upload(c, std::move(source), size, std::move(done));
    });
  }
  template <class Token = asio::use_awaitable_t<>>
  auto upload_file(std::string path, Token&& token = {}) {
    return start<ContentRef>(
        token, [c = connection_, path = std::move(path)](auto done) { start_upload_file(c, path, std::move(done)); });
  }
  /// Hands a stored content to `sink`; done when its hash was found right. Errors: not_found, damaged, those of `sink`.
  template <class Token = asio::use_awaitable_t<>>
  auto fetch(ContentRef ref, ContentSink sink, Token&& token = {}) {
    return start<void>(token, [c = connection_, ref, sink = std::move(sink)](auto done) mutable {
      start_fetch(c, ref, std::move(sink), std::move(done));
    });
  }
  /// Into a file, which has its name only when it is whole: it is written as `path`.part before.
  template <class Token = asio::use_awaitable_t<>>
  auto fetch_file(ContentRef ref, std::string path, Token&& token = {}) {
    return fetch_file_seen(ref, std::move(path), {}, std::forward<Token>(token));
  }
  /// The same; `seen` is given each part that is in the file, and may end it with an error.
  template <class Token = asio::use_awaitable_t<>>
  auto fetch_file_seen(ContentRef ref, std::string path, ContentSink seen, Token&& token = {}) {
    return start<void>(token,
                       [c = connection_, ref, path = std::move(path), seen = std::move(seen)](auto done) mutable {
                         start_fetch_file(c, ref, path, std::move(seen), std::move(done));
                       });
  }
  /// All of it. Errors: content_too_large if it has more than `bytes_max`.
  template <class Token = asio::use_awaitable_t<>>
  auto fetch_bytes(ContentRef ref, std::size_t bytes_max, Token&& token = {}) {
    return start<std::string>(
        token, [c = connection_, ref, bytes_max](auto done) { start_fetch_bytes(c, ref, bytes_max, std::move(done)); });
  }
  /// The size of a stored content; nothing if it is not stored.
  template <class Token = asio::use_awaitable_t<>>
  auto find_content(ContentHash hash, Token&& token = {}) {
    return start<std::optional<std::uint64_t>>(
        token, [c = connection_, hash](auto done) { start_find_content(c, hash, std::move(done)); });
  }

  /// There and back.
  template <class Token = asio::use_awaitable_t<>>
  auto ping(Token&& token = {}) {
    return start<void>(token, [c = connection_](auto done) { start_ping(c, std::move(done)); });
  }

  using Handler = std::function<asio::awaitable<Result<void>>(Delivery)>;

  /// What run() does with messages of this type; "" is for all types without a handler of their own. A later handler
  /// takes the place of an earlier one; an empty one removes it. `handler` takes a Delivery (by value or const
  /// reference) and returns void, Result<void>, or an awaitable of either. Returning acks; an Error or an exception
  /// nacks, with its text as reason.
  template <class Function>
  void on(std::string type, Function handler) {
    set_handler(std::move(type), as_handler(std::move(handler)));
  }
  void on(std::string type, std::nullptr_t) { set_handler(std::move(type), Handler{}); }

  /// Consumes `mailbox` and calls the handlers, until close() (Error cancelled) or an error that ends the consumer.
  template <class Token = asio::use_awaitable_t<>>
  auto run(std::string mailbox, RunOptions options = {}, Token&& token = {}) {
    return start<void>(token, [c = connection_, mailbox = std::move(mailbox), options](auto done) {
      start_run(c, mailbox, options, std::move(done));
    });
  }

 private:
  friend class SyncClient;  // carries out operations whose types it does not know
  using Shared = std::shared_ptr<detail::Connection>;
  using Receipts = std::vector<Result<PublishReceipt>>;
  struct Run;
  struct Gathering;

  template <class T, class Token, class Start>
  auto start(Token&& token, Start start) {
    return detail::initiate<T>(std::forward<Token>(token), get_executor(), std::move(start));
  }

  template <class Function>
  static Handler as_handler(Function function) {
    using Returned = std::invoke_result_t<Function&, Delivery>;
    // The function object lives in the handler's own frame, so that a lambda's captures outlive its suspensions.
    return [function =
                std::make_shared<Function>(std::move(function))](Delivery delivery) -> asio::awaitable<Result<void>> {
      auto kept = function;
      if constexpr (std::is_same_v<Returned, asio::awaitable<Result<void>>>) {
        co_return co_await (*kept)(std::move(delivery));
      } else if constexpr (std::is_same_v<Returned, asio::awaitable<void>>) {
        co_await (*kept)(std::move(delivery));
        co_return Result<void>{};
      } else if constexpr (std::is_same_v<Returned, Result<void>>) {
        co_return (*kept)(std::move(delivery));
      } else {
        static_assert(std::is_void_v<Returned>, "a handler returns void, Result<void> or an awaitable of either");
        (*kept)(std::move(delivery));
        co_return Result<void>{};
      }
    };
  }

  static Result<Message> addressed_reply(const Delivery& delivery, Message response);
  static Message make_status(std::string content);
  void set_handler(std::string type, Handler handler);

  static void start_connect(const Shared&, Completion<void>);
  static void start_publish(const Shared&, Message&&, Completion<PublishReceipt>);
  static void start_publish_batch(const Shared&, std::vector<Message>, const BatchOptions&, Completion<Receipts>);
  static void start_publish_nowait(const Shared&, Message&&, Completion<void>);
  // Of leases, or of a message that is held; of a completion the message may be nil: whatever the lease is of.
  static void start_complete(const Shared&, const HeldLease&, std::vector<Message> outputs, Completion<Receipts>);
  static void start_reject(const Shared&, const HeldLease&, const std::string& reason, Completion<void>);
  static void start_ack(const Shared&, const HeldLease&, Completion<void>);
  static void start_nack(const Shared&, const HeldLease&, const NackOptions&, Completion<void>);
  static void start_extend(const Shared&, const HeldLease&, Milliseconds, Completion<void>);
  static void start_reject(const Shared&, const std::vector<std::uint64_t>&, const std::string& reason,
                           Completion<void>);
  static void start_reply(const Shared&, Result<Message>, Completion<PublishReceipt>);
  static void start_subscribe(const Shared&, const std::string& pattern, const SubscribeOptions&,
                              Completion<Subscription>);
  static void start_consume(const Shared&, const std::string& mailbox, const ConsumeOptions&, Completion<Consumer>);
  static void start_receive(const Shared&, const std::string& mailbox, const ReceiveOptions&,
                            Completion<std::vector<Delivery>>);
  static void start_ack(const Shared&, const std::vector<std::uint64_t>&, Completion<void>);
  static void start_nack(const Shared&, const std::vector<std::uint64_t>&, const NackOptions&, Completion<void>);
  static void start_extend(const Shared&, const std::vector<std::uint64_t>&, Milliseconds, Completion<void>);
  static void start_request(const Shared&, Message&&, Milliseconds, StatusHandler, asio::cancellation_slot,
                            Completion<Message>);
  static void start_request_all(const Shared&, std::vector<Message>, const GatherOptions&, Completion<Gathered>);
  static void start_receipts(const Shared&, const std::vector<Uuid>&, Completion<std::vector<Receipt>>);
  static void start_wait(const Shared&, const std::string& mailbox, Milliseconds, Completion<MailboxReady>);
  static void start_stats(const Shared&, const std::string& mailbox, Completion<std::string>);
  static void start_mailbox(const Shared&, const std::string& mailbox, const MailboxOptions&, Completion<void>);
  static void start_ping(const Shared&, Completion<void>);
  static void start_call(const Shared&, const std::string& name, const std::string& arguments, Completion<std::string>);
  static void start_operation(const Shared&, const OperationInfo& operation, const void* arguments,
                              Completion<std::shared_ptr<void>>);
  static void start_upload(const Shared&, ContentSource source, std::uint64_t size, Completion<ContentRef>);
  static void start_upload_file(const Shared&, const std::string& path, Completion<ContentRef>);
  static void start_fetch(const Shared&, const ContentRef&, ContentSink sink, Completion<void>);
  static void start_fetch_file(const Shared&, const ContentRef&, std::string path, ContentSink seen, Completion<void>);
  static void start_fetch_bytes(const Shared&, const ContentRef&, std::size_t bytes_max, Completion<std::string>);
  static void start_find_content(const Shared&, const ContentHash&, Completion<std::optional<std::uint64_t>>);
  static void start_run(const Shared&, const std::string& mailbox, const RunOptions&, Completion<void>);

  Shared connection_;
};

}  // namespace folkmoot
