"""The engine is made of parts: each folder of src/engine is one. A part includes the headers beside the folders, of
which each is a port or what all share, and no other part; what it includes it uses. Only the engine itself knows the
parts. The engine's header stays a page."""

import re

import tree

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"engine/([^"]+)"', re.MULTILINE)
OWNER = {"engine.hpp", "engine.cpp"}
OWNER_LINES_MAX = 200

# What a part is given: its header's class must be named by whoever includes it.
PORTS = {"agenda": "Agenda", "announcer": "Announcer", "attempts": "Attempts", "causality": "Causality|KnownMessages",
         "graveyard": "Graveyard|DeadLetter|Notice", "inbox": "Inbox", "ledger": "Ledger|Durable|Draft",
         "names": "Names|kServerName", "outputs": "Outputs", "post": "Post", "references": "References",
         "replies": "Replies", "responder": "Responder", "router": "Router", "run": "Run", "serials": "Serials",
         "sessions": "Sessions?", "stamper": "Stamper", "transient_store": "TransientStore", "vacancies": "Vacancies"}


def part_of(target):
    return target.split("/")[0] if "/" in target else None


def include_findings(path, text):
    folder = path.relative_to(tree.ROOT / "src" / "engine").parts
    mine = folder[0] if len(folder) > 1 else None
    for match in INCLUDE.finditer(text):
        target = match.group(1)
        where = f"{tree.name(path)}:{tree.line_of(text, match.start())}"
        other = part_of(target)
        if mine is None:
            if other and path.name not in OWNER:
                yield f"{where}: {path.name} is for all parts and includes {target}; only the engine knows parts"
        elif other not in (None, mine):
            yield (f"{where}: part {mine} includes {target} of another part; what it needs of that is a port of "
                   "src/engine")
        elif target in OWNER:
            yield f"{where}: part {mine} includes the engine"
        elif other is None and target.removesuffix(".hpp") in PORTS:
            used = PORTS[target.removesuffix(".hpp")]
            if not re.search(rf"\b(?:{used})\b", text):
                yield f"{where}: part {mine} includes {target} and is not given it: it names none of {used}"


def findings_of(paths):
    findings = []
    for path in paths:
        text = tree.code_of(path)
        findings += include_findings(path, text)
    lines = len((tree.ROOT / "src/engine/engine.hpp").read_text().splitlines())
    if lines >= OWNER_LINES_MAX:
        findings.append(f"src/engine/engine.hpp: {lines} lines; what decides anything belongs into a part")
    if not any(len(path.relative_to(tree.ROOT).parts) > 3 for path in paths):
        findings.append("src/engine: there is no part")
    return findings


def main():
    paths = tree.files(".hpp", ".cpp", under=["src/engine"])
    tree.report("engine parts", len(paths), findings_of(paths))


if __name__ == "__main__":
    main()
