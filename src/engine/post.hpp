// Sending to mailboxes, as parts see it that have messages to send. All that could refuse a message is asked before the
// first fact of it is written.
#pragma once

#include <span>

#include "engine/ledger.hpp"
#include "engine/prepared.hpp"
#include "engine/sessions.hpp"

namespace folkmoot {

class Post {
 public:
  /// Looks up and checks all there is to know of a message to a mailbox; changes nothing but the table of names.
  /// `caused`: by what, if that is known. Errors: those of publishing.
  virtual Result<Prepared> prepare(Session& as, const IncomingMessage& message, const Lineage* caused) = 0;
  /// What commit() will write of it, and the end of its group.
  virtual Draft measure(const Prepared& prepared, std::string_view reply_to) const = 0;
  /// In the log, for `draft`, and in the message's mailbox. False, and nothing has changed, if the log has none.
  virtual bool make_room(const Prepared& prepared, const Draft& draft) = 0;
  /// The same for several.
  virtual bool make_room(std::span<const Prepared> all, const Draft& draft) = 0;
  /// Writes the facts of a message, which waits until they are durable; a duplicate waits for those before it.
  /// Requires: make_room(...) said so, and a Group, unless it comes to a single fact. Returns its key; 0 for a
  /// duplicate.
  virtual MessageKey commit(const Prepared& prepared, std::string_view reply_to, const ConfirmTo& to) = 0;
  /// All of that, for a message that stands alone. Errors: those of publishing.
  virtual Result<MessageKey> accept(Session& as, const IncomingMessage& message, std::string_view reply_to,
                                    const ConfirmTo& to) = 0;

  /// Facts of messages, and what belongs to them, that are in the log together or not at all. What is to be said of
  /// those that are dead already comes last, so that it takes no room that others were promised.
  class Group {
   public:
    /// Requires: there is room for `draft`, and no group open.
    Group(Post& post, Ledger& ledger, const Draft& draft) : post_(post), group_(ledger, draft) {}
    ~Group() { post_.end_group(); }
    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;

   private:
    Post& post_;
    const Ledger::Group group_;
  };

 protected:
  ~Post() = default;
  virtual void end_group() = 0;
};

}  // namespace folkmoot
