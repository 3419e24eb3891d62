"""The fields of a message that promise something, given at one door and kept at every other: what each of them does is
the same whoever asks, and in whatever words (docs/delivery.md, "Where each promise is used").

A door has publish(**message) -> what is answered, take(mailbox, settle) -> the messages, settled at once, and
call(name, **arguments). Fields are those of section 12 of docs/protocol.md.
"""

import asyncio
import json

import pytest
import websockets
from native import Client, Confirm, Refused
from program import MOMENT_MS
from test_cli import wait_for
from test_http import Http

TYPE_NUMBERS = {"task": 1, "response": 3, "error": 8}


class NativeDoor:
    def __init__(self, server):
        self.client = Client(("127.0.0.1", server.port), agent="me")

    def publish(self, to=None, content="", **fields):
        if "cause" in fields:
            fields["cause"] = bytes.fromhex(fields["cause"].replace("-", ""))
        if "retry" in fields:
            fields["retry"] = [fields["retry"]["attempts"], 0, 0, 0, 1000]
        if "type" in fields:
            fields["type"] = TYPE_NUMBERS[fields["type"]]
        try:
            sent = self.client.publish(content, **({"to": to} if to else {}), **fields)
        except Refused as refused:
            return {"code": refused.name}
        hex = sent.id.hex()
        return {
            "id": f"{hex[:8]}-{hex[8:12]}-{hex[12:16]}-{hex[16:20]}-{hex[20:]}", "outcome": sent.outcome,
            "state": sent.state
        }

    def take(self, mailbox, settle="ack", wait_ms=MOMENT_MS):
        got = self.client.receive(mailbox, max=100, wait_ms=wait_ms)
        for one in got:
            self.client.ack(one.lease) if settle == "ack" else self.client.reject(one.lease, reason="no")
        names = {number: name for name, number in TYPE_NUMBERS.items()}
        for one in got:
            chain = one.fields.get("chain", b"")
            one.fields["chain"] = [chain[at:at + 16] for at in range(0, len(chain), 16)]
        return [{
            **one.fields, "type": names.get(one.fields.get("type"), "task"),
            "content": one.content.decode(errors="replace")
        } for one in got]

    def call(self, name, /, **arguments):
        got = self.client.carry_out(name, **arguments)
        return got._asdict() if isinstance(got, Confirm) else got

    def close(self):
        self.client.close()


class HttpDoor:
    def __init__(self, server):
        self.ask = Http(server, **{"X-Agent": "me"})

    def publish(self, **fields):
        return self.ask("POST", "/api/messages", fields)[1]

    def take(self, mailbox, settle="ack", wait_ms=MOMENT_MS):
        got = self.ask("GET", f"/api/messages?agent={mailbox}&limit=100&wait={wait_ms}ms")[1]["messages"]
        for one in got:
            body = {"status": "processed" if settle == "ack" else "rejected", "lease": one["lease"], "reason": "no"}
            assert self.ask("PUT", f"/api/messages/{one['id']}/status", body)[0] == 200
        return got

    def call(self, name, /, **arguments):
        return self.ask("POST", f"/api/call/{name}", arguments)[1]

    def close(self):
        self.ask.connection.close()


class WebsocketDoor:
    def __init__(self, server):
        async def connect():
            return await websockets.connect(f"ws://127.0.0.1:{server.port}/ws?agent=me", max_size=2**24)

        self.loop = asyncio.new_event_loop()
        self.socket = self.loop.run_until_complete(connect())

    def _read(self):
        async def read():
            return await asyncio.wait_for(self.socket.recv(), 30)

        return json.loads(self.loop.run_until_complete(read()))

    def _ask(self, op, **fields):
        self.loop.run_until_complete(self.socket.send(json.dumps({"op": op, "request": 1, **fields})))
        return self._read()

    def publish(self, **fields):
        return self._ask("publish", message=fields)

    def take(self, mailbox, settle="ack", wait_ms=MOMENT_MS):
        got, said = [], self._ask("receive", mailbox=mailbox, max=100, wait_ms=wait_ms)
        while said["op"] == "deliver":
            got.append(said)
            said = self._read()
        for one in got:
            assert self._ask(settle, leases=[one["lease"]],
                             **({"reason": "no"} if settle == "reject" else {}))["settled"] == 1
        return [one["message"] for one in got]

    def call(self, name, /, **arguments):
        said = self._ask("call", name=name, arguments=arguments)
        return said.get("result", said)

    def close(self):
        self.loop.run_until_complete(self.socket.close())
        self.loop.close()


class Shell:
    """The command line, and with it the C++ library."""

    FLAGS = {"type": "--type", "group": "--group", "cause": "--cause", "key": "--key", "ttl": "--ttl",
             "conversation": "--conversation", "delay": "--delay", "deliver_at": "--deliver-at",
             "expires_at": "--expires-at", "topic": None, "mode": "--mode"}

    def __init__(self, server):
        self.server = server

    def publish(self, to="", content="", **fields):
        words = ["send", to, content, "--json"]
        if fields.pop("bounce", False):
            words.append("--bounce")
        if fields.pop("expects_reply", True) is False:
            words.append("--no-reply")
        if retry := fields.pop("retry", None):
            words += ["--retry", ",".join(f"{key}={value}" for key, value in retry.items())]
        for key, value in fields.pop("metadata", {}).items():
            words += ["--meta", f"{key}={value}"]
        for name, value in fields.items():
            words += [self.FLAGS[name], f"{value}ms" if name in ("ttl", "delay") else str(value)]
        run = self.server.cli("--as", "me", *words)
        if run.returncode != 0:
            return {"code": run.stderr.removeprefix("folkmoot: ").split(":")[0]}
        return json.loads(run.stdout)

    def take(self, mailbox, settle="ack", wait_ms=MOMENT_MS):
        run = self.server.cli("recv", mailbox, "--json", "--max", "100", "--wait", f"{wait_ms}ms",
                              *(["--reject", "no"] if settle == "reject" else []))
        return [json.loads(line) for line in run.stdout.splitlines()]

    def call(self, name, /, **arguments):
        words = {
            "dead.list": ["dead", "list", "--json"],
            "conversation.cost": ["conversation", "cost", arguments.get("conversation", ""), "--json"],
        }[name]
        lines = [json.loads(line) for line in self.server.cli(*words).stdout.splitlines()]
        return {"dead": lines} if name == "dead.list" else lines[0]

    def close(self):
        pass


DOORS = {"native": NativeDoor, "http": HttpDoor, "websocket": WebsocketDoor, "shell": Shell}


@pytest.fixture(params=DOORS, name="door")
def _door(request, server):
    door = DOORS[request.param](server)
    yield door
    door.close()


def dead(door):
    return [(letter["mailbox"], letter["reason"]) for letter in door.call("dead.list")["dead"]]


def test_A9_a_key_is_published_once(door):
    first, again = (door.publish(to="bob", content="x", key="k") for _ in range(2))
    assert (again["id"], again["outcome"], again["state"]) == (first["id"], "duplicate", "queued")
    assert len(door.take("bob")) == 1


def test_M1_messages_of_one_group_wait_for_each_other(door):
    for content in ("1", "2"):
        door.publish(to="bob", content=content, group="g")
    assert [[one["content"] for one in door.take("bob")] for _ in range(3)] == [["1"], ["2"], []]


def test_A11_what_ends_dead_bounces_to_its_sender(door):
    door.publish(to="bob", content="x", bounce=True)
    assert len(door.take("bob", settle="reject")) == 1
    (bounced,) = door.take("me", wait_ms=10_000)
    assert bounced["type"] == "error"
    assert dead(door) == [("bob", "rejected")]


def test_A1_a_message_expires(door):
    door.publish(to="bob", content="x", ttl=50)
    wait_for(lambda: dead(door) == [("bob", "expired")])
    assert door.take("bob") == []


def test_A10_a_message_has_its_own_attempts(server, door):
    door.publish(to="bob", content="x", retry={"attempts": 1})
    client = Client(("127.0.0.1", server.port))
    (got,) = client.receive("bob")
    client.nack(got.lease, delay_ms=0)
    client.close()
    assert dead(door) == [("bob", "max_deliveries")]


def test_X13_causes_are_counted(door):
    first = door.publish(to="bob", content="1")
    door.take("bob")  # the server knows what was taken; of what still waits it has the sender's word
    door.publish(to="carol", content="2", cause=first["id"])
    (got,) = door.take("carol", wait_ms=5_000)
    assert got["hops"] == 1 and len(got["chain"]) == 1


def test_X13_a_loop_is_ended(make_server, request):
    server = make_server(env={"FOLKMOOT_GUARD_HOPS": "2"})
    for kind, make in DOORS.items():
        door = make(server)
        cause, outcomes = door.publish(to="bob", content="0")["id"], []
        for hop in range(3):
            door.take("bob")
            sent = door.publish(to="bob", content=str(hop), cause=cause)
            cause = sent["id"]
            outcomes.append(sent["outcome"])
        assert outcomes == ["queued", "queued", "dead"], kind
        assert ("bob", "guard") in dead(door), kind
        door.close()


def test_X13_an_answer_that_is_not_wanted_is_refused(connect, door):
    asked = door.publish(to="bob", content="thanks", expects_reply=False)
    assert len(connect("bob").receive("bob")) == 1  # and holds it
    assert door.publish(to="me", content="thank you", cause=asked["id"])["code"] == "no_reply_wanted"


def test_X15_costs_are_summed_by_conversation(door):
    for _ in range(2):
        door.publish(to="bob", content="x", conversation="c", metadata={"cost_tokens": 100})
    assert door.call("conversation.cost", conversation="c")["tokens"] == 200


def test_A8_a_message_of_at_most_once_comes_without_a_lease(server, door):
    door.publish(to="bob", content="x", mode=0 if isinstance(door, NativeDoor) else "at_most_once")
    client = Client(("127.0.0.1", server.port))
    (got,) = client.receive("bob", wait_ms=5_000)
    assert got.lease is None
    client.close()
