// A record of the audit log: who did what, or tried to, as one line of text.
//
//   HASH {"number":7,"at":1764633600000,"what":"refused","who":"root",...,"previous":"HASH"}
//
// HASH is the SHA-256 of the object as it stands there, in 64 lower-case digits, and `previous` that of the record
// before: so none can be changed, taken out or put in without changing all that follow. That the first ones were not
// taken out say the files: the first is begun by record 1, each later one by a record that says so ("audit.file"), and
// since which file they do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot::access {

constexpr std::size_t kAuditHashDigits = 64;
constexpr std::size_t kAuditLineBytesMax = 16 * 1024;
/// Of what comes from clients no more is written of one value.
constexpr std::size_t kAuditTextBytesMax = 512;

struct AuditRecord {
  std::uint64_t number = 0;  // 1, 2, ...
  std::int64_t at = 0;       // Unix ms
  std::string what{};        // an operation of the list, or "server.start", "login", ...
  std::string who{};         // an account; empty: nobody that is known
  std::string door{}, address{};
  std::string of{};       // what it was done to
  std::string outcome{};  // empty: done; else why not
  std::string previous{};
  std::uint64_t file = 0, since = 0;  // of "audit.file": which file it begins, and the first that has such a record
};

/// With the line feed.
std::string audit_line(const AuditRecord& record);
std::string_view hash_of_audit_line(std::string_view line);
/// Of a line without its line feed; it says of itself what it must. Errors: damaged.
Result<AuditRecord> read_audit_line(std::string_view line);
/// What the first record has before it.
inline std::string no_audit_hash() { return std::string(kAuditHashDigits, '0'); }

}  // namespace folkmoot::access
