// folkmoot audit: who did what to a server, or tried to, as its data folder says; without the server.
#include <fmt/format.h>

#include <deque>
#include <memory>

#include "access/audit_files.hpp"
#include "base/duration.hpp"
#include "cli/cli.hpp"
#include "cli/command_line.hpp"
#include "cli/print.hpp"
#include "cli/terminal.hpp"
#include "message/json_writer.hpp"

namespace folkmoot::cli {
namespace {

struct AuditOptions {
  std::string data;
  std::uint32_t lines = 20;
  bool json = false;
};

access::AuditReport read_audit(const AuditOptions& options,
                               const std::function<void(const access::AuditRecord&, std::string_view)>& each) {
  const auto folder = access::audit_folder(options.data);
  const auto files = value(access::audit_files(folder));
  if (files.empty())
    throw Failure({ErrorCode::not_found, fmt::format("there is no audit log in {}", options.data),
                   "a server with accounts or a token writes one"});
  auto report = value(access::read_audit_files(folder, files, each));
  access::check_audit_beginning(files, report);
  return report;
}

std::string in_words(const access::AuditRecord& record) {
  auto line =
      fmt::format("{}  {:<16}  {}", format_time_ms(record.at), record.who.empty() ? "-" : record.who, record.what);
  if (record.file != 0) line.append(fmt::format(" {:08}.log", record.file));
  if (!record.of.empty()) line.append(" ").append(shown_on_one_line(record.of));
  if (!record.door.empty()) line.append("  (").append(record.door).append(", ").append(record.address).append(")");
  if (!record.outcome.empty()) line.append("  refused: ").append(shown_on_one_line(record.outcome));
  return line;
}

void verify_audit(const AuditOptions& options) {
  const auto report = read_audit(options, {});
  if (options.json) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("files", report.files).field("records", report.records);
    writer.field("first", report.first).field("last", report.last).field("hash", report.hash);
    writer.field("torn_bytes", report.torn_bytes).field("problems_total", report.problems_total);
    writer.key("problems").begin_array();
    for (const auto& problem : report.problems) writer.value(problem);
    writer.end_array().end_object();
    print_line(out);
  } else {
    for (const auto& problem : report.problems) print_line(problem);
    if (report.torn_bytes > 0)
      print_line(fmt::format("the last record is torn ({} bytes), as a crash leaves it; the next start cuts it off",
                             report.torn_bytes));
    print_line(fmt::format("records {} to {} (files: {}): {}", report.first, report.last, report.files,
                           report.problems_total == 0 ? "each follows the one before"
                                                      : fmt::format("problems: {}", report.problems_total)));
    print_line(fmt::format("hash of the last: {}", report.hash));
  }
  if (report.problems_total > 0) throw Exit{ExitStatus::failed};
}

void print_audit_tail(const AuditOptions& options) {
  std::deque<std::string> last;
  const auto report = read_audit(options, [&](const access::AuditRecord& record, std::string_view line) {
    last.push_back(options.json ? std::string(line.substr(access::kAuditHashDigits + 1)) : in_words(record));
    if (last.size() > options.lines) last.pop_front();
  });
  for (const auto& line : last) print_line(line);
  if (report.problems_total > 0) {
    fmt::print(stderr, "folkmoot: the audit log is not what was written; `folkmoot audit verify` says where\n");
    throw Exit{ExitStatus::failed};
  }
}

void add_audit_data(App& sub, AuditOptions& options) {
  sub.add_option("DIR", options.data, "The server's data folder")->required()->check(existing_folder());
}

}  // namespace

void add_audit(App& app) {
  auto* const command = app.add_subcommand("audit", "Look at who did what to a server, or tried to");
  command->require_subcommand(1);

  auto* sub = command->add_subcommand("verify", "Check that no record was changed, taken out or put in");
  auto options = std::make_shared<AuditOptions>();
  add_audit_data(*sub, *options);
  sub->add_flag("--json", options->json, "Print as JSON");
  set_example(*sub, "  $ folkmoot audit verify folkmoot-data");
  sub->callback([options] { verify_audit(*options); });

  sub = command->add_subcommand("tail", "Print the last records");
  options = std::make_shared<AuditOptions>();
  add_audit_data(*sub, *options);
  sub->add_option("-n,--lines", options->lines, "How many (default 20)");
  sub->add_flag("--json", options->json, "Print as JSON, one record a line");
  set_example(*sub, "  $ folkmoot audit tail folkmoot-data --lines 50");
  sub->callback([options] { print_audit_tail(*options); });
}

}  // namespace folkmoot::cli
