"""Every header compiles alone, as the first include of a file would meet it.

usage: lone_headers.py COMPILER STAMP_FOLDER [FLAG...]

A header that passed is compiled again only when it, or one of our headers below it, has changed: its stamp holds a hash
of all of them.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tree


def hash_of(paths, flags):
    digest = hashlib.sha256("\0".join(flags).encode())
    for path in paths:
        digest.update(str(path).encode() + b"\0" + Path(path).read_bytes())
    return digest.hexdigest()


def passed_before(stamp, flags):
    try:
        known, *paths = stamp.read_text().splitlines()
        return known == hash_of(paths, flags)
    except OSError:
        return False


def ours_in(depfile):
    words = depfile.read_text().replace("\\\n", " ").split()[1:]
    return sorted({os.path.realpath(w) for w in words if os.path.realpath(w).startswith(str(tree.ROOT) + "/")})


def compile_alone(compiler, folder, flags, header):
    """What the compiler says against the header, or nothing."""
    stamp = folder / (tree.name(header).replace("/", "__") + ".ok")
    if passed_before(stamp, flags):
        return ""
    with tempfile.TemporaryDirectory() as scratch:
        source, depfile = Path(scratch) / "lone.cpp", Path(scratch) / "lone.d"
        # Twice, so that a missing #pragma once shows as well.
        source.write_text(f'#include "{header}"\n#include "{header}"\n')
        run = subprocess.run([compiler, "-std=c++23", "-fsyntax-only", *flags, f"-I{tree.ROOT}/src",
                              f"-I{tree.ROOT}/include", "-MMD", "-MF", str(depfile), str(source)],
                             capture_output=True, text=True)
        if run.returncode:
            return f"{tree.name(header)} does not compile alone:\n{run.stderr.strip()}"
        ours = [p for p in ours_in(depfile) if not p.startswith(scratch)]
        stamp.write_text("\n".join([hash_of(ours, flags), *ours]) + "\n")
        return ""


def main():
    compiler, folder, *flags = sys.argv[1:]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    headers = tree.files(".hpp", under=["include", "src"])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = list(pool.map(lambda header: compile_alone(compiler, folder, flags, header), headers))
    tree.report("lone headers", len(headers), [answer for answer in answers if answer])


main()
