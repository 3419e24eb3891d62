"""Feature IDs in the names of tests are those of docs/features.md, and what that page calls built is tested.

usage: feature_ids.py           compares, and prints the IDs that no test carries
       feature_ids.py --write   writes the page's table of tests anew
       feature_ids.py A9 ...    prints the tests that carry an ID

IDs stand first in a test's name: TEST(Keys, A9_X5_are_...), def test_A9_X5_a_key_is_...
"""

import re
import sys
from collections import defaultdict
from typing import NamedTuple

import tree

PAGE = tree.ROOT / "docs/features.md"
HEAD = "## Which tests carry which ID\n"
STATES = ("built", "partly", "not yet")
MISSING = "Not yet: "  # begins what a feature that is partly there lacks
LETTERS = "UABPMX"

ID = rf"[{LETTERS}][0-9]{{1,2}}"
FIRST = re.compile(rf"(?:{ID}_)+")
ANYWHERE = re.compile(rf"(?<![A-Za-z0-9])({ID})(?![A-Za-z0-9])", re.IGNORECASE)
FEATURE = re.compile(rf"^\| ({ID}) \| (.+) \| ([a-z ]+) \| (.*)\|$", re.MULTILINE)
TABLE_ROW = re.compile(rf"^\| ({ID}) \| ([^|]+) \|$", re.MULTILINE)
CPP_TEST = re.compile(r"^[ \t]*(?:TYPED_)?TEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)", re.MULTILINE)
PYTHON_TEST = re.compile(r"^[ \t]*(?:async[ \t]+)?def (test_)(\w+)", re.MULTILINE)


class Test(NamedTuple):
    where: str  # file and line
    place: str  # where a reader looks for it: a module's folder of unit tests, else the file
    whole: str  # its name with its suite or test_
    name: str   # and without


def tests():
    for path in tree.files(".cpp", ".py", under=["tests"]):
        is_python = path.suffix == ".py"
        if is_python and not path.name.startswith("test_"):
            continue
        parts = path.relative_to(tree.ROOT / "tests").parts
        place = "/".join(parts[:2]) if parts[0] == "unit" else path.stem
        text = path.read_text()
        for match in (PYTHON_TEST if is_python else CPP_TEST).finditer(text):
            whole = match.group(1) + match.group(2) if is_python else f"{match.group(1)}.{match.group(2)}"
            yield Test(f"{tree.name(path)}:{tree.line_of(text, match.start())}", place, whole, match.group(2))


def ids_of(name):
    first = FIRST.match(name)
    return re.findall(ID, first.group(0)) if first else []


def places_of(carriers):
    return sorted({test.place for test in carriers})


def is_outside(place):
    """The library is used by its users as its unit tests use it."""
    return not place.startswith("unit/") or place == "unit/client"


def table_of(carried):
    ids = sorted(carried, key=lambda id: (LETTERS.find(id[0]), int(id[1:])))
    rows = (f"| {id} | {', '.join(places_of(carried[id]))} |\n" for id in ids)
    return f"{HEAD}\n| ID | tests |\n|---|---|\n{''.join(rows)}"


def findings_of_names(all_tests, features):
    for test in all_tests:
        found = ids_of(test.name)
        for id in found:
            if id not in features:
                yield f"{test.where}: {test.whole} carries {id}, which docs/features.md does not know"
        for id in ANYWHERE.findall(test.name):
            if id not in found and id.upper() in features:
                yield f"{test.where}: {test.whole} names {id}; IDs stand first in the name, in capitals"


def findings_of_feature(id, what, state, where, carriers):
    if state not in STATES:
        yield f"{id} is '{state}', which is none of {', '.join(STATES)}"
        return
    if state == "not yet" and carriers:
        yield f"{id} is not yet built, and {carriers[0].where} tests it: {carriers[0].whole}"
    if state != "not yet" and not carriers:
        yield f"{id} is {state}, and no test carries it"
    if state == "built" and carriers and not any(map(is_outside, places_of(carriers))):
        yield f"{id} is built, and no test drives it from outside"
    if (state == "partly") != (MISSING in what):
        yield f"{id} is {state}: '{MISSING}' stands before what a feature lacks that is partly there, and nowhere else"
    if (state == "not yet") == bool(where.strip()):
        yield f"{id} is {state}: a page is given for what is there, and for nothing else"


def findings_of_page(page, features, carried):
    for id, (what, state, where) in features.items():
        yield from findings_of_feature(id, what, state, where, carried.get(id, []))
    for target in re.findall(r"\]\(([^)#]+)\)", page):
        if not (PAGE.parent / target).exists():
            yield f"there is no docs/{target}"
    # A test in one more place does not make the table wrong; one that is not there any more does.
    rows = {id: places.split(", ") for id, places in TABLE_ROW.findall(page.partition(HEAD)[2])}
    for id in sorted(rows.keys() | carried.keys()):
        gone = set(rows.get(id, [])) - set(places_of(carried.get(id, [])))
        if gone or id not in rows:
            told = f"says that {', '.join(sorted(gone))} tests {id}" if gone else f"does not have {id}"
            yield f"the table of tests {told}; python3 tests/check/feature_ids.py --write"


def main():
    page = PAGE.read_text()
    features = {id: rest for id, *rest in FEATURE.findall(page)}
    all_tests = list(tests())
    carried = defaultdict(list)
    for test in all_tests:
        for id in ids_of(test.name):
            carried[id].append(test)

    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page.partition(HEAD)[0].rstrip("\n") + "\n\n" + table_of(carried))
    elif sys.argv[1:]:
        for id in sys.argv[1:]:
            print(*(f"{id}  {test.where}  {test.whole}" for test in carried.get(id, [])), sep="\n")
    else:
        print("no test carries:", *(id for id in features if id not in carried))
        findings = [*findings_of_names(all_tests, features),
                    *(f"docs/features.md: {finding}" for finding in findings_of_page(page, features, carried))]
        tree.report("feature IDs", len(all_tests), findings, "tests")


main()
