"""Faults in the journal that the simulation does not come to, and unit tests must find: as faults.py says."""

FAULTS = {
    "mark_across_a_step_missed": (
        "codec.find_mark(view->subspan(i), header.begin() + at + i)",
        "codec.find_mark((PLANTED ? step : *view).subspan(i), header.begin() + at + i)",
    ),
}
