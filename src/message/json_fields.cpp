#include "message/json_fields.hpp"

#include <fmt/format.h>

#include <charconv>

#include "base/duration.hpp"

namespace folkmoot {

namespace dom = simdjson::dom;

std::optional<JsonElement> JsonFields::find(std::string_view name) const {
  JsonElement value;
  if (object_.at_key(name).get(value) || value.is_null()) return std::nullopt;
  return value;
}

std::string_view JsonFields::text(std::string_view name, std::size_t max) {
  const auto value = find(name);
  if (!value) return {};
  std::string_view text;
  if (value->get(text)) refuse_value(name, *value, "a string");
  if (text.size() > max)
    return refuse_value(name, *value, fmt::format("{} bytes long at most", max)), std::string_view{};
  return text;
}

std::string_view JsonFields::required_text(std::string_view name) {
  const auto found = text(name);
  if (found.empty()) refuse(ErrorCode::invalid_field, fmt::format("`{}` is missing", name));
  return found;
}

std::uint64_t JsonFields::number(std::string_view name, std::uint64_t otherwise, std::uint64_t min, std::uint64_t max) {
  const auto value = find(name);
  if (!value) return otherwise;
  std::uint64_t number = 0;
  if (value->get(number)) return refuse_value(name, *value, "a whole number, not negative"), otherwise;
  if (number < min || number > max) {
    return refuse(ErrorCode::out_of_range, fmt::format("`{}` is {}; it may be {} to {}", name, number, min, max)),
           otherwise;
  }
  return number;
}

std::uint32_t JsonFields::duration_ms(std::string_view name, std::uint32_t otherwise) {
  const auto value = find(name);
  if (!value) return otherwise;
  std::string_view text;
  if (value->get(text)) return static_cast<std::uint32_t>(number(name, otherwise, 0, UINT32_MAX));
  const auto ms = parse_duration_ms(text);
  if (!ms || *ms > UINT32_MAX)
    return refuse_value(name, *value, "milliseconds or a duration such as 30s, up to 49 days"), otherwise;
  return static_cast<std::uint32_t>(*ms);
}

std::int64_t JsonFields::long_duration_ms(std::string_view name) {
  const auto value = find(name);
  if (!value) return 0;
  std::string_view text;
  if (value->get(text))
    return static_cast<std::int64_t>(number(name, 0, 0, static_cast<std::uint64_t>(kDurationMsMax)));
  const auto ms = parse_duration_ms(text);
  if (!ms) return refuse_value(name, *value, "milliseconds or a duration such as 30s, up to ten years"), 0;
  return *ms;
}

std::int64_t JsonFields::time_ms(std::string_view name) {
  const auto value = find(name);
  if (!value) return 0;
  std::string_view text;
  if (value->get(text)) return static_cast<std::int64_t>(number(name, 0, 0, (std::uint64_t{1} << 44) - 1));
  const auto ms = parse_time_ms(text);
  if (!ms) return refuse_value(name, *value, "Unix milliseconds or a time such as 2030-01-01T00:00:00Z"), 0;
  return *ms;
}

bool JsonFields::flag(std::string_view name) {
  const auto value = find(name);
  bool flag = false;
  if (value && value->get(flag)) refuse_value(name, *value, "true or false");
  return flag;
}

std::vector<std::uint64_t> JsonFields::leases(std::string_view name) {
  std::vector<std::uint64_t> leases;
  const auto value = find(name);
  dom::array array;
  if (!value || value->get(array) || array.size() == 0 || array.size() > kSettleLeasesMax) {
    refuse(ErrorCode::invalid_field, fmt::format("`{}` must be an array of 1 to {} leases", name, kSettleLeasesMax));
    return leases;
  }
  for (const auto element : array) {
    const auto lease = lease_of(element);
    if (!lease) return refuse_value(name, element, "decimal numbers as strings"), leases;
    leases.push_back(*lease);
  }
  return leases;
}

std::optional<std::uint64_t> JsonFields::lease_of(const JsonElement& value) const {
  std::string_view text;
  if (!value.get(text)) return parse_lease(text);
  std::uint64_t lease = 0;
  if (value.get(lease)) return std::nullopt;
  return lease;
}

std::uint64_t JsonFields::lease(std::string_view name) {
  const auto value = find(name);
  if (!value)
    return refuse(ErrorCode::invalid_field,
                  fmt::format("`{}` is missing: give the one that came with the message", name)),
           0;
  const auto lease = lease_of(*value);
  if (!lease) refuse_value(name, *value, "a decimal number as a string");
  return lease.value_or(0);
}

Uuid JsonFields::id(std::string_view name) {
  const auto value = find(name);
  if (!value) return {};
  std::string_view text;
  const auto id = value->get(text) ? std::nullopt : Uuid::parse(text);
  if (!id) refuse_value(name, *value, "a UUID");
  return id.value_or(Uuid{});
}

Uuid JsonFields::required_id(std::string_view name) {
  if (!find(name)) refuse(ErrorCode::invalid_field, fmt::format("`{}` is missing", name));
  return id(name);
}

std::vector<Uuid> JsonFields::ids(std::string_view name) {
  std::vector<Uuid> ids;
  const auto value = find(name);
  dom::array array;
  if (!value || value->get(array) || array.size() == 0 || array.size() > kReceiptIdsMax) {
    refuse(ErrorCode::invalid_field, fmt::format("`{}` must be an array of 1 to {} message ids", name, kReceiptIdsMax));
    return ids;
  }
  for (const auto element : array) {
    std::string_view text;
    const auto id = element.get(text) ? std::nullopt : Uuid::parse(text);
    if (!id) return refuse_value(name, element, "UUIDs"), ids;
    ids.push_back(*id);
  }
  return ids;
}

void JsonFields::refuse(ErrorCode code, std::string text) {
  if (!error_) error_ = Error{code, std::move(text)};
}

void JsonFields::refuse_value(std::string_view name, const JsonElement& value, std::string_view allowed) {
  refuse(ErrorCode::invalid_field, fmt::format("`{}` is {}; it may be {}", name, shown(value), allowed));
}

Result<void> JsonFields::result() const {
  if (error_) return std::unexpected(*error_);
  return {};
}

std::optional<std::uint64_t> parse_lease(std::string_view text) {
  std::uint64_t lease = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), lease);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return lease;
}

}  // namespace folkmoot
