"""Settings of a server that runs (docs/operations.md): what may change does, on SIGHUP and when asked, in every shard
and at every door; the rest says that it takes a restart; a file that is broken changes nothing. And where the log
goes."""

import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest
from native import Client, Refused
from program import PROGRAM, ROOT, SETTINGS, environment
from test_delivery_native import eventually
from test_http import Http

SHARDS = [1, 3]


class Configured:
    """A server with a configuration file, which can be written anew."""

    def __init__(self, make_server, tmp_path, shards, text="", *arguments):
        self.path = tmp_path / "folkmoot.toml"
        self.path.write_text(text)
        self.server = make_server("--config", str(self.path), "--set", f"shards={shards}", *arguments)
        self.ask = Http(self.server)

    def reload(self, text):
        self.path.write_text(text)
        status, done = self.ask("POST", "/api/settings/reload", {})
        assert status == 200, done
        return {each["name"]: each["to"] for each in done["changed"]}

    def hang_up(self, text, line):
        """Writes the file, sends SIGHUP, and waits for what the log says."""
        self.path.write_text(text)
        before = self.server.log().count(line)
        self.server.process.send_signal(signal.SIGHUP)
        eventually(self.server.log, lambda log: log.count(line) == before + 1, within=10)


@pytest.fixture(params=SHARDS)
def configured(make_server, tmp_path, request):

    def make(text="", *arguments):
        return Configured(make_server, tmp_path, request.param, text, *arguments)

    return make


def settings_of(ask):
    return {row["name"]: row for row in ask("GET", "/api/settings")[1]["settings"]}


def test_B8_every_setting_says_its_value_and_where_it_comes_from(make_server, tmp_path):
    file = tmp_path / "folkmoot.toml"
    file.write_text('[mailbox]\nmax_messages = 77\ndefault_ttl = "90s"\n[keys]\nmax = 5\n')
    server = make_server(
        "--config",
        str(file),
        "--set",
        "guard.hops=9",
        "--token",
        "geheim",
        env={"FOLKMOOT_KEYS_WINDOW": "36h", "FOLKMOOT_KEYS_MAX": "6"},
    )
    rows = settings_of(Http(server, Authorization="Bearer geheim"))

    def said(name):
        return rows[name]["value"], rows[name]["source"], rows[name]["changes_at_once"]

    assert said("mailbox.max_messages") == ("77", "file", True)
    assert said("mailbox.default_ttl") == ("90s", "file", True)
    assert said("keys.max") == ("6", "environment", True)
    assert said("keys.window") == ("36h", "environment", True)
    assert said("guard.hops") == ("9", "flag", True)
    assert said("journal.segment_bytes") == ("64MiB", "default", False)
    assert said("token") == ("(set)", "flag", True) and "geheim" not in json.dumps(rows)
    assert said("shards")[2] is said("listen")[2] is said("data")[2] is False
    env = {"FOLKMOOT_TOKEN": "geheim"}
    assert json.loads(server.cli("settings", "--json", env=env).stdout)["config_file"] == str(file)
    one = server.cli("settings", "keys.window", env=env).stdout.splitlines()
    assert one[1].split() == ["keys.window", "36h", "environment", "at", "once"], one
    assert server.cli("settings", "keys.windw", env=env).returncode == 1


def test_B8_the_page_and_the_help_are_the_table_of_settings(server):
    rows = settings_of(Http(server))
    page = {}
    for line in (ROOT / "docs/operations.md").read_text().splitlines():
        if found := re.fullmatch(r"\| `([a-z_.]+)` \| ([^|]+) \| (at once|restart) \| [^|]+ \|", line):
            page[found[1]] = (found[2].strip().replace("`", ""), found[3])
    assert page == {
        name: (row["default"], "at once" if row["changes_at_once"] else "restart") for name, row in rows.items()
    }
    help_text = subprocess.run([PROGRAM, "serve", "--help"], capture_output=True, text=True, env=environment()).stdout
    for name, row in rows.items():
        end = "" if row["changes_at_once"] else " (restart)"
        assert f"  {name:<32}{row['default']}: {row['what']}{end}\n" in help_text, name


# Others than the default, in the form in which they are told.
OTHER = {
    "listen": "127.0.0.1:1",
    "data": "/elsewhere",
    "unix_socket": "none",
    "token": "t",
    "log_level": "debug",
    "log.target": "stderr",
    "log.file": "/tmp/never",
    "log.format": "json",
    "alerts.heartbeat": "no",
    "traces.endpoint": "http://127.0.0.1:1/v1/traces",
    "traces.headers": "authorization=x",
    "traces.service": "another",
    "sync": "200ms",
    "backup.journal_growth": "2GiB",
    "mailbox.overflow": "drop_oldest",
    "mailbox.retry_backoff": "fixed",
    "mailbox.retry_multiplier": "1.5",
    "http.cors_origins": "https://a.example",
    "http.hosts": "bus.example",
    "webhooks.local": "yes",
    "tls.mode": "off",
    "tls.clients": "optional",
    "tls.minimum": "1.3",
    "tls.plain": "unix",
    "history.store": "sqlite",
    "history.behind": "2GiB",
    "history.events": "orders.>,audit.*",
    "history.not_kept": "medical.*,image/*",
    "shards": "5",
    "unix_accounts": "7=ann",
    "policy.signature_age": "1m",
    "policy.require_encryption": "yes",
    "accounts.bytes_per_second": "2MiB",
    "teams.bytes_per_second": "3MiB",
    "tls.ciphers": "TLS_AES_256_GCM_SHA384,TLS_CHACHA20_POLY1305_SHA256",
    "jwt.algorithms": "HS256",
    "journal.key_file": "/elsewhere/journal.key",
    "journal.key_command": "cat /elsewhere/journal.key",
}


# What wants a file, a server or another setting beside it.
NOT_ALONE = {
    "log.target",
    "log.file",
    "token",
    "jwt.keys",
    "history.url",
    "traces.headers",
    "policy.known_keys",
    "policy.require_signature",
}


def other_than(name, default):
    if name in OTHER:
        return OTHER[name]
    if default.endswith("MiB") or name == "journal.bytes_max":
        return "3MiB"
    if default.endswith(("KiB", "GiB")):
        return "5KiB"
    if default[-1] in "smhd" or name.startswith("mailbox."):
        return "7" if default.isdecimal() and default != "0" else "7m"
    return "7"


@pytest.mark.skipif(bool(SETTINGS), reason="its own settings are what is looked at")
def test_B8_every_setting_is_taken_or_takes_a_restart(make_server, tmp_path):
    """All of them at once: each that changes has the new value, and each other one says so."""
    file = tmp_path / "folkmoot.toml"
    file.write_text("")
    server = make_server("--config", str(file))
    before = settings_of(Http(server))
    given = {name for name, row in before.items() if row["source"] == "flag"}
    others = {
        name: other_than(name, row["default"])
        for name, row in before.items()
        if name not in given | NOT_ALONE
    }
    file.write_text("".join(f'{name} = "{value}"\n' for name, value in others.items()))
    status, done = Http(server)("POST", "/api/settings/reload", {})
    assert status == 200, done
    after = settings_of(Http(server))
    at_once = {name for name in others if before[name]["changes_at_once"]}
    assert {each["name"]: (each["from"], each["to"]) for each in done["changed"]} == {
        name: (before[name]["value"], others[name]) for name in at_once
    }
    assert {each["name"]: each["to"] for each in done["restart_needed"]} == {
        name: others[name] for name in others if name not in at_once
    }
    for name, value in others.items():
        row = after[name]
        if name in at_once:
            assert (row["value"], row["source"]) == (value, "file") and "after_restart" not in row, row
        else:
            assert (row["value"], row["source"], row["after_restart"]) == (before[name]["value"], "default", value), row
    assert re.search(r"warning.*settings: restart needed for .*shards \(1 to 5\)", server.log()), server.log()
    file.write_text("")  # and back
    assert len(Http(server)("POST", "/api/settings/reload", {})[1]["changed"]) == len(at_once)
    assert {name: row["value"] for name, row in settings_of(Http(server)).items()} == {
        name: row["value"] for name, row in before.items()
    }


def test_B8_limits_of_mailboxes_change_in_every_shard(configured):
    one = configured("[mailbox]\nmax_messages = 3\n")
    names = [f"agent-{number}" for number in range(9)]
    client = Client(("127.0.0.1", one.server.port))
    assert one.server.cli("mailbox", "set", "agent-0", "--ttl", "5m").returncode == 0

    def room(name):
        taken = 0
        while taken < 20:
            try:
                client.publish(b"x", to=name)
            except Refused as full:
                assert full.name == "mailbox_full"
                break
            taken += 1
        return taken

    assert [room(name) for name in names] == [3] * 9
    assert one.reload('[mailbox]\nmax_messages = 5\ndefault_ttl = "1s"\n') == {
        "mailbox.max_messages": "5",
        "mailbox.default_ttl": "1s",
    }
    time.sleep(0.1)
    assert [room(name) for name in names] == [2] * 9  # agent-0, which has a setting of its own, too
    shown = one.ask("GET", "/api/mailboxes/agent-0")[1]
    assert (shown["max_messages"], shown["default_ttl_ms"], shown["own"]) == (5, 300_000, ["default_ttl_ms"]), shown

    def ready(name):
        return client.stats(name)["mailboxes"][0]["ready"]

    assert one.reload("[mailbox]\nmax_messages = 2\n")
    time.sleep(0.1)
    assert [room(name) for name in names] == [0] * 9, "more than may be there is there still"
    eventually(lambda: [ready(name) for name in names[1:]], lambda left: left == [3] * 8)  # those without a ttl
    assert ready("agent-0") == 5
    client.close()


def test_B8_what_a_message_may_be_and_how_often_it_is_tried_changes(configured):
    one = configured("[mailbox]\nretry_attempts = 9\n")
    client = Client(("127.0.0.1", one.server.port), agent="bob")
    client.publish(bytes(900_000), to="bob")
    one.reload('max_content_bytes = "1KiB"\n[mailbox]\nretry_attempts = 1\n')
    time.sleep(0.1)
    with pytest.raises(Refused, match="content_too_large"):
        client.publish(bytes(2_000), to="bob")
    assert one.ask("POST", "/api/messages", {"to": "bob", "content": "x" * 2_000})[1]["code"] == "content_too_large"
    assert Client(("127.0.0.1", one.server.port)).welcome[4] == 1_024
    (got,) = client.receive("bob", max=1)
    client.nack(got.lease)
    eventually(lambda: client.stats()["dead"], lambda dead: dead == 1)
    client.close()


def test_B8_bounds_on_loops_change(configured):
    one = configured()
    client = Client(("127.0.0.1", one.server.port), agent="bob")

    def pass_on(hop):
        (got,) = client.receive(f"agent-{hop}", max=1, wait_ms=5_000)
        client.publish(b"x", to=f"agent-{hop + 1}", cause=got.fields["id"])

    client.publish(b"x", to="agent-0")
    for hop in range(5):
        pass_on(hop)
    one.reload("[guard]\nhops = 3\n")
    time.sleep(0.1)
    pass_on(5)
    eventually(lambda: client.stats()["dead_by_reason"]["guard"], lambda dead: dead == 1)
    client.close()


def test_B8_who_may_connect_changes(configured):
    one = configured('[login]\ntimeout = "30s"\n')
    old = Client(("127.0.0.1", one.server.port), agent="old")
    one.hang_up('token = "geheim"\n[login]\ntimeout = "200ms"\nconnections = 3\n', "settings: ")
    assert "geheim" not in one.server.log() and "token (none to (set))" in one.server.log()
    assert old.publish(b"x", to="bob").outcome == "queued", "who is in stays"
    with pytest.raises(Refused, match="unauthorized"):
        Client(("127.0.0.1", one.server.port))
    assert Http(one.server)("GET", "/health")[0] == 401
    for number in range(6):  # all shards take the new one
        client = Client(("127.0.0.1", one.server.port), agent=f"agent-{number}", token="geheim")
        assert client.publish(b"x", to=f"agent-{number + 1}").outcome == "queued"
        client.close()
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", one.server.port), timeout=10) as silent:
        while silent.recv(4096):
            pass
    assert time.monotonic() - began < 5
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", one.server.port), timeout=10) as silent:
        silent.sendall(b"GET / HTTP/1.1\r\n")  # the same at the HTTP door
        while silent.recv(4096):
            pass
    assert time.monotonic() - began < 5
    old.close()


def test_B8_a_token_that_is_needed_stays(make_server, tmp_path):
    file = tmp_path / "folkmoot.toml"
    file.write_text('token = "geheim"\n')
    server = make_server("--config", str(file), start=False)
    server.listen = "0.0.0.0:0"
    command = [
        PROGRAM,
        "serve",
        "--data",
        str(tmp_path / "open"),
        "--listen",
        "0.0.0.0:0",
        "--config",
        str(file),
        "--json",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    try:
        port = json.loads(process.stdout.readline())["port"]
        env = environment(FOLKMOOT_ADDRESS=f"127.0.0.1:{port}", FOLKMOOT_TOKEN="geheim")
        file.write_text("")
        done = subprocess.run([PROGRAM, "reload"], capture_output=True, text=True, env=env, timeout=20)
        assert done.returncode == 1 and "no token is set" in done.stderr, done
        kept = subprocess.run([PROGRAM, "settings", "token"], capture_output=True, text=True, env=env, timeout=20)
        assert "(set)" in kept.stdout, kept
    finally:
        process.terminate()
        assert process.wait(20) == 0
        process.stdout.close()
        process.stderr.close()


def test_B8_the_http_door_takes_what_changes(configured):
    one = configured()
    kept = Http(one.server)  # a connection that stays
    assert kept("GET", "/health", Host="bus.example")[0] == 421
    assert one.reload('[http]\nhosts = "bus.example"\ncors_origins = "https://page.example"\n') == {
        "http.hosts": "bus.example",
        "http.cors_origins": "https://page.example",
    }
    assert kept("GET", "/health", Host="bus.example")[0] == 200
    assert kept("OPTIONS", "/health", Origin="https://page.example")[0] == 204
    assert kept.answer.getheader("Access-Control-Allow-Origin") == "https://page.example"
    one.reload('[content]\nmax_bytes = "1KiB"\n[http]\nstrangers_by_address = 1\n')
    status, refused = kept("POST", "/api/content", bytes(2_000))
    assert (status, refused["code"]) == (413, "content_too_large")
    assert kept("GET", "/health", Host="bus.example")[0] == 421
    with socket.create_connection(("127.0.0.1", one.server.port)) as first:
        first.sendall(b"GET / HTTP")
        time.sleep(0.2)
        with socket.create_connection(("127.0.0.1", one.server.port), timeout=10) as second:
            second.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert second.recv(100).startswith(b"HTTP/1.1 503")


def test_B8_room_in_the_journal_may_be_given_while_there_is_none(configured):
    one = configured('[journal]\nbytes_max = "12MiB"\n', "--set", "journal.segment_bytes=4MiB")
    client = Client(("127.0.0.1", one.server.port))
    with pytest.raises(Refused, match="disk_full"):
        for _ in range(100):
            client.publish(bytes(500_000), to="bob")
    one.hang_up('[journal]\nbytes_max = "40MiB"\n', "settings: ")

    def again():
        try:
            return client.publish(bytes(500_000), to="bob").outcome
        except Refused as full:
            return full.name

    eventually(again, lambda outcome: outcome == "queued", within=10)
    client.close()


def test_B8_dead_letters_and_contents_go_by_the_new_ages(make_server, tmp_path):
    one = Configured(make_server, tmp_path, 1)
    client = Client(("127.0.0.1", one.server.port), agent="bob")
    client.upload(b"nobody refers to it")
    contents = one.server.data / "content"
    assert len(os.listdir(contents)) == 1
    one.reload('[content]\ngrace = "100ms"\n')
    eventually(lambda: os.listdir(contents), lambda left: left == [], within=10)
    for number in range(3):
        client.publish(b"x", to="bob")
    for got in client.receive("bob", max=3):
        client.reject(got.lease)
    eventually(lambda: client.stats()["dead"], lambda dead: dead == 3)
    one.reload("[dead]\nmax = 1\n")
    client.publish(b"x", to="bob")
    (got,) = client.receive("bob", max=1)
    client.reject(got.lease)
    eventually(lambda: client.stats()["dead"], lambda dead: dead == 1)
    client.close()


@pytest.mark.parametrize("how", ["call", "signal"])
@pytest.mark.parametrize(
    "broken, why",
    [
        ("[mailbox\nmax_messages = 5\n", r"folkmoot\.toml: line 1: "),
        ("\n\n[mailbox]\nmax_messages = \n", r"folkmoot\.toml: line [34]: "),
        (
            "[mailbox]\nmax_messages = 5\nmax_mesages = 6\n",
            r"folkmoot\.toml: line 3: there is no setting `mailbox\.max_mesages`; did you mean",
        ),
        ("[mailbox]\nmax_messages = 5\n[guard]\nhops = -1\n", r"folkmoot\.toml: line 4: `guard\.hops`"),
        (None, r"folkmoot\.toml.*No such file"),
    ],
)
def test_B8_a_broken_file_changes_nothing_and_says_where(make_server, tmp_path, how, broken, why):
    one = Configured(make_server, tmp_path, 1, "[mailbox]\nmax_messages = 50\n")
    before = settings_of(one.ask)
    one.path.unlink()
    if broken is not None:
        one.path.write_text(broken)
    if how == "call":
        done = one.server.cli("reload")
        assert done.returncode in (1, 2) and re.search(why, done.stderr), done
    else:
        one.server.process.send_signal(signal.SIGHUP)
        eventually(one.server.log, lambda log: "nothing has changed" in log, within=10)
    (line,) = one.server.error_lines()
    assert re.search(r"error settings: nothing has changed: .*" + why, line), line
    assert settings_of(one.ask) == before
    one.server.errors.write_text("")  # that is what was asked for
    one.path.write_text("[mailbox]\nmax_messages = 51\n")
    assert one.server.cli("reload").stdout == "mailbox.max_messages: 50 to 51\n"


def test_B8_SIGHUP_without_a_file_and_twice_is_no_matter(make_server):
    server = make_server()
    for _ in range(2):
        server.process.send_signal(signal.SIGHUP)
    eventually(server.log, lambda log: "there is no configuration file; nothing has changed" in log, within=10)
    for _ in range(200):
        server.process.send_signal(signal.SIGHUP)
    assert Http(server)("GET", "/health")[0] == 200
    assert json.loads(server.cli("reload", "--json").stdout) == {"changed": [], "restart_needed": []}
    assert server.cli("reload").stdout == "nothing has changed\n"


def test_B8_SIGHUP_before_it_listens_does_not_end_it(make_server, tmp_path):
    file = tmp_path / "folkmoot.toml"
    file.write_text("")
    server = make_server(start=False)
    command = [PROGRAM, "serve", "--data", str(server.data), "--listen", "127.0.0.1:0", "--config", str(file), "--json"]
    for _ in range(10):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
        )
        time.sleep(0.03)  # the shell's own start: before it the signal's default holds
        while process.poll() is None and not select_readable(process.stdout):
            if "serve" in open(f"/proc/{process.pid}/cmdline").read() and handles_hangup(process.pid):
                process.send_signal(signal.SIGHUP)
            time.sleep(0.001)
        assert json.loads(process.stdout.readline())["port"]
        process.terminate()
        assert process.wait(20) == 0
        process.stdout.close()
        process.stderr.close()


def select_readable(pipe):
    import select

    return bool(select.select([pipe], [], [], 0)[0])


def handles_hangup(pid):
    caught = re.search(r"^SigCgt:\s+(\w+)", open(f"/proc/{pid}/status").read(), re.M)[1]
    return bool(int(caught, 16) & 1 << signal.SIGHUP - 1)


# -- the log


def test_M7_the_log_goes_to_a_file_that_may_be_rotated(make_server, tmp_path):
    path = tmp_path / "folkmoot.log"
    server = make_server("--set", f"log.file={path}")
    server.process.send_signal(signal.SIGHUP)
    eventually(path.read_text, lambda log: "nothing has changed" in log, within=10)
    assert server.log() == "" and re.match(r"\d{4}-\d\d-\d\dT\S+Z info ", path.read_text())
    assert path.stat().st_mode & 0o777 == 0o640
    # Renamed, then told, as logrotate does: nothing is lost, and the next line is in the new file.
    path.rename(tmp_path / "folkmoot.log.1")
    server.process.send_signal(signal.SIGHUP)
    eventually(
        lambda: path.exists() and path.read_text(), lambda log: log and log.count("nothing has changed") == 1, within=10
    )
    # Renamed or removed and not told: noticed within a second.
    path.unlink()
    time.sleep(1.1)
    assert server.terminate() == 0
    assert path.read_text().splitlines()[-1].endswith("info stopped")


def test_M7_a_log_file_that_cannot_be_opened_is_an_error_at_the_start_and_changes_nothing_later(make_server, tmp_path):
    nowhere = tmp_path / "no" / "such" / "folkmoot.log"
    server = make_server(start=False)
    done = subprocess.run(
        [PROGRAM, "serve", "--data", str(server.data), "--listen", "127.0.0.1:0", "--set", f"log.file={nowhere}"],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=20,
    )
    assert done.returncode == 1 and not server.data.exists()
    assert f"the log file {nowhere} cannot be opened: No such file or directory" in done.stderr
    assert "make its folder, and let the server's user write there" in done.stderr
    done = subprocess.run(
        [PROGRAM, "serve", "--data", str(server.data), "--set", "log.target=file"],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=20,
    )
    assert done.returncode == 1 and "set log.file" in done.stderr
    one = Configured(make_server, tmp_path, 1)
    one.path.write_text(f'log_level = "debug"\n[log]\nfile = "{nowhere}"\n')
    refused = one.server.cli("reload")
    assert refused.returncode == 1 and "cannot be opened" in refused.stderr, refused
    assert settings_of(one.ask)["log_level"]["value"] == "info"
    one.server.errors.write_text("")  # that is what was asked for


def test_M7_where_the_log_goes_and_how_much_changes_at_run_time(make_server, tmp_path):
    one = Configured(make_server, tmp_path, 1)
    path = tmp_path / "folkmoot.log"
    assert one.reload(f'log_level = "error"\n[log]\nfile = "{path}"\n') == {"log_level": "error", "log.file": str(path)}
    one.ask("POST", "/api/settings/reload", {})
    assert path.read_text() == ""  # errors alone
    assert one.reload(f'log_level = "info"\n[log]\nfile = "{path}"\ntarget = "stderr"\n') == {
        "log_level": "info",
        "log.target": "stderr",
    }
    eventually(one.server.log, lambda log: "log.target (auto to stderr)" in log, within=10)
    assert path.read_text() == ""


def test_M7_a_full_disk_under_the_log_does_not_stop_the_server(make_server):
    """/dev/full refuses every write with ENOSPC."""
    server = make_server("--set", "log.file=/dev/full")
    client = Client(("127.0.0.1", server.port))
    for _ in range(20):
        server.process.send_signal(signal.SIGHUP)
        client.publish(b"x", to="bob")
    assert client.stats("bob")["mailboxes"][0]["ready"] == 20
    client.close()
    assert server.terminate() == 0


def test_M7_to_the_journal_of_systemd_priorities_take_the_place_of_times(make_server, tmp_path):
    """As sd-daemon(3) has it; recognised by $JOURNAL_STREAM, which names what the journal reads."""
    command = [PROGRAM, "serve", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0"]

    def logged(stream_of, *arguments):
        path = tmp_path / "journal"
        with open(path, "wb") as journal:
            status = os.fstat(journal.fileno())
            env = environment(JOURNAL_STREAM=stream_of(status))
            process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=journal, env=env)
        assert process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        eventually(path.read_text, lambda log: "nothing has changed" in log, within=10)
        process.terminate()
        assert process.wait(20) == 0
        process.stdout.close()
        return path.read_text().splitlines()

    for line in logged(lambda status: f"{status.st_dev}:{status.st_ino}"):
        assert re.match(r"<[67]>[a-z]", line), line
    for line in logged(lambda status: f"{status.st_dev}:{status.st_ino + 1}"):
        assert re.match(r"\d{4}-\d\d-\d\dT\S+Z info ", line), line
    for line in logged(lambda status: "", "--set", "log.target=journald"):
        assert line.startswith("<6>"), line
    for line in logged(lambda status: f"{status.st_dev}:{status.st_ino}", "--set", "log.target=stderr"):
        assert re.match(r"\d{4}-\d\d-\d\dT\S+Z info ", line), line
    said = [json.loads(line) for line in logged(lambda status: "", "--set", "log.format=json")]
    for each in said:
        assert each.keys() == {"time", "level", "component", "text"} and each["level"] == "info", each
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each["time"]), each
    assert {each["component"] for each in said} >= {"settings", "server"}
    for line in logged(lambda status: f"{status.st_dev}:{status.st_ino}", "--set", "log.format=json"):
        assert line.startswith("<6>{") and json.loads(line[3:]).keys() == {"level", "component", "text"}, line
