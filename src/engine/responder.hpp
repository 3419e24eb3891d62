// Requests that wait for their responses, as others see them.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>

#include "engine/commands.hpp"
#include "engine/entry.hpp"
#include "engine/holder.hpp"
#include "engine/lineage.hpp"
#include "engine/sessions.hpp"
#include "message/frame.hpp"

namespace folkmoot {

class Responder {
 public:
  /// A message of a session to the address of a request. Errors: no_such_request, not_permitted, busy, and those of
  /// checks.hpp and of its causes.
  virtual Result<Confirm> publish(Session& session, const IncomingMessage& message) = 0;
  /// The same from `from`. `answerer`: 0 if it is known to hold what it answers. `is_owed`: what it is the output of is
  /// settled already.
  virtual Result<Confirm> respond(std::string_view from, const IncomingMessage& message, const Lineage* lineage,
                                  ConnectionId answerer, bool is_owed) = 0;
  /// Of an answer among the outputs of complete(): who sends it, if that is not known to be one who may; else 0.
  /// `caused`: by the message that is settled with it. Errors: not_permitted.
  virtual Result<ConnectionId> check_output(Session& session, const IncomingMessage& message,
                                            const Lineage& caused) = 0;
  /// A request that waits in memory goes out: who has it may answer, and is to be told when it is wanted no more.
  virtual void note_holder(const Entry& entry, const Holder& holder) = 0;

  /// Whether somebody waits for the answer to this durable message.
  bool is_waited_for(MessageKey message) const { return !waited_for_.empty() && waited_for_.contains(message); }
  /// A durable message was settled: whoever had it may still answer.
  void on_settled(MessageKey message, const Holder& holder) {
    if (is_waited_for(message)) [[unlikely]]
      keep_answerer(waited_for_.at(message), holder);
  }

 protected:
  ~Responder() = default;
  virtual void keep_answerer(Slot slot, const Holder& holder) = 0;

  boost::unordered_flat_map<MessageKey, Slot> waited_for_;  // slots of requests
};

}  // namespace folkmoot
