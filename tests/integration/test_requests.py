"""Requests and responses through the native door (docs/protocol.md, sections 5 and 7)."""

import time

import pytest
from native import Refused


def test_A4_a_request_is_answered_by_publishing_to_its_reply_address(connect):
    asker, worker = connect("asker"), connect("worker")
    worker.consume("worker", credit=5)
    request = asker.start_request("2 + 2", to="worker", type=2, correlation="sum")
    question = worker.delivery()
    assert question.fields["reply_to"].startswith("@") and question.fields["from"] == "asker"
    assert question.fields["correlation"] == "sum" and question.lease is None
    assert worker.publish("4", to=question.fields["reply_to"], type=3).count == 1
    answer = asker.end_request(request)
    assert answer.content == b"4" and answer.fields["type"] == 3 and answer.fields[
        "from"] == "worker" and answer.lease is None


def test_A4_many_requests_in_flight_find_their_answers(connect):
    asker, worker = connect("asker"), connect("worker")
    worker.consume("worker", credit=100)
    requests = {asker.start_request(str(number), to="worker"): number for number in range(50)}
    for question in reversed([worker.delivery() for _ in range(50)]):
        worker.publish(b"<" + question.content + b">", to=question.fields["reply_to"])
    for request, number in requests.items():
        assert asker.end_request(request).content == b"<%d>" % number


def test_A4_a_request_waits_for_a_consumer_to_come(connect):
    asker, worker = connect("asker"), connect("worker")
    request = asker.start_request("anybody?", to="worker")
    time.sleep(0.2)
    worker.consume("worker", credit=1)
    worker.publish("me", to=worker.delivery().fields["reply_to"])
    assert asker.end_request(request).content == b"me"


def test_A4_a_request_times_out_and_a_late_response_is_refused(connect):
    asker, worker = connect("asker"), connect("worker")
    worker.consume("worker", credit=5)
    request = asker.start_request("slow", timeout_ms=2000, to="worker")
    question = worker.delivery()
    began = time.monotonic()
    with pytest.raises(Refused, match="timed_out"):
        asker.end_request(request, timeout=14)
    assert time.monotonic() - began < 12
    with pytest.raises(Refused, match="no_such_request"):
        worker.publish("too late", to=question.fields["reply_to"])


def test_A4_a_response_is_taken_once(connect):
    asker, worker = connect("asker"), connect("worker")
    worker.consume("worker", credit=5)
    request = asker.start_request("x", to="worker")
    address = worker.delivery().fields["reply_to"]
    worker.publish("first", to=address)
    with pytest.raises(Refused, match="no_such_request"):
        worker.publish("second", to=address)
    assert asker.end_request(request).content == b"first"


def test_A4_a_requester_that_is_gone_is_not_waited_for(connect):
    asker, worker = connect("asker"), connect("worker")
    worker.consume("worker", credit=5)
    asker.start_request("x", to="worker")
    address = worker.delivery().fields["reply_to"]
    asker.close()
    time.sleep(0.2)
    with pytest.raises(Refused, match="no_such_request"):
        worker.publish("for nobody", to=address)


@pytest.mark.parametrize("address", ["@", "@0.0", "@zz.1", "@1", "@ffffffffffffffffffff.1", "@1.1.1"])
def test_an_invented_reply_address_is_refused(connect, address):
    with pytest.raises(Refused, match="no_such_request|invalid_name"):
        connect().publish("x", to=address)


def test_A4_a_request_that_must_not_be_lost_survives_its_consumer(server, connect):
    from native import Client
    asker = connect("asker")
    first = Client(("127.0.0.1", server.port))
    first.consume("worker", credit=1)
    request = asker.start_request("x", to="worker", mode=1)
    question = first.delivery()
    assert question.lease
    first.close()
    second = connect("worker")
    second.consume("worker", credit=1)
    again = second.delivery()
    assert again.redelivered and again.fields["reply_to"] == question.fields["reply_to"]
    second.publish("done", to=again.fields["reply_to"])
    second.ack(again.lease)
    assert asker.end_request(request).content == b"done"


def test_A4_with_no_time_a_request_needs_a_consumer_at_once(connect):
    asker, worker = connect("asker"), connect("worker")
    with pytest.raises(Refused, match="no_consumer"):
        asker.request("x", timeout_ms=0, to="worker")
    worker.consume("worker", credit=1)
    request = asker.start_request("taken", timeout_ms=0, to="worker")
    assert asker.answer(request).body == b""
    assert worker.delivery().content == b"taken"
    with pytest.raises(Refused, match="no_consumer"):
        asker.request("the consumer is busy", timeout_ms=0, to="worker")


def test_A4_a_cancelled_request_is_not_answered(connect):
    asker, worker = connect("asker"), connect("worker")
    worker.consume("worker", credit=1)
    request = asker.start_request("x", to="worker")
    address = worker.delivery().fields["reply_to"]
    asker.cancel(request)
    with pytest.raises(Refused, match="no_such_request"):
        worker.publish("late", to=address)
