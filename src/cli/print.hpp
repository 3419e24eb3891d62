// How the subcommands show what they got.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "folkmoot/delivery.hpp"
#include "folkmoot/error.hpp"

namespace folkmoot::cli {

enum class Style { human, json, raw };

/// What is printed of a delivery beside its message; a lease only if it outlives this program.
struct DeliveryShown {
  bool redelivered = false;
  std::uint64_t lease = 0;
  std::uint32_t delivery = 0;
};

/// human: a line `from type priority id`, then the content, or how to fetch it; json: one JSON object a line; raw: the
/// content and nothing else. Writes to stdout and flushes. Throws Failure io_error.
void print_message(const Message& message, Style style, const DeliveryShown& shown = {});

/// "queued for reviewer: never seen, 1 unread", "sent to 3 subscriptions".
std::string describe(const PublishReceipt& receipt, const Message& message);
std::string to_json(const PublishReceipt& receipt);

/// A line of this program's own: nothing in it is carried out by a terminal, wherever it goes.
void print_line(const std::string& line);
/// Text with contents in it: as it is, unless it goes to a terminal; there its control sequences are shown.
void print_content(std::string_view text);
/// What was done, of a command that answers nothing else: `words`, or with --json an object of these fields.
void print_done(bool json, const std::string& words,
                std::initializer_list<std::pair<std::string_view, std::string_view>> fields);
/// Writes bytes as they are to stdout. Errors: io_error, cancelled.
Result<void> write_part(std::string_view part);

}  // namespace folkmoot::cli
