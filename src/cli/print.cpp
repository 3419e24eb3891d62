#include "cli/print.hpp"

#include <fmt/format.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/duration.hpp"
#include "cli/stopping.hpp"
#include "cli/terminal.hpp"
#include "folkmoot/failure.hpp"
#include "gateway/json_answers.hpp"
#include "message/json_mapping.hpp"
#include "message/json_text.hpp"

namespace folkmoot::cli {
namespace {

void write_out(std::string_view text) { value(write_part(text)); }

Error cannot_write() { return system_error(ErrorCode::io_error, "writing to stdout", errno); }

std::string_view plural(std::uint64_t count) { return count == 1 ? "" : "s"; }

}  // namespace

// A pipe that poll() calls writable takes PIPE_BUF bytes without waiting.
Result<void> write_part(std::string_view part) {
  if (std::fflush(stdout) != 0) return std::unexpected(cannot_write());
  while (!part.empty()) {
    if (auto ready = wait_for(STDOUT_FILENO, POLLOUT); !ready) return ready;
    const auto written = ::write(STDOUT_FILENO, part.data(), std::min<std::size_t>(part.size(), PIPE_BUF));
    if (written < 0 && errno != EINTR && errno != EAGAIN) return std::unexpected(cannot_write());
    part.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
  }
  return {};
}

void print_line(const std::string& line) { write_out(shown(line) + '\n'); }

void print_content(std::string_view text) {
  if (!stdout_is_terminal()) return write_out(text);
  write_out(shown(text));
}

void print_done(bool json, const std::string& words,
                std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  if (!json) return print_line(words);
  std::string out;
  JsonWriter writer(out);
  writer.begin_object();
  for (const auto& [name, value] : fields) writer.field(name, value);
  writer.end_object();
  print_line(out);
}

void print_message(const Message& message, Style style, const DeliveryShown& shown) {
  if (style == Style::raw) return print_content(message.content);
  if (style == Style::json) {
    auto out = folkmoot::to_json(message);
    if (shown.lease != 0) {  // beside the fields of the message, as over HTTP
      out.pop_back();
      out += fmt::format(R"(,"lease":"{}","delivery":{},"redelivered":{}}})", shown.lease, shown.delivery,
                         shown.redelivered);
    }
    return print_content(on_one_line(std::move(out)) + '\n');
  }
  // What the protocol takes a message without a type for.
  const std::string type = !message.type.empty() ? message.type : message.topic.empty() ? "task" : "event";
  const auto head =
      fmt::format("{} {} {} {}{}{}", message.from.empty() ? "anonymous" : message.from, type,
                  priority_name(message.priority), message.id.text(), shown.redelivered ? " redelivered" : "",
                  shown.lease == 0 ? "" : fmt::format(" lease {}", shown.lease));
  print_line(shown_on_one_line(head));
  std::string out;
  if (const auto& ref = message.content_ref) {
    out = fmt::format("{} bytes by reference: folkmoot content get {}", ref->size, ref->hash.text());
  } else {
    out = message.content;
  }
  if (!out.ends_with('\n')) out += '\n';
  print_content(out);
}

std::string describe(const PublishReceipt& receipt, const Message& message) {
  if (receipt.outcome == Outcome::sent && !message.topic.empty()) {
    return fmt::format("sent to {} subscription{}", receipt.unread, plural(receipt.unread));
  }
  if (receipt.outcome == Outcome::kept) {
    if (receipt.unread == 0) return "kept by nobody: the filters of those that take its topic do not fit";
    return fmt::format("kept in {} place{}", receipt.unread, plural(receipt.unread));
  }
  if (receipt.outcome == Outcome::duplicate)
    return fmt::format("duplicate of this message, which is {}", name(receipt.state));
  const bool is_named = !message.to.empty();  // else a route chose, and the receipt does not say whom
  if (receipt.outcome == Outcome::dead)
    return is_named ? "put with the dead letters of " + message.to : "put with the dead letters";
  if (receipt.outcome == Outcome::sent) return fmt::format("sent to {}", message.to);
  if (!receipt.last_read_age) {
    return fmt::format("{} for {}: never seen, {} unread", name(receipt.outcome),
                       is_named ? message.to : "the mailbox that a route chose", receipt.unread);
  }
  return fmt::format("{}, {} unread, last read {} ago", name(receipt.outcome), receipt.unread,
                     format_duration_ms(receipt.last_read_age->count()));
}

// In the words of the doors that speak JSON.
std::string to_json(const PublishReceipt& receipt) {
  std::string out;
  JsonWriter writer(out);
  writer.begin_object();
  append_confirm_fields(
      writer,
      {.id = receipt.id,
       .count = receipt.unread,
       .outcome = static_cast<PublishOutcome>(receipt.outcome),
       .state = static_cast<ReceiptState>(receipt.state),
       .zero = {},
       .age_ms = receipt.last_read_age ? static_cast<std::uint64_t>(receipt.last_read_age->count()) : kNeverRead});
  writer.end_object();
  return out;
}

}  // namespace folkmoot::cli
