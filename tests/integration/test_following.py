"""Following: a message from its beginning to its end, all of them as things happen, and answers that say the same at
every door (docs/operations.md, "Following messages")."""

import json
import time

import pytest
from native import text_of_id
from program import MOMENT_MS
from test_cli import wait_for
from test_http import Http
from test_looking import DOORS


@pytest.fixture(params=DOORS, name="door")
def _door(request, server):
    door = DOORS[request.param](server)
    yield door
    door.close()


def trace(door, id):
    return {one["id"]: one for one in door.call("message.trace", id=id)["messages"]}


def dead_ids(door):
    return [one["id"] for one in door.call("dead.list")["dead"]]


def resubmitted(server, id, *more):
    run = server.cli("dead", "resubmit", id, "--json", *more)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_A11_X15_a_message_that_is_sent_again_leads_to_its_next_id_and_back(server, connect, door):
    alice, bob = connect("alice"), connect("bob")
    first = text_of_id(alice.publish("x", to="box").id)
    for got in bob.receive("box", wait_ms=MOMENT_MS):
        bob.reject(got.lease, reason="not in my language")
    second = resubmitted(server, first, "--to", "other")["id"]
    for got in bob.receive("other", wait_ms=5_000):
        bob.ack(got.lease)

    def whole():
        return all(one["state"] in ("acknowledged", "unknown", "dead") for one in trace(door, first).values())

    wait_for(whole)
    for id in (first, second):  # from either end
        chain = trace(door, id)
        assert first in chain and second in chain
        assert (chain[second]["after"], chain[second]["how"]) == (first, "resent")
        last = max(chain.values(), key=lambda one: one["sent_at"])
        assert (last["state"], last["mailbox"]) == ("acknowledged", "other")
        assert chain[first]["sent_at"] <= chain[second]["sent_at"] <= last["at"]
    out = server.cli("trace", first).stdout
    assert f"resent from {first}" in out and "acknowledged" in out


def test_A11_where_a_dead_letter_went_survives_a_restart(server, connect):
    server.cli("send", "box", "x")
    server.cli("recv", "box", "--reject", "no")
    (first,) = [json.loads(line)["id"] for line in server.cli("dead", "list", "--json").stdout.splitlines()]
    second = resubmitted(server, first)["id"]
    server.kill9()
    server.start()
    chain = {one["id"]: one for one in map(json.loads, server.cli("trace", second, "--json").stdout.splitlines())}
    assert chain[second]["after"] == first
    assert second in server.cli("trace", first, "--json").stdout


def test_X15_what_caused_what_is_followed(server, connect, door):
    alice, bob = connect("alice"), connect("bob")
    first = alice.publish("x", to="box", content_type="text/plain")
    (got,) = bob.receive("box", wait_ms=MOMENT_MS)
    (out,) = bob.complete(got.lease, [__import__("native").message("y", to="next")])
    wait_for(lambda: text_of_id(first.id) in trace(door, text_of_id(out.id)))
    chain = trace(door, text_of_id(first.id))
    assert chain[text_of_id(first.id)]["state"] == "acknowledged"
    assert any(one.get("cause") == text_of_id(first.id) for one in chain.values())
    (next_one,) = connect("carol").receive("next", wait_ms=5_000)
    assert text_of_id(next_one.fields["id"]) in trace(door, text_of_id(first.id))
    assert door.call("message.trace", id="019ab3c0-58c2-7e33-8a00-5e7f9a1b2c3d")["code"] == "not_found"


def test_X15_attempts_and_the_holder_are_part_of_a_trace(server, connect, door):
    alice, bob = connect("alice"), connect("bob")
    id = text_of_id(alice.publish("x", to="box").id)
    (got,) = bob.receive("box", wait_ms=MOMENT_MS)
    bob.nack(got.lease, delay_ms=0, reason="the database is down")
    (got,) = bob.receive("box", wait_ms=MOMENT_MS)
    (one,) = trace(door, id).values()
    assert (one["state"], one["holder"], one["deliveries"]) == ("retrieved", "bob", 2) and one["held_since"] > 0
    assert [(attempt["holder"], attempt["end"], attempt["reason"]) for attempt in one["attempts"]] == [
        ("bob", "nacked", "the database is down")
    ]


# -- looking on


class Tail:
    def __init__(self, door, **arguments):
        self.door, self.arguments, self.missed = door, arguments, 0
        self.after = door.call("tap.read", **arguments)["next"]

    def read(self):
        got = self.door.call("tap.read", after=self.after, **self.arguments)
        self.after = got["next"]
        self.missed += got["missed"]
        return got["events"]

    def read_until(self, count):
        events = []

        def more():
            events.extend(self.read())
            return len(events) >= count

        wait_for(more)
        return events


def test_A19_what_happens_is_seen_as_it_happens(connect, door):
    alice, bob = connect("alice"), connect("bob")
    tail = Tail(door, mailbox="box*")
    alice.publish("elsewhere", to="other")
    sent = alice.publish("x", to="box", priority=3)
    (got,) = bob.receive("box", wait_ms=MOMENT_MS)
    bob.nack(got.lease, delay_ms=0, reason="later")
    (got,) = bob.receive("box", wait_ms=MOMENT_MS)
    bob.ack(got.lease)
    alice.publish("y", to="box-2")
    (got,) = bob.receive("box-2", wait_ms=MOMENT_MS)
    bob.reject(got.lease, reason="no")
    events = tail.read_until(8)
    mine = [one for one in events if one["mailbox"] == "box"]
    assert [one["what"] for one in mine] == ["accepted", "delivered", "returned", "delivered", "settled"]
    assert {one["id"] for one in mine} == {text_of_id(sent.id)} and {one["from"] for one in mine} == {"alice"}
    assert [one.get("holder") for one in mine] == [None, "bob", "bob", "bob", "bob"]
    assert "later" in mine[2]["reason"] and mine[3]["deliveries"] == 2 and mine[0]["priority"] == 3
    assert [one["what"] for one in events if one["mailbox"] == "box-2"] == ["accepted", "delivered", "dead"]
    assert tail.missed == 0 and tail.read() == []


def test_A19_a_filter_chooses_what_is_seen(connect, door):
    alice = connect("alice")
    tail = Tail(door, filter="priority <= 3 AND content.n = 1")
    for n in (1, 2):
        for priority in (2, 5):
            alice.publish(json.dumps({"n": n}), to="box", priority=priority, content_type="application/json")
    (event,) = tail.read_until(1)
    assert (event["what"], event["priority"]) == ("accepted", 2)
    assert door.call("tap.read", filter="priority <")["code"] == "invalid_filter"


def test_A19_looking_on_is_bounded_holds_nobody_up_and_says_what_it_left_out(server, connect):
    from native import message

    alice, door = connect("alice"), DOORS["native"](server)
    tail = Tail(door)
    for _ in range(25):
        alice.publish_batch([message("x", to="box")] * 500)
    alice.ping()
    seen = 0
    while events := tail.read():
        seen += len(events)
    assert seen + tail.missed == 12_500 and tail.missed == 2_500
    door.close()


def test_A19_the_command_line_looks_on(server):
    tail = server.cli_start("tail", "--mailbox", "box", "--max", "3")
    assert "looking on" in tail.stderr.readline()
    server.cli("send", "box", "x")
    server.cli("recv", "box")
    out, _ = tail.communicate(timeout=20)
    assert [line.split()[1] for line in out.splitlines()] == ["accepted", "delivered", "settled"]
    assert tail.returncode == 0


# -- answers that say the same


def test_U3_a_confirmation_has_the_same_fields_at_every_door(server):
    http = Http(server)
    names = {"id", "unread", "outcome", "last_read_age_ms", "status"}
    for name in ("http", "websocket", "shell"):
        door = DOORS[name](server)
        sent = door.publish(to="box", content="x")
        assert set(sent) - {"op", "request"} == names and sent["status"] == "pending"
        server.cli("recv", "box", "--reject", "no", "--wait", f"{MOMENT_MS}ms")
        (id,) = dead_ids(door)
        again = door.call("dead.resubmit", id=id)
        assert set(again) - {"op", "request"} == names and again["status"] == "pending"
        wait_for(lambda: server.cli("recv", "box").returncode == 0)
        door.close()
    assert set(json.loads(server.cli("publish", "news", "x", "--json").stdout)) == {
        "id",
        "subscriptions",
        "outcome",
        "status",
    }
    assert set(http("POST", "/api/messages", {"topic": "news", "content": "x"})[1]) == {
        "id",
        "subscriptions",
        "outcome",
        "status",
    }


def test_B2_an_answer_says_when_more_wait(server, connect):
    http = Http(server)
    for _ in range(8):
        http("POST", "/api/messages", {"to": "box", "content": "x" * 1_000_000})
    status, got = http("GET", f"/api/messages?agent=box&limit=100&ack=true&wait={MOMENT_MS}ms")
    assert status == 200 and 0 < len(got["messages"]) < 8 and got.get("more") is True
    count = len(got["messages"])
    while got.get("more"):
        got = http("GET", "/api/messages?agent=box&limit=100&ack=true&wait=1s")[1]
        count += len(got["messages"])
    assert count == 8 and "more" not in got
    for _ in range(3):
        http("POST", "/api/messages", {"to": "small", "content": "x"})
    wait_for(lambda: http("GET", "/api/mailboxes/small")[1]["ready"] == 3)
    assert http("GET", "/api/messages?agent=small&limit=2&ack=true")[1].get("more") is True
    assert "more" not in http("GET", "/api/messages?agent=small&limit=2&ack=true")[1]


def test_A11_one_field_within_a_content_is_changed_and_the_rest_is_as_it_was(server, connect, door):
    text = '{"wei": 1000000000000000000000,  "topic":"a", "deep":{"x":[1,{"y":"}"}]}}'
    server.cli("send", "box", text, "--meta", "a=1", "--meta", "b=2")
    bob = connect("bob")
    (got,) = bob.receive("box", wait_ms=MOMENT_MS)
    bob.reject(got.lease)
    (id,) = dead_ids(door)
    resubmitted(server, id, "--set", "content.topic=x", "--set", "metadata.a=7")
    (got,) = bob.receive("box", wait_ms=5_000)
    assert got.content.decode() == text.replace('"topic":"a"', '"topic":"x"')
    assert got.fields["metadata"] == {"a": 7, "b": 2}
    bob.reject(got.lease)
    wait_for(lambda: len(dead_ids(door)) == 1)
    (id,) = dead_ids(door)
    door.call("dead.resubmit", id=id, changes={"content.deep.new": [1]})
    (got,) = bob.receive("box", wait_ms=5_000)
    assert json.loads(got.content)["deep"] == {"x": [1, {"y": "}"}], "new": [1]}
    bob.reject(got.lease)
    wait_for(lambda: len(dead_ids(door)) == 1)
    refused = server.cli("dead", "resubmit", dead_ids(door)[0], "--set", "content.nothing.here=1")
    assert refused.returncode == 2 and "invalid_field" in refused.stderr and "nothing" in refused.stderr
