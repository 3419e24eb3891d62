// Calls and their answers as bytes: from clients, to them, and between shards.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "operation/operations.hpp"

namespace folkmoot {

/// An operation with its arguments, read and checked.
struct ReadCall {
  const OperationInfo* operation = nullptr;
  std::shared_ptr<void> arguments{};
  bool packed = false;  // the answer is wanted as bytes

  /// An argument by its role; `at` is nullptr if the operation has none such.
  Uuid id(Role role) const;
  std::string_view text(Role role) const;
  std::uint64_t natural(Role role) const;
};
/// An argument that is text, always there, and called so; empty if the operation has none such.
std::string_view text_argument(const ReadCall& call, std::string_view field);
/// The call in the body of a CALL frame. Errors: malformed, not_found for a name that is none, and those of
/// read_json().
Result<ReadCall> read_call(Bytes body);

/// The body of a CALL frame. Requires: `arguments` are of that operation.
std::string body_of_call(const OperationInfo& operation, const void* arguments);

/// How an answer is written. Shards tell each other in MessagePack, whose text is taken as it is; for clients it is as
/// the operation's layout says.
Result<std::string> write_answer(const OperationInfo& operation, const void* answer, bool between_shards);
/// Reads an answer of write_answer(..., true), and those that the engine writes itself. Errors: malformed.
Result<std::shared_ptr<void>> read_part(const OperationInfo& operation, Bytes body);

}  // namespace folkmoot
