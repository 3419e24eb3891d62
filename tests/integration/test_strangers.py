"""Before a client is known it costs nothing, and what it does not finish costs little and not for ever: at the HTTP and
the WebSocket door (docs/protocol.md, sections 11 and 13)."""

import contextlib
import json
import os
import socket
import struct
import time

import pytest
from program import SANITIZED
from test_delivery_native import eventually
from test_http_conformance import Connection, message, post, request

MIB = 1 << 20
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", KEY)
SECRET = ("--token", "secret")
KNOWN = "Authorization: Bearer secret"


def settings(**values):
    return [word for name, value in values.items() for word in ("--set", f"{name.replace('__', '.')}={value}")]


class WebSocket(Connection):
    """A raw one: frames as bytes."""

    def __init__(self, server, *fields, target="/ws?agent=me"):
        super().__init__(server)
        self.send(request("GET", target, *UPGRADE, *fields))
        while b"\r\n\r\n" not in self.have:
            assert self._more()
        head, _, self.have = self.have.partition(b"\r\n\r\n")
        self.head = head.decode()
        assert self.head.startswith("HTTP/1.1 101 "), self.head

    def begin(self, size, opcode=2):
        """The beginning of a message of that size."""
        return self.send(struct.pack(">BBQ4x", 0x80 | opcode, 0xFF, size))

    def say(self, payload, opcode=1, first=0x80):
        size = len(payload)
        length = struct.pack(">B", 0x80 | size) if size < 126 else struct.pack(">BH", 0xFE, size)
        return self.send(bytes([first | opcode]) + length + bytes(4) + payload)

    def frame(self):
        """First byte and payload; None at the end."""

        def take(size):
            while len(self.have) < size:
                if not self._more():
                    return None
            taken, self.have = self.have[:size], self.have[size:]
            return taken

        head = take(2)
        if head is None:
            return None
        size = head[1]
        if size >= 126:
            size = struct.unpack(">H" if size == 126 else ">Q", take(2 if size == 126 else 8))[0]
        return head[0], take(size)

    def close_code(self):
        """That of the close frame, with whatever comes before it passed over; None: it ended without."""
        while (got := self.frame()) is not None:
            if got[0] & 15 == 8:
                return struct.unpack(">H", got[1][:2])[0]
        return None


def pour(connection, size):
    """Sends as much of `size` bytes as the server takes; how many that were."""
    sent = 0
    connection.socket.settimeout(2)
    with contextlib.suppress(OSError):
        while sent < size:
            sent += connection.socket.send(bytes(min(256 * 1024, size - sent)))
    connection.socket.settimeout(20)
    return sent


@contextlib.contextmanager
def costs_at_most(server, most):
    """The server's memory, while what was done is still going on."""
    before = server.rss()
    yield
    time.sleep(0.3)
    grown = server.rss() - before
    print(f"{grown / MIB:.1f} MiB")
    assert SANITIZED or grown <= most, f"{grown / MIB:.1f} MiB"


def is_gone(connection, within):
    """Whether the server ends it, and not before it has to."""
    connection.socket.settimeout(within)
    try:
        while connection._more():
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
    return True


@pytest.mark.parametrize("framing", ["Content-Length: 8000000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("target", ["/api/messages", "/api/content", "/api/requests"])
def test_U4_U13_bodies_without_a_token_are_not_taken(make_server, framing, target):
    server = make_server(*SECRET)
    with contextlib.ExitStack() as stack:
        with costs_at_most(server, 4 * MIB):
            clients = [stack.enter_context(Connection(server)) for _ in range(20)]
            for client in clients:
                client.send(post("", framing, target=target))
            for client in clients:
                assert client.answer().status == 401
                pour(client, 1 * MIB)
        assert all(is_gone(client, 10) for client in clients)


def test_U5_U13_messages_without_a_token_are_not_taken(make_server):
    server = make_server(*SECRET)
    with contextlib.ExitStack() as stack:
        with costs_at_most(server, 8 * MIB):
            clients = [stack.enter_context(WebSocket(server)) for _ in range(20)]
            for client in clients:
                pour(client.begin(8_000_000), 4 * MIB)
        assert {client.close_code() for client in clients} <= {1009, None}
    with WebSocket(server) as client:  # fragments are one message
        for opcode in (1, 0, 0):
            client.say(bytes(60_000), opcode=opcode, first=0)
        assert client.close_code() == 1009


def test_U5_U13_an_upgrade_without_a_token_says_hello_soon(make_server):
    server = make_server(*SECRET, *settings(login__timeout="600ms"))
    with WebSocket(server) as silent, WebSocket(server, KNOWN) as known, WebSocket(
        server, "Authorization: Bearer wrong"
    ) as wrong:
        with WebSocket(server) as late:
            late.say(json.dumps({"op": "hello", "token": "secret"}).encode())
            assert json.loads(late.frame()[1])["op"] == "welcome"
            began = time.monotonic()
            assert silent.close_code() == 1008 and wrong.close_code() == 1008 and time.monotonic() - began < 5
            time.sleep(1)
            for client in (known, late):
                client.say(b'{"op":"ping","request":9}')
                assert json.loads(client.frame()[1]) == {"op": "ok", "request": 9}


def test_U5_where_no_token_is_needed_a_websocket_may_be_silent(make_server):
    server = make_server(*settings(login__timeout="300ms"))
    with WebSocket(server) as client:
        time.sleep(1)
        client.say(b'{"op":"ping","request":9}')
        assert json.loads(client.frame()[1]) == {"op": "ok", "request": 9}


def test_U4_a_header_comes_soon_or_not_at_all(make_server):
    server = make_server(*settings(login__timeout="600ms"))
    with Connection(server) as client:
        began = time.monotonic()
        client.send("GET /health HTTP/1.1\r\nHost: localhost\r\nX: ")
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 10 and not is_gone(client, 0.1):
                client.send("y")
        assert 0.5 < time.monotonic() - began < 5


def test_U4_U13_a_stranger_is_not_idle_for_long(make_server):
    server = make_server(*SECRET, *settings(login__timeout="600ms"))
    with Connection(server) as stranger, Connection(server) as known:
        assert stranger.send(request()).answer().status == 401
        assert known.send(request("GET", "/health", KNOWN)).answer().status == 200
        assert is_gone(stranger, 5)
        time.sleep(1)
        assert known.send(request("GET", "/health", KNOWN)).answer().status == 200


def test_U4_U13_there_are_only_so_many_strangers(make_server):
    server = make_server(*SECRET, *settings(http__strangers=8, http__strangers_by_address=5))
    with contextlib.ExitStack() as stack:
        strangers = [stack.enter_context(Connection(server)).send("GET /hea") for _ in range(5)]
        time.sleep(0.2)
        with Connection(server) as more:
            answer = more.send(request("GET", "/health", KNOWN)).answer()
            assert answer.status == 503 and answer["retry-after"] and more.is_closed()
        other = [
            stack.enter_context(Connection(server, unix=True)).send("GET /hea") for _ in range(3)
        ]  # another address
        time.sleep(0.2)
        with Connection(server, unix=True) as more:
            assert more.send(request("GET", "/health", KNOWN)).answer().status == 503
        for client in other:
            client.socket.close()
        # Who is known is no stranger.
        for client in strangers:
            assert client.send(f"lth HTTP/1.1\r\nHost: localhost\r\n{KNOWN}\r\n\r\n").answer().status == 200
        for _ in range(10):
            client = stack.enter_context(Connection(server))
            assert client.send(request("GET", "/health", KNOWN)).answer().status == 200


@pytest.mark.parametrize("target", ["/api/messages", "/api/content"])
@pytest.mark.parametrize("framing", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
def test_U4_a_body_that_comes_byte_by_byte_does_not_live_for_ever(make_server, target, framing):
    server = make_server(*settings(http__timeout="1s"))
    with Connection(server) as client:
        client.send(post("", framing, target=target))
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 10 and not is_gone(client, 0.2):
                client.send("1\r\nx\r\n" if "chunked" in framing else "x")
        assert time.monotonic() - began < 5


def test_U5_nor_does_a_message(make_server):
    server = make_server(*settings(http__timeout="1s"))
    with WebSocket(server) as client:
        client.begin(1_000_000)
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 10 and not is_gone(client, 0.2):
                client.send(b"x")
        assert time.monotonic() - began < 5


def test_X19_a_content_may_take_its_time_while_it_comes(make_server):
    """Longer than the time between two parts; the rate is what counts."""
    server = make_server(*settings(http__timeout="600ms"))
    data = os.urandom(400_000)
    with Connection(server) as client:
        client.send(request("POST", "/api/content", f"Content-Length: {len(data)}"))
        for at in range(0, len(data), 20_000):
            client.send(data[at : at + 20_000])
            time.sleep(0.1)
        assert client.answer().status == 201


def test_X19_uploads_of_one_byte_each_hold_nobody_up(make_server):
    server = make_server(*settings(content__uploads=4))
    with contextlib.ExitStack() as stack:
        for _ in range(64):
            stack.enter_context(Connection(server)).send(
                request("POST", "/api/content", "Content-Length: 1000000") + "x"
            )
        time.sleep(0.3)
        data = os.urandom(600_000)
        with Connection(server) as client:
            client.send(request("POST", "/api/content", f"Content-Length: {len(data)}")).send(data)
            assert client.answer().status == 201


def test_U4_U13_unfinished_requests_are_bounded_by_address_and_in_all(make_server):
    limits = settings(http__unfinished_bytes="24MiB", http__unfinished_bytes_by_address="16MiB")
    server = make_server(*SECRET, *limits)
    body = message(content="y" * 900_000)
    whole = post(body, KNOWN, f"Content-Length: {len(body)}")
    with contextlib.ExitStack() as stack:
        with costs_at_most(server, 40 * MIB):
            clients = [stack.enter_context(Connection(server)) for _ in range(40)]
            for client in clients:
                client.send(post("", KNOWN, "Content-Length: 8388608"))
                pour(client, 4 * MIB)
        refused = [client for client in clients if is_gone(client, 0.05)]
        assert len(refused) >= 30 and all(
            b"HTTP/1.1 503 " in client.have and b'"busy"' in client.have for client in refused if client.have
        )
        assert any(client.have for client in refused)
        with Connection(server, unix=True) as other:  # another address
            assert other.send(whole).answer().status == 201

    def goes_again():
        with Connection(server) as client:
            return client.send(whole).answer().status

    eventually(goes_again, lambda status: status == 201)


def test_U5_U13_unfinished_messages_too(make_server):
    server = make_server(*SECRET, *settings(http__unfinished_bytes="16MiB", http__unfinished_bytes_by_address="16MiB"))
    with contextlib.ExitStack() as stack:
        with costs_at_most(server, 40 * MIB):
            clients = [stack.enter_context(WebSocket(server, KNOWN)) for _ in range(40)]
            for client in clients:
                pour(client.begin(8_388_608), 4 * MIB)
        assert eventually(lambda: sum(is_gone(client, 0.05) for client in clients), lambda gone: gone >= 30)
        codes = [client.close_code() for client in clients if is_gone(client, 0.05)]
        assert len(codes) >= 30 and set(codes) <= {1013, None} and 1013 in codes

    def goes_again():
        with WebSocket(server, KNOWN) as client:
            text = json.dumps({"op": "publish", "message": {"to": "a", "content": "y" * 900_000}}).encode()
            client.begin(len(text), opcode=1).send(text)
            return json.loads(client.frame()[1]).get("op")

    eventually(goes_again, lambda op: op == "confirm")
