"""All faults, from the files that have them by subject."""

import faults
import faults_bounds
import faults_journal

MODULES = (faults, faults_bounds, faults_journal)
FAULTS = {name: fault for module in MODULES for name, fault in module.FAULTS.items()}
assert len(FAULTS) == sum(len(module.FAULTS) for module in MODULES), "two faults have one name"
