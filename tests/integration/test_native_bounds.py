"""What a connection to the native door may cost: memory and time of one, of an address and of all, before HELLO and
after it. Others are served meanwhile, and what had to wait for room becomes whole.
"""

import contextlib
import socket
import struct
import threading
import time

import msgpack
import pytest
from native import (
    CONTENT_WRITE,
    GOODBYE,
    HELLO,
    OK,
    PUBLISH,
    PUBLISH_BATCH,
    Client,
    Refused,
    frame,
    message,
    messages_body,
)
from program import SANITIZED

MIB = 1 << 20
HELLO_FRAME = frame(HELLO, msgpack.packb({0: 1}))


@pytest.fixture
def sockets():
    """Raw connections, closed in the end."""
    made = []

    def connect(server, data=b""):
        raw = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        made.append(raw)
        if data:
            raw.sendall(data)
        return raw

    yield connect
    for raw in made:
        raw.close()


def is_closed(raw, within=0.0):
    raw.settimeout(within or 0.01)
    try:
        while raw.recv(65536):
            pass
        return True
    except TimeoutError:
        return False
    except OSError:
        return True


def wait_for(condition, timeout=10, what=""):
    deadline = time.monotonic() + timeout
    while not (got := condition()):
        assert time.monotonic() < deadline, what or condition
        time.sleep(0.02)
    return got


def at_most(server, before, mib):
    """The memory that the server has taken since."""
    used = (server.rss() - before) / MIB
    print(f"FIGURE memory taken: {used:.1f} MiB (at most {mib}){' [sanitizer: not judged]' if SANITIZED else ''}")
    if not SANITIZED:
        assert used <= mib, f"{used:.1f} MiB"


def send_all_it_takes(raw, data, quiet_for=1.0):
    """Sends until nothing goes any more, or all has gone; returns how much has."""
    raw.setblocking(False)
    sent, last = 0, time.monotonic()
    while sent < len(data) and time.monotonic() - last < quiet_for:
        try:
            sent += raw.send(data[sent : sent + 65536])
            last = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
    raw.setblocking(True)
    return sent


def batch_of(mib, box):
    return frame(PUBLISH_BATCH, messages_body([message(bytes(MIB), to=box)] * mib), request=7)


# -- before HELLO


def test_a_hello_is_short(server, sockets):
    raw = sockets(server, frame(HELLO, msgpack.packb({0: 1, 1: "ann", 3: "x" * 5_000})))
    answer = raw.recv(4096)
    assert answer[4] == GOODBYE and b"4096" in answer
    assert is_closed(raw, 5)
    client = Client(("127.0.0.1", server.port), agent="a" * 255)
    assert client.ping(b"x") == b"x"
    client.close()


def test_a_token_is_shorter_than_a_hello(make_server):
    server = make_server("--token", "t" * 2_048)
    client = Client(("127.0.0.1", server.port), agent="a" * 255, token="t" * 2_048)
    assert client.ping(b"x") == b"x"
    client.close()
    with pytest.raises(AssertionError, match="the token has 2049 bytes; 2048 are the most"):
        make_server("--token", "t" * 2_049)


def test_a_hello_has_to_come_in_its_time(make_server, sockets):
    server = make_server("--set", "login.timeout=1s")
    began = time.monotonic()
    silent, slow = sockets(server), sockets(server)
    for byte in HELLO_FRAME:
        with contextlib.suppress(OSError):
            slow.sendall(bytes([byte]))
        time.sleep(0.12)
    assert time.monotonic() - began > 1.5
    assert is_closed(silent, 1) and is_closed(slow, 3)
    client = Client(("127.0.0.1", server.port))
    time.sleep(1.5)
    assert client.ping(b"still here") == b"still here"
    client.close()


def test_whoever_says_nothing_makes_room_for_whoever_does(make_server, sockets):
    server = make_server("--set", "login.per_address=20")
    Client(("127.0.0.1", server.port)).close()
    before = server.rss()
    silent = [sockets(server, b"\x20\0\0\0\1" if number % 2 else b"") for number in range(300)]
    clients = [Client(("127.0.0.1", server.port), agent=f"c{number}") for number in range(40)]
    wait_for(lambda: sum(not is_closed(raw) for raw in silent) <= 20, what="more than 20 stay")
    for client in clients:  # they have said HELLO, and are not displaced
        assert client.ping(b"x") == b"x"
    assert clients[0].stats()["newcomers"]["displaced"] >= 280
    assert clients[0].stats()["newcomers"]["now"] <= 20
    assert "login.per_address" in server.log()
    at_most(server, before, 4)
    for client in clients:
        client.close()


def test_there_are_only_so_many_newcomers_in_all(make_server, sockets):
    server = make_server("--set", "login.connections=30")
    silent = [sockets(server) for _ in range(200)]
    client = Client(("127.0.0.1", server.port))
    assert client.stats()["newcomers"]["now"] <= 30
    wait_for(lambda: sum(not is_closed(raw) for raw in silent) <= 30)
    client.close()


def test_wrong_tokens_and_wrong_protocols_leave_nothing_behind(make_server, sockets):
    server = make_server("--token", "secret", "--set", "login.per_address=50")
    good = Client(("127.0.0.1", server.port), token="secret", agent="keeper")
    before = server.rss()
    for number in range(400):
        sockets(server, frame(HELLO, msgpack.packb({0: 1, 1: f"agent{number}", 2: "wrong"})))
        sockets(server, b"\x16\x03\x01\x02\x00\x01")
    assert good.ping(b"x") == b"x"
    # Those that another shard has refused say their last words there.
    wait_for(lambda: good.stats()["newcomers"]["now"] == 0, what="they stay")
    at_most(server, before, 8)
    good.close()


# -- frames in part


def test_unfinished_frames_of_all_connections_share_what_there_is(server, sockets):
    keeper = Client(("127.0.0.1", server.port), agent="keeper", timeout=60)
    keeper.publish(bytes(MIB), to="warm")
    before = server.rss()
    whole = batch_of(7, "warm")
    raws = [sockets(server, HELLO_FRAME) for _ in range(40)]
    threads = [
        threading.Thread(
            target=lambda raw=raw: setattr(threading.current_thread(), "sent", send_all_it_takes(raw, whole[:-1]))
        )
        for raw in raws
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    at_most(server, before, 96)
    stats = keeper.stats()["partial_frames"]
    assert stats["waiting"] > 0 and stats["room_bytes"] <= 64 * MIB
    # Everybody else is served, with the largest messages that there are.
    for _ in range(5):
        keeper.publish(bytes(MIB), to="keeper")
    assert len(keeper.receive("keeper", max=10)) == 5
    # Nobody has died of it: as the first become whole, the others get their room.
    done = []

    def finish(raw, sent):
        raw.settimeout(120)
        raw.sendall(whole[sent:])
        data = b""
        while data.count(OK) < 1 or len(data) < 16 + 29 + 12 + 7 * 34:
            got = raw.recv(65536)
            if not got:
                return done.append(data)
            data += got
        done.append(None)

    threads = [threading.Thread(target=finish, args=(raw, thread.sent)) for raw, thread in zip(raws, threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [None] * 40
    assert keeper.stats()["partial_frames"] == {"room_bytes": 0, "kept_bytes": 0, "waiting": 0, "late": 0}
    assert keeper.stats("warm")["mailboxes"][0]["ready"] == 281
    keeper.close()


def test_many_beginnings_of_ordinary_frames_are_bounded_too(make_server, sockets):
    server = make_server("--set", "frame.total_bytes=4MiB", "--set", "frame.timeout=2s")
    keeper = Client(("127.0.0.1", server.port), agent="keeper", timeout=60)
    before = server.rss()
    part = HELLO_FRAME + frame(PUBLISH, message(bytes(60_000), to="box"), 1)[:-1]
    raws = [sockets(server, part) for _ in range(300)]
    at_most(server, before, 30)
    began = time.monotonic()
    keeper.publish(b"short ones are served", to="keeper")
    assert time.monotonic() - began < 1
    keeper.publish(bytes(50_000), to="keeper")  # waits for its turn, if it comes in two pieces
    for raw in raws:
        raw.close()
    wait_for(lambda: keeper.stats()["partial_frames"]["waiting"] == 0)
    keeper.close()


def test_an_address_leaves_room_for_others(make_server, sockets):
    server = make_server("--set", "frame.total_bytes=64MiB")
    whole = batch_of(7, "box")
    raws = [sockets(server, HELLO_FRAME) for _ in range(8)]
    for raw in raws:
        send_all_it_takes(raw, whole[:-1], 0.3)
    # By another way in: three quarters were the most that 127.0.0.1 could take.
    other = Client(server.socket, timeout=20)
    other.send(whole)
    assert other.next_frame(15).opcode == OK
    other.close()


@pytest.mark.parametrize("size", [100, 3_000, 60_000, 300_000])
def test_a_frame_that_trickles_in_ends(make_server, sockets, size):
    server = make_server("--set", "frame.timeout=1s")
    given = 1 + size // 65_536  # seconds
    raw = sockets(server, HELLO_FRAME)
    whole = frame(PUBLISH, message(bytes(size), to="box"), 1)
    raw.sendall(whole[: 50 if size < 100_000 else size // 2])
    began = time.monotonic()
    goodbye = b""
    raw.settimeout(0.2)
    while time.monotonic() - began < given + 10:
        with contextlib.suppress(OSError):
            raw.sendall(b"x")
        try:
            got = raw.recv(65536)
            if not got:
                break
            goodbye += got
        except TimeoutError:
            pass
        except OSError:
            break
    took = time.monotonic() - began
    assert given - 0.1 <= took < given + 5
    assert b"frame.timeout" in goodbye
    client = Client(("127.0.0.1", server.port))
    assert client.stats()["partial_frames"]["late"] == 1
    client.close()


def test_a_frame_has_the_time_that_is_set(make_server, sockets):
    server = make_server("--set", "frame.timeout=3s")
    client = Client(("127.0.0.1", server.port), agent="ann")
    for size in (10, 5_000):
        whole = frame(PUBLISH, message(bytes(size), to="ann"), size)
        for at in range(0, len(whole), len(whole) // 10 + 1):
            client.send(whole[at : at + len(whole) // 10 + 1])
            time.sleep(0.2)
        client.answer(size)
    time.sleep(4)  # and silence between frames costs nobody anything
    assert [len(got.content) for got in client.receive("ann", max=5)] == [10, 5_000]
    client.close()


def test_what_waits_for_room_gives_it_back_when_it_goes(make_server, sockets):
    server = make_server("--set", "frame.total_bytes=2MiB")
    client = Client(("127.0.0.1", server.port), timeout=30)
    whole = frame(PUBLISH_BATCH, messages_body([message(bytes(MIB), to="box")] * 2), 1)
    for _ in range(3):
        raws = [sockets(server, HELLO_FRAME) for _ in range(20)]
        for raw in raws:
            send_all_it_takes(raw, whole[:-1], 0.05)
        until = time.monotonic() + 10
        while client.stats()["partial_frames"]["waiting"] == 0:
            assert time.monotonic() < until
            time.sleep(0.05)
        for raw in raws:
            raw.close()
        wait_for(lambda: client.stats()["partial_frames"]["room_bytes"] == 0)
    assert client.stats()["partial_frames"]["waiting"] == 0
    client.close()


# -- uploads


def uploads_after(client, seconds):
    """Tries to upload until it may; how long that took."""
    began = time.monotonic()
    while True:
        try:
            client.upload(f"{began}".encode() * 100)
            return time.monotonic() - began
        except Refused as refused:
            assert refused.name == "limit_reached", refused
            assert time.monotonic() - began < seconds, refused
            time.sleep(0.1)


def test_X19_uploads_of_a_byte_each_shut_nobody_out(server):
    clients = [Client(("127.0.0.1", server.port)) for _ in range(8)]
    opened = [(client, client.open_upload(MIB)) for client in clients for _ in range(8)]
    for client, upload in opened:
        client.write_upload(upload, 0, b"x")
    other = Client(("127.0.0.1", server.port))
    assert uploads_after(other, 10) < 5
    # It went on at the cost of one that did not; whoever opens its uploads anew does not help it.
    stats = other.stats()["contents"]
    assert stats["uploads_expired"] >= 1 and stats["uploads_open"] >= 60
    for client in (*clients, other):
        client.close()


def test_X19_an_upload_that_trickles_in_ends(make_server):
    server = make_server("--set", "content.idle=1s", "--set", "content.pace=1KiB")
    client = Client(("127.0.0.1", server.port))
    slow, steady = client.open_upload(MIB), client.open_upload(MIB)
    began, at = time.monotonic(), 0
    told = []  # under the number of the upload, whatever the answer to a write that comes too late
    while not told and time.monotonic() - began < 10:
        with contextlib.suppress(Refused):
            client.write_upload(slow, at, b"x")
        client.write_upload(steady, at * 1_000, bytes(1_000))
        at += 1
        time.sleep(0.2)
        told = [Refused(frame) for frame in client.waiting if frame.request == slow]
    assert told[0].name == "timed_out" and "content.pace" in str(told[0]) and 0.9 < time.monotonic() - began < 4
    client.write_upload(steady, at * 1_000, bytes(1_000))
    client.close()


def test_X19_much_that_is_uploaded_at_once_waits_its_turn(server):
    clients = [Client(("127.0.0.1", server.port), timeout=60) for _ in range(16)]
    data = bytes(MIB)
    uploads = [(client, client.open_upload(2 * MIB)) for client in clients for _ in range(4)]
    before = server.rss()
    asked = []
    for client, upload in uploads:
        for part in range(2):
            asked.append((client, client.send_frame(CONTENT_WRITE, struct.pack("<IQ", upload, part * MIB) + data)))
    at_most(server, before, 150)
    for client, request in asked:
        client.answer(request)
    for client in clients:
        client.close()
