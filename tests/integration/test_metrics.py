"""/metrics as those read it who have to: Prometheus' own tool, and the parsers of its client."""

import json
import math
import re
import subprocess
import time

import pytest
from native import Client
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from program import SHARDED
from test_http import Http

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


def metrics(server, accept=None):
    """(samples by name and labels, content type, text)"""
    http = Http(server)
    status, text = http("GET", "/metrics", **({"Accept": accept} if accept else {}))
    assert status == 200
    kind = http.answer.getheader("Content-Type")
    parse = open_metrics if "openmetrics" in kind else prometheus
    samples = {}
    for family in parse(text):
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in samples, key
            samples[key] = sample.value
    return samples, kind, text


def work(server):
    """Something of everything: each metric has a sample."""
    ask = Http(server)
    client = Client(("127.0.0.1", server.port), agent="worker")
    for number in range(5):
        client.publish(b"x", to="worker", type="task")
    leases = []
    while len(leases) < 5:
        leases += [each.lease for each in client.receive("worker", max=5, wait_ms=1000, lease_ms=60_000)]
    client.ack(*leases[:3])
    client.nack(leases[3], reason="not now")
    client.reject(leases[4], reason="never")
    assert ask("POST", "/api/messages", {"to": "", "content": 1})[0] >= 400
    assert ask("POST", "/api/messages", {"to": "absent", "content": 1, "from": "somebody"})[0] == 201
    assert ask("GET", "/api/messages/01900000-0000-7000-8000-000000000000/trace")[0] == 404
    bad = Client(("127.0.0.1", server.port), agent="bad")
    bad.send(b"\xff" * 32)
    bad.ended()
    done = server.cli("agents", "register", "worker", "--capability", "work")
    assert done.returncode == 0, done.stderr
    return client


@pytest.mark.parametrize("accept", [None, OPEN_METRICS])
def test_B9_A19_U12_metrics_say_what_became_of_messages_and_how_long_it_took(server, accept):
    client = work(server)
    time.sleep(0.05)
    samples, _, _ = metrics(server, accept)
    assert samples[("folkmoot_messages_acknowledged_total",)] == 3
    assert samples[("folkmoot_deliveries_failed_total", ("reason", "nacked"))] == 1
    assert samples[("folkmoot_deliveries_failed_total", ("reason", "rejected"))] == 1
    assert samples[("folkmoot_messages_dead_by_reason_total", ("reason", "rejected"))] == 1
    for name, count in (
        ("folkmoot_queue_time_seconds", 5),
        ("message_latency_seconds", 5),
        ("folkmoot_delivery_time_seconds", 3),
    ):
        assert samples[(f"{name}_count",)] == count
        buckets = sorted(
            (float(labels[0][1]), value) for (of, *labels), value in samples.items() if of == f"{name}_bucket"
        )
        assert buckets[-1] == (math.inf, count) and buckets == sorted(buckets, key=lambda each: each[1])
        assert 0 <= samples[(f"{name}_sum",)] < 60 and buckets[-2][1] == count
    assert samples[("messages_sent_total",)] >= 6 and samples[("messages_received_total",)] >= 5
    assert samples[("transport_errors_total", ("door", "native"), ("reason", "frame_too_large"))] == 1
    assert samples[("folkmoot_errors_total", ("code", "not_found"), ("door", "http"))] == 1
    assert samples[("folkmoot_agents", ("health", "up"))] >= 1 and samples[("folkmoot_agents_routable",)] >= 1
    assert samples[("folkmoot_disk_free_bytes",)] <= samples[("folkmoot_disk_size_bytes",)]
    assert samples[("folkmoot_mailbox_ready", ("mailbox", "absent"))] == 1
    assert samples[("circuit_breaker_open", ("breaker", "history"))] == 0
    client.close()


def test_B9_a_wait_that_was_asked_for_is_no_time_in_the_queue(server):
    client = Client(("127.0.0.1", server.port), agent="later")
    client.publish(b"x", to="later", delay=300)
    (got,) = client.receive("later", wait_ms=5000)
    client.ack(got.lease)
    samples, _, _ = metrics(server)
    assert samples[("folkmoot_queue_time_seconds_count",)] == 1
    assert samples[("folkmoot_delivery_time_seconds_sum",)] < 0.25
    client.close()


def test_X7_open_metrics_is_for_who_asks_for_it(server):
    work(server).close()
    _, kind, text = metrics(server, OPEN_METRICS)
    assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8" and text.endswith("# EOF\n")
    _, kind, text = metrics(server)
    assert kind == "text/plain; version=0.0.4; charset=utf-8" and "# EOF" not in text
    _, kind, _ = metrics(server, "application/openmetrics-text;q=0.1,text/plain;q=0.5")
    assert kind.startswith("text/plain")


def test_X7_promtool_has_nothing_to_say_against_the_metrics(server):
    work(server).close()
    text = metrics(server)[2]
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_A19_mailboxes_are_told_of_one_by_one_as_far_as_the_setting_says(make_server):
    server = make_server("--set", "metrics.mailboxes=2")
    ask = Http(server)
    for number, name in enumerate(["few", "most", "none", "more"]):
        for _ in range({"few": 1, "more": 2, "most": 3, "none": 0}[name]):
            assert ask("POST", "/api/messages", {"to": name, "content": 1})[0] == 201
    time.sleep(0.5 if SHARDED else 0)
    named = lambda: set(re.findall(r'folkmoot_mailbox_ready\{mailbox="(\w+)"', metrics(server)[2]))
    assert named() == {"most", "more"}
    off = make_server("--set", "metrics.mailboxes=0")
    assert Http(off)("POST", "/api/messages", {"to": "few", "content": 1})[0] == 201
    assert "mailbox=" not in metrics(off)[2]


def test_B10_an_agent_that_is_not_heard_of_any_more_is_counted(make_server):
    server = make_server("--set", "agents.stale_after=300ms", "--set", "agents.grace=100ms")
    done = server.cli("agents", "register", "ann")
    assert done.returncode == 0, done.stderr
    end = time.monotonic() + 10
    while metrics(server)[0][("folkmoot_agents_lost_total",)] == 0:
        assert time.monotonic() < end
        time.sleep(0.1)
    samples = metrics(server)[0]
    assert samples[("folkmoot_agents_lost_total",)] == 1
    assert samples[("folkmoot_agents", ("health", "stale"))] == 1


def test_B9_the_command_line_shows_the_times(server):
    work(server).close()
    done = server.cli("stats")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^delivery_time +3, on average \S+", done.stdout, re.M), done.stdout
    stats = json.loads(server.cli("stats", "--json").stdout)
    assert stats["queue_time"]["count"] == 5 == sum(row["count"] for row in stats["queue_time"]["rows"])
