#include "operation/operations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/nearest.hpp"
#include "base/utf8.hpp"

namespace folkmoot {
namespace {

template <class... Op>
constexpr std::array<OperationInfo, sizeof...(Op)> rows_of(Types<Op...>) {
  return {operation_info<Op>()...};
}
constexpr auto kRows = rows_of(Operations{});

constexpr bool names_are_unique() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      if (kRows[i].name == kRows[k].name || (!kRows[i].http.empty() && kRows[i].http == kRows[k].http)) return false;
    }
  }
  return true;
}
static_assert(names_are_unique(), "two operations have the same name, or the same HTTP method and path");

// Fields of one struct, those of structs in it among them, have different keys and names, and say what they are.
constexpr bool fields_are_told_apart(const StructInfo& info) {
  std::array<const FieldInfo*, 64> all{};
  std::size_t count = 0;
  for (const auto& field : info.fields) {
    if (!field.name.empty()) {
      all[count++] = &field;
      continue;
    }
    for (const auto& inner : field.type->object->fields) all[count++] = &inner;
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (all[i]->what.empty()) return false;
    for (std::size_t k = 0; k < i; ++k) {
      if (all[i]->key == all[k]->key || all[i]->name == all[k]->name) return false;
    }
  }
  return true;
}
static_assert(std::ranges::all_of(kRows, [](const OperationInfo& row) {
  return fields_are_told_apart(*row.arguments) && fields_are_told_apart(*row.answer);
}));

}  // namespace

std::span<const OperationInfo> operations() { return kRows; }

const OperationInfo* find_operation(std::string_view name) {
  const auto* const row = std::ranges::find(kRows, name, &OperationInfo::name);
  return row == kRows.end() ? nullptr : row;
}

std::string no_such_operation(std::string_view name) {
  std::array<std::string_view, kRows.size()> known;
  std::ranges::transform(kRows, known.begin(), &OperationInfo::name);
  return fmt::format("there is no operation {}{}", printable(name), did_you_mean(name, known));
}

}  // namespace folkmoot
