"""Quotas of accounts and teams (docs/security.md, 'Rates and quotas'): what they send a second, and connections, over
all doors."""

import re
import time

import pytest
from native import Refused, message
from test_accounts import Guarded, http, refused
from test_delivery_native import eventually


def send_until_refused(clients, content, times):
    """How many were taken of so many that the clients send in turns, since when, and the last refusal."""
    began, sent, met = time.monotonic(), 0, None
    for number in range(times):
        try:
            clients[number % len(clients)].publish(content, to="box")
            sent += 1
        except Refused as refusal:
            met = refusal
    return sent, began, met


@pytest.mark.parametrize("shards", [1, 3])
def test_U11_an_account_sends_so_many_a_second_over_all_its_connections_and_doors(make_server, shards):
    guarded = Guarded(make_server("--set", f"shards={shards}", "--set", "accounts.messages_per_second=20"))
    key = guarded.add("ann")
    guarded.add("bob")
    clients = [guarded.connect("ann", agent=f"ann/{number}") for number in range(4)]
    sent, began, met = send_until_refused(clients, "x", 60)
    assert met.name == "limit_reached" and "more than 20 messages a second" in met.text
    assert 20 <= sent <= 21 + 20 * (time.monotonic() - began)
    status, answer = http(guarded.server, "POST", "/api/messages", {"to": "box", "content": "x"}, key)
    assert (status, answer.get("code")) in ((429, "limit_reached"), (201, None)) or time.monotonic() > began + 1
    guarded.connect("bob").publish("x", to="box")  # the others' rates are their own
    root = guarded.connect("root", agent="boss")
    for _ in range(60):
        root.publish("x", to="box")
    wait = re.search(r"again in (\d+) ms", met.text)
    time.sleep(int(wait[1]) / 1000 + 1)
    # A batch larger than a second's worth goes out when nothing was sent for long, and is waited for afterwards.
    assert len(clients[0].publish_batch([message("x", to="box") for _ in range(50)])) == 50
    met = refused(clients[1].publish, "x", to="box")
    wait_ms = int(re.search(r"again in (\d+) ms", met.text)[1])
    assert met.name == "limit_reached" and met.retry_after == (wait_ms + 999) // 1000


@pytest.mark.parametrize("shards", [1, 3])
def test_U13_an_account_sends_so_many_bytes_a_second_over_all_its_connections(make_server, shards):
    guarded = Guarded(make_server("--set", f"shards={shards}", "--set", "accounts.bytes_per_second=64KiB"))
    key = guarded.add("ann")
    guarded.add("bob")
    clients = [guarded.connect("ann", agent=f"ann/{number}") for number in range(3)]
    sent, began, met = send_until_refused(clients, b"x" * 8_000, 30)
    assert met.name == "limit_reached" and met.retry_after >= 1
    assert "ann sends more than 65536 bytes a second (accounts.bytes_per_second)" in met.text
    assert 8 <= sent <= 9 + 8 * (time.monotonic() - began)
    guarded.connect("bob").publish(b"x" * 8_000, to="box")
    root = guarded.connect("root", agent="boss")
    for _ in range(30):
        root.publish(b"x" * 8_000, to="box")
    # One that is larger than a second's worth goes out when nothing was sent for long.
    time.sleep(int(re.search(r"again in (\d+) ms", met.text)[1]) / 1000 + 1.2)
    clients[0].publish(b"x" * 200_000, to="box")
    status, answer = http(guarded.server, "POST", "/api/messages", {"to": "box", "content": "x" * 9_000}, key)
    assert (status, answer["code"]) == (429, "limit_reached"), answer
    clients[1].ping()  # what sends nothing is not bounded
    for client in (*clients, root):
        client.close()


@pytest.mark.parametrize("shards", [1, 3])
def test_U13_an_account_has_so_many_connections_at_every_door_together(make_server, shards, tmp_path):
    file = tmp_path / "folkmoot.toml"
    file.write_text("[accounts]\nconnections = 3\n")
    guarded = Guarded(make_server("--config", str(file), "--set", f"shards={shards}"))
    key = guarded.add("ann")
    guarded.add("bob")
    clients = [guarded.connect("ann", agent=f"ann/{number}") for number in range(3)]
    met = refused(guarded.connect, "ann", agent="ann/3")
    assert met.name == "limit_reached" and "ann has 3 connections, which is the most (accounts.connections)" in met.text
    assert http(guarded.server, "GET", "/api/messages?agent=ann", key=key)[0] == 429
    guarded.connect("bob").close()
    many = [guarded.connect("root") for _ in range(6)]  # nothing is refused an admin
    clients.pop().close()

    def gets_in():
        try:
            clients.append(guarded.connect("ann", agent="ann/new"))
            return True
        except Refused:
            return False

    deadline = time.monotonic() + 10
    while not gets_in():
        assert time.monotonic() < deadline, "its place is free again"
        time.sleep(0.05)
    # Who is there stays when the bound becomes less, and what was counted is right after a higher one.
    file.write_text("[accounts]\nconnections = 1\n")
    guarded.cli("reload")
    assert refused(guarded.connect, "ann").name == "limit_reached"
    for client in clients:
        client.ping()
    file.write_text("[accounts]\nconnections = 4\n")
    guarded.cli("reload")
    clients.append(guarded.connect("ann"))
    assert refused(guarded.connect, "ann").name == "limit_reached"
    for client in (*clients, *many):
        client.close()


@pytest.mark.parametrize("shards", [1, 3])
def test_U13_the_accounts_of_a_team_have_a_rate_and_connections_together(make_server, shards, tmp_path):
    """By the name up to its first slash; beside what each may have by itself."""
    file = tmp_path / "folkmoot.toml"
    file.write_text("[accounts]\nconnections = 2\n[teams]\nconnections = 3\nmessages_per_second = 20\n")
    guarded = Guarded(make_server("--config", str(file), "--set", f"shards={shards}"))
    for name in "blue", "blue/search", "blue/write/drafts", "bluebird", "red/search":
        guarded.add(name)
    clients = [guarded.connect(name) for name in ("blue", "blue/search", "blue/search")]
    met = refused(guarded.connect, "blue/search")
    assert met.name == "limit_reached" and "accounts.connections" in met.text
    met = refused(guarded.connect, "blue/write/drafts")
    assert "the accounts of blue have 3 connections together, which is the most (teams.connections)" in met.text
    others = [guarded.connect(name) for name in ("bluebird", "red/search")]
    sent, began, met = send_until_refused(clients, "x", 60)
    assert met.name == "limit_reached" and met.retry_after >= 1
    assert "the accounts of blue send together more than 20 messages a second (teams.messages_per_second)" in met.text
    assert 20 <= sent <= 21 + 20 * (time.monotonic() - began)
    for other in others:
        for _ in range(15):
            other.publish("x", to="box")
    root = guarded.connect("root", agent="boss")
    for _ in range(40):
        root.publish("x", to="box")  # nothing is refused an admin
    clients.pop().close()

    def gets_in():
        try:
            clients.append(guarded.connect("blue/write/drafts"))
            return True
        except Refused:
            return False

    eventually(gets_in, bool, within=10)
    # What is taken back by a reload holds no more, nor does what a team had that there is no more.
    file.write_text("")
    guarded.cli("reload")
    for _ in range(40):
        clients[0].publish("x", to="box")
    for client in (*clients, *others, root):
        client.close()
