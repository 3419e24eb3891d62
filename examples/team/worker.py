"""A worker: takes tasks out of the mailbox `words`, counts, sends the result to the orchestrator, and only then settles
the task. If it is killed in between, another worker gets the task: a result may come twice, but none is missing.

usage: worker.py ADDRESS NAME LOG PACE     PACE: seconds that a task takes at least, for there to be something to see
"""

import sys
import time

from bus import Bus
from count import count_words


def main():
    address, name, log_path, pace = *sys.argv[1:4], float(sys.argv[4])
    inbox, out = Bus(address, "words"), Bus(address, name)
    with open(log_path, "a",
              buffering=1) as log:  # a line a task taken up: how the demo knows what was handed out twice
        while True:
            # A short lease: what a killed worker held is back in the mailbox after two seconds.
            for message in inbox.receive(limit=4, wait="2s", lease="2s"):
                began = time.monotonic()
                task = message["content"]
                log.write(f"{task['task']}\n")
                counts = count_words(task["text"])
                time.sleep(max(0.0, pace - (time.monotonic() - began)))
                out.send({"to": "orchestrator", "type": "response", "correlation": message["id"],
                          "content": {"task": task["task"], "worker": name, "counts": counts}})
                inbox.done(message)
                out.event(f"team.done.{name}", {"task": task["task"], "words": counts.total()})


main()
