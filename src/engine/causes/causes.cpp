#include "engine/causes/causes.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.hpp"
#include "engine/bulletins.hpp"
#include "message/limits.hpp"
#include "message/metadata.hpp"
#include "message/pack.hpp"
#include "message/trace_parent.hpp"

namespace folkmoot {
namespace {

constexpr std::string_view kTokens = "cost_tokens";
constexpr std::string_view kMoney = "cost_money";

std::uint64_t pair_of(NameId sender, NameId mailbox) { return std::uint64_t{sender.value} << 32 | mailbox.value; }

Bytes metadata_of(Bytes envelope, const Routing& routing) {
  return envelope.subspan(routing.metadata.begin, routing.metadata.end - routing.metadata.begin);
}

Lineage after(const Uuid& cause, std::uint32_t hops, Bytes chain) {
  Lineage lineage{.cause = cause, .hops = hops + 1};
  const auto kept = std::min(chain.size(), (kChainMax - 1) * 16);
  lineage.chain = as_text(chain.last(kept));
  lineage.chain.append(reinterpret_cast<const char*>(cause.bytes.data()), 16);
  return lineage;
}

}  // namespace

// From the message that is leased: nobody can claim anything else.
Lineage Causes::caused_by(const Uuid& id, Bytes message, std::uint32_t delivery) {
  const auto routing = read_routing(message);
  if (!routing) effects_.unreadable(routing.error());
  auto lineage = after(id, routing->hops, routing->chain);
  if (!routing->metadata.empty()) {
    const auto trace = metadata_text(metadata_of(message, *routing), kTraceParent);
    lineage.traceparent = tracing_.handed_on(id, delivery, trace);
  }
  if (!routing->expects_reply) lineage.silent_for = routing->from;
  if (routing->reply_to.starts_with('@')) lineage.reply_to = routing->reply_to;
  return lineage;
}

// From the cause that a message names: what is known of it, else what the sender says.
Result<Lineage> Causes::lineage_of(const IncomingMessage& message) {
  const auto& routing = message.routing;
  if (message.forwarded || message.has_causes) {
    return Lineage{.cause = routing.cause, .hops = routing.hops, .chain = std::string(as_text(routing.chain))};
  }
  const auto unwanted = [&](std::string_view sender) {
    return failure(ErrorCode::no_reply_wanted, fmt::format("{} expects no reply to {}", sender, routing.cause.text()));
  };
  const auto address = message_address(routing.cause);
  if (address && address->node == run_.memory_node()) {
    auto lineage = after(routing.cause, routing.hops, routing.chain);
    lineage.traceparent = tracing_.handed_on(address->key);
    return lineage;
  }
  if (!address || address->node != run_.node()) return after(routing.cause, routing.hops, routing.chain);
  if (const auto leased = known_.leased(address->key)) {
    const auto id = make_uuid({.key = address->key, .mailbox = leased->mailbox, .node = run_.node()});
    auto lineage = caused_by(id, leased->message, leased->delivery);
    if (!lineage.silent_for.empty() && routing.to == lineage.silent_for) return unwanted(lineage.silent_for);
    return lineage;
  }
  if (const auto settled = known_.settled(address->key)) {
    if (settled->silent_for != 0 && routing.to == names_[settled->silent_for]) return unwanted(routing.to);
    return after(routing.cause, std::max<std::uint32_t>(settled->hops, routing.hops), routing.chain);
  }
  return after(routing.cause, routing.hops, routing.chain);
}

std::uint64_t Causes::conversation_hash(std::string_view name) const {
  return siphash128(run_.secret(), as_bytes(name)).low;
}

void Causes::check_guards(Prepared& prepared, CommandTally* together) {
  const auto& routing = prepared.message->routing;
  // What the server says answers nobody, and must be heard.
  if (!prepared.lives() || names_[prepared.sender] == kServerName) return;
  auto verdict = guard_verdict(prepared.sender, prepared.mailbox, routing, prepared.lineage->hops, together);
  const bool counts = options_.guard.pair_per_minute != 0 || options_.guard.conversation_per_minute != 0;
  if (together != nullptr && counts) {
    ++together->of_pairs[pair_of(prepared.sender, prepared.mailbox)];
    if (!routing.conversation.empty()) ++together->of_conversations[conversation_hash(routing.conversation)];
  }
  if (!verdict.empty()) doom(prepared, DeadReason::guard, std::move(verdict));
}

// Which limit on loops the message is beyond, in words; empty: none. `mailbox`: 0 for an event.
std::string Causes::guard_verdict(NameId sender, NameId mailbox, const Routing& routing, std::uint32_t hops,
                                  const CommandTally* together) const {
  const auto& limit = options_.guard;
  static const CommandTally kAlone;
  const auto& others = together != nullptr ? *together : kAlone;
  const auto used = [this](const MinuteCounts& counts, const auto& more, std::uint64_t key) {
    const auto found = more.find(key);
    return counts.of(key, run_.now()) + (found != more.end() ? found->second : 0);
  };
  if (limit.hops_max != 0 && hops > limit.hops_max)
    return fmt::format("{} hops; {} are the most", hops, limit.hops_max);
  if (limit.pair_per_minute != 0 && mailbox != 0 &&
      used(guard_.pairs, others.of_pairs, pair_of(sender, mailbox)) >= limit.pair_per_minute) {
    return fmt::format("{} messages within a minute from {} to {}", limit.pair_per_minute, names_[sender], routing.to);
  }
  if (limit.conversation_per_minute != 0 && !routing.conversation.empty() &&
      used(guard_.conversations, others.of_conversations, conversation_hash(routing.conversation)) >=
          limit.conversation_per_minute) {
    return fmt::format("{} messages within a minute in conversation {}", limit.conversation_per_minute,
                       routing.conversation);
  }
  return {};
}

void Causes::count_for_guards(NameId sender, NameId mailbox, const Routing& routing) {
  const auto& limit = options_.guard;
  if (limit.pair_per_minute != 0 && mailbox != 0) guard_.pairs.add(pair_of(sender, mailbox), run_.now());
  if (limit.conversation_per_minute != 0 && !routing.conversation.empty()) {
    guard_.conversations.add(conversation_hash(routing.conversation), run_.now());
  }
}

// What waits in memory or is an event: refused when it is beyond a limit, as nothing of it can be kept.
Result<void> Causes::pass_guards(NameId sender, NameId mailbox, const Routing& routing, const Lineage& lineage) {
  const auto verdict = guard_verdict(sender, mailbox, routing, lineage.hops, nullptr);
  count_for_guards(sender, mailbox, routing);
  if (verdict.empty()) return {};
  ++counters_.guarded;
  if (announcer_.is_heard("bus.guard")) {
    announcer_.announce("bus.guard",
                        bulletins::event_of(bulletins::Stopped{.mailbox = routing.to,
                                                               .topic = routing.topic,
                                                               .from = names_[sender],
                                                               .text = verdict,
                                                               .at = run_.now(),
                                                               .chain = {lineage.hops, as_bytes(lineage.chain)}}));
  }
  return failure(ErrorCode::limit_reached, fmt::format("a limit on loops stops it: {}", verdict),
                 "answer only what needs an answer; docs/delivery.md has the limits");
}

// A message without a trace context of its own goes on with that of its cause.
void Causes::hand_on_trace(Prepared& prepared) {
  const auto& trace = prepared.lineage->traceparent;
  if (trace.empty()) return;
  const auto& message = *prepared.message;
  const auto own = metadata_of(message.envelope, message.routing);
  if (!own.empty() && !metadata_text(own, kTraceParent).empty()) return;
  if (own.size() + kTraceParent.size() + trace.size() + 16 > kMetadataBytesMax) return;

  std::string changes;
  PackWriter writer(changes);
  PackReader reader(own);
  const auto pairs = own.empty() ? 0 : reader.map();
  writer.map(1).uint(static_cast<std::uint64_t>(Field::metadata)).map(pairs + 1).str(kTraceParent).str(trace);
  if (!own.empty()) changes.append(as_text(own.subspan(reader.offset())));
  (void)rewrite(prepared, as_bytes(changes));  // it stays as it is if that cannot be
}

// A message that no log keeps, with its causes, if it names one, and the trace context of that.
Result<Prepared> Causes::with_named_cause(const IncomingMessage& message) {
  Prepared prepared{.message = &message};
  auto lineage = lineage_of(message);
  if (!lineage) return std::unexpected(std::move(lineage.error()));
  prepared.lineage = std::make_unique<Lineage>(std::move(*lineage));
  hand_on_trace(prepared);
  return prepared;
}

// For a message to another shard, which does not know its cause.
Result<std::string> Causes::with_causes(const IncomingMessage& message) {
  const auto prepared = with_lineage(message);
  if (!prepared) return std::unexpected(prepared.error());
  const auto& found = *prepared->lineage;
  std::string changes, envelope;
  PackWriter(changes)
      .map(2)
      .uint(static_cast<std::uint64_t>(Field::hops))
      .uint(found.hops)
      .uint(static_cast<std::uint64_t>(Field::chain))
      .bin(found.chain);
  if (auto merged = merge_envelopes(prepared->message->envelope, as_bytes(changes), envelope, Recipient::optional);
      !merged) {
    return std::unexpected(merged.error());
  }
  return envelope;
}

bool Causality::reports_costs(const IncomingMessage& message) {
  const auto metadata = metadata_of(message.envelope, message.routing);
  return metadata_number(metadata, kTokens) || metadata_number(metadata, kMoney);
}

// Adds what the message reports to the sums of its conversation.
void Causes::sum_costs(const IncomingMessage& message) {
  const auto metadata = metadata_of(message.envelope, message.routing);
  const auto name = message.routing.conversation;
  ConversationFact sums;
  if (const auto known = conversations_.find(name); known != conversations_.end()) {
    sums = {known->second.sums.tokens, known->second.sums.money, known->second.sums.messages};
  } else if (conversations_.size() >= options_.conversations_max) {
    return;
  }
  sums.tokens += metadata_number(metadata, kTokens).value_or(0);
  sums.money += metadata_number(metadata, kMoney).value_or(0);
  ++sums.messages;
  // What has no room is added in memory alone: what settling needs is not for this.
  const bool room = ledger_.has_room(Urgency::durable, sizeof sums + name.size());
  put(name, sums,
      room ? ledger_.note(FactKind::conversation_summed, {bytes_of(sums), as_bytes(name)}, Life::live) : FactPlace{});
}

void Causes::put(std::string_view name, const ConversationFact& fact, FactPlace place) {
  auto known = conversations_.find(name);
  if (known == conversations_.end()) known = conversations_.emplace(name, Conversation{}).first;
  auto& conversation = known->second;
  if (place.lsn == 0) place = std::exchange(conversation.place, {});
  ledger_.release(conversation.place);
  conversation = {{fact.tokens, fact.money, fact.messages}, place};
}

std::optional<ConversationSums> Causes::conversation(std::string_view name) const {
  const auto known = conversations_.find(name);
  return known == conversations_.end() ? std::nullopt : std::optional(known->second.sums);
}

Result<void> Causes::enter(const Fact& fact) {
  ConversationFact said;
  if (!read_fact(fact.body, said) || !was_name(as_text(fact.body.subspan(sizeof said))))
    return cannot_be(fact.kind, "names no conversation");
  ledger_.retain(fact.place);
  put(as_text(fact.body.subspan(sizeof said)), said, fact.place);
  return {};
}

bool Causes::keep(const Fact& fact) {
  if (fact.body.size() < sizeof(ConversationFact)) return true;
  const auto name = fact.body.subspan(sizeof(ConversationFact));
  const auto known = conversations_.find(as_text(name));
  if (known == conversations_.end() || known->second.place != fact.place) return true;
  // What was added while there was no room is written now.
  const auto& sums = known->second.sums;
  const ConversationFact said{sums.tokens, sums.money, sums.messages};
  ledger_.copy(fact.kind, known->second.place, {bytes_of(said), name});
  return true;
}

}  // namespace folkmoot
