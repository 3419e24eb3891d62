"""B3: mail of agents whose workers know Redis alone (docs/redis.md). A real Redis, stopped and killed under load."""

import json
import signal
import subprocess
import threading
import time
import uuid

import pytest
from program import PROGRAM, environment
from redis_server import PASSWORD, Redis
from test_http import Http


@pytest.fixture
def lists():
    running = Redis()
    yield running
    running.close()


class Bridge:
    def __init__(self, server, redis, *arguments):
        self.server, self.redis, self.arguments = server, redis, arguments
        self.log = redis.folder / "bridge.log"
        self.start()

    def start(self):
        env = environment(FOLKMOOT_ADDRESS=self.server.address, REDIS_URL=self.redis.url)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "bridge", "redis", *self.arguments], stdin=subprocess.DEVNULL, stderr=log, env=env
            )

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        status = self.process.wait(20)
        assert how == signal.SIGKILL or status == 0, self.said()

    def said(self):
        return self.log.read_text()

    def says(self, words, seconds=20):
        eventually(lambda: words in self.said(), seconds)


@pytest.fixture
def bridge(server, lists):
    running = []

    def make(*arguments):
        running.append(Bridge(server, lists, *arguments))
        return running[-1]

    yield make
    for each in running:
        if each.process.poll() is None:
            each.stop()


def eventually(so, seconds=20):
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end
        time.sleep(0.05)


def register(server, name):
    return Http(server)("POST", "/api/agents", {"agent": name, "type": "redis"})[1]["id"]


def dequeue(redis, agent_id, timeout=20):
    """As the older system's DequeueMessage does; nothing if there is none in that time."""
    found = redis.client.brpop(f"agent_queue:{agent_id}", timeout)
    return found and json.loads(found[1])


def test_B3_a_worker_drains_the_list_of_its_agent(server, lists, bridge):
    worker = register(server, "scraper")
    ask = Http(server, **{"X-Agent": "bot"})
    conversation = str(uuid.uuid4())
    sent = [
        ask("POST", "/api/messages", {"to": "scraper", "content": content, "conversation": conversation, **more})[1][
            "id"
        ]
        for content, more in (
            ({"url": "http://localhost/", "n": 12345678901234567890123}, {"priority": 3, "metadata": {"timeout": 300}}),
            ("plain", {"type": "query", "ttl": "1h"}),
            ("/wD+", {"content_encoding": "base64", "correlation_id": "c-1"}),
        )
    ]
    bridge()
    got = [dequeue(lists, worker) for _ in sent]
    assert [message["id"] for message in got] == sent  # in order
    first, second, third = got
    assert first["content"] == {"url": "http://localhost/", "n": 12345678901234567890123}
    assert first["metadata"] == {"timeout": 300} and first["priority"] == 3 and first["message_type"] == "task"
    assert (first["from_agent_id"], first["to_agent_id"]) == ("bot", "scraper")
    assert first["conversation_id"] == conversation and first["status"] == "pending" and first["retry_count"] == 0
    assert first["created_at"].endswith("Z") and "expires_at" not in first and first["redelivered"] is False
    assert second["content"] == "plain" and second["message_type"] == "query" and second["expires_at"].endswith("Z")
    assert third["content"] == "/wD+" and third["correlation_id"] == "c-1"
    # Settled once it was on the list: it is the worker's now.
    eventually(lambda: ask("GET", f"/api/messages/{sent[2]}")[1]["state"] == "acknowledged")
    late = ask("POST", "/api/messages", {"to": "scraper", "content": 4})[1]["id"]
    assert dequeue(lists, worker)["id"] == late


def test_B3_an_agent_that_is_registered_later_is_carried_too_and_others_are_not(server, lists, bridge):
    running = bridge()
    running.says("carrying mail to Redis at 127.0.0.1")
    ask = Http(server)
    ask("POST", "/api/agents", {"agent": "person", "type": "human"})
    ask("POST", "/api/messages", {"to": "person", "content": 1})
    worker = register(server, "late")
    ask("POST", "/api/messages", {"to": "late", "content": 2})
    assert dequeue(lists, worker)["content"] == 2
    assert lists.client.keys("agent_queue:*") == []  # an empty list is none, and no other was made


def test_B3_agents_may_be_named_and_need_not_be_registered(server, lists, bridge):
    bridge("plain-worker", "--prefix", "jobs:")
    Http(server)("POST", "/api/messages", {"to": "plain-worker", "content": 1})
    assert json.loads(lists.client.brpop("jobs:plain-worker", 20)[1])["content"] == 1


def test_B3_what_workers_put_on_a_list_is_sent_on(server, lists, bridge):
    left = {"to_agent_id": "bot", "content": "left by a crash", "message_type": "response"}
    lists.client.lpush("outbox:taken", json.dumps(left))
    running = bridge("--ingest", "outbox")
    task = str(uuid.uuid4())
    answer = {"to_agent_id": "bot", "from_agent_id": "scraper", "message_type": "response", "content": {"bikes": 12},
              "correlation_id": task, "priority": 2}  # fmt: skip
    keyed = json.dumps({**answer, "key": "k"})
    for item in (json.dumps(answer), "no json", json.dumps({"content": "to nobody"}), keyed, keyed):
        lists.client.lpush("outbox", item)
    ask = Http(server)
    got = []
    end = time.monotonic() + 20
    while len(got) < 3 and time.monotonic() < end:
        got += ask("GET", "/api/messages?agent=bot&limit=9&wait=1s&ack=true")[1]["messages"]
    assert len(got) == 3
    by_content = {json.dumps(message["content"]): message for message in got}
    old = by_content['"left by a crash"']
    assert old["metadata"]["redelivered"] is True
    new = by_content['{"bikes": 12}']
    assert (new["from"], new["type"], new["correlation"]) == ("scraper", "response", task)
    assert "metadata" not in new or "redelivered" not in new["metadata"]
    # What was not understood is kept, and said.
    eventually(lambda: lists.client.llen("outbox:refused") == 2)
    assert {*lists.client.lrange("outbox:refused", 0, -1)} == {b"no json", b'{"content": "to nobody"}'}
    eventually(lambda: lists.client.llen("outbox:taken") == lists.client.llen("outbox") == 0)
    assert running.said().count("outbox:refused now") == 2


def test_B3_a_long_list_makes_messages_wait_in_the_mailbox(server, lists, bridge):
    worker = register(server, "slow")
    ask = Http(server)
    for n in range(300):
        ask("POST", "/api/messages", {"to": "slow", "content": n})
    running = bridge("--queue-max", "20")
    running.says("the mail of slow waits")
    time.sleep(1)
    queue = f"agent_queue:{worker}"
    assert 20 <= lists.client.llen(queue) <= 20 + 64
    assert [dequeue(lists, worker)["content"] for _ in range(300)] == [*range(300)]


def test_B3_a_list_that_is_none_holds_its_agent_alone(server, lists, bridge):
    broken, good = register(server, "broken"), register(server, "good")
    lists.client.set(f"agent_queue:{broken}", "text")
    running = bridge()
    ask = Http(server)
    ask("POST", "/api/messages", {"to": "broken", "content": 1})
    running.says("WRONGTYPE")
    ask("POST", "/api/messages", {"to": "good", "content": 2})
    assert dequeue(lists, good)["content"] == 2
    lists.client.delete(f"agent_queue:{broken}")
    assert dequeue(lists, broken)["content"] == 1


def test_B3_with_a_lease_a_message_is_the_servers_until_its_worker_settles_it(make_server, lists):
    server = make_server("--set", "history.store=sqlite")
    worker = register(server, "careful")
    ask = Http(server)
    sent = ask("POST", "/api/messages", {"to": "careful", "content": 1})[1]["id"]
    running = Bridge(server, lists, "--lease", "2s")
    try:
        first = dequeue(lists, worker)
        assert first["id"] == sent and first["retry_count"] == 0
        again = dequeue(lists, worker)  # nobody settled it
        assert again["id"] == sent and again["retry_count"] == 1 and again["redelivered"] is True
        said = {"status": "processed", "lease": again["lease"], "result": {"bikes": 12}}
        assert ask("PUT", f"/api/messages/{sent}/status", said)[0] == 200
        eventually(lambda: ask("GET", f"/api/messages/{sent}")[1].get("result") == {"bikes": 12})
        assert dequeue(lists, worker, 3) is None
    finally:
        running.stop()


def test_B3_what_cannot_be_is_told_at_once_and_without_the_password(server, lists):
    def told(url):
        done = server.cli("bridge", "redis", "--url", url)
        assert done.returncode not in (0, None) and "wrong-secret" not in done.stderr, done
        return done.stderr

    assert "refuses user and password" in told(f"redis://:wrong-secret@127.0.0.1:{lists.port}")
    assert "give the password in the address" in told(f"redis://127.0.0.1:{lists.port}")
    assert "redis://[[USER]:PASSWORD@]HOST" in told("http://:wrong-secret@host")
    assert "out of range" in told(f"redis://:{PASSWORD}@127.0.0.1:{lists.port}/999").lower()
    assert "stunnel" in told("rediss://:wrong-secret@127.0.0.1")


class Load:
    """Sends to an agent until it is stopped; what was confirmed is kept."""

    def __init__(self, server, agent):
        self.ask, self.agent, self.confirmed = Http(server), agent, []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopping.is_set():
            code, sent = self.ask("POST", "/api/messages", {"to": self.agent, "content": len(self.confirmed)})
            assert code == 201
            self.confirmed.append(sent["id"])
            time.sleep(0.002)

    def end(self):
        self.stopping.set()
        self.thread.join()


@pytest.mark.parametrize("killed", ("redis", "bridge", "both"))
def test_B3_nothing_is_lost_when_redis_and_the_bridge_are_killed_under_load(server, lists, bridge, killed):
    worker = register(server, "busy")
    running = bridge()
    load = Load(server, "busy")
    for _ in range(4):
        time.sleep(0.7)
        if killed != "bridge":
            lists.stop(signal.SIGKILL)
        if killed != "redis":
            running.stop(signal.SIGKILL)
        time.sleep(0.4)
        if killed != "bridge":
            lists.start()
        if killed != "redis":
            running.start()
    load.end()
    came = {}
    while len(came) < len(load.confirmed):
        message = dequeue(lists, worker)
        assert message, f"{len(came)} of {len(load.confirmed)}"
        came.setdefault(message["id"], []).append(message)
    while (message := dequeue(lists, worker, 1)) is not None:
        came.setdefault(message["id"], []).append(message)
    assert set(came) == set(load.confirmed)
    # What came twice says so.
    for copies in came.values():
        assert all(copy["redelivered"] for copy in copies[1:])
    if killed == "redis":
        assert "is there again" in running.said()
    assert PASSWORD not in running.said()
