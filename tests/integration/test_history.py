"""B1: the history (docs/history.md): what became of every durable message, followed from the journal exactly once."""

import hashlib
import itertools
import json
import random
import sqlite3
import threading
import time
import uuid

import pytest

from program import SHARDED
from test_cli import ok, wait_for
from test_every_door import HttpDoor
from test_http import Http


class Sqlite:
    """What a server is told so that it keeps its history, and where that is looked at from outside."""

    arguments = ("--set", "history.store=sqlite")

    def make(self, make_server, *more):
        return make_server(*self.arguments, *more)

    def switch_on(self, server):
        server.arguments += self.arguments

    def rows(self, server, sql):
        with sqlite3.connect(f"file:{server.data}/history.sqlite?mode=ro", uri=True) as database:
            return [
                [json.loads(each) if str(each).startswith("[") else each for each in row]
                for row in database.execute(sql)
            ]


@pytest.fixture
def store():
    return Sqlite()


@pytest.fixture
def kept(make_server, store):
    return store.make(make_server)


def status(server):
    done = server.cli("history", "status", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def metric(server, name):
    (line,) = [line for line in Http(server)("GET", "/metrics")[1].splitlines() if line.startswith(name + " ")]
    return int(line.split()[1])


def up_to_date(server, seconds=20):
    """Waits until the history has everything that is in the journals."""
    end = time.monotonic() + seconds
    while status(server)["lag_bytes"] > 0 or status(server).get("problem"):
        assert time.monotonic() < end, status(server)
        time.sleep(0.05)


def find(server, *arguments):
    done = server.cli("history", "find", "--json", "--limit", "1000000", *arguments, timeout=120)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def eventually(server, wanted, *arguments, seconds=10):
    """The history follows: what was confirmed is in it a moment later."""
    end = time.monotonic() + seconds
    while True:
        found = find(server, *arguments)
        if wanted(found):
            return found
        assert time.monotonic() < end, found
        time.sleep(0.05)


def send(server, *arguments):
    done = server.cli("send", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["id"]


def test_B1_a_history_that_was_idle_for_longer_than_a_write_may_take_goes_on(kept):
    time.sleep(11)  # a write may take 10 s
    sent = kept.cli("send", "f", "--lines", "-", "--atomic", stdin="\n".join(map(str, range(400))))
    assert sent.returncode == 0, sent.stderr
    up_to_date(kept)
    assert len(find(kept, "--to", "f")) == 400


def test_B1_each_fate_of_a_message_is_told(kept):
    ask = Http(kept, **{"X-Agent": "ann"})

    def publish(**message):
        code, sent = ask("POST", "/api/messages", {"content": "x", **message})
        assert code == 201, sent
        return sent["id"]

    def take(agent):
        return ask("GET", f"/api/messages?agent={agent}&limit=10&wait=2s")[1]["messages"]

    waits = publish(to="sleeper")
    done, dropped = publish(to="worker", content="good"), publish(to="worker", content="bad")
    taken = {message["id"]: message["lease"] for message in take("worker")}
    ask("PUT", f"/api/messages/{done}/status", {"status": "processed", "lease": taken[done]})
    ask("PUT", f"/api/messages/{dropped}/status", {"status": "rejected", "lease": taken[dropped], "reason": "not mine"})
    once = publish(to="once", mode="at_most_once")
    short = publish(to="nobody", ttl=1)
    back = publish(to="nobody")
    assert ask("DELETE", f"/api/messages/{back}")[0] in (200, 204)
    told = ("pending", "processed", "failed", "expired", "failed")
    ids = (waits, done, dropped, short, back)

    def are_told(found):
        states = {message["id"]: message["state"] for message in found}
        return tuple(states.get(id) for id in ids) == told

    found = {message["id"]: message for message in eventually(kept, are_told, "--from", "ann")}
    assert found[done]["ended_at"] >= found[done]["accepted_at"] > 0
    assert found[dropped]["reason"] == "rejected: not mine" and found[back]["reason"] == "cancelled"
    assert once not in found or found[once]["state"] in ("pending", "delivered")
    shown = json.loads(kept.cli("history", "show", dropped, "--json").stdout)
    assert shown["message"]["content"] == "bad"
    assert [(a["end"], a["reason"]) for a in shown["attempts"]] == [("rejected", "not mine")]


def test_B1_questions_at_the_http_door(kept):
    ask = Http(kept, **{"X-Agent": "ann"})
    cause = send(kept, "bob", "first", "--type", "task")
    for i in range(5):
        code, _ = ask(
            "POST",
            "/api/messages",
            {
                "to": "carl",
                "type": "response",
                "content": {"number": i, "word": f"apple{i}"},
                "conversation": "talk",
                "correlation": f"c{i}",
                "priority": 2,
            },
        )
        assert code == 201
    eventually(kept, lambda found: len(found) == 5, "--to", "carl")

    def ids(query):
        code, page = ask("GET", "/api/history/messages?" + query)
        assert code == 200, page
        return page["messages"]

    assert len(ids("conversation=talk")) == 5 and len(ids("agent=carl&state=pending&type=response&priority=2")) == 5
    (one,) = ids("text=apple3&content=true")
    assert one["content"] == {"number": 3, "word": "apple3"} and one["correlation"] == "c3"
    assert [each["id"] for each in ids("to=bob")] == [cause]
    code, first = ask("GET", "/api/history/messages?to=carl&limit=2")
    code, second = ask("GET", f"/api/history/messages?to=carl&limit=100&after={first['next']}")
    assert len(first["messages"]) == 2 and len(second["messages"]) == 3 and "next" not in second
    assert ask("GET", "/api/history/messages?after=nowhere")[0] == 400
    assert ask("GET", f"/api/history/messages/{uuid.uuid4()}")[0] == 404
    assert ask("GET", "/api/history/messages?state=lost")[0] == 400


def test_B1_the_tables_have_the_older_systems_columns(kept):
    id = send(kept, "bob", "hello", "--as", "ann")
    eventually(kept, lambda found: len(found) == 1, "--to", "bob")
    with sqlite3.connect(f"file:{kept.data}/history.sqlite?mode=ro", uri=True) as database:
        (row,) = database.execute(
            "SELECT m.id, s.name, r.name, m.conversation_id, m.message_type, m.priority, m.content, m.metadata, "
            "m.status, m.retry_count, m.expires_at, m.created_at, m.delivered_at, m.processed_at FROM agent_messages m "
            "JOIN agents s ON s.id = m.from_agent_id JOIN agents r ON r.id = m.to_agent_id"
        ).fetchall()
        database.execute(
            "SELECT id, message_id, attempt, status, response_code, response_body, attempted_at "
            "FROM message_delivery_log"
        ).fetchall()
        database.execute(
            "SELECT id, name, type, endpoint, capabilities, status, heartbeat_at, created_at, updated_at " "FROM agents"
        ).fetchall()
    assert row[0] == id and row[1:3] == ("ann", "bob") and row[5] == 5 and json.loads(row[6]) == "hello"
    assert row[8] == "pending" and row[12:] == (None, None)


def test_B1_the_table_of_agents_has_what_is_registered(kept, store):
    ask = Http(kept, **{"X-Agent": "scraper"})
    card = {
        "type": "scraper",
        "capabilities": [{"name": "scrape"}, {"name": "parse"}],
        "addresses": [{"transport": "a2a", "address": "a2a:x"}, {"transport": "http", "address": "http://x.example/"}],
    }
    code, made = ask("POST", "/api/agents", card)
    assert code in (200, 201), made
    send(kept, "scraper", "x", "--as", "ann")

    def rows():
        return store.rows(kept, "SELECT name, type, endpoint, capabilities, status FROM agents ORDER BY name")

    def become(wanted):
        end = time.monotonic() + 10
        while rows() != wanted:
            assert time.monotonic() < end, rows()
            time.sleep(0.05)

    ann = ["ann", "", None, [], "active"]
    become([ann, ["scraper", "scraper", "http://x.example/", ["scrape", "parse"], "active"]])
    code, _ = ask("POST", "/api/agents", {**card, "capabilities": [{"name": "scrape"}], "status": "maintenance"})
    become([ann, ["scraper", "scraper", "http://x.example/", ["scrape"], "maintenance"]])
    assert ask("DELETE", "/api/agents/scraper")[0] in (200, 204)
    become([ann, ["scraper", "scraper", "http://x.example/", ["scrape"], "inactive"]])


def test_B1_without_a_history_the_server_says_so(make_server):
    server = make_server()
    done = server.cli("history", "find")
    assert done.returncode == 1 and "keeps no history" in done.stderr and 'history.store = "sqlite"' in done.stderr


def test_B1_a_history_that_begins_late_has_what_the_journal_still_has(make_server, store):
    server = make_server()
    early = send(server, "bob", "early")
    assert server.terminate() == 0
    store.switch_on(server)
    server.start()
    late = send(server, "bob", "late")
    found = eventually(server, lambda found: len(found) == 2, "--to", "bob")
    assert [message["id"] for message in found] == [late, early]
    server.restart()
    assert len(find(server, "--to", "bob")) == 2
    up_to_date(server)


def test_B1_every_confirmed_message_is_there_once_after_kills(make_server, store):
    """SIGKILL thirty times at random moments under load: the history has each message once, and none is left pending
    that was settled."""
    server = store.make(make_server, "--set", "journal.segment_bytes=64KiB")
    confirmed, settled, stop, failures = set(), set(), threading.Event(), []

    def publisher(name):
        number = 0
        while not stop.is_set():
            number += 1
            try:
                ask = Http(server, **{"X-Agent": name})
                code, sent = ask("POST", "/api/messages", {"to": "worker", "content": f"{name}-{number}"})
                if code == 201:
                    confirmed.add(sent["id"])
            except (OSError, ValueError):
                time.sleep(0.02)
            except Exception as error:  # noqa: BLE001 - reported below
                failures.append(error)

    def worker():
        while not stop.is_set():
            try:
                ask = Http(server, **{"X-Agent": "worker"})
                for message in ask("GET", "/api/messages?agent=worker&limit=50&wait=200ms")[1]["messages"]:
                    code, _ = ask(
                        "PUT",
                        f"/api/messages/{message['id']}/status",
                        {"status": "processed", "lease": message["lease"]},
                    )
                    if code == 200:
                        settled.add(message["id"])
            except (OSError, ValueError, KeyError):
                time.sleep(0.02)
            except Exception as error:  # noqa: BLE001
                failures.append(error)

    threads = [threading.Thread(target=publisher, args=(f"p{i}",)) for i in range(3)] + [
        threading.Thread(target=worker)
    ]
    for thread in threads:
        thread.start()
    server.listen = server.address  # where it was before
    draw = random.Random(30)
    for _ in range(30):
        time.sleep(draw.uniform(0.02, 0.3))
        server.kill9()
        server.start()
    time.sleep(0.5)
    stop.set()
    for thread in threads:
        thread.join(20)
    assert not failures and len(confirmed) > 100 and len(settled) > 50
    up_to_date(server)
    found = find(server, "--to", "worker")
    states = {message["id"]: message["state"] for message in found}
    assert len(states) == len(found), "a message is there twice"
    assert confirmed <= states.keys(), f"{len(confirmed - states.keys())} confirmed messages are missing"
    assert all(states[id] == "processed" for id in settled)
    assert not status(server).get("gaps")


def test_B1_a_database_that_is_locked_stops_no_message_and_is_told_of(make_server, store):
    server = store.make(make_server, "--set", "history.behind=1MiB", "--set", "journal.segment_bytes=64KiB")
    first = send(server, "bob", "first")
    eventually(server, lambda found: len(found) == 1, "--to", "bob")
    lock = sqlite3.connect(f"{server.data}/history.sqlite", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    ask = Http(server, **{"X-Agent": "ann"})
    for i in range(160):  # of 25 KB: four times what may wait
        assert (
            ask("POST", "/api/messages", {"to": "sink", "content": "y" * 25000, "content_type": "text/plain"})[0] == 201
        )
        taken = ask("GET", "/api/messages?agent=sink&limit=1&wait=5s")[1]["messages"]
        assert (
            ask("PUT", f"/api/messages/{taken[0]['id']}/status", {"status": "processed", "lease": taken[0]["lease"]})[0]
            == 200
        )
    end = time.monotonic() + 20
    while not status(server).get("problem"):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert status(server)["lag_bytes"] > 0
    lock.execute("ROLLBACK")
    lock.close()
    up_to_date(server, 30)
    after = send(server, "bob", "after")
    found = eventually(server, lambda found: len(found) == 2, "--to", "bob")
    assert {message["id"] for message in found} == {first, after}
    gaps = status(server)["gaps"]
    assert gaps and all(gap["to"] > gap["from"] for gap in gaps)
    assert metric(server, "folkmoot_history_missed_bytes_total") == sum(gap["to"] - gap["from"] for gap in gaps)
    assert "does not go on" in server.log() and "it goes on" in server.log() and "is missing" in server.log()
    server.errors.write_text("")  # what it said in its trouble was asked for


def test_B1_a_file_that_is_removed_while_the_server_runs_is_told_of_and_begun_anew(make_server):
    server = make_server("--set", "history.store=sqlite")
    for number in range(5):
        ok(server.cli("send", "bob", f"before {number}"))
    up_to_date(server)
    assert "before 4" in ok(server.cli("history", "find", "--content"))
    for name in ("history.sqlite", "history.sqlite-wal", "history.sqlite-shm"):
        (server.data / name).unlink(missing_ok=True)
    after = server.cli("history", "find")  # nothing was written since: who asks finds out
    assert after.returncode == 0 or "history.sqlite" in after.stderr
    ok(server.cli("send", "bob", "after"))
    wait_for(lambda: "after\n" in server.cli("history", "find", "--content").stdout)
    up_to_date(server)
    told = server.log()
    assert "was removed or replaced while the server runs" in told and "move the file away" in told
    now = status(server)
    gaps = len(now["gaps"])  # one of each shard
    assert (now["messages"], gaps > 0) == (1, True) and "problem" not in now
    assert metric(server, "folkmoot_history_missed_bytes_total") > 0
    server.errors.write_text("")  # what it said in its trouble was asked for
    ok(server.cli("recv", "bob", "--max", "100"))
    up_to_date(server)
    assert [row[0] for row in Sqlite().rows(server, "SELECT status FROM agent_messages")] == ["processed"]
    server.terminate()
    done = server.cli("doctor", "--data", str(server.data), "--set", "history.store=sqlite")
    assert f"something is missing in it ({gaps} times)" in done.stdout
    server.start()
    assert len(status(server)["gaps"]) == gaps and (server.data / "history.sqlite").exists()


def test_B1_who_searches_a_history_that_is_behind_or_stands_still_is_warned(make_server):
    server = make_server("--set", "history.store=sqlite")
    ok(server.cli("send", "bob", "it\nis"))
    up_to_date(server)
    found = server.cli("history", "find")
    assert (found.returncode, found.stderr) == (0, "")
    other = sqlite3.connect(server.data / "history.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ok(server.cli("send", "bob", "more"))
    found = server.cli("history", "find")
    assert found.returncode == 0 and len(found.stdout.splitlines()) == 1
    assert "bytes of the journal behind: what happened last may not be in it yet" in found.stderr
    wait_for(lambda: "problem" in status(server), seconds=20)
    found = server.cli("history", "find", "--json")
    assert "it does not go on, and what happened last is not in it" in found.stderr
    page = Http(server)("GET", "/api/history/messages")[1]
    assert page["lag_bytes"] > 0 and "locked" in page["problem"]
    other.execute("ROLLBACK")
    other.close()
    wait_for(lambda: server.cli("history", "find").stderr == "", seconds=30)
    server.errors.write_text("")
    assert len(server.cli("history", "find").stdout.splitlines()) == 2


def test_B1_a_text_is_shown_as_it_was_sent(kept):
    texts = {"text/plain": 'it "is"\n\ttwo lines', "application/json": '"a string"'}
    for type, text in texts.items():
        ok(kept.cli("send", "bob", "-", "--content-type", type, stdin=text))
    up_to_date(kept)
    for line in ok(kept.cli("history", "find", "--json")).splitlines():
        message = json.loads(line)
        shown = ok(kept.cli("history", "show", message["id"])).split("\n", 1)[1]
        assert shown == texts[message["content_type"]] + "\n"


@pytest.mark.parametrize("settled", (False, True))
def test_B1_a_full_journal_goes_on_without_the_history_only_where_that_makes_room(make_server, settled):
    """What waits for the history is given up if that makes room; not if all that is there are messages that wait."""
    server = make_server(*Sqlite.arguments, "--set", "journal.segment_bytes=64KiB", "--set", "journal.bytes_max=1MiB")
    send(server, "bob", "first")
    eventually(server, lambda found: len(found) == 1, "--to", "bob")
    lock = sqlite3.connect(f"{server.data}/history.sqlite", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    ask = Http(server, **{"X-Agent": "ann"})

    def publish(content):
        return ask("POST", "/api/messages", {"to": "sink", "content": content, "mode": "at_least_once"})[0]

    codes = []
    for _ in range(120):  # of 20 KB: twice what there is room for
        codes.append(publish("y" * 20000))
        if settled:
            for message in ask("GET", "/api/messages?agent=sink&limit=9")[1]["messages"]:
                ask("PUT", f"/api/messages/{message['id']}/status", {"status": "processed", "lease": message["lease"]})
    if settled:
        assert codes.count(201) > 60  # more than there is room for; some came while it was made
    else:
        assert any(publish("z") == 507 for _ in range(1000))  # not even a small one has room
        time.sleep(0.5)
    lock.execute("ROLLBACK")
    lock.close()
    up_to_date(server, 30)
    assert bool(status(server).get("gaps")) is settled
    server.errors.write_text("")  # what it said in its trouble was asked for


def test_B8_what_has_ended_is_kept_as_long_as_was_said(make_server, store):
    server = store.make(make_server, "--set", "history.retention=1s")
    ended, waits = send(server, "bob", "done soon"), send(server, "carl", "waits")
    assert server.cli("recv", "bob").returncode == 0
    eventually(server, lambda found: [each["state"] for each in found] == ["processed"], "--to", "bob")
    time.sleep(1.2)
    server.restart()  # it looks for what is old when it has nothing else to do, first of all then
    eventually(server, lambda found: found == [], "--to", "bob")
    assert server.cli("history", "show", ended).returncode == 1
    assert [each["id"] for each in find(server, "--to", "carl")] == [waits]


def test_B1_contents_of_types_that_may_not_be_kept_are_hash_and_size(make_server, store, tmp_path):
    file = tmp_path / "folkmoot.toml"
    file.write_text('[history]\nnot_kept = "medical.*, image/*"\n')
    server = store.make(make_server, "--config", str(file))
    texts = {"medical.finding": "a secret of somebody", "note": "a common secret"}
    ids = {kind: send(server, "bob", text, "--type", kind) for kind, text in texts.items()}
    ids["picture"] = send(server, "bob", "secret pixels", "--content-type", "image/PNG")
    found = eventually(server, lambda found: len(found) == 3, "--to", "bob", "--content")
    shown = {each["id"]: each for each in found}
    assert shown[ids["note"]]["content"] == texts["note"] and "content_hash" not in shown[ids["note"]]
    for kind, text in ("medical.finding", texts["medical.finding"]), ("picture", "secret pixels"):
        its = shown[ids[kind]]
        assert its.get("content") is None and its["content_bytes"] == len(text), its
        assert its["content_hash"] == hashlib.sha256(text.encode()).hexdigest()
    assert [each["id"] for each in find(server, "--text", "secret")] == [ids["note"]]

    file.write_text("")  # and changed while it runs
    assert Http(server)("POST", "/api/settings/reload", {})[0] == 200
    again = send(server, "bob", "told to all now", "--type", "medical.finding")
    eventually(server, lambda found: [each["id"] for each in found] == [again], "--text", "told to all now")


def test_B1_events_of_named_topics_are_there_once_if_a_stream_keeps_them(make_server, store, tmp_path):
    file = tmp_path / "folkmoot.toml"
    file.write_text('[history]\nevents = "orders.>, audit.*"\nnot_kept = "secret"\n')
    server = store.make(make_server, "--config", str(file))
    door = HttpDoor(server)
    door.call("stream.set", name="all", topic=">")
    door.call("stream.set", name="orders", topic="orders.>")  # has them too
    door.call("subscription.set", name="billing", pattern="orders.new")

    def publish(topic, content, **more):
        sent = door.publish(topic=topic, content=content, content_type="text/plain", mode="at_least_once", **more)
        assert sent["outcome"] == "kept", sent
        return sent["id"]

    new = publish("orders.new", "an order of apples", conversation="talk")
    eu = publish("orders.eu.new", "an order of pears", type="secret")
    login = publish("audit.login", "ann came")
    for topic in "audit.a.b", "other.new", "orders":
        publish(topic, "is not named")
    up_to_date(server)
    found = eventually(server, lambda found: len(found) == 3, "--state", "event", "--content")
    assert [each["id"] for each in found] == [login, eu, new]
    assert [(each["topic"], each["from"], each["to"]) for each in found] == [
        ("audit.login", "me", ""),
        ("orders.eu.new", "me", ""),
        ("orders.new", "me", ""),
    ]
    assert [each.get("content") for each in found] == ["ann came", None, "an order of apples"]
    assert found[1]["content_hash"] == hashlib.sha256(b"an order of pears").hexdigest()
    assert [each["id"] for each in find(server, "--topic", "orders.>", "--state", "event")] == [eu, new]
    assert [each["id"] for each in find(server, "--topic", "*.*", "--state", "event")] == [login, new]
    # What the subscription made of one is a message.
    (billed,) = find(server, "--topic", "orders.new", "--state", "pending")
    assert (billed["to"], billed["topic"]) == ("billing", "orders.new")
    assert {each["id"] for each in find(server, "--conversation", "talk")} == {new, billed["id"]}
    assert {each["id"] for each in find(server, "--agent", "me")} == {new, eu, login, billed["id"]}
    assert {each["id"] for each in find(server, "--text", "order of apples")} == {new, billed["id"]}

    shown = json.loads(server.cli("history", "show", "--json", eu).stdout)
    assert shown["message"]["state"] == "event" and shown["attempts"] == []
    assert "event      me > orders.eu.new  secret" in server.cli("history", "find", "--topic", "orders.eu.>").stdout
    ask = Http(server, **{"X-Agent": "me"})
    assert ask("GET", "/api/history/messages?topic=orders.eu.new")[1]["messages"][0]["id"] == eu
    code, refused = ask("GET", "/api/history/messages?topic=orders..new")
    assert code == 400 and "topic" in json.dumps(refused)
    assert ask("GET", f"/api/messages/{login}")[0] == 404  # it is no message

    file.write_text("[history]\nevents = ''\n")  # and changed while it runs
    assert ask("POST", "/api/settings/reload", {})[0] == 200
    publish("orders.new", "comes too late")
    up_to_date(server)
    assert len(find(server, "--state", "event")) == 3


def test_B1_events_that_another_shard_decides_are_there_once(make_server, store):
    """Outputs of complete() may be events. They are carried to the streams' shard, which is seen in no history."""
    server = store.make(make_server, "--set", "history.events=>")
    door = HttpDoor(server)
    door.call("stream.set", name="done", topic="done.>")
    for i in range(8):
        assert door.publish(to=f"worker-{i}", content="task")["id"]
        (task,) = door.ask("GET", f"/api/messages?agent=worker-{i}&limit=1&wait=5s")[1]["messages"]
        output = {"topic": f"done.worker-{i}", "content": "made", "content_type": "text/plain"}
        code, done = door.ask(
            "POST", f"/api/messages/{task['id']}/complete", {"lease": task["lease"], "outputs": [output]}
        )
        assert code == 200, done
    found = eventually(server, lambda found: len(found) >= 8, "--state", "event")
    assert sorted(each["topic"] for each in found) == [f"done.worker-{i}" for i in range(8)]
    up_to_date(server)
    assert {each["to"] for each in find(server)} == {"", *(f"worker-{i}" for i in range(8))}
    assert len(find(server)) == 16


def test_B1_every_event_that_was_confirmed_is_there_once_after_kills(make_server, store):
    server = store.make(make_server, "--set", "history.events=e.>", "--set", "journal.segment_bytes=64KiB")
    HttpDoor(server).call("stream.set", name="all", topic=">", max_events=10)  # it need not have them any more
    confirmed, stop, failures = {}, threading.Event(), []

    def publisher(name):
        for number in itertools.count():
            if stop.is_set():
                return
            try:
                sent = HttpDoor(server).publish(topic=f"e.{name}", content=str(number), mode="at_least_once")
                if sent.get("outcome") == "kept":
                    confirmed[sent["id"]] = f"e.{name}"
            except (OSError, ValueError):
                time.sleep(0.02)
            except Exception as error:  # noqa: BLE001 - reported below
                failures.append(error)

    threads = [threading.Thread(target=publisher, args=(f"p{i}",)) for i in range(3)]
    for thread in threads:
        thread.start()
    server.listen = server.address
    draw = random.Random(31)
    for _ in range(10):
        time.sleep(draw.uniform(0.1, 0.4))
        server.kill9()
        server.start()
    time.sleep(0.5)
    stop.set()
    for thread in threads:
        thread.join(20)
    assert not failures and len(confirmed) > 100
    up_to_date(server)
    found = find(server, "--topic", "e.>")
    topics = {event["id"]: event["topic"] for event in found}
    assert len(topics) == len(found), "an event is there twice"
    assert confirmed.items() <= topics.items(), "confirmed events are missing"
    assert not status(server).get("gaps")


def test_B8_events_are_forgotten_when_their_time_is_over(make_server, store):
    server = store.make(make_server, "--set", "history.retention=1s", "--set", "history.events=>")
    door = HttpDoor(server)
    door.call("stream.set", name="last", topic="sensor.*", keep_last_by="topic")  # stays in the journal
    assert door.publish(topic="sensor.a", content="1", mode="at_least_once")["outcome"] == "kept"
    eventually(server, lambda found: len(found) == 1, "--state", "event")
    time.sleep(1.2)
    server.restart()
    eventually(server, lambda found: found == [], "--state", "event")


def test_B1_patterns_that_can_be_none_are_refused(make_server):
    server = make_server(start=False)
    many = ",".join(map(str, range(257)))
    for name, wrong, why in (
        ("history.not_kept", "a" * 256, "this one has 256"),
        ("history.not_kept", many, "256 are the most"),
        ("history.events", many, "256 are the most"),
        ("history.events", "a.>,b..c", "`b..c` is no pattern of topics"),
    ):
        done = server.cli("serve", "--data", str(server.data), "--set", f"{name}={wrong}")
        assert done.returncode != 0 and name in done.stderr and why in done.stderr, done.stderr


def test_B1_a_damaged_file_is_refused_with_what_to_do(make_server, store):
    server = make_server()
    assert server.terminate() == 0
    (server.data / "history.sqlite").write_text("no database " * 100)
    store.switch_on(server)
    with pytest.raises(AssertionError) as refused:
        server.start()
    assert "history.sqlite" in str(refused.value) and "move it away" in str(refused.value)
    (server.data / "history.sqlite").unlink()
    server.start()


def test_B8_a_history_needs_a_journal_that_is_synced(make_server, store):
    server = make_server(start=False)
    store.switch_on(server)
    server.arguments += ["--sync", "never"]
    with pytest.raises(AssertionError) as refused:
        server.start()
    assert 'a history needs `sync = "always"`' in str(refused.value)


def test_B1_what_moved_to_another_shard_is_one_message(make_server, store):
    """Outputs of complete() are decided where the task is, and carried to the shard of their mailbox."""
    server = store.make(make_server)
    ask = Http(server, **{"X-Agent": "worker"})
    boxes = [f"next-{i}" for i in range(12)]
    code, sent = ask("POST", "/api/messages", {"to": "worker", "content": "task"})
    (task,) = ask("GET", "/api/messages?agent=worker&limit=1&wait=5s")[1]["messages"]
    code, done = ask(
        "POST",
        f"/api/messages/{task['id']}/complete",
        {"lease": task["lease"], "outputs": [{"to": box, "content": box} for box in boxes]},
    )
    assert code == 200, done
    up_to_date(server)
    found = eventually(
        server,
        lambda found: len(found) == 13
        and all(message["state"] == ("processed" if message["to"] == "worker" else "pending") for message in found),
        "--from",
        "worker",
    )
    assert sorted(message["to"] for message in found) == sorted([*boxes, "worker"])
    if SHARDED:
        assert len({uuid.UUID(message["id"]).int & 15 for message in found}) > 1
