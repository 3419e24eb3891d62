"""Includes point one way: a module includes itself and modules before it, public headers include nothing of src/."""

import re

import tree

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.MULTILINE)

# Modules that a later module must not know, although it comes after them in the order.
CLOSED = {
    "client": {"engine", "journal", "archive", "content", "stream", "server", "gateway"},
}


def findings_of(path):
    parts = path.relative_to(tree.ROOT).parts
    public = parts[0] == "include"
    module = None if public else parts[1]
    text = tree.code_of(path)
    for match in INCLUDE.finditer(text):
        quote, target = match.groups()
        where = f"{tree.name(path)}:{tree.line_of(text, match.start())}"
        first = target.split("/")[0]
        if first == "folkmoot":
            continue
        if public:
            if quote == '"' or first in tree.MODULES:
                yield f"{where}: a public header includes {target}, which a user does not have"
        elif first not in tree.MODULES:
            if quote == '"':
                yield f'{where}: "{target}" is no path from src/ that begins with a module'
        elif tree.MODULES.index(first) > tree.MODULES.index(module):
            yield f"{where}: module {module} includes {target}; {first} comes after it"
        elif first in CLOSED.get(module, ()):
            yield f"{where}: module {module} includes {target}; {first} is not for it to know"


def main():
    checked, findings = 0, []
    for path in tree.files(".hpp", ".cpp", ".def", under=["include", "src"]):
        checked += 1
        module = path.relative_to(tree.ROOT).parts[1]
        if path.relative_to(tree.ROOT).parts[0] == "src" and module not in tree.MODULES:
            findings.append(f"{tree.name(path)}: {module} is no module; add it to tree.MODULES and cmake/Module.cmake")
            continue
        findings += findings_of(path)
    tree.report("include direction", checked, findings)


if __name__ == "__main__":
    main()
