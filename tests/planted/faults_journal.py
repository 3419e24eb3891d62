"""Faults in the journal: as faults.py says."""

from faults import without

FAULTS = {
    "removal_before_the_sync": (
        "options_.sync == SyncPolicy::always || !remove.empty() ||",
        "options_.sync == SyncPolicy::always || (!PLANTED && !remove.empty()) ||",
    ),
    "segment_begun_before_the_last_is_synced": without(
        "if (auto done = sync_file(*file, job_.pieces[next].lsn); !done) return done;"
    ),
    "torn_tail_left_as_it_is": without(
        "if (auto done = write_zeros(last, recovery.end_offset, "
        "std::max(recovery.end_offset, recovery.tail.dirty_end)); !done) return done;"
    ),
    "tail_not_written_again_after_a_failed_sync": without(
        "if (auto done = write_again(*segment.file, from, segment.used_bytes); !done) return done;"
    ),
    "damage_taken_for_a_torn_tail": (
        "if (std::max(tail->synced, recovery.synced) > header_of(segment).begin() + offset)",
        "if (!PLANTED && std::max(tail->synced, recovery.synced) > header_of(segment).begin() + offset)",
    ),
    "oldest_segment_not_missed": (
        "if (segments_.front().number > recovery.oldest) {",
        "if (!PLANTED && segments_.front().number > recovery.oldest) {",
    ),
    "length_of_a_file_not_looked_at": (
        "if (*size != header->segment_bytes) {",
        "if (!PLANTED && *size != header->segment_bytes) {",
    ),
    "half_a_group_recovered": (
        "if (record.linked) {\n    group.add(record);",
        "if (record.linked && !PLANTED) {\n    group.add(record);",
    ),
    "log_goes_on_behind_half_a_group": (
        "const auto offset = scanner.whole_offset();\n  const auto damaged",
        "const auto offset = PLANTED ? scanner.offset() : scanner.whole_offset();\n  const auto damaged",
    ),
    "held_segment_removed": (
        "oldest.live_bytes == 0 && !is_held(oldest) &&",
        "oldest.live_bytes == 0 && (PLANTED || !is_held(oldest)) &&",
    ),
    "removed_without_a_word": (
        "if (!batch_open_) put_mark(MarkKind::batch);\n  while (removable()) {",
        "if (!batch_open_ && !PLANTED) put_mark(MarkKind::batch);\n  while (removable()) {",
    ),
    "removed_names_not_synced_one_by_one": (
        "if (auto done = disk_.sync_folder(); !done) return done;\n    maker_.set_oldest(segment.number + 1);",
        "if (!PLANTED) { if (auto done = disk_.sync_folder(); !done) return done; }\n"
        "    maker_.set_oldest(segment.number + 1);",
    ),
    "full_disk_never_tried_again": (
        "return full_ && now_ms_ - refused_ms_ >= kRetryMs;",
        "return full_ && !PLANTED && now_ms_ - refused_ms_ >= kRetryMs;",
    ),
    "rest_of_a_batch_forgotten_when_the_disk_is_full": (
        "if (job_.pieces_done < job_.pieces.size()) return !maker_.full() || maker_.retry_due();",
        "if (!PLANTED && job_.pieces_done < job_.pieces.size()) return !maker_.full() || maker_.retry_due();",
    ),
    "durable_when_appended": (
        "durable_end_ = options_.sync == SyncPolicy::always ? synced_end_ : written_end_;",
        "durable_end_ = PLANTED ? end_ : options_.sync == SyncPolicy::always ? Lsn{synced_end_} : Lsn{written_end_};",
    ),
    "reserve_given_away": (
        "(urgency == Urgency::durable ? reserve_bytes() : 0)",
        "(urgency == Urgency::durable && !PLANTED ? reserve_bytes() : 0)",
    ),
    "more_read_than_is_written": (
        "size = std::max(bytes, std::min<std::size_t>(size, limit - lsn));",
        "if (!PLANTED) size = std::max(bytes, std::min<std::size_t>(size, limit - lsn));",
    ),
    "released_bytes_of_a_segment_kept": without("segment.live_bytes -= bytes;"),
    "clean_mark_left_in_memory": (
        "put_mark(MarkKind::clean_stop);\n  if (auto done = flush(); !done) return done;",
        "put_mark(MarkKind::clean_stop);\n  if (PLANTED) return {};\n  if (auto done = flush(); !done) return done;",
    ),
    "fact_passed_over_by_compaction": without("compaction_->jump(at);"),
    "segment_not_closed": (
        "put_mark(MarkKind::segment_end);\n  segments_.push_back(",
        "if (!PLANTED) put_mark(MarkKind::segment_end);\n  segments_.push_back(",
    ),
    "group_over_two_segments": (
        "const auto need = std::max(bytes, group_.left);",
        "const auto need = PLANTED ? bytes : std::max(bytes, group_.left);",
    ),
    "failed_sync_forgiven": without("failed_ = job_.error;"),
    "mark_says_more_than_was_synced": (
        "Mark mark{synced_end_, segments_.front().number};",
        "Mark mark{PLANTED ? end_ : Lsn{synced_end_}, segments_.front().number};",
    ),
    "mark_says_a_younger_one_is_the_oldest": (
        "if (open.first_of_segment) mark.synced = open.lsn;",
        "if (open.first_of_segment) mark.synced = open.lsn;\n    if (PLANTED) mark.oldest = segments_.back().number;",
    ),
    "bound_of_all_segments_one_too_many": (
        "(number - oldest_ + 1) * shape_.segment_bytes > bytes_max)",
        "(number - oldest_ + (PLANTED ? 0 : 1)) * shape_.segment_bytes > bytes_max)",
    ),
}
