"""Shell agents that are started from time to time: what one process took a later one settles; exit statuses tell what
happened; --json is everywhere; what is mistyped is named with what was probably meant."""

import json
import os
import re
import socket
import subprocess
import time

import pytest
from native import Client
from program import MOMENT_MS, PROGRAM, Server, environment

NIL_ID = "01890000-0000-7000-8000-000000000000"
DONE, FAILED, USAGE, NOTHING, TIMED_OUT, UNREACHABLE = range(6)


@pytest.fixture
def home(tmp_path):
    """A user of this machine."""
    return {"XDG_STATE_HOME": str(tmp_path / "state")}


def run(*arguments, **env):
    return subprocess.run(
        [PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
    )


def take(server, home, mailbox, lease="60s", *more):
    """The message as `recv --lease --json` prints it."""
    took = server.cli("recv", mailbox, "--lease", lease, "--json", *more, env=home)
    assert took.returncode == DONE, took.stderr
    return json.loads(took.stdout)


def state(server, id):
    return server.cli("receipts", id).stdout.split()[1]


def send(server, *arguments):
    sent = server.cli(*arguments)
    assert sent.returncode == DONE, sent.stderr
    time.sleep(MOMENT_MS / 1000)
    return sent.stdout.split()[0]


# -- leases that outlive the process that took them


def test_A7_a_later_process_acknowledges_what_one_before_it_took(server, home):
    send(server, "send", "bob", "work")
    took = server.cli("recv", "bob", "--lease", "60s", env=home)
    assert took.returncode == DONE
    head, content = took.stdout.splitlines()
    id = head.split()[3]
    assert content == "work" and re.search(r" lease \d+$", head)
    assert server.cli("recv", "bob").returncode == NOTHING  # it is held, though nobody runs
    done = server.cli("ack", id, env=home)
    assert (done.returncode, done.stdout) == (DONE, f"{id}  acknowledged\n"), done.stderr
    assert state(server, id) == "acknowledged"
    again = server.cli("ack", id, env=home)
    assert again.returncode == FAILED and "--lease" in again.stderr  # forgotten here


def test_several_are_acknowledged_at_once(server, home):
    for content in "abc":
        send(server, "send", "bob", content)
    took = server.cli("recv", "bob", "--max", "3", "--lease", "1m", "--json", env=home)
    ids = [json.loads(line)["id"] for line in took.stdout.splitlines()]
    assert len(ids) == 3
    done = server.cli("ack", *ids, "--json", env=home)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"id": id, "status": "acknowledged"} for id in ids
    ]


def test_given_back_and_rejected_with_a_reason(server, home):
    id = send(server, "send", "bob", "work")
    took = take(server, home, "bob")
    assert took["id"] == id and took["delivery"] == 1 and took["redelivered"] is False
    back = server.cli("nack", id, "the database is down", env=home)
    assert (back.returncode, back.stdout) == (DONE, f"{id}  given back\n"), back.stderr
    took = take(server, home, "bob")
    assert took["delivery"] == 2 and took["redelivered"] is True
    dead = server.cli("reject", id, "--reason", "not in my language", "--json", env=home)
    assert json.loads(dead.stdout) == {"id": id, "status": "rejected"}
    shown = json.loads(server.cli("dead", "show", id, "--json").stdout)
    assert shown["text"] == "not in my language" and shown["attempts"][0]["reason"] == "the database is down"


def test_given_back_for_later(server, home):
    id = send(server, "send", "bob", "work")
    take(server, home, "bob")
    assert server.cli("nack", id, "--delay", "1h", env=home).returncode == DONE
    assert server.cli("recv", "bob").returncode == NOTHING and state(server, id) == "scheduled"


def test_completed_with_an_answer_to_whoever_asked(server, home):
    id = send(server, "--as", "alice", "send", "bob", "2+2?", "--conversation", "sums")
    take(server, home, "bob")
    done = server.cli("--as", "bob", "complete", id, "4", env=home)
    assert (done.returncode, done.stdout) == (DONE, f"{id}  completed\n"), done.stderr
    assert state(server, id) == "acknowledged"
    answer = json.loads(server.cli("recv", "alice", "--wait", "5s", "--json").stdout)
    assert (answer["from"], answer["content"], answer["type"], answer["cause"], answer["conversation"]) == (
        "bob",
        "4",
        "response",
        id,
        "sums",
    )


def test_X5_completed_with_the_next_step(server, home):
    id = send(server, "send", "scan", "page 1")
    take(server, home, "scan")
    assert server.cli("complete", id, "text of page 1", "--to", "translate", env=home).returncode == DONE
    nxt = json.loads(server.cli("recv", "translate", "--wait", "5s", "--json").stdout)
    assert (nxt["content"], nxt["type"], nxt["cause"]) == ("text of page 1", "task", id)


def test_a_request_is_answered_by_a_later_process(server, home):
    asking = server.cli_start("request", "bob", "2+2?", "--timeout", "20s", "--mode", "at_least_once")
    took = take(server, home, "bob", "60s", "--wait", "10s")
    assert server.cli("complete", took["id"], "4", env=home).returncode == DONE
    assert asking.communicate(timeout=10)[0] == "4" and asking.returncode == DONE


def test_held_for_longer(server, home):
    id = send(server, "send", "bob", "work")
    take(server, home, "bob", "1s")
    assert server.cli("extend", id, "1m", env=home).stdout == f"{id}  held for 1m more\n"
    time.sleep(1.2)
    assert server.cli("recv", "bob").returncode == NOTHING
    assert server.cli("ack", id, env=home).returncode == DONE


def test_X12_a_lease_that_ended_settles_nothing(server, home):
    id = send(server, "send", "bob", "work")
    late = take(server, home, "bob", "100ms")["lease"]
    again = take(server, {"XDG_STATE_HOME": home["XDG_STATE_HOME"] + "2"}, "bob", "60s", "--wait", "5s")
    assert again["id"] == id and again["lease"] != late
    for words in (
        ["ack", id],
        ["ack", id, "--lease", late],
        ["nack", id, "--lease", late],
        ["reject", id, "--lease", late],
        ["complete", id, "--lease", late],
        ["extend", id, "1m", "--lease", late],
    ):
        refused = server.cli(*words, env=home)
        assert refused.returncode == FAILED and "lease_lost" in refused.stderr or "no lease" in refused.stderr, refused
    assert state(server, id) == "retrieved"  # by the second, as before
    assert server.cli("ack", id, "--lease", again["lease"], env=home).returncode == DONE


def test_X12_only_who_holds_it_settles_it(server, home, tmp_path):
    id, other = send(server, "send", "bob", "work"), send(server, "send", "bob", "more work")
    mine, theirs = take(server, home, "bob"), take(server, {"XDG_STATE_HOME": str(tmp_path / "other")}, "bob")
    assert (mine["id"], theirs["id"]) == (id, other)
    stranger = server.cli("ack", other, env=home)
    assert stranger.returncode == FAILED and "--lease" in stranger.stderr
    wrong = server.cli("ack", other, "--lease", mine["lease"], env=home)  # a lease, but of another message
    assert wrong.returncode == FAILED and "lease_lost" in wrong.stderr
    assert state(server, id) == state(server, other) == "retrieved"


def test_of_two_runs_of_one_user_each_settles_what_it_holds_itself(server, home):
    id = send(server, "send", "bob", "work")

    def session(script):  # of its own, as cron starts one
        return subprocess.Popen(
            ["bash", "-c", script],
            text=True,
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(FOLKMOOT_ADDRESS=server.address, P=PROGRAM, ID=id, **home),
        )

    first = session("$P recv bob --lease 200ms --wait 5s >/dev/null; echo held; read; $P ack $ID; echo $?")
    assert first.stdout.readline() == "held\n"
    second = session("$P recv bob --lease 60s --wait 5s >/dev/null; echo held; read; $P ack $ID; echo $?")
    assert second.stdout.readline() == "held\n"
    late, _ = first.communicate("\n", timeout=10)
    assert "lease_lost" in late and late.endswith(f"{FAILED}\n")
    done, _ = second.communicate("\n", timeout=10)
    assert done == f"{id}  acknowledged\n{DONE}\n"


def test_notes_are_their_user_s_alone_and_do_not_pile_up(server, home):
    id = send(server, "send", "bob", "work")
    take(server, home, "bob")
    folder = os.path.join(home["XDG_STATE_HOME"], "folkmoot/held")
    (note,) = os.listdir(folder)
    assert note.startswith(id) and os.stat(folder).st_mode & 0o077 == 0
    assert os.stat(os.path.join(folder, note)).st_mode & 0o077 == 0
    assert server.cli("ack", id, env=home).returncode == DONE and os.listdir(folder) == []


def test_without_a_place_for_notes_the_lease_itself_serves(server, tmp_path):
    (tmp_path / "state").touch()
    nowhere = {"XDG_STATE_HOME": str(tmp_path / "state")}
    id = send(server, "send", "bob", "work")
    took = server.cli("recv", "bob", "--lease", "60s", "--json", env=nowhere)
    assert took.returncode == DONE and "not noted" in took.stderr
    assert server.cli("ack", id, "--lease", json.loads(took.stdout)["lease"], env=nowhere).returncode == DONE


def test_what_could_not_be_printed_is_not_held(server, home):
    id = send(server, "send", "bob", "work")
    with open("/dev/full", "w") as full:
        took = subprocess.run(
            [PROGRAM, "recv", "bob", "--lease", "1h"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(FOLKMOOT_ADDRESS=server.address, **home),
        )
    assert took.returncode == FAILED and "stdout" in took.stderr
    assert take(server, home, "bob")["id"] == id


# -- exit statuses


def test_no_mail_timed_out_refused_and_unreachable_are_told_apart(server, home):
    assert server.cli("recv", "bob").returncode == NOTHING
    assert server.cli("recv", "bob", "--wait", "200ms").returncode == NOTHING
    assert server.cli("recv", "bob", "--lease", "1s", env=home).returncode == NOTHING
    assert server.cli("wait", "bob", "--timeout", "200ms").returncode == TIMED_OUT
    assert server.cli("request", "bob", "are you there?", "--timeout", "200ms").returncode == TIMED_OUT
    assert server.cli("command", "bob", "stop", "--timeout", "200ms").returncode == TIMED_OUT
    assert server.cli("mailbox", "full", "--max-messages", "1").returncode == DONE
    assert server.cli("send", "full", "one").returncode == DONE
    assert server.cli("send", "full", "two").returncode == FAILED
    assert server.cli("cancel", NIL_ID).returncode == FAILED
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    for words in (
        ["send", "bob", "x"],
        ["recv", "bob"],
        ["stats"],
        ["wait", "bob", "--timeout", "1s"],
        ["ack", NIL_ID, "--lease", "1"],
    ):
        away = run("--server", nobody, *words)
        assert away.returncode == UNREACHABLE and nobody in away.stderr, away
    assert run("--server", "unix:/no/such/socket", "stats").returncode == UNREACHABLE


def test_a_missing_token_is_refused(tmp_path):
    guarded = Server(tmp_path / "data", env={"FOLKMOOT_TOKEN": "open sesame"})
    try:
        assert guarded.cli("recv", "bob").returncode == FAILED
        assert guarded.cli("recv", "bob", env={"FOLKMOOT_TOKEN": "open sesame"}).returncode == NOTHING
    finally:
        guarded.kill9()


@pytest.mark.parametrize(
    "words",
    [
        ["send", "bob", "x", "--priority", "99"],
        ["send", "bob", "x", "--mode", "maybe"],
        ["send", "bob", "x", "--retry", "attempts=many"],
        ["send", "bob", "x", "--meta", "novalue"],
        ["send", "bob", "x", "--cause", "nonsense"],
        ["send", "bob", "x", "--expires-at", "2020-01-01T00:00:00Z"],
        ["send", "bob", "--lines", "/no/such/file"],
        ["send", "$bob", "x"],
        ["send", "bob\x01", "x"],
        ["publish", "a..b", "x"],
        ["receipts", "nonsense"],
        ["cancel", "nonsense"],
        ["ack", "nonsense"],
        ["ack", NIL_ID, "--lease", "x"],
        ["dead", "show", "nonsense"],
        ["dead", "list", "--reason", "boredom"],
        ["dead", "resubmit", NIL_ID, "--set", "novalue"],
        ["content", "stat", "nonsense"],
        ["content", "put", "/no/such/file"],
        ["content", "get", "0" * 64, "--json"],
        ["request", "bob", "x", "--also", "carol", "--need", "lots"],
        ["subscribe", "a", "--filter", "priority <"],
        ["schedule", "add", "n", "bob", "x", "--cron", "never"],
        ["recv", "bob", "--lease", "0s"],
        ["recv", "bob", "--lease", "1s", "--no-ack"],
        ["recv", "bob", "--lease", "1s", "--follow"],
        ["complete", NIL_ID, "--lease", "1", "--to", "bob"],
        ["route", "add", "r", "bob=x"],
        ["--server", "nowhere", "stats"],
        ["call", "no.such"],
        ["call", "dead.list", "limt=1"],
        ["describe", "no.such"],
        ["mailbox", "@x", "--max-messages", "1"],
        ["mailbox", "x", "--overflow", "maybe"],
        ["bench", "nonsense"],
        ["stats", "and", "more"],
    ],
)
def test_wrong_usage_is_2_whoever_notices_it(server, home, words):
    wrong = server.cli(*words, env=home)
    assert wrong.returncode == USAGE and wrong.stderr.count("\n") == 1 and not wrong.stdout, wrong


def test_the_table_of_statuses_is_in_the_help_and_on_the_page():
    shown = run("--help").stdout
    table = dict(re.findall(r"^  (\d)  (.*)$", shown[shown.index("Exit status:") :], re.M))
    assert list(table) == [str(status) for status in range(6)]
    page = open(os.path.join(os.path.dirname(__file__), "../../docs/troubleshooting.md")).read()
    assert dict(re.findall(r"^\| (\d) \| (.*) \|$", page, re.M)) == table


# -- help, and words that are not known


def commands(*path):
    """All commands below `path`, those with commands of their own not among them."""
    shown = run(*path, "--help").stdout
    found = []
    listed = shown.partition("\nSubcommands:\n")[2].partition("\n\n")[0]
    for name in re.findall(r"^  ([a-z]+) ", listed, re.M):
        below = commands(*path, name)
        found += below or [[*path, name]]
    return found


ALL = commands()
# These write what was asked for and nothing else: events, a key, a content.
BYTES_ALONE = [["stream", "export"], ["key", "convert"], ["key", "seal"], ["key", "open"]]


def test_the_help_lists_them_all():
    assert len(ALL) > 30 and ["dead", "list"] in ALL and ["ack"] in ALL and ["help"] in ALL


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_help_by_either_word_and_json(path):
    shown = run(*path, "--help")
    assert shown.returncode == DONE and not shown.stderr
    if path == ["help"]:
        return
    assert run("help", *path).stdout == shown.stdout
    assert "--json" in shown.stdout or path in BYTES_ALONE, path
    assert "Example:" in shown.stdout


def test_help_alone_and_of_what_is_not_there():
    assert run("help").stdout == run("--help").stdout
    wrong = run("help", "rcv")
    assert wrong.returncode == USAGE and "`recv`" in wrong.stderr and not wrong.stdout
    assert run("help", "dead", "lst").returncode == USAGE


@pytest.mark.parametrize(
    "words, meant",
    [
        (["snd", "bob", "hi"], "send"),
        (["receive", "bob"], "recv"),
        (["Send", "bob", "x"], "send"),
        (["dead", "lst"], "list"),
        (["dead", "resubmitt", NIL_ID], "resubmit"),
        (["subscibe", "a"], "subscribe"),
        (["--as", "bob", "recieve"], "recv"),
        (["route", "remvoe", "r"], "remove"),
        (["send", "bob", "x", "--prioritty", "high"], "--priority"),
        (["recv", "bob", "--jsno"], "--json"),
        (["recv", "--wiat", "1s", "bob"], "--wait"),
        (["dead", "list", "--mailbx=bob"], "--mailbox"),
    ],
)
def test_the_nearest_command_or_option_is_named(words, meant):
    wrong = run(*words)
    assert wrong.returncode == USAGE and f"`{meant}`" in wrong.stderr and not wrong.stdout, wrong
    assert len(wrong.stderr) < 200 and wrong.stderr.count("\n") == 1


def test_what_is_near_to_nothing_is_named_alone():
    wrong = run("quetzalcoatl")
    assert wrong.returncode == USAGE and "quetzalcoatl" in wrong.stderr and "did you mean" not in wrong.stderr


def test_a_missing_command_says_which_there_are():
    wrong = run("dead")
    assert wrong.returncode == USAGE and "list" in wrong.stderr and "purge" in wrong.stderr


# -- --json


def test_what_is_set_and_removed_is_told_in_json(server):
    def told(*words):
        done = server.cli(*words, "--json")
        assert done.returncode == DONE, done.stderr
        return json.loads(done.stdout)

    assert told("mailbox", "bob", "--max-messages", "5") == {"mailbox": "bob", "status": "set"}
    assert told("schedule", "add", "tick", "bob", "x", "--every", "1h") == {"schedule": "tick", "status": "set"}
    assert told("schedule", "remove", "tick") == {"schedule": "tick", "status": "removed"}
    assert told("route", "add", "r", "bob") == {"route": "r", "status": "set"}
    assert told("route", "remove", "r") == {"route": "r", "status": "removed"}
    assert told("--as", "bob", "route", "load", "3") == {"agent": "bob", "status": "set"}
    assert told("dead", "purge", "--all", "--dry-run") == {"count": 0} and told("dead", "purge", "--all") == {
        "purged": 0
    }
    later = send(server, "send", "bob", "x", "--delay", "1h")
    assert told("cancel", later) == {"id": later, "status": "cancelled"}
    assert told("call", "route.list") == {"routes": []}


def test_a_fetched_content_is_told_in_json(server, tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 1000)
    ref = json.loads(server.cli("content", "put", str(tmp_path / "file"), "--json").stdout)
    got = server.cli("content", "get", ref["sha256"], "--out", str(tmp_path / "copy"), "--json")
    assert json.loads(got.stdout) == ref and (tmp_path / "copy").read_bytes() == b"x" * 1000


def test_a_server_says_in_json_where_it_listens(tmp_path):
    serving = subprocess.Popen(
        [PROGRAM, "serve", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0", "--json"],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    try:
        said = json.loads(serving.stdout.readline())
        assert said["host"] == "127.0.0.1" and said["token_needed"] is False and said["data"] == str(tmp_path / "data")
        client = Client(("127.0.0.1", said["port"]))
        client.ping()
        client.close()
    finally:
        serving.terminate()
        assert serving.wait(20) == 0


# -- reply, started from time to time


def test_reply_once_answers_one_message_and_ends(server):
    assert server.cli("reply", "bob", "--exec", "wc -c", "--once").returncode == NOTHING
    ids = [send(server, "--as", "alice", "send", "bob", content) for content in ("one", "three")]
    once = server.cli("reply", "bob", "--exec", "wc -c", "--once", "--wait", "5s", "--json")
    assert once.returncode == DONE and json.loads(once.stdout) == {
        "id": ids[0],
        "from": "alice",
        "type": "task",
        "outcome": "answered",
    }, once
    assert [state(server, id) for id in ids] == ["acknowledged", "queued"]
    answer = json.loads(server.cli("recv", "alice", "--wait", "5s", "--json").stdout)
    assert answer["content"].strip() == "3" and answer["cause"] == ids[0]


def test_reply_once_waits_only_if_it_is_told_to(server):
    began = time.monotonic()
    assert server.cli("reply", "bob", "--exec", "cat", "--once", "--wait", "1s").returncode == NOTHING
    assert time.monotonic() - began >= 1
    assert server.cli("reply", "bob", "--exec", "cat", "--wait", "1s").returncode == USAGE
    assert server.cli("reply", "bob", "--exec", "cat", "--once", "--until-empty").returncode == USAGE


def test_reply_once_says_if_the_command_failed(server):
    id = send(server, "send", "bob", "x", "--retry", "attempts=5,initial=1h")
    once = server.cli("reply", "bob", "--exec", "echo no >&2; exit 3", "--once", "--wait", "5s", "--json")
    assert once.returncode == FAILED and json.loads(once.stdout)["outcome"] == "failed" and "no" in once.stderr
    assert state(server, id) == "scheduled"  # for its next attempt


@pytest.mark.parametrize("parallel", ["1", "4"])
def test_reply_until_empty_answers_all_there_are_and_ends(server, parallel):
    assert server.cli("reply", "bob", "--exec", "cat", "--until-empty").returncode == DONE
    for i in range(20):
        send(server, "--as", "alice", "send", "bob", f"message {i}")
    emptied = server.cli(
        "reply", "bob", "--exec", "cat", "--until-empty", "--parallel", parallel, "--json", "--wait", "500ms"
    )
    assert emptied.returncode == DONE and len(emptied.stdout.splitlines()) == 20, emptied
    got = [server.cli("recv", "alice", "--wait", "5s", "--raw").stdout for _ in range(20)]
    assert sorted(got) == sorted(f"message {i}" for i in range(20))
    assert server.cli("recv", "bob").returncode == NOTHING


def test_reply_until_empty_goes_on_behind_what_fails(server):
    bad, good = send(server, "send", "bob", "bad", "--retry", "attempts=2,initial=0"), send(
        server, "send", "bob", "good"
    )
    emptied = server.cli("reply", "bob", "--exec", "grep -q good", "--until-empty", "--wait", "500ms")
    assert emptied.returncode == FAILED
    assert (state(server, bad), state(server, good)) == ("dead", "acknowledged")


def test_reply_tells_an_unreachable_server(server):
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    assert run("--server", nobody, "reply", "bob", "--exec", "cat", "--once").returncode == UNREACHABLE
