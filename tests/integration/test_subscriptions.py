"""Durable subscriptions, events that must be kept, filters that change, many filters: through every door
(docs/subscriptions.md)."""

import json
import threading
import time

import pytest
from native import Refused, frame, message, PUBLISH, QUIET
from test_cli import ok, wait_for
from test_every_door import HttpDoor, NativeDoor, WebsocketDoor
from test_websocket import run as run_websocket

MUST = {"mode": 1}


@pytest.fixture(params=[NativeDoor, HttpDoor, WebsocketDoor])
def door(request, server):
    made = request.param(server)
    yield made
    made.close()


def take(client, mailbox, count, within=10):
    """So many messages, which may be on their way from another shard; acknowledged."""
    got, deadline = [], time.monotonic() + within
    while len(got) < count and time.monotonic() < deadline:
        for one in client.receive(mailbox, max=count - len(got), wait_ms=500):
            client.ack(one.lease)
            got.append(one)
    assert len(got) == count, [one.content for one in got]
    return got


def nothing_waits(client, mailbox):
    assert client.receive(mailbox, wait_ms=300) == []


def test_M2_an_event_is_a_message_in_each_mailbox_that_wants_it(door, connect):
    reader, publisher = connect("reader"), connect("shop")
    door.call("subscription.set", name="billing", pattern="orders.*", filter="content.total > 100")
    door.call("subscription.set", name="audit", pattern="orders.>", mailbox="archive")
    door.call("subscription.set", name="again", pattern=">", mailbox="archive")
    for total in 120, 7:
        publisher.publish(
            json.dumps({"total": total}),
            topic="orders.eu",
            type="order.created",
            priority=3,
            metadata={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
        )
    (one,) = take(reader, "billing", 1)
    assert json.loads(one.content) == {"total": 120}
    assert (one.fields["event_topic"], one.fields["to"], one.fields["from"]) == ("orders.eu", "billing", "shop")
    assert (one.fields["type"], one.fields["priority"]) == ("order.created", 3)
    assert one.fields["metadata"]["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c")
    assert "topic" not in one.fields
    take(reader, "archive", 2)  # once each, though two subscriptions want them
    nothing_waits(reader, "archive")
    rows = {row["name"]: row for row in door.call("subscription.list")["subscriptions"]}
    assert rows["billing"] == {
        "name": "billing",
        "pattern": "orders.*",
        "filter": "content.total > 100",
        "mailbox": "billing",
        "kept": 1,
        "missed": 0,
    }
    assert list(rows) == ["again", "audit", "billing"] and rows["audit"]["kept"] == 2
    door.call("subscription.remove", name="billing")
    assert len(door.call("subscription.list")["subscriptions"]) == 2


def test_M2_an_event_that_must_be_kept_is_confirmed_when_it_is(door, connect):
    reader = connect("reader")
    assert door.publish(topic="orders.eu", content="x", mode=MUST["mode"])["code"] == "not_kept"
    for name in "one", "two", "three":
        door.call("subscription.set", name=name, pattern="orders.*")
    assert door.publish(topic="orders.eu", content="kept", mode=MUST["mode"])["outcome"] == "kept"
    assert door.publish(topic="orders.eu", content="as well")["outcome"] == "sent"
    assert door.publish(topic="orders.eu", content="no", mode=2)["code"] == "invalid_field"
    for name in "one", "two", "three":
        assert [one.content for one in take(reader, name, 2)] == [b"kept", b"as well"]
    # A key makes the second one no second message.
    for _ in range(2):
        assert door.publish(topic="orders.eu", content="once", mode=MUST["mode"], key="k")["outcome"] == "kept"
    for name in "one", "two", "three":
        assert [one.content for one in take(reader, name, 1)] == [b"once"]
        nothing_waits(reader, name)


def test_M2_live_subscribers_hear_an_event_that_must_be_kept_once(server, connect):
    publisher, listener = connect("publisher"), connect("listener")
    publisher.carry_out("subscription.set", name="all", pattern=">")
    listener.subscribe("news")
    confirm = publisher.publish("x", topic="news", **MUST)
    assert (confirm.outcome, confirm.count) == ("kept", 1)
    heard = listener.delivery()
    assert (heard.content, heard.fields["id"], heard.lease) == (b"x", confirm.id, None)
    listener.no_delivery()


def test_M2_what_was_confirmed_outlives_a_crash_and_so_do_subscriptions(server, connect):
    publisher = connect("publisher")
    for number in range(4):
        publisher.carry_out("subscription.set", name=f"agent{number}", pattern="a.*", filter="priority <= 5")
    publisher.carry_out("subscription.set", name="gone", pattern="a.*")
    publisher.carry_out("subscription.remove", name="gone")
    for number in range(50):
        assert publisher.publish(str(number), topic="a.b", **MUST).count == 4
    server.kill9()
    server.start()
    publisher, reader = connect("publisher"), connect("reader")
    publisher.publish("after", topic="a.c", **MUST)
    for number in range(4):
        expected = [str(event).encode() for event in range(50)] + [b"after"]
        assert sorted(one.content for one in take(reader, f"agent{number}", 51)) == sorted(expected)
        nothing_waits(reader, f"agent{number}")
    names = [row["name"] for row in publisher.carry_out("subscription.list")["subscriptions"]]
    assert names == [f"agent{number}" for number in range(4)]


def test_M2_copies_have_retries_and_dead_letters_and_competing_consumers(connect):
    publisher, one, two = connect("publisher"), connect("one"), connect("two")
    publisher.mailbox("work", max_deliveries=2)
    publisher.carry_out("subscription.set", name="s", pattern="jobs", mailbox="work")
    for number in range(10):
        publisher.publish(str(number), topic="jobs", **MUST)
    consumers = {reader: reader.consume("work", credit=5) for reader in (one, two)}
    got = {reader: [reader.delivery(consumers[reader], timeout=10) for _ in range(5)] for reader in (one, two)}
    assert sorted(each.content for all in got.values() for each in all) == [b"%d" % number for number in range(10)]
    one.ack(*[each.lease for each in got[one]])
    one.cancel(consumers[one])
    two.nack(got[two][0].lease, reason="busy")
    again = two.delivery(consumers[two], timeout=10)
    assert (again.content, again.delivery) == (got[two][0].content, 2)
    two.nack(again.lease, reason="busy")
    wait_for(lambda: len(publisher.carry_out("dead.list", mailbox="work")["dead"]) == 1)
    (letter,) = publisher.carry_out("dead.list", mailbox="work")["dead"]
    assert letter["message"]["event_topic"] == "jobs" and letter["reason"] == "max_deliveries"


def test_M2_a_full_mailbox_refuses_what_must_be_kept_whole(server, connect):
    # Its home is the shard of that mailbox, which so says at once that it is full.
    publisher, reader = connect("small"), connect("reader")
    publisher.mailbox("small", max_messages=1)
    for name in "small", "large":
        publisher.carry_out("subscription.set", name=name, pattern="a")
    publisher.publish("first", topic="a", **MUST)
    with pytest.raises(Refused, match="mailbox_full"):
        publisher.publish("second", topic="a", **MUST)
    publisher.publish("third", topic="a")
    assert [one.content for one in take(reader, "large", 2)] == [b"first", b"third"]
    rows = {row["name"]: row["missed"] for row in publisher.carry_out("subscription.list")["subscriptions"]}
    assert rows == {"small": 1, "large": 0}


def test_M2_wrong_subscriptions_are_refused(door):
    for wrong, code in [
        ({"name": "n", "pattern": "a..b"}, "invalid_topic"),
        ({"name": "n"}, "invalid_field"),
        ({"name": "n", "pattern": "a", "filter": "priority <"}, "invalid_filter"),
        ({"name": "n", "pattern": "a", "mailbox": "@x"}, "invalid_name"),
    ]:
        try:
            assert door.call("subscription.set", **wrong)["code"] == code
        except Refused as refused:
            assert refused.name == code


def test_M2_the_shell_subscribes_durably_publishes_lists_and_removes(server):
    ok(server.cli("subscribe", "--durable", "billing", "orders.*", "--filter", "content.total > 100", "--set-only"))
    event = {"topic": "orders.eu", "type": "order.created", "from": "shop", "content": {"total": 120}}
    assert ok(server.cli("publish", "--kept", "--event", json.dumps(event))).rstrip().endswith("kept in 1 place")
    events = "\n".join(json.dumps({**event, "content": {"total": total}}) for total in (7, 130))
    said = ok(server.cli("publish", "--event", "-", "--kept", stdin=events)).splitlines()
    assert said[0].endswith("the filters of those that take its topic do not fit") and "kept in 1" in said[1]
    shown = ok(
        server.cli(
            "subscribe", "--durable", "billing", "orders.*", "--filter", "content.total > 100", "--json", "--count", "2"
        )
    )
    got = [json.loads(line) for line in shown.splitlines()]
    assert [(one["content"]["total"], one["event_topic"], one["type"], one["from"]) for one in got] == [
        (120, "orders.eu", "order.created", "shop"),
        (130, "orders.eu", "order.created", "shop"),
    ]
    assert "billing  orders.*  to billing  if content.total > 100" in ok(server.cli("subscriptions", "list"))
    ok(server.cli("subscriptions", "remove", "billing"))
    assert ok(server.cli("subscriptions", "list")) == ""
    refused = server.cli("publish", "orders.eu", "x", "--kept")
    assert refused.returncode == 1 and "not_kept" in refused.stderr
    assert server.cli("publish", "--event", '{"content":"no topic"}').returncode == 2
    assert server.cli("publish", "orders.eu").returncode == 2


def test_M2_a_filter_changes_while_events_flow_and_none_is_missed_or_doubled(server, connect):
    publisher, listener, other = connect("publisher"), connect("listener"), connect("other")
    subscription = listener.subscribe("a", filter="content.n >= 0")
    done = threading.Event()
    sent = [0]

    def flow():
        while not done.is_set():
            publisher.send(frame(PUBLISH, message(json.dumps({"n": sent[0]}), topic="a"), 0, QUIET))
            sent[0] += 1
            time.sleep(0.0005)

    thread = threading.Thread(target=flow)
    thread.start()
    got = []
    try:
        for round in range(6):
            for _ in range(30):
                got.append(json.loads(listener.delivery(subscription).content)["n"])
            # Both fit every event: whichever chooses, each comes once.
            listener.set_filter(subscription, "content.n > -1" if round % 2 else "content.n BETWEEN 0 AND 1000000")
    finally:
        done.set()
        thread.join()
    while len(got) < sent[0]:
        got.append(json.loads(listener.delivery(subscription).content)["n"])
    assert got == list(range(sent[0]))
    listener.set_filter(subscription, "content.n = -5")
    for n in 1, -5:
        publisher.publish(json.dumps({"n": n}), topic="a")
    assert json.loads(listener.delivery(subscription).content) == {"n": -5}  # both have come by, from another shard too
    listener.set_filter(subscription)
    publisher.publish("no JSON", topic="a")
    assert listener.delivery(subscription).content == b"no JSON"
    with pytest.raises(Refused, match="invalid_filter"):
        listener.set_filter(subscription, "n >")
    with pytest.raises(Refused, match="not_found"):
        listener.set_filter(12345, "n > 1")
    with pytest.raises(Refused, match="not_found"):
        other.set_filter(subscription, "n > 1")


def test_M2_a_filter_changes_over_a_websocket(server):
    async def steps(me, other):
        subscription = 5
        await me.ask("subscribe", request=subscription, pattern="a", filter="content.n > 5")
        await other.ask("publish", message={"topic": "a", "content": {"n": 7}})
        assert (await me.read())["message"]["content"] == {"n": 7}
        answer = await me.ask("filter", target=subscription, filter="content.n < 5")
        assert answer["op"] == "ok", answer
        await other.ask("publish", message={"topic": "a", "content": {"n": 7}})
        await other.ask("publish", message={"topic": "a", "content": {"n": 3}})
        assert (await me.read())["message"]["content"] == {"n": 3}
        assert (await me.ask("filter", target=99, filter="content.n < 5"))["code"] == "not_found"
        assert (await me.ask("filter", target=subscription, filter="<"))["code"] == "invalid_filter"

    run_websocket(server, steps)


def test_M2_of_many_filters_those_that_fit_hear(server, connect):
    publisher, listener = connect("publisher"), connect("listener")
    for number in range(1_000):
        listener.subscribe("orders", filter=f"type = 'order' AND content.customer = 'c{number}'")
    for number in 17, 999, 17:
        publisher.publish(json.dumps({"customer": f"c{number}"}), topic="orders", type="order")
        assert json.loads(listener.delivery(timeout=10).content) == {"customer": f"c{number}"}
    publisher.publish(json.dumps({"customer": "c17"}), topic="orders", type="query")
    publisher.publish("x", topic="orders")
    listener.no_delivery()
