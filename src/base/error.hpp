// Errors as values: a code of the catalogue (errors.def) and a text that says what happened, to what, with the limit
// and the value met. The catalogue's advice says what to do next. Shared with users as <folkmoot/error.hpp>.
#pragma once
#include "folkmoot/error.hpp"
