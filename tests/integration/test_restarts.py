"""What was in somebody's hands when the server stopped in good order was delivered once
(docs/delivery.md, "When an attempt fails")."""

import asyncio
import json

import pytest
import websockets
from native import Client
from program import MOMENT_MS
from test_delivery_native import eventually
from test_http import Http

WAIT_MS = 5_000


def native_pull(server, mailbox, lease_ms=None):
    client = Client(("127.0.0.1", server.port), agent="holder")
    (got,) = client.receive(mailbox, wait_ms=WAIT_MS, lease_ms=lease_ms)
    return client, got.delivery, got.redelivered


def native_lease(server, mailbox):
    return native_pull(server, mailbox, 3_600_000)


def native_push(server, mailbox):
    client = Client(("127.0.0.1", server.port), agent="holder")
    client.consume(mailbox, credit=1)
    got = client.delivery(timeout=10)
    return client, got.delivery, got.redelivered


def http(server, mailbox):
    (got,) = Http(server)("GET", f"/api/messages?agent={mailbox}&wait=5s&lease=1h")[1]["messages"]
    return None, got["delivery"], got["redelivered"]


def websocket(server, mailbox):
    async def take():
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/ws") as socket:
            await socket.send(
                json.dumps(
                    {"op": "receive", "request": 1, "mailbox": mailbox, "wait_ms": WAIT_MS, "lease_ms": 3_600_000}
                )
            )
            return json.loads(await asyncio.wait_for(socket.recv(), 15))

    got = asyncio.run(take())
    return None, got["delivery"], got["redelivered"]


@pytest.mark.parametrize(
    "take", [native_pull, native_lease, native_push, http, websocket], ids=lambda take: take.__name__
)
def test_A10_attempts_survive_a_stop(server, take):
    client = Client(("127.0.0.1", server.port), agent="boss")
    client.carry_out("mailbox.configure", name="worker", max_deliveries=3)
    client.publish("do it", to="worker", bounce=True)
    client.close()
    for attempt in (1, 2, 3):
        holder, delivery, redelivered = take(server, "worker")
        assert (delivery, redelivered) == (attempt, attempt > 1)
        server.restart()
        if holder:
            holder.close()
    client = Client(("127.0.0.1", server.port), agent="boss")
    (dead,) = client.carry_out("dead.list")["dead"]
    assert (dead["mailbox"], dead["reason"], dead["deliveries"]) == ("worker", "max_deliveries", 3)
    attempts = client.carry_out("dead.show", id=dead["id"])["attempts"]
    assert [each["end"] for each in attempts] == ["server_stopped"] * 3 and all(
        "reason" not in each for each in attempts
    )
    assert client.receive("worker") == []
    (bounced,) = client.receive("boss", wait_ms=WAIT_MS)
    assert b"max_deliveries" in bounced.content
    client.close()


def test_A10_failures_before_and_after_a_stop_are_counted_together(server):
    client = Client(("127.0.0.1", server.port), agent="boss")
    client.publish("do it", to="worker", retry=[4, 0, 0, 0, 1000])
    (got,) = client.receive("worker", wait_ms=WAIT_MS)
    client.nack(got.lease, reason="first")
    (got,) = client.receive("worker", wait_ms=WAIT_MS)
    assert got.delivery == 2
    server.restart()
    client = Client(("127.0.0.1", server.port), agent="boss")
    (got,) = client.receive("worker", wait_ms=WAIT_MS)
    assert got.delivery == 3
    client.nack(got.lease, reason="third")
    (got,) = client.receive("worker", wait_ms=WAIT_MS)
    client.reject(got.lease, reason="last")
    (dead,) = eventually(lambda: client.carry_out("dead.list")["dead"], len)
    attempts = client.carry_out("dead.show", id=dead["id"])["attempts"]
    assert [(each["end"], each.get("reason")) for each in attempts] == [
        ("nacked", "first"),
        ("server_stopped", None),
        ("nacked", "third"),
        ("rejected", "last"),
    ]
    client.close()


def test_A10_what_nobody_had_is_not_counted(server):
    client = Client(("127.0.0.1", server.port), agent="boss")
    client.publish("do it", to="worker")
    client.publish("later", to="worker", deliver_at=4_000_000_000_000)
    for _ in range(3):
        server.restart()
    client = Client(("127.0.0.1", server.port), agent="boss")
    (got,) = client.receive("worker", max=9, wait_ms=WAIT_MS)
    assert (got.delivery, got.redelivered) == (1, False)
    client.close()


def test_M1_groups_and_order_survive_a_stop(server):
    client = Client(("127.0.0.1", server.port), agent="boss")
    for content in ("1", "2", "3"):
        client.publish(content, to="worker", group="g")
        client.publish(content, to="plain")
    holder = Client(("127.0.0.1", server.port))
    holder.receive("worker", max=9, wait_ms=WAIT_MS), holder.receive("plain", max=2, wait_ms=WAIT_MS)
    server.restart()
    client = Client(("127.0.0.1", server.port), agent="boss")
    for content, delivery in (("1", 2), ("2", 1), ("3", 1)):
        (got,) = client.receive("worker", max=9, wait_ms=WAIT_MS)
        assert (got.content.decode(), got.delivery) == (content, delivery)
        client.ack(got.lease)
    assert [(got.content, got.delivery) for got in client.receive("plain", max=9, wait_ms=WAIT_MS)] == [
        (b"1", 2),
        (b"2", 2),
        (b"3", 1),
    ]
    client.close()
