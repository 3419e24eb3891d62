#include "archive/fact_reader.hpp"

#include <fmt/format.h>

#include "engine/fact_kind.hpp"
#include "engine/names.hpp"
#include "engine/part.hpp"
#include "engine/registry/record.hpp"
#include "message/envelope.hpp"
#include "message/json_writer.hpp"
#include "operation/pack_codec.hpp"

namespace folkmoot {
namespace {

std::unexpected<Error> too_short(std::string_view kind) {
  return failure(ErrorCode::damaged, fmt::format("a fact {} is shorter than its kind", kind));
}

}  // namespace

Result<void> FactReader::read(const RecordView& record, Instant now, bool is_fresh) {
  const auto at = is_fresh || youngest_ == 0 ? now : youngest_;
  switch (static_cast<FactKind>(record.kind)) {
    case FactKind::started: {
      StartedFact fact;
      if (!read_fact(record.body, fact)) return too_short("started");
      saw(fact.at);
      return {};
    }
    case FactKind::name_added: {
      NameAddedFact fact;
      if (!read_fact(record.body, fact)) return too_short("name_added");
      return store_.name(shard_, fact.number, as_text(record.body.subspan(sizeof fact)));
    }
    case FactKind::message_accepted:
      return read_accepted(record.body);
    case FactKind::message_settled:
      return read_settled(record.body, at);
    case FactKind::message_cancelled:
      return read_cancelled(record.body, at);
    case FactKind::message_returned:
    case FactKind::attempt_noted:
      return read_returned(record.body);
    case FactKind::result_noted:
      return read_result(record.body);
    case FactKind::message_dead:
      return read_dead(record.body);
    case FactKind::message_linked:
      return read_linked(record.body);
    case FactKind::stream_event:
      return read_event(record.body);
    case FactKind::agent_set:
      return read_agent_set(record.body, at);
    case FactKind::agent_removed: {
      AgentRemovedFact fact;
      if (!read_fact(record.body, fact)) return too_short("agent_removed");
      return store_.unregistered(shard_, fact.agent, at);
    }
    default:
      return {};  // of what is no message and no agent
  }
}

Result<void> FactReader::read_accepted(Bytes body) {
  AcceptedFact fact;
  if (!read_fact(body, fact)) return too_short("message_accepted");
  saw(key_time(fact.key));
  AcceptedMessage accepted{.key = fact.key,
                           .expires_at = fact.expires_at,
                           .attempts = fact.deliveries,
                           .dead = fact.dead,
                           .mode = fact.mode};
  auto message = decode_message(body.subspan(sizeof fact));
  if (!message) return std::unexpected(message.error());
  // An event on its way to the shard that has the streams, which says there what it is.
  if (message->to == kStreamsMailbox) return {};
  accepted.message = std::move(*message);
  return store_.accepted(shard_, accepted);
}

Result<void> FactReader::read_settled(Bytes body, Instant at) {
  if (body.size() < sizeof(MessageRef)) return too_short("message_settled");
  for (; body.size() >= sizeof(MessageRef); body = body.subspan(sizeof(MessageRef))) {
    const auto ref = load<MessageRef>(body.data());
    if (auto done = store_.settled(shard_, ref.key, at); !done) return done;
  }
  return {};
}

Result<void> FactReader::read_cancelled(Bytes body, Instant at) {
  MessageRef ref;
  if (!read_fact(body, ref)) return too_short("message_cancelled");
  return store_.ended(shard_, ref.key, HistoryState::failed, at, "cancelled");
}

Result<void> FactReader::read_returned(Bytes body) {
  ReturnedFact fact;
  if (!read_fact(body, fact)) return too_short("message_returned");
  saw(fact.at);
  if (fact.end == AttemptEnd::none) return {};
  return store_.attempt(shard_, fact, as_text(body.subspan(sizeof fact)));
}

Result<void> FactReader::read_result(Bytes body) {
  ResultFact fact;
  if (!read_fact(body, fact)) return too_short("result_noted");
  saw(fact.at);
  const auto text = as_text(body.subspan(sizeof fact));
  return fact.code != 0 ? store_.answered(shard_, fact, text) : store_.result(shard_, fact, text);
}

Result<void> FactReader::read_dead(Bytes body) {
  DeadFact fact;
  if (!read_fact(body, fact)) return too_short("message_dead");
  saw(fact.at);
  const auto words = as_text(body.subspan(sizeof fact));
  const auto state = fact.reason == DeadReason::expired ? HistoryState::expired : HistoryState::failed;
  const auto reason = words.empty() ? std::string(name(fact.reason)) : fmt::format("{}: {}", name(fact.reason), words);
  return store_.ended(shard_, fact.message.key, state, fact.at, reason);
}

Result<void> FactReader::read_linked(Bytes body) {
  MessageLinkedFact fact;
  if (!read_fact(body, fact)) return too_short("message_linked");
  if (fact.kind != StepKind::moved) return {};
  const auto there = message_address(fact.next);
  if (there && there->mailbox != 0) {
    const auto to = store_.name_of(shard_, there->mailbox);
    if (!to) return std::unexpected(to.error());
    if (*to == kStreamsMailbox) return {};  // of which no row was made
  }
  return store_.moved(fact.from);
}

// Events are in the journal if a stream keeps them, until its files have them. What is not asked for is not decoded.
Result<void> FactReader::read_event(Bytes body) {
  StreamEventFact fact;
  if (!read_fact(body, fact)) return too_short("stream_event");
  saw(fact.at);
  if (store_.policy().events.empty()) return {};
  auto event = decode_message(body.subspan(sizeof fact));
  if (!event) return std::unexpected(event.error());
  if (!store_.policy().keeps_event(event->topic)) return {};
  AcceptedMessage kept{.mode = event->mode.value_or(DeliveryMode::at_most_once)};
  kept.message = std::move(*event);
  return store_.happened(fact, kept);
}

Result<void> FactReader::read_agent_set(Bytes body, Instant now) {
  AgentSetFact fact;
  if (!read_fact(body, fact)) return too_short("agent_set");
  KeptAgent kept;
  if (auto read = read_pack(describe<KeptAgent>(), &kept, body.subspan(sizeof fact), "an agent"); !read) return read;
  const auto& agent = kept.record;
  RegisteredRow row{.name = fact.agent, .type = agent.type, .registered_at = fact.registered_at};
  row.status = kAgentStatusWords[static_cast<std::size_t>(agent.status)];
  const auto http = std::ranges::find(agent.addresses, "http", &AgentAddress::transport);
  if (!agent.addresses.empty())
    row.endpoint = (http == agent.addresses.end() ? agent.addresses.begin() : http)->address;
  row.capabilities.clear();
  JsonWriter writer(row.capabilities);
  writer.begin_array();
  for (const auto& capability : agent.capabilities) writer.value(capability.name);
  writer.end_array();
  return store_.registered(shard_, row, now);
}

}  // namespace folkmoot
