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
    "lease_number_used_twice": ("engine/engine.cpp", "leases_.begin_run(options_.shard, run_);", "leases_.begin_run(options_.shard, 1);"),
    "redelivered_mark_dropped": ("engine/engine.cpp", "if (!clean) suspect_until_ = last_key_;", "(void)clean;"),
    "key_forgotten_at_restart": ("engine/recover.cpp", "keys_.add(key);", "log_.release(place);"),
    "duplicate_accepted": (
        "engine/publish.cpp",
        "  if (prepared.first != 0) {\n    ++counters_.duplicates;",
        "  if (prepared.first == ~MessageKey{0}) {\n    ++counters_.duplicates;",
    ),
    "routed_again_by_its_key": (
        "engine/publish.cpp",
        "if (!routing.to.empty() && find_first(prepared, together)) return prepared;",
        "if (find_first(prepared, together)) return prepared;",
    ),
    "duplicate_drops_the_oldest": (
        "engine/publish.cpp",
        "const bool needs_some = !prepared.is_duplicate() && prepared.lives();",
        "const bool needs_some = prepared.lives();",
    ),
    "complete_in_pieces": (
        "engine/group.cpp",
        "const CommitGroup group(*this, bound);\n    // Settled first",
        "// Settled first",
    ),
    "atomic_batch_in_pieces": (
        "engine/group.cpp",
        "    const CommitGroup group(*this, bound);\n    for (std::size_t i = 0;",
        "    for (std::size_t i = 0;",
    ),
    "group_goes_on_after_nack": (
        "engine/settle.cpp",
        "  if (not_before > now_) return enter_scheduled(mailbox, message, not_before);",
        "  if (not_before > now_) return leave_group(mailbox, message.entry), enter_scheduled(mailbox, message, not_before);",
    ),
    "group_goes_on_before_it_went_out": (
        "engine/dispatch.cpp",
        "    settled.flags &= static_cast<std::uint16_t>(~Entry::kGrouped);\n",
        "",
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
        "  const auto noted = append_fact(FactKind::dead_purged, {bytes_of(MessageRef(message.entry.key, mailbox.number, message.sender, message.entry.priority))});",
        "  const FactPlace noted{.lsn = 1, .bytes = 0};",
    ),
    "content_not_counted_at_restart": ("engine/recover.cpp", "    if (refers) contents_.refer(fact.key, read_content_ref(message, *routing));\n", ""),
    "content_let_go_by_nobody": ("engine/content.cpp", "  contents_.drop(message, now_);\n", "  (void)message;\n"),
    "content_removed_before_durable": (
        "engine/content.cpp",
        "  pending_.push({.lsn = started_place_.lsn, .kind = Pending::Kind::contents});\n",
        "  remove_idle_contents();\n",
    ),
    "resubmitted_stays_dead": ("engine/dead.cpp", "  purge(*mailbox, still);\n", ""),
    "cancelled_not_journaled": (
        "engine/engine.cpp",
        "append_fact(FactKind::message_cancelled, {bytes_of(ref)}).lsn == 0) {",
        "!started_) {",
    ),
    "death_in_pieces": (
        "engine/dead.cpp",
        "    if (bound.facts > 1 && log_.has_room(FactLog::Urgency::settling, bound)) group.emplace(log_, bound);\n",
        "",
    ),
    "bounce_not_sent": ("engine/dead.cpp", "    if (notice) post(*notice);\n", ""),
    "bounce_into_a_full_mailbox": (
        "engine/bounce.cpp",
        "  if (mailbox.load() + mailbox.promised >= limits(mailbox).max_messages) return;\n",
        "  (void)mailbox;\n",
    ),
    "bounce_takes_promised_room": ("engine/bounce.cpp", "mailbox.load() + mailbox.promised >=", "mailbox.load() >="),
    "hops_not_counted": ("engine/lineage.cpp", ".hops = hops + 1};", ".hops = hops};"),
    "pair_not_counted": (
        "engine/lineage.cpp",
        "guard_.pairs.add(pair_of(sender, mailbox), now_);",
        "(void)sender;",
    ),
    "conversation_not_counted": (
        "engine/lineage.cpp",
        "guard_.conversations.add(conversation_hash(routing.conversation), now_);",
        "(void)now_;",
    ),
    "reply_that_nobody_wants": (
        "engine/lineage.cpp",
        "  if (!routing->expects_reply) lineage.silent_for = routing->from;\n",
        "",
    ),
    "doomed_message_takes_room": (
        "engine/group.cpp",
        "if (prepared->lives() && !prepared->is_duplicate()) boxes",
        "if (!prepared->is_duplicate()) boxes",
    ),
    "schedule_fires_in_pieces": (
        "engine/schedule.cpp",
        "    const CommitGroup group(*this, bound);\n    commit(",
        "    commit(",
    ),
    "scheduled_event_before_the_log_knows": (
        "engine/schedule.cpp",
        "      note();\n      return hold_output({.quiet = true}, schedule.sender, message, {});",
        "      publish_event(0, parties_[schedule.sender].name, message, nullptr);\n      return note();",
    ),
    "schedule_firings_forgotten_at_restart": (
        "engine/recover.cpp",
        "      if (auto* const schedule = schedules_.find(fact.number)) apply_fired(*schedule, fact);\n",
        "",
    ),
    "costs_added_twice": (
        "engine/dead.cpp",
        "  prepared->has_costs = false;  // they were added when it was sent first\n",
        "",
    ),
    "costs_forgotten_at_restart": (
        "engine/recover.cpp",
        "      restore_conversation(as_text(body.subspan(sizeof fact)), fact, place);\n",
        "",
    ),
    "redrive_without_its_rate": (
        "engine/redrive.cpp",
        "    due = std::min<std::size_t>(due, static_cast<std::uint64_t>(now_ - job.began) * job.per_second / 1000 + 1);\n",
        "",
    ),
    "routes_out_of_order": (
        "engine/route.cpp",
        "return std::tie(a.order, a.name) < std::tie(b.order, b.name);",
        "return a.name < b.name;",
    ),
    "most_loaded_gets_more": ("engine/route.cpp", "const auto least = std::ranges::min_element(", "const auto least = std::ranges::max_element("),
    "route_forgotten_at_restart": (
        "engine/route.cpp",
        "  log_.retain(place);\n  enter_route(std::move(*route), place);",
        "  (void)place;",
    ),
    "status_ends_a_request": (
        "engine/request.cpp",
        "const bool more_to_come = message.routing.type == kTypeStatus;",
        "const bool more_to_come = waiting.stream && message.routing.type == kTypeStatus;",
    ),
    "stray_acknowledged_before_it_is_there": (
        "engine/strays.cpp",
        "  commands_.publish(owner->second, request, message);\n",
        "  commands_.publish(owner->second, request, message);\n  if (lease != 0) acknowledge(lease);\n",
    ),
    "stray_given_up_when_refused": (
        "engine/strays.cpp",
        "  commands_.nack(move->lease, kRefusedWaitMs << std::min(move->delivery - 1, kRefusedDoublingsMax), text);\n",
        "  acknowledge(move->lease);\n",
    ),
    "stray_known_only_by_its_own_key": (
        "engine/publish.cpp",
        "prepared.keyed = !routing.key.empty() || !routing.id.is_nil();",
        "prepared.keyed = !routing.key.empty() || (!message.forwarded && !routing.id.is_nil());",
    ),
    "filter_of_a_subscription_ignored": (
        "engine/event.cpp",
        "      if (!subscription->filter->matches(*input)) continue;\n",
        "",
    ),
    "copy_within_a_batch_published": (
        "engine/group.cpp",
        "  if (prepared.repeats) prepared.first = all[*prepared.repeats].first;\n",
        "",
    ),
    "sender_keeps_its_turn": (
        "engine/lane.cpp",
        "      (turn_tail_ == kNone ? turn_head_ : queues_[turn_tail_].next) = at;\n      turn_tail_ = at;\n    }\n    return message;",
        "      from.next = turn_head_;\n      turn_head_ = at;\n      if (turn_tail_ == kNone) turn_tail_ = at;\n    }\n    return message;",
    ),
    "what_comes_back_loses_its_priority": (
        "engine/settle.cpp",
        "  enter_ready(mailbox, message, {});",
        "  auto last = message;\n  last.entry.priority = kPriorityMax;\n  enter_ready(mailbox, last, {});",
    ),
    "rejection_without_its_attempt": (
        "engine/settle.cpp",
        ".text = reason, .attempt = &fact});",
        ".text = reason, .attempt = end == AttemptEnd::rejected ? nullptr : &fact});",
    ),
    "outputs_of_a_step_counted_too_late": ("engine/group.cpp", "prepare(session, message, caused, &together);", "prepare(session, message, caused);"),
    "reply_that_nobody_wants_after_settling": ("engine/lineage.cpp", "      if (settled->silent_for != 0 &&", "      if (settled->silent_for == ~0u &&"),
}
