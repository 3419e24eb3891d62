#include "cli/journal_contents.hpp"

#include <fmt/format.h>

#include <filesystem>

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

ContentReport verify_contents_of(const std::string& data) {
  const auto contents = data + "/content";
  if (!std::filesystem::is_directory(contents)) return {};
  const auto disk = value(PosixDisk::open(contents, PosixDisk::Access::read_only));
  return value(verify_contents(*disk));
}

FolderReport verify_data_folder(const std::string& folder, const ContentReport& contents) {
  NoLog log;
  NoEffects effects;
  Engine engine({}, log, effects);
  Result<void> recovered;
  FolderReport report{.journal = value(verify_folder(folder,
                                                     [&](FactKind kind, FactPlace place, Bytes body) {
                                                       if (recovered) recovered = engine.recover(kind, place, body);
                                                     })),
                      .contents = contents};
  if (report.journal.problems_total > 0) return report;
  value(recovered);
  for (const auto& [hash, size] : report.contents.sizes) engine.content_stored({hash, size});
  engine.each_missing_content([&](const ContentRef& ref, std::uint32_t references) {
    report.missing.push_back(
        fmt::format("content {} of {} bytes is missing or damaged, and {} messages or schedules refer to it",
                    ref.hash.text(), ref.size, references));
  });
  return report;
}

}  // namespace folkmoot::cli
