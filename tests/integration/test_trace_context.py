"""W3C Trace Context over HTTP: `traceparent` and `tracestate` of a request are those of its messages."""

import http.client
import json
import subprocess
import threading

import pytest
from native import Client
from program import PROGRAM, environment

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


def ask(server, method, path, body=None, headers=()):
    """(status, JSON of the answer). `headers`: pairs, so that one may come twice."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest(method, path)
    data = json.dumps(body).encode() if body is not None else b""
    connection.putheader("Content-Length", str(len(data)))
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders(data)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text) if text else None


def metadata(server, mailbox):
    client = Client(("127.0.0.1", server.port), agent=mailbox)
    (got,) = client.receive(mailbox, wait_ms=5000)
    client.ack(got.lease)
    client.close()
    return got.fields.get("metadata", {})


def published(server, headers, **fields):
    status, answer = ask(server, "POST", "/api/messages", {"to": "bob", "content": "x", **fields}, headers)
    assert status == 201, answer
    return metadata(server, "bob")


def test_X15_the_header_is_the_message_s(server):
    assert published(server, [("traceparent", TRACE)]) == {"traceparent": TRACE}
    assert published(server, [("Traceparent", TRACE), ("TraceState", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")]) == {
        "traceparent": TRACE,
        "tracestate": "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
    }
    assert published(server, [("traceparent", TRACE)], metadata={"branch": "main"}) == {
        "branch": "main",
        "traceparent": TRACE,
    }
    assert published(server, []) == {}


def test_X15_a_trace_of_the_body_goes_before_that_of_the_header(server):
    assert published(server, [("traceparent", TRACE), ("tracestate", "a=1")], metadata={"traceparent": OTHER}) == {
        "traceparent": OTHER
    }


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        TRACE[:-1],
        TRACE + "0",
        TRACE + "-",
        TRACE + "-01",
        TRACE.upper(),
        "ff" + TRACE[2:],
        "0" + TRACE[1:].replace("-", "x", 1),
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
        TRACE.replace("-", "_"),
        "zz" + TRACE[2:],
        "01" + TRACE[2:] + "x",
    ],
)
def test_X15_a_header_that_is_not_valid_is_as_none(server, value):  # section 3.2.2
    assert published(server, [("traceparent", value), ("tracestate", "a=1")]) == {}


def test_X15_a_header_that_is_there_twice_is_as_none(server):
    assert published(server, [("traceparent", TRACE), ("traceparent", OTHER)]) == {}


@pytest.mark.parametrize(
    "value", ["01" + TRACE[2:], "cc" + TRACE[2:], "01" + TRACE[2:] + "-what-the-future-will-be-like"]
)
def test_X15_of_a_higher_version_what_is_known_is_taken(server, value):  # section 3.2.4 and 4.3
    assert published(server, [("traceparent", value)]) == {"traceparent": TRACE}


@pytest.mark.parametrize(
    "fields, want",
    [
        (["a=1"], "a=1"),
        (["a=1,b=2"], "a=1,b=2"),
        (["a=1", "b=2"], "a=1,b=2"),
        (["a=1 , b=2"], "a=1,b=2"),
        (["a=1,,b=2,"], "a=1,b=2"),
        (["fw529a3039@dt=FfffffA"], "fw529a3039@dt=FfffffA"),
        (["0tenant@sys=1"], "0tenant@sys=1"),
        ([""], None),
        (["a"], None),
        (["=1"], None),
        (["a="], None),
        (["A=1"], None),
        (["1a=1"], None),
        (["a=1,a=2"], None),
        (["a=b=c"], None),
        (["a@=1"], None),
        (["a@b@c=1"], None),
        (["a=\u00e4"], None),
        ([",".join(f"k{i}=v" for i in range(32))], ",".join(f"k{i}=v" for i in range(32))),
        ([",".join(f"k{i}=v" for i in range(33))], None),
        (["k" * 256 + "=1"], "k" * 256 + "=1"),
        (["k" * 257 + "=1"], None),
        (["a=" + "v" * 256], "a=" + "v" * 256),
        (["a=" + "v" * 257], None),
    ],
)
def test_X15_a_tracestate_that_is_not_valid_is_left_out_alone(server, fields, want):  # section 3.3
    got = published(server, [("traceparent", TRACE), *(("tracestate", field.encode()) for field in fields)])
    assert got == ({"traceparent": TRACE, "tracestate": want} if want else {"traceparent": TRACE})


def test_X15_each_of_a_batch_has_it(server):
    bodies = [{"to": "a", "content": "x"}, {"to": "b", "content": "x", "metadata": {"traceparent": OTHER}}]
    for path, body in (
        ("/api/messages", bodies),
        ("/api/messages/batch", {"messages": bodies}),
        ("/api/messages/batch", {"messages": bodies, "atomic": True}),
    ):
        status, _ = ask(server, "POST", path, body, [("traceparent", TRACE)])
        assert status == 200
        assert (metadata(server, "a"), metadata(server, "b")) == ({"traceparent": TRACE}, {"traceparent": OTHER})


def test_X15_requests_commands_and_what_comes_of_work_have_it(server):
    seen = []

    def agent():
        client = Client(("127.0.0.1", server.port), agent="bob")
        client.consume("bob", credit=10)
        for _ in range(4):
            got = client.delivery()
            seen.append(got.fields.get("metadata", {}))
            client.publish(b"done", to=got.fields["reply_to"], type="response") if "reply_to" in got.fields else None
            if got.lease:
                client.ack(got.lease)
        client.close()

    working = threading.Thread(target=agent)
    working.start()
    for path, body in (
        ("/api/requests", {"to": "bob", "message": {"content": "x"}}),
        ("/api/requests", {"to": ["bob"], "message": {"content": "x"}}),
        ("/api/commands", {"to": "bob", "command": "stop"}),
        ("/message?wait=5s", {"to": "bob", "content": "x"}),
    ):
        status, answer = ask(server, "POST", path, body, [("traceparent", TRACE), ("tracestate", "a=1")])
        assert status == 200, answer
    working.join(20)
    assert seen == [{"traceparent": TRACE, "tracestate": "a=1"}] * 4


def test_X15_what_is_completed_goes_on_with_its_own_or_the_request_s_trace(server):
    for headers, want in (([], TRACE), ([("traceparent", OTHER)], OTHER)):
        ask(server, "POST", "/api/messages", {"to": "scan", "content": "x"}, [("traceparent", TRACE)])
        (got,) = ask(server, "GET", "/api/messages?agent=scan&wait=5s")[1]["messages"]
        assert got["metadata"]["traceparent"] == TRACE
        status, answer = ask(
            server,
            "POST",
            f"/api/messages/{got['id']}/complete",
            {"lease": got["lease"], "outputs": [{"to": "next", "content": "y"}]},
            headers,
        )
        assert status == 200, answer
        assert metadata(server, "next") == {"traceparent": want}


def test_X15_an_event_has_it(server):
    listening = subprocess.Popen(
        [PROGRAM, "subscribe", "news.>", "--count", "1", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(FOLKMOOT_ADDRESS=server.address),
    )
    while True:
        status, answer = ask(
            server, "POST", "/api/messages", {"topic": "news.today", "content": "x"}, [("traceparent", TRACE)]
        )
        assert status == 201
        if answer["subscriptions"] if "subscriptions" in answer else answer["unread"]:
            break
    assert json.loads(listening.communicate(timeout=10)[0])["metadata"] == {"traceparent": TRACE}


def test_X15_pages_that_may_use_the_server_may_send_it(make_server):
    server = make_server("--set", "http.cors_origins=https://app.example")
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request(
        "OPTIONS", "/api/messages", headers={"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    )
    allowed = connection.getresponse().getheader("Access-Control-Allow-Headers").lower()
    connection.close()
    assert "traceparent" in allowed and "tracestate" in allowed
