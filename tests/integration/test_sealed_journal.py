"""U13, X3: a journal that is sealed with a key. Nothing of what was said stands in the data folder, nothing confirmed
is lost when the server is killed, and who has not got the key is told so before anything is changed.

With FOLKMOOT_TEST_SETTINGS=shards=3 as well.
"""

import json
import os
import re
import stat
import subprocess
import time

import pytest
from native import Client
from program import PROGRAM, SETTINGS, environment

SMALL = ["--set", "journal.segment_bytes=64KiB"]
MARKER = "the password of the vault is swordfish"


def run(*arguments, variables=None):
    given = {**environment(), **(variables or {})}
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, env=given, timeout=60)


def ok(result):
    assert result.returncode == 0, (result.returncode, result.stdout, result.stderr)
    return result.stdout


@pytest.fixture
def key(tmp_path):
    file = tmp_path / "journal.key"
    ok(run("journal", "new-key", file))
    return file


def sealed_by(key):
    return ["--set", f"journal.key_file={key}"]


def client_of(server):
    return Client(("127.0.0.1", server.port))


def publish(server, mailbox, *contents):
    client = client_of(server)
    for content in contents:
        client.publish(content, to=mailbox, type="task")
    client.close()


def taken(server, mailbox):
    client = client_of(server)
    out = []
    while got := client.receive(mailbox, max=100):
        out += got
        client.ack(*[delivery.lease for delivery in got])
    client.close()
    return [delivery.content.decode() for delivery in out]


def files_with(folder, text):
    """The files that have the text in them."""
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def all_bytes(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "lock"}


def refused(*arguments):
    """What a server says that does not start."""
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    result = run("serve", "--listen", "127.0.0.1:0", *settings, *arguments)
    assert result.returncode in (1, 2), (result.returncode, result.stdout, result.stderr)
    return result.stderr


def test_U13_a_new_key_is_its_owners_alone_and_goes_before_those_that_are_there(tmp_path):
    file = tmp_path / "journal.key"
    first = json.loads(ok(run("journal", "new-key", file, "--json")))
    assert first["file"] == str(file) and re.fullmatch("[0-9a-f]{8}", first["key"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = file.read_text().splitlines()
    assert len(lines) == 1 and re.fullmatch("[0-9a-f]{64}", lines[0])
    said = ok(run("journal", "new-key", file))
    assert file.read_text().splitlines()[1:] == lines and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first["key"] not in said and not any(line in said for line in file.read_text().splitlines())
    file.write_text("not a key\n")
    result = run("journal", "new-key", file)
    assert result.returncode == 2 and "line 1" in result.stderr and file.read_text() == "not a key\n"


def test_U13_nothing_of_what_was_said_stands_in_the_folder_and_a_kill_loses_nothing(make_server, tmp_path, key):
    data = tmp_path / "sealed"
    server = make_server(*SMALL, *sealed_by(key), data=data)
    expected = [f"{MARKER} {number} " + "x" * 500 for number in range(500)]
    publish(server, "vault", *expected)
    server.kill9()
    assert not files_with(data, "swordfish") and not files_with(data, "xxxxxxxx")
    assert not files_with(data, key.read_text().strip())
    server = make_server(*SMALL, *sealed_by(key), data=data)
    assert "sealed with the key" in server.log()
    assert key.read_text().strip() not in server.log()
    assert sorted(taken(server, "vault")) == sorted(expected)
    publish(server, "vault", MARKER)
    server.terminate()
    assert not files_with(data, "swordfish")
    server = make_server(*SMALL, *sealed_by(key), data=data)
    assert taken(server, "vault") == [MARKER]


def test_U13_a_server_without_the_key_or_with_another_changes_nothing(make_server, tmp_path, key):
    data = tmp_path / "sealed"
    server = make_server(*sealed_by(key), data=data)
    publish(server, "vault", MARKER)
    server.kill9()
    other = tmp_path / "other.key"
    ok(run("journal", "new-key", other))
    before = all_bytes(data)
    said = refused("--data", data)
    assert "is sealed with the key" in said and "journal.key_file" in said
    said = refused("--data", data, *sealed_by(other))
    assert "not among those given" in said
    assert key.read_text().strip() not in said and other.read_text().strip() not in said
    after = all_bytes(data)
    assert {path: text for path, text in after.items() if path.suffix == ".segment"} == {
        path: text for path, text in before.items() if path.suffix == ".segment"
    }
    server = make_server(*sealed_by(key), data=data)
    assert taken(server, "vault") == [MARKER]


def test_U13_a_key_comes_from_a_command_and_never_from_a_file_that_others_can_read(make_server, tmp_path, key):
    data = tmp_path / "sealed"
    server = make_server("--set", f"journal.key_command=cat {key}", data=data)
    publish(server, "vault", MARKER)
    arguments = (f"/proc/{server.process.pid}/cmdline", f"/proc/{server.process.pid}/environ")
    assert not any(key.read_bytes().strip() in open(path, "rb").read() for path in arguments)
    server.terminate()
    os.chmod(key, 0o644)
    said = refused("--data", data, *sealed_by(key))
    assert "0644" in said and f"chmod 0600 {key}" in said
    os.chmod(key, 0o600)
    assert "and from a command" in refused("--data", data, *sealed_by(key), "--set", "journal.key_command=true")
    assert "no key" in refused("--data", data, "--set", "journal.key_command=true")
    said = refused("--data", data, "--set", "journal.key_command=echo no vault today >&2; exit 3")
    assert "status 3" in said and "no vault today" in said
    said = refused("--data", data, "--set", "journal.key_command=head -c 100000 /dev/zero")
    assert "journal.key_command" in said
    assert "regular file" in refused("--data", data, *sealed_by(tmp_path))
    server = make_server(*sealed_by(key), data=data)
    assert taken(server, "vault") == [MARKER]


def test_U13_verify_works_with_the_key_and_without(make_server, tmp_path, key):
    data = tmp_path / "sealed"
    server = make_server(*SMALL, *sealed_by(key), data=data)
    publish(server, "vault", *[MARKER + "x" * 1000 for _ in range(200)])
    server.terminate()
    said = ok(run("journal", "verify", data))
    assert "sound" in said and "sealed and not opened" in said
    opened = ok(run("journal", "verify", data, "--key-file", key))
    assert "sound" in opened and "of them sealed: " in opened
    assert opened == ok(run("journal", "verify", data, "--key-command", f"cat {key}"))
    assert opened == ok(run("journal", "verify", data, variables={"FOLKMOOT_JOURNAL_KEY_FILE": str(key)}))
    rows = json.loads(ok(run("journal", "verify", data, "--json")))["segments"]
    assert len({row["key"] for row in rows}) == 1 and not any(row["opened"] for row in rows)
    rows = json.loads(ok(run("journal", "verify", data, "--json", "--key-file", key)))["segments"]
    assert all(row["opened"] for row in rows)
    assert rows[0]["key"] in ok(run("journal", "info", data))
    other = tmp_path / "other.key"
    ok(run("journal", "new-key", other))
    wrong = run("journal", "verify", data, "--key-file", other)
    assert wrong.returncode == 1 and "not among those given" in wrong.stderr
    # Rot in the first segment is found by whoever looks.
    journal = max({path.parent for path in data.rglob("*.segment")}, key=lambda each: len(list(each.glob("*.segment"))))
    segment = journal / "0000000001.segment"
    with segment.open("r+b") as file:
        file.seek(600)
        byte = file.read(1)[0]
        file.seek(600)
        file.write(bytes([byte ^ 1]))
    for more in ([], ["--key-file", key]):
        result = run("journal", "verify", data, *more)
        assert result.returncode == 1 and "segment 1 offset" in result.stdout, result.stdout
    assert "damaged" in refused(*SMALL, "--data", data, *sealed_by(key))
    with segment.open("r+b") as file:
        file.seek(600)
        file.write(bytes([byte]))


def test_U13_sealing_begins_changes_its_key_and_ends_without_losing_mail(make_server, tmp_path, key):
    data = tmp_path / "mine"

    def live(*arguments):
        server = make_server(*SMALL, *arguments, data=data)
        publish(server, "vault", f"{MARKER} {len(expected)}")
        expected.append(f"{MARKER} {len(expected)}")
        return server

    def keys_of_segments():
        rows = json.loads(ok(run("journal", "info", data, "--json")))
        shards = [rows, *rows.get("shards", [])]
        return {row.get("key") for shard in shards for row in shard["segments"]}

    def until(server, condition, *arguments):
        """Old segments go while a server runs: it is looked at in between."""
        deadline = time.monotonic() + 30
        server.terminate()
        while not condition():
            assert time.monotonic() < deadline, keys_of_segments()
            server = make_server(*SMALL, *arguments, data=data)
            time.sleep(0.5)
            server.terminate()

    expected = []
    live().terminate()
    assert files_with(data, "swordfish") and keys_of_segments() == {None}
    until(live(*sealed_by(key)), lambda: len(keys_of_segments()) == 1 and not files_with(data, "swordfish"),
          *sealed_by(key))
    (first,) = keys_of_segments()
    ok(run("journal", "new-key", key))
    until(live(*sealed_by(key)), lambda: len(keys_of_segments()) == 1, *sealed_by(key))
    (second,) = keys_of_segments()
    assert first != second and second is not None
    new, _ = key.read_text().splitlines()
    key.write_text(f"{new}\n")  # the old one is needed no more
    live(*sealed_by(key)).terminate()
    key.write_text(f"plain\n{new}\n")
    until(live(*sealed_by(key)), lambda: keys_of_segments() == {None}, *sealed_by(key))
    server = live()
    assert taken(server, "vault") == expected


def test_U13_a_backup_stays_sealed_and_is_restored_without_the_key(make_server, tmp_path, key):
    server = make_server(*SMALL, *sealed_by(key))
    publish(server, "vault", *[MARKER + "x" * 1000 for _ in range(100)])
    backup, new = tmp_path / "backup", tmp_path / "new"
    assert ok(server.cli("backup", str(backup))).startswith("ok")
    assert not files_with(backup, "swordfish")
    assert ok(run("restore", backup, new)).startswith("ok")
    again = make_server(*SMALL, *sealed_by(key), data=new)
    assert taken(again, "vault") == [MARKER + "x" * 1000] * 100


def test_U13_the_history_follows_a_sealed_journal(make_server, key):
    server = make_server(*SMALL, *sealed_by(key), "--set", "history.store=sqlite")
    publish(server, "vault", MARKER)
    deadline = time.monotonic() + 15
    expected = f'"content_bytes":{len(MARKER)}'
    while expected not in (found := ok(server.cli("history", "find", "--to", "vault", "--json"))):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_U13_doctor_says_what_is_sealed_and_what_is_not(tmp_path, key):
    def findings(*arguments):
        out = run("doctor", "--json", "--listen", "127.0.0.1:0", "--data", tmp_path / "data", *arguments).stdout
        return [row for row in map(json.loads, out.splitlines()) if row["subject"] == "seal"]

    assert findings() == []
    (good,) = findings(*sealed_by(key))
    assert good["weight"] == "ok" and "sealed with the key" in good["what"]
    (warning,) = findings(*sealed_by(key), "--set", "history.store=sqlite")
    assert warning["weight"] == "warning" and "history" in warning["what"]
    (tmp_path / "data" / "content").mkdir(parents=True)
    (tmp_path / "data" / "content" / ("0" * 64)).write_text("x")
    (warning,) = findings(*sealed_by(key))
    assert warning["weight"] == "warning" and "content" in warning["what"]
    os.chmod(key, 0o640)
    (problem,) = findings(*sealed_by(key))
    if os.geteuid() != 0:
        assert problem["weight"] == "problem" and "0640" in problem["what"]
    os.chmod(key, 0o604)
    (problem,) = findings(*sealed_by(key))
    assert problem["weight"] == "problem" and "0604" in problem["what"]
