#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <map>

#include "base/base64.hpp"
#include "base/duration.hpp"
#include "base/hmac.hpp"
#include "base/tzif.hpp"
#include "base/utf8.hpp"
#include "message/json_writer.hpp"
#include "operation/merge.hpp"
#include "server/durations.hpp"
#include "server/operations/call.hpp"
#include "server/operations/name_pattern.hpp"
#include "server/operations/wakes.hpp"

namespace folkmoot {
namespace {

static_assert(std::ranges::equal(kWakeKindWords, kWakeHows));
static_assert(kWakeUrlMost == kWakeUrlMax && kWakeSecretMost == kWakeSecretMax && kWakeBatchMost == kWakeBatchMax &&
              kWakeWeekMs == static_cast<std::uint64_t>(kWakeWaitMax.ms));

constexpr std::string_view kZones = "/usr/share/zoneinfo/";
constexpr std::string_view kSecretPrefix = "whsec_";

Error no_wake(std::string_view agent) {
  return {ErrorCode::not_found, fmt::format("no wake is set for {}", printable(agent)),
          "`folkmoot wake list` names those that are"};
}

// -- time zones, which the engine knows by their rules alone

bool is_zone_name(std::string_view name) {
  const auto is_part = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '+' || c == '/';
  };
  return !name.empty() && name.size() <= 255 && name.front() != '/' && std::ranges::all_of(name, is_part);
}

// Nothing if there is no such file.
std::optional<std::string> read_zone(std::string_view name) {
  const int file = ::open(std::string(kZones).append(name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  const int opened = file >= 0 || errno != ELOOP
                         ? file
                         : ::open(std::string(kZones).append(name).c_str(), O_RDONLY | O_CLOEXEC);  // an older name
  if (opened < 0) return std::nullopt;
  std::string bytes(kTzifBytesMax, '\0');
  const auto got = ::read(opened, bytes.data(), bytes.size());
  ::close(opened);
  if (got < 0) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

// A name of the system's time zones, or a rule as it is.
Result<std::string> rule_of_zone(const std::string& zone) {
  if (zone.empty() || zone == "UTC") return "UTC0";
  if (is_zone_name(zone)) {
    if (const auto file = read_zone(zone)) return rule_of_tzif(as_bytes(*file));
  }
  if (PosixTz::parse(zone)) return zone;
  return failure(
      ErrorCode::invalid_field,
      fmt::format("`zone`: there is no time zone {} on this machine, and it is no POSIX rule", printable(zone)),
      "give a name such as Europe/Berlin (Debian: package tzdata), or a rule such as "
      "CET-1CEST,M3.5.0,M10.5.0/3");
}

// -- quiet hours as people write them

std::optional<std::int32_t> read_minute(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  int hour = 0, minute = 0;
  const auto* const at = text.data();
  const auto read_hour = std::from_chars(at, at + 2, hour), read_rest = std::from_chars(at + 3, at + 5, minute);
  if (read_hour.ptr != at + 2 || read_rest.ptr != at + 5 || hour < 0 || hour > 23 || minute < 0 || minute > 59)
    return std::nullopt;
  return hour * 60 + minute;
}

Result<void> read_quiet(std::string_view text, WakeRule& rule) {
  if (text.empty()) return {};
  const auto from = read_minute(text.substr(0, 5));
  const auto to = text.size() == 11 && text[5] == '-' ? read_minute(text.substr(6)) : std::nullopt;
  if (!from || !to || *from == *to)
    return failure(ErrorCode::invalid_field, "`quiet` is two times of the day, such as 22:00-07:00");
  rule.quiet_from = *from;
  rule.quiet_to = *to;
  return {};
}

std::string quiet_of(const WakeRule& rule) {
  if (rule.quiet_from == rule.quiet_to) return {};
  return fmt::format("{:02}:{:02}-{:02}:{:02}", rule.quiet_from / 60, rule.quiet_from % 60, rule.quiet_to / 60,
                     rule.quiet_to % 60);
}

// -- as they are told

std::string_view state_of(const Wake& wake) {
  if (wake.is_taken()) return "taken";
  if (wake.due_at != 0) return "due";
  return wake.first_at != 0 ? "waiting" : "idle";
}

std::string_view end_of(const Wake& wake) {
  return wake.end == WakeEnd::done && !wake.was_read ? "unread" : kWakeEnds[static_cast<std::size_t>(wake.end)];
}

WakeStatus status_of(const Wakes& wakes, const Wake& wake, const WaitingMail& mail) {
  const auto& rule = wake.rule;
  return {.agent = rule.agent,
          .how = static_cast<WakeKind>(rule.how),
          .url = rule.url,
          .policy = {.priority = rule.priority,
                     .batch = rule.batch,
                     .batch_wait = in_ms(rule.batch_wait),
                     .quiet = quiet_of(rule),
                     .zone = rule.zone,
                     .budget = rule.budget,
                     .retry = in_ms(rule.retry_ms),
                     .retry_max = in_ms(rule.retry_max_ms)},
          .state = std::string(state_of(wake)),
          .unread = mail.unread,
          .due_at_ms = wake.due_at.ms,
          .next_at_ms = wake.next_at.ms,
          .taken_by = wake.watcher,
          .taken_at_ms = wake.is_taken() ? wake.taken_at.ms : 0,
          .last_end = std::string(end_of(wake)),
          .last_reason = wake.reason,
          .last_at_ms = wake.count.woken_at.ms,
          .tries = wake.count.tries,
          .woken_today = wakes.woken_today(wake),
          .watched = wakes.is_watched(wake)};
}

// Signed here, so that no secret leaves the shard that keeps it.
void sign(TakenWake& wake, const WakeRule& rule, Instant now) {
  JsonWriter(wake.body)
      .begin_object()
      .field("type", "folkmoot.wake")
      .field("timestamp", format_time_ms(now.ms))
      .field("agent", wake.agent)
      .field("unread", wake.unread)
      .field("ready", wake.ready)
      .field("first_priority", wake.first_priority)
      .field("attempt", wake.attempt)
      .end_object();
  wake.url = rule.url;
  wake.signed_at_ms = now.ms;
  const auto key = decode_base64(std::string_view(rule.secret).substr(kSecretPrefix.size())).value_or("");
  const auto text = fmt::format("{}.{}.{}", wake.id.text(), now.ms / 1'000, wake.body);
  wake.signature = std::string("v1,").append(encode_base64(hmac_sha256(key, text)));
}

}  // namespace

std::string write_taken_wakes(std::span<const WokenView> wakes, bool between_shards) {
  static constexpr auto kInfo = operation_info<TakeWakes>();
  TakenWakes taken;
  for (const auto& [wake, mail, id, at] : wakes) {
    auto& one = taken.wakes.emplace_back(TakenWake{.agent = wake->rule.agent,
                                                   .wake = wake->token.value,
                                                   .how = static_cast<WakeKind>(wake->rule.how),
                                                   .id = id,
                                                   .attempt = wake->count.tries + 1,
                                                   .unread = mail.unread,
                                                   .ready = mail.ready,
                                                   .first_priority = mail.first != 0 ? mail.first : normal});
    if (wake->rule.how == WakeHow::webhook) sign(one, wake->rule, at);
  }
  return write_answer(kInfo, &taken, between_shards).value_or(std::string());
}

Result<void> carry_out(const Call& call, const SetWake& arguments) {
  const auto& policy = arguments.policy;
  WakeRule rule{.agent = arguments.agent,
                .how = static_cast<WakeHow>(arguments.how),
                .url = arguments.url,
                .secret = arguments.secret,
                .priority = policy.priority,
                .batch = policy.batch,
                .batch_wait = in_ms(policy.batch_wait),
                .zone = policy.zone.empty() ? "UTC" : policy.zone,
                .budget = policy.budget,
                .retry_ms = in_ms(policy.retry),
                .retry_max_ms = in_ms(policy.retry_max)};
  // A secret is shown to nobody, so who changes something else of a webhook cannot say it again.
  const auto* const old = call.engine.wakes().find(arguments.agent);
  if (rule.how == WakeHow::webhook && rule.secret.empty() && old != nullptr && old->rule.how == WakeHow::webhook)
    rule.secret = old->rule.secret;
  if (has_c1(arguments.agent))
    return failure(ErrorCode::invalid_name, "a name holds a control character (U+0080-009F)");
  if (auto read = read_quiet(policy.quiet, rule); !read) return read;
  auto zone = rule_of_zone(rule.zone);
  if (!zone) return std::unexpected(std::move(zone.error()));
  rule.tz = std::move(*zone);
  call.engine.wakes().set({call.session, call.request}, rule);
  return {};
}

Result<void> carry_out(const Call& call, const RemoveWake& arguments) {
  call.engine.wakes().remove({call.session, call.request}, arguments.agent);
  return {};
}

Result<void> carry_out(const Call& call, const ListWakes& arguments) {
  const auto match = NamePattern::make(arguments.match);
  if (!match) return std::unexpected(match.error());
  WakePage page;
  call.engine.wakes().each([&](const Wake& wake, const WaitingMail& mail) {
    if (page.wakes.size() > arguments.limit || wake.rule.agent <= arguments.after) return;
    if (match->fits(wake.rule.agent)) page.wakes.push_back(status_of(call.engine.wakes(), wake, mail));
  });
  end_page(describe<WakePage>(), &page, arguments.limit);
  return call.answer(page);
}

Result<void> carry_out(const Call& call, const ShowWake& arguments) {
  const auto* const wake = call.engine.wakes().find(arguments.agent);
  if (wake == nullptr) return std::unexpected(no_wake(arguments.agent));
  return call.answer(status_of(call.engine.wakes(), *wake, call.engine.wakes().waiting(*wake)));
}

Result<void> carry_out(const Call& call, const TakeWakes& arguments) {
  std::vector<NamePattern> patterns;
  for (const auto& agent : arguments.agents) {
    auto pattern = NamePattern::make(agent);
    if (!pattern) return std::unexpected(pattern.error());
    patterns.push_back(std::move(*pattern));
  }
  unsigned kinds = 0;
  for (const auto& word : arguments.how) {
    const auto known = std::ranges::find(kWakeKindWords, word);
    if (known == std::end(kWakeKindWords))
      return failure(ErrorCode::invalid_field,
                     fmt::format("`how` has `{}`; hook, process and webhook are possible", is_name(word) ? word : "?"));
    kinds |= 1u << (known - std::begin(kWakeKindWords));
  }
  if (kinds == 0) kinds = 1u << unsigned(WakeHow::hook) | 1u << unsigned(WakeHow::process);
  TakeWakesCommand command{.fits =
                               [patterns](std::string_view agent) {
                                 return std::ranges::any_of(patterns,
                                                            [&](const NamePattern& each) { return each.fits(agent); });
                               },
                           .how = [kinds](WakeHow how) { return (kinds & 1u << unsigned(how)) != 0; },
                           .limit = arguments.limit,
                           .wait_ms = in_ms(arguments.wait),
                           .lease_ms = in_ms(arguments.lease),
                           .watcher = arguments.watcher.empty() ? std::string(call.caller.agent) : arguments.watcher};
  if (arguments.agents.size() == 1 && !arguments.agents.front().contains('*')) command.agent = arguments.agents.front();
  call.engine.wakes().take({call.session, call.request}, std::move(command));
  return {};
}

Result<void> carry_out(const Call& call, const EndWake& arguments) {
  call.engine.wakes().done({call.session, call.request}, arguments.agent, MessageKey{arguments.wake},
                           arguments.outcome == WakeOutcome::done ? WakeEnd::done : WakeEnd::failed, arguments.reason);
  return {};
}

}  // namespace folkmoot
