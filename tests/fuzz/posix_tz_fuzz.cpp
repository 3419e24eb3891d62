// A time zone rule, and a time -> what the clock shows, and when it shows the same again. That must lie ahead, not
// further than a day that is one of the longest, and must be found from any moment before it.
#include <cstdlib>
#include <cstring>

#include "base/bytes.hpp"
#include "base/posix_tz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace folkmoot;
  std::uint64_t seed = 0;
  if (size < sizeof seed) return 0;
  std::memcpy(&seed, data, sizeof seed);
  const auto zone = PosixTz::parse(as_text({data + sizeof seed, size - sizeof seed}));
  if (!zone) return 0;
  constexpr std::int64_t kDay = 86'400'000, kYears = 400LL * 366 * kDay;
  const Instant after{static_cast<std::int64_t>(seed % kYears)};
  const auto second = static_cast<std::int32_t>(seed >> 32) % 86'400;
  const auto wanted = second < 0 ? second + 86'400 : second;
  const auto shown = zone->local(after);
  if (shown.second < 0 || shown.second >= 86'400) std::abort();
  const auto next = zone->next(wanted, after);
  if (next <= after || next - after > Duration{4 * kDay}) std::abort();
  const auto middle = after + (next - after) / 2;
  if (middle < next && zone->next(wanted, middle) != next) std::abort();
  return 0;
}
