// The list of operations. What is not in it does not exist; what is in it is reachable through every door.
#pragma once

#include <span>
#include <string_view>

#include "folkmoot/describe.hpp"
#include "folkmoot/operations.hpp"
#ifdef FOLKMOOT_TEST_OPERATIONS
#include FOLKMOOT_TEST_OPERATIONS  // more of them, for tests that show what one more takes
#endif

namespace folkmoot {

template <class... T>
struct Types {};

using Operations =
    Types<ListDead, ShowDead, ResubmitDead, RedriveDead, PurgeDead, CancelMessage, ShowAttempts, SettleMessage,
          NoteAnswer, ShowMessage, SetSchedule, RemoveSchedule, ListSchedules, SetRoute, RemoveRoute, ListRoutes,
          ReportLoad, ShowCost, ConfigureMailbox, ListMailboxes, ShowMailbox, PeekMailbox, DeleteMailbox,
          ListConnections, ListAgents, TraceMessage, ReadTap, BeginBackup, ListBackupContents, ReadBackup, EndBackup,
          ShowStats, ListSettings, ReloadSettings, SetStream, RemoveStream, ListStreams, ShowStream, ReadStream,
          PurgeStream, PauseStream, ResumeStream, ReplayStream, StopReplay, CopyStream, SetStreamConsumer,
          ReadStreamConsumer, AckStreamConsumer, RemoveStreamConsumer, ListStreamConsumers, ListBackupStreams,
          SetSubscription, RemoveSubscription, ListSubscriptions, SetWake, RemoveWake, ListWakes, ShowWake, TakeWakes,
          EndWake, SetWebhook, RemoveWebhook, RotateWebhook, EnableWebhook, DisableWebhook, ListWebhooks, ShowWebhook,
          RegisterAgent, UpdateAgent, ShowAgent, RemoveAgent, BeatAgent, QuarantineAgent, ReleaseAgent, DiscoverAgents,
          WatchAgents, FindHistory, ShowHistory, ShowHistoryStatus, AddAccount, ChangeAccount, DisableAccount,
          EnableAccount, RotateAccount, RemoveAccount, ShowAccount, ListAccounts, SetRole, RemoveRole, ListRoles,
          GrantAccess, RevokeAccess, ListAccess, CheckAccess
#ifdef FOLKMOOT_TEST_OPERATIONS
          ,
          FOLKMOOT_TEST_OPERATION_TYPES
#endif
          >;

/// The rows of all of them, in the order of the list.
std::span<const OperationInfo> operations();

/// nullptr if there is none of that name.
const OperationInfo* find_operation(std::string_view name);

/// "there is no operation dead.lst; did you mean `dead.list`?"
std::string no_such_operation(std::string_view name);

}  // namespace folkmoot
