"""A disk without room: durable messages are refused and say why, everything else goes on, and all is well again when
there is room.

Once with a journal that may only take so many bytes, once on a real file system that is full.
"""

import os
import re
import resource
import shutil
import subprocess
import time

import pytest
from native import Client, Refused, message
from program import PROGRAM, Server
from test_http import Http

CONTENT = bytes(20_000)


def fill(client, to="bob"):
    """Publishes until it is refused; returns how many were confirmed."""
    confirmed = 0
    for _ in range(20_000):
        try:
            client.publish(CONTENT, to=to)
            confirmed += 1
        except Refused as refused:
            assert refused.name == "disk_full" and not refused.goodbye, refused
            return confirmed
    raise AssertionError("the disk never filled")


def others_go_on(server, client):
    """What needs no room for messages works while the disk is full."""
    listener = Client(("127.0.0.1", server.port))
    listener.subscribe("events.*")
    assert client.publish("transient", topic="events.now").count == 1
    assert listener.delivery().content == b"transient"
    listener.consume("helper", credit=1)
    request = client.start_request("question", to="helper")
    listener.publish("answer", to=listener.delivery().fields["reply_to"])
    assert client.end_request(request).content == b"answer"
    stats = client.stats()
    assert stats["accepts_durable"] is False and stats["journal"]["disk_full"] is True and stats["journal"]["refusal"]
    listener.close()


def drain(client, expected):
    """Takes and acknowledges all of it; returns how many there were."""
    taken = 0
    while got := client.receive("bob", max=100):
        assert all(d.content == CONTENT for d in got)
        assert client.ack(*[d.lease for d in got]) == (len(got), [])
        taken += len(got)
    assert taken == expected
    return taken


def published_again(client, within=15, content=b"room again"):
    """Seconds until a durable message is taken again."""
    began = time.monotonic()
    while True:
        try:
            client.publish(content, to="later")
            return time.monotonic() - began
        except Refused as refused:
            assert refused.name == "disk_full"
            assert time.monotonic() - began < within, "room came back, but it is not taken"
            time.sleep(0.05)


def test_X3_a_full_journal_refuses_goes_on_and_recovers(make_server):
    server = make_server("--set", "journal.segment_bytes=4MiB", "--set", "journal.bytes_max=20MiB")
    client = Client(("127.0.0.1", server.port), agent="alice")
    confirmed = fill(client)
    print(f"{confirmed} messages of 20 kB confirmed in a journal of at most 20 MiB")
    assert confirmed * len(CONTENT) > 8 << 20
    others_go_on(server, client)
    assert client.publish_batch([message(b"a", to="bob"), message(b"b", topic="events.x")])[1].outcome == "sent"

    # A restart in this state keeps all of it, and still takes acks.
    client.close()
    server.restart()
    client = Client(("127.0.0.1", server.port), agent="alice")
    with pytest.raises(Refused, match="disk_full"):
        for _ in range(100):
            client.publish(CONTENT, to="extra")
    extra = client.stats("extra")["mailboxes"][0]["ready"] if any(
        m["name"] == "extra" for m in client.stats()["mailboxes"]) else 0
    ready = client.stats("bob")["mailboxes"][0]["ready"]
    assert confirmed <= ready <= confirmed + 1  # of the batch above, the small one may have found room
    while got := client.receive("bob", max=100):
        client.ack(*[d.lease for d in got])
        ready -= len(got)
    assert ready == 0 and extra < 100
    print(f"durable messages taken again {published_again(client) * 1000:.0f} ms after the mailbox was drained")
    assert client.stats()["accepts_durable"] is True
    client.close()


def test_X3_M7_health_says_what_the_journal_lacks(make_server):
    """Not always room on the disk: here it may open no more files, then its own limit is reached."""
    server = make_server("--set", "journal.segment_bytes=4MiB", "--set", "journal.bytes_max=20MiB")
    client = Client(("127.0.0.1", server.port), agent="alice")
    ask = Http(server)
    assert ask("GET", "/health")[0] == 200
    files = resource.prlimit(server.pid, resource.RLIMIT_NOFILE,
                             (8, resource.prlimit(server.pid, resource.RLIMIT_NOFILE)[1]))
    filled = fill(client)
    status, health = ask("GET", "/health")
    assert status == 503 and health["status"] == "degraded", health
    assert health["reason"].startswith(
        "the journal has no room: ") and "Too many open files" in health["reason"], health
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, files)
    published_again(client, content=CONTENT)
    assert fill(client) + filled > (8 << 20) / len(CONTENT)
    assert "it may take 20971520 bytes" in ask("GET", "/health")[1]["reason"]
    drain(client, client.stats("bob")["mailboxes"][0]["ready"])
    published_again(client)
    assert ask("GET", "/health")[0] == 200 and "refusal" not in client.stats()["journal"]
    client.close()


@pytest.mark.parametrize("size", [10, 20_000, 900_000])
def test_X3_a_full_disk_is_told_of_once_whatever_was_refused(make_server, size):
    server = make_server("--set", "journal.segment_bytes=4MiB", "--set", "journal.bytes_max=12MiB")
    client = Client(("127.0.0.1", server.port), agent="alice")
    client.publish(bytes(900_000), to="bob")  # what is refused is smaller than what was taken before
    for _ in range(9):
        client.publish(bytes(900_000), to="bob")
        if not client.stats()["accepts_durable"]:
            break
    refused = 0
    for _ in range(200_000 if size == 10 else 500):
        try:
            client.publish(bytes(size), to="bob")
        except Refused as full:
            assert full.name == "disk_full"
            refused += 1
            if refused == 20:
                break
    assert refused == 20
    for other in (10, 20_000, 900_000, 10, 900_000):
        try:
            client.publish(bytes(other), to="bob")
        except Refused as full:
            assert full.name == "disk_full"
    assert server.log().count("the journal has no room (it may take 12582912 bytes)") == 1, server.log()
    assert "room again" not in server.log()
    while got := client.receive("bob", max=100):
        client.ack(*[d.lease for d in got])
    published_again(client, content=bytes(900_000))
    deadline = time.monotonic() + 5
    while "the journal has room again" not in server.log() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.log().count("room again") == server.log().count("has no room") == 1, server.log()
    client.close()


def test_X3_lines_sent_to_a_full_disk_are_told_of_once(make_server):
    server = make_server("--set", "journal.segment_bytes=4MiB", "--set", "journal.bytes_max=12MiB")
    line = "x" * 20_000
    sent = server.cli("send", "bob", "--lines", "-", stdin="\n".join(["", *[line] * 5_000]), timeout=120)
    assert sent.returncode == 1
    why, how_far = sent.stderr.splitlines()
    assert why.startswith("folkmoot: disk_full: the disk has no room for a durable message to bob"), why
    found = re.fullmatch(
        r"  all lines up to (\d+) are confirmed; of lines (\d+) to (\d+), (\d+) are confirmed and (\d+) refused; "
        r"nothing after them was sent", how_far)
    assert found, how_far
    up_to, first, last, more, refused = map(int, found.groups())
    assert up_to == first - 1 and more + refused == last - first + 1 < 250
    receipts = len(sent.stdout.splitlines())
    assert receipts == up_to - 1 + more  # the first line is empty
    client = Client(("127.0.0.1", server.port))
    assert client.stats("bob")["mailboxes"][0]["ready"] == receipts
    client.close()
    none = server.cli("send", "bob", "--lines", "-", stdin=f"{line * 40}\n" * 3)
    assert none.returncode == 1 and "no line is confirmed; of lines 1 to 3, 0 are confirmed" in none.stderr, none.stderr


def test_X3_a_server_whose_files_are_taken_away_stops_and_says_so(make_server):
    """No promise can be kept then. The publisher is refused or cut off, never confirmed, and no server runs on in that
    state."""
    server = make_server("--set", "journal.segment_bytes=64KiB")
    client = Client(("127.0.0.1", server.port), agent="alice")
    client.publish(CONTENT, to="bob")
    shutil.rmtree(server.data)  # the next segment cannot be made
    confirmed = 0
    with pytest.raises((Refused, OSError)):
        for confirmed in range(100):
            client.publish(CONTENT, to="bob")
    assert confirmed < 10
    assert server.process.wait(10) == 1
    (why,) = server.error_lines()
    assert "stopped: " in why and str(server.data) in why and "No such file or directory" in why, why
    server.errors.write_text("")  # that is what was asked for


def upload_until_full(client, inside):
    """X19: an upload for which there is no room is refused when it begins, and nothing of it stays."""
    free = os.statvfs(inside).f_bavail * os.statvfs(inside).f_frsize
    with pytest.raises(Refused, match="disk_full"):
        client.open_upload(free + (1 << 20))
    assert os.listdir(os.path.join(inside, "content")) == []
    ref = client.upload(bytes(1 << 20))
    assert client.fetch(ref) == bytes(1 << 20)


def on_a_small_disk(size):
    """The program's command line under a mount namespace of its own, in which the data folder is a small tmpfs."""
    script = f'mount -t tmpfs -o size={size} folkmoot "$1" && shift && exec "$@"'
    return ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", "sh", "-c", script, "small-disk"]


def can_mount(tmp_path):
    folder = tmp_path / "probe"
    folder.mkdir()
    return shutil.which("unshare") and subprocess.run(
        [*on_a_small_disk("1m"), str(folder), "true"], capture_output=True).returncode == 0


def test_X3_a_full_disk_refuses_goes_on_and_recovers(make_server, tmp_path):
    if not can_mount(tmp_path):
        pytest.skip(
            "this machine lets us mount nothing, not even in a name space; the journal's own limit is tested above")
    data = tmp_path / "small"
    data.mkdir()
    server = make_server("--set", "journal.segment_bytes=4MiB", data=data, wrapper=[*on_a_small_disk("40m"), str(data)])
    inside = f"/proc/{server.pid}/root{data}"  # the tmpfs, which only the server sees
    client = Client(("127.0.0.1", server.port), agent="alice")
    upload_until_full(client, inside)
    first = client.publish(CONTENT, to="bob")
    assert os.statvfs(inside).f_blocks * os.statvfs(inside).f_frsize == 40 << 20
    filler = os.path.join(inside, "filler")
    with open(filler, "wb") as file:
        file.write(bytes(10 << 20))
    confirmed = 1 + fill(client)
    print(f"{confirmed} messages of 20 kB confirmed on a disk of 40 MiB with 10 MiB taken")
    others_go_on(server, client)
    got = client.receive("bob", max=1)
    assert got[0].fields["id"] == first.id and client.ack(got[0].lease) == (1, [])

    # Somebody makes room: it is noticed without a restart.
    os.unlink(filler)
    print(f"durable messages taken again {published_again(client) * 1000:.0f} ms after the disk had room")
    confirmed += fill(client)
    # Draining the mailbox makes room as well.
    drain(client, confirmed - 1)
    print(f"and {published_again(client) * 1000:.0f} ms after the mailbox was drained")
    client.close()
