"""A server of several shards (docs/architecture.md, Shards): what crosses from one to another, and what is put together
out of several.

What concerns one mailbox is tested by the other files of this folder, which run with `shards=2` as well.
"""

import json
import struct
import threading
import time

import msgpack
import pytest

from native import COMPLETE, CONSUME, PING, SUBSCRIBE, Client, Refused, frame, message, messages_body
from program import SANITIZED
from test_delivery_native import eventually, text_id

SHARDS = 3


def shard_of(id):
    """Of a mailbox, by the id of a message in it: the last four bits."""
    return id[15] & 15


@pytest.fixture
def server(make_server):
    return make_server("--set", f"shards={SHARDS}")


@pytest.fixture
def names(connect):
    """A mailbox name in each shard, and a second one."""
    finder, found = connect(), {}
    for number in range(200):
        name = f"agent{number}"
        receipt = finder.publish("x", to=name)
        finder.ack(finder.receive(name)[0].lease)
        found.setdefault(shard_of(receipt.id), []).append(name)
        if len(found) == SHARDS and all(len(each) >= 2 for each in found.values()):
            break
    return [found[shard][:2] for shard in range(SHARDS)]


def take(client, mailbox, count=1, within=10):
    """So many messages, which may be on their way."""
    got, deadline = [], time.monotonic() + within
    while len(got) < count and time.monotonic() < deadline:
        got += client.receive(mailbox, max=count - len(got), wait_ms=1_000)
    return got


def is_empty(client, mailbox):
    return client.stats(mailbox)["mailboxes"][0]["ready"] == 0


def test_X5_outputs_go_to_other_shards(connect, names):
    worker = connect(names[0][0])
    worker.publish("in", to=names[0][0])
    (got,) = worker.receive(names[0][0])
    results = worker.complete(got.lease, [message(b"out", to=name) for name, _ in names])
    assert [each.outcome for each in results] == ["queued"] * SHARDS
    for (name, _), result in zip(names, results):
        (output,) = take(worker, name)
        assert output.content == b"out" and output.fields["cause"] == got.fields["id"] and output.fields["hops"] == 1
        # In another shard it has another id; the first is its key.
        assert output.fields["id"] == result.id or output.fields["key"] == text_id(result.id)


def test_X10_a_receipt_follows_a_message_to_another_shard(connect, names):
    worker, reader = connect(names[0][0]), connect(names[1][0])
    worker.publish("in", to=names[0][0])
    (result,) = worker.complete(worker.receive(names[0][0])[0].lease, [message(b"out", to=names[1][0])])

    def state():
        (receipt,) = worker.receipts(result.id)
        return receipt["recipient"], receipt["state"]

    eventually(state, lambda got: got == (names[1][0], "queued"))
    (got,) = take(reader, names[1][0])
    assert state() == (names[1][0], "retrieved")
    reader.ack(got.lease)
    assert state() == (names[1][0], "acknowledged")
    # And receipts of several shards are one answer, in the order of the question.
    ids = [worker.publish("x", to=name).id for pair in names for name in pair]
    assert [each["id"] for each in worker.receipts(*ids[::-1])] == ids[::-1]


def test_A9_what_crosses_arrives_once_whatever_is_killed_when(server, names):
    """Inputs in one shard, outputs in another, and a server that is killed all the while."""
    source, target = names[0][0], names[2][0]
    count = 60 if SANITIZED else 300
    client = Client(("127.0.0.1", server.port))
    for number in range(count):
        client.publish(f"{number}", to=source)
    client.close()
    done = threading.Event()

    def work():
        while not done.is_set():
            try:
                worker = Client(("127.0.0.1", server.port), agent=source, timeout=2)
                while not done.is_set():
                    for got in worker.receive(source, max=5, wait_ms=100):
                        worker.complete(got.lease, [message(got.content, to=target)])
            except Exception:  # the server was killed under it: again
                time.sleep(0.02)

    worker = threading.Thread(target=work)
    worker.start()
    for _ in range(6):
        time.sleep(0.25)
        server.kill9()
        server.start()
    reader = Client(("127.0.0.1", server.port), agent="reader")
    got, deadline = [], time.monotonic() + 60
    while len(got) < count and time.monotonic() < deadline:
        for each in reader.receive(target, max=100, wait_ms=200):
            got.append(int(each.content))
            reader.ack(each.lease)
    time.sleep(0.3)
    assert reader.receive(target) == []
    done.set()
    worker.join()
    assert sorted(got) == list(range(count))
    reader.close()


def test_A13_an_atomic_batch_over_shards_is_all_or_none(connect, names):
    alice = connect("alice")
    everybody = [name for pair in names for name in pair]
    with pytest.raises(Refused, match="message 2"):
        alice.publish_batch([message(b"x", to=names[0][0]),
                             message(b"x", to=names[1][0]),
                             message(b"x", to="@nobody")], atomic=True)
    alice.publish_batch([message(b"all", to=name) for name in everybody], atomic=True)
    for name in everybody:
        (got,) = take(alice, name)
        assert got.content == b"all"


def test_A13_a_batch_over_shards_is_answered_in_its_order(connect, names):
    alice = connect("alice")
    alice.mailbox(names[1][0], max_messages=1)
    everybody = [names[2][0], names[1][0], names[0][0], names[1][0], names[1][1]]
    results = alice.publish_batch([message(b"x", to=name) for name in everybody])
    assert [getattr(each, "outcome", None) or each[1] for each in results[:3] + results[4:]] == ["queued"] * 4
    assert "is full (1 of 1 waiting)" in results[3][1]
    assert [shard_of(each.id) for each in results if hasattr(each, "id")] == [2, 1, 0, 1]


def test_A7_leases_of_several_shards_are_settled_by_one_frame(connect, names):
    alice = connect("alice")
    for name, _ in names:
        alice.publish("x", to=name)
    leases = [alice.receive(name)[0].lease for name, _ in names]
    assert len({lease >> 60 for lease in leases}) == SHARDS
    assert alice.nack(*leases, reason="later") == (SHARDS, [])
    again = [alice.receive(name)[0].lease for name, _ in names]
    settled = alice.ack(again[0], leases[1], again[1], leases[0], again[2])
    assert settled == (SHARDS, [leases[1], leases[0]])
    assert all(is_empty(alice, name) for name, _ in names)


def test_A7_a_consumer_of_every_shard_and_its_end(connect, names):
    alice, bob = connect("alice"), connect("bob")
    consumers = [alice.consume(name, credit=10) for name, _ in names]
    for name, _ in names:
        bob.publish("x", to=name)
    assert sorted(alice.delivery().request for _ in names) == sorted(consumers)
    for consumer in consumers:
        alice.cancel(consumer)
    bob.publish("y", to=names[1][0])
    alice.no_delivery()
    alice.close()
    # Its leases have ended with it, in every shard.
    for name, _ in names:
        (got, *_) = take(bob, name)
        assert got.delivery == 2


def test_A11_a_bounce_finds_its_sender(connect, names):
    alice = connect(names[0][0])
    alice.publish("no", to=names[1][0], bounce=True)
    alice.reject(alice.receive(names[1][0])[0].lease, reason="not mine")
    (bounce,) = take(alice, names[0][0])
    assert bounce.fields["from"] == "$bus" and b"not mine" in bounce.content


def test_A4_who_is_asked_may_have_another_answer(connect, names):
    """The request waits in the shard of who was asked; the answer comes from one that holds nothing of that shard."""
    asker, front, back = connect("asker"), connect(names[1][0]), connect(names[2][0])
    request = asker.start_request("how many?", to=names[1][0])
    (asked,) = front.receive(names[1][0], wait_ms=5_000)
    front.publish("count, and answer there", to=names[2][0], reply_to=asked.fields["reply_to"])
    (job,) = take(back, names[2][0])
    back.complete(job.lease, [message(b"42", to=job.fields["reply_to"])])
    assert asker.end_request(request).content == b"42"
    # An address of nobody is refused, whichever shard it names.
    with pytest.raises(Refused, match="no_such_request"):
        asker.publish("late", to=asked.fields["reply_to"])


def test_X13_causes_are_known_in_other_shards(connect, names):
    alice = connect(names[0][0])
    cause = alice.publish("1", to=names[0][0], expects_reply=False)
    alice.receive(names[0][0])
    (got,) = (alice.publish("2", to=names[1][0], cause=cause.id, hops=0), take(alice, names[1][0]))[1]
    assert got.fields["hops"] == 1 and got.fields["chain"] == cause.id
    # Two steps away from its home: it goes by the shard that has the cause.
    alice.publish("3", to=names[2][0], cause=got.fields["id"])
    (third,) = take(alice, names[2][0])
    assert third.fields["hops"] == 2 and third.fields["chain"] == cause.id + got.fields["id"]


def test_A2_events_reach_each_subscription_once(connect):
    """Three connections are at home in three shards, and patterns of several match the same event."""
    clients = [connect(f"c{number}") for number in range(6)]
    patterns = ["a.*", "a.>", "a.b", "a.*", ">", "other"]
    for client, pattern in zip(clients, patterns):
        client.subscribe(pattern, echo=True)
    for number in range(30):
        clients[number % 6].publish(f"{number}", topic="a.b")
    for client, pattern in zip(clients, patterns):
        got = [int(client.delivery().content) for _ in range(30)] if pattern != "other" else []
        for publisher in range(6):
            assert [each for each in got if each % 6 == publisher] == (list(range(publisher, 30, 6)) if got else [])
        client.no_delivery(0.05)
    filtered = connect("filtered")
    filtered.subscribe("a.>", filter="content.level > 3", credit=10)
    for level in range(6):
        clients[0].publish(json.dumps({"level": level}), topic="a.b", content_type="application/json")
    assert [json.loads(filtered.delivery().content)["level"] for _ in range(2)] == [4, 5]


def test_A2_a_number_of_a_refused_subscription_is_free_again(connect):
    subscriber, publishers = connect("s"), [connect(f"p{number}") for number in range(6)]
    refused = msgpack.packb({0: "a.b", 3: "priority >"})
    with pytest.raises(Refused, match="invalid_filter"):
        subscriber.answer(subscriber.send_frame(SUBSCRIBE, refused, request=77))
    subscriber.answer(subscriber.send_frame(SUBSCRIBE, msgpack.packb({0: "c.d"}), request=77))
    with pytest.raises(Refused, match="already_exists"):
        subscriber.answer(subscriber.send_frame(SUBSCRIBE, msgpack.packb({0: "a.b"}), request=77))
    for publisher in publishers:
        publisher.publish("x", topic="c.d")
        publisher.publish("x", topic="a.b")
    assert [subscriber.delivery().fields["topic"] for _ in publishers] == ["c.d"] * 6
    subscriber.no_delivery()


def test_a_port_in_use_is_told_and_nothing_hangs(server, make_server):
    other = make_server("--set", f"shards={SHARDS}", start=False)
    other.listen = server.address
    with pytest.raises(AssertionError, match="in use"):
        other.start()
    other.process = None


def test_A2_a_subscription_has_begun_when_it_is_answered(connect):
    publishers = [connect(f"p{number}") for number in range(6)]
    for number in range(20):
        subscriber = connect(f"s{number}")
        subscriber.subscribe(f"t{number}")
        for publisher in publishers:
            publisher.publish("x", topic=f"t{number}")
        for _ in publishers:
            subscriber.delivery()


def test_A11_dead_letters_of_all_shards_are_listed_and_purged(connect, names):
    alice = connect("alice")
    for pair in names:
        for name in pair:
            for number in range(3):
                alice.publish(f"{number}", to=name)
            for got in alice.receive(name, max=3):
                alice.reject(got.lease, reason="no")
    everything = alice.carry_out("dead.list")
    assert len(everything["dead"]) == 6 * SHARDS and everything["next"] is None
    pages, after = [], None
    while True:
        page = alice.carry_out("dead.list", limit=4, **({} if after is None else {"after": after}))
        pages += [each["id"] for each in page["dead"]]
        after = page["next"]
        if after is None:
            break
    assert pages == [each["id"] for each in everything["dead"]]
    assert len(alice.carry_out("dead.list", mailbox=names[1][0])["dead"]) == 3
    assert alice.carry_out("dead.show", id=pages[-1])["id"] == pages[-1]
    assert alice.carry_out("dead.redrive", dry_run=True)["count"] == 6 * SHARDS
    assert struct.unpack("<II", alice.carry_out("dead.redrive", limit=7)) == (7, 0)
    assert struct.unpack("<I", alice.carry_out("dead.purge", all=True)) == (6 * SHARDS - 7,)


def test_A11_a_page_over_shards_has_the_contents_as_they_are(connect, names):
    alice = connect("alice")
    contents = ["[" * 60 + "]" * 60, "18446744073709551615", '{"text":"a \\"],\\"next\\": {[ b"}']
    for (name, _), content in zip(names, contents):
        alice.publish(content, to=name, content_type="application/json")
        alice.reject(alice.receive(name)[0].lease, reason="no")
    page = alice.carry_out("dead.list", content=True)
    assert [each["message"]["content"] for each in page["dead"]] == [json.loads(content) for content in contents]
    assert page["next"] is None
    assert len(alice.carry_out("dead.list", content=True, limit=2)["dead"]) == 2


def test_X5_A24_schedules_and_routes_send_to_every_shard(connect, names):
    alice = connect("alice")
    for name, _ in names:
        alice.carry_out("schedule.set", name=f"to {name}", every="100ms", times=2,
                        message={"to": name, "content": "tick"})
    assert len(alice.carry_out("schedule.list")["schedules"]) == SHARDS
    for name, _ in names:
        assert [got.content for got in take(alice, name, 2)] == [b"tick"] * 2
    targets = [second for _, second in names]
    alice.carry_out("route.set", name="anybody", targets=targets)
    for _ in range(2 * SHARDS):
        alice.publish("work")
    for name in targets:
        assert len(take(alice, name, 2)) == 2
    assert alice.carry_out("route.list")["routes"][0]["routed"] == 2 * SHARDS
    alice.carry_out("route.remove", name="anybody")
    with pytest.raises(Refused, match="not_found"):
        alice.carry_out("route.remove", name="anybody")


def test_X15_costs_are_summed_over_shards(connect, names):
    alice = connect("alice")
    for name, _ in names:
        alice.publish("x", to=name, conversation="talk", metadata={"cost_tokens": 5})
    alice.publish_batch([message(b"x", to=name, conversation="talk", metadata={"cost_tokens": 1}) for name, _ in names],
                        atomic=True)
    for name, _ in names:
        take(alice, name, 2)
    assert alice.carry_out("conversation.cost", conversation="talk") == {
        "conversation": "talk", "messages": 2 * SHARDS, "tokens": 6 * SHARDS, "money": 0
    }
    with pytest.raises(Refused, match="not_found"):
        alice.carry_out("conversation.cost", conversation="silence")
    # Responses count once, whichever shard they come from and go to.
    answer = {"conversation": "answers", "metadata": {"cost_tokens": 3}}
    for name, _ in names:
        asked = [alice.start_request(b"how many", to=name, **mode) for mode in ({}, {"mode": 1})]
        bob = connect("bob")
        for task in take(bob, name, 2):
            reply = message(b"five", to=task.fields["reply_to"], **answer)
            bob.complete(task.lease, [reply]) if task.lease else bob.publish(b"five", to=task.fields["reply_to"], **
                                                                             answer)
        assert [alice.end_request(request).content for request in asked] == [b"five"] * 2
    costs = eventually(lambda: alice.carry_out("conversation.cost", conversation="answers"),
                       lambda sums: sums["messages"] >= 2 * SHARDS)
    assert (costs["messages"], costs["tokens"]) == (2 * SHARDS, 6 * SHARDS)


def test_A9_a_routed_message_with_a_key_and_a_cause_is_published_once(connect, names):
    """Its key may be another shard's than its cause."""
    alice, bob = connect("alice"), connect("bob")
    alice.carry_out("route.set", name="r", targets=[name for name, _ in names])
    for number in range(4 * SHARDS):
        cause = alice.publish("task", to="bob")
        (task,) = take(bob, "bob")
        first, second = (bob.publish("next", key=f"k{number}", mode=2, cause=cause.id) for _ in range(2))
        assert (second.id, second.outcome) == (first.id, "duplicate")
        bob.ack(task.lease)
    got, deadline = [], time.monotonic() + 10
    while len(got) < 4 * SHARDS and time.monotonic() < deadline:
        got += [delivery for name, _ in names for delivery in bob.receive(name, max=99, wait_ms=100)]
    assert [delivery.fields["hops"] for delivery in got] == [1] * 4 * SHARDS
    assert not [delivery for name, _ in names for delivery in bob.receive(name, max=99, wait_ms=100)]


def test_X19_a_content_stays_as_long_as_any_shard_refers_to_it(make_server):
    server = make_server("--set", f"shards={SHARDS}", "--set", "content.grace=1s")
    alice = Client(("127.0.0.1", server.port), agent="alice")
    ref = alice.upload(bytes(range(256)) * 8192)
    boxes = [f"box{number}" for number in range(6)]
    for box in boxes:
        alice.publish(to=box, content_ref=ref)
    time.sleep(3)
    server.restart()
    alice = Client(("127.0.0.1", server.port), agent="alice")
    for box in boxes[:-1]:
        alice.ack(alice.receive(box)[0].lease)
    time.sleep(3)
    (got,) = alice.receive(boxes[-1])
    assert alice.fetch(got.fields["content_ref"]) == bytes(range(256)) * 8192
    alice.ack(got.lease)

    def is_gone():
        return alice.stats()["contents"]["stored"] == 0

    eventually(is_gone, bool)
    with pytest.raises(Refused, match="not_found"):
        alice.publish(to=boxes[0], content_ref=ref)
    alice.close()


def test_X19_a_shard_that_has_let_go_of_a_content_knows_it_again(make_server):
    server = make_server("--set", f"shards={SHARDS}", "--set", "content.grace=1s")
    alice = Client(("127.0.0.1", server.port), agent="alice")
    ref = alice.upload(bytes(1 << 20))
    boxes = [f"box{number}" for number in range(8)]
    alice.publish(to=boxes[0], content_ref=ref)
    time.sleep(3)  # all shards but that of the first box know nothing of it any more
    for box in boxes[1:]:
        alice.publish(to=box, content_ref=ref)
    (input,) = alice.receive(boxes[0])
    alice.complete(input.lease, [message(b"", to=f"out{number}", content_ref=ref) for number in range(8)])
    for box in boxes[1:] + [f"out{number}" for number in range(8)]:
        (got,) = take(alice, box)
        assert got.fields["content_ref"] == ref and alice.fetch(got.fields["content_ref"]) == bytes(1 << 20)
        alice.ack(got.lease)
    eventually(lambda: alice.stats()["contents"]["stored"], lambda stored: stored == 0)
    alice.close()


@pytest.mark.parametrize("mode", [0, 1])
def test_much_that_crosses_both_ways_comes_to_its_end(server, names, mode):
    """Two shards are behind, each because of what the other sends; nothing waits for ever."""
    count, size = 200, 300_000
    clients = [Client(("127.0.0.1", server.port), agent=names[shard][0], timeout=60) for shard in range(2)]
    for shard, client in enumerate(clients):
        client.publish_batch([message(b"input", to=names[shard][0]) for _ in range(count)])
    senders = []
    for shard, client in enumerate(clients):
        target = names[1 - shard][1]
        leases = [got.lease for got in client.receive(names[shard][0], max=count)]
        assert len(leases) == count
        frames = b"".join(
            frame(COMPLETE,
                  struct.pack("<Q", lease) + messages_body([message(bytes(size), to=target, mode=mode)]), number)
            for number, lease in enumerate(leases, 1))
        senders.append(threading.Thread(target=client.send, args=[frames]))
        senders[-1].start()
    readers = [Client(("127.0.0.1", server.port), agent="reader", timeout=60) for _ in range(2)]
    for shard, reader in enumerate(readers):
        left = count
        while left:
            got = reader.receive(names[shard][1], max=10, wait_ms=30_000)
            assert got, f"{left} messages never came"
            left -= len(got)
            if mode == 1:
                reader.ack(*[each.lease for each in got])
    for sender in senders:
        sender.join()
    for client in [*clients, *readers]:
        client.close()


def test_X3_what_crosses_waits_for_room_on_the_disk(make_server):
    server = make_server("--set", f"shards={SHARDS}", "--set", "journal.segment_bytes=4MiB", "--set",
                         "journal.bytes_max=20MiB")
    alice = Client(("127.0.0.1", server.port), agent="alice")
    here = shard_of(alice.publish("input", to="source").id)
    (input,) = alice.receive("source")
    target = next(f"target{n}" for n in range(100) if shard_of(alice.publish("", to=f"target{n}").id) != here)
    alice.ack(*[got.lease for got in alice.receive(target, max=100)])
    confirmed = 0
    with pytest.raises(Refused, match="disk_full"):
        for _ in range(2_000):
            alice.publish(bytes(20_000), to=target)
            confirmed += 1
    alice.complete(input.lease, [message(bytes(20_000) + b"crossed", to=target)])
    eventually(lambda: alice.stats()["messages"]["redelivered"], bool)  # it was refused there, and tried again
    crossed = 0
    while got := alice.receive(target, max=100, wait_ms=3_000):
        crossed += sum(each.content.endswith(b"crossed") for each in got)
        confirmed -= sum(not each.content.endswith(b"crossed") for each in got)
        alice.ack(*[each.lease for each in got])
    assert (crossed, confirmed) == (1, 0)
    alice.close()


def test_A19_the_statistics_are_those_of_all_shards(connect, names):
    alice = connect("alice")
    before = alice.stats()["messages"]["published"]
    for pair in names:
        for name in pair:
            alice.publish("x", to=name)
    stats = alice.stats()
    assert stats["messages"]["published"] - before == 2 * SHARDS == stats["waiting"]
    assert {each["name"] for each in stats["mailboxes"]} >= {name for pair in names for name in pair}
    assert stats["accepts_durable"] is True and stats["connections"]["native"] == 2
    assert alice.stats(names[1][0])["mailboxes"][0]["ready"] == 1


def test_a_data_folder_keeps_its_number_of_shards(server, make_server):
    client = Client(("127.0.0.1", server.port))
    client.publish("x", to="bob")
    client.close()
    assert server.terminate() == 0
    for number in (1, 2):
        other = make_server("--set", f"shards={number}", data=server.data, start=False)
        with pytest.raises(AssertionError, match=f"made with shards = {SHARDS}, and `shards` is {number}"):
            other.start()
        other.process = None
    server.start()
    client = Client(("127.0.0.1", server.port))
    assert len(client.receive("bob")) == 1
    client.close()


def test_a_missing_shard_is_told(server, names):
    client = Client(("127.0.0.1", server.port))
    client.publish("kept", to=names[2][0])
    client.close()
    server.terminate()
    assert server.cli("journal", "verify", str(server.data)).returncode == 0
    folder = server.data / "shard-2"
    folder.rename(server.data / "elsewhere")
    for _ in range(2):
        with pytest.raises(AssertionError, match="shard-2"):
            server.start()
        verified = server.cli("journal", "verify", str(server.data))
        assert verified.returncode != 0 and "shard-2" in verified.stderr
        folder.mkdir(exist_ok=True)
    folder.rmdir()
    (server.data / "elsewhere").rename(folder)
    server.start()
    client = Client(("127.0.0.1", server.port))
    assert [got.content for got in client.receive(names[2][0])] == [b"kept"]
    client.close()


def test_a_number_that_is_the_servers_is_refused(connect):
    client = connect("alice")
    client.send_frame(PING, b"x", request=0xFFFF0000)
    with pytest.raises(Refused, match="out_of_range"):
        client.answer(0)
    client.send_frame(CONSUME, msgpack.packb({0: "bob", 1: 1}), request=0xFFFEFFFF)
    assert client.answer(0xFFFEFFFF).body == struct.pack("<I", 0)


def test_X3_what_was_confirmed_is_there_after_a_stop_under_load(server, names):
    """Publishers in every shard, to every shard, while the server is told to stop."""
    confirmed, lock = [], threading.Lock()

    def publish(number):
        client = Client(("127.0.0.1", server.port), agent=f"p{number}")
        try:
            for count in range(100_000):
                text = f"{number}:{count}"
                client.publish(text, to=names[count % SHARDS][0])
                with lock:
                    confirmed.append(text)
        except (Refused, OSError, EOFError, AssertionError):
            pass

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    assert server.terminate() == 0
    for thread in threads:
        thread.join()
    server.start()
    client, found = Client(("127.0.0.1", server.port)), set()
    for name, _ in names:
        while got := client.receive(name, max=1_000):
            found.update(each.content.decode() for each in got)
            client.ack(*[each.lease for each in got])
    assert confirmed and found >= set(confirmed)
    client.close()


def of_stream(client, count, within=20):
    """The events of stream s, when so many have come; none comes behind them."""
    deadline = time.monotonic() + within
    page = client.carry_out("stream.read", name="s", limit=1_000)
    while len(page["events"]) < count and time.monotonic() < deadline:
        client.carry_out("stream.read", name="s", wait=1_000, **{"from": page["next"]})
        page = client.carry_out("stream.read", name="s", limit=1_000)
    time.sleep(0.5)
    page = client.carry_out("stream.read", name="s", limit=1_000)
    assert [event["sequence"] for event in page["events"]] == list(range(1, count + 1)), page
    return [event["message"] for event in page["events"]]


def test_X5_U14_a_stream_keeps_events_of_every_shard(connect, names):
    """Completions, schedules and what the server says by itself: decided in the shard of their mailbox."""
    admin, heard = connect("admin"), connect("listener")
    heard.subscribe("news.*")
    admin.carry_out("stream.set", name="s", topic="news.*", filter="priority <= 5")
    for name, _ in names:
        worker = connect(name)
        worker.publish("in", to=name)
        (got,) = worker.receive(name)
        outputs = [message(f"done by {name}".encode(), topic="news.done", content_type="text/plain"),
                   message(b"of no interest", topic="news.done", priority=9)]
        assert [each.outcome for each in worker.complete(got.lease, outputs)] == ["sent"] * 2
        worker.carry_out("schedule.set", name=f"every {name}", every="100ms", times=2,
                         message={"topic": "news.tick", "content": f"tick of {name}"})
    kept = of_stream(admin, 3 * SHARDS)
    wanted = sorted([f"done by {name}" for name, _ in names] + [f"tick of {name}" for name, _ in names] * 2)
    assert sorted(each["content"] for each in kept) == wanted
    assert {each["from"] for each in kept if each["topic"] == "news.done"} == {name for name, _ in names}
    # It is the very event that others have heard.
    listened = [heard.delivery() for _ in range(4 * SHARDS)]
    ids = {text_id(each.fields["id"]) for each in listened}
    assert {each["id"] for each in kept} < ids and len({each["id"] for each in kept}) == 3 * SHARDS


def test_X5_U14_a_stream_keeps_what_each_shard_says_of_itself(connect, names):
    admin = connect("admin")
    admin.carry_out("stream.set", name="s", topic="bus.dead")
    for name, _ in names:
        client = connect(name)
        client.publish("in", to=name)
        client.reject(client.receive(name)[0].lease, reason="no")
    kept = of_stream(admin, SHARDS)
    assert sorted(each["content"]["mailbox"] for each in kept) == sorted(name for name, _ in names)
    assert {each["from"] for each in kept} == {"$bus"}


def test_X5_U14_events_of_other_shards_survive_kills(make_server):
    server = make_server("--set", f"shards={SHARDS}")
    agents = [f"agent-{number}" for number in range(8)]

    def connect(name):
        return Client(("127.0.0.1", server.port), agent=name)

    admin = connect("admin")
    admin.carry_out("stream.set", name="s", topic="news.>")
    for number in range(3):
        for name in agents:
            worker = connect(name)
            worker.publish("in", to=name)
            (got,) = worker.receive(name)
            worker.complete(got.lease, [message(f"{number} {name}".encode(), topic="news.done",
                                                content_type="text/plain")])
            worker.close()
        admin.close()
        server.kill9()
        server.start()
        admin = connect("admin")
    page = admin.carry_out("stream.read", name="s", limit=1_000)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and page["next"] <= 24:
        page = admin.carry_out("stream.read", name="s", limit=1_000, wait=500)
    texts = [event["message"]["content"] for event in page["events"]]
    # What a kill came upon at once may be lost, as any event at most once; nothing is there twice.
    assert len(set(texts)) == len(texts) and len(texts) >= 16, texts
    assert {text for text in texts} <= {f"{number} {name}" for number in range(3) for name in agents}
    admin.close()


def test_X5_M2_a_schedule_reaches_durable_subscriptions_of_every_shard(connect, names):
    admin = connect("admin")
    for name, _ in names:
        admin.carry_out("subscription.set", name=f"of {name}", pattern="tick.*", mailbox=name)
    for name, _ in names:
        connect(name).carry_out("schedule.set", name=f"every {name}", every="100ms", times=2,
                                message={"topic": "tick.now", "content": f"tick of {name}"})
    wanted = sorted([f"tick of {name}" for name, _ in names] * 2)
    for name, _ in names:
        reader = connect(name)
        got = take(reader, name, count=2 * SHARDS)
        assert sorted(each.content.decode() for each in got) == wanted
        reader.ack(*[each.lease for each in got])
        time.sleep(0.3)
        assert is_empty(reader, name)


def test_X5_U14_a_client_cannot_send_to_the_mailbox_of_streams(connect):
    client = connect("mallory")
    client.carry_out("stream.set", name="s", topic="a")
    with pytest.raises(Refused, match="is not a mailbox name"):
        client.publish("x", to="$streams")
    with pytest.raises(Refused, match="is not a mailbox name"):
        client.receive("$streams")
