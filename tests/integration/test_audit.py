"""The audit log (`folkmoot audit`): what is noted, that it cannot be changed unnoticed; a crash is no change."""

import json

import pytest
from native import Client
from test_accounts import Guarded, http, refused
from test_delivery_native import eventually


@pytest.fixture(params=[1, 3], ids=["one_shard", "three_shards"])
def guarded(make_server, request):
    return Guarded(make_server("--set", f"shards={request.param}"))


def tail(server, lines=1000):
    done = server.cli("audit", "tail", str(server.data), "--lines", str(lines), "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def tail_status(server):
    done = server.cli("audit", "tail", str(server.data))
    assert "`folkmoot audit verify` says where" in done.stderr
    return done.returncode


def noted(server, what, **fields):
    is_it = lambda row: row["what"] == what and all(row.get(name) == value for name, value in fields.items())
    return eventually(lambda: [row for row in tail(server) if is_it(row)], bool)


def verify(server, status=0):
    done = server.cli("audit", "verify", str(server.data), "--json")
    assert done.returncode == status, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def files(server):
    return sorted((server.data / "audit").iterdir())


def test_M7_what_administers_is_noted_whoever_does_it_by_whatever_door(guarded):
    server = guarded.server
    key = guarded.add("ann")
    assert noted(server, "account.add", of="root admin")[0].get("who") is None  # the first: nobody was known
    assert noted(server, "account.add", who="root", of="ann agent")[0]["door"] == "native"
    guarded.cli("access", "grant", "ann", "publish", "market.>")
    assert noted(server, "access.grant", who="root", of="ann market.>")
    assert http(server, "POST", "/api/call/account.rotate", {"name": "ann"}, guarded.root)[0] == 200
    rotated = noted(server, "account.rotate", who="root", of="ann")[0]
    assert rotated["door"] == "http" and rotated["address"] == "127.0.0.1"
    for action in "disable", "enable", "remove":
        guarded.cli("account", action, "ann")
        assert noted(server, f"account.{action}", who="root", of="ann")
    assert noted(server, "login", who="root")
    text = "".join(file.read_text() for file in files(server))
    assert key[20:] not in text and guarded.root[20:] not in text
    assert all(file.stat().st_mode & 0o077 == 0 for file in [*files(server), server.data / "audit"])
    report = verify(server)
    assert report["problems"] == [] and report["first"] == 1 and report["last"] == report["records"]


@pytest.mark.parametrize("shards", [1, 3])
def test_M7_who_has_the_servers_token_and_who_configures_mailboxes_by_a_frame_is_noted(make_server, shards):
    server = make_server("--token", "secret", "--set", f"shards={shards}")
    client = Client(("127.0.0.1", server.port), token="secret", agent="me")
    assert noted(server, "login", who="(token)", of="me")
    for mailbox in "one", "two", "three":  # of several shards
        client.mailbox(mailbox, max_messages=10)
        client.carry_out("mailbox.configure", name=mailbox, max_messages=20)
    for mailbox in "one", "two", "three":
        assert len(noted(server, "mailbox", who="(token)", of=mailbox)) == 1
        assert len(noted(server, "mailbox.configure", who="(token)", of=mailbox)) == 1
    client.publish("x", to="one")
    server.terminate()
    assert "secret" not in "".join(file.read_text() for file in files(server))
    shown = server.cli("audit", "tail", str(server.data), "--lines", "1")
    assert shown.returncode == 0 and shown.stdout.split()[1:] == ["-", "server.stop"]
    assert {row["what"] for row in tail(server)} == {
        "server.start",
        "login",
        "mailbox",
        "mailbox.configure",
        "server.stop",
    }


def test_M7_who_was_not_let_in_and_what_was_refused_is_noted_at_a_bounded_rate(guarded):
    server = guarded.server
    guarded.add("ann")
    assert refused(Client, ("127.0.0.1", server.port), token="a guess", agent="eve").name == "unauthorized"
    failed = noted(server, "login", of="eve")[0]
    assert "none of this server's" in failed["outcome"] and "a guess" not in json.dumps(failed)
    ann = guarded.connect("ann")
    assert refused(ann.carry_out, "account.list").name == "not_permitted"
    assert "may not call account.list" in noted(server, "account.list", who="ann")[0]["outcome"]
    for _ in range(300):
        assert refused(ann.carry_out, "account.list").name == "not_permitted"
    guarded.cli("account", "disable", "ann")
    assert noted(server, "audit.left_out")
    assert len([row for row in tail(server) if row["what"] == "account.list"]) < 300


def test_M7_starts_and_stops_are_noted_and_the_chain_goes_on_after_a_kill(guarded):
    server = guarded.server
    guarded.add("ann")
    assert noted(server, "account.add", of="ann agent")
    before = verify(server)
    server.kill9()
    with open(files(server)[-1], "ab") as file:
        file.write(b"0123456789abcdef torn")
    torn = verify(server)
    assert torn["torn_bytes"] == 21 and torn["problems"] == []
    server.start()
    assert "torn by a crash (21 bytes)" in server.log()
    assert noted(server, "server.start")
    guarded.cli("account", "remove", "ann")
    assert noted(server, "account.remove", of="ann")
    after = verify(server)
    assert after["torn_bytes"] == 0 and after["last"] > before["last"] and after["problems"] == []
    server.terminate()
    assert tail(server)[-1]["what"] == "server.stop"


def test_M7_whatever_is_changed_taken_out_or_put_in_is_found(guarded):
    server = guarded.server
    for name in "ann", "bob", "eve":
        guarded.add(name)
    assert noted(server, "account.add", of="eve agent")
    server.terminate()
    file = files(server)[-1]
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if b'"of":"bob agent"' in line)
    attacks = {
        "it was changed": lines[:at] + [lines[at].replace(b"bob", b"bop")] + lines[at + 1 :],
        "it does not follow": lines[:at] + lines[at + 1 :],
        "does not begin with a hash": lines[:at] + [b"\n"] + lines[at:],
        "was due": lines[:at] + [lines[at], lines[at]] + lines[at + 1 :],
    }
    for why, changed in attacks.items():
        file.write_bytes(b"".join(changed))
        assert any(why in problem for problem in verify(server, status=1)["problems"]), why
    file.write_bytes(b"".join(lines[3:]))
    assert verify(server, status=1)["problems"] == [
        "00000001.log: its first records are missing: record 4 is the first"
    ]
    file.write_bytes(whole)
    assert verify(server)["problems"] == []
    # A server goes on all the same, in another file, and says it; what was done stays to be seen.
    file.write_bytes(b"".join(attacks["it was changed"]))
    server.start()
    (said,) = server.error_lines()
    assert "the audit log is not what was written" in said and "it was changed" in said
    server.errors.write_text("")  # that is what was asked for
    server.terminate()
    assert len(files(server)) == 2 and tail_status(server) == 1
    assert "it was changed" in "".join(verify(server, status=1)["problems"])


def test_M7_without_accounts_and_token_nothing_is_written(server):
    client = Client(("127.0.0.1", server.port), agent="me")
    client.publish("x", to="me")
    client.carry_out("mailbox.configure", name="me", max_messages=10)
    client.mailbox("me", max_messages=20)
    client.carry_out("account.list")
    server.terminate()
    assert not (server.data / "audit").exists()
    done = server.cli("audit", "verify", str(server.data))
    assert done.returncode != 0 and "there is no audit log" in done.stderr
