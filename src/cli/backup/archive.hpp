// The plainest archive that every tar reads (POSIX ustar): for each file a header of 512 bytes, then its bytes and
// zeros to a multiple of 512; two blocks of zeros at the end. Sizes from 8 GiB on stand in base 256, as GNU tar and
// libarchive write them. Two functions are less than a library that knows thirty formats.
//
//   header := name[100] mode[8] uid[8] gid[8] size[12] mtime[12] checksum[8] type link[100] "ustar\0" "00"
//             user[32] group[32] 0[16] prefix[155] 0[12]          numbers in octal digits, with a zero behind
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot::cli {

constexpr std::size_t kArchiveBlockBytes = 512;

struct ArchiveEntry {
  std::string name{};  // at most 100 bytes
  std::uint64_t bytes = 0;
  bool is_file = true;
};

/// The header of a file. `at`: Unix seconds.
std::string encode_entry(const ArchiveEntry& entry, std::int64_t at);
/// Nothing for a block of zeros, the end. Requires: a whole block. Errors: damaged.
Result<std::optional<ArchiveEntry>> decode_entry(std::string_view block);

}  // namespace folkmoot::cli
