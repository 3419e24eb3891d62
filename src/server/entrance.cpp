#include "server/entrance.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "access/api_key.hpp"
#include "access/jwt.hpp"
#include "engine/accounts/accounts.hpp"
#include "server/demanded_frames.hpp"
#include "server/peer.hpp"
#include "server/reactor.hpp"
#include "server/shards.hpp"

namespace folkmoot {
namespace {

// Between shards nobody has to show anything: who it is was asked where the client came in. Nor has a webhook: whoever
// set it was asked.
bool is_of_server(const Connection& connection) { return is_own(connection.door); }

// Null: it speaks no TLS.
const VerifiedPeer* certified_of(const Connection& connection) {
  if (connection.link) return &connection.link->origin.certified;
  return connection.tls ? &connection.tls->verified() : nullptr;
}

// What every message of the connection says of it; nothing if nobody was asked.
std::string provenance_of(const Connection& connection) {
  if (!connection.who && !connection.by_token) return {};
  Provenance out{.door = std::string(name(connection.door)), .verified = "token", .trust = "shared"};
  if (!connection.who) return pack(out);
  const auto& identity = connection.who->identity();
  out.account = identity.account->name;
  out.verified = access::kProofWords[static_cast<std::size_t>(identity.proof)];
  out.trust = "account";
  return pack(out);
}

// What an endpoint answers comes by a request that the server itself has made, to where whoever administers has said.
const std::string& provenance_of_endpoint() {
  static const auto kPacked = pack(Provenance{.door = "webhook", .verified = "endpoint", .trust = "account"});
  return kPacked;
}

}  // namespace

void Entrance::join(Shards& shards) {
  shards_ = &shards;
  board_ = &shards.access();
}

Result<access::Identity> Entrance::identify(const access::Policy& policy, std::string_view shown) const {
  if (!options_.jwt || !access::JwtVerifier::is_token(shown)) return access::identify(policy, shown, Instant{now_});
  auto subject = options_.jwt->verify(shown, Instant{now_});
  if (!subject) return std::unexpected(std::move(subject.error()));
  return access::identify_subject(policy, subject->name, access::Proof::jwt, subject->expires_at, Instant{now_});
}

std::string_view Entrance::account_of_user(const Connection& connection) const {
  if (options_.unix_accounts.empty() || !connection.is_unix || connection.socket < 0) return {};
  const auto user = peer_user(connection.socket);
  const auto found = user ? options_.unix_accounts.find(*user) : options_.unix_accounts.end();
  return found == options_.unix_accounts.end() ? std::string_view() : std::string_view(found->second);
}

// What is shown comes first: a certificate may be no more than what TLS asks for.
Result<access::Identity> Entrance::identify(const Connection& connection, const access::Policy& policy,
                                            std::string_view shown) const {
  if (!shown.empty()) return identify(policy, shown);
  if (const auto user = account_of_user(connection); !user.empty())
    return access::identify_subject(policy, user, access::Proof::user, Instant{}, Instant{now_});
  const auto* const certified = certified_of(connection);
  if (certified == nullptr || certified->name.empty()) return identify(policy, shown);
  auto identity = access::identify_subject(policy, certified->name, access::Proof::certificate,
                                           Instant{certified->until}, Instant{now_});
  if (!identity) identity.error().text.insert(0, "by its certificate: ");
  return identity;
}

std::string Entrance::claimed_account(const access::Policy& policy, std::string_view shown) const {
  if (!options_.jwt || !access::JwtVerifier::is_token(shown)) return std::string(access::account_of_key(policy, shown));
  auto subject = access::JwtVerifier::claimed_subject(shown);
  return policy.find(subject) == nullptr ? std::string() : subject;
}

Result<std::string> Entrance::let_in_slowly(Connection& connection, std::string_view shown, std::string_view agent) {
  const auto policy = board_->policy();
  if (options_.token.empty() && policy->is_empty()) return std::string(agent);
  const auto per_minute = options_.login.failures_per_minute;
  if (shown.empty() || per_minute == 0) return let_in(connection, *policy, shown, agent);
  auto& brake = board_->brake();
  const auto account = claimed_account(*policy, shown);
  const LoginBrake::Attempt attempt{ways_.address_of(connection), account, shown};
  if (const auto wait_ms = brake.wait_ms(attempt, per_minute, now_); wait_ms != 0) {
    ++logins_slowed_;
    return std::unexpected(
        error_until(wait_ms,
                    fmt::format("{} has shown what is wrong more than {} times a minute (login.failures_per_minute)",
                                attempt.address.text(), per_minute),
                    "show what is right,"));
  }
  auto done = let_in(connection, *policy, shown, agent);
  if (!done && done.error().code == ErrorCode::unauthorized) {
    brake.note_failure(attempt, per_minute, now_);
  } else if (done || done.error().code != ErrorCode::busy) {  // busy: it could not be looked at (an issuer's keys)
    brake.note_success(attempt, now_);
  }
  return done;
}

Result<std::string> Entrance::let_in(Connection& connection, const access::Policy& policy, std::string_view shown,
                                     std::string_view agent) {
  const auto& token = options_.token;
  connection.by_token = !token.empty() && access::same_secret(shown, token);
  if (connection.by_token) return std::string(agent);
  if (policy.is_empty()) {
    return failure(ErrorCode::unauthorized,
                   shown.empty() ? "this server wants a token" : "the token is not this server's");
  }
  auto identity = identify(connection, policy, shown);
  if (!identity) return std::unexpected(std::move(identity.error()));
  auto who = Credentials::make(std::move(*identity), policy, agent);
  if (!who) return std::unexpected(std::move(who.error()));
  const auto& account = (*who)->identity().account->name;
  Credentials::Uses uses{board_->note_use(account, now_), board_->use_of_team(account)};
  if (auto joined = (*who)->join(std::move(uses), options_.accounts, options_.teams); !joined)
    return std::unexpected(std::move(joined.error()));
  connection.who = std::move(*who);
  expect_end(*connection.who);
  return connection.who->agent();
}

Result<std::string> Entrance::admit(Connection& connection, std::string_view shown, std::string_view agent) {
  if (is_of_server(connection)) {
    if (connection.door == DoorKind::webhook && is_guarded()) connection.provenance = provenance_of_endpoint();
    return std::string(agent);
  }
  auto done = let_in_slowly(connection, shown, agent);
  if (done) connection.provenance = provenance_of(connection);
  audit_.note_login(connection, agent, done);
  if (done) return done;
  ++logins_failed_;
  if (line_.is_due(now_))
    spdlog::warn("somebody was not let in: {}; {} so far (in this shard)", done.error().text, logins_failed_);
  return done;
}

bool Entrance::takes(Connection& connection, Frame& frame) {
  auto& who = *connection.who;
  if (who.version() != board_->version() && !judge_again(connection)) return false;
  const auto expires_at = who.identity().expires_at;
  if (expires_at != 0 && Instant{now_} >= expires_at && !judge_again(connection)) return false;
  auto allowed = who.allow(frame, routing_);
  // Who sends too much costs no signatures.
  const auto &quotas = options_.accounts, &of_team = options_.teams;
  if (allowed && (quotas.has_pace() || of_team.has_pace())) allowed = who.take_pace(frame, quotas, of_team, now_);
  if (allowed && options_.demands) allowed = check_demands(*options_.demands, frame, who.agent(), now_);
  if (allowed) return true;
  ++refused_;
  audit_.note_refusal(connection, frame, allowed.error());
  ways_.refuse(connection.id, RequestNumber{frame.header.request}, allowed.error());
  return false;
}

bool Entrance::judge_again(Connection& connection) {
  const auto kept = connection.who->judge_again(*board_->policy(), Instant{now_});
  if (kept && *kept) return true;
  ways_.say_goodbye(
      connection,
      kept ? Error{ErrorCode::connection_lost, "what this account may do has changed", "connect again"} : kept.error());
  return false;
}

void Entrance::expect_end(const Credentials& who) {
  const auto at = who.identity().expires_at.ms;
  if (at != 0) next_end_ = next_end_ == 0 ? at : std::min(next_end_, at);
}

void Entrance::put_up() {
  if (options_.engine.shard != 0 || board_->version() == accounts_.version()) return;
  board_->put_up(accounts_.policy());
}

void Entrance::tell() {
  if (options_.engine.shard != 0 || board_->told() == board_->version()) [[likely]]
    return;
  board_->tell();
  if (shards_ == nullptr) return;
  for (auto* const reactor : shards_->reactors) reactor->postbox().wake();
}

void Entrance::look() {
  put_up();
  const bool some_end = next_end_ != 0 && now_ >= next_end_;
  if (seen_ == noticed_ && !some_end) [[likely]]
    return;
  seen_ = noticed_;
  next_end_ = 0;
  const auto policy = board_->policy();
  connections_.each([&](Connection& connection) {
    if (connection.state != Connection::State::open || is_of_server(connection)) return;
    if (connection.who) {
      if (judge_again(connection)) expect_end(*connection.who);
    } else if (!connection.by_token && !policy->is_empty()) {
      ways_.say_goodbye(connection, {ErrorCode::unauthorized, "there are accounts now, and this connection has none",
                                     "connect again with the key of an account"});
    }
  });
}

}  // namespace folkmoot
