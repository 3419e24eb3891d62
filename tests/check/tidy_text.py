"""No leftover markers, no file too long to read at one sitting, no line of C++ or Python wider than a screen, no
conflict marks, no trailing blanks or tabs."""

import re

import tree

LINES_MAX = 700
COLUMNS_MAX = 120
MEASURED = {".hpp", ".cpp", ".def", ".py"}
SUFFIXES = (".hpp", ".cpp", ".h", ".c", ".def", ".py", ".ts", ".cmake", ".txt", ".sh", "")
# Split, so that this file does not find itself.
MARKER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
CONFLICT = re.compile(r"^(?:<{7} |>{7} |={7}$)")


def findings_of(path):
    lines = path.read_text().splitlines()
    if len(lines) > LINES_MAX:
        yield f"{tree.name(path)}: {len(lines)} lines, at most {LINES_MAX}; split it by subject"
    for number, line in enumerate(lines, 1):
        where = f"{tree.name(path)}:{number}"
        if MARKER.search(line):
            yield f"{where}: leftover marker: {line.strip()}"
        if CONFLICT.match(line):
            yield f"{where}: conflict mark"
        if line != line.rstrip():
            yield f"{where}: blanks at the end of the line"
        if len(line) > COLUMNS_MAX and path.suffix in MEASURED:
            yield f"{where}: {len(line)} columns, at most {COLUMNS_MAX}"
        if "\t" in line:
            yield f"{where}: a tab"


def is_text(path):
    return b"\0" not in path.read_bytes()


def main():
    paths = [p for p in tree.files(*SUFFIXES, under=tree.FOLDERS + ["cmake", "scripts", "deploy", ".ci"])
             if not {"corpus", "vectors"} & set(p.parts) and is_text(p)]
    paths.append(tree.ROOT / "CMakeLists.txt")
    tree.report("tidy text", len(paths), [finding for path in paths for finding in findings_of(path)])


if __name__ == "__main__":
    main()
