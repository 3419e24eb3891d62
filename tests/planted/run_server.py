"""Runs the simulation of the server over every planted fault of src/server: each must be found. Shows by what. With no
fault switched on, the program must do what the simulation of the server as it is does.
run_server.py PLANTED SIMULATE_SERVER"""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from every_fault import SERVER as SERVER_FAULTS

FOUND = re.compile(r"FAILED at seed (\d+), step \d+: (.*)|(FAILED at seed \d+: an assertion)")
# The last of them; without the seconds that it took.
TOTALS = re.compile(r".*^(\d+ runs: .*): \d+\.\d s", re.MULTILINE | re.DOTALL)
RUNS = "500"
RUNS_UNHARMED = "6"


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def find(name):
    done = run(sys.argv[1], "--fault", name, "--runs", RUNS)
    found = FOUND.search(done.stdout)
    if done.returncode == 0 or not found:
        return None
    return found.group(3) or f"seed {found.group(1)}: {found.group(2)}"


def what_it_does(*program):
    done = run(*program, "--runs", RUNS_UNHARMED)
    return done.returncode, TOTALS.search(done.stdout).groups()


def main():
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(SERVER_FAULTS, pool.map(find, SERVER_FAULTS)))
    for name, how in found.items():
        print(f"{name:<46}{how or 'NOT FOUND'}")
    missed = sum(not how for how in found.values())
    if missed:
        sys.exit(f"{missed} of {len(found)} planted faults were not found")
    planted, simulation = what_it_does(sys.argv[1], "--server"), what_it_does(sys.argv[2])
    if planted != simulation:
        sys.exit(f"with no fault switched on, it is not the server as it is: {planted}, but {simulation}")


main()
