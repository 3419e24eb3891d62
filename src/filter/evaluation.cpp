#include "filter/evaluation.hpp"

#include "filter/limits.hpp"

namespace folkmoot {
namespace {

static_assert(kFilterNamesMax <= 64);  // bits of OwnValues::read_

// What one filter reads of a message: each identifier is looked up once, however often the filter names it.
class OwnValues {
 public:
  OwnValues(const Program& program, const FilterInput& input) : program_(program), input_(input) {}

  Value load(std::size_t number) {
    if (!(read_ >> number & 1)) {
      loaded_[number] = input_.read(program_.identifiers[number], id_texts_[number]);
      read_ |= std::uint64_t{1} << number;
    }
    return loaded_[number];
  }

 private:
  const Program& program_;
  const FilterInput& input_;
  std::uint64_t read_ = 0;  // which of `loaded_` have been read, a bit each
  Value loaded_[kFilterNamesMax];
  FilterInput::IdText id_texts_[kFilterNamesMax];
};

class ValuesOfAll {
 public:
  ValuesOfAll(const Program& program, SharedValues& values, std::span<const std::uint32_t> places)
      : program_(program), values_(values), places_(places) {}

  Value load(std::size_t number) { return values_.at(places_[number], program_.identifiers[number]); }

 private:
  const Program& program_;
  SharedValues& values_;
  std::span<const std::uint32_t> places_;
};

template <class Values>
class Evaluation {
 public:
  Evaluation(const Program& program, Values& values) : program_(program), values_(values) {}

  Value run() {
    for (std::size_t at = 0; at < program_.code.size();) at = step(program_.code[at], at + 1);
    return *top_;
  }

 private:
  // Carries out one instruction: where to go on.
  std::size_t step(const Instruction& instruction, std::size_t next) {
    const auto operand = instruction.operand;
    switch (instruction.op) {
      case Op::constant:
        push(program_.constants[operand]);
        break;
      case Op::load:
        push(values_.load(operand));
        break;
      case Op::equal:
        return compare_top([](auto order) { return order == 0; }), next;
      case Op::not_equal:
        return compare_top([](auto order) { return order != 0; }), next;
      case Op::less:
        return compare_top([](auto order) { return order < 0; }), next;
      case Op::less_equal:
        return compare_top([](auto order) { return order <= 0; }), next;
      case Op::greater:
        return compare_top([](auto order) { return order > 0; }), next;
      case Op::greater_equal:
        return compare_top([](auto order) { return order >= 0; }), next;
      case Op::add:
        combine(add);
        break;
      case Op::subtract:
        combine(subtract);
        break;
      case Op::multiply:
        combine(multiply);
        break;
      case Op::divide:
        combine(divide);
        break;
      case Op::negate:
        *top_ = negate(*top_);
        break;
      case Op::plus:
        *top_ = add(*top_, integer_value(0));
        break;
      case Op::between:
        between();
        break;
      case Op::like:
        *top_ = like(program_.patterns[operand]);
        break;
      case Op::is_null:
        *top_ = boolean_value(top_->is_null());
        break;
      case Op::is_true:
        *top_ = boolean_value(top_->is_true());
        break;
      case Op::is_false:
        *top_ = boolean_value(top_->is_false());
        break;
      case Op::is_unknown:
        *top_ = boolean_value(!top_->is_true() && !top_->is_false());
        break;
      case Op::not_:
        *top_ = truth_not(*top_);
        break;
      case Op::and_:
        combine(truth_and);
        break;
      case Op::or_:
        combine(truth_or);
        break;
      case Op::skip_if_false:
        return top_->is_false() ? operand : next;
      case Op::skip_if_true:
        return top_->is_true() ? operand : next;
      case Op::list_begin:
        push(boolean_value(false));
        break;
      case Op::list_item:
        list_item();
        return top_->is_true() ? operand : next;
      case Op::list_end:
        combine([](const Value&, const Value& found) { return found; });
        break;
    }
    return next;
  }

  void push(const Value& value) { *++top_ = value; }

  template <class Operation>
  void combine(Operation operation) {
    const Value right = *top_--;
    *top_ = operation(*top_, right);
  }

  template <class Holds>
  static Value truth(std::partial_ordering order, Holds holds) {
    return order == std::partial_ordering::unordered ? null_value() : boolean_value(holds(order));
  }

  template <class Holds>
  void compare_top(Holds holds) {
    combine([&](const Value& left, const Value& right) { return truth(compare(left, right), holds); });
  }

  void between() {
    const Value high = *top_--;
    const Value low = *top_--;
    *top_ = truth_and(truth(compare(*top_, low), [](auto order) { return order >= 0; }),
                      truth(compare(*top_, high), [](auto order) { return order <= 0; }));
  }

  Value like(const LikePattern& pattern) {
    if (!top_->is_text()) return null_value();
    const auto matches = pattern.matches(top_->text(), like_steps_);
    return matches ? boolean_value(*matches) : null_value();
  }

  void list_item() {
    const Value item = *top_--;
    *top_ = truth_or(*top_, truth(compare(top_[-1], item), [](auto order) { return order == 0; }));
  }

  const Program& program_;
  Values& values_;
  std::uint64_t like_steps_ = kLikeStepsMax;
  Value stack_[kFilterStackMax + 1];  // the lowest is never used, so that `top_` always points to one
  Value* top_ = stack_;
};

}  // namespace

Value evaluate(const Program& program, const FilterInput& input) noexcept {
  OwnValues values(program, input);
  return Evaluation(program, values).run();
}

Value evaluate(const Program& program, SharedValues& values, std::span<const std::uint32_t> places) noexcept {
  ValuesOfAll all(program, values, places);
  return Evaluation(program, all).run();
}

}  // namespace folkmoot
