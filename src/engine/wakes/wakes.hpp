// Wakes: when an agent that sleeps is woken, as its policy says, and who does it. Persist first, wake second: what is
// due follows from what waits in the mailbox, so a restart wakes again; only what must not be forgotten, the count of
// the day and of tries in a row, is in the log, before a wake is given out.
//
//   mail that fits -> due, when batch, back-off, quiet hours and budget let it -> taken, by one -> done, failed or lost
//                                                                                   ... brought nobody: due again later
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/agenda.hpp"
#include "engine/mail_view.hpp"
#include "engine/names.hpp"
#include "engine/part.hpp"
#include "engine/replies.hpp"
#include "engine/run.hpp"
#include "engine/serials.hpp"
#include "engine/sessions.hpp"
#include "engine/wake.hpp"

namespace folkmoot {

class Census;

class Wakes final : public Part, public MailWatcher {
 public:
  /// What wakes are given.
  struct Ports {
    Run& run;
    Ledger& ledger;
    Agenda& agenda;
    Names& names;
    Sessions& sessions;
    Serials& serials;
    Replies& replies;
    MailView& mail;
    Effects& effects;
  };
  Wakes(const EngineOptions& options, const Ports& ports) : options_(options), to_(ports) {}

  /// In the place of that agent's wake; what is counted of the day stays. Errors: invalid_name, invalid_field,
  /// out_of_range, limit_reached, disk_full.
  void set(Asker caller, const WakeRule& rule);
  void remove(Asker caller, std::string_view agent);
  /// Those that are due, at once; else the first that becomes so in time. Answered by Effects::woken(). Errors:
  /// limit_reached, already_exists (of one named agent, whose wake somebody has).
  void take(Asker caller, TakeWakesCommand command);
  /// Who took it is done with it. Errors: not_found, lease_lost, disk_full.
  void done(Asker caller, std::string_view agent, MessageKey token, WakeEnd end, std::string_view reason);
  /// Whoever waits at this slot waits no more: nothing came.
  void cancel(Slot slot) { answer_nothing(slot); }
  /// Requires: the session ends.
  void give_back_all(Session& session);
  void on_durable(const waiting::WakesTaken& item);

  void each(const std::function<void(const Wake&, const WaitingMail&)>& each) const;
  const Wake* find(std::string_view agent) const;
  /// Nothing before start().
  WaitingMail waiting(const Wake& wake) const {
    return wake.mailbox != 0 ? to_.mail.waiting(wake.mailbox, wake.rule.priority) : WaitingMail{};
  }
  /// Whether somebody waits for it.
  bool is_watched(const Wake& wake) const;
  /// So often on this day, as the zone counts days.
  std::uint32_t woken_today(const Wake& wake) const;
  /// Recovery has ended: what waits is looked at.
  void start();

  void has_mail(NameId mailbox) override;

  Result<void> enter(const Fact& fact) override;
  bool keep(const Fact& fact) override;
  bool is_live(const Timer& timer) const override;
  void due(const Timer& timer) override;
  void close(Session& session, Slot slot) override;
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  struct Taker {
    SessionId session = 0;
    RequestNumber request = 0;
    TakeWakesCommand command{};
    std::uint64_t serial = 0;
  };

  // Puts a rule in force, in the place of the one before. Requires: its zone parses.
  Wake& put(WakeRule rule, const WakeCount& count, FactPlace place);
  void forget(Wake& wake);
  // Whether it is due, and when it is looked at again. Offers it to who waits, if it is.
  void look(Wake& wake);
  // The same, without offering.
  void judge(Wake& wake);
  // The first time from `at` on that quiet hours and budget allow.
  Instant allowed(const Wake& wake, Instant at) const;
  bool is_quiet(const Wake& wake, Instant at) const;
  void set_due(Wake& wake, bool is_due);
  void set_next(Wake& wake, Instant at);
  // Gives those to the one who asks, once the log knows of it; false if there is no room for any.
  bool hand_out(Session& session, RequestNumber request, const TakeWakesCommand& command,
                const std::vector<Wake*>& wakes);
  bool begin(Wake& wake, Session& session, const TakeWakesCommand& command, Durable& noted);
  void end(Wake& wake, WakeEnd how, std::string_view reason);
  void release(Wake& wake);
  void answer_nothing(Slot slot);
  Duration back_off(const Wake& wake) const;

  const EngineOptions& options_;
  const Ports to_;
  std::map<std::string, Wake, std::less<>> wakes_;
  std::map<NameId, Wake*> by_mailbox_;
  std::map<std::uint64_t, Wake*> due_;  // by turn
  std::uint64_t last_turn_ = 0;
  Slab<Taker> takers_;
  std::vector<Slot> waiting_;  // takers, first come first served
  struct Given {
    NameId mailbox = 0;
    MessageKey token = 0;
  };
  Slab<std::vector<Given>> given_;
};

}  // namespace folkmoot
