"""What docs/protocol.md says of frames, sections 1 to 7, by a client that knows nothing but that page."""

import contextlib
import os
import socket
import struct

import msgpack
import pytest

HELLO, PUBLISH, CONSUME, RECEIVE, WAIT, PING = 0x01, 0x02, 0x05, 0x08, 0x0E, 0x10
WELCOME, CONFIRM, OK, ERROR, DELIVER, GOODBYE = 0x81, 0x82, 0x83, 0x84, 0x85, 0x87
MALFORMED, UNKNOWN_OPCODE, UNSUPPORTED_VERSION, NOT_PERMITTED, FRAME_TOO_LARGE = 1, 2, 4, 6, 7
CONTENT_TOO_LARGE, NO_RECIPIENT, TIMED_OUT, OUT_OF_RANGE = 8, 12, 16, 18
TO, PRIORITY, METADATA, RETRY = 3, 6, 15, 16
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


def test_1_whoever_begins_with_another_frame_than_hello_is_closed_without_a_word(server):
    with Peer(server) as peer:
        assert peer.ask(PING, 5, b"x") is None


def test_3_hello_says_version_1_if_it_says_none(server):
    with Peer(server) as peer:
        assert peer.ask(HELLO, 1, msgpack.packb({}))[:2] == (WELCOME, 1)
    with Peer(server) as peer:
        assert peer.ask(HELLO, 1, msgpack.packb({0: 2})) == (GOODBYE, 0, UNSUPPORTED_VERSION)
        assert peer.read() is None


def test_2_a_second_hello_is_refused_and_the_connection_goes_on(peer):
    assert peer.ask(HELLO, 7, msgpack.packb({1: "bob"})) == (ERROR, 7, NOT_PERMITTED)
    assert peer.ask(PING, 8, b"still here") == (OK, 8, b"still here")


def test_2_the_longest_frame_counts_its_length(server):
    for beyond, answer in ((0, (ERROR, 9, CONTENT_TOO_LARGE)), (1, (GOODBYE, 0, FRAME_TOO_LARGE))):
        with Peer(server) as peer:
            peer.ask(HELLO, 1, msgpack.packb({}))
            head = msgpack.packb({TO: "bob"})
            with contextlib.suppress(OSError):
                peer.send(PUBLISH, 9, head + bytes(FRAME_BYTES_MAX - 12 - len(head) + beyond))
            assert peer.read() == answer


def test_2_a_frame_shorter_than_its_header_ends_the_connection(peer):
    peer.socket.sendall(struct.pack("<I", 7) + bytes(7))
    assert peer.read() == (GOODBYE, 0, MALFORMED) and peer.read() is None


def test_2_unknown_opcodes_are_answered_and_unknown_flags_ignored(peer):
    assert peer.ask(0x55, 3) == (ERROR, 3, UNKNOWN_OPCODE)
    assert peer.ask(PING, 4, b"x", flags=0x80) == (OK, 4, b"x")
    assert peer.ask(PING, 5, bytes(65)) == (ERROR, 5, MALFORMED)


def test_2_the_servers_own_request_numbers_are_no_clients(peer):
    refused = peer.ask(PING, 0xFFFF0000, b"x")
    assert refused == ((ERROR, 0, OUT_OF_RANGE) if SHARDS else (OK, 0xFFFF0000, b"x"))


@pytest.mark.parametrize("five", [b"\x05", b"\xcc\x05", b"\xcd\0\x05", b"\xce\0\0\0\x05", b"\xcf" + bytes(7) + b"\x05",
                                  b"\xd0\x05", b"\xd1\0\x05", b"\xd2\0\0\0\x05", b"\xd3" + bytes(7) + b"\x05"])
def test_4_an_integer_may_have_any_format(peer, five):
    assert peer.ask(PUBLISH, 2, b"\x82\x03\xa3bob\x06" + five + b"x")[:2] == (CONFIRM, 2)
    assert peer.ask(PUBLISH, 3, b"\x82\x03\xa3bob\xd0\x06" + five + b"x")[:2] == (CONFIRM, 3), "of a key too"
    assert peer.ask(RECEIVE, 4, b"\x83\x00\xa3bob\x01" + five + b"\x02\x00")[0] == DELIVER, "and in operations"


@pytest.mark.parametrize("number", [b"\xff", b"\xd0\xff", b"\xd1\xff\xff", b"\xd3" + b"\xff" * 8, b"\xca\0\0\0\0",
                                    b"\xd1"])
def test_4_but_a_negative_one_or_a_fraction_is_none(peer, number):
    assert peer.ask(PUBLISH, 2, b"\x82\x03\xa3bob\x06" + number + b"x") == (ERROR, 2, MALFORMED)


def test_4_an_envelope_has_128_kib_at_most(peer):
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
def test_4_too_many_attempts_are_refused_whatever_their_number(peer, attempts):
    policy = [attempts, 0, 1, 1, 1000]
    assert peer.ask(PUBLISH, 2, message({TO: "bob", RETRY: policy})) == (ERROR, 2, OUT_OF_RANGE)


def test_4_a_message_goes_to_one_place(peer):
    assert peer.ask(PUBLISH, 2, message({TO: "bob", 4: "news"})) == (ERROR, 2, NO_RECIPIENT)
    assert peer.ask(PUBLISH, 3, message({PRIORITY: 5})) == (ERROR, 3, NO_RECIPIENT), "and there is no route"


def test_7_whoever_waits_for_mail_has_a_mailbox(server, peer):
    assert peer.ask(RECEIVE, 2, msgpack.packb({0: "pulled"}))[:2] == (OK, 2)
    assert peer.ask(WAIT, 3, msgpack.packb({0: "awaited", 1: 10})) == (ERROR, 3, TIMED_OUT)
    assert peer.ask(CONSUME, 4, msgpack.packb({0: "consumed", 1: 0}))[:2] == (OK, 4)
    listed = server.cli("mailbox", "list").stdout
    assert all(name in listed for name in ("pulled", "awaited", "consumed"))


def test_7_a_consumer_without_credit_gets_nothing_before_it_has_some(peer):
    assert peer.ask(CONSUME, 2, msgpack.packb({0: "bob", 1: 0}))[:2] == (OK, 2)
    assert peer.ask(PUBLISH, 3, message({TO: "bob"}))[:2] == (CONFIRM, 3)
    assert peer.ask(PING, 4, b"x")[0] == OK
    assert peer.ask(0x06, 5, struct.pack("<II", 2, 1))[:2] == (DELIVER, 2)
