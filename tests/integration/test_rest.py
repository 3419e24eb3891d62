"""B2, B4, B5: clients of the older REST interface go on unchanged (docs/rest.md)."""

import asyncio
import json
import subprocess
import sys
import threading
import time
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from program import MOMENT_MS, PROGRAM
from store_client import CLIENTS
from test_accounts import Guarded
from test_http import Http

UNKNOWN = "0193f2c4-0000-7000-8000-000000000000"

KEPT = ("--set", "history.store=sqlite")
FIELDS = {"id", "status", "from_agent_id", "to_agent_id", "message_type", "priority", "content", "retry_count",
          "created_at"}  # fmt: skip


@pytest.fixture
def ask(server):
    return Http(server)


@pytest.fixture
def kept(make_server):
    return make_server(*KEPT)


def waiting(ask, agent, status="pending", **more):
    query = "".join(f"&{name}={value}" for name, value in more.items())
    code, found = ask("GET", f"/api/messages?to_agent_id={agent}&status={status}{query}")
    assert code == 200, found
    assert isinstance(found, list)
    return found


def shown(ask, message_id, wanted, seconds=15):
    """What GET tells of a message, once that is so: the history follows a moment later."""
    end = time.monotonic() + seconds
    while True:
        code, message = ask("GET", f"/api/messages/{message_id}")
        if code == 200 and wanted(message):
            return message
        assert time.monotonic() < end, (code, message)
        time.sleep(0.05)


def pause():
    time.sleep(MOMENT_MS / 1000)


# -- the client, as it is


@pytest.fixture(params=CLIENTS, ids=lambda each: each.__name__)
def client(request):
    return lambda server, agent, key="key": request.param(agent, f"http://127.0.0.1:{server.port}", key)


def test_B5_the_client_sends_receives_and_is_answered(kept, client):
    async def talk():
        async with client(kept, "discord_bot_001") as bot, client(kept, "claude_agent_001") as claude:
            content = {"task_type": "analyze_user_request", "user_message": "why?", "context": {"platform": "discord"}}
            asked = await bot.send_message("claude_agent_001", "task", content, 3, timedelta(minutes=5))
            for _ in range(2):  # looking takes nothing
                (got,) = await claude.get_messages()
                assert got["id"] == asked and got["content"] == content and got["message_type"] == "task"
                assert (got["priority"], got["status"], got["to_agent_id"]) == (3, "pending", "claude_agent_001")
            expires = datetime.fromisoformat(got["expires_at"].rstrip("Z"))
            assert timedelta(minutes=4) < expires - datetime.utcnow() <= timedelta(minutes=5)
            answered = await claude.send_message("discord_bot_001", "response", {"answer": 42, "task_id": asked})
            assert await claude.mark_processed(asked, {"status": "completed"})
            assert await claude.get_messages() == []
            (answer,) = await bot.get_messages()
            assert answer["id"] == answered and answer["content"] == {"answer": 42, "task_id": asked}
            assert answer["priority"] == 5 and "expires_at" not in answer
            assert await bot.mark_processed(answered)
            assert not await bot.mark_processed(answered)  # only once
            return asked

    asked = asyncio.run(talk())
    ask = Http(kept)
    told = shown(ask, asked, lambda message: "result" in message)
    assert told["status"] == "processed" and told["result"] == {"status": "completed"}
    (past,) = waiting(ask, "claude_agent_001", "processed")
    assert past["id"] == asked and past["content"]["user_message"] == "why?"


def test_B5_the_client_waits_for_an_answer_by_polling(server, client):
    """As its users' `wait_for_response` does: two loops that know each other by names alone."""

    async def answer_tasks(count):
        async with client(server, "scraper_bikes") as scraper:
            while count:
                for message in await scraper.get_messages():
                    await scraper.send_message(
                        message["content"]["from"],
                        "scraping_results",
                        {"results": [message["content"]["n"] ** 2], "task_id": message["id"]},
                    )
                    assert await scraper.mark_processed(message["id"], {"status": "completed"})
                    count -= 1
                await asyncio.sleep(0.01)

    async def ask_tasks():
        async with client(server, "bot") as bot:
            sent = {await bot.send_message("scraper_bikes", "task", {"n": n, "from": "bot"}): n for n in range(20)}
            while sent:
                for message in await bot.get_messages():
                    n = sent.pop(message["content"]["task_id"])
                    assert message["content"]["results"] == [n * n]
                    assert await bot.mark_processed(message["id"])
                await asyncio.sleep(0.01)
            assert await bot.get_messages() == []

    async def both():
        await asyncio.wait_for(asyncio.gather(answer_tasks(20), ask_tasks()), 60)

    asyncio.run(both())


def test_B5_the_client_with_a_key_of_its_own_is_who_the_key_is_for(make_server, client):
    server = make_server()
    guarded = Guarded(server)
    keys = {}
    for name in ("discord_bot_001", "claude_agent_001"):
        keys[name] = json.loads(guarded.cli("account", "add", name, "--json").stdout)["key"]

    async def talk():
        async with client(server, "discord_bot_001", keys["discord_bot_001"]) as bot, \
                client(server, "claude_agent_001", keys["claude_agent_001"]) as claude, \
                client(server, "claude_agent_001", keys["discord_bot_001"]) as spy:  # fmt: skip
            asked = await bot.send_message("claude_agent_001", "task", {"n": 1})
            (got,) = await claude.get_messages()
            assert got["from_agent_id"] == "discord_bot_001"
            assert (await spy.get_messages())["code"] == "not_permitted"
            assert not await bot.mark_processed(asked, {"done": False})
            assert await claude.mark_processed(asked, {"done": True})
            assert await claude.get_messages() == []

    asyncio.run(talk())


# -- what a mailbox shows


def test_B4_each_status_lists_the_messages_that_stand_so(kept):
    ask = Http(kept, **{"X-Agent": "bot"})
    ids = {}
    for status in ("pending", "delivered", "processed", "failed", "expired"):
        message = {"to_agent_id": "claude", "message_type": "task", "content": {"is": status}, "conversation_id": "c1"}
        if status == "expired":
            message["expires_at"] = (datetime.utcnow() + timedelta(seconds=0.3)).isoformat()
        ids[status] = ask("POST", "/api/messages", {**message, "priority": 1 if status == "delivered" else 5})[1]["id"]
    (taken,) = ask("GET", "/api/messages?agent=claude&limit=1")[1]["messages"]
    assert taken["id"] == ids["delivered"]
    assert ask("PUT", f"/api/messages/{ids['processed']}/status", {"status": "processed", "result": [1, "two"]}) == (
        200, {"id": ids["processed"], "status": "processed", "result_kept": True})  # fmt: skip
    assert ask("PUT", f"/api/messages/{ids['failed']}/status", {"status": "failed", "reason": "no such page"})[0] == 200
    shown(ask, ids["expired"], lambda message: message["status"] == "expired")
    shown(ask, ids["processed"], lambda message: message.get("result") == [1, "two"])
    for status, message_id in ids.items():
        (found,) = waiting(ask, "claude", status)
        assert FIELDS <= set(found), found
        assert (found["id"], found["status"]) == (message_id, status)
        assert (found["from_agent_id"], found["to_agent_id"]) == ("bot", "claude")
        assert (found["content"], found["conversation_id"]) == ({"is": status}, "c1")
        assert datetime.fromisoformat(found["created_at"].rstrip("Z")).year >= 2020
        told = ask("GET", f"/api/messages/{message_id}")[1]
        assert told["status"] == status and told["content"] == {"is": status} and told["priority"] == found["priority"]
    assert waiting(ask, "claude", "failed")[0]["error"] == "rejected: no such page"
    assert "delivered_at" in waiting(ask, "claude", "delivered")[0]
    assert waiting(ask, "nobody") == [] and waiting(ask, "nobody", "failed") == []


def test_B4_without_a_history_what_is_processed_is_not_remembered_and_says_so(ask):
    sent = ask("POST", "/api/messages", {"to": "claude", "content": "x"})[1]["id"]
    path = f"/api/messages/{sent}/status"
    assert ask("PUT", path, {"status": "processed", "result": {"n": 1}})[1]["result_kept"] is False
    assert ask("GET", f"/api/messages/{sent}")[1]["status"] == "processed"
    code, refused = ask("GET", "/api/messages?to_agent_id=claude&status=processed")
    assert (code, refused["code"]) == (404, "not_found") and "history.store" in refused["advice"]


def test_B4_a_long_mailbox_comes_page_by_page(kept):
    ask = Http(kept)
    sent = [ask("POST", "/api/messages", {"to_agent_id": "claude", "content": n})[1]["id"] for n in range(25)]
    for message_id in sent[:3]:
        assert ask("PUT", f"/api/messages/{message_id}/status", {"status": "processed"})[0] == 200
    for message_id in sent[3:6]:
        assert ask("PUT", f"/api/messages/{message_id}/status", {"status": "failed"})[0] == 200
    shown(ask, sent[2], lambda message: "processed_at" in message)
    for status, wanted in (("pending", sent[6:]), ("failed", sent[3:6]), ("processed", sent[2::-1])):
        found, after = [], ""
        while True:
            page = waiting(ask, "claude", status, limit=2, **({"after": after} if after else {}))
            assert len(page) <= 2
            found += [message["id"] for message in page]
            after = ask.answer.getheader("X-Next")
            if not after:
                break
        assert found == wanted, status


def test_B4_contents_that_are_no_json_are_told_as_json(ask):
    ask("POST", "/api/messages", {"to": "bob", "content": "plain"})
    ask("POST", "/api/messages", {"to": "bob", "content": "/wD+", "content_encoding": "base64"})
    ask("POST", "/api/messages", {"to": "bob", "content": {"big": 12345678901234567890123, "x": "y" * 5000},
                                  "compress": True, "metadata": {"timeout": 300}})  # fmt: skip
    plain, bytes_, packed = waiting(ask, "bob")
    assert (plain["content"], bytes_["content"]) == ("plain", "/wD+")
    assert packed["content"]["big"] == 12345678901234567890123 and packed["metadata"] == {"timeout": 300}


@pytest.mark.parametrize("query, code, word", [
    ("to_agent_id=bob&status=done", "invalid_field", "status"),
    ("to_agent_id=bob&limit=0", "out_of_range", "limit"),
    ("to_agent_id=bob&limit=1001", "out_of_range", "limit"),
    ("to_agent_id=bob&after=here", "invalid_field", "after"),
    ("to_agent_id=bob&status=processed&after=here", None, None),
    ("to_agent_id=", "invalid_name", "to_agent_id"),
    ("to_agent_id=bob&agent=bob", "invalid_field", "agent"),
    ("to_agent_id=bob&ack=true", "invalid_field", "ack"),
    ("agent=bob&after=x", "invalid_field", "after"),
    ("agent=bob&status=failed", "invalid_field", "to_agent_id"),
])  # fmt: skip
def test_B2_a_wrong_question_is_refused(ask, query, code, word):
    status, refused = ask("GET", f"/api/messages?{query}")
    if code is None:
        assert status == 404  # there is no history to ask
        return
    assert (status, refused["code"]) == (400, code)
    assert word in refused["error"] + refused.get("advice", "")


# -- setting a status by id alone


def test_B2_what_somebody_has_wants_its_lease(ask):
    sent = ask("POST", "/api/messages", {"to": "bob", "content": 1})[1]["id"]
    path = f"/api/messages/{sent}/status"
    (taken,) = ask("GET", "/api/messages?agent=bob")[1]["messages"]
    status, refused = ask("PUT", path, {"status": "processed"})
    assert (status, refused["code"]) == (409, "lease_lost") and "lease" in refused["advice"]
    assert ask("PUT", path, {"status": "processed", "lease": "1", "result": 2})[0] == 409
    assert ask("PUT", path, {"status": "processed", "lease": taken["lease"], "result": 2})[0] == 200
    status, refused = ask("PUT", path, {"status": "processed"})
    assert (status, refused["code"]) == (404, "not_found")


@pytest.mark.parametrize("body, code", [
    ({"status": "delivered"}, "invalid_field"),
    ({"status": "pending"}, "invalid_field"),
    ({"status": "rejected"}, "invalid_field"),
    ({}, "invalid_field"),
    ({"status": "processed", "delay_ms": 5}, "invalid_field"),
    ({"status": "processed", "reason": "no"}, "invalid_field"),
    ({"status": "failed", "result": 1}, "invalid_field"),
    ({"status": "processed", "result": "x" * 70000}, "invalid_field"),
    ({"status": "processed", "results": 1}, "invalid_field"),
])  # fmt: skip
def test_B2_a_status_that_says_too_little_or_too_much_settles_nothing(ask, body, code):
    sent = ask("POST", "/api/messages", {"to": "bob", "content": 1})[1]["id"]
    status, refused = ask("PUT", f"/api/messages/{sent}/status", body)
    assert (status, refused["code"]) == (422, code), refused
    assert [message["id"] for message in waiting(ask, "bob")] == [sent]


def test_B2_of_many_that_settle_one_message_one_does(server):
    ask = Http(server)
    for _ in range(20):
        sent = ask("POST", "/api/messages", {"to": "bob", "content": 1})[1]["id"]
        codes = []

        def settle(status, path=f"/api/messages/{sent}/status", codes=codes):
            codes.append(Http(server)("PUT", path, {"status": status})[0])

        threads = [threading.Thread(target=settle, args=(status,)) for status in ("processed", "failed") * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(codes) == [200, 404, 404, 404, 404, 404]


def test_B2_what_was_settled_by_id_stays_so_after_a_kill(make_server):
    server = make_server(*KEPT)
    ask = Http(server)
    ids = [ask("POST", "/api/messages", {"to": "bob", "content": n})[1]["id"] for n in range(30)]
    for n, message_id in enumerate(ids):
        body = {"status": "processed", "result": {"n": n}} if n % 3 == 0 else {"status": "failed"}
        if n % 3 < 2:
            assert ask("PUT", f"/api/messages/{message_id}/status", body)[0] == 200
    server.kill9()
    server.start()
    ask = Http(server)
    assert [message["id"] for message in waiting(ask, "bob")] == ids[2::3]
    assert [message["id"] for message in waiting(ask, "bob", "failed")] == ids[1::3]
    for n, message_id in list(enumerate(ids))[::3]:
        told = shown(ask, message_id, lambda message: "result" in message)
        assert (told["status"], told["result"]) == ("processed", {"n": n})


def test_B2_the_next_of_a_group_follows_one_that_is_settled_by_id(ask):
    ids = [ask("POST", "/api/messages", {"to": "bob", "content": n, "group": "g"})[1]["id"] for n in range(4)]
    assert ask("PUT", f"/api/messages/{ids[0]}/status", {"status": "processed"})[0] == 200
    assert ask("PUT", f"/api/messages/{ids[2]}/status", {"status": "processed"})[0] == 200  # it was not its turn
    got = []
    for _ in range(2):
        (message,) = ask("GET", "/api/messages?agent=bob&limit=5&ack=true&wait=5s")[1]["messages"]
        got.append(message["id"])
    assert got == [ids[1], ids[3]]
    assert waiting(ask, "bob") == []


# -- names and ids


def test_B2_an_agent_is_addressed_by_name_or_id(ask):
    code, made = ask("POST", "/api/agents", {"agent": "claude", "type": "claude", "capabilities": ["analysis"]})
    assert code == 200, made
    by_id = ask("POST", "/api/messages", {"to_agent_id": made["id"], "message_type": "task", "content": 1})[1]
    by_name = ask("POST", "/api/messages", {"to_agent_id": "claude", "message_type": "task", "content": 2})[1]
    pause()
    for agent in ("claude", made["id"]):
        assert [message["id"] for message in waiting(ask, agent)] == [by_id["id"], by_name["id"]]
    stranger = str(uuid.uuid4())  # an id that is nobody's is a name like any other
    sent = ask("POST", "/api/messages", {"to_agent_id": stranger, "content": 3})[1]["id"]
    assert [message["id"] for message in waiting(ask, stranger)] == [sent]
    assert ask("POST", f"/api/agents/{made['id']}/heartbeat", {})[0] == 200


@pytest.mark.parametrize("priority", [1, 5, 10])
def test_B4_priorities_are_1_to_10(ask, priority):
    ask("POST", "/api/messages", {"to_agent_id": "bob", "content": 1, "priority": priority})
    assert waiting(ask, "bob")[0]["priority"] == priority
    for wrong in (0, 11):
        assert ask("POST", "/api/messages", {"to_agent_id": "bob", "content": 1, "priority": wrong})[0] == 422


def test_B4_a_time_without_a_zone_is_utc(ask):
    for text in (
        "2400-01-15T12:00:00",
        "2400-01-15T12:00:00.000000",
        "2400-01-15T12:00:00Z",
        "2400-01-15T13:00:00+01:00",
    ):
        ask("POST", "/api/messages", {"to_agent_id": "bob", "content": 1, "expires_at": text})
    assert {message["expires_at"] for message in waiting(ask, "bob")} == {"2400-01-15T12:00:00.000Z"}


# -- the examples


def test_B11_a_chat_bot_is_answered_by_a_scraper():
    run = Path(__file__).parents[2] / "examples" / "rest" / "run.py"
    done = subprocess.run([sys.executable, "-B", run, PROGRAM], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "the bot was answered" in done.stdout.splitlines()


# -- what else HTTP clients say


def test_U11_the_gateway_path_sends_a_message(ask):
    made = ask("POST", "/api/agents", {"agent": "worker"})[1]["id"]
    for target in ("worker", made):
        code, sent = ask(
            "POST", "/api/v1/agents/message", {"target_agent": target, "payload": {"n": 1}}, **{"X-Agent": "gate"}
        )
        assert (code, sent["delivered"]) == (200, True), sent
        (got,) = ask("GET", "/api/messages?agent=worker&ack=true&wait=5s")[1]["messages"]
        assert (got["id"], got["from"], got["type"], got["content"]) == (sent["id"], "gate", "query", {"n": 1})
    for body in (
        {"payload": 1},
        {"target_agent": "worker"},
        {"target_agent": "", "payload": 1},
        [],
        {"target_agent": "w", "payload": 1, "x": 1},
    ):
        assert ask("POST", "/api/v1/agents/message", body)[0] == 422, body


def test_A9_the_header_idempotency_key_makes_sending_again_safe(ask):
    message = {"from": "ann", "to": "bob", "content": 1}
    sent = [ask("POST", "/api/messages", message, **{"Idempotency-Key": key}) for key in ("k1", '"k1"', "k2")]
    assert [code for code, _ in sent] == [201] * 3
    assert [answer["outcome"] for _, answer in sent] == ["queued", "duplicate", "queued"]
    assert sent[0][1]["id"] == sent[1][1]["id"] != sent[2][1]["id"]
    assert len(waiting(ask, "bob")) == 2
    assert (
        ask("POST", "/api/messages", {**message, "key": "k1"}, **{"Idempotency-Key": "k1"})[1]["outcome"] == "duplicate"
    )
    for body, key in (
        ({**message, "key": "k3"}, "k1"),
        (message, ""),
        (message, '""'),
        (message, "x" * 256),
        ([message], "k"),
    ):
        code, refused = ask("POST", "/api/messages", body, **{"Idempotency-Key": key})
        assert code == 400 and "Idempotency-Key" in refused["error"], (body, key)


@pytest.mark.parametrize("keeps", [True, False], ids=["history", "no_history"])
def test_X18_a_dead_letter_that_was_sent_again_is_followed_from_its_old_id(make_server, keeps):
    server = make_server(*(KEPT if keeps else ()))
    ask = Http(server)
    sent = ask("POST", "/api/messages", {"to": "bob", "content": 1, "key": "once"})[1]["id"]
    pause()
    assert ask("PUT", f"/api/messages/{sent}/status", {"status": "failed", "reason": "no"})[0] == 200
    assert "resent_as" not in shown(ask, sent, lambda message: message["status"] == "failed")
    code, again = ask("POST", f"/api/dead/{sent}/resubmit")
    assert code == 201 and again["outcome"] != "duplicate"  # it has no key any more
    code, old = ask("GET", f"/api/messages/{sent}")
    if keeps:
        old = shown(ask, sent, lambda message: "resent_as" in message)
        assert (old["status"], old["resent_as"]) == ("failed", again["id"])
    else:
        assert code == 404 and f"sent again as {again['id']}" in old["error"] and "folkmoot trace" in old["advice"]
    trace = ask("POST", "/api/call/message.trace", {"id": sent})[1]["messages"]
    assert [(each["id"], each.get("after"), each.get("how")) for each in trace if each["id"] != sent] == [
        (again["id"], sent, "resent")
    ]
    assert "resent_as" not in shown(ask, again["id"], lambda message: message["status"] == "pending")


def test_B2_an_error_is_a_problem_of_rfc_9457_for_who_asks_for_it(ask):
    nobody = "/api/messages/0193f2c4-0000-7000-8000-000000000000"
    code, plain = ask("GET", nobody)
    assert (code, ask.answer.getheader("Content-Type")) == (404, "application/json")
    code, text = ask("GET", nobody, Accept="application/json, application/problem+json")
    assert (code, ask.answer.getheader("Content-Type")) == (404, "application/problem+json")
    problem = json.loads(text)
    assert (problem["type"], problem["title"], problem["status"]) == ("about:blank", "Not Found", 404)
    assert problem["detail"] == plain["error"] and {**plain, **problem} == problem
    code, found = ask("GET", "/health", Accept="application/problem+json")
    assert code == 200 and found["status"] == "ok"  # what is no error is as ever


@pytest.mark.parametrize("method, path, body, pointer", [
    ("POST", "/api/messages", {"to": "b", "priority": 11}, "/priority"),
    ("POST", "/api/messages", {"to_agent_id": 5, "content": 1}, "/to_agent_id"),
    ("POST", "/api/messages", {"to": "b", "retry": {"max_delay": "soon"}}, "/retry/max_delay"),
    ("POST", "/api/messages", {"to": "b", "a/b~c": 1}, "/a~1b~0c"),
    ("POST", "/api/messages", {"to": "b", "chain": ["x"]}, "/chain"),
    ("POST", "/api/messages", {"to": "b", "content": 1, "compress": "zip"}, "/compress"),
    ("POST", "/api/messages", {"content": 1}, ""),
    ("POST", "/api/messages", '"text"', ""),
    ("POST", "/api/messages/batch", {"atomic": True, "messages": [{"to": "b"}, {"to": "b", "ttl": "x"}]},
     "/messages/1/ttl"),
    ("POST", "/api/messages/batch", {"messages": 5}, "/messages"),
    ("POST", "/api/messages/batch", {"massages": []}, "/massages"),
    ("PUT", f"/api/messages/{UNKNOWN}/status", {"status": "eaten", "lease": "1"}, "/status"),
    ("PUT", f"/api/messages/{UNKNOWN}/status", {"status": "failed", "lease": "1", "delay_ms": "x"}, "/delay_ms"),
    ("POST", f"/api/messages/{UNKNOWN}/complete", {"lease": "1", "outputs": [{"to": "b", "mode": 7}]},
     "/outputs/0/mode"),
    ("POST", "/api/requests", {"to": "b", "message": {"priority": "most"}}, "/message/priority"),
    ("POST", "/api/commands", {"to": "b", "command": "x", "need": "most"}, "/need"),
    ("POST", "/message", {"to": "b", "type": 99}, "/type"),
    ("POST", "/api/v1/agents/message", {"payload": 1}, "/target_agent"),
    ("POST", "/api/schedules", {"name": "x", "message": {"to": "b", "hops": -1}, "every_ms": 1000}, "/message/hops"),
    ("POST", "/api/agents", {"agent": "b", "capabilities": [{"name": "x"}, {"nam": "x"}]}, "/capabilities/1/nam"),
    ("POST", "/api/call/mailbox.configure", {"name": "b", "retry": {"attempts": -1}}, "/retry/attempts"),
    ("POST", "/api/call/schedule.set", {"every_ms": 5000, "message": {"to": "a"}}, "/name"),
    ("POST", "/api/call/schedule.set", {"name": "message", "every_ms": -5, "message": {"to": "a"}}, "/every_ms"),
    ("POST", "/api/call/schedule.set", {"name": "x", "every_ms": 5000, "message": {"to": "a", "retry": {"max": "?"}}},
     "/message/retry/max"),
    ("POST", "/api/agents", {"agent": "b", "capabilities": ["x", ""]}, "/capabilities/1"),
    ("POST", "/api/agents", {"agent": "b", "capabilities": ["x", {"name": ""}]}, "/capabilities/1/name"),
    ("POST", "/api/agents", {"agent": "b", "capabilities": ["x", "a b"]}, "/capabilities/1"),
    ("POST", "/api/agents",
     {"agent": "b", "addresses": [{"transport": "x", "address": "x"}, {"transport": "y", "address": 7}]},
     "/addresses/1/address"),
    ("POST", "/api/messages/batch", {"atomic": True, "messages": [{"to": "b"}, {"to": "b", "compress": 7}]},
     "/messages/1/compress"),
    ("POST", "/api/messages", {"to": "priority", "content": "`key`", "priority": 99}, "/priority"),
    ("POST", "/api/messages", {"to": "b", "priority": "5", "target": "c", "content": 1}, "/target"),
    ("PUT", "/api/webhooks/b", {"url": "http://a/", "concurrency": "many"}, "/concurrency"),
    ("POST", "/api/routes", {"name": "r", "filter": "(", "targets": ["b"]}, "/filter"),
])  # fmt: skip
def test_B2_a_body_that_is_wrong_by_its_fields_is_refused_with_the_path_of_the_fault(ask, method, path, body, pointer):
    code, refused = ask(method, path, body)
    assert (code, refused.get("pointer")) == (422, pointer), refused
    code, problem = ask(method, path, body, Accept="application/problem+json")
    problem = problem if isinstance(problem, dict) else json.loads(problem)
    assert (code, problem["status"], problem["title"]) == (422, 422, "Unprocessable Content")
    assert (problem["pointer"], problem["detail"]) == (pointer, refused["error"])


@pytest.mark.parametrize("method, path, body, headers", [
    ("POST", "/api/messages", b"{", {}),
    ("POST", "/api/messages", b'{"to":"b","metadata":{"x":1e999}}', {}),
    ("POST", "/api/messages?to=b", {"content": 1}, {}),
    ("POST", "/api/messages", {"to": "b"}, {"Idempotency-Key": "x" * 256}),
    ("POST", "/message?wait=soon", {"to": "b"}, {}),
    ("PUT", "/api/messages/five/status", {"status": "processed"}, {}),
    ("POST", f"/api/agents/{'x' * 256}/heartbeat", {}, {}),
    ("GET", "/api/messages?agent=b&limit=0", None, {}),
])  # fmt: skip
def test_B2_what_cannot_be_read_and_what_is_wrong_beside_the_body_is_400(ask, method, path, body, headers):
    code, refused = ask(method, path, body, **headers)
    assert code == 400 and "pointer" not in refused, refused


def test_U10_the_old_message_passing_goes_on(server, monkeypatch):
    """examples/rest/message_passing.py: send_message(target, content), and no port for anybody."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "examples/rest"))
    from message_passing import LegacyMessagePassingSystem

    async def work(sender, content):
        return {"sum": sum(content["numbers"]), "for": sender}

    async def run():
        adder = LegacyMessagePassingSystem("adder", port=8765, address=server.address)
        adder.on_message = work
        serving = asyncio.create_task(adder.serve())
        asker = LegacyMessagePassingSystem("asker", port=8765, address=server.address)
        answers = await asyncio.gather(*(asker.send_message("adder", {"numbers": [n, 1]}) for n in range(5)))
        serving.cancel()
        return answers

    assert asyncio.run(run()) == [{"sum": n + 1, "for": "asker"} for n in range(5)]
