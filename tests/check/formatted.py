"""C++ is as the formatter writes it: clang-format of the version that scripts/packages names, by the project's
.clang-format.  `git ls-files '*.?pp' | xargs clang-format-19 -i` makes it so."""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import tree

FORMATTER = "clang-format-19"
AT = re.compile(r"^(.*?):(\d+):\d+: (?:error|warning): ", re.MULTILINE)


def findings_of(paths):
    run = subprocess.run([FORMATTER, "--dry-run", "-Werror", *map(str, paths)], capture_output=True, text=True)
    places = {}
    for path, line in AT.findall(run.stderr):
        places.setdefault(path, line)
    found = [f"{path}:{line}: not as {FORMATTER} writes it" for path, line in places.items()]
    return found or ([run.stderr.strip()] if run.returncode else [])


def main():
    if not shutil.which(FORMATTER):
        sys.exit(f"formatted: no {FORMATTER} here; scripts/setup installs it")
    paths = tree.files(".hpp", ".cpp", under=[*tree.FOLDERS, "cmake"])
    jobs = os.cpu_count() or 1
    with ThreadPoolExecutor(jobs) as pool:
        findings = [f for found in pool.map(findings_of, (paths[i::jobs] for i in range(jobs))) for f in found]
    tree.report("formatted", len(paths), findings)


if __name__ == "__main__":
    main()
