"""Writes the source of one planted fault, or (`--list`) the name and file of each.  plant.py FAULT SRC OUT"""

import pathlib
import re
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
    # Where lines break is the formatter's.
    places = list(re.finditer(r"\s*".join(map(re.escape, re.findall(r"\w+|\S", old))), text))
    if len(places) != 1:
        sys.exit(f"plant: fault {name} no longer fits: src/{file} has its text {len(places)} times, not once; "
                 "say in tests/planted/faults.py what it is now")
    place = places[0]
    pathlib.Path(out).write_text(text[: place.start()] + new + text[place.end() :])


main()
