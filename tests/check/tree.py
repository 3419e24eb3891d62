"""What the checks of the code share: the project's files, the modules' order, code without comments and strings."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Foundations first (src/README.md): a module includes itself and modules before it.
MODULES = ["base", "crypto", "message", "filter", "operation", "access", "engine", "journal", "archive", "content",
           "stream", "reliability", "security", "transport", "server", "webhook", "traces", "issuer",
           "gateway", "client", "cli"]

FOLDERS = ["include", "src", "tests", "bench", "examples", "sdk"]


def files(*suffixes, under=FOLDERS):
    """The files with one of the suffixes, in a fixed order."""
    found = []
    for folder in under:
        found += (p for p in (ROOT / folder).rglob("*")
                  if p.suffix in suffixes and p.is_file() and not {"node_modules", "__pycache__"} & set(p.parts))
    return sorted(found)


def name(path):
    return str(path.relative_to(ROOT))


_BLANKED = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)


def code_of(path):
    """The text with comments, strings and characters blanked, line by line where it was. Includes stay."""
    text = path.read_text()

    def blank(match):
        line_start = text.rfind("\n", 0, match.start()) + 1
        if text[line_start:match.start()].lstrip().startswith("#include"):
            return match.group(0)
        return re.sub(r"[^\n]", " ", match.group(0))

    return _BLANKED.sub(blank, text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def report(check, seen, findings, what="files"):
    """Prints every finding and ends the program; a check that saw nothing fails, since it proves nothing."""
    for finding in findings:
        print(finding)
    if not seen:
        print(f"{check}: found no {what} to check")
    print(f"{check}: {seen} {what}, {len(findings)} findings")
    sys.exit(1 if findings or not seen else 0)
