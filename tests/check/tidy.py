"""clang-tidy finds nothing in src, with the checks of .clang-tidy.

usage: tidy.py --all FOLDER            every file of src; FOLDER takes what is made for it
       tidy.py [--thorough] FILE...    some files, each by itself, without FOLDER and without what is remembered
                                       --thorough: also with checks that take minutes for a large file

What a file costs is the headers of libraries: they are read, and each check goes through all that they declare. So a
whole group of files is one translation unit. Names that several of its files have in namespaces without a name are
made different by macros, and a group that still does not compile is a finding which says what to rename.

A group without findings is remembered, with the hash of each file that was read, in ccache's folder if there is one: as
long as none of them changes it costs nothing, in another clone neither.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import tree

TOOL = "clang-tidy-19"
# Modules that share most of what they include; one that is not named is a group by itself.
GROUPS = [
    ["base", "message", "filter"],
    ["engine"],
    ["journal", "content", "reliability", "server"],
    ["operation", "gateway"],
    ["client", "cli"],
]
TOGETHER = (
    "These files are one translation unit here. If each of them compiles by itself, one hides a name that another "
    "sees: rename it."
)
# Each takes as long as all the others together, or longer.
THOROUGH = "performance-unnecessary-value-param,clang-analyzer-*,-clang-analyzer-optin.performance.Padding"
KEPT_MAX = 64  # units that are remembered: a few branches' worth
# What is said of the translation unit itself, not of the files in it.
UNIT_CHECKS = "-bugprone-suspicious-include"

HIDDEN = re.compile(r"^namespace \{$(.*?)^\}  // namespace$", re.MULTILINE | re.DOTALL)
ARGUMENTS = re.compile(r"<[^<>]*(?:<[^<>]*(?:<[^<>]*>[^<>]*)*>[^<>]*)*>")
TYPE = re.compile(r"(?:class|struct|enum class|enum|union|concept)\s+(\w+)|using\s+(\w+)\s*=")
OTHER = re.compile(r"[\w*&>\]]\s+(\w+)(?:\(|\[|\{|\s=|;|$)")
STATIC = re.compile(r"^static\b.*", re.MULTILINE)
INCLUDE = re.compile(r"^#include (?:<.*>|.*\.hpp\")", re.MULTILINE)
# Its last path is the file that an include names, as -H prints it.
READ = re.compile(r"^\.+ (.*)")


def hidden_names(text):
    """What no other file sees: the names that a file's namespaces without a name declare, and its static functions."""
    lines = [line for part in HIDDEN.findall(text) for line in part.splitlines()] + STATIC.findall(text)
    for line in lines:
        if re.match(r"[A-Za-z]", line) and not line.startswith(("template", "namespace")):
            flat = ARGUMENTS.sub("", line)
            found = TYPE.match(flat) or (None if flat.startswith("using ") else OTHER.search(flat))
            if found:
                yield found.group(found.lastindex)


def unit_of(paths):
    """One translation unit of many files. Headers first: the macros are for what the files themselves say."""
    texts = {path: path.read_text() for path in paths}
    names = {path: sorted(set(hidden_names(text))) for path, text in texts.items()}
    often = Counter(name for each in names.values() for name in each)
    lines = sorted({include for text in texts.values() for include in INCLUDE.findall(text)})
    for at, path in enumerate(paths):
        mine = [name for name in names[path] if often[name] > 1]
        lines += [f"#define {name} {name}_{at}" for name in mine]
        lines.append(f'#include "{tree.name(path).removeprefix("src/")}"')
        lines += [f"#undef {name}" for name in mine]
    return "\n".join(lines) + "\n"


def run(path, checks):
    """(findings, files that were read)"""
    done = subprocess.run(
        [
            TOOL,
            "--quiet",
            f"--config-file={tree.ROOT}/.clang-tidy",
            f"--checks={checks}",
            str(path),
            "--",
            "-std=c++23",
            f"-I{tree.ROOT}/src",
            f"-I{tree.ROOT}/include",
            '-DFOLKMOOT_VERSION="0"',
            "-H",
        ],
        capture_output=True,
        text=True,
    )
    lines = (done.stdout + done.stderr).splitlines()
    read = {match.group(1) for match in map(READ.match, lines) if match}
    said = [line for line in lines if not READ.match(line) and not re.match(r"\d+ \w+.* generated\.$", line)]
    text = "\n".join(said).replace(f"{tree.ROOT}/", "").strip()
    return ([text or f"{TOOL} failed on {path}"] if done.returncode else []), read


@cache
def hash_of(path):
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return "gone"


def shown(path):
    """A file's name in the memory, the same in every clone: those of the project relative to it."""
    path = os.path.normpath(path)
    return path.removeprefix(f"{tree.ROOT}/")


class Memory:
    """Which units had no finding, and of what they were made."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        tool = subprocess.run([TOOL, "--version"], capture_output=True, text=True, check=True).stdout
        self.salt = tool + (tree.ROOT / ".clang-tidy").read_text() + Path(__file__).read_text()

    def place_of(self, unit, paths):
        made_of = "".join([self.salt, unit, *map(hash_of, paths)])
        return self.folder / hashlib.sha256(made_of.encode()).hexdigest()

    def knows(self, place):
        if not place.is_file():
            return False
        rows = [line.split(" ", 1) for line in place.read_text().splitlines()]
        return bool(rows) and all(hash_of(os.path.join(tree.ROOT, name)) == known for known, name in rows)

    def remember(self, place, read, since):
        """`read`: the files it was made of; not if one has changed since then, as nobody knows which text was read."""
        if any(os.stat(path).st_mtime >= since for path in read):
            return
        lines = sorted(f"{hash_of(os.path.normpath(path))} {shown(path)}" for path in read)
        half = place.with_suffix(f".{os.getpid()}")
        half.write_text("\n".join(lines) + "\n")
        half.replace(place)
        kept = sorted(self.folder.iterdir(), key=lambda path: path.stat().st_mtime)
        for old in kept[:-KEPT_MAX]:
            old.unlink(missing_ok=True)


def memory_folder(otherwise):
    if not shutil.which("ccache"):
        return otherwise
    asked = subprocess.run(["ccache", "--get-config", "cache_dir"], capture_output=True, text=True, check=True)
    return Path(asked.stdout.strip()) / "folkmoot-tidy"


def groups():
    modules = {path.relative_to(tree.ROOT / "src").parts[0] for path in tree.files(".cpp", under=["src"])}
    named = {module for group in GROUPS for module in group}
    for group in GROUPS + [[module] for module in sorted(modules - named)]:
        paths = [path for module in group for path in tree.files(".cpp", under=[f"src/{module}"])]
        if paths:
            yield "_".join(group), paths


def findings_of_group(name, paths, folder, memory):
    unit = unit_of(paths)
    place = memory.place_of(unit, paths)
    if memory.knows(place):
        return []
    source = folder / f"{name}.cpp"
    source.write_text(unit)
    since = time.time()
    findings, read = run(source, UNIT_CHECKS)
    if not findings:
        memory.remember(place, read, since)
    elif "[clang-diagnostic-error]" in findings[0]:
        findings.append(TOGETHER)
    return findings


def findings_of_all(folder, memory):
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = pool.map(lambda group: findings_of_group(*group, folder, memory), list(groups()))
        return [finding for findings in answers for finding in findings]


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--all"] and len(arguments) == 2:
        folder = Path(arguments[1]).absolute()
        seen = len(tree.files(".cpp", under=["src"]))
        tree.report("tidy", seen, findings_of_all(folder, Memory(memory_folder(folder / "remembered"))))
    checks = THOROUGH if arguments[:1] == ["--thorough"] else ""
    files = [Path(name).absolute() for name in arguments if not name.startswith("--")]
    if not files or any(name.startswith("--") for name in arguments[bool(checks) :]):
        sys.exit(__doc__)
    tree.report("tidy", len(files), [finding for path in files for finding in run(path, checks)[0]])


if __name__ == "__main__":
    main()
