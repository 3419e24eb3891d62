// Reads the fields of a JSON object from outside, each with its type and range; the first thing wrong is remembered and
// every later read gives its default, so that a reader of many fields checks once at the end.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "folkmoot/uuid.hpp"
#include "message/json_document.hpp"
#include "message/limits.hpp"

namespace folkmoot {

class JsonFields {
 public:
  /// Requires: `object.is_object()`.
  explicit JsonFields(const JsonElement& object) : object_(object) {}

  bool has(std::string_view name) const { return find(name).has_value(); }
  std::optional<JsonElement> find(std::string_view name) const;

  std::string_view text(std::string_view name, std::size_t max = kNameBytesMax);
  std::string_view required_text(std::string_view name);
  std::uint64_t number(std::string_view name, std::uint64_t otherwise, std::uint64_t min, std::uint64_t max);
  /// Milliseconds, or a duration such as "30s".
  std::uint32_t duration_ms(std::string_view name, std::uint32_t otherwise);
  /// The same up to ten years; 0 if it is left out.
  std::int64_t long_duration_ms(std::string_view name);
  /// Unix milliseconds, or RFC 3339 text; 0 if it is left out.
  std::int64_t time_ms(std::string_view name);
  bool flag(std::string_view name);
  /// Lease numbers: decimal strings, or integers. Errors also when there is none or more than kSettleLeasesMax.
  std::vector<std::uint64_t> leases(std::string_view name);
  std::vector<Uuid> ids(std::string_view name);
  /// One lease in either form.
  std::uint64_t lease(std::string_view name);
  /// Nil if it is left out.
  Uuid id(std::string_view name);
  Uuid required_id(std::string_view name);

  void refuse(ErrorCode code, std::string text);
  Result<void> result() const;

 private:
  std::optional<std::uint64_t> lease_of(const JsonElement& value) const;
  void refuse_value(std::string_view name, const JsonElement& value, std::string_view allowed);

  const JsonElement object_;
  std::optional<Error> error_;
};

/// A lease as JSON has it, or as text of a query.
std::optional<std::uint64_t> parse_lease(std::string_view text);

}  // namespace folkmoot
