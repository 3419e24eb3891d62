"""Frames of every kind, damaged in every way, at the native door: the server answers or ends the connection, serves
everybody else, and keeps what it confirmed. The damage comes from a seed, which a failure names.
"""

import contextlib
import json
import random
import struct
import subprocess
import time
import uuid

import msgpack
import pytest
from native import (ACK, ATOMIC, CALL, CANCEL, COMPLETE, CONTENT_FINISH, CONTENT_READ, CONTENT_STAT, CONTENT_WRITE,
                    CREDIT, PING, PUBLISH, PUBLISH_BATCH, QUIET, RECEIPT, REQUEST, STREAM, Client, Ended, Refused,
                    frame, message, messages_body)
from program import PROGRAM, SANITIZED, environment

SEEDS = 40 if SANITIZED else 120
FRAMES = 60
BOXES = ["ann", "bob", "cyd", "dan"]
HASH = bytes(range(32))
TEXTS = [
    "", "ann", "bob", "a.b", "a.*", "a.>", ">", "@1.0", "@1.ffffffffffffffff", "$bus", "$unrouted", "\0", "x" * 256,
    "é" * 100, "content.a[0] = 1", "((((((((((", "priority > 3 AND NOT (a IN ('b'))", "*/5 * * * *", "text/plain",
    "gzip", "application/json"
]
NUMBERS = [0, 1, 2, 3, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1, -1, -2**31, -2**63]
# What the program itself says it has: a frame or an operation more is attacked as well, without a line here.
LISTS = json.loads(
    subprocess.run([PROGRAM, "describe", "--json"], capture_output=True, check=True, env=environment()).stdout)
OPCODES = [row["opcode"] for row in LISTS["frames"] if row["name"] != "HELLO"]
MAPS = {row["opcode"]: row["fields"] for row in LISTS["frames"] if row["map"]}
OPERATIONS = [*LISTS["operations"], {"name": "no.call", "fields": []}]
ARGUMENTS = [
    "", "{}", "[]", "null", "{", '{"a":' * 300 + "1" + "}" * 300,
    '{"name":"r","targets":[{"agent":"ann"}],"strategy":"weighted"}',
    '{"name":"s","every_ms":3600000,"message":{"to":"ann","content":"x"}}',
    '{"name":"s","cron":"* * * * *","message":{"to":"bob"}}', '{"limit":0}', '{"limit":18446744073709551616}',
    '{"limit":-1,"after":"ann"}', '{"mailbox":"ann","reason":"expired","filter":"priority > 1"}',
    '{"name":"ann","max_messages":0}', '{"name":"bob","retry":{"attempts":0,"backoff":"fixed"}}',
    '{"agent":"ann","load":1e308}', '{"name":"c","conversation":"c"}'
]


def any_value(chance, depth=0):
    kind = chance.randrange(9 if depth < 4 else 6)
    if kind <= 1:
        return chance.choice(TEXTS)
    if kind <= 3:
        number = chance.choice(NUMBERS)
        return number
    if kind == 4:
        return chance.randbytes(chance.choice([0, 1, 8, 15, 16, 17, 32, 64]))
    if kind == 5:
        return chance.choice([None, True, False, 1.5, float("nan"), float("inf")])
    if kind == 6:
        return [any_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice([*range(8), *TEXTS[:4]]): any_value(chance, depth + 1) for _ in range(chance.randrange(4))}


def any_message(chance, ids):
    """An envelope that is right but for a field or two, or not."""
    fields = {"content_type": "text/plain"}
    fields["topic" if chance.random() < 0.3 else "to"] = chance.choice(BOXES)
    extra = {
        "ttl": 1_000, "priority": 7, "key": "k", "group": "g", "conversation": "c", "cause": chance.choice(ids),
        "hops": 3, "chain": chance.choice(ids), "metadata": {"a": 1,
                                                             "cost_tokens": 5}, "retry": {0: 2, 1: 10}, "bounce": True,
        "expects_reply": False, "mode": 1, "type": 2, "reply_to": "bob", "deliver_at": int(time.time() * 1000) + 50,
        "content_ref": [HASH, 7], "encoding": "gzip", "from_": "eve", "id": chance.choice(ids)
    }
    for name in chance.sample(sorted(extra), chance.randrange(4)):
        fields[name] = extra[name] if chance.random() < 0.6 else any_value(chance)
    try:
        return message(chance.randbytes(chance.choice([0, 1, 100, 3_000])), **fields)
    except (OverflowError, ValueError, TypeError):
        return message(b"", to="ann")


def likely(chance, field, leases):
    """A value of the field's type and within its bounds, or on them; of a map as MessagePack has it."""
    match field["type"]:
        case "text":
            return chance.choice(field.get("words") or [*BOXES, "a.>", "priority > 1", ""])
        case "word":
            return chance.randrange(len(field["words"]) + 1)
        case "natural" | "duration" | "time":
            return chance.choice([field.get("min", 0), 1, 5, 100, field.get("max", 1)])
        case "lease":
            return chance.choice(leases)
        case "list":
            return [
                likely(chance, {**field["element"], "name": field["name"]}, leases)
                for _ in range(chance.randrange(1, 5))
            ]
        case "boolean":
            return chance.choice([True, False])
        case "real":
            return 1.5
        case "id":
            return str(uuid.UUID(int=chance.getrandbits(128)))
        case "hash":
            return HASH
        case "object":
            return {part["name"]: likely(chance, part, leases) for part in field["fields"]}
        case "message":
            return {"to": chance.choice(BOXES), "content": "x"}
        case "retry":
            return chance.choice([[2, 1, 10, 0, 2000], {"attempts": 0, "backoff": "fixed"}])
        case _:
            return {}


def any_call(chance, leases):
    """A call of the list with likely arguments, most of the time."""
    operation = chance.choice(OPERATIONS)
    arguments = {field["name"]: likely(chance, field, leases) for field in operation["fields"] if chance.random() < 0.6}
    text = json.dumps(arguments, default=lambda value: value.hex())
    return msgpack.packb({0: operation["name"], 1: text if chance.random() < 0.7 else chance.choice(ARGUMENTS)})


def any_map(chance, fields_of, leases):
    """The map of a frame with likely values, most of the time."""
    fields = {}
    for field in fields_of:
        if chance.random() < 0.7:
            fields[field["key"]] = likely(chance, field, leases) if chance.random() < 0.7 else any_value(chance)
    if chance.random() < 0.1:
        fields[chance.randrange(300)] = any_value(chance)
    try:
        return msgpack.packb(fields)
    except OverflowError:
        return msgpack.packb({})


def any_body(chance, opcode, leases, ids):
    """As docs/protocol.md has it for that opcode, more or less."""
    lease = chance.choice(leases)
    several = [chance.choice(leases) for _ in range(chance.randrange(1, 5))]
    messages = messages_body([any_message(chance, ids) for _ in range(chance.randrange(4))])
    if opcode == CALL:
        return any_call(chance, leases)
    if opcode in MAPS:
        return any_map(chance, MAPS[opcode], leases)
    return {
        PUBLISH: lambda: any_message(chance, ids),
        PUBLISH_BATCH: lambda: messages,
        REQUEST: lambda: struct.pack("<I", chance.choice([0, 1, 100])) + any_message(chance, ids),
        CREDIT: lambda: struct.pack("<II", chance.randrange(30), chance.choice([0, 1, 2**32 - 1])),
        CANCEL: lambda: struct.pack("<I", chance.randrange(30)),
        ACK: lambda: struct.pack(f"<{len(several)}Q", *several),
        COMPLETE: lambda: struct.pack("<Q", lease) + messages,
        RECEIPT: lambda: b"".join(chance.choice(ids) for _ in range(chance.randrange(4))),
        PING: lambda: b"",
        CONTENT_WRITE: lambda: struct.pack("<IQ", chance.randrange(30), 0) + b"x" * 50,
        CONTENT_FINISH: lambda: struct.pack("<I", chance.randrange(30)) + HASH,
        CONTENT_STAT: lambda: HASH,
        CONTENT_READ: lambda: HASH + struct.pack("<QI", chance.choice([0, 2**64 - 1]), chance.choice(
            [0, 100, 2**32 - 1])),
    }.get(opcode, lambda: chance.randbytes(20))()  # one that is new, and of fixed layout



def damaged(chance, body):
    body = bytearray(body)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(body) + 1)
        match chance.randrange(5):
            case 0 if at < len(body):
                body[at] ^= 1 << chance.randrange(8)
            case 1:
                del body[at:]
            case 2:
                body[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 3:
                body[at:at + 4] = chance.choice([
                    b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff",
                    b"\xc6\xff\xff\xff\xff"
                ])
            case 4:
                body += body[at:]
    return bytes(body)


def attack(server, seed):
    chance = random.Random(seed)
    client = Client(("127.0.0.1", server.port), agent=chance.choice([*BOXES, None]))
    leases = [0, 1, 2**64 - 1, 1 << 60]
    ids = [bytes(16), b"\xff" * 16, uuid.uuid4().bytes]
    for box in BOXES:
        with contextlib.suppress(Refused):  # seeds before may have filled the mailbox, or made it so small
            ids.append(client.publish("work", to=box).id)
        got = [each.lease for each in client.receive(box, max=50) if each.lease]
        leases += got[:3]
        if got[3:]:
            client.ack(*got[3:])
    for _ in range(FRAMES):
        opcode = chance.choice(OPCODES)
        body = any_body(chance, opcode, leases, ids)
        if chance.random() < 0.5:
            body = damaged(chance, body)
        if chance.random() < 0.03:
            opcode = chance.randrange(256)
        flags = chance.choice([0, 0, 0, QUIET, ATOMIC, STREAM, chance.randrange(256)])
        request = chance.choice([chance.randrange(1, 30), chance.randrange(2**32)]) if chance.random() < 0.2 else next(
            client.numbers)
        whole = frame(opcode, body, request, flags)
        try:
            client.send(whole)
            if chance.random() < 0.01:  # a length that is not so: what follows is no frame
                client.send(struct.pack("<I", chance.choice([0, 7, 9, 2**32 - 1])) + whole)
        except OSError:
            break
    # Whatever it was: an answer to the last frame, or the end. (One that waits for the rest of a frame is told by its
    # length alone.)
    try:
        client.send_frame(PING)
        client.socket.settimeout(0.05)
        while True:
            client.next_frame()
    except (TimeoutError, Ended, OSError):
        client.close()


@pytest.mark.parametrize("part", range(4))
def test_no_frame_harms_the_server(server, part):
    keeper = Client(("127.0.0.1", server.port), agent="keeper")
    kept = [keeper.publish(f"{number}", to="keeper").id for number in range(20)]
    for seed in range(part, SEEDS, 4):
        attack(server, seed)
        assert server.process.poll() is None, f"seed {seed} ended the server"
        assert keeper.call(PING, timeout=20) is not None, f"after seed {seed} others are not served"
    got = keeper.receive("keeper", max=100)
    assert [each.content for each in got] == [f"{number}".encode() for number in range(20)]
    keeper.ack(*[each.lease for each in got[:10]])
    keeper.close()
    server.restart()
    keeper = Client(("127.0.0.1", server.port), agent="keeper")
    assert [each.fields["id"] for each in keeper.receive("keeper", max=100)] == kept[10:]
    keeper.close()
