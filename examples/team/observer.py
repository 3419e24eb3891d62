"""The observer: listens to the team's events through `folkmoot subscribe` and shows how far it is. It has no part in
the work; events that nobody hears are gone.

usage: observer.py PROGRAM ADDRESS
"""

import collections
import json
import os
import subprocess
import sys
import time

EVERY = 1.0  # seconds


def main():
    program, address = sys.argv[1:]
    done, total, shown = collections.Counter(), 0, time.monotonic()
    listener = subprocess.Popen([program, "--server", address, "subscribe", "team.>", "--json"], stdout=subprocess.PIPE,
                                text=True, env={k: v for k, v in os.environ.items() if not k.startswith("FOLKMOOT_")})
    try:
        for line in listener.stdout:
            event = json.loads(line)
            if event["topic"] == "team.sent":
                total = event["content"]["tasks"]
                print(f"   observer  {total} tasks are sent", flush=True)
            elif event["topic"].startswith("team.done."):
                done[event["topic"].rpartition(".")[2]] += 1
            if event["topic"] == "team.finished":
                print(
                    f"   observer  all done; heard of {done.total()} (what was told while the server was away, "
                    f"nobody heard)",
                    flush=True)
                return
            if time.monotonic() - shown >= EVERY:
                shown = time.monotonic()
                workers = "  ".join(f"{name} {count}" for name, count in sorted(done.items()))
                print(f"   observer  heard of {done.total()}{f' of {total}' if total else ''} done:  {workers}",
                      flush=True)
    finally:
        listener.terminate()
        listener.wait()


main()
