// What a backup consists of: its last file, `backup`, so that what was interrupted has none.
//
//   folkmoot backup 1
//   version 0.1.0
//   taken 2026-11-21T10:00:00.000Z
//   file SHA256 BYTES NAME          one for each file, in the order they were written
//   end
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "folkmoot/content.hpp"

namespace folkmoot::cli {

constexpr std::string_view kManifestName = "backup";
constexpr std::size_t kManifestBytesMax = std::size_t{256} << 20;  // a million files

struct BackupFile {
  ContentHash hash{};
  std::uint64_t bytes = 0;
  std::string name{};

  bool operator==(const BackupFile&) const = default;
};

struct Manifest {
  std::string version{}, taken{};
  std::vector<BackupFile> files{};

  std::string text() const;
  /// Errors: damaged.
  static Result<Manifest> parse(std::string_view text);
};

/// Whether a data folder has a file of that name that a backup takes along: `shards`, a segment, one of `shard-N`, a
/// content, a file of a stream. Nothing that leads elsewhere is.
bool is_backup_name(std::string_view name);

}  // namespace folkmoot::cli
