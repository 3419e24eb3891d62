"""Every promise about delivery at the native door (docs/delivery.md; docs/protocol.md, sections 5 to 7 and 14)."""

import json
import struct
import time
import uuid

import msgpack
import pytest

from native import ACK, CALL, COMPLETE, EXTEND, NACK, OF_MESSAGE, REJECT, TYPES, Client, Refused, message
from program import SHARDED

AT_LEAST_ONCE, EXACTLY_ONCE = 1, 2
FIXED = 0  # backoff


def refused(name, action, /, *arguments, **options):
    with pytest.raises(Refused) as met:
        action(*arguments, **options)
    assert met.value.name == name, met.value
    return met.value


def text_id(id):
    return str(uuid.UUID(bytes=id))


def eventually(read, wanted, within=30):
    """Reads until it is as wanted: for what another thread or a timer of the server does."""
    deadline = time.monotonic() + within
    while not wanted(got := read()):
        assert time.monotonic() < deadline, got
        time.sleep(0.02)
    return got


# -- A9: exactly once


def test_A9_a_duplicate_is_told_the_first_id_and_where_it_is(server, connect):
    alice, bob = connect("alice"), connect("bob")
    first = alice.publish("x", to="bob", key="k", mode=EXACTLY_ONCE)
    again = alice.publish("y", to="bob", key="k", mode=EXACTLY_ONCE)
    assert (again.outcome, again.id, again.state) == ("duplicate", first.id, "queued")
    (delivery,) = bob.receive("bob")
    assert alice.publish("y", to="bob", key="k", mode=EXACTLY_ONCE).state in ("offered", "retrieved")
    bob.ack(delivery.lease)
    assert alice.publish("y", to="bob", key="k", mode=EXACTLY_ONCE).state == "acknowledged"
    assert bob.receive("bob", wait_ms=0) == []
    # Another sender's key is another key.
    assert connect("carol").publish("z", to="bob", key="k", mode=EXACTLY_ONCE).outcome != "duplicate"


def test_A9_keys_are_remembered_by_a_server_that_was_killed(server, connect):
    first = connect("alice").publish("x", to="bob", key="k")
    server.kill9()
    server.start()
    again = connect("alice").publish("x", to="bob", key="k")
    assert (again.outcome, again.id) == ("duplicate", first.id)


def test_A9_keys_are_forgotten_after_their_window(make_server):
    alice = Client(("127.0.0.1", make_server("--set", "keys.max=1").port), agent="alice")
    first = alice.publish(to="bob", key="one")
    alice.publish(to="bob", key="two")
    assert alice.publish(to="bob", key="one").id != first.id
    alice.close()


# -- X5: complete


def test_X5_a_completion_settles_and_publishes(server, connect):
    worker = connect("worker")
    sent = connect("source").publish("2", to="worker", conversation="c")
    (task,) = worker.receive("worker")
    results = worker.complete(task.lease, [message("4", to="next"), message("16", to="last")])
    assert [r.outcome for r in results] == ["queued", "queued"]
    assert worker.receipts(sent.id)[0]["state"] == "acknowledged"
    (out,) = worker.receive("next")
    assert out.content == b"4" and out.fields["from"] == "worker"
    assert out.fields["cause"] == sent.id and out.fields["chain"] == sent.id and out.fields["hops"] == 1
    assert len(worker.receive("last")) == 1
    assert worker.stats()["messages"]["completed"] == 1


def test_X5_a_completion_without_outputs_is_an_ack(server, connect):
    worker = connect("worker")
    worker.publish(to="worker")
    (task,) = worker.receive("worker")
    assert worker.complete(task.lease) == []
    assert worker.stats("worker")["mailboxes"][0]["leased"] == 0


def test_X5_a_refused_completion_changes_nothing(server, connect):
    worker = connect("worker")
    worker.publish(to="worker")
    (task,) = worker.receive("worker")
    error = refused("out_of_range", worker.complete, task.lease,
                    [message("a", to="next"), message("b", to="next", priority=11)])
    assert "1" in error.text
    assert worker.receive("next", wait_ms=0) == []
    assert worker.ack(task.lease).settled == 1
    refused("lease_lost", worker.complete, task.lease, [message("a", to="next")])
    assert worker.receive("next", wait_ms=0) == []


def test_X5_leases_of_another_message_settle_nothing_if_the_message_is_named(server, connect):
    worker = connect("worker")
    first, other = worker.publish("1", to="worker",
                                  mode=AT_LEAST_ONCE), worker.publish("2", to="worker", mode=AT_LEAST_ONCE)
    tasks = worker.receive("worker", max=2)
    one, two = (task.lease for task in tasks)
    for id, leases in [(first.id, [two]), (first.id, [one, two]), (other.id, [one]), (bytes(16), [one])]:
        for opcode, body in [(ACK, struct.pack(f"<{len(leases)}Q", *leases)), (NACK, msgpack.packb({0: leases})),
                             (REJECT, msgpack.packb({0: leases})), (EXTEND, msgpack.packb({0: leases, 1: 1000})),
                             (COMPLETE, struct.pack("<QI", leases[-1], 0))]:
            if opcode == COMPLETE and len(leases) > 1:
                continue
            refused("lease_lost", worker.call, opcode, id + body, OF_MESSAGE)
    for opcode in ACK, NACK, REJECT, EXTEND, COMPLETE:
        refused("malformed", worker.call, opcode, first.id[:15], OF_MESSAGE)
        refused("invalid_field" if opcode in (NACK, REJECT, EXTEND) else "malformed", worker.call, opcode, first.id,
                OF_MESSAGE)
    assert worker.settled(worker.call(EXTEND, first.id + msgpack.packb({0: [one], 1: 60_000}), OF_MESSAGE)) == (1, [])
    assert worker.settled(worker.call(ACK, first.id + struct.pack("<Q", one), OF_MESSAGE)) == (1, [])
    assert worker.call(COMPLETE, other.id + struct.pack("<QI", two, 0), OF_MESSAGE).body == b""
    assert worker.stats("worker")["mailboxes"][0]["leased"] == 0


def test_X5_a_completion_answers_a_request(server, connect):
    asker, worker = connect("asker"), connect("worker")
    worker.consume("worker")
    request = asker.start_request("2+2", to="worker", mode=AT_LEAST_ONCE)
    task = worker.delivery()
    worker.complete(task.lease, [message("4", to=task.fields["reply_to"], type=TYPES["response"])])
    assert asker.end_request(request).content == b"4"


def test_X5_completions_that_do_not_parse_are_refused(server, connect):
    worker = connect("worker")
    for body in [b"", b"1234567", struct.pack("<Q", 1), struct.pack("<QI", 1, 1), struct.pack("<QII", 1, 1, 99) + b"x"]:
        refused("malformed", worker.call, COMPLETE, body)
    refused("out_of_range", worker.call, COMPLETE, struct.pack("<QI", 1, 1001))
    refused("lease_lost", worker.complete, 12345)


# -- A10: retries


def test_A10_a_nack_without_delay_waits_as_the_policy_says(server, connect):
    worker = connect("worker")
    # An hour, so that a slow machine does not see it come back.
    sent = worker.publish(to="worker", retry=[5, FIXED, 3_600_000, 0, 2000])
    (task,) = worker.receive("worker")
    worker.nack(task.lease, delay_ms=None, reason="later")
    assert worker.receipts(sent.id)[0]["state"] == "scheduled"
    # A delay that is named is taken at its word.
    sent = worker.publish(to="worker", retry=[5, FIXED, 3_600_000, 0, 2000])
    (task,) = worker.receive("worker")
    worker.nack(task.lease, delay_ms=0)
    (again,) = worker.receive("worker", wait_ms=10_000)
    assert again.fields["id"] == sent.id and again.redelivered


def test_A10_attempts_are_counted_and_kept_with_their_reasons(server, connect):
    worker = connect("worker")
    sent = worker.publish(to="worker", retry=[2, FIXED, 10, 0, 2000])
    for reason in ("first", "second"):
        (task,) = worker.receive("worker", wait_ms=20_000)
        worker.nack(task.lease, delay_ms=None, reason=reason)
    receipt = worker.receipts(sent.id)[0]
    assert (receipt["state"], receipt["reason"]) == ("dead", "max_deliveries")
    attempts = worker.carry_out("message.attempts", id=text_id(sent.id))["attempts"]
    assert [(a["holder"], a["end"], a["reason"]) for a in attempts] == [("worker", "nacked", "first"),
                                                                        ("worker", "nacked", "second")]
    assert 0 < attempts[0]["at"] <= attempts[1]["at"]


def test_A10_a_mailbox_has_a_policy_of_its_own(server, connect):
    worker = connect("worker")
    worker.mailbox("worker", retry=[1, FIXED, 0, 0, 2000])
    sent = worker.publish(to="worker")
    (task,) = worker.receive("worker")
    worker.nack(task.lease, delay_ms=None)
    assert worker.receipts(sent.id)[0]["state"] == "dead"
    worker.carry_out("mailbox.configure", name="worker", retry={"attempts": 9, "initial": "1h", "backoff": "fixed"})
    sent = worker.publish(to="worker")
    (task,) = worker.receive("worker")
    worker.nack(task.lease, delay_ms=None)
    assert worker.receipts(sent.id)[0]["state"] == "scheduled"
    refused("out_of_range", worker.mailbox, "worker", retry=[1, 9, 0, 0, 2000])
    refused("malformed", worker.mailbox, "worker", retry=[1, 0])


# -- A11, X18: dead letters


def make_dead(client, mailbox, count=1, **fields):
    """Messages that their receiver refused."""
    sent = [client.publish(f"m{i}", to=mailbox, content_type="text/plain", **fields) for i in range(count)]
    client.reject(*[d.lease for d in client.receive(mailbox, max=count)], reason="not mine")
    return [text_id(s.id) for s in sent]


def test_A11_a_rejection_ends_at_once_in_the_dead_letters(server, connect):
    alice = connect("alice")
    watcher = connect("watcher")
    watcher.subscribe("bus.dead")
    (id,) = make_dead(alice, "bob", priority=3)
    dead = alice.carry_out("dead.list", mailbox="bob")
    assert dead["next"] is None
    (letter,) = dead["dead"]
    assert (letter["id"], letter["mailbox"], letter["reason"], letter["text"]) == (id, "bob", "rejected", "not mine")
    assert letter["deliveries"] == 1 and letter["at"] > 0
    assert letter["message"]["priority"] == 3 and "content" not in letter["message"]
    shown = alice.carry_out("dead.show", id=id)
    (attempt,) = shown["attempts"]
    assert shown["message"]["content"] == "m0"
    assert (attempt["end"], attempt["holder"], attempt["reason"]) == ("rejected", "alice", "not mine")
    event = json.loads(watcher.delivery().content)
    assert (event["id"], event["reason"]) == (id, "rejected")
    assert alice.stats()["dead_by_reason"]["rejected"] == 1


def test_A11_dead_letters_are_listed_by_condition_page_by_page(server, connect):
    alice = connect("alice")
    ids = make_dead(alice, "bob", 5) + make_dead(alice, "carol", 2, priority=1)
    seen, after = [], None
    while True:
        page = alice.carry_out("dead.list", limit=3, content=True, **({"after": after} if after else {}))
        seen += [(d["id"], d["message"]["content"]) for d in page["dead"]]
        after = page["next"]
        if after is None:
            break
    assert sorted(id for id, _ in seen) == sorted(ids) and seen[0][1] == "m0"
    listed = lambda **conditions: [d["id"] for d in alice.carry_out("dead.list", **conditions)["dead"]]  # noqa: E731
    assert listed(mailbox="carol") == ids[5:]
    assert listed(reason="expired") == [] and len(listed(reason="rejected")) == 7
    assert listed(filter="priority = 1") == ids[5:]
    assert listed(before=1) == [] and listed(id=ids[2]) == [ids[2]]
    assert listed(mailbox="nobody") == []
    error = refused("invalid_filter", alice.carry_out, "dead.list", filter="priority >")
    assert "`filter`" in error.text
    for wrong in [{"limit": 0}, {"limit": 1001}]:
        assert "limit" in refused("out_of_range", alice.carry_out, "dead.list", **wrong).text
    for wrong in [{"mailbx": "a"}, {"reason": "bored"}, {"id": "x"}, {"before": "soon"}, {"content": 1}]:
        assert next(iter(wrong)) in refused("invalid_field", alice.carry_out, "dead.list", **wrong).text


def test_X18_a_dead_letter_is_sent_again_with_changes(server, connect):
    alice = connect("alice")
    (id,) = make_dead(alice, "bob", priority=3, key="k")
    confirm = alice.carry_out("dead.resubmit", id=id,
                              changes={"to": "carol", "priority": "normal", "content": {"fixed": True}})
    assert confirm.outcome == "queued"
    (got,) = alice.receive("carol", wait_ms=5_000)
    assert got.fields["id"] == confirm.id or (SHARDED and got.fields["key"] == text_id(confirm.id))
    assert got.fields["from"] == "alice" and got.delivery == 1
    assert json.loads(got.content) == {"fixed": True} and got.fields["content_type"] == "application/json"
    assert got.fields.get("priority", 5) == 5
    refused("not_found", alice.carry_out, "dead.show", id=id)
    refused("not_found", alice.carry_out, "dead.resubmit", id=id)
    refused("invalid_field", alice.carry_out, "dead.resubmit")
    (id,) = make_dead(alice, "bob")
    refused("out_of_range", alice.carry_out, "dead.resubmit", id=id, changes={"priority": 99})
    assert alice.carry_out("dead.show", id=id)["id"] == id


def test_X18_many_are_sent_again_after_a_dry_run(server, connect):
    alice = connect("alice")
    ids = make_dead(alice, "bob", 4) + make_dead(alice, "carol", 1)
    dry = alice.carry_out("dead.redrive", mailbox="bob", dry_run=True)
    assert dry == {"sent": 0, "refused": 0, "count": 4, "ids": ids[:4]}
    assert alice.stats("bob")["mailboxes"][0]["dead"] == 4
    assert struct.unpack("<II", alice.carry_out("dead.redrive", mailbox="bob", limit=1,
                                                changes={"to": "dora"})) == (1, 0)
    assert struct.unpack("<II", alice.carry_out("dead.redrive", mailbox="bob", rate=100)) == (3, 0)
    assert len(alice.receive("bob", max=10)) == 3 and len(alice.receive("dora", max=10)) == 1
    assert alice.stats("carol")["mailboxes"][0]["dead"] == 1


def test_A11_purging_wants_a_condition(server, connect):
    alice = connect("alice")
    make_dead(alice, "bob", 3)
    assert "all" in refused("invalid_field", alice.carry_out, "dead.purge").text
    assert "all" in refused("invalid_field", alice.carry_out, "dead.purge", limit=1).text
    count = lambda body: struct.unpack("<I", body)[0]  # noqa: E731
    assert count(alice.carry_out("dead.purge", mailbox="bob", limit=1)) == 1
    assert count(alice.carry_out("dead.purge", filter="priority < 5")) == 0
    assert count(alice.carry_out("dead.purge", all=True)) == 2
    assert alice.carry_out("dead.list") == {"dead": [], "next": None}


def test_A11_a_sender_that_asked_is_told_of_a_death(server, connect):
    alice = connect("alice")
    sent = alice.publish(to="bob", bounce=True, correlation="job-7")
    (task,) = alice.receive("bob")
    alice.reject(task.lease, reason="no")
    (bounce,) = alice.receive("alice", wait_ms=20_000)
    assert bounce.fields["type"] == TYPES["error"] and bounce.fields["correlation"] == "job-7"
    told = json.loads(bounce.content)
    assert (told["id"], told["reason"], told["text"]) == (text_id(sent.id), "rejected", "no")
    assert alice.stats()["messages"]["bounced"] == 1


def test_A11_dead_letters_survive_a_kill(server, connect):
    ids = make_dead(connect("alice"), "bob", 3)
    server.kill9()
    server.start()
    dead = connect("alice").carry_out("dead.list", content=True)["dead"]
    assert [d["id"] for d in dead] == ids and {d["text"] for d in dead} == {"not mine"}


# -- X5: taken back, and sent again and again


def test_X5_a_message_is_taken_back_before_somebody_has_it(server, connect):
    alice = connect("alice")
    later = alice.publish("x", to="bob", deliver_at=int(time.time() * 1000) + 3_600_000)
    assert alice.carry_out("message.cancel", id=text_id(later.id)) is None
    assert alice.receipts(later.id)[0]["state"] == "cancelled"
    refused("not_found", alice.carry_out, "message.cancel", id=text_id(later.id))
    now = alice.publish("x", to="bob")
    (task,) = alice.receive("bob")
    refused("lease_lost", alice.carry_out, "message.cancel", id=text_id(now.id))
    alice.ack(task.lease)


def test_X5_a_schedule_sends_its_message_again_and_again(server, connect):
    alice = connect("alice")
    alice.carry_out("schedule.set", name="tick", every="100ms", times=2, message={"to": "bob", "content": "tick"})
    for _ in range(2):
        (got,) = alice.receive("bob", wait_ms=30_000)
        assert got.content == b"tick" and got.fields["from"] == "alice"
        alice.ack(got.lease)
    assert eventually(lambda: alice.carry_out("schedule.list"), lambda listed: listed == {"schedules": []})
    assert alice.stats()["messages"]["schedules_fired"] == 2


def test_X5_schedules_are_listed_replaced_removed_and_kept(server, connect):
    alice = connect("alice")
    far = int(time.time() * 1000) + 86_400_000
    alice.carry_out("schedule.set", name="nightly", cron="0 3 * * *", message={"to": "bob", "content": "report"})
    alice.carry_out("schedule.set", name="hourly", every="1h", first_at=far, until=far * 2, times=5,
                    message={"to": "bob"})
    server.kill9()
    server.start()
    alice = connect("alice")
    listed = {s["name"]: s for s in alice.carry_out("schedule.list")["schedules"]}
    assert listed["nightly"]["cron"] == "0 3 * * *" and listed["nightly"]["fired"] == 0
    assert (listed["hourly"]["every_ms"], listed["hourly"]["next"], listed["hourly"]["left"]) == (3_600_000, far, 5)
    assert listed["hourly"]["until"] == far * 2
    alice.carry_out("schedule.set", name="nightly", cron="0 4 * * *", message={"to": "bob"})
    alice.carry_out("schedule.remove", name="hourly")
    assert [(s["name"], s["cron"]) for s in alice.carry_out("schedule.list")["schedules"]] == [("nightly", "0 4 * * *")]
    refused("not_found", alice.carry_out, "schedule.remove", name="hourly")
    for wrong in [{"every": "1h"}, {"every": "1h", "cron": "* * * * *", "message": {"to": "a"}},
                  {"message": {"to": "a"}}, {"every": 1, "message": {"to": "a"}}]:
        refused("invalid_field", alice.carry_out, "schedule.set", name="x", **wrong)


# -- A13: batches


def test_A13_an_atomic_batch_is_published_whole_or_not_at_all(server, connect):
    alice = connect("alice")
    good = [message(str(i), to="bob") for i in range(3)]
    error = refused("out_of_range", alice.publish_batch, [*good, message("x", to="bob", priority=99)], atomic=True)
    assert "3" in error.text
    refused("invalid_field", alice.publish_batch, [*good, message("x", topic="a.b")], atomic=True)
    assert alice.receive("bob", wait_ms=0) == []
    confirms = alice.publish_batch(good, atomic=True)
    assert [c.outcome for c in confirms] == ["queued"] * 3
    assert [d.content for d in alice.receive("bob", max=9)] == [b"0", b"1", b"2"]


def test_A13_an_atomic_batch_to_a_full_mailbox_leaves_it_as_it_was(server, connect):
    alice = connect("alice")
    alice.mailbox("bob", max_messages=2)
    refused("mailbox_full", alice.publish_batch, [message(str(i), to="bob") for i in range(3)], atomic=True)
    assert alice.receive("bob", wait_ms=0) == []


# -- A5: commands, and requests


def test_A5_status_messages_come_before_the_result(server, connect):
    asker, worker = connect("asker"), connect("worker")
    worker.consume("worker")
    request = asker.start_request("build", to="worker", mode=AT_LEAST_ONCE, type=TYPES["command"], stream=True)
    task = worker.delivery()
    reply_to = task.fields["reply_to"]
    for step in ("half", "nearly"):
        worker.publish(step, to=reply_to, type=TYPES["status"])
    worker.publish("done", to=reply_to, type=TYPES["response"])
    assert [asker.delivery(request).content for _ in range(3)] == [b"half", b"nearly", b"done"]
    refused("no_such_request", worker.publish, "late", to=reply_to, type=TYPES["response"])


def test_A4_who_holds_a_cancelled_request_is_told(server, connect):
    asker, worker = connect("asker"), connect("worker")
    worker.consume("worker")
    request = asker.start_request("long work", to="worker", mode=AT_LEAST_ONCE)
    task = worker.delivery()
    asker.cancel(request)
    assert worker.withdrawn(timeout=30) == (task.lease, task.fields["id"])


# -- M1: groups; X13: causes and loops; X15: costs


def test_M1_messages_of_a_group_are_held_until_the_one_before_is_settled(server, connect):
    alice, one, two = connect("alice"), connect("one"), connect("two")
    for i in range(2):
        alice.publish(str(i), to="work", group="g")
    (first,) = one.receive("work", max=5)
    assert first.content == b"0" and two.receive("work", max=5) == []
    assert alice.stats()["blocked"] == 1
    one.ack(first.lease)
    (second,) = two.receive("work", wait_ms=20_000)
    assert second.content == b"1"


def test_X13_a_loop_ends_with_a_dead_letter_and_a_bounce(make_server):
    server = make_server("--set", "guard.hops=2")
    client = Client(("127.0.0.1", server.port), agent="ping")
    watcher = Client(("127.0.0.1", server.port), agent="watcher")
    watcher.subscribe("bus.guard")
    last = client.publish("0", to="pong")
    chain = [last.id]
    for _ in range(10):
        (got,) = client.receive("pong", wait_ms=20_000)
        (confirm,) = client.complete(got.lease, [message("on", to="pong")])
        if confirm.outcome == "dead":
            break
        chain.append(confirm.id)
    assert confirm.outcome == "dead" and len(chain) == 3
    event = json.loads(watcher.delivery().content)
    assert event["reason"] == "guard" and event["chain"] == [text_id(id) for id in chain]
    assert client.carry_out("dead.list", reason="guard")["dead"][0]["id"] == text_id(confirm.id)
    assert client.stats()["messages"]["guarded"] == 1
    client.close()
    watcher.close()


def test_X13_who_expects_no_reply_gets_none(server, connect):
    alice, bob = connect("alice"), connect("bob")
    sent = alice.publish("thanks!", to="bob", expects_reply=False)
    (got,) = bob.receive("bob")
    refused("no_reply_wanted", bob.publish, "you are welcome!", to="alice", cause=sent.id)
    refused("no_reply_wanted", bob.complete, got.lease, [message("you are welcome!", to="alice")])
    assert alice.receive("alice", wait_ms=0) == []


def test_X15_costs_are_summed_by_conversation(server, connect):
    alice = connect("alice")
    for tokens in (100, 250):
        alice.publish(to="bob", conversation="c-1", metadata={"cost_tokens": tokens, "cost_money": 0.5})
    assert alice.carry_out("conversation.cost",
                           conversation="c-1") == {"conversation": "c-1", "messages": 2, "tokens": 350, "money": 1}
    refused("not_found", alice.carry_out, "conversation.cost", conversation="c-2")


# -- calls


def test_calls_that_are_none_are_refused(server, connect):
    alice = connect("alice")
    refused("not_found", alice.carry_out, "dead.raise")
    refused("invalid_field", alice.carry_out, "schedule.list", name="x")
    refused("malformed", alice.call, CALL, msgpack.packb({0: "dead.list", 1: "[1]"}))
    refused("malformed", alice.call, CALL, msgpack.packb({0: "dead.list", 1: "{"}))
    refused("malformed", alice.call, CALL, b"\x93\x01\x02\x03")
    assert alice.call(CALL, msgpack.packb({0: "schedule.list"})).body == b'{"schedules":[]}'


# -- settings


def test_A10_settings_give_the_policy_of_mailboxes_without_one(make_server, tmp_path):
    config = tmp_path / "folkmoot.toml"
    config.write_text(
        '[mailbox]\nretry_attempts = 2\nretry_backoff = "fixed"\nretry_initial = "1h"\nretry_multiplier = 1.5\n')
    client = Client(("127.0.0.1", make_server("--config", str(config), "--set", "dead.max=1").port), agent="worker")
    first = client.publish(to="worker")
    (task,) = client.receive("worker")
    client.nack(task.lease, delay_ms=None)
    assert client.receipts(first.id)[0]["state"] == "scheduled"
    for _ in range(2):
        last = client.publish(to="worker")
        for _ in range(2):
            (task,) = client.receive("worker")
            client.nack(task.lease, delay_ms=0)
    assert [d["id"] for d in client.carry_out("dead.list")["dead"]] == [text_id(last.id)]
    client.close()


@pytest.mark.parametrize("setting", [
    "mailbox.retry_backoff=slow", "mailbox.retry_multiplier=0.5", "mailbox.retry_attempts=0", "guard.hops=-1",
    "keys.window=soon", "mailbox.max_deliveries=5"
])
def test_settings_that_are_none_are_refused(server, setting):
    done = server.cli("serve", "--data", str(server.data) + "-x", "--listen", "127.0.0.1:0", "--set", setting)
    assert done.returncode != 0 and setting.split("=")[0] in done.stderr
