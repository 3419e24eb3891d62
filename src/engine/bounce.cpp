// What senders hear of their messages' deaths: a message of the server's own, in the same group of facts as the death.
#include "engine/engine.hpp"
#include "message/json_writer.hpp"
#include "message/limits.hpp"

namespace folkmoot {

// A message of type error, caused by the dead one, to where answers to it would go or to its sender's own mailbox.
Notice Engine::notice_of(const Routing& routing, const Uuid& id, std::uint32_t deliveries, DeadReason reason,
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
  JsonWriter out(message.content);
  out.begin_object()
      .field("error", "dead")
      .field("id", id.text())
      .field("mailbox", parties_[message_address(id)->mailbox].name);
  out.field("reason", name(reason)).optional_field("text", text).field("deliveries", deliveries).end_object();
  const auto encoded = encode_envelope(message, notice.envelope);
  FOLKMOOT_ASSERT(encoded.has_value());  // of fields that were read, and our own
  return notice;
}

// What a message that is dead when it comes adds to its group of facts: that it is dead, and what its sender hears of
// it.
void Engine::doom(Prepared& prepared, DeadReason reason, std::string verdict) {
  // A notice has no field that the message has not, but for what stamping adds and its content: names, and the verdict
  // escaped.
  prepared.bytes += verdict.size() + kNoticeBytesMax + prepared.message->envelope.size() + 2 * kStampBytesMax + 1'024 +
                    6 * verdict.size();
  prepared.doom = reason;
  prepared.verdict = std::make_unique<std::string>(std::move(verdict));
}

// Into the group of facts that is open. Bounces do not bounce, and displace no mail: where there is no room, the dead
// letter is all that tells. A requester hears when the death is durable.
void Engine::post(const Notice& notice) {
  IncomingMessage message{
      .routing = {}, .envelope = as_bytes(notice.envelope), .content = as_bytes(notice.message.content)};
  if (!read_routing(message.envelope, message.routing)) return;
  const auto party = party_number(kServerName);
  if (!party) return;
  // Its causes were known when it was written; a leased one must not refuse it.
  const Lineage lineage{
      .cause = notice.message.cause, .hops = notice.message.hops + 1, .chain = chain_text(notice.message)};
  if (message.routing.to.starts_with('@')) {
    if (!transient_.has_room(message.envelope.size() + kStampBytesMax + message.content.size())) return;
    ++counters_.bounced;
    return hold_output({.quiet = true}, *party, message, lineage);
  }
  Session server;
  server.party = *party;
  const auto prepared = prepare(server, message, &lineage);
  if (!prepared || !prepared->lives()) return;
  const auto& mailbox = parties_.mailbox(prepared->mailbox);
  if (mailbox.load() + mailbox.promised >= limits(mailbox).max_messages) return;
  ++counters_.bounced;
  commit(*prepared, {}, {.kind = Pending::Kind::accepted, .quiet = true});
}

std::string Engine::chain_text(const Message& message) {
  std::string chain;
  const auto first = message.chain.size() >= kChainMax ? message.chain.size() - (kChainMax - 1) : 0;
  for (auto i = first; i < message.chain.size(); ++i)
    chain.append(reinterpret_cast<const char*>(message.chain[i].bytes.data()), 16);
  return chain.append(reinterpret_cast<const char*>(message.cause.bytes.data()), 16);
}

}  // namespace folkmoot
