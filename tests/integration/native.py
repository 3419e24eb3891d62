"""A client of the native protocol, written from docs/protocol.md alone. Blocking, one thread, everything within reach
of a test: raw frames can be sent, frames are read one by one.
"""

import collections
import hashlib
import itertools
import json
import socket
import struct
import uuid
import time

import msgpack

from program import MOMENT_MS

HELLO, PUBLISH, PUBLISH_BATCH, SUBSCRIBE, CONSUME, CREDIT, CANCEL, RECEIVE = range(0x01, 0x09)
ACK, NACK, EXTEND, REQUEST, RECEIPT, WAIT, STATS, PING, MAILBOX, COMPLETE, REJECT, CALL, FILTER = range(0x09, 0x16)
CONTENT_OPEN, CONTENT_WRITE, CONTENT_FINISH, CONTENT_STAT, CONTENT_READ = range(0x20, 0x25)
WELCOME, CONFIRM, OK, ERROR, DELIVER, SETTLED, GOODBYE, LAGGED, WITHDRAWN = range(0x81, 0x8A)
QUIET = LEASED = 1
REDELIVERED = ATOMIC = STREAM = 2
OF_MESSAGE = 4

KEYS = {
    "id": 0, "timestamp": 1, "from": 2, "to": 3, "topic": 4, "type": 5, "priority": 6, "content_type": 7,
    "conversation": 8, "correlation": 9, "reply_to": 10, "key": 11, "ttl": 12, "deliver_at": 13, "mode": 14,
    "metadata": 15, "retry": 16, "group": 17, "bounce": 18, "expects_reply": 19, "encoding": 20, "cause": 21,
    "hops": 22, "chain": 23, "content_ref": 24, "delay": 25, "expires_at": 26, "event_topic": 27,
    "provenance": 28,
}
FIELDS = {key: field for field, key in KEYS.items()}
OUTCOMES = {0: "queued", 1: "offered", 2: "scheduled", 3: "sent", 4: "duplicate", 5: "dead", 6: "kept"}
STATES = {
    0: "unknown", 1: "queued", 2: "offered", 3: "retrieved", 4: "acknowledged", 5: "dead", 6: "scheduled",
    7: "cancelled"
}
TYPES = {"task": 1, "query": 2, "response": 3, "event": 4, "command": 5, "status": 6, "notification": 7, "error": 8}
NEVER = 2**64 - 1

Frame = collections.namedtuple("Frame", "opcode flags request body retry_after", defaults=[0])
Confirm = collections.namedtuple("Confirm", "id count outcome age state", defaults=["unknown"])
Settled = collections.namedtuple("Settled", "settled refused")
Delivery = collections.namedtuple("Delivery", "request lease delivery redelivered fields content")

# The catalogue's numbers that tests ask for (docs/protocol.md, section 10).
CODES = {
    "malformed": 1, "unknown_opcode": 2, "not_connected": 3, "unsupported_version": 4, "unauthorized": 5,
    "not_permitted": 6, "frame_too_large": 7, "content_too_large": 8, "invalid_name": 9, "invalid_topic": 10,
    "invalid_field": 11, "no_recipient": 12, "mailbox_full": 13, "no_such_request": 14, "no_consumer": 15,
    "timed_out": 16, "lease_lost": 17, "out_of_range": 18, "disk_full": 19, "slow_consumer": 20,
    "shutting_down": 21, "busy": 22, "limit_reached": 23, "not_found": 24, "already_exists": 25, "io_error": 28,
    "damaged": 29, "no_reply_wanted": 32, "invalid_filter": 33, "mailbox_in_use": 35, "in_use": 30, "cancelled": 27,
    "not_kept": 36,
}
NAMES = {code: name for name, code in CODES.items()}


class Refused(Exception):
    """An ERROR or GOODBYE of the server."""

    def __init__(self, frame):
        self.code = struct.unpack_from("<H", frame.body)[0]
        self.name = NAMES.get(self.code, str(self.code))
        self.text = frame.body[2:].decode()
        self.goodbye = frame.opcode == GOODBYE
        self.retry_after = frame.retry_after  # seconds; 0: nothing is said
        super().__init__(f"{self.name}: {self.text}")


class Ended(Exception):
    """The server closed the connection."""


def frame(opcode, body=b"", request=0, flags=0):
    return struct.pack("<IBBHI", 8 + len(body), opcode, flags, 0, request) + body


def message(content=b"", **fields):
    """Envelope and content, as PUBLISH carries them. `from_` stands for from."""
    if "from_" in fields:
        fields["from"] = fields.pop("from_")
    content = content.encode() if isinstance(content, str) else content
    return msgpack.packb({KEYS[name]: value for name, value in fields.items()}) + content


def text_of_id(id):
    """As JSON doors and the command line write it."""
    return str(uuid.UUID(bytes=bytes(id)))


def read_message(body):
    """A message's fields by name (unknown keys by number) and its content."""
    unpacker = msgpack.Unpacker(strict_map_key=False, ext_hook=lambda code, data: None)
    unpacker.feed(body)
    fields = {FIELDS.get(key, key): value for key, value in unpacker.unpack().items()}
    return fields, body[unpacker.tell():]


def read_confirm(body):
    id, count, outcome, state, age = struct.unpack("<16sIBB2xQ", body)
    return Confirm(id, count, OUTCOMES[outcome], None if age == NEVER else age, STATES[state])


def read_results(body):
    """What became of a batch: Confirm or (code, text) for each."""
    results, at = [], 0
    while at < len(body):
        code = struct.unpack_from("<H", body, at)[0]
        if code == 0:
            results.append(read_confirm(body[at + 2:at + 34]))
            at += 34
        else:
            size = struct.unpack_from("<H", body, at + 2)[0]
            results.append((code, body[at + 4:at + 4 + size].decode()))
            at += 4 + size
    assert at == len(body)
    return results


def messages_body(messages):
    """Their count, then each with its length."""
    return struct.pack("<I", len(messages)) + b"".join(struct.pack("<I", len(m)) + m for m in messages)


def read_delivery(frame):
    lease, delivery, body = None, 0, frame.body
    if frame.flags & LEASED:
        lease, delivery = struct.unpack_from("<QI", body)
        body = body[12:]
    fields, content = read_message(body)
    return Delivery(frame.request, lease, delivery, bool(frame.flags & REDELIVERED), fields, content)


class Client:
    """`address` is (host, port) or the path of a Unix socket."""

    def __init__(self, address, agent=None, token=None, hello=True, timeout=15, receive_buffer=None):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.waiting = collections.deque()  # frames read while looking for another
        self.numbers = itertools.count(1)
        self.welcome = None
        if hello:
            self.hello(agent, token)

    # -- bytes and frames
    def send(self, data):
        self.socket.sendall(data)

    def send_frame(self, opcode, body=b"", flags=0, request=None):
        request = next(self.numbers) if request is None else request
        self.send(frame(opcode, body, request, flags))
        return request

    def next_frame(self, timeout=None):
        """The next frame from the wire; TimeoutError if none comes, Ended at the end of the connection."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            if len(self.buffer) >= 4:
                length = struct.unpack_from("<I", self.buffer)[0]
                assert length >= 8
                if len(self.buffer) >= 4 + length:
                    opcode, flags, retry_after, request = struct.unpack_from("<BBHI", self.buffer, 4)
                    body = bytes(self.buffer[12:4 + length])
                    del self.buffer[:4 + length]
                    return Frame(opcode, flags, request, body, retry_after)
            before = self.socket.gettimeout()
            if deadline is not None:
                self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self.socket.recv(1 << 18)
            except ConnectionResetError:
                data = b""
            finally:
                self.socket.settimeout(before)
            if not data:
                raise Ended
            self.buffer += data

    def next_frames(self):
        """At least one frame: those put aside first, then all that have arrived whole."""
        frames = [*self.waiting] or [self.next_frame()]
        self.waiting.clear()
        while len(self.buffer) >= 4 and len(self.buffer) >= 4 + struct.unpack_from("<I", self.buffer)[0]:
            frames.append(self.next_frame())
        return frames

    def next_where(self, wanted, timeout=None):
        """The first frame, waiting or to come, for which wanted(frame); others stay waiting, GOODBYE is raised."""
        for index, waiting in enumerate(self.waiting):
            if wanted(waiting):
                del self.waiting[index]
                return waiting
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            got = self.next_frame(None if deadline is None else max(0.001, deadline - time.monotonic()))
            if wanted(got):
                return got
            if got.opcode == GOODBYE:
                raise Refused(got)
            self.waiting.append(got)

    def answer(self, request, timeout=None):
        got = self.next_where(lambda f: f.request == request and f.opcode not in (DELIVER, LAGGED), timeout)
        if got.opcode in (ERROR, GOODBYE):
            raise Refused(got)
        return got

    def call(self, opcode, body=b"", flags=0, timeout=None):
        return self.answer(self.send_frame(opcode, body, flags), timeout)

    def ended(self, timeout=10):
        """Reads until the server closes; returns the Refused of its GOODBYE, or None."""
        goodbye = None
        deadline = time.monotonic() + timeout
        try:
            while True:
                got = self.next_frame(max(0.001, deadline - time.monotonic()))
                if got.opcode == GOODBYE:
                    goodbye = Refused(got)
        except Ended:
            return goodbye

    def close(self):
        self.socket.close()

    # -- operations
    def hello(self, agent=None, token=None, version=1):
        fields = {0: version, 1: agent, 2: token, 3: "tests"}
        self.send_frame(HELLO, msgpack.packb({key: value for key, value in fields.items() if value is not None}),
                        request=0)
        got = self.next_frame()
        if got.opcode != WELCOME:
            raise Refused(got)
        self.welcome = msgpack.unpackb(got.body, strict_map_key=False)

    def publish(self, content=b"", **fields):
        return read_confirm(self.call(PUBLISH, message(content, **fields)).body)

    def publish_batch(self, messages, atomic=False):
        """Confirm or (code, text) for each."""
        results = read_results(self.call(PUBLISH_BATCH, messages_body(messages), ATOMIC if atomic else 0).body)
        assert len(results) == len(messages)
        return results

    def complete(self, lease, outputs=()):
        """Confirm for each output, once the lease is settled."""
        return read_results(self.call(COMPLETE, struct.pack("<Q", lease) + messages_body(outputs)).body)

    def reject(self, *leases, reason=None):
        fields = {0: list(leases), 2: reason}
        return self.settled(
            self.call(REJECT, msgpack.packb({key: value for key, value in fields.items() if value is not None})))

    def withdrawn(self, timeout=None):
        """Lease (0: none) and id of the message that whoever asked by it wants no more."""
        return struct.unpack("<Q16s", self.next_where(lambda f: f.opcode == WITHDRAWN, timeout).body)

    def carry_out(self, name, /, **arguments):
        """A CALL: the Confirm, or the body of OK (JSON read already, None for nothing)."""
        got = self.call(CALL, msgpack.packb({0: name, 1: json.dumps(arguments)}))
        if got.opcode == CONFIRM:
            return read_confirm(got.body)
        if got.body[:1] == b"{":
            return json.loads(got.body)
        return got.body or None

    def subscribe(self, pattern, credit=None, echo=None, filter=None):
        fields = {0: pattern, 1: credit, 2: echo, 3: filter}
        request = self.send_frame(SUBSCRIBE,
                                  msgpack.packb({key: value for key, value in fields.items() if value is not None}))
        self.answer(request)
        return request

    def set_filter(self, subscription, filter=""):
        self.call(FILTER, struct.pack("<I", subscription) + filter.encode())

    def consume(self, mailbox, credit=1):
        """The request number of the deliveries."""
        request = self.send_frame(CONSUME, msgpack.packb({0: mailbox, 1: credit}))
        self.ready = struct.unpack("<I", self.answer(request).body)[0]
        return request

    def delivery(self, request=None, timeout=None):
        got = self.next_where(lambda f: f.opcode == DELIVER and request in (None, f.request), timeout)
        return read_delivery(got)

    def no_delivery(self, within=0.2):
        try:
            got = self.delivery(timeout=within)
        except TimeoutError:
            return
        raise AssertionError(f"unexpected {got}")

    def lagged(self, timeout=None):
        return struct.unpack("<I", self.next_where(lambda f: f.opcode == LAGGED, timeout).body)[0]

    def credit(self, target, amount):
        self.send_frame(CREDIT, struct.pack("<II", target, amount), request=0)

    def cancel(self, target):
        self.call(CANCEL, struct.pack("<I", target))

    # -- content by reference
    def open_upload(self, size, sha256=None):
        """The upload's number; None if the server has a content of that hash."""
        fields = {0: size} if sha256 is None else {0: size, 1: sha256}
        request = self.send_frame(CONTENT_OPEN, msgpack.packb(fields))
        return None if self.answer(request).body == b"\1" else request

    def write_upload(self, upload, offset, data):
        self.call(CONTENT_WRITE, struct.pack("<IQ", upload, offset) + data)

    def finish_upload(self, upload, sha256):
        """Size, and whether it was stored before."""
        size, known = struct.unpack("<QB", self.call(CONTENT_FINISH, struct.pack("<I", upload) + sha256).body)
        return size, bool(known)

    def upload(self, data, part=1 << 20):
        """The reference to what is now stored, for `content_ref`."""
        sha256 = hashlib.sha256(data).digest()
        upload = self.open_upload(len(data), sha256)
        if upload is not None:
            for at in range(0, len(data), part):
                self.write_upload(upload, at, data[at:at + part])
            self.finish_upload(upload, sha256)
        return [sha256, len(data)]

    def stat_content(self, sha256):
        return struct.unpack("<Q", self.call(CONTENT_STAT, sha256).body)[0]

    def read_content(self, sha256, offset=0, size=1 << 20):
        return self.call(CONTENT_READ, sha256 + struct.pack("<QI", offset, size)).body

    def fetch(self, ref, part=1 << 20):
        return b"".join(self.read_content(ref[0], at, part) for at in range(0, ref[1], part))

    def start_receive(self, mailbox, max=1, wait_ms=MOMENT_MS, lease_ms=None):
        fields = {0: mailbox, 1: max, 2: wait_ms, 3: lease_ms}
        return self.send_frame(RECEIVE,
                               msgpack.packb({key: value for key, value in fields.items() if value is not None}))

    def end_receive(self, request, timeout=None):
        count, _ = struct.unpack("<II", self.answer(request, timeout).body)
        # Deliveries come before the answer.
        mine = [f for f in self.waiting if f.opcode == DELIVER and f.request == request]
        for f in mine:
            self.waiting.remove(f)
        assert len(mine) == count
        return [read_delivery(f) for f in mine]

    def receive(self, mailbox, **options):
        return self.end_receive(self.start_receive(mailbox, **options))

    def settled(self, frame):
        count, refused = struct.unpack_from("<II", frame.body)
        return Settled(count, list(struct.unpack_from(f"<{refused}Q", frame.body, 8)))

    def ack(self, *leases):
        return self.settled(self.call(ACK, struct.pack(f"<{len(leases)}Q", *leases)))

    def nack(self, *leases, delay_ms=0, reason=None):
        fields = {0: list(leases), 1: delay_ms, 2: reason}
        return self.settled(
            self.call(NACK, msgpack.packb({key: value for key, value in fields.items() if value is not None})))

    def extend(self, *leases, lease_ms=0):
        return self.settled(self.call(EXTEND, msgpack.packb({0: list(leases), 1: lease_ms})))

    def start_request(self, content=b"", timeout_ms=10_000, stream=False, **fields):
        return self.send_frame(REQUEST,
                               struct.pack("<I", timeout_ms) + message(content, **fields), STREAM if stream else 0)

    def end_request(self, request, timeout=None):
        got = self.next_where(lambda f: f.request == request, timeout)
        if got.opcode != DELIVER:
            raise Refused(got)
        return read_delivery(got)

    def request(self, content=b"", timeout_ms=10_000, **fields):
        return self.end_request(self.start_request(content, timeout_ms, **fields))

    def receipts(self, *ids):
        answer = msgpack.unpackb(self.call(RECEIPT, b"".join(ids)).body, strict_map_key=False)
        names = dict(enumerate(["id", "recipient", "state", "deliveries", "at", "reason", "holder", "held_since"]))
        receipts = [{names[key]: value for key, value in receipt.items()} for receipt in answer]
        return [{**receipt, "state": STATES[receipt["state"]]} for receipt in receipts]

    def start_wait(self, mailbox, timeout_ms):
        return self.send_frame(WAIT, msgpack.packb({0: mailbox, 1: timeout_ms}))

    def wait(self, mailbox, timeout_ms):
        return struct.unpack("<II", self.call(WAIT, msgpack.packb({0: mailbox, 1: timeout_ms})).body)

    def stats(self, mailbox=None):
        return json.loads(self.call(STATS, msgpack.packb({} if mailbox is None else {0: mailbox})).body)

    def ping(self, body=b""):
        return self.call(PING, body).body

    def mailbox(self, name, max_messages=None, overflow=None, default_ttl_ms=None, max_deliveries=None, retry=None):
        fields = {0: name, 1: max_messages, 2: overflow, 3: default_ttl_ms, 4: max_deliveries, 5: retry}
        self.call(MAILBOX, msgpack.packb({key: value for key, value in fields.items() if value is not None}))
