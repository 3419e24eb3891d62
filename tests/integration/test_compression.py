"""Compressed contents at the doors that speak JSON (X18; docs/protocol.md, section 12): whoever receives them never
notices."""

import base64
import gzip
import json
import zlib

import pytest
from test_cli import ok
from test_http import Http
from test_websocket import run

TEXT = "many words " * 5_000
BOMB = gzip.compress(bytes(64 * 1024 * 1024))  # 64 KiB that would be 64 MiB


@pytest.fixture
def ask(server):
    return Http(server)


def take(ask, agent="bob"):
    return ask("GET", f"/api/messages?agent={agent}&limit=100&ack=true")[1]["messages"]


@pytest.mark.parametrize("wanted", [True, "zstd", "gzip"])
def test_A15_a_sender_over_http_asks_for_compression(ask, connect, wanted):
    for _ in range(2):
        assert ask("POST", "/api/messages", {"to": "bob", "content": TEXT, "compress": wanted})[0] == 201
    (got,) = connect("bob").receive("bob")
    assert got.fields["encoding"] == ("gzip" if wanted == "gzip" else "zstd") and len(got.content) < len(TEXT) / 10
    (message,) = take(ask)
    assert message["content"] == TEXT and "encoding" not in message and "content_encoding" not in message


def test_A15_a_sender_over_a_websocket_asks_for_compression(server, connect):
    async def steps(me, other):
        await other.ask("consume", request=1, mailbox="other")
        for _ in range(2):
            await me.ask("publish", message={"to": "bob", "content": {"words": TEXT}, "compress": True})
            await me.ask("publish", message={"to": "other", "content": {"words": TEXT}, "compress": True})
        assert (await other.read())["message"]["content"] == {"words": TEXT}

    run(server, steps)
    first, second = connect("bob").receive("bob", max=2)
    assert first.fields["encoding"] == second.fields["encoding"] == "zstd"


def test_A15_what_would_not_become_smaller_is_sent_as_it_is(ask, connect):
    ask("POST", "/api/messages", {"to": "bob", "content": "x", "compress": True})
    (got,) = connect("bob").receive("bob")
    assert got.content == b"x" and "encoding" not in got.fields
    assert ask("POST", "/api/messages", {"to": "bob", "content": "x", "compress": "rar"})[1]["code"] == "invalid_field"


def test_A15_contents_that_the_command_line_compressed_are_readable_at_every_door(server, ask):
    for _ in range(2):
        ok(server.cli("send", "other", "-", "--compress", stdin=TEXT))
    (message,) = take(ask, "other")[:1]
    assert message["content"] == TEXT
    ok(server.cli("send", "other", "-", "--compress", stdin=TEXT))

    async def steps(me, other):
        await other.send("receive", request=1, mailbox="other")
        assert (await other.read())["message"]["content"] == TEXT

    run(server, steps)


def test_A15_a_bomb_is_an_error_that_says_so_and_can_be_settled(server, ask, connect):
    sender = connect("sender")
    assert len(BOMB) < 128 * 1024
    for mailbox in ("bob", "other"):
        sender.publish(BOMB, to=mailbox, encoding="gzip")
    (message,) = take(ask)
    assert message["content_error"]["code"] == "content_too_large" and message["encoding"] == "gzip"
    assert base64.b64decode(message["content"]) == BOMB and message["content_encoding"] == "base64"

    async def steps(me, other):
        await other.send("receive", request=1, mailbox="other")
        got = await other.read()
        assert got["message"]["content_error"]["code"] == "content_too_large"
        assert (await other.read())["count"] == 1
        assert (await other.ask("ack", request=2, leases=[got["lease"]]))["settled"] == 1

    run(server, steps)


@pytest.mark.parametrize("broken", [b"no gzip at all", gzip.compress(b"x" * 1000)[:-9], zlib.compress(b"x" * 1000)])
def test_A15_what_is_no_gzip_is_handed_on_with_the_reason(ask, connect, broken):
    connect().publish(broken, to="bob", encoding="gzip")
    (message,) = take(ask)
    assert message["content_error"]["code"] == "malformed" and base64.b64decode(message["content"]) == broken


def test_A15_answers_and_events_are_readable_too(server, ask, connect):
    worker = connect("worker")
    worker.consume("worker", credit=1)
    packed = gzip.compress(TEXT.encode())

    async def steps(me, other):
        await other.ask("subscribe", request=1, pattern="a.b")
        await me.send("request", request=2, message={"to": "worker", "content": "?"})
        worker.publish(packed, to=worker.delivery(timeout=30).fields["reply_to"], encoding="gzip",
                       content_type="text/plain")
        assert (await me.read())["message"]["content"] == TEXT
        worker.publish(packed, topic="a.b", encoding="gzip", content_type="text/plain")
        assert (await other.read())["message"]["content"] == TEXT

    run(server, steps)


def test_A15_many_that_become_large_are_given_back_when_the_answer_is_full(ask, connect):
    sender = connect()
    packed = gzip.compress(b"a" * (7 * 1024 * 1024))
    for _ in range(12):
        sender.publish(packed, to="bob", encoding="gzip", content_type="text/plain")
    first = take(ask)
    assert 0 < len(first) < 12 and all(len(message["content"]) == 7 * 1024 * 1024 for message in first)
    assert len(first) + len(take(ask)) == 12


def test_A15_dead_letters_are_shown_readable(ask):
    ask("POST", "/api/messages", {"to": "bob", "content": TEXT, "compress": True})
    (message,) = ask("GET", "/api/messages?agent=bob")[1]["messages"]
    ask("PUT", f"/api/messages/{message['id']}/status", {"status": "rejected", "lease": message["lease"]})
    assert ask("GET", f"/api/dead/{message['id']}")[1]["message"]["content"] == TEXT
    (listed,) = ask("GET", "/api/dead?mailbox=bob&content=true")[1]["dead"]
    assert listed["message"]["content"] == TEXT
    assert json.dumps(ask("POST", "/api/call/dead.show",
                          {"id": message["id"]})[1]["message"]["content"]) == json.dumps(TEXT)
