// A cron expression, and a time before it -> the next time. What is found must be a whole minute after the time asked
// for and within ten years, must be found again from any moment before it, and must not be found twice.
#include <cstdlib>
#include <cstring>

#include "base/bytes.hpp"
#include "base/cron.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace folkmoot;
  std::int64_t after = 0;
  if (size < sizeof after) return 0;
  std::memcpy(&after, data, sizeof after);
  const auto cron = Cron::parse(as_text({data + sizeof after, size - sizeof after}));
  if (!cron) return 0;
  for (const auto start : {after, after & 0xff'ffff'ffff}) {  // most of 64 bits is far beyond the year 9999
    const auto found = cron->next(start);
    if (!found) continue;
    constexpr std::int64_t kElevenYears = 11 * 366LL * 86'400'000;
    if (*found <= start || *found % 60'000 != 0 || (start >= 0 && *found - start > kElevenYears)) std::abort();
    const auto middle = start < 0 ? 0 : start + (*found - start) / 2;
    if (middle < *found && cron->next(middle) != found) std::abort();
    if (cron->next(*found - 1) != found) std::abort();
    if (const auto second = cron->next(*found); second && *second <= *found) std::abort();
  }
  return 0;
}
