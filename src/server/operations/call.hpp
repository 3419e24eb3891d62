// One operation being carried out: who asked, and how it is answered. The handlers of a subject are in the file of its
// name; each is `Result<void> carry_out(const Call&, const Op&)`, and is found by the type of its arguments.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include "engine/engine.hpp"
#include "message/limits.hpp"
#include "server/caller.hpp"
#include "server/operations/call_codec.hpp"
#include "server/reactor.hpp"

namespace folkmoot {

constexpr std::size_t kListBytesMax = 4 << 20;  // of a listing as JSON; what does not fit is for the next one

struct Call {
  Reactor& reactor;
  Engine& engine;
  Caller caller;
  SessionId session;  // the caller's
  RequestNumber request;
  const OperationInfo& operation;
  bool packed = false;  // the answer is wanted as bytes (OperationRow::packed)

  /// Whom to answer, when that is later.
  LateAnswer later() const { return {.session = session, .request = request, .operation = &operation}; }
  /// Answers, when nothing is left of the call but this. Errors: content_too_large, if it is more than a frame holds.
  static Result<void> write(Reactor& reactor, const LateAnswer& to, const void* answer);
  /// The same with bytes as they stand (OperationRow::packed).
  static Result<void> write(Reactor& reactor, const LateAnswer& to, std::string_view packed);
  /// The same at once.
  template <class Answer>
  Result<void> answer(const Answer& answer) const {
    return write(reactor, later(), &answer);
  }
};

/// Carries one call out; it is answered under the caller's session and `request`, at once or later. An agent that it
/// does not name is the caller's (Role::caller). Errors: those of its handler.
Result<void> carry_out_call(Reactor& reactor, const Caller& caller, RequestNumber request, const ReadCall& call);

// accounts.cpp
Result<void> carry_out(const Call& call, const AddAccount& arguments);
Result<void> carry_out(const Call& call, const ChangeAccount& arguments);
Result<void> carry_out(const Call& call, const DisableAccount& arguments);
Result<void> carry_out(const Call& call, const EnableAccount& arguments);
Result<void> carry_out(const Call& call, const RotateAccount& arguments);
Result<void> carry_out(const Call& call, const RemoveAccount& arguments);
Result<void> carry_out(const Call& call, const ShowAccount& arguments);
Result<void> carry_out(const Call& call, const ListAccounts& arguments);
Result<void> carry_out(const Call& call, const SetRole& arguments);
Result<void> carry_out(const Call& call, const RemoveRole& arguments);
Result<void> carry_out(const Call& call, const ListRoles& arguments);
Result<void> carry_out(const Call& call, const GrantAccess& arguments);
Result<void> carry_out(const Call& call, const RevokeAccess& arguments);
Result<void> carry_out(const Call& call, const ListAccess& arguments);
Result<void> carry_out(const Call& call, const CheckAccess& arguments);
// agents.cpp
Result<void> carry_out(const Call& call, const ReportLoad& arguments);
Result<void> carry_out(const Call& call, const ListAgents& arguments);
// backups.cpp
Result<void> carry_out(const Call& call, const BeginBackup& arguments);
Result<void> carry_out(const Call& call, const ListBackupContents& arguments);
Result<void> carry_out(const Call& call, const ListBackupStreams& arguments);
Result<void> carry_out(const Call& call, const ReadBackup& arguments);
Result<void> carry_out(const Call& call, const EndBackup& arguments);
// connections.cpp
Result<void> carry_out(const Call& call, const ListConnections& arguments);
// conversations.cpp
Result<void> carry_out(const Call& call, const ShowCost& arguments);
// dead_letters.cpp
Result<void> carry_out(const Call& call, const ListDead& arguments);
Result<void> carry_out(const Call& call, const ShowDead& arguments);
Result<void> carry_out(const Call& call, const ResubmitDead& arguments);
Result<void> carry_out(const Call& call, const RedriveDead& arguments);
Result<void> carry_out(const Call& call, const PurgeDead& arguments);
// history.cpp
Result<void> carry_out(const Call& call, const FindHistory& arguments);
Result<void> carry_out(const Call& call, const ShowHistory& arguments);
Result<void> carry_out(const Call& call, const ShowHistoryStatus& arguments);
// mailboxes.cpp
Result<void> carry_out(const Call& call, const ConfigureMailbox& arguments);
Result<void> carry_out(const Call& call, const ListMailboxes& arguments);
Result<void> carry_out(const Call& call, const ShowMailbox& arguments);
Result<void> carry_out(const Call& call, const PeekMailbox& arguments);
Result<void> carry_out(const Call& call, const ShowMessage& arguments);
Result<void> carry_out(const Call& call, const DeleteMailbox& arguments);
// messages.cpp
Result<void> carry_out(const Call& call, const CancelMessage& arguments);
Result<void> carry_out(const Call& call, const SettleMessage& arguments);
Result<void> carry_out(const Call& call, const NoteAnswer& arguments);
Result<void> carry_out(const Call& call, const ShowAttempts& arguments);
std::vector<Attempt> attempts_of(Engine& engine, const Uuid& id);
// trace.cpp
Result<void> carry_out(const Call& call, const TraceMessage& arguments);
Result<void> carry_out(const Call& call, const ReadTap& arguments);
// registry.cpp
Result<void> carry_out(const Call& call, const RegisterAgent& arguments);
Result<void> carry_out(const Call& call, const UpdateAgent& arguments);
Result<void> carry_out(const Call& call, const ShowAgent& arguments);
Result<void> carry_out(const Call& call, const RemoveAgent& arguments);
Result<void> carry_out(const Call& call, const BeatAgent& arguments);
Result<void> carry_out(const Call& call, const QuarantineAgent& arguments);
Result<void> carry_out(const Call& call, const ReleaseAgent& arguments);
Result<void> carry_out(const Call& call, const DiscoverAgents& arguments);
Result<void> carry_out(const Call& call, const WatchAgents& arguments);
// routes.cpp
Result<void> carry_out(const Call& call, const SetRoute& arguments);
Result<void> carry_out(const Call& call, const RemoveRoute& arguments);
Result<void> carry_out(const Call& call, const ListRoutes& arguments);
// schedules.cpp
Result<void> carry_out(const Call& call, const SetSchedule& arguments);
Result<void> carry_out(const Call& call, const RemoveSchedule& arguments);
Result<void> carry_out(const Call& call, const ListSchedules& arguments);
// settings.cpp
Result<void> carry_out(const Call& call, const ListSettings& arguments);
Result<void> carry_out(const Call& call, const ReloadSettings& arguments);
// subscriptions.cpp
Result<void> carry_out(const Call& call, const SetSubscription& arguments);
Result<void> carry_out(const Call& call, const RemoveSubscription& arguments);
Result<void> carry_out(const Call& call, const ListSubscriptions& arguments);
// streams.cpp
Result<void> carry_out(const Call& call, const SetStream& arguments);
Result<void> carry_out(const Call& call, const RemoveStream& arguments);
Result<void> carry_out(const Call& call, const ListStreams& arguments);
Result<void> carry_out(const Call& call, const ShowStream& arguments);
Result<void> carry_out(const Call& call, const ReadStream& arguments);
Result<void> carry_out(const Call& call, const PurgeStream& arguments);
Result<void> carry_out(const Call& call, const PauseStream& arguments);
Result<void> carry_out(const Call& call, const ResumeStream& arguments);
Result<void> carry_out(const Call& call, const ReplayStream& arguments);
Result<void> carry_out(const Call& call, const StopReplay& arguments);
Result<void> carry_out(const Call& call, const CopyStream& arguments);
Result<void> carry_out(const Call& call, const SetStreamConsumer& arguments);
Result<void> carry_out(const Call& call, const ReadStreamConsumer& arguments);
Result<void> carry_out(const Call& call, const AckStreamConsumer& arguments);
Result<void> carry_out(const Call& call, const RemoveStreamConsumer& arguments);
Result<void> carry_out(const Call& call, const ListStreamConsumers& arguments);
// stats.cpp
Result<void> carry_out(const Call& call, const ShowStats& arguments);
// wakes.cpp
Result<void> carry_out(const Call& call, const SetWake& arguments);
Result<void> carry_out(const Call& call, const RemoveWake& arguments);
Result<void> carry_out(const Call& call, const ListWakes& arguments);
Result<void> carry_out(const Call& call, const ShowWake& arguments);
Result<void> carry_out(const Call& call, const TakeWakes& arguments);
Result<void> carry_out(const Call& call, const EndWake& arguments);
// webhooks.cpp
Result<void> carry_out(const Call& call, const SetWebhook& arguments);
Result<void> carry_out(const Call& call, const RemoveWebhook& arguments);
Result<void> carry_out(const Call& call, const RotateWebhook& arguments);
Result<void> carry_out(const Call& call, const EnableWebhook& arguments);
Result<void> carry_out(const Call& call, const DisableWebhook& arguments);
Result<void> carry_out(const Call& call, const ListWebhooks& arguments);
Result<void> carry_out(const Call& call, const ShowWebhook& arguments);

}  // namespace folkmoot
