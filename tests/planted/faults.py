"""Defects that the simulation must find: each takes one promise out of the engine. A fault is text that is in one file
of src/engine exactly once (where lines break is the formatter's), and what takes its place, in which PLANTED means
`this fault is switched on`."""


def instead(old, new):
    """Statements, and those that take their place."""
    return old, "{ if (PLANTED) { " + new + " } else { " + old + " } }"


def without(old):
    """Statements that are left out."""
    return old, "{ if (!PLANTED) { " + old + " } }"


def in_pieces(group, after=""):
    """A group of facts that is none; `group`: what it is made of, `after`: what follows it."""
    return (
        f"const Post::Group group({group});\n" + after,
        f"std::optional<Post::Group> group;\n  if (!PLANTED) group.emplace({group});\n" + after,
    )


FAULTS = {
    "event_kept_in_pieces": (
        "if (draft.facts() > 0) group.emplace(to_.post, to_.ledger, draft);",
        "if (draft.facts() > 0 && !PLANTED) group.emplace(to_.post, to_.ledger, draft);",
    ),
    "event_kept_without_room_for_all": (
        "const bool has_room = to_.ledger.has_room(Urgency::durable, draft) &&",
        "const bool has_room = (PLANTED || to_.ledger.has_room(Urgency::durable, draft)) &&",
    ),
    "event_kept_twice_in_one_mailbox": (
        "if (is_new) copies_.push_back(",
        "if (is_new || PLANTED) copies_.push_back(",
    ),
    "durable_subscription_back_at_restart": (
        "if (fact.kind == FactKind::subscription_removed) { forget(as_text(fact.body));",
        "if (fact.kind == FactKind::subscription_removed) { if (!PLANTED) forget(as_text(fact.body));",
    ),
    "durable_subscription_not_copied": (
        "if (mine != subscriptions_.end()) ledger_.copy(",
        "if (mine != subscriptions_.end() && !PLANTED) ledger_.copy(",
    ),
    "account_back_at_restart": (
        "forget(accounts_, as_text(fact.body));",
        "if (!PLANTED) forget(accounts_, as_text(fact.body));",
    ),
    "access_rule_back_at_restart": (
        "default: forget(rules_, as_text(fact.body));",
        "default: if (!PLANTED) forget(rules_, as_text(fact.body));",
    ),
    "account_not_copied": (
        "if (fact.kind == FactKind::account_set) copy(accounts_, fact);",
        "if (fact.kind == FactKind::account_set && !PLANTED) copy(accounts_, fact);",
    ),
    "event_confirmed_before_it_is_kept": instead("to_.ledger.when_or_now(*durable, kept);", "on_durable(kept);"),
    "filtered_events_in_no_order": (
        "if (!std::ranges::is_sorted(chosen_, by_order)) std::ranges::sort(chosen_, by_order);",
        "if (PLANTED) std::ranges::reverse(chosen_);\n"
        "if (!PLANTED && !std::ranges::is_sorted(chosen_, by_order)) std::ranges::sort(chosen_, by_order);",
    ),
    "filter_change_forgotten": (
        "subscription->filter = std::move(filter);\n  add_to(members, subscription);",
        "if (!PLANTED) subscription->filter = std::move(filter);\n  add_to(members, subscription);",
    ),
    "ack_not_journaled": (
        "const auto place = to_.ledger.write(FactKind::message_settled, {body}, Life::dead);",
        "const auto place = PLANTED ? FactPlace{} : to_.ledger.write(FactKind::message_settled, {body}, Life::dead);",
    ),
    "confirmed_before_durable": (
        "  ledger_.on_durable(end);\n  streams_.on_durable(end);",
        "  ledger_.on_durable(PLANTED ? kLsnMax : end);\n  streams_.on_durable(end);",
    ),
    "expiry_forgotten_at_restart": (
        "to_.agenda.add({.at = at, .id = key.value,",
        "if (!PLANTED || to_.run.is_started()) to_.agenda.add({.at = at, .id = key.value,",
    ),
    "last_read_not_copied": (
        "if (mailbox == nullptr || mailbox->read_lsn != fact.place.lsn) return true;",
        "if (PLANTED || mailbox == nullptr || mailbox->read_lsn != fact.place.lsn) return true;",
    ),
    "settings_left_out_are_the_servers": (
        "mine != nullptr ? mine->limits : to_.options.mailbox);",
        "mine != nullptr && !PLANTED ? mine->limits : to_.options.mailbox);",
    ),
    "deleted_mailbox_back_at_restart": (
        "  if (mailbox == nullptr) return {};\n  // What still stands",
        "  if (PLANTED || mailbox == nullptr) return {};\n  // What still stands",
    ),
    "due_time_forgotten_at_restart": (
        "to_.agenda.add({.at = due,",
        "if (!PLANTED || to_.run.is_started()) to_.agenda.add({.at = due,",
    ),
    "lease_number_used_twice": (
        "leases.begin_run(to_.options.shard, to_.run.number());",
        "leases.begin_run(to_.options.shard, PLANTED ? 1 : to_.run.number());",
    ),
    "redelivered_mark_dropped": (
        "if (!clean) suspect_until_ = last_key_;",
        "if (!clean && !PLANTED) suspect_until_ = last_key_;",
    ),
    "key_forgotten_at_restart": instead("keys.add(key);", "to_.ledger.release(fact.place);"),
    "duplicate_accepted": (
        "if (prepared.first != 0) {\n    ++to_.counters.duplicates;",
        "if (prepared.first != 0 && !PLANTED) {\n    ++to_.counters.duplicates;",
    ),
    "routed_again_by_its_key": (
        "if (!routing.to.empty() && find_first(prepared, together)) return prepared;",
        "if ((PLANTED || !routing.to.empty()) && find_first(prepared, together)) return prepared;",
    ),
    "duplicate_drops_the_oldest": (
        "const bool needs_some = !prepared.is_duplicate() && prepared.lives();",
        "const bool needs_some = (PLANTED || !prepared.is_duplicate()) && prepared.lives();",
    ),
    "complete_in_pieces": in_pieces("post_, to_.ledger, plan->draft"),
    "atomic_batch_in_pieces": in_pieces("post_, to_.ledger, draft", "    for (std::size_t i = 0;"),
    "group_goes_on_after_nack": (
        "if (not_before > to_.run.now()) return enter_scheduled(mailbox, message, not_before);",
        "if (PLANTED && not_before > to_.run.now()) leave_group(mailbox, message.entry);\n"
        "  if (not_before > to_.run.now()) return enter_scheduled(mailbox, message, not_before);",
    ),
    "group_goes_on_before_it_went_out": without("gone.flags &= static_cast<std::uint16_t>(~Entry::kGrouped);"),
    "attempts_forgotten_at_restart": (
        "if (said.end != AttemptEnd::none) {\n    to_.ledger.retain(fact.place);",
        "if (said.end != AttemptEnd::none && !PLANTED) {\n    to_.ledger.retain(fact.place);",
    ),
    "attempts_not_counted_at_restart": (
        "message->entry.deliveries = said.deliveries;\n  message->entry.flags",
        "if (!PLANTED) message->entry.deliveries = said.deliveries;\n  message->entry.flags",
    ),
    "retry_policy_ignored": (
        "delay_ms = Duration{end == AttemptEnd::nacked ? retry_delay_ms(",
        "delay_ms = Duration{end == AttemptEnd::nacked && !PLANTED ? retry_delay_ms(",
    ),
    "purge_not_journaled": (
        "const auto noted = to_.ledger.note(FactKind::dead_purged,",
        "const auto noted = PLANTED ? FactPlace{.lsn = Lsn{1}, .bytes = 0} : to_.ledger.note(FactKind::dead_purged,",
    ),
    "content_not_counted_at_restart": without(
        "if (refers) to_.references.refer(fact.key, read_content_ref(message, *routing));"
    ),
    "content_let_go_by_nobody": without("table_.drop(message, run_.now());"),
    "content_removed_before_durable": instead("ledger_.when(noted, waiting::ContentsIdle{});", "remove_idle();"),
    "resubmitted_stays_dead": without("purge(address.mailbox, boxes_.at(address.mailbox).letters.find(address.key));"),
    "cancelled_not_journaled": (
        "noted = Durable(to_.ledger.note(FactKind::message_cancelled, {bytes_of(ref)}));",
        "noted = Durable(PLANTED ? FactPlace{.lsn = Lsn{1}} : to_.ledger.note(FactKind::message_cancelled, "
        "{bytes_of(ref)}));",
    ),
    "settled_by_id_not_journaled": (
        "settled = Durable(to_.ledger.note(FactKind::message_settled, {bytes_of(ref)})); } "
        "++to_.counters.acknowledged;",
        "settled = Durable(PLANTED ? FactPlace{.lsn = Lsn{1}} : to_.ledger.note(FactKind::message_settled, "
        "{bytes_of(ref)})); } ++to_.counters.acknowledged;",
    ),
    "death_in_pieces": without(
        "if (draft.facts() > 1 && to_.ledger.has_room(Urgency::settling, draft)) group.emplace(to_.ledger, draft);"
    ),
    "bounce_not_sent": without("if (notice) to_.graveyard.post(*notice, Durable(place));"),
    "bounce_into_a_full_mailbox": (
        "if (!to_.vacancies.has_space(prepared->mailbox)) return;",
        "if (!PLANTED && !to_.vacancies.has_space(prepared->mailbox)) return;",
    ),
    "bounce_takes_promised_room": (
        "return mailbox.load() + mailbox.promised <",
        "return mailbox.load() + (PLANTED ? 0 : mailbox.promised) <",
    ),
    "hops_not_counted": (".hops = hops + 1};", ".hops = hops + (PLANTED ? 0 : 1)};"),
    "pair_not_counted": without("guard_.pairs.add(pair_of(sender, mailbox), run_.now());"),
    "conversation_not_counted": without(
        "guard_.conversations.add(conversation_hash(routing.conversation), run_.now());"
    ),
    "reply_that_nobody_wants": without("if (!routing->expects_reply) lineage.silent_for = routing->from;"),
    "doomed_message_takes_room": (
        "if (prepared->lives() && !prepared->is_duplicate()) boxes",
        "if ((PLANTED || prepared->lives()) && !prepared->is_duplicate()) boxes",
    ),
    "schedule_fires_in_pieces": in_pieces(
        "to_.post, to_.ledger, draft", "  to_.post.commit(*prepared, {}, {.quiet = true});\n  note(schedule, fact);"
    ),
    "scheduled_event_before_the_log_knows": instead(
        "to_.outputs.hold(note(schedule, fact), {.quiet = true}, schedule.sender, message, {});",
        "to_.announcer.publish_event(0, to_.names[schedule.sender], message, nullptr);\n      note(schedule, fact);",
    ),
    "schedule_firings_forgotten_at_restart": without(
        "if (auto* const schedule = table_.find(fired.number)) apply(*schedule, fired);"
    ),
    "costs_added_twice": without("prepared->has_costs = false;"),
    "costs_forgotten_at_restart": without("put(as_text(fact.body.subspan(sizeof said)), said, fact.place);"),
    "redrive_without_its_rate": without(
        "due = std::min<std::size_t>(due, static_cast<std::uint64_t>((to_.run.now() - job.began).ms) * "
        "job.per_second / 1000 + 1);"
    ),
    "routes_out_of_order": (
        "return std::tie(a.order, a.name) < std::tie(b.order, b.name);",
        "return PLANTED ? a.name < b.name : std::tie(a.order, a.name) < std::tie(b.order, b.name);",
    ),
    "most_loaded_gets_more": (
        "{ return load_of(each.name_id); });\n      return static_cast<std::size_t>(least - able.begin());",
        "{ return (PLANTED ? -1 : 1) * load_of(each.name_id); });\n"
        "      return static_cast<std::size_t>(least - able.begin());",
    ),
    "route_forgotten_at_restart": without("ledger_.retain(fact.place);\n  put(std::move(*route), fact.place);"),
    "status_ends_a_request": (
        "const bool more_to_come = message.routing.type == kTypeStatus;",
        "const bool more_to_come = (!PLANTED || waiting.stream) && message.routing.type == kTypeStatus;",
    ),
    "shovel_acknowledged_before_it_is_there": (
        "commands_.publish(owner->second, request, message);",
        "commands_.publish(owner->second, request, message);\n  if (PLANTED && lease != 0) acknowledge(lease);",
    ),
    "shovel_given_up_when_refused": instead(
        "commands_.nack(move->lease, kRefusedWaitMs * (1 << std::min(move->delivery - 1, kRefusedDoublingsMax)), "
        "text);",
        "acknowledge(move->lease);",
    ),
    "shovel_known_only_by_its_own_key": (
        "prepared.keyed = !routing.key.empty() || !routing.id.is_nil();",
        "prepared.keyed = !routing.key.empty() || (!(PLANTED && message.forwarded) && !routing.id.is_nil());",
    ),
    "stray_event_comes_again": without(
        "to_.ledger.note(FactKind::message_settled, {bytes_of(taken)});\n"
        "  shelves_.leave(from, message.entry, nullptr);"
    ),
    "stray_event_settled_and_not_kept": without("taker.keep();"),
    "stream_content_not_held": ("if (refers) [[unlikely]] {", "if (refers && !PLANTED) {"),
    "stream_content_forgotten_at_restart": without("start_references(stream, known);"),
    "stream_content_not_copied": (
        "known != its->references.end() && known->second.place == fact.place)",
        "known != its->references.end() && known->second.place == fact.place && !PLANTED)",
    ),
    "filter_of_a_subscription_ignored": (
        "for (const auto place : places_) chosen_.push_back(members->by_place[place]);",
        "for (auto* const each : members->by_place) { if (PLANTED && each != nullptr) chosen_.push_back(each); }\n"
        "for (const auto place : places_) { if (!PLANTED) chosen_.push_back(members->by_place[place]); }",
    ),
    "copy_within_a_batch_published": without("if (prepared.repeats) prepared.first = all[*prepared.repeats].first;"),
    "sender_keeps_its_turn": instead(
        "(turn_tail_ == kNone ? turn_head_ : queues_[turn_tail_].next) = at;\n      turn_tail_ = at;",
        "from.next = turn_head_;\n      turn_head_ = at;\n      if (turn_tail_ == kNone) turn_tail_ = at;",
    ),
    "what_comes_back_loses_its_priority": (
        "enter_ready(mailbox, message, {});\n}",
        "auto last = message;\n  if (PLANTED) last.entry.priority = kPriorityMax;\n  enter_ready(mailbox, last, "
        "{});\n}",
    ),
    "rejection_without_its_attempt": (
        ".text = reason, .attempt = &fact});",
        ".text = reason, .attempt = PLANTED && end == AttemptEnd::rejected ? nullptr : &fact});",
    ),
    "outputs_of_a_step_counted_too_late": (
        "prepare(session, message, caused, &together);",
        "prepare(session, message, caused, PLANTED ? nullptr : &together);",
    ),
    "anybody_may_answer": (
        "if (answerer != 0 && !may_answer(waiting, answerer, from)",
        "if (!PLANTED && answerer != 0 && !may_answer(waiting, answerer, from)",
    ),
    "part_of_an_address_is_enough": (
        "requests_[known->second].address.proof == address->proof ?",
        "(PLANTED || requests_[known->second].address.proof == address->proof) ?",
    ),
    "a_name_is_enough_to_answer": (
        "if (holder.bound && to_.sessions.find",
        "if (!PLANTED && holder.bound && to_.sessions.find",
    ),
    "anybodys_cause_is_enough_to_answer": (
        "if (!holder || !is_held_by(*holder, connection, agent)) return false;",
        "if (!holder || (!PLANTED && !is_held_by(*holder, connection, agent))) return false;",
    ),
    "requester_waits_for_a_dead_request": (
        "!to_.responder.is_waited_for(entry.key)) return std::nullopt;",
        "(PLANTED || !to_.responder.is_waited_for(entry.key))) return std::nullopt;",
    ),
    "attempt_not_counted_at_a_stop": without("give_back(*at, kByPolicy, AttemptEnd::server_stopped, {});"),
    "life_begins_before_it_is_due": (
        "std::max(accepted, due) + ttl",
        "(PLANTED ? accepted : std::max(accepted, due)) + ttl",
    ),
    "delay_ignored": (
        "if (routing.delay_ms == 0) return Instant{routing.deliver_at};",
        "if (PLANTED || routing.delay_ms == 0) return Instant{routing.deliver_at};",
    ),
    "first_time_in_the_past": (
        "if (command.first_at != 0 && command.first_at <= now) {",
        "if (!PLANTED && command.first_at != 0 && command.first_at <= now) {",
    ),
    "reply_that_nobody_wants_after_settling": (
        "settled->silent_for != 0 &&",
        "(PLANTED ? settled->silent_for == NameId{~0u} : settled->silent_for != 0) &&",
    ),
    "stream_event_given_out_before_it_is_on_disk": (
        "while (stream.durable < stream.next && stream.event(stream.durable).place.lsn < end) {",
        "while (stream.durable < stream.next && (PLANTED || stream.event(stream.durable).place.lsn < end)) {",
    ),
    "stream_event_handed_over_before_it_is_on_disk": (
        "while (stream.handed < stream.durable) {",
        "while (stream.handed < (PLANTED ? stream.next : stream.durable)) {",
    ),
    "stream_event_released_before_it_is_stored": (
        "while (!stream->held.empty() && stream->held_first < end && stream->held_first < stream->handed) {",
        "while (!stream->held.empty() && (PLANTED || stream->held_first < end) && "
        "stream->held_first < stream->handed) {",
    ),
    "stream_begins_anew_at_restart": without("stream.first = std::max(stream.first, known.trimmed->first);"),
    "stream_keeps_one_too_many": (
        "stream.first = std::max(stream.first, Sequence{stream.durable.value - most});",
        "stream.first = std::max(stream.first, Sequence{stream.durable.value - most - (PLANTED ? 1 : 0)});",
    ),
    "stream_filter_ignored": (
        "if (stream->filter && !stream->filter->matches(*input)) continue;",
        "if (!PLANTED && stream->filter && !stream->filter->matches(*input)) continue;",
    ),
    "stream_reader_filter_ignored": (
        "if (!read.what.filter->matches(input_)) return true;",
        "if (!PLANTED && !read.what.filter->matches(input_)) return true;",
    ),
    "stream_too_old_given_out": (
        "if (at < stream.oldest_allowed(to_.run.now())) return true;",
        "if (!PLANTED && at < stream.oldest_allowed(to_.run.now())) return true;",
    ),
    "stream_last_of_key_doubled": (
        "stream.last.erase(old);\n  }\n  newest = sequence;",
        "if (!PLANTED) stream.last.erase(old);\n  }\n  newest = sequence;",
    ),
    "stream_read_skips_an_event": (
        "read.cursor = std::max(read.cursor, chunk.next);",
        "read.cursor = std::max(read.cursor, PLANTED ? chunk.next + 1 : chunk.next);",
    ),
    "consumer_position_not_noted": (
        "const auto durable = note(*consumer, sequences);",
        "const auto durable = PLANTED ? Durable{} : note(*consumer, sequences);",
    ),
    "consumer_acks_above_the_floor_forgotten": (
        "const Sequence sequence{load<std::uint64_t>(rest.data())};\n    consumer.finish(sequence, sequence + 1);",
        "const Sequence sequence{load<std::uint64_t>(rest.data())};\n"
        "    if (!PLANTED) consumer.finish(sequence, sequence + 1);",
    ),
    "consumer_copied_without_its_position": (
        "const auto body = pack(*consumer, stream->number);",
        "const auto body = PLANTED ? std::string(as_text(fact.body)) : pack(*consumer, stream->number);",
    ),
    "consumer_gives_out_what_is_done": (
        "{ return consumer.is_done(event.sequence); });",
        "{ return !PLANTED && consumer.is_done(event.sequence); });",
    ),
    "webhook_back_at_restart": (
        "if (fact.kind == FactKind::webhook_removed) { forget(as_text(fact.body));",
        "if (fact.kind == FactKind::webhook_removed) { if (!PLANTED) forget(as_text(fact.body));",
    ),
    "webhook_secrets_without_an_end": (
        "if (key.until == 0 || key.until > last) key.until = last;",
        "if (!PLANTED && (key.until == 0 || key.until > last)) key.until = last;",
    ),
    "wake_count_not_journaled": (
        "const auto place = to_.ledger.note(FactKind::wake_set, {as_bytes(body)}, Life::live);",
        "const auto place = PLANTED ? FactPlace{} : "
        "to_.ledger.note(FactKind::wake_set, {as_bytes(body)}, Life::live);",
    ),
    "wake_told_before_the_log_knows": (
        "noted, waiting::WakesTaken{",
        "PLANTED ? Durable{} : noted, waiting::WakesTaken{",
    ),
    "wake_given_to_two": (
        "void Wakes::judge(Wake& wake) {\n  if (wake.is_taken()) return;",
        "void Wakes::judge(Wake& wake) {\n  if (wake.is_taken() && !PLANTED) return;",
    ),
    "mail_not_watched_after_a_restart": (
        "to_.mail.watch(wake.mailbox, true);\n    // As long as it has waited",
        "if (!PLANTED) to_.mail.watch(wake.mailbox, true);\n    // As long as it has waited",
    ),
    "woken_in_quiet_hours": ("} else if (is_quiet(wake, at)) {", "} else if (!PLANTED && is_quiet(wake, at)) {"),
    "budget_ignored": (
        "const bool is_spent = wake.rule.budget != 0 &&",
        "const bool is_spent = !PLANTED && wake.rule.budget != 0 &&",
    ),
    "wake_that_failed_not_tried_again": (
        "set_next(wake, 0);\n  look(wake);",
        "set_next(wake, 0);\n  if (!PLANTED) look(wake);",
    ),
    "wake_kept_by_who_is_gone": ("if (session.wakes == 0) [[likely]]", "if (PLANTED || session.wakes == 0) [[likely]]"),
    "nobody_woken_when_a_consumer_goes": without(
        "if (mailbox.is_watched && mailbox.ready > 0) shelves_.mark_dirty(mailbox);"
    ),
    "held_mail_moved_in_pieces": in_pieces(
        "post_, to_.ledger, draft", "  const auto key = publishing_.commit(prepared"
    ),
    "held_mail_stays_when_moved": without("to_.ledger.note(FactKind::message_settled, {bytes_of(ref)});"),
    "held_mail_forgotten": (
        "if (is_routable(agent) && (!was_routable || changed)) offer(agent);",
        "if (!PLANTED && is_routable(agent) && (!was_routable || changed)) offer(agent);",
    ),
    "stale_agent_chosen": (
        "agent.quarantined_at == 0 && agent.health != AgentHealth::stale;",
        "agent.quarantined_at == 0 && (PLANTED || agent.health != AgentHealth::stale);",
    ),
    "quarantine_forgotten_at_restart": (
        "agent.quarantined_at = fact.quarantined_at;",
        "agent.quarantined_at = PLANTED && !started_ ? Instant{} : fact.quarantined_at;",
    ),
    "removed_agent_back_at_restart": (
        "if (agent == nullptr || agent->id != said.id) return {};",
        "if (PLANTED || agent == nullptr || agent->id != said.id) return {};",
    ),
    "agent_not_copied_forward": (
        "if (agent != nullptr && agent->place == fact.place) to_.ledger.copy(",
        "if (!PLANTED && agent != nullptr && agent->place == fact.place) to_.ledger.copy(",
    ),
    "who_watches_misses_the_gone": without(
        "tombstones_.push_back({.revision = next_revision(), .id = agent.id, .name = name});"
    ),
    "who_watches_goes_on_after_a_crash": without("horizon_ = next_revision();"),
    "found_by_what_it_can_do_no_more": without(
        "for (const auto capability : agent.capabilities) capabilities_.remove(capability, agent.name);"
    ),
    "grace_of_nobody": (
        "if (agent.gone_at != 0 && agent.gone_at + options_.agent_grace_ms > now)",
        "if (!PLANTED && agent.gone_at != 0 && agent.gone_at + options_.agent_grace_ms > now)",
    ),
    "one_of_them_is_enough": (
        "if (set == nullptr) return {};\n    sets.push_back(set);",
        "if (set == nullptr) return {};\n    if (!PLANTED || sets.size() == 1) sets.push_back(set);",
    ),
}
