"""Runs mutants: of each, the tests that reach it, until one fails. What scripts/mutate and the sample are made of."""

import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EQUIVALENT = Path(__file__).resolve().parent / "equivalent.txt"
SEEN = 1 << 20  # mutant.cpp: by how much of its number a mutant is known as reached
SLOW = 8  # a test that takes so many times the processor's time as ever, and SLOW_SECONDS, hangs
SLOW_SECONDS = 2
WAITS = 3  # or so many times that by the clock: others use the processor as well
WAIT_SECONDS = 20
MEMORY_BYTES_MAX = 6 << 30
FILE_BYTES_MAX = 1 << 30
PROGRESS_SECONDS = 30
VERDICTS = ("caught", "survived", "equivalent")
TESTS_MAX = 300  # in one command line,
TESTS_SECONDS = 0.3  # which take so long together, if there are several: who hangs is found soon
SEED = 15  # it and the seven after it have a run of each kind among them (tests/simulation/program.cpp)
SERVER_RUNS = 24  # of the whole server, with one, two and three shards
LONGER = 10  # so much more, of other seeds, for what has survived: still less than what scripts/test runs
FOUND = re.compile(r"FAILED at seed \d+.*|assertion failed: .*")
FAILED = re.compile(r"^\[  FAILED  \] (\S+?)(?:,| \()", re.MULTILINE)


class Equivalents:
    """equivalent.txt: mutants that are no mistakes, each with the reason."""

    ENTRY = re.compile(r"^([0-9a-f]{8}) (\S+)")
    RULE = re.compile(r"^any (\S+) (\S+) /(.*)/$")

    def __init__(self, text):
        self.reasons = {}
        self.files = {}
        self.rules = []
        said = None
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            entry, rule = self.ENTRY.match(line), self.RULE.match(line)
            if line.startswith("    "):
                if said is None:
                    sys.exit(f"{EQUIVALENT.name}:{number}: a reason without its mutant")
                said.append(line.strip())
            elif entry:
                said = self.reasons.setdefault(entry.group(1), [])
                self.files[entry.group(1)] = entry.group(2)
            elif rule:
                said = []
                self.rules.append((rule.group(1), rule.group(2), re.compile(rule.group(3)), said))
            else:
                sys.exit(f"{EQUIVALENT.name}:{number}: neither a mutant, nor a rule, nor a reason: {line}")
        for what, reason in [*self.reasons.items(), *((rule[2].pattern, rule[3]) for rule in self.rules)]:
            if not reason:
                sys.exit(f"{EQUIVALENT.name}: {what} has no reason")

    def reason(self, mutant):
        if mutant["id"] in self.reasons:
            return " ".join(self.reasons[mutant["id"]])
        for operator, file, pattern, reason in self.rules:
            if operator in ("*", mutant["operator"]) and mutant["file"].startswith(file.rstrip("*")):
                if pattern.search(mutant["statement"]):
                    return " ".join(reason)
        return None

    def stale(self, mutants, files):
        """Entries of these files whose mutants are no longer there."""
        here = {mutant["id"] for mutant in mutants}
        return [id for id, file in self.files.items() if file in files and id not in here]


def bounded(seconds):
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))


running = set()  # the programs that are


def end(child):
    """With what it has started."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Program:
    """A test program with mutants in it."""

    def __init__(self, path, room, arguments=()):
        self.path = Path(path).absolute()
        self.room = room
        self.arguments = list(arguments)
        self.is_gtest = "simulat" not in self.path.name
        self.tests = {}  # name -> (seconds, what is reached)
        self.reaching = {}  # what is reached -> names

    def run(self, seconds, environment, arguments):
        """(status, or None if it did not come to an end; what it said)"""
        with tempfile.TemporaryDirectory(prefix="folkmoot-mutant-") as folder:
            child = subprocess.Popen(
                [self.path, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=os.environ | {"TMPDIR": folder} | environment,
                preexec_fn=lambda: bounded(seconds),
            )
            running.add(child)
            try:
                said, _ = child.communicate(timeout=WAITS * seconds + WAIT_SECONDS)
                status = None if child.returncode in (-signal.SIGXCPU, -signal.SIGKILL) else child.returncode
                return status, said.decode(errors="replace")
            except subprocess.TimeoutExpired:
                return None, ""
            finally:
                end(child)
                child.communicate()
                running.discard(child)

    def record(self):
        """What each test reaches. With no mutant on, all must pass."""
        with tempfile.NamedTemporaryFile(suffix=".reached") as file:
            began = time.monotonic()
            status, said = self.run(900, {"FOLKMOOT_MUTANT_REACHED": file.name}, self.arguments)
            took = time.monotonic() - began
            if status != 0 and (self.is_gtest or FOUND.search(said) or status is None):
                sys.exit(f"{self.path.name}: fails with no mutant switched on:\n{said[-2000:]}")
            for line in Path(file.name).read_text().splitlines():
                name, seconds, reached = line.split("\t")
                self.tests[name] = (float(seconds) if self.is_gtest else took, {int(at, 16) for at in reached.split()})
        for name, (_, reached) in self.tests.items():
            for at in reached:
                self.reaching.setdefault(at, []).append(name)
        for names in self.reaching.values():
            names.sort(key=lambda name: self.tests[name][0])

    def tests_of(self, mutant):
        return self.reaching.get(mutant["number"] % SEEN, [])

    def batches(self, names):
        """A few tests at a time, the quickest first."""
        some, seconds = [], 0
        for name in names:
            if some and (len(some) == TESTS_MAX or seconds + self.tests[name][0] > TESTS_SECONDS):
                yield some
                some, seconds = [], 0
            some.append(name)
            seconds += self.tests[name][0]
        if some:
            yield some

    def catches(self, mutant):
        """By what, or nothing."""
        for some in self.batches(self.tests_of(mutant)):
            box = SLOW_SECONDS + SLOW * sum(self.tests[name][0] for name in some)
            arguments = self.arguments
            if self.is_gtest:
                arguments = ["--gtest_filter=" + ":".join(some), "--gtest_fail_fast", "--gtest_brief=1"]
            status, said = self.run(box, {"FOLKMOOT_MUTANT": mutant["id"]}, arguments)
            if status is None:
                return f"{self.path.name}: more than {box:.0f} s"
            found = FOUND.search(said)
            if self.is_gtest and status != 0 or status < 0 or found:
                test = FAILED.search(said)
                return f"{self.path.name}: {test.group(1) if test else found.group(0) if found else f'status {status}'}"
        return None


def programs_of(room, folder, crashes):
    """The module's own tests first, then the simulation, and more of it."""
    tests = sorted(folder.glob(f"mutated_{room}_*_test"))
    found = [Program(path, room) for path in [folder / f"mutated_{room}_test", *tests]]
    simulation = folder / f"mutated_{room}_simulation"
    if simulation.is_file():
        unit, much = ("--runs", SERVER_RUNS) if room == "server" else ("--crashes", crashes)
        for first, times in (SEED, 1), (1000 * SEED, LONGER):
            found.append(Program(simulation, room, ["--first", str(first), unit, str(times * much)]))
    return found


class Score:
    """What has become of the mutants of a room."""

    def __init__(self):
        self.counts = Counter()
        self.survivors = []

    @property
    def percent(self):
        told = self.counts["caught"] + self.counts["survived"]
        return 100 * self.counts["caught"] / told if told else 100.0


def shown(mutant):
    became = f"became `{mutant['new']}`" if mutant["new"] else "was left out"
    return (
        f"src/{mutant['file']}:{mutant['line']}: {mutant['id']} {mutant['operator']}, in {mutant['function']}: "
        f"`{mutant['old']}` {became}"
    )


class Runner:
    def __init__(self, programs, equivalents, until=None):
        self.programs = programs
        self.equivalents = equivalents
        self.until = until
        self.scores = {}
        self.lock = threading.Lock()
        self.stopped = False
        self.told_at = time.monotonic()

    def judge(self, mutant):
        if self.stopped or (self.until is not None and time.monotonic() > self.until):
            return
        programs = [program for program in self.programs if program.room == mutant["room"]]
        reached = sum(len(program.tests_of(mutant)) for program in programs)
        reason = self.equivalents.reason(mutant)
        if reason is not None:
            by, verdict = reason, "equivalent"
        else:
            by = next((by for program in programs if (by := program.catches(mutant))), None)
            verdict = "caught" if by else "survived"
        with self.lock:
            if self.stopped:
                return
            score = self.scores.setdefault(mutant["room"], Score())
            score.counts[verdict] += 1
            score.counts[mutant["operator"], verdict] += 1
            if verdict == "survived":
                score.survivors.append(mutant)
                seen = f"{reached} tests reach it" if reached else "no test reaches it"
                print(f"survived: {shown(mutant)} ({seen})", flush=True)
            if time.monotonic() - self.told_at > PROGRESS_SECONDS:
                self.told_at = time.monotonic()
                counts = [score.counts for score in self.scores.values()]
                print(f"so far: {sum(each[what] for each in counts for what in VERDICTS)} ran", flush=True)
        return verdict, by

    def run(self, mutants, jobs):
        with ThreadPoolExecutor(jobs) as pool:
            try:
                for _ in pool.map(self.judge, mutants):
                    pass
            except KeyboardInterrupt:
                self.stopped = True
                for child in list(running):
                    end(child)

    def table(self, totals):
        lines = [f"{'room':<10}{'mutants':>9}{'ran':>7}{'caught':>8}{'survived':>10}{'equivalent':>12}{'score':>8}"]
        for room, total in totals.items():
            score = self.scores.get(room, Score())
            counts = score.counts
            ran = sum(counts[verdict] for verdict in VERDICTS)
            lines.append(
                f"{room:<10}{total:>9}{ran:>7}{counts['caught']:>8}{counts['survived']:>10}"
                f"{counts['equivalent']:>12}{score.percent:>7.1f}%"
            )
        return "\n".join(lines)


def mutants_of(room, folder):
    rows = json.loads((folder / room / "mutants.json").read_text())
    return [row | {"room": room} for row in rows]


def in_random_order(mutants, seed):
    ordered = sorted(mutants, key=lambda mutant: (mutant["room"], mutant["number"]))
    random.Random(seed).shuffle(ordered)
    return ordered
