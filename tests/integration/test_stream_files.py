"""Where events of streams end up: files beside the journal, which a start finds again, `folkmoot journal verify`
checks, a backup takes along, and damage in which is told and never passed over (docs/stream-files.md)."""

import json
import subprocess
import threading
import time

import pytest
from native import Ended, Refused, message
from program import PROGRAM, environment
from test_backup import client_of, eventually, ok, run

AT_LEAST_ONCE = 1
SMALL_JOURNAL = ["--set", "journal.segment_bytes=1MiB"]


def text(number):
    return f"{number} " + "x" * (number * 37 % 900)


def append(client, first, end, topic="orders.new"):
    for begin in range(first, end, 200):
        sent = client.publish_batch(
            [
                message(text(i), topic=topic, mode=AT_LEAST_ONCE, content_type="text/plain")
                for i in range(begin, min(begin + 200, end))
            ]
        )
        assert all(one.outcome == "kept" for one in sent), sent


def read(client, first=0, **more):
    """All events from `first` on, page by page: their sequences, once each was compared."""
    sequences = []
    while True:
        page = client.carry_out("stream.read", **{"name": "s", "from": first, "limit": 10_000, **more})
        for event in page["events"]:
            assert event["message"]["content"] == text(event["sequence"])
            sequences.append(event["sequence"])
        if page["next"] >= page["end"]:
            return sequences, page
        first = page["next"]


def files(server):
    return sorted((server.data / "streams").glob("*.events"))


def wait_until_stored(server):
    """Waits until all events are in the files: the newest file does not change any more."""
    seen = None
    while True:
        now = [(path.name, path.stat().st_mtime_ns) for path in files(server)]
        if now and now == seen:
            return
        seen = now
        time.sleep(0.3)


@pytest.fixture
def filled(make_server):
    """A server with a stream `s` of 6,000 events in several files."""
    server = make_server(*SMALL_JOURNAL)
    client = client_of(server, "ann")
    client.carry_out("stream.set", name="s", topic="orders.>", max_bytes=16 << 20)
    append(client, 1, 6_001)
    wait_until_stored(server)
    yield server, client
    client.close()


def test_U14_X3_events_are_in_files_and_a_killed_server_finds_them(filled):
    server, client = filled
    names = [path.name for path in files(server)]
    assert len(names) >= 3 and names[0].endswith(".00000000000000000001.events")
    assert read(client)[0] == list(range(1, 6_001))
    append(client, 6_001, 6_051)
    server.kill9()
    server.start()
    client = client_of(server, "ann")
    assert read(client)[0] == list(range(1, 6_051))
    append(client, 6_051, 6_101)
    assert read(client, 6_000)[0] == list(range(6_000, 6_101))
    server.restart()
    client = client_of(server, "ann")
    assert read(client)[0] == list(range(1, 6_101))
    backwards = client.carry_out("stream.read", name="s", backwards=True, limit=10_000, bytes=4 << 20)
    assert [event["sequence"] for event in backwards["events"]] == list(range(6_100, 0, -1))
    client.close()
    assert server.terminate() == 0
    said = ok(run("journal", "verify", server.data))
    assert f"6100 events of 1 streams in {len(files(server))} files: sound" in said, said
    shown = json.loads(ok(run("journal", "info", server.data, "--json")))
    assert shown["streams"][0]["events"] == 6_100 and shown["streams"][0]["first"] == 1


def test_U14_the_journal_lets_go_of_what_the_files_have(filled):
    server, client = filled
    append(client, 6_001, 6_501)
    eventually(lambda: len(list(server.data.glob("*.segment"))) <= 4)
    assert sum(path.stat().st_size for path in files(server)) > 2 << 20
    assert read(client)[0] == list(range(1, 6_501))


def test_U14_retention_takes_whole_files_away(filled):
    server, client = filled
    before = files(server)
    client.carry_out("stream.purge", name="s", below=4_000)
    eventually(lambda: files(server) and files(server)[0] > before[0])
    sequences, page = read(client)
    assert sequences == list(range(4_000, 6_001)) and page["first"] == 4_000
    client.carry_out("stream.purge", name="s", all=True)
    eventually(lambda: [path.name[11:31] for path in files(server)] == [f"{6_001:020}"])
    append(client, 6_001, 6_011)
    server.restart()
    client = client_of(server, "ann")
    assert read(client)[0] == list(range(6_001, 6_011))
    client.carry_out("stream.remove", name="s")
    eventually(lambda: not files(server))


def test_U14_files_that_another_journal_belongs_to_are_left_and_told_of(filled):
    server, client = filled
    client.close()
    assert server.terminate() == 0
    before = {path.name: path.read_bytes() for path in files(server)}
    apart = server.data.parent / "apart"
    apart.mkdir()
    segments = list(server.data.glob("*.segment"))
    for path in segments:
        path.rename(apart / path.name)
    server.start()
    client = client_of(server, "ann")
    assert "there are files of stream number 1, of which the journal has never heard" in server.log()
    client.carry_out("stream.set", name="other", topic="orders.>")
    append(client, 1, 11)
    assert server.terminate() == 0
    client.close()
    assert {path.name: path.read_bytes() for path in files(server) if path.name in before} == before
    for path in server.data.glob("*.segment"):
        path.unlink()
    for path in segments:
        (apart / path.name).rename(path)
    server.start()
    client = client_of(server, "ann")
    assert read(client)[0] == list(range(1, 6_001))
    client.close()


def test_U14_damage_is_told_by_whoever_meets_it_and_what_is_behind_can_be_read(filled):
    server, client = filled
    client.close()
    assert server.terminate() == 0
    path = files(server)[1]
    first = int(path.name[11:31])
    with open(path, "r+b") as file:
        file.seek(300_000)
        byte = file.read(1)
        file.seek(300_000)
        file.write(bytes([byte[0] ^ 1]))
    verified = run("journal", "verify", server.data)
    assert verified.returncode == 1 and path.name in verified.stdout and "1 problems" in verified.stdout
    assert "checksum" in verified.stdout
    server.start()
    client = client_of(server, "ann")
    last = first
    with pytest.raises(Refused, match=f"damaged: .*{path.name}, offset") as refused:
        while True:
            page = client.carry_out("stream.read", **{"name": "s", "from": last, "limit": 100})
            last = page["next"]
    assert "journal verify" in str(refused.value) or "backup" in str(refused.value)
    assert first <= last < first + 1_500
    behind = int(files(server)[2].name[11:31])
    assert read(client, behind)[0] == list(range(behind, 6_001))
    client.close()


class Appending(threading.Thread):
    """Appends to the stream as long as the server lives."""

    def __init__(self, server, first):
        super().__init__()
        self.client = client_of(server, "appending")
        self.next = first
        self.start()

    def run(self):
        try:
            while True:
                append(self.client, self.next, self.next + 20)
                self.next += 20
        except (OSError, Ended):
            pass  # the server was killed

    def stop(self):
        self.join(20)
        self.client.close()


@pytest.mark.parametrize("how", ["folder", "archive"])
def test_X20_U14_a_backup_has_the_events_of_streams_of_one_moment(filled, make_server, tmp_path, how):
    server, client = filled
    work = Appending(server, 6_001)
    try:
        eventually(lambda: work.next > 6_500)
        before = work.next
        target = tmp_path / "saved"
        if how == "folder":
            said = ok(server.cli("backup", str(target), "--rate", "0"))
            assert "files of streams" in said
        else:
            with open(target, "wb") as out:
                command = [PROGRAM, "backup", "-", "--rate", "0"]
                env = environment(FOLKMOOT_ADDRESS=server.address)
                saved = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, env=env, timeout=60)
            assert saved.returncode == 0 and "files of streams" in saved.stderr, saved.stderr
        client.carry_out("stream.purge", name="s", all=True)
    finally:
        server.kill9()
        work.stop()
    new = tmp_path / "new"
    assert "files of streams" in ok(run("restore", target, new))
    assert "sound" in ok(run("journal", "verify", new)).splitlines()[-1]
    restored = make_server(*SMALL_JOURNAL, data=new)
    client = client_of(restored, "ann")
    sequences, page = read(client)
    assert sequences == list(range(page["first"], page["end"]))
    assert page["first"] == 1 and page["end"] >= before
    append(client, page["end"], page["end"] + 10)
    assert read(client, page["end"] - 5)[0] == list(range(page["end"] - 5, page["end"] + 10))
    client.close()


def test_X20_U14_files_stay_while_a_backup_is_read_and_then_go(filled):
    server, client = filled
    begun = client.carry_out("backup.begin")
    listed = client.carry_out("backup.streams", backup=begun["backup"])["files"]
    assert len(listed) == begun["stream_files"] == len(files(server))
    assert sum(file["size"] for file in listed) == begun["stream_bytes"]
    assert client.carry_out("backup.streams", backup=begun["backup"], skip=1, limit=1)["files"] == listed[1:2]
    client.carry_out("stream.purge", name="s", all=True)
    time.sleep(0.5)
    piece = {"backup": begun["backup"], "stream": listed[0]["stream"], "first": 1, "bytes": 64}
    assert client.carry_out("backup.read", **piece)["data"].startswith("Zm1vb3Quc3")  # "fmoot.s"
    for wrong in ({"first": 2}, {"stream": 99}, {"offset": listed[0]["size"] - 63}):
        with pytest.raises(Refused, match="out_of_range|not_found"):
            client.carry_out("backup.read", **{**piece, **wrong})
    client.carry_out("backup.end", backup=begun["backup"])
    eventually(lambda: len(files(server)) == 1)
    with pytest.raises(Refused, match="not_found"):
        client.carry_out("backup.streams", backup=begun["backup"])
