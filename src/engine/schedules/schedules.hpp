// Repeated messages: each time one is due its message is accepted, and that it was sent is noted in the same group of
// facts, so that no restart sends it twice.
#pragma once

#include <functional>

#include "engine/agenda.hpp"
#include "engine/announcer.hpp"
#include "engine/names.hpp"
#include "engine/outputs.hpp"
#include "engine/part.hpp"
#include "engine/post.hpp"
#include "engine/references.hpp"
#include "engine/replies.hpp"
#include "engine/run.hpp"
#include "engine/schedules/schedule_table.hpp"
#include "engine/sessions.hpp"

namespace folkmoot {

class Census;

class Schedules final : public Part {
 public:
  /// What schedules are given.
  struct Ports {
    Run& run;
    Ledger& ledger;
    Agenda& agenda;
    Names& names;
    Replies& replies;
    Outputs& outputs;
    References& references;
    Post& post;
    Announcer& announcer;
    Effects& effects;
    EngineCounters& counters;
  };
  Schedules(const EngineOptions& options, const Ports& ports) : options_(options), to_(ports) {}

  /// A message that is sent again and again; in the place of one of the same name. Errors: invalid_name, invalid_field,
  /// limit_reached, disk_full.
  void set(Session& session, RequestNumber request, const ScheduleCommand& command, const IncomingMessage& message);
  void remove(Asker caller, std::string_view name);
  void each(const std::function<void(const Schedule&)>& each) const;
  /// Recovery has ended: those that are due are sent as the time moves on.
  void start();

  Result<void> enter(const Fact& fact) override;
  bool keep(const Fact& fact) override;
  bool is_live(const Timer& timer) const override;
  void due(const Timer& timer) override { fire(timer.id); }
  void close(Session&, Slot) override {}
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  // Of one that is being set; nothing changes. Errors: what the command or its message lacks.
  Result<Schedule> make(const ScheduleCommand& command, const IncomingMessage& message);
  // Sets its timer; that of an earlier time is stale then, and noticed by is_live().
  void watch(const Schedule& schedule);
  // Sends the message once more. Requires: there is one of that number, and it is due.
  void fire(std::uint64_t number);
  Result<void> send(Schedule& schedule, const IncomingMessage& message, const ScheduleFiredFact& fact);
  // It has fired: in memory even if the log has no room, then the next run fires once more.
  Durable note(Schedule& schedule, const ScheduleFiredFact& fact);
  // Forgets one, with a fact that says so.
  Durable drop(std::uint64_t number);
  // Out of memory, without a fact; nothing if it is not known. References to it are invalid then.
  void forget(std::uint64_t number);
  // By the live engine and by recovery alike.
  static void apply(Schedule& schedule, const ScheduleFiredFact& fact);
  Result<void> enter_set(const Fact& fact);

  const EngineOptions& options_;
  const Ports to_;
  ScheduleTable table_;
};

}  // namespace folkmoot
