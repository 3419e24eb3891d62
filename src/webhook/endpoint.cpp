#include "webhook/endpoint.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/duration.hpp"
#include "base/utf8.hpp"
#include "folkmoot/operations.hpp"
#include "operation/answers.hpp"
#include "operation/json_codec.hpp"
#include "webhook/post_body.hpp"

namespace folkmoot {
namespace {

constexpr std::uint64_t kReceiveWaitMs = 300'000;            // then it is asked again
constexpr std::size_t kFrameNoLimit = std::size_t{1} << 31;  // frames of our own server
constexpr std::size_t kAnswerMax = 1024 * 1024 + 64 * 1024;  // a reply of the largest content, and what is around it
constexpr std::int64_t kOpenMsMost = 600'000;                // of a circuit breaker that opens again and again
constexpr std::int64_t kRestAfterRefusalMs = 1'000;
constexpr std::uint64_t kBackOffMs = 1'000;        // where the mailbox has no wait of its own; twice as long each time
constexpr std::uint32_t kBackOffDoublings = 9;     // then it grows no more
constexpr std::uint32_t kNumberMax = 0x7fff'0000;  // of requests; above are the server's own

std::string cut(std::string_view text, std::size_t most) {
  return std::string(text.substr(0, utf8_prefix(text.substr(0, most))));
}

bool differs_in_secrets_alone(WebhookRule one, const WebhookRule& other) {
  if (one.secrets == other.secrets) return false;
  one.secrets = other.secrets;
  one.revision = other.revision;
  return one == other;
}

}  // namespace

template <class Op>
std::uint32_t Endpoint::call(const Op& operation) {
  std::string arguments;
  JsonWriter writer(arguments);
  write_json(writer, describe<Op>(), &operation, Sparse::everything);
  const auto number = next_number();
  append_call(frames_, number, Op::kOperation.name, arguments);
  return number;
}

// -- its rule

// Whatever has changed but its secrets: it begins anew.
void Endpoint::set_rule(ShardNumber shard, WebhookRule rule, PostTime now) {
  const bool is_same = rule == rule_ || (rule_.revision != 0 && differs_in_secrets_alone(rule_, rule));
  shard_ = shard;
  is_removed_ = false;
  rule_ = std::move(rule);
  if (is_same) return;
  breaker_ = CircuitBreaker({.open_ms = rule_.open_ms.ms,
                             .open_ms_max = std::max(rule_.open_ms.ms, kOpenMsMost),
                             .failures_to_open = rule_.failures});
  rests_until_ = 0;
  state_.failing_since = 0;
  is_failing_ = was_failing_ = false;
  excused_ms_ = 0;
  tell(now);
}

// Nobody has tried it while no server ran: that is not its fault. The circuit is closed again, for its next open time
// would begin anew with every restart, and it would never be tried; but that it has opened already still counts.
void Endpoint::go_on_failing(const FailingWebhook& before, std::int64_t ran_until, PostTime now) {
  state_.failing_since = std::min(before.since, now.wall.ms);
  const auto seen = std::max(before.last_failed, ran_until);
  excused_ms_ = before.excused_ms + std::max<std::int64_t>(now.wall.ms - seen, 0);
  last_failed_ = now.wall.ms;
  is_failing_ = was_failing_ = true;
  tell(now);
}

FailingWebhook Endpoint::failing() const {
  if (!is_failing_ || is_over()) return {};
  return {.revision = rule_.revision,
          .since = state_.failing_since,
          .excused_ms = excused_ms_,
          .last_failed = last_failed_};
}

void Endpoint::remove() {
  is_removed_ = true;
  ways_.board.forget(agent_);
}

void Endpoint::close() {
  if (link_) link_->close();
  link_.reset();
}

// -- over the link

std::uint32_t Endpoint::next_number() {
  last_number_ = last_number_ == kNumberMax ? 1 : last_number_ + 1;
  return last_number_;
}

bool Endpoint::connect() {
  if (link_) return true;
  link_ = ways_.connect(shard_);
  if (!link_) return false;
  receive_ = 0;
  is_cancelled_ = false;
  settling_.clear();
  frames_.clear();
  append_hello(frames_, next_number(), {.agent = agent_, .token = {}, .software = "webhook"});
  policy_ = 0;
  ask_policy();
  return true;
}

// What finds no room goes when the shard has taken what was before it: then the link calls.
void Endpoint::flush() {
  if (link_ && !frames_.empty() && link_->send(frames_)) frames_.clear();
}

void Endpoint::ask(std::uint32_t most) {
  receive_ = next_number();
  is_cancelled_ = false;
  append_receive(frames_, receive_, {.mailbox = agent_, .max = most, .wait_ms = kReceiveWaitMs});
}

void Endpoint::ask_policy() {
  if (policy_ == 0) policy_ = call(ShowMailbox{.name = agent_});
}

// A mailbox that is not there yet has the server's policy, of which as much is not known.
void Endpoint::on_policy(const Frame& frame) {
  static constexpr auto kInfo = operation_info<ShowMailbox>();
  policy_ = 0;
  ShownMailbox shown;
  const bool is_told = frame.header.opcode == Opcode::ok && read_answer(kInfo, frame.body, &shown);
  has_waits_ = is_told && shown.retry.initial_ms != 0;
}

void Endpoint::stop_asking() {
  if (receive_ == 0 || is_cancelled_) return;
  is_cancelled_ = true;
  append_cancel(frames_, next_number(), receive_);
}

void Endpoint::read(PostTime now) {
  if (!link_) return;
  const bool was_closed = link_->closed();
  const auto taken = link_->take();
  auto bytes = as_bytes(taken);
  for (;;) {
    const auto cut = cut_frame(bytes, kFrameNoLimit);
    if (!cut || !*cut) break;
    on_frame(**cut, now);
  }
  if (!was_closed) return;
  // What was leased has gone back; what is under way is settled in vain, and comes again.
  link_.reset();
  held_.clear();
  settling_.clear();
  frames_.clear();
  receive_ = 0;
  rests_until_ = std::max(rests_until_, now.steady_ms + kRestAfterRefusalMs);
}

void Endpoint::on_frame(const Frame& frame, PostTime now) {
  const auto number = frame.header.request;
  if (frame.header.opcode == Opcode::deliver) {
    auto delivered = read_delivery(frame);
    if (delivered) {
      held_.push_back(std::move(*delivered));
    } else {
      spdlog::error("webhook of {}: {}", agent_, delivered.error().describe());
    }
    return;
  }
  if (frame.header.opcode == Opcode::goodbye) {
    const auto why = read_error(frame);
    spdlog::warn("webhook of {}: {}", agent_, why ? why->describe() : "?");
    return;
  }
  if (receive_ != 0 && number == receive_) {
    receive_ = 0;
    if (frame.header.opcode != Opcode::error) return;
    const auto why = read_error(frame);
    if (!why || why->code == ErrorCode::cancelled) return;
    spdlog::warn("webhook of {}: its mailbox cannot be read: {}", agent_, why->describe());
    rests_until_ = now.steady_ms + kRestAfterRefusalMs;
    return;
  }
  if (policy_ != 0 && number == policy_) return on_policy(frame);
  const auto found = settling_.find(number);
  if (found == settling_.end()) return;
  const auto what = found->second;
  settling_.erase(found);
  on_settled(frame, what, now);
}

// A lease that is gone is somebody else's business. Else the message comes again, rather than stay in our hands.
void Endpoint::on_settled(const Frame& frame, const Settling& what, PostTime now) {
  if (frame.header.opcode != Opcode::error) {
    if (what.has_outputs) count({.end = WebhookEnd::delivered}, now);
    return;
  }
  const auto why = read_error(frame);
  if (!why || why->code == ErrorCode::lease_lost) return;
  const auto reason = fmt::format("what it answered cannot be carried out: {}", why->describe());
  if (what.has_outputs) count(unusable(reason), now);
  const std::uint64_t leases[] = {what.lease};
  append_nack(frames_, next_number(), leases, std::nullopt, cut(reason, kWebhookErrorMost), true);
}

// -- what may be posted

std::int64_t Endpoint::not_before(std::int64_t now) const {
  auto at = pace_.next_at(rule_.rate, rule_.concurrency, now);
  if (const auto open = breaker_.open_until_ms(); open) at = std::max(at, *open);
  at = std::max(at, rests_until_);
  return at > now ? at : 0;
}

std::size_t Endpoint::at_a_time(std::int64_t now) const {
  return breaker_.state(now) == CircuitBreaker::State::closed ? rule_.concurrency : 1;
}

// Nothing more is posted: what is under way ends, and then it is no consumer any more.
Endpoint::Wants Endpoint::withdraw() {
  stop_asking();
  for (const auto& message : held_) give_back(message, {.then = Verdict::Then::give_back, .reason = "it is disabled"});
  held_.clear();
  const bool is_done = under_way_.empty() && receive_ == 0 && settling_.empty();
  flush();
  if (is_done && frames_.empty()) close();
  return {};
}

Endpoint::Wants Endpoint::go_on(const Settings& settings, PostTime now, std::size_t& room) {
  if (!is_enabled()) return withdraw();
  Wants wants;
  if (!link_ && rests_until_ > now.steady_ms) {
    wants.at = rests_until_;
    return wants;
  }
  if (!connect()) {
    wants.at = now.steady_ms + kRestAfterRefusalMs;
    return wants;
  }
  const auto free = [&] {
    const auto most = at_a_time(now.steady_ms);
    return under_way_.size() < most ? most - under_way_.size() : 0;
  };
  auto at = not_before(now.steady_ms);
  while (!held_.empty() && at == 0 && free() > 0 && room > 0) {
    if (!breaker_.allow(now.steady_ms)) break;
    begin(settings, now);
    --room;
    at = not_before(now.steady_ms);
  }
  wants.at = at;
  wants.room = at == 0 && free() > 0 && room == 0 && (!held_.empty() || receive_ == 0);
  if (at != 0 || !held_.empty()) {
    if (at != 0) stop_asking();
  } else if (receive_ == 0 && free() > 0 && room > 0) {
    // One that has nothing to do holds one message at most, however many there are of those.
    const auto most = under_way_.empty() || rule_.rate != 0 ? 1 : std::min(free(), room);
    ask(static_cast<std::uint32_t>(most));
  }
  flush();
  if (state_.breaker != static_cast<WebhookState::Breaker>(breaker_.state(now.steady_ms))) tell(now);
  return wants;
}

void Endpoint::begin(const Settings& settings, PostTime now) {
  auto message = std::move(held_.front());
  held_.pop_front();
  pace_.take(rule_.rate, now.steady_ms);
  auto body = post_body(
      {.agent = agent_, .attempt = std::max(message.delivery, 1u), .redelivered = message.redelivered, .now = now.wall},
      message.message);
  auto headers = post_headers(rule_.secrets, message.message, now.wall, body, settings.software);
  const auto timeout = rule_.timeout_ms != 0 ? std::chrono::milliseconds(rule_.timeout_ms.ms) : settings.timeout;
  const auto number =
      ways_.post({.url = rule_.url, .body = std::move(body), .headers = std::move(headers)},
                 {.timeout = timeout, .answer_bytes_max = kAnswerMax, .keeps_answer = true, .local = settings.local});
  // Its answer needs none of what it holds.
  message.message.content.clear();
  under_way_.emplace(number, std::move(message));
  tell(now);
}

// -- what came of it

void Endpoint::end(std::uint64_t number, PostOutcome outcome, const Settings& settings, PostTime now) {
  const auto found = under_way_.find(number);
  const auto message = std::move(found->second);
  under_way_.erase(found);
  auto verdict = judge(outcome);
  std::vector<Message> outputs;
  if (verdict.then == Verdict::Then::settle) {
    if (auto read = read_post_answer(outcome.body, outcome.content_type, message.message); read) {
      outputs = std::move(*read);
    } else {
      verdict = unusable(fmt::format("what it answered cannot be carried out: {}", read.error().describe()));
    }
  }
  ++state_.attempts;
  state_.last_at = now.wall.ms;
  state_.last_code = static_cast<std::uint32_t>(std::clamp(outcome.status, 0L, 999L));
  const bool counts_later = message.lease != 0 && !outputs.empty();  // when the shard has said whether it can be
  if (link_ && !link_->closed()) {
    if (settings.notes_answers) note_answer(message, outcome);
    if (verdict.then == Verdict::Then::settle) {
      settle(message, std::move(outputs));
    } else {
      give_back(message, verdict);
    }
  }
  if (!counts_later) count(verdict, now);
  if (verdict.is_failure) {
    breaker_.failure(now.steady_ms);
  } else {
    breaker_.success(now.steady_ms);
    was_failing_ = false;
  }
  if (verdict.rest) rests_until_ = std::max(rests_until_, now.steady_ms + verdict.rest->count());
  is_failing_ = state_.failing_since != 0 && (is_failing_ || breaker_.failures() >= rule_.failures);
  if (verdict.disables) disable("it answered 410: it is gone");
  const bool is_down = was_failing_ || breaker_.failures() >= rule_.failures;
  const bool fails = rule_.disable_after_ms != 0 && is_down && state_.failing_since != 0;
  if (fails && now.wall.ms - state_.failing_since - excused_ms_ >= rule_.disable_after_ms.ms)
    disable(fmt::format("nothing was delivered since {}; last: {}", format_time_ms(state_.failing_since),
                        state_.last_error));
  tell(now);
}

void Endpoint::settle(const Delivered& message, std::vector<Message> outputs) {
  if (message.lease == 0) {
    for (const auto& output : outputs) {
      if (const auto done = append_publish(frames_, next_number(), output, true); !done)
        spdlog::warn("webhook of {}: {}", agent_, done.error().describe());
    }
    return;
  }
  const auto number = next_number();
  const std::uint64_t leases[] = {message.lease};
  if (outputs.empty()) {
    append_ack(frames_, number, leases);
  } else if (const auto done = append_complete(frames_, number, message.lease, outputs); !done) {
    return append_nack(frames_, number, leases, std::nullopt, cut(done.error().describe(), kWebhookErrorMost), true);
  }
  settling_[number] = {.lease = message.lease, .has_outputs = !outputs.empty()};
}

void Endpoint::give_back(const Delivered& message, const Verdict& verdict) {
  if (message.lease == 0) return;
  const std::uint64_t leases[] = {message.lease};
  const auto reason = cut(verdict.reason, kWebhookErrorMost);
  if (verdict.then == Verdict::Then::reject) return append_reject(frames_, next_number(), leases, reason, true);
  std::optional<std::uint64_t> delay;
  if (verdict.rest) {
    delay = static_cast<std::uint64_t>(verdict.rest->count());
  } else if (!has_waits_ && !message.message.retry) {
    // At once, as mailboxes have it by themselves, is for consumers; an endpoint would be run over.
    delay = kBackOffMs << std::min(std::max(message.delivery, 1u) - 1, kBackOffDoublings);
  }
  ask_policy();
  append_nack(frames_, next_number(), leases, delay, reason, true);
}

// Before it is settled, over the same link: they are carried out one after the other.
void Endpoint::note_answer(const Delivered& message, const PostOutcome& outcome) {
  const bool is_whole = outcome.failure == PostFailure::none;
  if (!is_whole || message.lease == 0 || outcome.status < 100 || outcome.status > 599) return;
  call(NoteAnswer{
      .id = message.message.id,
      .lease = message.lease,
      .code = static_cast<std::uint32_t>(outcome.status),
      .answer = cut(escaped_controls(std::string_view(outcome.body).substr(0, kAnswerNotedMost), KeepLines::yes),
                    kAnswerNotedMost)});
}

void Endpoint::count(const Verdict& verdict, PostTime now) {
  ways_.board.count(verdict.end);
  if (verdict.end == WebhookEnd::delivered) {
    ++state_.delivered;
    state_.failing_since = 0;
    is_failing_ = false;
    excused_ms_ = 0;
    state_.last_error.clear();
  } else {
    ++state_.failed;
    if (state_.failing_since == 0) state_.failing_since = now.wall.ms;
    last_failed_ = now.wall.ms;
    state_.last_error = cut(verdict.reason, kWebhookErrorMost);
  }
  tell(now);
}

void Endpoint::disable(const std::string& reason) {
  if (!is_enabled()) return;
  spdlog::warn("webhook of {}: disabled: {}", agent_, reason);
  disabling_ = rule_.revision;
  call(DisableWebhook{.agent = agent_, .reason = cut(reason, kWebhookReasonMost), .revision = rule_.revision});
}

void Endpoint::tell(PostTime now) {
  if (is_removed_) return;
  const auto was = state_.breaker;
  state_.breaker = static_cast<WebhookState::Breaker>(breaker_.state(now.steady_ms));
  state_.failures = breaker_.failures();
  state_.under_way = static_cast<std::uint32_t>(under_way_.size());
  const auto open = breaker_.open_until_ms();
  const auto at = std::max(open.value_or(0), rests_until_);
  state_.next_at = at > now.steady_ms ? now.wall.ms + (at - now.steady_ms) : 0;
  if (state_.breaker == WebhookState::Breaker::open && was == WebhookState::Breaker::closed) {
    spdlog::warn("webhook of {}: left alone until {}: it failed {} times in a row; last: {}", agent_,
                 format_time_ms(state_.next_at), state_.failures, state_.last_error);
  }
  if (state_.breaker == WebhookState::Breaker::closed && was != WebhookState::Breaker::closed)
    spdlog::info("webhook of {}: posted to again", agent_);
  ways_.board.say(agent_, state_);
}

}  // namespace folkmoot
