// Answers of operations as JSON, whatever layout they have on the wire: for doors and the command line.
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "folkmoot/describe.hpp"

namespace folkmoot {

/// The body of an OK that answers `operation`. Requires: its layout is not confirm. Errors: malformed.
Result<std::string> answer_as_json(const OperationInfo& operation, Bytes body);
/// The same read into a struct of the operation's answer.
Result<void> read_answer(const OperationInfo& operation, Bytes body, void* answer);

/// Whether messages stand in it, whose contents may be compressed.
bool has_messages(const StructInfo& info);

}  // namespace folkmoot
