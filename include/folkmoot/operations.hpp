// What is asked of a server now and then, each a struct: dead letters, schedules, routes, accounts and other things
// that it keeps. Client::call() carries any of them out.
#pragma once

#include "folkmoot/operation/account.hpp"       // IWYU pragma: export
#include "folkmoot/operation/agent.hpp"         // IWYU pragma: export
#include "folkmoot/operation/backup.hpp"        // IWYU pragma: export
#include "folkmoot/operation/conversation.hpp"  // IWYU pragma: export
#include "folkmoot/operation/dead.hpp"          // IWYU pragma: export
#include "folkmoot/operation/history.hpp"       // IWYU pragma: export
#include "folkmoot/operation/mailbox.hpp"       // IWYU pragma: export
#include "folkmoot/operation/message.hpp"       // IWYU pragma: export
#include "folkmoot/operation/registry.hpp"      // IWYU pragma: export
#include "folkmoot/operation/route.hpp"         // IWYU pragma: export
#include "folkmoot/operation/schedule.hpp"      // IWYU pragma: export
#include "folkmoot/operation/settings.hpp"      // IWYU pragma: export
#include "folkmoot/operation/stats.hpp"         // IWYU pragma: export
#include "folkmoot/operation/stream.hpp"        // IWYU pragma: export
#include "folkmoot/operation/subscription.hpp"  // IWYU pragma: export
#include "folkmoot/operation/trace.hpp"         // IWYU pragma: export
#include "folkmoot/operation/wake.hpp"          // IWYU pragma: export
#include "folkmoot/operation/webhook.hpp"       // IWYU pragma: export
