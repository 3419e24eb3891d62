#include "base/uuid.hpp"

#include <algorithm>

#include "base/hex.hpp"

namespace folkmoot {

std::optional<MessageAddress> message_address(const Uuid& id) {
  std::uint64_t words[2];
  __builtin_memcpy(words, id.bytes.data(), 16);
  const auto high = __builtin_bswap64(words[0]);
  const auto low = __builtin_bswap64(words[1]);
  if ((high >> 12 & 0xf) != 7 || low >> 62 != 2) return std::nullopt;
  const auto counter = static_cast<std::uint32_t>((high & 0xfff) << 8 | (low >> 54 & 0xff));
  return MessageAddress{.key = make_key(Instant{static_cast<std::int64_t>(high >> 16)}, counter),
                        .mailbox = NameId{static_cast<std::uint32_t>(low >> 22)},
                        .node = static_cast<std::uint32_t>(low) & kNodeMask};
}

std::string Uuid::text() const {
  char digits[32];
  write_hex(__builtin_bswap64(load<std::uint64_t>(bytes.data())), digits);
  write_hex(__builtin_bswap64(load<std::uint64_t>(bytes.data() + 8)), digits + 16);
  std::string out(36, '-');
  constexpr struct {
    int from, to, count;
  } kGroups[] = {{0, 0, 8}, {8, 9, 4}, {12, 14, 4}, {16, 19, 4}, {20, 24, 12}};
  for (const auto& group : kGroups) std::copy_n(digits + group.from, group.count, out.begin() + group.to);
  return out;
}

std::optional<Uuid> Uuid::parse(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  Uuid id;
  std::size_t at = 0;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      if (text[at++] != '-') return std::nullopt;
    }
    const int high = digit(text[at]), low = digit(text[at + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    id.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
    at += 2;
  }
  return id;
}

}  // namespace folkmoot
