// What the log keeps of an agent behind its AgentSetFact, and the rules for it.
#pragma once

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "folkmoot/operation/registry.hpp"

namespace folkmoot {

struct KeptAgent {
  AgentRecord record{};  // without its name, which the fact has by its number
  std::string quarantine{};

  static constexpr auto fields() {
    return std::array{
        fields_of<&KeptAgent::record>(),
        field<&KeptAgent::quarantine>(20, "quarantine", "Why it is in quarantine", {.max = kAgentReasonMost}),
    };
  }
};

/// What its description cannot say: the names of capabilities, nothing twice, an object as metadata, all of it within
/// kAgentBytesMax. Errors: invalid_field, out_of_range.
Result<void> check_agent(const AgentRecord& record);

std::string pack(const KeptAgent& agent);
/// Errors: malformed and those of its fields.
Result<KeptAgent> unpack_agent(Bytes body);

}  // namespace folkmoot
