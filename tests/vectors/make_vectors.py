#!/usr/bin/python3
"""Writes the protocol's test vectors from docs/protocol.md alone: an implementation apart from the C++ one.

    tests/vectors/make_vectors.py            writes envelopes.json and frames.json beside this file
    tests/vectors/make_vectors.py --check    says whether they are what it would write

envelopes.json  good: `hex` is an envelope followed by its content, `message` what it says as JSON (section 12). Where
                `canonical` is true, a writer that leaves defaults out and goes by ascending keys makes these bytes.
                bad: `error` is the code that a server answers.
frames.json     `hex` is one frame, `json` the same as a WebSocket's text (section 11), `after` the operation that it
                answers, if its body depends on that.
"""
import json
import pathlib
import struct
import sys

import msgpack

HERE = pathlib.Path(__file__).parent
ID = bytes.fromhex("0193f2c4a1b27def8123456789abcdef")
SHA = bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")  # of "abc"
ID_TEXT = "0193f2c4-a1b2-7def-8123-456789abcdef"
TYPES = [
    "", "task", "query", "response", "event", "command", "status", "notification", "error", "heartbeat", "discovery"
]


def envelope(fields):
    return msgpack.packb(fields, use_bin_type=True)


def frame(opcode, request, body=b"", flags=0):
    return struct.pack("<IBBHI", 8 + len(body), opcode, flags, 0, request) + body


def good(name, section, fields, content, message, canonical=True):
    return {"name": name, "section": section, "hex": (envelope(fields) + content).hex(), "message": message,
            "canonical": canonical}


def good_envelopes():
    full = {0: ID, 1: 1795000000123, 2: "planner", 3: "analyst", 5: 2, 6: 3, 7: "application/json", 8: "c-1", 9: "r-9",
            10: "planner", 11: "once-only", 12: 30000, 13: 1795000060000, 14: 2,
            15: {"trace": "abc", "hops": 3, "ratio": 0.5, "big": 2**63, "below": -7, "yes": True, "none": None,
                 "list": [1, "two", {"three": 3}]}}
    full_json = {"id": ID_TEXT, "timestamp": 1795000000123, "from": "planner", "to": "analyst", "type": "query",
                 "priority": 3, "content_type": "application/json", "content": {"question": ["why", 42]},
                 "conversation": "c-1", "correlation": "r-9", "reply_to": "planner", "key": "once-only", "ttl": 30000,
                 "deliver_at": 1795000060000, "mode": "exactly_once", "metadata": full[15]}
    rows = [
        good("the least that can be sent", 4, {3: "analyst"}, b"", {"to": "analyst", "type": "task", "priority": 5},
             False),
        good("text to a mailbox", 4, {3: "analyst", 5: 1, 7: "text/plain"}, b"hello",
             {"to": "analyst", "type": "task", "priority": 5, "content_type": "text/plain", "content": "hello"}),
        good("an event", 4, {4: "build.done", 5: 4, 7: "text/plain"}, "gr\u00fcn".encode(), {
            "topic": "build.done", "type": "event", "priority": 5, "content_type": "text/plain", "content": "gr\u00fcn"
        }),
        good("every field", 4, full, b'{"question":["why",42]}', full_json),
        good("how it may fail, what it belongs to and where it comes from", 4,
             {3: "a", 5: 1, 16: [5, 3, 1000, 60000, 2500], 17: "order-7", 18: True, 19: False, 20: "zstd", 21: ID}, b"",
             {
                 "to": "a", "type": "task", "priority": 5, "group": "order-7", "bounce": True, "expects_reply": False,
                 "encoding": "zstd", "cause": ID_TEXT, "retry": {
                     "attempts": 5, "backoff": "exponential_jitter", "initial": 1000, "max": 60000, "multiplier": 2.5
                 }
             }),
        good("as a server delivers what was caused by another", 4, {0: ID, 3: "a", 5: 1, 21: ID, 22: 2, 23: ID + ID},
             b"", {
                 "id": ID_TEXT, "to": "a", "type": "task", "priority": 5, "cause": ID_TEXT, "hops": 2,
                 "chain": [ID_TEXT, ID_TEXT]
             }),
        good("content by reference", 15, {3: "a", 5: 1, 7: "video/mp4", 24: [SHA, 81264023]}, b"", {
            "to": "a", "type": "task", "priority": 5, "content_type": "video/mp4",
            "content_ref": {"sha256": SHA.hex(), "size": 81264023}
        }),
        good("a type of one's own", 4, {3: "a", 5: "ws_ping"}, b"", {"to": "a", "type": "ws_ping", "priority": 5}),
        good("names at their longest", 4, {2: "f" * 255, 3: "t" * 255, 5: 1}, b"",
             {"from": "f" * 255, "to": "t" * 255, "type": "task", "priority": 5}),
        good("bytes that are no text", 12, {3: "a", 5: 1, 7: "image/png"}, bytes([0x89, 0x50, 0x4E, 0x47, 0, 255]),
             {"to": "a", "type": "task", "priority": 5, "content_type": "image/png", "content": "iVBORwD/",
              "content_encoding": "base64"}),
        good("text that is not UTF-8", 12, {3: "a", 5: 1, 7: "text/plain"}, b"\xff\xfe",
             {"to": "a", "type": "task", "priority": 5, "content_type": "text/plain", "content": "//4=",
              "content_encoding": "base64"}),
        good("JSON content in a +json type", 12, {3: "a", 5: 1, 7: "application/ld+json"}, b"[1,true,null]",
             {"to": "a", "type": "task", "priority": 5, "content_type": "application/ld+json", "content": [1, True, None]}),
        good("fields in any order, numbers wider than needed, a key of a newer client", 4, {3: "a"}, b"",
             {"to": "a", "type": "task", "priority": 2}, False),
        good("as a server delivers it: its own fields first", 4,
             {0: ID, 1: 1795000000000, 2: "planner", 7: "text/plain", 3: "analyst", 6: 1}, b"x",
             {"id": ID_TEXT, "timestamp": 1795000000000, "from": "planner", "to": "analyst", "type": "task",
              "priority": 1, "content_type": "text/plain", "content": "x"}, False),
        good("so long after it is accepted, until a time", 4, {3: "a", 5: 1, 25: 5000, 26: 1795000060000}, b"",
             {"to": "a", "type": "task", "priority": 5, "delay": 5000, "expires_at": 1795000060000}, False),
        good("of an event that a durable subscription put here", 4, {3: "a", 5: 4, 27: "orders.eu"}, b"",
             {"to": "a", "event_topic": "orders.eu", "type": "event", "priority": 5}, False),
        good("a life of 0: for ever", 4, {3: "a", 5: 1, 12: 0}, b"", {"to": "a", "type": "task", "priority": 5, "ttl": 0}),
    ]
    # map16 of 3 pairs: 200 (unknown): [1, {"x": nil}]; 6: u64 2; 3: str8 "a"
    rows[12]["hex"] = "de0003" + "ccc8" + "920181a178c0" + "06" + "cf0000000000000002" + "03" + "d90161"
    return rows


def bad_envelopes():
    bad = [
        ("no map", 4, b"\x93\x01\x02\x03", "malformed"),
        ("nothing at all", 4, b"", "malformed"),
        ("breaks off in a value", 4, b"\x81\x03\xa7anal", "malformed"),
        ("a count beyond what is there", 4, b"\xdf\xff\xff\xff\xff\x03\xa1a", "malformed"),
        ("a negative key", 4, b"\x82\x03\xa1a\xff\x01", "malformed"),
        ("a key that is a string", 4, b"\x82\x03\xa1a\xa1b\x01", "malformed"),
        ("a field given twice", 4, b"\x82\x03\xa1a\x03\xa1b", "malformed"),
        ("`to` is a number", 4, envelope({3: 7}), "malformed"),
        ("neither to nor topic", 4, envelope({2: "me"}), "no_recipient"),
        ("both to and topic", 4, envelope({3: "a", 4: "b"}), "no_recipient"),
        ("an empty name", 4, envelope({3: ""}), "invalid_name"),
        ("a name of 256 bytes", 4, envelope({3: "x" * 256}), "invalid_name"),
        ("a name with a line break", 4, envelope({3: "a\nb"}), "invalid_name"),
        ("a name that is not UTF-8", 4, b"\x81\x03\xa2\xc3\x28", "invalid_name"),
        ("a topic with an empty word", 4, envelope({4: "a..b"}), "invalid_topic"),
        ("a topic with a wildcard", 4, envelope({4: "a.*"}), "invalid_topic"),
        ("an id of 15 bytes", 4, envelope({0: b"x" * 15, 3: "a"}), "invalid_field"),
        ("priority 0", 4, envelope({3: "a", 6: 0}), "out_of_range"),
        ("priority 11", 4, envelope({3: "a", 6: 11}), "out_of_range"),
        ("type 11", 4, envelope({3: "a", 5: 11}), "out_of_range"),
        ("mode 3", 4, envelope({3: "a", 14: 3}), "out_of_range"),
        ("a ttl beyond ten years", 4, envelope({3: "a", 12: 2**40}), "out_of_range"),
        ("a delay beyond ten years", 4, envelope({3: "a", 25: 2**40}), "out_of_range"),
        ("an end beyond the year 2527", 4, envelope({3: "a", 26: 2**44}), "out_of_range"),
        ("both a delay and a time", 4, envelope({3: "a", 13: 1795000060000, 25: 1}), "invalid_field"),
        ("both a life and its end", 4, envelope({3: "a", 12: 0, 26: 1795000060000}), "invalid_field"),
        ("a retry policy of four", 4, envelope({3: "a", 16: [5, 3, 1000, 60000]}), "malformed"),
        ("a backoff that is none", 4, envelope({3: "a", 16: [5, 4, 1000, 60000, 2000]}), "out_of_range"),
        ("an encoding that is none", 4, envelope({3: "a", 20: "br"}), "invalid_field"),
        ("a reference with a hash of 31 bytes", 15, envelope({3: "a", 24: [SHA[:31], 5]}), "malformed"),
        ("a reference without a size", 15, envelope({3: "a", 24: [SHA]}), "malformed"),
        ("a reference to nothing", 15, envelope({3: "a", 24: [SHA, 0]}), "out_of_range"),
        ("a reference to more than 2^40 bytes", 15, envelope({3: "a", 24: [SHA, 2**40 + 1]}), "out_of_range"),
        ("metadata that is no map", 4, envelope({3: "a", 15: [1]}), "malformed"),
        ("metadata with a key that is a number", 4, envelope({3: "a", 15: {1: 2}}), "malformed"),
        ("metadata 17 deep", 4, envelope({3: "a", 15: nested(17)}), "out_of_range"),
        ("metadata with an extension type", 4, envelope({3: "a", 15: {"x": msgpack.ExtType(5,
                                                                                           b"z")}}), "invalid_field"),
    ]
    return [{"name": n, "section": s, "hex": h.hex(), "error": e} for n, s, h, e in bad]


def nested(depth):
    value = "deep"
    for _ in range(depth):
        value = {"in": value}
    return value


MESSAGE = {"to": "analyst", "type": "task", "priority": 5, "content_type": "text/plain", "content": "hi"}
EVENT = {"topic": "a.b", "type": "event", "priority": 5}
PACKED = envelope({3: "analyst", 5: 1, 7: "text/plain"}) + b"hi"
BATCH = struct.pack("<I", 2) + b"".join(struct.pack("<I", len(m)) + m for m in (PACKED, envelope({4: "a.b", 5: 4})))
LEASE, LEASE_TEXT = 0x1122334455667788, "1234605616436508552"


def frames_of_clients():
    """(name, section, opcode, body, what is said[, flags])"""
    return [
        ("HELLO", 3, 0x01, msgpack.packb({0: 1, 1: "analyst", 2: "secret", 3: "test"}),
         {"op": "hello", "agent": "analyst", "token": "secret", "client": "test"}),
        ("PUBLISH", 5, 0x02, PACKED, {"op": "publish", "message": MESSAGE}),
        ("PUBLISH_BATCH", 6, 0x03, BATCH,
         {"op": "publish_batch", "messages": [MESSAGE, EVENT]}),
        ("SUBSCRIBE", 7, 0x04, msgpack.packb({0: "build.>", 1: 100, 2: True}),
         {"op": "subscribe", "pattern": "build.>", "credit": 100, "echo": True}),
        ("SUBSCRIBE without credit", 7, 0x04, msgpack.packb({0: "*"}), {"op": "subscribe", "pattern": "*"}),
        ("CONSUME", 7, 0x05, msgpack.packb({0: "analyst",
                                            1: 32}), {"op": "consume", "mailbox": "analyst", "credit": 32}),
        ("RECEIVE", 7, 0x08, msgpack.packb({0: "analyst", 1: 10, 2: 5000, 3: 30000}),
         {"op": "receive", "mailbox": "analyst", "max": 10, "wait_ms": 5000, "lease_ms": 30000}),
        ("ACK", 7, 0x09, struct.pack("<QQ", LEASE, 7), {"op": "ack", "leases": [LEASE_TEXT, "7"]}),
        ("NACK", 7, 0x0A, msgpack.packb({0: [LEASE, 7], 1: 250, 2: "not now"}),
         {"op": "nack", "leases": [LEASE_TEXT, "7"], "delay_ms": 250, "reason": "not now"}),
        ("EXTEND", 7, 0x0B, msgpack.packb({0: [LEASE],
                                           1: 60000}), {"op": "extend", "leases": [LEASE_TEXT], "lease_ms": 60000}),
        ("REQUEST", 7, 0x0C, struct.pack("<I", 2500) + PACKED,
         {"op": "request", "timeout_ms": 2500, "message": MESSAGE}),
        ("RECEIPT", 8, 0x0D, ID + bytes(16),
         {"op": "receipt", "ids": [ID_TEXT, "00000000-0000-0000-0000-000000000000"]}),
        ("WAIT", 7, 0x0E, msgpack.packb({0: "analyst",
                                         1: 1000}), {"op": "wait", "mailbox": "analyst", "timeout_ms": 1000}),
        ("STATS", 9, 0x0F, msgpack.packb({}), {"op": "stats"}),
        ("STATS of a mailbox", 9, 0x0F, msgpack.packb({0: "analyst"}), {"op": "stats", "mailbox": "analyst"}),
        ("PING", 2, 0x10, b"", {"op": "ping"}),
        ("MAILBOX", 2, 0x11, msgpack.packb({0: "analyst", 1: 500, 2: 1, 3: 60000, 4: 5}), {
            "op": "mailbox", "name": "analyst", "max_messages": 500, "overflow": "drop_oldest", "default_ttl_ms": 60000,
            "max_deliveries": 5
        }),
        ("MAILBOX with a retry policy", 2, 0x11, msgpack.packb({0: "analyst", 5: [5, 2, 1000, 60000, 2500]}), {
            "op": "mailbox", "name": "analyst",
            "retry": {"attempts": 5, "backoff": "exponential", "initial": 1000, "max": 60000, "multiplier": 2.5}
        }),
    ]


def more_frames_of_clients():
    """Those of variants, and of what came later."""
    return [
        ("PUBLISH_BATCH, all or none", 6, 0x03, BATCH, {
            "op": "publish_batch", "atomic": True,
            "messages": [MESSAGE, EVENT]
        }, 2),
        ("REQUEST with status messages", 7, 0x0C, struct.pack("<I", 2500) + PACKED,
         {"op": "request", "timeout_ms": 2500, "stream": True, "message": MESSAGE}, 2),
        ("NACK, to wait as the retry policy says", 7, 0x0A, msgpack.packb({0: [7], 2: "not now"}),
         {"op": "nack", "leases": ["7"], "reason": "not now"}),
        ("REJECT", 7, 0x13, msgpack.packb({0: [LEASE, 7], 2: "not mine"}),
         {"op": "reject", "leases": [LEASE_TEXT, "7"], "reason": "not mine"}),
        ("COMPLETE", 7, 0x12, struct.pack("<QII", LEASE, 1, len(PACKED)) + PACKED,
         {"op": "complete", "lease": LEASE_TEXT, "outputs": [MESSAGE]}),
        ("COMPLETE without outputs", 7, 0x12, struct.pack("<QI", LEASE, 0), {"op": "complete", "lease": LEASE_TEXT}),
        ("CALL", 14, 0x14, msgpack.packb({0: "dead.list", 1: '{"mailbox":"analyst","limit":10}'}),
         {"op": "call", "name": "dead.list", "arguments": {"mailbox": "analyst", "limit": 10}}),
        ("CALL without arguments", 14, 0x14, msgpack.packb({0: "schedule.list"}),
         {"op": "call", "name": "schedule.list"}),
        ("SUBSCRIBE with a filter", 7, 0x04, msgpack.packb({0: "build.>", 3: "priority <= 3"}),
         {"op": "subscribe", "pattern": "build.>", "filter": "priority <= 3"}),
        ("REQUEST that is a command", 7, 0x0C, struct.pack("<I", 2500) +
         envelope({3: "analyst", 5: 5, 7: "application/json"}) + b'{"command":"deploy","parameters":{"change":12}}',
         {"op": "command", "to": "analyst", "command": "deploy", "parameters": {"change": 12}, "timeout_ms": 2500}, 2),
        ("CONTENT_OPEN", 15, 0x20, msgpack.packb({0: 3,
                                                  1: SHA}), {"op": "content_open", "size": 3, "sha256": SHA.hex()}),
        ("CONTENT_OPEN without a hash", 15, 0x20, msgpack.packb({0: 81264023}),
         {"op": "content_open", "size": 81264023}),
        ("CONTENT_STAT", 15, 0x23, SHA, {"op": "content_stat", "sha256": SHA.hex()}),
        ("CONTENT_READ", 15, 0x24, SHA + struct.pack("<QI", 2**20, 65536),
         {"op": "content_read", "sha256": SHA.hex(), "offset": 2**20, "size": 65536}),
    ]


def frames_of_servers():
    """(name, section, opcode, flags, body, what it answers, what is said)"""
    confirm = ID + struct.pack("<IB3xQ", 3, 1, 1500)
    duplicate = ID + struct.pack("<IBB2xQ", 3, 4, 4, 1500)
    never = ID + struct.pack("<IB3xQ", 1, 0, 2**64 - 1)
    sent = ID + struct.pack("<IB3xQ", 4, 3, 0)
    stamped = envelope({0: ID, 1: 1795000000000, 2: "planner", 3: "analyst", 5: 1, 7: "text/plain"}) + b"hi"
    delivered = {"id": ID_TEXT, "timestamp": 1795000000000, "from": "planner", **MESSAGE}
    error_text = "mailbox analyst is full (10000 of 10000 waiting)"
    error = struct.pack("<H", 13) + error_text.encode()
    answer = {"id": ID_TEXT, "unread": 3, "outcome": "offered", "last_read_age_ms": 1500, "status": "pending"}
    return [
        ("WELCOME", 3, 0x81, 0,
         msgpack.packb({0: 1, 1: "folkmoot/0.1.0", 2: 42, 3: 8388608, 4: 1048576, 5: 77, 6: 2**30}), "hello", {
             "op": "welcome", "version": 1, "server": "folkmoot/0.1.0", "session": 42, "max_frame_bytes": 8388608,
             "max_content_bytes": 1048576, "node": 77, "max_stored_bytes": 2**30
         }),
        ("CONFIRM", 5, 0x82, 0, confirm, "publish", {"op": "confirm", **answer}),
        ("CONFIRM of a duplicate", 5, 0x82, 0, duplicate, "publish",
         {"op": "confirm", **answer, "outcome": "duplicate", "state": "acknowledged", "status": "processed"}),
        ("OK of COMPLETE", 7, 0x83, 0, struct.pack("<H", 0) + confirm, "complete", {"op": "ok", "results": [answer]}),
        ("OK of CALL dead.purge", 14, 0x83, 0, struct.pack("<I", 12), "call", {"op": "ok", "result": {"purged": 12}}),
        ("CONFIRM, never read", 5, 0x82, 0, never, "publish",
         {"op": "confirm", "id": ID_TEXT, "unread": 1, "outcome": "queued", "last_read_age_ms": None, "status": "pending"}),
        ("CONFIRM of an event", 5, 0x82, 0, sent, "publish",
         {"op": "confirm", "id": ID_TEXT, "subscriptions": 4, "outcome": "sent", "status": "delivered"}),
        ("CONFIRM of an event that is kept", 5, 0x82, 0, ID + struct.pack("<IB3xQ", 2, 6, 0), "publish",
         {"op": "confirm", "id": ID_TEXT, "copies": 2, "outcome": "kept", "status": "pending"}),
        ("OK of PUBLISH_BATCH", 6, 0x83, 0,
         struct.pack("<H", 0) + confirm + struct.pack("<HH", 13, len(error_text)) + error_text.encode(),
         "publish_batch", {"op": "ok", "results": [answer, {"code": "mailbox_full", "error": error_text}]}),
        ("OK of SUBSCRIBE", 7, 0x83, 0, b"", "subscribe", {"op": "ok"}),
        ("OK of CONSUME", 7, 0x83, 0, struct.pack("<I", 12), "consume", {"op": "ok", "ready": 12}),
        ("OK of RECEIVE", 7, 0x83, 0, struct.pack("<II", 2, 0), "receive", {"op": "ok", "count": 2}),
        ("OK of REQUEST with timeout_ms 0", 7, 0x83, 0, b"", "request", {"op": "ok"}),
        ("OK of WAIT", 7, 0x83, 0, struct.pack("<II", 3, 1), "wait", {"op": "ok", "ready": 3, "first_priority": 1}),
        ("OK of RECEIPT", 8, 0x83, 0, msgpack.packb([{0: ID, 1: "analyst", 2: 5, 3: 2, 4: 1795000000000,
                                                      5: "expired"}]), "receipt", {
                                                          "op": "ok", "receipts": [{
                                                              "id": ID_TEXT, "recipient": "analyst", "state": "dead",
                                                              "status": "expired", "deliveries": 2, "at": 1795000000000,
                                                              "reason": "expired"
                                                          }]
                                                      }),
        ("OK of STATS", 9, 0x83, 0, b'{"uptime_ms":5}', "stats", {"op": "ok", "stats": {"uptime_ms": 5}}),
        ("OK of CONTENT_OPEN, stored already", 15, 0x83, 0, b"\1", "content_open", {"op": "ok", "stored": True}),
        ("OK of CONTENT_OPEN", 15, 0x83, 0, b"\0", "content_open", {"op": "ok", "stored": False}),
        ("OK of CONTENT_FINISH", 15, 0x83, 0, struct.pack("<QB", 3,
                                                          0), "content_finish", {"op": "ok", "size": 3,
                                                                                 "known": False}),
        ("OK of CONTENT_STAT", 15, 0x83, 0, struct.pack("<Q", 81264023), "content_stat", {"op": "ok",
                                                                                          "size": 81264023}),
        ("OK of CONTENT_READ", 15, 0x83, 0, b"abc", "content_read", {"op": "ok", "data": "YWJj"}),
        ("ERROR", 10, 0x84, 0, error, "publish", {"op": "error", "code": "mailbox_full", "error": error_text}),
        ("DELIVER of a subscription", 7, 0x85, 0, stamped, "subscribe",
         {"op": "deliver", "redelivered": False, "message": delivered}),
        ("DELIVER with a lease, redelivered", 7, 0x85, 3, struct.pack("<QI", LEASE, 2) + stamped, "consume",
         {"op": "deliver", "lease": LEASE_TEXT, "delivery": 2, "redelivered": True, "message": delivered}),
        ("SETTLED", 7, 0x86, 0, struct.pack("<II", 1, 1) + struct.pack("<Q", 7), "ack",
         {"op": "settled", "settled": 1, "refused": ["7"]}),
        ("LAGGED", 7, 0x88, 0, struct.pack("<I", 9), "subscribe", {"op": "lagged", "count": 9}),
    ]


def binary_frames():
    """Those that have no text."""
    goodbye = "another version is spoken here"
    return [
        {
            "name": "CREDIT", "section": 7, "hex": frame(0x06, 0, struct.pack("<II", 5, 100)).hex(), "target": 5,
            "amount": 100
        },
        {"name": "CANCEL", "section": 7, "hex": frame(0x07, 9, struct.pack("<I", 5)).hex(), "target": 5},
        {"name": "FILTER", "section": 7, "hex": frame(0x15, 9, struct.pack("<I", 5) + b"n > 1").hex(), "target": 5},
        {
            "name": "CONTENT_WRITE", "section": 15, "hex": frame(0x21, 2,
                                                                 struct.pack("<IQ", 5, 1024) + b"abc").hex(),
            "target": 5
        },
        {"name": "CONTENT_FINISH", "section": 15, "hex": frame(0x22, 3,
                                                               struct.pack("<I", 5) + SHA).hex(), "target": 5},
        {
            "name": "WITHDRAWN", "section": 7, "hex": frame(0x89, 0,
                                                            struct.pack("<Q", LEASE) + ID).hex(), "lease": LEASE_TEXT,
            "id": ID_TEXT
        },
        {
            "name": "GOODBYE", "section": 2, "hex": frame(0x87, 0,
                                                          struct.pack("<H", 4) + goodbye.encode()).hex(),
            "code": "unsupported_version", "error": goodbye
        },
    ]


def frames():
    rows = []
    clients = frames_of_clients() + more_frames_of_clients()
    for request, (name, section, opcode, body, said, *flags) in enumerate(clients, 1):
        op, *rest = said.items()
        rows.append({"name": name, "section": section, "hex": frame(opcode, request, body, *flags).hex(),
                     "json": dict([op, ("request", request), *rest])})
    for request, (name, section, opcode, flags, body, after, said) in enumerate(frames_of_servers(), 101):
        op, *rest = said.items()
        rows.append({"name": name, "section": section, "hex": frame(opcode, request, body, flags).hex(), "after": after,
                     "json": dict([op, ("request", request), *rest])})
    bad = [
        {"name": "a length below 8", "section": 2, "hex": "07000000" + "10000000" + "000000", "error": "malformed"},
        {
            "name": "longer than 8 MiB", "section": 2, "hex": "ffffff00" + "02000000" + "01000000",
            "error": "frame_too_large"
        },
    ]
    return {"frames": rows, "bad": bad, "binary": binary_frames()}


def main():
    same = True
    envelopes = {"good": good_envelopes(), "bad": bad_envelopes()}
    for name, made in (("envelopes.json", envelopes), ("frames.json", frames())):
        text = json.dumps(made, indent=1, ensure_ascii=True) + "\n"
        if "--check" in sys.argv:
            same = same and (HERE / name).read_text() == text
        else:
            (HERE / name).write_text(text)
    if not same:
        sys.exit("the vectors are not what make_vectors.py writes: run it")


if __name__ == "__main__":
    main()
