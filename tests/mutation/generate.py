"""Copies src/ROOM with every mutant of it, each behind a switch.  generate.py [OPTION...] ROOM OUT

OUT/ROOM/ gets the copy, OUT/mutants.json what is in it. A mutant that does not compile is left out: clang says so, and
is asked again until it says nothing. A file that would stay as it is is not written.
  --only FILE,...   only these files (src/ROOM/FILE), and only they are copied
  --most N          not more than N mutants, always the same
  --together N      OUT/ROOM_0.cpp and so on include N files of the copy each, to be compiled in their place"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "check"))

import tidy  # noqa: E402
from clang import cindex  # noqa: E402
from mutants import Finder, rendered  # noqa: E402

ARGUMENTS = [
    "-std=c++23",
    "-w",
    "-Wno-c++11-narrowing",
    "-ferror-limit=0",
    '-DFOLKMOOT_VERSION="0"',
    "-DSPDLOG_COMPILED_LIB",
    "-DSPDLOG_FMT_EXTERNAL",
    "-DFMT_SHARED",
    "-DSIMDJSON_THREADS_ENABLED=1",
    f"-I{ROOT}/src",
    f"-I{ROOT}/include",
    f"-I{ROOT}/tests",
]
ROUNDS_MAX = 12
UNIT = str(ROOT / "unit.cpp")


def parse(name, text, include=()):
    options = cindex.TranslationUnit.PARSE_DETAILED_PROCESSING_RECORD
    arguments = [f"-I{folder}" for folder in include] + ARGUMENTS
    return cindex.Index.create().parse(name, args=arguments, unsaved_files=[(name, text)], options=options)


def errors_of(unit):
    """[(what, [(path, offset)...])] of each error: where it is, and by way of what it came about."""
    for said in unit.diagnostics:
        if said.severity >= cindex.Diagnostic.Error:
            places = [said.location, *(each.start for each in said.ranges), *(note.location for note in said.children)]
            yield said.spelling, [(place.file.name, place.offset) for place in places if place.file is not None]


def own_names(unit_text):
    return {line.split()[1] for line in unit_text.splitlines() if line.startswith("#define ")}


def units_of(paths):
    """[(text, unit)] of all files: as few translation units as names that several of them hide allow."""
    text = tidy.unit_of(paths)
    unit = parse(UNIT, text)
    error = next(errors_of(unit), None)
    if error is None:
        return [(text, unit)]
    if len(paths) == 1:
        sys.exit(f"generate: {paths[0]} does not compile with clang as it is: {error}")
    half = len(paths) // 2
    return units_of(paths[:half]) + units_of(paths[half:])


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)


class Copy:
    """The files with their mutants in them."""

    def __init__(self, paths, mutants, out):
        self.paths = paths
        self.mutants = mutants
        self.out = out
        self.spans = {}

    def write(self):
        for path in self.paths:
            name = path.relative_to(ROOT / "src").as_posix()
            mine = [mutant for mutant in self.mutants if mutant.file == name]
            text, spans = rendered(self.text_of(path), mine)
            target = self.out / name
            self.spans[str(target)] = sorted(spans, key=lambda span: (span[0], -span[1]))
            write(target, text)

    def text_of(self, path):
        return path.read_text()

    def at(self, path, offset):
        """The mutants that an error there may be of: the closest around it."""
        around = [span for span in self.spans.get(path, []) if span[0] <= offset < span[1]]
        least = min((end - begin for begin, end, _ in around), default=0)
        return {mutant.id for begin, end, mutant in around if end - begin == least}

    def behind(self, path, offset):
        """The mutant that comes next."""
        spans = self.spans.get(path, [])
        return {next((mutant for begin, _, mutant in spans if begin >= offset), spans[-1][2]).id} if spans else set()

    def leave_out(self, ids):
        self.mutants = [mutant for mutant in self.mutants if mutant.id not in ids]


def wrong_in(copy, units):
    """The mutants that do not compile. Only if no error is inside of one, what comes behind an error is tried."""
    errors = [error for text in units for error in errors_of(parse(UNIT, text, include=[copy.out]))]
    for blame in (copy.at, copy.behind):
        wrong = set()
        for _, places in errors:
            wrong |= next((ids for path, offset in places if (ids := blame(path, offset))), set())
        if wrong:
            return wrong
    if errors:
        sys.exit(f"generate: the copy does not compile, and not for a mutant: {errors[0]}")
    return set()


def compiling(copy, units):
    """Leaves out what does not compile. `units`: texts that include all of the files."""
    for _ in range(ROUNDS_MAX):
        copy.write()
        wrong = wrong_in(copy, units)
        if not wrong:
            return
        copy.leave_out(wrong)
    sys.exit(f"generate: mutants that do not compile are found even after {ROUNDS_MAX} rounds")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--most", type=int, default=0)
    parser.add_argument("--together", type=int, default=0)
    parser.add_argument("room")
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    folder = ROOT / "src" / asked.room
    only = [folder / name for name in asked.only.split(",") if name]
    sources = [path for path in only or sorted(folder.rglob("*.cpp"))]
    paths = only or sorted([*folder.rglob("*.cpp"), *folder.rglob("*.hpp")])
    units = units_of(sources)
    finder = Finder({str(path): (path.relative_to(ROOT / "src").as_posix(), path.read_text()) for path in paths})
    for text, unit in units:
        finder.look(unit, own_names(text))
    mutants = finder.numbered()
    if asked.most:
        mutants = sorted(mutants, key=lambda mutant: mutant.number)[: asked.most]
    known = asked.out / "left_out.json"  # by g++, or last time
    left_out = set(json.loads(known.read_text())) if known.is_file() else set()
    every = {mutant.id for mutant in mutants}
    copy = Copy(paths, [mutant for mutant in mutants if mutant.id not in left_out], asked.out)
    compiling(copy, [text for text, _ in units])
    if asked.together:
        for at in range(0, len(sources), asked.together):
            write(
                asked.out / f"{asked.room}_{at // asked.together}.cpp", tidy.unit_of(sources[at : at + asked.together])
            )
    gone = every - {mutant.id for mutant in copy.mutants}
    asked.out.mkdir(parents=True, exist_ok=True)
    known.write_text(json.dumps(sorted(gone)))
    rows = [dict(dataclasses.asdict(mutant), id=mutant.id) for mutant in copy.mutants]
    (asked.out / "mutants.json").write_text(json.dumps(rows, indent=0))
    print(f"generate: {asked.room}: {len(rows)} mutants, {len(gone)} left out that do not compile")


if __name__ == "__main__":
    main()
