"""JSON contents come out as the text that went in, whatever door they come and go by (docs/protocol.md, section 12)."""

import asyncio
import http.client
import json
import re
import threading

import msgpack
import pytest
import websockets
from native import CALL
from program import MOMENT_MS, ROOT
from test_cli import ok, subscriptions, wait_for
from test_websocket import run

VECTORS = {path.name: path.read_bytes() for path in sorted((ROOT / "tests/vectors/json").glob("*.json"))}


def is_utf8(text):
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


TEXTS = [text.strip(b" \t\r\n") for name, text in VECTORS.items() if is_utf8(text) and "BOM" not in name]
TEXTS += [
    b"-0",
    b"1E22",
    b"0.12345678901234567890123456789",
    b"1e-400",
    b"1e400",
    b'{"wei":1000000000000000000000}',
    b"[ 1 , 2 ]",
    b'{"a" : "\\u0041\\/\\ud83d"}',
    b'"\\u0041"',
    b'"plain"',
    b'""',
    b"null",
    b"true",
    b'["one"]',
    b'[["one"]]',
    b'{"content":{"payload":[1e400]}}',
    b'{\n  "a": [\n    1\n  ]\n}',
]


def test_the_vectors_are_all_there():
    assert len(VECTORS) == 130 and sum(name.startswith("y_") for name in VECTORS) == 95


class RawHttp:
    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)

    def __call__(self, method, path, body=None):
        self.connection.request(method, path, body)
        answer = self.connection.getresponse()
        return answer.status, answer.read()


def contents_in(body):
    """The texts of all contents in an answer of messages. (What another shard has passed on has a key of its own.)"""
    return re.findall(rb'"content":(.*?)(?:,"key":"[-0-9a-f]{36}")?,"lease":', body, re.S)


def take(server, mailbox, count):
    ask, got = RawHttp(server), []
    for _ in range(50):
        status, body = ask("GET", f"/api/messages?agent={mailbox}&limit=1000&wait=1s&ack=true")
        assert status == 200
        got += contents_in(body)
        if len(got) >= count:
            break
    return got


def message(text, **fields):
    head = json.dumps({"to": "bob", "content_type": "application/json", **fields}).encode()
    return head[:-1] + b',"content":' + text + b"}"


def test_U3_what_comes_by_http_goes_by_every_door_as_it_came(server, connect):
    ask = RawHttp(server)
    for text in TEXTS:
        status, body = ask("POST", "/api/messages", message(text))
        assert status == 201, (text, body)
        assert ask("POST", "/api/messages", message(text, to="ann"))[0] == 201
        assert ask("POST", "/api/messages", message(text, to="eve"))[0] == 201
    assert sorted(take(server, "bob", len(TEXTS))) == sorted(TEXTS)
    got = connect().receive("ann", max=1_000, wait_ms=5_000)
    while len(got) < len(TEXTS):
        got += connect().receive("ann", max=1_000, wait_ms=5_000)
    assert sorted(one.content for one in got) == sorted(TEXTS)
    lines = server.cli("recv", "eve", "--json", "--max", "1000", "--wait", "5s").stdout.removesuffix("\n").split("\n")
    shown = [re.search(r'"content":(.*)\}$', line).group(1) for line in lines]
    assert sorted(shown) == sorted(text.decode().replace("\n", " ").replace("\r", " ") for text in TEXTS)


def test_U3_what_comes_by_websocket_goes_by_it_as_it_came(server):
    async def main():
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/ws?agent=me", max_size=2**24) as socket:

            async def read():
                return (await asyncio.wait_for(socket.recv(), 15)).encode()

            for number, text in enumerate(TEXTS):
                await socket.send(
                    (b'{"op":"publish","request":%d,"message":%s}' % (number, message(text, to="me"))).decode()
                )
                assert json.loads(await read())["op"] == "confirm", text
            got = []
            while len(got) < len(TEXTS):
                await socket.send(
                    json.dumps({"op": "receive", "request": 1, "mailbox": "me", "max": 1000, "wait_ms": 5_000})
                )
                while (said := await read()).startswith(b'{"op":"deliver"'):
                    got.append(re.search(rb'"content":(.*)\}\}$', said, re.S).group(1))
            assert sorted(got) == sorted(TEXTS)

    asyncio.run(asyncio.wait_for(main(), 60))


def test_U3_what_comes_by_the_shell_or_in_frames_is_json_over_http(server, connect):
    client = connect("me")
    for text in TEXTS:
        client.publish(text, to="bob", content_type="application/json")
    assert sorted(take(server, "bob", len(TEXTS))) == sorted(TEXTS)
    for text in TEXTS[-12:]:
        ok(server.cli("send", "ann", "-", "--content-type", "application/json", stdin=text.decode()))
    assert sorted(take(server, "ann", 12)) == sorted(TEXTS[-12:])


def test_U3_what_is_no_json_comes_in_base64(server, connect):
    client, ask = connect("me"), RawHttp(server)
    for text in (b"\xef\xbb\xbf{}", b"{", b"nul", b"", b"\xff", b"[1,]"):
        client.publish(text, to="bob", content_type="application/json")
    status, body = ask("GET", f"/api/messages?agent=bob&limit=10&wait={MOMENT_MS}ms")
    got = [(message.get("content"), message.get("content_encoding")) for message in json.loads(body)["messages"]]
    assert got == [
        ("77u/e30=", "base64"),
        ("ew==", "base64"),
        ("bnVs", "base64"),
        (None, None),
        ("/w==", "base64"),
        ("WzEsXQ==", "base64"),
    ]


def test_U3_one_content_refuses_no_other_message(server):
    ask = RawHttp(server)
    odd = [b'{"wei":1000000000000000000000}', b"1e400", b'"\\ud83d"', b"[" * 500 + b"]" * 500]
    body = b"[" + b",".join([message(b'"mine"'), *(message(text) for text in odd), message(b'"yours"')]) + b"]"
    for path, whole in (("/api/messages", body), ("/api/messages/batch", b'{"atomic":true,"messages":' + body + b"}")):
        status, answer = ask("POST", path, whole)
        results = json.loads(answer)
        results = results if isinstance(results, list) else results["results"]
        assert status == 200 and [result["outcome"] for result in results] == ["queued"] * 6
    assert sorted(take(server, "bob", 12)) == sorted([b'"mine"', *odd, b'"yours"'] * 2)


def test_U3_a_string_that_is_no_text_is_refused_and_says_how_it_can_be_sent(server):
    ask = RawHttp(server)
    status, body = ask("POST", "/api/messages", b'{"to":"bob","content":"a\\ud83d"}')
    refused = json.loads(body)
    assert (
        (status, refused["code"], refused["pointer"]) == (422, "invalid_field", "/content")
        and "\\ud83d is half" in refused["error"]
        and "application/json" in refused["error"]
    )
    results = json.loads(
        ask("POST", "/api/messages", b'[{"to":"bob","content":"\\ud83d"},{"to":"bob","content":"\\ud83d\\ude00"}]')[1]
    )
    assert results[0]["code"] == "invalid_field" and results[1]["outcome"] == "queued"
    (got,) = json.loads(ask("GET", "/api/messages?agent=bob&wait=5s")[1])["messages"]
    assert got["content"] == "\U0001f600" and got["content_type"] == "text/plain"


@pytest.mark.parametrize(
    "body, place",
    [
        (b'{"to":"bob","content":{"a":1,}}', "line 1, column 30"),
        (b'{"to":"bob",\n "content":nul}', "line 2, column 12"),
        (b'{"to":"bob","content":[1 2]}', "line 1, column 26"),
        (b'{"to":"\\ud83d"}', "line 1, column 8"),
        (b'{"to":"bob","metadata":{"x":1e400}}', "line 1, column 29"),
        (b'{"to":"bob"', "line 1, column 12"),
        (b'{"to":"b\xffb"}', "line 1, column 9"),
    ],
)
def test_U3_errors_in_json_say_where(server, body, place):
    status, answer = RawHttp(server)("POST", "/api/messages", body)
    refused = json.loads(answer)
    assert status == 400 and refused["code"] in ("malformed", "out_of_range") and place in refused["error"], refused


def test_U3_over_websocket_an_error_in_json_names_its_request(server):
    async def main():
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/ws?agent=me") as socket:
            for text, number in (
                (b'{"op":"publish","request":7,"message":{"to":"bob","content":[1,]}}', 7),
                (b'{"op":"publish","request":8,"message":{"to":"\\ud83d"}}', 8),
                (b'{"message":{"request":5},"request":9,"op":}', 9),
                (b'{"op":', 0),
                (b"[]", 0),
            ):
                await socket.send(text.decode())
                said = json.loads(await asyncio.wait_for(socket.recv(), 15))
                assert (said["op"], said["request"], said["code"]) == ("error", number, "malformed"), said

    asyncio.run(asyncio.wait_for(main(), 30))


def test_M2_numbers_beyond_64_bits_are_floating_for_filters(server, connect):
    """And what stands beside them is there."""
    listener, ask = connect("listener"), RawHttp(server)
    matching = [
        "content.wei > 9223372036854775807",
        "content.wei = 1e21",
        "content.unit = 'wei'",
        "content.over > 1e308",
        "content.list[0] = -0.5",
        "content.half LIKE 'a%'",
    ]
    for filter in matching:
        listener.subscribe("a.b", filter=filter)
    listener.subscribe("a.b", filter="content.wei < 0")
    content = b'{"wei":1000000000000000000000,"unit":"wei","over":1e400,"list":[-0.5],"half":"a\\ud83d"}'
    head = b'{"topic":"a.b","content":'
    assert ask("POST", "/api/messages", head + content + b"}")[0] == 201
    got = [listener.delivery(timeout=10) for _ in matching]
    assert {one.content for one in got} == {content}
    listener.no_delivery()


def test_A11_dead_letters_keep_their_text_and_take_a_new_one(server, connect):
    ask, client = RawHttp(server), connect("me")
    first, second = b'{"wei": 1000000000000000000000}', b'{ "wei":1E400 }'
    id = json.loads(ask("POST", "/api/messages", message(first))[1])["id"]
    (got,) = client.receive("bob", wait_ms=5_000)
    client.reject(got.lease)
    for path in (f"/api/dead/{id}", "/api/dead?content=true"):
        assert first in ask("GET", path)[1]
    assert first in client.call(CALL, msgpack.packb({0: "dead.show", 1: json.dumps({"id": id})})).body
    status, body = ask("POST", f"/api/dead/{id}/resubmit", b'{"changes":{"content":' + second + b"}}")
    assert status == 201, body
    assert take(server, "bob", 1) == [second]


def test_X5_a_schedule_sends_the_text_that_it_was_given(server):
    content = b'{ "at":1E22 }'
    status, body = RawHttp(server)(
        "POST", "/api/schedules", b'{"name":"s","every":"100ms","times":1,"message":' + message(content) + b"}"
    )
    assert status == 200, body
    assert take(server, "bob", 1) == [content]

    async def steps(me, other):
        await me.socket.send(
            '{"op":"call","request":1,"name":"schedule.set",'
            '"arguments":{"name":"t","every":"100ms","times":1,"message":'
            + message(content, to="ann").decode()
            + "}}"
        )
        assert (await me.read())["op"] == "ok"

    run(server, steps)
    assert take(server, "ann", 1) == [content]


def test_A5_parameters_of_a_command_are_text_too(server, connect):
    worker = connect("worker")
    worker.consume("worker", credit=5)
    parameters = b'{"wei": 1000000000000000000000, "content": [1E22]}'
    asking = threading.Thread(
        target=lambda: RawHttp(server)(
            "POST", "/api/commands", b'{"to":"worker","command":"pay","parameters":' + parameters + b"}"
        )
    )
    asking.start()
    asked = worker.delivery(timeout=10)
    assert asked.content == b'{"command":"pay","parameters":' + parameters + b"}"
    worker.publish(b'{"paid": 1E22}', to=asked.fields["reply_to"], content_type="application/json")
    asking.join(20)


@pytest.mark.parametrize("accept", ["text/event-stream", "application/jsonl"])
def test_A6_in_streams_of_lines_an_event_is_on_one_line(server, connect, accept):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/api/events?pattern=a.b&count=1", headers={"Accept": accept})
    answer = connection.getresponse()
    wait_for(lambda: subscriptions(server) == 1)
    connect("me").publish(b'{\n "a":\r\n [1E22 ]}', topic="a.b", content_type="application/json")
    said = answer.read()
    assert b'"content":{  "a":   [1E22 ]}' in said
    connection.close()
