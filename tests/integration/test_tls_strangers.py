"""What strangers try with TLS, and what it costs (docs/tls.md, X14)."""

import contextlib
import os
import socket
import ssl
import subprocess
import time

import pytest
from program import SANITIZED
from test_delivery_native import eventually
from tls import TlsClient, certs, handshake_bytes, raw, read_all, still_serves  # noqa: F401

HELLO = bytes.fromhex("16030100c8010000c40303")


@pytest.fixture
def server(make_server, certs):
    return make_server(*certs.settings(tls__plain="unix"))


# -- strangers


@pytest.mark.parametrize(
    "garbage",
    [
        HELLO + os.urandom(194),
        b"\x16\x03\x01\xff\xff" + os.urandom(4_000),
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x00\x04\x01\x00\x00\x00",
        b"\x16\x03\x03\x40\x00\x01\xff\xff\xff" + bytes(16_379),
    ],
    ids=["random", "too-long", "empty", "no-body", "huge"],
)
def test_X14_malformed_hellos_are_refused(make_server, certs, garbage):
    server = make_server(*certs.settings(tls__plain="unix", login__timeout="1s"))
    with contextlib.closing(raw(server)) as connection:
        connection.sendall(garbage)
        connection.settimeout(5)
        answer = read_all(connection)
    assert answer == b"" or answer[:1] == b"\x15"  # nothing, or an alert
    still_serves(server, certs)


def test_X14_a_hello_of_many_pieces_is_taken(server, certs):
    hello, made, incoming, outgoing = handshake_bytes(certs.context())
    with contextlib.closing(raw(server)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in hello:
            connection.sendall(bytes([byte]))
        while True:
            incoming.write(connection.recv(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                made.do_handshake()
                break
        connection.sendall(outgoing.read())
        made.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        connection.sendall(outgoing.read())
        incoming.write(read_all(connection))
        assert made.read(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("part", [1, 3, 5, 40])
def test_X14_a_hello_that_is_cut_short_ends_in_time(make_server, certs, part):
    server = make_server(*certs.settings(tls__plain="unix", login__timeout="700ms"))
    hello, *_ = handshake_bytes(certs.context())
    began = time.monotonic()
    with contextlib.closing(raw(server)) as connection:
        connection.sendall(hello[:part])
        assert read_all(connection) == b""
        assert 0.4 < time.monotonic() - began < 6
    with contextlib.closing(raw(server)) as connection:
        connection.sendall(hello[:part])
    still_serves(server, certs)


def test_X14_a_handshake_that_is_slow_is_cut_however_it_drips(make_server, certs):
    server = make_server(*certs.settings(tls__plain="unix", login__timeout="1s"))
    hello, *_ = handshake_bytes(certs.context())
    began = time.monotonic()
    with contextlib.closing(raw(server)) as connection:
        with contextlib.suppress(ConnectionError):
            for byte in hello:
                connection.sendall(bytes([byte]))
                time.sleep(0.05)
        assert time.monotonic() - began < 8
    with contextlib.closing(raw(server)) as connection:  # the whole hello, and then nothing
        connection.sendall(hello)
        began = time.monotonic()
        read_all(connection)
        assert 0.5 < time.monotonic() - began < 6
    still_serves(server, certs)


def test_X14_half_open_handshakes_are_bounded(make_server, certs):
    server = make_server(*certs.settings(tls__plain="unix", login__connections=50, login__per_address=20))
    hello, *_ = handshake_bytes(certs.context())
    crowd = []
    for _ in range(200):
        crowd.append(raw(server))
        crowd[-1].sendall(hello)
        if len(crowd) % 40 == 0:
            still_serves(server, certs)

    def are_open():
        count = 0
        for connection in crowd:
            connection.setblocking(False)
            try:
                while connection.recv(65536):
                    pass
            except BlockingIOError:
                count += 1
            except ConnectionError:
                pass
        return count

    assert eventually(are_open, lambda count: count <= 20) >= 0
    assert "TLS handshakes are cut" in server.log()
    for connection in crowd:
        connection.close()
    still_serves(server, certs)


@pytest.mark.skipif(SANITIZED, reason="memory of sanitizers")
def test_X14_many_half_open_handshakes_cost_bounded_memory(make_server, certs):
    server = make_server(*certs.settings(tls__plain="unix", login__per_address=4_000))
    still_serves(server, certs)
    hello, *_ = handshake_bytes(certs.context())
    before = server.rss()
    crowd = []
    for _ in range(2_000):
        crowd.append(raw(server))
        crowd[-1].sendall(hello)
    still_serves(server, certs)
    each = (server.rss() - before) / len(crowd) / 1024
    print(f"memory of a half-open handshake: {each:.1f} KiB")
    assert each < 64
    for connection in crowd:
        connection.close()
    still_serves(server, certs)


def secured(server, certs):
    """A connection whose handshake is done, as its raw socket and what makes its records."""
    hello, made, incoming, outgoing = handshake_bytes(certs.context())
    connection = raw(server)
    connection.sendall(hello)
    while True:
        incoming.write(connection.recv(65536))
        with contextlib.suppress(ssl.SSLWantReadError):
            made.do_handshake()
            break
    connection.sendall(outgoing.read())
    return connection, made, incoming, outgoing


def altered(record):
    return record[:-1] + bytes([record[-1] ^ 1])


@pytest.mark.parametrize("spoken", ["native", "http", "nothing"])
@pytest.mark.parametrize("garbage", ["altered", "random", "plain", "too-long", "twice"])
def test_X14_garbage_after_the_handshake_ends_that_connection_alone(server, certs, spoken, garbage):
    connection, made, incoming, outgoing = secured(server, certs)
    first = {
        "native": bytes.fromhex("0c000000") + bytes([1]) + bytes(7) + b"\x82\x00\x01\x01",
        "http": b"POST /api/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
        "nothing": b"",
    }[spoken]
    with contextlib.closing(connection):
        if first:
            made.write(first)
            connection.sendall(outgoing.read())
            time.sleep(0.1)
        made.write(b"x" * 100)
        record = outgoing.read()
        connection.sendall(
            {
                "altered": altered(record),
                "random": b"\x17\x03\x03\x01\x00" + os.urandom(256),
                "plain": b"GET / HTTP/1.1\r\n\r\n",
                "too-long": b"\x17\x03\x03\xff\xff" + bytes(65_535),
                "twice": record + record,
            }[garbage]
        )
        connection.settimeout(10)
        read_all(connection)  # ends
    still_serves(server, certs)


def test_X14_a_connection_cut_within_a_record_ends_quietly(server, certs):
    connection, made, _, outgoing = secured(server, certs)
    made.write(b"x" * 1_000)
    connection.sendall(outgoing.read()[:500])
    connection.close()
    still_serves(server, certs)


def test_X14_nobody_may_handshake_again(server, certs):
    context = certs.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    done = subprocess.run(
        ["openssl", "s_client", "-connect", server.address, "-tls1_2", "-CAfile", certs.ca, "-legacy_renegotiation"],
        input="R\n",
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "RENEGOTIATING" in done.stdout + done.stderr
    assert "no renegotiation" in done.stdout + done.stderr, done.stderr
    still_serves(server, certs)


def test_X14_no_session_is_resumed(server, certs):
    context = certs.context()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = certs.context()
        context.minimum_version = context.maximum_version = version
        with contextlib.closing(context.wrap_socket(raw(server), server_hostname="127.0.0.1")) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.recv(10)
            session = connection.session
        assert session is None or not session.has_ticket
        if session is None:
            continue
        with contextlib.closing(
            context.wrap_socket(raw(server), server_hostname="127.0.0.1", session=session)
        ) as connection:
            assert not connection.session_reused


def test_X14_tls_within_tls_is_closed(server, certs):
    connection, made, incoming, outgoing = secured(server, certs)
    with contextlib.closing(connection):
        made.write(HELLO + os.urandom(190))
        connection.sendall(outgoing.read())
        read_all(connection)
    still_serves(server, certs)


@pytest.mark.skipif(SANITIZED, reason="memory of sanitizers")
def test_X14_an_idle_tls_connection_is_small(server, certs):
    count = 1_000
    clients = [TlsClient(server, certs.context(), "first")]
    before = server.rss()
    for n in range(count):
        clients.append(TlsClient(server, certs.context(), f"idle-{n}"))
    each = (server.rss() - before) / count / 1024
    print(f"memory of an idle TLS connection: {each:.1f} KiB")
    assert each < 24
    for client in clients:
        client.close()
