// A message's bytes in the log: envelope and content, exactly as a consumer gets them.
#pragma once

#include "base/assert.hpp"
#include "engine/ledger.hpp"

namespace folkmoot {

/// `place`: of its message_accepted fact, which is put into `fact`, if given. The bytes live until the next look at the
/// log.
inline Bytes read_message(Ledger& ledger, FactPlace place, AcceptedFact* fact = nullptr) {
  const auto body = ledger.read(place);
  FOLKMOOT_ASSERT(body.size() >= sizeof(AcceptedFact));
  if (fact != nullptr) *fact = load<AcceptedFact>(body.data());
  return body.subspan(sizeof(AcceptedFact));
}

}  // namespace folkmoot
