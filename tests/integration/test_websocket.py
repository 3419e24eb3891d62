"""The WebSocket door of the real program (docs/protocol.md, section 11)."""

import asyncio
import json
import struct

import msgpack
import websockets

PING, PUBLISH, CONSUME, CONFIRM, OK, GOODBYE = 0x10, 0x02, 0x05, 0x82, 0x83, 0x87


def frame(opcode, request, body=b""):
    return struct.pack("<IBBHI", 8 + len(body), opcode, 0, 0, request) + body


class Text:
    """A connection that speaks JSON."""

    def __init__(self, socket):
        self.socket = socket

    async def send(self, op, **fields):
        await self.socket.send(json.dumps({"op": op, **fields}))

    async def read(self):
        said = await asyncio.wait_for(self.socket.recv(), 15)
        assert isinstance(said, str)
        return json.loads(said)

    async def ask(self, op, **fields):
        await self.send(op, **fields)
        return await self.read()


def run(server, steps, path="/ws?agent=me", **headers):
    async def main():
        options = {"max_size": 2**24, "extra_headers": headers}
        async with websockets.connect(f"ws://127.0.0.1:{server.port}{path}", **options) as first:
            async with websockets.connect(f"ws://127.0.0.1:{server.port}/ws?agent=other", **options) as second:
                await steps(Text(first), Text(second))

    asyncio.run(asyncio.wait_for(main(), 60))


def test_U5_A7_a_message_goes_to_a_consumer_and_is_settled(server):
    async def steps(me, other):
        ready = await other.ask("consume", request=5, mailbox="other", credit=2)
        assert ready == {"op": "ok", "request": 5, "ready": 0}
        sent = await me.ask("publish", request=1, message={"to": "other", "content": {"a": 1}, "type": "task"})
        assert sent["op"] == "confirm" and sent["request"] == 1 and sent["unread"] == 1
        got = await other.read()
        assert got["op"] == "deliver" and got["request"] == 5 and got["redelivered"] is False
        assert got["message"]["id"] == sent["id"] and got["message"]["from"] == "me" and got["message"]["content"] == {
            "a": 1
        }
        assert await other.ask("ack", request=6,
                               leases=[got["lease"]]) == {"op": "settled", "request": 6, "settled": 1, "refused": []}
        assert (await other.ask("ack", request=7, leases=[got["lease"]]))["refused"] == [got["lease"]]
        receipts = (await me.ask("receipt", request=2, ids=[sent["id"]]))["receipts"]
        assert receipts[0]["state"] == "acknowledged"
        assert (await other.ask("cancel", request=8, target=5))["op"] == "ok"

    run(server, steps)


def test_U5_A2_A4_X11_events_requests_and_pulled_messages(server):
    async def steps(me, other):
        await other.ask("subscribe", request=1, pattern="build.>")
        sent = await me.ask("publish", message={"topic": "build.done", "content": "green"})
        assert sent["outcome"] == "sent" and sent["subscriptions"] == 1
        assert (await other.read())["message"]["content"] == "green"

        await other.ask("consume", request=2, mailbox="other")
        await me.send("request", request=9, timeout_ms="10s", message={"to": "other", "content": "2+2"})
        asked = await other.read()
        await other.send("publish", quiet=True,
                         message={"to": asked["message"]["reply_to"], "type": "response", "content": "4"})
        answer = await me.read()
        assert answer["request"] == 9 and answer["message"]["content"] == "4"

        batch = await me.ask("publish_batch", request=3, messages=[{"to": "pull", "content": str(i)} for i in range(3)])
        assert batch["results"][2]["unread"] == 3 and len(batch["results"]) == 3
        assert (await me.ask("wait", request=4, mailbox="pull", timeout_ms=5000))["ready"] == 3
        await me.send("receive", request=5, mailbox="pull", max=2)
        got = [await me.read() for _ in range(3)]
        assert [m["message"]["content"] for m in got[:2]] == ["0", "1"]
        assert got[2] == {"op": "ok", "request": 5, "count": 2, "more": True}
        back = await me.ask("nack", request=6, leases=[m["lease"] for m in got[:2]])
        assert back["settled"] == 2
        stats = (await me.ask("stats", request=7, mailbox="pull"))["stats"]
        assert stats["mailboxes"][0]["ready"] == 3

    run(server, steps)


def test_U5_mistakes_are_answered_and_the_connection_goes_on(server):
    async def steps(me, other):
        await me.socket.send("no json")
        assert (await me.read())["code"] == "malformed"
        assert (await me.ask("fly", request=2))["code"] == "unknown_opcode"
        assert (await me.ask("publish", request=3, message={"content": "to whom?"}))["code"] == "no_recipient"
        assert (await me.ask("publish", request=4, message={"to": "a", "priority": 99}))["code"] == "out_of_range"
        assert (await me.ask("subscribe", request=5, pattern="a..b"))["code"] == "invalid_topic"
        assert (await me.ask("ping", request=6)) == {"op": "ok", "request": 6}

    run(server, steps)


def test_U5_U7_native_frames_pass_through(server):
    async def steps(me, other):
        content = bytes(range(256))
        await me.socket.send(frame(PING, 7, b"abc") + frame(PUBLISH, 8, msgpack.packb({3: "box"}) + content))
        got = b""
        while len(got) < 15 + 44:
            got += await asyncio.wait_for(me.socket.recv(), 15)
        answers = {}
        while got:
            length, opcode, _, _, request = struct.unpack_from("<IBBHI", got)
            answers[request] = (opcode, got[12:4 + length])
            got = got[4 + length:]
        assert answers[7] == (OK, b"abc") and answers[8][0] == CONFIRM and len(answers[8][1]) == 32
        await me.send("receive", request=7, mailbox="box")
        assert (await me.read())["message"]["content_encoding"] == "base64"

    run(server, steps)


def test_U5_a_broken_frame_ends_the_connection_with_a_reason(server):
    async def steps(me, other):
        await me.socket.send(b"\x07\0\0\0\x10\0\0\0\x01\0\0")
        said = await asyncio.wait_for(me.socket.recv(), 15)
        assert said[4] == GOODBYE and struct.unpack_from("<H", said, 12) == (1,)
        try:
            await asyncio.wait_for(me.socket.recv(), 15)
            raise AssertionError("the connection should have ended")
        except websockets.ConnectionClosed as closed:
            assert closed.code == 1002

    run(server, steps)


def test_U5_X12_leases_of_a_lost_connection_come_back(server):
    async def steps(me, other):
        await me.ask("publish", message={"to": "work", "content": "x"})
        await other.ask("consume", request=1, mailbox="work")
        got = await other.read()
        other.socket.transport.abort()
        await me.send("receive", request=2, mailbox="work", wait_ms=10000)
        again = await me.read()
        assert again["message"]["id"] == got["message"]["id"] and again["redelivered"] is True

    run(server, steps)
