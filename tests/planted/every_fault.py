"""All faults by the room of src that has them, from the files that have them by subject, and by what finds them."""

import faults
import faults_bounds
import faults_filter
import faults_journal
import faults_journal_units
import faults_units
import server_faults

SIMULATED = faults.FAULTS | faults_bounds.FAULTS | faults_journal.FAULTS  # engine and journal: tests/simulation
SERVER = server_faults.SERVER_FAULTS  # tests/simulation/server
UNIT_TESTED = {  # the unit tests of the room
    "engine": faults_units.FAULTS,
    "filter": faults_filter.FAULTS,
    "journal": faults_journal_units.FAULTS,
}

ROOMS = {
    "engine": faults.FAULTS | faults_bounds.FAULTS | faults_units.FAULTS,
    "journal": faults_journal.FAULTS | faults_journal_units.FAULTS,
    "filter": faults_filter.FAULTS,
    "server": SERVER,
}
EVERY = (faults, faults_bounds, faults_filter, faults_journal, faults_journal_units, faults_units)
assert sum(map(len, ROOMS.values())) == sum(len(each.FAULTS) for each in EVERY) + len(SERVER), "two have one name"
