"""Envelopes of other systems at the doors that speak JSON (docs/protocol.md, section 12): refused as messages.
CloudEvents have an address and media types of their own (test_cloudevents.py)."""

import pytest
from test_http import Http
from test_websocket import run

FOREIGN = {
    "CloudEvents": {
        "specversion": "1.0",
        "type": "com.example.done",
        "source": "/builds",
        "id": "0193f2c4-a1b2-7def-8123-456789abcdef",
        "datacontenttype": "application/json",
        "data": {"change": 12},
    },
    "CloudEvents with a content": {
        "specversion": "1.0",
        "type": "t",
        "source": "/s",
        "content": "an extension",
        "data": "x",
    },
    "JSON-RPC": {"jsonrpc": "2.0", "method": "message/send", "params": {"text": "hello"}, "content": "x"},
    "FIPA ACL": {"performative": "inform", "sender": "ann", "receiver": "bob", "content": "x"},
    "JSON-LD": {"@context": "https://www.w3.org/ns/activitystreams", "type": "Note", "content": "x"},
    "Pub/Sub": {"message": {"data": "aGVsbG8=", "attributes": {}}, "subscription": "s"},
    "Kafka REST": {"records": [{"value": "x"}]},
    "SNS": {"Type": "Notification", "MessageId": "1", "Message": "hello"},
    "an event of a queue": {"type": "task", "body": "hello"},
}


@pytest.mark.parametrize("envelope", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("where", [{"to": "bob"}, {"topic": "a.b"}, {}], ids=["mailbox", "topic", "routed"])
def test_U3_an_envelope_of_another_system_is_refused_and_not_emptied(server, envelope, where):
    ask = Http(server)
    message = {**envelope, **where}
    status, body = ask("POST", "/api/messages", message)
    assert (status, body["code"]) == (422, "invalid_field") and (
        "not understood" in body["error"] or "would be lost" in body["error"]
    )
    results = ask("POST", "/api/messages", [{"to": "bob", "content": "mine"}, message])[1]
    assert results[0]["outcome"] == "queued" and results[1]["code"] == "invalid_field"
    assert ask("POST", "/api/messages/batch", {"messages": [message], "atomic": True})[0] == 422

    async def steps(me, other):
        assert (await me.ask("publish", request=3, message=message))["code"] == "invalid_field"

    run(server, steps)
    (got,) = ask("GET", "/api/messages?agent=bob&wait=1s")[1]["messages"]
    assert got["content"] == "mine"


def test_U3_a_cloud_event_by_its_headers_is_refused_where_none_is_taken(server):
    headers = {"ce-specversion": "1.0", "ce-type": "t", "ce-source": "/s", "ce-id": "1"}
    for path in ("/api/messages/batch", "/message", "/api/requests"):
        status, body = Http(server, **headers)("POST", path, {"to": "bob", "content": "hello"})
        assert (status, body["code"]) == (400, "invalid_field") and "CloudEvent" in body["error"]
    assert Http(server)("GET", "/api/messages?agent=bob")[1]["messages"] == []


def test_U3_what_is_not_a_field_is_ignored_beside_a_content_and_a_message_may_be_sent_on_as_it_came(server):
    ask = Http(server)
    for more in ({"content": "x"}, {"content": ""}, {"data": None}, {}):
        assert (
            ask(
                "POST",
                "/api/messages",
                {"to": "bob", "x-mine": None, **({"x-other": 1} if more.get("content") else {}), **more},
            )[0]
            == 201
        )
    for got in ask("GET", "/api/messages?agent=bob&wait=1s")[1]["messages"]:
        got.pop("id")
        assert ask("POST", "/api/messages", {**got, "to": "ann"})[0] == 201
