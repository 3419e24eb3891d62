// How the subcommands show what they got.
#pragma once

#include <string>

#include "folkmoot/delivery.hpp"
#include "folkmoot/error.hpp"

namespace folkmoot::cli {

enum class Style { human, json, raw };

/// human: a line `from type priority id`, then the content, or how to fetch it; json: one JSON object a line; raw: the
/// content and nothing else. Writes to stdout and flushes. Throws Failure io_error.
void print_message(const Message& message, Style style, bool redelivered = false);

/// "queued for reviewer: never seen, 1 unread", "sent to 3 subscriptions".
std::string describe(const PublishReceipt& receipt, const Message& message);
std::string to_json(const PublishReceipt& receipt);

void print_line(const std::string& line);
/// Writes bytes as they are to stdout. Errors: io_error.
Result<void> write_part(std::string_view part);

}  // namespace folkmoot::cli
