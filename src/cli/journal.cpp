// folkmoot journal: looks at the journal of a data folder while no server uses it.
#include <fmt/format.h>

#include <memory>

#include "cli/cli.hpp"
#include "cli/journal_contents.hpp"
#include "cli/print.hpp"
#include "journal/verify.hpp"
#include "message/json_writer.hpp"

namespace folkmoot::cli {
namespace {

struct Options {
  std::string folder;
  bool json = false;
};

std::string_view word(SegmentInfo::State state) {
  switch (state) {
    case SegmentInfo::State::closed: return "closed";
    case SegmentInfo::State::last: return "last";
    case SegmentInfo::State::spare: return "spare";
  }
  return "unknown";
}

void append_json(JsonWriter& writer, const JournalInfo& info) {
  writer.field("segment_bytes", info.segment_bytes).field("facts", info.facts);
  writer.field("first_lsn", info.first).field("last_lsn", info.last).field("end_lsn", info.end);
  writer.field("clean_stop", info.clean_stop).field("torn_bytes", info.torn_bytes).field("problems_total", info.problems_total);
  writer.key("problems").begin_array();
  for (const auto& problem : info.problems) {
    writer.begin_object().field("segment", problem.segment).field("offset", problem.offset).field("what", problem.what).end_object();
  }
  writer.end_array().key("segments").begin_array();
  for (const auto& segment : info.segments) {
    writer.begin_object().field("number", segment.number).field("state", word(segment.state));
    writer.field("used_bytes", segment.used_bytes).field("facts", segment.facts).field("batches", segment.batches).end_object();
  }
  writer.end_array().key("kinds").begin_array();
  for (std::size_t kind = 0; kind < info.kinds.size(); ++kind) {
    if (info.kinds[kind].records == 0) continue;
    writer.begin_object().field("kind", kind_name(static_cast<std::uint8_t>(kind)));
    writer.field("records", info.kinds[kind].records).field("bytes", info.kinds[kind].bytes).end_object();
  }
  writer.end_array();
}

std::string to_json(const JournalInfo& info) {
  std::string out;
  JsonWriter writer(out);
  writer.begin_object();
  append_json(writer, info);
  writer.end_object();
  return out;
}

std::string to_json(const FolderReport& report) {
  std::string out;
  JsonWriter writer(out);
  writer.begin_object();
  append_json(writer, report.journal);
  writer.field("contents", report.contents.contents).field("contents_bytes", report.contents.bytes);
  const auto list = [&](std::string_view name, const std::vector<std::string>& texts) {
    writer.key(name).begin_array();
    for (const auto& text : texts) writer.value(text);
    writer.end_array();
  };
  list("contents_damaged", report.contents.damaged);
  list("contents_missing", report.missing);
  writer.end_object();
  return out;
}

void print_problems(const JournalInfo& info) {
  for (const auto& problem : info.problems) {
    fmt::print("segment {} offset {}: {}\n", problem.segment, problem.offset, problem.what);
  }
  if (info.problems_total > info.problems.size()) {
    fmt::print("... and {} more\n", info.problems_total - info.problems.size());
  }
}

void print_tail(const JournalInfo& info) {
  if (info.torn_bytes == 0) return;
  fmt::print("a torn tail of {} bytes at offset {} of the last segment: never confirmed to anybody; the next start cuts it\n",
             info.torn_bytes, info.torn_offset);
}

void print_contents(const FolderReport& report) {
  for (const auto& text : report.contents.damaged) fmt::print("{}\n", text);
  for (const auto& text : report.missing) fmt::print("{}\n", text);
  const auto problems = report.contents.damaged.size() + report.missing.size();
  if (report.contents.contents == 0 && problems == 0) return;
  fmt::print("{} contents by reference: {}\n", report.contents.contents, problems == 0 ? "sound" : fmt::format("{} problems", problems));
  if (report.journal.problems_total > 0) fmt::print("which of them messages refer to is not known until the journal is sound\n");
}

void verify(const Options& options) {
  const auto report = verify_data_folder(options.folder);
  const auto& info = report.journal;
  if (options.json) {
    print_line(to_json(report));
  } else {
    print_problems(info);
    print_tail(info);
    fmt::print("{} facts in {} segments: {}\n", info.facts, info.segments.size(),
               info.problems_total == 0 ? "sound" : fmt::format("{} problems", info.problems_total));
    print_contents(report);
  }
  if (!report.is_sound()) throw Exit{1};
}

void show(const Options& options) {
  const auto info = value(verify_folder(options.folder));
  if (options.json) return print_line(to_json(info));
  fmt::print("{:<16} {}\n{:<16} {}\n{:<16} {} to {}\n{:<16} {}\n{:<16} {}\n\n", "segment bytes", info.segment_bytes, "facts", info.facts,
             "lsn", info.first, info.last, "clean stop", info.clean_stop ? "yes" : "no", "problems", info.problems_total);
  fmt::print("{:>12} {:<8} {:>12} {:>10} {:>8}\n", "segment", "state", "used bytes", "facts", "batches");
  for (const auto& segment : info.segments) {
    fmt::print("{:>12} {:<8} {:>12} {:>10} {:>8}\n", segment.number, word(segment.state), segment.used_bytes, segment.facts, segment.batches);
  }
  fmt::print("\n{:<24} {:>10} {:>14}\n", "kind", "records", "bytes");
  for (std::size_t kind = 0; kind < info.kinds.size(); ++kind) {
    if (info.kinds[kind].records == 0) continue;
    fmt::print("{:<24} {:>10} {:>14}\n", kind_name(static_cast<std::uint8_t>(kind)), info.kinds[kind].records, info.kinds[kind].bytes);
  }
  print_tail(info);
}

}  // namespace

void add_journal(CLI::App& app) {
  auto* command = app.add_subcommand("journal", "Look at a journal while no server uses it");
  command->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, const char* example, void (*run)(const Options&)) {
    auto* one = command->add_subcommand(name, help);
    const auto options = std::make_shared<Options>();
    one->add_option("DIR", options->folder, "The server's data folder")->required()->check(CLI::ExistingDirectory);
    one->add_flag("--json", options->json, "Print as JSON");
    set_example(*one, example);
    one->callback([options, run] { run(*options); });
  };
  add("verify", "Check every byte of the journal, and of the contents by reference; exit status 1 if anything is wrong",
      "  $ folkmoot journal verify folkmoot-data\n  20312 facts in 3 segments: sound", verify);
  add("info", "Show segments, sizes and kinds of records", "  $ folkmoot journal info folkmoot-data --json", show);
  set_example(*command, "  $ folkmoot journal verify folkmoot-data");
}

}  // namespace folkmoot::cli
