"""Every promise about delivery at the WebSocket door, in JSON (docs/protocol.md, sections 11 and 14)."""

from test_websocket import run


def test_A9_A13_duplicates_and_atomic_batches(server):
    async def steps(me, other):
        sent = await me.ask("publish", request=1, message={"to": "bob", "key": "k", "content": "x"})
        again = await me.ask("publish", request=2, message={"to": "bob", "key": "k", "content": "x"})
        assert (again["op"], again["id"], again["outcome"], again["state"]) == ("confirm", sent["id"], "duplicate",
                                                                                "queued")
        batch = [{"to": "box", "content": "a"}, {"topic": "a.b"}]
        refused = await me.ask("publish_batch", request=3, atomic=True, messages=batch)
        assert (refused["op"], refused["code"]) == ("error", "invalid_field")
        done = await me.ask("publish_batch", request=4, atomic=True, messages=[{"to": "box", "content": "b"}])
        assert [r["unread"] for r in done["results"]] == [1]

    run(server, steps)


def test_A13_a_wrong_message_of_a_batch_is_refused_alone(server):
    async def steps(me, other):
        wrong = {"to": "box", "priority": 99}
        done = await me.ask("publish_batch", request=1, quiet=True, messages=[wrong, {"to": "box"}, {"to": "@"}, wrong])
        assert [r.get("code", r.get("outcome")) for r in done["results"]
               ] == ["out_of_range", "queued", "no_such_request", "out_of_range"]
        none = await me.ask("publish_batch", request=2, messages=[wrong])
        assert (none["op"], none["request"], none["results"][0]["code"]) == ("ok", 2, "out_of_range")
        assert (await me.ask("publish_batch", request=3, atomic=True, messages=[{"to": "box"},
                                                                                wrong]))["code"] == "out_of_range"

    run(server, steps)


def test_X5_a_completion_settles_and_publishes(server):
    async def steps(me, other):
        sent = await me.ask("publish", message={"to": "other", "content": "2"})
        await other.send("receive", request=1, mailbox="other")
        task, _ = await other.read(), await other.read()
        done = await other.ask("complete", request=2, lease=task["lease"], outputs=[{"to": "me", "content": "4"}])
        assert (done["op"], len(done["results"])) == ("ok", 1)
        assert (await other.ask("complete", request=3, lease=task["lease"]))["code"] == "lease_lost"
        await me.send("receive", request=4, mailbox="me")
        got = await me.read()
        assert (got["message"]["content"], got["message"]["cause"]) == ("4", sent["id"])

    run(server, steps)


def test_A10_A11_X18_failures_and_dead_letters(server):
    async def steps(me, other):
        policy = {"attempts": 3, "backoff": "fixed", "initial": "1h"}
        await me.ask("mailbox", request=1, name="other", retry=policy)
        ids = [(await me.ask("publish", message={"to": "other", "content": str(i)}))["id"] for i in range(2)]
        await other.send("receive", request=2, mailbox="other", max=2)
        first, second, _ = [await other.read() for _ in range(3)]
        assert (await other.ask("nack", request=3, leases=[first["lease"]], reason="later"))["settled"] == 1
        assert (await other.ask("reject", request=4, leases=[second["lease"]], reason="never"))["settled"] == 1
        states = (await me.ask("receipt", request=5, ids=ids))["receipts"]
        assert [r["state"] for r in states] == ["scheduled", "dead"]
        listed = await me.ask("call", request=6, name="dead.list", arguments={"mailbox": "other", "content": True})
        (letter,) = listed["result"]["dead"]
        assert (letter["id"], letter["text"], letter["message"]["content"]) == (ids[1], "never", "1")
        again = await me.ask("call", request=7, name="dead.resubmit", arguments={"id": ids[1], "changes": {"to": "me"}})
        assert (again["op"], again["outcome"]) == ("confirm", "queued")
        assert (await me.ask("call", request=8, name="dead.redrive",
                             arguments={}))["result"] == {"sent": 0, "refused": 0}
        assert (await me.ask("call", request=9, name="message.cancel",
                             arguments={"id": ids[0]})) == {"op": "ok", "request": 9, "result": {}}
        assert (await me.ask("call", request=10, name="dead.purge", arguments={}))["code"] == "invalid_field"
        assert (await me.ask("call", request=11, name="fly", arguments={}))["code"] == "not_found"

    run(server, steps)


def test_A5_status_messages_and_withdrawals(server):
    async def steps(me, other):
        await other.ask("consume", request=1, mailbox="other")
        task = {"to": "other", "type": "command", "mode": "at_least_once", "content": "build"}
        await me.send("request", request=5, stream=True, timeout_ms="60s", message=task)
        asked = await other.read()
        reply_to = asked["message"]["reply_to"]
        await other.send("publish", quiet=True, message={"to": reply_to, "type": "status", "content": "half"})
        await other.send("complete", request=2, lease=asked["lease"],
                         outputs=[{"to": reply_to, "type": "response", "content": "done"}])
        assert [(await me.read())["message"]["content"] for _ in range(2)] == ["half", "done"]
        assert (await other.read())["op"] == "ok"

        await me.send("request", request=6, timeout_ms="60s", message=task)
        asked = await other.read()
        await me.send("cancel", request=7, target=6)
        assert {(await me.read())["op"] for _ in range(2)} == {"error", "ok"}
        assert await other.read() == {"op": "withdrawn", "id": asked["message"]["id"], "lease": asked["lease"]}

    run(server, steps)


def test_X5_schedules(server):
    async def steps(me, other):
        schedule = {"name": "s", "every": "100ms", "times": 1, "message": {"to": "me", "content": "tick"}}
        assert (await me.ask("call", request=1, name="schedule.set", arguments=schedule))["op"] == "ok"
        await me.send("receive", request=2, mailbox="me", wait_ms="15s")
        assert (await me.read())["message"]["content"] == "tick"

    run(server, steps)
