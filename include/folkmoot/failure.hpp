// For code that prefers exceptions: value() gives a Result's value, or throws its error as a Failure.
#pragma once

#include <stdexcept>
#include <type_traits>
#include <utility>

#include "folkmoot/error.hpp"

namespace folkmoot {

/// An Error thrown; what() is Error::describe().
class Failure : public std::runtime_error {
 public:
  explicit Failure(Error error) : std::runtime_error(error.describe()), error_(std::move(error)) {}
  const Error& error() const { return error_; }
  ErrorCode code() const { return error_.code; }

 private:
  Error error_;
};

/// `auto receipt = folkmoot::value(co_await bus.publish(message));`
template <class T>
T value(Result<T> result) {
  if (!result) throw Failure(std::move(result.error()));
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace folkmoot
