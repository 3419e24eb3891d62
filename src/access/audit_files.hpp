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
constexpr std::string_view kAuditFileBegun = "audit.file";

struct AuditReport {
  std::size_t files = 0;
  std::uint64_t records = 0, first = 0, last = 0;
  std::string hash{};                   // of the last record
  std::size_t torn_bytes = 0;           // at the end of the last file: a record that was being written
  std::vector<std::string> problems{};  // the first ones
  std::uint64_t problems_total = 0;
  struct Begin {
    std::uint64_t file = 0, number = 0;  // of the file, and of the first good record in it
    std::uint64_t since = 0;             // what that says; 0: it says nothing of files
  };
  std::vector<Begin> begins{};  // of those files that have a record

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

/// Adds what is missing at the beginning, before the oldest record that is there, to the problems. Requires: `report`
/// is of all `files`. Before the oldest file others were only if a server has deleted them for newer ones, and in a
/// file that an older version wrote nothing says how it began.
void check_audit_beginning(const std::vector<std::uint64_t>& files, AuditReport& report);

}  // namespace folkmoot::access
