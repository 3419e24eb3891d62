// How busy agents say they are, in messages: each holds until its agent says otherwise.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/uuid.hpp"

namespace folkmoot {

class Loads {
 public:
  void set(NameId agent, double load) { loads_[agent] = load; }
  /// 0: it has said nothing.
  double of(NameId agent) const {
    const auto reported = loads_.find(agent);
    return reported != loads_.end() ? reported->second : 0;
  }

 private:
  boost::unordered_flat_map<NameId, double> loads_;
};

}  // namespace folkmoot
