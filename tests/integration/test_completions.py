"""What becomes of the outputs of a completion when somebody they are for is gone (docs/delivery.md): at every door."""

import pytest
from native import Refused, message
from test_delivery_native import eventually, text_id
from test_http import Http
from test_websocket import run


@pytest.fixture
def gone(connect):
    """A durable request whose requester waits no more, in the hands of `worker`: (worker, delivery)."""
    asker = connect("asker")

    def make(worker, how, **options):
        request = asker.start_request(
            "how many?", to="worker", mode=1, timeout_ms=1_500 if how == "timed out" else 20_000
        )
        (asked,) = worker.receive("worker", wait_ms=10_000, **options)
        if how == "cancelled":
            asker.cancel(request)
        with pytest.raises(Refused):
            asker.end_request(request, timeout=15)
        return asked

    return make


@pytest.mark.parametrize("how", ["cancelled", "timed out"])
def test_X5_an_answer_that_nobody_waits_for_is_told_from_one_that_arrives(connect, gone, how):
    worker = connect("worker")
    asked = gone(worker, how)
    address = asked.fields["reply_to"]
    outputs = [
        message(b"1", to="left"),
        message(b"2", to=address),
        message(b"3", to="right"),
        message(b"4", to=address, type=6),
        message(b"5", to="left"),
    ]
    results = worker.complete(asked.lease, outputs)
    assert [result[0] if isinstance(result[0], int) else result.outcome for result in results] == [
        "queued",
        14,
        "queued",
        14,
        "queued",
    ]
    assert all(address in results[place][1] for place in (1, 3))
    assert worker.receipts(asked.fields["id"])[0]["state"] == "acknowledged"
    ids = [results[place].id for place in (0, 2, 4)]
    assert len(set(ids)) == 3 and bytes(16) not in ids
    assert sorted(got.content for name in ("left", "right") for got in worker.receive(name, max=9, wait_ms=5_000)) == [
        b"1",
        b"3",
        b"5",
    ]


def test_X5_over_http(server, connect, gone):
    ask = Http(server, **{"X-Agent": "worker"})
    worker = connect("worker")
    asked = gone(worker, "cancelled", lease_ms=60_000)
    body = {
        "lease": str(asked.lease),
        "outputs": [{"to": asked.fields["reply_to"], "content": "5"}, {"to": "left", "content": "x"}],
    }
    status, done = ask("POST", f"/api/messages/{text_id(asked.fields['id'])}/complete", body)
    assert (status, done["status"]) == (200, "processed")
    assert done["results"][0]["code"] == "no_such_request" and "id" not in done["results"][0]
    assert done["results"][1]["outcome"] == "queued"


def test_X5_over_websocket(server, connect, gone):
    worker = connect("worker")
    asked = gone(worker, "cancelled", lease_ms=60_000)

    async def steps(me, other):
        done = await me.ask(
            "complete", request=1, lease=str(asked.lease), outputs=[{"to": asked.fields["reply_to"], "content": "5"}]
        )
        assert (done["op"], [result["code"] for result in done["results"]]) == ("ok", ["no_such_request"])

    run(server, steps)
    assert worker.receipts(asked.fields["id"])[0]["state"] == "acknowledged"


def test_X5_in_the_shell(server, connect):
    """It says so, and goes on."""
    asker = connect("asker")
    worker = server.cli_start("reply", "worker", "--exec", "sleep 1; cat")
    request = asker.start_request("too late", to="worker", mode=1, timeout_ms=200)
    with pytest.raises(Refused, match="timed_out"):
        asker.end_request(request, timeout=15)
    sent = asker.publish("next", to="worker", reply_to="asker")
    (answer,) = asker.receive("asker", wait_ms=20_000)
    assert answer.content == b"next"
    eventually(lambda: asker.receipts(sent.id)[0]["state"], lambda state: state == "acknowledged")
    worker.terminate()
    assert "no_such_request" in worker.communicate(timeout=20)[1]


@pytest.mark.parametrize("how", ["rejected", "expired", "failed too often"])
@pytest.mark.parametrize("bounce", [False, True])
def test_A4_who_waits_for_a_durable_request_hears_that_it_died(connect, how, bounce):
    asker, worker = connect("asker"), connect("worker")
    fields = {"ttl": 300} if how == "expired" else {"retry": [1, 0, 0, 0, 1000]}
    request = asker.start_request("how many?", to="worker", mode=1, correlation="c", bounce=bounce, **fields)
    if how != "expired":
        (asked,) = worker.receive("worker", wait_ms=10_000)
        (
            worker.reject(asked.lease, reason="not mine")
            if how == "rejected"
            else worker.nack(asked.lease, reason="not mine")
        )
    answer = asker.end_request(request, timeout=10)
    assert (answer.fields["type"], answer.fields["from"], answer.fields["correlation"]) == (8, "$bus", "c")
    reason = {"rejected": b"rejected", "expired": b"expired", "failed too often": b"max_deliveries"}[how]
    assert reason in answer.content and (how == "expired" or b"not mine" in answer.content)
    # It is told once, and in no other place.
    assert asker.receive("asker") == []
