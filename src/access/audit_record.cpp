#include "access/audit_record.hpp"

#include <simdjson.h>

#include <algorithm>

#include "base/sha256.hpp"
#include "message/json_writer.hpp"

namespace folkmoot::access {
namespace {

std::string audit_hash_of(std::string_view json) { return Sha256::of(as_bytes(json)).text(); }

// Not within a character.
std::string_view cut_short(std::string_view text) {
  if (text.size() <= kAuditTextBytesMax) return text;
  auto end = kAuditTextBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

bool is_audit_hash(std::string_view text) {
  return text.size() == kAuditHashDigits &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::unexpected<Error> no_record(std::string_view why) { return failure(ErrorCode::damaged, std::string(why)); }

}  // namespace

std::string audit_line(const AuditRecord& record) {
  std::string json;
  JsonWriter writer(json);
  writer.begin_object().field("number", record.number).field("at", record.at);
  writer.field("what", cut_short(record.what)).optional_field("who", cut_short(record.who));
  writer.optional_field("door", record.door).optional_field("address", record.address);
  writer.optional_field("of", cut_short(record.of)).optional_field("outcome", cut_short(record.outcome));
  if (record.file != 0) writer.field("file", record.file).field("since", record.since);
  writer.field("previous", record.previous).end_object();
  auto line = audit_hash_of(json);
  return line.append(" ").append(json).append("\n");
}

std::string_view hash_of_audit_line(std::string_view line) { return line.substr(0, kAuditHashDigits); }

Result<AuditRecord> read_audit_line(std::string_view line) {
  if (line.size() > kAuditLineBytesMax) return no_record("it is longer than any record");
  if (line.size() < kAuditHashDigits + 2 || line[kAuditHashDigits] != ' ' || !is_audit_hash(hash_of_audit_line(line)))
    return no_record("it does not begin with a hash");
  const auto json = line.substr(kAuditHashDigits + 1);
  if (audit_hash_of(json) != hash_of_audit_line(line)) return no_record("it was changed: its hash is another");
  simdjson::dom::parser parser(kAuditLineBytesMax);
  simdjson::dom::object object;
  const std::string padded(json);
  if (parser.parse(padded).get(object) != simdjson::SUCCESS) return no_record("it is no object");
  AuditRecord record;
  const auto text = [&](const char* name, std::string& into, bool is_needed) {
    std::string_view value;
    const auto error = object[name].get(value);
    if (error == simdjson::SUCCESS) into = value;
    return error == simdjson::SUCCESS || (!is_needed && error == simdjson::NO_SUCH_FIELD);
  };
  const bool is_whole = object["number"].get(record.number) == simdjson::SUCCESS &&
                        object["at"].get(record.at) == simdjson::SUCCESS && text("what", record.what, true) &&
                        text("who", record.who, false) && text("door", record.door, false) &&
                        text("address", record.address, false) && text("of", record.of, false) &&
                        text("outcome", record.outcome, false) && text("previous", record.previous, true);
  for (const auto& [name, into] : {std::pair("file", &record.file), std::pair("since", &record.since)}) {
    const auto error = object[name].get(*into);
    if (error != simdjson::SUCCESS && error != simdjson::NO_SUCH_FIELD) return no_record("it begins no file");
  }
  if (!is_whole || !is_audit_hash(record.previous)) return no_record("something is missing in it");
  return record;
}

}  // namespace folkmoot::access
