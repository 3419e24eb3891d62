#include "engine/names.hpp"

#include <fmt/format.h>

#include "base/strong_format.hpp"
#include "base/utf8.hpp"

namespace folkmoot {

Result<NameId> Names::add(std::string_view name) {
  if (numbers_.size() >= max_) {
    return failure(ErrorCode::limit_reached,
                   fmt::format("`{}` would be one name more than the {} this server keeps", name, max_));
  }
  const auto number = end();
  put(number, name);
  return number;
}

void Names::put(NameId number, std::string_view name) {
  while (table_.size() <= number.value) table_.emplace_back();
  table_[number.value].name = name;
  awaited_.erase(number);
  numbers_.emplace(table_[number.value].name, number);
}

void Names::write(NameId number) {
  auto& known = table_[number.value];
  const NameAddedFact fact{number};
  known.place = ledger_.write(FactKind::name_added, {bytes_of(fact), as_bytes(known.name)}, Life::live);
}

bool Names::note_if_room(NameId number) {
  const auto& known = table_[number.value];
  const auto bytes = sizeof(NameAddedFact) + known.name.size();
  if (known.place.lsn == 0 && !ledger_.has_room(Urgency::settling, bytes)) return false;
  note(number);
  return true;
}

void Names::measure(std::string_view name, Draft& draft) const {
  if (const auto number = find(name); number != 0) return measure(number, draft);
  draft.add(sizeof(NameAddedFact) + name.size());
}

bool Names::await(NameId number) {
  if (number == 0 || number > kNameIdMax || number.value > end().value + max_) return false;
  if (holds(number)) return true;
  while (table_.size() <= number.value) table_.emplace_back();
  awaited_.insert(number);
  return true;
}

// Gives a name the number it had. False if either is taken by another.
bool Names::restore(NameId number, std::string_view name) {
  if (holds(number)) return table_[number.value].name == name;
  if (number == 0 || find(name) != 0) return false;
  put(number, name);
  return true;
}

Result<void> Names::enter(const Fact& fact) {
  NameAddedFact said;
  if (!read_fact(fact.body, said)) return cannot_be(fact.kind, "is too short");
  const auto text = as_text(fact.body.subspan(sizeof said));
  if (!was_name(text) || said.number == 0 || said.number > kNameIdMax || !restore(said.number, text)) {
    return cannot_be(fact.kind, fmt::format("gives number {} to a name that has another, or is none", said.number));
  }
  auto& known = table_[said.number.value];
  ledger_.retain(fact.place);
  ledger_.release(known.place);
  known.place = fact.place;
  return {};
}

bool Names::keep(const Fact& fact) {
  NameAddedFact said;
  if (!read_fact(fact.body, said) || !holds(said.number)) return true;
  auto& known = table_[said.number.value];
  if (known.place == fact.place) ledger_.copy(fact.kind, known.place, {fact.body});
  return true;
}

}  // namespace folkmoot
