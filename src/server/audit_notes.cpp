#include "server/audit_notes.hpp"

#include "folkmoot/operation/account.hpp"
#include "operation/frames.hpp"
#include "server/audit_log.hpp"
#include "server/command.hpp"
#include "server/credentials.hpp"
#include "server/operations/call_codec.hpp"

namespace folkmoot {
namespace {

// Arguments that name what an operation is about. Others may be secret, or long.
constexpr std::string_view kNamingArguments[] = {"name", "subject", "resource", "role", "mailbox", "agent", "stream"};

bool is_known(const Connection& connection) { return connection.by_token || connection.who != nullptr; }

// What shards ask of each other was noted where it was asked first.
bool is_of_client(const Connection& connection) { return !is_own(connection.door); }

bool administers(const Connection& connection) {
  if (connection.by_token) return true;
  return connection.who && (connection.who->has(Right::secure) || connection.who->has(Right::administer));
}

}  // namespace

access::AuditRecord AuditNotes::record_of(const Connection& connection, std::string_view what) const {
  access::AuditRecord record{.at = now_, .what = std::string(what)};
  if (connection.who) record.who = connection.who->identity().account->name;
  if (connection.by_token) record.who = "(token)";
  record.door = name(connection.door);
  record.address = address_of_(connection).text();
  return record;
}

void AuditNotes::note_login(const Connection& connection, std::string_view agent, const Result<std::string>& done) {
  if (log_ == nullptr || (done && !administers(connection)) || (!done && !log_->takes_rare(now_))) return;
  auto record = record_of(connection, "login");
  record.of = done ? std::string_view(*done) : agent;
  if (!done) record.outcome = done.error().text;
  log_->note(std::move(record));
}

void AuditNotes::note_refusal(const Connection& connection, const Frame& frame, const Error& why) {
  if (log_ == nullptr || !log_->takes_rare(now_)) return;
  const auto call = frame.header.opcode == Opcode::call ? read_call(frame.body) : Result<ReadCall>(ReadCall{});
  const auto* const row = find_frame(frame.header.opcode);
  std::string_view what = row == nullptr ? "frame" : row->word;
  if (call && call->operation != nullptr) what = call->operation->name;
  auto record = record_of(connection, what);
  record.outcome = why.text;
  log_->note(std::move(record));
}

void AuditNotes::note_call(const Connection& connection, const ReadCall& call) {
  const auto& operation = *call.operation;
  if (operation.right != Right::secure && operation.right != Right::administer) return;
  if (log_ == nullptr || !is_of_client(connection)) return;
  // Where nobody is asked for anything, but for who ends that.
  if (!is_known(connection) && operation.name != AddAccount::kOperation.name) return;
  auto record = record_of(connection, operation.name);
  for (const auto argument : kNamingArguments) {
    const auto text = text_argument(call, argument);
    if (!text.empty()) record.of.append(record.of.empty() ? "" : " ").append(text);
  }
  log_->note(std::move(record), AuditLog::Kind::durable);
}

void AuditNotes::note_mailbox(const Connection& connection, const Frame& frame) {
  if (log_ == nullptr || !is_of_client(connection) || !is_known(connection)) return;
  auto record = record_of(connection, find_frame(frame.header.opcode)->word);
  record.of = text_under(frame.body, 0);
  log_->note(std::move(record), AuditLog::Kind::durable);
}

}  // namespace folkmoot
