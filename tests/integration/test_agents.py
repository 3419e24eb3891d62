"""The registry from outside: agents register, are seen, found, watched, put into quarantine, and get what is addressed
to what they can do (docs/agents.md); at every door, and the same with several shards."""

import json
import signal
import subprocess
import time
import uuid

import pytest
from native import Client, Refused, text_of_id
from program import MOMENT_MS, PROGRAM, environment
from test_cli import wait_for
from test_every_door import HttpDoor, NativeDoor, WebsocketDoor
from test_http import Http

CARD = {
    "agent": "translator",
    "type": "worker",
    "description": "Translates between languages",
    "capabilities": [
        {
            "name": "translate",
            "version": "2",
            "data": {"id": "translate", "tags": ["text"], "inputModes": ["text/plain"]},
        },
        {"name": "summarize"},
    ],
    "addresses": [{"transport": "http", "address": "http://10.0.0.7:8080/a2a"}],
    "keys": [{"name": "main", "kind": "ed25519", "key": "MCowBQYDK2VwAyEA"}],
    "metadata": {"region": "eu", "cost": 3},
    "weight": 2,
    "status": "active",
}


class ShellDoor:
    """The command line, and with it the C++ library."""

    def __init__(self, server):
        self.server = server

    def call(self, name, /, **arguments):
        words = []
        for key, value in arguments.items():
            for each in value if isinstance(value, list) else [value]:
                words.append(f"{key}={each if isinstance(each, str) else json.dumps(each)}")
        done = self.server.cli("--as", "me", "call", name, *words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def close(self):
        pass


DOORS = {"native": NativeDoor, "http": HttpDoor, "websocket": WebsocketDoor, "shell": ShellDoor}


@pytest.fixture(params=DOORS, name="door")
def _door(request, server):
    door = DOORS[request.param](server)
    yield door
    door.close()


def names(found):
    return sorted(each["agent"] for each in found["agents"])


def known(client, agent):
    try:
        return client.carry_out("agent.show", agent=agent)
    except Refused as refused:
        assert refused.name == "not_found"
        return None


def health(client, agent):
    found = known(client, agent)
    return found and found["health"]


def register(client, agent, *capabilities, **more):
    return client.carry_out("agent.register", agent=agent, capabilities=list(capabilities), **more)


# -- every operation at every door


def test_A22_M5_an_agent_is_registered_found_changed_and_removed_at_every_door(door):
    made = door.call("agent.register", **CARD)
    assert made["created"] is True and uuid.UUID(made["id"]).version == 7 and made["revision"] > 0
    shown = door.call("agent.show", agent="translator")
    assert {key: shown[key] for key in CARD} == CARD
    assert shown["id"] == made["id"] and shown["registered"] is shown["routable"] is True and shown["health"] == "up"
    assert door.call("agent.show", agent=made["id"]) == shown  # its id will do
    found = door.call("agent.discover", all_of=["translate", "summarize"])
    assert names(found) == ["translator"] and found["next"] is None
    assert [each["name"] for each in found["agents"][0]["capabilities"]] == ["translate", "summarize"]
    full = door.call("agent.discover", type="worker", filter="metadata.region = 'eu'", full=True)
    assert full["agents"][0]["capabilities"] == CARD["capabilities"]
    again = door.call("agent.register", agent="translator", capabilities=["translate"], weight=5)
    assert again["created"] is False and again["id"] == made["id"] and again["revision"] > made["revision"]
    changed = door.call("agent.update", agent=made["id"], status="maintenance", type="tester")
    assert changed["revision"] > again["revision"]
    shown = door.call("agent.show", agent="translator")
    assert (shown["type"], shown["status"], shown["weight"], shown["routable"]) == ("tester", "maintenance", 5, False)
    assert shown["capabilities"] == [{"name": "translate"}]
    beat = door.call("agent.heartbeat", agent="translator", load=7)
    assert beat == {"health": "up", "routable": False, "stale_after": 300_000}
    assert door.call("agent.show", agent="translator")["load"] == 7
    assert door.call("agent.update", agent="translator", status="active")["revision"] > changed["revision"]
    door.call("agent.quarantine", agent="translator", reason="answers nonsense")
    shown = door.call("agent.show", agent="translator")
    assert (shown["quarantine"], shown["routable"]) == ("answers nonsense", False) and shown["quarantined_at"] > 0
    assert names(door.call("agent.discover", all_of=["translate"])) == []
    assert names(door.call("agent.discover", all_of=["translate"], health="any")) == ["translator"]
    door.call("agent.release", agent="translator")
    assert names(door.call("agent.discover", all_of=["translate"])) == ["translator"]
    listed = {each["agent"]: each for each in door.call("agent.list")["agents"]}["translator"]
    assert (listed["health"], listed["status"], listed["capabilities"]) == ("up", "active", ["translate"])
    door.call("agent.remove", agent="translator")
    assert names(door.call("agent.discover", health="any", type="tester")) == []


def test_A22_an_agent_without_a_name_of_its_own_is_the_caller(door):
    door.call("agent.register", capabilities=["plan"])
    found = door.call("agent.discover", all_of=["plan"], health="any")
    assert names(found) == ["me"]
    assert door.call("agent.heartbeat")["health"] == "up"


def test_B6_what_is_sent_to_a_capability_goes_to_an_agent_that_has_it(door, server, connect):
    if isinstance(door, ShellDoor):
        sent = server.cli("send", "capability:sum+check", "add up", "--json")
        assert sent.returncode == 0, sent.stderr
        id = json.loads(sent.stdout)["id"]
    else:
        sent = door.publish(to="capability:sum+check", content="add up")
        id = sent.get("id") or sent["message"]["id"]
    looker = connect("looker")
    shown = looker.carry_out("mailbox.show", name="capability:sum+check")
    assert shown["ready"] == 1  # held: nobody is there
    ada = connect("ada")
    register(ada, "ada", "sum")
    time.sleep(MOMENT_MS / 1000)
    assert ada.receive("ada", wait_ms=0) == []  # one of the two is not enough
    register(ada, "ada", "sum", "check", "more")
    (got,) = ada.receive("ada", wait_ms=5_000)
    assert got.content == b"add up" and got.fields["to"] == "ada"
    (receipt,) = looker.receipts(uuid.UUID(id).bytes)
    wait_for(lambda: looker.receipts(uuid.UUID(id).bytes)[0]["state"] == "retrieved")
    ada.ack(got.lease)
    wait_for(lambda: looker.receipts(uuid.UUID(id).bytes)[0]["state"] == "acknowledged")
    assert looker.receipts(uuid.UUID(id).bytes)[0]["recipient"] == "ada"


# -- over HTTP, with the paths that people type


def test_B2_agents_and_heartbeats_over_http(server):
    ask = Http(server)
    status, made = ask("POST", "/api/agents", CARD)
    assert status == 200 and made["created"]
    assert ask("GET", "/api/agents/translator")[1]["description"] == CARD["description"]
    assert names(ask("GET", "/api/agents/discover?all_of=translate&all_of=summarize&type=worker")[1]) == ["translator"]
    assert ask("PUT", f"/api/agents/{made['id']}", {"weight": 9})[0] == 200
    assert ask("POST", "/api/agents/translator/heartbeat", {"load": 3})[1]["routable"] is True
    shown = ask("GET", "/api/agents/translator")[1]
    assert (shown["weight"], shown["load"]) == (9, 3)
    assert ask("POST", "/api/agents/translator/quarantine", {"reason": "tired"})[0] == 200
    assert ask("GET", "/api/agents/translator")[1]["quarantine"] == "tired"
    assert ask("DELETE", "/api/agents/translator/quarantine")[0] == 200
    changes = ask("GET", "/api/agents/changes?limit=10")[1]
    assert changes["reset"] is True and "translator" in [each["agent"] for each in changes["changes"]]
    assert ask("DELETE", "/api/agents/translator")[0] == 200
    status, refused = ask("GET", "/api/agents/translator")
    assert (status, refused["code"]) == (404, "not_found")
    status, refused = ask("POST", "/api/agents", {"agent": "x", "capabilities": ["a b"]})
    assert (status, refused["code"], refused["pointer"]) == (422, "invalid_field", "/capabilities/0")
    assert "a b" in refused["error"]


def test_U14_the_load_of_before_is_the_load_of_a_heartbeat(server, connect):
    client = connect("boss")
    register(client, "idle", "work")
    register(client, "busy", "work")
    Http(server)("PUT", "/api/agents/busy/load", {"load": 50})
    assert known(client, "busy")["load"] == 50
    for _ in range(6):
        client.publish("x", to="capability:work/least_loaded")
    wait_for(lambda: unread(client, "idle") == 6)
    client.carry_out("agent.heartbeat", agent="busy", load=0)
    client.carry_out("agent.heartbeat", agent="idle", load=50)
    client.publish("y", to="capability:work/least_loaded")
    wait_for(lambda: unread(client, "busy") == 1)


# -- who is there


def test_M5_who_connects_is_there_without_registering_and_gone_after_a_while(make_server, tmp_path):
    server = make_server(env={"FOLKMOOT_AGENTS_GRACE": "300ms", "FOLKMOOT_AGENTS_STALE_AFTER": "1s"})
    with_name = Client(("127.0.0.1", server.port), agent="visitor")
    looker = Client(("127.0.0.1", server.port), agent="looker")
    wait_for(lambda: health(looker, "visitor") == "up")
    shown = known(looker, "visitor")
    assert shown["registered"] is False and "id" not in shown and shown["connections"] == 1
    second = Client(("127.0.0.1", server.port), agent="visitor")
    with_name.close()
    time.sleep(0.2)
    assert health(looker, "visitor") == "up"  # the other one is left
    second.close()
    wait_for(lambda: health(looker, "visitor") in ("grace", None), seconds=2)
    wait_for(lambda: known(looker, "visitor") is None, seconds=5)
    looker.close()


def test_B6_a_heartbeat_is_good_for_so_long_and_a_connection_as_long_as_it_lasts(make_server):
    server = make_server(env={"FOLKMOOT_AGENTS_GRACE": "0", "FOLKMOOT_AGENTS_STALE_AFTER": "700ms"})
    looker = Client(("127.0.0.1", server.port), agent="looker")
    register(looker, "beats", "work")
    assert health(looker, "beats") == "up"
    wait_for(lambda: health(looker, "beats") == "stale", seconds=5)
    assert names(looker.carry_out("agent.discover", all_of=["work"])) == []
    assert names(looker.carry_out("agent.discover", all_of=["work"], health="stale")) == ["beats"]
    looker.publish("for whoever comes", to="capability:work")
    looker.carry_out("agent.heartbeat", agent="beats")
    assert names(looker.carry_out("agent.discover", all_of=["work"])) == ["beats"]
    wait_for(lambda: unread(looker, "beats") == 1)  # what was held came with the heartbeat
    own = Client(("127.0.0.1", server.port), agent="lasts")
    register(own, "lasts", "other")
    time.sleep(1)
    assert health(looker, "lasts") == "up"
    own.close()
    wait_for(lambda: health(looker, "lasts") == "stale", seconds=5)  # its registering was no heartbeat
    looker.close()


def test_U6_M5_life_cycle_events_tell_of_transitions_alone(make_server):
    server = make_server(env={"FOLKMOOT_AGENTS_GRACE": "200ms", "FOLKMOOT_AGENTS_STALE_AFTER": "600ms"})
    looker = Client(("127.0.0.1", server.port))
    subscription = looker.subscribe("bus.agents.*")
    own = Client(("127.0.0.1", server.port), agent="ada")
    register(own, "ada", "work", type="worker")
    own.carry_out("agent.update", agent="ada", weight=3)
    for _ in range(3):
        own.carry_out("agent.heartbeat", agent="ada")
    own.close()
    told = []
    while not told or told[-1][0] != "left":
        event = looker.delivery(subscription, timeout=10)
        content = json.loads(event.content)
        assert content["agent"] == "ada"
        told.append((event.fields["topic"].rpartition(".")[2], content["health"], content["capabilities"]))
    assert told == [
        ("joined", "up", []),
        ("changed", "up", ["work"]),
        ("changed", "up", ["work"]),
        ("left", "stale", ["work"]),
    ]
    boss = Client(("127.0.0.1", server.port))
    boss.carry_out("agent.quarantine", agent="ada")
    event = looker.delivery(subscription, timeout=10)
    assert event.fields["topic"] == "bus.agents.changed" and json.loads(event.content)["status"] == "quarantined"
    boss.carry_out("agent.remove", agent="ada")
    assert looker.delivery(subscription, timeout=10).fields["topic"] == "bus.agents.removed"
    boss.close()
    looker.close()


def test_M5_what_was_registered_is_there_after_a_kill(make_server):
    server = make_server()
    client = Client(("127.0.0.1", server.port), agent="boss")
    made = client.carry_out("agent.register", **CARD)
    register(client, "gone", "x")
    client.carry_out("agent.remove", agent="gone")
    client.carry_out("agent.quarantine", agent="translator", reason="tired")
    client.publish("waits", to="capability:translate")
    server.kill9()
    server.start()
    client = Client(("127.0.0.1", server.port), agent="boss")
    shown = known(client, "translator")
    assert {key: shown[key] for key in CARD} == CARD and shown["id"] == made["id"]
    assert (shown["quarantine"], shown["health"], shown["routable"]) == ("tired", "up", False)
    assert known(client, "gone") is None
    client.carry_out("agent.release", agent="translator")
    wait_for(lambda: unread(client, "translator") == 1)
    client.close()


# -- finding


def test_A22_discovery_by_all_of_its_conditions_in_pages(connect):
    client = connect("boss")
    for i in range(40):
        capabilities = (
            ["count"] + (["count.even"] if i % 2 == 0 else ["count.odd"]) + (["prime"] if i in (2, 3, 5) else [])
        )
        register(
            client,
            f"agent-{i:02}",
            *capabilities,
            type="a" if i < 20 else "b",
            metadata={"n": i, "tag": {"x": i % 3}},
            status="inactive" if i == 4 else "active",
        )

    def find(**query):
        found, after = [], ""
        while True:
            page = client.carry_out("agent.discover", limit=7, **query, **({"after": after} if after else {}))
            assert len(page["agents"]) <= 7
            found += [int(each["agent"].rpartition("-")[2]) for each in page["agents"]]
            after = page["next"]
            if not after:
                return found

    everyone = [i for i in range(40) if i != 4]
    assert find(all_of=["count"]) == everyone
    assert find(all_of=["count"], health="any") == list(range(40))
    assert find(all_of=["count", "count.even"], type="a") == [i for i in range(0, 20, 2) if i != 4]
    assert find(any_of=["prime", "count.odd"]) == sorted({2} | set(range(1, 40, 2)))
    assert find(prefix="pri") == [2, 3, 5]
    assert find(prefix="count.", type="b") == list(range(20, 40))
    assert find(filter="metadata.n > 30 AND metadata.tag.x = 0", all_of=["count"]) == [33, 36, 39]
    assert find(filter="content.type = 'b' AND from LIKE '%9'", all_of=["count"]) == [29, 39]
    assert find(all_of=["nobody"]) == []
    with pytest.raises(Refused, match="invalid_filter"):
        client.carry_out("agent.discover", filter="metadata.n >")


def test_U6_M5_a_reader_that_was_away_is_told_of_each_change_it_must_know(connect, server):
    client = connect()
    all_of_them = client.carry_out("agent.watch")
    assert all_of_them["reset"] is True
    at = all_of_them["next"]
    made = [register(client, f"a{i}", "work") for i in range(5)]
    client.carry_out("agent.update", agent="a1", weight=2)
    client.carry_out("agent.remove", agent="a3")
    told, position = [], at
    while True:
        page = client.carry_out("agent.watch", after=position, limit=2)
        assert page["reset"] is False
        position = page["next"]
        if not page["changes"]:
            break
        told += [(each["agent"], each.get("gone", False)) for each in page["changes"]]
    assert told == [("a0", False), ("a2", False), ("a4", False), ("a1", False), ("a3", True)]
    # One that waits is told at once.
    waiting = connect()
    begun = time.monotonic()
    asked = waiting.send_frame(*call_frame("agent.watch", after=position, wait=20_000))
    time.sleep(0.3)
    client.carry_out("agent.heartbeat", agent="a0")  # no change
    client.carry_out("agent.update", agent="a0", weight=7)
    answer = json.loads(waiting.answer(asked, timeout=10).body)
    assert [each["agent"] for each in answer["changes"]] == ["a0"] and 0.2 < time.monotonic() - begun < 10
    nothing = client.carry_out("agent.watch", after=answer["next"], wait=200)
    assert nothing["changes"] == [] and nothing["next"] == answer["next"]
    server.restart()
    again = Client(("127.0.0.1", server.port))
    page = again.carry_out("agent.watch", after=answer["next"])
    assert (
        page["reset"] is True
        and [each["agent"] for each in page["changes"]] == ["a0", "a1", "a2", "a4"]
        or sorted(each["agent"] for each in page["changes"]) == ["a0", "a1", "a2", "a4"]
    )
    assert page["changes"][0]["revision"] > made[-1]["revision"]
    again.close()


def call_frame(name, **arguments):
    import msgpack
    from native import CALL

    return CALL, msgpack.packb({0: name, 1: json.dumps(arguments)})


# -- mail to capabilities


def unread(client, mailbox):
    """In whichever shard it is on its way."""
    return sum(
        box["ready"] + box["scheduled"] + box["leased"] for box in client.stats()["mailboxes"] if box["name"] == mailbox
    )


def counts(client, agents):
    return [unread(client, agent) for agent in agents]


@pytest.mark.parametrize("strategy, shares", [("round_robin", [8, 8, 8]), ("weighted", [4, 8, 12])])
def test_U14_mail_to_a_capability_is_shared_by_a_strategy(connect, strategy, shares):
    client = connect("boss")
    agents = ["one", "two", "three"]
    for weight, agent in enumerate(agents, 1):
        register(client, agent, "work", weight=weight)
    for i in range(24):
        client.publish(str(i), to=f"capability:work/{strategy}")
    wait_for(lambda: sum(counts(client, agents)) == 24)
    assert counts(client, agents) == shares


def test_U14_sticky_mail_of_one_conversation_goes_to_one_agent(connect):
    client = connect("boss")
    agents = [f"agent-{i}" for i in range(6)]
    for agent in agents:
        register(client, agent, "talk")
    for talk in range(12):
        for _ in range(4):
            client.publish(f"talk-{talk}", to="capability:talk/sticky", conversation=f"talk-{talk}")
    wait_for(lambda: sum(counts(client, agents)) == 48)
    whose = {}
    for agent in agents:
        for got in client.receive(agent, max=100, wait_ms=MOMENT_MS):
            whose.setdefault(got.content, set()).add(agent)
    assert len(whose) == 12 and all(len(agents) == 1 for agents in whose.values())
    assert len({next(iter(agents)) for agents in whose.values()}) > 1


def test_U14_what_is_held_keeps_its_order_its_life_and_its_key(connect):
    client = connect("boss")
    first = client.publish("0", to="capability:late", key="k")
    for i in range(1, 200):
        client.publish(str(i), to="capability:late", priority=5)
    client.publish("urgent", to="capability:late", priority=1)
    client.publish("dies", to="capability:late", ttl=200)
    again = client.publish("0", to="capability:late", key="k")
    assert again.outcome == "duplicate" and again.id == first.id
    wait_for(lambda: len(client.carry_out("dead.list", mailbox="capability:late")["dead"]) == 1)
    register(client, "late-comer", "late")
    wait_for(lambda: unread(client, "late-comer") == 201)
    again = client.publish("0", to="capability:late", key="k")
    assert again.outcome == "duplicate"
    got = []
    while len(got) < 201:
        got += client.receive("late-comer", max=100, wait_ms=5_000)
    assert [one.content.decode() for one in got] == ["urgent"] + [str(i) for i in range(200)]
    client.ack(*[one.lease for one in got])
    assert unread(client, "capability:late") == 0


def test_U14_one_who_may_not_be_chosen_gets_nothing_and_loses_nothing(connect):
    client = connect("boss")
    register(client, "a", "work")
    register(client, "b", "work")
    client.carry_out("agent.quarantine", agent="a")
    for i in range(4):
        client.publish(str(i), to="capability:work")
    wait_for(lambda: counts(client, ["a", "b"]) == [0, 4])
    client.carry_out("agent.update", agent="b", status="maintenance")
    client.publish("held", to="capability:work")
    assert unread(client, "capability:work") == 1
    client.carry_out("agent.release", agent="a")
    wait_for(lambda: counts(client, ["a", "b", "capability:work"]) == [1, 4, 0])


def test_A24_U14_a_route_may_lead_to_a_capability(connect):
    client = connect("boss")
    client.carry_out(
        "route.set", name="reviews", targets=["capability:review/least_loaded"], filter="metadata.kind = 'review'"
    )
    register(client, "critic", "review")
    client.publish("look", metadata={"kind": "review"})
    wait_for(lambda: unread(client, "critic") == 1)


def test_U14_a_request_to_a_capability_is_answered_or_refused_at_once(server, connect):
    client = connect("boss")
    with pytest.raises(Refused, match="no_consumer"):
        client.request("2+2", to="capability:sum", timeout_ms=5_000)
    worker = server.cli_start("reply", "adder", "--exec", "cat; echo ' is 4'")
    wait_for(lambda: known(client, "adder") is not None or True)
    register(client, "adder", "sum")
    try:
        answer = client.request("2+2", to="capability:sum", timeout_ms=15_000)
        assert answer.content.decode().split() == ["2+2", "is", "4"]
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=20)


def test_U14_outputs_of_a_completion_and_atomic_batches_reach_capabilities(connect):
    from native import message

    client = connect("boss")
    register(client, "next", "step")
    client.publish("input", to="boss")
    (got,) = client.receive("boss", wait_ms=5_000)
    client.complete(got.lease, [message("output", to="capability:step")])
    client.publish_batch([message("one", to="capability:step"), message("two", to="boss")], atomic=True)
    wait_for(lambda: unread(client, "next") == 2)


def test_U14_an_address_that_is_none_is_refused_and_nobody_takes_from_one(connect):
    client = connect("boss")
    for wrong in ("capability:", "capability:a b", "capability:x/fastest", "capability:x+"):
        with pytest.raises(Refused, match="invalid_name"):
            client.publish("x", to=wrong)
    with pytest.raises(Refused, match="invalid_name"):
        client.receive("capability:x")
    with pytest.raises(Refused, match="invalid_name"):
        register(client, "capability:x", "x")


# -- the command line


def test_M5_the_shell_registers_finds_and_watches(server):
    def run(*words, **options):
        done = server.cli(*words, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    out = run(
        "agents",
        "register",
        "t1",
        "--capability",
        "translate@2",
        "--capability",
        "sum",
        "--type",
        "worker",
        "--metadata",
        '{"region":"eu"}',
        "--address",
        "http=http://h/",
        "--key",
        "k=v",
        "--weight",
        "3",
        "--description",
        "a translator",
    )
    assert out.startswith("t1 is registered: ")
    out = run("agents", "register", "--record", "-", "--json", stdin='{"agent":"t2","capabilities":["translate"]}')
    assert json.loads(out)["created"] is True
    assert run("agents", "heartbeat", "t1", "--load", "4") == "t1 is up for 5m\n"
    rows = [line.split() for line in run("agents", "discover", "translate").splitlines()]
    assert rows == [
        ["agent", "health", "status", "type", "load", "capabilities"],
        ["t1", "up", "active", "worker", "4", "translate,sum"],
        ["t2", "up", "active", "-", "0", "translate"],
    ]
    lines = run("agents", "discover", "--filter", "metadata.region = 'eu'", "--json").splitlines()
    assert [json.loads(line)["agent"] for line in lines] == ["t1"]
    assert "translate 2" in run("agents", "show", "t1") and '{"region":"eu"}' in run("agents", "show", "t1")
    assert run("agents", "quarantine", "t1", "--reason", "tired") == "t1 is in quarantine\n"
    assert "quarantined" in run("agents", "list") and "tired" in run("agents", "show", "t1")
    assert run("agents", "quarantine", "t1", "--end") == "t1 is released\n"
    *changes, last = [json.loads(line) for line in run("agents", "watch", "--once", "--json").splitlines()]
    assert {"t1", "t2"} <= {each["agent"] for each in changes}
    watch = server.cli_start("agents", "watch", "--json", "--after", last["next"])
    assert run("agents", "remove", "t2", "--json") == '{"agent":"t2","status":"removed"}\n'
    seen = json.loads(watch.stdout.readline())
    while seen["agent"] != "t2":  # this shell itself has come and gone
        seen = json.loads(watch.stdout.readline())
    assert seen["gone"] is True
    watch.send_signal(signal.SIGINT)
    watch.communicate(timeout=20)
    assert watch.returncode == 0
    refused = server.cli("agents", "show", "t2")
    assert refused.returncode != 0 and "no agent t2 is registered" in refused.stderr


def test_A22_bounds_are_kept(connect):
    client = connect("boss")
    with pytest.raises(Refused, match="64"):
        register(client, "x", *[f"c{i}" for i in range(65)])
    register(client, "x", *[f"c{i}" for i in range(64)])
    with pytest.raises(Refused, match="16384"):
        register(client, "x", "c", metadata={"a": "y" * 17_000})
    with pytest.raises(Refused, match="object"):
        client.carry_out("agent.register", agent="x", metadata=[1])
    with pytest.raises(Refused, match="twice"):
        register(client, "x", "c", "c")
    with pytest.raises(Refused, match="65536"):
        register(client, "x", *[{"name": f"c{i}", "data": "y" * 16_000} for i in range(5)])
    assert len(known(client, "x")["capabilities"]) == 64
