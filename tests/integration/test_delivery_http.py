"""Every promise about delivery at the HTTP door (docs/protocol.md, sections 13 and 14)."""

import http.client
import json
import time

import pytest

from program import MOMENT_MS, SHARDED
from test_http import Http

FIXED_HOUR = {"attempts": 5, "backoff": "fixed", "initial": "1h"}


@pytest.fixture
def ask(server):
    return Http(server, **{"X-Agent": "alice"})


def publish(ask, **message):
    status, sent = ask("POST", "/api/messages", message)
    assert status == 201, sent
    return sent["id"]


def take(ask, agent, wait=f"{MOMENT_MS}ms"):
    return ask("GET", f"/api/messages?agent={agent}&limit=100&wait={wait}")[1]["messages"]


def make_dead(ask, mailbox, count=1, **fields):
    ids = [publish(ask, to=mailbox, content=f"m{i}", **fields) for i in range(count)]
    for message in take(ask, mailbox):
        body = {"status": "rejected", "lease": message["lease"], "reason": "not mine"}
        assert ask("PUT", f"/api/messages/{message['id']}/status", body)[0] == 200
    return ids


def test_A9_a_duplicate_is_told_the_first_id_and_where_it_is(ask):
    first = publish(ask, to="bob", key="k", content="x")
    status, again = ask("POST", "/api/messages", {"to": "bob", "key": "k", "content": "x"})
    assert (status, again["id"], again["outcome"], again["state"], again["status"]) == (201, first, "duplicate",
                                                                                        "queued", "pending")


def test_X5_a_completion_settles_and_publishes(ask):
    id = publish(ask, to="worker", content="2")
    (task,) = take(ask, "worker")
    outputs = [{"to": "next", "content": "4"}, {"to": "last", "content": "16"}]
    status, done = ask("POST", f"/api/messages/{id}/complete", {"lease": task["lease"], "outputs": outputs})
    assert (status, done["status"], [r["outcome"] for r in done["results"]]) == (200, "processed", ["queued", "queued"])
    (output,) = take(ask, "next")
    assert (output["content"], output["from"], output["cause"]) == ("4", "alice", id)
    assert ask("GET", f"/api/messages/{id}")[1]["status"] == "processed"
    status, refused = ask("POST", f"/api/messages/{id}/complete", {"lease": task["lease"], "outputs": outputs})
    assert (status, refused["code"]) == (409, "lease_lost")
    assert take(ask, "next") == []


def test_X5_a_lease_settles_its_own_message_alone(ask):
    first, second = publish(ask, to="a", content="1"), publish(ask, to="b", content="2")
    (one,), (other,) = take(ask, "a"), take(ask, "b")
    for body in [{"status": "processed"}, {"status": "failed"}, {"status": "rejected"}, {"status": "delivered"}]:
        status, refused = ask("PUT", f"/api/messages/{first}/status", body | {"lease": other["lease"]})
        assert (status, refused["code"]) == (409, "lease_lost") and first in refused["error"]
    status, refused = ask("POST", f"/api/messages/{first}/complete",
                          {"lease": other["lease"], "outputs": [{"to": "next"}]})
    assert (status, refused["code"]) == (409, "lease_lost")
    assert take(ask, "next") == []
    for id, message in (first, one), (second, other):
        assert ask("GET", f"/api/messages/{id}")[1]["status"] == "delivered"
        assert ask("PUT", f"/api/messages/{id}/status", {"status": "processed", "lease": message["lease"]})[0] == 200


def test_A10_a_failed_message_waits_as_its_policy_says_and_tells_its_attempts(ask):
    id = publish(ask, to="worker", content="x", retry=FIXED_HOUR)
    (task,) = take(ask, "worker")
    assert task["retry"]["attempts"] == 5
    body = {"status": "failed", "lease": task["lease"], "reason": "no disk"}
    assert ask("PUT", f"/api/messages/{id}/status", body)[0] == 200
    receipt = ask("GET", f"/api/messages/{id}")[1]
    assert receipt["state"] == "scheduled"
    assert [(a["end"], a["reason"]) for a in receipt["attempts"]] == [("nacked", "no disk")]


def test_A11_dead_letters_are_listed_shown_and_purged(ask):
    ids = make_dead(ask, "bob", 3, priority=3)
    status, page = ask("GET", "/api/dead?mailbox=bob&limit=2")
    assert status == 200 and [d["id"] for d in page["dead"]] == ids[:2] and page["next"] == ids[1]
    rest = ask("GET", f"/api/dead?mailbox=bob&after={page['next']}&content=true")[1]
    assert [d["message"]["content"] for d in rest["dead"]] == ["m2"] and rest["next"] is None
    assert len(ask("GET", "/api/dead?filter=priority%20%3D%203&reason=rejected")[1]["dead"]) == 3
    shown = ask("GET", f"/api/dead/{ids[0]}")[1]
    assert (shown["text"], shown["message"]["content"], [a["end"] for a in shown["attempts"]]) == ("not mine", "m0",
                                                                                                   ["rejected"])
    assert ask("GET", "/api/dead/0193f2c4-a1b2-7def-8123-456789abcdef")[0] == 404
    assert ask("GET", "/api/dead?mailbx=bob")[0] == 400
    assert ask("DELETE", "/api/dead")[0] == 400
    assert ask("DELETE", f"/api/dead?id={ids[0]}")[1] == {"purged": 1}
    assert ask("DELETE", "/api/dead?all=true")[1] == {"purged": 2}


def test_X18_dead_letters_are_sent_again(ask):
    (first, *_) = make_dead(ask, "bob", 3)
    for path, body in ((f"{first}/resubmit", {}), ("redrive", {"mailbox": "bob"})):
        for unheard in ("prio", "from", "message_id", "topic"):
            status, refused = ask("POST", f"/api/dead/{path}", {**body, "changes": {unheard: "x", "to": "carol"}})
            assert (status, refused["code"]) == (422, "invalid_field") and f"`{unheard}`" in refused["error"], refused
    status, sent = ask("POST", f"/api/dead/{first}/resubmit", {"changes": {"to": "carol", "content": {"fixed": True}}})
    assert status == 201
    (message,) = take(ask, "carol", wait="5s")
    assert message["key" if SHARDED and "key" in message else "id"] == sent["id"] and message["content"] == {
        "fixed": True
    }
    assert ask("POST", "/api/dead/redrive", {"mailbox": "bob", "dry_run": True})[1]["count"] == 2
    assert ask("POST", "/api/dead/redrive", {"mailbox": "bob", "rate": 1000})[1] == {"sent": 2, "refused": 0}
    assert len(take(ask, "bob")) == 2
    assert ask("POST", f"/api/dead/{first}/resubmit")[0] == 404


def test_X5_a_message_is_taken_back(ask):
    id = publish(ask, to="bob", content="x", delay="1h")
    assert ask("DELETE", f"/api/messages/{id}") == (200, {})
    assert ask("GET", f"/api/messages/{id}")[1]["status"] == "cancelled"
    assert ask("DELETE", f"/api/messages/{id}")[0] == 404
    id = publish(ask, to="bob", content="x")
    assert len(take(ask, "bob")) == 1
    status, refused = ask("DELETE", f"/api/messages/{id}")
    assert (status, refused["code"]) == (409, "lease_lost")


def test_X5_schedules(ask):
    nightly = {"name": "nightly report", "cron": "0 3 * * *", "message": {"to": "bob", "content": "report"}}
    assert ask("POST", "/api/schedules", nightly) == (200, {})
    soon = {
        "name": "soon", "every": "1h", "first_at": int(time.time() * 1000) + 200,
        "message": {"to": "bob", "content": "now"}
    }
    assert ask("POST", "/api/schedules", soon)[0] == 200
    (message,) = take(ask, "bob", wait="30s")
    assert (message["content"], message["from"]) == ("now", "alice")
    assert {s["name"] for s in ask("GET", "/api/schedules")[1]["schedules"]} == {"nightly report", "soon"}
    assert ask("DELETE", "/api/schedules/nightly%20report") == (200, {})
    assert ask("DELETE", "/api/schedules/nightly%20report")[0] == 404
    status, refused = ask("POST", "/api/schedules", {"name": "x", "cron": "never", "message": {"to": "bob"}})
    assert (status, refused["pointer"]) == (422, "/cron") and refused["error"]


def test_A13_an_atomic_batch_is_published_whole_or_not_at_all(ask):
    good = [{"to": "bob", "content": str(i)} for i in range(2)]
    ask("POST", "/api/call/mailbox.configure", {"name": "small", "max_messages": 1})
    too_many = {"atomic": True, "messages": [*good, {"to": "small"}, {"to": "small"}]}
    status, refused = ask("POST", "/api/messages/batch", too_many)
    assert (status, refused["code"]) == (429, "mailbox_full")
    assert take(ask, "bob") == []
    status, answer = ask("POST", "/api/messages/batch", {"atomic": True, "messages": good})
    assert status == 200 and [r["status"] for r in answer["results"]] == ["pending", "pending"]
    assert [m["content"] for m in take(ask, "bob")] == ["0", "1"]
    assert len(ask("POST", "/api/messages/batch", good)[1]["results"]) == 2
    assert ask("POST", "/api/messages/batch", {"atomic": True})[0] == 422


def test_X15_costs_are_summed_by_conversation(ask):
    publish(ask, to="bob", conversation="c/1", metadata={"cost_tokens": 100, "cost_money": 0.25})
    assert ask("GET", "/api/conversations/c%2F1/cost") == (200, {
        "conversation": "c/1", "messages": 1, "tokens": 100, "money": 0.25
    })
    assert ask("GET", "/api/conversations/c-2/cost")[0] == 404


def test_every_call_has_an_address(ask):
    assert ask("POST", "/api/call/schedule.list") == (200, {"schedules": []})
    assert ask("POST", "/api/call/dead.list", {"limit": 5}) == (200, {"dead": [], "next": None})
    assert ask("POST", "/api/call/dead.purge", {"all": True}) == (200, {"purged": 0})
    assert ask("POST", "/api/call/no.such")[0] == 404
    assert ask("POST", "/api/call/dead.list", "[]")[0] == 422


def test_U12_A19_the_metrics_count_what_became_of_messages(ask):
    make_dead(ask, "bob")
    publish(ask, to="bob", key="k")
    ask("POST", "/api/messages", {"to": "bob", "key": "k"})
    text = ask("GET", "/metrics")[1]
    for line in [
            'folkmoot_messages_dead_by_reason_total{reason="rejected"} 1', "folkmoot_messages_duplicate_total 1",
            "folkmoot_messages_completed_total 0", "folkmoot_messages_blocked 0", "folkmoot_schedules_fired_total 0"
    ]:
        assert line + "\n" in text, line


@pytest.mark.parametrize("headers, holder", [({"X-Agent": "worker"}, "worker"), ({}, "bob")])
def test_A7_who_takes_a_message_over_http_is_its_holder(server, ask, headers, holder):
    """In the name of X-Agent, or else of the agent whose mailbox it is: one connection may speak for several."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)

    def asked(method, path, body=None, **more):
        connection.request(method, path, body and json.dumps(body), more)
        return json.loads(connection.getresponse().read())

    sent = asked("POST", "/api/messages", {"to": "bob", "content": "x"}, **{"X-Agent": "carol"})
    got = asked("GET", "/api/messages?agent=bob&wait=2s", **headers)["messages"][0]
    assert (got["id"], got["from"]) == (sent["id"], "carol")
    asked("PUT", f"/api/messages/{sent['id']}/status", {"status": "failed", "lease": got["lease"], "reason": "tired"},
          **headers)
    (attempt,) = asked("GET", f"/api/messages/{sent['id']}")["attempts"]
    assert (attempt["holder"], attempt["end"], attempt["reason"]) == (holder, "nacked", "tired")
