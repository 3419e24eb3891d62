// The disk under the data folder.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <vector>

#include "cli/doctor/findings.hpp"
#include "server/data_folder.hpp"

namespace folkmoot::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDisk = "disk";
constexpr std::size_t kSyncs = 32;
constexpr double kSlowSyncMs = 20;
constexpr auto kSyncsEndAfter = std::chrono::seconds(3);

// The folder, or if it is not there yet the one that it would be made in.
std::string nearest_folder(const std::string& data) {
  auto path = fs::absolute(data).lexically_normal();
  std::error_code ignored;
  while (!fs::is_directory(path, ignored) && path.has_parent_path() && path != path.root_path())
    path = path.parent_path();
  return path.string();
}

void examine_room(const std::string& folder, const ServerConfig& config, Findings& findings) {
  struct statfs system{};
  if (::statfs(folder.c_str(), &system) != 0) return;
  const auto free = static_cast<std::uint64_t>(system.f_bavail) * static_cast<std::uint64_t>(system.f_bsize);
  const auto segment = std::uint64_t{config.server.journal.segment_bytes} * config.server.shards;
  if (free < 2 * segment) {
    findings.problem(kDisk,
                     fmt::format("{} has {} MiB left, less than two segments of the journal", folder, free / kMiB),
                     "make room, or put the data folder on another disk");
  } else if (free < 1024 * kMiB) {
    findings.warn(kDisk, fmt::format("{} has {} MiB left", folder, free / kMiB),
                  "a full disk refuses durable messages until there is room");
  } else {
    findings.good(kDisk, fmt::format("{} has {} GiB left", folder, free / (1024 * kMiB)));
  }
  if (system.f_files != 0 && system.f_ffree < 1024) {
    findings.warn(kDisk, fmt::format("{} has room for {} files more", folder, system.f_ffree),
                  "contents by reference and segments are files");
  }
  constexpr std::array<std::pair<unsigned long, std::string_view>, 4> kRemote = {
      {{NFS_SUPER_MAGIC, "NFS"}, {SMB_SUPER_MAGIC, "SMB"}, {0xff534d42, "CIFS"}, {0x65735546, "FUSE"}}};
  const auto type = static_cast<unsigned long>(system.f_type) & 0xffffffff;
  if (type == TMPFS_MAGIC || type == RAMFS_MAGIC) {
    findings.warn(kDisk, fmt::format("{} is in memory (tmpfs): all mail goes with a restart of the machine", folder),
                  "put the data folder on a disk");
  }
  for (const auto& [magic, name] : kRemote) {
    if (type != magic) continue;
    findings.warn(kDisk, fmt::format("{} is on {}, where a sync and a lock may mean less than they say", folder, name),
                  "put the data folder on a disk of this machine");
  }
}

// How long 4 KiB take to be on disk, in the middle of some; 0 if it could not be tried. Leaves nothing behind.
double sync_ms(const std::string& folder) {
  const int file = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0) return 0;
  const std::vector<char> page(4096, 'f');
  std::vector<double> took;
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + kSyncsEndAfter;
  while (took.size() < kSyncs && Clock::now() < end) {
    const auto began = Clock::now();
    if (::write(file, page.data(), page.size()) != static_cast<ssize_t>(page.size()) || ::fdatasync(file) != 0) break;
    took.push_back(std::chrono::duration<double, std::milli>(Clock::now() - began).count());
  }
  ::close(file);
  if (took.empty()) return 0;
  std::ranges::nth_element(took, took.begin() + static_cast<std::ptrdiff_t>(took.size() / 2));
  return took[took.size() / 2];
}

void examine_writing(const std::string& folder, Findings& findings) {
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    const int why = errno;
    return findings.problem(kDisk, fmt::format("{}: this user may not write there: {}", folder, std::strerror(why)),
                            "give the folder to the user that the server runs as, or name another with --data");
  }
  const auto ms = sync_ms(folder);
  if (ms == 0) return;
  if (ms > kSlowSyncMs) {
    findings.warn(kDisk, fmt::format("4 KiB take {:.1f} ms until they are on disk, and a confirmation as long", ms),
                  "many senders at once share a sync; a faster disk helps each of them");
  } else {
    findings.good(kDisk, fmt::format("4 KiB are on disk after {:.2f} ms", ms));
  }
}

// The youngest change of a file in the folder must not be ahead of the clock.
void examine_clock_of_files(const std::string& data, Findings& findings) {
  std::error_code error;
  fs::file_time_type youngest = fs::file_time_type::min();
  for (const auto& each : fs::directory_iterator(data, error)) {
    std::error_code gone;
    if (const auto at = fs::last_write_time(each.path(), gone); !gone) youngest = std::max(youngest, at);
  }
  if (youngest == fs::file_time_type::min()) return;
  const auto ahead = youngest - fs::file_time_type::clock::now();
  if (ahead < std::chrono::seconds(5)) return;
  findings.problem("clock",
                   fmt::format("files in {} were written {} s after what this machine's clock says it is", data,
                               std::chrono::duration_cast<std::chrono::seconds>(ahead).count()),
                   "set the clock (`timedatectl`): ids go on from the old time, and lives and delays last longer");
}

}  // namespace

void examine_disk(const ServerConfig& config, Findings& findings) {
  const auto& data = config.server.data;
  if (auto free = check_strangers(data); !free) findings.problem(kDisk, free.error().text, free.error().advice);
  const auto folder = nearest_folder(data);
  examine_room(folder, config, findings);
  examine_writing(folder, findings);
  examine_clock_of_files(data, findings);
}

}  // namespace folkmoot::cli
