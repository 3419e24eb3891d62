#include "cli/backup/manifest.hpp"

#include <fmt/format.h>

#include <charconv>

#include "journal/format.hpp"
#include "server/options.hpp"
#include "stream/format.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::string_view kTitle = "folkmoot backup 1";

std::unexpected<Error> damaged(std::string_view what) {
  return failure(ErrorCode::damaged, fmt::format("the backup's file `{}` is damaged: {}", kManifestName, what),
                 "take another backup");
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t out = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
  return read.ec == std::errc{} && read.ptr == text.data() + text.size() ? std::optional(out) : std::nullopt;
}

std::optional<BackupFile> read_file(std::string_view line) {
  const auto first = line.find(' '), second = line.find(' ', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
  const auto hash = ContentHash::parse(line.substr(0, first));
  const auto bytes = number(line.substr(first + 1, second - first - 1));
  const auto name = line.substr(second + 1);
  if (!hash || !bytes || !is_backup_name(name)) return std::nullopt;
  return BackupFile{*hash, *bytes, std::string(name)};
}

}  // namespace

std::string Manifest::text() const {
  auto out = fmt::format("{}\nversion {}\ntaken {}\n", kTitle, version, taken);
  for (const auto& file : files) out += fmt::format("file {} {} {}\n", file.hash.text(), file.bytes, file.name);
  return out += "end\n";
}

Result<Manifest> Manifest::parse(std::string_view text) {
  Manifest out;
  bool has_title = false;
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) break;
    const auto line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (!has_title) {
      if (line == kTitle) {
        has_title = true;
        continue;
      }
      if (line.starts_with("folkmoot backup ")) {
        return failure(ErrorCode::unsupported_version,
                       fmt::format("the backup says `{}`, and this program knows 1", line),
                       "restore it with the version that has made it, or a newer one");
      }
      return damaged("it does not begin as one");
    }
    if (line == "end") return text.empty() ? Result<Manifest>(std::move(out)) : damaged("something follows its end");
    if (line.starts_with("version ")) {
      out.version = line.substr(8);
    } else if (line.starts_with("taken ")) {
      out.taken = line.substr(6);
    } else if (line.starts_with("file ")) {
      auto file = read_file(line.substr(5));
      if (!file) return damaged(fmt::format("`{}` is no file of a backup", line));
      out.files.push_back(std::move(*file));
    } else {
      return damaged(fmt::format("`{}` is not understood", line));
    }
  }
  return damaged("it has no end");
}

bool is_backup_name(std::string_view name) {
  if (name == "shards" || segment_number(name)) return true;
  const auto slash = name.find('/');
  if (slash == std::string_view::npos) return false;
  const auto folder = name.substr(0, slash), file = name.substr(slash + 1);
  if (folder == "content") {
    const auto hash = ContentHash::parse(file);
    return hash && hash->text() == file;
  }
  if (folder == "streams") return EventFileName::parse(file).has_value();
  if (!folder.starts_with("shard-")) return false;
  const auto shard = number(folder.substr(6));
  return shard && *shard > 0 && *shard < kShardsMax && folder == fmt::format("shard-{}", *shard) &&
         segment_number(file).has_value();
}

}  // namespace folkmoot::cli
