"""What the server costs in memory, and how fast it comes back: the figures that are promised, measured from outside."""

import resource
import socket
import struct
import time

import msgpack
import native
import pytest
from native import Client, frame, message
from program import SANITIZED

MIB = 1 << 20


def promise(name, value, most, unit):
    print(f"FIGURE {name}: {value:,.2f} {unit} (at most {most:g}){' [sanitizer: not judged]' if SANITIZED else ''}")
    if not SANITIZED:
        assert value <= most, f"{name} is {value:.2f} {unit}, more than {most}"


def settled_rss(server):
    """Resident bytes once they do not move any more."""
    before = server.rss()
    for _ in range(20):
        time.sleep(0.1)
        now = server.rss()
        if abs(now - before) < 64 * 1024:
            break
        before = now
    return now


def test_U15_an_empty_server_is_small(server):
    time.sleep(0.3)
    promise("memory of an empty server", settled_rss(server) / MIB, 20, "MiB")


def test_M9_ten_thousand_idle_agents_cost_little_each(make_server):
    agents = 10_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= agents + 500, f"this machine allows {hard} open files; the test needs {agents + 500}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = make_server()
    Client(("127.0.0.1", server.port)).close()
    before = settled_rss(server)
    sockets = []
    began = time.monotonic()
    for number in range(agents):
        raw = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        raw.sendall(frame(native.HELLO, msgpack.packb({0: 1, 1: f"agent-{number}"}))
                    + frame(native.CONSUME, msgpack.packb({0: f"agent-{number}", 1: 10}), 1))
        sockets.append(raw)
    for raw in sockets:
        data = b""
        while len(data) < 4 or len(data) < 4 + struct.unpack_from("<I", data)[0] + 16:
            chunk = raw.recv(4096)
            assert chunk
            data += chunk
        assert data[4] == native.WELCOME and data[-12] == native.OK
    elapsed = time.monotonic() - began
    after = settled_rss(server)
    print(
        f"{agents} agents connected and consuming after {elapsed:.1f} s; {before / MIB:.1f} MiB before, "
        f"{after / MIB:.1f} MiB after"
    )
    promise("memory of an idle agent with a mailbox consumer", (after - before) / agents / 1024, 4, "KiB")

    # They are alive: a message to the last one reaches it.
    sender = Client(("127.0.0.1", server.port))
    sender.publish("are you there?", to=f"agent-{agents - 1}")
    assert sockets[-1].recv(4096).endswith(b"are you there?")
    stats = sender.stats()
    assert stats["connections"]["native"] == agents + 1 and stats["consumers"] == agents
    sender.close()
    for raw in sockets:
        raw.close()


def test_X3_a_million_waiting_messages_fit_and_come_back_fast(server):
    total, batch = 1_000_000, 10_000
    client = Client(("127.0.0.1", server.port), agent="alice", timeout=60)
    one = message(bytes(range(128)), to="bob")
    body = struct.pack("<I", batch) + (struct.pack("<I", len(one)) + one) * batch
    began = time.monotonic()
    for _ in range(total // batch):
        answer = client.call(native.PUBLISH_BATCH, body).body
        assert len(answer) == 34 * batch
    print(f"{total:,} messages confirmed durable in {time.monotonic() - began:.1f} s")
    promise("memory with a million waiting messages", settled_rss(server) / MIB, 38, "MiB")
    client.close()

    assert server.terminate(30) == 0
    server.start()
    promise("restart with a million waiting messages", server.started_in, 2, "s")
    client = Client(("127.0.0.1", server.port), agent="alice", timeout=60)
    assert client.stats("bob")["mailboxes"][0]["ready"] == total
    promise("memory after that restart", settled_rss(server) / MIB, 38, "MiB")
    server.kill9()
    client.close()
    server.start()
    promise("restart after a kill with a million waiting messages", server.started_in, 2, "s")

    client = Client(("127.0.0.1", server.port), agent="bob", timeout=60)
    began, seen = time.monotonic(), 0
    while got := client.receive("bob", max=1000):
        seen += len(got)
        assert all(d.content == bytes(range(128)) for d in got[:1])
        client.ack(*[d.lease for d in got])
        if seen >= 100_000:
            break
    print(f"{seen:,} of them taken and acknowledged in {time.monotonic() - began:.1f} s")
    assert client.stats("bob")["mailboxes"][0]["ready"] == total - seen
    client.close()
