"""What is kept of webhooks, and that nothing is lost: every attempt in the history, and a server that is killed again
and again (docs/webhooks.md)."""

import contextlib
import json
import os
import random
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from native import Client, Refused, text_of_id
from test_cli import ok, wait_for
from test_delivery_native import eventually
from test_http import Http
from webhook_endpoint import Endpoint, set_webhook, show


@pytest.fixture
def endpoint():
    made = Endpoint()
    yield made
    made.close()


# -- what is kept of it


def history_of(server, id):
    code, record = Http(server)("GET", f"/api/history/messages/{id}")
    return record if code == 200 else {}


def test_B7_every_attempt_is_in_the_history_with_its_code_and_what_was_answered(make_server, endpoint):
    server = make_server("--set", "history.store=sqlite")
    boss = Client(("127.0.0.1", server.port), agent="boss")
    boss.mailbox("worker", retry=[100, 0, 20, 20, 1000])
    answers = [
        (500, {"Content-Type": "text/plain"}, b"out of order\n" * 1000),
        "half",
        (404, {}, b"\x00\xff no such agent \x1b[31m"),
        (200, {}, {"reply": "done", "note": "\u00e4"}),
    ]
    endpoint.answer = lambda post: answers.pop(0)
    set_webhook(boss, endpoint, failures=100)
    confirm = boss.publish(b"x", to="worker")
    id = text_of_id(confirm.id)
    record = eventually(
        lambda: history_of(server, id), lambda record: record and record["message"]["state"] == "processed"
    )
    attempts = record["attempts"]
    assert [(each["end"], each.get("code"), each["holder"]) for each in attempts] == [
        ("answered", 500, "worker"),
        ("nacked", None, "worker"),
        ("answered", 404, "worker"),
        ("answered", 200, "worker"),
    ]
    assert attempts[0]["reason"].startswith("out of order\nout of order\n") and len(attempts[0]["reason"]) == 4096
    assert attempts[2]["reason"] == "\\u0000\\xff no such agent \\u001b[31m"
    assert json.loads(attempts[3]["reason"]) == {"reply": "done", "note": "\u00e4"}
    boss.close()
    server.terminate()
    with sqlite3.connect(server.data / "history.sqlite") as database:
        rows = database.execute(
            "SELECT attempt, status, response_code, holder FROM message_delivery_log WHERE message_id = ? "
            "ORDER BY attempt",
            (id,),
        ).fetchall()
    assert rows == [
        (1, "failed", 500, "worker"),
        (2, "failed", None, "worker"),
        (3, "failed", 404, "worker"),
        (4, "success", 200, "worker"),
    ]


def test_B7_whoever_hands_messages_on_can_note_what_was_answered(make_server):
    server = make_server("--set", "history.store=sqlite")
    boss = Client(("127.0.0.1", server.port), agent="boss")
    bridge = Client(("127.0.0.1", server.port), agent="worker")
    confirm = boss.publish(b"x", to="worker")
    (mail,) = bridge.receive("worker", wait_ms=5_000)
    id = text_of_id(confirm.id)
    with pytest.raises(Refused) as refused:
        bridge.carry_out("message.answered", id=id, lease=str(mail.lease + 1), code=500, answer="no")
    assert refused.value.name == "lease_lost"
    bridge.carry_out("message.answered", id=id, lease=str(mail.lease), code=202, answer="taken")
    bridge.ack(mail.lease)
    record = eventually(lambda: history_of(server, id), lambda it: it and it["message"]["state"] == "processed")
    (attempt,) = record["attempts"]
    assert (attempt["code"], attempt["reason"], attempt["end"]) == (202, "taken", "answered")
    assert "result" not in record
    boss.close()
    bridge.close()


# -- the page


def test_B7_the_page_leads_from_nothing_to_a_delivered_message(server, tmp_path):
    page = (Path(__file__).parents[2] / "docs/webhooks.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "8080" in code
    program = tmp_path / "endpoint.py"
    program.write_text(code.replace("8080", str(port)))
    url = f"http://127.0.0.1:{port}/mail"
    made = json.loads(ok(server.cli("webhook", "set", "analyst", "--url", url, "--json")))
    running = subprocess.Popen([sys.executable, program], env={**os.environ, "SECRET": made["secret"]})
    try:
        wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
        assert ok(server.cli("request", "analyst", "-", stdin="how many words are these\n")) == "5 words"
        # Whoever does not know the secret is not believed.
        server.cli("webhook", "rotate", "analyst", "--keep", "0")
        ok(server.cli("send", "analyst", "x"))
        wait_for(lambda: "401" in ok(server.cli("webhook", "show", "analyst")))
    finally:
        running.terminate()
        running.wait(10)


# -- through restarts


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_B7_an_endpoint_that_fails_for_long_is_disabled_though_the_server_is_started_again(make_server, endpoint, how):
    server = make_server()
    boss = Client(("127.0.0.1", server.port), agent="boss")
    boss.mailbox("worker", retry=[10_000, 0, 10, 10, 1000])
    endpoint.answer = lambda post: 503
    set_webhook(boss, endpoint, failures=2, open_ms=100, disable_after_ms=3_000)
    boss.publish(b"x", to="worker")
    wait_for(lambda: (server.data / "webhooks.failing").exists())
    time.sleep(0.5)
    since = show(boss)["failing_since"]
    assert since > 0
    boss.close()
    server.kill9() if how == "killed" else server.terminate()
    time.sleep(1)
    began = time.monotonic()
    server.start()
    boss = Client(("127.0.0.1", server.port), agent="boss")
    assert eventually(lambda: show(boss).get("failing_since"), bool) == since
    now = eventually(lambda: show(boss), lambda now: now["state"] == "disabled")
    assert time.monotonic() - began > 1.5, "the time in which no server ran counts"
    assert now["disabled_reason"].startswith("nothing was delivered since")
    endpoint.answer = lambda post: 200
    boss.carry_out("webhook.enable", agent="worker")
    eventually(lambda: show(boss), lambda now: now["delivered"] == 1 and not now.get("failing_since"))
    wait_for(lambda: json.loads((server.data / "webhooks.failing").read_text()).get("failing", []) == [])
    boss.close()


def test_B7_the_time_that_a_server_ran_counts_though_it_is_killed_every_few_seconds(make_server, endpoint):
    server = make_server()
    boss = Client(("127.0.0.1", server.port), agent="boss")
    boss.mailbox("worker", retry=[10_000, 0, 10, 10, 1000])
    endpoint.answer = lambda post: 503
    # Of 10 failures in a row, each run makes fewer than that after the first one.
    set_webhook(boss, endpoint, failures=3, open_ms=60_000, disable_after_ms=5_000)
    boss.publish(b"x", to="worker")
    wait_for(lambda: (server.data / "webhooks.failing").exists())
    for _ in range(8):
        boss.close()
        time.sleep(2.2)
        server.kill9()
        server.start()
        boss = Client(("127.0.0.1", server.port), agent="boss")
        with contextlib.suppress(AssertionError):
            wait_for(lambda: show(boss)["state"] == "disabled", seconds=1)
            break
    assert show(boss)["state"] == "disabled", "of each run of three seconds nothing counted"
    boss.close()


# -- nothing is lost


@pytest.mark.parametrize("kills", [30])
def test_B7_nothing_is_lost_when_the_server_is_killed_and_the_endpoint_misbehaves(make_server, endpoint, kills):
    """A server that is killed again and again under load, and an endpoint that hangs, refuses, answers half and fails:
    each message is delivered, and what comes twice has the same id and the same content."""
    draw = random.Random(20261202)
    server = make_server("--set", "webhooks.timeout=400ms")
    delivered = set()  # contents that were answered with 2xx
    lock = threading.Lock()
    calm = threading.Event()

    def answer(post):
        with lock:
            word = draw.choice([200, 200, 200, 204, 500, 503, "half", "cut", "hang", "rubbish"])
            if calm.is_set():
                word = 200
            if word in (200, 204):
                delivered.add(post.message["content"])
        if word == "hang":
            time.sleep(0.6)
            return "cut"
        return word

    endpoint.answer = answer
    sent = {}

    def connect():
        return Client(("127.0.0.1", server.port), agent="boss")

    boss = connect()
    agents = ["worker", "helper", "third"]
    for agent in agents:
        boss.mailbox(agent, retry=[10_000, 0, 10, 10, 1000])
        set_webhook(boss, endpoint, agent=agent, concurrency=8, failures=10, open_ms=100)
    for kill in range(kills):
        for number in range(20):
            content = f"{kill}-{number}"
            confirm = boss.publish(content.encode(), to=draw.choice(agents), content_type="text/plain")
            sent[content] = text_of_id(confirm.id)
        time.sleep(draw.random() * 0.3)
        server.kill9()
        boss.close()
        server.start()
        boss = connect()
    calm.set()
    wait_for(lambda: delivered >= set(sent), seconds=60)
    eventually(lambda: boss.stats(), lambda now: now["waiting"] == 0 and now["leased"] == 0 and now["scheduled"] == 0)
    for post in list(endpoint.posts):
        assert sent[post.message["content"]] == post.id
    assert boss.carry_out("dead.list")["dead"] == []
    boss.close()
