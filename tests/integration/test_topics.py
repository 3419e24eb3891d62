"""Topics through the native door: who gets an event, and what happens to those who do not read (docs/protocol.md,
7)."""

import time

import pytest
from native import PUBLISH, QUIET, RECEIPT, Client, Refused, frame, message
from program import SANITIZED, SHARDED


@pytest.mark.parametrize("pattern, topics", [
    ("news", {"news"}),
    ("news.*", {"news.sport", "news.local"}),
    ("news.>", {"news.sport", "news.local", "news.sport.football"}),
    ("*.sport", {"news.sport", "radio.sport"}),
    ("*.*.football", {"news.sport.football"}),
    (">", {"news", "news.sport", "news.local", "news.sport.football", "radio.sport"}),
])
def test_A6_a_pattern_gets_the_events_it_matches(connect, pattern, topics):
    publisher, subscriber = connect("p"), connect("s")
    subscriber.subscribe(pattern)
    for topic in ("news", "news.sport", "news.local", "news.sport.football", "radio.sport"):
        assert publisher.publish(topic, topic=topic).count == (1 if topic in topics else 0)
    got = [subscriber.delivery() for _ in topics]
    assert {d.fields["topic"] for d in got} == topics and all(d.lease is None for d in got)
    subscriber.no_delivery(0.05)


@pytest.mark.parametrize("pattern", ["", ".", "a..b", "a.", ">.a", "a.>.b", "x" * 256, "a\nb"])
def test_a_bad_pattern_is_refused(connect, pattern):
    client = connect()
    with pytest.raises(Refused):
        client.subscribe(pattern)
    assert client.ping(b"alive") == b"alive"


@pytest.mark.parametrize("topic", ["a.*", ">", "a..b", "a.", ".a"])
def test_a_bad_topic_is_refused(connect, topic):
    with pytest.raises(Refused, match="invalid_topic"):
        connect().publish("x", topic=topic)


def test_A2_several_subscribers_get_one_event_each(connect):
    publisher, subscribers = connect(), [connect() for _ in range(5)]
    for subscriber in subscribers:
        subscriber.subscribe("a.*")
    confirm = publisher.publish("x", topic="a.b")
    # Another shard counts as one, however many subscribe there.
    assert confirm.outcome == "sent" and (1 <= confirm.count <= 5 if SHARDED else confirm.count == 5)
    assert [s.delivery().fields["id"] for s in subscribers] == [confirm.id] * 5


def test_A2_a_connection_does_not_hear_itself_unless_it_asks(connect):
    client = connect()
    client.subscribe("a")
    assert client.publish("x", topic="a").count == 0
    client.no_delivery()
    echoing = client.subscribe("a", echo=True)
    client.publish("y", topic="a")
    assert client.delivery().request == echoing


def test_A2_M2_a_cancelled_subscription_is_over(connect):
    publisher, subscriber = connect(), connect()
    subscription = subscriber.subscribe("a")
    subscriber.cancel(subscription)
    # Another shard hears of it a moment later, and counts until then.
    assert publisher.publish("x", topic="a").count <= (1 if SHARDED else 0)
    subscriber.no_delivery()


def test_events_are_not_kept(connect):
    publisher = connect()
    publisher.publish("early", topic="a")
    subscriber = connect()
    subscriber.subscribe("a")
    publisher.publish("now", topic="a")
    assert subscriber.delivery().content == b"now"


def test_A6_a_subscription_with_credit_is_told_what_it_missed(connect):
    publisher, subscriber = connect(), connect()
    subscription = subscriber.subscribe("a", credit=2)
    for number in range(7):
        publisher.publish(str(number), topic="a")
    assert [subscriber.delivery().content for _ in range(2)] == [b"0", b"1"]
    subscriber.no_delivery()
    subscriber.credit(subscription, 1)
    assert subscriber.lagged(timeout=5) == 5
    publisher.publish("7", topic="a")
    assert subscriber.delivery().content == b"7"


def test_A6_many_events_arrive_in_order_and_whole(connect):
    publisher, subscriber = connect(), connect()
    subscriber.subscribe("a")
    total = 50_000
    # Written ahead of reading by no more than a socket holds, so that one thread can do both.
    received = 0
    for start in range(0, total, 500):
        publisher.send(b"".join(
            frame(PUBLISH, message(b"%d" % n, topic="a"), 0, QUIET) for n in range(start, start + 500)))
        for _ in range(500):
            assert subscriber.delivery().content == b"%d" % received
            received += 1
    assert received == total


def test_A2_a_subscriber_that_does_not_read_is_cut_and_told_why(server, connect):
    publisher = connect()
    slow = Client(("127.0.0.1", server.port), receive_buffer=4096)
    slow.subscribe("flood")
    fast = connect()
    fast.subscribe("calm")
    before, payload, sent = server.rss(), bytes(256 * 1024), 0
    deadline = time.monotonic() + 30
    highest = before
    while time.monotonic() < deadline:
        confirm = publisher.publish(payload, topic="flood")
        sent += len(payload)
        highest = max(highest, server.rss())
        if confirm.count == 0:
            break
        time.sleep(0.001)
    assert confirm.count == 0, "it was never cut"
    print(f"cut after {sent >> 20} MiB, memory grew by {(highest - before) >> 20} MiB")
    assert highest - before < 160 << 20
    goodbye = slow.ended(20)
    assert goodbye is None or goodbye.name == "slow_consumer"
    slow.close()
    publisher.publish("still here", topic="calm")
    assert fast.delivery().content == b"still here"


def test_a_mailbox_consumer_that_does_not_read_is_held_not_cut(make_server):
    server = make_server("--set", "slow_consumer_timeout=1s")
    publisher = Client(("127.0.0.1", server.port))
    slow = Client(("127.0.0.1", server.port), receive_buffer=4096, timeout=30)
    consumer = slow.consume("slow", credit=1000)
    before, payload = server.rss(), bytes(64 * 1024)
    for _ in range(12):
        publisher.publish_batch([message(payload, to="slow") for _ in range(40)])
    print(f"30 MiB waiting for a consumer that does not read: memory grew by {(server.rss() - before) >> 20} MiB")
    assert SANITIZED or server.rss() - before < 100 << 20
    time.sleep(3)
    got = [slow.delivery(consumer) for _ in range(480)]
    assert all(d.content == payload for d in got)
    assert slow.ack(*[d.lease for d in got]) == (480, [])
    slow.close()
    publisher.close()


def test_a_client_that_does_not_read_its_answers_is_cut(server, connect):
    deaf = Client(("127.0.0.1", server.port), receive_buffer=4096, timeout=30)
    before = server.rss()
    ask = frame(RECEIPT, bytes(range(16)) * 1000, 7)
    for _ in range(4_000):
        deaf.send(ask)  # 120 MB of answers
    print(f"its answers took {(server.rss() - before) >> 20} MiB")
    assert SANITIZED or server.rss() - before < 100 << 20
    goodbye = deaf.ended(20)
    assert goodbye is None or goodbye.name == "slow_consumer"
    deaf.close()
    connect().publish("still here", to="somebody")
