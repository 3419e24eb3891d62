"""CloudEvents 1.0 at the doors (docs/cloudevents.md): the examples of the specification, and events of the published
SDK, in every form in and out, over HTTP and WebSocket, with one shard and with three.

This runs in an environment of its own, that ctest makes (make_venv.py, cloudevents_requirements.txt).
"""

import base64
import http.client
import json
import queue
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

import pytest

try:
    from cloudevents.core.bindings import http as sdk_http
    from cloudevents.core.formats.json import JSONFormat
    from cloudevents.core.v1.event import CloudEvent
    from cloudevents.v1 import conversion as old_sdk
    from cloudevents.v1.http import CloudEvent as OldCloudEvent
    from cloudevents.v1.http import from_http as old_from_http
    from websockets.exceptions import ConnectionClosed, InvalidStatus
    from websockets.sync.client import connect as connect_websocket
except ImportError as missing:
    raise ImportError(
        f"{missing}: this test runs with what cloudevents_requirements.txt names; "
        "ctest -R cloudevents makes an environment with it, as make_venv.py does"
    ) from missing

from native import Client

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/cloudevents.json").read_text())["events"]
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
BINARY = "application/cloudevents"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER_TRACE = "00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01"


@pytest.fixture(params=[1, 3], ids=["one_shard", "three_shards"])
def driven(make_server, request):
    return make_server("--set", f"shards={request.param}")


def ask(server, method, path, body=None, **headers):
    """(status, headers in lower case, body in bytes)"""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text


def asked(server, method, path, body=None, **headers):
    status, _, text = ask(server, method, path, body, **headers)
    return status, json.loads(text) if text else None


def event(**more):
    return {"specversion": "1.0", "id": "1", "source": "/builds", "type": "com.example.done", **more}


def post(server, query, body, form=STRUCTURED):
    return asked(server, "POST", f"/api/events{query}", json.dumps(body), Content_Type=form)


def took(server, mailbox, form, ack=True):
    """What waits in a mailbox, in a form."""
    query = f"/api/messages?agent={mailbox}&wait=5s" + ("&ack=true" if ack else "")
    status, headers, body = ask(server, "GET", query, Accept=form)
    assert status == 200, body
    return headers, body


class Events:
    """GET /api/events as they come: (name, object), or objects of lines."""

    def __init__(self, server, query, accept):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        self.connection.request("GET", f"/api/events?{query}", headers={"Accept": accept})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()

    def next_line(self):
        return json.loads(self.answer.readline())

    def next(self):
        name = self.answer.readline().decode().strip()
        data = self.answer.readline().decode().strip()
        assert (name, data[:6], self.answer.readline()) == ("event: event", "data: ", b"\n")
        return json.loads(data[6:])

    def close(self):
        self.connection.close()


def socket_of(server, query, *protocols, **options):
    return connect_websocket(
        f"ws://127.0.0.1:{server.port}/ws?{query}", subprotocols=protocols, compression=None, **options
    )


def body_of(vector):
    return vector["body"].encode() if "body" in vector else base64.b64decode(vector["body_base64"])


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_X7_the_specifications_examples_come_out_as_they_came_in_every_form(server, vector):
    again = vector.get("again", vector["structured"])
    typed = {**again}  # what a header says is text
    typed.update({name: str(value) for name, value in again.items() if isinstance(value, int)})
    assert post(server, "?to=bob", vector["structured"])[0] == 201
    assert json.loads(took(server, "bob", STRUCTURED)[1]) == again
    assert asked(server, "POST", "/api/events?to=bob", body_of(vector), **vector["fields"])[0] == 201
    assert json.loads(took(server, "bob", STRUCTURED)[1]) == typed
    assert post(server, "?to=bob", [vector["structured"]] * 2, BATCHED)[0] == 200
    headers, body = took(server, "bob", BATCHED)
    assert json.loads(body) == [again] * 2 and headers["content-type"] == BATCHED
    for form in ("structured", "fields"):
        if form == "structured":
            assert post(server, "?to=bob", vector["structured"])[0] == 201
        else:
            assert asked(server, "POST", "/api/events?to=bob", body_of(vector), **vector["fields"])[0] == 201
        headers, body = took(server, "bob", BINARY)
        got = {name: value for name, value in headers.items() if name.startswith("ce-") or name == "content-type"}
        assert got == vector["fields"]
        if "data" in again and isinstance(again["data"], dict):
            assert json.loads(body) == again["data"]
        else:
            assert body == body_of(vector)


def sdk_events():
    base = {
        "type": "com.example.someevent",
        "source": "https://example.com/storage",
        "subject": "my new file.jpg",
        "time": datetime(2026, 11, 21, 10, 0, tzinfo=timezone.utc),
        "dataschema": "https://example.com/s#1",
    }
    yield CloudEvent({**base, "id": "json", "datacontenttype": "application/json"}, {"a": [1, 2.5, None], "b": "ä€😀"})
    yield CloudEvent({**base, "id": "text", "datacontenttype": "text/plain"}, 'grün "quoted"\n')
    yield CloudEvent({**base, "id": "xml", "datacontenttype": "application/xml"}, '<much wow="xml"/>')
    yield CloudEvent({**base, "id": "bytes", "datacontenttype": "application/octet-stream"}, bytes(range(256)))
    yield CloudEvent({**base, "id": "Euro € 😀 100%", "myextension": 'a "b" %41', "datacontenttype": "text/plain"}, "x")


def same(one, other):
    return one.get_attributes() == other.get_attributes() and one.get_data() == other.get_data()


@pytest.mark.parametrize("to_http", [sdk_http.to_structured_event, sdk_http.to_binary_event])
@pytest.mark.parametrize("form", [STRUCTURED, BINARY])
def test_X7_the_sdk_sends_to_a_mailbox_and_takes_out_of_it(driven, to_http, form):
    for sent in sdk_events():
        message = to_http(sent)
        status, answer = asked(driven, "POST", "/api/events?to=bob", message.body, **message.headers)
        assert (status, answer["outcome"]) == (201, "queued"), answer
        headers, body = took(driven, "bob", form)
        if form == BINARY and sent.get_data() == bytes(range(256)):
            assert body == sent.get_data()
        got = sdk_http.from_http_event(sdk_http.HTTPMessage(headers, body))
        assert same(got, sent), (got.get_attributes(), got.get_data())


@pytest.mark.parametrize("to_http", [old_sdk.to_structured, old_sdk.to_binary])
@pytest.mark.parametrize("form", [STRUCTURED, BINARY])
def test_X7_the_sdk_in_its_older_words_does_as_well(driven, to_http, form):
    sent = OldCloudEvent(
        {"type": "com.example.someevent", "source": "/mycontext", "id": "1", "myextension": "x"},
        {"message": "Hello World!"},
    )
    sent["datacontenttype"] = "application/json"
    headers, body = to_http(sent)
    assert asked(driven, "POST", "/api/events?to=bob", body, **headers)[0] == 201
    got = old_from_http(*took(driven, "bob", form))
    assert got.get_attributes() == sent.get_attributes() and got.data == sent.data


def test_X7_the_sdk_hears_events_of_a_topic_and_takes_batches(driven):
    events = list(sdk_events())
    lines = [JSONFormat().write(one) for one in events]
    stream = Events(driven, "pattern=com.example.>", f"text/event-stream, {STRUCTURED}")
    as_lines = Events(driven, "pattern=com.example.>", f"application/jsonl, {STRUCTURED}")
    status, answer = asked(driven, "POST", "/api/events", b"[" + b",".join(lines) + b"]", Content_Type=BATCHED)
    assert status == 200 and [one["outcome"] for one in answer] == ["sent"] * len(events)
    for sent, line in zip(events, lines):
        for got in (stream.next(), as_lines.next_line()):
            assert got == json.loads(line)
            assert same(JSONFormat().read(None, json.dumps(got).encode()), sent)
    stream.close()
    as_lines.close()
    assert asked(driven, "POST", "/api/events?to=bob", b"[" + b",".join(lines) + b"]", Content_Type=BATCHED)[0] == 200
    assert json.loads(took(driven, "bob", BATCHED)[1]) == [json.loads(line) for line in lines]
    assert asked(driven, "POST", "/api/events", b"[]", Content_Type=BATCHED) == (200, [])


def test_X7_the_sdk_speaks_over_websockets(driven):
    events = list(sdk_events())
    with socket_of(driven, "pattern=com.example.>", "cloudevents.avro", "cloudevents.json") as hears, socket_of(
        driven, "pattern=com.example.>", "cloudevents.json.batch"
    ) as hears_batches, socket_of(driven, "confirm=true", "cloudevents.json") as sends:
        assert hears.subprotocol == sends.subprotocol == "cloudevents.json"
        assert hears_batches.subprotocol == "cloudevents.json.batch"
        wait_for_subscriptions(driven, 2)
        for sent in events:
            sends.send(JSONFormat().write(sent).decode())
            assert same(JSONFormat().read(None, hears.recv(10).encode()), sent)
            (got,) = json.loads(hears_batches.recv(10))
            assert same(JSONFormat().read(None, json.dumps(got).encode()), sent)
            confirmed = json.loads(sends.recv(10))
            assert (confirmed["type"], confirmed["subject"]) == ("folkmoot.confirmed", sent.get_id())
            assert confirmed["data"]["outcome"] == "sent"


def wait_for_subscriptions(server, count):
    deadline = time.monotonic() + 20
    while asked(server, "GET", "/api/stats")[1]["subscriptions"] < count:
        assert time.monotonic() < deadline, "nobody has subscribed"
        time.sleep(0.01)


def test_X7_an_event_is_the_same_at_every_door(driven):
    client = Client(("127.0.0.1", driven.port), agent="ann")
    sent = event(
        subject="x",
        n=5,
        yes=True,
        time="2018-04-05T17:31:00+02:00",
        datacontenttype="application/json",
        data={"wei": 12345678901234567890123},
    )
    text = json.dumps(sent)
    for _ in range(3):
        assert asked(driven, "POST", "/api/messages?to=ann", text, Content_Type=STRUCTURED, X_Agent="carol")[0] == 201
    got = client.receive("ann", wait_ms=5000)[0]
    client.ack(got.lease)
    assert got.fields["metadata"]["ce"] == {
        name: sent[name] for name in sent if name not in ("data", "datacontenttype")
    }
    assert got.fields["from"] == "carol" and got.fields["type"] in (4, "event")
    assert got.content == b'{"wei": 12345678901234567890123}'
    (seen,) = asked(driven, "GET", "/api/messages?agent=ann&limit=1&ack=true&wait=5s")[1]["messages"]
    assert seen["metadata"]["ce"]["subject"] == "x" and seen["type"] == "event"
    seen = json.loads(driven.cli("recv", "ann", "--json", "--wait", "5s").stdout)
    assert seen["metadata"]["ce"]["n"] == 5
    # What a client of any other door puts there is an event for who takes it as one.
    fields = {"to": "bob", "content": {"a": 1}, "metadata": {"ce": {"id": "7", "source": "/s", "type": "t", "x": "y"}}}
    assert asked(driven, "POST", "/api/messages", json.dumps(fields), Content_Type="application/json")[0] == 201
    assert json.loads(took(driven, "bob", STRUCTURED)[1]) == {
        "specversion": "1.0",
        "id": "7",
        "source": "/s",
        "type": "t",
        "x": "y",
        "datacontenttype": "application/json",
        "data": {"a": 1},
    }
    client.close()


def test_X7_a_message_that_was_no_cloudevent_is_told_as_one(driven):
    stream = Events(driven, "pattern=build.*", STRUCTURED)
    sent = asked(
        driven,
        "POST",
        "/api/messages",
        json.dumps({"topic": "build.done", "from": "ann & co", "content": {"change": 12}}),
        Content_Type="application/json",
    )[1]
    got = stream.next()
    stream.close()
    assert got.pop("time").endswith("Z")
    assert got == {
        "specversion": "1.0",
        "id": sent["id"],
        "source": "/agents/ann%20%26%20co",
        "type": "folkmoot.event",
        "subject": "build.done",
        "datacontenttype": "application/json",
        "data": {"change": 12},
    }
    assert JSONFormat().read(None, json.dumps(got).encode()).get_id() == sent["id"]
    asked(
        driven,
        "POST",
        "/api/messages",
        json.dumps({"to": "bob", "from": "ann", "type": "review", "content": "hi", "compress": "gzip"}),
    )
    got = json.loads(took(driven, "bob", STRUCTURED)[1])
    assert (got["type"], got["source"], got["data"], got["datacontenttype"]) == (
        "review",
        "/agents/ann",
        "hi",
        "text/plain",
    )


def test_X7_filters_ask_for_attributes(driven):
    filters = {
        "ce.subject LIKE '%.jpg'": ["1", "3"],
        "ce.n > 4": ["2", "3"],
        "ce.type = 'a.b' AND ce.yes": ["1"],
        "ce.id IS NULL": [],
        "metadata.ce.source IN ('/other')": ["3"],
    }
    streams = {text: Events(driven, f"pattern=t&filter={quote(text)}", STRUCTURED) for text in filters}
    everything = Events(driven, "pattern=t", STRUCTURED)
    events = [
        event(id="1", subject="a.jpg", n=1, type="a.b", yes=True),
        event(id="2", subject="b.png", n=5),
        event(id="3", subject="c.jpg", n=6, source="/other"),
    ]
    events.append(event(id="4", n=9, subject="end.jpg", type="a.b", yes=True, source="/other"))
    publisher = http.client.HTTPConnection("127.0.0.1", driven.port, timeout=20)  # one connection's events keep order
    for one in events:
        publisher.request("POST", "/api/events?topic=t", json.dumps(one), {"Content-Type": STRUCTURED})
        answer = publisher.getresponse()
        assert (answer.status, answer.read())[0] == 201
    publisher.close()
    assert [everything.next()["id"] for _ in range(4)] == ["1", "2", "3", "4"]
    for text, ids in filters.items():
        if text != "ce.id IS NULL":
            assert [streams[text].next()["id"] for _ in range(len(ids) + 1)] == [*ids, "4"], text
        streams[text].close()
    everything.close()


def test_X7_the_trace_of_the_extension_is_the_messages_and_that_of_the_header_is_told(server):
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "traceparent": TRACE}
    both = {**headers, "ce-traceparent": OTHER_TRACE, "ce-tracestate": "a=1"}
    for given, trace in ((headers, TRACE), (both, OTHER_TRACE)):
        assert asked(server, "POST", "/api/events?to=bob", b"", **given)[0] == 201
        (seen,) = asked(server, "GET", "/api/messages?agent=bob")[1]["messages"]
        assert seen["metadata"]["traceparent"] == trace
        asked(
            server,
            "PUT",
            f"/api/messages/{seen['id']}/status",
            json.dumps({"status": "failed", "lease": seen["lease"], "delay_ms": 0}),
        )
        assert json.loads(took(server, "bob", STRUCTURED)[1])["traceparent"] == trace


def test_X7_what_is_taken_without_ack_says_how_it_is_settled(driven):
    assert post(driven, "?to=bob", event())[0] == 201
    headers, body = took(driven, "bob", BINARY, ack=False)
    assert headers["ce-folkmootdelivery"] == "1" and body == b""
    path = f"/api/messages/{headers['ce-folkmootid']}/status"
    assert (
        asked(
            driven, "PUT", path, json.dumps({"status": "failed", "lease": headers["ce-folkmootlease"], "delay_ms": 0})
        )[0]
        == 200
    )
    got = json.loads(took(driven, "bob", STRUCTURED, ack=False)[1])
    assert got["folkmootdelivery"] == 2
    # It may be sent on as it came.
    assert post(driven, "?to=carol", got)[0] == 201
    assert json.loads(took(driven, "carol", STRUCTURED)[1]) == event()
    assert asked(driven, "PUT", path, json.dumps({"status": "processed", "lease": got["folkmootlease"]}))[0] == 200
    assert ask(driven, "GET", "/api/messages?agent=bob", Accept=STRUCTURED)[0] == 204
    assert ask(driven, "GET", "/api/messages?agent=bob", Accept=BINARY)[0] == 204
    assert json.loads(ask(driven, "GET", "/api/messages?agent=bob", Accept=BATCHED)[2]) == []
    status, answer = asked(driven, "GET", "/api/messages?agent=bob&limit=2", Accept=STRUCTURED)
    assert (status, answer["code"]) == (400, "out_of_range")


def test_X7_attributes_too_long_for_a_header_are_told_in_json(server):
    long = event(x="a" * 20_000)
    assert post(server, "?to=bob", long)[0] == 201
    headers, body = took(server, "bob", BINARY)
    assert headers["content-type"] == STRUCTURED and json.loads(body) == long


def test_X7_mailboxes_are_looked_into_as_a_batch(driven):
    for number in range(3):
        assert post(driven, "?to=bob", event(id=str(number), data=number))[0] == 201
    status, headers, body = ask(driven, "GET", "/api/mailboxes/bob/messages?content=true&limit=2", Accept=BATCHED)
    assert (status, headers["content-type"]) == (200, BATCHED)
    assert [(one["id"], one["data"]) for one in json.loads(body)] == [("0", 0), ("1", 1)]
    status, headers, body = ask(
        driven, "GET", f"/api/mailboxes/bob/messages?content=true&after={headers['x-next']}", Accept=BATCHED
    )
    assert [one["id"] for one in json.loads(body)] == ["2"] and "x-next" not in headers


def test_X7_an_event_sent_again_is_published_once_if_that_is_asked_for(driven):
    outcomes = [post(driven, "?to=bob&mode=exactly_once", event(id=id))[1]["outcome"] for id in ("1", "1", "2")]
    assert outcomes == ["queued", "duplicate", "queued"]
    assert [one["id"] for one in json.loads(took(driven, "bob", BATCHED)[1])] == ["1", "2"]


def test_X7_a_partition_key_is_the_group_of_what_goes_to_a_mailbox(driven):
    assert post(driven, "?to=bob", [event(id=str(n), partitionkey="p") for n in range(2)], BATCHED)[0] == 200
    first = json.loads(took(driven, "bob", BATCHED, ack=False)[1])
    assert [(one["id"], one["partitionkey"]) for one in first] == [("0", "p")]


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({}, "`specversion` is missing"),
        ({"specversion": "1.0", "id": "1", "source": "/s"}, "`type` is missing"),
        (event(specversion="0.3"), "`specversion` is `0.3`"),
        (event(id=""), "`id` is"),
        (event(source="a b"), "`source` is"),
        (event(time="now"), "`time` is"),
        (event(Upper="x"), "`Upper`"),
        (event(x={"a": 1}), "`x` is"),
        (event(x=2**31), "`x` is"),
        (event(x="\x07"), "`x` is"),
        (event(datacontenttype="nonsense"), "`datacontenttype` is"),
        (event(data=1, data_base64="AA=="), "`data_base64`"),
        (event(data_base64="???"), "`data_base64` is"),
        (event(**{f"x{n}": "" for n in range(130)}), "128 attributes"),
        ([], "a CloudEvent is a JSON object"),
    ],
)
def test_X7_what_is_not_understood_is_refused_by_name(server, wrong, said):
    for path in ("/api/events?to=bob", "/api/messages?to=bob"):
        status, answer = asked(server, "POST", path, json.dumps(wrong), Content_Type=STRUCTURED)
        assert status == 422 and said in answer["error"], answer
        status, answer = asked(server, "POST", path, json.dumps([event(), wrong]), Content_Type=BATCHED)
        assert status == 422 and said in answer["error"] and "event 1 of the batch" in answer["error"], answer
        assert answer["pointer"].startswith("/1")
    with socket_of(server, "to=bob", "cloudevents.json") as socket:
        socket.send(json.dumps(wrong))
        refused = json.loads(socket.recv(10))
        assert refused["type"] == "folkmoot.refused" and said in refused["data"]["error"]
    assert ask(server, "GET", "/api/messages?agent=bob", Accept=STRUCTURED)[0] == 204


def test_X7_requests_that_are_none_are_refused_clearly(server):
    good = json.dumps(event())
    for path, body, headers, status, said in (
        ("/api/events", good, {"Content_Type": "application/json"}, 400, "this is no CloudEvent"),
        ("/api/events", good, {}, 400, "this is no CloudEvent"),
        ("/api/events", good, {"Content_Type": "application/cloudevents+avro"}, 415, "no format of CloudEvents"),
        ("/api/events", "{", {"Content_Type": STRUCTURED}, 400, "not JSON"),
        ("/api/events", good, {"Content_Type": BATCHED}, 422, "a batch of CloudEvents is a JSON array"),
        ("/api/events?topic=a.*", good, {"Content_Type": STRUCTURED}, 400, "`topic` is `a.*`"),
        ("/api/events?topic=a&to=b", good, {"Content_Type": STRUCTURED}, 400, "both `topic` and `to`"),
        ("/api/events?mode=often", good, {"Content_Type": STRUCTURED}, 400, "`mode`"),
        ("/api/events?topik=a", good, {"Content_Type": STRUCTURED}, 400, "`topik`"),
        (
            "/api/events",
            json.dumps(event(type="two words")),
            {"Content_Type": STRUCTURED},
            422,
            "`type` is `two words`",
        ),
        ("/api/events", json.dumps(event(type="bus.x")), {"Content_Type": STRUCTURED}, 403, "bus.x"),
        ("/api/events", "x", {"ce_specversion": "1.0"}, 400, "`id` is missing"),
        ("/api/events", "x", {"ce_specversion": "2.0"}, 400, "`specversion` is `2.0`"),
        ("/api/messages", good, {"Content_Type": "application/json"}, 422, "`specversion` is a field of CloudEvents"),
        ("/api/messages?to=bob", json.dumps({"content": "x"}), {}, 400, "`to` in the query is for CloudEvents"),
        ("/message", "x", {"ce_specversion": "1.0"}, 400, "which this address does not take"),
        ("/api/requests", "x", {"ce_specversion": "1.0"}, 400, "which this address does not take"),
    ):
        got, answer = asked(server, "POST", path, body, **headers)
        assert got == status and said in answer["error"], (path, answer)
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
    for field, said in (
        (("ce-x", "%C0%A0"), "`ce-x`"),
        (("ce-x", "100%"), "`ce-x`"),
        (("ce-a-b", "x"), "`a-b`"),
        (("ce-datacontenttype", "text/plain"), "Content-Type"),
        (("ce-data", "x"), "`data`"),
    ):
        status, answer = asked(server, "POST", "/api/events", b"x", **{**headers, field[0]: field[1]})
        assert status == 400 and said in answer["error"], answer


def test_X7_of_a_batch_to_a_mailbox_all_or_none_are_published(driven):
    driven.cli("mailbox", "set", "small", "--max-messages", "2")
    status, answer = post(driven, "?to=small", [event(id=str(n)) for n in range(3)], BATCHED)
    assert (status, answer["code"]) == (429, "mailbox_full")
    assert json.loads(ask(driven, "GET", "/api/messages?agent=small", Accept=BATCHED)[2]) == []
    status, answer = post(driven, "", [event(id="1"), event(id="2", type="bus.x"), event(id="3")], BATCHED)
    assert (status, answer["code"]) == (403, "not_permitted")
    assert "event 1 of the batch" in answer["error"] and "2 of 3 were published" in answer["error"]


def test_X7_a_websocket_publishes_to_where_its_query_says_and_hears_itself_if_it_wants(driven):
    with socket_of(driven, "to=bob&mode=exactly_once&confirm=true&agent=ann", "cloudevents.json.batch") as socket:
        socket.send(json.dumps([event(id="1"), event(id="1"), event(id="2")]))
        told = [json.loads(socket.recv(10))[0] for _ in range(3)]
        assert sorted(one["data"]["outcome"] for one in told) == ["duplicate", "queued", "queued"]
        assert len({one["id"] for one in told}) == 3 and {one["source"] for one in told} == {"/websocket"}
    assert sorted(one["id"] for one in json.loads(took(driven, "bob", BATCHED)[1])) == ["1", "2"]
    with socket_of(driven, "pattern=t&echo=true&filter=" + quote("ce.n = 2"), "cloudevents.json") as socket:
        wait_for_subscriptions(driven, 1)
        for n in (1, 2):
            socket.send(json.dumps(event(type="t", n=n)))
        assert json.loads(socket.recv(10)) == event(type="t", n=2)


def test_X7_a_websocket_that_cannot_go_on_says_why(make_server):
    server = make_server("--token", "secret")
    for query, protocols, headers, status in (
        ("pattern=a", [], {}, 400),
        ("patern=a", ["cloudevents.json"], {}, 400),
        ("pattern=a..b", ["cloudevents.json"], {}, 400),
    ):
        with pytest.raises(InvalidStatus) as refused:
            connect_websocket(f"ws://127.0.0.1:{server.port}/ws?{query}", subprotocols=protocols or None)
        assert refused.value.response.status_code == status

    def last_words(query, say, **headers):
        said = queue.Queue()
        with socket_of(server, query, "cloudevents.json", additional_headers=headers) as socket:
            say(socket)
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    said.put(json.loads(socket.recv(10)))
        return [said.get() for _ in range(said.qsize())], closed.value.rcvd

    token = {"Authorization": "Bearer secret"}
    said, close = last_words("", lambda socket: None)
    assert said[-1]["type"] == "folkmoot.goodbye" and said[-1]["data"]["code"] == "unauthorized" and close.code == 1008
    said, close = last_words("pattern=a&filter=b%20%3D", lambda socket: None, **token)
    assert said[0]["type"] == "folkmoot.refused" and said[0]["data"]["code"] == "invalid_filter"
    assert (close.code, close.reason) == (1008, "invalid_filter")
    said, close = last_words("", lambda socket: socket.send(b"binary"), **token)
    assert said[-1]["data"]["code"] == "malformed" and close.code == 1002
    with connect_websocket(
        f"ws://127.0.0.1:{server.port}/ws", subprotocols=["cloudevents.avro"], additional_headers=token
    ) as socket:
        assert socket.subprotocol is None
        socket.send('{"op":"ping","request":1}')
        assert json.loads(socket.recv(10)) == {"op": "ok", "request": 1}


def test_X7_the_shell_publishes_an_event(driven):
    stream = Events(driven, "pattern=builds", STRUCTURED)
    sent = event(data={"change": 12}, datacontenttype="application/json", x="y")
    done = driven.cli("publish", "builds", "-", "--cloudevent", stdin=json.dumps(sent))
    assert done.returncode == 0, done.stderr
    assert stream.next() == sent
    stream.close()
    done = driven.cli("publish", "builds", "-", "--cloudevent", stdin=json.dumps(event(time="now")))
    assert done.returncode != 0 and "`time` is `now`" in done.stderr


def test_X7_many_clients_at_once_get_every_event_whole(driven):
    def send(name):
        for n in range(50):
            subject = {"subject": "s" * n} if n else {}
            assert post(driven, "?to=bob", event(id=f"{name}-{n}", **subject, data="d" * n * 20))[0] == 201

    senders = [threading.Thread(target=send, args=(name,)) for name in range(4)]
    for sender in senders:
        sender.start()
    got = {}
    while len(got) < 200:
        for one in json.loads(took(driven, "bob", BATCHED)[1]):
            n = int(one["id"].split("-")[1])
            assert one == event(
                id=one["id"],
                **({"subject": "s" * n} if n else {}),
                datacontenttype="application/json",
                data="d" * n * 20,
            )
            got[one["id"]] = True
    for sender in senders:
        sender.join()
