#include "server/data_folder.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include "access/audit_files.hpp"
#include "journal/journal.hpp"

namespace folkmoot {
namespace {

constexpr std::string_view kShardsFile = "shards";
constexpr std::string_view kStreamsFolder = "streams";
constexpr std::string_view kBackupFile = "backup";  // what a backup consists of (cli/backup/manifest.hpp)
constexpr std::size_t kStrangersShown = 5;          // by name, when there are many

Result<bool> has_journal(Disk& disk) {
  const auto names = disk.list();
  if (!names) return std::unexpected(names.error());
  return std::ranges::any_of(*names, [](const auto& name) { return name.ends_with(".segment"); });
}

// What a server, or a crash of one that had not come far, leaves in a data folder; and what every folder may have.
bool is_ours(const std::string& name) {
  constexpr std::string_view kNames[] = {"lock",         "folkmoot.sock", "content",       access::kAuditFolder,
                                         kStreamsFolder, kShardsFile,     kNewSegmentName, "lost+found"};
  return name.starts_with('.') || name.starts_with("shard-") || name.starts_with(kHistoryFile) ||
         name.starts_with(kFailingFile) || segment_number(name) || std::ranges::find(kNames, name) != std::end(kNames);
}

Result<void> write_count(Disk& data, std::uint32_t shards) {
  auto file = data.open(kShardsFile, Disk::Open::create_empty);
  if (!file) return std::unexpected(file.error());
  const auto text = fmt::format("{}\n", shards);
  const auto bytes = as_bytes(text);
  if (auto written = (*file)->write(0, {&bytes, 1}); !written) return written;
  if (auto synced = (*file)->sync(); !synced) return synced;
  return data.sync_folder();
}

Result<void> make_journal(const std::string& folder, const JournalOptions& options) {
  auto disk = PosixDisk::open(folder);
  if (!disk) return std::unexpected(disk.error());
  auto journal = Journal::open(**disk, options);
  if (!journal) return std::unexpected(journal.error());
  auto made = (*journal)->recover([](FactKind, FactPlace, Bytes) { return Result<void>{}; });
  if (!made) return std::unexpected(made.error());
  return (*journal)->close();
}

}  // namespace

Result<void> check_strangers(const std::string& data) {
  if (!std::filesystem::exists(data)) return {};
  const auto disk = PosixDisk::open(data, PosixDisk::Access::read_only);
  if (!disk) return {};  // whoever makes or opens it says what is wrong with it
  auto names = (*disk)->list();
  if (!names) return std::unexpected(names.error());
  if (std::ranges::find(*names, kBackupFile) != names->end()) {
    return failure(ErrorCode::not_permitted, fmt::format("the folder {} is a backup, and stays one", data),
                   fmt::format("make a data folder of it: `folkmoot restore {} NEW-FOLDER`", data));
  }
  std::erase_if(*names, is_ours);
  if (names->empty()) return {};
  const auto is_old = has_journal(**disk);
  if (!is_old) return std::unexpected(is_old.error());
  std::ranges::sort(*names);
  const auto shown = std::min(names->size(), kStrangersShown);
  auto list = fmt::format("{}", fmt::join(names->begin(), names->begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  if (shown < names->size()) list += fmt::format(" and {} more", names->size() - shown);
  if (*is_old) {
    spdlog::warn("in the data folder {} there is something that is not this server's: {}", data, list);
    return {};
  }
  return failure(ErrorCode::already_exists,
                 fmt::format("the folder {} is no data folder, and is not empty: {} in it {} not folkmoot's", data,
                             list, names->size() == 1 ? "is" : "are"),
                 "give an empty folder or one that is not there yet, or move what is in this one elsewhere");
}

std::string shard_folder(const std::string& data, ShardNumber shard) {
  return shard == 0 ? data : fmt::format("{}/shard-{}", data, shard.value);
}

std::string streams_folder(const std::string& data) { return fmt::format("{}/{}", data, kStreamsFolder); }

Result<std::uint32_t> shards_of(Disk& data) {
  const auto names = data.list();
  if (!names) return std::unexpected(names.error());
  std::uint32_t shards = 1;
  if (std::ranges::find(*names, kShardsFile) == names->end()) return shards;
  auto file = data.open(kShardsFile, Disk::Open::read_only);
  if (!file) return std::unexpected(file.error());
  std::array<std::uint8_t, 16> text{};
  const auto got = (*file)->read(0, text);
  if (!got) return std::unexpected(got.error());
  const auto* const begin = reinterpret_cast<const char*>(text.data());
  const auto read = std::from_chars(begin, begin + *got, shards);
  if (read.ec != std::errc{} || shards == 0 || shards > kShardsMax) {
    return failure(
        ErrorCode::damaged,
        fmt::format("the file `{}` of the data folder does not say how many shards it was made for", kShardsFile),
        "restore it from the same backup as the rest");
  }
  return shards;
}

// Which mailbox is in which shard depends on their number, so a data folder keeps the one that it was made with.
Result<void> check_shards(Disk& data, const ServerOptions& options) {
  const auto is_old = has_journal(data);
  if (!is_old) return std::unexpected(is_old.error());
  const auto made_for = shards_of(data);
  if (!made_for) return std::unexpected(made_for.error());
  if (*is_old && *made_for != options.shards) {
    return failure(ErrorCode::invalid_field, fmt::format("the data folder {} was made with shards = {}, and `shards` "
                                                         "is {}: set it to {}, or begin with a new folder",
                                                         options.data, *made_for, options.shards, *made_for));
  }
  if (*is_old) return check_journals(options.data, options.shards);
  // The first one's journal is made last: where it is, all are.
  for (auto shard = options.shards - 1; shard > 0; --shard) {
    if (auto made = make_journal(shard_folder(options.data, ShardNumber{shard}), options.journal); !made) return made;
  }
  return *made_for == options.shards ? Result<void>{} : write_count(data, options.shards);
}

Result<void> check_journals(const std::string& data, std::uint32_t shards) {
  for (ShardNumber shard{1}; shard.value < shards; ++shard) {
    const auto folder = shard_folder(data, shard);
    const auto disk = PosixDisk::open(folder, PosixDisk::Access::read_only);
    const auto there = disk ? has_journal(**disk) : Result<bool>(false);
    if (!there) return std::unexpected(there.error());
    if (*there) continue;
    return failure(ErrorCode::damaged,
                   fmt::format("there is no journal in {}, and the data folder was made for {} shards", folder, shards),
                   "restore it from the same backup as the rest");
  }
  return {};
}

}  // namespace folkmoot
