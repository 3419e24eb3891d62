"""The engine is told the time and the seed: no clock, no randomness, no input or output, no thread, and no iteration
over a container whose order is not defined."""

import re

import tree

FORBIDDEN = [
    (r"\b(?:system|steady|high_resolution|utc|file)_clock\b", "names a clock; the time is handed in"),
    (r"::now\s*\(", "asks for the time; it is handed in"),
    (r"\b(?:clock_gettime|gettimeofday|timespec_get)\b|"
     r"(?<![\w.>:])(?:std::)?(?:time|clock)\s*\(\s*(?:nullptr|NULL|0|\))",
     "asks for the time; it is handed in"),
    (r"\brandom_device\b|\bgetrandom\b|\bRAND_bytes\b|(?<![\w.>])(?:s?rand|rand_r|drand48|random)\s*\(",
     "draws randomness; the seed is handed in"),
    (r"#\s*include\s*<(?:thread|mutex|shared_mutex|condition_variable|future|atomic|fstream|iostream|filesystem|random"
     r"|unistd\.h|fcntl\.h|sys/[^>]*|boost/asio[^>]*|boost/beast[^>]*)>", "includes what the engine must not use"),
    (r"\bstd::(?:hash|less|map|set)\s*<[^<>,]*\*", "orders or hashes by address, which differs from run to run"),
]
FORBIDDEN = [(re.compile(pattern), what) for pattern, what in FORBIDDEN]

UNORDERED = re.compile(r"\b(?:std|boost)::unordered_(?:flat_|node_)?(?:multi)?(?:map|set)\s*<")
ALIAS = re.compile(r"\busing\s+(\w+)\s*=\s*$")
RANGE_FOR = re.compile(r"\bfor\s*\([^;()]*(?:\([^()]*\)[^;()]*)*[^:]:(?!:)\s*([^)]*)\)")
BEGIN = re.compile(r"\b(\w+)\s*(?:\.|->)\s*c?r?begin\s*\(")


def after_template(text, position):
    """The position behind the > that closes the < before `position`."""
    depth = 1
    while depth and position < len(text):
        depth += {"<": 1, ">": -1}.get(text[position], 0)
        position += 1
    return position


def unordered_names(texts):
    """Names of variables and members of an unordered type, aliases of such a type resolved."""
    aliases, names = set(), set()
    for text in texts:
        for match in UNORDERED.finditer(text):
            alias = ALIAS.search(text[:match.start()])
            if alias:
                aliases.add(alias.group(1))
                continue
            declared = re.match(r"[\s&*]*(\w+)", text[after_template(text, match.end()):])
            if declared:
                names.add(declared.group(1))
    for text in texts:
        for alias in aliases:
            names.update(re.findall(rf"\b{alias}\b[\s&*]+(\w+)\s*[;={{,)]", text))
    return names


def main():
    sources = {path: tree.code_of(path) for path in tree.files(".hpp", ".cpp", ".def", under=["src/engine"])}
    unordered = unordered_names(sources.values())
    findings = []
    for path, text in sources.items():
        def found(position, what):
            findings.append(f"{tree.name(path)}:{tree.line_of(text, position)}: {what}")

        for pattern, what in FORBIDDEN:
            for match in pattern.finditer(text):
                found(match.start(), f"'{match.group(0).strip()}' {what}")
        for match in RANGE_FOR.finditer(text):
            last = re.search(r"(\w+)\s*(?:\(\s*)?$", match.group(1))
            if last and last.group(1) in unordered:
                found(match.start(), f"iterates '{last.group(1)}', which has no defined order")
        for match in BEGIN.finditer(text):
            if match.group(1) in unordered:
                found(match.start(), f"iterates '{match.group(1)}', which has no defined order")
    tree.report("engine purity", len(sources), findings)


main()
