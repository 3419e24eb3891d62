// Who is behind a client's connection, and whether a frame of it may be carried out. This is where frames come into the
// server, whatever door they came by, so it is the one place where that is asked: other shards trust this one. A
// connection without credentials (no accounts are there, or it has shown the server's token) is asked nothing.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "access/account_use.hpp"
#include "access/mandate.hpp"
#include "message/envelope.hpp"
#include "message/frame.hpp"
#include "server/operations/call_codec.hpp"
#include "server/options.hpp"

namespace folkmoot {

class Credentials {
 public:
  /// `agent`: whom it wants to speak as; empty: as whom its account does by itself. Errors: not_permitted.
  static Result<std::unique_ptr<Credentials>> make(access::Identity identity, const access::Policy& policy,
                                                   std::string_view agent);

  const access::Identity& identity() const { return identity_; }
  /// The version of the policy that it was judged by last.
  std::uint64_t version() const { return version_; }
  /// Whom its connection speaks as; empty: nobody, which only those may whom nothing is refused.
  const std::string& agent() const { return agent_; }
  /// It acts for its own agent alone: what others hold or sent is not its to settle or take back.
  bool is_bound() const { return !mandate_.has(Right::administer); }

  /// Whether the envelope of that number (EnvelopeMemo) was allowed by the policy of that version, and would be again:
  /// what a sender that repeats itself costs.
  bool allows_again(std::uint64_t envelope, std::uint64_t policy) const {
    return envelope == allowed_envelope_ && policy == version_;
  }
  /// It was allowed, whatever its content, now and later.
  void note_allowed(std::uint64_t envelope) {
    if (!mandate_.looks_inside() && identity_.expires_at == 0) allowed_envelope_ = envelope;
  }
  /// Errors: not_permitted. What does not parse is for those to refuse who carry it out. `routing`: where the envelope
  /// of the frame's message is read, if it has to be; then the frame says so.
  Result<void> allow(Frame& frame, Routing& routing);
  bool has(Right right) const { return mandate_.is_unbound() || mandate_.has(right); }
  struct Uses {
    std::shared_ptr<access::AccountUse> account, team;
  };
  /// It is one more of the account's connections, and of its team's. Errors: limit_reached.
  Result<void> join(Uses uses, const AccountQuotas& of_account, const AccountQuotas& of_team);
  /// What the frame sends is taken from what its account and its team may send a second. Errors: limit_reached.
  Result<void> take_pace(const Frame& frame, const AccountQuotas& of_account, const AccountQuotas& of_team,
                         std::int64_t now);
  /// By another policy from now on. False: less is allowed than before, so its connection must end, with all that it
  /// has open. Errors: unauthorized.
  Result<bool> judge_again(const access::Policy& policy, Instant now);

 private:
  Credentials(access::Identity identity, access::Mandate mandate, std::uint64_t version)
      : identity_(std::move(identity)), mandate_(std::move(mandate)), version_(version) {}

  Result<void> want(Right right, std::string_view what) const;
  Result<void> want(AccessAction action, std::string_view resource, Right base,
                    const FilterInput* message = nullptr) const;
  Result<void> want_sender(std::string_view from) const;
  Result<void> allow_its_message(Frame& frame, std::size_t front, Routing& routing);
  Result<void> allow_message(Bytes message, Routing& routing);
  Result<void> allow_messages(Bytes list, Routing& routing);
  bool is_allowed_again(Bytes message) const;
  Result<void> allow_call(Bytes body);
  Result<void> allow_resource(const ReadCall& call);
  Result<void> allow_brought(const Message& message);
  Result<void> allow_changes(std::string_view json) const;
  Result<void> want_unseen(AccessAction action, std::string_view resource, Right base) const;
  Result<void> allow_agent(const ReadCall& call) const;
  Result<void> allow_agents(const ReadCall& call, const std::vector<std::string>& agents) const;
  static std::uint32_t messages_of(const Frame& frame);
  struct Sent {
    std::uint32_t messages = 0, bytes = 0;
  };
  static Result<void> take(access::AccountUse& use, const AccountQuotas& quotas, Sent sent, std::string_view whose,
                           std::string_view settings, std::int64_t now);
  std::unexpected<Error> refused(std::string_view what, std::string_view why) const;

  access::Identity identity_;
  Uses uses_;                                // of all connections of the account, and of its team
  access::ConnectionSlot slot_, team_slot_;  // held, unless nothing is refused it
  access::Mandate mandate_;
  std::uint64_t version_ = 0;
  std::string agent_;
  std::string allowed_;                 // the envelope that was allowed last, if one like it is allowed too
  std::uint64_t allowed_envelope_ = 0;  // its number, likewise
};

}  // namespace folkmoot
