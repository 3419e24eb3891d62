"""How long messages live, and from when on (docs/delivery.md, "Time"), at every door."""

import time
from datetime import datetime, timezone

import pytest
from test_delivery_native import eventually
from test_every_door import DOORS, dead


@pytest.fixture(params=DOORS, name="door")
def _door(request, server):
    door = DOORS[request.param](server)
    yield door
    door.close()


@pytest.fixture
def short(connect):
    """A mailbox whose messages live for 300 ms if they do not say otherwise."""
    connect().carry_out("mailbox.configure", name="short", default_ttl=300)
    return "short"


def publish(door, **fields):
    sent = door.publish(**fields)
    assert "code" not in sent, sent
    return sent


def text_time(seconds):
    return (
        datetime.fromtimestamp(time.time() + seconds, timezone.utc)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


def test_X5_a_life_begins_when_the_message_is_due(door, short):
    """The default of the mailbox, and one of the message's own: shorter than the delay."""
    began = time.monotonic()
    for fields in ({"to": short}, {"to": "bob", "ttl": 900}):
        sent = publish(door, content="later", delay=1_000, **fields)
        assert sent["outcome"] == "scheduled"
    for mailbox in (short, "bob"):
        assert [got["content"] for got in door.take(mailbox, wait_ms=10_000)] == ["later"]
    assert time.monotonic() - began > 0.9
    assert dead(door) == []


def test_X5_and_ends_so_long_after(door, short):
    publish(door, to=short, content="later", delay=500)
    publish(door, to="bob", content="later", delay=500, ttl=300)
    eventually(lambda: sorted(dead(door)), lambda now: now == [("bob", "expired"), (short, "expired")])
    assert door.take(short) == door.take("bob") == []


def test_A1_a_life_of_0_is_for_ever(door, short):
    publish(door, to=short, content="for ever", ttl=0)
    publish(door, to=short, content="late, and for ever", ttl=0, delay=100)
    publish(door, to=short, content="for 300 ms")
    eventually(lambda: dead(door), lambda now: now == [(short, "expired")])
    time.sleep(0.2)
    assert sorted(got["content"] for got in door.take(short)) == ["for ever", "late, and for ever"]


def test_A1_a_life_of_0_is_said_to_whoever_gets_the_message(door, server):
    publish(door, to="bob", content="x", ttl=0)
    publish(door, to="bob", content="y")
    assert [got.get("ttl") for got in DOORS["http"](server).take("bob", wait_ms=5_000)] == [0, None]


@pytest.mark.parametrize("door", ["http", "websocket", "shell"], indirect=True)
def test_A1_what_ends_at_a_time_ends_then_whatever_its_delay(door):
    publish(door, to="bob", content="x", delay=400, expires_at=text_time(1))
    assert [got["content"] for got in door.take("bob", wait_ms=10_000)] == ["x"]
    publish(door, to="bob", content="y", delay=400, expires_at=text_time(1))
    began = time.monotonic()
    eventually(lambda: dead(door), lambda now: now == [("bob", "expired")])
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("door", ["http", "websocket", "shell"], indirect=True)
def test_A1_what_ends_before_it_is_due_is_refused(door):
    refused = door.publish(to="bob", content="x", delay=60_000, expires_at=text_time(30))
    assert refused["code"] in ("out_of_range", "invalid_field"), refused
    assert door.take("bob") == [] and dead(door) == []


def test_X18_a_dead_letter_lives_anew_as_its_mailbox_says_or_for_ever(connect, short):
    client = connect("me")
    for changes, outcome in (({}, "expired"), ({"ttl": 0}, None)):
        client.publish("x", to=short, ttl=50)
        (letter,) = eventually(lambda: client.carry_out("dead.list", mailbox=short)["dead"], len)
        client.carry_out("dead.resubmit", id=letter["id"], changes=changes)
        if outcome:
            (letter,) = eventually(lambda: client.carry_out("dead.list", mailbox=short)["dead"], len)
            assert letter["reason"] == outcome
            client.carry_out("dead.purge", mailbox=short)
        else:
            time.sleep(0.6)
            assert [got.content for got in client.receive(short)] == [b"x"]
