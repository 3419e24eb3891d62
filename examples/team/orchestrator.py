"""The orchestrator: cuts the texts of a folder into tasks, sends them, collects the results and writes down the sum.

Results may come more than once (at_least_once): each task counts once, by its number.

usage: orchestrator.py ADDRESS FOLDER REPORT PROGRESS
"""

import collections
import json
import os
import sys
import time
from pathlib import Path

from bus import Bus

WORDS_A_TASK = 60
BATCH = 50


def texts(folder):
    """Name and text of each file, each content once (links and copies are passed over)."""
    seen = set()
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            text = path.read_text(errors="replace")
            if text not in seen:
                seen.add(text)
                yield path.name, text


def tasks(folder):
    """Pieces of a text, cut between words. The beginning of each text comes first, its rest later: priorities."""
    number = 0
    for name, text in texts(folder):
        words = text.split()
        for start in range(0, len(words), WORDS_A_TASK):
            piece = " ".join(words[start:start + WORDS_A_TASK])
            priority = "high" if start == 0 else "normal" if start < 10 * WORDS_A_TASK else "low"
            yield {
                "to": "words", "type": "task", "priority": priority, "conversation": name,
                "content": {"task": number, "text": piece}
            }
            number += 1


def write(path, text):
    Path(path + ".new").write_text(text)
    os.replace(path + ".new", path)


def main():
    address, folder, report, progress = sys.argv[1:]
    bus = Bus(address, "orchestrator")
    began = time.monotonic()
    todo = list(tasks(folder))
    write(progress, f"0 {len(todo)}\n")
    for start in range(0, len(todo), BATCH):
        bus.send(todo[start:start + BATCH])
    bus.event("team.sent", {"tasks": len(todo)})

    done, again, total = {}, 0, collections.Counter()
    by_worker = collections.Counter()
    idle_since = time.monotonic()
    while len(done) < len(todo) and time.monotonic() - idle_since < 20:
        for message in bus.receive(limit=100, wait="1s", lease="10s"):
            result = message["content"]
            if result["task"] in done:
                again += 1
            else:
                done[result["task"]] = message["id"]
                total.update(result["counts"])
                by_worker[result["worker"]] += 1
            bus.done(message)
            idle_since = time.monotonic()
        write(progress, f"{len(done)} {len(todo)}\n")
    # Results that come late are duplicates now; they are taken out and counted as such.
    while late := bus.receive(limit=100, wait="300ms", lease="10s"):
        for message in late:
            again += 1
            bus.done(message)
    write(report, json.dumps({"sent": len(todo), "done": len(done), "again": again, "seconds": time.monotonic() - began,
                              "by_worker": by_worker, "counts": total}))
    bus.event("team.finished", {"done": len(done)})


main()
