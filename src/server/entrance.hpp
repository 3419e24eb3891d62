// Where clients come in: by what they show they are let in or not, each of their frames is judged before it is carried
// out, and those who may less than before go, with all that they have open.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "folkmoot/operation/stats.hpp"
#include "server/access_board.hpp"
#include "server/audit_notes.hpp"
#include "server/connections.hpp"
#include "server/credentials.hpp"
#include "server/options.hpp"
#include "server/rare_line.hpp"

namespace folkmoot {

class Accounts;
class Shards;

class Entrance {
 public:
  struct Ways {
    std::function<void(Connection&, const Error&)> say_goodbye;
    std::function<void(SessionId, RequestNumber, const Error&)> refuse;
    std::function<PeerAddress(const Connection&)> address_of;
  };
  /// `now`: Unix ms, as the reactor has it. All must outlive it.
  Entrance(const ServerOptions& options, Accounts& accounts, const Connections& connections, const std::int64_t& now,
           Ways ways)
      : options_(options),
        accounts_(accounts),
        connections_(connections),
        now_(now),
        ways_(std::move(ways)),
        audit_(now, ways_.address_of) {}

  /// Makes it that of one of several shards.
  void join(Shards& shards);
  AccessBoard& board() { return *board_; }
  AuditNotes& audit() { return audit_; }
  /// Whether anybody is asked for anything.
  bool is_guarded() const { return !options_.token.empty() || !board_->policy()->is_empty(); }

  /// Who has just said HELLO, by what it has shown: the agent that it speaks as. Errors: unauthorized, not_permitted,
  /// and limit_reached while too much was wrong before; then it is counted, and said in the log now and then.
  Result<std::string> admit(Connection& connection, std::string_view shown, std::string_view agent);
  /// Whether the frame may be carried out; if not that was answered, or the connection has ended. Requires:
  /// connection.who. What had to be read for that is in frame.routing until the next call.
  bool takes(Connection& connection, Frame& frame);

  /// The same of a PUBLISH whose envelope is the one of that number over again.
  bool takes_again(Connection& connection, const Frame& frame, std::uint64_t envelope) {
    auto& who = *connection.who;
    // Each message has to be looked at for itself, whatever its envelope.
    const bool is_single = options_.accounts.has_pace() || options_.teams.has_pace() || options_.demands;
    if (!is_single && who.allows_again(envelope, board_->version())) [[likely]]
      return true;
    auto judged = frame;
    if (!takes(connection, judged)) return false;
    if (!is_single) who.note_allowed(envelope);
    return true;
  }

  /// The first shard: what of its accounts is durable holds for all from here on.
  void put_up();
  /// ... and the others' connections are looked through for it. Requires: the answers of this turn have been sent.
  void tell();
  /// Once a turn, before anything that other shards have sent is looked at.
  void notice() { noticed_ = board_->told(); }
  /// Once a turn: connections of accounts, when what they may do has changed or the time of one is over. May end them.
  void look();
  /// Whether it must look at once.
  bool is_due() const { return seen_ != board_->told(); }
  /// When it must look, whatever happens; 0: at no time.
  std::int64_t next() const { return next_end_; }
  AccessCounts counts() const {
    return {.logins_failed = logins_failed_, .refused = refused_, .logins_slowed = logins_slowed_};
  }

 private:
  // Who shows that: the key of an account, or a token about one. Errors: unauthorized.
  Result<access::Identity> identify(const access::Policy& policy, std::string_view shown) const;
  // The account of the user at the other end of a Unix socket; empty: none.
  std::string_view account_of_user(const Connection& connection) const;
  // Who it is that shows nothing, by other means; else as identify().
  Result<access::Identity> identify(const Connection& connection, const access::Policy& policy,
                                    std::string_view shown) const;
  // Whose account it would be, if what is shown is right; empty: none's.
  std::string claimed_account(const access::Policy& policy, std::string_view shown) const;
  // Looks at what is shown, unless too much was wrong before.
  Result<std::string> let_in_slowly(Connection& connection, std::string_view shown, std::string_view agent);
  Result<std::string> let_in(Connection& connection, const access::Policy& policy, std::string_view shown,
                             std::string_view agent);
  // False: the connection has ended.
  bool judge_again(Connection& connection);
  void expect_end(const Credentials& who);

  const ServerOptions& options_;
  Accounts& accounts_;
  const Connections& connections_;
  const std::int64_t& now_;
  const Ways ways_;
  AccessBoard own_board_;  // of a server with one shard
  AccessBoard* board_ = &own_board_;
  Shards* shards_ = nullptr;
  AuditNotes audit_;
  std::uint64_t noticed_ = 0;  // the version that was told when this turn began: its answers have come
  std::uint64_t seen_ = 0;     // the version that connections were looked through for
  std::int64_t next_end_ = 0;  // when the time of some connection's account or key is over; 0: of none
  std::uint64_t logins_failed_ = 0, logins_slowed_ = 0, refused_ = 0;
  RareLine line_;
  Routing routing_;  // of the frame that is judged
};

}  // namespace folkmoot
