"""What RFC 6455 (WebSocket) and RFC 7692 (permessage-deflate) ask of a server, over raw sockets."""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import struct
import zlib

import msgpack
import pytest
import websockets
from test_http_conformance import Connection, request
from test_strangers import KEY, MIB, UPGRADE, WebSocket, costs_at_most
from test_websocket import frame

PUBLISH, CONFIRM, GOODBYE, PING = 0x02, 0x82, 0x87, 0x10
OFFER = "Sec-WebSocket-Extensions: permessage-deflate"


def upgrade(server, *fields, method="GET", version="1.1"):
    with Connection(server) as connection:
        connection.send(request(method, "/ws", *fields, version=version))
        while b"\r\n\r\n" not in connection.have:
            if not connection._more():
                return None
        if connection.have.startswith(b"HTTP/1.1 101 "):
            return connection.have.decode()
        return connection.answer()


def test_U5_6455_4_2_2_the_key_is_answered(server):
    key = base64.b64encode(os.urandom(16)).decode()
    accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
    head = upgrade(server, *UPGRADE[:3], f"Sec-WebSocket-Key: {key}")
    assert f"Sec-WebSocket-Accept: {accept}\r\n" in head and "Sec-WebSocket-Extensions" not in head


@pytest.mark.parametrize(
    "fields",
    [
        [],
        ["Sec-WebSocket-Key:"],
        ["Sec-WebSocket-Key: " + base64.b64encode(b"x" * 15).decode()],
        ["Sec-WebSocket-Key: " + base64.b64encode(b"x" * 17).decode()],
        ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"],
        ["Sec-WebSocket-Key: !!hlIHNhbXBsZSBub25jZQ=="],
        [KEY, KEY],
        [KEY, "Sec-WebSocket-Key: x"],
        ["Sec-WebSocket-Key: " + "A" * 4000],
    ],
)
def test_U5_6455_4_2_1_a_key_has_16_bytes_and_is_there_once(server, fields):
    assert upgrade(server, *UPGRADE[:3], *fields).status == 400


@pytest.mark.parametrize(
    "fields", [[], ["12"], ["14"], ["8"], ["13", "13"], ["13", "12"], ["13, 12"], ["thirteen"], ["013"]]
)
def test_U5_6455_4_4_another_version_is_told_which_is_spoken(server, fields):
    answer = upgrade(server, *UPGRADE[:2], KEY, *[f"Sec-WebSocket-Version: {value}" for value in fields])
    assert (answer.status, answer["sec-websocket-version"], answer["upgrade"]) == (426, "13", "websocket")


def test_U5_6455_4_1_an_upgrade_asks_for_it_in_both_fields(server):
    for fields, method in [
        (["Upgrade: websocket"], "GET"),
        (["Connection: Upgrade"], "GET"),
        (["Connection: keep-alive", "Upgrade: websocket"], "GET"),
        (["Connection: Upgrade", "Upgrade: h2c"], "GET"),
    ]:
        assert upgrade(server, *fields, *UPGRADE[2:], method=method).status == 426
    assert upgrade(server, *UPGRADE, method="POST").status == 405
    assert "101" in upgrade(server, "Connection: keep-alive, UPGRADE", "Upgrade: h2c, WebSocket", *UPGRADE[2:])
    assert upgrade(server, *UPGRADE, "Content-Length: 5").status == 400


@pytest.mark.parametrize(
    "text",
    [
        b"\x01\x00",
        b"\x81\x05hello",
        b"\xf1\x80\0\0\0\0",
        b"\x83\x80\0\0\0\0",
        b"\x09\x80\0\0\0\0",
        b"\x89\xfe\x00\x80\0\0\0\0",
        b"\x80\x80\0\0\0\0",
        b"\x01\x81\0\0\0\0a\x81\x81\0\0\0\0b",
    ],
    ids=[
        "no mask",
        "no mask, with text",
        "reserved bits",
        "reserved opcode",
        "fragmented ping",
        "long ping",
        "nothing to continue",
        "not continued",
    ],
)
def test_U5_6455_5_frames_that_are_none_end_the_connection(server, text):
    with WebSocket(server) as client:
        assert client.send(text).close_code() == 1002


@pytest.mark.parametrize("text", [b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"])
def test_U5_6455_8_1_text_that_is_no_utf_8_ends_the_connection(server, text):
    with WebSocket(server) as client:
        assert client.say(text).close_code() == 1007


@pytest.mark.parametrize(
    "payload, code",
    [
        (b"", {1000, 1005}),
        (b"\x03\xe8", {1000}),
        (b"\x03\xe8bye", {1000}),
        (b"\x0f\xa0", {4000, 1000}),
        (b"\x03", {1002}),
        (b"\x03\xed", {1002}),
        (b"\x03\xe8\xff", {1002, 1007}),
    ],
)
def test_U5_6455_7_a_close_is_answered(server, payload, code):
    with WebSocket(server) as client:
        client.send(struct.pack(">BB4x", 0x88, 0x80 | len(payload)) + payload)
        first, answer = client.frame()
        assert first == 0x88 and (struct.unpack(">H", answer[:2])[0] in code if answer else not payload)
        assert client.frame() is None


def test_U5_6455_5_5_pings_are_answered_between_fragments(server):
    with WebSocket(server) as client:
        text = b'{"op":"ping","request":7}'
        client.send(struct.pack(">BB4x", 0x01, 0x80 | 10) + text[:10]).send(b"\x89\x82\0\0\0\0hi").send(
            struct.pack(">BB4x", 0x80, 0x80 | 15) + text[10:]
        )
        assert client.frame() == (0x8A, b"hi") and json.loads(client.frame()[1]) == {"op": "ok", "request": 7}


# -- the answers before a close


def opcodes(messages):
    found = []
    while messages:
        length, opcode, _, _, number = struct.unpack_from("<IBBHI", messages)
        found.append((opcode, number))
        messages = messages[4 + length :]
    return found


@pytest.mark.parametrize(
    "broken",
    [
        b"\x07\0\0\0\x10\0\0\0\x01\0\0",
        struct.pack("<IBBHI", 500, PING, 0, 0, 9),
        frame(PING, 0x8000_0000),
        struct.pack("<IBBHI", 0xFFFFFFFF, PING, 0, 0, 9),
    ],
    ids=["too short", "cut off", "number of a text", "too long"],
)
def test_U5_what_was_asked_before_a_broken_frame_is_answered_before_the_close(server, broken):
    """Confirmations wait for the disk, the mistake does not."""
    for _ in range(5):
        with WebSocket(server) as client:
            for number in range(1, 6):
                client.say(frame(PUBLISH, number, msgpack.packb({3: "box"}) + b"x"), opcode=2)
            client.say(broken, opcode=2)
            got = b""
            while (message := client.frame())[0] & 15 != 8:
                assert message[0] == 0x82
                got += message[1]
            answers = opcodes(got)
            assert answers[-1] == (GOODBYE, 0) and sorted(answers[:-1]) == [(CONFIRM, number) for number in range(1, 6)]
            assert struct.unpack(">H", message[1][:2])[0] in (1002, 1009)
            client.send(struct.pack(">BB4x", 0x88, 0x82) + message[1][:2])
            assert client.frame() is None


def test_U5_and_so_it_is_in_text(server):
    with WebSocket(server) as client:
        for number in range(1, 6):
            client.say(
                json.dumps({"op": "publish", "request": number, "message": {"to": "box", "content": "x"}}).encode()
            )
        client.begin(9 * MIB, opcode=1)
        with contextlib.suppress(OSError):
            client.send(b" " * (9 * MIB))
        got = []
        while (message := client.frame())[0] & 15 != 8:
            got.append(json.loads(message[1]))
        assert sorted(answer["request"] for answer in got[:-1]) == [1, 2, 3, 4, 5] and {
            answer["op"] for answer in got[:-1]
        } == {"confirm"}
        assert (got[-1]["op"], got[-1]["code"]) == ("goodbye", "frame_too_large") and struct.unpack(
            ">H", message[1][:2]
        )[0] == 1009


def test_U5_what_waits_for_others_is_not_waited_for(server):
    with WebSocket(server) as client:
        client.say(b'{"op":"receive","request":1,"mailbox":"empty","wait_ms":"1m"}').say(
            b'{"op":"wait","request":2,"mailbox":"empty","timeout_ms":"1m"}'
        )
        client.say(b'{"op":"request","request":3,"message":{"to":"nobody"},"timeout_ms":"1m"}').say(
            b"\x07\0\0\0", opcode=2
        )
        client.socket.settimeout(3)
        assert client.close_code() == 1002


# -- permessage-deflate


@pytest.mark.parametrize(
    "offer, windows",
    [
        ("permessage-deflate; client_max_window_bits", (12, 12)),
        ("permessage-deflate; client_max_window_bits=10", (12, 10)),
        ("permessage-deflate; server_max_window_bits=10; client_max_window_bits", (10, 12)),
        ("foo, permessage-deflate; client_no_context_takeover; client_max_window_bits", (12, 12)),
    ],
)
def test_U5_7692_7_compression_is_agreed_upon_with_small_windows(server, offer, windows):
    head = upgrade(server, *UPGRADE, f"Sec-WebSocket-Extensions: {offer}")
    (line,) = [line for line in head.split("\r\n") if line.lower().startswith("sec-websocket-extensions:")]
    parameters = dict((part.strip().split("=") + [None])[:2] for part in line.split(":")[1].split(";"))
    assert "permessage-deflate" in parameters
    assert (int(parameters["server_max_window_bits"]), int(parameters["client_max_window_bits"])) == windows


@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate",
        "permessage-deflate; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=99, permessage-deflate",
        "foo",
        "permessage-deflate; foo",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=x",
        "x-webkit-deflate-frame",
    ],
)
def test_U5_7692_7_another_offer_is_declined(server, offer):
    """One that leaves its client a window of 32 KiB too: whoever cannot do with less is not compressed for."""
    head = upgrade(server, *UPGRADE, f"Sec-WebSocket-Extensions: {offer}")
    assert "101" in head and "Sec-WebSocket-Extensions" not in head


@pytest.mark.parametrize("options", [{"compression": "deflate"}, {"compression": None}])
def test_U5_messages_are_the_same_compressed_and_not(server, options):
    large = json.dumps([{"id": i, "text": "the same again and again"} for i in range(20_000)])
    content = [large, "short", "x" * 1024, "", "ä" * 3000, base64.b64encode(os.urandom(300_000)).decode()]

    async def main():
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/ws?agent=me", max_size=2**24, **options) as socket:
            assert bool(socket.extensions) == (options["compression"] is not None)
            for number, text in enumerate(content):
                await socket.send(
                    json.dumps({"op": "publish", "request": number, "message": {"to": "me", "content": text}})
                )
                assert json.loads(await socket.recv())["op"] == "confirm"
                await socket.send(json.dumps({"op": "receive", "request": number, "mailbox": "me", "wait_ms": 5000}))
                assert json.loads(await socket.recv())["message"].get("content", "") == text
                assert json.loads(await socket.recv())["op"] == "ok"

    asyncio.run(asyncio.wait_for(main(), 60))


def bomb(size):
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -12)
    text = b"".join(squeeze.compress(b" " * MIB) for _ in range(size // MIB)) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    assert text.endswith(b"\0\0\xff\xff")
    return text[:-4]


def test_U5_7692_what_comes_out_is_bounded(make_server):
    """100 MiB of blanks in 100 KiB: it ends at the bound of a message, and of a stranger's at 64 KiB."""
    server = make_server(
        "--token", "secret", "--set", "http.unfinished_bytes=32MiB", "--set", "http.unfinished_bytes_by_address=32MiB"
    )
    text = bomb(100 * MIB)
    for fields, most in ([], 4 * MIB), (["Authorization: Bearer secret"], 48 * MIB):
        with contextlib.ExitStack() as stack, costs_at_most(server, most):
            clients = [
                stack.enter_context(WebSocket(server, OFFER + "; client_max_window_bits", *fields)) for _ in range(10)
            ]
            for client in clients:
                client.send(struct.pack(">BBQ4x", 0xC1, 0xFF, len(text)))
                with contextlib.suppress(OSError):
                    client.send(text)
            assert {client.close_code() for client in clients} <= {1009, 1013, None}


@pytest.mark.parametrize("text", [b"\xff\xff\xff\xff", b"\x07", os.urandom(500)])
def test_U5_7692_what_is_not_deflated_ends_the_connection(server, text):
    with WebSocket(server, OFFER) as client:
        client.send(struct.pack(">BBH4x", 0xC2, 0xFE, len(text)) + text)
        assert client.close_code() in (1002, 1007, None)
    with WebSocket(server) as client:  # not agreed upon
        assert client.send(struct.pack(">BBH4x", 0xC1, 0xFE, 3) + b"abc").close_code() == 1002
