"""A crew at work: agents that find each other by what they can do. One of them is killed in the middle of its work, and
later another takes its place under another name; no text is lost and none is counted twice.

usage: run.py PROGRAM        starts a server of its own in a folder that is removed again
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "team"))

from bus import Bus  # noqa: E402

TEXTS = [f"Text {number}: " + " ".join(["word"] * (number % 7)) for number in range(60)]


def start_server(program, folder):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOLKMOOT_")}
    environment |= {"FOLKMOOT_AGENTS_STALE_AFTER": "2s", "FOLKMOOT_AGENTS_GRACE": "500ms"}
    if settings := os.environ.get("FOLKMOOT_TEST_SETTINGS"):
        environment |= {
            f"FOLKMOOT_{pair.split('=')[0].upper().replace('.', '_')}": pair.split("=")[1] for pair in settings.split()
        }
    server = subprocess.Popen(
        [program, "serve", "--listen", "127.0.0.1:0", "--data", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    return server, server.stdout.readline().split()[2]


def start_agent(address, name, capability):
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "team")}
    agent = subprocess.Popen(
        [sys.executable, "-B", str(HERE / "agent.py"), address, name, capability],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    print(agent.stdout.readline(), end="", flush=True)
    return agent


def found(boss, capability):
    return [each["agent"] for each in boss.call("GET", f"/api/agents/discover?all_of={capability}")["agents"]]


def main():
    with tempfile.TemporaryDirectory(prefix="crew-") as folder:
        server, address = start_server(sys.argv[1], Path(folder) / "data")
        running = []
        try:
            boss = Bus(address, "boss")
            # Work is sent before anybody is there who could do it.
            boss.send(
                [
                    {"to": "capability:split", "content": {"text": text, "reply": "boss", "number": number}}
                    for number, text in enumerate(TEXTS)
                ]
            )
            print(f"{len(TEXTS)} texts wait for somebody who can split them", flush=True)
            running += [
                start_agent(address, name, what)
                for name, what in [("sam", "split"), ("cleo", "clean"), ("carl", "clean"), ("nora", "count")]
            ]
            results = {}
            killed = replaced = False
            deadline = time.monotonic() + 60
            while len(results) < len(TEXTS):
                if time.monotonic() > deadline:
                    sys.exit(f"only {len(results)} of {len(TEXTS)} texts are counted")
                for message in boss.receive(limit=20, wait="500ms", lease="10s"):
                    number = message["content"]["number"]
                    if number in results:
                        sys.exit(f"text {number} was counted twice")
                    results[number] = message["content"]["text"]
                    boss.done(message)
                if not killed and len(results) >= 10:
                    running[3].kill()
                    running[3].wait()
                    killed = True
                    print("nora is killed in the middle of her work", flush=True)
                elif killed and not replaced and found(boss, "count") == []:
                    print("nobody can count any more: what is to be counted is held", flush=True)
                    running.append(start_agent(address, "nick", "count"))
                    # What nora had in her hands comes back to her mailbox; nick takes over what stands there.
                    replaced = True
                elif replaced:
                    take_over(address, boss)
            wrong = [number for number, text in enumerate(TEXTS) if results[number] != len(text.split())]
            if wrong or not replaced:
                sys.exit(f"wrong results: {wrong}; replaced: {replaced}")
            print(f"all {len(TEXTS)} texts are counted, each once", flush=True)
        finally:
            for agent in running:
                agent.kill()
                agent.wait()
            server.terminate()
            server.wait()


def take_over(address, boss):
    """What stands in the mailbox of one who is gone for good is sent again, to whoever can do it."""
    gone = Bus(address, "nora")
    for message in gone.receive(limit=20, wait="0ms", lease="10s"):
        gone.call(
            "POST",
            f"/api/messages/{message['id']}/complete",
            {"lease": message["lease"], "outputs": [{"to": "capability:count", "content": message["content"]}]},
        )


main()
