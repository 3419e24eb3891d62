// The lists as JSON: for programs that make something of them, such as clients in other languages and tests.
#pragma once

#include <string>

namespace folkmoot {

/// {"operations":[{"name","what","right","http","fields":[..],"answer":[..]}],"frames":[{"opcode","name","word","what",
/// "right","map","fields":[..]}]}; a field is {"key","name","what","type","required","min","max"} with "words" of a
/// word, "unit", and of objects and lists their "fields" and "element".
std::string description_json();

}  // namespace folkmoot
