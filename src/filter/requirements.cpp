// The program is walked once from its begin to its end with a stack of what is known of each value. Jumps are passed
// over: they only leave out what could not change the outcome.
#include "filter/requirements.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/assert.hpp"

namespace folkmoot {
namespace {

// What is known of a value on the stack.
struct Known {
  std::optional<Value> constant{};
  std::optional<std::uint32_t> identifier{};
  std::vector<Requirement> musts{};  // for it to be TRUE
  std::vector<Value> items{};        // of a list
  bool is_list_of_constants = false;
};

std::optional<double> number_of(const Known& known) {
  if (!known.constant) return std::nullopt;
  if (known.constant->kind == Value::Kind::integer) return static_cast<double>(known.constant->integer);
  if (known.constant->kind == Value::Kind::real) return known.constant->real;
  return std::nullopt;
}

Op flipped(Op op) {
  switch (op) {
    case Op::less:
      return Op::greater;
    case Op::less_equal:
      return Op::greater_equal;
    case Op::greater:
      return Op::less;
    case Op::greater_equal:
      return Op::less_equal;
    default:
      return op;
  }
}

// A value that stands where a condition is needed: a name is one that must be TRUE.
std::vector<Requirement> musts_of(Known&& known) {
  if (!known.identifier) return std::move(known.musts);
  return {{.identifier = *known.identifier, .any_of = {boolean_value(true)}}};
}

// What holds whichever of the two does.
std::vector<Requirement> either(std::vector<Requirement>&& left, std::vector<Requirement>&& right) {
  std::vector<Requirement> both;
  for (auto& one : left) {
    const auto other = std::ranges::find_if(right, [&](const Requirement& each) {
      return each.identifier == one.identifier && each.is_range == one.is_range;
    });
    if (other == right.end()) continue;
    one.any_of.insert(one.any_of.end(), other->any_of.begin(), other->any_of.end());
    one.low = std::min(one.low, other->low);
    one.high = std::max(one.high, other->high);
    both.push_back(std::move(one));
  }
  return both;
}

class Walk {
 public:
  explicit Walk(const Program& program) : program_(program) {}

  std::vector<Requirement> run() {
    for (const auto& instruction : program_.code) step(instruction);
    FOLKMOOT_ASSERT(stack_.size() == 1);
    return musts_of(pop());
  }

 private:
  Known pop() {
    auto top = std::move(stack_.back());
    stack_.pop_back();
    return top;
  }

  void step(const Instruction& instruction) {
    switch (instruction.op) {
      case Op::constant:
        return push({.constant = program_.constants[instruction.operand]});
      case Op::load:
        return push({.identifier = instruction.operand});
      case Op::equal:
      case Op::less:
      case Op::less_equal:
      case Op::greater:
      case Op::greater_equal:
        return compare(instruction.op);
      case Op::between:
        return between();
      case Op::and_: {
        auto right = musts_of(pop()), left = musts_of(pop());
        std::ranges::move(right, std::back_inserter(left));
        return push({.musts = std::move(left)});
      }
      case Op::or_: {
        auto right = musts_of(pop()), left = musts_of(pop());
        return push({.musts = either(std::move(left), std::move(right))});
      }
      case Op::is_true:
        return push({.musts = musts_of(pop())});
      case Op::list_begin:
        return push({.is_list_of_constants = true});
      case Op::list_item: {
        const auto item = pop();
        auto& list = stack_.back();
        list.is_list_of_constants = list.is_list_of_constants && item.constant;
        if (item.constant) list.items.push_back(*item.constant);
        return;
      }
      case Op::list_end:
        return end_list();
      case Op::skip_if_false:
      case Op::skip_if_true:
        return;
      case Op::not_equal:
      case Op::add:
      case Op::subtract:
      case Op::multiply:
      case Op::divide:
        pop();
        break;
      default:
        break;
    }
    stack_.back() = {};  // nothing is known of it
  }

  void push(Known known) { stack_.push_back(std::move(known)); }

  void compare(Op op) {
    auto right = pop(), left = pop();
    if (left.constant) {
      std::swap(left, right);
      op = flipped(op);
    }
    Known result;
    if (left.identifier && right.constant) {
      Requirement must{.identifier = *left.identifier};
      const auto number = number_of(right);
      if (op == Op::equal) {
        must.any_of.push_back(*right.constant);
        result.musts.push_back(std::move(must));
      } else if (number) {
        must.is_range = true;
        (op == Op::less || op == Op::less_equal ? must.high : must.low) = *number;
        result.musts.push_back(std::move(must));
      }
    }
    push(std::move(result));
  }

  void between() {
    const auto high = number_of(pop()), low = number_of(pop());
    const auto value = pop();
    Known result;
    if (value.identifier && (low || high)) {
      Requirement must{.identifier = *value.identifier, .is_range = true};
      if (low) must.low = *low;
      if (high) must.high = *high;
      result.musts.push_back(std::move(must));
    }
    push(std::move(result));
  }

  void end_list() {
    auto list = pop();
    const auto value = pop();
    Known result;
    if (value.identifier && list.is_list_of_constants)
      result.musts.push_back({.identifier = *value.identifier, .any_of = std::move(list.items)});
    push(std::move(result));
  }

  const Program& program_;
  std::vector<Known> stack_;
};

}  // namespace

std::vector<Requirement> requirements_of(const Program& program) { return Walk(program).run(); }

}  // namespace folkmoot
