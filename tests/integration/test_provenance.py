"""What the server says of a message: whose credentials it came with, by which door, and how they were verified. Nobody
else can say it; it goes with the message wherever that goes."""

import json
import os

import msgpack
import native
import pytest
from native import PUBLISH, Client, message, text_of_id
from test_accounts import Guarded, guarded, http, refused  # noqa: F401
from test_cli import wait_for
from test_websocket import run as run_websocket
from webhook_endpoint import Endpoint, set_webhook

FORGED = {"account": "root", "door": "native", "verified": "certificate", "trust": "account"}


def by(account, door, verified="key", trust="account"):
    return {"account": account, "door": door, "verified": verified, "trust": trust}


def forged(content=b"forged", **fields):
    """A message that says it is somebody else's."""
    pairs = {native.KEYS[name]: value for name, value in fields.items()}
    return msgpack.packb({**pairs, native.KEYS["provenance"]: FORGED}) + content


@pytest.fixture
def two(guarded):  # noqa: F811
    guarded.add("ann")
    guarded.add("bob")
    return guarded


def take(two, count=1):
    bob = two.connect("bob")
    try:
        got = []
        while len(got) < count:
            got += bob.receive("bob", max=count, wait_ms=5_000)
        bob.ack(*(each.lease for each in got))
        return [each.fields["provenance"] for each in got]
    finally:
        bob.close()


def test_X14_each_door_says_whose_a_message_is(two):
    two.connect("ann").publish(b"x", to="bob")
    assert take(two) == [by("ann", "native")]
    assert http(two.server, "POST", "/api/messages", {"to": "bob", "content": "x"}, two.keys["ann"])[0] == 201
    assert take(two) == [by("ann", "http")]
    two.cli("send", "bob", "x", key="ann")
    assert take(two) == [by("ann", "native")]

    async def steps(me, _):
        sent = await me.ask("publish", request=1, message={"to": "bob", "content": "x", "provenance": FORGED})
        assert sent["op"] == "confirm", sent

    run_websocket(two.server, steps, path="/ws", Authorization=f"Bearer {two.keys['ann']}")
    assert take(two) == [by("ann", "websocket")]


def test_X14_each_door_tells_it(two):
    ann = two.connect("ann")
    for _ in range(3):
        ann.publish(b"x", to="bob", content_type="text/plain")
    shown = json.loads(two.cli("recv", "bob", "--json", key="bob").stdout)
    assert shown["provenance"] == by("ann", "native")
    status, got = http(two.server, "GET", "/api/messages?agent=bob&limit=1&ack=true", key=two.keys["bob"])
    assert status == 200 and by("ann", "native") in [each["provenance"] for each in got["messages"]], got

    async def steps(me, _):
        await me.ask("consume", request=1, mailbox="bob", credit=1)
        assert (await me.read())["message"]["provenance"] == by("ann", "native")

    run_websocket(two.server, steps, path="/ws", Authorization=f"Bearer {two.keys['bob']}")
    two.connect("ann").publish(b"x", to="bob")
    seen = json.loads(two.cli("mailbox", "peek", "bob", "--json").stdout.splitlines()[0])
    assert seen["message"]["provenance"] == by("ann", "native")


def test_X14_nobody_says_it_but_the_server(two):
    """Natively it is refused, in a batch too; who writes JSON may hand on what they were told, and it says nothing."""
    ann = two.connect("ann")
    told = "`provenance` is for the server to say"
    assert told in str(refused(ann.call, PUBLISH, forged(to="bob")))
    assert told in str(refused(ann.call, PUBLISH, forged(topic="news")))
    results = ann.publish_batch([message(b"x", to="bob"), forged(to="bob")])
    assert results[0].outcome == "queued" and told in str(results[1])
    assert take(two) == [by("ann", "native")]
    body = {"to": "bob", "content": "x", "provenance": FORGED}
    assert http(two.server, "POST", "/api/messages", body, two.keys["ann"])[0] == 201
    assert take(two) == [by("ann", "http")]
    two.call("schedule.set", "root", name="tick", message=body, every="100ms", times=1)
    assert take(two) == [by("root", "native")]


def test_X14_what_follows_from_a_message_says_whose_it_is_itself(two):
    ann, bob = two.connect("ann"), two.connect("bob")
    asked = ann.start_request(b"2 + 2", to="bob", mode=1)
    (got,) = bob.receive("bob", wait_ms=5_000)
    assert got.fields["provenance"] == by("ann", "native")
    bob.complete(got.lease, [message(b"4", to=got.fields["reply_to"], type="response"), message(b"done", to="ann")])
    assert ann.end_request(asked).fields["provenance"] == by("bob", "native")
    (told,) = ann.receive("ann", wait_ms=5_000)
    assert told.fields["provenance"] == by("bob", "native")


def test_X14_events_and_what_keeps_them_say_it(two):
    bob, ann = two.connect("bob"), two.connect("ann")
    two.call("subscription.set", "root", name="news", pattern="news.>", mailbox="bob")
    two.call("stream.set", "root", name="all", topic="news.>")
    hers = bob.subscribe("news.>", filter="provenance.account = 'ann'")
    others = bob.subscribe("news.>", filter="provenance.account <> 'ann'")
    for content in (b"one", b"two"):
        ann.publish(content, topic="news.today")
    for content in (b"one", b"two"):
        heard = bob.delivery(hers)
        assert heard.content == content and heard.fields["provenance"] == by("ann", "native")
    assert take(two, 2) == [by("ann", "native")] * 2
    page = two.call("stream.read", "root", name="all", limit=10)
    assert [each["message"]["provenance"] for each in page["events"]] == [by("ann", "native")] * 2
    two.connect("root").publish(b"three", topic="news.today")
    assert bob.delivery(others).fields["provenance"] == by("root", "native")
    bob.no_delivery()


def test_X14_it_is_so_after_a_crash_and_for_what_is_sent_again(two):
    two.connect("ann").publish(b"x", to="bob")
    two.server.kill9()
    two.server.start()
    bob = two.connect("bob")
    (got,) = bob.receive("bob", wait_ms=5_000)
    assert got.fields["provenance"] == by("ann", "native")
    bob.reject(got.lease)
    two.cli("dead", "resubmit", text_of_id(got.fields["id"]))
    (got,) = bob.receive("bob", wait_ms=5_000)
    assert got.fields["provenance"] == by("ann", "native")


def test_X14_who_shows_the_servers_token_is_one_of_many(make_server):
    server = make_server("--token", "t-1")
    client = Client(("127.0.0.1", server.port), agent="ann", token="t-1")
    client.publish(b"x", to="ann")
    (got,) = client.receive("ann", wait_ms=5_000)
    assert got.fields["provenance"] == {"door": "native", "verified": "token", "trust": "shared"}


def test_X14_users_of_this_machine_are_known_by_that(make_server):
    server = make_server("--set", f"unix_accounts={os.getuid()}=ann")
    one = Guarded(server)
    one.add("ann")
    client = Client(server.socket)
    client.publish(b"x", to="ann")
    (got,) = client.receive("ann", wait_ms=5_000)
    assert got.fields["provenance"] == by("ann", "native", "user")


def test_X14_without_accounts_nothing_is_said(server, connect):
    client = connect("ann")
    client.publish(b"x", to="ann")
    (got,) = client.receive("ann", wait_ms=5_000)
    assert "provenance" not in got.fields
    assert "for the server to say" in str(refused(client.call, PUBLISH, forged(to="ann")))


def test_X14_B7_a_webhook_is_told_and_what_it_answers_is_its_own(make_server):
    one = Guarded(make_server())
    one.add("ann")
    endpoint = Endpoint()
    endpoint.answer = lambda post: (200, {"Content-Type": "application/json"}, b'{"reply": {"content": "4"}}')
    try:
        set_webhook(one.connect("root"), endpoint, agent="worker")
        ann = one.connect("ann")
        answer = ann.request(b"2 + 2", to="worker", content_type="text/plain", mode=1)
        assert endpoint.posts[0].message["provenance"] == by("ann", "native")
        assert answer.fields["provenance"] == {"door": "webhook", "verified": "endpoint", "trust": "account"}
    finally:
        endpoint.close()


def test_X14_B1_the_history_keeps_it(make_server):
    one = Guarded(make_server("--set", "history.store=sqlite"))
    one.add("ann")
    one.connect("ann").publish(b"x", to="bob")
    wait_for(lambda: one.call("history.find", to="bob")["messages"])
    (found,) = one.call("history.find", to="bob")["messages"]
    assert found["provenance"] == by("ann", "native")
    assert one.call("history.show", id=found["id"])["message"]["provenance"] == by("ann", "native")
