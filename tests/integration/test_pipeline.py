"""Exactly once from end to end (A9, X5): numbers are published with idempotency keys and resent whenever the answer did
not come; three workers turn each into its square with complete(), while two of them at a time, and now and then the
server, are killed with SIGKILL for a minute. At the end the ledger holds each square once, to the last one.
"""

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

from native import Client, Ended, Refused
from program import SANITIZED, environment

SECONDS = 20 if SANITIZED else 60
SERVER_KILLS = 6
WORKER = str(Path(__file__).with_name("pipeline_worker.py"))
EXACTLY_ONCE = 2


class Publisher:
    """Sends number after number; a number whose answer was lost is sent again with its key."""

    def __init__(self, server):
        self.server = server
        self.client = None
        self.number = 0       # the last one confirmed
        self.duplicates = 0

    def send_some(self, count):
        end = self.number + count
        while self.number < end:
            try:
                self.client = self.client or Client(self.server.socket, agent="source")
                number = self.number + 1
                confirm = self.client.publish(str(number), to="in", key=str(number), mode=EXACTLY_ONCE)
                self.duplicates += confirm.outcome == "duplicate"
                self.number = number
            except (OSError, Ended, Refused):
                self.client = None
                time.sleep(0.02)
                return


def start_worker(server):
    return subprocess.Popen([sys.executable, "-B", WORKER, server.socket], env=environment(), stderr=subprocess.PIPE)


def test_A9_X5_every_input_has_its_effect_once_whatever_is_killed(server):
    rng = random.Random(20)
    publisher = Publisher(server)
    workers = [start_worker(server) for _ in range(3)]
    killed = 0
    try:
        begin = time.monotonic()
        server_kills = [begin + SECONDS * (i + 1) / (SERVER_KILLS + 1) for i in range(SERVER_KILLS)]
        while time.monotonic() < begin + SECONDS:
            publisher.send_some(50)
            time.sleep(rng.uniform(0.05, 0.4))
            for victim in rng.sample(range(3), 2):
                workers[victim].kill()
                assert workers[victim].wait(30) == -9, workers[victim].stderr.read().decode()
                workers[victim] = start_worker(server)
                killed += 1
            if server_kills and time.monotonic() > server_kills[0]:
                server_kills.pop(0)
                threading.Timer(0.01, server.process.kill).start()
                publisher.send_some(1_000_000)  # until the kill cuts it off: whether the last one arrived is not known
                server.kill9()
                server.start()

        while publisher.number == 0 or publisher.client is None:
            publisher.send_some(1)
        reader = Client(server.socket, agent="auditor", timeout=60)
        ledger = {}
        deadline = time.monotonic() + 120
        while len(ledger) < publisher.number:
            assert time.monotonic() < deadline, f"{len(ledger)} of {publisher.number} inputs had their effect"
            for delivery in reader.receive("ledger", max=500, wait_ms=500):
                number, square = delivery.content.split()
                assert int(number) not in ledger, f"{number} had its effect twice"
                ledger[int(number)] = int(square)
                reader.ack(delivery.lease)
        assert not reader.receive("ledger", max=10, wait_ms=1000)
        assert sorted(ledger) == list(range(1, publisher.number + 1))
        assert sum(ledger.values()) == sum(number * number for number in range(1, publisher.number + 1))
        print(
            f"{publisher.number} inputs, {killed} workers and {SERVER_KILLS} servers killed, "
            f"{publisher.duplicates} duplicates answered"
        )
    finally:
        for worker in workers:
            worker.kill()
            worker.wait(30)
            worker.stderr.close()
