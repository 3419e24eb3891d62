// The tables of docs/protocol.md that say what stands in the code, as they must stand there.
#pragma once

#include <string>

namespace folkmoot {

/// Markdown: a row for each operation, with its arguments, their bounds and defaults, its answer, and where HTTP has
/// it.
std::string operations_table();
/// Of the frames that clients send: opcode, name, body, answer.
std::string frames_table();
/// Of the words for them on WebSockets: their fields.
std::string words_table();

}  // namespace folkmoot
