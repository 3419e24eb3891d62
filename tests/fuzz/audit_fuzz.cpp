// A line of the audit log as a stranger could write it: what is read of it fits, and is the same again when it is
// written anew and read; a record that is written from these bytes is read as it was.
#include <cstdlib>

#include "access/audit_record.hpp"
#include "base/bytes.hpp"
#include "base/sha256.hpp"

namespace {

using namespace folkmoot;

// The bytes as they are, and as an object whose hash is right.
void read(std::string_view text) {
  const auto record = access::read_audit_line(text);
  if (!record) return;
  const auto line = access::audit_line(*record);
  const auto again = access::read_audit_line(std::string_view(line).substr(0, line.size() - 1));
  if (!again || again->number != record->number || again->previous != record->previous) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = as_text({data, size});
  read(text);
  read(Sha256::of({data, size}).text().append(" ").append(text));
  access::AuditRecord record{.number = size, .at = 1, .what = std::string(text), .previous = access::no_audit_hash()};
  record.of = text.substr(size / 2);
  const auto line = access::audit_line(record);
  if (line.back() != '\n' || line.find('\n') != line.size() - 1) std::abort();
  const auto back = access::read_audit_line(std::string_view(line).substr(0, line.size() - 1));
  if (!back || back->number != size || line.size() > access::kAuditLineBytesMax) std::abort();
  return 0;
}
