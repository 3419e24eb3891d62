"""Routes (A24) and filters of subscriptions (M2), from outside: over HTTP and the native door."""

import json
import urllib.error
import urllib.request

import msgpack
from native import SUBSCRIBE


def http(server, path, body):
    request = urllib.request.Request(f"http://{server.address}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read() or "null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def call(server, operation, /, **arguments):
    status, answer = http(server, f"/api/call/{operation}", arguments)
    assert status == 200, answer
    return answer


def test_a_message_without_a_recipient_goes_where_the_routes_say_A24(server, connect):
    client = connect("alice")
    call(server, "route.set", name="urgent", order=1, filter="priority <= 3 AND metadata.kind = 'bug'", targets=["expert"])
    call(server, "route.set", name="rest", targets=[{"name": "a", "weight": 3}, {"name": "b"}], strategy="weighted")
    client.publish(b"1", priority=1, metadata={"kind": "bug"})
    for number in range(8):
        client.publish(str(number).encode())
    assert len(client.receive("expert", max=10)) == 1
    assert (len(client.receive("a", max=10)), len(client.receive("b", max=10))) == (6, 2)
    listed = call(server, "route.list")["routes"]
    assert [(route["name"], route["routed"]) for route in listed] == [("urgent", 1), ("rest", 8)]


def test_routes_outlive_a_crash_and_change_from_one_message_to_the_next_A24(server):
    call(server, "route.set", name="r", targets=["a"])
    server.kill9()
    server.start()
    assert http(server, "/api/messages", {"content": "x"})[0] in (200, 201, 202)
    assert [route["name"] for route in call(server, "route.list")["routes"]] == ["r"]
    call(server, "route.remove", name="r")
    status, answer = http(server, "/api/messages", {"content": "x"})
    assert status == 400 and "no_recipient" in json.dumps(answer)


def test_what_fits_no_route_is_a_dead_letter_that_can_be_looked_at_A24(server):
    call(server, "route.set", name="r", filter="type = 'query'", targets=["a"])
    http(server, "/api/messages", {"content": "x", "type": "task"})
    dead = call(server, "dead.list")["dead"]
    assert [(letter["mailbox"], letter["reason"]) for letter in dead] == [("$unrouted", "no_route")]


def test_the_command_line_adds_lists_and_removes_routes_A24(server):
    def run(*arguments, code=0):
        done = server.cli(*arguments)
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stderr
    assert run("route", "add", "urgent", "expert", "--filter", "priority <= 3", "--order", "10") == "route urgent is set\n"
    run("route", "add", "rest", "a=3", "b", "--strategy", "weighted")
    run("send", "", "the build is red", "--priority", "critical")
    assert "the build is red" in run("recv", "expert")
    assert run("route", "list").splitlines() == ["urgent  order 10  to expert (round_robin)  if priority <= 3  routed 1",
                                                 "rest  order 100  to a=3, b (weighted)  routed 0"]
    assert json.loads(run("route", "list", "--json").splitlines()[1])["targets"][0] == {"name": "a", "weight": 3}
    assert run("route", "remove", "rest") == "route rest is removed\n"
    assert "not_found" in run("route", "remove", "rest", code=1)
    assert "column" in run("route", "add", "x", "a", "--filter", "priority <", code=1)
    for words in ([], ["add"], ["list"], ["remove"]):
        assert "\nExample:\n  " in run("route", *words, "--help")


def test_a_filter_that_does_not_compile_is_refused_with_its_place_A24(server):
    status, answer = http(server, "/api/call/route.set", {"name": "r", "filter": "priority <", "targets": ["a"]})
    assert status == 400 and "column" in json.dumps(answer)


def test_a_subscription_with_a_filter_hears_what_it_holds_for_M2(connect):
    listener, speaker = connect("bob"), connect("alice")
    request = listener.send_frame(SUBSCRIBE, msgpack.packb({0: "news.>", 3: "content.score > 5"}))
    listener.answer(request)
    for score in (3, 9):
        speaker.publish(json.dumps({"score": score}).encode(), topic="news.x")
    assert json.loads(listener.delivery().content) == {"score": 9}
    listener.no_delivery()
