#include "simulation/server/judge.hpp"

#include "message/envelope.hpp"

namespace folkmoot::simulation {

std::string Judge::content(Tag tag) const {
  std::string content(sent_[tag - 1].bytes, '\0');
  std::memcpy(content.data(), &tag, sizeof tag);
  for (std::size_t i = sizeof tag; i < content.size(); ++i) content[i] = static_cast<char>(tag * 31 + i * 7 + (i >> 8));
  return content;
}

Came Judge::read(const Frame& frame, std::uint64_t line, std::int64_t now) {
  Came came;
  auto body = frame.body;
  const auto flags = frame.header.flags;
  if (flags & kFlagLeased) {
    expect(body.size() > kLeaseBlockBytes, "a delivery breaks off within its lease");
    came.lease = load<std::uint64_t>(body.data());
    came.number = load<std::uint32_t>(body.data() + 8);
    body = body.subspan(kLeaseBlockBytes);
    expect(came.lease != 0 && came.number != 0, "a leased delivery has lease {} and number {}", came.lease,
           came.number);
  }
  came.redelivered = (flags & kFlagRedelivered) != 0;
  auto decoded = decode_message(body);
  expect(decoded.has_value(), "a delivery does not parse");
  came.message = std::move(*decoded);
  const auto& content = came.message.content;
  expect(content.size() >= sizeof came.tag, "a delivery of {} bytes: nobody sent that", content.size());
  std::memcpy(&came.tag, content.data(), sizeof came.tag);
  expect(came.tag != 0 && came.tag <= sent_.size(), "a delivery with a content that nobody sent");
  expect(content == this->content(came.tag), "message {} does not come as it was sent: {} bytes of {}", came.tag,
         content.size(), at(came.tag).bytes);
  auto& sent = at(came.tag);
  expect(sent.fate != Sent::Fate::refused, "message {} was refused, and comes all the same", came.tag);
  const bool is_event = sent.kind == Sent::Kind::event;
  expect((is_event ? came.message.topic : came.message.to) == sent.to || (sent.kind == Sent::Kind::answer),
         "message {} to {} comes to {}{}", came.tag, sent.to, came.message.topic, came.message.to);
  expect(came.message.from == sent.from, "message {} is from {}, and comes from {}", came.tag, sent.from,
         came.message.from);
  expect(now >= sent.due, "message {} comes {} ms before it is due", came.tag, sent.due - now);
  if (is_event) {
    expect(came.lease == 0, "event {} comes with a lease", came.tag);
    return came;
  }
  expect(sent.came_as.is_nil() || sent.came_as == came.message.id, "message {} is there twice: as {} and as {}",
         came.tag, sent.came_as.text(), came.message.id.text());
  sent.came_as = came.message.id;
  if (sent.has_own_id && sent.fate == Sent::Fate::confirmed && !sent.id.is_nil())
    expect(sent.id == came.message.id, "message {} was confirmed as {} and comes as {}", came.tag, sent.id.text(),
           came.message.id.text());
  if (sent.once) expect(sent.deliveries == 0, "message {} is delivered at most once, and comes again", came.tag);
  if (sent.settled) expect(came.number <= sent.settled_number, "message {} was settled, and comes again", came.tag);
  if (!came.redelivered) {
    expect(came.number == 1, "delivery {} of message {} does not say that it is not the first", came.number, came.tag);
    expect(sent.deliveries == 0 || line <= sent.seen_at, "message {} came before, and does not say so", came.tag);
  }
  if (sent.deliveries++ == 0) sent.seen_at = lines_;
  return came;
}

void Judge::on_settled(Tag tag, std::uint32_t number) {
  auto& sent = at(tag);
  expect(!sent.settled, "message {} was settled twice", tag);
  sent.settled = true;
  sent.settled_number = number;
}

bool Judge::is_owed(Tag tag) const {
  const auto& sent = sent_[tag - 1];
  return sent.kind == Sent::Kind::mail && sent.fate == Sent::Fate::confirmed && !sent.once && !sent.may_die &&
         !sent.settled && sent.settling == 0;
}

void MailOrder::on_mail(const Sent& sent, const Came& came) {
  if (!sent.in_order || came.redelivered || sent.once || sent.kind != Sent::Kind::mail) return;
  auto& last = last_[{sent.line, sent.to, sent.priority}];
  expect(sent.place > last, "message {} comes after one that was sent after it", came.tag);
  last = sent.place;
}

bool fits(std::string_view pattern, std::string_view topic) {
  for (;;) {
    const auto dot = pattern.find('.'), end = topic.find('.');
    const auto word = pattern.substr(0, dot);
    if (word == ">") return true;
    if (word != "*" && word != topic.substr(0, end)) return false;
    if (dot == pattern.npos || end == topic.npos) return dot == pattern.npos && end == topic.npos;
    pattern.remove_prefix(dot + 1);
    topic.remove_prefix(end + 1);
  }
}

}  // namespace folkmoot::simulation
