"""The parties of docs/security.md's threats at the doors of a server with accounts: each is refused, and whoever has an
account goes on meanwhile. What HTTP and WebSockets are by their RFCs is in test_http_conformance and
test_websocket_conformance, frames of every kind in test_hostile_frames, who guesses keys in test_getting_in."""

import asyncio
import contextlib
import json
import re
import socket
import struct
import threading
import time

import msgpack
import pytest
from native import CONFIRM, GOODBYE, HELLO, PUBLISH, Client, Ended, Refused, frame, message
from test_accounts import Guarded, http, over_http, refused
from test_operations import operations
from test_websocket import run as run_websocket


@pytest.fixture(params=[1, 3], ids=["one_shard", "three_shards"])
def guarded(make_server, request):
    more = ("--set", "login.failures_per_minute=0", "--set", "login.timeout=60s", "--set", "login.per_address=4000")
    return Guarded(make_server("--set", f"shards={request.param}", *more))


def address(guarded):
    return ("127.0.0.1", guarded.server.port)


def hello(key, agent=None):
    fields = {0: 1, 1: agent, 2: key, 3: "tests"}
    return frame(HELLO, msgpack.packb({at: value for at, value in fields.items() if value is not None}))


def say(guarded, data, until=None):
    """The opcodes of the server's frames that answer these bytes: until one is `until`, the server closes, or nothing
    comes for a second; with `until`, for 20."""
    opcodes, got = [], b""
    with contextlib.closing(socket.create_connection(address(guarded), timeout=20 if until else 1)) as peer:
        with contextlib.suppress(ConnectionError, TimeoutError):
            peer.sendall(data)
            while until is None or until not in opcodes:
                block = peer.recv(65536)
                if not block:
                    break
                got += block
                while len(got) >= 4 and len(got) >= (end := 4 + struct.unpack_from("<I", got)[0]):
                    opcodes.append(got[4])
                    got = got[end:]
    return opcodes


def mail_of(guarded, mailbox):
    try:
        return guarded.call("mailbox.show", name=mailbox)["ready"]
    except Refused as met:
        assert met.name == "not_found", met
        return 0


def send(guarded, account, to, content="x", count=1):
    client = guarded.connect(account)
    for _ in range(count):
        client.publish(content, to=to)
    client.close()


# -- who has heard what others said


def test_X14_what_was_said_before_a_key_was_withdrawn_is_worth_nothing_afterwards(guarded):
    key = guarded.add("ann")
    session = hello(key) + frame(PUBLISH, message("x", to="box"), request=1)
    assert CONFIRM in say(guarded, session, until=CONFIRM)
    guarded.cli("account", "rotate", "ann")
    assert say(guarded, session) == [GOODBYE]
    assert mail_of(guarded, "box") == 1


def test_X14_frames_in_another_order_or_cut_short_or_altered_do_nothing(guarded):
    key = guarded.add("ann")
    first, second = hello(key), frame(PUBLISH, message("x", to="box"), request=1)
    assert CONFIRM not in say(guarded, second + first)
    for cut in (1, 4, 11, len(first) - 1, len(first) + 5, len(first) + len(second) - 1):
        assert CONFIRM not in say(guarded, (first + second)[:cut]), cut
    at = first.index(key.encode())
    for place in range(at, at + len(key), 5):  # each part of the key, its id too
        altered = bytearray(first)
        altered[place] ^= 1
        assert CONFIRM not in say(guarded, bytes(altered) + second), place
    with pytest.raises(Refused) as met:
        client = guarded.connect("ann")
        client.hello("root", guarded.root)  # a second time, as somebody else
    assert met.value.name == "not_permitted"
    send(guarded, "ann", "box")
    assert mail_of(guarded, "box") == 1


# -- who shares a connection


def request_bytes(method, path, key=None, body=b"", *fields):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *fields]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    if body:
        lines += [f"Content-Length: {len(body)}", "Content-Type: application/json"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def statuses(guarded, data):
    with contextlib.closing(socket.create_connection(address(guarded), timeout=15)) as peer:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        got = b""
        with contextlib.suppress(ConnectionError):
            while block := peer.recv(65536):
                got += block
    return [int(part.split(b" ", 1)[0]) for part in got.split(b"HTTP/1.1 ")[1:]]


def test_X14_requests_of_one_connection_have_each_their_own_credentials(guarded):
    """As behind a proxy that shares connections between its clients."""
    key = guarded.add("ann")
    listed, mail = "/api/accounts", "/api/messages?agent=ann"
    asked = [(listed, guarded.root), (listed, key), (listed, None), (mail, key), (mail, None), (listed, guarded.root)]
    got = statuses(guarded, b"".join(request_bytes("GET", path, shown) for path, shown in asked))
    assert got == [200, 403, 401, 200, 401, 200]


def test_X14_a_request_within_another_is_never_carried_out(guarded):
    """What a proxy takes for a body and a server for a request, or the other way round."""
    key = guarded.add("ann")
    inner = request_bytes(
        "POST", "/api/messages", guarded.root, json.dumps({"to": "smuggled", "content": "x"}).encode()
    )
    body = json.dumps({"to": "box", "content": "x"}).encode()
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    head = lambda *fields: request_bytes("POST", "/api/messages", key, b"", *fields)
    attacks = {
        "both lengths": head(f"Content-Length: {len(chunked)}", "Transfer-Encoding: chunked") + chunked + inner,
        "two lengths": head("Content-Length: 0", f"Content-Length: {len(inner)}") + inner,
        "a length with a sign": head(f"Content-Length: +{len(inner)}") + inner,
        "a hidden coding": head(f"Content-Length: {len(inner)}", "Transfer-Encoding : chunked") + inner,
        "a coding of two": head("Transfer-Encoding: identity, chunked") + chunked + inner,
        "an unknown coding": head("Transfer-Encoding: xchunked") + chunked + inner,
        "a folded coding": head("Transfer-Encoding:\r\n chunked") + chunked + inner,
        "a chunk's size too large": head("Transfer-Encoding: chunked") + b"1" + b"0" * 16 + b"\r\n" + inner,
        "a chunk without its end": head("Transfer-Encoding: chunked") + b"2\r\n{}X\r\n0\r\n\r\n" + inner,
        "a line feed alone": head("Transfer-Encoding: chunked") + b"0\n\n" + inner,
    }
    for name, data in attacks.items():
        got = statuses(guarded, data)
        assert got and all(status >= 400 for status in got), (name, got)
    assert mail_of(guarded, "smuggled") == 0


def test_X14_a_websocket_stays_whose_it_was(guarded):
    key = guarded.add("ann")
    guarded.add("bob")

    async def steps(me, stranger):
        assert (await me.ask("ping", request=1))["op"] == "ok"
        for agent, token in ("root", guarded.root), ("bob", guarded.keys["bob"]):  # it has begun as ann
            answer = await me.ask("hello", request=1, agent=agent, token=token)
            assert (answer["op"], answer["code"]) == ("error", "not_permitted"), answer
        forged = await me.ask("publish", request=2, message={"from": "bob", "to": "bob", "content": "x"})
        assert (forged["op"], forged["code"]) == ("error", "not_permitted")
        assert (await me.ask("account.list", request=3))["code"] == "not_permitted"
        # The upgrade of the second connection names an agent that is none of ann's.
        answer = await stranger.ask("publish", request=1, message={"to": "bob", "content": "x"})
        assert (answer["op"], answer["code"]) == ("goodbye", "not_permitted"), answer

    run_websocket(guarded.server, steps, path="/ws?agent=ann", Authorization=f"Bearer {key}")
    assert mail_of(guarded, "bob") == 0


# -- who has an account and no right


def test_A18_an_account_without_a_right_is_refused_every_operation_at_every_door(guarded):
    """From the list: what is new in it is met here."""
    server = guarded.server
    guarded.cli("access", "role", "nothing", "discover")
    key = guarded.add("nobody", "--role", "nothing")
    right = lambda name: re.search(r"right: (\w+)", guarded.cli("describe", name).stdout)[1]
    wanted = [operation for operation in operations(server) if right(operation.name) != "discover"]
    assert len(wanted) > 60
    client = guarded.connect("nobody")
    for operation in wanted:
        good = operation.sample()
        assert refused(client.carry_out, operation.name, **good).name == "not_permitted", operation.name
        for status, answer in (
            over_http(server, operation, good, key),
            http(server, "POST", f"/api/call/{operation.name}", good, key),
        ):
            assert (status, answer["code"]) == (403, "not_permitted"), (operation.name, answer)

    async def steps(me, _):
        for operation in wanted:
            answer = await me.ask(operation.name, request=1, **operation.sample())
            assert answer["code"] == "not_permitted", (operation.name, answer)

    run_websocket(server, steps, path="/ws?agent=nobody", Authorization=f"Bearer {key}")


# -- who sends what is small and becomes large


BOMBS = {
    "arrays in arrays": b"[" * 200_000,
    "objects in objects": b'{"a":' * 100_000,
    "closed arrays in arrays": b"[" * 50_000 + b"]" * 50_000,
    "a message in a message": b'{"to":"box","content":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001,
    "a number without end": b'{"to":"box","priority":' + b"9" * 500_000 + b"}",
    "an exponent": b'{"to":"box","priority":1e999999999}',
    "the same key again and again": b'{"to":"box",' + b'"priority":1,' * 50_000 + b'"priority":1}',
    "many keys": b"{" + b",".join(b'"k%d":1' % number for number in range(50_000)) + b"}",
    "half a surrogate": b'{"to":"\\ud800","content":"x"}',
    "a zero byte": b'{"to":"a\\u0000b","content":"x"}',
}
# A content is any JSON, as deep as its bytes allow: nothing of the server goes down into it. Of a key that is said
# twice one counts.
TAKEN = {"a message in a message", "the same key again and again"}


@pytest.mark.parametrize("name", BOMBS)
def test_X14_json_that_is_a_bomb_harms_no_door(guarded, name):
    key, bomb = guarded.add("ann"), BOMBS[name]
    before = guarded.server.rss()
    for path in "/api/messages", "/api/call/mailbox.show", "/api/events":
        got = statuses(guarded, request_bytes("POST", path, key, bomb))
        if name in TAKEN and path == "/api/messages":
            assert got == [201] and mail_of(guarded, "box") == 1
            assert statuses(guarded, request_bytes("GET", "/api/messages?agent=box&ack=true", guarded.root)) == [200]
        else:
            assert len(got) == 1 and 400 <= got[0] < 500, (path, got)

    async def steps(me, _):
        await me.socket.send(bomb.decode())
        answer = await me.read()
        assert answer["op"] in ("error", "goodbye"), answer

    run_websocket(guarded.server, steps, path="/ws?agent=ann", Authorization=f"Bearer {key}")
    send(guarded, "ann", "box")
    assert guarded.server.rss() - before < 128 * 1024 * 1024


# -- who is many


def test_X14_a_flood_from_one_account_leaves_the_others_their_turn(guarded):
    guarded.add("ann")
    guarded.add("eve")
    flood = b"".join(frame(PUBLISH, message("y" * 200, to="flooded"), request=number + 1) for number in range(2_000))
    is_over = threading.Event()

    def pour():
        while not is_over.is_set():
            with contextlib.suppress(OSError, Refused, Ended):
                peer = guarded.connect("eve").socket
                peer.settimeout(0.2)
                while not is_over.is_set():
                    with contextlib.suppress(TimeoutError):
                        peer.sendall(flood)
                    with contextlib.suppress(TimeoutError):
                        peer.recv(1 << 16)

    threads = [threading.Thread(target=pour) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        ann = guarded.connect("ann")
        ann.consume("ann", credit=10)
        started = time.monotonic()
        for number in range(100):
            ann.publish(str(number), to="ann")
            got = ann.delivery(timeout=15)
            ann.ack(got.lease)
        assert http(guarded.server, "GET", "/api/messages?agent=ann/x&limit=1", key=guarded.keys["ann"])[0] == 200
        assert time.monotonic() - started < 60
    finally:
        is_over.set()
        for thread in threads:
            thread.join(30)
    assert mail_of(guarded, "flooded") > 1_000, "there was no flood"
