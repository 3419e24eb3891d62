// The agents: sessions that ask for things, and know what they are owed. Every operation of the engine has one function
// here that notes what must be answered and carries it out; every effect is checked against those notes.
#pragma once

#include <deque>
#include <functional>
#include <optional>

#include "engine/envelope_memo.hpp"
#include "simulation/contents.hpp"
#include "simulation/leases.hpp"
#include "simulation/order.hpp"
#include "simulation/promises.hpp"
#include "simulation/random.hpp"

namespace folkmoot::simulation {

/// What an unanswered request number stands for.
struct Ask {
  enum class Kind : std::uint8_t {
    publish,
    batch,
    request,
    request_now,
    plain,
    receive,
    wait,
    settle,
    cancel,
    purge,
    redrive,
    remove,
    wakes
  } kind{};
  std::vector<std::uint64_t> numbers;  // of messages published, or settled
  std::vector<LeaseToken> refused;     // leases that must be refused
  std::vector<Uuid> held_ids{};        // the messages of the other leases
  std::uint32_t settled = 0;
  std::size_t mailbox = 0;
  std::uint32_t max = 0, delivered = 0;
  std::int64_t deadline = 0, lease_ms = 0;
  std::optional<MailboxLimits> limits;
  bool quiet = false;                    // answered only if refused
  bool together = false;                 // all of the messages or none
  std::uint64_t input = 0;               // number of the message that complete() settles
  std::uint64_t resend_of = 0;           // number of the dead letter that is sent again
  bool stream = false;                   // of a request: statuses are wanted
  std::optional<ErrorCode> error{};      // it must be refused like this
  std::set<std::uint64_t> unwanted{};    // numbers of replies to senders that expect none
  std::optional<std::uint32_t> heard{};  // of an event among the outputs: how many got it
  bool has_event = false;                // there is one
  Uuid held{};                           // of a request in memory that somebody got: under which id
  struct Hands {
    SessionId taker = 0;  // 0: nobody's
    std::size_t agent = 0;
    bool bound = false;
  } hands{};  // who got a request in memory, or settled another
};

struct AgentSession {
  struct Consumer {
    std::size_t mailbox = 0;
    std::int64_t credit = 0;
    bool ended = false;
  };
  struct Subscription {
    std::string pattern;
    std::uint32_t credit = 0, skipped = 0;
    bool limited = false, echo = false;
    std::uint64_t serial = 0;
    Priority priority_max = 0;  // its filter; 0: none
  };
  SessionId id = 0;
  std::size_t agent = 0;
  bool writable = true;
  RequestNumber next_request{1};
  std::map<RequestNumber, Ask> asks;
  std::map<RequestNumber, Consumer> consumers;
  std::map<RequestNumber, Subscription> subscriptions;
};

/// An event that comes of a message.
struct EventOutput {
  std::string topic;
  std::uint32_t conversation = 0, tokens = 0;  // as in Published
};

/// What the server says of whose this agent's messages are; empty: nothing.
const std::string& provenance_of(std::string_view sender);

struct ReplyAddress {
  std::string text;
  SessionId session = 0;
  RequestNumber request = 0;
  std::uint64_t number = 0;
  bool is_status = false;  // of a response that is expected
};

class Agents final : public Effects {
 public:
  Agents(Model& model, Promises& promises, OrderChecker& order, Leases& leases, RuleCounts& rules, Random& random)
      : model_(model),
        promises_(promises),
        order_(order),
        leases_(leases),
        rules_(rules),
        random_(random),
        contents_(model, rules) {}

  void attach(Engine* engine) { engine_ = engine; }
  void crash();

  // What the world tells.
  bool disk_full = false;  // right now
  bool serving = false;    // the engine may hand out
  bool calm = false;       // connections take all they get

  // Operations.
  AgentSession& open(std::size_t agent);
  void close(AgentSession& session);
  void publish(AgentSession& session, const Published& asked, std::size_t bytes, bool quiet);
  void publish_batch(AgentSession& session, const std::vector<Published>& asked, bool quiet);
  /// Once more what was published with a key before, as a sender does that has seen no confirmation.
  void publish_again(AgentSession& session);
  void publish_atomic(AgentSession& session, const std::vector<Published>& asked, bool quiet);
  /// `event`: comes of it as well, and goes out when the rest is durable.
  void complete(AgentSession& session, LeaseToken token, std::vector<Published> outputs,
                const std::optional<EventOutput>& event);
  void publish_event(AgentSession& session, const std::string& topic, Priority priority);
  void request(AgentSession& session, Published asked, std::int64_t timeout_ms, bool stream);
  /// `cause`: a message that is named as what the answer follows from.
  void respond(AgentSession& session, const ReplyAddress& address, bool is_status, const Uuid& cause);
  /// One who may answer there, if there is one: with the message that hands the request on to it, or by itself.
  std::pair<AgentSession*, Uuid> answerer(const ReplyAddress& address);
  /// Addresses where somebody waits, each with the id of a message in somebody's hands that hands its request on.
  std::vector<std::pair<ReplyAddress, Uuid>> handed_on();
  void subscribe(AgentSession& session, const std::string& pattern, std::uint32_t credit, bool echo,
                 Priority priority_max);
  void set_filter(AgentSession& session, RequestNumber target, Priority priority_max);
  void consume(AgentSession& session, std::size_t mailbox, std::uint32_t credit);
  void credit(AgentSession& session, RequestNumber target, std::uint32_t amount);
  void cancel(AgentSession& session, RequestNumber target);
  void receive(AgentSession& session, std::size_t mailbox, std::uint32_t max, std::int64_t wait_ms,
               std::int64_t lease_ms);
  void wait(AgentSession& session, std::size_t mailbox, std::int64_t timeout_ms);
  void ack(AgentSession& session, const std::vector<LeaseToken>& tokens, bool quiet);
  void nack(AgentSession& session, const std::vector<LeaseToken>& tokens, std::int64_t delay_ms, bool quiet);
  void reject(AgentSession& session, const std::vector<LeaseToken>& tokens, bool quiet);
  /// `settles`: it is not taken back, but settled as it waits.
  void cancel_message(AgentSession& session, bool settles);
  void purge(AgentSession& session, std::size_t mailbox, std::size_t limit);
  void resubmit(AgentSession& session);
  void redrive(AgentSession& session, std::size_t mailbox, std::optional<std::size_t> to, std::uint32_t limit,
               std::uint32_t per_second);
  void set_schedule(AgentSession& session, ScheduleSpec spec, const Published& asked);
  void remove_schedule(AgentSession& session, const std::string& name);
  void set_route(AgentSession& session, const std::string& name, const RouteSpec& spec);
  void remove_route(AgentSession& session, const std::string& name);
  /// Has something changed that the engine keeps, by `ask_for_it`; which checker expects what, who calls has said.
  /// `is_there`: what is to be changed or withdrawn.
  void keep(AgentSession& session, bool is_there, const std::function<void(Engine&, Asker)>& ask_for_it);
  void set_wake(AgentSession& session, const WakeRule& rule);
  void remove_wake(AgentSession& session, std::size_t mailbox);
  /// Of one mailbox, or of all.
  void take_wakes(AgentSession& session, std::optional<std::size_t> mailbox, std::uint32_t limit, std::int64_t wait_ms,
                  std::int64_t lease_ms);
  void end_wake(AgentSession& session, const std::string& agent, MessageKey token, WakeEnd end);
  /// A message that leaves it to the routes who gets it.
  void publish_routed(AgentSession& session, Published asked);
  void route(Published& asked);
  /// Some message that may be named as a cause, `deepest`: one with the most causes before it; nil if there is none.
  Uuid any_cause(bool deepest);
  void extend(AgentSession& session, const std::vector<LeaseToken>& tokens, std::int64_t lease_ms);
  /// `own`: which of the limits are set; `reset`: all others are the server's again.
  void configure(AgentSession& session, std::size_t mailbox, const MailboxLimits& limits, std::uint8_t own, bool reset);
  void delete_mailbox(AgentSession& session, std::size_t mailbox);
  void writable(AgentSession& session);

  // The engine's life.
  void on_fact(FactKind kind, FactPlace place, Bytes body);
  void advance(std::int64_t now);
  void on_durable(Lsn end);
  void dispatch();
  void stop();

  std::map<SessionId, AgentSession>& sessions() { return sessions_; }
  const std::deque<ReplyAddress>& addresses() const { return addresses_; }
  Leases& leases() { return leases_; }
  ContentChecker& contents() { return contents_; }
  std::uint64_t operations() const { return operations_; }
  /// Requests that must be answered without time passing.
  std::size_t unanswered() const;

  // Effects.
  bool deliver(SessionId session, const OutgoingDelivery& delivery) override;
  void confirm(SessionId session, RequestNumber request, const Confirm& confirm) override;
  void answer(SessionId id, RequestNumber request, const Reply& reply) override;
  void outcomes(SessionId id, RequestNumber request, std::span<const Result<Confirm>> outcomes) override;
  void settled(SessionId session, RequestNumber request, std::uint32_t settled,
               std::span<const LeaseToken> refused) override;
  void refuse(SessionId session, RequestNumber request, const Error& error) override;
  void lagged(SessionId session, RequestNumber request, std::uint32_t count) override;
  void withdrawn(SessionId session, LeaseToken lease, const Uuid& id) override;
  void woken(SessionId id, RequestNumber request, std::span<const WokenView> wakes) override;
  void withdrawn_in_memory(SessionId id, const Uuid& message);
  bool remove_content(const ContentHash& hash) override;
  [[noreturn]] void unreadable(const Error& error) override;

 private:
  struct Written {
    std::string envelope, content;
  };
  Written write(const Message& message, std::uint64_t number, std::size_t bytes) const;
  Written write(const Published& asked, std::uint64_t number, std::size_t bytes,
                std::optional<DeliveryMode> mode) const;
  /// Strings move, so the views are taken where they come to rest.
  static IncomingMessage at_rest(const Written& written);
  const IncomingMessage& incoming(const Written& written);
  AgentSession* find(SessionId id);
  Ask& ask(AgentSession& session, Ask::Kind kind);
  Ask take_ask(AgentSession& session, RequestNumber request);
  void call(const std::function<void()>& command);
  void publish_as(AgentSession& session, std::uint64_t number, std::size_t bytes, bool quiet);
  struct Several;
  Several write_all(Ask& mine, const std::vector<Published>& asked);
  void call_together(const std::vector<Published>& asked, const std::function<void()>& command);
  bool has_free_consumer(std::size_t mailbox) const;
  Published sent_again(const ModelMessage& dead) const;
  Ask* waiting_at(const ReplyAddress& address);
  static Ask::Hands hands_of(const ModelLease& lease) { return {lease.taker, lease.agent, lease.session != 0}; }
  bool is_in_hands_of(const Ask::Hands& hands, std::size_t mailbox, const AgentSession& session);
  bool may_answer(const AgentSession& session, const ReplyAddress& address, const Ask& asked, const Uuid& cause);
  using Settled = std::pair<std::uint64_t, Ask::Hands>;  // number
  std::vector<Settled> in_hands(const std::vector<LeaseToken>& tokens);
  void note_settled_requests(const std::vector<Settled>& settled);
  void settle_failed(AgentSession& session, const std::vector<LeaseToken>& tokens, bool quiet,
                     const std::function<void(RequestNumber request)>& command);
  void note_settled(const std::vector<LeaseToken>& tokens, Promises::End how);
  const ModelMessage* any_message(const std::function<bool(const ModelMessage&)>& fits);
  void step(std::int64_t now);
  void check_full_together(const Ask& mine) const;
  void expect_event(const AgentSession* publisher, const std::string& topic, Priority priority = normal,
                    const std::optional<Caused>& caused = {});
  Ask settle(AgentSession& session, const std::vector<LeaseToken>& tokens);
  void lease_ended(LeaseToken token);
  void look_at_wakes();
  bool wakes_refused(const Ask& mine, const Error& error);
  void saw_refusal(ErrorCode code);
  void on_confirmed(std::uint64_t number, const Confirm& confirm);
  void check_refusal(std::uint64_t number, const Error& error);
  void on_events_due();
  bool on_event(AgentSession& session, const OutgoingDelivery& delivery, const Routing& routing);
  bool on_failure(AgentSession& session, const OutgoingDelivery& delivery, const Routing& routing);
  bool on_response(AgentSession& session, const OutgoingDelivery& delivery, const Routing& routing);
  bool on_mail(AgentSession& session, const OutgoingDelivery& delivery, const Routing& routing, std::uint64_t number);

  struct ExpectedEvent {
    SessionId session = 0;
    RequestNumber request = 0;
    std::optional<Caused> caused{};
    std::string topic{};
  };

  Model& model_;
  Promises& promises_;
  OrderChecker& order_;
  Leases& leases_;
  RuleCounts& rules_;
  Random& random_;
  ContentChecker contents_;
  EnvelopeMemo last_envelope_;
  std::string together_;  // what incoming() gave points into it
  IncomingMessage incoming_;
  Engine* engine_ = nullptr;
  std::map<SessionId, AgentSession> sessions_;
  std::deque<ReplyAddress> addresses_;
  std::deque<ExpectedEvent> events_;
  std::optional<ReplyAddress> response_;
  struct Sent {
    std::uint64_t number = 0, life = 0;
  };
  std::deque<Sent> keyed_;  // the last messages with a key; senders remember them through crashes
  std::uint64_t life_ = 0;
  bool withdrawn_ = false;            // somebody was told so
  bool refused_ = false;              // something was, in this call
  std::optional<ErrorCode> refusal_;  // as what
  bool stopped_ = false;              // what is asked in memory is beyond a limit on loops
  bool guarding_ = false;  // what is asked in memory is beyond a limit on loops, and nobody has heard of it yet
  std::map<std::size_t, std::int64_t> tried_again_;  // when a mailbox is whose mail had no room in memory
  bool credit_moved_ = false;                        // an event had the credit of another, in this life
  bool due_together_ = false;                        // events are due of facts that became durable together
  std::uint32_t next_serial_ = 1;
  std::uint64_t operations_ = 0;
};

}  // namespace folkmoot::simulation
