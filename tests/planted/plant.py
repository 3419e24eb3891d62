"""Writes the source of one planted fault, or (`--list`) the name and file of each.  plant.py FAULT SRC OUT"""

import pathlib
import sys

from faults import FAULTS


def main():
    if sys.argv[1:] == ["--list"]:
        for name, (file, _, _) in FAULTS.items():
            print(f"{name}={file}")
        return
    name, src, out = sys.argv[1:]
    file, old, new = FAULTS[name]
    text = (pathlib.Path(src) / file).read_text()
    if text.count(old) != 1:
        sys.exit(f"plant: fault {name} no longer fits: src/{file} has its text {text.count(old)} times, not once; "
                 "say in tests/planted/faults.py what it is now")
    pathlib.Path(out).write_text(text.replace(old, new))


main()
