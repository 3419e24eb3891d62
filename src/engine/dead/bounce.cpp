// What senders hear of their messages' deaths: a message of the server's own, in the same group of facts as the death.
#include "engine/bulletins.hpp"
#include "engine/dead/dead_letters.hpp"
#include "message/limits.hpp"

namespace folkmoot {
namespace {

std::string chain_text(const Message& message) {
  std::string chain;
  const auto first = message.chain.size() >= kChainMax ? message.chain.size() - (kChainMax - 1) : 0;
  for (auto i = first; i < message.chain.size(); ++i)
    chain.append(reinterpret_cast<const char*>(message.chain[i].bytes.data()), 16);
  return chain.append(reinterpret_cast<const char*>(message.cause.bytes.data()), 16);
}

}  // namespace

Notice DeadLetters::notice_of(const Routing& routing, const Uuid& id, std::uint32_t deliveries, DeadReason reason,
                              std::string_view text) const {
  Notice notice;
  auto& message = notice.message;
  message.to = routing.reply_to.empty() ? routing.from : routing.reply_to;
  message.type = "error";
  message.correlation = routing.correlation.empty() ? id.text() : std::string(routing.correlation);
  message.conversation = routing.conversation;
  message.cause = id;
  message.hops = routing.hops;
  for (std::size_t i = 0; i < routing.chain.size(); i += 16)
    message.chain.push_back(load<Uuid>(routing.chain.data() + i));
  message.expects_reply = false;
  message.content_type = "application/json";
  message.content = bulletins::message_of({.id = id,
                                           .mailbox = to_.names[message_address(id)->mailbox],
                                           .reason = reason,
                                           .text = text,
                                           .deliveries = deliveries});
  const auto encoded = encode_envelope(message, notice.envelope);
  FOLKMOOT_ASSERT(encoded.has_value());  // of fields that were read, and our own
  return notice;
}

Draft DeadLetters::measure(const Notice& notice) const {
  Draft draft;
  if (notice.message.to.starts_with('@')) return draft;  // it waits in memory
  to_.names.measure(kServerName, draft);
  to_.names.measure(notice.message.to, draft);
  Run::measure_key(draft);
  return draft.add(sizeof(AcceptedFact) + notice.envelope.size() + notice.message.content.size() + kStampFixedBytes +
                   kServerName.size() + 16 * kChainMax);
}

void DeadLetters::post(const Notice& notice, Durable death) {
  IncomingMessage message{
      .routing = {}, .envelope = as_bytes(notice.envelope), .content = as_bytes(notice.message.content)};
  if (!read_routing(message.envelope, message.routing)) return;
  const auto name_id = to_.names.number(kServerName);
  if (!name_id) return;
  // Its causes were known when it was written; a leased one must not refuse it.
  const Lineage lineage{
      .cause = notice.message.cause, .hops = notice.message.hops + 1, .chain = chain_text(notice.message)};
  // A requester hears when the death is durable.
  if (message.routing.to.starts_with('@')) {
    if (!to_.outputs.has_room(message)) return;
    ++to_.counters.bounced;
    return to_.outputs.hold(death, {.quiet = true}, *name_id, message, lineage);
  }
  Session server;
  server.name_id = *name_id;
  const auto prepared = to_.post.prepare(server, message, &lineage);
  if (!prepared || !prepared->lives()) return;
  if (!to_.vacancies.has_space(prepared->mailbox)) return;
  ++to_.counters.bounced;
  to_.post.commit(*prepared, {}, {.quiet = true});
}

}  // namespace folkmoot
