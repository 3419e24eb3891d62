"""An answer that is not given settles nothing, and whoever still reads is answered (docs/protocol.md, section 13)."""

import contextlib
import http.client
import json
import socket
import struct
import time

import pytest
from program import MOMENT_MS
from test_delivery_http import make_dead
from test_delivery_native import eventually
from test_http import Http

HALF_CLOSED = 40


@pytest.fixture
def ask(server):
    return Http(server, **{"X-Agent": "alice"})


def text_of(server, method, path, body=None, version="1.1"):
    data = "" if body is None else json.dumps(body)
    return (f"{method} {path} HTTP/{version}\r\nHost: {server.address}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n{data}").encode()


@contextlib.contextmanager
def half_closed(server, *request, unix=False, **options):
    """A client that has sent its request and the end of its side, as `printf ... | nc -N` does."""
    with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as raw:
        raw.settimeout(30)
        raw.connect(server.socket if unix else ("127.0.0.1", server.port))
        raw.sendall(text_of(server, *request, **options))
        raw.shutdown(socket.SHUT_WR)
        yield raw


def answer_of(raw):
    """Status and JSON of all that comes until the server closes too."""
    text = b""
    while more := raw.recv(65536):
        text += more
    head, _, body = text.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    assert words[0] in (b"HTTP/1.1", b"HTTP/1.0") and text.count(b"HTTP/1.") == 1, text
    assert f"Content-Length: {len(body)}".encode() in head, text
    return int(words[1]), json.loads(body)


def is_(wanted):
    return lambda got: got == wanted


def state_of(ask, id):
    return ask("GET", f"/api/messages/{id}")[1]["state"]


def publish(ask, to, content="x", **fields):
    status, sent = ask("POST", "/api/messages", {"to": to, "content": content, **fields})
    assert status == 201, sent
    return sent["id"]


def attempts_of(ask, id):
    return ask("GET", f"/api/messages/{id}")[1]["attempts"]


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_half_closed_client_gets_what_it_takes(server, ask, unix, version):
    for i in range(HALF_CLOSED):
        id = publish(ask, f"l{i}")
        with half_closed(server, "GET", f"/api/messages?agent=l{i}&ack=true&wait={MOMENT_MS}ms", unix=unix,
                         version=version) as raw:
            status, got = answer_of(raw)
        assert status == 200 and [m["id"] for m in got["messages"]] == [id], got
        eventually(lambda id=id: state_of(ask, id), is_("acknowledged"))


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_a_half_closed_client_may_wait_for_messages(server, ask, unix):
    with half_closed(server, "GET", "/api/messages?agent=late&ack=true&wait=20s", unix=unix) as raw:
        time.sleep(0.4)
        id = publish(ask, "late")
        status, got = answer_of(raw)
    assert status == 200 and [m["id"] for m in got["messages"]] == [id]
    eventually(lambda: state_of(ask, id), is_("acknowledged"))


def test_a_half_closed_client_is_told_what_became_of_its_redrive(server, ask):
    make_dead(ask, "a", 6)
    with half_closed(server, "POST", "/api/dead/redrive", {"mailbox": "a", "rate": 5}) as raw:
        assert answer_of(raw) == (200, {"sent": 6, "refused": 0})
    assert len(ask("GET", "/api/messages?agent=a&limit=10&wait=5s")[1]["messages"]) == 6


@pytest.mark.parametrize("path, wrap", [
    ("/api/requests", lambda to: {"to": to, "message": {"content": "2+2"}}),
    ("/api/requests", lambda to: {"to": [to], "message": {"content": "2+2"}}),
    ("/api/commands", lambda to: {"to": to, "command": "add"}),
    ("/message?wait=20s", lambda to: {"to": to, "content": "2+2"}),
], ids=["request", "many", "command", "message"])
def test_a_half_closed_client_gets_the_answer_to_its_request(server, connect, path, wrap):
    agent = connect("adder")
    agent.consume("adder", credit=1)
    with half_closed(server, "POST", path, wrap("adder")) as raw:
        asked = agent.delivery(timeout=20)
        time.sleep(0.4)
        agent.publish("4", to=asked.fields["reply_to"], type=4, content_type="text/plain")
        status, got = answer_of(raw)
    response = got["responses"][0]["message"] if "responses" in got else got["response"]
    assert status == 200 and response["content"] == "4", got


def test_half_closed_clients_get_statuses_that_are_no_success(server):
    with half_closed(server, "POST", "/api/requests", {"to": "nobody", "message": {}, "timeout_ms": 300}) as raw:
        status, got = answer_of(raw)
    assert (status, got["code"]) == (504, "timed_out")


def test_a_half_closed_client_hears_events(server, ask):
    path = "/api/events?pattern=news.*&count=2"
    with half_closed(server, "GET", path) as raw:
        time.sleep(0.4)
        for content in ("one", "two"):
            assert ask("POST", "/api/messages", {"topic": "news.x", "content": content})[1]["subscriptions"] == 1
        answer = http.client.HTTPResponse(raw)
        answer.begin()
        told = [
            json.loads(line.removeprefix(b"data: ")) for line in answer.read().splitlines()
            if line.startswith(b"data: ")
        ]
    assert [event["message"]["content"] for event in told] == ["one", "two"]


def vanish(raw, how):
    if how == "reset":
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()


@pytest.mark.parametrize("how", ["close", "reset"])
def test_clients_that_vanish_while_they_wait_take_nothing(server, ask, how):
    for _ in range(5):
        raw = socket.create_connection(("127.0.0.1", server.port))
        raw.sendall(text_of(server, "GET", "/api/messages?agent=shy&wait=60s&ack=true"))
        time.sleep(0.1)
        vanish(raw, how)
    time.sleep(0.3)
    id = publish(ask, "shy")
    (got,) = ask("GET", "/api/messages?agent=shy&wait=5s")[1]["messages"]
    assert got["id"] == id and got["delivery"] == 1 and attempts_of(ask, id) == []


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("pause", [0, 0.0005, 0.002])
def test_no_message_is_settled_by_a_client_that_vanishes_at_once(server, ask, how, pause):
    """Whoever vanishes without reading may or may not have been given its message: what was settled was written to it
    while it was there. Nothing may be lost in between: every message is settled, or comes to the next who asks."""
    ids = [publish(ask, f"v{i}") for i in range(20)]
    for i in range(20):
        raw = socket.create_connection(("127.0.0.1", server.port))
        raw.sendall(text_of(server, "GET", f"/api/messages?agent=v{i}&ack=true&lease=1h&wait={MOMENT_MS}ms"))
        time.sleep(pause)
        vanish(raw, how)
    for i, id in enumerate(ids):
        deadline = time.monotonic() + 10
        while (state := state_of(ask, id)) != "acknowledged" and time.monotonic() < deadline:
            got = ask("GET", f"/api/messages?agent=v{i}&ack=true&wait=200ms")[1]["messages"]
            assert [m["id"] for m in got] in ([], [id])
        assert state == "acknowledged"


@pytest.mark.parametrize("ack", ["", "&ack=true"])
def test_what_a_client_does_not_take_is_given_back(server, ask, ack):
    """More than the socket holds, to a client that reads nothing and goes: not one is settled, or waits for its
    lease."""
    ids = [publish(ask, "big", "x" * 300_000) for _ in range(3)]
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(server.socket)
        raw.sendall(text_of(server, "GET", f"/api/messages?agent=big&limit=3&lease=1h&wait={MOMENT_MS}ms{ack}"))
        eventually(lambda: {state_of(ask, id) for id in ids}, is_({"retrieved"}))
        time.sleep(0.2)
        assert {state_of(ask, id) for id in ids} == {"retrieved"}
    got, deadline = {}, time.monotonic() + 20
    while len(got) < 3 and time.monotonic() < deadline:
        for message in ask("GET", "/api/messages?agent=big&limit=3&wait=1s")[1]["messages"]:
            got[message["id"]] = message
    assert set(got) == set(ids) and all(m["redelivered"] for m in got.values())
    for id in ids:
        assert [a["reason"] for a in attempts_of(ask, id)] == ["the HTTP client did not take the answer"]


@pytest.mark.parametrize("how", ["close", "reset"])
def test_whoever_works_for_a_client_that_vanished_is_told(server, connect, how):
    """One that closes can read no more; its host says so as soon as something is sent to it."""
    agent = connect("slow")
    agent.consume("slow", credit=1)
    raw = socket.create_connection(("127.0.0.1", server.port))
    raw.sendall(
        text_of(server, "POST", "/api/requests", {"to": "slow", "message": {"content": "x"}, "timeout_ms": 60000}))
    asked = agent.delivery(timeout=20)
    vanish(raw, how)
    assert agent.withdrawn(timeout=20) == (0, asked.fields["id"])


def test_a_subscription_ends_with_its_client(server, ask):
    for accept in ("text/event-stream", "application/jsonl"):
        raw = socket.create_connection(("127.0.0.1", server.port))
        raw.sendall(
            f"GET /api/events?pattern=x HTTP/1.1\r\nHost: {server.address}\r\nAccept: {accept}\r\n\r\n".encode())
        assert raw.recv(65536).startswith(b"HTTP/1.1 200 ")
        raw.close()
        eventually(lambda: ask("POST", "/api/messages", {"topic": "x"})[1]["subscriptions"], is_(0))
