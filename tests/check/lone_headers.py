"""Every header compiles alone, as the first include of a file would meet it.

usage: lone_headers.py FOLDER COMPILER... -- [FLAG...]

COMPILER is the command as the build has it, with ccache in front if that is there: a header is compiled again only when
something that it includes has changed. FOLDER takes the sources that include one header each.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tree


def compile_alone(compiler, flags, folder, header):
    """What the compiler says against the header, or nothing."""
    name = tree.name(header)
    source = folder / (name.replace("/", "__") + ".cpp")
    # Twice, so that a missing #pragma once shows as well.
    text = f'#include "{name.removeprefix("src/").removeprefix("include/")}"\n' * 2
    if not source.exists() or source.read_text() != text:
        source.write_text(text)
    run = subprocess.run([*compiler, "-std=c++23", *flags, f"-I{tree.ROOT}/src", f"-I{tree.ROOT}/include", "-MD", "-MF",
                          source.with_suffix(".d"), "-o", source.with_suffix(".o"), "-c", source],
                         capture_output=True, text=True)
    return f"{name} does not compile alone:\n{run.stderr.strip()}" if run.returncode else ""


def main():
    folder, *rest = sys.argv[1:]
    at = rest.index("--")
    compiler, flags = rest[:at], rest[at + 1:]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    headers = tree.files(".hpp", under=["include", "src"])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = list(pool.map(lambda header: compile_alone(compiler, flags, folder, header), headers))
    tree.report("lone headers", len(headers), [answer for answer in answers if answer])


main()
