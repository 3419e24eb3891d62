#include "operation/merge.hpp"

#include <algorithm>
#include <cstring>

#include "operation/fields.hpp"

namespace folkmoot {
namespace {

void merge_number(const FieldInfo& field, void* sum, const void* more) {
  if (field.type->is_optional()) {
    more = field.type->held(more);
    if (more == nullptr) return;
    const auto* const held = field.type->held(sum);
    const bool is_first = held == nullptr;
    sum = is_first ? field.type->hold(sum) : const_cast<void*>(held);  // ours to change
    if (is_first && field.rules.merge == Merge::least) {
      *static_cast<std::chrono::milliseconds*>(sum) = *static_cast<const std::chrono::milliseconds*>(more);
      return;
    }
  }
  if (field.type->kind == Kind::real) {
    *static_cast<double*>(sum) += *static_cast<const double*>(more);
    return;
  }
  if (field.type->kind == Kind::duration) {
    auto& duration = *static_cast<std::chrono::milliseconds*>(sum);
    const auto other = *static_cast<const std::chrono::milliseconds*>(more);
    duration = field.rules.merge == Merge::least ? std::min(duration, other) : std::max(duration, other);
    return;
  }
  if (field.type->kind == Kind::time) {
    auto& at = *static_cast<std::int64_t*>(sum);
    at = std::max(at, *static_cast<const std::int64_t*>(more));
    return;
  }
  const auto a = load_natural(*field.type, sum), b = load_natural(*field.type, more);
  store_natural(*field.type, sum, field.rules.merge == Merge::largest ? std::max(a, b) : a + b);
}

void merge_lists(const FieldInfo& field, void* sum, void* more) {
  const auto& type = *field.type;
  const auto* const object = type.element->object;
  for (std::size_t i = 0; i < type.size(more); ++i) {
    auto* const element = const_cast<void*>(type.at(more, i));  // ours to take
    void* same = nullptr;
    for (std::size_t k = 0; field.rules.merge == Merge::by_name && k < type.size(sum) && same == nullptr; ++k) {
      const auto& name = object->fields.front();
      auto* const each = const_cast<void*>(type.at(sum, k));
      if (equal(*name.type, name.in(each), name.in(element))) same = each;
    }
    same != nullptr ? merge(*object, same, element) : type.move(type.append(sum), element);
  }
}

}  // namespace

void merge(const StructInfo& info, void* sum, void* more) {
  for (const auto& field : info.fields) {
    auto* const into = field.at(sum);
    auto* const from = field.at(more);
    if (field.name.empty()) {
      merge(*field.type->object, into, from);
      continue;
    }
    switch (field.rules.merge) {
      case Merge::same:
        break;
      case Merge::sum:
      case Merge::largest:
      case Merge::least:
        merge_number(field, into, from);
        break;
      case Merge::fields:
        merge(*field.type->object, into, from);
        break;
      case Merge::all:
        *static_cast<bool*>(into) = *static_cast<bool*>(into) && *static_cast<bool*>(from);
        break;
      case Merge::any:
        *static_cast<bool*>(into) = *static_cast<bool*>(into) || *static_cast<bool*>(from);
        break;
      case Merge::append:
      case Merge::by_name:
        merge_lists(field, into, from);
        break;
    }
  }
}

}  // namespace folkmoot
