#include "webhook/failing.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "folkmoot/describe.hpp"
#include "message/json_document.hpp"
#include "message/limits.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot {
namespace {

constexpr std::uint64_t kExcusedMsMax = std::uint64_t{1} << 44;

// {"failing":[{"agent","revision","since_ms","excused_ms","last_failed_ms"}]}
struct FailingRow {
  std::string agent{};
  std::uint64_t revision = 0;
  std::int64_t since_ms = 0, last_failed_ms = 0;
  std::uint64_t excused_ms = 0;

  static constexpr auto fields() {
    return std::array{
        field<&FailingRow::agent>(0, "agent", "Whose mail is posted", {.required = true}),
        field<&FailingRow::revision>(1, "revision", "Of its rule", {.required = true}),
        field<&FailingRow::since_ms>(2, "since_ms", "Nothing was delivered since", {.required = true}),
        field<&FailingRow::excused_ms>(3, "excused_ms", "Of that time no server ran", {.max = kExcusedMsMax}),
        field<&FailingRow::last_failed_ms>(4, "last_failed_ms", "When it failed last", {.required = true}),
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
  if (::access(path.c_str(), F_OK) != 0) return FailingWebhooks{};
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return std::unexpected(system_error(ErrorCode::io_error, "reading " + path, errno));
  JsonDocument document;
  const auto value = document.parse(text.str());
  if (!value) return std::unexpected(within(path, value.error()));
  const auto rows = from_json<FailingFile>(*value);
  if (!rows) return std::unexpected(within(path, rows.error()));
  FailingWebhooks failing;
  for (const auto& row : rows->failing) {
    failing[row.agent] = {.revision = row.revision,
                          .since = row.since_ms,
                          .excused_ms = static_cast<std::int64_t>(row.excused_ms),
                          .last_failed = row.last_failed_ms};
  }
  return failing;
}

Result<void> write_failing(const std::string& path, const FailingWebhooks& failing) {
  FailingFile rows;
  for (const auto& [agent, one] : failing)
    rows.failing.push_back({.agent = agent,
                            .revision = one.revision,
                            .since_ms = one.since,
                            .last_failed_ms = one.last_failed,
                            .excused_ms = static_cast<std::uint64_t>(one.excused_ms)});
  const auto text = to_json_text(rows, Sparse::everything) + "\n";
  const auto beside = path + ".new";
  const int file = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return std::unexpected(system_error(ErrorCode::io_error, "writing " + beside, errno));
  std::string_view left = text;
  while (!left.empty()) {
    const auto written = ::write(file, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    left.remove_prefix(static_cast<std::size_t>(written));
  }
  // Without the sync a power failure might leave an empty file under the name.
  const bool is_whole = left.empty() && ::fdatasync(file) == 0;
  if (::close(file) == 0 && is_whole && std::rename(beside.c_str(), path.c_str()) == 0) return {};
  auto error = system_error(ErrorCode::io_error, "writing " + path, errno);
  ::unlink(beside.c_str());
  return std::unexpected(std::move(error));
}

}  // namespace folkmoot
