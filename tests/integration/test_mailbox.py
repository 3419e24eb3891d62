"""Mailboxes through the native door: what goes in comes out in the promised order, once, and is settled by who holds it
(docs/protocol.md, sections 5 to 8)."""

import struct
import time

import pytest
from native import ACK, QUIET, Client, Refused, message


def contents(deliveries):
    return [d.content for d in deliveries]


def test_A7_a_message_is_confirmed_delivered_and_acknowledged(connect):
    sender, reader = connect("alice"), connect("bob")
    confirm = sender.publish("hello", to="bob", type=1)
    assert (confirm.count, confirm.outcome, confirm.age) == (1, "queued", None)
    reader.consume("bob")
    got = reader.delivery()
    assert got.content == b"hello" and got.delivery == 1 and not got.redelivered
    assert got.fields["id"] == confirm.id and got.fields["from"] == "alice" and got.fields["to"] == "bob"
    assert abs(got.fields["timestamp"] - time.time() * 1000) < 60_000
    assert reader.ack(got.lease) == (1, [])
    assert sender.stats("bob")["mailboxes"][0]["ready"] == 0
    reader.no_delivery()


def test_U3_every_field_arrives_as_it_was_sent(connect):
    sender, reader = connect("alice"), connect("bob")
    fields = dict(from_="carol", to="bob", type="review", priority=3, content_type="text/plain", conversation="c-1",
                  correlation="m-0", reply_to="carol", key="k-1", ttl=60_000, mode=1,
                  metadata={"a": 1, "deep": {"b": [True, None, "x", -2.5]}})
    sender.publish("text", **fields)
    got = reader.receive("bob")[0]
    fields["from"] = fields.pop("from_")
    assert {name: got.fields[name] for name in fields} == fields
    assert set(got.fields) == set(fields) | {"id", "timestamp"}


def test_an_unknown_key_is_carried_along(connect):
    import msgpack
    from native import PUBLISH, read_confirm
    alice, bob = connect("alice"), connect("bob")
    read_confirm(alice.call(PUBLISH, msgpack.packb({3: "bob", 77: {"new": [1, 2]}}) + b"x").body)
    assert bob.receive("bob")[0].fields[77] == {"new": [1, 2]}


def test_A9_an_id_given_by_the_client_becomes_its_key(connect):
    alice, bob = connect("alice"), connect("bob")
    own = bytes(range(16))
    confirm = alice.publish("x", to="bob", id=own)
    got = bob.receive("bob")[0]
    assert got.fields["id"] == confirm.id != own
    assert got.fields["key"] == "00010203-0405-0607-0809-0a0b0c0d0e0f"


def test_M1_urgent_messages_come_first(connect):
    alice, bob = connect("alice"), connect("bob")
    for priority in (9, 5, 1, 10, 3, 7):
        alice.publish(str(priority), to="bob", priority=priority)
    assert contents(bob.receive("bob", max=10)) == [b"1", b"3", b"5", b"7", b"9", b"10"]


def test_X17_one_sender_stays_in_order_and_senders_take_turns(connect):
    loud, quiet, bob = connect("loud"), connect("quiet"), connect("bob")
    for number in range(6):
        loud.publish(f"loud {number}", to="bob")
    for number in range(2):
        quiet.publish(f"quiet {number}", to="bob")
    got = contents(bob.receive("bob", max=10))
    assert got[:4] in ([b"loud 0", b"quiet 0", b"loud 1", b"quiet 1"], [b"quiet 0", b"loud 0", b"quiet 1", b"loud 1"])
    assert got[4:] == [b"loud 2", b"loud 3", b"loud 4", b"loud 5"]


def test_X17_a_sender_whose_messages_fail_holds_nobody_up(connect):
    failing, steady, bob = connect("failing"), connect("steady"), connect("bob")
    for number in range(3):
        failing.publish(f"failing {number}", to="bob", mode=1)
    first = bob.receive("bob")[0]
    for number in range(3):
        steady.publish(f"steady {number}", to="bob", mode=1)
    assert first.content == b"failing 0"
    bob.nack(first.lease, delay_ms=0)
    turns = []
    for _ in range(6):
        got = bob.receive("bob")[0]
        turns.append(got.content)
        if got.content.startswith(b"failing"):
            bob.nack(got.lease, delay_ms=0)
        else:
            bob.ack(got.lease)
    # What failed comes again before the later ones of its sender, and each time in that sender's turn.
    assert turns == [b"failing 0", b"steady 0", b"failing 0", b"steady 1", b"failing 0", b"steady 2"]


def test_A1_an_expired_message_is_a_dead_letter(connect):
    alice, bob = connect("alice"), connect("bob")
    short = alice.publish("short", to="bob", ttl=150)
    alice.publish("long", to="bob", ttl=60_000)
    time.sleep(0.4)
    assert contents(bob.receive("bob", max=10)) == [b"long"]
    receipt = alice.receipts(short.id)[0]
    assert (receipt["state"], receipt["reason"]) == ("dead", "expired")
    assert alice.stats("bob")["mailboxes"][0]["dead"] == 1


def test_A3_a_mailbox_may_set_the_default_ttl(connect):
    alice, bob = connect("alice"), connect("bob")
    alice.mailbox("bob", default_ttl_ms=100)
    alice.publish("gone", to="bob")
    time.sleep(0.3)
    assert bob.receive("bob", wait_ms=0) == []


def test_X5_a_delayed_message_waits_for_its_time(connect):
    alice, bob = connect("alice"), connect("bob")
    bob.consume("bob")
    began = time.monotonic()
    confirm = alice.publish("later", to="bob", deliver_at=int(time.time() * 1000) + 2000)
    assert confirm.outcome == "scheduled"
    assert alice.receipts(confirm.id)[0]["state"] == "scheduled"
    assert bob.delivery().content == b"later"
    assert 1.9 < time.monotonic() - began < 14


def test_X12_a_lost_connection_gives_back_what_it_holds_at_once(server, connect):
    alice, bob = connect("alice"), connect("bob")
    alice.publish("work", to="bob")
    holder = Client(("127.0.0.1", server.port))
    holder.consume("bob", credit=5)
    first = holder.delivery()
    bob.consume("bob", credit=5)
    bob.no_delivery()
    began = time.monotonic()
    holder.close()
    again = bob.delivery()
    assert time.monotonic() - began < 10
    assert again.content == b"work" and again.redelivered and again.delivery == 2 and again.lease != first.lease
    assert bob.ack(first.lease) == (0, [first.lease])
    assert bob.ack(again.lease) == (1, [])


def test_X12_a_second_ack_is_refused_and_named(connect):
    alice, bob = connect("alice"), connect("bob")
    alice.publish_batch([message(b"a", to="bob"), message(b"b", to="bob")])
    one, two = bob.receive("bob", max=2)
    assert bob.ack(one.lease) == (1, [])
    assert bob.ack(one.lease, two.lease, 12345) == (1, [one.lease, 12345])
    assert bob.nack(one.lease) == (0, [one.lease])
    assert bob.extend(one.lease, lease_ms=1000) == (0, [one.lease])


def test_A7_a_nack_gives_back_after_its_delay(connect):
    alice, bob = connect("alice"), connect("bob")
    alice.publish("again", to="bob")
    first = bob.receive("bob")[0]
    began = time.monotonic()
    assert bob.nack(first.lease, delay_ms=300, reason="not now") == (1, [])
    assert bob.receive("bob", wait_ms=0) == []
    second = bob.receive("bob", wait_ms=5000)[0]
    assert time.monotonic() - began > 0.25
    assert second.redelivered and second.delivery == 2


def test_X17_given_back_messages_keep_their_place(connect):
    alice, bob = connect("alice"), connect("bob")
    for name in ("one", "two", "three"):
        alice.publish(name, to="bob")
    first = bob.receive("bob")[0]
    bob.nack(first.lease)
    assert contents(bob.receive("bob", max=3)) == [b"one", b"two", b"three"]


def test_A11_too_many_deliveries_end_in_the_dead_letters(connect):
    alice, bob = connect("alice"), connect("bob")
    alice.mailbox("bob", max_deliveries=3)
    confirm = alice.publish("poison", to="bob")
    for delivery in (1, 2, 3):
        got = bob.receive("bob", wait_ms=2000)[0]
        assert got.delivery == delivery
        bob.nack(got.lease)
    assert bob.receive("bob", wait_ms=100) == []
    receipt = alice.receipts(confirm.id)[0]
    assert (receipt["state"], receipt["reason"]) == ("dead", "max_deliveries")


def test_A7_credit_bounds_what_is_sent_ahead(connect):
    alice, bob = connect("alice"), connect("bob")
    alice.publish_batch([message(b"%d" % number, to="bob") for number in range(10)])
    consumer = bob.consume("bob", credit=3)
    got = [bob.delivery() for _ in range(3)]
    bob.no_delivery()
    bob.ack(got[0].lease)
    assert bob.delivery().content == b"3"
    bob.no_delivery()
    bob.credit(consumer, 2)
    assert [bob.delivery().content for _ in range(2)] == [b"4", b"5"]
    bob.no_delivery()


def test_A7_U14_consumers_of_a_mailbox_take_turns(connect):
    alice, one, two = connect("alice"), connect("one"), connect("two")
    one.consume("work", credit=10)
    two.consume("work", credit=10)
    alice.publish_batch([message(b"%d" % number, to="work") for number in range(10)])
    counts = [0, 0]
    for index, client in enumerate((one, two)):
        for _ in range(5):
            client.delivery(timeout=5)
            counts[index] += 1
        client.no_delivery()
    assert counts == [5, 5]


def test_A7_a_cancelled_consumer_gets_nothing_more(connect):
    alice, bob = connect("alice"), connect("bob")
    consumer = bob.consume("bob", credit=5)
    bob.cancel(consumer)
    bob.cancel(consumer)
    alice.publish("x", to="bob")
    bob.no_delivery()
    assert len(bob.receive("bob")) == 1


def test_A3_a_pull_waits_for_the_first_message(connect):
    alice, bob = connect("alice"), connect("bob")
    began = time.monotonic()
    pull = bob.start_receive("bob", max=5, wait_ms=14_000)
    time.sleep(0.2)
    alice.publish("now", to="bob")
    assert contents(bob.end_receive(pull)) == [b"now"]
    assert time.monotonic() - began < 12
    began = time.monotonic()
    assert bob.receive("bob", wait_ms=200) == []
    assert 0.15 < time.monotonic() - began < 10


def test_X12_a_pulled_lease_ends_at_its_deadline_unless_extended(server, connect):
    alice, bob = connect("alice"), connect("bob")
    alice.publish("a", to="bob")
    holder = Client(("127.0.0.1", server.port))
    began = time.monotonic()
    lease = holder.receive("bob", lease_ms=4000)[0].lease
    holder.close()  # holds without a lasting connection
    assert bob.receive("bob", wait_ms=0) == []
    assert bob.extend(lease, lease_ms=6000) == (1, [])
    again = bob.receive("bob", wait_ms=14_000)[0]
    assert again.redelivered
    assert time.monotonic() - began > 5.5  # the first deadline was no longer in force
    assert bob.ack(lease) == (0, [lease])


def test_X12_extending_by_nothing_binds_a_lease_to_the_connection(connect):
    alice, bob = connect("alice"), connect("bob")
    alice.publish("a", to="bob")
    got = bob.receive("bob", lease_ms=200)[0]
    assert bob.extend(got.lease, lease_ms=0) == (1, [])
    time.sleep(0.5)
    assert bob.ack(got.lease) == (1, [])


@pytest.mark.parametrize("mode", [0, 1])
def test_A8_a_consumer_that_was_behind_gets_the_rest(server, connect, mode):
    """More than a connection's buffer takes is handed out at once; when it has been read, what comes later comes as
    ever."""
    alice, bob = connect("alice"), connect("bob")
    many = 2_000
    for _ in range(4):
        alice.publish_batch([message(bytes(8_192), to="bob", mode=mode) for _ in range(many // 4)])
    bob.consume("bob", credit=3 * many)
    time.sleep(0.5)
    for _ in range(many):
        got = bob.delivery(timeout=20)
        if mode == 1:
            bob.send_frame(ACK, struct.pack("<Q", got.lease), flags=QUIET)
    for number in range(20):
        alice.publish(f"{number}", to="bob", mode=mode)
    assert [bob.delivery(timeout=10).content for _ in range(20)] == [f"{number}".encode() for number in range(20)]


def test_A8_an_at_most_once_message_needs_no_ack_and_never_comes_again(server, connect):
    alice = connect("alice")
    confirm = alice.publish("once", to="bob", mode=0)
    bob = connect("bob")
    consumer = bob.consume("bob", credit=1)
    got = bob.delivery()
    assert got.lease is None and got.content == b"once" and got.fields["id"] == confirm.id
    alice.publish("twice", to="bob", mode=0)
    bob.no_delivery()  # its credit does not come back by itself
    bob.credit(consumer, 1)
    assert bob.delivery().content == b"twice"
    bob.close()
    assert connect("bob").receive("bob", wait_ms=100) == []
    server.restart()
    again = Client(("127.0.0.1", server.port))
    assert again.receive("bob", wait_ms=100) == []
    again.close()


def test_A13_a_batch_answers_for_each_message(connect):
    alice, bob = connect("alice"), connect("bob")
    results = alice.publish_batch([
        message(b"one", to="bob"),
        message(b"bad", to="bob", topic="t"),
        message(b"two", to="bob"),
        message(b"event", topic="news.local")
    ])
    assert results[0].outcome == "queued" and results[0].count in (1, 2)  # as it stands when the batch is durable
    assert results[1][0] == 12 and results[1][1]
    assert results[2].count == 2
    assert (results[3].outcome, results[3].count) == ("sent", 0)
    assert contents(bob.receive("bob", max=10)) == [b"one", b"two"]


def test_quiet_publishes_are_answered_only_when_refused(connect):
    from native import PUBLISH, QUIET
    alice, bob = connect("alice"), connect("bob")
    alice.send_frame(PUBLISH, message(b"x", to="bob"), flags=QUIET)
    bad = alice.send_frame(PUBLISH, message(b"x"), flags=QUIET)
    with pytest.raises(Refused, match="no_recipient"):
        alice.answer(bad)
    assert alice.ping(b"sync") == b"sync"
    assert not alice.waiting
    assert contents(bob.receive("bob", max=5, wait_ms=2000)) == [b"x"]


def test_A3_a_full_mailbox_refuses_and_says_how_full(connect):
    alice, bob = connect("alice"), connect("bob")
    alice.mailbox("bob", max_messages=3)
    for number in range(3):
        assert alice.publish(str(number), to="bob").count == number + 1
    with pytest.raises(Refused, match="mailbox_full.*3 of 3"):
        alice.publish("too much", to="bob")
    got = bob.receive("bob")[0]
    with pytest.raises(Refused, match="mailbox_full"):
        alice.publish("a leased one still counts", to="bob")
    bob.ack(got.lease)
    alice.publish("fits again", to="bob")
    assert contents(bob.receive("bob", max=10)) == [b"1", b"2", b"fits again"]


def test_A3_a_full_mailbox_may_drop_its_oldest_to_the_dead_letters(connect):
    alice, bob = connect("alice"), connect("bob")
    alice.mailbox("bob", max_messages=2, overflow=1)
    ids = [alice.publish(str(number), to="bob").id for number in range(4)]
    states = [(r["state"], r.get("reason") or None) for r in alice.receipts(*ids)]
    assert states == [("dead", "overflow"), ("dead", "overflow"), ("queued", None), ("queued", None)]
    assert contents(bob.receive("bob", max=10)) == [b"2", b"3"]


def test_X10_a_receipt_follows_the_message(connect):
    alice, bob = connect("alice"), connect("bob")
    id = alice.publish("x", to="bob").id

    def state():
        receipt = alice.receipts(id)[0]
        return receipt["state"], receipt["deliveries"]

    assert state() == ("queued", 0)
    consumer = bob.consume("bob")
    lease = bob.delivery().lease
    assert state() == ("offered", 1)
    bob.extend(lease, lease_ms=5000)
    assert state() == ("retrieved", 1)
    bob.cancel(consumer)
    bob.nack(lease)
    assert state() == ("queued", 1)
    lease = bob.receive("bob")[0].lease
    assert state() == ("retrieved", 2)
    bob.ack(lease)
    assert state() == ("acknowledged", 2)
    receipt = alice.receipts(id, bytes(16))
    assert receipt[0]["recipient"] == "bob" and receipt[0]["at"] > 0
    assert receipt[1]["state"] == "unknown"


def test_X10_a_send_is_answered_with_what_is_unread_and_since_when(connect):
    alice, bob = connect("alice"), connect("bob")
    assert (alice.publish("1", to="bob").count, alice.publish("2", to="bob").age) == (1, None)
    bob.ack(bob.receive("bob")[0].lease)
    time.sleep(0.3)
    confirm = alice.publish("3", to="bob")
    assert confirm.count == 2 and 250 < confirm.age < 10_000
    bob.consume("idle", credit=1)
    assert alice.publish("4", to="idle").outcome == "offered"


def test_X11_a_wait_ends_when_mail_comes_and_takes_nothing(connect):
    alice, bob = connect("alice"), connect("bob")
    with pytest.raises(Refused, match="timed_out"):
        bob.wait("bob", 150)
    waiting = bob.start_wait("bob", 10_000)
    began = time.monotonic()
    alice.publish("x", to="bob", priority=2)
    import struct
    assert struct.unpack("<II", bob.answer(waiting).body) == (1, 2)
    assert time.monotonic() - began < 5
    assert bob.wait("bob", 0) == (1, 2)
    assert len(bob.receive("bob")) == 1


def test_A19_statistics_add_up(connect):
    alice, bob = connect("alice"), connect("bob")
    for number in range(5):
        alice.publish("x", to="bob")
    alice.publish("later", to="bob", deliver_at=int(time.time() * 1000) + 60_000)
    got = bob.receive("bob", max=2)
    bob.ack(got[0].lease)
    stats = alice.stats()
    mailbox = next(m for m in stats["mailboxes"] if m["name"] == "bob")
    assert {name: mailbox[name] for name in ("ready", "scheduled", "leased", "dead", "consumers")} == {
        "ready": 3, "scheduled": 1, "leased": 1, "dead": 0, "consumers": 0}
    assert 0 <= mailbox["last_read_age_ms"] < 10_000
    assert stats["connections"]["native"] == 2
    messages = stats["messages"]
    assert (messages["published"], messages["confirmed"], messages["delivered"], messages["acknowledged"]) == (6, 6, 2,
                                                                                                               1)
