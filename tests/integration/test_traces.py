"""A20, X7: what becomes of messages with a sampled `traceparent`, as spans that a collector of OpenTelemetry gets."""

import time

import pytest
from native import Client, message
from otlp import Collector
from program import SHARDED
from test_http import Http
from test_metrics import metrics

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE_ID}-{SPAN_ID}-01"
NOT_SAMPLED = f"00-{TRACE_ID}-{SPAN_ID}-00"
PRODUCER, CONSUMER = 4, 5
ERROR = 2


@pytest.fixture
def collector():
    one = Collector()
    yield one
    one.close()


@pytest.fixture
def traced(make_server, collector):
    return make_server("--set", f"traces.endpoint={collector.endpoint}", "--set", "traces.service=bus")


def connect(server, agent):
    return Client(("127.0.0.1", server.port), agent=agent)


def named(spans, name):
    (span,) = [each for each in spans if each.name == name]
    return span


def take(client, mailbox, **options):
    (got,) = client.receive(mailbox, wait_ms=10_000, **options)
    return got


def test_A20_X7_a_message_is_published_received_and_processed(traced, collector):
    began = time.time_ns()
    status, sent = Http(traced)(
        "POST",
        "/api/messages",
        {"from": "ann", "to": "bob", "content": "four", "conversation": "c-1"},
        traceparent=SAMPLED,
    )
    assert status == 201
    bob = connect(traced, "bob")
    got = take(bob, "bob")
    assert got.fields["metadata"]["traceparent"] == SAMPLED
    time.sleep(0.05)
    bob.ack(got.lease)
    spans = collector.wait_for(3)
    publish, receive, process = (named(spans, f"{each} bob") for each in ("publish", "receive", "process"))
    if not SHARDED:
        assert len(spans) == 3
        assert publish.parent == SPAN_ID
    assert {each.trace for each in spans} == {TRACE_ID}
    assert (receive.parent, process.parent) == (publish.id, receive.id)
    assert (publish.kind, receive.kind, process.kind) == (PRODUCER, CONSUMER, CONSUMER)
    for span, operation in ((publish, "send"), (receive, "receive"), (process, "process")):
        of = span.attributes
        assert of["messaging.system"] == "folkmoot" and of["messaging.operation.type"] == operation
        assert of["messaging.destination.name"] == "bob" and of["messaging.message.conversation_id"] == "c-1"
        assert of["messaging.message.id"] == sent["id"] or SHARDED
        assert of["messaging.client.id"] == ("ann" if span is publish else "bob")
        assert of["messaging.message.body.size"] > 0 and span.status.code == 0
        assert began - 1_000_000_000 < span.began <= span.ended < time.time_ns() + 1_000_000_000
        assert span.resource["service.name"] == "bus" and span.resource["service.version"]
    assert process.ended - process.began >= 45_000_000 and process.began <= receive.ended
    (path, headers, _), *_ = collector.requests
    assert path == "/v1/traces" and headers["Content-Type"] == "application/json"


def test_A20_a_request_through_two_agents_is_one_trace(traced, collector):
    """A client asks ann, who asks bob before she answers."""
    ann, bob, client = connect(traced, "ann"), connect(traced, "bob"), connect(traced, "client")
    asked = client.start_request(b"question", to="ann", metadata={"traceparent": SAMPLED})
    first = take(ann, "ann")
    onward = ann.start_request(b"sub-question", to="bob", cause=first.fields["id"])
    second = take(bob, "bob")
    bob.publish(b"sub-answer", to=second.fields["reply_to"], type="response", cause=second.fields["id"])
    ann.end_request(onward)
    ann.publish(b"answer", to=first.fields["reply_to"], type="response", cause=first.fields["id"])
    assert client.end_request(asked).content == b"answer"
    spans = collector.wait_for(8)
    assert {each.trace for each in spans} == {TRACE_ID} and len(spans) == 8
    ids = {each.id for each in spans}
    assert len(ids) == 8
    ann_publish, ann_receive, ann_process = (named(spans, f"{each} ann") for each in ("publish", "receive", "process"))
    bob_publish, bob_receive, bob_process = (named(spans, f"{each} bob") for each in ("publish", "receive", "process"))
    assert ann_publish.parent == SPAN_ID
    assert (ann_receive.parent, ann_process.parent) == (ann_publish.id, ann_receive.id)
    assert bob_publish.parent == ann_process.id
    assert (bob_receive.parent, bob_process.parent) == (bob_publish.id, bob_receive.id)
    answers = [each for each in spans if each.name == "publish (answer)"]
    assert {each.parent for each in answers} == {ann_process.id, bob_process.id}
    assert all(each.attributes["messaging.destination.temporary"] is True for each in answers)
    assert not any("@" in str(each.attributes) for each in spans), "an address to answer at is a secret"


def test_A20_durable_messages_that_cause_others_are_one_trace(traced, collector):
    ann, bob, client = connect(traced, "ann"), connect(traced, "bob"), connect(traced, "client")
    client.publish(b"work", to="ann", metadata={"traceparent": SAMPLED})
    first = take(ann, "ann")
    ann.publish(b"part", to="bob", cause=first.fields["id"])
    second = take(bob, "bob")
    bob.complete(second.lease, [message(b"done", to="client")])
    ann.ack(first.lease)
    last = take(client, "client")
    client.ack(last.lease)
    spans = collector.wait_for(9)
    assert {each.trace for each in spans} == {TRACE_ID}
    if SHARDED:
        return  # which shards a message passes is told too
    assert len(spans) == 9
    by = {each.name: each for each in spans}
    assert by["publish bob"].parent == by["process ann"].id
    assert by["publish client"].parent == by["process bob"].id
    assert by["process client"].parent == by["receive client"].id


def test_A20_what_fails_says_why_and_each_delivery_is_told(traced, collector):
    client = connect(traced, "bob")
    client.publish(b"work", to="bob", metadata={"traceparent": SAMPLED})
    client.nack(take(client, "bob").lease, reason="busy now")
    again = take(client, "bob")
    client.reject(again.lease, reason="never")
    client.publish(b"short", to="nobody", ttl=50, metadata={"traceparent": SAMPLED})
    spans = collector.wait_for(7)
    first, second = [each for each in spans if each.name == "process bob"]
    assert (first.attributes["folkmoot.delivery"], second.attributes["folkmoot.delivery"]) == (1, 2)
    assert (first.status.code, first.status.message) == (ERROR, "nacked: busy now")
    assert first.attributes["error.type"] == "nacked"
    assert (second.status.code, second.attributes["error.type"]) == (ERROR, "rejected")
    expire = named(spans, "expire nobody")
    assert expire.attributes["messaging.operation.type"] == "settle" and expire.attributes["error.type"] == "expired"
    assert expire.parent == [each for each in spans if each.name == "publish nobody"][-1].id


def test_A20_events_are_told_and_the_next_of_the_same_envelope_too(traced, collector):
    listener, publisher = connect(traced, "ear"), connect(traced, "mouth")
    listener.subscribe("news.>")
    for _ in range(3):
        publisher.publish(b"x", topic="news.today", metadata={"traceparent": SAMPLED})
        listener.delivery()
    spans = collector.wait_for(3)
    assert [each.name for each in spans] == ["publish news.today"] * 3
    assert len({each.id for each in spans}) == 3 and {each.parent for each in spans} == {SPAN_ID}


@pytest.mark.parametrize(
    "trace", [None, NOT_SAMPLED, SAMPLED[:-1], SAMPLED.upper(), "00-" + "0" * 32 + f"-{SPAN_ID}-01", "x" * 55, 7]
)
def test_A20_what_is_not_sampled_is_not_told(traced, collector, trace):
    client = connect(traced, "bob")
    more = {} if trace is None else {"metadata": {"traceparent": trace}}
    client.publish(b"x", to="bob", **more)
    client.publish(b"x", topic="news", **more)
    client.ack(take(client, "bob").lease)
    time.sleep(1.5)
    assert collector.requests == []
    assert metrics(traced)[0][("folkmoot_spans_exported_total",)] == 0


def test_A20_a_restart_goes_on_with_the_trace(traced, collector):
    connect(traced, "ann").publish(b"x", to="bob", metadata={"traceparent": SAMPLED})
    publish, *_ = collector.wait_for(1)
    traced.kill9()
    traced.start()
    bob = connect(traced, "bob")
    bob.ack(take(bob, "bob").lease)
    spans = collector.wait_for(3)
    receive = named(spans, "receive bob")
    assert receive.parent in {each.id for each in spans if each.name == "publish bob"}
    assert named(spans, "process bob").parent == receive.id


def test_A20_a_collector_that_is_busy_is_asked_again_and_one_that_refuses_is_not(traced, collector):
    client = connect(traced, "bob")
    collector.answers = [503, 0, 429]
    client.publish(b"x", to="bob", metadata={"traceparent": SAMPLED})
    assert named(collector.wait_for(1, seconds=30), "publish bob")
    assert [status for _, _, status in collector.requests][:3] == [503, 0, 429]
    collector.answers = [400]
    client.ack(take(client, "bob").lease)
    end = time.monotonic() + 20
    while metrics(traced)[0][("folkmoot_spans_dropped_total", ("reason", "not_exported"))] == 0:
        assert time.monotonic() < end
        time.sleep(0.1)
    samples = metrics(traced)[0]
    assert samples[("folkmoot_spans_dropped_total", ("reason", "not_exported"))] == 2
    assert samples[("circuit_breaker_open", ("breaker", "traces"))] == 1
    assert "traces: the collector does not take spans" in traced.log()


def test_A20_nobody_waits_for_a_collector_that_hangs_and_what_has_no_room_is_counted(make_server):
    import socket

    with socket.create_server(("127.0.0.1", 0), backlog=1) as silent:
        server = make_server("--set", f"traces.endpoint=http://127.0.0.1:{silent.getsockname()[1]}/v1/traces")
        client = connect(server, "bob")
        began = time.monotonic()
        for _ in range(10):
            client.publish_batch([message(b"x", to="bob", metadata={"traceparent": SAMPLED})] * 1_000)
        took = time.monotonic() - began
        samples = metrics(server)[0]
        assert samples[("folkmoot_messages_confirmed_total",)] >= 10_000
        assert samples[("folkmoot_spans_dropped_total", ("reason", "no_room"))] > 0
        assert took < 15
        client.close()
        stopping = time.monotonic()
        assert server.terminate() == 0
        assert time.monotonic() - stopping < 15


def test_A20_what_waits_is_told_when_the_server_stops(traced, collector):
    connect(traced, "ann").publish(b"x", to="bob", metadata={"traceparent": SAMPLED})
    assert traced.terminate() == 0
    assert [each.name for each in collector.spans][:1] == ["publish bob"]


def test_A20_the_endpoint_changes_while_the_server_runs(make_server, collector, tmp_path):
    file = tmp_path / "folkmoot.toml"
    file.write_text("")
    server = make_server("--config", str(file))
    client = connect(server, "bob")
    client.publish(b"x", to="bob", metadata={"traceparent": SAMPLED})
    file.write_text(f'[traces]\nendpoint = "{collector.endpoint}"\nheaders = "x-tenant=one,authorization=Bearer two"\n')
    assert server.cli("reload").returncode == 0
    time.sleep(0.5 if SHARDED else 0)
    client.publish(b"y", topic="news", metadata={"traceparent": SAMPLED})
    assert [each.name for each in collector.wait_for(1)] == ["publish news"]
    headers = collector.requests[0][1]
    assert (headers["x-tenant"], headers["authorization"]) == ("one", "Bearer two")
    shown = server.cli("settings", "traces.headers").stdout
    assert "two" not in shown and "(set)" in shown


def test_X7_the_environment_of_opentelemetry_counts(make_server, collector):
    base = collector.endpoint.removesuffix("/v1/traces")
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": base, "OTEL_SERVICE_NAME": "their-name"}
    server = make_server(env=environment)
    connect(server, "ann").publish(b"x", topic="news", metadata={"traceparent": SAMPLED})
    assert collector.wait_for(1)[0].resource["service.name"] == "their-name"
    other = make_server(env={**environment, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert "none" in other.cli("settings", "traces.endpoint").stdout


def test_B9_histograms_have_a_trace_as_example_in_open_metrics(traced, collector):
    client = connect(traced, "bob")
    client.publish(b"x", to="bob", metadata={"traceparent": SAMPLED})
    client.ack(take(client, "bob").lease)
    text = metrics(traced, "application/openmetrics-text; version=1.0.0")[2]
    for name in ("queue", "delivery"):
        lines = [line for line in text.splitlines() if line.startswith(f"folkmoot_{name}_time_seconds_bucket")]
        assert [line for line in lines if f'# {{trace_id="{TRACE_ID}"}}' in line], lines
    assert TRACE_ID not in metrics(traced)[2]


def test_A20_the_doctor_asks_the_collector(server, collector):
    def says(*arguments):
        return server.cli("doctor", "--json", "--listen", "127.0.0.1:0", "--data", "/nonexistent/x", *arguments).stdout

    endpoint = ("--set", f"traces.endpoint={collector.endpoint}")
    assert "takes spans" in says(*endpoint)
    collector.answers = [404]
    assert "answers 404" in says(*endpoint)
    assert collector.spans == []
