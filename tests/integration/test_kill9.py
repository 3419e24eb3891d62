"""Under load, the server is killed with SIGKILL fifty times and started again on the same folder (issue of the whole:
nothing confirmed is lost, nothing acknowledged comes again).

Publishers send with many messages in flight and note what was confirmed; they never send a message twice. Consumers
note in which run of the server each message was handed to them, and in which run its ack was answered. From these notes
alone the verdict is given at the end, when the mailboxes are drained.
"""

import collections
import random
import struct
import threading
import time

from native import ACK, CONFIRM, DELIVER, LEASED, PUBLISH, SETTLED, Client, Ended, Refused, frame, message, read_message

KILLS = 50
IN_FLIGHT = 200
MAILBOXES = ["north", "south"]
ONCE = "once"


class Load:
    def __init__(self, server):
        self.server = server
        self.run = 0
        self.up = threading.Event()
        self.stopping = threading.Event()     # publishers end
        self.finished = threading.Event()     # consumers end
        self.confirmed = collections.defaultdict(set)    # mailbox -> names of messages
        self.sent = collections.Counter()
        self.deliveries = collections.defaultdict(list)  # name -> runs
        self.acked = {}                                  # name -> run in which its ack was answered
        self.lock = threading.Lock()
        self.failures = []
        self.threads = []
        self.publishers = []

    def go(self, function, *arguments):
        def guarded():
            try:
                function(*arguments)
            except BaseException as error:  # noqa: BLE001 - reported by the main thread
                self.failures.append(error)
        thread = threading.Thread(target=guarded, daemon=True)
        self.threads.append(thread)
        if function == self.publisher:
            self.publishers.append(thread)
        thread.start()

    def connection(self, agent):
        """A connection and the run of the server that it belongs to; None once all is over."""
        while not self.finished.is_set():
            if not self.up.wait(0.1):
                continue
            run, port = self.run, self.server.port
            try:
                client = Client(("127.0.0.1", port), agent=agent)
            except (OSError, Ended, Refused):
                time.sleep(0.01)
                continue
            if run == self.run:  # else the next server may have been given the old one's port
                client.socket.settimeout(10)
                return client, run
            client.close()
        return None, 0

    def publisher(self, name, mailbox, mode):
        number = 0
        while not self.stopping.is_set():
            client, _ = self.connection(name)
            if client is None:
                return
            flying = {}
            try:
                while not self.stopping.is_set() or flying:
                    out = []
                    while len(flying) < IN_FLIGHT and not self.stopping.is_set():
                        number += 1
                        label = f"{name}-{number}"
                        flying[number] = label
                        out.append(
                            frame(PUBLISH, message(label, to=mailbox, mode=mode, priority=number % 3 + 4), number))
                    self.sent[mailbox] += len(out)
                    client.send(b"".join(out))
                    for got in client.next_frames():
                        assert got.opcode == CONFIRM, got
                        self.confirmed[mailbox].add(flying.pop(got.request))
            except (OSError, Ended):
                pass
            client.close()

    def consumer(self, name, mailbox):
        while not self.finished.is_set():
            client, run = self.connection(name)
            if client is None:
                return
            try:
                consumer = client.consume(mailbox, credit=300)
                client.socket.settimeout(0.5)  # now and then it looks whether all is over
                asked = {}
                while not self.finished.is_set():
                    try:
                        frames = client.next_frames()
                    except TimeoutError:
                        continue
                    leases, once = [], 0
                    for got in frames:
                        if got.opcode == DELIVER:
                            leased = got.flags & LEASED
                            label = read_message(got.body[12:] if leased else got.body)[1].decode()
                            with self.lock:
                                self.deliveries[label].append(run)
                            if leased:
                                leases.append((struct.unpack_from("<Q", got.body)[0], label))
                            else:
                                once += 1
                        elif got.opcode == SETTLED:
                            settled = client.settled(got)
                            refused = set(settled.refused)
                            for lease, label in asked.pop(got.request):
                                if lease not in refused:
                                    self.acked[label] = run
                    if once:
                        client.credit(consumer, once)
                    if leases:
                        request = client.send_frame(ACK, struct.pack(f"<{len(leases)}Q",
                                                                     *(lease for lease, _ in leases)))
                        asked[request] = leases
            except (OSError, Ended, Refused):
                pass
            client.close()


def test_A7_killed_fifty_times_under_load_nothing_confirmed_is_lost(server):
    rng = random.Random(50)
    load = Load(server)
    for number, mailbox in enumerate(MAILBOXES):
        for publisher in range(2):
            load.go(load.publisher, f"p{number}{publisher}", mailbox, 1)
        for consumer in range(2):
            load.go(load.consumer, f"c{number}{consumer}", mailbox)
    load.go(load.publisher, "p-once", ONCE, 0)
    load.go(load.consumer, "c-once", ONCE)

    began = time.monotonic()
    load.up.set()
    slowest = 0.0
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.1, 0.45))
        load.up.clear()
        server.kill9()
        load.run += 1
        server.start()
        slowest = max(slowest, server.started_in)
        load.up.set()
    load.stopping.set()
    killing = time.monotonic() - began

    watcher = Client(("127.0.0.1", server.port), agent="watcher")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not load.failures:
        boxes = {m["name"]: m for m in watcher.stats()["mailboxes"]}
        if not any(boxes[name]["ready"] + boxes[name]["leased"] for name in (*MAILBOXES, ONCE)) \
                and not any(thread.is_alive() for thread in load.publishers):
            break
        time.sleep(0.1)
    time.sleep(0.3)  # for the last answers to be read
    load.finished.set()
    for thread in load.threads:
        thread.join(10)
    assert not load.failures, load.failures
    watcher.close()

    durable = set().union(*(load.confirmed[mailbox] for mailbox in MAILBOXES))
    lost = durable - load.deliveries.keys()
    again = {label for label, run in load.acked.items() if any(later > run for later in load.deliveries[label])}
    doubled = {label for label, runs in load.deliveries.items() if len(set(runs)) != len(runs)}
    once = {label for label in load.deliveries if label.startswith("p-once")}
    twice = {label for label in once if len(load.deliveries[label]) > 1}
    redelivered = sum(len(runs) - 1 for label, runs in load.deliveries.items() if label not in once)
    print(
        f"\n{KILLS} kills in {killing:.1f} s, slowest start {slowest * 1000:.0f} ms\n"
        f"at_least_once: sent {sum(load.sent[m] for m in MAILBOXES)}, confirmed {len(durable)}, lost {len(lost)}, "
        f"delivered {len(load.deliveries) - len(once)}, delivered again after a kill {redelivered}, acks "
        f"answered {len(load.acked)}, "
        f"delivered after an answered ack {len(again)}, twice in one run {len(doubled)}\n"
        f"at_most_once:  sent {load.sent[ONCE]}, confirmed {len(load.confirmed[ONCE])}, delivered {len(once)}, "
        f"twice {len(twice)}"
    )
    assert not lost, sorted(lost)[:20]
    assert not again, sorted(again)[:20]
    assert not doubled, sorted(doubled)[:20]
    assert not twice, sorted(twice)[:20]
    assert len(durable) > 2000 and len(load.acked) > 2000 and len(once) > 100, "hardly any load"
