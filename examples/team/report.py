"""The table at the end, checked against a direct count of the same texts. Exit status 0 if nothing is lost and all sums
agree.

usage: report.py FOLDER REPORT SECONDS LOG...
"""

import collections
import json
import sys
from pathlib import Path

from count import count_words


def direct_count(folder):
    seen, total = set(), collections.Counter()
    for path in Path(folder).rglob("*"):
        if path.is_file():
            text = path.read_text(errors="replace")
            if text not in seen:
                seen.add(text)
                total += count_words(text)
    return total


def top(counts):
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:8]


def main():
    folder, report_path, seconds, *logs = sys.argv[1:]
    report = json.loads(Path(report_path).read_text())
    counts = collections.Counter(report["counts"])
    expected = direct_count(folder)
    taken = collections.Counter(line for log in logs for line in Path(log).read_text().split())
    redelivered = sum(times - 1 for times in taken.values())
    lost = report["sent"] - report["done"]
    rows = [("tasks sent", report["sent"]), ("done", report["done"]), ("redelivered", redelivered),
            ("results that came twice, counted once", report["again"]),
            ("lost", lost), ("time", f"{float(seconds):.1f} s"), ("words counted by the team", counts.total()),
            ("words counted directly", expected.total())]
    width = max(len(name) for name, _ in rows)
    print()
    for name, value in rows:
        print(f"  {name:<{width}}  {value:>9}")
    print("\n  by worker        " +
          "   ".join(f"{name} {count}" for name, count in sorted(report["by_worker"].items())))
    print("  most frequent    " + "   ".join(f"{word} {count}" for word, count in top(counts)))
    same = counts == expected and top(counts) == top(expected)
    print(
        f"\n  The team's counts {'agree with' if same else 'DIFFER from'} the direct count, word by word "
        f"({len(expected)} different words)."
    )
    sys.exit(0 if same and lost == 0 and report["sent"] > 0 else 1)


main()
