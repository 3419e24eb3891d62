"""B10: alarms that the server raises by itself, as events on bus.alerts, in the log and in the statistics."""

import json
import sqlite3
import time

import pytest
from native import Client
from program import SHARDED
from test_http import Http


class Alarms:
    """A server that looks often, somebody who listens, and a file of settings that can change."""

    def __init__(self, make_server, folder, **settings):
        self.file = folder / "folkmoot.toml"
        self.settings = {
            "every": "100ms",
            "queue_depth": 0,
            "dead_per_minute": 0,
            "failed_per_minute": 0,
            "history_behind": 0,
            "disk_free_percent": 0,
            "heartbeat": "no",
        }
        more = settings.pop("more", ())
        self.write(**settings)
        self.server = make_server("--config", str(self.file), *more)
        self.listener = Client(("127.0.0.1", self.server.port), agent="operator")
        self.listener.subscribe("bus.alerts")

    def write(self, **settings):
        self.settings.update(settings)
        rows = [f"{name} = {json.dumps(value)}" for name, value in self.settings.items()]
        self.file.write_text("[alerts]\n" + "\n".join(rows) + "\n")

    def change(self, **settings):
        self.write(**settings)
        done = self.server.cli("reload")
        assert done.returncode == 0, done.stderr

    def next(self, timeout=20):
        return json.loads(self.listener.delivery(timeout=timeout).content)

    def client(self, agent):
        return Client(("127.0.0.1", self.server.port), agent=agent)

    def raised(self):
        return {(row["name"], row.get("subject")): row for row in Http(self.server)("GET", "/api/stats")[1]["alerts"]}


@pytest.fixture
def alarms(make_server, tmp_path):
    return lambda **settings: Alarms(make_server, tmp_path, **settings)


def test_B10_a_deep_queue_is_told_once_and_once_when_it_is_over(alarms):
    one = alarms(queue_depth=5)
    bob = one.client("bob")
    for _ in range(6):
        bob.publish(b"x", to="bob")
    told = one.next()
    at = told.pop("at")
    assert abs(at / 1000 - time.time()) < 30
    assert told == {
        "alert": "queue_depth",
        "state": "raised",
        "severity": "warning",
        "subject": "bob",
        "value": 6,
        "threshold": 5,
        "text": "6 messages wait for bob",
    }
    assert one.raised()[("queue_depth", "bob")]["value"] == 6
    assert 'folkmoot_alerts_raised{alert="queue_depth"} 1' in Http(one.server)("GET", "/metrics")[1]
    # One fewer is no end of it, and one more no second alarm.
    (got,) = bob.receive("bob", wait_ms=5000)
    bob.ack(got.lease)
    time.sleep(0.5)
    bob.publish(b"x", to="bob")
    one.listener.no_delivery(within=0.7)
    for got in bob.receive("bob", max=3, wait_ms=5000):
        bob.ack(got.lease)
    told = one.next()
    assert (told["alert"], told["state"], told["subject"], told["value"]) == ("queue_depth", "cleared", "bob", 3)
    assert one.raised() == {}
    log = one.server.log()
    assert "warn alerts: queue_depth bob: 6 messages wait for bob" in log.replace("warning", "warn")
    assert "alerts: queue_depth bob is over" in log
    assert "queue_depth bob" not in one.server.cli("stats").stdout


def test_B10_a_mailbox_that_is_deleted_is_no_alarm_any_more(alarms):
    one = alarms(queue_depth=1)
    bob = one.client("ann")
    for _ in range(2):
        bob.publish(b"x", to="bob")
    assert one.next()["state"] == "raised"
    assert "queue_depth bob 2" in one.server.cli("stats").stdout
    assert one.server.cli("mailbox", "delete", "bob", "--messages").returncode == 0
    assert one.next()["state"] == "cleared"


def test_B10_failures_above_a_threshold_are_told(alarms):
    one = alarms(dead_per_minute=2, failed_per_minute=3)
    bob = one.client("bob")
    for number in range(3):
        bob.publish(b"x", to="bob")
        (got,) = bob.receive("bob", wait_ms=5000)
        bob.reject(got.lease, reason="no")
    told = one.next()
    assert (told["alert"], told["value"], told["threshold"]) == ("dead_letters", 3, 2)
    bob.publish(b"x", to="bob")
    (got,) = bob.receive("bob", wait_ms=5000)
    bob.nack(got.lease)
    told = one.next()
    assert (told["alert"], told["state"], told["value"]) == ("deliveries_failed", "raised", 4)
    # A threshold that is taken away takes its alarm with it.
    one.change(dead_per_minute=0)
    told = one.next()
    assert (told["alert"], told["state"]) == ("dead_letters", "cleared")


def test_B10_a_lost_heartbeat_is_told(alarms):
    one = alarms(heartbeat="yes", more=("--set", "agents.stale_after=500ms", "--set", "agents.grace=100ms"))
    assert one.server.cli("agents", "register", "ann").returncode == 0
    told = one.next()
    assert (told["alert"], told["state"], told["subject"]) == ("heartbeat_lost", "raised", "ann")
    assert one.server.cli("agents", "heartbeat", "ann").returncode == 0
    told = one.next()
    assert (told["alert"], told["state"], told["subject"]) == ("heartbeat_lost", "cleared", "ann")
    assert one.next()["state"] == "raised"
    assert one.server.cli("agents", "remove", "ann").returncode == 0
    assert one.next()["state"] == "cleared"


def test_B10_who_only_came_by_is_not_missed(alarms):
    one = alarms(heartbeat="yes", more=("--set", "agents.stale_after=200ms", "--set", "agents.grace=100ms"))
    one.client("passer-by").close()
    done = one.server.cli("wake", "set", "sleeper", "--how", "hook")
    assert done.returncode == 0, done.stderr
    assert one.server.cli("agents", "register", "sleeper").returncode == 0
    one.listener.no_delivery(within=1.5)


def test_B10_a_disk_that_is_nearly_full_is_told(alarms):
    one = alarms()
    one.change(disk_free_percent=100)
    told = one.next()
    assert (told["alert"], told["state"], told["threshold"]) == ("disk_low", "raised", 100)
    assert 0 <= told["value"] < 100
    one.change(disk_free_percent=0)
    assert one.next()["state"] == "cleared"


def test_B10_a_history_whose_database_takes_nothing_is_told(alarms):
    one = alarms(more=("--set", "history.store=sqlite"))
    client = one.client("bob")
    client.publish(b"x", to="bob")
    with sqlite3.connect(one.server.data / "history.sqlite", timeout=10, isolation_level=None) as database:
        database.execute("begin exclusive")
        client.publish(b"x", to="bob")
        told = one.next(timeout=60)
        assert (told["alert"], told["state"]) == ("history_unreachable", "raised")
        client.publish(b"x", to="bob")  # messages go on
        database.execute("rollback")
    told = one.next(timeout=60)
    assert (told["alert"], told["state"]) == ("history_unreachable", "cleared")
    one.server.errors.write_text("")  # what it said in its trouble was asked for


def test_B10_an_alarm_may_be_kept_in_a_stream_and_wake_somebody(alarms):
    one = alarms(queue_depth=1)
    done = one.server.cli("subscribe", "--durable", "pager", "--mailbox", "on-call", "--set-only", "bus.alerts")
    assert done.returncode == 0, done.stderr
    ann = one.client("ann")
    for _ in range(2):
        ann.publish(b"x", to="bob")
    assert one.next()["subject"] == "bob"
    (got,) = one.client("on-call").receive("on-call", wait_ms=5000)
    assert json.loads(got.content)["subject"] == "bob"


def test_B10_nothing_is_looked_at_if_nothing_is_to_be(alarms):
    one = alarms(every="0", queue_depth=1, disk_free_percent=100)
    ann = one.client("ann")
    for _ in range(3):
        ann.publish(b"x", to="bob")
    one.listener.no_delivery(within=1)
    assert one.raised() == {}


@pytest.mark.skipif(not SHARDED, reason="there is one shard")
def test_B10_what_fails_in_several_shards_is_added_up(alarms):
    one = alarms(dead_per_minute=8)
    ann = one.client("ann")
    for number in range(9):
        name = f"agent-{number}"
        ann.publish(b"x", to=name)
        (got,) = ann.receive(name, wait_ms=5000)
        ann.reject(got.lease, reason="no")
    told = one.next()
    assert (told["alert"], told["value"]) == ("dead_letters", 9)
