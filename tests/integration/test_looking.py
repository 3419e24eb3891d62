"""Looking without touching: mailboxes, their messages, who holds them and who is there, through every door; and that
looking counts as nothing (docs/operations.md, "Looking without touching")."""

import json
import struct
import time

import pytest
from native import Refused, message, text_of_id
from program import MOMENT_MS
from test_cli import wait_for
from test_every_door import HttpDoor, NativeDoor, Shell, WebsocketDoor
from test_http import Http


class NativeCalls(NativeDoor):
    def call(self, operation, /, **arguments):
        try:
            got = self.client.carry_out(operation, **arguments)
            if operation == "mailbox.delete":  # numbers (docs/protocol.md)
                got = dict(zip(("deleted", "messages", "dead", "left"), struct.unpack("<?QQQ", got)))
            return {} if got is None else got
        except Refused as refused:
            return {"code": refused.name}


class HttpCalls(HttpDoor):
    def call(self, operation, /, **arguments):
        return self.ask("POST", f"/api/call/{operation}", arguments)[1]


class WebsocketCalls(WebsocketDoor):
    def call(self, operation, /, **arguments):
        said = self._ask("call", name=operation, arguments=arguments)
        return said.get("result", said)


class ShellCalls(Shell):
    """The command line, with `folkmoot call`; its own subcommands have tests of their own."""

    def call(self, operation, /, **arguments):
        words = [operation]
        for key, value in arguments.items():
            for one in value if isinstance(value, list) else [value]:
                words.append(f"{key}={json.dumps(one) if not isinstance(one, str) else one}")
        run = self.server.cli("call", *words)
        if run.returncode != 0:
            return {"code": run.stderr.removeprefix("folkmoot: ").split(":")[0]}
        return json.loads(run.stdout)


DOORS = {"native": NativeCalls, "http": HttpCalls, "websocket": WebsocketCalls, "shell": ShellCalls}


@pytest.fixture(params=DOORS, name="door")
def _door(request, server):
    door = DOORS[request.param](server)
    yield door
    door.close()


def peek(door, mailbox, **arguments):
    return door.call("mailbox.peek", name=mailbox, **arguments)


def states(page):
    return [one["state"] for one in page["messages"]]


def settle_down(door, mailbox, count):
    """What was published is there, whichever shard decided it."""
    wait_for(lambda: len(peek(door, mailbox, limit=1000)["messages"]) == count)


def test_A3_messages_are_looked_at_and_not_touched(server, connect, door):
    alice, bob = connect("alice"), connect("bob")
    for number in range(3):
        alice.publish(f"{number}", to="box", priority=number + 4, content_type="text/plain")
    alice.publish("later", to="box", deliver_at=int(time.time() * 1000) + 60_000, content_type="text/plain")
    for _ in range(2):
        alice.publish("one of a group", to="box", group="g", priority=9, content_type="text/plain")
    settle_down(door, "box", 6)
    began = time.time() * 1000
    held = bob.receive("box")[0]
    for _ in range(3):  # however often
        page = peek(door, "box", content=True)
    assert page["next"] is None
    assert states(page) == ["leased", "waiting", "waiting", "scheduled", "waiting", "blocked"]
    assert [one["message"]["content"] for one in page["messages"]] == [
        "0",
        "1",
        "2",
        "later",
        "one of a group",
        "one of a group",
    ]
    first = page["messages"][0]
    assert first["id"] == text_of_id(held.fields["id"]) and first["holder"] == "bob" and first["deliveries"] == 1
    assert abs(first["held_since"] - began) < 10_000 and "held_until" not in first
    assert page["messages"][3]["due"] > time.time() * 1000
    assert [one["deliveries"] for one in page["messages"][1:]] == [0] * 5
    # No attempt, no delivery, no reading.
    row = door.call("mailbox.show", name="box")
    assert (row["ready"], row["scheduled"], row["leased"]) == (4, 1, 1)
    bob.ack(held.lease)
    assert [got.delivery for got in bob.receive("box", max=10)] == [1, 1, 1]
    # Without content, unless it is asked for.
    assert all(
        "content" not in one["message"] or one["message"]["content"] == "" for one in peek(door, "box")["messages"]
    )


def test_A3_looking_does_not_make_a_mailbox_read(server, connect, door):
    connect("alice").publish("x", to="box")
    settle_down(door, "box", 1)
    assert door.call("mailbox.show", name="box")["last_read_age_ms"] is None
    assert door.call("mailbox.list")["mailboxes"][0]["last_read_age_ms"] is None


def test_A3_a_long_mailbox_is_seen_page_by_page(connect, door):
    alice, bob = connect("alice"), connect("bob")
    for at in range(0, 3000, 500):
        alice.publish_batch(
            [
                message(str(number), to="box", priority=number % 10 + 1, content_type="text/plain")
                for number in range(at, at + 500)
            ]
        )
    for got in bob.receive("box", max=100):
        bob.nack(got.lease, delay_ms=60_000)
    settle_down(door, "box", 1000)
    seen, after, pages = [], {}, 0
    while True:
        page = peek(door, "box", limit=700, content=True, **after)
        seen += page["messages"]
        pages += 1
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert pages == 5 and len({one["id"] for one in seen}) == 3000
    assert [one["message"]["content"] for one in seen] == [str(number) for number in range(3000)]
    assert states({"messages": seen}).count("scheduled") == 100


def test_A3_a_filter_and_a_state_choose_what_is_seen(connect, door):
    alice = connect("alice")
    for number in range(20):
        alice.publish(json.dumps({"n": number}), to="box", content_type="application/json", priority=number % 2 + 4)
    alice.publish("later", to="box", deliver_at=int(time.time() * 1000) + 60_000)
    settle_down(door, "box", 21)
    page = peek(door, "box", filter="priority = 4 AND content.n >= 10", content=True)
    assert [one["message"]["content"]["n"] for one in page["messages"]] == [10, 12, 14, 16, 18] and page["next"] is None
    assert states(peek(door, "box", state="scheduled")) == ["scheduled"]
    assert peek(door, "box", state="leased")["messages"] == []
    assert peek(door, "box", filter="priority ==")["code"] == "invalid_filter"
    assert peek(door, "nobody")["code"] == "not_found"


def test_A3_settings_in_force_say_whose_they_are_and_changing_one_leaves_the_others(server, connect, door):
    before = door.call("mailbox.configure", name="box", max_messages=10, default_ttl_ms="1m")
    assert "code" not in before
    door.call("mailbox.configure", name="box", max_deliveries=3)
    shown = door.call("mailbox.show", name="box")
    assert (shown["max_messages"], shown["default_ttl_ms"], shown["max_deliveries"], shown["overflow"]) == (
        10,
        60_000,
        3,
        "reject",
    )
    assert shown["own"] == ["max_messages", "default_ttl_ms", "max_deliveries"]
    server.restart()


def test_A3_settings_are_the_same_after_a_restart_and_go_back_to_the_servers(make_server):
    server = make_server("--set", "mailbox.max_messages=77")
    assert server.cli("mailbox", "set", "box", "--max-deliveries", "3").returncode == 0
    assert server.cli("mailbox", "set", "box", "--ttl", "1h").returncode == 0
    server.restart()
    shown = json.loads(server.cli("mailbox", "show", "box", "--json").stdout)
    assert (shown["max_messages"], shown["default_ttl_ms"], shown["max_deliveries"]) == (77, 3_600_000, 3)
    assert shown["own"] == ["default_ttl_ms", "max_deliveries"]
    # What is the server's follows the server.
    server.arguments[1] = "mailbox.max_messages=88"
    server.restart()
    assert json.loads(server.cli("mailbox", "show", "box", "--json").stdout)["max_messages"] == 88
    assert server.cli("mailbox", "set", "box", "--reset", "--max-messages", "5").returncode == 0
    shown = json.loads(server.cli("mailbox", "show", "box", "--json").stdout)
    assert (shown["max_messages"], shown["default_ttl_ms"], shown["own"]) == (5, 0, ["max_messages"])


def test_A3_mailboxes_are_listed_by_name_page_by_page(connect, door):
    alice = connect("alice")
    names = sorted(f"box-{number:03}" for number in range(150))
    for name in names:
        alice.publish("x", to=name)
    wait_for(lambda: len(door.call("mailbox.list", match="box-*", limit=1000)["mailboxes"]) == 150)
    seen, after = [], {}
    while True:
        page = door.call("mailbox.list", match="box-*", limit=40, **after)
        assert len(page["mailboxes"]) <= 40
        seen += page["mailboxes"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert [one["name"] for one in seen] == names
    assert all(one["ready"] == 1 and one["oldest_age_ms"] >= 0 for one in seen)
    assert [one["name"] for one in door.call("mailbox.list", match="*07*")["mailboxes"]] == [
        name for name in names if "07" in name
    ]


def test_A3_a_mailbox_is_deleted_with_its_settings(server, connect, door):
    alice, bob = connect("alice"), connect("bob")
    alice.mailbox("box", max_messages=5)
    alice.publish("x", to="box")
    alice.publish("later", to="box", deliver_at=int(time.time() * 1000) + 60_000)
    settle_down(door, "box", 2)
    assert door.call("mailbox.delete", name="box")["code"] == "mailbox_in_use"
    held = bob.receive("box")[0]
    assert door.call("mailbox.delete", name="box", messages=True)["code"] == "mailbox_in_use"
    bob.reject(held.lease)
    bob.consume("box")
    assert door.call("mailbox.delete", name="box", messages=True)["code"] == "mailbox_in_use"
    bob.close()
    wait_for(lambda: door.call("mailbox.show", name="box")["consumers"] == 0)
    gone = door.call("mailbox.delete", name="box", messages=True)
    assert (gone["deleted"], gone["messages"], gone["dead"], gone["left"]) == (True, 1, 1, 0)
    assert door.call("mailbox.show", name="box")["code"] == "not_found"
    assert door.call("mailbox.delete", name="box")["code"] == "not_found"
    assert door.call("dead.list")["dead"] == []
    # It may be made again, and is as any other then; also after a restart.
    alice.publish("new", to="box")
    shown = door.call("mailbox.show", name="box")
    assert (shown["ready"], shown["own"], shown["last_read_age_ms"]) == (1, [], None)


def test_A3_a_deleted_mailbox_stays_deleted(server):
    server.cli("mailbox", "set", "box", "--max-messages", "5")
    server.cli("send", "box", "x")
    assert server.cli("mailbox", "delete", "box").returncode == 1
    assert (
        server.cli("mailbox", "delete", "box", "--messages").stdout
        == "mailbox box is deleted, with 1 message(s) and 0 dead letter(s)\n"
    )
    server.kill9()
    server.start()
    assert server.cli("mailbox", "show", "box").returncode == 1
    assert server.cli("mailbox", "list", "--json").stdout == ""


def test_A3_more_than_goes_at_once_is_deleted_in_steps(server, connect):
    alice, door = connect("alice"), NativeCalls(server)
    for _ in range(3):
        alice.publish_batch([message("x", to="box")] * 100)
    wait_for(lambda: len(alice.carry_out("mailbox.peek", name="box", limit=1000)["messages"]) == 300)
    gone = door.call("mailbox.delete", name="box", messages=True, limit=200)
    assert (gone["deleted"], gone["messages"], gone["left"]) == (False, 200, 100)
    assert door.call("mailbox.delete", name="box", messages=True)["deleted"]
    door.close()


def test_A3_the_command_line_looks_too(server, connect):
    alice, bob = connect("alice"), connect("bob")
    alice.publish("look at me", to="box")
    bob.consume("box")
    held = bob.delivery()
    out = server.cli("mailbox", "peek", "box", "--content").stdout
    assert "leased" in out and "with bob since" in out and "look at me" in out
    out = server.cli("mailbox", "show", "box").stdout
    assert "taken by" in out and "bob over native" in out and "(the server's)" in out
    out = server.cli("mailbox", "list").stdout.splitlines()
    assert out[0].startswith("mailbox") and out[1].startswith("box")
    bob.nack(held.lease, delay_ms=0)
    # The older spelling.
    assert server.cli("mailbox", "box", "--max-messages", "9").stdout == "mailbox box is set\n"
    assert server.cli("mailbox").returncode == 2


def test_A7_a_delivery_that_is_not_acknowledged_says_so(server):
    server.cli("send", "box", "x")
    run = server.cli("recv", "box", "--no-ack")
    assert run.returncode == 0 and "1 message was" not in run.stdout
    assert "delivered and not acknowledged" in run.stderr and "mailbox peek" in run.stderr
    assert "counts as one towards max_deliveries" in " ".join(server.cli("recv", "--help").stdout.split())


# -- who and what


def rows(door, name, what, **arguments):
    return door.call(name, **arguments)[what]


def test_X12_a_held_message_names_its_holder_at_every_question(server, connect, door):
    alice, bob = connect("alice"), connect("bob")
    sent = alice.publish("x", to="box")
    before = int(time.time() * 1000)
    bob.consume("box")
    got = bob.delivery()
    id = text_of_id(sent.id)
    (peeked,) = peek(door, "box")["messages"]
    assert (peeked["holder"], peeked["state"]) == ("bob", "leased") and abs(peeked["held_since"] - before) < 10_000
    receipt = Http(server)("GET", f"/api/messages/{id}")[1]
    assert (receipt["state"], receipt["holder"]) == ("offered", "bob") and abs(receipt["held_since"] - before) < 10_000
    told = json.loads(server.cli("receipts", id, "--json").stdout)
    assert (told["holder"], told["held_since"]) == ("bob", receipt["held_since"])
    assert "with bob since" in server.cli("receipts", id).stdout
    assert peeked["held_since"] == receipt["held_since"]
    bob.ack(got.lease)
    assert "holder" not in Http(server)("GET", f"/api/messages/{id}")[1]


def test_A19_connections_tell_who_is_there_and_what_they_have(server, connect, door):
    alice, bob = connect("alice"), connect("bob")
    for _ in range(3):
        alice.publish("x", to="bob")
    before = int(time.time() * 1000)
    bob.consume("bob", credit=2)
    bob.subscribe("news.>")
    for _ in range(2):
        bob.delivery()
    (row,) = rows(door, "connection.list", "connections", agent="bob")
    assert (row["door"], row["consumers"], row["subscriptions"], row["held"]) == ("native", 1, 1, 2)
    assert (
        abs(row["held_since"] - before) < 10_000
        and abs(row["last_seen"] - before) < 10_000
        and row["since"] <= row["last_seen"]
    )
    ids = [one["id"] for one in rows(door, "connection.list", "connections")]
    assert ids == sorted(set(ids))
    agent = next(one for one in rows(door, "agent.list", "agents") if one["agent"] == "bob")
    assert (agent["connections"], agent["consumers"], agent["held"]) == (1, 1, 2)
    assert [one["door"] for one in agent["doors"]] == ["native"]


def test_A19_one_who_polls_over_http_is_seen(server, door):
    http = Http(server)
    http("POST", "/api/messages", {"to": "poller", "content": "x"})
    assert (
        len(
            http("GET", f"/api/messages?agent=poller&lease=60s&wait={MOMENT_MS}ms", **{"X-Agent": "poller"})[1][
                "messages"
            ]
        )
        == 1
    )
    http.connection.close()
    before = time.time() * 1000

    def seen():
        found = [
            one for one in rows(door, "agent.list", "agents") if one["agent"] == "poller" and one["connections"] == 0
        ]
        return found[0] if found else None

    wait_for(seen)
    agent = seen()
    assert (
        agent["held"] == 1 and abs(agent["held_since"] - before) < 10_000 and abs(agent["last_seen"] - before) < 10_000
    )
    assert [one["door"] for one in agent["doors"]] == ["http"]
    out = [line.split() for line in server.cli("connections", "--of", "poller").stdout.splitlines()]
    assert out[1][:2] == ["poller", "http"]


def test_A19_agents_are_listed_page_by_page(connect, door):
    clients = [connect(f"agent-{number:02}") for number in range(25)]
    for name, what, key in (("agent.list", "agents", "agent"), ("connection.list", "connections", "id")):
        seen, after = [], {}
        while True:
            page = door.call(name, limit=7, **after)
            assert len(page[what]) <= 7
            seen += page[what]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        names = [one[key] for one in seen]
        assert names == sorted(set(names))
        assert {one["agent"] for one in seen} >= {f"agent-{number:02}" for number in range(25)}
    assert len(clients) == 25


def last_read(server, mailbox):
    return Http(server)("GET", f"/api/mailboxes/{mailbox}")[1]["last_read_age_ms"]


@pytest.mark.parametrize("how", ["restart", "kill9"])
def test_X10_when_a_mailbox_was_read_survives_a_restart(server, how):
    server.cli("send", "read", "x")
    server.cli("send", "never", "x")
    server.cli("recv", "read")
    began = time.monotonic()
    age = last_read(server, "read")
    assert age is not None and last_read(server, "never") is None
    if how == "restart":
        server.restart()
    else:
        time.sleep(0.2)  # it is news, and waits for the next that is written
        server.cli("send", "read", "y")
        server.kill9()
        server.start()
    now = last_read(server, "read")
    assert now is not None and age <= now <= age + (time.monotonic() - began) * 1000 + 2_000
    assert last_read(server, "never") is None
    metrics = Http(server)("GET", "/metrics")[1]
    assert (
        'folkmoot_mailbox_never_read{mailbox="never"} 1' in metrics
        and 'folkmoot_mailbox_never_read{mailbox="read"} 0' in metrics
    )
    assert 'folkmoot_mailbox_last_read_age_seconds{mailbox="read"}' in metrics
    assert (
        "last read" in server.cli("send", "read", "z").stdout
        and "never seen" in server.cli("send", "never", "z").stdout
    )
