// What a server's audit log is told of its clients (audit_log.hpp): who comes in to administer, who was not let in,
// what was refused, and each operation that administers. Of one shard, on its reactor's thread; messages never come by
// here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "access/audit_record.hpp"
#include "message/frame.hpp"
#include "server/connection.hpp"
#include "server/peer.hpp"

namespace folkmoot {

class AuditLog;
struct ReadCall;

class AuditNotes {
 public:
  using AddressOf = std::function<PeerAddress(const Connection&)>;

  /// `now`: Unix ms, as the reactor has it; it must outlive this.
  AuditNotes(const std::int64_t& now, AddressOf address_of) : now_(now), address_of_(std::move(address_of)) {}

  /// From here on there is one; nothing is noted before. It must outlive this.
  void set_log(AuditLog& log) { log_ = &log; }

  /// HELLO as `agent` was answered so: noted if it may administer, or was not let in.
  void note_login(const Connection& connection, std::string_view agent, const Result<std::string>& done);
  void note_refusal(const Connection& connection, const Frame& frame, const Error& why);
  /// A CALL that is carried out, where its client came in: noted if it administers.
  void note_call(const Connection& connection, const ReadCall& call);
  /// Likewise a MAILBOX frame.
  void note_mailbox(const Connection& connection, const Frame& frame);

 private:
  access::AuditRecord record_of(const Connection& connection, std::string_view what) const;

  const std::int64_t& now_;
  const AddressOf address_of_;
  AuditLog* log_ = nullptr;
};

}  // namespace folkmoot
