"""What docs/protocol.md says of frames, sections 1 to 7, by a client that knows nothing but that page."""

import contextlib
import os
import socket
import struct

import msgpack
import pytest

HELLO, PUBLISH, PUBLISH_BATCH, SUBSCRIBE, CONSUME, CREDIT, CANCEL, RECEIVE = range(0x01, 0x09)
ACK, NACK, EXTEND, REQUEST, RECEIPT, WAIT, _, PING, MAILBOX, COMPLETE = range(0x09, 0x13)
CONTENT_OPEN, CONTENT_WRITE = 0x20, 0x21
WELCOME, CONFIRM, OK, ERROR, DELIVER, SETTLED, GOODBYE = range(0x81, 0x88)
QUIET, STREAM = 1, 2
MALFORMED, UNKNOWN_OPCODE, UNSUPPORTED_VERSION, NOT_PERMITTED, FRAME_TOO_LARGE = 1, 2, 4, 6, 7
CONTENT_TOO_LARGE, INVALID_NAME, INVALID_TOPIC, INVALID_FIELD, NO_RECIPIENT, NO_SUCH_REQUEST = 8, 9, 10, 11, 12, 14
TIMED_OUT, OUT_OF_RANGE, NOT_FOUND, CANCELLED = 16, 18, 24, 27
FROM, TO, TOPIC, TYPE, PRIORITY, TTL, METADATA, RETRY = 2, 3, 4, 5, 6, 12, 15, 16
FRAME_BYTES_MAX = 8 * 1024 * 1024
SHARDS = os.environ.get("FOLKMOOT_TEST_SETTINGS", "shards=1") != "shards=1"


class Peer:
    """Writes and reads frames, and nothing more."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        self.have = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, opcode, request, body=b"", flags=0):
        self.socket.sendall(struct.pack("<IBBHI", 8 + len(body), opcode, flags, 0, request) + body)
        return self

    def read(self):
        """(opcode, request, body), an error's body as its code; None at the end of the connection."""
        while len(self.have) < 4 or len(self.have) < 4 + struct.unpack_from("<I", self.have)[0]:
            more = self.socket.recv(65536)
            if not more:
                return None
            self.have += more
        length, opcode, _, _, request = struct.unpack_from("<IBBHI", self.have)
        body, self.have = self.have[12 : 4 + length], self.have[4 + length :]
        return opcode, request, struct.unpack_from("<H", body)[0] if opcode in (ERROR, GOODBYE) else body

    def ask(self, opcode, request, body=b"", flags=0):
        return self.send(opcode, request, body, flags).read()


@pytest.fixture
def peer(server):
    with Peer(server) as peer:
        assert peer.ask(HELLO, 1, msgpack.packb({0: 1, 1: "ann"}))[0] == WELCOME
        yield peer


def message(envelope, content=b"x"):
    return msgpack.packb(envelope) + content


def batch(*messages):
    return struct.pack("<I", len(messages)) + b"".join(struct.pack("<I", len(each)) + each for each in messages)


def results(body):
    """The codes of a batch's answer (section 6)."""
    codes = []
    while body:
        codes.append(struct.unpack_from("<H", body)[0])
        body = body[34:] if codes[-1] == 0 else body[4 + struct.unpack_from("<H", body, 2)[0] :]
    return codes


def delivered(frame):
    """(lease, envelope, content) of a delivery with a lease."""
    opcode, _, body = frame
    assert opcode == DELIVER
    unpacker = msgpack.Unpacker(strict_map_key=False)
    unpacker.feed(body[12:])
    envelope = unpacker.unpack()
    return struct.unpack_from("<Q", body)[0], envelope, body[12 + unpacker.tell() :]


def test_U7_1_whoever_begins_with_another_frame_than_hello_is_closed_without_a_word(server):
    with Peer(server) as peer:
        assert peer.ask(PING, 5, b"x") is None


def test_U7_3_hello_says_version_1_if_it_says_none(server):
    with Peer(server) as peer:
        assert peer.ask(HELLO, 1, msgpack.packb({}))[:2] == (WELCOME, 1)
    with Peer(server) as peer:
        assert peer.ask(HELLO, 1, msgpack.packb({0: 2})) == (GOODBYE, 0, UNSUPPORTED_VERSION)
        assert peer.read() is None


def test_U7_2_a_second_hello_is_refused_and_the_connection_goes_on(peer):
    assert peer.ask(HELLO, 7, msgpack.packb({1: "bob"})) == (ERROR, 7, NOT_PERMITTED)
    assert peer.ask(PING, 8, b"still here") == (OK, 8, b"still here")


def test_U7_2_the_longest_frame_counts_its_length(server):
    for beyond, answer in ((0, (ERROR, 9, CONTENT_TOO_LARGE)), (1, (GOODBYE, 0, FRAME_TOO_LARGE))):
        with Peer(server) as peer:
            peer.ask(HELLO, 1, msgpack.packb({}))
            head = msgpack.packb({TO: "bob"})
            with contextlib.suppress(OSError):
                peer.send(PUBLISH, 9, head + bytes(FRAME_BYTES_MAX - 12 - len(head) + beyond))
            assert peer.read() == answer


def test_U7_2_a_frame_shorter_than_its_header_ends_the_connection(peer):
    peer.socket.sendall(struct.pack("<I", 7) + bytes(7))
    assert peer.read() == (GOODBYE, 0, MALFORMED) and peer.read() is None


def test_U7_2_unknown_opcodes_are_answered_and_unknown_flags_ignored(peer):
    assert peer.ask(0x55, 3) == (ERROR, 3, UNKNOWN_OPCODE)
    assert peer.ask(PING, 4, b"x", flags=0x80) == (OK, 4, b"x")
    assert peer.ask(PING, 5, bytes(65)) == (ERROR, 5, MALFORMED)


def test_U7_2_the_servers_own_request_numbers_are_no_clients(peer):
    refused = peer.ask(PING, 0xFFFF0000, b"x")
    assert refused == ((ERROR, 0, OUT_OF_RANGE) if SHARDS else (OK, 0xFFFF0000, b"x"))


@pytest.mark.parametrize(
    "five",
    [
        b"\x05",
        b"\xcc\x05",
        b"\xcd\0\x05",
        b"\xce\0\0\0\x05",
        b"\xcf" + bytes(7) + b"\x05",
        b"\xd0\x05",
        b"\xd1\0\x05",
        b"\xd2\0\0\0\x05",
        b"\xd3" + bytes(7) + b"\x05",
    ],
)
def test_U7_4_an_integer_may_have_any_format(peer, five):
    assert peer.ask(PUBLISH, 2, b"\x82\x03\xa3bob\x06" + five + b"x")[:2] == (CONFIRM, 2)
    assert peer.ask(PUBLISH, 3, b"\x82\x03\xa3bob\xd0\x06" + five + b"x")[:2] == (CONFIRM, 3), "of a key too"
    assert peer.ask(RECEIVE, 4, b"\x83\x00\xa3bob\x01" + five + b"\x02\x00")[0] == DELIVER, "and in operations"


@pytest.mark.parametrize(
    "number", [b"\xff", b"\xd0\xff", b"\xd1\xff\xff", b"\xd3" + b"\xff" * 8, b"\xca\0\0\0\0", b"\xd1"]
)
def test_U7_4_but_a_negative_one_or_a_fraction_is_none(peer, number):
    assert peer.ask(PUBLISH, 2, b"\x82\x03\xa3bob\x06" + number + b"x") == (ERROR, 2, MALFORMED)


def test_U7_4_an_envelope_has_128_kib_at_most(peer):
    def envelope(size):
        whole = {TO: "bob", METADATA: {"a": "x" * 60_000}, 99: ""}
        whole[99] = "x" * (size - len(msgpack.packb(whole)) - 4)
        return msgpack.packb(whole | {99: whole[99]})

    most = envelope(128 * 1024)
    assert 128 * 1024 - 4 <= len(most) <= 128 * 1024
    assert peer.ask(PUBLISH, 2, most + b"x")[:2] == (CONFIRM, 2)
    peer.send(PUBLISH, 3, envelope(129 * 1024) + b"x")
    while len(peer.have) < 12:
        peer.have += peer.socket.recv(65536)
    assert b"131072 bytes" in peer.have
    assert peer.read() == (ERROR, 3, MALFORMED)


@pytest.mark.parametrize("attempts", [10_001, 65_536, 2**32, 2**64 - 1])
def test_U7_A10_4_too_many_attempts_are_refused_whatever_their_number(peer, attempts):
    policy = [attempts, 0, 1, 1, 1000]
    assert peer.ask(PUBLISH, 2, message({TO: "bob", RETRY: policy})) == (ERROR, 2, OUT_OF_RANGE)


def test_U7_A1_4_a_message_goes_to_one_place(peer):
    assert peer.ask(PUBLISH, 2, message({TO: "bob", 4: "news"})) == (ERROR, 2, NO_RECIPIENT)
    assert peer.ask(PUBLISH, 3, message({PRIORITY: 5})) == (ERROR, 3, NO_RECIPIENT), "and there is no route"


def test_U7_A3_7_whoever_waits_for_mail_has_a_mailbox(server, peer):
    assert peer.ask(RECEIVE, 2, msgpack.packb({0: "pulled"}))[:2] == (OK, 2)
    assert peer.ask(WAIT, 3, msgpack.packb({0: "awaited", 1: 10})) == (ERROR, 3, TIMED_OUT)
    assert peer.ask(CONSUME, 4, msgpack.packb({0: "consumed", 1: 0}))[:2] == (OK, 4)
    listed = server.cli("mailbox", "list").stdout
    assert all(name in listed for name in ("pulled", "awaited", "consumed"))


def test_U7_A3_7_a_consumer_without_credit_gets_nothing_before_it_has_some(peer):
    assert peer.ask(CONSUME, 2, msgpack.packb({0: "bob", 1: 0}))[:2] == (OK, 2)
    assert peer.ask(PUBLISH, 3, message({TO: "bob"}))[:2] == (CONFIRM, 3)
    assert peer.ask(PING, 4, b"x")[0] == OK
    assert peer.ask(0x06, 5, struct.pack("<II", 2, 1))[:2] == (DELIVER, 2)


# -- bounds: what is as long or as much as the page says is taken, and one more refused


def nested(depth):
    return [] if depth == 1 else [nested(depth - 1)]


BOUNDS = [
    (TO, "x" * 255, "x" * 256, INVALID_NAME),
    (TO, "x", "", INVALID_NAME),
    (FROM, "x" * 255, "x" * 256, INVALID_NAME),
    (TYPE, "x" * 255, "x" * 256, INVALID_NAME),
    (7, "x" * 255, "x" * 256, INVALID_NAME),
    (8, "\u00e4" * 127, "\u00e4" * 128, INVALID_NAME),
    (9, "x" * 255, "\u0085", INVALID_NAME),
    (10, "x" * 255, "x\n", INVALID_NAME),
    (11, "x" * 255, "x" * 256, INVALID_NAME),
    (17, "x" * 255, "x" * 256, INVALID_NAME),
    (TOPIC, "x" * 255, "x" * 256, INVALID_TOPIC),
    (TOPIC, "a.b", "a..b", INVALID_TOPIC),
    (TOPIC, "a.b*", "a.*", INVALID_TOPIC),
    (TOPIC, "a.>b", "a.>", INVALID_TOPIC),
    (METADATA, {"a": "x" * (65536 - 6)}, {"a": "x" * (65536 - 5)}, OUT_OF_RANGE),
    (METADATA, {"a": nested(16)}, {"a": nested(17)}, OUT_OF_RANGE),
    (1, 2**44 - 1, 2**44, OUT_OF_RANGE),
    (13, 2**44 - 1, 2**44, OUT_OF_RANGE),
    (26, 2**44 - 1, 2**44, OUT_OF_RANGE),
    (TTL, 316_224_000_000, 316_224_000_001, OUT_OF_RANGE),
    (25, 316_224_000_000, 316_224_000_001, OUT_OF_RANGE),
    (RETRY, [10_000, 3, 316_224_000_000, 0, 1_000_000], [10_001, 3, 1, 0, 1000], OUT_OF_RANGE),
    (RETRY, [0, 0, 0, 0, 1000], [1, 0, 316_224_000_001, 0, 1000], OUT_OF_RANGE),
    (RETRY, [1, 0, 0, 0, 1000], [1, 4, 0, 0, 1000], OUT_OF_RANGE),
    (RETRY, [1, 0, 0, 0, 1000], [1, 0, 0, 0, 999], OUT_OF_RANGE),
    (22, 0, 1_000_001, OUT_OF_RANGE),
    (23, bytes(16 * 16), bytes(17 * 16), INVALID_FIELD),
    (PRIORITY, 10, 11, OUT_OF_RANGE),
    (PRIORITY, 1, 0, OUT_OF_RANGE),
    (TYPE, 10, 11, OUT_OF_RANGE),
    (14, 1, 3, OUT_OF_RANGE),
    (20, "zstd", "br", INVALID_FIELD),
    (24, None, [bytes(32), 0], OUT_OF_RANGE),
    (24, None, [bytes(32), 2**40 + 1], OUT_OF_RANGE),
]


@pytest.mark.parametrize(
    "field, most, beyond, code", BOUNDS, ids=[f"{bound[0]}-{index}" for index, bound in enumerate(BOUNDS)]
)
def test_U7_A1_4_a_field_is_taken_at_its_bound_and_refused_beyond(peer, field, most, beyond, code):
    whole = {} if field in (TO, TOPIC) else {TO: "box"}
    if most is not None:
        assert peer.ask(PUBLISH, 2, message(whole | {field: most}))[:2] == (CONFIRM, 2)
    assert peer.ask(PUBLISH, 3, message(whole | {field: beyond})) == (ERROR, 3, code)


def test_U7_A1_4_a_content_has_1_mib_at_most(peer):
    assert peer.ask(PUBLISH, 2, message({TO: "box"}, bytes(1 << 20)))[:2] == (CONFIRM, 2)
    assert peer.ask(PUBLISH, 3, message({TO: "box"}, bytes((1 << 20) + 1))) == (ERROR, 3, CONTENT_TOO_LARGE)


def test_U7_A13_4_frames_with_many_parts_have_so_many(peer):
    one = message({TOPIC: "a"}, b"")
    assert results(peer.ask(PUBLISH_BATCH, 2, batch(*[one] * 10_000))[2]) == [0] * 10_000
    assert peer.ask(PUBLISH_BATCH, 3, batch(*[one] * 10_001)) == (ERROR, 3, OUT_OF_RANGE)
    assert peer.ask(PUBLISH_BATCH, 4, batch()) == (ERROR, 4, OUT_OF_RANGE)
    assert peer.ask(COMPLETE, 5, bytes(8) + batch(*[one] * 1001)) == (ERROR, 5, OUT_OF_RANGE)
    assert peer.ask(ACK, 6, bytes(8 * 65_536))[:2] == (SETTLED, 6)
    assert peer.ask(ACK, 7, bytes(8 * 65_537)) == (ERROR, 7, MALFORMED)
    assert peer.ask(NACK, 8, msgpack.packb({0: [1] * 65_536}))[:2] == (SETTLED, 8)
    assert peer.ask(NACK, 9, msgpack.packb({0: [1] * 65_537})) == (ERROR, 9, OUT_OF_RANGE)
    assert peer.ask(NACK, 10, msgpack.packb({0: []})) == (ERROR, 10, OUT_OF_RANGE)
    assert peer.ask(RECEIPT, 11, bytes(16 * 1000))[:2] == (OK, 11)
    assert peer.ask(RECEIPT, 12, bytes(16 * 1001)) == (ERROR, 12, MALFORMED)


FRAME_BOUNDS = [
    (NACK, {0: [1], 1: 316_224_000_000}, {0: [1], 1: 316_224_000_001}, OUT_OF_RANGE),
    (NACK, {0: [1], 2: "x" * 1024}, {0: [1], 2: "x" * 1025}, INVALID_FIELD),
    (EXTEND, {0: [1], 1: 316_224_000_000}, {0: [1], 1: 316_224_000_001}, OUT_OF_RANGE),
    (SUBSCRIBE, {0: "x" * 255}, {0: "x" * 256}, INVALID_FIELD),
    (SUBSCRIBE, {0: "a", 1: 2**32 - 1}, {0: "a", 1: 2**32}, OUT_OF_RANGE),
    (CONSUME, {0: "x" * 255, 1: 65_535}, {0: "x" * 256}, INVALID_FIELD),
    (CONSUME, {0: "a", 1: 65_535}, {0: "a", 1: 65_536}, OUT_OF_RANGE),
    (RECEIVE, {0: "a", 1: 1000}, {0: "a", 1: 1001}, OUT_OF_RANGE),
    (RECEIVE, {0: "a", 1: 1}, {0: "a", 1: 0}, OUT_OF_RANGE),
    (MAILBOX, {0: "a", 1: 10**9}, {0: "a", 1: 10**9 + 1}, OUT_OF_RANGE),
    (MAILBOX, {0: "a", 4: 10_000}, {0: "a", 4: 10_001}, OUT_OF_RANGE),
    (MAILBOX, {0: "a", 2: 1}, {0: "a", 2: 2}, OUT_OF_RANGE),
]


@pytest.mark.parametrize("opcode, most, beyond, code", FRAME_BOUNDS)
def test_U7_2_a_field_of_a_frame_is_taken_at_its_bound_and_refused_beyond(peer, opcode, most, beyond, code):
    assert peer.ask(opcode, 2, msgpack.packb(most))[0] in (OK, SETTLED)
    assert peer.ask(opcode, 3, msgpack.packb(beyond)) == (ERROR, 3, code)


def test_U7_2_what_is_left_out_has_its_default(peer):
    for number in range(3):
        peer.ask(PUBLISH, 2, message({TO: "box"}, b"%d" % number))
    assert peer.ask(RECEIVE, 3, msgpack.packb({0: "box"}))[0] == DELIVER
    assert peer.read() == (OK, 3, struct.pack("<II", 1, 2)), "one, and no wait"
    assert peer.ask(CONSUME, 4, msgpack.packb({0: "box"}))[:2] == (OK, 4)
    assert peer.read()[:2] == (DELIVER, 4)
    assert peer.ask(PING, 5, b"no second one")[:2] == (OK, 5)


# -- names with @ and $


@pytest.mark.parametrize("name", ["@", "@bob", "@" + "0" * 32, "$", "$bob", "$unrouted"])
def test_U7_X14_4_names_that_begin_with_at_and_dollar_are_the_servers(server, peer, name):
    with Peer(server) as other:
        assert other.ask(HELLO, 1, msgpack.packb({1: name})) == (GOODBYE, 0, INVALID_NAME)
    assert peer.ask(PUBLISH, 2, message({FROM: name, TO: "box"})) == (ERROR, 2, INVALID_NAME)
    assert peer.ask(PUBLISH, 3, message({TO: name})) == (ERROR, 3, NO_SUCH_REQUEST if name[0] == "@" else INVALID_NAME)
    for opcode in (CONSUME, RECEIVE, WAIT, MAILBOX):
        assert peer.ask(opcode, 4, msgpack.packb({0: name})) == (ERROR, 4, INVALID_NAME), opcode
    assert peer.ask(PUBLISH, 5, message({TOPIC: name}))[:2] == (CONFIRM, 5)
    assert peer.ask(SUBSCRIBE, 6, msgpack.packb({0: name + ".>"}))[:2] == (OK, 6)


def test_U7_X14_4_topics_of_the_server_are_published_by_nobody_else(peer):
    assert peer.ask(PUBLISH, 2, message({TOPIC: "bus"})) == (ERROR, 2, NOT_PERMITTED)
    assert peer.ask(PUBLISH, 3, message({TOPIC: "bus.x"})) == (ERROR, 3, NOT_PERMITTED)
    assert peer.ask(PUBLISH, 4, message({TOPIC: "buses"}))[:2] == (CONFIRM, 4)
    assert peer.ask(SUBSCRIBE, 5, msgpack.packb({0: "bus.>"}))[:2] == (OK, 5)


# -- cancelling


def test_U7_A4_7_what_is_cancelled_is_answered_before_its_cancel(peer):
    peer.send(RECEIVE, 2, msgpack.packb({0: "box", 2: 60_000})).send(CANCEL, 3, struct.pack("<I", 2))
    assert [peer.read(), peer.read()] == [(ERROR, 2, CANCELLED), (OK, 3, b"")]
    peer.send(WAIT, 4, msgpack.packb({0: "box"})).send(CANCEL, 5, struct.pack("<I", 4))
    assert [peer.read(), peer.read()] == [(ERROR, 4, CANCELLED), (OK, 5, b"")]
    peer.send(REQUEST, 6, struct.pack("<I", 60_000) + message({TO: "far", 14: 0})).send(CANCEL, 7, struct.pack("<I", 6))
    assert [peer.read(), peer.read()] == [(ERROR, 6, CANCELLED), (OK, 7, b"")]
    for opcode, body in ((CONSUME, {0: "box"}), (SUBSCRIBE, {0: "a.b"}), (CONTENT_OPEN, {0: 5})):
        assert peer.ask(opcode, 8, msgpack.packb(body))[:2] == (OK, 8)
        assert peer.ask(CANCEL, 9, struct.pack("<I", 8)) == (OK, 9, b""), "and nothing else"
    assert peer.ask(CANCEL, 10, struct.pack("<I", 8)) == (OK, 10, b""), "there is nothing any more"
    assert peer.ask(CONTENT_WRITE, 11, struct.pack("<IQ", 8, 0) + b"x") == (ERROR, 11, NOT_FOUND)


def test_U7_X12_7_leases_stay_when_their_consumer_is_cancelled(peer):
    for number in (2, 3):
        assert peer.ask(PUBLISH, number, message({TO: "box"}))[0] == CONFIRM
    assert peer.ask(CONSUME, 4, msgpack.packb({0: "box", 1: 1}))[0] == OK
    lease, _, _ = delivered(peer.read())
    assert peer.ask(CANCEL, 5, struct.pack("<I", 4)) == (OK, 5, b"")
    assert peer.ask(RECEIVE, 6, msgpack.packb({0: "box", 1: 10}))[0] == DELIVER, "the other, which nobody holds"
    assert peer.read() == (OK, 6, struct.pack("<II", 1, 0))
    assert peer.ask(ACK, 7, struct.pack("<Q", lease)) == (SETTLED, 7, struct.pack("<II", 1, 0))


# -- quiet batches, and the confirm of a response


@pytest.mark.parametrize("atomic", [0, 2])
def test_U7_A13_7_a_quiet_batch_is_answered_for_all_if_one_is_refused(peer, atomic):
    good, bad = message({TO: "box"}), message({TO: "$box"})
    peer.send(PUBLISH_BATCH, 2, batch(good, good), flags=QUIET | atomic)
    opcode, number, body = peer.ask(PUBLISH_BATCH, 3, batch(good, bad, good), flags=QUIET | atomic)
    assert (opcode, number) == (ERROR, 3) if atomic else (OK, 3), "the first was not answered"
    assert body == INVALID_NAME if atomic else results(body) == [0, INVALID_NAME, 0]


def test_U7_A4_5_the_confirm_of_a_response(server, peer):
    with Peer(server) as asker:
        asker.ask(HELLO, 1, msgpack.packb({1: "asker"}))
        for stream in (0, STREAM):
            assert peer.ask(CONSUME, 2, msgpack.packb({0: "ann"}))[0] == OK
            asker.send(REQUEST, 5, struct.pack("<I", 20_000) + message({TO: "ann", 14: 1}, b"?"), flags=stream)
            lease, asked, _ = delivered(peer.read())
            for number, kind, wanted in ((3, 6, bool(stream)), (4, 3, True)):
                opcode, _, body = peer.ask(PUBLISH, number, message({TO: asked[10], TYPE: kind}, b"!"))
                assert opcode == CONFIRM
                assert struct.unpack_from("<IBBHQ", body, 16) == (int(wanted), 3, 0, 0, 0), "count, outcome, state, age"
            assert peer.ask(PUBLISH, 6, message({TO: asked[10], TYPE: 3})) == (ERROR, 6, NO_SUCH_REQUEST)
            assert peer.ask(ACK, 7, struct.pack("<Q", lease))[0] == SETTLED
            assert peer.ask(CANCEL, 8, struct.pack("<I", 2))[0] == OK
            assert [asker.read()[:2] for _ in range(2 if stream else 1)] == [(DELIVER, 5)] * (2 if stream else 1)


def test_U7_2_maps_of_operations_have_each_key_once_and_nothing_behind(peer):
    assert peer.ask(WAIT, 2, b"\x82\x00\xa1a\x01\x01")[:2] == (ERROR, 2)
    for number, body in enumerate((b"\x82\x00\xa1a\x00\xa1a", b"\x81\x00\xa1ax", b"\x82\x00\xa1a\x09\x01"), 3):
        for opcode in (CONSUME, RECEIVE, WAIT, MAILBOX, SUBSCRIBE):
            assert peer.ask(opcode, number, body) == (ERROR, number, MALFORMED), (opcode, body)
    assert peer.ask(PUBLISH, 6, b"\x82\x03\xa3bob\x03\xa3bob") == (ERROR, 6, MALFORMED), "and so it is in envelopes"
    assert peer.ask(PUBLISH, 7, b"\x82\x03\xa3bob\xcc\xc8\xa1x")[:2] == (CONFIRM, 7), "but they may have others"


def test_U7_A3_7_credit_of_a_consumer_ends_at_65535(peer):
    assert peer.ask(CONSUME, 2, msgpack.packb({0: "bob", 1: 65_535}))[:2] == (OK, 2)
    peer.send(CREDIT, 3, struct.pack("<II", 2, 2**32 - 1)).send(CREDIT, 4, struct.pack("<II", 99, 1))
    assert peer.ask(PING, 5, b"nothing is said to either")[:2] == (OK, 5)
    assert peer.ask(CREDIT, 6, struct.pack("<I", 2)) == (ERROR, 6, MALFORMED)
