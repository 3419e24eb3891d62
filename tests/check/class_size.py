"""No class has more functions than can be kept in mind; those of classes within it are not counted.

An exception stands in the table below with the number that it has and why; it may shrink, and must go when it fits.
"""

import re
import sys
from pathlib import Path

import tree

CLASS = re.compile(r"\b(?:class|struct)\s+(\w+)(?:\s+final)?\s*(?::[^;{]*)?\{")
FUNCTIONS_MAX = 80

# (file, class): (functions, why)
EXCEPTIONS = {
    ("include/folkmoot/client.hpp", "Client"): (
        96,
        "what users call: one function for each thing to be done, with its shorter forms; all are a line in the .cpp",
    ),
    ("tests/simulation/agents.hpp", "Agents"): (105, "what a simulated team does, a function each, and is told"),
}


def functions_of(body):
    """How many functions a class's body declares."""
    flat, depth = [], 0
    for char in body:
        depth += char == "{"
        if depth == 0:
            flat.append(char)
        if char == "}":
            depth -= 1
            flat.append(";")
    statements = re.split(r";|\b(?:public|private|protected)\s*:", "".join(flat))
    return sum(
        bool(re.search(r"[\w>\]=+!~]\s*\(", re.sub(r"<[^<>]*(?:<[^<>]*>[^<>]*)*>|=.*", "", s, flags=re.DOTALL)))
        for s in statements
    )


def classes_of(text):
    """(name, position, functions) of each class of a file."""
    for match in CLASS.finditer(text):
        depth, end = 1, match.end()
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        yield match.group(1), match.start(), functions_of(text[match.end() : end - 1])


def findings_in(paths, exceptions):
    findings, used = [], set()
    for path in paths:
        text = tree.code_of(path)
        for name, position, count in classes_of(text):
            if count <= FUNCTIONS_MAX:
                continue
            key = (tree.name(path), name)
            used.add(key)
            most = max(exceptions.get(key, (0, ""))[0], FUNCTIONS_MAX)
            if count > most:
                findings.append(
                    f"{tree.name(path)}:{tree.line_of(text, position)}: {name} has {count} functions; "
                    f"{most} are the most"
                )
    findings += (
        f"{file}: {name} needs no exception any more: take it out of {Path(__file__).name}"
        for file, name in sorted(exceptions.keys() - used)
    )
    return findings


def main():
    paths = tree.files(".hpp", ".cpp", under=["include", "src", "tests", "bench"])
    tree.report("class size", len(paths), findings_in(paths, EXCEPTIONS))


if __name__ == "__main__":
    sys.exit(main())
