"""A message sent through any door is received through any other with the same fields (docs/protocol.md, sections 4, 11
to 13).

Each door is a class with send(message) and receive(mailbox). A message is a dict of the fields of section 4 in the
words of section 12, content as bytes. What a door cannot say (the command line has no field `id`) is not in what is
compared.
"""

import asyncio
import base64
import http.client
import itertools
import json
import subprocess

import msgpack
import pytest
import websockets
from native import ACK, CONFIRM, DELIVER, OK, PUBLISH, RECEIVE, SETTLED, Client, Frame, frame, message, read_delivery
from program import PROGRAM, environment

TYPES = ["task", "query", "response", "event", "command", "status", "notification", "error", "heartbeat", "discovery"]
MODES = ["at_most_once", "at_least_once", "exactly_once"]
JSON_TYPES = ("application/json",)

TEXT = {
    "from": "carol", "to": "bob", "type": "query", "priority": 3, "content_type": "text/plain", "conversation": "c-1",
    "correlation": "m-0", "reply_to": "carol", "key": "k-1", "ttl": 3_600_000, "deliver_at": 1_700_000_000_000,
    "mode": "at_least_once", "metadata": {"lang": "en",
                                          "äöü": "€ 漢字"}, "content": "Grüße, 漢字 and \"quotes\"\n\ttabs".encode()
}
MESSAGES = {
    "text with every field": TEXT,
    "json": {
        **TEXT, "type": "review", "content_type": "application/json",
        "content": json.dumps({"a": [1, 2.5, None, True], "b": {"c": "é"}}).encode()
    },
    "bytes": {
        **TEXT, "type": "command", "priority": 10, "content_type": "application/octet-stream",
        "content": bytes(range(256))
    },
    "an image": {**TEXT, "content_type": "image/png", "content": b"\x89PNG\r\n\x1a\n\x00\x00"},
    "nothing but content": {"from": "carol", "to": "bob", "content_type": "text/plain", "content": b"x"},
    "empty": {"from": "carol", "to": "bob", "content_type": "text/plain", "content": b""},
}
STRUCTURED = {**TEXT, "metadata": {"n": 1, "list": [1, "two", None, {"three": 3.5}], "flag": True}}

NUMBERS = itertools.count(1)


def fresh(fields):
    """The same with a key of its own, as it would be a duplicate otherwise."""
    return {**fields, "key": f"k-{next(NUMBERS)}"} if "key" in fields else dict(fields)


def to_native(fields):
    fields = dict(fields)
    content = fields.pop("content")
    if "type" in fields and fields["type"] in TYPES:
        fields["type"] = TYPES.index(fields["type"]) + 1
    if "mode" in fields:
        fields["mode"] = MODES.index(fields["mode"])
    return message(content, **fields)


def from_native(got):
    fields = dict(got.fields)
    if isinstance(fields.get("type"), int):
        fields["type"] = TYPES[fields["type"] - 1]
    if "mode" in fields:
        fields["mode"] = MODES[fields["mode"]]
    return {**fields, "id": fields["id"].hex(), "content": got.content}


def to_json(fields):
    fields = dict(fields)
    content, kind = fields["content"], fields.get("content_type", "")
    if kind in JSON_TYPES:
        fields["content"] = json.loads(content)
    elif kind.startswith("text/"):
        fields["content"] = content.decode()
    else:
        fields |= {"content": base64.b64encode(content).decode(), "content_encoding": "base64"}
    return fields


def from_json(fields):
    fields = {
        name: value for name, value in fields.items() if name not in ("lease", "delivery", "redelivered", "status")
    }
    content = fields.get("content", "")
    if fields.pop("content_encoding", None) == "base64":
        content = base64.b64decode(content)
    elif fields.get("content_type") in JSON_TYPES:
        content = json.dumps(content).encode()  # as the other side wrote it; byte for byte: test_opaque_contents
    else:
        content = content.encode()
    names = {"critical": 1, "high": 3, "normal": 5, "low": 7, "background": 9}
    if "priority" in fields:
        fields["priority"] = names.get(fields["priority"], fields["priority"])
    return {**fields, "id": fields["id"].replace("-", ""), "content": content}


class Native:
    def __init__(self, server):
        self.server = server

    def send(self, fields):
        client = Client(("127.0.0.1", self.server.port))
        client.answer(client.send_frame(PUBLISH, to_native(fields)))
        client.close()

    def receive(self, mailbox):
        client = Client(("127.0.0.1", self.server.port))
        got = client.receive(mailbox, wait_ms=5000)[0]
        client.ack(got.lease)
        client.close()
        return from_native(got)


class UnixSocket(Native):
    def send(self, fields):
        client = Client(self.server.socket)
        client.answer(client.send_frame(PUBLISH, to_native(fields)))
        client.close()

    def receive(self, mailbox):
        client = Client(self.server.socket)
        client.consume(mailbox)
        got = client.delivery()
        client.ack(got.lease)
        client.close()
        return from_native(got)


class Http:
    def __init__(self, server):
        self.server = server

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=15)
        connection.request(method, path, None if body is None else json.dumps(body),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text)

    def send(self, fields):
        status, answer = self.call("POST", "/api/messages", to_json(fields))
        assert status == 201, answer

    def receive(self, mailbox):
        status, answer = self.call("GET", f"/api/messages?agent={mailbox}&limit=1&wait=5s")
        assert status == 200 and len(answer["messages"]) == 1, answer
        got = answer["messages"][0]
        status, settled = self.call("PUT", f"/api/messages/{got['id']}/status",
                                    {"status": "processed", "lease": got["lease"]})
        assert status == 200, settled
        return from_json(got)


class WebSocketText:
    def __init__(self, server):
        self.url = f"ws://127.0.0.1:{server.port}/ws"

    def talk(self, conversation):
        async def run():
            async with websockets.connect(self.url, max_size=None, open_timeout=15) as socket:
                async def ask(**operation):
                    await socket.send(json.dumps({"request": 1, **operation}))

                async def answer():
                    return json.loads(await asyncio.wait_for(socket.recv(), 15))

                await ask(op="hello", agent="socket")
                assert (await answer())["op"] == "welcome"
                return await conversation(ask, answer)
        return asyncio.run(run())

    def send(self, fields):
        async def conversation(ask, answer):
            await ask(op="publish", message=to_json(fields))
            got = await answer()
            assert got["op"] == "confirm", got
        self.talk(conversation)

    def receive(self, mailbox):
        async def conversation(ask, answer):
            await ask(op="receive", mailbox=mailbox, max=1, wait_ms=5000)
            got = await answer()
            assert got["op"] == "deliver", got
            assert (await answer())["op"] == "ok"
            await ask(op="ack", leases=[got["lease"]])
            assert (await answer())["settled"] == 1
            return from_json(got["message"])
        return self.talk(conversation)


class WebSocketBinary:
    def __init__(self, server):
        self.url = f"ws://127.0.0.1:{server.port}/ws?agent=socket"

    def talk(self, *frames, until):
        """Sends frames and returns the answers up to one of opcode `until`."""
        async def run():
            async with websockets.connect(self.url, max_size=None, open_timeout=15) as socket:
                await socket.send(b"".join(frames))
                got, buffer = [], b""
                while not got or got[-1].opcode != until:
                    buffer += await asyncio.wait_for(socket.recv(), 15)
                    while len(buffer) >= 12 and len(buffer) >= 4 + int.from_bytes(buffer[:4], "little"):
                        end = 4 + int.from_bytes(buffer[:4], "little")
                        got.append(Frame(buffer[4], buffer[5], int.from_bytes(buffer[8:12], "little"), buffer[12:end]))
                        buffer = buffer[end:]
                if until == OK:
                    delivered = next(f for f in got if f.opcode == DELIVER)
                    await socket.send(frame(ACK, delivered.body[:8], 9))
                    settled = await asyncio.wait_for(socket.recv(), 15)
                    assert settled[4] == SETTLED and settled[12:20] == b"\1\0\0\0\0\0\0\0"
                return got
        return asyncio.run(run())

    def send(self, fields):
        self.talk(frame(PUBLISH, to_native(fields), 1), until=CONFIRM)

    def receive(self, mailbox):
        got = self.talk(frame(RECEIVE, msgpack.packb({0: mailbox, 1: 1, 2: 5000}), 1), until=OK)
        return from_native(read_delivery(next(f for f in got if f.opcode == DELIVER)))


class CommandLine:
    # Its --delay is counted from now, so it has no word for a time in the past.
    OPTIONS = {
        "type": "--type", "priority": "--priority", "content_type": "--content-type", "conversation": "--conversation",
        "correlation": "--correlation", "reply_to": "--reply-to", "key": "--key", "ttl": "--ttl", "mode": "--mode"
    }

    def __init__(self, server):
        self.server = server

    def run(self, *arguments, stdin=b""):
        done = subprocess.run([PROGRAM, "--server", self.server.address, *arguments], input=stdin, capture_output=True,
                              env=environment(), timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def send(self, fields):
        arguments = ["--as", fields["from"], "send", fields["to"], "-"]
        for field, option in self.OPTIONS.items():
            if field in fields:
                arguments += [option, f"{fields[field]}ms" if field == "ttl" else str(fields[field])]
        for key, value in fields.get("metadata", {}).items():
            arguments += ["--meta", f"{key}={value}"]
        self.run(*arguments, stdin=fields["content"])

    def receive(self, mailbox):
        return from_json(json.loads(self.run("recv", mailbox, "--json", "--wait", "5s")))


DOORS = [Native, UnixSocket, Http, WebSocketText, WebSocketBinary, CommandLine]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One server for all pairs of doors: each message is taken and settled before the next."""
    from program import Server
    server = Server(tmp_path_factory.mktemp("doors") / "data")
    yield server
    assert server.terminate() == 0 and not server.error_lines()


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("receiver", DOORS, ids=lambda door: f"to-{door.__name__}")
@pytest.mark.parametrize("sender", DOORS, ids=lambda door: f"from-{door.__name__}")
def test_U3_a_message_arrives_with_the_same_fields_through_any_door(shared, sender, receiver, name):
    sent = fresh(MESSAGES[name])
    if sender is CommandLine:
        sent.pop("deliver_at", None)
    sender(shared).send(sent)
    got = receiver(shared).receive("bob")
    assert len(got.pop("id")) == 32
    assert got.pop("timestamp") > 1_700_000_000_000
    assert {key: value for key, value in got.items() if key in sent} == sent
    assert not got.keys() - sent.keys() - {"type", "priority", "mode"}, got  # defaults may be shown
    assert got.get("type", "task") == sent.get("type", "task") and got.get("priority", 5) == sent.get("priority", 5)


@pytest.mark.parametrize("receiver", [door for door in DOORS], ids=lambda door: f"to-{door.__name__}")
@pytest.mark.parametrize("sender", [door for door in DOORS if door is not CommandLine],
                         ids=lambda door: f"from-{door.__name__}")
def test_U3_metadata_keeps_its_shape_through_any_door(shared, sender, receiver):
    sender(shared).send(fresh(STRUCTURED))
    assert receiver(shared).receive("bob")["metadata"] == STRUCTURED["metadata"]


def test_X10_B4_a_receipt_tells_the_same_through_http(shared):
    client = Client(("127.0.0.1", shared.port))
    id = client.publish("x", to="dora").id.hex()
    text = f"{id[:8]}-{id[8:12]}-{id[12:16]}-{id[16:20]}-{id[20:]}"
    door = Http(shared)
    status, receipt = door.call("GET", f"/api/messages/{text}")
    assert status == 200 and (receipt["state"], receipt["status"], receipt["recipient"]) == ("queued", "pending",
                                                                                             "dora")
    client.ack(client.receive("dora")[0].lease)
    status, receipt = door.call("GET", f"/api/messages/{text}")
    assert (receipt["state"], receipt["status"], receipt["deliveries"]) == ("acknowledged", "processed", 1)
    client.close()
