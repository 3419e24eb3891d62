#include <fmt/format.h>

#include <charconv>
#include <deque>
#include <map>
#include <set>

#include "base/strong_format.hpp"
#include "filter/filter.hpp"
#include "message/json_mapping.hpp"
#include "server/operations/call.hpp"
#include "server/operations/name_pattern.hpp"
#include "server/shard_router.hpp"

namespace folkmoot {
namespace {

TracedMessage traced(const Call& call, const Uuid& id) {
  const auto receipt = call.engine.mailboxes().receipt(id);
  const auto address = message_address(id);
  return {.id = id,
          .sent_at_ms = address ? key_time(address->key).ms : 0,
          .mailbox = std::string(receipt.recipient),
          .state = static_cast<CopyState>(receipt.state),
          .at_ms = receipt.at.ms,
          .deliveries = receipt.deliveries,
          .holder = std::string(receipt.holder),
          .reason = std::string(receipt.reason),
          .held_since_ms = receipt.since.ms,
          .attempts = attempts_of(call.engine, id)};
}

// The chain as far as this shard knows it: from the ids that are asked for, along each step, to all that it meets.
class Walk {
 public:
  explicit Walk(const Call& call) : call_(call) {}

  void meet(const Uuid& id) {
    if (id.is_nil() || met_.size() >= kTraceMax || !met_.insert(id).second) return;
    order_.push_back(id);
  }
  MessageTrace run() {
    for (std::size_t i = 0; i < order_.size(); ++i) look_at(order_[i]);
    MessageTrace out{.met = {order_.begin(), order_.end()}};
    for (auto& [id, message] : messages_) {
      if (message.state != CopyState::unknown || is_linked_.contains(id)) out.messages.push_back(std::move(message));
    }
    std::ranges::sort(out.messages, {}, [](const TracedMessage& each) { return std::pair(each.sent_at_ms, each.id); });
    return out;
  }

 private:
  void look_at(Uuid id) {
    const bool is_ours = is_of_this_shard(id);
    if (is_ours) messages_.try_emplace(id, traced(call_, id));
    call_.engine.trail().each_of(id, [&](const Uuid& from, const Uuid& next, StepKind kind) {
      meet(from);
      meet(next);
      if (!is_ours) return;
      is_linked_.insert(id);  // what it became is known, though it is gone
      if (next != id) return;
      auto& message = messages_.at(id);
      if (kind == StepKind::caused) {
        message.cause = from;
      } else {
        message.after = from;
        message.how = kStepWords[kind == StepKind::resent ? 0 : 1];
      }
    });
    if (auto* const others = call_.reactor.shard_router()) {
      if (const auto moved = others->shard_links().moved_to(id)) meet(*moved);
    }
  }
  bool is_of_this_shard(const Uuid& id) const {
    if (call_.reactor.shard_router() == nullptr) return true;
    const auto address = message_address(id);
    return address && address->shard() == call_.reactor.options().engine.shard;
  }

  const Call& call_;
  std::set<Uuid> met_, is_linked_;
  std::deque<Uuid> order_;
  std::map<Uuid, TracedMessage> messages_;
};

std::uint64_t place_in(const std::vector<std::string>& after, std::string_view prefix, bool& found) {
  for (const auto& each : after) {
    if (!each.starts_with(prefix)) continue;
    std::uint64_t number = 0;
    const auto* const end = each.data() + each.size();
    const auto read = std::from_chars(each.data() + prefix.size(), end, number);
    found = read.ec == std::errc{} && read.ptr == end;
    return number;
  }
  return 0;
}

TapEvent told(const Call& call, const TapRecord& record) {
  TapEvent out{.at_ms = record.at.ms,
               .what = std::string(kTapWords[static_cast<std::size_t>(record.what)]),
               .id = record.id,
               .mailbox = std::string(call.engine.name_of(record.mailbox)),
               .from = std::string(call.engine.name_of(record.sender)),
               .holder = std::string(call.engine.name_of(record.holder)),
               .reason = record.reason.substr(0, kReasonTextMax),
               .deliveries = record.deliveries};
  if (const auto message = decode_message(as_bytes(record.message))) {
    out.type = message->type;
    out.priority = message->priority;
  }
  return out;
}

}  // namespace

Result<void> carry_out(const Call& call, const TraceMessage& arguments) {
  Walk walk(call);
  walk.meet(arguments.id);
  for (const auto& id : arguments.also) walk.meet(id);
  auto trace = walk.run();
  if (trace.messages.empty() && trace.met.size() == 1 + arguments.also.size()) {
    return failure(ErrorCode::not_found,
                   fmt::format("message {} is not known here, or was settled too long ago", arguments.id.text()));
  }
  return call.answer(trace);
}

Result<void> carry_out(const Call& call, const ReadTap& arguments) {
  const auto pattern = NamePattern::make(arguments.mailbox);
  if (!pattern) return std::unexpected(pattern.error());
  std::optional<Filter> filter;
  if (!arguments.filter.empty()) {
    auto compiled = Filter::compile(arguments.filter);
    if (!compiled) return failure(compiled.error().code, fmt::format("`filter`: {}", compiled.error().text));
    filter.emplace(std::move(*compiled));
  }
  auto& tap = call.engine.tap();
  const auto prefix = fmt::format("{}:", call.reactor.options().engine.shard);
  const auto last = tap.listen();
  bool goes_on = false;
  auto place = place_in(arguments.after, prefix, goes_on);
  if (!goes_on || place > last) place = last;  // it begins, or the server was started anew
  TapPage page;
  FilterInput input;
  page.missed = tap.each_after(place, [&](std::uint64_t number, const TapRecord& record) {
    if (page.events.size() >= arguments.limit) return false;
    place = number;
    if (!pattern->fits(call.engine.name_of(record.mailbox))) return true;
    if (filter) {
      input.reset(as_bytes(record.message));
      if (!filter->matches(input)) return true;
    }
    page.events.push_back(told(call, record));
    return true;
  });
  if (page.events.empty()) place = std::max(place, last);
  page.next.push_back(prefix + std::to_string(place));
  return call.answer(page);
}

}  // namespace folkmoot
