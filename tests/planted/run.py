"""Runs the simulation over every planted fault of engine and journal: each must be found. Shows by what. With no fault
switched on, the program must do what the simulation of both as they are does.  run.py PLANTED SIMULATION CRASHES"""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from every_fault import SIMULATED as FAULTS

FOUND = re.compile(r"FAILED at seed (\d+), step \d+, crash \d+: (.*)|(assertion failed: .*?) \(")
# The last of them, with what follows it; without the seconds that it took.
TOTALS = re.compile(r".*^(\d+ runs, .*): \d+\.\d s(.*)", re.MULTILINE | re.DOTALL)
CRASHES_UNHARMED = "2000"


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def find(name):
    done = run(sys.argv[1], "--fault", name, "--crashes", sys.argv[3])
    found = FOUND.search(done.stdout + done.stderr)
    return done.returncode != 0 and found and (found.group(2) or found.group(3))


def what_it_does(program):
    done = run(program, "--crashes", CRASHES_UNHARMED)
    return done.returncode, TOTALS.search(done.stdout).groups(), done.stderr


def main():
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(FAULTS, pool.map(find, FAULTS)))
        planted, simulation = pool.map(what_it_does, sys.argv[1:3])
    for name, how in found.items():
        print(f"{name:<40}{how or 'NOT FOUND'}")
    missed = sum(not how for how in found.values())
    if missed:
        sys.exit(f"{missed} of {len(found)} planted faults were not found")
    if planted != simulation:
        sys.exit(f"with no fault switched on, it is not engine and journal as they are: {planted}, but {simulation}")


main()
