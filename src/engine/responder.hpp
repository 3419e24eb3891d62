// Requests that wait for their responses, as others see them.
#pragma once

#include "engine/commands.hpp"
#include "engine/entry.hpp"
#include "engine/lineage.hpp"
#include "engine/sessions.hpp"
#include "message/frame.hpp"

namespace folkmoot {

class Responder {
 public:
  /// A message of a session to the address of a request. Errors: no_such_request, busy, and those of checks.hpp and of
  /// its causes.
  virtual Result<Confirm> publish(Session& session, const IncomingMessage& message) = 0;
  /// The same from `from`. `is_owed`: what it is the output of is settled already.
  virtual Result<Confirm> respond(std::string_view from, const IncomingMessage& message, const Lineage* lineage,
                                  bool is_owed) = 0;
  /// A request that waits in memory goes out to that session: who is to be told when it is wanted no more.
  virtual void note_holder(const Entry& entry, SessionId session) = 0;

 protected:
  ~Responder() = default;
};

}  // namespace folkmoot
