"""Promises of docs/delivery.md at the doors that speak JSON and on the command line, as far as what is behind those
doors could get them wrong: policies, dead letters, the server's own events, time, schedules, batches.
"""

import http.client
import json
import time
from datetime import datetime, timezone

import pytest

from native import Client
from program import MOMENT_MS
from test_asking import server_sent, subscribed
from test_cli import ok, subscriptions, wait_for
from test_delivery_http import make_dead, publish, take
from test_delivery_native import eventually
from test_http import Http
from test_promises import is_early
from test_websocket import run

UNKNOWN = "0193f2c4-a1b2-7def-8123-456789abcdef"
# Its sender says that 64 causes stand before its own: one more than may.
LOOPED = {"to": "loop", "content": "again", "cause": UNKNOWN, "hops": 64}
BAD_BATCH = [{"to": "box", "content": "a"}, {"content": "for whom?"}, {"to": "small"}, {"to": "small"},
             {"to": "box", "topic": "a.b"}, {"topic": "a.b", "content": "event"}, {"to": "box", "content": "b"}]
BAD_BATCH_CODES = [None, "no_recipient", None, "mailbox_full", "no_recipient", None, None]


@pytest.fixture
def ask(server):
    return Http(server, **{"X-Agent": "alice"})


def text_time(seconds_from_now):
    at = datetime.fromtimestamp(time.time() + seconds_from_now, timezone.utc)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def receipt(ask, id):
    return ask("GET", f"/api/messages/{id}")[1]


async def received(me, mailbox, count, wait_ms=10_000):
    """So many messages of a mailbox over a WebSocket, with their leases."""
    got = []
    while len(got) < count:
        said = await me.ask("receive", request=99, mailbox=mailbox, max=count - len(got), wait_ms=wait_ms)
        while said["op"] == "deliver":
            got.append(said)
            said = await me.read()
        assert said["op"] == "ok" and said["count"] > 0, said
    return got


async def called(me, name, /, **arguments):
    said = await me.ask("call", request=98, name=name, arguments=arguments)
    return said.get("result", said)


# -- retries


def test_A10_a_mailbox_gets_its_policy_over_http(ask):
    policy = {"attempts": 3, "backoff": "linear", "initial": "200ms"}
    assert ask("POST", "/api/call/mailbox.configure", {"name": "worker", "retry": policy}) == (200, {})
    id = publish(ask, to="worker", content="x")
    for attempt, least in ((1, 0), (2, 0.2), (3, 0.4)):
        (task,) = take(ask, "worker", wait="10s")
        assert (task["id"], task["delivery"]) == (id, attempt)
        if attempt > 1:
            assert not is_early(time.monotonic() - failed_at, least)
        failed_at = time.monotonic()
        body = {"status": "failed", "lease": task["lease"], "reason": f"attempt {attempt}"}
        assert ask("PUT", f"/api/messages/{id}/status", body)[0] == 200
    got = receipt(ask, id)
    assert (got["state"], got["status"], got["reason"], got["deliveries"]) == ("dead", "failed", "max_deliveries", 3)
    assert [attempt["reason"] for attempt in got["attempts"]] == ["attempt 1", "attempt 2", "attempt 3"]
    # A message's own goes before it, and a number of deliveries before the attempts of the policy.
    ask("POST", "/api/call/mailbox.configure", {"name": "worker", "retry": policy, "max_deliveries": 1})
    own = publish(ask, to="worker", content="own", retry={"attempts": 2, "initial": "1h"})
    without = publish(ask, to="worker", content="without")
    for task in take(ask, "worker"):
        ask("PUT", f"/api/messages/{task['id']}/status", {"status": "failed", "lease": task["lease"]})
    assert [receipt(ask, id)["state"] for id in (own, without)] == ["scheduled", "dead"]


@pytest.mark.parametrize("wrong",
                         [{"retry": {"backoff": "slowly"}}, {"retry": {"attempts": -1}}, {"retry": {"initial": "soon"}},
                          {"retry": {"multiplier": 0.5}}, {"retry": 5}, {"overflow": "drop"}, {"max_messages": "many"}])
def test_A10_a_wrong_policy_is_refused_over_http_by_its_field(ask, wrong):
    status, refused = ask("POST", "/api/call/mailbox.configure", {"name": "worker", **wrong})
    field, value = next(iter(wrong.items()))
    assert status == 422 and (next(iter(value)) if isinstance(value, dict) else field) in refused["error"], refused
    inner = f"/{next(iter(value))}" if isinstance(value, dict) else ""
    assert refused["pointer"] == f"/{field}{inner}"


# -- dead letters


def test_A11_dead_letters_over_a_websocket(server, ask):
    ids = make_dead(ask, "bob", 3) + make_dead(ask, "carol", 1, priority="high")

    async def steps(me, other):
        shown = await called(me, "dead.show", id=ids[0])
        assert (shown["mailbox"], shown["reason"], shown["text"]) == ("bob", "rejected", "not mine")
        assert [a["end"] for a in shown["attempts"]] == ["rejected"]
        assert (shown["message"]["content"], shown["message"]["from"]) == ("m0", "alice")
        assert (await called(me, "dead.show", id=UNKNOWN))["code"] == "not_found"

        assert await called(me, "dead.redrive", mailbox="bob",
                            dry_run=True) == {"sent": 0, "refused": 0, "count": 3, "ids": ids[:3]}
        assert len((await called(me, "dead.list"))["dead"]) == 4  # it was dry
        assert await called(me, "dead.purge", id=ids[0]) == {"purged": 1}
        assert (await called(me, "dead.show", id=ids[0]))["code"] == "not_found"
        assert await called(me, "dead.purge", filter="priority = 'high'") == {"purged": 1}

        began = time.monotonic()
        changes = {"to": "other", "priority": "low"}
        assert await called(me, "dead.redrive", reason="rejected", rate=4, changes=changes) == {"sent": 2, "refused": 0}
        assert not is_early(time.monotonic() - began, 1 / 4)
        got = [one["message"] for one in await received(other, "other", 2)]
        assert [(one["content"], one["priority"], one["from"]) for one in got] == [("m1", 7, "alice"),
                                                                                   ("m2", 7, "alice")]
        assert not {one["id"] for one in got} & set(ids)
        assert await called(me, "dead.list") == {"dead": [], "next": None}

    run(server, steps)


def test_X18_a_redrive_ends_with_its_client_over_http(server, ask):
    def left():
        return len(ask("GET", "/api/dead?mailbox=bob")[1]["dead"])

    make_dead(ask, "bob", 20)
    redriving = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    redriving.request("POST", "/api/dead/redrive", json.dumps({"mailbox": "bob", "rate": 4}))
    assert [message["content"] for message in take(ask, "bob", wait="10s")][:1] == ["m0"]
    redriving.close()
    closed, when_closed = time.monotonic(), left()
    eventually(time.monotonic, lambda now: now > closed + 1)  # four more would have gone
    assert left() >= when_closed - 2 > 0


# -- the server's own events


def trouble(ask):
    """Ids of a message that was refused and of one that a guard stopped."""
    (rejected,) = make_dead(ask, "bob")
    status, sent = ask("POST", "/api/messages", LOOPED)
    assert (status, sent["outcome"], sent["status"]) == (201, "dead", "failed")
    return rejected, sent["id"]


def must_be_told(events, rejected, guarded):
    """The same of those two at every door."""
    told = [(event["topic"], *(event["content"][field] for field in ("id", "mailbox", "reason"))) for event in events]
    assert told == [("bus.dead", rejected, "bob", "rejected"), ("bus.dead", guarded, "loop", "guard"),
                    ("bus.guard", guarded, "loop", "guard")]
    assert all(event["content"]["from"] == "alice" and event["type"] == "event" for event in events)
    assert events[0]["content"]["text"] == "not mine" and events[0]["content"]["deliveries"] == 1
    assert "65 hops" in events[2]["content"]["text"] and events[2]["content"]["chain"] == [UNKNOWN]


def test_A11_X13_deaths_and_tripped_guards_are_events_over_http(server, ask):
    with subscribed(server, "pattern=bus.*&count=3") as everything, subscribed(server,
                                                                               "pattern=bus.guard&count=1") as guard:
        ids = trouble(ask)
        events = server_sent(everything, 3)
        assert {kind for kind, _ in events} == {"event"}
        must_be_told([data["message"] for _, data in events], *ids)
        ((_, only),) = server_sent(guard, 1)
        assert (only["message"]["topic"], only["message"]["content"]["id"]) == ("bus.guard", ids[1])


def test_A11_X13_deaths_and_tripped_guards_are_events_over_a_websocket(server, ask):
    async def steps(me, other):
        assert (await me.ask("subscribe", request=1, pattern="bus.*"))["op"] == "ok"
        assert (await other.ask("subscribe", request=1, pattern="bus.dead",
                                filter="content.reason = 'guard'"))["op"] == "ok"
        ids = trouble(ask)
        must_be_told([(await me.read())["message"] for _ in range(3)], *ids)
        assert (await other.read())["message"]["content"]["id"] == ids[1]

    run(server, steps)


def test_A11_X13_deaths_and_tripped_guards_are_events_on_the_command_line(server, ask):
    everything = server.cli_start("subscribe", "bus.*", "--count", "3", "--json")
    guard = server.cli_start("subscribe", "bus.guard", "--count", "1")
    wait_for(lambda: subscriptions(server) == 2)
    ids = trouble(ask)
    out, _ = everything.communicate(timeout=20)
    assert everything.returncode == 0
    must_be_told([json.loads(line) for line in out.splitlines()], *ids)
    out, _ = guard.communicate(timeout=20)
    assert guard.returncode == 0 and out.startswith("bus.guard\n") and ids[1] in out


# -- overflow


def test_A3_a_full_mailbox_drops_its_oldest_or_refuses_over_http(ask):
    ask("POST", "/api/call/mailbox.configure", {"name": "bob", "max_messages": 2, "overflow": "drop_oldest"})
    ids = [publish(ask, to="bob", content=str(number)) for number in range(3)]
    dropped = receipt(ask, ids[0])
    assert (dropped["state"], dropped["status"], dropped["reason"]) == ("dead", "failed", "overflow")
    assert [letter["id"] for letter in ask("GET", "/api/dead?reason=overflow")[1]["dead"]] == ids[:1]
    ask("POST", "/api/call/mailbox.configure", {"name": "bob", "max_messages": 2, "overflow": "reject"})
    status, refused = ask("POST", "/api/messages", {"to": "bob", "content": "3"})
    assert (status, refused["code"]) == (429, "mailbox_full") and "2 of 2" in refused["error"]
    assert [message["content"] for message in take(ask, "bob")] == ["1", "2"]


def test_A3_a_full_mailbox_drops_its_oldest_or_refuses_over_a_websocket(server):
    async def steps(me, other):
        await other.ask("subscribe", request=1, pattern="bus.dead")
        assert (await me.ask("mailbox", request=1, name="bob", max_messages=1, overflow="drop_oldest"))["op"] == "ok"
        ids = [(await me.ask("publish", message={"to": "bob", "content": str(number)}))["id"] for number in range(2)]
        assert [one["state"] for one in (await me.ask("receipt", ids=ids))["receipts"]] == ["dead", "queued"]
        event = (await other.read())["message"]["content"]
        assert (event["id"], event["reason"], event["mailbox"]) == (ids[0], "overflow", "bob")
        assert (await me.ask("mailbox", request=2, name="bob", max_messages=1, overflow="reject"))["op"] == "ok"
        assert (await me.ask("publish", request=3, message={"to": "bob", "content": "2"}))["code"] == "mailbox_full"
        assert [one["message"]["content"] for one in await received(me, "bob", 1)] == ["1"]

    run(server, steps)


# -- time


def must_expire(ask, id, began, after):
    got = eventually(lambda: receipt(ask, id), lambda got: got["state"] != "queued", within=15)
    assert (got["state"], got["status"], got["reason"]) == ("dead", "expired", "expired")
    assert not is_early(time.monotonic() - began, after)


@pytest.mark.parametrize("written", ["milliseconds", "text"])
def test_A1_a_message_expires_at_its_time_over_http(ask, written):
    began = time.monotonic()
    at = int(time.time() * 1000) + 700 if written == "milliseconds" else text_time(0.7)
    id = publish(ask, to="bob", content="x", expires_at=at)
    must_expire(ask, id, began, 0.69)
    assert take(ask, "bob") == []
    status, refused = ask("POST", "/api/messages", {"to": "bob", "expires_at": "2020-01-01T00:00:00Z"})
    assert (status, refused["pointer"]) == (422, "/expires_at") and "expires_at" in refused["error"]


def test_A1_a_message_expires_at_its_time_over_a_websocket(server, ask):
    async def steps(me, other):
        began = time.monotonic()
        sent = await me.ask("publish", message={"to": "other", "content": "x", "expires_at": text_time(0.7)})
        must_expire(ask, sent["id"], began, 0.69)
        assert await other.ask("receive", request=2, mailbox="other",
                               wait_ms=MOMENT_MS) == {"op": "ok", "request": 2, "count": 0}

    run(server, steps)


def test_A1_a_message_expires_at_its_time_on_the_command_line(server, ask):
    began = time.monotonic()
    id = ok(server.cli("send", "bob", "x", "--expires-at", text_time(1))).split()[0]
    must_expire(ask, id, began, 0.99)
    assert server.cli("recv", "bob").returncode == 3


@pytest.mark.parametrize("later", [{"delay": "600ms"}, {"delay": 600}, {"deliver_at": "text"}],
                         ids=["text", "number", "deliver_at"])
def test_X5_a_delayed_message_comes_when_it_is_due_over_http(ask, later):
    began = time.monotonic()
    if "deliver_at" in later:
        later = {"deliver_at": text_time(0.6)}
    status, sent = ask("POST", "/api/messages", {"to": "bob", "content": "later", **later})
    assert (status, sent["outcome"], receipt(ask, sent["id"])["state"]) == (201, "scheduled", "scheduled")
    publish(ask, to="bob", content="now")
    assert [message["content"] for message in take(ask, "bob", wait="10s")] == ["now"]
    assert [message["content"] for message in take(ask, "bob", wait="10s")] == ["later"]
    assert not is_early(time.monotonic() - began, 0.599)


def test_X5_a_delayed_message_comes_when_it_is_due_over_a_websocket(server):
    async def steps(me, other):
        await other.ask("consume", request=1, mailbox="other", credit=5)
        began = time.monotonic()
        for name, delay in (("b", "600ms"), ("a", "300ms")):
            assert (await me.ask("publish", message={"to": "other", "content": name,
                                                     "delay": delay}))["outcome"] == "scheduled"
        for name, least in (("a", 0.3), ("b", 0.6)):
            got = await other.read()
            assert (got["op"], got["message"]["content"], got["delivery"]) == ("deliver", name, 1)
            assert not is_early(time.monotonic() - began, least)

    run(server, steps)


def test_X5_a_delayed_message_comes_when_it_is_due_unless_it_is_cancelled_on_the_command_line(server):
    began = time.monotonic()
    never, later = (ok(server.cli("send", "bob", text, "--delay", "1s")).split()[0] for text in ("never", "later"))
    assert "scheduled" in ok(server.cli("receipts", never))
    assert "cancelled" in ok(server.cli("cancel", never))
    assert "cancelled" in ok(server.cli("receipts", never))
    again = server.cli("cancel", never)
    assert again.returncode == 1 and never in again.stderr
    assert ok(server.cli("recv", "bob", "--wait", "10s", "--raw")) == "later"
    assert not is_early(time.monotonic() - began, 1)
    assert server.cli("recv", "bob").returncode == 3
    over = server.cli("cancel", later)
    assert over.returncode == 1 and not over.stdout


# -- schedules


def test_X5_schedules_are_listed_replaced_and_removed_over_a_websocket(server):
    async def steps(me, other):
        nightly = {"name": "nightly", "cron": "0 3 * * *", "message": {"to": "other", "content": "sweep"}}
        tick = {"name": "tick", "every": "100ms", "message": {"to": "other", "content": "tick"}}
        for schedule in (nightly, tick):
            assert await called(me, "schedule.set", **schedule) == {}
        ticks = await received(other, "other", 2)
        assert [one["message"]["content"] for one in ticks] == ["tick", "tick"]
        listed = {one["name"]: one for one in (await called(other, "schedule.list"))["schedules"]}
        assert set(listed) == {"nightly", "tick"}
        assert (listed["nightly"]["cron"], listed["nightly"]["fired"], listed["nightly"]["from"]) == ("0 3 * * *", 0,
                                                                                                      "me")
        assert listed["nightly"]["next"] % 86_400_000 == 3 * 3_600_000  # in UTC
        assert listed["tick"]["every_ms"] == 100 and listed["tick"]["fired"] >= 2

        assert await called(me, "schedule.set", **{**tick, "every": "1h"}) == {}
        assert [one["every_ms"] for one in (await called(me, "schedule.list"))["schedules"] if one["name"] == "tick"
               ] == [3_600_000]
        assert await called(me, "schedule.remove", name="tick") == {}
        assert (await called(me, "schedule.remove", name="tick"))["code"] == "not_found"
        assert [one["name"] for one in (await called(me, "schedule.list"))["schedules"]] == ["nightly"]
        assert (await called(me, "schedule.set", **{**nightly, "cron": "0 25 * * *"}))["code"] == "invalid_field"

    run(server, steps)


def test_X5_a_removed_schedule_sends_nothing_more(server):
    client = Client(("127.0.0.1", server.port), agent="bob")

    async def steps(me, other):
        assert await called(me, "schedule.set", name="tick", every="100ms", message={"to": "bob",
                                                                                     "content": "tick"}) == {}
        await received(me, "bob", 1)
        assert await called(me, "schedule.remove", name="tick") == {}
        fired = client.stats()["messages"]["schedules_fired"]
        # One that would have fired thrice meanwhile, if it had been there.
        assert await called(me, "schedule.set", name="other", every="300ms", times=1,
                            message={"to": "me", "content": "later"}) == {}
        assert [one["message"]["content"] for one in await received(me, "me", 1)] == ["later"]
        assert client.stats()["messages"]["schedules_fired"] == fired + 1

    run(server, steps)
    client.close()


# -- batches


def must_be_answered_one_by_one(results):
    assert [one.get("code") for one in results] == BAD_BATCH_CODES
    assert all("id" not in one and one["error"] and one["advice"] for one in results if "code" in one)
    assert [one["outcome"] for one in results if "code" not in one] == ["queued", "queued", "sent", "queued"]


@pytest.mark.parametrize("path", ["/api/messages/batch", "/api/messages"])
def test_A13_a_bad_message_of_a_batch_leaves_the_others_alone_over_http(ask, path):
    ask("POST", "/api/call/mailbox.configure", {"name": "small", "max_messages": 1})
    status, answer = ask("POST", path, BAD_BATCH)
    assert status == 200
    must_be_answered_one_by_one(answer if path == "/api/messages" else answer["results"])
    assert [message["content"] for message in take(ask, "box")] == ["a", "b"]
    assert len(take(ask, "small")) == 1


def test_A13_a_bad_message_of_a_batch_leaves_the_others_alone_over_a_websocket(server):
    async def steps(me, other):
        await me.ask("mailbox", request=1, name="small", max_messages=1)
        await other.ask("subscribe", request=1, pattern="a.*")
        done = await me.ask("publish_batch", request=2, messages=BAD_BATCH)
        assert (done["op"], done["request"]) == ("ok", 2)
        must_be_answered_one_by_one(done["results"])
        assert (await other.read())["message"]["content"] == "event"
        assert [one["message"]["content"] for one in await received(me, "box", 2)] == ["a", "b"]
        # Quiet: of what went well nothing is said.
        await me.send("publish_batch", request=3, quiet=True, messages=[{"to": "box", "content": "c"}])
        assert [one["message"]["content"] for one in await received(me, "box", 1)] == ["c"]

    run(server, steps)
