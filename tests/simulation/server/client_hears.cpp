// What a client is told, held against what it asked.
#include <fmt/ranges.h>

#include <algorithm>

#include "message/envelope.hpp"
#include "message/pack.hpp"
#include "simulation/server/client.hpp"

namespace folkmoot::simulation {
namespace {

constexpr std::size_t kUnderWayMax = 256 * 1024;
constexpr std::int64_t kLastWordsMs = 2'000;
constexpr std::int64_t kJumpMs = 5'000;  // within which what was due in it has shown

}  // namespace

// -- bytes

void Client::move(bool all) {
  if (!wire_ || wire_->server_closed || wire_->reset) return;
  auto bytes = std::min(out_.size(), kUnderWayMax - std::min(kUnderWayMax, wire_->to_server.size()));
  if (!all && bytes > 0 && !random_.percent(70)) bytes = random_.below(bytes + 1);
  wire_->to_server.append(out_, 0, bytes);
  out_.erase(0, bytes);
  if (!out_.empty()) was_partial_ = true;
}

void Client::listen() {
  if (!wire_) return;
  auto& come = wire_->to_client;
  const auto bytes = is_prompt_ || is_calm_ ? come.size() : random_.below(come.size() + 1);
  in_.append(come, 0, bytes);
  come.erase(0, bytes);
  parse();
  if (wire_ && come.empty() && (wire_->server_ended || wire_->reset)) on_end();
}

void Client::parse() {
  auto bytes = as_bytes(in_);
  while (wire_) {
    const auto frame = cut_frame(bytes, std::size_t{1} << 30);
    expect(frame.has_value(), "connection {}: what the server says is no frame", line_);
    if (!*frame) break;
    ++to_.frames_read;
    hear(**frame);
  }
  if (wire_) in_.erase(0, in_.size() - bytes.size());
}

void Client::on_crash() {
  if (!wire_) return;
  in_ += wire_->to_client;
  wire_->to_client.clear();
  parse();
  if (wire_) lose();
}

void Client::expect_farewell() {
  listen();
  expect(!is_open() || !is_prompt_ || goodbye_ || fatal_ != 0 || wire_->reset,
         "connection {} of {}: the server has stopped, and did not say so", line_, from_);
}

void Client::on_end() {
  // The server gives its last words 2 s, which may all have passed at once.
  const bool may_be_cut_short = !is_prompt_ || is_bad_opening_ || to_.time.now - to_.jumped_at <= kLastWordsMs;
  if (line_ == to_.traced) {
    fmt::print("{} ended: reset {}, closed {}, {} bytes of a frame, {} bytes unsent, jumped at {}{}\n", to_.time.now,
               wire_->reset, wire_->server_closed, in_.size(), out_.size(), to_.jumped_at,
               to_.is_stopping ? ", the server stops" : "");
  }
  if (!goodbye_ && !may_be_cut_short) {
    const bool was_late = !welcome_ && to_.time.now - connected_at_ >= to_.login_timeout_ms;
    const bool is_late = fatal_ != 0 && to_.time.now - fatal_at_ >= kLastWordsMs;
    const bool is_turned_away = !welcome_ && to_.is_stopping;
    expect(was_late || is_late || is_turned_away, "connection {} of {} ended without a word", line_, from_);
  }
  lose();
}

void Client::cut() {
  ++to_.cuts;
  move(false);
  switch (random_.below(3)) {
    case 0:
      wire_->client_ended = true;
      break;
    case 1:
      wire_->reset = true;
      wire_->to_server.clear();
      wire_->to_client.clear();
      break;
    default:
      wire_->vanished_at = to_.time.now;
      to_.vanished.push_back(wire_);
  }
  lose();
}

void Client::lose() {
  if (wire_->vanished_at == 0) wire_->client_ended = true;
  for (const auto& [number, all] : asked_) {
    for (const auto& asked : all) {
      for (const auto tag : asked.tags) {
        auto& sent = to_.judge.at(tag);
        if (sent.fate == Sent::Fate::open) sent.fate = Sent::Fate::unknown;
      }
    }
  }
  asked_.clear();
  hearings_.clear();
  consumers_.clear();
  held_.clear();
  old_leases_.clear();
  out_.clear();
  in_.clear();
  wire_.reset();
  order_ = {};
  welcome_ = goodbye_ = is_bad_opening_ = was_subscribed_ = was_partial_ = false;
  fatal_ = 0;
}

// -- frames

bool Client::may_be(const Asked& asked, Opcode answer) {
  switch (asked.what) {
    case Opcode::hello:
      return answer == Opcode::welcome || answer == Opcode::error;
    case Opcode::publish:
      return answer == Opcode::confirm || answer == Opcode::error;
    case Opcode::ack:
    case Opcode::nack:
    case Opcode::reject:
    case Opcode::extend:
      return answer == Opcode::settled || answer == Opcode::error;
    case Opcode::credit:
      return answer == Opcode::error;
    case Opcode::request:
      return answer == Opcode::deliver || answer == Opcode::error;
    default:
      return answer == Opcode::ok || answer == Opcode::error;
  }
}

Client::Asked Client::take(std::uint32_t number, const std::function<bool(const Asked&)>& fits, std::string_view what) {
  const auto found = asked_.find(number);
  expect(found != asked_.end(), "connection {}: {} under number {}, under which nothing was asked", line_, what,
         number);
  auto& all = found->second;
  const auto one = std::ranges::find_if(all, fits);
  expect(one != all.end(), "connection {}: {} under number {} is no answer to what was asked (opcode {:#x})", line_,
         what, number, static_cast<unsigned>(all.front().what));
  auto asked = std::move(*one);
  all.erase(one);
  if (all.empty()) asked_.erase(found);
  return asked;
}

Client::Asked* Client::find(std::uint32_t number, Opcode what) {
  const auto found = asked_.find(number);
  if (found == asked_.end()) return nullptr;
  for (auto& asked : found->second) {
    if (asked.what == what) return &asked;
  }
  return nullptr;
}

void Client::trace(char direction, Opcode opcode, std::uint8_t flags, std::uint32_t number, Bytes body) const {
  if (line_ != to_.traced || to_.traced == 0) return;
  fmt::print("{} {} {:#04x} flags {} number {} {:02x}\n", to_.time.now, direction, static_cast<unsigned>(opcode), flags,
             number, fmt::join(body.first(std::min<std::size_t>(body.size(), 100)), ""));
}

void Client::hear(const Frame& frame) {
  trace('<', frame.header.opcode, frame.header.flags, frame.header.request, frame.body);
  to_.digest = (to_.digest ^ static_cast<std::uint64_t>(frame.header.opcode) ^
                std::uint64_t{frame.header.request} << 8 ^ std::uint64_t{frame.header.length} << 40) *
               1'099'511'628'211;
  expect(!goodbye_, "connection {}: more comes after GOODBYE", line_);
  switch (frame.header.opcode) {
    case Opcode::welcome: {
      const auto asked =
          take(frame.header.request, [](const Asked& each) { return may_be(each, Opcode::welcome); }, "WELCOME");
      expect(asked.want == Want::good, "connection {}: it is welcome with a HELLO that is wrong", line_);
      welcome_ = true;
      return;
    }
    case Opcode::confirm:
      return hear_confirm(frame);
    case Opcode::ok:
      return hear_ok(frame);
    case Opcode::error:
      return hear_error(frame);
    case Opcode::deliver:
      return hear_delivery(frame);
    case Opcode::settled:
      return hear_settled(frame);
    case Opcode::goodbye:
      return hear_goodbye(frame);
    case Opcode::lagged: {
      const auto hearing = hearings_.find(frame.header.request);
      expect(hearing != hearings_.end() && hearing->second.is_bounded && frame.body.size() == 4,
             "connection {}: LAGGED under number {}, which has no credit to lack", line_, frame.header.request);
      hearing->second.missed += load<std::uint32_t>(frame.body.data());
      return;
    }
    case Opcode::withdrawn:
      expect(frame.header.request == 0 && frame.body.size() == 24, "connection {}: an odd WITHDRAWN", line_);
      return;
    default:
      expect(false, "connection {}: opcode {:#x} is none of the server's", line_,
             static_cast<unsigned>(frame.header.opcode));
  }
}

void Client::hear_confirm(const Frame& frame) {
  const auto asked =
      take(frame.header.request, [](const Asked& each) { return may_be(each, Opcode::confirm); }, "CONFIRM");
  expect(frame.body.size() == sizeof(Confirm), "a CONFIRM of {} bytes", frame.body.size());
  const auto confirm = load<Confirm>(frame.body.data());
  const auto tag = asked.tags.empty() ? Tag{0} : asked.tags.front();
  expect(asked.want != Want::bad, "connection {}: what is wrong was confirmed (message {})", line_, tag);
  expect(!asked.quiet, "connection {}: a QUIET message {} was confirmed", line_, tag);
  on_confirmed(tag, confirm);
}

void Client::on_confirmed(Tag tag, const Confirm& confirm) {
  auto& sent = to_.judge.at(tag);
  const bool was_known = sent.fate == Sent::Fate::confirmed;
  sent.fate = Sent::Fate::confirmed;
  switch (sent.kind) {
    case Sent::Kind::event:
    case Sent::Kind::answer:
      expect(confirm.outcome == PublishOutcome::sent, "message {} has outcome {}", tag, name(confirm.outcome));
      return;
    default:
      break;
  }
  if (confirm.outcome == PublishOutcome::duplicate) {
    expect(sent.keyed, "message {} is called a duplicate, and has no key", tag);
    if (was_known && !sent.id.is_nil() && sent.has_own_id)
      expect(confirm.id == sent.id, "a duplicate of message {} is confirmed as {}, the first was {}", tag,
             confirm.id.text(), sent.id.text());
  } else {
    expect(confirm.outcome == PublishOutcome::queued || confirm.outcome == PublishOutcome::offered ||
               confirm.outcome == PublishOutcome::scheduled,
           "message {} has outcome {}", tag, name(confirm.outcome));
    expect(!was_known, "message {} was taken twice", tag);
  }
  sent.id = confirm.id;
  ids_.emplace_back(confirm.id, tag);
  if (ids_.size() > 60) ids_.pop_front();
}

void Client::hear_ok(const Frame& frame) {
  const auto number = frame.header.request;
  const auto body = as_text(frame.body);
  const auto asked = take(
      number,
      [&](const Asked& each) {
        return may_be(each, Opcode::ok) && (each.what != Opcode::ping || each.want == Want::bad || each.body == body);
      },
      "OK");
  expect(asked.want != Want::bad, "connection {}: what is wrong was done (opcode {:#x}, number {})", line_,
         static_cast<unsigned>(asked.what), number);
  switch (asked.what) {
    case Opcode::subscribe:
      hearings_.at(number).since = to_.judge.size() + 1;
      return;
    case Opcode::consume:
      expect(body.size() == 4, "CONSUME is answered by {} bytes", body.size());
      return;
    case Opcode::receive:
      expect(body.size() == 8 && load<std::uint32_t>(frame.body.data()) == asked.got,
             "connection {}: RECEIVE {} says {} messages, and {} came", line_, number,
             load<std::uint32_t>(frame.body.data()), asked.got);
      return;
    case Opcode::wait:
      expect(body.size() == 8, "WAIT is answered by {} bytes", body.size());
      return;
    case Opcode::receipt: {
      PackReader reader(frame.body);
      expect(reader.array() == asked.most, "connection {}: not as many receipts as ids", line_);
      return;
    }
    case Opcode::cancel: {
      for (const auto what : {Opcode::wait, Opcode::request}) {
        const auto* const still = find(asked.target, what);
        expect(still == nullptr || still->serial != asked.ended,
               "connection {}: CANCEL of {} is answered before what it ends", line_, asked.target);
      }
      if (!asked.ends) return;
      if (const auto it = hearings_.find(asked.target); it != hearings_.end() && it->second.is_ending)
        hearings_.erase(it);
      if (const auto it = consumers_.find(asked.target); it != consumers_.end() && it->second.is_ending) {
        consumers_.erase(it);
        const auto let_go = [&](std::vector<Held>& leases) {
          for (auto& held : leases) held.consumer = held.consumer == asked.target ? 0 : held.consumer;
        };
        let_go(held_);
        for (auto& [other, all] : asked_) std::ranges::for_each(all, [&](Asked& each) { let_go(each.leases); });
      }
      return;
    }
    case Opcode::publish_batch:
    case Opcode::complete:
      return hear_outcomes(asked, frame.body);
    default:
      return;
  }
}

void Client::hear_outcomes(const Asked& asked, Bytes body) {
  std::size_t refused = 0;
  for (const auto tag : asked.tags) {
    expect(body.size() >= 2, "the results of a batch break off");
    const auto code = load<std::uint16_t>(body.data());
    body = body.subspan(2);
    if (code == 0) {
      expect(body.size() >= sizeof(Confirm), "a result breaks off");
      on_confirmed(tag, load<Confirm>(body.data()));
      body = body.subspan(sizeof(Confirm));
      continue;
    }
    ++refused;
    expect(body.size() >= 2 && body.size() >= 2u + load<std::uint16_t>(body.data()), "an error breaks off");
    const auto bytes = load<std::uint16_t>(body.data());
    on_refused(asked, {static_cast<ErrorCode>(code), std::string(as_text(body.subspan(2, bytes)))});
    to_.judge.at(tag).fate = Sent::Fate::refused;
    body = body.subspan(2u + bytes);
  }
  expect(body.empty(), "{} bytes behind the results of a batch", body.size());
  expect(!asked.quiet || refused > 0, "connection {}: a QUIET batch was answered, and nothing was refused", line_);
  if (asked.what != Opcode::complete) return;
  --to_.judge.at(asked.leases.front().tag).settling;
  to_.judge.on_settled(asked.leases.front().tag, asked.leases.front().number);
}

// Whether that can be.
void Client::on_refused(const Asked& asked, const Error& why) {
  ++to_.refusals;
  if (asked.want != Want::good) return;
  const bool is_timed = asked.wait_ms > 0 && (asked.what == Opcode::wait || asked.what == Opcode::receive);
  switch (why.code) {
    case ErrorCode::mailbox_full:
      if (to_.is_bounded) return;
      break;
    case ErrorCode::disk_full:
      if (to_.disk_may_fill) return;
      break;
    case ErrorCode::shutting_down:
      if (to_.is_stopping) return;
      break;
    case ErrorCode::timed_out:
      if (is_timed && to_.time.now - asked.at >= asked.wait_ms) return;
      break;
    case ErrorCode::cancelled:
      if (asked.is_ending) return;
      break;
    case ErrorCode::lease_lost:
      if (std::ranges::any_of(asked.leases, &Held::timed)) return;
      break;
    default:
      break;
  }
  expect(false, "connection {}: what is right was refused (opcode {:#x}): {}", line_, static_cast<unsigned>(asked.what),
         why.describe());
}

void Client::hear_error(const Frame& frame) {
  const auto number = frame.header.request;
  const auto why = read_error(frame);
  expect(why.has_value(), "an ERROR does not parse");
  const auto found = asked_.find(number);
  const bool has_wrong = found != asked_.end() &&
                         std::ranges::any_of(found->second, [](const Asked& each) { return each.want == Want::bad; });
  const auto asked =
      take(number, [&](const Asked& each) { return !has_wrong || each.want == Want::bad; }, why->describe());
  on_refused(asked, *why);
  if (asked.what == Opcode::subscribe) hearings_.erase(number);
  if (asked.what == Opcode::consume) consumers_.erase(number);
  for (const auto tag : asked.tags) {
    auto& sent = to_.judge.at(tag);
    // A request may be with somebody by now; of copies one may be there.
    const bool is_none = !sent.keyed && asked.what != Opcode::request;
    if (sent.fate != Sent::Fate::confirmed) sent.fate = is_none ? Sent::Fate::refused : Sent::Fate::unknown;
  }
  for (const auto& held : asked.leases) {  // they are as they were
    if (asked.settles) --to_.judge.at(held.tag).settling;
    if (asked.what == Opcode::extend) continue;
    if (const auto consumer = consumers_.find(held.consumer); consumer != consumers_.end()) --consumer->second.returned;
    if (why->code != ErrorCode::lease_lost) held_.push_back(held);
  }
}

void Client::hear_settled(const Frame& frame) {
  const auto asked =
      take(frame.header.request, [](const Asked& each) { return may_be(each, Opcode::settled); }, "SETTLED");
  const auto body = frame.body;
  expect(body.size() >= 8 && body.size() == 8 + std::size_t{8} * load<std::uint32_t>(body.data() + 4),
         "a SETTLED of {} bytes", body.size());
  expect(asked.want != Want::bad, "connection {}: what is wrong was settled", line_);
  std::set<std::uint64_t> refused;
  for (std::size_t at = 8; at < body.size(); at += 8) refused.insert(load<std::uint64_t>(body.data() + at));
  expect(!asked.quiet || !refused.empty(), "connection {}: a QUIET settlement was answered, and nothing refused",
         line_);
  std::size_t settled = 0, kept = 0;
  for (const auto& held : asked.leases) {
    if (asked.settles) --to_.judge.at(held.tag).settling;
    if (refused.contains(held.lease)) {
      ++kept;
      expect(held.timed, "connection {}: lease {:x} of message {} was refused, and nobody had ended it", line_,
             held.lease, held.tag);
      continue;
    }
    ++settled;
    if (asked.what != Opcode::extend) old_leases_.push_back(held.lease);
    if (asked.settles) to_.judge.on_settled(held.tag, held.number);
  }
  expect(settled == load<std::uint32_t>(body.data()) && refused.size() == kept + asked.bogus,
         "connection {}: {} leases were settled and {} refused, of {} and {} that nobody has", line_,
         load<std::uint32_t>(body.data()), refused.size(), asked.leases.size(), asked.bogus);
}

void Client::hear_goodbye(const Frame& frame) {
  const auto why = read_error(frame);
  expect(why.has_value() && frame.header.request == 0, "a GOODBYE does not parse");
  ++to_.goodbyes;
  goodbye_ = true;
  const auto is_allowed = [&] {
    switch (why->code) {
      case ErrorCode::malformed:
      case ErrorCode::frame_too_large:
        return static_cast<ErrorCode>(fatal_) == why->code;
      case ErrorCode::not_connected:
      case ErrorCode::unauthorized:
      case ErrorCode::unsupported_version:
        return is_bad_opening_;
      case ErrorCode::timed_out:
        return was_partial_ || !welcome_ || to_.time.now - to_.jumped_at <= kJumpMs;
      case ErrorCode::slow_consumer: {  // a response may hold it as an event does, and time jumps before it is read
        const bool for_too_long = why->text.contains("for too long");
        return was_subscribed_ || !is_prompt_ || (for_too_long && to_.time.now - to_.jumped_at <= kJumpMs);
      }
      case ErrorCode::shutting_down:
        return to_.is_stopping;
      default:
        return false;
    }
  };
  expect(is_allowed(), "connection {} of {} is ended, and nothing is wrong: {}", line_, from_, why->describe());
  if (fatal_ == 0 || static_cast<ErrorCode>(fatal_) != why->code) return;
  // What was said before is carried out before, and PING is answered at once.
  for (const auto& [number, all] : asked_) {
    for (const auto& asked : all) {
      expect(asked.what != Opcode::ping, "connection {}: GOODBYE comes before the answer to PING {}", line_, number);
    }
  }
}

// -- deliveries

void Client::hear_delivery(const Frame& frame) {
  const auto number = frame.header.request;
  ++to_.deliveries;
  if (const auto hearing = hearings_.find(number); hearing != hearings_.end())
    return hear_event(frame, hearing->second);
  if (const auto consumer = consumers_.find(number); consumer != consumers_.end())
    return hear_mail(frame, &consumer->second, nullptr, number);
  if (auto* const receive = find(number, Opcode::receive)) return hear_mail(frame, nullptr, receive, 0);
  if (find(number, Opcode::request) != nullptr) return hear_response(frame, number);
  expect(false, "connection {}: a delivery under number {}, which stands for nothing that gets any", line_, number);
}

void Client::hear_event(const Frame& frame, Hearing& hearing) {
  ++to_.events;
  ++hearing.heard;
  expect(!hearing.is_bounded || hearing.heard <= hearing.granted,
         "connection {}: a subscription with a credit of {} gets its {}th event", line_, hearing.granted,
         hearing.heard);
  // What the server itself has to say.
  if (const auto own = decode_message(frame.body); own && own->topic.starts_with("bus.")) {
    expect(fits(hearing.pattern, own->topic), "connection {}: an event on {} comes to a subscription of {}", line_,
           own->topic, hearing.pattern);
    return;
  }
  const auto came = to_.judge.read(frame, line_, to_.time.now);
  const auto& sent = to_.judge.at(came.tag);
  expect(sent.kind == Sent::Kind::event && fits(hearing.pattern, sent.to),
         "connection {}: message {} to {} comes to a subscription of {}", line_, came.tag, sent.to, hearing.pattern);
  expect(hearing.echo || sent.line != line_, "connection {}: its own event {} comes back", line_, came.tag);
  expect(hearing.tags.insert(came.tag).second, "connection {}: event {} comes twice under number {}", line_, came.tag,
         frame.header.request);
  auto& last = hearing.last[sent.line];
  expect(sent.place > last, "connection {}: event {} comes after one that was published after it", line_, came.tag);
  last = sent.place;
}

void Client::hear_mail(const Frame& frame, Consumer* consumer, Asked* receive, std::uint32_t number) {
  const auto came = to_.judge.read(frame, line_, to_.time.now);
  const auto& sent = to_.judge.at(came.tag);
  expect(sent.kind == Sent::Kind::mail || sent.kind == Sent::Kind::request, "connection {}: message {} is no mail",
         line_, came.tag);
  expect(sent.once == (came.lease == 0), "connection {}: message {} comes {} a lease", line_, came.tag,
         came.lease == 0 ? "without" : "with");
  order_.on_mail(sent, came);
  if (is_draining_ && !sent.once) priorities.push_back(sent.priority);
  if (consumer != nullptr) {
    expect(consumer->mailbox == sent.to, "connection {}: message {} to {} comes to a consumer of {}", line_, came.tag,
           sent.to, consumer->mailbox);
    expect(++consumer->taken <= consumer->granted + consumer->returned,
           "connection {}: a consumer with a credit of {} gets message {} beyond it", line_, consumer->granted,
           came.tag);
    if (came.lease == 0 && fatal_ == 0) {
      ++consumer->granted;
      std::string body(8, '\0');
      const std::uint32_t both[] = {number, 1};
      std::memcpy(body.data(), both, sizeof both);
      put(Opcode::credit, 0, 0, body, std::nullopt);
    }
  } else {
    expect(++receive->got <= receive->most, "connection {}: RECEIVE of {} gets more", line_, receive->most);
  }
  Held held{.lease = came.lease,
            .tag = came.tag,
            .number = came.number,
            .consumer = number,
            .timed = receive != nullptr && receive->timed,
            .reply_to = came.message.reply_to,
            .asked = came.tag};
  if (sent.kind == Sent::Kind::request && fatal_ == 0 && !random_.one_in(4)) answer(held);
  if (came.lease != 0) held_.push_back(std::move(held));
}

void Client::hear_response(const Frame& frame, std::uint32_t number) {
  const auto came = to_.judge.read(frame, line_, to_.time.now);
  const auto& sent = to_.judge.at(came.tag);
  auto& asked = *find(number, Opcode::request);
  expect(sent.kind == Sent::Kind::answer && sent.answers == asked.tags.front(),
         "connection {}: message {} is no answer to request {}", line_, came.tag, number);
  expect(!sent.is_status || asked.stream, "connection {}: request {} did not ask for statuses", line_, number);
  if (sent.is_status) return;
  (void)take(number, [](const Asked& each) { return each.what == Opcode::request; }, "a response");
}

// -- phase two

bool Client::calm() {
  if (!wire_) return false;
  stalls_until_ = 0;
  const auto unsent = out_.size();
  bool had_some = !wire_->to_client.empty() || wire_->server_ended || wire_->reset;
  is_calm_ = true;
  wire_->room = std::max(wire_->room, kUnderWayMax);
  move(true);
  had_some |= out_.size() < unsent;
  listen();
  if (!wire_ || goodbye_ || fatal_ != 0) return had_some;
  if (held_.empty()) return had_some;
  Asked asked{.want = Want::good, .leases = std::move(held_)};
  held_.clear();
  std::string body;
  for (const auto& held : asked.leases) {
    body.append(reinterpret_cast<const char*>(&held.lease), sizeof held.lease);
    ++to_.judge.at(held.tag).settling;
    if (const auto consumer = consumers_.find(held.consumer); consumer != consumers_.end()) ++consumer->second.returned;
  }
  put(Opcode::ack, 0, number(), body, std::move(asked));
  return true;
}

bool Client::wants_more_of(std::string_view mailbox) const {
  return is_open() && std::ranges::any_of(consumers_, [&](const auto& each) {
           const auto& consumer = each.second;
           return consumer.mailbox == mailbox && !consumer.is_ending &&
                  consumer.granted + consumer.returned > consumer.taken;
         });
}

void Client::conclude() {
  expect(!wire_ || (!is_bad_opening_ && !goodbye_), "connection {} is not ended, though it has been told so", line_);
  for (const auto& [number, all] : asked_) {
    for (const auto& asked : all) {
      expect(asked.quiet && asked.want != Want::bad,
             "connection {} of {}: opcode {:#x} under number {} was never answered", line_, from_,
             static_cast<unsigned>(asked.what), number);
      for (const auto tag : asked.tags) {
        if (to_.judge.at(tag).kind != Sent::Kind::answer) to_.judge.at(tag).fate = Sent::Fate::confirmed;
      }
      for (const auto& held : asked.leases) {
        if (!asked.settles) continue;
        --to_.judge.at(held.tag).settling;
        to_.judge.on_settled(held.tag, held.number);
      }
    }
  }
  asked_.clear();
}

void Client::expect_all_heard(bool is_told) const {
  for (const auto& [number, hearing] : hearings_) {
    if (hearing.since == 0 || hearing.is_ending) continue;
    std::uint64_t owed = 0;
    for (Tag tag = hearing.since; tag <= to_.judge.size(); ++tag) {
      const auto& sent = to_.judge.at(tag);
      if (sent.kind != Sent::Kind::event || sent.fate != Sent::Fate::confirmed || !fits(hearing.pattern, sent.to) ||
          (sent.line == line_ && !hearing.echo))
        continue;
      ++owed;
      expect(hearing.is_bounded || hearing.tags.contains(tag),
             "connection {}: event {} to {} never came to the subscription {} of {}", line_, tag, sent.to, number,
             hearing.pattern);
    }
    expect(!hearing.is_bounded || !is_told || hearing.heard + hearing.missed >= owed,
           "connection {}: of {} events subscription {} heard {} and is told of {} that it missed", line_, owed, number,
           hearing.heard, hearing.missed);
  }
}

}  // namespace folkmoot::simulation
