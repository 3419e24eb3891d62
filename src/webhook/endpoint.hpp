// One webhook: a consumer of its agent's mailbox, over a link to the shard that has it, which takes what may be posted
// now and no more, and settles each message by what its endpoint answered.
//
//   taken (leased) -> held, if it may not go yet -> under way -> settled, rejected or given back
//
// It asks for messages by RECEIVE rather than with a credit that comes back by itself: an endpoint that is paced, rests
// or fails would otherwise be handed messages that nobody posts, which nobody else could have meanwhile. On the thread
// of Deliveries; reads no clock and opens no socket.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "message/operations.hpp"
#include "reliability/circuit_breaker.hpp"
#include "server/link.hpp"
#include "server/webhook_board.hpp"
#include "webhook/failing.hpp"
#include "webhook/pace.hpp"
#include "webhook/poster.hpp"
#include "webhook/verdict.hpp"

namespace folkmoot {

/// Both clocks: one that never goes back, and the wall's.
struct PostTime {
  std::int64_t steady_ms = 0;
  Instant wall = 0;
};

class Endpoint {
 public:
  struct Ways {
    /// A link to the shard; null: the server is stopping.
    std::function<std::shared_ptr<Link>(ShardNumber)> connect;
    /// Begins a request; its outcome comes by end() under the number that is returned.
    std::function<std::uint64_t(PostRequest, const PostLimits&)> post;
    WebhookBoard& board;
  };
  struct Settings {
    std::chrono::milliseconds timeout{10'000};  // where the rule has none
    bool local = false;
    bool notes_answers = false;  // somebody keeps a history
    std::string software{};
  };
  /// What it waits for when it cannot go on.
  struct Wants {
    std::int64_t at = 0;  // that time (steady); 0: none
    bool room = false;    // a request more
  };

  Endpoint(std::string agent, Ways ways) : agent_(std::move(agent)), ways_(std::move(ways)) {}

  void set_rule(ShardNumber shard, WebhookRule rule, PostTime now);
  /// It has failed since then, as a run of the server before had it, which ran until `ran_until` (Unix ms) at least.
  void go_on_failing(const FailingWebhook& before, std::int64_t ran_until, PostTime now);
  /// How it fails, if it did so often enough for its circuit to open; `since` is 0 if it is well.
  FailingWebhook failing() const;
  /// Nothing more is posted. It may be destroyed when is_over().
  void remove();
  bool is_over() const { return is_removed_ && under_way_.empty(); }
  /// Frames that have come.
  void read(PostTime now);
  /// Posts and asks for what may be posted now. `room`: requests that all endpoints may begin; less what is begun.
  Wants go_on(const Settings& settings, PostTime now, std::size_t& room);
  /// Requires: `number` is of this one.
  void end(std::uint64_t number, PostOutcome outcome, const Settings& settings, PostTime now);
  std::size_t under_way() const { return under_way_.size(); }
  void close();

 private:
  // A settlement that is not answered: what it is about, should it be refused.
  struct Settling {
    std::uint64_t lease = 0;
    bool has_outputs = false;
  };

  bool is_enabled() const { return !is_removed_ && rule_.disabled_at == 0 && rule_.revision != disabling_; }
  bool connect();
  void flush();
  // The time from which one more may be posted, as far as that is known; 0: now.
  std::int64_t not_before(std::int64_t now) const;
  // How many may be under way now.
  std::size_t at_a_time(std::int64_t now) const;
  Wants withdraw();
  void ask(std::uint32_t most);
  void stop_asking();
  void on_frame(const Frame& frame, PostTime now);
  void on_settled(const Frame& frame, const Settling& what, PostTime now);
  void begin(const Settings& settings, PostTime now);
  // What is to be said to the shard about a message whose request has ended.
  void settle(const Delivered& message, std::vector<Message> outputs);
  void give_back(const Delivered& message, const Verdict& verdict);
  void note_answer(const Delivered& message, const PostOutcome& outcome);
  void count(const Verdict& verdict, PostTime now);
  void disable(const std::string& reason);
  void tell(PostTime now);
  template <class Op>
  std::uint32_t call(const Op& operation);
  // Whether messages of the mailbox that failed wait by themselves; the answer is looked at when it comes.
  void ask_policy();
  void on_policy(const Frame& frame);
  std::uint32_t next_number();

  const std::string agent_;
  const Ways ways_;
  ShardNumber shard_ = 0;
  WebhookRule rule_;
  std::uint64_t disabling_ = 0;  // the revision that was told to be disabled
  bool is_removed_ = false;
  std::shared_ptr<Link> link_;
  std::string frames_;             // to be sent
  std::uint32_t last_number_ = 0;  // of requests on the link
  std::uint32_t receive_ = 0;      // that is not answered; 0: none
  bool is_cancelled_ = false;      // that one
  std::uint32_t policy_ = 0;       // the call that asks for the mailbox's retry policy; 0: none
  bool has_waits_ = false;         // as it was told: failed messages wait between attempts
  std::deque<Delivered> held_;
  std::map<std::uint64_t, Delivered> under_way_;
  std::map<std::uint32_t, Settling> settling_;
  CircuitBreaker breaker_;
  PostPace pace_;
  std::int64_t rests_until_ = 0;
  bool is_failing_ = false;       // its circuit has opened since something was delivered
  bool was_failing_ = false;      // ... in a run before, and nothing else is known of it since
  std::int64_t excused_ms_ = 0;   // of the time since when it fails: no server ran
  std::int64_t last_failed_ = 0;  // Unix ms
  WebhookState state_;
};

}  // namespace folkmoot
