#include "server/newcomers.hpp"

namespace folkmoot {

std::optional<SessionId> Newcomers::enter(SessionId id, const PeerAddress& address) {
  std::optional<SessionId> leaves;
  const auto same = by_address_.find(address);
  if (same != by_address_.end() && same->second.size() >= bounds_.of_address_max) {
    leaves = same->second.front();
  } else if (order_.size() >= bounds_.connections_max) {
    leaves = order_.front().id;
  }
  if (leaves) leave(*leaves);
  const auto own = by_address_.try_emplace(address).first;
  own->second.push_back(id);
  order_.push_back({id, own, std::prev(own->second.end())});
  places_.emplace(id, std::prev(order_.end()));
  return leaves;
}

void Newcomers::leave(SessionId id) {
  const auto found = places_.find(id);
  if (found == places_.end()) return;
  const auto place = found->second;
  place->address->second.erase(place->of_address);
  if (place->address->second.empty()) by_address_.erase(place->address);
  order_.erase(place);
  places_.erase(found);
}

}  // namespace folkmoot
