"""Thousands of connections that begin, and say no more: of those whom docs/security.md has at the doors, the ones who
are many. The others are in test_attacks."""

import contextlib
import resource
import socket
import time

import pytest
from test_accounts import Guarded, http
from test_attacks import address, guarded, hello, mail_of, send  # noqa: F401

HALF_OPEN = 10_000
BEGUN = [b"", hello("fm_0123456789abcdef")[:7], b"GET / HTTP/1.1\r\nHost: loc", b"\x16\x03\x01"]


@pytest.fixture
def many_files():
    """So many that this process, and the server that it starts, hold HALF_OPEN connections and some more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = HALF_OPEN + 2_000
    enough = hard if hard == resource.RLIM_INFINITY or hard >= wanted else wanted
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, enough))
    except ValueError:
        pytest.fail(f"the machine allows {hard} open files; `ulimit -Hn {wanted}` or more is needed")
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, enough))


def percentile_99(client, rounds=500):
    """Of a message from its publishing until its ACK is answered, in seconds."""
    took = []
    for number in range(rounds):
        started = time.perf_counter()
        client.publish(str(number), to="ann")
        client.ack(client.delivery(timeout=15).lease)
        took.append(time.perf_counter() - started)
    return sorted(took)[rounds * 99 // 100]


def test_X14_ten_thousand_that_begin_and_say_no_more_slow_nobody_down(many_files, make_server):
    """Measured in turns within one run, with them and without, and the best of each compared: what else the machine
    does meanwhile hits both, and where it hits one alone, there are more turns. Of four kinds: silent, a HELLO, a
    request, a TLS hello that break off."""
    more = ("login.connections", "login.per_address", "http.strangers", "http.strangers_by_address")
    settings = [word for name in more for word in ("--set", f"{name}={HALF_OPEN + 100}")]
    guarded = Guarded(make_server(*settings, "--set", "login.timeout=120s"))
    guarded.add("ann")
    ann = guarded.connect("ann")
    ann.consume("ann", credit=10)
    percentile_99(ann)  # what is met for the first time
    alone, beset = [], []
    while len(alone) < 2 or (min(beset) > 2 * min(alone) and len(alone) < 5):
        alone.append(percentile_99(ann))
        with contextlib.ExitStack() as open_ones:
            peers = []
            for number in range(HALF_OPEN):
                peer = open_ones.enter_context(socket.create_connection(address(guarded), timeout=15))
                peer.sendall(BEGUN[number % len(BEGUN)])
                peers.append(peer)
            beset.append(percentile_99(ann))
            for peer in peers:
                peer.setblocking(False)
            there = sum(is_open(peer) for peer in peers)
            assert there == HALF_OPEN, f"{there} of {HALF_OPEN} were there while it was measured"
            send(guarded, "ann", "box")
    print(f"p99 alone {min(alone) * 1e3:.2f} ms, beset by {HALF_OPEN} {min(beset) * 1e3:.2f} ms")
    assert min(beset) <= 2 * min(alone), (alone, beset)
    assert mail_of(guarded, "box") == len(beset)


def is_open(peer):
    try:
        return peer.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


def test_X14_thousands_that_begin_and_say_no_more_keep_nobody_out(many_files, guarded):  # noqa: F811
    """More of them than there may be: whoever has been there longest goes, and who says who they are gets in."""
    guarded.add("ann")
    known = guarded.connect("ann")
    with contextlib.ExitStack() as open_ones:
        for number in range(3_000):
            peer = open_ones.enter_context(socket.create_connection(address(guarded), timeout=15))
            with contextlib.suppress(ConnectionError):
                peer.sendall(BEGUN[number % len(BEGUN)])
        started = time.monotonic()
        for number in range(50):
            known.publish(str(number), to="box")
        for _ in range(20):
            send(guarded, "ann", "box")
        assert http(guarded.server, "GET", "/api/messages?agent=ann&limit=1", key=guarded.keys["ann"])[0] == 200
        assert time.monotonic() - started < 30
    assert mail_of(guarded, "box") == 70
