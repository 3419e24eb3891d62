"""Runs the simulation over every planted fault: each must be found. Shows by what.  run.py FOLDER CRASHES"""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from faults import FAULTS

FOUND = re.compile(r"FAILED at seed (\d+), step \d+, crash \d+: (.*)|(assertion failed: .*?) \(")


def find(name):
    folder, crashes = sys.argv[1:]
    done = subprocess.run([os.path.join(folder, f"planted_{name}"), "--crashes", crashes], capture_output=True, text=True, check=False)
    found = FOUND.search(done.stdout + done.stderr)
    return done.returncode != 0 and found and (found.group(2) or found.group(3))


def main():
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(FAULTS, pool.map(find, FAULTS)))
    for name, how in found.items():
        print(f"{name:<40}{how or 'NOT FOUND'}")
    missed = sum(not how for how in found.values())
    sys.exit(f"{missed} of {len(found)} planted faults were not found" if missed else 0)


main()
