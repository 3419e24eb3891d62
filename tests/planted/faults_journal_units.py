"""Faults in the journal that the simulation does not come to, and unit tests must find: as faults.py says."""

FAULTS = {
    "mark_across_a_step_missed": (
        "codec.find_mark(view->subspan(i), header.begin() + at + i)",
        "codec.find_mark((PLANTED ? step : *view).subspan(i), header.begin() + at + i)",
    ),
    "nonce_is_the_same_in_every_run": ("store(nonce.data(), run);", "store(nonce.data(), PLANTED ? 1 : run);"),
    "kind_not_bound": ("front[12] = kind;", "front[12] = PLANTED ? 1 : kind;"),
    "foreign_segment_filled": ("fill_bytes_ = 0; return {};", "fill_bytes_ = PLANTED ? segment_bytes_ : 0; return {};"),
    "foreign_spares_kept": (
        "while (kept < segments_.size() && !is_foreign(segments_[kept])) ++kept;",
        "while (kept < segments_.size() && (PLANTED || !is_foreign(segments_[kept]))) ++kept;",
    ),
    "foreign_segments_stay": (
        "return compaction_.has_value() || is_foreign(oldest) ||",
        "return compaction_.has_value() || (!PLANTED && is_foreign(oldest)) ||",
    ),
}
