"""B1: the history in PostgreSQL (docs/history.md). What test_history.py asks of SQLite holds here as well; and the
database may stop, hang, crash and be late: messages go on, and none is missing or there twice afterwards."""

import itertools
import json
import os
import signal
import threading
import time
import uuid
from pathlib import Path

import pytest

from postgres import PASSWORD, Postgres
from test_doctor import doctor, says
from test_history import eventually, find, metric, send, status, up_to_date
from test_history import kept  # noqa: F401 - a fixture
from native import Client, message
from test_history import (  # noqa: F401 - run here once more
    test_B1_a_history_that_begins_late_has_what_the_journal_still_has,
    test_B1_contents_of_types_that_may_not_be_kept_are_hash_and_size,
    test_B1_each_fate_of_a_message_is_told,
    test_B1_events_of_named_topics_are_there_once_if_a_stream_keeps_them,
    test_B1_events_that_another_shard_decides_are_there_once,
    test_B1_every_confirmed_message_is_there_once_after_kills,
    test_B1_every_event_that_was_confirmed_is_there_once_after_kills,
    test_B1_questions_at_the_http_door,
    test_B1_the_table_of_agents_has_what_is_registered,
    test_B1_what_moved_to_another_shard_is_one_message,
    test_B8_events_are_forgotten_when_their_time_is_over,
    test_B8_what_has_ended_is_kept_as_long_as_was_said,
)
from test_http import Http

databases = itertools.count()


@pytest.fixture(scope="module")
def cluster():
    running = Postgres()
    yield running
    running.close()


class InPostgres:
    """A database of its own for each server."""

    arguments = ("--set", "history.store=postgres")

    def __init__(self, cluster):
        self.cluster = cluster
        self.database = f"history_{next(databases)}"
        cluster.psql(f"CREATE DATABASE {self.database}")
        self.url = cluster.url_of(self.database)

    def make(self, make_server, *more, **options):
        return make_server(*self.arguments, *more, env={"DATABASE_URL": self.url}, **options)

    def switch_on(self, server):
        server.arguments += self.arguments
        server.env["FOLKMOOT_HISTORY_URL"] = self.url

    def psql(self, sql):
        return self.cluster.psql(sql, self.database)

    def rows(self, _server, sql):
        return [
            json.loads(text)
            for (text,) in self.psql(
                "SELECT json_build_array(name, type, endpoint, " f"capabilities, status) FROM ({sql}) AS found"
            )
        ]


@pytest.fixture
def store(cluster):
    if cluster.process.poll() is not None:
        cluster.start()
    return InPostgres(cluster)


class Load:
    """Two publishers and a worker over HTTP, which go on through whatever happens; what they were told is kept."""

    def __init__(self, server):
        self.server = server
        self.confirmed, self.settled, self.failures = {}, set(), []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._publish, args=(f"p{i}",)) for i in range(2)]
        self.threads.append(threading.Thread(target=self._work))
        for thread in self.threads:
            thread.start()

    def _repeat(self, step):
        while not self.stopping.is_set():
            try:
                step()
            except (OSError, ValueError, KeyError):
                time.sleep(0.02)
            except Exception as error:  # noqa: BLE001 - reported by end()
                self.failures.append(error)

    def _publish(self, name):
        numbers = itertools.count()

        def step():
            code, sent = Http(self.server, **{"X-Agent": name})(
                "POST", "/api/messages", {"to": "worker", "content": f"{name}-{next(numbers)}"}
            )
            if code == 201:
                self.confirmed[sent["id"]] = time.monotonic()
            time.sleep(0.002)

        self._repeat(step)

    def _work(self):

        def step():
            ask = Http(self.server, **{"X-Agent": "worker"})
            for message in ask("GET", "/api/messages?agent=worker&limit=50&wait=200ms")[1]["messages"]:
                code, _ = ask(
                    "PUT", f"/api/messages/{message['id']}/status", {"status": "processed", "lease": message["lease"]}
                )
                if code == 200:
                    self.settled.add(message["id"])

        self._repeat(step)

    def end(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(20)
        assert not self.failures

    def since(self, then):
        return sum(at > then for at in self.confirmed.values())


def each_once(store, load):
    """By psql: every message that was confirmed is there, once, and none is pending that was settled."""
    rows = store.psql("SELECT id, status FROM agent_messages WHERE recipient = 'worker'")
    states = dict(rows)
    assert len(states) == len(rows)
    missing = load.confirmed.keys() - states.keys()
    assert not missing, f"{len(missing)} confirmed messages are missing"
    assert all(states[id] == "processed" for id in load.settled)


def forget_errors(server):
    """What it said in its trouble was asked for."""
    server.errors.write_text("")


def test_B1_sql_of_the_older_system_finds_the_rows(kept, store):  # noqa: F811
    ask = Http(kept, **{"X-Agent": "550e8400-e29b-41d4-a716-446655440000"})
    talk = str(uuid.uuid4())
    code, sent = ask(
        "POST",
        "/api/messages",
        {
            "to": "220e8400-e29b-41d4-a716-446655440002",
            "type": "task",
            "priority": 3,
            "conversation": talk,
            "content": {"task_type": "scrape_motorcycle_data", "parameters": {"max_pages": 10}},
            "metadata": {"max_retries": "3"},
        },
    )
    assert code == 201, sent
    eventually(kept, lambda found: len(found) == 1, "--conversation", talk)
    (row,) = store.psql(
        "SELECT id, from_agent_id, to_agent_id, conversation_id, message_type, priority, "
        "content->'parameters'->>'max_pages', metadata->>'max_retries', status, retry_count, "
        "expires_at IS NULL, delivered_at IS NULL, processed_at IS NULL FROM agent_messages "
        f"WHERE conversation_id = '{talk}'::uuid AND created_at > now() - interval '1 minute' "
        'AND content @> \'{"task_type": "scrape_motorcycle_data"}\''
    )
    assert row == [
        sent["id"],
        "550e8400-e29b-41d4-a716-446655440000",
        "220e8400-e29b-41d4-a716-446655440002",
        talk,
        "task",
        "3",
        "10",
        "3",
        "pending",
        "0",
        "t",
        "t",
        "t",
    ]
    columns = dict(
        store.psql(
            "SELECT column_name, data_type FROM information_schema.columns "
            "WHERE table_name = 'agent_messages' AND table_schema = 'public'"
        )
    )
    times = {"expires_at", "created_at", "delivered_at", "processed_at"}
    assert {name for name in columns if columns[name] == "timestamp with time zone"} == times
    assert all(columns[name] == "uuid" for name in ("id", "from_agent_id", "to_agent_id", "conversation_id"))
    assert columns["content"] == columns["metadata"] == "jsonb"
    store.psql(
        "SELECT id, name, type, endpoint, capabilities->0, status, heartbeat_at, created_at, updated_at " "FROM agents"
    )
    store.psql(
        "SELECT id, message_id, attempt, status, response_code, response_body, attempted_at "
        "FROM message_delivery_log"
    )
    indexes = {name for (name,) in store.psql("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")}
    assert {f"idx_agent_messages_{what}" for what in ("status", "to_agent", "priority", "conversation")} <= indexes


def test_B1_a_conversation_that_is_no_uuid_is_found_by_its_name(kept, store):  # noqa: F811
    send(kept, "bob", "x", "--conversation", "order-4711")
    (found,) = eventually(kept, lambda found: len(found) == 1, "--conversation", "order-4711")
    assert found["conversation"] == "order-4711"
    ((id, name),) = store.psql("SELECT conversation_id, conversation FROM agent_messages")
    assert uuid.UUID(id).version == 8 and name == "order-4711"


def test_B1_what_jsonb_cannot_hold_is_kept_as_a_string_and_stops_nothing(kept, store, tmp_path):  # noqa: F811
    contents = ['"a\\u0000b"', '"\\ud800"', "1e999999", '{"plain": [1, 2.50]}', '"word ' + "much " * 60000 + '"']
    ask = Http(kept, **{"X-Agent": "ann"})
    for content in contents:
        (tmp_path / "content").write_text(content)
        given = ("--file", str(tmp_path / "content"), "--content-type", "application/json")
        done = kept.cli("send", "bob", "--json", *given)
        assert done.returncode == 0, done.stderr
    eventually(kept, lambda found: len(found) == len(contents), "--to", "bob")
    up_to_date(kept)
    rows = [json.loads(text) for (text,) in store.psql("SELECT content FROM agent_messages ORDER BY number")]
    assert rows[:3] == contents[:3] and rows[3] == {"plain": [1, 2.5]} and rows[4].startswith("word much")
    assert len(ask("GET", "/api/history/messages?text=word+much")[1]["messages"]) == 1


def test_B1_the_database_stops_under_load_and_nothing_is_missing(make_server, store, cluster):
    server = store.make(make_server)
    load = Load(server)
    time.sleep(1)
    cluster.stop()
    stopped = time.monotonic()
    time.sleep(4)
    assert status(server)["problem"] and load.since(stopped + 1) > 100
    assert metric(server, "folkmoot_history_behind_bytes") > 10_000
    cluster.start()
    time.sleep(1)
    cluster.stop(signal.SIGKILL)
    time.sleep(2)
    (cluster.data / "postmaster.pid").unlink(missing_ok=True)
    cluster.start()
    time.sleep(1)
    load.end()
    up_to_date(server, 40)
    each_once(store, load)
    assert metric(server, "folkmoot_history_behind_bytes") == metric(server, "folkmoot_history_missed_bytes_total") == 0
    assert "does not go on" in server.log() and "it goes on" in server.log() and PASSWORD not in server.log()
    assert not status(server).get("gaps")
    forget_errors(server)


def test_B1_what_the_database_has_not_got_outlives_starts_without_it(make_server, store, cluster):
    server = store.make(make_server, "--set", "journal.segment_bytes=64KiB")
    send(server, "worker", "before")
    up_to_date(server)
    cluster.stop()
    server.listen = server.address
    contents = ["before"]
    for life in range(8):
        sent = [f"{life}-{number} {'x' * 800}" for number in range(100)]  # more than a segment
        client = Client(("127.0.0.1", server.port), agent="worker")
        client.publish_batch([message(content, to="worker", content_type="text/plain") for content in sent])
        while taken := client.receive("worker", max=100):  # and no mail is left in it
            client.ack(*(delivery.lease for delivery in taken))
        client.close()
        contents += sent
        server.kill9()
        server.start()
    cluster.start()
    up_to_date(server, 60)
    assert not status(server).get("gaps")
    found = store.psql("SELECT content #>> '{}' FROM agent_messages")
    assert sorted(text for (text,) in found) == sorted(contents)
    forget_errors(server)


def test_B1_a_database_that_hangs_delays_neither_messages_nor_the_stop(make_server, store, cluster):
    server = store.make(make_server)
    first = send(server, "bob", "first")
    eventually(server, lambda found: len(found) == 1, "--to", "bob")
    (backend,) = store.psql(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'folkmoot' AND pid IN "
        "(SELECT pid FROM pg_locks WHERE locktype = 'advisory')"
    )[0]
    os.kill(int(backend), signal.SIGSTOP)
    try:
        began = time.monotonic()
        second = send(server, "bob", "second")
        assert time.monotonic() - began < 2
        began = time.monotonic()
        assert server.terminate(30) == 0
        assert time.monotonic() - began < 12
    finally:
        os.kill(int(backend), signal.SIGCONT)
    forget_errors(server)
    server.start()
    found = eventually(server, lambda found: len(found) == 2, "--to", "bob", seconds=20)
    assert [message["id"] for message in found] == [second, first]
    assert store.psql("SELECT count(*) FROM agent_messages") == [["2"]]
    forget_errors(server)


def test_B1_a_database_that_is_not_there_yet_is_waited_for(make_server, store, cluster):
    cluster.stop()
    server = store.make(make_server)
    id = send(server, "bob", "early")
    assert "failed" in status(server)["problem"] or "refused" in status(server)["problem"]
    done = server.cli("history", "find")
    assert done.returncode != 0 and PASSWORD not in done.stderr + server.log()
    cluster.start()
    (found,) = eventually_when_open(server)
    assert found["id"] == id
    forget_errors(server)


def eventually_when_open(server):
    end = time.monotonic() + 40
    while status(server).get("problem"):
        assert time.monotonic() < end
        time.sleep(0.1)
    return eventually(server, lambda found: len(found) == 1, "--to", "bob")


def test_B1_a_database_of_somebody_else_is_refused(make_server, store, cluster):

    def refused(server):
        with pytest.raises(AssertionError) as error:
            server.start()
        assert PASSWORD not in server.log() and PASSWORD not in str(error.value)
        forget_errors(server)
        return str(error.value)

    first = store.make(make_server)
    send(first, "bob", "x")
    eventually(first, lambda found: len(found) == 1, "--to", "bob")
    other = store.make(make_server, start=False)
    assert "another server writes its history there" in refused(other)
    assert first.terminate() == 0
    assert "it has followed another data folder" in refused(other)
    other.env["DATABASE_URL"] = store.url.replace(PASSWORD, "wrong")
    assert "password authentication failed" in refused(other)
    other.env["DATABASE_URL"] = cluster.url_of("nowhere")
    assert '"nowhere" does not exist' in refused(other)
    foreign = InPostgres(cluster)
    foreign.psql("CREATE TABLE agents (id INTEGER)")
    other.env["DATABASE_URL"] = foreign.url
    assert "give the history a database of its own" in refused(other)
    newer = InPostgres(cluster)
    newer.psql("CREATE TABLE folkmoot_schema (version BIGINT); INSERT INTO folkmoot_schema VALUES (99)")
    other.env["DATABASE_URL"] = newer.url
    assert "made by a newer folkmoot" in refused(other)
    del other.env["DATABASE_URL"]
    assert "no database is named" in refused(other)
    other.env["DATABASE_URL"] = f"postgresql://folk:{PASSWORD}%zz@nowhere/x"
    assert "no address of a PostgreSQL database" in refused(other)


def test_B1_the_address_of_the_database_is_a_secret(kept, store):  # noqa: F811
    settings = kept.cli("settings")
    assert "history.url" in settings.stdout and PASSWORD not in settings.stdout and "(set)" in settings.stdout
    assert PASSWORD not in Path(f"/proc/{kept.pid}/cmdline").read_text()
    assert PASSWORD not in json.dumps(status(kept)) and PASSWORD not in kept.cli("stats", "--json").stdout
    code, page = Http(kept)("GET", "/api/settings")
    assert PASSWORD not in json.dumps(page) and code in (200, 404)
    assert PASSWORD not in kept.log()


def test_B8_doctor_looks_at_the_database(store, cluster, tmp_path):
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    given = ("--data", str(data), "--listen", "127.0.0.1:0", "--set", "history.store=postgres")

    def of(url, code=0):
        found = doctor(*given, env={"DATABASE_URL": url} if url else None, code=code)
        assert PASSWORD not in json.dumps(found)
        return found

    assert says(of(store.url), "history", "ok", "it answers; its tables will be made at the start")
    assert store.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [["0"]]  # it changes nothing
    assert says(of(cluster.url_of("nowhere"), 1), "history", "problem", '"nowhere" does not exist')
    wrong = store.url.replace(PASSWORD, "wrong")
    assert says(of(wrong, 1), "history", "problem", "password authentication failed")
    assert says(of(None, 1), "history", "problem", "no database is named")
    store.psql(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
    guest = store.url.replace("folk:", "guest:")
    assert says(of(guest, 1), "history", "problem", "the user may not make tables there")
    store.psql("CREATE TABLE folkmoot_schema (version BIGINT); INSERT INTO folkmoot_schema VALUES (99)")
    assert says(of(store.url, 1), "history", "problem", "made by a newer folkmoot")
    found = doctor(*given, "--sync", "never", "--set", f"history.url={store.url}", code=1)
    assert says(found, "history", "warning", "on the command line") and PASSWORD not in json.dumps(found)
    assert says(found, "history", "problem", 'a history needs `sync = "always"`')
