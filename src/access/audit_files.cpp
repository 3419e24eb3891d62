#include "access/audit_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>

namespace folkmoot::access {
namespace {

constexpr std::string_view kAuditEnding = ".log";
constexpr std::size_t kAuditDigits = 8;

std::optional<std::uint64_t> number_of_audit_file(std::string_view name) {
  if (name.size() != kAuditDigits + kAuditEnding.size() || !name.ends_with(kAuditEnding)) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + kAuditDigits, number);
  return error == std::errc() && end == name.data() + kAuditDigits ? std::optional(number) : std::nullopt;
}

// Of one that has grown past all bounds no more is read than its beginning.
Result<std::string> text_of_audit_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kAuditFileBytesMax + kAuditLineBytesMax + 1, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file && !file.eof()) return std::unexpected(system_error(ErrorCode::io_error, "reading " + path, errno));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

}  // namespace

void AuditReport::add_problem(std::string problem) {
  if (problems.size() < kAuditProblemsShown) problems.push_back(std::move(problem));
  ++problems_total;
}

std::string audit_folder(const std::string& data) { return fmt::format("{}/{}", data, kAuditFolder); }

std::string audit_file(const std::string& folder, std::uint64_t number) {
  return fmt::format("{}/{:0{}}{}", folder, number, kAuditDigits, kAuditEnding);
}

Result<std::vector<std::uint64_t>> audit_files(const std::string& folder) {
  std::vector<std::uint64_t> files;
  std::error_code error;
  for (std::filesystem::directory_iterator each(folder, error), end; !error && each != end; each.increment(error)) {
    if (const auto number = number_of_audit_file(each->path().filename().native())) files.push_back(*number);
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return std::unexpected(system_error(ErrorCode::io_error, "reading the folder " + folder, error.value()));
  std::ranges::sort(files);
  return files;
}

Result<AuditReport> read_audit_files(const std::string& folder, const std::vector<std::uint64_t>& files,
                                     const std::function<void(const AuditRecord&, std::string_view)>& each) {
  AuditReport report{.files = files.size()};
  for (const auto number : files) {
    const auto text = text_of_audit_file(audit_file(folder, number));
    if (!text) return std::unexpected(text.error());
    if (text->size() > kAuditFileBytesMax + kAuditLineBytesMax)
      report.add_problem(fmt::format("{:08}.log: it is larger than any that a server writes", number));
    std::size_t line_number = 0;
    for (std::size_t at = 0; at < text->size();) {
      const auto end = text->find('\n', at);
      ++line_number;
      const auto where = fmt::format("{:08}.log, line {}", number, line_number);
      if (end == std::string::npos) {
        if (number == files.back()) report.torn_bytes = text->size() - at;
        if (number != files.back()) report.add_problem(where + ": it is cut off, and there are later files");
        break;
      }
      const auto line = std::string_view(*text).substr(at, end - at);
      at = end + 1;
      const auto record = read_audit_line(line);
      if (!record) {
        report.add_problem(fmt::format("{}: {}", where, record.error().text));
        continue;
      }
      if (report.records > 0 && record->previous != report.hash)
        report.add_problem(where + ": it does not follow the record before: something was taken out, or put in");
      if (report.records > 0 && record->number != report.last + 1)
        report.add_problem(fmt::format("{}: its number is {}, and {} was due", where, record->number, report.last + 1));
      if (report.records == 0) report.first = record->number;
      if (report.records == 0 && record->number == 1 && record->previous != no_audit_hash())
        report.add_problem(where + ": the first record follows another");
      if (report.begins.empty() || report.begins.back().file != number) {
        const bool says_so = record->what == kAuditFileBegun && record->file == number;
        report.begins.push_back({number, record->number, says_so ? record->since : 0});
      }
      ++report.records;
      report.last = record->number;
      report.hash = hash_of_audit_line(line);
      if (each) each(*record, line);
    }
  }
  return report;
}

void check_audit_beginning(const std::vector<std::uint64_t>& files, AuditReport& report) {
  if (files.empty() || report.begins.empty()) return;
  const auto oldest = files.front();
  if (oldest > 1 && files.size() < kAuditFilesMax) {
    report.add_problem(fmt::format("{:08}.log: there are {} files, and earlier ones are missing; {} are kept", oldest,
                                   files.size(), kAuditFilesMax));
  }
  const auto& begin = report.begins.front();
  const auto gone =
      fmt::format("{:08}.log: its first records are missing: record {} is the first", begin.file, begin.number);
  if (begin.file == 1 && begin.number != 1) report.add_problem(gone);
  const auto is_due = [&](const auto& each) { return each.since != 0 && each.since <= begin.file; };
  if (begin.file != 1 && begin.since == 0 && std::ranges::any_of(report.begins, is_due)) report.add_problem(gone);
}

}  // namespace folkmoot::access
