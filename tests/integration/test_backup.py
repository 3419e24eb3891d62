"""X20: backup and restore of a running server. What was confirmed before it began is in it, whatever goes on
meanwhile; a backup that is not whole is none.

With FOLKMOOT_TEST_SETTINGS=shards=3 as well: a message on its way between shards is in one of them.
"""

import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import pytest
from native import Client, Ended, Refused, message
from program import PROGRAM, ROOT, SETTINGS, environment
from test_disk_full import can_mount, on_a_small_disk

sys.path.insert(0, str(ROOT / "tests" / "journals"))

import make  # noqa: E402

SMALL = ["--set", "journal.segment_bytes=64KiB"]
SHARDS = next((int(setting[7:]) for setting in SETTINGS if setting.startswith("shards=")), 1)


def run(*arguments, **options):
    return subprocess.run(
        [PROGRAM, *map(str, arguments)], capture_output=True, text=True, env=environment(), timeout=60, **options
    )


def ok(result):
    assert result.returncode == 0, (result.returncode, result.stdout, result.stderr)
    return result.stdout


def client_of(server, agent=None):
    return Client(("127.0.0.1", server.port), agent=agent)


def taken(client, mailbox, content=None):
    """All that waits in a mailbox, in its order, taken and kept."""
    out = []
    while got := client.receive(mailbox, max=100):
        out += got
    return out if content is None else [content(delivery) for delivery in out]


def waits(server):
    client = client_of(server)
    stats = client.stats()
    client.close()
    return stats["waiting"]


def eventually(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


class Load(threading.Thread):
    """Publishes numbered messages to a few mailboxes, and knows which were confirmed."""

    def __init__(self, server, content=200):
        super().__init__()
        self.client = client_of(server, "load")
        self.confirmed = []
        self.padding = "x" * content
        self.goes_on = True
        self.start()

    def run(self):
        number = 0
        try:
            while self.goes_on:
                names = [f"load-{(number + i) % 5}" for i in range(20)]
                results = self.client.publish_batch(
                    [
                        message(f"{number + i} {self.padding}", to=name, key=f"load {number + i}", mode=2)
                        for i, name in enumerate(names)
                    ]
                )
                assert all(result.outcome == "queued" for result in results), results
                self.confirmed += range(number, number + 20)
                number += 20
        except (OSError, Ended):
            pass  # the server was killed

    def stop(self):
        self.goes_on = False
        self.join(20)
        self.client.close()


@pytest.fixture
def load():
    """load(server): one that is stopped in the end."""
    all_of_them = []

    def begin(server, **options):
        all_of_them.append(Load(server, **options))
        return all_of_them[-1]

    yield begin
    for one in all_of_them:
        one.stop()


def numbers(server):
    """Of what the load has published: all that is there."""
    client = client_of(server, "looker")
    out = []
    for box in range(5):
        out += taken(client, f"load-{box}", lambda delivery: int(delivery.content.split()[0]))
    client.close()
    return out


@pytest.mark.parametrize("how", ["folder", "archive", "stdin"])
def test_X20_all_that_was_confirmed_is_there_after_a_backup_under_load(make_server, load, tmp_path, how):
    server = make_server(*SMALL)
    work = load(server)
    ann = client_of(server, "ann")
    big = os.urandom(3_000_000)
    ref = ann.upload(big)
    ann.publish(to="cleo", content_ref=ref)
    first = ann.publish("keyed", to="bob", key="the key", mode=2)
    ann.publish("in hands", to="work")
    (held,) = client_of(server, "bob").receive("work", lease_ms=60_000)
    ann.publish("much later", to="later", delay=3_600_000)
    ann.publish("never", to="refused")
    ann.reject(ann.receive("refused")[0].lease, reason="no")
    ann.carry_out("route.set", name="kept", targets=["cleo"], filter="priority <= 2")
    ann.carry_out(
        "schedule.set",
        name="kept",
        every="1h",
        first_at="2100-01-01T00:00:00Z",
        message={"to": "bob", "content": "again"},
    )
    eventually(lambda: len(work.confirmed) > 2_000)
    before = list(work.confirmed)

    target = tmp_path / "saved"
    if how == "folder":
        said = ok(server.cli("backup", str(target)))
        assert said.startswith("ok: ") and f"in {target}" in said and "1 content" in said
        assert len(list(target.glob("shard-*"))) == SHARDS - 1
    else:
        with open(target, "wb") as out:
            saved = subprocess.run(
                [PROGRAM, "backup", "-", "--rate", "0"],
                stdout=out,
                stderr=subprocess.PIPE,
                text=True,
                env=environment(FOLKMOOT_ADDRESS=server.address),
                timeout=60,
            )
        assert saved.returncode == 0 and saved.stderr.startswith("ok: "), saved.stderr
        with tarfile.open(target) as archive:
            assert archive.getnames()[-1] == "backup" and f"content/{ref[0].hex()}" in archive.getnames()
    assert len(work.confirmed) > len(before), "the server went on"
    server.kill9()
    work.stop()

    new = tmp_path / "new"
    if how == "stdin":
        with open(target, "rb") as archive:
            ok(run("restore", "-", new, stdin=archive))
    else:
        assert ok(run("restore", target, new)).startswith("ok: ")
    assert "sound" in ok(run("journal", "verify", new))
    restored = make_server(*SMALL, data=new)
    there = numbers(restored)
    assert len(there) == len(set(there)) and set(there) >= set(before)

    ann = client_of(restored, "ann")
    assert ann.publish("keyed", to="bob", key="the key", mode=2)[:3:2] == (first.id, "duplicate")
    assert [(d.content, d.redelivered) for d in taken(ann, "work")] == [(b"in hands", True)]
    assert ann.extend(held.lease, lease_ms=1_000) == (0, [held.lease]), "a lease of the server that was"
    assert ann.stats("later")["mailboxes"][0]["scheduled"] == 1
    assert [letter["reason"] for letter in ann.carry_out("dead.list")["dead"]] == ["rejected"]
    assert [route["name"] for route in ann.carry_out("route.list")["routes"]] == ["kept"]
    assert [schedule["name"] for schedule in ann.carry_out("schedule.list")["schedules"]] == ["kept"]
    (by_reference,) = taken(ann, "cleo")
    assert ann.fetch(ref) == big and by_reference.fields["content_ref"]
    ann.close()


@pytest.mark.skipif(SHARDS > 1, reason="the folder of an earlier version has one shard")
def test_X20_everything_is_as_it_was(make_server, tmp_path):
    data = tmp_path / "data"
    server = make_server(*SMALL, data=data)
    make.first_run(server)
    make.second_run(server)
    server.start()
    ok(server.cli("backup", str(tmp_path / "saved")))
    server.kill9()
    ok(run("restore", tmp_path / "saved", tmp_path / "new"))
    server.start()
    assert make.look(make_server(*SMALL, data=tmp_path / "new")) == make.look(server)


class Chain(threading.Thread):
    """Agents that complete what is in one mailbox with an output into another: with shards, most of these cross."""

    def __init__(self, server, number):
        super().__init__()
        self.client = client_of(server, f"worker-{number}")
        self.mailbox = f"in-{number}"
        self.goes_on = True
        self.start()

    def run(self):
        try:
            while self.goes_on:
                for delivery in self.client.receive(self.mailbox, max=10, wait_ms=100):
                    number = int(delivery.content)
                    self.client.complete(delivery.lease, [message(delivery.content, to=f"out-{number % 7}")])
        except (OSError, Ended, Refused):
            pass  # the server was killed

    def stop(self):
        self.goes_on = False
        self.join(20)
        self.client.close()


def test_X20_what_is_carried_between_shards_is_neither_lost_nor_doubled(make_server, tmp_path):
    """Restored when the keys that tell a message that was carried twice are forgotten: it must not depend on them."""
    server = make_server(*SMALL)
    ann = client_of(server, "ann")
    count = 6_000
    for begin in range(0, count, 500):
        ann.publish_batch([message(f"{i}", to=f"in-{i % 4}") for i in range(begin, begin + 500)])
    ann.close()
    workers = [Chain(server, number) for number in range(4)]
    saved = [tmp_path / f"saved-{i}" for i in range(4)]
    try:
        for target in saved:
            ok(server.cli("backup", str(target), "--rate", "0"))
    finally:
        for worker in workers:
            worker.stop()
    server.kill9()
    time.sleep(1.1)
    in_between = 0
    for number, target in enumerate(saved):
        new = tmp_path / f"new-{number}"
        ok(run("restore", target, new))
        restored = make_server(*SMALL, "--set", "keys.window=1s", data=new)
        eventually(lambda: waits(restored) == count)
        time.sleep(0.5)  # what is misplaced finds home
        client = client_of(restored, "looker")
        inputs = [int(c) for i in range(4) for c in taken(client, f"in-{i}", lambda d: d.content)]
        outputs = [int(c) for i in range(7) for c in taken(client, f"out-{i}", lambda d: d.content)]
        client.close()
        assert sorted(inputs + outputs) == list(range(count)), (len(inputs), len(outputs))
        in_between += 0 < len(outputs) < count
        restored.kill9()
    assert in_between >= 2, "the backups were taken while work was under way"


def test_X20_while_a_backup_is_read_the_journal_and_contents_stay_and_then_go(make_server, load):
    server = make_server(*SMALL, "--set", "content.grace=0")
    ann = client_of(server, "ann")
    ref = ann.upload(b"soon gone" * 1_000)
    ann.publish(to="bob", content_ref=ref)
    for _ in range(20):
        ann.publish("x" * 10_000, to="bob")
    begun = ann.carry_out("backup.begin")
    assert len(begun["journals"]) == SHARDS and begun["contents"] == 1
    with pytest.raises(Refused, match="busy"):
        ann.carry_out("backup.begin")
    got = taken(ann, "bob")
    ann.ack(*[delivery.lease for delivery in got])
    for _ in range(20):
        ann.publish("x" * 10_000, to="bob")
    time.sleep(1.5)
    piece = {"backup": begun["backup"], "bytes": 64, "shard": 0}
    first = begun["journals"][0]["first"]
    assert ann.carry_out("backup.read", segment=first, **piece)["data"].startswith("Zm1vb3Quam")  # "fmoot.j"
    listed = ann.carry_out("backup.contents", backup=begun["backup"])["contents"]
    assert listed == [{"sha256": ref[0].hex(), "size": 9_000}]
    assert (
        len(ann.carry_out("backup.read", backup=begun["backup"], content=ref[0].hex(), bytes=9_000)["data"]) == 12_000
    )
    for wrong in (
        {"segment": first + 1_000},
        {"segment": first, "shard": SHARDS},
        {"segment": first, "offset": 65_530},
        {"content": "00" * 32},
    ):
        with pytest.raises(Refused, match="out_of_range|not_found"):
            ann.carry_out("backup.read", **{**piece, **wrong})
    ann.carry_out("backup.end", backup=begun["backup"])
    with pytest.raises(Refused, match="not_found"):
        ann.carry_out("backup.contents", backup=begun["backup"])
    with pytest.raises(Refused, match="not_found"):
        ann.carry_out("backup.end", backup=begun["backup"] - 1)
    folder = server.data / "content"
    eventually(lambda: not list(folder.iterdir()))
    ann.carry_out("backup.end", backup=ann.carry_out("backup.begin")["backup"])
    ann.close()


def test_X20_a_backup_that_nobody_reads_is_given_up(make_server):
    server = make_server(*SMALL, "--set", "backup.idle=1s")
    ann = client_of(server, "ann")
    begun = ann.carry_out("backup.begin")
    ann.carry_out("backup.contents", backup=begun["backup"])
    time.sleep(1.5)
    with pytest.raises(Refused, match="timed_out: the backup was given up: nothing was asked of it for 1 s"):
        ann.carry_out("backup.contents", backup=begun["backup"])
    ann.carry_out("backup.end", backup=ann.carry_out("backup.begin")["backup"])
    assert "given up" in server.log()
    ann.close()


def test_X20_a_backup_that_would_let_the_journal_grow_is_given_up(make_server, tmp_path):
    server = make_server(*SMALL, "--set", "backup.journal_growth=1MiB")
    ann = client_of(server, "ann")
    for _ in range(30):
        ann.publish("x" * 10_000, to="bob")
    target = tmp_path / "saved"
    saving = server.cli_start("backup", str(target), "--rate", "16KiB")
    eventually(lambda: "a backup is being taken" in server.log())
    for _ in range(300):
        ann.publish("y" * 10_000, to="bob")
        ann.ack(ann.receive("bob")[0].lease)
    out, err = saving.communicate(timeout=30)
    assert saving.returncode == 1 and not out
    assert "limit_reached: the backup was given up" in err and "backup.journal_growth" in err and "--rate" in err
    assert not list(tmp_path.glob("saved*")), "nothing is left of it"
    eventually(lambda: sum(path.stat().st_size for path in server.data.rglob("*.segment")) < (3 << 20) * SHARDS)
    ok(server.cli("backup", str(target)))
    ann.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_X20_an_interrupted_backup_is_none(make_server, tmp_path, how):
    server = make_server(*SMALL)
    ann = client_of(server, "ann")
    for _ in range(40):
        ann.publish("x" * 10_000, to="bob")
    target = tmp_path / "saved"
    saving = server.cli_start("backup", str(target), "--rate", "64KiB")
    partial = tmp_path / "saved.folkmoot-partial"
    eventually(lambda: list(partial.glob("*.segment")))
    saving.send_signal(how)
    saving.communicate(timeout=20)
    assert saving.returncode != 0 and not target.exists()
    if how == signal.SIGKILL:
        refused = run("restore", partial, tmp_path / "new")
        assert refused.returncode == 1 and "damaged" in refused.stderr and not (tmp_path / "new").exists()
        served = run("serve", "--data", partial, "--listen", "127.0.0.1:0")
        assert served.returncode == 1 and "is a backup" in served.stderr
    else:
        assert not partial.exists()
    eventually(lambda: "the connection that took it has ended" in server.log())
    ok(server.cli("backup", str(target)))
    assert not partial.exists()
    ann.close()


def test_X20_a_server_that_is_killed_leaves_no_backup(make_server, tmp_path):
    server = make_server(*SMALL)
    ann = client_of(server, "ann")
    for _ in range(40):
        ann.publish("x" * 10_000, to="bob")
    for target in "saved", "-":
        # An archive is no text: its bytes are taken as whatever characters they pass for.
        where = str(tmp_path / target) if target != "-" else target
        saving = server.cli_start("backup", where, "--rate", "64KiB", errors="replace")
        eventually(lambda: "a backup is being taken" in server.log())
        time.sleep(0.3)
        server.kill9()
        server.errors.write_text("")
        server.start()
        out, err = saving.communicate(timeout=60)
        assert saving.returncode in (1, 5) and "folkmoot: " in err, (saving.returncode, err)
    assert not list(tmp_path.glob("saved*"))
    ann.close()


@pytest.fixture
def saved(make_server, tmp_path):
    """A backup, as a folder and as an archive."""
    server = make_server(*SMALL)
    ann = client_of(server, "ann")
    for i in range(30):
        ann.publish(f"{i} " + "x" * 10_000, to=f"box-{i % 4}")
    ann.publish(to="bob", content_ref=ann.upload(b"by reference" * 1_000))
    ann.close()
    ok(server.cli("backup", str(tmp_path / "saved")))
    with open(tmp_path / "saved.tar", "wb") as out:
        assert (
            subprocess.run(
                [PROGRAM, "backup", "-"],
                stdout=out,
                stderr=subprocess.DEVNULL,
                env=environment(FOLKMOOT_ADDRESS=server.address),
                timeout=60,
            ).returncode
            == 0
        )
    assert server.terminate() == 0
    return tmp_path / "saved"


def refuses(source, tmp_path, *words):
    new = tmp_path / "new"
    refused = run("restore", source, new)
    assert refused.returncode == 1 and not refused.stdout, (refused.returncode, refused.stdout)
    assert all(word in refused.stderr for word in words), refused.stderr
    assert not list(tmp_path.glob("new*")), "nothing is left of it"


def test_X20_a_damaged_backup_is_refused(saved, tmp_path):
    for path in sorted(path for path in saved.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        used = len(whole.rstrip(b"\0"))
        for at in {0, used // 2, used - 1}:
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            refuses(saved, tmp_path, "damaged")
        path.write_bytes(whole[:-1])
        refuses(saved, tmp_path, "damaged")
        path.unlink()
        refuses(saved, tmp_path)
        path.write_bytes(whole)
    ok(run("restore", saved, tmp_path / "new"))


def test_X20_a_damaged_archive_is_refused(saved, tmp_path):
    archive = saved.with_suffix(".tar")
    whole = archive.read_bytes()
    for end in (0, 100, 512, len(whole) // 2, len(whole) - 3_000):
        archive.write_bytes(whole[:end])
        refuses(archive, tmp_path, "damaged")
    for at in (0, 124, 600, len(whole) // 2):
        archive.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        refuses(archive, tmp_path, "damaged")
    (tmp_path / "other").mkdir()
    refuses(tmp_path / "other", tmp_path, "not_found", "is no backup")
    with tarfile.open(archive, "w") as other:
        other.add(PROGRAM, arcname="../../outside")
    refuses(archive, tmp_path, "is no backup", "../../outside")
    refuses(tmp_path / "nothing", tmp_path, "not_found")


def test_X20_a_folder_that_tar_has_packed_is_restored_too(saved, tmp_path):
    with tarfile.open(tmp_path / "packed.tar", "w") as packed:
        for path in sorted(saved.rglob("*"), key=lambda path: path.name):
            packed.add(path, arcname=f"./{path.relative_to(saved)}", recursive=False)
    restored = run("restore", tmp_path / "packed.tar", tmp_path / "new")
    # Its files are in another order than they were written in; what they are is the same.
    assert restored.returncode == 0, restored.stderr


def test_X20_a_used_folder_is_not_restored_into(saved, tmp_path):
    used = tmp_path / "used"
    used.mkdir()
    (used / "mine").touch()
    for target, source in ((used, saved), (saved, saved), (saved / "backup", saved)):
        refused = run("restore", source, target)
        assert refused.returncode == 1 and "already_exists" in refused.stderr, refused.stderr
    assert [path.name for path in used.iterdir()] == ["mine"]
    (used / "mine").unlink()
    ok(run("restore", saved, used))
    said = json.loads(ok(run("restore", saved, tmp_path / "other/inner/", "--json")))
    assert said["ok"] is True and said["shards"] == SHARDS and said["contents"] == 1 and said["facts"] > 30


def test_X20_a_backup_is_not_served(saved):
    before = sorted(str(path) for path in saved.rglob("*"))
    refused = run("serve", "--data", saved, "--listen", "127.0.0.1:0")
    assert refused.returncode == 1 and "folkmoot restore" in refused.stderr
    assert sorted(str(path) for path in saved.rglob("*")) == before


def test_X20_a_backup_goes_only_into_a_new_folder(make_server, tmp_path):
    server = make_server(*SMALL)
    used = tmp_path / "used"
    used.mkdir()
    (used / "mine").touch()
    refused = server.cli("backup", str(used))
    assert refused.returncode == 1 and "already_exists" in refused.stderr
    assert [path.name for path in used.iterdir()] == ["mine"]
    assert server.cli("backup", str(tmp_path / "x"), "--rate", "fast").returncode == 2
    said = json.loads(ok(server.cli("backup", str(tmp_path / "x"), "--json")))
    assert said["ok"] is True and said["shards"] == SHARDS


def test_X20_a_full_disk_at_the_target_is_told_and_nothing_is_left(make_server, tmp_path):
    if not can_mount(tmp_path):
        pytest.skip("this machine lets us mount nothing, not even in a name space")
    server = make_server("--set", "journal.segment_bytes=1MiB")
    ann = client_of(server, "ann")
    for _ in range(400):
        ann.publish("x" * 10_000, to="bob")
    small = tmp_path / "small"
    small.mkdir()
    script = '"$0" backup "$1/saved"; code=$?; ls -A "$1"; exit $code'
    saved = subprocess.run(
        [*on_a_small_disk("2m"), str(small), "sh", "-c", script, PROGRAM, str(small)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(FOLKMOOT_ADDRESS=server.address),
    )
    assert saved.returncode == 1 and "disk_full" in saved.stderr and saved.stdout == "", (saved.stdout, saved.stderr)
    ok(server.cli("backup", str(tmp_path / "saved")))
    ann.close()


def test_X20_a_content_that_is_damaged_on_the_server_keeps_nothing_else_from_being_saved(make_server, tmp_path):
    server = make_server(*SMALL)
    ann = client_of(server, "ann")
    refs = [ann.upload(os.urandom(10_000)) for _ in range(3)]
    for ref in refs:
        ann.publish(to="bob", content_ref=ref)
    path = server.data / "content" / refs[1][0].hex()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    target = tmp_path / "saved"
    saved = server.cli("backup", str(target))
    assert saved.returncode == 1 and "contents are missing" in saved.stdout and refs[1][0].hex() in saved.stderr
    restored = run("restore", target, tmp_path / "new")
    assert restored.returncode == 1 and refs[1][0].hex() in restored.stderr
    client = client_of(make_server(*SMALL, data=tmp_path / "new"), "bob")
    assert len(taken(client, "bob")) == 3 and len(client.fetch(refs[0])) == 10_000
    client.close()
    ann.close()


def test_X20_the_rate_is_kept(make_server, tmp_path):
    server = make_server(*SMALL)
    ann = client_of(server, "ann")
    for _ in range(100):
        ann.publish("x" * 10_000, to="bob")
    began = time.monotonic()
    ok(server.cli("backup", str(tmp_path / "saved"), "--rate", "512KiB"))
    assert 1.5 < time.monotonic() - began < 10
    ann.close()
