#include "engine/registry/record.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.hpp"
#include "engine/capability_address.hpp"
#include "engine/options.hpp"
#include "message/json_document.hpp"
#include "operation/pack_codec.hpp"

namespace folkmoot {
namespace {

// Two of a list that have the same name; nullptr: there are none.
template <class T>
const std::string* twice(const std::vector<T>& list, std::string T::* name) {
  for (auto at = list.begin(); at != list.end(); ++at) {
    if (std::ranges::find(list.begin(), at, (*at).*name, name) != at) return &((*at).*name);
  }
  return nullptr;
}

Result<void> check_json(const JsonText& json, std::string_view what, bool is_object) {
  if (json.text.empty()) return {};
  if (json.text.size() > kAgentJsonMost) {
    return failure(ErrorCode::out_of_range,
                   fmt::format("`{}` has {} bytes; {} are the most", what, json.text.size(), kAgentJsonMost));
  }
  JsonDocument document;
  const auto value = document.parse(json.text);
  if (!value) return failure(ErrorCode::invalid_field, fmt::format("`{}` is no JSON", what));
  if (is_object && !value->is_object())
    return failure(ErrorCode::invalid_field, fmt::format("`{}` is not an object", what));
  return {};
}

}  // namespace

Result<void> check_agent(const AgentRecord& record) {
  if (!record.type.empty() && !is_name(record.type))
    return failure(ErrorCode::invalid_field, "`type` has control characters, or is no UTF-8");
  for (const auto& capability : record.capabilities) {
    if (!is_capability(capability.name)) {
      constexpr std::string_view kRule = "it has 1 to 128 letters, digits and . _ - :";
      return failure(ErrorCode::invalid_field,
                     capability.name.empty()
                         ? fmt::format("one of the `capabilities` has an empty name: {}", kRule)
                         : fmt::format("`{}` is no capability: {}", printable(capability.name), kRule));
    }
    if (auto good = check_json(capability.data, fmt::format("data of {}", capability.name), false); !good) return good;
  }
  const std::string* same = twice(record.capabilities, &AgentCapability::name);
  if (same == nullptr) same = twice(record.addresses, &AgentAddress::transport);
  if (same == nullptr) same = twice(record.keys, &AgentPublicKey::name);
  if (same != nullptr) return failure(ErrorCode::invalid_field, fmt::format("`{}` is given twice", *same));
  if (auto good = check_json(record.metadata, "metadata", true); !good) return good;
  const auto bytes = pack({.record = record}).size();
  if (bytes <= kAgentBytesMax) return {};
  return failure(ErrorCode::out_of_range, fmt::format("what is registered of {} has {} bytes; {} are the most",
                                                      record.agent, bytes, kAgentBytesMax));
}

std::string pack(const KeptAgent& agent) {
  std::string out;
  (void)write_pack(out, describe<KeptAgent>(), &agent);  // fails for messages alone
  return out;
}

Result<KeptAgent> unpack_agent(Bytes body) {
  KeptAgent agent;
  if (auto read = read_pack(describe<KeptAgent>(), &agent, body, "an agent"); !read)
    return std::unexpected(read.error());
  return agent;
}

}  // namespace folkmoot
