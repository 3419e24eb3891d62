"""Promises of docs/delivery.md and docs/filters.md that need time, several targets or many messages to be seen: at the
native door."""

import json
import struct
import time

import msgpack
import pytest

from native import CALL, TYPES, Client, Refused, message, read_delivery, read_message
from program import SHARDED
from test_delivery_native import eventually, make_dead, text_id

FIXED, LINEAR, EXPONENTIAL, JITTERED = range(4)  # backoff
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"  # the example of W3C Trace Context, section 3.2
of_one_shard = pytest.mark.skipif(
    SHARDED, reason="a route takes mailboxes of other shards for attended and for roomy (docs/delivery.md)")


@pytest.fixture
def join(make_server):
    """Connects to a server of its own settings: join('guard.hops=2') makes one, and returns what connects to it."""
    clients = []

    def make(*settings):
        server = make_server(*(word for setting in settings for word in ("--set", setting)))

        def connect(agent=None):
            clients.append(Client(("127.0.0.1", server.port), agent=agent))
            return clients[-1]
        return connect

    yield make
    for client in clients:
        client.close()


def contents(deliveries):
    return [delivery.content.decode() for delivery in deliveries]


def take(client, mailbox, count, wait_ms=10_000):
    """So many messages, which may be on their way."""
    got, deadline = [], time.monotonic() + wait_ms / 1000
    while len(got) < count:
        assert time.monotonic() < deadline, got
        got += client.receive(mailbox, max=count - len(got), wait_ms=500)
    return got


def is_early(waited, least):
    """The server counts whole milliseconds."""
    return waited < least - 0.003


# -- keys


def test_A9_a_key_is_published_once_wherever_routes_send_its_copies(connect):
    client = connect("alice")
    client.carry_out("route.set", name="r", targets=["a", "b", "c"])
    first = client.publish(b"once", key="k", mode=2)
    for _ in range(4):  # over other connections, which other shards may serve
        copy = connect("alice").publish(b"once", key="k", mode=2)
        assert (copy.id, copy.outcome) == (first.id, "duplicate")
    assert len([got for mailbox in "abc" for got in client.receive(mailbox, max=9, wait_ms=300)]) == 1


def test_A9_a_request_that_repeats_a_key_is_told_of_the_first(connect):
    client, worker = connect("alice"), connect("worker")
    first = client.start_request(b"how many", to="worker", key="k", mode=2)
    with pytest.raises(Refused, match="already_exists.* which is queued"):
        client.request(b"how many", to="worker", key="k", mode=2)
    (task,) = worker.receive("worker", wait_ms=5_000)
    worker.complete(task.lease, [message(b"five", to=task.fields["reply_to"])])
    assert client.end_request(first).content == b"five"


def test_A4_a_request_in_memory_refuses_what_only_a_disk_can_keep(connect):
    client = connect("alice")
    for field in ({"key": "k"}, {"group": "g"}, {"deliver_at": int(time.time() * 1000) + 5_000}, {"bounce": True}):
        with pytest.raises(
                Refused,
                match=f"`{list(field)[0]}` is of no use to a request that waits in memory: give `mode` at_least_once"):
            client.request(b"how many", to="worker", **field)


def test_A9_a_key_is_forgotten_after_its_window(join):
    alice = join("keys.window=1s")("alice")
    began = time.monotonic()
    first = alice.publish(to="bob", key="k")
    assert (alice.publish(to="bob", key="k").outcome, first.outcome) == ("duplicate", "queued")
    # That it is asked for meanwhile does not prolong it.
    later = eventually(lambda: alice.publish(to="bob", key="k"), lambda confirm: confirm.outcome != "duplicate",
                       within=10)
    assert later.id != first.id and not is_early(time.monotonic() - began, 1)
    assert alice.publish(to="bob", key="k")[:3:2] == (later.id, "duplicate")
    assert len(take(alice, "bob", 2)) == 2


def test_A9_a_key_is_forgotten_after_its_window_over_a_restart(make_server):
    server = make_server("--set", "keys.window=1s")
    began = time.monotonic()
    alice = Client(("127.0.0.1", server.port), agent="alice")
    alice.publish(to="bob", key="k")
    alice.close()
    server.restart()
    alice = Client(("127.0.0.1", server.port), agent="alice")
    eventually(lambda: alice.publish(to="bob", key="k").outcome, lambda outcome: outcome != "duplicate", within=10)
    assert not is_early(time.monotonic() - began, 1)
    alice.close()


def test_A9_a_key_of_another_mailbox_is_another_message(connect):
    alice = connect("alice")
    ids = {}
    for mode, key in enumerate(("some", "least", "exact")):
        for mailbox in ("bob", "carol"):
            sent = alice.publish(mailbox, to=mailbox, key=key, mode=mode)
            assert sent.outcome == "queued"
            ids[mailbox, key] = sent.id
    assert len(set(ids.values())) == 6
    for (mailbox, key), id in ids.items():
        again = alice.publish("again", to=mailbox, key=key, mode=1)
        assert (again.outcome, again.id) == ("duplicate", id)
    for mailbox in ("bob", "carol"):
        assert contents(take(alice, mailbox, 3)) == [mailbox] * 3


# -- retries


@pytest.mark.parametrize(("policy", "waits"), [
    ([FIXED, 100, 0, 2_000], [100, 100, 100]),
    ([LINEAR, 100, 0, 2_000], [100, 200, 300]),
    ([EXPONENTIAL, 100, 0, 3_000], [100, 300, 900]),
    ([JITTERED, 100, 0, 2_000], [50, 100, 200]),
    # Without their bound they would take hours.
    ([LINEAR, 3_600_000, 150, 2_000], [150, 150, 150]),
    ([EXPONENTIAL, 100, 200, 1_000_000], [100, 200, 200]),
    ([JITTERED, 100, 300, 1_000_000], [50, 150, 150])],
    ids=["fixed", "linear", "exponential", "jittered", "linear_bounded", "exponential_bounded", "jittered_bounded"])
def test_A10_M6_a_failed_message_comes_again_no_sooner_than_its_policy_says(connect, policy, waits):
    worker = connect("worker")
    worker.consume("worker")
    sent = worker.publish(to="worker", retry=[len(waits) + 1, *policy])
    task = worker.delivery()
    for number, wait in enumerate(waits, 2):
        began = time.monotonic()
        worker.nack(task.lease, delay_ms=None, reason="not yet")
        task = worker.delivery(timeout=10)
        assert not is_early(time.monotonic() - began, wait / 1000), number
        assert (task.delivery, task.redelivered, task.fields["id"]) == (number, True, sent.id)
    worker.nack(task.lease, delay_ms=None)
    assert worker.receipts(sent.id)[0]["state"] == "dead"


def test_A10_M6_jitter_spreads_what_failed_together(connect):
    worker = connect("worker")
    sent = [str(number) for number in range(20)]
    worker.publish_batch([message(content, to="worker", retry=[5, JITTERED, 600, 0, 2000]) for content in sent])
    tasks = take(worker, "worker", 20)
    began = time.monotonic()
    worker.nack(*[task.lease for task in tasks], delay_ms=None)
    worker.consume("worker", credit=20)
    first = worker.delivery(timeout=10)
    assert not is_early(time.monotonic() - began, 0.3)
    again = contents([first, *[worker.delivery(timeout=10) for _ in sent[1:]]])
    assert sorted(again) == sorted(sent) and again != sent  # by chance


# -- dead letters sent again


def test_X18_a_redrive_takes_the_time_that_its_rate_says(connect):
    alice, bob = connect("alice"), connect("bob")
    make_dead(alice, "bob", 5)
    bob.consume("bob", credit=10)
    began = time.monotonic()
    redrive = alice.send_frame(CALL, msgpack.packb({0: "dead.redrive", 1: '{"mailbox":"bob","rate":5}'}))
    for number in range(5):
        assert bob.delivery(timeout=10).content == f"m{number}".encode()
        assert not is_early(time.monotonic() - began, number / 5), number
        assert alice.ping(b"meanwhile") == b"meanwhile"
    assert struct.unpack("<II", alice.answer(redrive, timeout=10).body) == (5, 0)


def test_A11_dead_letters_are_chosen_by_their_age(connect):
    alice = connect("alice")
    old = make_dead(alice, "bob", 2)
    died_at = max(letter["at"] for letter in alice.carry_out("dead.list")["dead"])
    eventually(lambda: time.time() * 1000, lambda now: now > died_at + 10)
    (young,) = make_dead(alice, "bob")
    assert alice.carry_out("dead.redrive", before=died_at + 1,
                           dry_run=True) == {"sent": 0, "refused": 0, "count": 2, "ids": old}
    assert struct.unpack("<I", alice.carry_out("dead.purge", before=died_at + 1)) == (2,)
    assert [letter["id"] for letter in alice.carry_out("dead.list")["dead"]] == [young]


# -- filters


CHOSEN_FROM = [
    message(json.dumps({"name": "disk 50% full", "path": [{"x": 1}, {"x": 20}]}), metadata={"region": "eu", "n": 5},
            priority=1),
    message(json.dumps({"name": "disk_full", "path": [{"x": 20}]}), metadata={"region": "us", "n": 7}, type="alarm"),
    message(json.dumps({"name": None, "path": []}), metadata={"n": "5", "tags": ["eu"]}),
    message("no json"),
]
FILTERS = {
    # IN, BETWEEN, LIKE, IS NULL
    "region IN ('eu', 'us')": [0, 1],
    "region NOT IN ('eu')": [1],
    "region NOT IN ('eu', NULL)": [],
    "n IN (4 + 1, 8)": [0],
    "n BETWEEN 5 AND 6": [0],
    "n NOT BETWEEN 5 AND 6": [1],
    "n BETWEEN 6 AND 5": [],
    "n BETWEEN NULL AND 6": [],
    "region LIKE 'e_'": [0],
    "region NOT LIKE 'e%'": [1],
    "content.name LIKE '%50!%%' ESCAPE '!'": [0],
    "content.name LIKE 'disk!_%' ESCAPE '!'": [1],
    "content.name LIKE 'disk_full'": [1],
    "content LIKE 'no js__'": [3],
    "region IS NULL": [2, 3],
    "region IS NOT NULL": [0, 1],
    "content.name IS NULL": [2, 3],
    "type = 'alarm' AND priority = 'normal'": [1],
    # arithmetic
    "n * 2 - 1 = 9": [0],
    "n / 2 = 3": [1],
    "n / 2.0 = 3.5": [1],
    "-n + 2 < -4": [1],
    "(n + 1) * 2 > n + 8": [1],
    "n / 0 IS NULL": [0, 1, 2, 3],
    "content_size = 7": [3],
    # paths
    "content.path[0].x = 1": [0],
    "content.path[1].x > content.path[0].x": [0],
    "content.path[0].x = 20": [1],
    "content.path[0].x IS NULL": [2, 3],
    "content.path[1].x IS NULL": [1, 2, 3],
    "metadata.tags[0] = 'eu'": [2],
    # TRUE, FALSE, UNKNOWN
    "region <> 'eu'": [1],
    "NOT region = 'eu'": [1],
    "region <> 'eu' OR region IS NULL": [1, 2, 3],
    "(region = 'eu') IS NOT TRUE": [1, 2, 3],
    "(region = 'eu') IS UNKNOWN": [2, 3],
    "(region = 'eu') IS FALSE": [1],
    "n = 5": [0],
    "n = '5'": [2],
    "n = 5 IS UNKNOWN": [2, 3],
    "region = 'eu' AND n = 5 OR NULL": [0],
    "NOT (region = 'eu' AND n = 7)": [0, 1],
    "region = 'nowhere' AND n = 9 IS NOT TRUE": [],
    "NOT (region = 'us' AND content.name = 'x')": [0, 1],
    "region = 'eu' OR content.path[0].x = 20": [0, 1],
}


def test_M2_a_subscription_hears_what_its_filter_holds_for(connect):
    listener, speaker = connect("listener"), connect("speaker")
    asked = {listener.subscribe("all.of.it", filter=text): text for text in FILTERS}
    everything = listener.subscribe("all.of.it")
    for number, one in enumerate(CHOSEN_FROM):
        fields, content = read_message(one)
        speaker.publish(content, topic="all.of.it", correlation=str(number), **fields)
    for _ in CHOSEN_FROM:
        listener.delivery(everything)
    listener.ping()  # an event goes to all subscriptions at once
    heard = {text: [] for text in FILTERS}
    for frame in listener.waiting:
        heard[asked[frame.request]].append(int(read_delivery(frame).fields["correlation"]))
    assert heard == FILTERS


def test_A24_a_route_takes_what_its_filter_holds_for(connect):
    client = connect("alice")
    client.carry_out("route.set", name="rest", order=200, targets=["rest"])
    bodies = [read_message(one)[1] for one in CHOSEN_FROM]
    taken = {}
    for text in FILTERS:
        client.carry_out("route.set", name="chosen", filter=text, targets=["chosen"])
        assert [confirm.outcome for confirm in client.publish_batch(CHOSEN_FROM)] == ["queued"] * len(CHOSEN_FROM)
        count = len(FILTERS[text])
        got = take(client, "chosen", count)
        rest = take(client, "rest", len(CHOSEN_FROM) - count)
        client.ack(*[delivery.lease for delivery in [*got, *rest]])
        taken[text] = sorted(bodies.index(delivery.content) for delivery in got)
    assert taken == FILTERS


# -- routes


def spread(client, targets, messages):
    """Which of the messages (their fields) each target got, in order; they are settled then."""
    for number, fields in enumerate(messages):
        assert client.publish(str(number), **fields).outcome == "queued"
    got, deadline = {target: [] for target in targets}, time.monotonic() + 10
    while sum(map(len, got.values())) < len(messages):
        assert time.monotonic() < deadline, got
        for target in targets:
            deliveries = client.receive(target, max=1000, wait_ms=20)
            if deliveries:
                client.ack(*[delivery.lease for delivery in deliveries])
            got[target] += [int(content) for content in contents(deliveries)]
    return got


def test_A24_U14_three_targets_take_turns(connect):
    client = connect("alice")
    client.carry_out("route.set", name="r", targets=["a", "b", "c"], strategy="round_robin")
    got = spread(client, "abc", [{}] * 9)
    turns = [target for _, target in sorted((number, target) for target, numbers in got.items() for number in numbers)]
    assert sorted(turns[:3]) == ["a", "b", "c"] and turns == turns[:3] * 3


def test_A24_chance_sends_to_all_targets_and_to_none_in_turn(connect):
    client = connect("alice")
    client.carry_out("route.set", name="r", targets=["a", "b", "c"], strategy="random")
    got = spread(client, "abc", [{}] * 100)
    assert all(len(numbers) > 5 for numbers in got.values()), got
    assert any(b - a != 3 for numbers in got.values() for a, b in zip(numbers, numbers[1:])), got


def test_A24_a_hash_keeps_a_customer_with_one_target(server, connect):
    def customers_of(client):
        messages = [{"metadata": {"customer": number % 20}} for number in range(60)]
        return {
            target: sorted(number % 20 for number in numbers)
            for target, numbers in spread(client, "abc", messages).items()
        }

    client = connect("alice")
    client.carry_out("route.set", name="r", targets=["a", "b", "c"], strategy="hash", hash_on="metadata.customer")
    first = customers_of(client)
    assert all(first.values()), first
    assert sorted(customer for customers in first.values() for customer in set(customers)) == list(range(20))
    server.kill9()
    server.start()
    assert customers_of(connect("alice")) == first


@of_one_shard
def test_A24_a_route_for_consumers_passes_over_who_has_none_that_is_free(connect):
    client, worker = connect("alice"), connect("worker")
    client.carry_out("route.set", name="live", order=1, targets=["a", "b"], consumers_only=True)
    client.carry_out("route.set", name="rest", order=2, targets=["rest"])
    client.publish("nobody is there")
    assert contents(take(client, "rest", 1)) == ["nobody is there"]
    worker.consume("b", credit=1)
    client.publish("for b")
    task = worker.delivery(timeout=10)
    assert task.content == b"for b"
    client.publish("b is busy")
    assert contents(take(client, "rest", 1)) == ["b is busy"]
    worker.ack(task.lease)
    client.publish("b is free")
    assert worker.delivery(timeout=10).content == b"b is free"
    worker.no_delivery()


@of_one_shard
def test_A24_what_a_full_target_cannot_take_falls_through(connect):
    client = connect("alice")
    for name in ("small", "smaller"):
        client.mailbox(name, max_messages=1)
    client.carry_out("route.set", name="first", order=1, targets=["small", "smaller"])
    client.carry_out("route.set", name="second", order=2, targets=["large"], filter="priority <= 5")
    for number in range(3):
        assert client.publish(str(number)).outcome == "queued"
    (small,), (smaller,), (large,) = (take(client, name, 1) for name in ("small", "smaller", "large"))
    assert {small.content, smaller.content} == {b"0", b"1"} and large.content == b"2"
    # What no target of any route can take is not refused, but kept.
    lost = client.publish("lost", priority=6)
    assert lost.outcome == "dead"
    (letter,) = client.carry_out("dead.list")["dead"]
    assert (letter["id"], letter["mailbox"], letter["reason"]) == (text_id(lost.id), "$unrouted", "no_route")
    with pytest.raises(Refused, match="no_recipient"):
        client.carry_out("dead.resubmit", id=text_id(lost.id))
    assert struct.unpack("<II", client.carry_out("dead.redrive", mailbox="$unrouted")) == (0, 1)
    # There is room again.
    client.ack(smaller.lease)
    client.publish("fits", priority=6)
    (fits,) = take(client, "smaller", 1)
    assert fits.content == b"fits"
    client.ack(fits.lease)
    assert struct.unpack("<II", client.carry_out("dead.redrive", mailbox="$unrouted")) == (1, 0)
    assert contents(take(client, "smaller", 1)) == ["lost"]
    assert {route["name"]: route["routed"] for route in client.carry_out("route.list")["routes"]
           } == {"first": 4, "second": 1}


@of_one_shard
def test_A9_copies_within_one_atomic_batch_are_one_message_wherever_routes_lead(connect):
    client = connect("alice")
    for name in ("first", "second", "third"):
        client.mailbox(name, max_messages=1, overflow=1)
        client.publish("kept", to=name, mode=1)
    client.carry_out("route.set", name="both", targets=["first", "second"])
    routed = client.publish_batch([message("once", key="k"), message("again", key="k")], atomic=True)
    named = client.publish_batch([message("once", to="third", key="n"),
                                  message("again", to="third", key="n")], atomic=True)
    for once, again in routed, named:
        assert (once.outcome, again.outcome, again.id) == ("queued", "duplicate", once.id)
    # One was pushed out of its mailbox by one that came, and none by a copy.
    assert len(client.carry_out("dead.list")["dead"]) == 2
    got = [delivery.content for name in ("first", "second", "third") for delivery in take(client, name, 1)]
    assert sorted(got[:2]) == [b"kept", b"once"] and got[2] == b"once"


# -- loops


def early_in_a_minute():
    """Limits a minute count by the minutes of the clock."""
    eventually(time.time, lambda now: now % 60 < 57)


def must_end_by_a_guard(watcher, sender, name, dead, text, chain):
    """Checks all that tells of a message that a guard stopped: event, dead letter, bounce."""
    assert dead.outcome == "dead"
    event = json.loads(watcher.delivery(timeout=10).content)
    told = {"id": text_id(dead.id), "mailbox": "bob", "reason": "guard", "text": text}
    assert {key: event[key] for key in told} == told and event["from"] == name
    assert (event["hops"], event["chain"]) == (len(chain), chain)
    letter = sender.carry_out("dead.show", id=text_id(dead.id))
    assert {key: letter[key] for key in told} == told and letter["deliveries"] == 0
    assert (letter["message"]["content"], letter["message"]["hops"], letter["message"]["chain"]) == ("too much",
                                                                                                     len(chain), chain)
    (bounce,) = take(sender, name, 1)
    assert (bounce.fields["type"], bounce.fields["correlation"], bounce.fields["cause"]) == (TYPES["error"],
                                                                                             text_id(dead.id), dead.id)
    said = json.loads(bounce.content)
    assert {key: said[key] for key in told} == told
    sender.ack(bounce.lease)


def test_X13_a_chain_of_causes_ends_in_an_event_a_dead_letter_and_a_bounce(join):
    connect = join("guard.hops=3")
    client, watcher = connect("alice"), connect("watcher")
    watcher.subscribe("bus.guard")
    chain = [client.publish("0", to="bob").id]
    for number in range(3):
        (task,) = take(client, "bob", 1)
        chain += [confirm.id for confirm in client.complete(task.lease, [message(str(number), to="bob")])]
    (task,) = take(client, "bob", 1)
    (dead,) = client.complete(task.lease, [message("too much", to="bob", content_type="text/plain")])
    must_end_by_a_guard(watcher, client, "alice", dead, "4 hops; 3 are the most", [text_id(id) for id in chain])
    assert client.receipts(chain[-1])[0]["state"] == "acknowledged"
    watcher.no_delivery()


def test_X13_one_agent_floods_one_mailbox_no_longer_than_it_may(join):
    connect = join("guard.pair_per_minute=2")
    alice, dora, watcher = connect("alice"), connect("dora"), connect("watcher")
    watcher.subscribe("bus.guard")
    early_in_a_minute()
    root = alice.publish("root", to="bob")
    for number in range(2):
        assert alice.publish(str(number), to="bob", cause=root.id).outcome == "queued"
    dead = alice.publish("too much", to="bob", cause=root.id, content_type="text/plain")
    must_end_by_a_guard(watcher, alice, "alice", dead, "2 messages within a minute from alice to bob",
                        [text_id(root.id)])
    # Another sender, another mailbox, and what nothing caused.
    assert dora.publish("3", to="bob", cause=root.id).outcome == "queued"
    assert alice.publish("4", to="carol", cause=root.id).outcome == "queued"
    assert alice.publish("5", to="bob").outcome == "queued"
    assert contents(sorted(take(alice, "bob", 5), key=lambda each: each.fields["id"])) == ["root", "0", "1", "3", "5"]
    watcher.no_delivery()


def test_X13_a_conversation_grows_no_faster_than_it_may(join):
    connect = join("guard.conversation_per_minute=2")
    alice, dora, watcher = connect("alice"), connect("dora"), connect("watcher")
    watcher.subscribe("bus.guard")
    early_in_a_minute()
    root = alice.publish("root", to="bob", conversation="c")
    for client in (alice, dora):
        assert client.publish("talk", to="bob", cause=root.id, conversation="c").outcome == "queued"
    dead = dora.publish("too much", to="bob", cause=root.id, conversation="c", content_type="text/plain")
    must_end_by_a_guard(watcher, dora, "dora", dead, "2 messages within a minute in conversation c", [text_id(root.id)])
    assert dora.publish("elsewhere", to="bob", cause=root.id, conversation="d").outcome == "queued"
    assert dora.publish("nowhere", to="bob", cause=root.id).outcome == "queued"
    assert dora.publish("without a cause", to="bob", conversation="c").outcome == "queued"
    assert len(take(alice, "bob", 6)) == 6
    watcher.no_delivery()


def test_X15_a_trace_is_handed_on_to_what_a_message_causes(connect):
    alice, worker = connect("alice"), connect("worker")
    sent = alice.publish("1", to="worker", metadata={"traceparent": TRACE, "branch": "main"})
    (task,) = take(worker, "worker", 1)
    worker.nack(task.lease, delay_ms=0)
    (task,) = take(worker, "worker", 1)
    other = TRACE.replace("4bf9", "5bf9")
    worker.publish("2", to="log", cause=sent.id, metadata={"step": 2})
    worker.publish("3", to="log", cause=sent.id, metadata={"traceparent": other})
    worker.complete(task.lease, [message("4", to="next")])
    logged = {delivery.content: delivery.fields["metadata"] for delivery in take(worker, "log", 2)}
    assert logged == {b"2": {"traceparent": TRACE, "step": 2}, b"3": {"traceparent": other}}
    (task,) = take(worker, "next", 1)
    worker.complete(task.lease, [message("5", to="last", metadata={})])
    (last,) = take(worker, "last", 1)
    assert (last.fields["metadata"], last.fields["hops"]) == ({"traceparent": TRACE}, 2)
