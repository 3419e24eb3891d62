// What the mailroom is given.
#pragma once

#include "engine/agenda.hpp"
#include "engine/announcer.hpp"
#include "engine/attempts.hpp"
#include "engine/causality.hpp"
#include "engine/graveyard.hpp"
#include "engine/mail_view.hpp"
#include "engine/names.hpp"
#include "engine/outputs.hpp"
#include "engine/part.hpp"
#include "engine/placer.hpp"
#include "engine/references.hpp"
#include "engine/replies.hpp"
#include "engine/responder.hpp"
#include "engine/router.hpp"
#include "engine/run.hpp"
#include "engine/serials.hpp"
#include "engine/sessions.hpp"
#include "engine/stamper.hpp"
#include "engine/stray_events.hpp"
#include "engine/tap.hpp"
#include "engine/tracing.hpp"
#include "engine/trail.hpp"
#include "engine/transient_store.hpp"
#include "engine/views.hpp"

namespace folkmoot {

struct MailroomPorts {
  const EngineOptions& options;
  Run& run;
  Ledger& ledger;
  Agenda& agenda;
  Names& names;
  Sessions& sessions;
  Serials& serials;
  Stamper& stamper;
  TransientStore& transient;
  Replies& replies;
  Outputs& outputs;
  Attempts& attempts;
  Trail& trail;
  Tap& tap;
  Tracing& tracing;
  Causality& causality;
  References& references;
  Router& router;
  Graveyard& graveyard;
  Announcer& announcer;
  Responder& responder;
  MailWatcher& mail_watcher;
  Effects& effects;
  EngineCounters& counters;
  Placer& placer;
  StrayEvents& strays;
};

}  // namespace folkmoot
