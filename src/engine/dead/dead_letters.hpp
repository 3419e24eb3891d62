// Dead letters: what becomes of messages that nobody will get any more. They keep their bytes, the reason and every
// attempt made, until they are sent again, purged, too old or too many. Nothing dies in silence: an event says so, and
// the sender if it asked to hear. Dying itself is the mailroom's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "engine/agenda.hpp"
#include "engine/announcer.hpp"
#include "engine/attempts.hpp"
#include "engine/graveyard.hpp"
#include "engine/names.hpp"
#include "engine/outputs.hpp"
#include "engine/part.hpp"
#include "engine/post.hpp"
#include "engine/references.hpp"
#include "engine/replies.hpp"
#include "engine/run.hpp"
#include "engine/serials.hpp"
#include "engine/sessions.hpp"
#include "engine/trail.hpp"
#include "engine/vacancies.hpp"
#include "engine/views.hpp"

namespace folkmoot {

class Census;

class DeadLetters final : public Part, public Graveyard {
 public:
  /// What dead letters are given.
  struct Ports {
    Run& run;
    Ledger& ledger;
    Agenda& agenda;
    Names& names;
    Sessions& sessions;
    Serials& serials;
    Replies& replies;
    Outputs& outputs;
    Attempts& attempts;
    Trail& trail;
    References& references;
    Post& post;
    Vacancies& vacancies;
    Announcer& announcer;
    Effects& effects;
    EngineCounters& counters;
  };
  DeadLetters(const EngineOptions& options, const Ports& ports) : options_(options), to_(ports) {}

  // -- by hand
  /// Calls `each` for those that fit, mailbox by mailbox, oldest first, those after `after` (nil: from the start),
  /// until it returns false.
  void each(const DeadQuery& query, const Uuid& after, const std::function<bool(const DeadView&)>& each);
  /// The attempts made at a message that is waiting, leased or dead, oldest first.
  void each_attempt(const Uuid& id, const std::function<void(const AttemptView&)>& each);
  void resubmit(Asker caller, const Uuid& id, const Resubmission& how);
  void redrive(Session& session, RequestNumber request, const RedriveCommand& command);
  /// What waited for the disk goes on.
  void go_on(const waiting::SentSome& item);
  /// The server stops: no more is sent again than has been.
  void end_redrives() { ends_redrives_ = true; }
  void purge(Asker caller, const DeadQuery& query, std::size_t limit);
  /// Recovery has ended: those that are too old go as the time moves on.
  void start();
  /// The engine's options have changed.
  void on_options();

  // Graveyard
  void enter(NameId mailbox, const DeadLetter& letter) override;
  void tell(NameId mailbox, const DeadLetter& letter, std::string_view text) override;
  void bound(NameId mailbox) override;
  DeadLetter* find(NameId mailbox, MessageKey key) override;
  void drop(NameId mailbox, MessageKey key) override;
  std::size_t count(NameId mailbox) const override;
  std::size_t purge(NameId mailbox, std::size_t limit, Durable& noted) override;
  Notice notice_of(const Routing& routing, const Uuid& id, std::uint32_t deliveries, DeadReason reason,
                   std::string_view text) const override;
  Draft measure(const Notice& notice) const override;
  void post(const Notice& notice, Durable death) override;

  // Part: facts of deaths are the mailroom's, which knows where a message stands
  Result<void> enter(const Fact& fact) override { return cannot_be(fact.kind, "is none of a dead letter"); }
  bool keep(const Fact&) override { return true; }
  bool is_live(const Timer& timer) const override;
  void due(const Timer& timer) override;
  void close(Session&, Slot slot) override { redrives_.erase(slot); }
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  using Letters = std::map<MessageKey, DeadLetter>;
  // A mailbox's dead letters.
  struct Box {
    Letters letters;
    Instant timer = 0;  // when to look for those that are too old; 0: not set
  };
  // One that is under way; it ends with the session that asked for it, too.
  struct Redrive {
    Asker caller;
    std::uint64_t number = 0;
    std::vector<Uuid> ids;  // of the dead letters that fitted when it began
    std::size_t next = 0;
    std::uint32_t sent = 0, refused = 0, per_second = 0;
    Instant began = 0;
    std::string changes;
    std::optional<std::string> content;
    std::function<Result<void>(Message&, std::string&)> edit;
  };

  Uuid id_of(NameId mailbox, MessageKey key) const {
    return make_uuid({.key = key, .mailbox = mailbox, .node = to_.run.node()});
  }
  // Valid until the next read of the log.
  Bytes bytes_of_letter(const DeadLetter& letter);
  // The one that is known by that id, if it is one of this shard's.
  DeadLetter* find(const Uuid& id);
  // It is gone, with a fact that says so; empty if there was no room for it.
  Durable purge(NameId mailbox, Letters::iterator letter);
  // Out of memory, without a fact: its attempts and records with it. `letter` is invalid then. Requires: one of `box`.
  void drop(Box& box, Letters::iterator letter);
  // Sees to it that letters are looked at when the first of them is too old; not more often than once a minute.
  void watch(NameId mailbox, Box& box);
  // By its timer: purges those that are too old, and sets the next one.
  void drop_old(NameId mailbox);
  // Reads the log if the query asks for more than memory has: bytes read before are invalid then.
  bool fits(const DeadQuery& query, NameId mailbox, MessageKey key, const DeadLetter& letter);
  // Calls `each(mailbox, iterator)` for those that fit, from the one after (box, key) on, until it says false. `each`
  // may drop the one it is given.
  template <class Each>
  void walk(const DeadQuery& query, NameId box, MessageKey key, Each each);
  // It goes out as a new message, in one group of facts with its own end. Errors: not_found, and those of publishing.
  Result<void> resend(const Uuid& id, const Resubmission& how, const ConfirmTo& to);
  // Sends what is due by now, but only so many before those are on the disk; a timer brings what is due later.
  void redrive_some(Slot slot);
  // All are sent: answers behind what they wait for, and closes, which erases the slot.
  void finish(Slot slot);

  const EngineOptions& options_;
  const Ports to_;
  std::map<NameId, Box> boxes_;  // by mailbox; ordered, as it is walked over
  Slab<std::unique_ptr<Redrive>> redrives_;
  bool ends_redrives_ = false;
};

template <class Each>
void DeadLetters::walk(const DeadQuery& query, NameId box, MessageKey key, Each each) {
  const auto only = query.mailbox.empty() ? 0 : to_.names.find(query.mailbox);
  if (!query.mailbox.empty() && (only == 0 || only < box)) return;
  auto at = boxes_.lower_bound(std::max(box, only));
  for (; at != boxes_.end() && (only == 0 || at->first == only); ++at) {
    const auto number = at->first;
    auto& letters = at->second.letters;
    for (auto next = number == box ? letters.upper_bound(key) : letters.begin(); next != letters.end();) {
      const auto letter = next++;
      if (fits(query, number, letter->first, letter->second) && !each(number, letter)) return;
    }
  }
}

}  // namespace folkmoot
