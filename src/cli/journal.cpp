// folkmoot journal: looks at the journal of a data folder while no server uses it.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "cli/cli.hpp"
#include "cli/journal_contents.hpp"
#include "cli/journal_keys.hpp"
#include "cli/print.hpp"
#include "journal/folder_lock.hpp"
#include "journal/verify.hpp"
#include "message/json_writer.hpp"

namespace folkmoot::cli {
namespace {

struct JournalOptions {
  std::string folder;
  JournalKeySource keys;
  bool json = false;
};

// Whoever gives keys wants to know what is in the journal: without the right one it is not looked at for nothing.
void check_keys(const std::vector<const JournalInfo*>& journals, const KeysGiven& keys) {
  if (!keys) return;
  for (const auto* journal : journals) {
    for (const auto& segment : journal->segments) {
      if (segment.is_opened) continue;
      throw Failure(*missing_key({journal->id, segment.number, journal->segment_bytes, SegmentSeal{*segment.key, 0}},
                                 keys.get()));
    }
  }
}

std::size_t sealed_segments(const JournalInfo& info) {
  return static_cast<std::size_t>(
      std::ranges::count_if(info.segments, [](const auto& segment) { return segment.key.has_value(); }));
}

// What stands behind "facts in 3 segments".
std::string seal_words(const JournalInfo& info) {
  const auto sealed = sealed_segments(info);
  if (sealed == 0) return {};
  return fmt::format(", {} of them sealed{}", sealed, info.is_opened() ? "" : " and not opened");
}

std::string_view word(SegmentInfo::State state) {
  switch (state) {
    case SegmentInfo::State::closed:
      return "closed";
    case SegmentInfo::State::last:
      return "last";
    case SegmentInfo::State::spare:
      return "spare";
  }
  return "unknown";
}

void append_json(JsonWriter& writer, const JournalInfo& info) {
  writer.field("segment_bytes", info.segment_bytes).field("facts", info.facts);
  writer.field("first_lsn", info.first.value).field("last_lsn", info.last.value).field("end_lsn", info.end.value);
  writer.field("clean_stop", info.clean_stop)
      .field("torn_bytes", info.torn_bytes)
      .field("problems_total", info.problems_total);
  writer.key("problems").begin_array();
  for (const auto& problem : info.problems) {
    writer.begin_object()
        .field("segment", problem.segment)
        .field("offset", problem.offset)
        .field("what", problem.what)
        .end_object();
  }
  writer.end_array().key("segments").begin_array();
  for (const auto& segment : info.segments) {
    writer.begin_object().field("number", segment.number).field("state", word(segment.state));
    writer.field("used_bytes", segment.used_bytes).field("facts", segment.facts).field("batches", segment.batches);
    if (segment.key) writer.field("key", key_name(*segment.key)).field("opened", segment.is_opened);
    writer.end_object();
  }
  writer.end_array().key("kinds").begin_array();
  for (std::size_t kind = 0; kind < info.kinds.size(); ++kind) {
    if (info.kinds[kind].records == 0) continue;
    writer.begin_object().field("kind", kind_name(static_cast<std::uint8_t>(kind)));
    writer.field("records", info.kinds[kind].records).field("bytes", info.kinds[kind].bytes).end_object();
  }
  writer.end_array();
}

// The first journal, and in `shards` those of the further ones, if the server has several.
template <class Report, class Append>
std::string as_json(const std::vector<Report>& reports, Append append) {
  std::string out;
  JsonWriter writer(out);
  writer.begin_object();
  append(writer, reports.front());
  if (reports.size() > 1) {
    writer.key("shards").begin_array();
    for (std::size_t shard = 1; shard < reports.size(); ++shard) {
      writer.begin_object();
      append(writer, reports[shard]);
      writer.end_object();
    }
    writer.end_array();
  }
  writer.end_object();
  return out;
}

void append_streams(JsonWriter& writer, const StreamsReport& report) {
  if (report.streams.empty() && report.problems_total == 0) return;
  writer.key("streams").begin_array();
  for (const auto& stream : report.streams) {
    writer.begin_object().field("number", stream.number.value).field("first", stream.first.value);
    writer.field("end", stream.end.value).field("events", stream.events);
    writer.field("files", stream.files).field("bytes", stream.bytes).end_object();
  }
  writer.end_array().field("streams_torn_bytes", report.torn_bytes);
  writer.field("streams_problems_total", report.problems_total).key("streams_problems").begin_array();
  for (const auto& text : report.problems) writer.value(text);
  writer.end_array();
}

void append_report(JsonWriter& writer, const FolderReport& report) {
  append_json(writer, report.journal);
  writer.field("contents", report.contents.contents).field("contents_bytes", report.contents.bytes);
  const auto list = [&](std::string_view name, const std::vector<std::string>& texts) {
    writer.key(name).begin_array();
    for (const auto& text : texts) writer.value(text);
    writer.end_array();
  };
  list("contents_damaged", report.contents.damaged);
  list("contents_missing", report.missing);
  append_streams(writer, report.streams);
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
  fmt::print(
      "a torn tail of {} bytes at offset {} of the last segment: never confirmed to anybody; the next start cuts it\n",
      info.torn_bytes, info.torn_offset);
}

void print_contents(const std::vector<FolderReport>& reports) {
  const auto& contents = reports.front().contents;
  auto problems = contents.damaged.size();
  bool is_sound = true, is_opened = true;
  for (const auto& text : contents.damaged) fmt::print("{}\n", text);
  for (const auto& report : reports) {
    for (const auto& text : report.missing) fmt::print("{}\n", text);
    problems += report.missing.size();
    is_sound = is_sound && report.journal.problems_total == 0;
    is_opened = is_opened && report.journal.is_opened();
  }
  if (contents.contents == 0 && problems == 0) return;
  fmt::print("{} contents by reference: {}\n", contents.contents,
             problems == 0 ? "sound" : fmt::format("{} problems", problems));
  if (!is_opened) fmt::print("which of them messages refer to is not known without the journal's key\n");
  if (!is_sound) fmt::print("which of them messages refer to is not known until the journal is sound\n");
}

void print_streams(const StreamsReport& report) {
  for (const auto& text : report.problems) fmt::print("{}\n", text);
  if (report.problems_total > report.problems.size())
    fmt::print("... and {} more\n", report.problems_total - report.problems.size());
  if (report.torn_bytes > 0)
    fmt::print("{} bytes at the ends of files of streams were never synced; the next start cuts them\n",
               report.torn_bytes);
  if (report.files == 0) return;
  fmt::print("{} events of {} streams in {} files: {}\n", report.events, report.streams.size(), report.files,
             report.problems_total == 0 ? "sound" : fmt::format("{} problems", report.problems_total));
}

void verify(const JournalOptions& options) {
  const auto lock = value(FolderLock::take_shared(options.folder));  // that of all shards
  const auto keys = given_journal_keys(options.keys);
  const auto reports = verify_all(options.folder, keys);
  std::vector<const JournalInfo*> journals;
  for (const auto& report : reports) journals.push_back(&report.journal);
  check_keys(journals, keys);
  if (options.json) {
    print_line(as_json(reports, append_report));
  } else {
    for (std::size_t shard = 0; shard < reports.size(); ++shard) {
      const auto& info = reports[shard].journal;
      print_problems(info);
      print_tail(info);
      if (reports.size() > 1) fmt::print("shard {}: ", shard);
      fmt::print("{} facts in {} segments{}: {}\n", info.facts, info.segments.size(), seal_words(info),
                 info.problems_total == 0 ? "sound" : fmt::format("{} problems", info.problems_total));
    }
    print_contents(reports);
    print_streams(reports.front().streams);
  }
  if (!std::ranges::all_of(reports, &FolderReport::is_sound)) throw Exit{ExitStatus::failed};
}

void print_info(const JournalInfo& info) {
  fmt::print("{:<16} {}\n{:<16} {}\n{:<16} {} to {}\n{:<16} {}\n{:<16} {}\n\n", "segment bytes", info.segment_bytes,
             "facts", info.facts, "lsn", info.first.value, info.last.value, "clean stop",
             info.clean_stop ? "yes" : "no", "problems", info.problems_total);
  const bool is_sealed = sealed_segments(info) > 0;
  fmt::print("{:>12} {:<8} {:>12} {:>10} {:>8}{}\n", "segment", "state", "used bytes", "facts", "batches",
             is_sealed ? "  key" : "");
  for (const auto& segment : info.segments) {
    fmt::print("{:>12} {:<8} {:>12} {:>10} {:>8}{}\n", segment.number, word(segment.state), segment.used_bytes,
               segment.facts, segment.batches,
               !is_sealed    ? ""
               : segment.key ? "  " + key_name(*segment.key)
                             : "  plain");
  }
  fmt::print("\n{:<24} {:>10} {:>14}\n", "kind", "records", "bytes");
  for (std::size_t kind = 0; kind < info.kinds.size(); ++kind) {
    if (info.kinds[kind].records == 0) continue;
    fmt::print("{:<24} {:>10} {:>14}\n", kind_name(static_cast<std::uint8_t>(kind)), info.kinds[kind].records,
               info.kinds[kind].bytes);
  }
  print_tail(info);
}

struct Shown {
  JournalInfo journal;
  StreamsReport streams{};  // of the first shard
};

void append_shown(JsonWriter& writer, const Shown& shown) {
  append_json(writer, shown.journal);
  append_streams(writer, shown.streams);
}

void print_streams_info(const StreamsReport& report) {
  if (report.streams.empty()) return;
  fmt::print("\n{:>12} {:>20} {:>20} {:>8} {:>14}\n", "stream", "first event", "events", "files", "bytes");
  for (const auto& stream : report.streams) {
    fmt::print("{:>12} {:>20} {:>20} {:>8} {:>14}\n", stream.number.value, stream.first.value, stream.events,
               stream.files, stream.bytes);
  }
  if (report.problems_total > 0) fmt::print("{:<16} {}\n", "problems", report.problems_total);
}

void show(const JournalOptions& options) {
  const auto lock = value(FolderLock::take_shared(options.folder));
  std::vector<Shown> all;
  for (const auto& folder : journal_folders(options.folder)) all.push_back({.journal = value(verify_folder(folder))});
  all.front().streams = verify_streams_of(options.folder);
  if (options.json) return print_line(as_json(all, append_shown));
  for (std::size_t shard = 0; shard < all.size(); ++shard) {
    if (all.size() > 1) fmt::print("{}shard {}\n\n", shard == 0 ? "" : "\n", shard);
    print_info(all[shard].journal);
  }
  print_streams_info(all.front().streams);
}

struct NewKeyOptions {
  std::string file;
  bool json = false;
};

void make_new_key(const NewKeyOptions& options) {
  const auto number = key_name(value(add_journal_key(options.file)));
  if (!options.json)
    return print_line(
        fmt::format("{}  (secret; mode 0600): new segments will be sealed with the key {}", options.file, number));
  std::string out;
  JsonWriter(out).begin_object().field("file", options.file).field("key", number).end_object();
  print_line(out);
}

void add_new_key(App& journal) {
  auto* one = journal.add_subcommand("new-key",
                                     "Make a key to seal a journal with, in a new file or before the keys that are in "
                                     "it; a server takes it at its next start. Keep a copy of the file elsewhere: "
                                     "without it nobody reads what is sealed");
  const auto options = std::make_shared<NewKeyOptions>();
  one->add_option("FILE", options->file, "What the setting journal.key_file names")->required()->check(not_empty());
  one->add_flag("--json", options->json, "Print as JSON");
  set_example(*one,
              "  $ folkmoot journal new-key journal.key\n"
              "  $ folkmoot serve --set journal.key_file=journal.key");
  one->callback([options] { make_new_key(*options); });
}

}  // namespace

void add_journal(App& app) {
  auto* command = app.add_subcommand("journal", "Look at a journal while no server uses it");
  command->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, const char* example, void (*run)(const JournalOptions&)) {
    auto* one = command->add_subcommand(name, help);
    const auto options = std::make_shared<JournalOptions>();
    one->add_option("DIR", options->folder, "The server's data folder")->required()->check(existing_folder());
    if (run == &verify) add_journal_key_options(*one, options->keys);
    one->add_flag("--json", options->json, "Print as JSON");
    set_example(*one, example);
    one->callback([options, run] { run(*options); });
  };
  add("verify",
      "Check every byte of the journal, of the contents by reference and of the files of streams; exit status 1 if "
      "anything is wrong",
      "  $ folkmoot journal verify folkmoot-data\n  20312 facts in 3 segments: sound", verify);
  add("info", "Show segments, sizes and kinds of records, and the streams",
      "  $ folkmoot journal info folkmoot-data --json", show);
  add_new_key(*command);
  set_example(*command, "  $ folkmoot journal verify folkmoot-data");
}

}  // namespace folkmoot::cli
