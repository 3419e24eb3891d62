// folkmoot backup: saves what a running server has. folkmoot restore: makes a data folder of it.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <memory>

#include "base/byte_count.hpp"
#include "cli/backup/backup_files.hpp"
#include "cli/backup/copy.hpp"
#include "cli/backup/partial_folder.hpp"
#include "cli/cli.hpp"
#include "cli/journal_contents.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "cli/terminal.hpp"
#include "message/json_writer.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::uint64_t kRateDefault = std::uint64_t{100} << 20;
constexpr std::size_t kCopyBytes = 512 * 1024;

struct BackupOptions {
  std::string target;
  std::uint64_t rate = kRateDefault;
  bool json = false;
};

struct RestoreOptions {
  std::string source, target;
  bool json = false;
};

/// What was verified in a folder.
struct Verified {
  std::uint64_t shards = 0, facts = 0, contents = 0, contents_lost = 0, stream_files = 0, stream_problems = 0;

  bool is_whole() const { return contents_lost == 0 && stream_problems == 0; }
};

// A journal that is not perfect up to its very end is none of a backup; of a sealed one the checksums tell, without a
// key. Contents and files of streams that are damaged or missing were so on the server already: they are told, and the
// rest is worth having.
Verified verify(const std::string& folder) {
  const auto reports = verify_all(folder, {});
  Verified out{.shards = reports.size(), .contents = reports.front().contents.contents};
  for (std::size_t shard = 0; shard < reports.size(); ++shard) {
    const auto& journal = reports[shard].journal;
    out.facts += journal.facts;
    out.contents_lost += reports[shard].missing.size();
    for (const auto& text : reports[shard].missing) tell("folkmoot: {}", text);
    if (journal.problems_total == 0 && journal.torn_bytes == 0) continue;
    const auto where = journal.problems.empty()
                           ? fmt::format("offset {} of its last segment: its end is torn", journal.torn_offset)
                           : fmt::format("segment {} offset {}: {}", journal.problems.front().segment,
                                         journal.problems.front().offset, journal.problems.front().what);
    throw Failure({ErrorCode::damaged, fmt::format("the journal of shard {} is damaged: {}", shard, where),
                   "take another backup"});
  }
  for (const auto& text : reports.front().contents.damaged) tell("folkmoot: {}", text);
  out.contents_lost += reports.front().contents.damaged.size();
  const auto& streams = reports.front().streams;
  for (const auto& text : streams.problems) tell("folkmoot: {}", text);
  out.stream_files = streams.files;
  out.stream_problems = streams.problems_total;
  return out;
}

std::string count(std::uint64_t number, std::string_view what) {
  return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

struct Done {
  std::string words, where;
  Verified verified;
  std::uint64_t bytes = 0;
};

// `to_stderr`: stdout has the archive.
void report(const Done& done, bool json, bool to_stderr) {
  const auto& what = done.verified;
  std::string line;
  if (json) {
    JsonWriter writer(line);
    writer.begin_object().field("ok", what.is_whole()).field("shards", what.shards).field("facts", what.facts);
    writer.field("contents", what.contents).field("contents_lost", what.contents_lost);
    writer.field("stream_files", what.stream_files).field("stream_problems", what.stream_problems);
    writer.field("bytes", done.bytes);
    writer.end_object();
  } else {
    const auto* const word = what.contents_lost != 0     ? "contents are missing"
                             : what.stream_problems != 0 ? "files of streams are damaged"
                                                         : "ok";
    const auto streams =
        what.stream_files == 0
            ? std::string()
            : fmt::format("{}, ", what.stream_files == 1 ? "1 file of streams"
                                                         : fmt::format("{} files of streams", what.stream_files));
    line = fmt::format("{}: {}, {}, {}, {}{} bytes {} {}", word, count(what.shards, "shard"), count(what.facts, "fact"),
                       count(what.contents, "content"), streams, done.bytes, done.words, done.where);
  }
  to_stderr ? say(line) : print_line(line);
  if (!what.is_whole()) throw Exit{ExitStatus::failed};
}

Done backup_to_stdout(Session& session, std::uint64_t rate) {
  ArchiveTarget target(
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count());
  const auto totals = BackupCopy(session, target, rate).run();
  return {.words = "written to",
          .where = "stdout",
          .verified = {totals.shards, totals.facts, totals.contents, totals.contents_damaged, totals.stream_files},
          .bytes = totals.bytes};
}

Done backup_to_folder(Session& session, const BackupOptions& options) {
  PartialFolder folder(options.target);
  FolderTarget target(folder.path());
  const auto totals = BackupCopy(session, target, options.rate).run();
  auto verified = verify(folder.path());
  verified.contents_lost = std::max(verified.contents_lost, totals.contents_damaged);
  if (verified.facts != totals.facts) {
    throw Failure({ErrorCode::damaged,
                   fmt::format("{} facts were copied, and {} are on the disk", totals.facts, verified.facts),
                   "look at the disk that the backup is on"});
  }
  if (session.interrupted()) throw Failure({ErrorCode::cancelled, "interrupted: nothing was kept"});
  folder.finish();
  return {.words = "in", .where = options.target, .verified = verified, .bytes = totals.bytes};
}

void backup(const BackupOptions& options) {
  const bool to_stdout = options.target == "-";
  if (to_stdout && stdout_is_terminal())
    throw_invalid("TARGET", "`-` writes an archive to stdout, which is a terminal: send it into a file or a pipe");
  auto how = client_options();
  how.reconnect = false;  // the backup ends with its connection
  Session session(std::move(how));
  report(to_stdout ? backup_to_stdout(session, options.rate) : backup_to_folder(session, options), options.json,
         to_stdout);
}

Manifest read_manifest(BackupSource& source, const BackupSource::File& file, const std::string& from) {
  if (file.bytes > kManifestBytesMax)
    throw Failure({ErrorCode::damaged, fmt::format("the file `{}` of {} is too long", kManifestName, from)});
  std::string text(file.bytes, '\0');
  text.resize(source.read(text));
  return value(Manifest::parse(text));
}

// In whatever order they came: an archive may have been packed by others.
void compare(Manifest copied, Manifest manifest, const std::string& from) {
  std::ranges::sort(copied.files, {}, &BackupFile::name);
  std::ranges::sort(manifest.files, {}, &BackupFile::name);
  const auto [wrong, missing] = std::ranges::mismatch(copied.files, manifest.files);
  if (wrong == copied.files.end() && missing == manifest.files.end()) return;
  const auto& name = missing != manifest.files.end() ? missing->name : wrong->name;
  throw Failure({ErrorCode::damaged, fmt::format("{} is damaged: its file {} is not as it was written", from, name),
                 "restore another backup"});
}

BackupFile copy_file(BackupSource& source, BackupTarget& target, const BackupSource::File& file, std::string& buffer) {
  target.begin(file.name, file.bytes);
  for (std::uint64_t at = 0; at < file.bytes;) {
    const auto got = source.read({buffer.data(), std::min<std::uint64_t>(buffer.size(), file.bytes - at)});
    if (got == 0) throw Failure({ErrorCode::damaged, fmt::format("{} is shorter than it was", file.name)});
    target.write(std::string_view(buffer).substr(0, got));
    at += got;
  }
  return target.end();
}

/// Copies the files and compares them with the manifest; how many bytes they are.
std::uint64_t copy_files(BackupSource& source, BackupTarget& target, const std::string& from) {
  Progress progress("restoring");
  Manifest copied;
  std::optional<Manifest> manifest;
  std::uint64_t bytes = 0;
  std::string buffer(kCopyBytes, '\0');
  while (const auto file = source.next()) {
    if (file->name == kManifestName) {
      manifest = read_manifest(source, *file, from);
    } else if (is_backup_name(file->name)) {
      copied.files.push_back(copy_file(source, target, *file, buffer));
      progress.at(bytes += file->bytes, 0);
    } else {
      throw Failure({ErrorCode::damaged,
                     fmt::format("{} is no backup: `{}` is in it", from, shown_on_one_line(file->name)),
                     "give what `folkmoot backup` has written"});
    }
  }
  if (!manifest) {
    throw Failure({ErrorCode::damaged,
                   fmt::format("{} has no file `{}`: it was damaged or cut off, or is no backup", from, kManifestName),
                   "restore another backup"});
  }
  compare(std::move(copied), std::move(*manifest), from);
  return bytes;
}

void restore(const RestoreOptions& options) {
  const auto from = options.source == "-" ? std::string("what came on stdin") : options.source;
  PartialFolder folder(options.target);
  const auto source = BackupSource::open(options.source);
  FolderTarget target(folder.path());
  const auto bytes = copy_files(*source, target, from);
  target.sync();
  const auto verified = verify(folder.path());
  if (const auto mark = fmt::format("{}/{}", folder.path(), kManifestName); ::unlink(mark.c_str()) != 0)
    throw Failure(folkmoot::system_error(ErrorCode::io_error, "removing " + mark, errno));
  folder.finish();
  report({.words = "in", .where = options.target, .verified = verified, .bytes = bytes}, options.json, false);
}

}  // namespace

void add_backup(App& app) {
  auto* command = app.add_subcommand(
      "backup", "Save all that a running server has confirmed, into a new folder or an archive, and verify it");
  const auto options = std::make_shared<BackupOptions>();
  command
      ->add_option("TARGET", options->target,
                   "A folder that is not there yet, or is empty; `-`: an archive (tar) to stdout")
      ->required()
      ->check(not_empty());
  command
      ->add_option(
          "--rate",
          [options](const std::string& text) {
            const auto rate = parse_byte_count(text);
            if (!rate) throw_invalid("--rate", rate.error().text);
            options->rate = *rate;
          },
          "Bytes a second at most, such as 50MiB (default 100MiB); 0: as fast as it goes")
      ->type_name("SIZE");
  command->add_flag("--json", options->json, "Print what was saved as JSON (with `-`: to stderr)");
  set_example(*command,
              "  $ folkmoot backup /backups/monday --rate 50MiB\n"
              "  ok: 1 shard, 20312 facts, 2 contents, 81264023 bytes in /backups/monday\n"
              "  $ folkmoot backup - | zstd > monday.tar.zst");
  command->callback([options] { backup(*options); });
}

void add_restore(App& app) {
  auto* command = app.add_subcommand("restore", "Make a new data folder of a backup, and verify it");
  const auto options = std::make_shared<RestoreOptions>();
  command
      ->add_option("BACKUP", options->source,
                   "What `folkmoot backup` has written: a folder, an archive, or `-` for stdin")
      ->required()
      ->check(not_empty());
  command->add_option("DIR", options->target, "The new data folder: not there yet, or empty")
      ->required()
      ->check(not_empty());
  command->add_flag("--json", options->json, "Print what was restored as JSON");
  set_example(*command,
              "  $ folkmoot restore /backups/monday folkmoot-data\n"
              "  ok: 1 shard, 20312 facts, 2 contents, 81264023 bytes in folkmoot-data\n"
              "  $ zstd -dc monday.tar.zst | folkmoot restore - folkmoot-data && folkmoot serve");
  command->callback([options] { restore(*options); });
}

}  // namespace folkmoot::cli
