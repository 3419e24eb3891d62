// What must be known of a mailbox to choose it, or to leave it alone.
#pragma once

#include <cstdint>

#include "base/uuid.hpp"

namespace folkmoot {

class Vacancies {
 public:
  /// Whether one more message fits into the name's mailbox, if need be in the place of an older one; `consumers_only`:
  /// and a consumer with credit waits there.
  virtual bool can_take(NameId name_id, bool consumers_only) = 0;
  /// Whether one more fits beside all that are there and those that room was found for: it displaces none.
  virtual bool has_space(NameId name_id) = 0;
  /// Messages there, waiting and leased.
  virtual std::uint64_t load_of(NameId name_id) = 0;

 protected:
  ~Vacancies() = default;
};

}  // namespace folkmoot
