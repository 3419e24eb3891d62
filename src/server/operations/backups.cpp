#include "server/operations/call.hpp"

namespace folkmoot {

Result<void> carry_out(const Call& call, const BeginBackup&) {
  const auto* const connection = call.reactor.find(call.session);
  const bool is_http = connection == nullptr || Reactor::door_of(*connection) == DoorKind::http;
  using Lives = BackupReader::Lives;
  return call.reactor.backup_reader().begin(call.later(), is_http ? Lives::on : Lives::with_session);
}

Result<void> carry_out(const Call& call, const ReadBackup& arguments) {
  return call.reactor.backup_reader().read(call.later(), arguments);
}

Result<void> carry_out(const Call& call, const ListBackupContents& arguments) {
  const auto page = call.reactor.backup_reader().contents(arguments);
  if (!page) return std::unexpected(page.error());
  return call.answer(*page);
}

Result<void> carry_out(const Call& call, const ListBackupStreams& arguments) {
  const auto page = call.reactor.backup_reader().streams(arguments);
  if (!page) return std::unexpected(page.error());
  return call.answer(*page);
}

Result<void> carry_out(const Call& call, const EndBackup& arguments) {
  if (auto ended = call.reactor.backup_reader().end(arguments); !ended) return ended;
  return call.answer(Nothing{});
}

}  // namespace folkmoot
