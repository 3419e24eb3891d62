"""What scripts/mutate runs, once the build folder is there. See its --help."""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import run
from run import ROOT, Equivalents, Runner, programs_of

ROOMS = ["engine", "journal", "filter", "message", "server"]
EXAMPLES = """examples:
  scripts/mutate --minutes 60                      an hour over all rooms, in another order each time
  scripts/mutate --room journal                    the journal, until it is through or Ctrl-C
  scripts/mutate --room engine --minutes 10 --seed 7   the same ones again
  scripts/mutate --room filter --list              what there is, without running anything
  scripts/mutate --mutant 3fa9c1d2                 one: which tests reach it, and what catches it

A survivor is a mistake that no test sees. Write the test that does, or name it in tests/mutation/equivalent.txt, with
the reason why it is none (docs/testing.md)."""


def options():
    parser = argparse.ArgumentParser(
        prog="scripts/mutate",
        description="Makes small mistakes in the code, one at a time, and runs the tests that reach each: is it seen?",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--room", action="append", choices=ROOMS, help="only this one (more than once: these)")
    parser.add_argument("--minutes", type=float, help="stop after so long (otherwise when all have run, or at Ctrl-C)")
    parser.add_argument("--seed", type=int, help="of the order in which they run (default: another each time)")
    parser.add_argument("--file", default="", help="only mutants of files whose path has this in it")
    parser.add_argument("--most", type=int, help="only so many")
    parser.add_argument("--crashes", type=int, default=300, help="of the simulation, for each (default 300)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at a time (default: one a processor)")
    parser.add_argument("--list", action="store_true", help="name the mutants and run none")
    parser.add_argument("--mutant", metavar="ID", help="run this one and say by what it is caught")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release", help=argparse.SUPPRESS)
    parser.add_argument("--built", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def build(asked, targets):
    if asked.built:
        return
    done = subprocess.run(["cmake", "--build", asked.build, "--parallel", str(asked.jobs), "--target", *targets])
    if done.returncode != 0:
        sys.exit("mutate: the mutants could not be built")


def one(asked, mutants, runner):
    mutant = mutants[0]
    print(run.shown(mutant))
    for program in runner.programs:
        if program.room == mutant["room"]:
            names = program.tests_of(mutant)
            print(f"{program.path.name}: reached by {len(names)} tests {' '.join(names[:8])}")
    verdict, by = runner.judge(mutant)
    print(f"{verdict}{': ' + by if by else ''}")
    print(f"by hand: FOLKMOOT_MUTANT={mutant['id']} {runner.programs[0].path}")
    return 0 if verdict != "survived" else 1


def main():
    sys.stdout.reconfigure(line_buffering=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    asked = options()
    rooms = asked.room or ROOMS
    folder = asked.build / "tests" / "mutation"
    build(asked, [f"mutants_of_{room}" for room in rooms])
    mutants = [mutant for room in rooms for mutant in run.mutants_of(room, folder) if asked.file in mutant["file"]]
    equivalents = Equivalents(run.EQUIVALENT.read_text())
    if asked.mutant:
        mutants = [mutant for mutant in mutants if mutant["id"] == asked.mutant]
        if not mutants:
            sys.exit(f"mutate: there is no mutant {asked.mutant} in {', '.join(rooms)}; --list names them")
        rooms = [mutants[0]["room"]]
    if asked.list:
        for mutant in mutants:
            print(run.shown(mutant))
        return 0
    build(asked, [f"mutated_{room}_programs" for room in rooms])
    seed = asked.seed if asked.seed is not None else int(time.time())
    programs = [program for room in rooms for program in programs_of(room, folder, asked.crashes)]
    for program in programs:
        program.record()
    until = time.monotonic() + 60 * asked.minutes if asked.minutes else None
    runner = Runner(programs, equivalents, until)
    if asked.mutant:
        return one(asked, mutants, runner)
    stale = equivalents.stale(mutants, {mutant["file"] for mutant in mutants})
    for id in stale:
        print(f"equivalent.txt: {id} ({equivalents.files[id]}) is no mutant any longer")
    totals = {room: sum(mutant["room"] == room for mutant in mutants) for room in rooms}
    print(f"mutate: {len(mutants)} mutants of {', '.join(rooms)}, seed {seed}")
    runner.run(run.in_random_order(mutants, seed)[: asked.most], asked.jobs)
    print(runner.table(totals))
    return 0


if __name__ == "__main__":
    sys.exit(main())
