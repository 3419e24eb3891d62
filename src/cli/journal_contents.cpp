#include "cli/journal_contents.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "cli/terminal.hpp"
#include "engine/engine.hpp"
#include "folkmoot/failure.hpp"
#include "server/data_folder.hpp"

namespace folkmoot::cli {
namespace {

// An engine that only recovers: it may keep what it likes, appends nothing and says nothing.
class NoLog final : public FactLog {
 public:
  bool has_room(Urgency, std::size_t) const override { return false; }
  bool has_room(Urgency, GroupBound) const override { return false; }
  std::size_t group_bytes_max() const override { return 0; }
  FactPlace append(FactKind, std::span<const Bytes>, Life) override { return {}; }
  void begin_group(GroupBound) override {}
  void end_group() override {}
  Result<Bytes> read(FactPlace) override { return failure(ErrorCode::internal, "recovery reads no fact twice"); }
  void retain(FactPlace) override {}
  void release(FactPlace) override {}
};

class NoEffects final : public Effects {
 public:
  bool deliver(SessionId, const OutgoingDelivery&) override { return false; }
  void confirm(SessionId, RequestNumber, const Confirm&) override {}
  void answer(SessionId, RequestNumber, const Reply&) override {}
  void outcomes(SessionId, RequestNumber, std::span<const Result<Confirm>>) override {}
  void settled(SessionId, RequestNumber, std::uint32_t, std::span<const LeaseToken>) override {}
  void refuse(SessionId, RequestNumber, const Error&) override {}
  void lagged(SessionId, RequestNumber, std::uint32_t) override {}
  void withdrawn(SessionId, LeaseToken, const Uuid&) override {}
  bool remove_content(const ContentHash&) override { return true; }
  [[noreturn]] void unreadable(const Error& error) override { throw Failure(error); }
};

}  // namespace

std::vector<std::string> journal_folders(const std::string& data) {
  const auto shards = value(shards_of(*value(PosixDisk::open(data, PosixDisk::Access::read_only))));
  if (auto all = check_journals(data, shards); !all) throw Failure(all.error());
  std::vector<std::string> folders;
  for (ShardNumber shard = 0; shard.value < shards; ++shard) folders.push_back(shard_folder(data, shard));
  return folders;
}

namespace {

std::uint64_t bytes_in(const std::string& folder) {
  std::uint64_t bytes = 0;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator(folder, gone)) {
    if (entry.is_regular_file(gone)) bytes += entry.file_size(gone);
  }
  return bytes;
}

FolderReport verify_data_folder(const std::string& folder, const KeysGiven& keys, const ContentReport& contents,
                                const OnRead& on_read) {
  NoLog log;
  NoEffects effects;
  Engine engine({}, log, effects);
  Result<void> recovered;
  FolderReport report{.journal = value(verify_folder(
                          folder, keys,
                          [&](FactKind kind, FactPlace place, Bytes body) {
                            if (recovered) recovered = engine.recover(kind, place, body);
                          },
                          on_read)),
                      .contents = contents};
  if (report.journal.problems_total > 0 || !report.journal.is_opened()) return report;
  value(recovered);
  for (const auto& [hash, size] : report.contents.sizes) engine.contents().stored({hash, size});
  engine.contents().each_missing([&](const ContentRef& ref, std::uint32_t references) {
    report.missing.push_back(
        fmt::format("content {} of {} bytes is missing or damaged, and {} messages or schedules refer to it",
                    ref.hash.text(), ref.size, references));
  });
  return report;
}

}  // namespace

StreamsReport verify_streams_of(const std::string& data, const OnRead& on_read) {
  const auto folder = streams_folder(data);
  if (!std::filesystem::is_directory(folder)) return {};
  return value(verify_streams(*value(PosixDisk::open(folder, PosixDisk::Access::read_only)), on_read));
}

std::vector<FolderReport> verify_all(const std::string& data, const KeysGiven& keys) {
  const auto folders = journal_folders(data);
  const auto contents = data + "/content";
  auto all = bytes_in(contents) + bytes_in(streams_folder(data));
  for (const auto& folder : folders) all += bytes_in(folder);
  Progress progress("verifying " + data);
  auto on_read = [&progress, all, done = std::uint64_t{0}](std::uint64_t bytes) mutable {
    done += bytes;
    progress.at(std::min(done, all), all);
  };
  std::vector<FolderReport> reports;
  ContentReport stored;
  if (std::filesystem::is_directory(contents)) {
    const auto disk = value(PosixDisk::open(contents, PosixDisk::Access::read_only));
    stored = value(verify_contents(*disk, std::ref(on_read)));
  }
  for (const auto& folder : folders) reports.push_back(verify_data_folder(folder, keys, stored, std::ref(on_read)));
  reports.front().streams = verify_streams_of(data, std::ref(on_read));
  return reports;
}

}  // namespace folkmoot::cli
