#include "webhook/failing.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "base/files.hpp"
#include "folkmoot/describe.hpp"
#include "message/json_document.hpp"
#include "message/limits.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kFailingFileBytesMax = 64u << 20;
constexpr std::uint64_t kMsMax = std::uint64_t{1} << 44;  // of times and durations: what is reckoned of them fits

// Where the time stands in the file, always in as many digits: so it is changed in its place.
constexpr std::string_view kHead = "{\"ran_until_ms\":";
constexpr std::int64_t kTimeLeast = 1'000'000'000'000, kTimeMost = 9'999'999'999'999;

// {"ran_until_ms","failing":[{"agent","revision","since_ms","excused_ms","last_failed_ms"}]}
struct FailingRow {
  std::string agent{};
  std::uint64_t revision = 0;
  std::uint64_t since_ms = 0, excused_ms = 0, last_failed_ms = 0;

  static constexpr auto fields() {
    return std::array{
        field<&FailingRow::agent>(0, "agent", "Whose mail is posted", {.required = true}),
        field<&FailingRow::revision>(1, "revision", "Of its rule", {.required = true}),
        field<&FailingRow::since_ms>(2, "since_ms", "Nothing was delivered since", {.required = true, .max = kMsMax}),
        field<&FailingRow::excused_ms>(3, "excused_ms", "Of that time no server ran", {.max = kMsMax}),
        field<&FailingRow::last_failed_ms>(4, "last_failed_ms", "When it failed last",
                                           {.required = true, .max = kMsMax}),
    };
  }
};

struct FailingFile {
  std::uint64_t ran_until_ms = 0;
  std::vector<FailingRow> failing{};

  static constexpr auto fields() {
    return std::array{
        field<&FailingFile::ran_until_ms>(1, "ran_until_ms", "The server ran until then at least", {.max = kMsMax}),
        field<&FailingFile::failing>(0, "failing", "Those whose circuit has opened", {.max = std::uint64_t{1} << 32})};
  }
};

}  // namespace

Result<FailingNote> read_failing(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return FailingNote{};
  const auto text = read_small_file(path, kFailingFileBytesMax);
  if (!text) return std::unexpected(text.error());
  JsonDocument document;
  const auto value = document.parse(*text);
  if (!value) return std::unexpected(within(path, value.error()));
  const auto rows = from_json<FailingFile>(*value);
  if (!rows) return std::unexpected(within(path, rows.error()));
  FailingNote note{.ran_until = static_cast<std::int64_t>(rows->ran_until_ms)};
  for (const auto& row : rows->failing) {
    note.webhooks[row.agent] = {.revision = row.revision,
                                .since = static_cast<std::int64_t>(row.since_ms),
                                .excused_ms = static_cast<std::int64_t>(row.excused_ms),
                                .last_failed = static_cast<std::int64_t>(row.last_failed_ms)};
  }
  return note;
}

Result<void> write_failing(const std::string& path, const FailingNote& note) {
  FailingFile rows{.ran_until_ms = static_cast<std::uint64_t>(std::clamp(note.ran_until, kTimeLeast, kTimeMost))};
  for (const auto& [agent, one] : note.webhooks)
    rows.failing.push_back({.agent = agent,
                            .revision = one.revision,
                            .since_ms = static_cast<std::uint64_t>(one.since),
                            .excused_ms = static_cast<std::uint64_t>(one.excused_ms),
                            .last_failed_ms = static_cast<std::uint64_t>(one.last_failed)});
  const auto text = to_json_text(rows, Sparse::everything) + "\n";
  return replace_file(path, text, FileFor::owner);
}

void note_running(const std::string& path, std::int64_t ran_until) {
  if (ran_until < kTimeLeast || ran_until > kTimeMost) return;
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (file < 0) return;
  const auto digits = std::to_string(ran_until);
  (void)!::pwrite(file, digits.data(), digits.size(), static_cast<off_t>(kHead.size()));
  ::close(file);
}

}  // namespace folkmoot
