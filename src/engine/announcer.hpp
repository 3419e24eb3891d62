// Events, as other parts publish them.
#pragma once

#include "engine/commands.hpp"
#include "engine/effects.hpp"
#include "engine/lineage.hpp"
#include "engine/waiting.hpp"
#include "message/frame.hpp"

namespace folkmoot {

struct Session;

class Announcer {
 public:
  /// Whether anybody hears or keeps what is published on this topic.
  virtual bool is_heard(std::string_view topic) = 0;
  /// An event of the server's own: what happened, as JSON.
  virtual void announce(std::string_view topic, std::string_view json) = 0;
  /// The same of what comes of keeping events, perhaps: nobody keeps it, so that there is an end to that.
  virtual void announce_unkept(std::string_view topic, std::string_view json) = 0;
  /// An event of a session. Errors: those of checks.hpp and of its causes; limit_reached, by a limit on loops.
  virtual Result<Confirm> publish(Session& session, const IncomingMessage& message) = 0;
  /// One that must be kept (wants_keeping()): confirmed when all that keep it have it on disk, and then only who
  /// listens gets it. Errors: the same; not_kept, disk_full, busy, and those of who keeps it.
  virtual Result<void> publish_kept(Session& session, const IncomingMessage& message, const ConfirmTo& to) = 0;
  /// To all who hear its topic, but for `publisher`'s own subscriptions.
  virtual Confirm publish_event(SessionId publisher, std::string_view from, const IncomingMessage& message,
                                const Lineage* lineage) = 0;

 protected:
  ~Announcer() = default;
};

}  // namespace folkmoot
