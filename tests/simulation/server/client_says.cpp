// What comes to a client's mind: frames that are right, odd, wrong, and last.
#include <algorithm>

#include "message/envelope.hpp"
#include "message/limits.hpp"
#include "message/pack.hpp"
#include "simulation/server/client.hpp"

namespace folkmoot::simulation {
namespace {

constexpr std::size_t kUnansweredMax = 48;
constexpr std::size_t kOutBytesMax = 600'000;
constexpr std::size_t kHeldMax = 40;
constexpr std::uint32_t kLastOfClients = 0xFFFEFFFF;  // from 0xFFFF0000 on numbers are the server's own

std::string packed(const std::function<void(PackWriter&)>& write) {
  std::string out;
  PackWriter writer(out);
  write(writer);
  return out;
}

template <class... Parts>
std::string joined(const Parts&... parts) {
  std::string out;
  (out.append(as_text(bytes_of(parts))), ...);
  return out;
}

}  // namespace

void Client::act(bool connects) {
  if (!wire_) {
    if (connects && random_.one_in(3)) connect();
    return;
  }
  if (to_.time.now < stalls_until_) return;
  if (!is_prompt_ && random_.one_in(60)) stalls_until_ = to_.time.now + random_.between(1, 4'000);
  if (random_.one_in(350)) return cut();
  if (is_prompt_ || random_.percent(50)) listen();
  if (!wire_ || goodbye_ || fatal_ != 0 || is_bad_opening_) return move(false);
  if (random_.one_in(350)) return farewell();
  const bool may_ask = unanswered() < kUnansweredMax && out_.size() < kOutBytesMax;
  if (may_ask && random_.percent(70)) {
    for (auto left = random_.one_in(6) ? random_.between(5, 20) : random_.between(1, 3); left > 0; --left) say();
  }
  move(false);
}

void Client::connect() {
  line_ = to_.judge.next_line();
  place_ = 0;
  is_prompt_ = random_.percent(60);
  const auto room = is_prompt_          ? random_.between(16, 200) * 1024
                    : random_.one_in(3) ? random_.between(1, 64)
                                        : random_.between(64, 100'000);
  may_subscribe_ = !random_.one_in(3);
  const PeerAddress peer{2, random_.below(3)};
  wire_ = to_.wires.connect(peer, static_cast<std::size_t>(room));
  connected_at_ = to_.time.now;
  next_number_ = random_.one_in(3) ? kLastOfClients - 40 : static_cast<std::uint32_t>(random_.between(1, 300));
  say_hello();
  for (auto left = random_.between(0, 6); left > 0 && !is_bad_opening_; --left) say();
}

void Client::say_hello() {
  is_bad_opening_ = random_.one_in(25);
  if (is_bad_opening_ && random_.one_in(3)) {  // no HELLO at all
    out_ = random_.one_in(2) ? std::string("\x01\x02\x03\x04\x05\x06", 6) : std::string(3, '\0');
    return;
  }
  const bool has_name = !random_.one_in(4);
  from_ = has_name ? agent_ : "anonymous";
  const bool has_token = !to_.token.empty() && !(is_bad_opening_ && random_.one_in(2));
  const bool is_wrong_version = is_bad_opening_ && (has_token || to_.token.empty());
  const auto body = packed([&](PackWriter& hello) {
    hello.map(1u + (has_name ? 1 : 0) + (has_token ? 1 : 0)).uint(0).uint(is_wrong_version ? 7 : kProtocolVersion);
    if (has_name) hello.uint(1).str(agent_);
    if (has_token) hello.uint(2).str(to_.token);
  });
  put(Opcode::hello, 0, number(), body, Asked{.what = Opcode::hello, .want = is_bad_opening_ ? Want::bad : Want::good});
}

// Some numbers are used again and again, some are odd; none is in use.
std::uint32_t Client::number(bool quiet) {
  const auto is_free = [&](std::uint32_t number) {
    return !asked_.contains(number) && !hearings_.contains(number) && !consumers_.contains(number);
  };
  if (!quiet && random_.one_in(2)) {
    const auto low = static_cast<std::uint32_t>(random_.between(1, 12));
    if (is_free(low)) return low;
  }
  do {
    next_number_ = next_number_ >= kLastOfClients ? 1 : next_number_ + 1;
  } while (!is_free(next_number_));
  return next_number_;
}

std::size_t Client::unanswered() const {
  std::size_t count = 0;
  for (const auto& [number, asked] : asked_) count += asked.front().quiet ? 0 : asked.size();
  return count;
}

// Around what the server treats differently: 4 KiB of a frame, 16 KiB of a write, 64 KiB of a frame.
std::size_t Client::size() {
  const auto around = [&](std::int64_t bytes) { return bytes + random_.between(-150, 20); };
  std::int64_t bytes = random_.between(8, 300);
  if (random_.one_in(6)) bytes = around(4 * 1024);
  if (random_.one_in(12)) bytes = around(16 * 1024);
  if (random_.one_in(40)) bytes = around(64 * 1024);
  if (random_.one_in(60)) bytes = random_.between(8, static_cast<std::int64_t>(to_.content_bytes_max));
  return std::clamp<std::size_t>(static_cast<std::size_t>(bytes), 8, to_.content_bytes_max);
}

void Client::put(Opcode opcode, std::uint8_t flags, std::uint32_t number, std::string_view body,
                 std::optional<Asked> asked) {
  append_frame(out_, opcode, flags, number, body);
  trace('>', opcode, flags, number, as_bytes(body));
  ++to_.frames_sent;
  if (!asked) return;
  asked->what = opcode;
  asked->quiet = (flags & kFlagQuiet) != 0 && opcode != Opcode::request;
  asked->at = to_.time.now;
  asked->serial = to_.frames_sent;
  asked_[number].push_back(std::move(*asked));
}

Sent Client::mail(std::string to) {
  Sent sent{.to = std::move(to), .from = from_, .line = line_, .place = ++place_, .bytes = size()};
  if (random_.one_in(3)) sent.priority = static_cast<int>(random_.between(1, 10));
  sent.once = random_.one_in(6);
  return sent;
}

std::string Client::envelope_of(const Sent& sent, Tag tag, const std::function<void(Message&)>& more) {
  Message message;
  (sent.kind == Sent::Kind::event ? message.topic : message.to) = sent.to;
  message.priority = static_cast<Priority>(sent.priority);
  if (sent.once && sent.kind == Sent::Kind::mail) message.mode = DeliveryMode::at_most_once;
  if (more) more(message);
  std::string out;
  const auto done = encode_envelope(message, out);
  expect(done.has_value(), "the client's envelope does not encode");
  return out + to_.judge.content(tag);
}

void Client::say() {
  switch (random_.below(24)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return publish();
    case 4:
    case 5:
    case 6:
    case 7:
      return publish_event();
    case 8:
      return publish_wrong();
    case 9:
      return publish_batch();
    case 10:
      return subscribe();
    case 11:
      return consume();
    case 12:
      return receive();
    case 13:
      return random_.one_in(2) ? wait() : request();
    case 14:
      return receipt();
    case 15:
      return cancel();
    case 16:
      return wrong();
    case 17:
    case 18:
      return ping();
    default:
      return settle();
  }
}

void Client::publish() {
  const bool quiet = random_.one_in(5);
  if (keyed_ && random_.one_in(4)) {  // again
    const auto tag = *keyed_;
    auto& sent = to_.judge.at(tag);
    sent.in_order = false;
    sent.due = 0;  // the first one may not be there
    put(Opcode::publish, quiet ? kFlagQuiet : 0, number(quiet),
        envelope_of(sent, tag,
                    [&](Message& message) {
                      message.key = std::to_string(tag);
                      message.from = sent.from;
                    }),
        Asked{.want = Want::good, .tags = {tag}});
    return;
  }
  auto sent = mail(random_.pick(to_.mailboxes));
  sent.keyed = !sent.once && random_.one_in(6);
  const auto delay = random_.one_in(8) ? random_.between(1, 3'000) : 0;
  if (delay != 0) {
    sent.due = to_.time.now + delay;
    sent.in_order = false;
  }
  const bool is_exact = sent.keyed && random_.one_in(2);
  const auto tag = to_.judge.add(std::move(sent));
  const auto& same = to_.judge.at(tag);
  if (same.keyed) keyed_ = tag;
  put(Opcode::publish, quiet ? kFlagQuiet : 0, number(quiet),
      envelope_of(same, tag,
                  [&](Message& message) {
                    message.delay_ms = delay;
                    if (same.keyed) message.key = std::to_string(tag);
                    if (is_exact) message.mode = DeliveryMode::exactly_once;
                  }),
      Asked{.want = Want::good, .tags = {tag}});
}

// Refused by whoever has the mailbox or the topic, and told though it is QUIET.
void Client::publish_wrong() {
  auto sent = mail(random_.pick(to_.mailboxes));
  sent.once = false;
  const auto how = random_.below(4);
  if (how == 1) sent.bytes = to_.content_bytes_max + static_cast<std::size_t>(random_.between(1, 40));
  if (how == 2) {
    sent.kind = Sent::Kind::event;
    sent.to = random_.pick(to_.topics);
  }
  const auto tag = to_.judge.add(std::move(sent));
  put(Opcode::publish, random_.one_in(2) ? kFlagQuiet : 0, number(),
      envelope_of(to_.judge.at(tag), tag,
                  [&](Message& message) {
                    if (how == 0) message.mode = DeliveryMode::exactly_once;          // without a key
                    if (how == 2) message.mode = DeliveryMode::at_least_once;         // nobody keeps it
                    if (how == 3) message.expires_at = to_.time.now - 1'000 * 1'000;  // its life is over
                  }),
      Asked{.want = Want::bad, .tags = {tag}});
}

void Client::publish_batch() {
  const bool atomic = random_.one_in(3), quiet = random_.one_in(4);
  const auto count = static_cast<std::uint32_t>(random_.between(1, 6));
  auto body = joined(count);
  Asked asked{.want = Want::good};
  for (std::uint32_t i = 0; i < count; ++i) {
    auto sent = mail(random_.pick(to_.mailboxes));
    sent.bytes = std::min<std::size_t>(sent.bytes, 6'000);
    if (atomic && to_.shards > 1) {  // carried from shard to shard
      sent.in_order = sent.has_own_id = false;
      sent.may_die = to_.is_bounded;
    }
    const auto tag = to_.judge.add(std::move(sent));
    asked.tags.push_back(tag);
    const auto message = envelope_of(to_.judge.at(tag), tag);
    body += joined(static_cast<std::uint32_t>(message.size()));
    body += message;
  }
  put(Opcode::publish_batch, static_cast<std::uint8_t>((quiet ? kFlagQuiet : 0) | (atomic ? kFlagAtomic : 0)),
      number(quiet), body, std::move(asked));
}

void Client::publish_event() {
  const auto topic = random_.pick(to_.topics);
  // Several of one topic make one write for all who hear them.
  for (auto left = random_.one_in(3) ? random_.between(2, 8) : 1; left > 0; --left) {
    Sent sent{.kind = Sent::Kind::event, .to = topic, .from = from_, .line = line_, .place = ++place_, .bytes = size()};
    sent.once = true;
    const auto tag = to_.judge.add(std::move(sent));
    put(Opcode::publish, random_.one_in(3) ? kFlagQuiet : 0, number(true), envelope_of(to_.judge.at(tag), tag),
        Asked{.want = Want::good, .tags = {tag}});
  }
}

void Client::subscribe() {
  if (!may_subscribe_) return receipt();
  if (hearings_.size() >= 8) return cancel();
  was_subscribed_ = true;
  Hearing hearing{.pattern = random_.pick(to_.patterns), .echo = random_.one_in(3)};
  hearing.is_bounded = random_.one_in(4);
  hearing.granted = hearing.is_bounded ? static_cast<std::uint64_t>(random_.between(1, 30)) : 0;
  const auto request = number();
  const auto body = packed([&](PackWriter& map) {
    map.map(3).uint(0).str(hearing.pattern).uint(1).uint(hearing.granted).uint(2).boolean(hearing.echo);
  });
  hearings_.emplace(request, hearing);
  put(Opcode::subscribe, 0, request, body, Asked{.want = Want::good});
}

void Client::consume() {
  if (consumers_.size() >= 5) return cancel();
  Consumer consumer{.mailbox = to_.mailboxes[random_.below(to_.mailboxes.size() - 1)]};
  consumer.granted = static_cast<std::uint64_t>(random_.between(0, 6));
  const auto request = number();
  const auto body =
      packed([&](PackWriter& map) { map.map(2).uint(0).str(consumer.mailbox).uint(1).uint(consumer.granted); });
  consumers_.emplace(request, consumer);
  put(Opcode::consume, 0, request, body, Asked{.want = Want::good});
}

void Client::receive() {
  if (held_.size() > kHeldMax) return settle();
  Asked asked{.want = Want::good, .most = static_cast<std::uint32_t>(random_.between(1, 8))};
  asked.wait_ms = random_.one_in(2) ? random_.between(1, 3'000) : 0;
  asked.timed = random_.one_in(6);
  const auto& mailbox = to_.mailboxes[random_.below(to_.mailboxes.size() - 1)];
  const auto body = packed([&](PackWriter& map) {
    map.map(4).uint(0).str(mailbox).uint(1).uint(asked.most);
    map.uint(2).uint(static_cast<std::uint64_t>(asked.wait_ms)).uint(3).uint(asked.timed ? 2'000 : 0);
  });
  put(Opcode::receive, 0, number(), body, std::move(asked));
}

void Client::wait() {
  Asked asked{.want = Want::good};
  asked.wait_ms = random_.between(1, 2'000);
  const auto body = packed([&](PackWriter& map) {
    map.map(2).uint(0).str(random_.pick(to_.mailboxes)).uint(1).uint(static_cast<std::uint64_t>(asked.wait_ms));
  });
  put(Opcode::wait, 0, number(), body, std::move(asked));
}

void Client::settle() {
  if (held_.empty()) return ping();
  if (random_.one_in(8)) {
    const auto at = random_.below(held_.size());
    const auto held = held_[at];
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(at));
    return complete(held);
  }
  Asked asked{.want = Want::good};
  std::vector<std::uint64_t> leases;
  for (auto left = random_.between(1, 5); left > 0 && !held_.empty(); --left) {
    const auto at = random_.below(held_.size());
    asked.leases.push_back(held_[at]);
    leases.push_back(held_[at].lease);
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(at));
  }
  if (!old_leases_.empty() && !to_.disk_may_fill && random_.one_in(6)) {
    const auto old = random_.pick(old_leases_);
    if (std::ranges::find(leases, old) == leases.end()) {
      leases.insert(leases.begin() + static_cast<std::ptrdiff_t>(random_.below(leases.size() + 1)), old);
      asked.bogus = 1;
    }
  }
  const auto how = random_.below(20);
  const std::uint8_t quiet = random_.one_in(4) ? kFlagQuiet : 0;
  const auto request = number(quiet != 0);
  for (const auto& held : asked.leases) {
    if (const auto consumer = consumers_.find(held.consumer); consumer != consumers_.end() && how != 13)
      ++consumer->second.returned;
  }
  const auto as_map = [&](std::uint32_t more, const std::function<void(PackWriter&)>& rest) {
    return packed([&](PackWriter& map) {
      map.map(1 + more).uint(0).array(static_cast<std::uint32_t>(leases.size()));
      for (const auto lease : leases) map.uint(lease);
      rest(map);
    });
  };
  asked.settles = how < 12 || how >= 19;
  if (asked.settles) {
    for (const auto& held : asked.leases) ++to_.judge.at(held.tag).settling;
  }
  if (how == 13) {  // they stay
    put(Opcode::extend, quiet, request, as_map(0, [](PackWriter&) {}), asked);
    held_.insert(held_.end(), asked.leases.begin(), asked.leases.end());
  } else if (how < 12) {
    std::string body;
    for (const auto lease : leases) body += joined(lease);
    put(Opcode::ack, quiet, request, body, asked);
  } else if (how < 19) {
    const auto delay = static_cast<std::uint64_t>(random_.one_in(2) ? 0 : random_.between(1, 800));
    put(Opcode::nack, quiet, request, as_map(1, [&](PackWriter& map) { map.uint(1).uint(delay); }), asked);
  } else {
    put(Opcode::reject, quiet, request, as_map(1, [](PackWriter& map) { map.uint(2).str("no use"); }), asked);
  }
}

void Client::complete(Held held) {
  Asked asked{.want = Want::good, .leases = {held}};
  const auto count = static_cast<std::uint32_t>(random_.between(0, 3));
  auto body = joined(held.lease, count);
  for (std::uint32_t i = 0; i < count; ++i) {
    auto sent = mail(random_.pick(to_.mailboxes));
    sent.bytes = std::min<std::size_t>(sent.bytes, 2'000);
    sent.in_order = false;
    if (to_.shards > 1) {
      sent.has_own_id = false;
      sent.may_die = to_.is_bounded;
    }
    const auto tag = to_.judge.add(std::move(sent));
    asked.tags.push_back(tag);
    const auto message = envelope_of(to_.judge.at(tag), tag);
    body += joined(static_cast<std::uint32_t>(message.size()));
    body += message;
  }
  ++to_.judge.at(held.tag).settling;
  if (const auto consumer = consumers_.find(held.consumer); consumer != consumers_.end()) ++consumer->second.returned;

  put(Opcode::complete, 0, number(), body, std::move(asked));
}

void Client::request() {
  auto sent = mail(to_.mailboxes[random_.below(to_.mailboxes.size() - 1)]);
  sent.kind = Sent::Kind::request;
  sent.once = true;
  sent.in_order = false;
  const bool stream = random_.one_in(2);
  const auto timeout = static_cast<std::uint32_t>(random_.between(100, 4'000));
  const auto tag = to_.judge.add(std::move(sent));
  put(Opcode::request, stream ? kFlagStream : 0, number(), joined(timeout) + envelope_of(to_.judge.at(tag), tag),
      Asked{.want = Want::either, .stream = stream, .tags = {tag}, .wait_ms = timeout});
}

// At a reply address; whoever asked may be gone by then.
void Client::answer(const Held& held) {
  const bool is_status = random_.one_in(3);
  Sent sent{.kind = Sent::Kind::answer,
            .to = held.reply_to,
            .from = from_,
            .line = line_,
            .place = ++place_,
            .bytes = std::min<std::size_t>(size(), 3'000),
            .once = true,
            .in_order = false,
            .answers = held.asked,
            .is_status = is_status};
  const auto tag = to_.judge.add(std::move(sent));
  put(Opcode::publish, random_.one_in(4) ? kFlagQuiet : 0, number(true),
      envelope_of(to_.judge.at(tag), tag, [&](Message& message) { message.type = is_status ? "status" : "response"; }),
      Asked{.want = Want::either, .tags = {tag}});
  ++to_.answers;
}

void Client::receipt() {
  if (ids_.empty()) return ping();
  for (const auto& [number, asked] : asked_) {
    if (asked.front().what == Opcode::receipt) return ping();
  }
  std::string body;
  const auto count = static_cast<std::uint32_t>(random_.between(1, 50));
  for (std::uint32_t i = 0; i < count; ++i) body += joined(ids_[random_.below(ids_.size())].first);
  put(Opcode::receipt, 0, number(), body, Asked{.want = Want::good, .most = count});
}

// Under 0 several may be under way at once.
void Client::ping() {
  std::string body;
  for (auto left = random_.one_in(3) ? 64 : random_.between(0, 64); left > 0; --left)
    body.push_back(static_cast<char>(random_.next()));
  const auto request = random_.one_in(4) ? 0 : number();
  put(Opcode::ping, 0, request, body, Asked{.want = Want::good, .body = body});
}

void Client::cancel() {
  std::vector<std::uint32_t> targets;
  const auto add = [&](std::uint32_t number, bool is_ending) {
    if (!is_ending) targets.push_back(number);
  };
  for (const auto& [number, hearing] : hearings_) add(number, hearing.is_ending);
  for (const auto& [number, consumer] : consumers_) add(number, consumer.is_ending);
  for (const auto& [number, asked] : asked_) {
    const auto what = asked.front().what;
    if (what == Opcode::receive || what == Opcode::wait || what == Opcode::request)
      add(number, asked.front().is_ending);
  }
  const auto target = targets.empty() || random_.one_in(8) ? 987'654u : random_.pick(targets);
  if (const auto hearing = hearings_.find(target); hearing != hearings_.end()) hearing->second.is_ending = true;
  if (const auto consumer = consumers_.find(target); consumer != consumers_.end()) consumer->second.is_ending = true;
  std::uint64_t ended = 0;
  for (const auto what : {Opcode::receive, Opcode::wait, Opcode::request}) {
    auto* const asked = find(target, what);
    if (asked == nullptr) continue;
    asked->is_ending = true;
    ended = asked->serial;
  }
  const bool ends = hearings_.contains(target) || consumers_.contains(target);
  put(Opcode::cancel, 0, number(), joined(target),
      Asked{.want = Want::good, .ends = ends, .ended = ended, .target = target});
}

void Client::wrong() {
  const Asked asked{.want = Want::bad};
  const std::string_view none;
  switch (random_.below(9)) {
    case 0:
      return put(static_cast<Opcode>(0x70), 0, number(), "what is this", asked);
    case 1:
      return put(Opcode::hello, 0, number(), packed([](PackWriter& map) { map.map(0); }), asked);
    case 2:
      return put(Opcode::subscribe, 0, number(), "\xff", asked);
    case 3:
      return put(Opcode::ack, random_.one_in(2) ? kFlagQuiet : 0, number(), "1234567", asked);
    case 4:
      return put(Opcode::ping, 0, number(), std::string(65, 'x'), asked);
    case 5:
      return put(Opcode::publish, random_.one_in(2) ? kFlagQuiet : 0, number(), std::string("\x82\x03", 2), asked);
    case 6:
      return put(Opcode::receive, 0, number(), packed([](PackWriter& map) { map.map(1).uint(77).uint(1); }), asked);
    case 7:
      return put(Opcode::cancel, 0, number(), "123", asked);
    default:
      if (to_.shards == 1) return put(Opcode::receipt, 0, number(), none, asked);
      // A number of the server's own is refused under 0.
      append_frame(out_, Opcode::ping, 0, kLastOfClients + 1 + static_cast<std::uint32_t>(random_.below(65'536)), none);
      ++to_.frames_sent;
      asked_[0].push_back(Asked{.what = Opcode::credit, .want = Want::bad, .at = to_.time.now});
  }
}

void Client::farewell() {
  const bool is_short = random_.one_in(2);
  const auto length = is_short ? static_cast<std::uint32_t>(random_.below(8))
                               : static_cast<std::uint32_t>(to_.frame_bytes_max - 3 + random_.below(5));
  fatal_ = static_cast<std::uint8_t>(is_short ? ErrorCode::malformed : ErrorCode::frame_too_large);

  fatal_at_ = to_.time.now;
  out_ += joined(length);
  out_ += std::string(1 + random_.below(20), '\x10');
  move(false);
}

// -- phase two

void Client::grant() {
  for (auto& [number, hearing] : hearings_) {
    if (!hearing.is_bounded || hearing.is_ending) continue;
    hearing.granted += 1'000;
    put(Opcode::credit, 0, 0, joined(number, std::uint32_t{1'000}), std::nullopt);
  }
}

void Client::say_last() {
  if (!is_open()) return;
  for (const auto& topic : to_.topics) {
    Sent sent{.kind = Sent::Kind::event, .to = topic, .from = from_, .line = line_, .place = ++place_};
    const auto tag = to_.judge.add(std::move(sent));
    put(Opcode::publish, 0, number(), envelope_of(to_.judge.at(tag), tag), Asked{.want = Want::good, .tags = {tag}});
  }
}

void Client::leave() {
  if (wire_) lose();
}

void Client::drain(std::string_view mailbox, std::uint32_t credit) {
  is_draining_ = true;
  priorities.clear();
  if (!wire_) {
    line_ = to_.judge.next_line();
    is_prompt_ = true;
    wire_ = to_.wires.connect({2, 9}, 1 << 20);
    from_ = "the judge";
    const bool has_token = !to_.token.empty();
    put(Opcode::hello, 0, number(), packed([&](PackWriter& hello) {
          hello.map(has_token ? 2 : 1).uint(1).str(from_);
          if (has_token) hello.uint(2).str(to_.token);
        }),
        Asked{.want = Want::good});
  }
  Consumer consumer{.mailbox = std::string(mailbox), .granted = credit};
  const auto request = number();
  put(Opcode::consume, 0, request,
      packed([&](PackWriter& map) { map.map(2).uint(0).str(mailbox).uint(1).uint(credit); }),
      Asked{.want = Want::good});
  consumers_.emplace(request, std::move(consumer));
}

}  // namespace folkmoot::simulation
