"""Faults in the engine that the simulation does not come to, and unit tests must find: as faults.py says."""

from faults import without

FAULTS = {
    "first_causes_kept_instead_of_the_last": (
        "lineage.chain = as_text(chain.last(kept));",
        "lineage.chain = as_text(PLANTED ? chain.first(kept) : chain.last(kept));",
    ),
    "run_noted_only_by_chance_after_a_full_disk": without(
        "agenda_.add({.at = retry_at_, .id = 0, .place = 0, .kind = TimerKind::run});"
    ),
    "stuck_mailbox_not_tried_again": without("mailbox->is_stuck = false;\n    shelves_.mark_dirty(*mailbox);"),
}
