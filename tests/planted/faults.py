"""Defects that the simulation must find: each takes one promise out of the engine. A fault is text that is in one file
of src/engine exactly once (where lines break is the formatter's), and what takes its place, in which PLANTED means
`this fault is switched on`."""


def instead(old, new):
    """Statements, and those that take their place."""
    return old, "{ if (PLANTED) { " + new + " } else { " + old + " } }"


def without(old):
    """Statements that are left out."""
    return old, "{ if (!PLANTED) { " + old + " } }"


def in_pieces(after):
    """A group of facts that is none; `after`: what follows it."""
    return (
        "const CommitGroup group(*this, bound);\n" + after,
        "std::optional<const CommitGroup> group;\n  if (!PLANTED) group.emplace(*this, bound);\n" + after,
    )


FAULTS = {
    "ack_not_journaled": (
        "const auto place = log_.append(FactKind::message_settled,",
        "const auto place = PLANTED ? FactPlace{} : log_.append(FactKind::message_settled,",
    ),
    "confirmed_before_durable": ("pending_.front().lsn < end", "(PLANTED || pending_.front().lsn < end)"),
    "expiry_forgotten_at_restart": (
        "add_timer({.at = fact.expires_at,",
        "if (started_ || !PLANTED) add_timer({.at = fact.expires_at,",
    ),
    "due_time_forgotten_at_restart": ("add_timer({.at = due,", "if (started_ || !PLANTED) add_timer({.at = due,"),
    "lease_number_used_twice": (
        "leases_.begin_run(options_.shard, run_);",
        "leases_.begin_run(options_.shard, PLANTED ? 1 : run_);",
    ),
    "redelivered_mark_dropped": ("if (!clean) suspect_until_", "if (!clean && !PLANTED) suspect_until_"),
    "key_forgotten_at_restart": instead("keys_.add(key);", "log_.release(place);"),
    "duplicate_accepted": (
        "if (prepared.first != 0) {\n    ++counters_.duplicates;",
        "if (prepared.first != 0 && !PLANTED) {\n    ++counters_.duplicates;",
    ),
    "routed_again_by_its_key": (
        "if (!routing.to.empty() && find_first(prepared, together)) return prepared;",
        "if ((PLANTED || !routing.to.empty()) && find_first(prepared, together)) return prepared;",
    ),
    "duplicate_drops_the_oldest": (
        "const bool needs_some = !prepared.is_duplicate() && prepared.lives();",
        "const bool needs_some = (PLANTED || !prepared.is_duplicate()) && prepared.lives();",
    ),
    "complete_in_pieces": in_pieces("// Settled first"),
    "atomic_batch_in_pieces": in_pieces("for (std::size_t i = 0;"),
    "group_goes_on_after_nack": (
        "if (not_before > now_) return enter_scheduled(mailbox, message, not_before);",
        "if (PLANTED && not_before > now_) leave_group(mailbox, message.entry);\n"
        "  if (not_before > now_) return enter_scheduled(mailbox, message, not_before);",
    ),
    "group_goes_on_before_it_went_out": without("settled.flags &= static_cast<std::uint16_t>(~Entry::kGrouped);"),
    "attempts_forgotten_at_restart": (
        "} else {\n      note_attempt(ref.key, place, returned.deliveries);",
        "} else if (PLANTED) {\n      log_.release(place);\n"
        "    } else {\n      note_attempt(ref.key, place, returned.deliveries);",
    ),
    "attempts_not_counted_at_restart": without("message->entry.deliveries = returned.deliveries;"),
    "retry_policy_ignored": (
        "delay_ms = end == AttemptEnd::nacked ? retry_delay_ms(",
        "delay_ms = end == AttemptEnd::nacked && !PLANTED ? retry_delay_ms(",
    ),
    "purge_not_journaled": (
        "const auto noted = append_fact(FactKind::dead_purged,",
        "const auto noted = PLANTED ? FactPlace{.lsn = 1, .bytes = 0} : append_fact(FactKind::dead_purged,",
    ),
    "content_not_counted_at_restart": without("if (refers) contents_.refer(fact.key, read_content_ref(message, *routing));"),
    "content_let_go_by_nobody": without("contents_.drop(message, now_);"),
    "content_removed_before_durable": instead(
        "pending_.push({.lsn = started_place_.lsn, .kind = Pending::Kind::contents});", "remove_idle_contents();"
    ),
    "resubmitted_stays_dead": without("purge(*mailbox, still);"),
    "cancelled_not_journaled": (
        "append_fact(FactKind::message_cancelled, {bytes_of(ref)}).lsn == 0",
        "(PLANTED ? !started_ : append_fact(FactKind::message_cancelled, {bytes_of(ref)}).lsn == 0)",
    ),
    "death_in_pieces": without(
        "if (bound.facts > 1 && log_.has_room(FactLog::Urgency::settling, bound)) group.emplace(log_, bound);"
    ),
    "bounce_not_sent": without("if (notice) post(*notice);"),
    "bounce_into_a_full_mailbox": (
        "limits(mailbox).max_messages) return;\n  ++counters_.bounced;",
        "limits(mailbox).max_messages && !PLANTED) return;\n  ++counters_.bounced;",
    ),
    "bounce_takes_promised_room": (
        "if (mailbox.load() + mailbox.promised >=",
        "if (mailbox.load() + (PLANTED ? 0 : mailbox.promised) >=",
    ),
    "hops_not_counted": (".hops = hops + 1};", ".hops = hops + (PLANTED ? 0 : 1)};"),
    "pair_not_counted": without("guard_.pairs.add(pair_of(sender, mailbox), now_);"),
    "conversation_not_counted": without("guard_.conversations.add(conversation_hash(routing.conversation), now_);"),
    "reply_that_nobody_wants": without("if (!routing->expects_reply) lineage.silent_for = routing->from;"),
    "doomed_message_takes_room": (
        "if (prepared->lives() && !prepared->is_duplicate()) boxes",
        "if ((PLANTED || prepared->lives()) && !prepared->is_duplicate()) boxes",
    ),
    "schedule_fires_in_pieces": in_pieces("commit("),
    "scheduled_event_before_the_log_knows": instead(
        "note();\n      return hold_output({.quiet = true}, schedule.sender, message, {});",
        "publish_event(0, parties_[schedule.sender].name, message, nullptr);\n      return note();",
    ),
    "schedule_firings_forgotten_at_restart": without(
        "if (auto* const schedule = schedules_.find(fact.number)) apply_fired(*schedule, fact);"
    ),
    "costs_added_twice": without("prepared->has_costs = false;"),
    "costs_forgotten_at_restart": without("restore_conversation(as_text(body.subspan(sizeof fact)), fact, place);"),
    "redrive_without_its_rate": without(
        "due = std::min<std::size_t>(due, static_cast<std::uint64_t>(now_ - job.began) * job.per_second / 1000 + 1);"
    ),
    "routes_out_of_order": (
        "return std::tie(a.order, a.name) < std::tie(b.order, b.name);",
        "return PLANTED ? a.name < b.name : std::tie(a.order, a.name) < std::tie(b.order, b.name);",
    ),
    "most_loaded_gets_more": (
        "{ return load_of(each.party); });\n      return static_cast<std::size_t>(least - able.begin());",
        "{ return (PLANTED ? -1 : 1) * load_of(each.party); });\n"
        "      return static_cast<std::size_t>(least - able.begin());",
    ),
    "route_forgotten_at_restart": without("log_.retain(place);\n  enter_route(std::move(*route), place);"),
    "status_ends_a_request": (
        "const bool more_to_come = message.routing.type == kTypeStatus;",
        "const bool more_to_come = (!PLANTED || waiting.stream) && message.routing.type == kTypeStatus;",
    ),
    "stray_acknowledged_before_it_is_there": (
        "commands_.publish(owner->second, request, message);",
        "commands_.publish(owner->second, request, message);\n  if (PLANTED && lease != 0) acknowledge(lease);",
    ),
    "stray_given_up_when_refused": instead(
        "commands_.nack(move->lease, kRefusedWaitMs << std::min(move->delivery - 1, kRefusedDoublingsMax), text);",
        "acknowledge(move->lease);",
    ),
    "stray_known_only_by_its_own_key": (
        "prepared.keyed = !routing.key.empty() || !routing.id.is_nil();",
        "prepared.keyed = !routing.key.empty() || (!(PLANTED && message.forwarded) && !routing.id.is_nil());",
    ),
    "filter_of_a_subscription_ignored": (
        "if (!subscription->filter->matches(*input)) continue;",
        "if (!subscription->filter->matches(*input) && !PLANTED) continue;",
    ),
    "copy_within_a_batch_published": without("if (prepared.repeats) prepared.first = all[*prepared.repeats].first;"),
    "sender_keeps_its_turn": instead(
        "(turn_tail_ == kNone ? turn_head_ : queues_[turn_tail_].next) = at;\n      turn_tail_ = at;",
        "from.next = turn_head_;\n      turn_head_ = at;\n      if (turn_tail_ == kNone) turn_tail_ = at;",
    ),
    "what_comes_back_loses_its_priority": (
        "enter_ready(mailbox, message, {});\n}",
        "auto last = message;\n  if (PLANTED) last.entry.priority = kPriorityMax;\n  enter_ready(mailbox, last, {});\n}",
    ),
    "rejection_without_its_attempt": (
        ".text = reason, .attempt = &fact});",
        ".text = reason, .attempt = PLANTED && end == AttemptEnd::rejected ? nullptr : &fact});",
    ),
    "outputs_of_a_step_counted_too_late": (
        "prepare(session, message, caused, &together);",
        "prepare(session, message, caused, PLANTED ? nullptr : &together);",
    ),
    "reply_that_nobody_wants_after_settling": (
        "settled->silent_for != 0 &&",
        "(PLANTED ? settled->silent_for == ~0u : settled->silent_for != 0) &&",
    ),
}
