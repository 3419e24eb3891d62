// What the workload must have exercised by the end of a run, each counted where a checker sees it happen. A rule that
// never came up was not tested: the program fails then, too.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace folkmoot::simulation {

#define FOLKMOOT_SIMULATION_RULES(RULE) \
  RULE(confirmed_after_durable)         \
  RULE(first_delivery)                  \
  RULE(redelivery)                      \
  RULE(higher_priority_first)           \
  RULE(senders_take_turns)              \
  RULE(returned_to_its_place)           \
  RULE(returned_in_its_turn)            \
  RULE(delayed_delivery)                \
  RULE(due_at_start)                    \
  RULE(delayed_return)                  \
  RULE(expired_to_dead)                 \
  RULE(max_deliveries_to_dead)          \
  RULE(overflow_to_dead)                \
  RULE(overflow_rejected)               \
  RULE(dead_purged)                     \
  RULE(once_settled_first)              \
  RULE(once_never_again)                \
  RULE(ack_answered_never_again)        \
  RULE(late_settlement_refused)         \
  RULE(lease_deadline)                  \
  RULE(lease_extended)                  \
  RULE(lease_bound_again)               \
  RULE(connection_gives_back)           \
  RULE(credit_respected)                \
  RULE(held_while_unwritable)           \
  RULE(pull)                            \
  RULE(pull_waited)                     \
  RULE(wait_answered)                   \
  RULE(wait_timed_out)                  \
  RULE(event_delivered)                 \
  RULE(event_lagged)                    \
  RULE(no_echo)                         \
  RULE(request_answered)                \
  RULE(request_timed_out)               \
  RULE(request_now_refused)             \
  RULE(late_response_refused)           \
  RULE(answer_of_a_stranger_refused)    \
  RULE(guessed_address_refused)         \
  RULE(answered_by_agent)               \
  RULE(answered_when_handed_on)         \
  RULE(request_died)                    \
  RULE(stop_gives_back)                 \
  RULE(batch)                           \
  RULE(cancelled)                       \
  RULE(withdrawn)                       \
  RULE(message_cancelled)               \
  RULE(message_cancelled_by_id)         \
  RULE(message_settled_by_id)           \
  RULE(result_noted)                    \
  RULE(cancel_refused)                  \
  RULE(key_used)                        \
  RULE(key_used_again)                  \
  RULE(keys_all_kept)                   \
  RULE(duplicate_answered)              \
  RULE(copies_together)                 \
  RULE(resent_after_crash)              \
  RULE(completed)                       \
  RULE(complete_refused)                \
  RULE(atomic_batch)                    \
  RULE(atomic_refused)                  \
  RULE(group_kept)                      \
  RULE(group_lost)                      \
  RULE(retry_delay)                     \
  RULE(rejected_to_dead)                \
  RULE(attempts_told)                   \
  RULE(held_behind_its_group)           \
  RULE(next_of_its_group)               \
  RULE(content_referred)                \
  RULE(content_removed)                 \
  RULE(envelope_repeated)               \
  RULE(dead_purged_by_hand)             \
  RULE(dead_resubmitted)                \
  RULE(dead_too_old)                    \
  RULE(bounced)                         \
  RULE(bounce_without_room)             \
  RULE(chain_kept)                      \
  RULE(no_reply_wanted)                 \
  RULE(no_reply_after_settling)         \
  RULE(guard_hops)                      \
  RULE(guard_pair)                      \
  RULE(guard_conversation)              \
  RULE(schedule_set)                    \
  RULE(schedule_fired)                  \
  RULE(schedule_event)                  \
  RULE(schedule_failed)                 \
  RULE(schedule_ended)                  \
  RULE(schedule_kept)                   \
  RULE(status_streamed)                 \
  RULE(status_not_wanted)               \
  RULE(cost_summed)                     \
  RULE(cost_kept)                       \
  RULE(redriven)                        \
  RULE(redrive_paced)                   \
  RULE(route_set)                       \
  RULE(routed)                          \
  RULE(routed_once)                     \
  RULE(routed_anew)                     \
  RULE(no_route)                        \
  RULE(no_recipient)                    \
  RULE(route_kept)                      \
  RULE(access_set)                      \
  RULE(access_kept)                     \
  RULE(access_withdrawn_for_good)       \
  RULE(webhook_set)                     \
  RULE(webhook_kept)                    \
  RULE(event_filtered)                  \
  RULE(configured)                      \
  RULE(configured_in_part)              \
  RULE(mailbox_deleted)                 \
  RULE(read_noted)                      \
  RULE(read_kept)                       \
  RULE(receipt_asked)                   \
  RULE(copied_forward)                  \
  RULE(segment_removed)                 \
  RULE(crash_power)                     \
  RULE(crash_process)                   \
  RULE(crash_in_write)                  \
  RULE(crash_in_recovery)               \
  RULE(clean_stop)                      \
  RULE(clock_back)                      \
  RULE(sync_failed)                     \
  RULE(disk_full_refused)               \
  RULE(settled_while_full)              \
  RULE(unconfirmed_lost)                \
  RULE(unconfirmed_kept)                \
  RULE(ack_lost)                        \
  RULE(torn_tail_cut)                   \
  RULE(drained)                         \
  RULE(shovel_carried)                  \
  RULE(shovel_carried_again)            \
  RULE(shovel_refused)                  \
  RULE(shovel_ack_retried)              \
  RULE(shovel_drained)                  \
  RULE(shovel_credit_small)             \
  RULE(filter_changed)                  \
  RULE(subscription_set)                \
  RULE(subscription_kept)               \
  RULE(event_kept)                      \
  RULE(event_kept_as_well)              \
  RULE(event_kept_refused)              \
  RULE(event_not_kept)                  \
  RULE(event_heard_when_kept)           \
  RULE(events_drained)                  \
  RULE(stream_event_kept)               \
  RULE(stream_event_copied)             \
  RULE(stream_event_confirmed)          \
  RULE(stream_stored)                   \
  RULE(stream_read)                     \
  RULE(stream_read_waited)              \
  RULE(stream_bounded)                  \
  RULE(stream_purged)                   \
  RULE(stream_removed)                  \
  RULE(stream_survived)                 \
  RULE(stream_last_by_key)              \
  RULE(stream_copied)                   \
  RULE(stream_content_let_go)           \
  RULE(stray_event_kept)                \
  RULE(stray_event_of_completion)       \
  RULE(stray_events_drained)            \
  RULE(consumer_given)                  \
  RULE(consumer_given_again)            \
  RULE(consumer_drained)                \
  RULE(wake_set)                        \
  RULE(wake_taken)                      \
  RULE(wake_tried_again)                \
  RULE(wake_refused)                    \
  RULE(wake_lease_over)                 \
  RULE(wake_in_time)                    \
  RULE(wake_quiet)                      \
  RULE(wake_budget_spent)               \
  RULE(wake_kept)                       \
  RULE(agent_registered)                \
  RULE(agent_changed)                   \
  RULE(agent_removed)                   \
  RULE(agent_quarantined)               \
  RULE(agent_not_found)                 \
  RULE(agent_kept)                      \
  RULE(agent_copied)                    \
  RULE(discovered)                      \
  RULE(discovered_nobody)               \
  RULE(watched_to_the_end)              \
  RULE(watched_gone)                    \
  RULE(watch_reset)                     \
  RULE(capability_placed)               \
  RULE(capability_held)                 \
  RULE(capability_moved)                \
  RULE(capability_copy_known)           \
  RULE(registry_drained)                \
  RULE(drained_from_full)               \
  RULE(emptied)                         \
  RULE(attempts_forgotten)              \
  RULE(guard_full)                      \
  RULE(receipt_told)                    \
  RULE(receipt_forgotten)               \
  RULE(provenance_said)                 \
  RULE(provenance_dropped)              \
  RULE(memory_full)                     \
  RULE(chain_full)                      \
  RULE(credit_capped)                   \
  RULE(death_dated)                     \
  RULE(peeked)                          \
  RULE(held_event)                      \
  RULE(request_expired)                 \
  RULE(request_guarded)                 \
  RULE(request_costs)                   \
  RULE(journal_sealed)                  \
  RULE(log_sealed)                      \
  RULE(log_seal_changed)                \
  RULE(log_tail_cut)                    \
  RULE(log_unpromised_lost)             \
  RULE(log_power_unsynced)              \
  RULE(log_segments_removed)            \
  RULE(log_copied)                      \
  RULE(log_held)                        \
  RULE(log_refused_for_room)            \
  RULE(log_rot_refused)                 \
  RULE(log_room_again)                  \
  RULE(log_drained)

enum class Rule : std::size_t {
#define RULE(name) name,
  FOLKMOOT_SIMULATION_RULES(RULE)
#undef RULE
      count
};
constexpr std::size_t kRules = static_cast<std::size_t>(Rule::count);

constexpr std::string_view kRuleNames[] = {
#define RULE(name) #name,
    FOLKMOOT_SIMULATION_RULES(RULE)
#undef RULE
};

class RuleCounts {
 public:
  void saw(Rule rule, std::uint64_t times = 1) { counts_[static_cast<std::size_t>(rule)] += times; }
  std::uint64_t operator[](std::size_t rule) const { return counts_[rule]; }
  void add(const RuleCounts& other) {
    for (std::size_t i = 0; i < kRules; ++i) counts_[i] += other.counts_[i];
  }

 private:
  std::array<std::uint64_t, kRules> counts_{};
};

}  // namespace folkmoot::simulation
