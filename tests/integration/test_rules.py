"""Rules of accounts (docs/security.md, 'Rules') for messages that come with an operation, or are made by one."""

import pytest
from test_accounts import Guarded, refused
from test_delivery_native import eventually


@pytest.fixture(params=[1, 3], ids=["one_shard", "three_shards"])
def guarded(make_server, request):
    return Guarded(make_server("--set", f"shards={request.param}"))


def test_A18_what_an_operation_brings_along_is_asked_as_what_is_published(guarded):
    """Schedules, dead letters that are changed, events that are played again: rules hold for them, and look inside."""
    guarded.add("opal", "--role", "operator")
    root = guarded.connect("root", agent="boss")
    root.carry_out("stream.set", name="open", topic="open.>")
    root.mailbox("sick", max_deliveries=1)
    guarded.cli("access", "grant", "*", "send", "*")
    guarded.cli("access", "grant", "*", "stream", "*")
    guarded.cli("access", "grant", "opal", "send", "tasks", "--deny", "--filter", "type != 'task'")
    guarded.cli("access", "grant", "opal", "conversation", "ours-*")
    guarded.cli("access", "grant", "opal", "publish", "open.>")
    opal = guarded.connect("opal")

    def schedule(**message):
        opal.carry_out("schedule.set", name="tick", every_ms=3_600_000, message={"content": "x", **message})

    schedule(to="tasks", type="task")
    schedule(to="others", type="query")
    schedule(topic="open.one")
    for wrong in (
        {"to": "tasks", "type": "query"},
        {"to": "others", "conversation": "theirs"},
        {"topic": "closed.one"},
        {"to": "others", "from": "root"},
    ):
        met = refused(schedule, **wrong)
        assert met.name == "not_permitted", met
    root.publish("x", to="sick")
    (got,) = root.receive("sick", wait_ms=5_000)
    root.nack(got.lease)
    (dead,) = eventually(lambda: root.carry_out("dead.list", mailbox="sick")["dead"], bool)
    for changes in (
        {"to": "tasks"},
        {"recipient_id": "tasks"},
        {"type": "query"},
        {"to": "well", "conversation": "theirs"},
    ):
        for call, how in ("dead.resubmit", {"id": dead["id"]}), ("dead.redrive", {"mailbox": "sick"}):
            assert refused(opal.carry_out, call, changes=changes, **how).name == "not_permitted", (call, changes)
    opal.carry_out("dead.resubmit", id=dead["id"], changes={"to": "well", "metadata.round": 2})
    assert refused(opal.carry_out, "stream.replay", name="open", to="closed.again").name == "not_permitted"
    opal.carry_out("stream.replay", name="open", to="open.again")
