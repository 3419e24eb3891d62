"""Defects that the simulation of the server must find: each takes one promise out of src/server. As in faults.py."""

SERVER_FAULTS = {
    "unsent_answers_never_fall": (
        "connection.answer_bytes = std::min(connection.answer_bytes, connection.unsent());",
        "if (!PLANTED) connection.answer_bytes = std::min(connection.answer_bytes, connection.unsent());",
    ),
    "only_hello_is_handed_over": (
        "give_to(shards_->reactors[home.value]->postbox(), connection, bytes);",
        "give_to(shards_->reactors[home.value]->postbox(), connection,\n"
        "        PLANTED ? bytes.first(kFrameHeaderBytes + frame.body.size()) : bytes);",
    ),
    "renumbered_against_the_first_neighbour_only": (
        "if (request != request_) renumber(request);",
        "if (request != (PLANTED ? RequestNumber{targets_.front().request} : request_)) renumber(request);",
    ),
    "credit_goes_to_no_other_shard": (
        "if (shard != own_ && is_known(connection, shard)) send(connection, shard, frame.header, frame.body);",
        "if (shard != own_ && is_known(connection, shard) && !PLANTED)\n"
        "      send(connection, shard, frame.header, frame.body);",
    ),
    "mail_is_held_for_ever": (
        "if (std::exchange(connection.engine_held, false)) engine_.session_writable(connection.id);",
        "if (std::exchange(connection.engine_held, false) && !PLANTED) engine_.session_writable(connection.id);",
    ),
    "publishers_wait_for_who_has_gone": (
        "if (outbox_.no_more_congested(connection) && router_) shard_links_go_on_ = true;\n"
        "  if (!outbox_.has_congested()) resume_readers();\n}",
        "if (outbox_.no_more_congested(connection) && router_) shard_links_go_on_ = true;\n"
        "  if (!outbox_.has_congested() && !PLANTED) resume_readers();\n}",
    ),
    "a_session_in_another_shard_stays": ("remote.link->close();", "if (!PLANTED) remote.link->close();"),
    "patterns_of_who_has_gone_stay": (
        "for (const auto& [request, subscription] : remote_sessions->subscriptions) "
        "shard_links_.unwant(subscription.pattern);",
        "for (const auto& [request, subscription] : remote_sessions->subscriptions)\n"
        "    if (!PLANTED) shard_links_.unwant(subscription.pattern);",
    ),
    "last_words_are_lost": (
        "end_session(connection);\n  deadlines_.set(connection, now_ + kEndingMs);",
        "if (PLANTED) outbox_.clear(connection);\n"
        "  end_session(connection);\n  deadlines_.set(connection, now_ + kEndingMs);",
    ),
    "who_posts_wakes_nobody": (
        "wakes = std::exchange(sleeps_, false);",
        "wakes = std::exchange(sleeps_, false) && !PLANTED;",
    ),
    "a_newcomer_is_one_for_ever": (
        "connection.deadline = 0;\n  newcomers_.leave(connection.id);",
        "connection.deadline = 0;\n  if (!PLANTED) newcomers_.leave(connection.id);",
    ),
    "a_frame_that_waits_does_not_come_again": (
        "if (std::exchange(connection.takes_again, false)) bytes = before;",
        "if (std::exchange(connection.takes_again, false) && !PLANTED) bytes = before;",
    ),
    "subscribed_before_other_shards_know": (
        "if (wanted.waiting == 0) return Interest::ready;",
        "if (wanted.waiting == 0 || PLANTED) return Interest::ready;",
    ),
    "room_of_a_frame_is_not_given_back": (
        "room_.give_back(owner_, connection.id, in.asked);",
        "if (!PLANTED) room_.give_back(owner_, connection.id, in.asked);",
    ),
    "a_write_in_part_is_taken_for_whole": (
        "if (done == bytes) return;",
        "if (PLANTED ? done > 0 : done == bytes) return;",
    ),
    "cancel_goes_to_no_other_shard": (
        "if (parts == 1) return Routed::here;",
        "if (parts == 1 || PLANTED) return Routed::here;",
    ),
    "what_shards_answered_waits_for_ever": (
        "connection.remote_sessions->is_behind = false;\n  take_all(connection);",
        "connection.remote_sessions->is_behind = false;\n  if (!PLANTED) take_all(connection);",
    ),
    "congested_for_ever": (
        "connection.deadline = 0;\n  --congested_;",
        "connection.deadline = 0;\n  if (!PLANTED) --congested_;",
    ),
    "events_of_other_shards_wait_for_ever": (
        "if (!std::exchange(is_stalled_, false)) return;",
        "if (!std::exchange(is_stalled_, false) || PLANTED) return;",
    ),
    "quiet_refusals_of_other_shards_are_silent": (
        "bool is_silent() const override { return quiet_ && all_done_; }",
        "bool is_silent() const override { return quiet_ && (all_done_ || PLANTED); }",
    ),
    "results_in_the_order_of_shards": (
        "all_done_ = all_done_ && done;\n      pieces()[place] = as_text(body.first(bytes));",
        "all_done_ = all_done_ && done;\n"
        "      pieces()[PLANTED ? pieces().size() - 1 - place : place] = as_text(body.first(bytes));",
    ),
    "confirmed_when_written": (
        "engine_.on_durable(*end);\n  if (!outbox_.has_congested()",
        "engine_.on_durable(PLANTED ? journal_.appended_end() : *end);\n  if (!outbox_.has_congested()",
    ),
    "the_server_stops_without_a_word": (
        'say_goodbye(connection, {ErrorCode::shutting_down, "the server is stopping"});',
        'if (!PLANTED) say_goodbye(connection, {ErrorCode::shutting_down, "the server is stopping"});',
    ),
    "a_vanished_host_is_not_noticed": (
        "if (!was_owed || *silent_ms < options_.host_timeout_ms) return outbox_.watch_later(connection);",
        "if (!was_owed || *silent_ms < options_.host_timeout_ms || PLANTED) return outbox_.watch_later(connection);",
    ),
    "a_silent_newcomer_stays": (
        "case Connection::State::fresh:\n    case Connection::State::ending:\n      close_connection(connection);",
        "case Connection::State::fresh:\n    case Connection::State::ending:\n"
        "      if (!PLANTED) close_connection(connection);",
    ),
}
