"""Bytes that no good client sends: each is answered as docs/protocol.md says, and the server goes on serving."""

import os
import random
import socket
import struct
import time

import msgpack
import native
import pytest
from native import Client, Refused, frame, message


def connection(server, first=b""):
    raw = socket.create_connection(("127.0.0.1", server.port), timeout=15)
    raw.sendall(first)
    return raw


def read_all(raw):
    data = b""
    try:
        while chunk := raw.recv(65536):
            data += chunk
    except ConnectionResetError:
        pass
    raw.close()
    return data


def still_serves(server):
    client = Client(("127.0.0.1", server.port), agent="check")
    client.publish("x", to="check")
    assert client.ack(*[d.lease for d in client.receive("check", max=100)]).settled == 1
    client.close()


@pytest.mark.parametrize("first",
                         [b"\x00" * 64, b"hello folkmoot\r\n", b"\xff" * 32, b"\x80\x00\x00\x00\x02" + bytes(40)])
def test_bytes_of_no_protocol_are_closed_without_an_answer(server, first):
    assert read_all(connection(server, first)) == b""
    still_serves(server)


def test_a_tls_hello_is_refused_by_an_alert(server):
    hello = bytes.fromhex("16030100c8010000c40303") + os.urandom(190)
    answer = read_all(connection(server, hello))
    assert answer[:1] == b"\x15" and answer[-2:] == bytes([2, 70])  # alert, fatal protocol_version
    still_serves(server)


def test_a_hello_of_another_version_is_refused(server):
    for version in (0, 2, 1 << 40):
        client = Client(("127.0.0.1", server.port), hello=False)
        with pytest.raises(Refused, match="unsupported_version") as refused:
            client.hello(version=version)
        assert refused.value.goodbye
        client.close()


@pytest.mark.parametrize("body", [
    b"", b"\xc1", b"\x81\x00", b"\x81\x00\xa1x", b"\x90", b"\x82\x00\x01\x01\xc4\x01x",
    msgpack.packb({0: 1, 1: "x" * 256}),
    msgpack.packb({0: 1, 1: "a\nb"}),
    msgpack.packb({0: 1, 1: "@mine"}),
    msgpack.packb({0: 1, 1: "$sys"})
], ids=lambda body: body[:12].hex() or "empty")
def test_a_bad_hello_is_not_welcomed(server, body):
    client = Client(("127.0.0.1", server.port), hello=False)
    client.send_frame(native.HELLO, body, request=0)
    try:
        answer = client.next_frame(timeout=12)
        assert answer.opcode in (native.GOODBYE, native.ERROR)
    except native.Ended:
        pass
    client.close()
    still_serves(server)


def test_unknown_keys_of_a_hello_are_ignored(server):
    client = Client(("127.0.0.1", server.port), hello=False)
    client.send_frame(native.HELLO, msgpack.packb({0: 1, 1: "a", 99: ["x"], 100: {1: 2}}), request=0)
    assert client.next_frame().opcode == native.WELCOME
    client.close()


def test_welcome_tells_the_limits(connect):
    welcome = connect("a").welcome
    assert welcome[0] == 1 and welcome[1].startswith("folkmoot") and welcome[3] == 8 << 20 and welcome[4] == 1 << 20
    assert isinstance(welcome[2], int) and isinstance(welcome[5], int)


def test_a_frame_before_hello_is_answered_or_ends_the_connection(server):
    client = Client(("127.0.0.1", server.port), hello=False)
    client.send_frame(native.PING, b"x")
    try:
        answer = client.next_frame(timeout=12)
        assert struct.unpack_from("<H", answer.body)[0] == native.CODES["not_connected"]
    except native.Ended:
        pass
    client.close()
    still_serves(server)


def test_a_silent_connection_is_closed_after_ten_seconds(server):
    began = time.monotonic()
    silent, partial = connection(server), connection(server, frame(native.HELLO, b"\x81\x00\x01")[:7])
    read_all(silent)
    read_all(partial)
    assert 8 < time.monotonic() - began < 15


def test_a_second_hello_changes_nothing_or_is_refused(connect):
    client = connect("a")
    client.send_frame(native.HELLO, msgpack.packb({0: 1, 1: "b"}), request=7)
    answer = client.next_frame()
    assert answer.opcode in (native.ERROR, native.GOODBYE)


@pytest.mark.parametrize("opcode", [0x00, 0x16, 0x40, 0x7F, 0x81, 0x85, 0xFF])
def test_an_unknown_opcode_is_an_error_and_the_connection_goes_on(connect, opcode):
    client = connect()
    with pytest.raises(Refused, match="unknown_opcode") as refused:
        client.call(opcode, b"whatever")
    assert not refused.value.goodbye
    assert client.ping(b"alive") == b"alive"


BODIES = [
    (native.PUBLISH, b""),
    (native.PUBLISH, b"\xc1"),
    (native.PUBLISH, b"\x81"),
    (native.PUBLISH, b"\x81\x03"),
    (native.PUBLISH, b"\xdf\xff\xff\xff\xff"),
    (native.PUBLISH, b"\x81\xa2to\xa1x"),
    (native.PUBLISH, b"\x81\xff\xa1x"),
    (native.PUBLISH, b"\x82\x03\xa1a\x03\xa1b"),
    (native.PUBLISH_BATCH, b""),
    (native.PUBLISH_BATCH, struct.pack("<I", 1)),
    (native.PUBLISH_BATCH, struct.pack("<II", 1, 100) + b"x"),
    (native.PUBLISH_BATCH, struct.pack("<I", 0xFFFFFFFF)),
    (native.PUBLISH_BATCH, struct.pack("<I", 10_001) + struct.pack("<I", 0) * 10_001),
    (native.SUBSCRIBE, b""),
    (native.SUBSCRIBE, b"\x80"),
    (native.SUBSCRIBE, b"\x81\x00\x05"),
    (native.CONSUME, b"\x80"),
    (native.CONSUME, msgpack.packb({0: "bob", 1: -1})),
    (native.CONSUME, msgpack.packb({0: "bob", 1: 65_536})),
    (native.CONSUME, msgpack.packb({0: "@bob", 1: 1})),
    (native.CANCEL, b"\x01"),
    (native.CANCEL, b"\x01" * 5),
    (native.RECEIVE, msgpack.packb({0: "bob", 1: 0})),
    (native.RECEIVE, msgpack.packb({0: "bob", 1: 1001})),
    (native.RECEIVE, msgpack.packb({0: "", 1: 1})),
    (native.RECEIVE, msgpack.packb({1: 1})),
    (native.ACK, b""),
    (native.ACK, b"\x01" * 7),
    (native.NACK, b"\xc1"),
    (native.NACK, msgpack.packb({0: ["x"]})),
    (native.NACK, msgpack.packb({0: [-1]})),
    (native.EXTEND, msgpack.packb({0: 5})),
    (native.REQUEST, b"\x01"),
    (native.REQUEST, struct.pack("<I", 1000) + b"\xc1"),
    (native.REQUEST, struct.pack("<I", 1000) + msgpack.packb({4: "topic"})),
    (native.RECEIPT, b"\x01" * 15),
    (native.RECEIPT, b"\x01" * 16 * 1001),
    (native.WAIT, b"\x80"),
    (native.WAIT, b"\x81\x00"),
    (native.STATS, b"\xc1"),
    (native.PING, b"x" * 65),
    (native.MAILBOX, b"\x80"),
    (native.MAILBOX, msgpack.packb({0: "bob", 1: 0})),
    (native.MAILBOX, msgpack.packb({0: "bob", 2: 7})),
    (native.MAILBOX, msgpack.packb({0: "bob", 4: 70_000})),
]


@pytest.mark.parametrize("opcode, body", BODIES,
                         ids=[f"{opcode:02x}-{index}" for index, (opcode, _) in enumerate(BODIES)])
def test_a_body_that_does_not_parse_is_an_error_and_the_connection_goes_on(connect, opcode, body):
    client = connect("a")
    with pytest.raises(Refused) as refused:
        client.call(opcode, body, timeout=5)
    assert not refused.value.goodbye and len(refused.value.text) > 5
    assert client.ping(b"alive") == b"alive"


FIELDS = [
    ("no_recipient", {}),
    ("no_recipient", {"to": "a", "topic": "b"}),
    ("invalid_name", {"to": ""}),
    ("invalid_name", {"to": "x" * 256}),
    ("invalid_name", {"to": "a\x00b"}),
    ("invalid_name", {"to": "$sys"}),
    ("invalid_name", {"to": "a", "from": "@x"}),
    ("invalid_field", {"to": "a", "priority": 0}),
    ("invalid_field", {"to": "a", "priority": 11}),
    ("invalid_field", {"to": "a", "type": 0}),
    ("invalid_field", {"to": "a", "type": 11}),
    ("invalid_field", {"to": "a", "mode": 3}),
    ("invalid_field", {"to": "a", "ttl": -1}),
    ("invalid_field", {"to": "a", "ttl": "30s"}),
    ("invalid_field", {"to": "a", "metadata": [1]}),
    ("invalid_field", {"to": "a", "metadata": {"x": "y" * 70_000}}),
    ("invalid_field", {"to": "a", "id": b"short"}),
    ("invalid_field", {"topic": "a", "mode": 2}),
]


@pytest.mark.parametrize("code, fields", FIELDS, ids=[f"{code}-{index}" for index, (code, _) in enumerate(FIELDS)])
def test_a_field_out_of_its_range_is_refused_by_name(connect, code, fields):
    client = connect("a")
    with pytest.raises(Refused) as refused:
        client.publish("x", **fields)
    assert refused.value.name in (code, "invalid_field", "malformed", "out_of_range"), refused.value
    assert client.ping(b"alive") == b"alive"


def test_content_above_the_limit_is_refused_and_at_the_limit_taken(connect):
    client = connect("a")
    with pytest.raises(Refused, match="content_too_large"):
        client.publish(bytes((1 << 20) + 1), to="a")
    client.publish(bytes(1 << 20), to="a")
    assert len(client.receive("a")[0].content) == 1 << 20


def test_a_frame_above_the_limit_ends_the_connection(connect, server):
    client = connect("a")
    client.send(struct.pack("<IBBHI", (8 << 20) + 1, native.PUBLISH, 0, 0, 1))
    goodbye = client.ended()
    assert goodbye and goodbye.name == "frame_too_large"
    still_serves(server)


@pytest.mark.parametrize("length", [0, 1, 7])
def test_a_length_below_eight_ends_the_connection(connect, server, length):
    client = connect("a")
    client.send(struct.pack("<I", length) + bytes(32))
    goodbye = client.ended()
    assert goodbye and goodbye.name == "malformed"
    still_serves(server)


def test_frames_come_through_in_any_split(connect):
    client = connect("a")
    data = b"".join(frame(native.PING, b"%d" % n, n) for n in range(1, 30))
    rng = random.Random(7)
    while data:
        step = rng.randrange(1, 9)
        client.send(data[:step])
        data = data[step:]
        time.sleep(0.0005)
    assert [client.next_frame().body for _ in range(1, 30)] == [b"%d" % n for n in range(1, 30)]


def test_reserved_bits_and_unknown_flags_are_ignored(connect):
    client = connect("a")
    client.send(struct.pack("<IBBHI", 9, native.PING, 0xFE, 0xFFFF, 5) + b"x")
    assert client.next_frame().request == 5


def test_a_request_number_in_use_is_refused_or_replaced_without_harm(connect):
    client = connect("a")
    consumer = client.consume("b", 1)
    client.send_frame(native.CONSUME, msgpack.packb({0: "c", 1: 1}), request=consumer)
    with pytest.raises(Refused, match="already_exists"):
        client.answer(consumer)
    client.publish("x", to="b")
    assert client.delivery().request == consumer


def test_random_bytes_never_stop_the_server(server):
    rng = random.Random(20_240)
    hello = frame(native.HELLO, msgpack.packb({0: 1, 1: "noise"}))
    for round in range(300):
        raw = connection(server, hello)
        junk = bytearray()
        for _ in range(rng.randrange(1, 30)):
            body = rng.randbytes(rng.choice([0, 1, 4, 8, 16, 60, 300]))
            if rng.random() < 0.5:  # a real body with some bits turned
                body = bytearray(rng.choice(BODIES)[1] or b"\x00")[:2000]
                for _ in range(rng.randrange(3)):
                    body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
            junk += frame(rng.randrange(0x13), bytes(body), rng.randrange(4), rng.randrange(4))
        if rng.random() < 0.2:
            junk = junk[:rng.randrange(len(junk))]
        try:
            raw.sendall(junk)
            if rng.random() < 0.5:
                raw.shutdown(socket.SHUT_WR)
                raw.settimeout(0.05)
                raw.recv(1 << 16)
        except OSError:
            pass
        raw.close()
    still_serves(server)


def test_many_connections_come_and_go(server):
    for _ in range(20):
        raws = [connection(server) for _ in range(50)]
        for raw in raws:
            raw.close()
    still_serves(server)
