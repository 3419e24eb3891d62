// The files of the audit log, in a folder of their own: each continues the one before, the oldest go.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "access/audit_record.hpp"

namespace folkmoot::access {

constexpr std::string_view kAuditFolder = "audit";  // in a data folder
/// A record may go past it, the last of its file.
constexpr std::size_t kAuditFileBytesMax = 4 * 1024 * 1024;
constexpr std::size_t kAuditFilesMax = 16;
constexpr std::size_t kAuditProblemsShown = 20;

struct AuditReport {
  std::size_t files = 0;
  std::uint64_t records = 0, first = 0, last = 0;
  std::string hash{};                   // of the last record
  std::size_t torn_bytes = 0;           // at the end of the last file: a record that was being written
  std::vector<std::string> problems{};  // the first ones
  std::uint64_t problems_total = 0;

  void add_problem(std::string problem);
};

/// Where they are, in a data folder.
std::string audit_folder(const std::string& data);
std::string audit_file(const std::string& folder, std::uint64_t number);
/// Their numbers, the oldest first; none if there is no folder. Errors: io_error.
Result<std::vector<std::uint64_t>> audit_files(const std::string& folder);
/// Reads these; `each`: of the records that are good, with the line. Errors: io_error.
Result<AuditReport> read_audit_files(const std::string& folder, const std::vector<std::uint64_t>& files,
                                     const std::function<void(const AuditRecord&, std::string_view)>& each);

}  // namespace folkmoot::access
