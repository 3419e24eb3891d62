#include "cli/backup/archive.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::size_t kNameBytes = 100, kSizeAt = 124, kSizeBytes = 12, kTimeAt = 136, kSumAt = 148, kSumBytes = 8,
                      kTypeAt = 156, kMagicAt = 257, kPrefixAt = 345, kPrefixBytes = 155;
constexpr std::uint64_t kOctalMax = (std::uint64_t{1} << 33) - 1;  // 11 digits

// All bytes, the checksum's own as spaces.
unsigned checksum(std::string_view block) {
  unsigned sum = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool is_own = i >= kSumAt && i < kSumAt + kSumBytes;
    sum += is_own ? ' ' : static_cast<unsigned char>(block[i]);
  }
  return sum;
}

std::string_view text_at(std::string_view block, std::size_t at, std::size_t bytes) {
  const auto field = block.substr(at, bytes);
  return field.substr(0, field.find('\0'));
}

std::optional<std::uint64_t> number_at(std::string_view block, std::size_t at, std::size_t bytes) {
  const auto field = block.substr(at, bytes);
  std::uint64_t number = 0;
  if (static_cast<unsigned char>(field.front()) == 0x80) {
    for (const char c : field.substr(1)) {
      if (number >> 56 != 0) return std::nullopt;
      number = number << 8 | static_cast<unsigned char>(c);
    }
    return number;
  }
  for (const char c : field) {
    if (c == '\0' || (c == ' ' && number > 0)) break;
    if (c == ' ') continue;
    if (c < '0' || c > '7') return std::nullopt;
    number = number << 3 | static_cast<unsigned>(c - '0');
  }
  return number;
}

}  // namespace

std::string encode_entry(const ArchiveEntry& entry, std::int64_t at) {
  FOLKMOOT_ASSERT(entry.name.size() <= kNameBytes);
  std::string block(kArchiveBlockBytes, '\0');
  const auto put = [&block](std::size_t where, std::string_view text) { block.replace(where, text.size(), text); };
  put(0, entry.name);
  put(100, "0000640");
  put(108, "0000000");
  put(116, "0000000");
  if (entry.bytes <= kOctalMax) {
    put(kSizeAt, fmt::format("{:011o}", entry.bytes));
  } else {
    block[kSizeAt] = '\x80';
    for (std::size_t i = 0; i < 8; ++i)
      block[kSizeAt + kSizeBytes - 1 - i] = static_cast<char>(entry.bytes >> (8 * i) & 0xff);
  }
  put(kTimeAt, fmt::format("{:011o}", std::max<std::int64_t>(at, 0)));
  block[kTypeAt] = '0';
  put(kMagicAt, "ustar");
  put(kMagicAt + 6, "00");
  put(kSumAt, fmt::format("{:06o}", checksum(block)));
  block[kSumAt + 7] = ' ';
  return block;
}

Result<std::optional<ArchiveEntry>> decode_entry(std::string_view block) {
  if (block.find_first_not_of('\0') == std::string_view::npos) return std::nullopt;
  const auto sum = number_at(block, kSumAt, kSumBytes);
  const auto bytes = number_at(block, kSizeAt, kSizeBytes);
  if (!sum || *sum != checksum(block) || !bytes)
    return failure(ErrorCode::damaged, "the archive is damaged, or is none: a header's checksum is wrong");
  const char type = block[kTypeAt];
  // What others say of a file beside its header (x, g) changes nothing of files that this program has written.
  const bool is_file = type == '0' || type == '\0';
  if (!is_file && type != '5' && type != 'x' && type != 'g')
    return failure(ErrorCode::damaged,
                   fmt::format("the archive has an entry of type {}: files and folders are known", int{type}));
  ArchiveEntry entry{.name = std::string(text_at(block, 0, kNameBytes)), .bytes = *bytes, .is_file = is_file};
  if (const auto prefix = text_at(block, kPrefixAt, kPrefixBytes);
      text_at(block, kMagicAt, 5) == "ustar" && !prefix.empty())
    entry.name.insert(0, fmt::format("{}/", prefix));
  while (entry.name.starts_with("./")) entry.name.erase(0, 2);
  return entry;
}

}  // namespace folkmoot::cli
