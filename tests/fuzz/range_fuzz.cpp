// A Range header: whatever it says, what is to be sent lies within the content.
#include <cstdlib>

#include "base/bytes.hpp"
#include "gateway/http/range.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace folkmoot;
  if (size < 8) return 0;
  const auto bytes = load<std::uint64_t>(data) | 1;
  const auto range = parse_range(as_text({data + 8, size - 8}), bytes);
  if (range && range->is_satisfiable && (range->begin >= range->end || range->end > bytes)) std::abort();
  return 0;
}
