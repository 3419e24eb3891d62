#include "server/credentials.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

#include "base/utf8.hpp"
#include "message/json_document.hpp"
#include "message/json_mapping.hpp"
#include "message/json_splice.hpp"
#include "message/limits.hpp"
#include "operation/fields.hpp"
#include "operation/frames.hpp"
#include "server/command.hpp"

namespace folkmoot {
namespace {

using access::Mandate;

constexpr std::size_t kNamesShown = 5;
constexpr std::size_t kRememberedMax = 512;  // bytes of an envelope

// Of frames that the list has; a CALL is asked by its operation.
std::optional<Right> right_of(Opcode opcode) {
  const auto* const row = find_frame(opcode);
  return row == nullptr ? std::nullopt : std::optional(row->right);
}

// Whom an account speaks as that does not say: under its own name, if that is one of its names.
std::string agent_of(const access::Account& account) {
  if (access::owns(account.names, account.name)) return account.name;
  const auto exact = std::ranges::find_if(account.names, [](const auto& name) { return !name.contains('*'); });
  return exact == account.names.end() ? account.name : *exact;
}

// Its names, for who has its key.
std::string some_of(std::span<const std::string> names) {
  const auto shown = names.first(std::min(names.size(), kNamesShown));
  return fmt::format("{}{}", fmt::join(shown, ", "), names.size() > shown.size() ? " and others" : "");
}

}  // namespace

Result<std::unique_ptr<Credentials>> Credentials::make(access::Identity identity, const access::Policy& policy,
                                                       std::string_view agent) {
  Mandate mandate(policy, *identity.account);
  std::string speaks_as(agent);
  if (speaks_as.empty() && !mandate.is_unbound()) speaks_as = agent_of(*identity.account);
  if (!speaks_as.empty() && !mandate.owns(speaks_as)) {
    return failure(ErrorCode::not_permitted,
                   fmt::format("the account {} may not speak as {}", identity.account->name, printable(speaks_as)),
                   fmt::format("say one of the account's names, which are {}; or have an admin give it that one "
                               "(`folkmoot account change --speaks-as`)",
                               some_of(identity.account->names)));
  }
  std::unique_ptr<Credentials> out(new Credentials(std::move(identity), std::move(mandate), policy.version));
  out->agent_ = std::move(speaks_as);
  return out;
}

Result<bool> Credentials::judge_again(const access::Policy& policy, Instant now) {
  auto identity = access::identify_again(policy, identity_, now);
  if (!identity) return std::unexpected(std::move(identity.error()));
  Mandate mandate(policy, *identity->account);
  const bool keeps_all = mandate.keeps_all_of(mandate_);
  identity_ = std::move(*identity);
  mandate_ = std::move(mandate);
  version_ = policy.version;
  allowed_.clear();
  allowed_envelope_ = 0;
  return keeps_all;
}

std::unexpected<Error> Credentials::refused(std::string_view what, std::string_view why) const {
  return failure(ErrorCode::not_permitted, fmt::format("{} may not {}: {}", identity_.account->name, what, why),
                 "an admin of this server can allow it (`folkmoot access grant`, `account change`): quote this line to "
                 "one");
}

Result<void> Credentials::want(Right right, std::string_view what) const {
  if (mandate_.has(right)) return {};
  return refused(what, fmt::format("role {} does not have the right to {}", identity_.account->role,
                                   kRightWords[static_cast<std::size_t>(right)]));
}

Result<void> Credentials::want(AccessAction action, std::string_view resource, Right base,
                               const FilterInput* message) const {
  const auto finding = mandate_.decide(action, resource, base, message);
  if (finding.allowed) return {};
  return refused(
      fmt::format("{} {}", kAccessActionWords[static_cast<std::size_t>(action)], is_name(resource) ? resource : "that"),
      mandate_.explain(finding, action, resource));
}

Result<void> Credentials::want_sender(std::string_view from) const {
  if (from.empty() || from == agent_ || mandate_.owns(from)) return {};
  return refused(fmt::format("send as {}", printable(from)), "that is none of the account's names");
}

Result<void> Credentials::allow(Frame& frame, Routing& routing) {
  if (mandate_.is_unbound()) return {};
  const auto body = frame.body;
  switch (frame.header.opcode) {
    case Opcode::publish:
      return allow_its_message(frame, 0, routing);
    case Opcode::request:
      return allow_its_message(frame, sizeof(std::uint32_t), routing);
    case Opcode::publish_batch:
      return allow_messages(body, routing);
    case Opcode::complete: {
      if (auto good = want(Right::consume, "settle messages"); !good) return good;
      const auto front = sizeof(LeaseToken) + (names_its_message(frame) ? sizeof(Uuid) : 0);
      return body.size() < front ? Result<void>{} : allow_messages(body.subspan(front), routing);
    }
    case Opcode::subscribe:
      return want(AccessAction::subscribe, text_under(body, 0), Right::consume);
    case Opcode::consume:
    case Opcode::receive:
    case Opcode::wait:
      return want(AccessAction::consume, text_under(body, 0), Right::consume);
    case Opcode::stats:
      if (const auto mailbox = text_under(body, 0); !mailbox.empty() && mandate_.owns(mailbox)) return {};
      return want(Right::observe, "look at statistics");
    case Opcode::call:
      return allow_call(body);
    case Opcode::content_stat:
    case Opcode::content_read:
      if (mandate_.has(Right::observe)) return {};
      return want(Right::consume, "read contents");
    case Opcode::ping:  // these three are about what the connection itself has asked for
    case Opcode::cancel:
    case Opcode::credit:
      return {};
    default: {
      const auto right = right_of(frame.header.opcode);
      return right ? want(*right, find_frame(frame.header.opcode)->word) : Result<void>{};
    }
  }
}

// An envelope that is byte for byte the one that was allowed last is allowed, unless rules look at contents.
bool Credentials::is_allowed_again(Bytes message) const {
  return !allowed_.empty() && message.size() >= allowed_.size() &&
         std::memcmp(message.data(), allowed_.data(), allowed_.size()) == 0;
}

// Behind `front` bytes of the body.
Result<void> Credentials::allow_its_message(Frame& frame, std::size_t front, Routing& routing) {
  if (frame.body.size() < front || is_allowed_again(frame.body.subspan(front))) return {};
  auto done = allow_message(frame.body.subspan(front), routing);
  if (routing.bytes != 0) frame.routing = &routing;
  return done;
}

Result<void> Credentials::allow_message(Bytes message, Routing& routing) {
  routing = {};
  if (!read_routing(message, routing, Recipient::optional)) {
    routing.bytes = 0;
    return {};
  }
  if (auto good = want_sender(routing.from); !good) return good;
  std::optional<FilterInput> input;
  if (mandate_.looks_inside()) input.emplace(message.first(routing.bytes), message.subspan(routing.bytes));
  const auto* const inside = input ? &*input : nullptr;
  if (!routing.topic.empty()) {
    if (auto good = want(AccessAction::publish, routing.topic, Right::publish, inside); !good) return good;
  }
  if (routing.to.starts_with('@')) {
    // The address of an answer is given to whom was asked, and to nobody else.
    if (auto good = want(Right::publish, "send messages"); !good) return good;
  } else if (!routing.to.empty() || routing.topic.empty()) {
    if (auto good = want(AccessAction::send, routing.to, Right::publish, inside); !good) return good;
  }
  if (!routing.conversation.empty()) {
    auto good = want(AccessAction::conversation, routing.conversation, Right::publish, inside);
    if (!good) return good;
  }
  // One to the address of an answer does not come again.
  const bool is_remembered = !input && routing.bytes <= kRememberedMax && !routing.to.starts_with('@');
  if (is_remembered) allowed_.assign(as_text(message.first(routing.bytes)));
  return {};
}

// u32 count, then each with its length. One that is refused refuses all.
Result<void> Credentials::allow_messages(Bytes list, Routing& routing) {
  if (list.size() < 4) return {};
  const auto count = load<std::uint32_t>(list.data());
  list = list.subspan(4);
  for (std::uint32_t place = 0; place < count && list.size() >= 4; ++place) {
    const std::size_t bytes = load<std::uint32_t>(list.data());
    if (list.size() - 4 < bytes) break;
    const auto message = list.subspan(4, bytes);
    if (auto good = is_allowed_again(message) ? Result<void>{} : allow_message(message, routing); !good) {
      good.error().text = fmt::format("message {}: {}", place, good.error().text);
      return good;
    }
    list = list.subspan(4 + bytes);
  }
  return {};
}

// How many messages a frame sends.
std::uint32_t Credentials::messages_of(const Frame& frame) {
  auto body = frame.body;
  switch (frame.header.opcode) {
    case Opcode::publish:
    case Opcode::request:
      return 1;
    case Opcode::complete:
      body = body.subspan(std::min(body.size(), sizeof(LeaseToken) + (names_its_message(frame) ? sizeof(Uuid) : 0)));
      break;
    case Opcode::publish_batch:
      break;
    default:
      return 0;
  }
  return body.size() < 4 ? 0 : std::min<std::uint32_t>(load<std::uint32_t>(body.data()), kBatchMessagesMax);
}

Result<void> Credentials::join(Uses uses, const AccountQuotas& of_account, const AccountQuotas& of_team) {
  uses_ = std::move(uses);
  if (mandate_.is_unbound()) return {};
  const auto& account = identity_.account->name;
  slot_ = access::ConnectionSlot::take(uses_.account, of_account.connections_max);
  if (!slot_.is_held()) {
    return failure(ErrorCode::limit_reached,
                   fmt::format("{} has {} connections, which is the most (accounts.connections)", account,
                               of_account.connections_max),
                   "end one of them (`folkmoot connections` lists them), or have the limit raised");
  }
  team_slot_ = access::ConnectionSlot::take(uses_.team, of_team.connections_max);
  if (team_slot_.is_held()) return {};
  return failure(ErrorCode::limit_reached,
                 fmt::format("the accounts of {} have {} connections together, which is the most (teams.connections)",
                             access::team_of(account), of_team.connections_max),
                 "end one of them (`folkmoot connections` lists them), or have the limit raised");
}

Result<void> Credentials::take(access::AccountUse& use, const AccountQuotas& quotas, Sent sent, std::string_view whose,
                               std::string_view settings, std::int64_t now) {
  const auto taken = [&](access::Pace& pace, std::uint32_t per_second, std::uint32_t amount,
                         std::string_view what) -> Result<void> {
    const auto wait_ms = per_second == 0 ? 0 : pace.take(per_second, amount, now);
    if (wait_ms == 0) return {};
    return std::unexpected(error_until(
        wait_ms, fmt::format("{} more than {} {} a second ({}.{}_per_second)", whose, per_second, what, settings, what),
        "send it again"));
  };
  auto done = taken(use.messages, quotas.messages_per_second, sent.messages, "messages");
  return done ? taken(use.bytes, quotas.bytes_per_second, sent.bytes, "bytes") : done;
}

Result<void> Credentials::take_pace(const Frame& frame, const AccountQuotas& of_account, const AccountQuotas& of_team,
                                    std::int64_t now) {
  const auto count = mandate_.is_unbound() || !uses_.account ? 0 : messages_of(frame);
  if (count == 0) return {};
  const Sent sent{count, static_cast<std::uint32_t>(frame.body.size())};  // at most a frame's
  const auto& account = identity_.account->name;
  auto done = take(*uses_.account, of_account, sent, fmt::format("{} sends", account), "accounts", now);
  if (!done || !of_team.has_pace()) return done;
  const auto team = fmt::format("the accounts of {} send together", access::team_of(account));
  return take(*uses_.team, of_team, sent, team, "teams", now);
}

// -- operations of the list

Result<void> Credentials::allow_call(Bytes body) {
  const auto call = read_call(body);
  if (!call) return {};
  const auto& operation = *call->operation;
  auto right = operation.right;
  // Who may take a mailbox's messages may look at them.
  const auto mailbox = call->text(Role::shard_by_name);
  const bool looks = operation.name.starts_with("mailbox.") && right == Right::observe;
  if (looks && !mandate_.has(Right::observe) && mandate_.owns(mailbox)) right = Right::consume;
  const auto finding = mandate_.decide(AccessAction::call, operation.name, right);
  const bool is_for_streams = operation.name.starts_with("stream.") || operation.name.starts_with("consumer.");
  // Where no rule speaks of the operation, one about the stream may.
  if (!finding.allowed && (finding.by_rule() || !is_for_streams))
    return refused(fmt::format("call {}", operation.name),
                   mandate_.explain(finding, AccessAction::call, operation.name));
  if (is_for_streams) {
    auto stream = text_argument(*call, "stream");
    if (stream.empty()) stream = text_argument(*call, "name");
    const auto second = stream.empty() ? finding : mandate_.decide(AccessAction::stream, stream, right);
    if (!second.allowed && (second.by_rule() || !finding.allowed))
      return refused(fmt::format("call {} of {}", operation.name, printable(stream)),
                     mandate_.explain(second, AccessAction::stream, stream));
  }
  if (auto good = allow_resource(*call); !good) return good;
  return allow_agent(*call);
}

// A message that a call brings along is asked as one that is published.
Result<void> Credentials::allow_brought(const Message& message) {
  std::string bytes;
  if (auto encoded = encode_envelope(message, bytes); !encoded) return encoded;
  bytes.append(message.content);
  Routing routing;
  return allow_message(as_bytes(bytes), routing);
}

// Of a dead letter that is sent again as another one, and of a stream's events that are, nothing is here but where they
// go: a rule that looks into messages does not allow them.
Result<void> Credentials::want_unseen(AccessAction action, std::string_view resource, Right base) const {
  const auto finding = mandate_.decide_unseen(action, resource, base);
  if (finding.allowed) return {};
  return refused(fmt::format("{} {} what nobody has looked at", kAccessActionWords[static_cast<std::size_t>(action)],
                             resource.empty() ? "that" : printable(resource)),
                 mandate_.explain(finding, action, resource));
}

Result<void> Credentials::allow_changes(std::string_view json) const {
  if (json.empty()) return {};
  JsonDocument document;
  if (const auto read = document.parse(json); !read || !read->is_object()) return {};  // who carries it out says so
  std::string whole;  // without parts of the content and the metadata, such as `content.a`
  each_json_member(json, [&](std::string_view key, std::string_view value) {
    if (!key.contains('.')) whole.append(whole.empty() ? "\"" : ",\"").append(key).append("\":").append(value);
  });
  const auto changed = message_from_json(fmt::format("{{{}}}", whole));
  if (!changed) return std::unexpected(changed.error());
  if (changed->to.empty() && mandate_.looks_inside()) {
    return refused("change a dead letter that goes where it went",
                   "rules look into messages, and none can be asked without `to`");
  }
  Result<void> done;
  if (!changed->to.empty()) done = want_unseen(AccessAction::send, changed->to, Right::publish);
  if (done && !changed->conversation.empty())
    done = want_unseen(AccessAction::conversation, changed->conversation, Right::publish);
  return done;
}

// Messages that the call brings along or makes, and what a durable subscription takes and where that goes.
Result<void> Credentials::allow_resource(const ReadCall& call) {
  Result<void> done;
  each_message(*call.operation->arguments, call.arguments.get(), [&](const Message& message) {
    if (done) done = allow_brought(message);
  });
  if (!done) return done;
  const auto name = call.operation->name;
  if (name == ResubmitDead::kOperation.name || name == RedriveDead::kOperation.name) {
    const auto changes = find_place(*call.operation->arguments, call.arguments.get(), "changes");
    return allow_changes(static_cast<const JsonText*>(changes.at)->text);
  }
  if (name == ReplayStream::kOperation.name)
    return want_unseen(AccessAction::publish, text_argument(call, "to"), Right::publish);
  if (name == CopyStream::kOperation.name)
    return want_unseen(AccessAction::stream, text_argument(call, "to"), call.operation->right);
  if (name == SetSubscription::kOperation.name) {
    done = want(AccessAction::subscribe, text_argument(call, "pattern"), Right::consume);
    if (done && !text_argument(call, "mailbox").empty())
      done = want(AccessAction::consume, text_argument(call, "mailbox"), Right::consume);
  }
  if (done && (name == SetSubscription::kOperation.name || name == RemoveSubscription::kOperation.name))
    done = want(AccessAction::consume, text_argument(call, "name"), Right::consume);
  return done;
}

// None: all there are.
Result<void> Credentials::allow_agents(const ReadCall& call, const std::vector<std::string>& agents) const {
  const auto all_mine = std::ranges::all_of(agents, [&](const auto& agent) { return mandate_.owns(agent); });
  if (!agents.empty() && all_mine) return {};
  return refused(fmt::format("call {} for others", call.operation->name), "only its own names are its to look after");
}

// Whom it is about: what agents do for themselves they do for nobody else.
Result<void> Credentials::allow_agent(const ReadCall& call) const {
  if (auto good = want_sender(text_argument(call, "from")); !good) return good;
  if (call.operation->right != Right::consume || mandate_.has(Right::administer)) return {};
  const auto list = find_place(*call.operation->arguments, call.arguments.get(), "agents");
  if (list.field != nullptr) return allow_agents(call, *static_cast<const std::vector<std::string>*>(list.at));
  const auto place = find_place(*call.operation->arguments, call.arguments.get(), "agent");
  if (place.field == nullptr) return {};
  const auto agent = text_argument(call, "agent");
  if (agent.empty() ? place.field->rules.role == Role::caller : mandate_.owns(agent)) return {};
  return refused(fmt::format("call {} for {}", call.operation->name, agent.empty() ? "all agents" : printable(agent)),
                 "that is none of the account's names");
}

}  // namespace folkmoot
