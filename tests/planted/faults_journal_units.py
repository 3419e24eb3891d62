"""Faults in the journal that the simulation does not come to, and unit tests must find: as faults.py says."""

FAULTS = {
    "mark_across_a_step_missed": (
        "std::min(kStepBytes + kMarkBytes, header.segment_bytes - at)",
        "std::min(kStepBytes + (PLANTED ? std::size_t{0} : kMarkBytes), header.segment_bytes - at)",
    ),
}
