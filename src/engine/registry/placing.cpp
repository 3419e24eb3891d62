// Who gets what is addressed to a capability, and what is held for want of anybody.
#include <fmt/format.h>

#include <algorithm>

#include "base/siphash.hpp"
#include "engine/registry/registry.hpp"
#include "message/pack.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kAddressesKept = 10'000;  // that hold nothing
constexpr std::size_t kCandidatesMax = 256;     // looked at for one message; others have their turn later
constexpr std::size_t kStickyCandidatesMax = 1'024;
constexpr std::size_t kMovedAtOnce = 64;  // of one address, before others have their turn

}  // namespace

Registry::Address* Registry::address(NameId name) {
  if (const auto known = addresses_.find(name); known != addresses_.end()) return &known->second;
  auto parsed = parse_capability_address(to_.names[name]);
  if (!parsed) return nullptr;
  if (addresses_.size() >= kAddressesKept)
    std::erase_if(addresses_, [](const auto& each) { return !each.second.holds; });
  return &addresses_.emplace(name, Address{.what = std::move(*parsed)}).first->second;
}

Result<void> Registry::place(Prepared& prepared) {
  const auto to = prepared.message->routing.to;
  const auto number = to_.names.number(to);
  if (!number) return std::unexpected(number.error());
  auto* const known = address(*number);
  if (known == nullptr) {
    return failure(ErrorCode::invalid_name, fmt::format("`{}` is no address of a capability", to),
                   "write capability:NAME, with +NAME for each other one, and perhaps /round_robin, /weighted, "
                   "/least_loaded or /sticky behind it");
  }
  if (to_.held.ready(*number) > 0) return {};  // its turn comes behind those that wait
  const auto chosen = choose(*known, prepared.message->routing);
  if (chosen == 0) return {};
  std::string changes;
  PackWriter(changes).map(1).uint(static_cast<std::uint64_t>(Field::to)).str(to_.names[chosen]);
  return rewrite(prepared, as_bytes(changes));
}

// -- choosing

std::vector<const AgentSet*> Registry::sets_of(const Address& address) const {
  std::vector<const AgentSet*> sets{&routable_};
  for (const auto& word : address.what.capabilities) {
    const auto* const set = capabilities_.find(word);
    if (set == nullptr) return {};
    sets.push_back(set);
  }
  return sets;
}

bool Registry::has_any(const Address& address) const {
  const auto sets = sets_of(address);
  bool any = false;
  if (!sets.empty()) AgentSet::each_in_all(sets, 0, [&](NameId) { return any = true, false; });
  return any;
}

std::vector<NameId> Registry::able(const Address& address, NameId after, std::size_t most) {
  std::vector<NameId> found;
  const auto sets = sets_of(address);
  if (sets.empty()) return found;
  std::size_t looked_at = 0;
  const auto look = [&](NameId agent) {
    if (to_.vacancies.can_take(agent, false)) found.push_back(agent);
    return ++looked_at < kStickyCandidatesMax && found.size() < most;
  };
  AgentSet::each_in_all(sets, after, look);
  if (looked_at >= kStickyCandidatesMax || found.size() >= most) return found;
  AgentSet::each_in_all(sets, 0, [&](NameId agent) { return agent <= after && look(agent); });
  return found;
}

NameId Registry::choose(Address& address, const Routing& routing) {
  const bool sticks = address.what.pick == Pick::sticky && !routing.conversation.empty();
  if (sticks) {
    // Of more agents than are looked at, those behind where the conversation's hash points.
    const auto hash = siphash128({}, as_bytes(routing.conversation)).low;
    const auto many = agents_.size() > kStickyCandidatesMax;
    const NameId from{many ? static_cast<std::uint32_t>(hash % agents_.size()) : 0u};
    return choose_of(address, able(address, from, kStickyCandidatesMax), routing);
  }
  const bool first_will_do = address.what.pick == Pick::round_robin || address.what.pick == Pick::sticky;
  const auto chosen = choose_of(address, able(address, address.last, first_will_do ? 1 : kCandidatesMax), routing);
  if (chosen != 0) address.last = chosen;
  return chosen;
}

NameId Registry::choose_of(Address& address, const std::vector<NameId>& able, const Routing& routing) {
  if (able.empty()) return 0;
  switch (address.what.pick) {
    case Pick::round_robin:
      break;
    case Pick::weighted: {
      // Each gains its weight; the one that has most pays for all.
      std::int64_t sum = 0;
      Agent* best = nullptr;
      for (const auto name : able) {
        auto& agent = *find(name);
        agent.turn += agent.weight;
        sum += agent.weight;
        if (best == nullptr || agent.turn > best->turn) best = &agent;
      }
      best->turn -= sum;
      return best->name;
    }
    case Pick::least_loaded:
      return *std::ranges::min_element(able, {}, [this](NameId name) {
        return static_cast<double>(to_.vacancies.load_of(name)) + to_.loads.of(name);
      });
    case Pick::sticky: {
      if (routing.conversation.empty()) break;
      // Rendezvous hashing (Thaler, Ravishankar 1998): the agent that scores highest with the conversation.
      return *std::ranges::max_element(able, {}, [&](NameId name) {
        std::string both(routing.conversation);
        both.append(1, '\0').append(to_.names[name]);
        return siphash128({}, as_bytes(both)).low;
      });
    }
  }
  return able.front();
}

// -- what is held

void Registry::on_held(NameId number) {
  auto* const known = address(number);
  if (known == nullptr) return;
  if (!std::exchange(known->holds, true)) held_[known->what.capabilities.front()].insert(number);
  deliver(number);
}

void Registry::deliver(NameId number) {
  const auto at = addresses_.find(number);
  if (at == addresses_.end() || !at->second.holds) return;
  auto& address = at->second;
  for (std::size_t i = 0; to_.held.ready(number) > 0; ++i) {
    if (i == kMovedAtOnce) return deliver_later(number, to_.run.now() + Duration{1});
    const auto done = to_.held.move_next(number, [&](const Routing& routing) { return choose(address, routing); });
    if (done == HeldMail::Moved::moved) continue;
    // Those who could are full, or the disk is: nothing says when that ends.
    if (done == HeldMail::Moved::no_room || has_any(address)) deliver_later(number, to_.run.now() + kRetryMs);
    return;
  }
  address.holds = false;
  const auto mine = held_.find(address.what.capabilities.front());
  mine->second.erase(number);
  if (mine->second.empty()) held_.erase(mine);
}

void Registry::deliver_later(NameId address, Instant at) {
  due_.insert(address);
  if (deliver_at_ != 0 && deliver_at_ <= at) return;
  deliver_at_ = at;
  to_.agenda.add({.at = at, .id = 0, .place = 0, .kind = TimerKind::held});
}

void Registry::offer(const Agent& agent) {
  if (held_.empty()) return;
  for (const auto word : agent.capabilities) {
    const auto mine = held_.find(capabilities_[word]);
    if (mine == held_.end()) continue;
    for (const auto address : mine->second) deliver_later(address, to_.run.now());
  }
}

}  // namespace folkmoot
