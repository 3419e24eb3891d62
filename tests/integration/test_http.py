"""The HTTP door of the real program (docs/protocol.md, section 13)."""

import http.client
import json
import socket
import threading
import time

import pytest
from test_delivery_native import eventually

CONTENT = {"question": "why", "list": [1, 2.5, None]}


class Http:
    """One keep-alive connection."""

    def __init__(self, server, **headers):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        self.headers = headers

    def __call__(self, method, path, body=None, **headers):
        data = None if body is None else body if isinstance(body, (bytes, str)) else json.dumps(body)
        self.connection.request(method, path, data, {**self.headers, **headers})
        answer = self.connection.getresponse()
        text = answer.read()
        self.answer = answer
        is_json = answer.getheader("Content-Type") == "application/json"
        return answer.status, json.loads(text) if is_json and text else text.decode()


@pytest.fixture
def ask(server):
    return Http(server)


def test_B2_B4_a_message_is_published_received_and_settled(ask):
    status, sent = ask("POST", "/api/messages",
                       {"from": "planner", "to": "analyst", "content": CONTENT, "priority": "high"})
    assert (status, sent["status"], sent["unread"], sent["last_read_age_ms"]) == (201, "pending", 1, None)
    assert ask("GET", f"/api/messages/{sent['id']}")[1]["state"] == "queued"
    status, got = ask("GET", "/api/messages?agent=analyst&limit=5&lease=30s")
    (message,) = got["messages"]
    assert message["id"] == sent["id"] and message["content"] == CONTENT and message["priority"] == 3
    assert message["from"] == "planner" and message["status"] == "delivered" and message["delivery"] == 1
    path = f"/api/messages/{sent['id']}/status"
    assert ask("PUT", path, {"status": "delivered", "lease": message["lease"], "lease_ms": 60000})[0] == 200
    status, refused = ask("PUT", path, {"status": "delivered", "lease": message["lease"], "lease_ms": 0})
    assert (status, refused["code"]) == (422, "out_of_range") and "1 ms or more" in refused["error"]
    assert ask("PUT", path, {"status": "processed", "lease": message["lease"]})[0] == 200
    status, refused = ask("PUT", path, {"status": "processed", "lease": message["lease"]})
    assert (status, refused["code"]) == (409, "lease_lost")
    assert ask("GET", f"/api/messages/{sent['id']}")[1]["status"] == "processed"
    assert ask("GET", "/api/messages?agent=analyst")[1] == {"messages": []}


def test_B2_messages_received_with_ack_are_settled_however_short_their_lease(ask):
    for _ in range(4):
        assert ask("POST", "/api/messages", [{"to": "bob", "content": "x" * 1000}] * 250)[0] == 200
        status, got = ask("GET", "/api/messages?agent=bob&limit=250&ack=true&lease=1ms")
        assert status == 200 and [m["status"] for m in got["messages"]] == ["processed"] * 250
    assert ask("GET", "/api/messages?agent=bob")[1] == {"messages": []}


def test_B2_A7_a_failed_message_comes_again(ask):
    _, sent = ask("POST", "/api/messages", {"to": "analyst", "content": "x"})
    message = ask("GET", "/api/messages?agent=analyst")[1]["messages"][0]
    body = {"status": "failed", "lease": message["lease"], "reason": "not now"}
    assert ask("PUT", f"/api/messages/{sent['id']}/status", body)[0] == 200
    again = ask("GET", "/api/messages?agent=analyst&ack=true")[1]["messages"][0]
    assert again["redelivered"] is True and again["status"] == "processed"
    assert ask("GET", f"/api/messages/{sent['id']}")[1]["status"] == "processed"


def test_A13_a_batch_is_answered_one_by_one(ask):
    status, results = ask("POST", "/api/messages", [{"to": "a", "content": str(i)} for i in range(100)])
    assert status == 200 and len({r["id"] for r in results}) == 100
    assert all(i <= r["unread"] <= 100 for i, r in enumerate(results, 1)), results
    assert len(ask("GET", "/api/messages?agent=a&limit=1000")[1]["messages"]) == 100


@pytest.mark.parametrize("path", ["/api/messages", "/api/messages/batch"])
def test_A13_a_wrong_message_of_a_batch_is_refused_alone(ask, path):
    wrong = [{"to": "a", "priority": 99}, "no object", {"to": "a\n"}, {"to": "a", "metadata": {"x": "y" * 70_000}}]
    status, answer = ask("POST", path, [{"to": "a", "content": "1"}, *wrong, {"to": "a", "content": "2"}])
    results = answer if path == "/api/messages" else answer["results"]
    assert status == 200 and [r.get("code", r.get("outcome")) for r in results] == \
        ["queued", "out_of_range", "malformed", "invalid_name", "out_of_range", "queued"], results
    assert [m["content"] for m in ask("GET", "/api/messages?agent=a&wait=500ms&ack=true")[1]["messages"]] == ["1", "2"]
    status, answer = ask("POST", "/api/messages/batch", wrong)
    assert status == 200 and len(answer["results"]) == 4 and all(r["error"] for r in answer["results"])
    assert ask("POST", "/api/messages/batch", {"atomic": True, "messages": [{"to": "a"}, *wrong]})[0] == 422
    assert ask("GET", "/api/messages?agent=a")[1] == {"messages": []}


def test_X3_what_was_confirmed_survives_a_kill(server):
    ids = {Http(server)("POST", "/api/messages", {"to": "a", "content": str(i)})[1]["id"] for i in range(20)}
    server.kill9()
    server.start()
    got = Http(server)("GET", "/api/messages?agent=a&limit=100&wait=5s")[1]["messages"]
    assert {m["id"] for m in got} == ids


def test_B7_X11_a_long_poll_wakes_when_a_message_comes(server, ask):
    timer = threading.Timer(0.3, lambda: Http(server)("POST", "/api/messages", {"to": "sleeper", "content": "wake"}))
    timer.start()
    began = time.monotonic()
    messages = ask("GET", "/api/messages?agent=sleeper&wait=15s")[1]["messages"]
    timer.join()
    assert messages[0]["content"] == "wake" and time.monotonic() - began < 10


def test_B7_a_long_poll_whose_client_went_away_takes_nothing(server, ask):
    for _ in range(5):
        gone = socket.create_connection(("127.0.0.1", server.port))
        gone.sendall(b"GET /api/messages?agent=shy&wait=60s HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.1)
        gone.close()
    time.sleep(0.2)
    ask("POST", "/api/messages", {"to": "shy", "content": "x"})
    (message,) = ask("GET", "/api/messages?agent=shy&wait=5s")[1]["messages"]
    assert message["content"] == "x"


def test_U4_a_request_needs_a_live_agent(server, ask, connect):
    status, refused = ask("POST", "/message", {"to": "nobody", "content": "x"})
    assert (status, refused["code"]) == (503, "no_consumer")


def test_wrong_requests_say_what_is_wrong(ask):
    for method, path, body, status, code in [
        ("POST", "/api/messages", "{", 400, "malformed"),
        ("POST", "/api/messages", {"to": "a", "priority": 11}, 422, "out_of_range"),
        ("POST", "/api/messages", {"content": "x"}, 422, "no_recipient"),
        ("POST", "/api/messages", {"to": "a", "topic": "b"}, 422, "no_recipient"),
        ("POST", "/api/messages", {"to": "@x"}, 404, "no_such_request"),
        ("GET", "/api/messages/0193f2c4-a1b2-7def-8123-456789abcdef", None, 404, "not_found"),
        ("GET", "/nowhere", None, 404, "not_found"),
        ("DELETE", "/health", None, 405, "unknown_opcode"),
    ]:
        got, answer = ask(method, path, body)
        assert (got, answer["code"]) == (status, code), (path, body, answer)
        assert answer["error"]


def test_U4_M7_X7_health_and_metrics(ask):
    ask("POST", "/api/messages", {"to": 'odd "name"\\', "content": "x"})
    status, health = ask("GET", "/health")
    assert status == 200 and health["status"] == "ok"
    status, text = ask("GET", "/metrics")
    assert status == 200 and ask.answer.getheader("Content-Type").startswith("text/plain; version=0.0.4")
    assert "folkmoot_messages_published_total 1\n" in text
    assert 'folkmoot_mailbox_ready{mailbox="odd \\"name\\"\\\\"} 1\n' in text


def test_U4_pages_of_other_origins_may_not_ask_unless_allowed(ask, make_server):
    assert ask("POST", "/api/messages", {"to": "a", "content": "b"}, Origin="https://example.org")[0] == 403
    ask = Http(make_server("--set", "http.cors_origins=*"))
    assert ask("OPTIONS", "/api/messages", Origin="https://example.org")[0] == 204
    assert ask.answer.getheader("Access-Control-Allow-Origin") == "*"
    assert "POST" in ask.answer.getheader("Access-Control-Allow-Methods")


def test_U13_the_token_is_asked_for(make_server):
    server = make_server("--token", "secret")
    assert Http(server)("GET", "/health")[0] == 401
    assert Http(server, Authorization="Bearer wrong")("GET", "/health")[0] == 401
    assert Http(server, Authorization="Bearer secret")("GET", "/health")[0] == 200


@pytest.mark.parametrize("shards", [1, 3])
def test_M7_probes_need_no_token_and_learn_the_state_alone(make_server, shards):
    server = make_server("--token", "secret", "--set", f"shards={shards}", "--set", "journal.segment_bytes=4MiB",
                         "--set", "journal.bytes_max=20MiB")
    ask = Http(server)
    for path in ("/health/live", "/health/ready"):
        for more in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer secret"}):
            assert Http(server, **more)("GET", path) == (200, {"status": "ok"}), (path, more)
        assert ask("HEAD", path)[0] == 200
        status, refused = ask("POST", path, {})
        assert (status, refused["code"], ask.answer.getheader("Allow")) == (405, "unknown_opcode", "GET, HEAD, OPTIONS")
        assert ask("GET", path + "?verbose=1")[0] == 400
        assert ask("GET", "/health")[0] == 401, "a probe makes nobody known"
    known = Http(server, Authorization="Bearer secret")
    document = known("GET", "/openapi.json")[1]["paths"]
    assert document["/health/ready"]["get"]["security"] == [] and "security" not in document["/health"]["get"]
    assert set(document["/health/ready"]["get"]["responses"]) >= {"200", "503"}

    # Not ready while durable messages are refused, in whatever shard; alive all the same.
    filled = 0
    while known("POST", "/api/messages", {"to": f"bob{filled % 7}", "content": "x" * 500_000})[0] == 201:
        filled += 1
        assert filled < 500
    eventually(lambda: ask("GET", "/health/ready"), lambda seen: seen == (503, {"status": "not_ready"}))
    assert ask("HEAD", "/health/ready")[0] == 503 and ask.answer.getheader("Retry-After") == "1"
    assert ask("GET", "/health/live") == (200, {"status": "ok"})
    assert known("GET", "/health")[0] == 503
    for number in range(7):
        while got := known("GET", f"/api/messages?agent=bob{number}&ack=true&limit=100")[1]["messages"]:
            assert got
    eventually(lambda: ask("GET", "/health/ready"), lambda seen: seen == (200, {"status": "ok"}), within=20)
    assert known("GET", "/health")[0] == 200
    log = server.log()
    assert log.count("the journal has no room (") == log.count("the journal has room again") == 1, log


def test_the_unix_socket_speaks_http(server):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(server.socket)
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        text = b""
        while more := connection.recv(65536):
            text += more
    assert text.startswith(b"HTTP/1.1 200 ")


def test_requests_may_be_pipelined_and_split(server):
    one = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for byte in one:
            connection.sendall(bytes([byte]))
        connection.sendall(one * 20)
        text = b""
        while text.count(b"HTTP/1.1 200 OK") < 21:
            more = connection.recv(65536)
            assert more
            text += more


def test_large_content_and_too_large_content(ask):
    large = "x" * 1_000_000
    assert ask("POST", "/api/messages", {"to": "big", "content": large})[0] == 201
    assert ask("GET", "/api/messages?agent=big")[1]["messages"][0]["content"] == large
    status, refused = ask("POST", "/api/messages", {"to": "big", "content": "x" * 1_100_000})
    assert (status, refused["code"]) == (413, "content_too_large")
