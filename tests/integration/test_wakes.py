"""Agents that sleep while they have no mail, and what wakes them: hooks and processes of `folkmoot watch`, and webhooks
of the server (docs/wakes.md)."""

import base64
import hashlib
import hmac
import http.server
import json
import os
import re
import signal
import struct
import threading
import time
import uuid

import msgpack
import pytest
from native import CALL, Client, Refused, message
from program import PROGRAM, SANITIZED
from test_cli import ok, wait_for
from test_delivery_native import eventually
from test_http import Http

SHIM = os.environ.get("FOLKMOOT_CLOCK_SHIM")
HOUR = 3_600_000
DAY = 24 * HOUR


@pytest.fixture
def watch(server):
    """Starts watchers: watch('agent', '--exec', 'command')."""
    running = []

    def start(*words, ready=True):
        running.append(server.cli_start("watch", *words))
        if ready:
            wait_for(lambda: status(server, words[0]).get("watched"))
        return running[-1]

    yield start
    for one in running:
        if one.poll() is None:
            one.terminate()
        one.communicate(timeout=20)


def status(server, agent):
    code, body = Http(server)("GET", f"/api/wakes/{agent}")
    return body if code == 200 else {}


def lines(path):
    return len(path.read_text().splitlines()) if path.exists() else 0


def taken(client, /, **arguments):
    return client.carry_out("wake.take", **arguments)["wakes"]


# -- hooks and processes


def test_X11_an_agent_asleep_is_woken_by_a_hook_works_and_sleeps_again(server, connect, watch, tmp_path):
    starts, told = tmp_path / "starts", tmp_path / "told"
    work = f"{PROGRAM} reply sleeper --exec 'tr a-z A-Z' --until-empty"
    watch("sleeper", "--exec", f"cat >> {told}; echo $FOLKMOOT_AGENT $FOLKMOOT_UNREAD >> {starts}; {work}")
    boss = connect("boss")
    for number in (1, 2):
        assert boss.stats("sleeper")["consumers"] == 0
        answer = boss.request("wake up", to="sleeper")
        assert answer.content.strip() == b"WAKE UP"
        eventually(lambda: status(server, "sleeper"), lambda now: now["state"] == "idle" and now["last"] == "done")
        assert lines(starts) == number
    summary = json.loads(told.read_text().splitlines()[0])
    assert summary == {**summary, "agent": "sleeper", "attempt": 1, "unread": 1, "ready": 1, "first_priority": 5}
    assert starts.read_text().splitlines()[0] == "sleeper 1"
    assert status(server, "sleeper")["woken_today"] == 2


def test_X11_ten_senders_at_once_are_one_start_a_batch(server, watch, tmp_path):
    starts, done = tmp_path / "starts", tmp_path / "done"
    ok(server.cli("wake", "set", "worker", "--batch", "10", "--batch-wait", "1m"))
    watch("worker", "--start", f"echo x >> {starts}; {PROGRAM} reply worker --exec 'cat >> {done}' --until-empty")

    def send(number):
        client = Client(("127.0.0.1", server.port), agent=f"sender-{number}")
        client.publish(f"{number}\n", to="worker")
        client.close()

    for batch in (1, 2, 3):
        senders = [threading.Thread(target=send, args=(number,)) for number in range(10)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        wait_for(lambda: lines(done) == 10 * batch)
        eventually(lambda: status(server, "worker"), lambda now: now["state"] == "idle")
        assert lines(starts) == batch
    assert sorted(map(int, done.read_text().split())) == sorted(list(range(10)) * 3)


def test_X11_mail_that_comes_while_it_works_starts_no_second_one(server, connect, watch, tmp_path):
    starts, alive, twice = tmp_path / "starts", tmp_path / "alive", tmp_path / "twice"
    once = f"mkdir {alive} || echo x >> {twice}; echo x >> {starts}"
    work = f"{PROGRAM} reply worker --exec 'sleep 0.1' --until-empty"
    watch("worker", "--start", f"{once}; {work}; rmdir {alive}")
    watch("worker", "--start", f"{once}; {work}; rmdir {alive}")
    boss = connect("boss")
    for number in range(10):
        boss.publish(str(number), to="worker")
        time.sleep(0.05)
    eventually(lambda: status(server, "worker"), lambda now: now["state"] == "idle" and now["unread"] == 0)
    assert not twice.exists() and 1 <= lines(starts) <= 10


def test_X11_killed_in_the_middle_it_is_started_again_and_nothing_is_done_twice(server, connect, watch, tmp_path):
    starts, killed = tmp_path / "starts", tmp_path / "killed"
    # The second message kills the agent that works at it, once.
    work = (
        f'read -r task; if [ "$task" = two ] && [ ! -e {killed} ]; then touch {killed}; kill -9 $PPID; fi; '
        "echo done $task"
    )
    watch(
        "worker",
        "--start",
        f"echo x >> {starts}; exec {PROGRAM} reply worker --exec '{work}' --until-empty --to results",
    )
    boss = connect("boss")
    boss.publish_batch([message(f"{task}\n", to="worker") for task in ("one", "two", "three")])
    got = []
    while len(got) < 3:
        (result,) = boss.receive("results", wait_ms=20_000)
        boss.ack(result.lease)
        got.append(result.content.decode().strip())
    assert sorted(got) == ["done one", "done three", "done two"]
    eventually(lambda: status(server, "worker"), lambda now: now["state"] == "idle")
    assert lines(starts) == 2 and boss.receive("results", wait_ms=300) == []


def test_X11_a_command_that_fails_or_brings_nobody_is_tried_again_later_and_later(server, connect, watch, tmp_path):
    starts = tmp_path / "starts"
    ok(server.cli("wake", "set", "worker", "--retry", "100ms", "--retry-max", "400ms"))
    watch("worker", "--start", f"date +%s%N >> {starts}; test $(wc -l < {starts}) -gt 2")
    connect("boss").publish("x", to="worker")
    wait_for(lambda: lines(starts) == 5)
    at = [int(line) / 1e6 for line in starts.read_text().split()][:5]
    gaps = [after - before for before, after in zip(at, at[1:])]
    assert all(gap >= least for gap, least in zip(gaps, (90, 190, 390, 390))), gaps
    now = status(server, "worker")
    assert now["tries"] >= 4 and now["last"] in ("unread", "failed")
    shown = ok(server.cli("wake", "show", "worker"))
    assert "in vain" in shown and "worker  process" in shown


def test_X11_a_watcher_that_is_told_to_stop_ends_its_commands_first(server, connect, watch, tmp_path):
    began, ended = tmp_path / "began", tmp_path / "ended"
    one = watch("worker", "--start", f"trap 'sleep 0.3; touch {ended}; exit 1' TERM; touch {began}; sleep 60 & wait")
    connect("boss").publish("x", to="worker")
    wait_for(began.exists)
    one.terminate()
    assert one.wait(10) == 0 and ended.exists()
    assert eventually(lambda: status(server, "worker"), lambda now: now["last"] == "failed")["last_reason"] == (
        "its watcher was stopped"
    )
    stubborn = watch("worker", "--grace", "300ms", "--start", f"rm {began}; trap '' TERM; while :; do sleep 0.1; done")
    wait_for(lambda: not began.exists())
    stubborn.terminate()
    assert stubborn.wait(10) == 0


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_X11_a_command_that_is_too_slow_goes_with_all_that_it_has_started(connect, watch, tmp_path):
    began = tmp_path / "began"
    watch(
        "worker",
        "--timeout",
        "1s",
        "--grace",
        "300ms",
        "--start",
        f"trap '' TERM; setsid sleep 63 & echo $$ $! > {began}.new; mv {began}.new {began}; while :; do sleep 1; done",
    )
    connect("boss").publish("x", to="worker")
    wait_for(began.exists)
    mine = [int(word) for word in began.read_text().split()]
    wait_for(lambda: not any(runs(pid) for pid in mine))


def test_X11_agents_show_says_how_one_is_woken(server, connect, watch):
    watch("worker", "--start", "false")
    connect("boss").publish("x", to="worker")
    eventually(lambda: status(server, "worker"), lambda now: now["tries"] >= 1 and now["last"] == "failed")
    shown = ok(server.cli("agents", "show", "worker"))
    (line,) = [line for line in shown.splitlines() if line.startswith("wake ")]
    assert "process" in line and "in vain" in line and "the command ended with status 1" in line, shown
    told = json.loads(ok(server.cli("agents", "show", "worker", "--json")))
    assert told["wake"]["how"] == "process" and told["wake"]["tries"] >= 1 and told["wake"]["agent"] == "worker"
    # One that is known, and that nobody wakes.
    assert "wake" not in ok(server.cli("agents", "show", "boss"))
    assert "wake" not in json.loads(ok(server.cli("agents", "show", "boss", "--json")))
    refused = server.cli("agents", "show", "nobody")
    assert refused.returncode == 1 and "nobody" in refused.stderr


def test_X11_when_a_watcher_dies_another_takes_over(server, connect, watch, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    # It has a child in its process group, and one that has left it.
    one = watch(
        "worker",
        "--start",
        f"trap '' TERM; sleep 61 & echo $! $$ > {first}.new; setsid sleep 62 & echo $! >> {first}.new; "
        f"mv {first}.new {first}; while :; do sleep 1; done",
    )
    connect("boss").publish("x", to="worker")
    wait_for(first.exists)
    assert status(server, "worker")["taken_by"].endswith(f":{one.pid}")
    mine = [int(word) for word in first.read_text().split()]
    assert len(mine) == 3 and all(runs(pid) for pid in mine)
    alive = " || ".join(f"kill -0 {pid}" for pid in mine)
    said = f"if {alive}; then echo yes > {second}; else echo no > {second}; fi"
    watch("worker", "--start", f"{said}; {PROGRAM} recv worker")
    one.kill()
    wait_for(second.exists)
    # Killed with SIGKILL, it takes what it had started with it, before the other begins.
    assert not any(runs(pid) for pid in mine)
    wait_for(lambda: second.read_text().strip() != "")
    assert second.read_text().strip() == "no"
    eventually(lambda: status(server, "worker"), lambda now: now["last"] == "done" and now["unread"] == 0)


def test_X11_a_watcher_of_a_pattern_wakes_all_of_them_so_many_at_a_time(server, connect, watch, tmp_path):
    for number in range(6):
        ok(server.cli("wake", "set", f"team-{number}", "--how", "hook"))
    watch(
        "team-*",
        "--parallel",
        "2",
        "--exec",
        f"echo $FOLKMOOT_AGENT >> {tmp_path}/woken; {PROGRAM} recv $FOLKMOOT_AGENT; sleep 0.2",
        ready=False,
    )
    boss = connect("boss")
    for number in range(6):
        boss.publish("x", to=f"team-{number}")
    wait_for(lambda: lines(tmp_path / "woken") == 6)
    assert sorted((tmp_path / "woken").read_text().split()) == [f"team-{number}" for number in range(6)]


def test_X11_a_watcher_comes_back_when_its_server_does(server, connect, watch, tmp_path):
    watch("worker", "--start", f"{PROGRAM} reply worker --exec 'cat >> {tmp_path}/done' --until-empty")
    server.kill9()
    port = server.port
    server.listen = f"127.0.0.1:{port}"
    server.start()
    client = Client(("127.0.0.1", server.port))
    client.publish("again\n", to="worker")
    client.close()
    wait_for((tmp_path / "done").exists)


def test_X11_watch_says_what_it_cannot_do(server):
    ok(server.cli("wake", "set", "worker", "--how", "hook"))
    wrong = server.cli("watch", "worker", "--start", "true")
    assert wrong.returncode == 1 and "wake set worker --how process" in wrong.stderr
    assert server.cli("watch", "worker").returncode == 2
    assert server.cli("watch", "worker", "--start", "a", "--exec", "b").returncode == 2


def test_X11_wakes_are_set_shown_listed_and_removed_at_the_command_line(server):
    ok(
        server.cli(
            "wake",
            "set",
            "worker",
            "--batch",
            "3",
            "--batch-wait",
            "5m",
            "--quiet",
            "22:00-07:00",
            "--zone",
            "Europe/Berlin",
            "--budget",
            "7",
            "--priority",
            "high",
        )
    )
    shown = json.loads(ok(server.cli("wake", "show", "worker", "--json")))
    assert shown == {
        **shown,
        "agent": "worker",
        "how": "process",
        "batch": 3,
        "batch_wait_ms": 300_000,
        "quiet": "22:00-07:00",
        "zone": "Europe/Berlin",
        "budget": 7,
        "priority": 3,
        "state": "idle",
    }
    ok(server.cli("wake", "set", "other", "--how", "hook"))
    listed = [json.loads(line) for line in ok(server.cli("wake", "list", "--json")).splitlines()]
    assert [row["agent"] for row in listed] == ["other", "worker"]
    assert "worker  process" in ok(server.cli("wake", "list", "work*"))
    assert "woken no more" in ok(server.cli("wake", "remove", "worker"))
    assert server.cli("wake", "show", "worker").returncode == 1
    for words in (
        ["--quiet", "25:00-07:00"],
        ["--quiet", "22:00"],
        ["--zone", "Mars/Olympus"],
        ["--batch", "3"],
        ["--how", "webhook"],
        ["--zone", "../../etc/passwd"],
    ):
        assert server.cli("wake", "set", "worker", *words).returncode == 2, words


# -- taking wakes


def test_X11_one_watcher_has_a_wake_and_a_second_is_refused(server, connect):
    boss, one, two = connect("boss"), connect("one"), connect("two")
    boss.carry_out("wake.set", agent="sleeper", how="process")
    assert taken(one, agents=["sleeper"]) == []
    boss.publish("x", to="sleeper")
    (wake,) = eventually(lambda: taken(one, agents=["sleeper"]), len)
    assert wake == {**wake, "agent": "sleeper", "how": "process", "attempt": 1, "unread": 1, "ready": 1}
    with pytest.raises(Refused) as refused:
        taken(two, agents=["sleeper"])
    assert refused.value.name == "already_exists" and "woken by one" in refused.value.text
    assert taken(two, agents=["sleep*"]) == []
    one.close()
    (again,) = eventually(lambda: taken(two, agents=["sleep*"]), len)
    assert again["attempt"] == 2 and again["id"] == wake["id"] and again["wake"] != wake["wake"]
    with pytest.raises(Refused) as refused:
        boss.carry_out("wake.done", agent="sleeper", wake=wake["wake"])
    assert refused.value.name == "lease_lost"
    (mail,) = two.receive("sleeper")
    two.ack(mail.lease)
    two.carry_out("wake.done", agent="sleeper", wake=again["wake"])
    assert status(server, "sleeper")["tries"] == 0


def test_X11_whoever_waits_for_wakes_is_told_at_once_whatever_shard_they_are_in(server, connect):
    boss, watcher = connect("boss"), connect("watcher")
    agents = [f"agent-{number}" for number in range(12)]
    for agent in agents:
        boss.carry_out("wake.set", agent=agent, how="hook")
    told = []
    for agent in agents:
        answers = []
        waiting = threading.Thread(
            target=lambda: answers.append(taken(watcher, agents=["agent-*"], wait_ms=60_000, limit=4))
        )
        waiting.start()
        time.sleep(0.05)
        began = time.monotonic()
        boss.publish("x", to=agent)
        waiting.join(10)
        assert not waiting.is_alive() and time.monotonic() - began < 5
        told += [wake["agent"] for wake in answers[0]]
    assert sorted(told) == sorted(agents)
    assert {row["state"] for row in boss.carry_out("wake.list")["wakes"]} == {"taken"}


def test_X11_a_wait_for_wakes_ends_in_time_or_when_it_is_called_off(server, connect):
    watcher = connect("watcher")
    began = time.monotonic()
    assert taken(watcher, agents=["*"], wait_ms=300) == []
    assert 0.25 < time.monotonic() - began < 5
    request = watcher.send_frame(
        CALL, msgpack.packb({0: "wake.take", 1: json.dumps({"agents": ["*"], "wait_ms": 60_000})})
    )
    watcher.cancel(request)
    assert json.loads(watcher.answer(request, timeout=5).body) == {"wakes": []}


def test_X11_over_http_a_wake_is_taken_for_a_time(server):
    ask = Http(server)
    assert ask("PUT", "/api/wakes/sleeper", {"how": "hook", "retry_ms": 100})[0] == 200
    assert ask("POST", "/api/messages", {"to": "sleeper", "content": "x"})[0] in (200, 201)
    code, body = eventually(
        lambda: ask("POST", "/api/wakes/take", {"agents": ["sleeper"], "lease_ms": 400}),
        lambda got: got[1].get("wakes"),
    )
    (wake,) = body["wakes"]
    assert eventually(lambda: status(server, "sleeper"), lambda now: now["last"] == "lost")["last_reason"] == (
        "its lease is over"
    )
    code, body = ask("POST", "/api/wakes/take", {"agents": ["sleeper"], "lease_ms": 60_000, "wait_ms": 10_000})
    (again,) = body["wakes"]
    assert ask("POST", "/api/wakes/sleeper/done", {"wake": wake["wake"]})[0] == 409
    assert (
        ask("POST", "/api/wakes/sleeper/done", {"wake": again["wake"], "outcome": "failed", "reason": "no"})[0] == 200
    )
    assert status(server, "sleeper")["last_reason"] == "no"
    assert ask("DELETE", "/api/wakes/sleeper")[0] == 200
    assert ask("GET", "/api/wakes/sleeper")[0] == 404


def test_X11_a_restart_wakes_again(server, connect):
    boss = connect("boss")
    boss.carry_out("wake.set", agent="sleeper", how="process", budget=2)
    boss.publish("x", to="sleeper")
    (wake,) = eventually(lambda: taken(boss, agents=["sleeper"]), len)
    server.kill9()
    server.start()
    client = Client(("127.0.0.1", server.port))
    (again,) = taken(client, agents=["sleeper"], wait_ms=10_000)
    assert again["id"] == wake["id"]
    client.carry_out("wake.done", agent="sleeper", wake=again["wake"], outcome="failed")
    time.sleep(1.2)
    assert taken(client, agents=["sleeper"]) == []
    now = status(server, "sleeper")
    assert now["woken_today"] == 2 and now["state"] == "waiting" and now["next_at"] is not None
    client.close()


def test_X11_a_mailbox_that_wakes_its_agent_is_not_deleted(server, connect):
    boss = connect("boss")
    boss.carry_out("wake.set", agent="sleeper", how="hook")
    with pytest.raises(Refused) as refused:
        boss.carry_out("mailbox.delete", name="sleeper")
    assert refused.value.name == "mailbox_in_use" and "wake remove" in refused.value.text


# -- quiet hours and budgets


@pytest.fixture
def clocked(make_server, tmp_path):
    """A server that is started anew at the times it is told: clocked(ms)."""
    if SANITIZED or not SHIM:
        pytest.skip("no clock to move under a sanitizer")
    path = tmp_path / "offset"
    path.write_bytes(struct.pack("<q", 0))
    server = make_server(env={"LD_PRELOAD": SHIM, "CLOCK_OFFSET": str(path)}, start=False)

    def start_at(ms):
        if server.running():
            assert server.terminate() == 0
        path.write_bytes(struct.pack("<q", int(ms - time.time() * 1000)))
        server.start()
        return Client(("127.0.0.1", server.port))

    return start_at


def at(text):
    """Of a day to come, so that the server's ids do not run into the past."""
    return int(time.mktime(time.strptime(text + " UTC", "%Y-%m-%dT%H:%M:%S %Z")) - time.timezone) * 1000


def test_X11_quiet_hours_are_kept_in_the_agents_own_time_zone(clocked):
    year = time.gmtime().tm_year + 1
    # In Berlin 22:30, an hour ahead of UTC; the next morning too.
    client = clocked(at(f"{year}-01-15T21:30:00"))
    client.carry_out("wake.set", agent="sleeper", how="hook", quiet="22:00-07:00", zone="Europe/Berlin")
    client.publish("x", to="sleeper")
    assert taken(client, agents=["sleeper"], wait_ms=300) == []
    (row,) = client.carry_out("wake.list")["wakes"]
    assert (row["state"], row["next_at"]) == ("waiting", at(f"{year}-01-16T06:00:00"))
    client.close()
    client = clocked(at(f"{year}-01-16T05:59:00"))
    assert taken(client, agents=["sleeper"]) == []
    client.close()
    client = clocked(at(f"{year}-01-16T06:00:01"))
    assert len(taken(client, agents=["sleeper"])) == 1
    client.close()
    # Half a year later it is two hours ahead.
    client = clocked(at(f"{year}-07-15T05:00:01"))
    assert len(taken(client, agents=["sleeper"], wait_ms=5_000)) == 1
    client.close()


def test_X11_a_budget_is_of_a_day_of_its_time_zone_and_survives_a_restart(clocked):
    year = time.gmtime().tm_year + 1
    client = clocked(at(f"{year}-06-01T10:00:00"))
    client.carry_out("wake.set", agent="sleeper", how="hook", budget=2, zone="America/New_York", retry_ms=100)
    client.publish("x", to="sleeper")
    for _ in range(2):
        (wake,) = taken(client, agents=["sleeper"], wait_ms=5_000)
        client.carry_out("wake.done", agent="sleeper", wake=wake["wake"], outcome="failed")
    assert taken(client, agents=["sleeper"], wait_ms=500) == []
    client.close()
    client = clocked(at(f"{year}-06-02T03:59:00"))  # 23:59 in New York
    assert taken(client, agents=["sleeper"]) == []
    (row,) = client.carry_out("wake.list")["wakes"]
    assert (row["woken_today"], row["next_at"]) == (2, at(f"{year}-06-02T04:00:00"))
    client.close()
    client = clocked(at(f"{year}-06-02T04:00:01"))
    assert len(taken(client, agents=["sleeper"])) == 1
    (row,) = client.carry_out("wake.list")["wakes"]
    assert row["woken_today"] == 1
    client.close()


# -- webhooks


class Receiver:
    """An HTTP server that keeps what is posted to it, and answers as it is told."""

    def __init__(self):
        self.posts, self.answers, self.hang = [], [], threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = receiver.answers.pop(0) if receiver.answers else 204
                receiver.posts.append((self.path, dict(self.headers), body))
                if answer == "hang":
                    receiver.hang.wait(20)
                    return
                if answer == "much":
                    self.send_response(200)
                    self.end_headers()
                    try:
                        for _ in range(64):
                            self.wfile.write(b"x" * 65_536)
                    except OSError:
                        pass
                    return
                self.send_response(302 if answer == "elsewhere" else answer)
                if answer == "elsewhere":
                    self.send_header("Location", f"http://127.0.0.1:{receiver.port}/other")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}/wake"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.hang.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver():
    one = Receiver()
    yield one
    one.close()


KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def check_signature(headers, body):
    headers = {name.lower(): value for name, value in headers.items()}
    id, stamp = headers["webhook-id"], headers["webhook-timestamp"]
    wanted = hmac.new(KEY, f"{id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(wanted).decode()
    assert abs(int(stamp) - time.time()) < 60 and uuid.UUID(id)
    assert headers["content-type"] == "application/json" and headers["user-agent"].startswith("folkmoot/")
    return id


def test_X11_a_webhook_is_posted_and_signed_as_standard_webhooks_has_it(server, connect, receiver):
    boss = connect("boss")
    boss.carry_out("wake.set", agent="sleeper", how="webhook", url=receiver.url, secret=SECRET)
    boss.publish("x", to="sleeper", priority=3)
    wait_for(lambda: receiver.posts)
    ((path, headers, body),) = receiver.posts
    check_signature(headers, body)
    told = json.loads(body)
    assert path == "/wake"
    assert told == {
        **told,
        "type": "folkmoot.wake",
        "agent": "sleeper",
        "unread": 1,
        "ready": 1,
        "first_priority": 3,
        "attempt": 1,
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["timestamp"])
    now = eventually(lambda: status(server, "sleeper"), lambda now: now["last"] != "none")
    # It was told, and has not come yet: it is left time for that.
    assert now["last"] == "unread" and now["state"] == "waiting"
    (mail,) = boss.receive("sleeper")
    boss.ack(mail.lease)
    boss.publish("y", to="sleeper")
    wait_for(lambda: len(receiver.posts) == 2)
    assert check_signature(*receiver.posts[1][1:]) != check_signature(headers, body)


def test_X11_a_webhook_that_fails_is_posted_again_under_its_id(server, connect, receiver):
    boss = connect("boss")
    receiver.answers = [500, 404, "elsewhere", "much", 200]
    boss.carry_out(
        "wake.set", agent="sleeper", how="webhook", url=receiver.url, secret=SECRET, retry_ms=100, retry_max_ms=60_000
    )
    boss.publish("x", to="sleeper")
    reasons = []

    def reason():
        said = status(server, "sleeper").get("last_reason")
        if said and said not in reasons:
            reasons.append(said)
        return len(receiver.posts) == 5

    wait_for(reason)
    assert reasons[:2] == ["it answered 500", "it answered 404"]
    assert len({check_signature(headers, body) for _, headers, body in receiver.posts}) == 1
    assert [json.loads(body)["attempt"] for _, _, body in receiver.posts] == [1, 2, 3, 4, 5]
    assert {path for path, _, _ in receiver.posts} == {"/wake"}
    eventually(lambda: status(server, "sleeper"), lambda now: now["last"] == "unread")
    assert "webhook of sleeper: it answered 500" in server.log()


def test_X11_a_webhook_that_hangs_is_given_up_in_time(make_server, receiver):
    server = make_server("--set", "webhooks.timeout=300ms")
    receiver.answers = ["hang", 200]
    client = Client(("127.0.0.1", server.port))
    client.carry_out("wake.set", agent="sleeper", how="webhook", url=receiver.url, secret=SECRET, retry_ms=100)
    client.publish("x", to="sleeper")
    wait_for(lambda: len(receiver.posts) == 2)
    assert "imeout" in server.log() or "timed out" in server.log().lower()
    client.close()


def test_X11_secrets_are_never_shown_or_logged(make_server, receiver):
    server = make_server("--log-level", "debug")
    receiver.answers = [500]
    client = Client(("127.0.0.1", server.port))
    client.carry_out("wake.set", agent="sleeper", how="webhook", url=receiver.url, secret=SECRET)
    client.publish("x", to="sleeper")
    wait_for(lambda: receiver.posts)
    said = [
        json.dumps(client.carry_out("wake.list")),
        json.dumps(client.carry_out("wake.show", agent="sleeper")),
        ok(server.cli("wake", "show", "sleeper")),
        ok(server.cli("wake", "list", "--json")),
    ]
    client.close()
    server.terminate()
    said.append(server.log())
    assert not any(SECRET[6:20] in text for text in said)
    made = make_server()
    told = ok(made.cli("wake", "set", "other", "--url", "https://example.com/", "--json"))
    secret = json.loads(told)["secret"]
    assert secret.startswith("whsec_") and len(base64.b64decode(secret[6:])) == 32


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{}/",
        "http://localhost:{}/",
        "http://[::ffff:127.0.0.1]:{}/",
        "http://0.0.0.0:{}/",
        "http://2130706433:{}/",
        "http://10.0.0.1:{}/",
        "http://169.254.169.254:{}/latest",
        "http://[::1]:{}/",
        "http://[fd00::1]:{}/",
    ],
)
def test_X11_webhooks_reach_no_private_address_unless_it_is_allowed(make_server, receiver, url):
    server = make_server("--set", "webhooks.local=no", "--set", "webhooks.timeout=2s")
    client = Client(("127.0.0.1", server.port))
    client.carry_out("wake.set", agent="sleeper", how="webhook", url=url.format(receiver.port), secret=SECRET)
    client.publish("x", to="sleeper")
    reason = eventually(lambda: status(server, "sleeper"), lambda now: now["last"] == "failed")["last_reason"]
    assert "webhooks.local" in reason and receiver.posts == []
    client.close()
