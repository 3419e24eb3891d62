"""Who may answer a request (docs/delivery.md, "Requests"):
whoever holds it, and nobody who guesses or has merely heard of its address."""

import json

import pytest
from native import TYPES, Client, Refused, message
from program import SETTINGS
from test_cli import ok
from test_delivery_native import eventually
from test_http import Http
from test_websocket import run

MODES = pytest.mark.parametrize("mode", [0, 1], ids=["in memory", "durable"])
SHARDS = next((int(setting.partition("=")[2]) for setting in SETTINGS if setting.startswith("shards=")), 1)


def refused(name, call, *arguments, **fields):
    with pytest.raises(Refused, match=name) as why:
        call(*arguments, **fields)
    return why.value


@pytest.fixture
def ask_for(connect):
    """Sends a request to a mailbox: its number, and a call that waits for the answer's content."""
    asker = connect("asker")

    def make(mailbox, content="how many?", **fields):
        request = asker.start_request(content, to=mailbox, **fields)
        return lambda: asker.end_request(request, timeout=30).content

    return make


@pytest.fixture
def mailboxes(connect):
    """Three mailboxes; in as many shards, if there are several."""
    finder, found = connect(), {}
    for number in range(100):
        name = f"box{number}"
        receipt = finder.publish("x", to=name)
        finder.ack(finder.receive(name)[0].lease)
        shard = receipt.id[15] & 15 if SHARDS > 1 else number
        found.setdefault(shard, name)
        if len(found) == 3:
            break
    return list(found.values())


def take(client, mailbox, **options):
    (got,) = client.receive(mailbox, wait_ms=10_000, **options)
    return got


# -- it cannot be guessed


def test_A4_addresses_say_nothing_of_each_other(server, connect, ask_for):
    worker = connect("worker")

    def addresses(count):
        worker.consume("worker", credit=count)
        for _ in range(count):
            ask_for("worker")
        return [worker.delivery(timeout=10).fields["reply_to"] for _ in range(count)]

    some = addresses(64)
    assert len(set(some)) == 64
    # Each digit but the first, which is the shard, takes many values.
    assert {len(address) for address in some} == {33} and {address[0] for address in some} == {"@"}
    assert len({address[1] for address in some}) == 1
    assert min(len({address[place] for address in some}) for place in range(2, 33)) >= 8
    # Whatever is changed of one: nobody waits there.
    stranger = connect("stranger")
    for place in range(1, 33):
        other = "0123456789abcdef"[(int(some[0][place], 16) + 1) % 16]
        refused("no_such_request", stranger.publish, "12", to=some[0][:place] + other + some[0][place + 1 :])
        refused("no_such_request", worker.publish, "12", to=some[0][:place] + other + some[0][place + 1 :])
    for wrong in (
        "@5.9",
        "@1.1",
        some[0] + "0",
        some[0][:-1],
        "@" + "0" * 32,
        "@" + "f" * 32,
        "@" + "g" * 32,
        "@ " + some[0][2:],
    ):
        refused("no_such_request", worker.publish, "12", to=wrong)
    worker.publish("12", to=some[0])


def test_A4_another_run_gives_other_addresses(server):
    def first():
        asker, worker = (Client(("127.0.0.1", server.port), agent=name) for name in ("asker", "worker"))
        worker.consume("worker", credit=1)
        asker.start_request("x", to="worker")
        address = worker.delivery().fields["reply_to"]
        asker.close(), worker.close()
        return address

    before = first()
    server.restart()
    assert first()[:20] != before[:20]


# -- at each door: who has it, and who has not


@MODES
def test_A4_a_stranger_who_knows_the_address_is_refused_at_every_door(server, connect, ask_for, mode):
    worker = connect("worker")
    worker.consume("worker", credit=5)
    answer = ask_for("worker", mode=mode)
    address = worker.delivery().fields["reply_to"]
    for name in ("stranger", "worker", None):  # a name is said easily
        stranger = connect(name)
        why = refused("not_permitted", stranger.publish, "12", to=address, from_="worker")
        assert address in why.text and "`cause`" in why.text
        refused("not_permitted", stranger.publish, "half", to=address, type=TYPES["status"])
        assert [result[0] for result in stranger.publish_batch([message(b"12", to=address)])] == [6]
    status, body = Http(server, **{"X-Agent": "worker"})("POST", "/api/messages", {"to": address, "content": "12"})
    assert (status, body["code"]) == (403, "not_permitted")

    async def steps(me, other):
        for each in (me, other):
            assert (await each.ask("publish", request=1, message={"to": address, "content": "12"}))[
                "code"
            ] == "not_permitted"
            batch = await each.ask("publish_batch", request=2, messages=[{"to": address, "content": "12"}])
            assert batch["results"][0]["code"] == "not_permitted"

    run(server, steps, path="/ws?agent=worker")
    done = server.cli("--as", "worker", "send", address, "12")
    assert done.returncode != 0 and "not_permitted" in done.stderr
    worker.publish("11", to=address)
    assert answer() == b"11"


@MODES
def test_A4_over_http_it_is_its_agents_whichever_connection_it_comes_by(server, ask_for, mode):
    for settle in ("", "&ack=true"):
        answer = ask_for("worker", mode=mode)
        got = eventually(lambda: Http(server)("GET", f"/api/messages?agent=worker&wait=5s{settle}")[1]["messages"], len)
        (asked,) = got
        for name in ("stranger", None):
            status, body = Http(server)(
                "POST", "/api/messages", {"to": asked["reply_to"], "content": "12", **({"from": name} if name else {})}
            )
            assert (status, body["code"]) == (403, "not_permitted")
        if mode and not settle:  # a lease is proof enough, whatever the name
            body = {"lease": asked["lease"], "outputs": [{"to": asked["reply_to"], "content": "11"}]}
            assert Http(server)("POST", f"/api/messages/{asked['id']}/complete", body)[0] == 200
        else:
            status, sent = Http(server)(
                "POST", "/api/messages", {"from": "worker", "to": asked["reply_to"], "content": "11"}
            )
            assert status == 201, sent
        assert answer() == b"11"


def test_A4_over_http_an_agent_may_read_a_mailbox_that_is_not_its_own(server, ask_for):
    answer = ask_for("team", mode=1)
    mine = Http(server, **{"X-Agent": "ann"})
    (asked,) = mine("GET", "/api/messages?agent=team&wait=5s")[1]["messages"]
    assert (
        Http(server, **{"X-Agent": "bob"})("POST", "/api/messages", {"to": asked["reply_to"], "content": "12"})[0]
        == 403
    )
    assert (
        Http(server, **{"X-Agent": "ann"})("POST", "/api/messages", {"to": asked["reply_to"], "content": "11"})[0]
        == 201
    )
    assert answer() == b"11"


@MODES
def test_A4_over_websocket_it_is_the_connections(server, ask_for, mode):
    answer = ask_for("me", mode=mode)

    async def steps(me, other):
        await me.send("receive", request=1, mailbox="me", wait_ms=10_000)
        asked = (await me.read())["message"]["reply_to"]
        await me.read()
        assert (await other.ask("publish", request=2, message={"to": asked, "content": "12"}))[
            "code"
        ] == "not_permitted"
        assert (await me.ask("publish", request=3, message={"to": asked, "content": "11"}))["op"] == "confirm"

    run(server, steps)
    assert answer() == b"11"


@MODES
def test_A4_the_shell_answers_what_it_has(server, connect, ask_for, mode):
    worker = server.cli_start("reply", "worker", "--exec", "wc -w")
    answer = ask_for("worker", "how many words are these", mode=mode)
    assert answer().strip() == b"5"
    worker.terminate()
    worker.communicate(timeout=20)
    # What was taken in one call, by name, may be answered in the next.
    if mode:
        answer = ask_for("worker", mode=mode)
        asked = ok(server.cli("recv", "worker", "--wait", "5s", "--json"))
        address = json.loads(asked.splitlines()[0])["reply_to"]
        assert server.cli("--as", "stranger", "send", address, "12").returncode != 0
        ok(server.cli("--as", "worker", "send", address, "11"))
        assert answer() == b"11"


@MODES
def test_A4_what_an_answer_cannot_keep_is_refused_at_every_door(server, connect, ask_for, mode):
    """It goes to whoever waits at this moment; a key goes along."""
    worker = connect("worker")
    worker.consume("worker", credit=1)
    answer = ask_for("worker", mode=mode)
    asked = worker.delivery(timeout=10)
    address = asked.fields["reply_to"]
    for fields in ({"delay": 1_000}, {"deliver_at": 4_000_000_000_000}, {"bounce": True}, {"group": "g"}):
        (name,) = fields
        why = refused("invalid_field", worker.publish, "11", to=address, **fields)
        assert f"`{name}`" in why.text
        status, body = Http(server, **{"X-Agent": "worker"})(
            "POST", "/api/messages", {"to": address, "content": "11", **fields}
        )
        assert (status, body["code"], body["pointer"]) == (422, "invalid_field", f"/{name}")
        assert f"`{name}`" in body["error"]
        if mode:
            refused("invalid_field", worker.complete, asked.lease, [message(b"11", to=address, **fields)])
    worker.publish("11", to=address, key="once")
    assert answer() == b"11"


# -- from hand to hand


def test_A4_who_has_lost_it_may_answer_no_more(connect, ask_for):
    first, second = connect("first"), connect("second")
    answer = ask_for("pool", mode=1)
    asked = take(first, "pool")
    first.nack(asked.lease, delay_ms=0)
    address = asked.fields["reply_to"]
    refused("not_permitted", first.publish, "from nobody's hands", to=address)
    again = take(second, "pool")
    assert again.fields["reply_to"] == address
    refused("not_permitted", first.publish, "late", to=address)
    second.publish("11", to=address)
    assert answer() == b"11"


def test_A4_who_has_settled_it_may_still_answer(connect, ask_for):
    worker, stranger = connect("worker"), connect("stranger")
    answer = ask_for("worker", mode=1)
    asked = take(worker, "worker")
    worker.ack(asked.lease)
    refused("not_permitted", stranger.publish, "12", to=asked.fields["reply_to"])
    worker.publish("11", to=asked.fields["reply_to"])
    assert answer() == b"11"


def test_A4_a_lease_bound_again_takes_the_request_with_it(connect, ask_for):
    first, second = connect("first"), connect("second")
    answer = ask_for("pool", mode=1)
    asked = take(first, "pool", lease_ms=60_000)
    second.extend(asked.lease, lease_ms=0)
    refused("not_permitted", first.publish, "12", to=asked.fields["reply_to"])
    second.publish("11", to=asked.fields["reply_to"])
    assert answer() == b"11"


def test_A4_an_agent_that_comes_back_may_answer_what_it_had_in_memory(server, connect, ask_for):
    address = server.port
    first = Client(("127.0.0.1", address), agent="worker")
    answer = ask_for("worker")
    asked = take(first, "worker")
    second = connect("worker")
    refused("not_permitted", second.publish, "12", to=asked.fields["reply_to"])  # the first one lives
    first.close()
    eventually(lambda: server_forgets(second, asked.fields["reply_to"]), lambda done: done)
    assert answer() == b"11"


def server_forgets(client, address):
    try:
        client.publish("11", to=address)
    except Refused:
        return False
    return True


def test_A4_what_hands_it_on_is_answered_when_it_is_named(connect, ask_for, mailboxes):
    """The request in one place, what hands it on in another, whoever answers at home in a third."""
    front, back, stranger = connect(mailboxes[0]), connect(mailboxes[2]), connect("stranger")
    for settled_first in (False, True):
        answer = ask_for(mailboxes[0], mode=1)
        asked = take(front, mailboxes[0])
        address = asked.fields["reply_to"]
        front.publish("count, and answer there", to=mailboxes[1], reply_to=address, cause=asked.fields["id"])
        if settled_first:
            front.ack(asked.lease)
        job = take(back, mailboxes[1])
        refused("not_permitted", back.publish, "12", to=address)
        if SHARDS == 1:  # elsewhere it is found out where the request waits
            refused("not_permitted", stranger.publish, "12", to=address, cause=job.fields["id"])
        else:
            stranger.publish_batch([message(b"12", to=address, cause=job.fields["id"])])
        back.publish("11", to=address, cause=job.fields["id"])
        assert answer() == b"11"
        back.ack(job.lease)


def test_A4_an_answer_may_follow_from_what_another_found(connect, ask_for, mailboxes):
    """It holds the request, and names as cause what came of it elsewhere."""
    asked_one, helper = connect(mailboxes[0]), connect(mailboxes[2])
    answer = ask_for(mailboxes[0], mode=1)
    asked = take(asked_one, mailboxes[0])
    helper.publish("it is 11", to=mailboxes[1])
    found = take(asked_one, mailboxes[1])
    asked_one.publish("11", to=asked.fields["reply_to"], cause=found.fields["id"])
    assert answer() == b"11"


def test_A4_outputs_of_a_completion_answer_what_is_held(connect, ask_for, mailboxes):
    asked_one, stranger = connect(mailboxes[0]), connect("stranger")
    for mailbox in mailboxes:
        answer = ask_for(mailboxes[0], mode=1)
        asked = take(asked_one, mailboxes[0])
        output = message(b"12", to=asked.fields["reply_to"], type=TYPES["response"])
        stranger.publish("something else", to=mailbox + "-strange")
        strange = take(stranger, mailbox + "-strange")
        try:
            stranger.complete(strange.lease, [output])
            assert SHARDS > 1
        except Refused as why:  # and then nothing is settled
            assert why.name == "not_permitted"
            stranger.ack(strange.lease)
        stranger.publish("it is 11", to=mailbox + "-found")
        found = take(asked_one, mailbox + "-found")
        asked_one.complete(found.lease, [message(b"11", to=asked.fields["reply_to"], type=TYPES["response"])])
        assert answer() == b"11"
        asked_one.ack(asked.lease)
