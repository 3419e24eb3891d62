#include "operation/merge.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>

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
  const bool least = field.rules.merge == Merge::least;
  if (field.type->kind == Kind::time) {
    auto& at = *static_cast<std::int64_t*>(sum);
    const auto other = *static_cast<const std::int64_t*>(more);
    at = least && at != 0 && other != 0 ? std::min(at, other) : std::max(at, other);
    return;
  }
  if (field.type->kind == Kind::text) {
    auto& text = *static_cast<std::string*>(sum);
    const auto& other = *static_cast<const std::string*>(more);
    if (text.empty() || (!other.empty() && other < text)) text = other;
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

const std::string& name_in(const FieldInfo& list, void* at, std::size_t index) {
  return *static_cast<const std::string*>(list.type->element->object->fields.front().in(list.type->at(at, index)));
}

}  // namespace

void end_page(const StructInfo& info, void* answer, std::uint64_t limit) {
  const auto next = find_place(info, answer, Role::next);
  if (next.field == nullptr || next.type().kind != Kind::text) return;
  auto& goes_on = *static_cast<std::string*>(next.at);
  for (const auto& field : info.fields) {
    if (field.rules.merge != Merge::by_name) continue;
    auto* const list = field.at(answer);
    std::vector<std::size_t> order(field.type->size(list));
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, {}, [&](std::size_t i) -> const std::string& { return name_in(field, list, i); });
    if (!goes_on.empty()) {
      std::erase_if(order, [&](std::size_t i) { return name_in(field, list, i) > goes_on; });
    }
    if (limit != 0 && order.size() > limit) {
      order.resize(limit);
      goes_on = name_in(field, list, order.back());
    }
    std::vector<std::shared_ptr<void>> kept;
    for (const auto i : order) {
      kept.push_back(field.type->element->object->make());
      field.type->move(kept.back().get(), const_cast<void*>(field.type->at(list, i)));  // ours to take
    }
    field.type->cut(list, kept.size());
    for (std::size_t i = 0; i < kept.size(); ++i)
      field.type->move(const_cast<void*>(field.type->at(list, i)), kept[i].get());
  }
}

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
