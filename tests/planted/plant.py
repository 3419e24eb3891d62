"""Copies the rooms of src that have faults in every_fault.py, with all of them in it, each behind a switch.
plant.py SRC OUT

OUT/engine/ and so on get the copies, OUT/planted.inc a row for each fault. A file that would stay as it is is not
written, so that an edit of one file compiles one file again."""

import pathlib
import re
import sys
import zlib

from every_fault import ROOMS

HEAD = """// {name} with faults in it (tests/planted/plant.py).
namespace folkmoot {{
extern unsigned planted;  // the fault that is switched on
}}
"""


def number(name):
    return f"{zlib.crc32(name.encode()):#x}u"


def places_of(old, texts):
    """Every (file, match) of a fault's text. Where lines break is the formatter's."""
    pattern = re.compile(r"\s*".join(map(re.escape, re.findall(r"\w+|\S", old))))
    return [(path, match) for path, text in texts.items() for match in pattern.finditer(text)]


def plan(texts, faults, room):
    """What changes where in src/`room`: path -> [(begin, end, new text)]."""
    changes = {path: [] for path in texts}
    for name, (old, new) in faults.items():
        places = places_of(old, texts)
        if len(places) != 1:
            found = ", ".join(f"src/{room}/{path}" for path, _ in places) or "nowhere"
            sys.exit(
                f"plant: fault {name} no longer fits: its text is in src/{room} {len(places)} times, not once "
                f"({found}); say in tests/planted what it is now"
            )
        if not re.search(r"\bPLANTED\b", new):
            sys.exit(f"plant: fault {name} has no PLANTED in what takes the text's place: it would always be there")
        path, match = places[0]
        switched = re.sub(r"\bPLANTED\b", f"(::folkmoot::planted == {number(name)})", new)
        changes[path].append((match.start(), match.end(), switched, name))
    return changes


def changed(path, text, changes, room):
    text_end = len(text)
    before = None
    for begin, end, new, name in sorted(changes, reverse=True):
        if end > text_end:
            sys.exit(f"plant: faults {name} and {before} change the same text of src/{room}/{path}")
        text = text[:begin] + new + text[end:]
        text_end, before = begin, name
    return HEAD.format(name=f"{room}/{path}") + text if changes else text


def main():
    source, out = map(pathlib.Path, sys.argv[1:])
    every = [name for faults in ROOMS.values() for name in faults]
    if len({number(name) for name in every}) != len(every):
        sys.exit("plant: two faults have one number; rename one of them")
    written = {"planted.inc": ""}
    for room, faults in ROOMS.items():
        files = sorted((source / room).rglob("*.[ch]pp"))
        texts = {path.relative_to(source / room).as_posix(): path.read_text() for path in files}
        for path, changes in plan(texts, faults, room).items():
            written[f"{room}/{path}"] = changed(path, texts[path], changes, room)
        written["planted.inc"] += "".join(f'{{"{name}", {number(name)}, "{room}"}},\n' for name in faults)
        copies = set(path.relative_to(out).as_posix() for path in (out / room).rglob("*.[ch]pp"))
        for stale in copies - written.keys():
            (out / stale).unlink()
    for path, text in written.items():
        target = out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.is_file() or target.read_text() != text:
            target.write_text(text)


if __name__ == "__main__":
    main()
