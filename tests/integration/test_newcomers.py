"""What somebody meets who has only the pages in hand: what is told of what was done; what the pages show, typed in."""

import json
import os
import re
import socket
import stat
import subprocess
import time

import pytest
from program import PROGRAM, ROOT, SHARDED, environment
from test_accounts import Guarded
from tls import certs  # noqa: F401

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
SECURITY = (ROOT / "docs/security.md").read_text()


def ok(run):
    assert run.returncode == 0, (run.returncode, run.stdout, run.stderr)
    return run.stdout


def run(*arguments, cwd=None, timeout=30, **env):
    return subprocess.run(
        [PROGRAM, *arguments], capture_output=True, text=True, cwd=cwd, timeout=timeout, env=environment(**env)
    )


def wait_for(what, seconds=10):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def guarded(server):
    made = Guarded(server)
    yield made


# -- a server that was started a moment ago


def free_address():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize("how", ["port", "socket"])
def test_U10_a_command_that_comes_before_its_server_waits_for_it(make_server, tmp_path, how):
    address = free_address()
    late = make_server(start=False)
    late.listen = address
    where = address if how == "port" else f"unix:{late.socket}"
    early = subprocess.Popen(
        [PROGRAM, "--server", where, "send", "bob", "hello"], stdout=subprocess.PIPE, text=True, env=environment()
    )
    time.sleep(0.5)
    assert early.poll() is None
    late.start()
    assert re.fullmatch(rf"{UUID}  queued for bob: never seen, 1 unread\n", early.communicate(timeout=20)[0])
    assert early.returncode == 0


def test_U10_it_waits_for_nobody_longer_than_a_moment(tmp_path):
    address, began = free_address(), time.monotonic()
    away = run("--server", address, "send", "bob", "x")
    assert away.returncode == 5 and "Connection refused" in away.stderr and 2.5 < time.monotonic() - began < 8
    waiting = subprocess.Popen(
        [PROGRAM, "--server", address, "send", "bob", "x"], stderr=subprocess.PIPE, text=True, env=environment()
    )
    time.sleep(0.5)
    began = time.monotonic()
    waiting.terminate()
    waiting.communicate(timeout=10)
    assert waiting.returncode != 0 and time.monotonic() - began < 1


def test_U10_another_machine_is_not_waited_for(tmp_path):
    """By a name that is no loopback's: what refuses there was not started by the line before."""
    mine = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()
    if not mine:
        pytest.skip("this machine has no address but loopback")
    began = time.monotonic()
    away = run("--server", f"{mine[0]}:{free_address().split(':')[1]}" if ":" not in mine[0] else "[::2]:1", "stats")
    assert away.returncode == 5 and time.monotonic() - began < 2


def test_B8_an_empty_variable_is_none(server, tmp_path):
    """FOLKMOOT_ADDRESS= is how a script takes one back."""
    (tmp_path / "folkmoot-data").mkdir()
    os.symlink(server.socket, tmp_path / "folkmoot-data/folkmoot.sock")
    empty = {
        name: "" for name in ("FOLKMOOT_ADDRESS", "FOLKMOOT_TOKEN", "FOLKMOOT_AGENT", "FOLKMOOT_CA", "FOLKMOOT_CERT")
    }
    ok(run("send", "bob", "hello", cwd=tmp_path, **empty))
    assert ok(run("recv", "bob", cwd=tmp_path, **empty)).startswith("anonymous task ")


def test_B8_empty_variables_leave_the_settings_as_they_are(make_server):
    names = ("LISTEN", "TOKEN", "LOG_LEVEL", "KEYS_WINDOW", "MAILBOX_MAX_MESSAGES", "HISTORY_URL", "TLS_MODE")
    server = make_server(env={**{f"FOLKMOOT_{name}": "" for name in names}, "DATABASE_URL": ""})
    rows = {row["name"]: row for row in json.loads(ok(server.cli("settings", "--json")))["settings"]}
    for name in ("token", "keys.window", "mailbox.max_messages", "history.url", "tls.mode"):
        assert rows[name]["source"] == "default", rows[name]


# -- the data folder


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.parametrize("slash", ["", "/"])
def test_M7_a_new_data_folder_is_its_users_alone(make_server, tmp_path, slash):
    data = tmp_path / "data"
    server = make_server(data=f"{data}{slash}")
    ok(run("--server", f"unix:{data}/folkmoot.sock", "send", "bob", "hello"))
    assert [mode_of(path) for path in (data, data / "content", data / "streams")] == [0o700] * 3
    for shard in data.glob("shard-*"):
        assert mode_of(shard) == 0o700
    told = run("doctor", "--json", "--data", str(data), "--listen", server.address)
    assert "can look into" not in told.stdout


def test_M7_a_data_folder_that_is_there_keeps_its_mode(make_server, tmp_path):
    data = tmp_path / "data"
    data.mkdir(mode=0o750)
    data.chmod(0o750)
    make_server(data=data)
    assert mode_of(data) == 0o750


def test_X20_backups_and_what_is_restored_are_their_users_alone(server, make_server, tmp_path):
    ok(server.cli("send", "bob", "hello"))
    ok(server.cli("backup", str(tmp_path / "saved")))
    ok(run("restore", str(tmp_path / "saved"), str(tmp_path / "again")))
    assert mode_of(tmp_path / "saved") == mode_of(tmp_path / "again") == 0o700
    again = make_server(data=tmp_path / "again")
    assert "end cleanly" not in again.log() and "of a backup" in again.log()


# -- who may do what


def test_M4_grant_and_revoke_tell_what_they_close_and_open(guarded):
    first = guarded.cli("access", "grant", "mallory", "send", "*", "--deny")
    assert first.stdout == "DENY mallory send *\n"
    assert "first rule about send" in first.stderr and "access grant '*' send '*'" in first.stderr
    assert guarded.cli("access", "grant", "*", "send", "*").stderr == ""
    assert guarded.cli("access", "grant", "*", "publish", ">").stderr == ""  # it takes nothing from anybody
    assert "'*' subscribe '>'" in guarded.cli("access", "grant", "ann", "subscribe", "a.>").stderr
    told = json.loads(guarded.cli("access", "grant", "ann", "call", "stream.read", "--json").stdout)
    assert told == {"rule": "ALLOW ann call stream.read", "status": "set", "closed": "call"}
    again = json.loads(guarded.cli("access", "grant", "ann", "call", "stream.list", "--json").stdout)
    assert again == {"rule": "ALLOW ann call stream.list", "status": "set"}
    assert guarded.cli("access", "revoke", "mallory", "send", "*").stderr == ""
    last = guarded.cli("access", "revoke", "*", "send", "*")
    assert last.stdout == "the rule is removed\n" and "no rule is about send any more" in last.stderr


def test_M4_who_is_refused_is_told_what_they_can_do(guarded):
    guarded.add("planner")
    refused = guarded.server.cli("recv", "reviewer", env={"FOLKMOOT_TOKEN": guarded.keys["planner"]})
    assert refused.returncode != 0 and "quote this line" in refused.stderr and "admin" in refused.stderr
    assert "access check" not in refused.stderr  # which they may not call
    other = guarded.server.cli("--as", "eve", "send", "bob", "x", env={"FOLKMOOT_TOKEN": guarded.keys["planner"]})
    assert "may not speak as eve" in other.stderr and "which are planner, planner/*;" in other.stderr
    assert "account show" not in other.stderr


def test_M4_a_role_without_rights_is_no_command(guarded):
    wrong = guarded.server.cli("access", "role", "bare", env={"FOLKMOOT_TOKEN": guarded.root})
    assert wrong.returncode == 2 and "RIGHT, such as publish" in wrong.stderr


def section(title):
    return re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ )", SECURITY, re.M | re.S).group(1)


def test_M4_the_page_makes_an_account_that_may_do_one_thing_only(guarded, tmp_path):
    """docs/security.md, typed as it stands."""
    text = section("An account that may do one thing only")
    typed = re.search(r"```sh\n(.*?)```", text, re.S).group(1)
    (tmp_path / "bin").mkdir()
    os.symlink(os.path.realpath(PROGRAM), tmp_path / "bin/folkmoot")
    guarded.add("worker")
    env = environment(
        PATH=f"{tmp_path}/bin:{os.environ['PATH']}",
        FOLKMOOT_ADDRESS=guarded.server.address,
        FOLKMOOT_TOKEN=guarded.root,
    )
    done = subprocess.run(["bash", "-e"], input=typed, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    key = re.search(r"^fm_\S+$", done.stdout, re.M).group()
    for command, shown in re.findall(r"^\$ (.*)\n(.*)$", text, re.M):
        told = subprocess.run(["bash", "-c", command], env=env, capture_output=True, text=True, timeout=60)
        assert told.stdout == shown + "\n", told.stderr

    def may(*words, who=key):
        done = guarded.server.cli(*words, env={"FOLKMOOT_TOKEN": who})
        assert done.returncode == 0 or "not_permitted" in done.stderr, done.stderr
        return done.returncode == 0

    assert may("publish", "build.done", "green") and may("agents", "list")
    assert not may("publish", "other.done", "green") and not may("send", "planner", "x") and not may("stats")
    assert not may("subscribe", "build.>", "--count", "1") and not may("mailbox", "list") and not may("recv", "worker")
    assert not may("account", "list") and not may("stream", "list") and not may("schedule", "list")
    worker = guarded.keys["worker"]  # the others go on as before
    assert may("publish", "any.topic", "x", who=worker) and may("send", "planner", "x", who=worker)


def test_M4_the_table_of_rights_is_the_list_of_operations(server):
    said = {}
    for right, words in re.findall(r"^\| `(\w+)` \| [^|]+ \| ((?:`[a-z.*]+`\s?)+) \|$", section("Roles"), re.M):
        said[right] = set(re.findall(r"`([a-z.*]+)`", words))
    is_now = {}
    for operation in json.loads(ok(server.cli("describe", "--json")))["operations"]:
        is_now.setdefault(operation["right"], set()).add(operation["name"])
    names = set().union(*is_now.values())
    for right, words in said.items():
        told = set()
        for word in words:
            told |= {name for name in names if name.startswith(word[:-1])} if word.endswith("*") else {word}
        assert told == is_now[right], right
    assert said.keys() == is_now.keys()


# -- who is there, and where a message went


def health(server, agent):
    return json.loads(ok(server.cli("agents", "show", agent, "--json")))["health"]


def test_A22_one_who_registers_once_stays_for_as_long_as_a_heartbeat(make_server):
    server = make_server("--set", "agents.grace=100ms", "--set", "agents.stale_after=4s")
    ok(server.cli("--as", "ann", "agents", "register", "--capability", "translate"))
    ok(server.cli("agents", "register", "bob", "--capability", "translate"))
    time.sleep(1)
    assert health(server, "ann") == health(server, "bob") == "up"
    wait_for(lambda: health(server, "ann") == "stale")


def test_A22_send_tells_who_got_what_was_sent_to_a_capability(server):
    held = ok(server.cli("send", "capability:translate", "one"))
    assert re.fullmatch(
        rf"{UUID}  held for capability:translate: no agent .* goes to the first one that may, 1 held\n", held
    )
    ok(server.cli("agents", "register", "ann", "--capability", "translate"))
    wait_for(lambda: "one" in server.cli("recv", "ann").stdout)
    placed = ok(server.cli("send", "capability:translate", "two"))
    if not SHARDED:  # else it goes on to its shard, and what is told may be of before
        assert re.fullmatch(rf"{UUID}  queued for ann, which can do it: 1 unread\n", placed), placed
    assert json.loads(ok(server.cli("send", "capability:translate", "three", "--json")))["outcome"] == "queued"


# -- events that something keeps


def test_A6_the_page_of_streams_has_a_consumer_and_it_works(server):
    text = (ROOT / "docs/streams.md").read_text()
    commands = re.findall(r"^\$ folkmoot (call consumer\..*)$", text, re.M)
    assert [command.split()[1] for command in commands] == [
        "consumer.set",
        "consumer.read",
        "consumer.ack",
        "consumer.list",
    ]
    ok(server.cli("stream", "set", "orders", "orders.>"))
    for total in (50, 60, 70, 150, 10, 20, 300):
        content = json.dumps({"total": total})
        ok(server.cli("publish", "--kept", "orders.new", content, "--content-type", "application/json"))
    set_it, read_it, ack_it, list_them = [["bash", "-c", f"{PROGRAM} {command}"] for command in commands]
    env = environment(FOLKMOOT_ADDRESS=server.address)

    def typed(words):
        return json.loads(ok(subprocess.run(words, capture_output=True, text=True, env=env, timeout=60)))

    assert typed(set_it) == {}
    assert [event["sequence"] for event in typed(read_it)["events"]] == [4, 7]
    assert typed(ack_it) == {}
    (listed,) = typed(list_them)["consumers"]
    assert listed["name"] == "billing" and listed["pending"] == 0
    for wrong in ("sequences=1,2", "sequences=[1,2]"):
        refused = server.cli("call", "consumer.ack", "stream=orders", "name=billing", wrong)
        assert refused.returncode == 2 and "sequences=ONE sequences=TWO" in refused.stderr


# -- wakes


def wake(server, agent):
    return json.loads(ok(server.cli("wake", "show", agent, "--json")))


def test_X10_wake_set_leaves_what_is_not_given(server):
    ok(
        server.cli(
            "wake", "set", "ann", "--how", "hook", "--batch", "10", "--batch-wait", "5m", "--quiet", "22:00-07:00"
        )
    )
    before = wake(server, "ann")
    ok(server.cli("wake", "set", "ann", "--budget", "50"))
    assert wake(server, "ann") == before | {"budget": 50}
    ok(server.cli("wake", "set", "ann", "--priority", "high", "--zone", "Europe/Berlin"))
    assert wake(server, "ann") == before | {"budget": 50, "priority": 3, "zone": "Europe/Berlin"}
    ok(server.cli("wake", "set", "ann", "--batch", "1", "--quiet", "", "--budget", "0", "--priority", "10"))
    back = wake(server, "ann")
    assert (back["how"], back["batch"], back["batch_wait_ms"], back["budget"], back["priority"]) == (
        "hook",
        1,
        0,
        0,
        10,
    )
    assert back["quiet"] == ""


def test_X10_wake_set_leaves_url_and_secret_of_a_webhook(server):
    made = json.loads(ok(server.cli("wake", "set", "ann", "--url", "https://a.example/wake", "--json")))
    assert made["secret"].startswith("whsec_")
    changed = json.loads(ok(server.cli("wake", "set", "ann", "--budget", "5", "--json")))
    assert changed == {"agent": "ann", "how": "webhook", "status": "set"}
    now = wake(server, "ann")
    assert (now["how"], now["url"], now["budget"]) == ("webhook", "https://a.example/wake", 5)
    moved = json.loads(ok(server.cli("wake", "set", "ann", "--url", "https://b.example/wake", "--json")))
    assert "secret" not in moved and wake(server, "ann")["url"] == "https://b.example/wake"
    ok(server.cli("call", "wake.set", "agent=ann", "how=webhook", "url=https://c.example/wake"))
    ok(server.cli("wake", "set", "ann", "--how", "process"))
    assert "url" not in wake(server, "ann")
    assert "secret" in json.loads(ok(server.cli("wake", "set", "ann", "--url", "https://a.example/", "--json")))
    ok(server.cli("wake", "remove", "ann"))
    refused = server.cli("call", "wake.set", "agent=ann", "how=webhook", "url=https://c.example/wake")
    assert refused.returncode == 2 and "secret" in refused.stderr  # there is none to stay


# -- what the server says when it starts, and counts


@pytest.mark.parametrize(
    "more, words, word",
    [
        ({}, "  TLS (tls://), plain from this machine alone", "required"),
        ({"tls__plain": "unix"}, "  TLS alone (tls://)", "required"),
        ({"tls__mode": "optional"}, "  with TLS (tls://) and without", "optional"),
        ({"tls__mode": "off"}, "", "off"),
    ],
)
def test_U13_the_servers_line_says_whether_it_speaks_tls(certs, tmp_path, more, words, word):  # noqa: F811
    for json_too in ((), ("--json",)):
        command = [
            PROGRAM,
            "serve",
            "--data",
            str(tmp_path / "data"),
            "--listen",
            "127.0.0.1:0",
            *certs.settings(**more),
        ]
        server = subprocess.Popen([*command, *json_too], stdout=subprocess.PIPE, text=True, env=environment())
        try:
            line = server.stdout.readline().rstrip("\n")
        finally:
            server.terminate()
            server.communicate(timeout=20)
        if json_too:
            assert json.loads(line)["tls"] == word
        else:
            assert line.endswith("no credentials on loopback" + words), line


def test_U12_faults_of_connections_are_counted_from_zero(server):
    text = ok(subprocess.run(["curl", "-s", f"http://{server.address}/metrics"], capture_output=True, text=True))
    for door, reason in (("native", "malformed"), ("websocket", "slow_consumer"), ("tls", "handshake_failed")):
        assert f'transport_errors_total{{door="{door}",reason="{reason}"}} 0\n' in text
