"""Routes (A24) and filters of subscriptions (M2), from outside: over HTTP and the native door."""

import json
import urllib.error
import urllib.request

import pytest
from native import Refused
from test_cli import ok, subscriptions, wait_for
from test_websocket import run as run_websocket


def http(server, path, body):
    request = urllib.request.Request(f"http://{server.address}{path}",
                                     json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read() or "null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def call(server, operation, /, **arguments):
    status, answer = http(server, f"/api/call/{operation}", arguments)
    assert status == 200, answer
    return answer


def test_A24_a_message_without_a_recipient_goes_where_the_routes_say(server, connect):
    client = connect("alice")
    call(server, "route.set", name="urgent", order=1, filter="priority <= 3 AND metadata.kind = 'bug'",
         targets=["expert"])
    call(server, "route.set", name="rest", targets=[{"name": "a", "weight": 3}, {"name": "b"}], strategy="weighted")
    client.publish(b"1", priority=1, metadata={"kind": "bug"})
    for number in range(8):
        client.publish(str(number).encode())
    assert len(client.receive("expert", max=10)) == 1
    assert (len(client.receive("a", max=10)), len(client.receive("b", max=10))) == (6, 2)
    listed = call(server, "route.list")["routes"]
    assert [(route["name"], route["routed"]) for route in listed] == [("urgent", 1), ("rest", 8)]


def test_A24_routes_outlive_a_crash_and_change_from_one_message_to_the_next(server):
    call(server, "route.set", name="r", targets=["a"])
    server.kill9()
    server.start()
    assert http(server, "/api/messages", {"content": "x"})[0] in (200, 201, 202)
    assert [route["name"] for route in call(server, "route.list")["routes"]] == ["r"]
    call(server, "route.remove", name="r")
    status, answer = http(server, "/api/messages", {"content": "x"})
    assert status == 422 and "no_recipient" in json.dumps(answer)


def test_A24_what_fits_no_route_is_a_dead_letter_that_can_be_looked_at(server):
    call(server, "route.set", name="r", filter="type = 'query'", targets=["a"])
    http(server, "/api/messages", {"content": "x", "type": "task"})
    dead = call(server, "dead.list")["dead"]
    assert [(letter["mailbox"], letter["reason"]) for letter in dead] == [("$unrouted", "no_route")]


def test_A24_the_command_line_adds_lists_and_removes_routes(server):
    def run(*arguments, code=0):
        done = server.cli(*arguments)
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stderr

    assert run("route", "add", "urgent", "expert", "--filter", "priority <= 3", "--order",
               "10") == "route urgent is set\n"
    run("route", "add", "rest", "a=3", "b", "--strategy", "weighted")
    run("send", "", "the build is red", "--priority", "critical")
    assert "the build is red" in run("recv", "expert")
    assert run("route", "list").splitlines() == [
        "urgent  order 10  to expert (round_robin)  if priority <= 3  routed 1",
        "rest  order 100  to a=3, b (weighted)  routed 0"
    ]
    assert json.loads(run("route", "list", "--json").splitlines()[1])["targets"][0] == {"name": "a", "weight": 3}
    assert run("route", "remove", "rest") == "route rest is removed\n"
    assert "not_found" in run("route", "remove", "rest", code=1)
    assert "column" in run("route", "add", "x", "a", "--filter", "priority <", code=2)
    for words in ([], ["add"], ["list"], ["remove"], ["load"]):
        assert "\nExample:\n  " in run("route", *words, "--help")


@pytest.mark.parametrize("condition, column", [("priority <", 11), ("(" * 65 + "a = 1" + ")" * 65, 65),
                                               ("a" + " OR a" * 800, 1668)])
def test_A24_a_filter_that_does_not_compile_is_refused_with_its_place(server, condition, column):
    status, answer = http(server, "/api/routes", {"name": "r", "filter": condition, "targets": ["a"]})
    assert (status, answer["code"], answer["pointer"]) == (422, "invalid_filter", "/filter")
    assert f"column {column}:" in answer["error"] and "docs/filters.md" in answer["advice"]


def test_A24_routes_have_addresses_of_their_own_over_http(server):
    def http_get(path, method="GET"):
        with urllib.request.urlopen(urllib.request.Request(f"http://{server.address}{path}", method=method),
                                    timeout=20) as answer:
            return json.loads(answer.read())
    assert http(server, "/api/routes", {"name": "to a", "targets": ["a"]}) == (200, {})
    assert [route["name"] for route in http_get("/api/routes")["routes"]] == ["to a"]
    assert http_get("/api/routes/to%20a", "DELETE") == {}
    assert http_get("/api/routes") == {"routes": []}


def test_A24_routes_over_a_websocket(server):
    async def steps(me, other):
        route = {"name": "r", "filter": "type = 'bug'", "targets": ["other"]}
        assert (await me.ask("call", request=1, name="route.set", arguments=route))["op"] == "ok"
        assert (await me.ask("publish", request=2, message={"type": "bug", "content": "x"}))["outcome"] == "queued"
        listed = (await me.ask("call", request=3, name="route.list"))["result"]["routes"]
        assert [(one["name"], one["routed"]) for one in listed] == [("r", 1)]
        refused = await me.ask("call", request=4, name="route.set", arguments={**route, "filter": "type ="})
        assert (refused["code"], "column 7" in refused["error"]) == ("invalid_filter", True)

    run_websocket(server, steps)


def test_A24_agents_say_how_busy_they_are_at_every_door(server, connect):
    call(server, "route.set", name="r", targets=["a", "b", "c"], strategy="least_loaded")
    assert ok(server.cli("--as", "a", "route", "load", "50")) == "the load of a is 50\n"
    call(server, "agent.load", agent="b", load=40)
    sender = connect("sender")
    for _ in range(3):
        sender.publish(b"x")
    assert len(sender.receive("c", max=9)) == 3
    connect("c").carry_out("agent.load", load=100)
    connect("b").carry_out("agent.load", load=0)
    sender.publish(b"x")
    assert len(sender.receive("b", max=9)) == 1
    assert server.cli("route", "load", "1").returncode == 2  # whose?


def test_M2_a_subscription_with_a_filter_hears_what_it_holds_for(connect):
    listener, speaker = connect("bob"), connect("alice")
    listener.subscribe("news.>", filter="content.score > 5")
    for score in (3, 9):
        speaker.publish(json.dumps({"score": score}).encode(), topic="news.x")
    assert json.loads(listener.delivery().content) == {"score": 9}
    listener.no_delivery()
    with pytest.raises(Refused, match="invalid_filter.*column 8"):
        listener.subscribe("news.>", filter="score >")


def test_M2_a_subscription_with_a_filter_over_a_websocket(server):
    async def steps(me, other):
        asked = {"pattern": "news.>", "filter": "content.score > 5"}
        assert (await other.ask("subscribe", request=1, **asked)) == {"op": "ok", "request": 1}
        for score in (3, 9):
            await me.ask("publish", message={"topic": "news.x", "content": {"score": score}})
        assert (await other.read())["message"]["content"] == {"score": 9}
        refused = await other.ask("subscribe", request=2, pattern="a", filter="score >")
        assert (refused["request"], refused["code"]) == (2, "invalid_filter") and "column 8" in refused["error"]

    run_websocket(server, steps)


def test_M2_a_subscription_with_a_filter_on_the_command_line(server):
    listening = server.cli_start("subscribe", "news.>", "--filter", "metadata.branch = 'main'", "--count", "1", "--raw")
    wait_for(lambda: subscriptions(server) == 1)
    ok(server.cli("publish", "news.x", "no", "--meta", "branch=other"))
    ok(server.cli("publish", "news.x", "yes", "--meta", "branch=main"))
    out, _ = listening.communicate(timeout=30)
    assert (listening.returncode, out) == (0, "yes")
    wrong = server.cli("subscribe", "news.>", "--filter", "metadata.branch =")
    assert wrong.returncode == 2 and "invalid_filter" in wrong.stderr and "column" in wrong.stderr
