"""Faults that show when a bound is reached, when all should have gone, or in a field that is rarely looked at: as
faults.py says."""

from faults import without

FAULTS = {
    # -- bounds
    "attempt_beyond_the_bound_not_released": without("ledger_.release(noted.front().place);"),
    "timer_heap_in_disorder_without_stale_ones": without("std::make_heap(heap_.begin(), heap_.end());"),
    "full_guard_counts_nobody": (
        "counts_.size() >= entries_max_ && !counts_.contains(key)",
        "counts_.size() >= entries_max_ && (PLANTED || !counts_.contains(key))",
    ),
    "one_receipt_too_few": (
        "if (kept_.size() >= max_) drop_oldest();",
        "if (kept_.size() + (PLANTED ? 1 : 0) >= max_ && kept_.size() > 0) drop_oldest();",
    ),
    "credit_begins_anew_beyond_the_largest_number": (
        "consumer.credit = std::min<std::uint64_t>(std::uint64_t{consumer.credit} + amount, kCreditMax);",
        "consumer.credit = std::min<std::uint64_t>(\n"
        "PLANTED ? consumer.credit + amount : std::uint64_t{consumer.credit} + amount, kCreditMax);",
    ),
    "subscription_credit_begins_anew": (
        "subscription.credit = std::min<std::uint64_t>(std::uint64_t{subscription.credit} + amount, ~0u);",
        "subscription.credit = std::min<std::uint64_t>(\n"
        "PLANTED ? subscription.credit + amount : std::uint64_t{subscription.credit} + amount, ~0u);",
    ),
    # -- what must happen
    "dead_letter_timer_never_armed_again": (
        "if (letter->second.at + options_.dead_ttl_ms <= to_.run.now()) purge(mailbox, letter);\n  }\n"
        "  watch(mailbox, box);",
        "if (letter->second.at + options_.dead_ttl_ms <= to_.run.now()) purge(mailbox, letter);\n  }\n"
        "  if (!PLANTED) watch(mailbox, box);",
    ),
    "strays_credit_not_given_back": without("if (move.lease == 0) commands_.credit(move.consumer, 1);"),
    "contents_looked_at_once": without("watch(kept.empty() ? Duration{1} : kRetryMs);"),
    "idle_content_forgotten_for_want_of_room": (
        "if (!noted) return wake_at(run_.now() + kRetryMs);",
        "if (!noted && PLANTED) return;\n  if (!noted) return wake_at(run_.now() + kRetryMs);",
    ),
    "credit_of_an_ended_lease_lost": (
        "if (consumer.credit++ == 0) {",
        "if (!PLANTED && consumer.credit++ == 0) {",
    ),
    # -- what must go
    "once_bytes_kept_in_memory": (
        "to_.transient.drop(item.stored);\n  shelves_.receipts.add(",
        "if (!PLANTED) to_.transient.drop(item.stored);\n  shelves_.receipts.add(",
    ),
    "bytes_in_memory_never_fewer": without("bytes_ -= slots_[slot].bytes.size();"),
    "expiry_of_a_settled_message_kept": without(
        "if (entry.has(Entry::kExpires)) expiries_.erase(entry.key);\n"
        "  if (entry.has(Entry::kRefers)) to_.references.drop(entry.key);"
    ),
    "attempts_of_a_settled_message_kept": (
        "to_.attempts.forget(entry.key);\n  leave_group(mailbox, entry);",
        "if (!PLANTED) to_.attempts.forget(entry.key);\n  leave_group(mailbox, entry);",
    ),
    "attempts_of_a_dead_letter_kept": without("to_.attempts.forget(at->first);"),
    "words_of_a_dead_letter_kept": (
        "to_.ledger.release(letter.place);\n  box.letters.erase(at);",
        "if (!PLANTED) to_.ledger.release(letter.place);\n  box.letters.erase(at);",
    ),
    "answer_to_a_batch_kept": without("batches_.erase(item.batch);"),
    "refused_leases_kept": without("refused_.erase(item.refused);"),
    "answered_request_is_waited_for": without("waited_for_.erase(requests_[slot].message);"),
    "sums_of_a_conversation_kept": without("ledger_.release(conversation.place);"),
    "every_run_kept": (
        "ledger_.release(place_);\n  place_ = place;\n  keys_end_",
        "if (!PLANTED) ledger_.release(place_);\n  place_ = place;\n  keys_end_",
    ),
    "forgotten_keys_kept": without("to_.ledger.release({oldest.place, sizeof(KeyUsedFact)});"),
    "every_read_kept": without("to_.ledger.release({mailbox.read_lsn, sizeof fact});"),
    "settings_of_a_deleted_mailbox_kept": (
        "if (mailbox.own_limits) to_.ledger.release(mailbox.own_limits->place);\n  mailbox.own_limits.reset();",
        "if (mailbox.own_limits && !PLANTED) to_.ledger.release(mailbox.own_limits->place);\n"
        "  mailbox.own_limits.reset();",
    ),
    "oldest_step_of_the_trail_kept": without("ledger_.release(oldest.place);"),
    "waiter_that_was_served_kept": (
        "shelves_.mailboxes[waiters_[slot].mailbox].waiters.remove(waiters_, slot);\n  waiters_.erase(slot);",
        "shelves_.mailboxes[waiters_[slot].mailbox].waiters.remove(waiters_, slot);\n"
        "  if (!PLANTED) waiters_.erase(slot);",
    ),
    "consumer_that_has_gone_counted": without("--mailbox.consumers;"),
    "removed_route_kept": (
        "ledger_.release(known->place);\n  routes_.erase(known);",
        "if (!PLANTED) ledger_.release(known->place);\n  routes_.erase(known);",
    ),
    # -- fields
    "route_forgets_at_restart_that_it_wants_consumers": (
        "command.consumers_only = reader.boolean();",
        "command.consumers_only = reader.boolean() && !PLANTED;",
    ),
    "copied_dead_letter_dated_by_its_publishing": (
        "letter->place = fact.place;\n    letter->at = said.at;",
        "letter->place = fact.place;\n    if (!PLANTED) letter->at = said.at;",
    ),
    "death_dated_by_the_restart": (
        "die(shelves_.mailboxes[ref.mailbox], *message, said.reason, said.at, fact.place);",
        "die(shelves_.mailboxes[ref.mailbox], *message, said.reason, PLANTED ? to_.run.now() : said.at, fact.place);",
    ),
    "request_outlives_its_life": (
        ".expires_at = own_end != 0 ? std::min(own_end, now + wait) : now + wait,",
        ".expires_at = own_end != 0 && !PLANTED ? std::min(own_end, now + wait) : now + wait,",
    ),
    "request_in_memory_not_counted": (
        "count_for_guards(sender, mailbox, routing);\n  if (verdict.empty()) return {};",
        "if (!PLANTED) count_for_guards(sender, mailbox, routing);\n  if (verdict.empty()) return {};",
    ),
    "request_in_memory_costs_nothing": (
        "if (!message.forwarded && Causality::has_costs(message)) to_.causality.sum_costs(message);\n"
        "  const auto stored",
        "if (!PLANTED && !message.forwarded && Causality::has_costs(message)) to_.causality.sum_costs(message);\n"
        "  const auto stored",
    ),
    "request_in_memory_without_its_causes": (
        "to_.stamper.stamp(*prepared->message, id, to_.names[*sender], address, Stamper::key_of(routing), lineage);",
        "to_.stamper.stamp(*prepared->message, id, to_.names[*sender], address, Stamper::key_of(routing),\n"
        "PLANTED ? nullptr : lineage);",
    ),
}
