"""What docs/protocol.md says of WebSocket and of HTTP as transports, sections 11 to 13: its tables of closes and
statuses are read, and each of their rows is made to happen; bounds are reached and gone beyond."""

import contextlib
import hashlib
import json
import re
import struct
import time

import msgpack
import pytest
from native import NAMES
from program import ROOT
from test_http_conformance import Connection, ask, chunked, message, post, request
from test_strangers import KNOWN, MIB, SECRET, UPGRADE, WebSocket, pour, settings
from test_websocket import frame

PING, PUBLISH, HELLO, GOODBYE, OK = 0x10, 0x02, 0x01, 0x87, 0x83


def table(heading):
    """The rows below that heading of the page, cell by cell."""
    page = (ROOT / "docs/protocol.md").read_text()
    lines = page[page.index(heading) + len(heading) :].split("\n")[2:]
    rows = []
    while lines[0].startswith("|"):
        rows.append([cell.strip() for cell in lines.pop(0).strip("|").split("|")])
    return rows


# -- how a WebSocket ends


def say(client, **fields):
    text = json.dumps(fields).encode()
    return client.say(text) if len(text) < 65536 else client.begin(len(text), opcode=1).send(text)


def ending(client):
    """The code that GOODBYE said, as text or binary, and that of the close with its reason."""
    said = None
    while (got := client.frame()) is not None:
        opcode, payload = got
        if opcode & 15 == 8:
            return said, struct.unpack(">H", payload[:2])[0], payload[2:].decode()
        if opcode & 15 == 1 and json.loads(payload)["op"] == "goodbye":
            said = json.loads(payload)["code"]
        while opcode & 15 == 2 and payload:
            length, kind = struct.unpack_from("<IB", payload)
            if kind == GOODBYE:
                said = NAMES[struct.unpack_from("<H", payload, 12)[0]]
            payload = payload[4 + length :]
    return said, None, ""


def as_the_clients(server):
    with WebSocket(server) as client:
        yield ending(client.send(struct.pack(">BB4xH", 0x88, 0x82, 1000)))


def stops(server):
    with WebSocket(server) as client:
        say(client, op="ping")
        client.frame()
        assert server.terminate() == 0
        yield ending(client)


def no_frames(server):
    for broken in (b"\x81\x05hello", b"\xf1\x80" + bytes(4), b"\x83\x80" + bytes(4), b"\x09\x80" + bytes(4),
                   b"\x89\xfe\0\x80" + bytes(4), b"\x80\x80" + bytes(4), b"\x88\x81" + bytes(5)):  # fmt: skip
        with WebSocket(server) as client:
            yield ending(client.send(broken))


def no_native_frames(server):
    for broken in (b"\x07\0\0\0" + bytes(7), struct.pack("<IBBHI", 500, PING, 0, 0, 9), frame(PING, 0x8000_0000)):
        with WebSocket(server) as client:
            yield ending(client.say(frame(PING, 1), opcode=2).say(broken, opcode=2))


def no_utf_8(server):
    with WebSocket(server) as client:
        yield ending(client.say(b"\xff"))


def refused_hello(server):
    for hello in ({}, {"token": "wrong"}, {"version": 2, "token": "secret"}, {"agent": "@x", "token": "secret"}):
        with WebSocket(server) as client:
            say(client, op="hello", **hello)
            yield ending(client)
    with WebSocket(server, "Authorization: Bearer wrong") as client:
        say(client, op="ping")
        yield ending(client)
    with WebSocket(server, KNOWN, target="/ws?agent=%24me") as client:
        say(client, op="ping")
        yield ending(client)


def too_late(server):
    with WebSocket(server) as client:
        yield ending(client)
    with WebSocket(server, KNOWN) as client:
        yield ending(say(client, op="ping").begin(70_000, opcode=1).send(bytes(9)))


def does_not_read(server):
    with WebSocket(server, KNOWN) as client, WebSocket(server, KNOWN) as other:
        say(client, op="subscribe", request=1, pattern="much")
        client.frame()
        for _ in range(64):
            say(other, op="publish", quiet=True, message={"topic": "much", "content": "x" * 500_000})
        time.sleep(1.5)
        yield ending(client)


def too_long(server):
    with WebSocket(server, KNOWN) as client:
        pour(client.begin(8 * MIB + 1, opcode=1), 8 * MIB + 1)
        yield ending(client)
    with WebSocket(server) as client:
        yield ending(client.say(bytes(4097)))
    with WebSocket(server, KNOWN) as client:
        yield ending(client.say(struct.pack("<IBBHI", 8 * MIB, PING, 0, 0, 1), opcode=2))


def too_much(server):
    with WebSocket(server, KNOWN) as client:
        pour(client.begin(8 * MIB, opcode=1), 3 * MIB)
        yield ending(client)


LATE = settings(login__timeout="400ms", http__timeout="400ms")
ENDINGS = [
    ("as the client's", as_the_clients, []),
    ("1001", stops, []),
    ("1002", no_frames, []),
    ("1002", no_native_frames, []),
    ("1007", no_utf_8, []),
    ("1008, the code as its reason", refused_hello, SECRET),
    ("1008, the code as its reason", lambda server: [*too_late(server), *does_not_read(server)],
     [*SECRET, *LATE, *settings(slow_consumer_timeout="300ms")]),
    ("1009", too_long, SECRET),
    ("1013", too_much, [*SECRET, *settings(http__unfinished_bytes="2MiB", http__unfinished_bytes_by_address="2MiB")]),
]  # fmt: skip
CLOSES = "| close | GOODBYE | when |"


def test_U5_11_the_page_has_a_row_for_each_ending():
    assert [row[0] for row in table(CLOSES)] == [first for first, _, _ in ENDINGS]


@pytest.mark.parametrize("row", range(len(ENDINGS)))
def test_U5_11_a_websocket_ends_as_the_page_says(make_server, row):
    first, made, arguments = ENDINGS[row]
    codes = set(re.findall(r"`(\w+)`", table(CLOSES)[row][1]))
    found = [*made(make_server(*arguments))]
    assert {said for said, _, _ in found} == (codes or {None})
    for said, close, reason in found:
        assert close == (1000 if first.startswith("as") else int(first[:4])) and reason == (
            said if close == 1008 else ""
        )


def test_U5_11_all_else_is_answered_and_goes_on(server):
    with WebSocket(server) as client:
        for text, code in (
            (b"", "malformed"),
            (b"{", "malformed"),
            (b"[]", "malformed"),
            (b'{"op":"fly"}', "unknown_opcode"),
            (b'{"op":"ping","hight":1}', "invalid_field"),
            (b'{"op":"receive","mailbox":"$x"}', "invalid_name"),
        ):
            assert json.loads(client.say(text).frame()[1])["code"] == code, text
        say(client, op="hello", request=3)
        assert json.loads(client.frame()[1])["code"] == "not_permitted"
        client.say(b"", opcode=2).say(frame(0x55, 4), opcode=2)
        _, opcode, _, _, number, code = struct.unpack_from("<IBBHIH", client.frame()[1])
        assert (opcode, number, NAMES[code]) == (0x84, 4, "unknown_opcode")
        say(client, op="ping", request=9)
        assert json.loads(client.frame()[1]) == {"op": "ok", "request": 9}


def test_U5_11_a_message_has_8_mib(server):
    with WebSocket(server) as client:
        text = json.dumps({"op": "publish", "request": 1, "message": {"to": "box"}}).encode()
        client.begin(8 * MIB, opcode=1).send(text + b" " * (8 * MIB - len(text)))
        assert json.loads(client.frame()[1])["op"] == "confirm"


def test_U5_U13_11_a_stranger_has_4_kib(make_server):
    server = make_server(*SECRET)
    with WebSocket(server) as client:
        hello = json.dumps({"op": "hello", "request": 1, "token": "secret"}).encode()
        client.say(hello + b" " * (4096 - len(hello)))
        assert json.loads(client.frame()[1])["op"] == "welcome"


def test_U7_U13_3_a_token_has_2_kib_at_every_door(make_server):
    token = "t" * 2048
    server = make_server("--token", token)
    with WebSocket(server) as client:
        say(client, op="hello", token=token)
        assert json.loads(client.frame()[1])["op"] == "welcome"
    with WebSocket(server) as client:
        client.say(frame(HELLO, 1, msgpack.packb({2: token})), opcode=2)
        assert client.frame()[1][4] == 0x81
    known = f"Authorization: Bearer {token}"
    with WebSocket(server, known) as client:
        say(client, op="ping", request=9)
        assert json.loads(client.frame()[1]) == {"op": "ok", "request": 9}
    assert ask(server, request("GET", "/api/stats", known)).status == 200


def test_U5_11_who_is_silent_is_pinged_and_then_cut(make_server):
    server = make_server(*settings(http__idle="1s"))
    began = time.monotonic()
    with WebSocket(server) as silent:
        assert silent.frame() == (0x89, b"") and 0.4 < time.monotonic() - began < 0.9
        with contextlib.suppress(ConnectionResetError):
            assert silent.frame() is None
        assert 0.8 < time.monotonic() - began < 2
    with WebSocket(server) as client:
        for _ in range(4):
            assert client.frame() == (0x89, b"")
            client.send(b"\x8a\x80\0\0\0\0")
        say(client, op="ping", request=9)
        assert json.loads(client.frame()[1]) == {"op": "ok", "request": 9}


def test_U5_11_an_upgrade_is_one_session(make_server):
    """Who has shown its token is there at once, and over no other door."""
    server = make_server(*SECRET)
    with WebSocket(server, KNOWN) as client, WebSocket(server) as stranger:
        say(client, op="call", request=1, name="connection.list")
        listed = json.loads(client.frame()[1])["result"]["connections"]
        assert [(each["agent"], each["door"]) for each in listed] == [("me", "websocket")]
        say(client, op="call", request=2, name="agent.list")
        (agent,) = json.loads(client.frame()[1])["result"]["agents"]
        assert [(door["door"], door["connections"]) for door in agent["doors"]] == [("websocket", 1)]
        say(stranger, op="hello", request=1, token="secret", agent="other")
        assert json.loads(stranger.frame()[1])["op"] == "welcome"
        say(client, op="call", request=3, name="connection.list")
        listed = json.loads(client.frame()[1])["result"]["connections"]
        assert sorted(each["agent"] for each in listed) == ["me", "other"]


# -- statuses

CONTENT = b"x" * 500
HASH = hashlib.sha256(CONTENT).hexdigest()
BODY = message()
STATUSES = {
    204: [request("OPTIONS")],
    304: [request("GET", f"/api/content/{HASH}", f'If-None-Match: "{HASH}"')],
    400: [request("GET", "/health", host=""), request("GET", "/api/messages?limit=x"), post("{", "Content-Length: 1")],
    405: [request("DELETE"), request("PUT", "/api/messages")],
    411: [post(chunked("x"), "Transfer-Encoding: chunked", target="/api/content")],
    412: [request("GET", f"/api/content/{HASH}", 'If-Match: "other"')],
    413: [post("", "Content-Length: 8388609"), post(chunked("x" * 8388609), "Transfer-Encoding: chunked")],
    414: [request("GET", "/" + "x" * 16384)],
    415: [post(BODY, "Content-Encoding: br", f"Content-Length: {len(BODY)}")],
    416: [request("GET", f"/api/content/{HASH}", "Range: bytes=500-")],
    417: [post(BODY, "Expect: more", f"Content-Length: {len(BODY)}")],
    421: [request(host="evil.example"), request("GET", "https://localhost/health")],
    422: [post('{"to":"a","priority":0}', "Content-Length: 23"), post("[]", "Content-Length: 2")],
    426: [request("GET", "/ws"), request("GET", "/ws", *UPGRADE[:2], UPGRADE[3], "Sec-WebSocket-Version: 8")],
    431: [request("GET", "/health", "X: " + "x" * 16384), request("GET", "/health", *["X: y"] * 128)],
    501: [request("FLY"), request("CONNECT", "localhost:1"), post("", "Transfer-Encoding: gzip, chunked")],
    503: [post(BODY, f"Content-Length: {len(BODY)}", target="/message")],
    505: [request(version="2.0")],
}
SAID = "| status | when |"


def test_U4_13_the_page_has_a_row_for_each_status():
    assert {int(row[0]) for row in table(SAID)} == STATUSES.keys() | {499}, "which nobody reads"


@pytest.mark.parametrize("status", STATUSES)
def test_U4_13_a_request_gets_the_status_that_the_page_says(server, status):
    assert ask(server, request("POST", "/api/content", "Content-Length: 500", body="x" * 500)).status == 201
    (when,) = [row[1] for row in table(SAID) if row[0] == str(status)]
    for text in STATUSES[status]:
        with Connection(server) as connection:
            with contextlib.suppress(OSError):
                connection.send(text)
            answer = connection.answer()
            assert answer.status == status, (text[:200], answer.body)
            closes = answer["connection"] == "close"
            assert connection.is_closed() if closes else connection.is_open()
            assert closes or not when.endswith("closed")
            named = {204: ("allow",), 405: ("allow",), 426: ("upgrade",), 503: ("retry-after",)}
            assert all(answer[field] for field in named.get(status, ()))


# -- bounds


def test_U4_13_a_header_has_16_kib_and_128_fields(server):
    least = len(request("GET", "/health", "X: "))
    assert ask(server, request("GET", "/health", "X: " + "x" * (16384 - least))).status == 200
    assert ask(server, request("GET", "/health", "X: " + "x" * (16385 - least))).status == 431
    assert ask(server, request("GET", "/health", *["X: y"] * 127)).status == 200, "and Host"
    assert ask(server, "\r\n" * 8 + request()).status == 200
    assert ask(server, "\r\n" * 9 + request()).status == 400


def test_U4_13_a_body_has_8_mib(server):
    body = message(note=" " * 100)
    whole = body + " " * (8 * MIB - len(body))
    assert ask(server, post(whole, f"Content-Length: {8 * MIB}")).status == 201
    assert ask(server, post(chunked(whole), "Transfer-Encoding: chunked")).status == 201


def test_U4_13_chunks_have_16_kib_of_their_own(server):
    for extra, status in ((16_000, 201), (16_385, 400)):
        text = f"{len(BODY):x};a={'x' * extra}\r\n{BODY}\r\n0\r\n\r\n"
        assert ask(server, post(text, "Transfer-Encoding: chunked")).status == status


def test_U4_13_a_wait_is_up_to_5_minutes(server):
    assert ask(server, request("GET", "/api/messages?agent=a&wait=300001")).status == 400
    with Connection(server) as waiting:
        waiting.send(request("GET", "/api/messages?agent=a&wait=5m&ack=true"))
        time.sleep(0.2)
        assert ask(server, post(body := message(to="a"), f"Content-Length: {len(body)}")).status == 201
        assert len(waiting.answer().json()["messages"]) == 1


def test_U4_13_a_connection_is_idle_for_so_long(make_server):
    server = make_server(*settings(http__idle="700ms"))
    with Connection(server) as connection:
        assert connection.is_open()
        time.sleep(0.4)
        assert connection.is_open()
        began = time.monotonic()
        assert connection.is_closed() and 0.5 < time.monotonic() - began < 2


def test_U4_13_what_is_late_is_closed_without_an_answer(make_server):
    server = make_server(*settings(login__timeout="400ms", http__timeout="400ms"))
    for text in ("GET /health HTTP/1.1\r\nHost", post("x", "Content-Length: 10")):
        with Connection(server) as connection:
            assert connection.is_open() and connection.send(text).is_closed()


# -- JSON


def deep(levels):
    return "[" * levels + "]" * levels


def test_U7_12_json_is_64_deep_contents_aside(server):
    def published(text):
        return ask(server, post(text, f"Content-Length: {len(text)}"))

    def with_field(levels):
        return f'{{"to":"box","content":1,"x":{deep(levels)}}}'

    assert published(with_field(63)).status == 201
    refused = published(with_field(64))
    assert refused.status == 400 and refused.json()["code"] == "out_of_range" and "64" in refused.json()["error"]
    assert published(f'{{"to":"deep","content":{deep(5000)}}}').status == 201
    found = ask(server, request("GET", "/api/messages?agent=deep&wait=1s"))
    assert deep(5000).encode() in found.body
    for levels, code in ((16, None), (17, "out_of_range")):
        answer = published(f'{{"to":"box","content":1,"metadata":{{"a":{deep(levels)}}}}}').json()
        assert answer.get("code") == code
    with WebSocket(server) as client:
        client.say(f'{{"op":"publish","request":5,"message":{with_field(62)}}}'.encode())
        assert json.loads(client.frame()[1])["op"] == "confirm"
        client.say(f'{{"op":"publish","request":6,"message":{with_field(63)}}}'.encode())
        assert json.loads(client.frame()[1])["code"] == "out_of_range"


def test_U7_12_numbers_of_an_envelope_fit_into_64_bits_of_floating_point(server):
    for number, code in (("1e308", None), ("1e309", "out_of_range"), ("1" * 400, "out_of_range")):
        text = f'{{"to":"box","content":1,"metadata":{{"a":{number}}}}}'
        assert ask(server, post(text, f"Content-Length: {len(text)}")).json().get("code") == code


def test_U4_X14_13_names_of_the_server_are_nobodys_over_http(server):
    for name in ("@bob", "$bob"):
        assert (
            ask(server, request("GET", "/api/messages?agent=box", f"X-Agent: {name}")).json()["code"] == "invalid_name"
        )
        code = "no_such_request" if name[0] == "@" else "invalid_name"
        body = message(to=name)
        assert ask(server, post(body, f"Content-Length: {len(body)}")).json()["code"] == code
        body = message(**{"from": name})
        assert ask(server, post(body, f"Content-Length: {len(body)}")).json()["code"] == "invalid_name"


def test_U5_11_so_many_operations_are_under_way(server):
    """Each waits for what does not come; the one above the bound is an error, and the connection goes on."""
    with WebSocket(server) as client:
        waits = b'{"op":"wait","request":1,"mailbox":"box","timeout_ms":"10m"}'
        whole = struct.pack(">BB4x", 0x81, 0x80 | len(waits)) + waits
        for _ in range(64):
            client.send(whole * 1024)
        say(client, op="ping", request=7)
        refused = json.loads(client.frame()[1])
        assert (refused["code"], refused["request"]) == ("limit_reached", 7)
        assert ask(server, post(BODY, f"Content-Length: {len(BODY)}")).status == 201
        for _ in range(65_536):
            assert json.loads(client.frame()[1])["op"] == "ok"
        say(client, op="ping", request=8)
        assert json.loads(client.frame()[1]) == {"op": "ok", "request": 8}


def test_U5_A3_11_a_consumer_without_credit_gets_nothing_before_it_has_some(server):
    with WebSocket(server) as client:
        say(client, op="consume", request=1, mailbox="box", credit=0)
        say(client, op="publish", request=2, message={"to": "box", "content": "x"})
        said = [json.loads(client.frame()[1]) for _ in range(2)]
        assert [(each["op"], each["request"]) for each in said] == [("ok", 1), ("confirm", 2)]
        say(client, op="ping", request=3)
        assert json.loads(client.frame()[1])["request"] == 3
        say(client, op="credit", target=1)
        assert json.loads(client.frame()[1])["op"] == "deliver"
        say(client, op="consume", request=4, mailbox="box", credit=65536)
        assert json.loads(client.frame()[1])["code"] == "out_of_range"


def test_U5_11_a_first_message_with_its_hello_has_no_other(server):
    with WebSocket(server) as client:
        client.say(frame(HELLO, 1, msgpack.packb({1: "ann"})) + frame(PING, 2, b"x"), opcode=2)
        got = client.frame()[1]
        while len(got) < 12 or got[-13:] != frame(OK, 2, b"x"):
            got += client.frame()[1]
