// folkmoot stats: what the server says of itself.
#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <memory>

#include "base/duration.hpp"
#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"

namespace folkmoot::cli {
namespace {

namespace json = boost::json;

std::string text_of(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : json::serialize(value);
}

std::string field(const json::object& object, std::string_view key) {
  const auto* found = object.if_contains(key);
  return found ? text_of(*found) : "-";
}

void print_mailboxes(const json::array& mailboxes) {
  if (mailboxes.empty()) return;
  print_line("");
  print_line(fmt::format("{:<32} {:>9} {:>9} {:>7} {:>6} {:>9}  {}\n", "mailbox", "ready", "scheduled", "leased",
                         "dead", "consumers", "last read"));
  for (const auto& one : mailboxes) {
    if (!one.is_object()) continue;
    const auto& mailbox = one.get_object();
    const auto* age = mailbox.if_contains("last_read_age_ms");
    const bool read = age && age->is_int64();
    print_line(fmt::format("{:<32} {:>9} {:>9} {:>7} {:>6} {:>9}  {}", field(mailbox, "name"), field(mailbox, "ready"),
                           field(mailbox, "scheduled"), field(mailbox, "leased"), field(mailbox, "dead"),
                           field(mailbox, "consumers"),
                           read ? format_duration_ms(age->get_int64()) + " ago" : "never"));
  }
}

// How long something took: the mean, and what half, and all but one in a hundred, stayed below.
std::string spread_of(const json::object& spread) {
  const auto number = [](const json::object& object, std::string_view key) {
    const auto* const found = object.if_contains(key);
    return found != nullptr && found->is_number() ? found->to_number<std::int64_t>() : 0;
  };
  const auto count = number(spread, "count");
  const auto* const rows = spread.if_contains("rows");
  if (count <= 0 || rows == nullptr || !rows->is_array()) return "none yet";
  const auto below = [&](double part) {
    std::int64_t so_far = 0, bound = 0;
    for (const auto& row : rows->get_array()) {
      if (!row.is_object()) continue;
      bound = number(row.get_object(), "below_ms");
      so_far += number(row.get_object(), "count");
      if (static_cast<double>(so_far) >= part * static_cast<double>(count)) break;
    }
    return format_duration_ms(bound);
  };
  return fmt::format("{}, on average {:.1f} ms, half below {}, 99 % below {}", count,
                     static_cast<double>(number(spread, "sum_ms")) / static_cast<double>(count), below(0.5),
                     below(0.99));
}

// Rows of a name and a number.
std::string faults_of(const json::array& rows) {
  std::string out;
  for (const auto& row : rows) {
    if (!row.is_object()) continue;
    const auto& object = row.get_object();
    const auto subject = object.contains("subject") ? " " + field(object, "subject") : std::string();
    out += fmt::format("{}{}{} {}", out.empty() ? "" : ", ", field(object, "name"), subject,
                       field(object, object.contains("value") ? "value" : "count"));
  }
  return out.empty() ? "none" : out;
}

// Each member on a line; objects as a list of `name value` pairs.
void print_human(const json::object& stats) {
  for (const auto& [key, value] : stats) {
    if (key == "mailboxes") continue;
    if (key == "uptime_ms" && value.is_int64()) {
      print_line(fmt::format("{:<14} {}", "uptime", format_duration_ms(value.get_int64())));
    } else if (value.is_object() && value.get_object().contains("rows")) {
      print_line(fmt::format("{:<14} {}", std::string_view(key), spread_of(value.get_object())));
    } else if (value.is_array()) {
      print_line(fmt::format("{:<14} {}", std::string_view(key), faults_of(value.get_array())));
    } else if (value.is_object()) {
      std::string pairs;
      for (const auto& [name, of] : value.get_object()) {
        pairs += fmt::format("{}{} {}", pairs.empty() ? "" : ", ", std::string_view(name), text_of(of));
      }
      print_line(fmt::format("{:<14} {}", std::string_view(key), pairs));
    } else {
      print_line(fmt::format("{:<14} {}", std::string_view(key), text_of(value)));
    }
  }
  if (const auto* mailboxes = stats.if_contains("mailboxes"); mailboxes && mailboxes->is_array())
    print_mailboxes(mailboxes->get_array());
}

}  // namespace

void add_stats(App& app) {
  auto* command = app.add_subcommand("stats", "Show the server's counters and mailboxes");
  struct StatsOptions {
    std::string mailbox;
    bool json = false;
  };
  const auto options = std::make_shared<StatsOptions>();
  command->add_option("--mailbox", options->mailbox, "Of the mailboxes, only this one")->type_name("AGENT");
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command, "  $ folkmoot stats --mailbox reviewer --json");
  command->callback([options] {
    Session session;
    const auto text = value(session->stats(options->mailbox));
    if (options->json) return print_line(text);
    boost::system::error_code wrong;
    const auto stats = json::parse(text, wrong);
    if (wrong || !stats.is_object())
      throw Failure({ErrorCode::malformed, "the server's statistics are not a JSON object"});
    print_human(stats.get_object());
  });
}

}  // namespace folkmoot::cli
