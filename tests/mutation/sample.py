"""Every mutant of the sample is caught, or is named as none.  sample.py FOLDER ROOM..."""

import os
import sys
from pathlib import Path

import run


def main():
    folder, rooms = Path(sys.argv[1]), sys.argv[2:]
    equivalents = run.Equivalents(run.EQUIVALENT.read_text())
    programs = [run.Program(folder.parent / f"sampled_{room}_test", room) for room in rooms]
    mutants = [mutant for room in rooms for mutant in run.mutants_of(room, folder)]
    for program in programs:
        program.record()
    runner = run.Runner(programs, equivalents)
    runner.run(run.in_random_order(mutants, seed=1), os.cpu_count())
    print(runner.table({room: sum(mutant["room"] == room for mutant in mutants) for room in rooms}))
    survivors = sum(len(score.survivors) for score in runner.scores.values())
    if survivors:
        sys.exit(
            f"{survivors} mistakes are seen by no test: write the test that does, or name them in "
            f"tests/mutation/equivalent.txt with the reason (docs/testing.md)"
        )
    ran = sum(score.counts["caught"] for score in runner.scores.values())
    if not ran:
        sys.exit("no mutant was run")


main()
