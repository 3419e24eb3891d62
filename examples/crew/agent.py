"""An agent of the crew: registers what it can do, takes what is addressed to that, and sends on to what comes next. It
knows nobody by name.

usage: agent.py ADDRESS NAME CAPABILITY
"""

import sys
import time

from bus import Bus, Refused

# What each step does with a text, and who gets what came of it: the next capability, or nobody.
STEPS = {
    "split": (lambda text: sorted(text.split(), key=str.lower), "clean"),
    "clean": (lambda words: [word.strip(".,;:!?").lower() for word in words], "count"),
    "count": (len, None),
}
LEASE = "3s"


def main():
    address, name, capability = sys.argv[1:]
    work, following = STEPS[capability]
    bus = Bus(address, name)
    bus.call("POST", "/api/agents", {"agent": name, "type": "crew", "capabilities": [capability]})
    print(f"{name} is there and can {capability}", flush=True)
    done = 0
    while True:
        bus.call("POST", f"/api/agents/{name}/heartbeat", {"load": 0})
        for message in bus.receive(limit=5, wait="500ms", lease=LEASE):
            text, reply = message["content"]["text"], message["content"]["reply"]
            time.sleep(0.02)  # it is hard work
            answer = {"text": work(text), "reply": reply, "number": message["content"]["number"]}
            to = f"capability:{following}/least_loaded" if following else reply
            # What comes of it is sent, and the message settled, in one step: killed in between, it does both again or
            # neither.
            try:
                bus.call(
                    "POST",
                    f"/api/messages/{message['id']}/complete",
                    {"lease": message["lease"], "outputs": [{"to": to, "content": answer}]},
                )
                done += 1
            except Refused as refused:
                if refused.code != "lease_lost":
                    raise


main()
