"""Every .cpp file is compiled, and every Python test is run: a file that no list names would rot unseen.

usage: in_the_build.py BUILD_FOLDER
"""

import json
import os
import re
import sys
from pathlib import Path

import tree


def compiled(build):
    entries = json.loads((build / "compile_commands.json").read_text())
    paths = [Path(entry["directory"]) / entry["file"] for entry in entries]
    # Files of a module that are compiled together: one that includes them (cmake/Module.cmake).
    together = [path.read_text() for path in paths if path.parent.name == "together" and path.is_file()]
    names = [name for text in together for name in re.findall(r'^#include "(.+)"$', text, re.MULTILINE)]
    paths += [tree.ROOT / folder / name for folder in ("src", "tests") for name in names]
    return {os.path.realpath(path) for path in paths}


def named_in_list(path):
    """Whether a CMakeLists.txt beside or above the file names it, outside of a comment."""
    folder = path.parent
    while folder != tree.ROOT:
        listing = folder / "CMakeLists.txt"
        if listing.is_file():
            text = re.sub(r"#[^\n]*", "", listing.read_text())
            return re.search(rf"(?<![\w./-]){re.escape(str(path.relative_to(folder)))}(?![\w.-])", text) is not None
        folder = folder.parent
    return False


def main():
    known = compiled(Path(sys.argv[1]))
    sources = tree.files(".cpp", ".c", under=["src", "tests"])
    tests = [p for p in tree.files(".py", under=["tests"]) if p.name.startswith("test_") or p.name.endswith("_test.py")]
    findings = []
    for path in sources:
        # Fuzz targets are compiled beside the main build (cmake/Fuzz.cmake), so their list is read instead.
        if str(path) not in known and not (tree.name(path).startswith("tests/fuzz/") and named_in_list(path)):
            findings.append(f"{tree.name(path)} is in no CMakeLists.txt")
    findings += (f"{tree.name(p)} is in no CMakeLists.txt" for p in tests if not named_in_list(p))
    tree.report("in the build", len(sources) + len(tests), findings)


main()
