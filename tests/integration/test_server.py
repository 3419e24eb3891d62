"""The life of a server: how it starts, what it refuses, how it ends, and that a restart keeps everything."""

import os
import signal
import socket
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest
from native import Client, Refused, message
from program import PROGRAM, Server, environment


def native(server, **options):
    return Client(("127.0.0.1", server.port), **options)


def serve(*arguments, env=None, timeout=20):
    """Runs a server that is expected to refuse to start."""
    return subprocess.run([PROGRAM, "serve", *arguments], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, env=environment(**(env or {})))


def test_X3_a_restart_keeps_all_that_was_confirmed(server):
    alice = native(server, agent="alice")
    alice.mailbox("small", max_messages=2)
    ids = [
        alice.publish(f"{number}", to="bob", priority=number % 10 + 1, metadata={"n": number}).id
        for number in range(100)
    ]
    later = alice.publish("later", to="bob", deliver_at=int(time.time() * 1000) + 1500)
    alice.publish("short", to="bob", ttl=200)
    settled = alice.receive("bob", max=3)
    alice.ack(*[d.lease for d in settled[:2]])
    alice.nack(settled[2].lease)
    before = alice.stats("bob")["mailboxes"][0]
    alice.close()
    server.restart()
    time.sleep(0.25)
    bob = native(server, agent="bob")
    after = bob.stats("bob")["mailboxes"][0]
    assert (before["ready"], after["ready"], after["scheduled"], after["leased"]) == (99, 98, 1, 0)
    gone = {d.fields["id"] for d in settled[:2]}
    got = bob.receive("bob", max=1000)
    assert {d.fields["id"] for d in got} == set(ids) - gone
    assert [d.fields["priority"] for d in got] == sorted(d.fields["priority"] for d in got)
    assert all(d.fields["metadata"]["n"] == int(d.content) for d in got)
    assert bob.receive("bob", max=1, wait_ms=5000)[0].fields["id"] == later.id
    for number in range(2):
        bob.publish("x", to="small")
    with pytest.raises(Refused, match="mailbox_full"):
        bob.publish("x", to="small")
    bob.close()


def test_A7_X3_after_a_kill_what_was_leased_comes_again_marked(server):
    alice = native(server)
    alice.publish("held", to="bob")
    lease = alice.receive("bob")[0].lease
    server.kill9()
    alice.close()
    server.start()
    bob = native(server)
    again = bob.receive("bob")[0]
    assert again.redelivered and again.lease != lease
    assert bob.ack(lease) == (0, [lease])
    assert bob.ack(again.lease) == (1, [])
    bob.close()


def test_A7_a_clean_restart_marks_only_what_was_leased(server):
    alice = native(server)
    alice.publish("held", to="bob")
    alice.publish("waiting", to="bob")
    alice.receive("bob")
    server.restart()
    alice.close()
    bob = native(server)
    assert [(d.content, d.redelivered) for d in bob.receive("bob", max=5)] == [(b"held", True), (b"waiting", False)]
    bob.close()


def test_the_unix_socket_speaks_the_same_and_is_private(server):
    assert stat.S_IMODE(os.stat(server.socket).st_mode) & 0o077 == 0
    alice, bob = Client(server.socket, agent="alice"), native(server, agent="bob")
    alice.publish("over the socket", to="bob")
    assert bob.receive("bob")[0].content == b"over the socket"
    raw = socket.socket(socket.AF_UNIX)
    raw.connect(server.socket)
    raw.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert raw.recv(4096).startswith(b"HTTP/1.1 200")
    for client in (alice, bob, raw):
        client.close()


def test_a_socket_file_left_by_a_killed_server_is_no_hindrance(server):
    server.kill9()
    assert os.path.exists(server.socket)
    server.start()
    Client(server.socket).close()
    server.terminate()
    assert not os.path.exists(server.socket)


def test_a_data_folder_has_one_server(server):
    second = serve("--data", str(server.data), "--listen", "127.0.0.1:0")
    assert second.returncode == 1 and str(server.data) in second.stderr, second.stderr
    assert not second.stdout
    client = native(server)
    assert client.ping(b"unharmed") == b"unharmed"
    client.close()
    assert Path(server.socket).exists()


def test_a_port_in_use_is_a_clear_error(server, tmp_path):
    second = serve("--data", str(tmp_path / "other"), "--listen", server.address)
    assert second.returncode == 1 and str(server.port) in second.stderr, second.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
def test_U13_beyond_loopback_it_starts_only_with_a_token(tmp_path, host):
    refused = serve("--data", str(tmp_path / "data"), "--listen", f"{host}:0")
    assert refused.returncode in (1, 2) and "token" in refused.stderr.lower(), refused.stderr
    assert not refused.stdout


def test_U13_a_token_is_asked_of_everybody(make_server):
    server = make_server(env={"FOLKMOOT_TOKEN": "open sesame"})
    for wrong in (None, "", "open", "open sesame!"):
        client = Client(("127.0.0.1", server.port), hello=False)
        with pytest.raises(Refused, match="unauthorized") as refused:
            client.hello(token=wrong)
        assert refused.value.goodbye
        client.close()
    client = native(server, token="open sesame")
    client.publish("x", to="bob")
    client.close()
    assert server.cli("send", "bob", "x").returncode == 1
    assert server.cli("send", "bob", "x", env={"FOLKMOOT_TOKEN": "open sesame"}).returncode == 0
    assert "open sesame" not in server.log()
    assert b"open sesame" not in Path(f"/proc/{server.pid}/cmdline").read_bytes()


@pytest.mark.parametrize("arguments", [["--listen", "nonsense"], ["--listen", "127.0.0.1:99999"], ["--no-such-flag"],
                                       ["--set", "host_timeout=0"]])
def test_bad_usage_exits_with_2(tmp_path, arguments):
    refused = serve("--data", str(tmp_path / "data"), *arguments)
    assert refused.returncode == 2 and refused.stderr, (refused.returncode, refused.stderr)


def test_a_data_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("no folder")
    refused = serve("--data", str(tmp_path / "file" / "data"), "--listen", "127.0.0.1:0")
    assert refused.returncode == 1 and str(tmp_path / "file") in refused.stderr, refused.stderr


def test_sigterm_says_goodbye_and_drains(server):
    alice, bob = native(server, agent="alice"), native(server, agent="bob")
    bob.consume("bob", credit=100)
    confirmed, stop = [], threading.Event()

    def publish():
        try:
            while not stop.is_set():
                confirmed.append(alice.publish(f"{len(confirmed)}", to="bob").id)
        except Exception as error:  # the goodbye, or the end of the connection
            confirmed.append(error)

    thread = threading.Thread(target=publish)
    thread.start()
    time.sleep(0.3)
    os.kill(server.pid, signal.SIGTERM)
    thread.join(10)
    stop.set()
    assert server.process.wait(10) == 0
    error = confirmed.pop()
    assert not isinstance(error, bytes)
    if isinstance(error, Refused):
        assert error.name == "shutting_down"
    goodbye = bob.ended()
    assert goodbye and goodbye.name == "shutting_down"
    for client in (alice, bob):
        client.close()
    server.start()
    again = native(server)
    got = []
    while batch := again.receive("bob", max=1000):
        got += batch
    assert set(confirmed) <= {d.fields["id"] for d in got}
    again.close()


def test_sigint_ends_it_like_sigterm(server):
    os.kill(server.pid, signal.SIGINT)
    assert server.process.wait(10) == 0


def test_it_stops_at_once_with_thousands_of_messages_waiting(server):
    alice = native(server)
    for _ in range(3):
        alice.publish_batch([message(bytes(100), to="bob") for _ in range(10_000)])
    alice.close()
    began = time.monotonic()
    assert server.terminate() == 0
    assert time.monotonic() - began < 5


def test_a_waiting_pull_does_not_hold_up_the_end(server):
    client = native(server)
    client.start_receive("bob", wait_ms=60_000)
    client.start_wait("bob", 60_000)
    client.ping()
    began = time.monotonic()
    assert server.terminate() == 0
    assert time.monotonic() - began < 8
    client.close()


def test_X3_connections_never_get_the_files_that_the_journal_needs(make_server):
    server = make_server("--set", "journal.segment_bytes=64KiB", wrapper=["prlimit", "--nofile=128:128"])
    alice = native(server, agent="alice")
    crowd = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)
            ]  # the last wait for the system to take them
    for number in range(400):
        alice.publish(f"{number:01024}", to="bob")  # seven segments
    assert alice.stats("bob")["mailboxes"][0]["ready"] == 400
    assert server.log().count("no file descriptors left") == 1 and "raise `ulimit -n`" in server.log()
    for one in crowd:
        one.close()
    native(server, agent="bob").close()  # comes in once they are gone
    alice.close()


def test_two_servers_live_side_by_side(make_server):
    one, two = make_server(), make_server()
    a, b = native(one), native(two)
    a.publish("x", to="bob")
    assert b.receive("bob", wait_ms=0) == []
    assert a.welcome[5] != b.welcome[5] or a.welcome[2] != b.welcome[2] or one.port != two.port
    a.close()
    b.close()


def test_the_version_is_told(server):
    version = server.cli("--version").stdout.strip()
    assert version.split()[-1][0].isdigit()
    client = native(server)
    assert version.split()[-1] in client.welcome[1]
    assert client.stats()["version"] == version.split()[-1]
    client.close()


@pytest.mark.parametrize("variable, nearest", [("FOLKMOOT_ADRESS", "FOLKMOOT_ADDRESS"),
                                               ("FOLKMOOT_MAILBOX_MAX_MESSAGE", "FOLKMOOT_MAILBOX_MAX_MESSAGES")])
def test_a_misspelt_variable_is_refused_with_the_nearest_one(tmp_path, variable, nearest):
    for command in (["serve", "--data", str(tmp_path / "d"), "--listen", "127.0.0.1:0"], ["stats"]):
        done = subprocess.run([PROGRAM, *command], env=environment(**{variable: "7"}), capture_output=True, text=True,
                              timeout=20)
        assert done.returncode == 2, done
        assert variable in done.stderr and f"did you mean `{nearest}`?" in done.stderr


@pytest.mark.parametrize("setting, says",
                         [("mailbox.default_ttl=300", "has no unit; write a duration such as 300ms, 300s"),
                          ("max_content_bytes=65536", "a size with its unit"),
                          ("mailbox.max_mesages=5", "did you mean `mailbox.max_messages`?"),
                          ("max_names=5KiB", "is not a number")])
def test_a_setting_has_its_unit_and_its_name(tmp_path, setting, says):
    done = subprocess.run(
        [PROGRAM, "serve", "--data", str(tmp_path / "d"), "--set", setting], env=environment(), capture_output=True,
        text=True, timeout=20)
    assert done.returncode == 2 and says in done.stderr, done
