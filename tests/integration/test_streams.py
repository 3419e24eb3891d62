"""Streams from outside: events that are kept, and read again from wherever one likes, at each door and by the shell
(docs/streams.md)."""

import http.client
import json
import struct
import threading
import time
from contextlib import closing

import msgpack
import pytest
from native import CALL, Client, Refused, read_message
from program import SHARDED
from test_every_door import HttpDoor, NativeDoor, WebsocketDoor

AT_LEAST_ONCE = 1


@pytest.fixture(params=[NativeDoor, HttpDoor, WebsocketDoor], ids=["native", "http", "websocket"])
def door(request, server):
    door = request.param(server)
    yield door
    door.close()


def mode(door):
    return AT_LEAST_ONCE if isinstance(door, NativeDoor) else "at_least_once"


TEXT = {"content_type": "text/plain"}


def publish(door, topic, content, **fields):
    sent = door.publish(topic=topic, content=content, mode=mode(door), **{**TEXT, **fields})
    assert sent["outcome"] == "kept", sent
    return sent


def read(door, **arguments):
    page = door.call("stream.read", **{"name": "s", **arguments})
    assert "events" in page, page
    return page


def numbers(page):
    return [event["sequence"] for event in page["events"]]


def contents(page):
    return [event["message"]["content"] for event in page["events"]]


def test_U14_events_are_kept_and_read_from_everywhere(door):
    door.call("stream.set", name="s", topic="orders.>")
    for i in range(10):
        publish(door, f"orders.{'even' if i % 2 == 0 else 'odd'}", str(i))
    page = read(door)
    assert numbers(page) == list(range(1, 11)) and contents(page) == [str(i) for i in range(10)]
    assert (page["next"], page["first"], page["end"]) == (11, 1, 11)
    assert page["events"][0]["message"]["from"] == "me"
    page = read(door, **{"from": 4, "limit": 3})
    assert numbers(page) == [4, 5, 6] and page["next"] == 7
    page = read(door, backwards=True, limit=4)
    assert numbers(page) == [10, 9, 8, 7] and page["next"] == 6
    assert numbers(read(door, backwards=True, **{"from": 2})) == [2, 1]
    assert numbers(read(door, newest=3)) == [8, 9, 10]
    assert numbers(read(door, filter="topic = 'orders.odd'", newest=2)) == [8, 10]
    assert numbers(read(door, since=page["events"][0]["at"] + 3_600_000)) == []
    assert numbers(read(door, since=1)) == list(range(1, 11))
    assert "content" not in read(door, limit=1, content=False)["events"][0]["message"]


def test_U14_what_no_stream_takes_is_refused(door):
    door.call("stream.set", name="s", topic="orders.>")
    said = door.publish(topic="other", content="x", mode=mode(door))
    assert "not_kept" in json.dumps(said)


def test_U14_an_event_published_at_most_once_is_kept_all_the_same(door):
    door.call("stream.set", name="s", topic="a")
    assert door.publish(topic="a", content="x", **TEXT)["outcome"] == "sent"
    page = read(door, wait=5_000)
    assert contents(page) == ["x"]


def test_U14_a_reader_waits_for_the_next_event(door, server):
    door.call("stream.set", name="s", topic="a")
    began = time.monotonic()
    page = read(door, wait=300)
    assert numbers(page) == [] and time.monotonic() - began >= 0.25
    with closing(Client(("127.0.0.1", server.port), agent="other")) as other:
        timer = threading.Timer(0.2, lambda: other.publish("late", topic="a", mode=AT_LEAST_ONCE, **TEXT))
        timer.start()
        page = read(door, wait=20_000)
        timer.join()
    assert contents(page) == ["late"]


def test_U14_the_newest_so_many_stay(door):
    door.call("stream.set", name="s", topic="a", max_events=3)
    for i in range(8):
        publish(door, "a", str(i))
    assert numbers(read(door)) == [6, 7, 8]
    shown = door.call("stream.show", name="s")["stream"]
    assert (shown["first"], shown["next"], shown["events"], shown["max_events"]) == (6, 9, 3, 3)


def test_U14_of_each_key_the_newest_stays(door):
    door.call("stream.set", name="s", topic="price", keep_last_by="content.symbol", max_keys=2)

    # A door that speaks JSON is given the object, the native one its text.
    def say(symbol, price):
        content = {"symbol": symbol, "price": price}
        native = isinstance(door, NativeDoor)
        return {"content": json.dumps(content) if native else content, "content_type": "application/json"}

    for symbol, price in (("x", 1), ("y", 2), ("x", 3)):
        publish(door, "price", **say(symbol, price))
    assert numbers(read(door)) == [2, 3]
    said = door.publish(topic="price", mode=mode(door), **say("z", 4))
    assert "limit_reached" in json.dumps(said)


def test_U14_purge_pause_resume_and_remove(door):
    door.call("stream.set", name="s", topic="a")
    for i in range(5):
        publish(door, "a", str(i))
    purged = door.call("stream.purge", name="s", below=3)
    # The native protocol answers with a number alone.
    assert (struct.unpack("<I", purged)[0] if isinstance(purged, bytes) else purged["purged"]) == 2
    assert numbers(read(door)) == [3, 4, 5]
    door.call("stream.pause", name="s")
    assert door.call("stream.list")["streams"][0]["paused"] is True
    assert "not_kept" in json.dumps(door.publish(topic="a", content="x", mode=mode(door)))
    door.call("stream.resume", name="s")
    publish(door, "a", "y")
    assert numbers(read(door)) == [3, 4, 5, 6]
    door.call("stream.remove", name="s")
    assert door.call("stream.list")["streams"] == []


def test_U14_a_consumer_remembers_how_far_it_is(door):
    door.call("stream.set", name="s", topic="a")
    for i in range(6):
        publish(door, "a", str(i))
    door.call("consumer.set", stream="s", name="c")
    take = lambda **more: door.call("consumer.read", stream="s", name="c", **more)  # noqa: E731
    assert numbers(take(limit=3)) == [1, 2, 3]
    assert numbers(take(limit=2)) == [4, 5]
    door.call("consumer.ack", stream="s", name="c", sequences=[2, 4], again=[1, 3, 5])
    again = take(limit=10)
    assert numbers(again) == [1, 3, 5] and again["events"][0]["delivery"] == 2
    assert numbers(take(limit=10)) == [6]
    door.call("consumer.ack", stream="s", name="c", below=7)
    shown = door.call("consumer.list", stream="s")["consumers"][0]
    assert (shown["floor"], shown["pending"], shown["left"]) == (7, 0, 0)
    door.call("consumer.remove", stream="s", name="c")
    assert door.call("consumer.list", stream="s")["consumers"] == []


def test_U14_what_is_not_acknowledged_in_time_comes_again(door):
    door.call("stream.set", name="s", topic="a")
    publish(door, "a", "x")
    door.call("consumer.set", stream="s", name="c", ack_wait=300)
    first = door.call("consumer.read", stream="s", name="c")
    again = door.call("consumer.read", stream="s", name="c", wait=20_000)
    assert numbers(first) == numbers(again) == [1]
    assert [page["events"][0]["delivery"] for page in (first, again)] == [1, 2]


def test_X20_replay_and_copy(door, server):
    door.call("stream.set", name="s", topic="a")
    door.call("stream.set", name="again", topic="b")
    door.call("stream.set", name="copy", topic="nothing")
    for i in range(4):
        publish(door, "a", str(i))
    assert door.call("stream.replay", name="s", to="b", **{"from": 2})["played"] == 3
    page = read(door, name="again", wait=5_000)
    assert contents(page) == ["1", "2", "3"] and page["events"][0]["message"]["topic"] == "b"
    assert door.call("stream.copy", name="s", to="copy", **{"from": 2, "until": 4})["played"] == 2
    assert contents(read(door, name="copy")) == ["1", "2"]


def test_X20_a_replay_keeps_the_pace_and_can_be_stopped(connect):
    client, other = connect("me"), connect("other")
    client.carry_out("stream.set", name="s", topic="a")
    for i in range(3):
        client.publish(str(i), topic="a", mode=AT_LEAST_ONCE, **TEXT)
        time.sleep(0.4)
    other.subscribe("b")
    began = time.monotonic()
    assert client.carry_out("stream.replay", name="s", to="b", speed=2)["played"] == 3
    assert 0.3 <= time.monotonic() - began < 2
    assert [other.delivery().content for _ in range(3)] == [b"0", b"1", b"2"]
    client.carry_out("stream.replay", name="s", to="b", speed=0.001, keep=True)
    assert other.delivery().content == b"0"
    with pytest.raises(Refused, match="in_use"):
        client.carry_out("stream.replay", name="s", to="b")
    client.carry_out("stream.stop", name="s")
    assert "replays" not in client.carry_out("stream.show", name="s")["stream"]
    other.no_delivery(0.2)


@pytest.mark.parametrize(
    "arguments, word",
    [
        ({"name": "s", "topic": "a..b"}, "invalid_topic"),
        ({"name": "s", "topic": "a", "filter": "nonsense ="}, "invalid_filter"),
        ({"name": "s", "topic": "a", "max_keys": 5}, "invalid_field"),
        ({"name": "s", "topic": "a", "keep_last_by": "content.x", "max_events": 5}, "invalid_field"),
        ({"name": "s", "topic": "a", "max_bytes": 5}, "out_of_range"),
    ],
)
def test_U14_a_wrong_stream_is_refused(connect, arguments, word):
    with pytest.raises(Refused, match=word):
        connect().carry_out("stream.set", **arguments)


def test_U14_a_kill_in_the_middle_loses_nothing_confirmed_and_doubles_nothing(make_server, tmp_path):
    server = make_server()
    confirmed = []
    for life in range(3):
        client = Client(("127.0.0.1", server.port), agent="publisher")
        client.carry_out("stream.set", name="s", topic="a.>")
        client.carry_out("consumer.set", stream="s", name="c")

        def pour():
            try:
                for i in range(100_000):
                    text = f"{life}:{i}"
                    client.publish(text, topic="a.b", mode=AT_LEAST_ONCE, **TEXT)
                    confirmed.append(text)
            except Exception:
                pass

        thread = threading.Thread(target=pour)
        thread.start()
        time.sleep(0.5)
        server.kill9()
        thread.join()
        server.start()
    with closing(Client(("127.0.0.1", server.port), agent="reader")) as reader:
        got, at = [], 1
        while True:
            page = reader.carry_out("stream.read", name="s", limit=1_000, **{"from": at})
            got += page["events"]
            at = page["next"]
            if at >= page["end"]:
                break
        texts = [event["message"]["content"] for event in got]
        assert numbers({"events": got}) == list(range(1, len(got) + 1))
        assert len(set(texts)) == len(texts) and len(confirmed) > 100
        assert set(confirmed) <= set(texts)
        mine = [text for text in texts if text in set(confirmed)]
        assert mine == confirmed
        assert numbers(reader.carry_out("stream.read", name="s", newest=2)) == [len(got) - 1, len(got)]
        assert numbers(reader.carry_out("stream.read", name="s", backwards=True, limit=3))[0] == len(got)
        page = reader.carry_out("consumer.read", stream="s", name="c", limit=5)
        assert numbers(page) == [1, 2, 3, 4, 5]


def packed(client, operation, /, **arguments):
    """The page as bytes (docs/protocol.md, section 14): its head, and each event's head, fields and content."""
    body = client.call(CALL, msgpack.packb({0: operation, 1: json.dumps(arguments), 2: True})).body
    following, first, end, count = struct.unpack_from("<QQQI", body)
    events, at = [], 28
    for _ in range(count):
        sequence, came, delivery, size = struct.unpack_from("<QqII", body, at)
        fields, content = read_message(body[at + 24 : at + 24 + size])
        events.append((sequence, came, delivery, fields, content.decode()))
        at += 24 + size
    assert at == len(body)
    return {"next": following, "first": first, "end": end}, events


def test_X20_U14_a_page_can_be_had_as_bytes(server):
    with closing(NativeDoor(server)) as door:
        client = door.client
        client.carry_out("stream.set", name="s", topic="orders.>")
        for i in range(20):
            publish(door, "orders.new", f"event {i}", priority=i % 10 + 1)
        client.carry_out("consumer.set", stream="s", name="c")
        page = client.carry_out("stream.read", name="s", limit=7, **{"from": 5})
        ends, events = packed(client, "stream.read", name="s", limit=7, **{"from": 5})
        assert ends == {key: page[key] for key in ("next", "first", "end")} == {"next": 12, "first": 1, "end": 21}
        for (sequence, came, delivery, fields, content), one in zip(events, page["events"], strict=True):
            assert sequence == one["sequence"] and came > 1_700_000_000_000 and delivery == 0
            assert content == one["message"]["content"] == f"event {sequence - 1}"
            assert fields["topic"] == "orders.new" and fields["priority"] == (sequence - 1) % 10 + 1
        assert [event[4] for event in packed(client, "stream.read", name="s", content=False)[1]] == [""] * 20
        backwards = packed(client, "stream.read", name="s", backwards=True, limit=3)[1]
        assert [event[0] for event in backwards] == [20, 19, 18]
        given = packed(client, "consumer.read", stream="s", name="c", limit=2)[1]
        assert [(event[0], event[2], event[4]) for event in given] == [(1, 1, "event 0"), (2, 1, "event 1")]
        with pytest.raises(Refused, match="there is no stream none"):
            packed(client, "stream.read", name="none")
        with pytest.raises(Refused, match="the answer to stream.list is not to be had `packed`"):
            packed(client, "stream.list")
    with closing(WebsocketDoor(server)) as door:
        refused = door._ask("call", name="stream.read", arguments={"name": "s"}, packed=True)
        assert refused["code"] == "invalid_field" and "in JSON the answer is JSON" in refused["error"]


def test_U14_a_position_that_was_confirmed_does_not_go_back(make_server):
    server = make_server()
    with closing(Client(("127.0.0.1", server.port), agent="me")) as client:
        client.carry_out("stream.set", name="s", topic="a")
        client.carry_out("consumer.set", stream="s", name="c")
        for i in range(20):
            client.publish(str(i), topic="a", mode=AT_LEAST_ONCE, **TEXT)
        client.carry_out("consumer.read", stream="s", name="c", limit=10)
        client.carry_out("consumer.ack", stream="s", name="c", below=6, sequences=[8])
    server.kill9()
    server.start()
    with closing(Client(("127.0.0.1", server.port), agent="me")) as client:
        page = client.carry_out("consumer.read", stream="s", name="c", limit=100)
        assert numbers(page) == [6, 7] + list(range(9, 21))


def test_U14_events_of_one_publisher_stay_in_order(connect):
    """Whichever shard it is at: a topic that a stream takes is published in the first one."""
    admin = connect("admin")
    admin.carry_out("stream.set", name="s", topic="a.*")
    publishers = [connect(f"agent-{i}") for i in range(4 if SHARDED else 2)]
    for i in range(30):
        for which, publisher in enumerate(publishers):
            mode = AT_LEAST_ONCE if i % 3 == 0 else 0
            publisher.publish(f"{which}:{i}", topic=f"a.{which}", mode=mode, **TEXT)
    got = []
    deadline = time.monotonic() + 20
    while len(got) < 30 * len(publishers) and time.monotonic() < deadline:
        page = admin.carry_out("stream.read", name="s", limit=1_000, wait=1_000, **{"from": len(got) + 1})
        got += contents(page)
    for which in range(len(publishers)):
        assert [text for text in got if text.startswith(f"{which}:")] == [f"{which}:{i}" for i in range(30)]


def test_U14_the_shell_keeps_reads_exports_and_imports(make_server):
    server, other = make_server(), make_server()
    run = server.cli
    assert run("stream", "set", "orders", "orders.>", "--max-events", "100").stdout == "stream orders is set\n"
    for i in range(3):
        run("publish", "orders.new", f'{{"id":{i}}}', "--kept")
    assert "3 events (1 to 3)" in run("stream", "list").stdout
    assert "max 100 events" in run("stream", "show", "orders").stdout
    lines = run("stream", "read", "orders", "--json").stdout.splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == [1, 2, 3]
    assert run("stream", "read", "orders", "--raw", "--newest", "1").stdout.strip() == '{"id":2}'
    assert run("stream", "read", "orders", "--backwards", "--limit", "1").stdout.startswith("#3 ")
    exported = run("stream", "export", "orders").stdout
    other.cli("stream", "set", "copy", "orders.>")
    said = other.cli("stream", "import", "-", stdin=exported)
    assert said.stdout == "3 events were published and are kept\n"
    assert '{"id":1}' in other.cli("stream", "read", "copy", "--raw").stdout
    assert run("stream", "replay", "orders", "again").stdout == "3 events went out\n"
    assert run("stream", "purge", "orders", "--keep", "1").stdout == "2 events are gone\n"
    assert run("stream", "pause", "orders").stdout == "stream orders is paused\n"
    assert run("stream", "resume", "orders", "--json").stdout == '{"stream":"orders","status":"resumed"}\n'
    assert run("stream", "remove", "orders").stdout == "stream orders is removed\n"
    assert run("stream", "list").stdout == ""


def test_U14_X19_a_stream_holds_what_its_events_refer_to(make_server):
    """As long as the event is given out, and over a kill; not longer."""
    server = make_server("--set", "content.grace=1s")
    client = Client(("127.0.0.1", server.port), agent="me")

    for number, how in enumerate([{"max_events": 2}, {"keep_last_by": "conversation"}]):
        name, topic = f"s{number}", f"t{number}"
        client.carry_out("stream.set", name=name, topic=topic, **how)
        data = bytes([number]) * 200_000
        ref = client.upload(data)
        sent = client.publish(topic=topic, mode=AT_LEAST_ONCE, content_ref=ref, conversation="c")
        assert sent.outcome == "kept"
        time.sleep(2.5)
        server.kill9()
        server.start()
        client.close()
        client = Client(("127.0.0.1", server.port), agent="me")
        time.sleep(2.5)
        (event,) = client.carry_out("stream.read", name=name)["events"]
        assert event["message"]["content_ref"]["size"] == len(data)
        assert client.fetch(ref) == data
        # Newer ones take its place.
        for i in range(2):
            client.publish(str(i), topic=topic, mode=AT_LEAST_ONCE, conversation="c", **TEXT)
        deadline = time.monotonic() + 15
        while client_has(client, ref) and time.monotonic() < deadline:
            time.sleep(2.5)  # asking starts its grace anew
        assert not client_has(client, ref)
    client.close()


def client_has(client, ref):
    """Whether the server has the content still; asking starts its grace anew."""
    try:
        client.stat_content(ref[0])
        return True
    except Refused:
        return False


def test_U14_X19_a_purge_or_a_removal_lets_go_of_contents(make_server):
    server = make_server("--set", "content.grace=1s")
    with closing(Client(("127.0.0.1", server.port), agent="me")) as client:
        refs = []
        for number, name in enumerate(["purged", "removed"]):
            client.carry_out("stream.set", name=name, topic=name)
            refs.append(client.upload(bytes([number]) * 1_000))
            client.publish(topic=name, mode=AT_LEAST_ONCE, content_ref=refs[-1])
        client.carry_out("stream.set", name="copy", topic="nothing")
        client.carry_out("stream.copy", name="purged", to="copy")
        client.carry_out("stream.purge", name="purged", all=True)
        client.carry_out("stream.remove", name="removed")
        time.sleep(2.5)
        assert client_has(client, refs[0]) and not client_has(client, refs[1])
        client.carry_out("stream.purge", name="copy", all=True)
        time.sleep(2.5)
        assert not client_has(client, refs[0])


class Tail:
    """GET /api/streams/s/events as server-sent events."""

    def __init__(self, server, query="", last=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": str(last)} if last is not None else {})
        self.connection.request("GET", f"/api/streams/s/events{query}", headers=headers)
        self.answer = self.connection.getresponse()

    def next(self):
        """Event, id and data of the next one; comments are passed over."""
        while True:
            fields = {}
            while line := self.answer.readline().decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                fields[name] = value
            if "data" in fields:
                return fields["event"], fields.get("id"), json.loads(fields["data"])

    def contents(self, count):
        got = [self.next() for _ in range(count)]
        assert all(event == "event" and int(id) == data["sequence"] for event, id, data in got), got
        return [data["message"]["content"] for _, _, data in got]

    def close(self):
        self.connection.close()


def test_U14_X20_a_client_that_comes_again_goes_on_where_it_was(server):
    with closing(HttpDoor(server)) as door:
        door.call("stream.set", name="s", topic="t.>", max_events=5)
        for number in range(3):
            publish(door, "t.x", f"{number}")
        with closing(Tail(server)) as tail:
            assert tail.contents(3) == ["0", "1", "2"]
            publish(door, "t.x", "3")
            assert tail.contents(1) == ["3"], "it goes on as events come"
        publish(door, "t.x", "4")
        with closing(Tail(server, last=2)) as tail:
            assert tail.contents(3) == ["2", "3", "4"]
        with closing(Tail(server, "?newest=1")) as tail:
            assert tail.contents(1) == ["4"]
        for number in range(5, 9):
            publish(door, "t.x", f"{number}")
        with closing(Tail(server, last=2)) as tail:
            event, _, data = tail.next()
            assert event == "missed" and data == {"count": 2}, "what the stream has given up is told"
            assert tail.contents(5) == ["4", "5", "6", "7", "8"]


@pytest.mark.parametrize("query, last", [("?backwards=true", None), ("", "x"), ("?nobody=1", None), ("", 2**64 - 1)])
def test_U14_a_tail_that_cannot_be_is_refused_before_it_begins(server, query, last):
    with closing(HttpDoor(server)) as door:
        door.call("stream.set", name="s", topic="t.>")
    with closing(Tail(server, query, last)) as tail:
        assert tail.answer.status == 400 and "error" in json.loads(tail.answer.read())
