"""B1, B3, B7: what works beside the server is away under load: the history's PostgreSQL, Redis, an endpoint. Mail
goes on meanwhile, and afterwards nothing is missing and nothing is there twice; also if the server itself is killed
again and again while the database comes and goes.

Each is away for four seconds here, long past every time-out that matters; FOLKMOOT_TEST_OUTAGE=60 makes it a minute."""

import os
import random
import signal
import threading
import time

import pytest
from native import Client, text_of_id
from redis_server import Redis
from test_cli import wait_for
from test_delivery_native import eventually
from test_history import find, status, up_to_date
from test_history_postgres import Load, cluster, each_once, forget_errors, store  # noqa: F401 - two are fixtures
from test_redis import Bridge, dequeue, register
from test_redis import Load as LoadForRedis
from webhook_endpoint import Endpoint, set_webhook

AWAY_S = float(os.environ.get("FOLKMOOT_TEST_OUTAGE", "4"))
KILLS = 30


class ComesAndGoes:
    """A database that is stopped, killed or hangs at random moments, until it is told to stay."""

    def __init__(self, cluster, seed):
        self.cluster, self.draw, self.staying = cluster, random.Random(seed), threading.Event()
        self.failures, self.outages = [], 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            while not self.staying.wait(self.draw.uniform(0.3, 1.5)):
                self.outage(self.draw.choice((signal.SIGINT, signal.SIGKILL, signal.SIGSTOP)))
                self.outages += 1
        except BaseException as error:  # noqa: BLE001 - reported by stay()
            self.failures.append(error)

    def outage(self, how):
        if how == signal.SIGSTOP:  # its children answer what is under way, and nobody else is let in
            self.cluster.process.send_signal(how)
            time.sleep(self.draw.uniform(0.2, 1.5))
            self.cluster.process.send_signal(signal.SIGCONT)
            return
        self.cluster.stop(how)
        time.sleep(self.draw.uniform(0.2, 1.5))
        (self.cluster.data / "postmaster.pid").unlink(missing_ok=True)
        self.cluster.start()

    def stay(self):
        self.staying.set()
        self.thread.join(60)
        assert not self.failures, self.failures


def test_B1_thirty_kills_while_the_database_comes_and_goes(make_server, store, cluster):  # noqa: F811
    # What is committed without waiting for the disk is lost for longer if the database is killed.
    cluster.psql("ALTER SYSTEM SET wal_writer_delay = '10s'")
    cluster.psql("SELECT pg_reload_conf()")
    server = store.make(make_server, "--set", "journal.segment_bytes=64KiB")
    server.listen = server.address  # where it is again after each kill
    draw = random.Random(30)
    load, database = Load(server), ComesAndGoes(cluster, 21)
    slowest = 0.0
    for _ in range(KILLS):
        time.sleep(draw.uniform(0.05, 0.7))
        server.kill9()
        server.start()
        slowest = max(slowest, server.started_in)
    database.stay()
    time.sleep(1)
    load.end()
    up_to_date(server, 60)
    assert not status(server).get("gaps")
    each_once(store, load)
    found = find(server, "--to", "worker")
    assert len({message["id"] for message in found}) == len(found) >= len(load.confirmed)
    twice = store.psql("SELECT message_id, attempt FROM message_delivery_log GROUP BY 1, 2 HAVING count(*) > 1")
    assert twice == []
    print(
        f"\n{KILLS} kills, {database.outages} outages: {len(load.confirmed)} messages confirmed, {len(load.settled)} "
        f"settled, {len(found)} in the history, slowest start {slowest * 1000:.0f} ms"
    )
    assert len(load.confirmed) > 500 and len(load.settled) > 200 and database.outages >= 4
    forget_errors(server)


def test_B1_a_database_that_is_away_for_long_has_everything_when_it_is_back(make_server, store, cluster):  # noqa: F811
    server = store.make(make_server)
    load = Load(server)
    time.sleep(1)
    cluster.stop()
    stopped = time.monotonic()
    time.sleep(AWAY_S)
    went_on, behind = load.since(stopped + 1), status(server)["lag_bytes"]
    cluster.start()
    back = time.monotonic()
    time.sleep(1)
    load.end()
    up_to_date(server, 60)
    caught_up = time.monotonic() - back
    each_once(store, load)
    assert went_on > 10 * (AWAY_S - 1) and behind > 1_000 and not status(server).get("gaps")
    print(
        f"\naway for {AWAY_S:.0f} s: {went_on} messages confirmed meanwhile, {behind} bytes behind; "
        f"{len(load.confirmed)} in all are there {caught_up:.1f} s after it was back"
    )
    forget_errors(server)


@pytest.mark.parametrize("how", ("stopped", "hangs"))
def test_B3_redis_that_is_away_for_long_has_every_message_when_it_is_back(server, how):
    redis = Redis()
    worker = register(server, "busy")
    bridge = Bridge(server, redis)
    load = LoadForRedis(server, "busy")
    try:
        time.sleep(1)
        sent = len(load.confirmed)
        if how == "hangs":
            redis.process.send_signal(signal.SIGSTOP)
        else:
            redis.stop()
        time.sleep(AWAY_S)
        meanwhile = len(load.confirmed) - sent
        if how == "hangs":
            redis.process.send_signal(signal.SIGCONT)
        else:
            redis.start()
        time.sleep(1)
        load.end()
        came = {}
        while len(came) < len(load.confirmed):
            message = dequeue(redis, worker)
            assert message, f"{len(came)} of {len(load.confirmed)}"
            came.setdefault(message["id"], []).append(message)
        while (message := dequeue(redis, worker, 1)) is not None:
            came.setdefault(message["id"], []).append(message)
        assert set(came) == set(load.confirmed) and meanwhile > 10 * AWAY_S
        assert all(copy["redelivered"] for copies in came.values() for copy in copies[1:])  # what may be twice says so
        twice = sum(len(copies) > 1 for copies in came.values())
        print(f"\nRedis {how} for {AWAY_S:.0f} s: {meanwhile} messages confirmed meanwhile, none lost, {twice} twice")
    finally:
        load.end()
        bridge.stop()
        redis.process.send_signal(signal.SIGCONT)
        redis.close()


@pytest.mark.parametrize("how", ("refuses", "hang", "half", 503))
def test_B7_an_endpoint_that_is_away_for_long_gets_every_message_when_it_is_back(make_server, how):
    server = make_server("--set", "webhooks.timeout=400ms")
    boss = Client(("127.0.0.1", server.port), agent="boss")
    boss.mailbox("worker", retry=[10_000, 0, 10, 10, 1000])
    endpoint, delivered, sent = Endpoint(), [], {}

    def take(post):
        delivered.append(post.message["content"])
        return 204

    def send(until):
        while time.monotonic() < until:
            content = f"m{len(sent)}"
            confirm = boss.publish(content.encode(), to="worker", content_type="text/plain")
            sent[content] = text_of_id(confirm.id)
            time.sleep(0.005)

    try:
        endpoint.answer = take
        set_webhook(boss, endpoint, concurrency=8, failures=5, open_ms=200)
        send(time.monotonic() + 0.5)
        wait_for(lambda: delivered)
        endpoint.answer = lambda post: "cut" if how == "refuses" else how
        if how == "refuses":
            endpoint.close()  # nobody listens; connections that were kept are cut at their next request
        before = len(sent)
        send(time.monotonic() + AWAY_S)
        told = boss.carry_out("webhook.show", agent="worker")
        assert told["state"] in ("open", "half_open") and told["last_error"], told
        tried = told["attempts"]
        assert tried < 40 + 40 * AWAY_S, "it is left alone while its circuit is open"
        if how == "refuses":
            endpoint = Endpoint(port=endpoint.port)
        endpoint.released.set()
        endpoint.answer = take
        boss.carry_out("webhook.enable", agent="worker")
        wait_for(lambda: set(delivered) >= set(sent), seconds=60)
        eventually(lambda: boss.stats(), lambda now: now["waiting"] + now["leased"] + now["scheduled"] == 0)
        assert boss.carry_out("dead.list")["dead"] == [] and len(sent) - before > 10 * AWAY_S
        assert all(sent[post.message["content"]] == post.id for post in list(endpoint.posts))
    finally:
        endpoint.close()
        boss.close()
