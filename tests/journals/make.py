"""Makes a data folder with facts of every kind, as later versions must be able to open it: what tests/integration/
test_old_journal.py unpacks. To be run with the program of the version that is to be remembered:

  FOLKMOOT_PROGRAM=path/to/folkmoot python3 tests/journals/make.py NAME

writes NAME.tar.xz.base64, the folder, and NAME.json, what that program itself answers about it. With
FOLKMOOT_TEST_SETTINGS=shards=3 it is a folder of three shards.
"""

import base64
import io
import json
import lzma
import shutil
import struct
import sys
import tarfile
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

from native import Client, message  # noqa: E402
from program import Server  # noqa: E402

SETTINGS = ("--set", "journal.segment_bytes=64KiB")
FAR = 4_102_444_800_000  # in the year 2100
MAILBOXES = ["ann", "bob", "cleo", "small", "work", "later"]
CONVERSATION = "talk"


def open_server(data, start=True):
    return Server(data, *SETTINGS, start=start)


def connect(server, agent):
    return Client(("127.0.0.1", server.port), agent=agent)


def first_run(server):
    """Ends without warning: what was confirmed is on disk."""
    ann = connect(server, "ann")
    ann.carry_out("mailbox.configure", name="small", max_messages=2, overflow="drop_oldest", max_deliveries=2)
    ann.carry_out("mailbox.configure", name="work", max_deliveries=5)
    ann.carry_out("mailbox.configure", name="spare", default_ttl="1h", retry={"initial": 20, "backoff": "exponential"})
    ref = ann.upload(b"a content that is stored by reference " * 20)
    ann.publish(to="cleo", content_ref=ref, type=1)
    for number in range(6):
        ann.publish(f"work {number}", to="work", **({"group": "g"} if number % 2 else {"priority": 1 + number}))
    ann.publish("once", to="bob", mode=1)
    ann.publish("keyed", to="bob", key="the key", mode=2)
    ann.publish("later", to="later", deliver_at=FAR)
    ann.publish("costs", to="bob", conversation=CONVERSATION, metadata={"cost_tokens": 12, "cost_money": 0.5})
    ann.publish("costs again", to="bob", conversation=CONVERSATION, metadata={"cost_tokens": 30})
    ann.publish_batch([message(f"together {i}", to="bob") for i in range(3)], atomic=True)
    for number in range(4):  # the first of them are pushed out
        ann.publish(f"small {number}", to="small", bounce=True)
    bob = connect(server, "bob")
    got = bob.receive("work", max=3)
    bob.ack(got[0].lease)
    bob.nack(got[1].lease, delay_ms=0, reason="not now")
    bob.reject(got[2].lease, reason="never")
    caused = bob.receive("work", max=1)[0]
    bob.complete(caused.lease, [message("an output", to="cleo"), message("another", to="ann", priority=2)])

    ann.carry_out("route.set", name="kept", order=3, filter="priority <= 2", strategy="weighted",
                  targets=[{"name": "cleo", "weight": 2}, {"name": "bob"}])
    ann.publish("routed", priority=1)
    ann.publish("fits nowhere", priority=8)
    ann.carry_out("schedule.set", name="kept", every="1h", first_at="2100-01-01T00:00:00Z", times=3,
                  message={"to": "bob", "content": "again"})
    make_noise(ann, bob)
    server.kill9()


def make_noise(sender, receiver):
    """Enough that segments are copied forward and go, with all that is said of messages."""
    for _ in range(12):
        for _ in range(25):
            sender.publish("x" * 1000, to="noise")
        receiver.ack(*[delivery.lease for delivery in receiver.receive("noise", max=25)])
    time.sleep(1)


def second_run(server):
    """Ends in good order, with a message in somebody's hands."""
    server.start()
    ann, bob = connect(server, "ann"), connect(server, "bob")
    dead = ann.carry_out("dead.list", mailbox="small")["dead"]
    ann.carry_out("dead.resubmit", id=dead[0]["id"], changes={"to": "bob"})
    ann.carry_out("dead.purge", id=dead[1]["id"])
    for delivery in bob.receive("small", max=2):
        bob.nack(delivery.lease, delay_ms=0, reason="first failure")
    bob.nack(bob.receive("small", max=1)[0].lease, delay_ms=0, reason="the last")
    gone = ann.publish("taken back", to="later", deliver_at=FAR)
    ann.carry_out("message.cancel", id=text_of(gone.id))
    ann.carry_out("route.set", name="removed", targets=["bob"])
    ann.carry_out("route.remove", name="removed")
    ann.carry_out("schedule.set", name="removed", cron="0 0 1 1 *", message={"topic": "a.b", "content": "event"})
    ann.carry_out("schedule.remove", name="removed")
    ann.carry_out("schedule.set", name="fired", every="100ms", times=2, message={"to": "ann", "content": "fired"})
    time.sleep(0.6)
    bob.receive("bob", max=2)
    server.terminate()


def text_of(id):
    h = id.hex()
    return "-".join((h[:8], h[8:12], h[12:16], h[16:20], h[20:]))


def look(server):
    """What a server answers about its folder, without what depends on the time of asking."""
    client = connect(server, "looker")
    schedules = client.carry_out("schedule.list")["schedules"]
    answer = {"dead": client.carry_out("dead.list", content=True)["dead"],
              # What the first version called `every` says its unit now.
              "schedules": [{key.removesuffix("_ms"): value for key, value in one.items()} for one in schedules],
              "routes": client.carry_out("route.list"),
              "cost": client.carry_out("conversation.cost", conversation=CONVERSATION)}
    attempts = answer["attempts"] = {}
    for letter in answer["dead"]:
        attempts[letter["id"]] = client.carry_out("message.attempts", id=letter["id"])
    answer["mailboxes"] = {}
    for name in MAILBOXES:
        stats = client.stats(name)["mailboxes"]
        held = client.receive(name, max=100)
        answer["mailboxes"][name] = {
            "counts": [{key: value for key, value in one.items() if not key.startswith("last_read")} for one in stats],
            "messages": [[text_of(d.fields["id"]), d.delivery, d.redelivered, d.fields["from"], d.content.decode()]
                         for d in held]}
        for delivery in held:
            id = text_of(delivery.fields["id"])
            attempts[id] = client.carry_out("message.attempts", id=id)
    return json.loads(json.dumps(answer))


def pack(folder):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and path.suffix != ".lock":
                tar.add(path, arcname=str(path.relative_to(folder)))
    return base64.encodebytes(lzma.compress(packed.getvalue(), preset=9 | lzma.PRESET_EXTREME)).decode()


def kinds_in(folder):
    """The kinds of the facts in a folder's journal (docs/journal.md)."""
    kinds = set()
    for path in Path(folder).rglob("*.segment"):
        data, at = path.read_bytes(), 64
        while at + 12 <= len(data):
            length, _, kind = struct.unpack_from("<IIB", data, at)
            if kind == 0:
                break
            kinds.add(kind)
            at += (12 + length + 7) // 8 * 8
    return {kind for kind in kinds if kind < 240}


def settings_of(folder):
    """What a server on this folder has to be told."""
    shards = Path(folder) / "shards"
    return (*SETTINGS, *(("--set", f"shards={int(shards.read_text())}") if shards.exists() else ()))


def unpack(text, folder):
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(base64.decodebytes(text.encode())))) as tar:
        tar.extractall(folder)


def main():
    name = HERE / sys.argv[1]
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "data"
        server = open_server(data)
        first_run(server)
        second_run(server)
        text = pack(data)
        name.with_suffix(".tar.xz.base64").write_text(text)
        shutil.rmtree(data)
        unpack(text, data)
        server = open_server(data)
        name.with_suffix(".json").write_text(json.dumps(look(server), indent=1) + "\n")
        server.terminate()


if __name__ == "__main__":
    main()
