"""A type's name stands for one type: the program links every module, and of two types with the same name in the same
namespace the linker silently keeps the members of one for both (the one-definition rule, [basic.def.odr])."""

import re
from collections import defaultdict

import tree

NAMESPACE = r"\b(?:inline\s+)?namespace\s*(?P<namespace>[\w:]*)\s*\{"
TYPE = r"\b(?:struct|class|union|enum(?:\s+class)?)\s+(?P<type>\w+(?:::\w+)*)\s*(?:final\s*)?(?::(?!:)[^;{}()]*)?\{"
TOKEN = re.compile(rf"{NAMESPACE}|{TYPE}|(?P<open>\{{)|(?P<close>\}})")


def types_of(text):
    """(position, qualified name) of each type that other files can see, so neither local, nested nor anonymous."""
    scopes = []  # a namespace's name; nothing for an unnamed one, a type's body, a function's
    for match in TOKEN.finditer(text):
        if match.group("close"):
            if scopes:
                scopes.pop()
            continue
        name = match.group("namespace") or None
        if match.group("type") and all(scopes):
            yield match.start(), "::".join([*scopes, match.group("type")])
        scopes.append(name)


def main():
    product = defaultdict(list)
    paths = tree.files(".hpp", ".cpp", under=["include", "src"])
    findings = []
    for path in paths:
        text = tree.code_of(path)
        for position, name in types_of(text):
            product[name].append(f"{tree.name(path)}:{tree.line_of(text, position)}")
    findings += (f"{name} is defined {len(where)} times: {', '.join(where)}"
                 for name, where in sorted(product.items()) if len(where) > 1)

    # These are programs that link ours (bench/load does not): their types may share names with each other's alone.
    beside = tree.files(".hpp", ".cpp", under=["tests", "bench/library", "examples"])
    for path in beside:
        text = tree.code_of(path)
        findings += (f"{tree.name(path)}:{tree.line_of(text, position)}: {name} is also {product[name][0]}"
                     for position, name in types_of(text) if name in product)
    tree.report("one definition", len(paths) + len(beside), findings)


main()
