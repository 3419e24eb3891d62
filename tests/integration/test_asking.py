"""Commands and requests to many at the HTTP and the WebSocket door (A4, A5; docs/protocol.md, sections 11 and 13)."""

import contextlib
import http.client
import json
import socket
import threading

import pytest
from native import TYPES, Refused
from test_delivery_native import eventually
from test_http import Http
from test_websocket import run


class Agent:
    """Answers what comes into its mailbox with `answers`: (type, content) each, the last of them the response."""

    def __init__(self, connect, name, *answers):
        self.client = connect(name)
        self.name = name
        self.answers = answers
        self.got = []
        self.client.consume(name, credit=5)
        self.thread = threading.Thread(target=self._work, daemon=True)

    def _work(self):
        asked = self.client.delivery(timeout=30)
        self.got.append(asked)
        with contextlib.suppress(Refused):  # there may be enough answers without it
            self._answer(asked)

    def _answer(self, asked):
        for kind, content in self.answers:
            self.client.publish(content, to=asked.fields["reply_to"], type=TYPES[kind], content_type="text/plain")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join(30)


@contextlib.contextmanager
def streamed(server, method, path, body=None, accept="text/event-stream"):
    """The lines of an answer as they come."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, path, None if body is None else json.dumps(body), {"Accept": accept, "X-Agent": "boss"})
    answer = connection.getresponse()
    try:
        yield answer
    finally:
        connection.close()


def server_sent(answer, count):
    """The next events of a stream: (event, data)."""
    events, event = [], None
    while len(events) < count:
        line = answer.readline().decode().rstrip("\n")
        if line.startswith("event: "):
            event = line.removeprefix("event: ")
        elif line.startswith("data: "):
            events.append((event, json.loads(line.removeprefix("data: "))))
        else:
            assert line in ("", ":"), line
    return events


@pytest.fixture
def ask(server):
    return Http(server, **{"X-Agent": "boss"})


# -- HTTP


def test_A5_a_command_over_http_waits_for_its_result(ask, connect):
    with Agent(connect, "deployer", ("status", "half way"), ("response", "deployed")) as deployer:
        status, got = ask("POST", "/api/commands",
                          {"to": "deployer", "command": "deploy", "parameters": {"change": 12}})
        assert (status, got["status"], got["response"]["content"]) == (200, "delivered", "deployed")
        assert [message["content"] for message in got["statuses"]] == ["half way"]
    (asked,) = deployer.got
    assert json.loads(asked.content) == {"command": "deploy", "parameters": {"change": 12}}
    assert (asked.fields["type"], asked.fields["from"]) == (TYPES["command"], "boss")


def test_A5_the_statuses_of_a_command_come_as_server_sent_events(server, connect):
    deployer = connect("deployer")
    deployer.consume("deployer", credit=1)
    with streamed(server, "POST", "/api/commands", {"to": "deployer", "command": "deploy"}) as answer:
        assert (answer.status, answer.getheader("Content-Type")) == (200, "text/event-stream")
        reply_to = deployer.delivery(timeout=30).fields["reply_to"]
        deployer.publish("half way", to=reply_to, type=TYPES["status"], content_type="text/plain")
        ((event, data),) = server_sent(answer, 1)  # it is there before the work is done
        assert (event, data["recipient"], data["message"]["content"]) == ("status", "deployer", "half way")
        deployer.publish("deployed", to=reply_to, type=TYPES["response"], content_type="text/plain")
        (answered, done) = server_sent(answer, 2)
        assert (answered[0], answered[1]["message"]["content"]) == ("answer", "deployed")
        assert done == ("done", {"enough": True, "answers": 1, "missing": []})
        assert answer.read().strip() == b""


def test_A5_or_as_lines_of_json(server, connect):
    with Agent(connect, "deployer", ("status", "half way"), ("response", "deployed")):
        with streamed(server, "POST", "/api/commands", {"to": "deployer", "command": "deploy"},
                      "application/jsonl") as answer:
            assert answer.getheader("Content-Type") == "application/jsonl"
            told = [json.loads(line) for line in answer.read().splitlines()]
    assert [line["event"] for line in told] == ["status", "answer", "done"]


def test_A5_an_http_client_that_goes_away_has_cancelled_its_command(server, connect):
    deployer = connect("deployer")
    deployer.consume("deployer", credit=2)
    with streamed(server, "POST", "/api/commands", {"to": "deployer", "command": "deploy"}):
        asked = deployer.delivery(timeout=30)
    assert deployer.withdrawn(timeout=30) == (0, asked.fields["id"])


def test_A5_errors_of_a_command_over_http(ask, connect):
    status, refused = ask("POST", "/api/commands", {"to": "nobody", "command": "deploy", "timeout_ms": 300})
    assert (status, refused["code"]) == (504, "timed_out")
    for body, field in [({"to": "a"}, "command"), ({"to": "a", "command": "x", "parameters": [1]}, "parameters"),
                        ({"to": "a", "command": "x", "need": "most"}, "need"), ({"to": [],
                                                                                 "command": "x"}, "0 requests"),
                        ({"to": ["a"], "command": "x", "need": 2}, "2 answers"), ({"to": [5], "command": "x"}, "to"),
                        ({"to": "a", "command": "x", "timeout_ms": "2h"}, "timeout_ms")]:
        status, refused = ask("POST", "/api/commands", body)
        assert status == 422 and field in refused["error"], (body, refused)
    many = ["a"] * 17
    status, refused = ask("POST", "/api/requests", {"to": many, "message": {"content": "x" * (1024 * 1024)}})
    assert (status, refused["code"]) == (413, "content_too_large")
    with Agent(connect, "failing", ("error", "no such change")):
        status, got = ask("POST", "/api/commands", {"to": "failing", "command": "deploy"})
        assert (status, got["response"]["type"], got["response"]["content"]) == (200, "error", "no such change")


def test_A4_a_request_to_many_over_http_waits_for_all(ask, connect):
    with Agent(connect, "a", ("response", "yes")), Agent(connect, "b", ("response", "no")):
        status, got = ask("POST", "/api/requests", {"to": ["a", "b"], "message": {"content": "ship?"}})
    assert status == 200 and got["enough"] is True and got["missing"] == []
    assert {one["recipient"]: one["message"]["content"] for one in got["responses"]} == {"a": "yes", "b": "no"}


def test_A4_a_quorum_over_http_cancels_the_rest(server, ask, connect):
    slow = connect("slow")
    slow.consume("slow", credit=1)
    with Agent(connect, "a", ("response", "yes")), Agent(connect, "b", ("error", "cannot tell")):
        body = {"to": ["slow", "a", "b"], "need": 1, "message": {"content": "ship?"}}
        status, got = ask("POST", "/api/requests", body)
    assert status == 200 and got["enough"] is True
    assert "yes" in [one["message"]["content"] for one in got["responses"]]
    assert ("slow", "cancelled") in [(one["recipient"], one["code"]) for one in got["missing"]]
    asked = slow.delivery(timeout=30)
    assert slow.withdrawn(timeout=30) == (0, asked.fields["id"])


def test_A4_answers_that_do_not_come_in_time_are_missing(ask, connect):
    with Agent(connect, "a", ("response", "yes")):
        body = {
            "messages": [{"to": "a", "content": "ship?"}, {"to": "nobody", "content": "ship it?"}],
            "timeout_ms": "500ms"
        }
        status, got = ask("POST", "/api/requests", body)
    assert (status, got["enough"], got["answers"]) == (200, False, 1)
    assert [(one["index"], one["recipient"], one["code"]) for one in got["missing"]] == [(1, "nobody", "timed_out")]


def test_A4_answers_of_many_come_one_by_one(server, connect):
    with Agent(connect, "a", ("response", "yes")):
        body = {"to": ["a", "nobody"], "timeout_ms": 500, "message": {"content": "ship?"}}
        with streamed(server, "POST", "/api/requests", body) as answer:
            events = server_sent(answer, 3)
    assert [event for event, _ in events] == ["answer", "missing", "done"]
    assert events[1][1]["code"] == "timed_out" and events[2][1]["enough"] is False


def test_A4_A5_a_plain_request_over_http_can_be_followed_too(server, connect):
    with Agent(connect, "a", ("status", "looking"), ("response", "found")):
        with streamed(server, "POST", "/message?wait=20s", {"to": "a", "content": "where?"}) as answer:
            assert [event for event, _ in server_sent(answer, 3)] == ["status", "answer", "done"]


# -- events over HTTP


def subscribed(server, query, accept="text/event-stream"):
    return streamed(server, "GET", f"/api/events?{query}", accept=accept)


def test_A6_M2_events_are_heard_over_http_with_a_filter(server, connect):
    speaker = connect("alice")
    with subscribed(server, "pattern=news.%3E&filter=content.score%20%3E%205&count=2") as answer:
        assert answer.status == 200
        for score in (3, 9, 1, 7):
            speaker.publish(json.dumps({"score": score}).encode(), topic="news.x", content_type="application/json")
        events = server_sent(answer, 2)
        assert [(event, data["message"]["content"]["score"]) for event, data in events] == [("event", 9), ("event", 7)]
        assert answer.read().strip() == b""  # `count` ends it


def test_A6_a_subscription_over_http_that_had_its_count_holds_nobody_up(server, connect):
    speaker = connect("alice")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/api/events?pattern=news&count=1", headers={"Accept": "text/event-stream"})
    answer = connection.getresponse()
    assert speaker.publish("heard", topic="news").count == 1
    server_sent(answer, 1)
    answer.read()  # it has ended; the connection stays
    eventually(lambda: speaker.publish("to nobody", topic="news").count, lambda count: count == 0)
    connection.request("GET", "/api/messages?agent=boss")
    assert json.loads(connection.getresponse().read()) == {"messages": []}
    connection.close()


def test_A6_M2_wrong_subscriptions_over_http_are_refused(ask):
    assert ask("GET", "/api/events?pattern=a..b")[1]["code"] == "invalid_topic"
    status, refused = ask("GET", "/api/events?pattern=a&filter=priority%20%3C")
    assert (status, refused["code"]) == (
        400, "invalid_filter") and "column 11" in refused["error"] and "filters.md" in refused["advice"]
    assert ask("GET", "/api/events?pattern=a&count=0")[0] == 400


def test_A6_a_subscription_over_http_ends_with_its_client(server, connect):
    watcher = connect()
    with subscribed(server, "pattern=a.b"):
        assert watcher.publish("x", topic="a.b").count == 1
    eventually(lambda: watcher.publish("x", topic="a.b").count, lambda count: count == 0)


def test_A4_http_1_0_gets_answers_in_one_piece(server, connect):
    with Agent(connect, "a", ("response", "yes")):
        body = json.dumps({"to": "a", "message": {"content": "ship?"}})
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as plain:
            plain.sendall(
                f"POST /api/requests HTTP/1.0\r\nAccept: text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n{body}"
                .encode())
            answer = b""
            while piece := plain.recv(65536):
                answer += piece
    assert b"application/json" in answer and b'"response"' in answer and b"chunked" not in answer


# -- WebSocket


def test_A5_a_command_over_a_websocket_tells_its_statuses_and_is_cancelled(server):
    async def steps(me, other):
        await other.ask("consume", request=1, mailbox="other", credit=5)
        await me.send("command", request=5, to="other", command="deploy", parameters={"change": 12})
        asked = (await other.read())["message"]
        assert asked["content"] == {"command": "deploy", "parameters": {"change": 12}} and asked["type"] == "command"
        for kind in ("status", "response"):
            await other.send("publish", quiet=True, message={"to": asked["reply_to"], "type": kind, "content": kind})
        assert [(await me.read())["message"]["content"] for _ in range(2)] == ["status", "response"]

        await me.send("command", request=6, to="other", command="deploy")
        asked = (await other.read())["message"]
        await me.send("cancel", request=7, target=6)
        assert {(await me.read())["op"] for _ in range(2)} == {"error", "ok"}
        assert await other.read() == {"op": "withdrawn", "id": asked["id"]}

    run(server, steps)


def test_A4_a_request_to_many_over_a_websocket(server):
    async def steps(me, other):
        for number, mailbox in enumerate(("a", "b", "slow"), 1):
            await other.ask("consume", request=number, mailbox=mailbox, credit=5)
        await me.send("request_many", request=9, to=["a", "b", "slow"], need=2, message={"content": "ship?"})
        asked = {}
        for _ in range(3):
            message = (await other.read())["message"]
            asked[message["to"]] = message
        await other.send("publish", quiet=True, message={"to": asked["b"]["reply_to"], "content": "no"})
        await other.send("publish", quiet=True, message={"to": asked["a"]["reply_to"], "content": "yes"})
        answers = [await me.read() for _ in range(2)]
        assert [
            (one["op"], one["request"], one["index"], one["recipient"], one["message"]["content"]) for one in answers
        ] == [("deliver", 9, 1, "b", "no"), ("deliver", 9, 0, "a", "yes")]
        over = await me.read()
        assert (over["op"], over["request"], over["enough"], over["answers"]) == ("gathered", 9, True, 2)
        assert [(one["recipient"], one["code"]) for one in over["missing"]] == [("slow", "cancelled")]
        assert await other.read() == {"op": "withdrawn", "id": asked["slow"]["id"]}
        # What was cancelled says no more, and the number is free again.
        assert await me.ask("ping", request=9) == {"op": "ok", "request": 9}

    run(server, steps)


def test_A4_a_request_to_many_over_a_websocket_can_be_cancelled_as_one(server):
    async def steps(me, other):
        await other.ask("consume", request=1, mailbox="other", credit=5)
        await me.send("command", request=9, to=["other", "other"], command="build")
        ids = {(await other.read())["message"]["id"] for _ in range(2)}
        await me.send("cancel", request=10, target=9)
        over = await me.read()
        assert (over["op"], over["enough"], [one["code"] for one in over["missing"]]) == ("gathered", False,
                                                                                          ["cancelled"] * 2)
        assert await me.read() == {"op": "ok", "request": 10}
        assert {(await other.read())["id"] for _ in range(2)} == ids

    run(server, steps)


def test_A4_wrong_requests_to_many_over_a_websocket_are_refused(server):
    async def steps(me, other):
        for fields, code in [({}, "invalid_field"), ({"to": [], "message": {}}, "out_of_range"),
                             ({"to": ["a"], "need": 2, "message": {}}, "out_of_range"),
                             ({"to": ["a\nb"], "message": {}}, "invalid_name"), ({"messages": [1]}, "malformed")]:
            refused = await me.ask("request_many", request=3, **fields)
            assert (refused["op"], refused["request"], refused["code"]) == ("error", 3, code), (fields, refused)
        await me.send("request_many", request=4, to=["nobody"], timeout_ms=200, message={"content": "x"})
        over = await me.read()
        assert (over["op"], [one["code"] for one in over["missing"]]) == ("gathered", ["timed_out"])

    run(server, steps)


# -- the native door: a request to many is as many REQUESTs, and CANCEL for those that are not needed


def test_A4_who_holds_a_cancelled_request_in_memory_is_told(connect):
    asker, worker = connect("asker"), connect("worker")
    worker.consume("worker", credit=5)
    request = asker.start_request("long work", to="worker")
    task = worker.delivery()
    assert task.lease is None
    asker.cancel(request)
    assert worker.withdrawn(timeout=30) == (0, task.fields["id"])


def test_A4_and_so_is_who_holds_one_of_a_requester_that_is_gone(connect):
    asker, worker = connect("asker"), connect("worker")
    worker.consume("worker", credit=1)
    asker.start_request("held", to="worker")
    task = worker.delivery()
    asker.start_request("waiting", to="worker")
    asker.ping()
    asker.close()
    assert worker.withdrawn(timeout=30) == (0, task.fields["id"])
    assert worker.stats("worker")["mailboxes"][0]["ready"] == 0  # nobody wants to know: it is not handed out any more


def test_A4_or_whose_time_is_over(connect):
    asker, worker = connect("asker"), connect("worker")
    worker.consume("worker", credit=5)
    asker.start_request("long work", timeout_ms=300, to="worker")
    task = worker.delivery()
    assert worker.withdrawn(timeout=30) == (0, task.fields["id"])
