// A client: an agent's program, which connects, says whatever comes to its mind in frames, reads, is cut off, and comes
// again. What its connections are told is held against what they asked (docs/protocol.md):
//
//   1. Each request is answered once, under its number and by an answer of its kind, or the connection ends.
//   2. What is right is done, what is wrong is refused; QUIET is silent about what is done and about nothing else.
//   3. Deliveries come under numbers of subscriptions and consumers that are there: no more than they have credit for,
//      events in the order of each publisher, none twice, none of other topics.
//   4. A lease that nobody has ended is not refused.
//   5. The server ends a connection by GOODBYE, with the reason there is, after all that it had said before.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "simulation/server/judge.hpp"
#include "simulation/server/virtual_net.hpp"

namespace folkmoot::simulation {

/// What all clients of a run know, and what may happen to them.
struct Surroundings {
  Judge& judge;
  Wires& wires;
  const Time& time;
  std::vector<std::string> agents, mailboxes, topics, patterns;  // the last mailbox is read by nobody in phase one
  std::string token;
  std::size_t shards = 1;
  std::size_t content_bytes_max = 0, frame_bytes_max = 0;
  std::int64_t login_timeout_ms = 0;
  bool is_bounded = false;  // mailboxes may be full
  bool disk_may_fill = false;
  std::int64_t jumped_at = 0;                     // when time last went on by more than a moment
  std::uint64_t traced = 0;                       // the connection whose frames are shown; 0: none
  bool is_stopping = false;                       // the server says so to everybody
  std::vector<std::shared_ptr<Wire>> vanished{};  // whose host is gone

  std::uint64_t frames_sent = 0, frames_read = 0, cuts = 0, goodbyes = 0, answers = 0, deliveries = 0, events = 0,
                refusals = 0, digest = 0;
};

/// A subscription, and what it heard.
struct Hearing {
  std::string pattern;
  bool echo = false;
  bool is_bounded = false;  // has a credit
  std::uint64_t granted = 0, heard = 0, missed = 0;
  std::size_t since = 0;   // events with tags above this are owed; 0: not yet answered
  bool is_ending = false;  // CANCEL is under way
  std::set<Tag> tags{};
  std::map<std::uint64_t, std::uint64_t> last{};  // by the publisher's line
};

class Client {
 public:
  Client(Surroundings& around, std::uint64_t seed, std::string agent)
      : to_(around), random_(seed), agent_(std::move(agent)) {}

  /// Something, if it is not waiting. `connects`: there is a server.
  void act(bool connects);
  /// Reads all that has come.
  void listen();
  /// The process is gone: what was under way comes, or not.
  void on_crash();

  /// The server has stopped: whoever reads was told.
  void expect_farewell();
  bool is_open() const { return wire_ && welcome_; }
  bool is_prompt() const { return is_prompt_; }

  // -- phase two
  /// All is sent on, read and settled at once; nothing new is said. True if there was something to do.
  bool calm();
  /// When nothing more happens: everything that was asked is answered. What was QUIET was done.
  void conclude();
  /// Whether a consumer here would take more of that mailbox.
  bool wants_more_of(std::string_view mailbox) const;
  /// After all have: every event was heard. `is_told`: there was credit since, so what was missed has been told.
  void expect_all_heard(bool is_told) const;
  /// Gives each subscription credit.
  void grant();
  /// Publishes one event to each topic.
  void say_last();
  /// Orderly; what is unsettled goes back.
  void leave();
  /// Connects, and takes all that is in the mailbox, by a consumer of that credit.
  void drain(std::string_view mailbox, std::uint32_t credit);
  /// Deliveries since drain() came in the order of their priorities.
  std::vector<int> priorities;

 private:
  enum class Want : std::uint8_t { good, bad, either };
  struct Held {
    std::uint64_t lease = 0;
    Tag tag = 0;
    std::uint32_t number = 0;    // of the delivery
    std::uint32_t consumer = 0;  // request number; 0: none that has a credit
    bool timed = false;
    std::string reply_to{};
    Tag asked = 0;  // the request that is to be answered there
  };
  struct Asked {
    Opcode what{};
    Want want = Want::good;
    bool quiet = false;
    bool stream = false;
    std::vector<Tag> tags{};
    std::vector<Held> leases{};       // to be settled
    std::size_t bogus = 0;            // leases beside these that nobody has
    std::string body{};               // PING
    std::string name{};               // mailbox or pattern
    bool ends = false;                // ... of a subscription or consumer
    std::uint64_t ended = 0;          // ... of what was asked so
    std::uint64_t serial = 0;         // of what was asked, over all connections
    std::uint32_t target = 0;         // CANCEL
    std::uint32_t most = 0, got = 0;  // RECEIVE; RECEIPT: ids
    bool settles = true;              // ... for good: not NACK, not EXTEND
    std::int64_t at = 0, wait_ms = 0;
    bool timed = false;
    bool is_ending = false;  // CANCEL is under way
  };
  struct Consumer {
    std::string mailbox;
    std::uint64_t granted = 0, taken = 0, returned = 0;
    bool is_ending = false;
  };

  // client_says.cpp: what comes to its mind
  void connect();
  void say_hello();
  void say();
  void publish();
  void publish_wrong();
  void publish_batch();
  void publish_event();
  void subscribe();
  void consume();
  void receive();
  void wait();
  void settle();
  void complete(Held held);
  void answer(const Held& held);
  void request();
  void receipt();
  void ping();
  void cancel();
  void wrong();
  void farewell();  // a frame that ends the connection
  Sent mail(std::string to);
  std::string envelope_of(const Sent& sent, Tag tag, const std::function<void(Message&)>& more = {});
  void put(Opcode opcode, std::uint8_t flags, std::uint32_t number, std::string_view body, std::optional<Asked> asked);
  /// `quiet`: it is in use until the connection ends.
  std::uint32_t number(bool quiet = false);
  std::size_t size();
  std::size_t unanswered() const;

  // client_hears.cpp
  void move(bool all);
  void parse();
  void hear(const Frame& frame);
  void hear_delivery(const Frame& frame);
  void hear_mail(const Frame& frame, Consumer* consumer, Asked* receive, std::uint32_t number);
  void hear_event(const Frame& frame, Hearing& hearing);
  void hear_response(const Frame& frame, std::uint32_t number);
  void on_confirmed(Tag tag, const Confirm& confirm);
  void hear_confirm(const Frame& frame);
  void hear_ok(const Frame& frame);
  void hear_error(const Frame& frame);
  void hear_settled(const Frame& frame);
  void hear_goodbye(const Frame& frame);
  void hear_outcomes(const Asked& asked, Bytes body);
  void on_refused(const Asked& asked, const Error& why);
  Asked take(std::uint32_t number, const std::function<bool(const Asked&)>& fits, std::string_view what);
  Asked* find(std::uint32_t number, Opcode what);
  void on_end();
  void lose();  // the connection: what was asked is never answered
  void cut();
  void trace(char direction, Opcode opcode, std::uint8_t flags, std::uint32_t number, Bytes body) const;
  static bool may_be(const Asked& asked, Opcode answer);

  Surroundings& to_;
  Random random_;
  std::shared_ptr<Wire> wire_;
  std::string out_, in_;
  std::uint64_t line_ = 0, place_ = 0;
  std::string agent_, from_;
  std::map<std::uint32_t, std::deque<Asked>> asked_;
  std::map<std::uint32_t, Hearing> hearings_;
  std::map<std::uint32_t, Consumer> consumers_;
  std::vector<Held> held_;
  std::deque<std::pair<Uuid, Tag>> ids_;
  std::vector<std::uint64_t> old_leases_;
  std::optional<Tag> keyed_;  // the last message that may be sent again
  MailOrder order_;
  bool welcome_ = false, goodbye_ = false;
  bool is_bad_opening_ = false;  // does not begin with a HELLO that is welcome
  bool is_prompt_ = true;        // always reads at once
  bool is_calm_ = false;         // phase two
  bool may_subscribe_ = true;
  bool was_subscribed_ = false;
  bool is_draining_ = false;
  std::uint8_t fatal_ = 0;    // what it said to be ended: an ErrorCode
  bool was_partial_ = false;  // a frame may have come in part

  std::int64_t fatal_at_ = 0;
  std::int64_t stalls_until_ = 0;  // neither reads nor sends
  std::int64_t connected_at_ = 0;
  std::uint32_t next_number_ = 1;
};

}  // namespace folkmoot::simulation
