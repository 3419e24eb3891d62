"""Defects that the simulation must find: each takes one promise out of the engine. A fault is a file below src/, text that is in it
exactly once, and what takes its place."""

FAULTS = {
    "ack_not_journaled": (
        "engine/settle.cpp",
        "const auto place = log_.append(FactKind::message_settled, {&body, 1}, FactLog::Life::dead);",
        "(void)body;\n  const FactPlace place;",
    ),
    "confirmed_before_durable": (
        "engine/durable.cpp",
        "while (!pending_.empty() && pending_.front().lsn < end) {",
        "(void)end;\n  while (!pending_.empty()) {",
    ),
    "expiry_forgotten_at_restart": (
        "engine/state.cpp",
        "    add_timer({.at = fact.expires_at,",
        "    if (started_) add_timer({.at = fact.expires_at,",
    ),
    "due_time_forgotten_at_restart": (
        "engine/state.cpp",
        "  add_timer({.at = due,",
        "  if (started_) add_timer({.at = due,",
    ),
    "lease_number_used_twice": ("engine/engine.cpp", "leases_.begin_run(run_);", "leases_.begin_run(1);"),
    "redelivered_mark_dropped": ("engine/engine.cpp", "if (!clean) suspect_until_ = last_key_;", "(void)clean;"),
    "key_forgotten_at_restart": ("engine/recover.cpp", "keys_.add(key);", "log_.release(place);"),
    "duplicate_accepted": (
        "engine/publish.cpp",
        "if (const auto* const used = keys_.find(prepared.key)) {",
        "if (const auto* const used = keys_.find(prepared.key); used != nullptr && used->message == 0) {",
    ),
    "duplicate_drops_the_oldest": (
        "engine/publish.cpp",
        "const auto drops = prepared.is_duplicate || !prepared.lives() ?",
        "const auto drops = !prepared.lives() ?",
    ),
    "complete_in_pieces": (
        "engine/group.cpp",
        "const CommitGroup group(*this, bound);\n    // Settled first",
        "// Settled first",
    ),
    "atomic_batch_in_pieces": (
        "engine/group.cpp",
        "    const CommitGroup group(*this, bound);\n    for (const auto& each : *prepared) {\n      commit(",
        "    for (const auto& each : *prepared) {\n      commit(",
    ),
    "group_goes_on_after_nack": (
        "engine/settle.cpp",
        "  if (not_before > now_) return enter_scheduled(mailbox, message, not_before);",
        "  if (not_before > now_) return leave_group(mailbox, message.entry), enter_scheduled(mailbox, message, not_before);",
    ),
    "attempts_forgotten_at_restart": (
        "engine/recover.cpp",
        "    } else {\n      note_attempt(ref.key, place, returned.deliveries);",
        "    } else {\n      log_.release(place);",
    ),
    "attempts_not_counted_at_restart": ("engine/recover.cpp", "    message->entry.deliveries = returned.deliveries;\n", ""),
    "retry_policy_ignored": (
        "engine/settle.cpp",
        "delay_ms = end == AttemptEnd::nacked ? retry_delay_ms(policy, deliveries, chance()) : 0;",
        "delay_ms = 0;",
    ),
    "purge_not_journaled": (
        "engine/dead.cpp",
        "  append_fact(FactKind::dead_purged, {bytes_of(MessageRef(message.entry.key, mailbox.number, message.sender, message.entry.priority))});",
        "  (void)message;",
    ),
    "resubmitted_stays_dead": ("engine/dead.cpp", "  purge(*mailbox, still);\n", ""),
    "cancelled_not_journaled": (
        "engine/engine.cpp",
        "  if (!message->entry.has(Entry::kTransient)) append_fact(FactKind::message_cancelled, {bytes_of(ref)});\n",
        "",
    ),
}
