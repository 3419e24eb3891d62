#include "webhook/failing.hpp"

#include <filesystem>

#include "base/files.hpp"
#include "folkmoot/describe.hpp"
#include "message/json_document.hpp"
#include "message/limits.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kFailingFileBytesMax = 64u << 20;
constexpr std::uint64_t kMsMax = std::uint64_t{1} << 44;  // of times and durations: what is reckoned of them fits

// {"failing":[{"agent","revision","since_ms","excused_ms","last_failed_ms"}]}
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
  std::vector<FailingRow> failing{};

  static constexpr auto fields() {
    return std::array{
        field<&FailingFile::failing>(0, "failing", "Those whose circuit has opened", {.max = std::uint64_t{1} << 32})};
  }
};

}  // namespace

Result<FailingWebhooks> read_failing(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return FailingWebhooks{};
  const auto text = read_small_file(path, kFailingFileBytesMax);
  if (!text) return std::unexpected(text.error());
  JsonDocument document;
  const auto value = document.parse(*text);
  if (!value) return std::unexpected(within(path, value.error()));
  const auto rows = from_json<FailingFile>(*value);
  if (!rows) return std::unexpected(within(path, rows.error()));
  FailingWebhooks failing;
  for (const auto& row : rows->failing) {
    failing[row.agent] = {.revision = row.revision,
                          .since = static_cast<std::int64_t>(row.since_ms),
                          .excused_ms = static_cast<std::int64_t>(row.excused_ms),
                          .last_failed = static_cast<std::int64_t>(row.last_failed_ms)};
  }
  return failing;
}

Result<void> write_failing(const std::string& path, const FailingWebhooks& failing) {
  FailingFile rows;
  for (const auto& [agent, one] : failing)
    rows.failing.push_back({.agent = agent,
                            .revision = one.revision,
                            .since_ms = static_cast<std::uint64_t>(one.since),
                            .excused_ms = static_cast<std::uint64_t>(one.excused_ms),
                            .last_failed_ms = static_cast<std::uint64_t>(one.last_failed)});
  const auto text = to_json_text(rows, Sparse::everything) + "\n";
  return replace_file(path, text, FileFor::owner);
}

}  // namespace folkmoot
