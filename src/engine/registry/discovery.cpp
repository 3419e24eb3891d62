// What is asked of the registry: one agent, those that fit, those that have changed.
#include <fmt/format.h>

#include <array>
#include <boost/json/parse.hpp>
#include <charconv>
#include <span>

#include "base/utf8.hpp"
#include "engine/registry/registry.hpp"
#include "filter/filter.hpp"
#include "filter/filter_input.hpp"
#include "message/envelope.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kRecordsReadMax = 2'000;  // by one call; the next one goes on from there
constexpr std::size_t kPrefixWordsMax = 1'000;
constexpr std::size_t kPageBytesMax = 4 << 20;
constexpr std::size_t kPageUsual = 128;  // agents that room is made for
constexpr std::size_t kFetched = 32;     // agents whose memory is asked for at a time

// The record as filters see it: a message of the agent, with its metadata, that has the record as its content.
Result<std::string> as_message(const AgentRecord& record) {
  Message message;
  message.from = record.agent;
  message.to = record.agent;
  message.type = record.type;
  boost::system::error_code not_json;
  const auto metadata = boost::json::parse(record.metadata.text.empty() ? "{}" : record.metadata.text, not_json);
  if (!not_json && metadata.is_object()) message.metadata = metadata.get_object();
  std::string bytes;
  if (auto done = encode_envelope(message, bytes); !done) return std::unexpected(done.error());
  return bytes + to_json_text(record, Sparse::everything);
}

}  // namespace

KnownAgent Registry::view(const Agent& agent) const {
  KnownAgent known;
  view(agent, known);
  return known;
}

void Registry::view(const Agent& agent, KnownAgent& known) const {
  known.id = agent.id;
  known.registered = agent.is_registered();
  known.routable = is_routable(agent);
  known.health = agent.health;
  known.connections = agent.connections;
  known.load = static_cast<std::uint64_t>(to_.loads.of(agent.name));
  known.revision = agent.revision;
  known.last_seen_ms = agent.connections > 0 ? to_.run.now().ms : std::max(agent.beat_at, agent.gone_at).ms;
  known.registered_at_ms = agent.registered_at.ms;
  known.quarantined_at_ms = agent.quarantined_at.ms;
  auto& record = known.record;
  record.agent = to_.names[agent.name];
  if (agent.has_type) record.type = types_[agent.type];
  record.capabilities.reserve(agent.capabilities.size());
  for (const auto capability : agent.capabilities) record.capabilities.emplace_back().name = capabilities_[capability];
  record.weight = agent.weight;
  record.status = agent.status;
}

// They lie apart: one after the other, each would be waited for three times.
void Registry::fetch(std::span<const NameId> names) const {
  constexpr std::size_t kLine = 64;
  for (const auto name : names) {
    __builtin_prefetch(&agents_[name.value]);
    __builtin_prefetch(&to_.names[name]);
  }
  for (const auto name : names) {
    const auto* const agent = reinterpret_cast<const char*>(agents_[name.value].get());
    for (std::size_t at = 0; at < sizeof(Agent); at += kLine) __builtin_prefetch(agent + at);
  }
  for (const auto name : names) __builtin_prefetch(agents_[name.value]->capabilities.data());
}

void Registry::each(const std::function<void(const KnownAgent&)>& each) const {
  for (const auto& agent : agents_) {
    if (agent) each(view(*agent));
  }
}

Result<KnownAgent> Registry::show(std::string_view name) {
  const auto* const agent = find(name);
  if (agent == nullptr) {
    return failure(ErrorCode::not_found, fmt::format("no agent {} is registered or there", printable(name)));
  }
  auto known = view(*agent);
  if (!agent->is_registered()) return known;
  auto kept = read(*agent);
  kept.record.agent = std::move(known.record.agent);
  known.record = std::move(kept.record);
  known.quarantine = std::move(kept.quarantine);
  return known;
}

// -- those that fit

// Each of them must have it. What is put together for this query is in `own`.
Result<void> Registry::find_sets(const DiscoverAgents& query, std::vector<const AgentSet*>& sets,
                                 std::deque<AgentSet>& own) {
  static const AgentSet kNobody;
  const auto or_nobody = [](const AgentSet* set) { return set != nullptr ? set : &kNobody; };
  sets.push_back(query.health == AgentsWanted::routable ? &routable_ : &everyone_);
  for (const auto& word : query.all_of) sets.push_back(or_nobody(capabilities_.find(word)));
  if (!query.type.empty()) sets.push_back(or_nobody(types_.find(query.type)));
  if (query.any_of.size() == 1) {
    sets.push_back(or_nobody(capabilities_.find(query.any_of.front())));
  } else if (!query.any_of.empty()) {
    auto& any = own.emplace_back();
    for (const auto& word : query.any_of) any.unite(*or_nobody(capabilities_.find(word)));
    sets.push_back(&any);
  }
  if (query.prefix.empty()) return {};
  auto& beginning = own.emplace_back();
  std::size_t words = 0;
  capabilities_.each_beginning(query.prefix, [&](std::string_view, const AgentSet& agents) {
    beginning.unite(agents);
    return ++words <= kPrefixWordsMax;
  });
  if (words > kPrefixWordsMax) {
    return failure(ErrorCode::out_of_range,
                   fmt::format("more than {} capabilities begin with `{}`", kPrefixWordsMax, query.prefix),
                   "give more of it");
  }
  sets.push_back(&beginning);
  return {};
}

Result<FoundAgents> Registry::discover(const DiscoverAgents& query) {
  std::vector<const AgentSet*> sets;
  std::deque<AgentSet> own;
  if (auto found = find_sets(query, sets, own); !found) return std::unexpected(found.error());
  NameId after = 0;
  if (!query.after.empty()) after = to_.names.find(query.after);
  if (!query.after.empty() && after == 0) {
    return failure(ErrorCode::not_found,
                   fmt::format("`after` is {}, which no page before has ended with", printable(query.after)));
  }
  std::optional<Filter> filter;
  if (!query.filter.empty()) {
    auto compiled = Filter::compile(query.filter);
    if (!compiled) return failure(compiled.error().code, fmt::format("`filter`: {}", compiled.error().text));
    filter.emplace(std::move(*compiled));
  }
  FoundAgents page;
  page.agents.reserve(std::min<std::size_t>(query.limit, kPageUsual));
  FilterInput input;
  NameId last = 0;
  std::size_t records = 0, bytes = 0;
  const auto take = [&](NameId name) {
    const auto& agent = *find(name);
    if (query.health >= AgentsWanted::up && query.health <= AgentsWanted::stale &&
        static_cast<int>(agent.health) + 1 != static_cast<int>(query.health))
      return true;
    if (page.agents.size() >= query.limit || records >= kRecordsReadMax || bytes >= kPageBytesMax) {
      page.next = to_.names[last];
      return false;
    }
    last = name;
    if (!filter && !query.full) {
      view(agent, page.agents.emplace_back());
      return true;
    }
    ++records;
    auto known = *show(to_.names[name]);
    if (filter) {
      const auto message = as_message(known.record);
      if (!message) return true;
      input.reset(as_bytes(*message));
      if (!filter->matches(input)) return true;
    }
    bytes += agent.place.bytes;
    page.agents.push_back(query.full ? std::move(known) : view(agent));
    return true;
  };
  std::array<NameId, kFetched> ahead{};
  std::size_t count = 0;
  bool more = true;
  const auto take_ahead = [&] {
    const std::span<const NameId> names(ahead.data(), std::exchange(count, 0));
    fetch(names);
    return more = std::ranges::all_of(names, take);
  };
  AgentSet::each_in_all(sets, after, [&](NameId name) {
    ahead[count++] = name;
    return count < ahead.size() || take_ahead();
  });
  if (more) take_ahead();
  return page;
}

// -- those that have changed

// "REVISION", or "REVISION-SINCE" of a reader that is still being told of all there are: what was gone before it began
// it has not heard of.
std::optional<Registry::Position> Registry::parse_position(std::string_view text) const {
  Position position;
  if (text.empty()) return position;
  const auto dash = text.find('-');
  const auto read = [](std::string_view digits, std::uint64_t& into) {
    const auto* const end = digits.data() + digits.size();
    const auto done = std::from_chars(digits.data(), end, into);
    return done.ec == std::errc{} && done.ptr == end;
  };
  if (!read(text.substr(0, dash), position.revision)) return std::nullopt;
  position.since = position.revision;
  if (dash != std::string_view::npos && !read(text.substr(dash + 1), position.since)) return std::nullopt;
  return position;
}

Result<AgentChanges> Registry::changes(std::string_view after, std::uint32_t limit) {
  const auto parsed = parse_position(after);
  if (!parsed) {
    return failure(ErrorCode::invalid_field,
                   "`after` is no position: give `next` of the answer before, or leave it out");
  }
  AgentChanges out;
  auto from = *parsed;
  // Who went since then may be forgotten, or it is of another server.
  if (from.since < horizon_ || from.since > revision_) {
    out.reset = true;
    from = {.revision = 0, .since = revision_};
  }
  auto agent = order_.upper_bound(from.revision);
  auto tombstone = std::ranges::upper_bound(tombstones_, std::max(from.revision, from.since), {}, &Tombstone::revision);
  auto last = from.revision;
  while (out.changes.size() < limit && (agent != order_.end() || tombstone != tombstones_.end())) {
    if (tombstone == tombstones_.end() || (agent != order_.end() && agent->first < tombstone->revision)) {
      last = agent->first;
      out.changes.push_back({.agent = view(*find(agent->second))});
      ++agent;
      continue;
    }
    last = tombstone->revision;
    const auto* const now = find(tombstone->name);
    if (now == nullptr) {
      AgentChange gone{.gone = true};
      gone.agent.id = tombstone->id;
      gone.agent.revision = tombstone->revision;
      gone.agent.record.agent = to_.names[tombstone->name];
      out.changes.push_back(std::move(gone));
    }
    ++tombstone;
  }
  const bool is_all = agent == order_.end() && tombstone == tombstones_.end();
  if (is_all) last = revision_;
  out.next = last >= from.since ? fmt::format("{}", last) : fmt::format("{}-{}", last, from.since);
  return out;
}

}  // namespace folkmoot
