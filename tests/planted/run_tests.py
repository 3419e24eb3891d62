"""Runs the unit tests of a module over every planted fault that they are to find. Shows by what. With no fault
switched on, all must pass.  run_tests.py ROOM PROGRAM"""

import re
import subprocess
import sys

from every_fault import UNIT_TESTED

FAILED = re.compile(r"^\[  FAILED  \] (\S+?)(?:,| \()", re.MULTILINE)


def run(program, *arguments):
    done = subprocess.run([program, *arguments, "--gtest_brief=1"], capture_output=True, text=True, check=False)
    failed = FAILED.search(done.stdout)
    return done.returncode, failed.group(1) if failed else f"status {done.returncode}"


def main():
    room, program = sys.argv[1:]
    status, by = run(program)
    if status != 0:
        sys.exit(f"with no fault switched on, {by} fails")
    missed = 0
    for name in UNIT_TESTED[room]:
        status, by = run(program, "--fault", name)
        found = status not in (0, 2)
        missed += not found
        print(f"{name:<50}{by if found else 'NOT FOUND'}")
    if missed:
        sys.exit(f"{missed} of {len(UNIT_TESTED[room])} planted faults were not found")


main()
