#include "engine/mailroom/moving.hpp"

#include "message/pack.hpp"

namespace folkmoot {

HeldMail::Moved Moving::move_next(NameId mailbox, const std::function<NameId(const Routing&)>& choose) {
  using enum HeldMail::Moved;
  auto& from = shelves_.mailboxes[mailbox];
  const auto message = from.pop();
  --to_.counters.ready;
  const auto stays = [&] {
    ++to_.counters.ready;
    from.push(message.sender, message.entry);
  };
  const std::string bytes(as_text(shelves_.bytes_of(message.entry)));
  const auto routing = read_routing(as_bytes(bytes));
  if (!routing) to_.effects.unreadable(routing.error());
  const auto to = choose(*routing);
  if (to == 0) return stays(), nobody;
  if (!move(from, message, as_bytes(bytes), to)) return stays(), no_room;
  return moved;
}

HeldMail::Moved Moving::take_next(NameId mailbox, HeldMail::Taker& taker) {
  auto& from = shelves_.mailboxes[mailbox];
  const auto message = from.pop();
  --to_.counters.ready;
  const std::string bytes(as_text(shelves_.bytes_of(message.entry)));
  const auto routing = read_routing(as_bytes(bytes));
  if (!routing) to_.effects.unreadable(routing.error());
  auto draft = taker.measure(as_bytes(bytes).subspan(routing->bytes));
  draft.add(sizeof(MessageRef));
  if (!to_.ledger.has_room(Urgency::durable, draft)) {
    ++to_.counters.ready;
    from.push(message.sender, message.entry);
    return HeldMail::Moved::no_room;
  }
  const Ledger::Group group(to_.ledger, draft);
  taker.keep();
  const MessageRef taken(message.entry.key, from.number, message.sender, message.entry.priority);
  to_.ledger.note(FactKind::message_settled, {bytes_of(taken)});
  shelves_.leave(from, message.entry, nullptr);
  return HeldMail::Moved::moved;
}

// What is forwarded keeps its times: they count from when it was accepted first.
bool Moving::move(Mailbox& from, const QueuedMessage& message, Bytes bytes, NameId to) {
  const auto& entry = message.entry;
  const auto old = read_routing(bytes);
  std::string changes, envelope;
  // The life that its address gave it goes on, too.
  const auto ends = old->ttl_ms || old->expires_at != 0 ? Instant{} : shelves_.expires_at(entry);
  PackWriter writer(changes);
  writer.map(ends != 0 ? 2 : 1).uint(static_cast<std::uint64_t>(Field::to)).str(to_.names[to]);
  if (ends != 0) writer.uint(static_cast<std::uint64_t>(Field::expires_at)).integer(ends.ms);
  if (auto merged = merge_envelopes(bytes.first(old->bytes), as_bytes(changes), envelope); !merged)
    to_.effects.unreadable(merged.error());
  IncomingMessage incoming{
      .routing = {}, .envelope = as_bytes(envelope), .content = bytes.subspan(old->bytes), .forwarded = true};
  if (auto read = read_routing(incoming.envelope, incoming.routing); !read) to_.effects.unreadable(read.error());
  const auto old_id = incoming.routing.id;
  incoming.routing.id = {};  // it is no key of the sender's: the one it gave stands beside it
  Prepared prepared{.message = &incoming, .mailbox = to, .sender = message.sender};
  if (!old->cause.is_nil()) {
    prepared.lineage = std::make_unique<Lineage>(
        Lineage{.cause = old->cause, .hops = old->hops, .chain = std::string(as_text(old->chain))});
  }
  auto draft = publishing_.measure(prepared, {});
  draft.add(sizeof(MessageRef));
  Trail::measure(draft);
  if (!publishing_.make_room(prepared, draft)) return false;
  const Post::Group group(post_, to_.ledger, draft);
  const auto key = publishing_.commit(prepared, {}, {.quiet = true});
  const MessageRef ref(entry.key, from.number, message.sender, entry.priority);
  to_.ledger.note(FactKind::message_settled, {bytes_of(ref)});
  to_.trail.write(old_id, make_uuid({.key = key, .mailbox = to, .node = to_.run.node()}), StepKind::moved);
  shelves_.leave(from, entry, nullptr);
  return true;
}

}  // namespace folkmoot
