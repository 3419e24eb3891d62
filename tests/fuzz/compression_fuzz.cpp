// Compressed bytes of anybody: the first byte chooses the encoding. Whatever they claim, the output stays within its
// bound, and what comes out can be compressed and decompressed again.
#include <cstdlib>

#include "message/compression.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace folkmoot;
  if (size == 0) return 0;
  constexpr std::size_t kBound = 256 * 1024;
  const auto encoding = data[0] & 1 ? kGzip : kZstd;
  const auto content = decompress(encoding, {data + 1, size - 1}, kBound);
  if (!content) return 0;
  if (content->size() > kBound) std::abort();
  const auto small = compress(encoding, as_bytes(*content));
  if (!small || decompress(encoding, as_bytes(*small), kBound) != *content) std::abort();
  return 0;
}
