"""Text on terminals: what a message has in it is shown there, never carried out; a pipe gets contents byte for byte.
Names refuse control characters at every door. Long work says on a terminal how far it is."""

import contextlib
import json
import os
import pty
import select
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest
from native import Client, Refused
from program import PROGRAM, environment

EVIL = "before\x1b[2J\x1b]0;title\x07\x9b31m\x7f\rafter\b\u0085"
SHOWN = r"before\u001b[2J\u001b]0;title\u0007\u009b31m\u007f\u000dafter\u0008\u0085"
ALLOWED = {"\n", "\t", "\r"}


def on_terminal(server, *arguments, stdin=None, only=None, timeout=30):
    """(status, what a terminal gets). `only`: "stderr" or "stdout" alone goes to it, the other one to a pipe."""
    main, side = pty.openpty()
    streams = {
        "stdout": subprocess.PIPE if only == "stderr" else side,
        "stderr": subprocess.PIPE if only == "stdout" else side,
    }
    running = subprocess.Popen(
        [PROGRAM, *arguments],
        env=environment(FOLKMOOT_ADDRESS=server.address, TERM="xterm"),
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        **streams,
    )
    os.close(side)
    if stdin is not None:

        def give():
            with contextlib.suppress(BrokenPipeError):
                running.stdin.write(stdin)
            running.stdin.close()

        threading.Thread(target=give).start()
    other = []
    reading = threading.Thread(target=lambda: other.append((running.stdout or running.stderr).read()) if only else None)
    reading.start()
    got, deadline = b"", time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not select.select([main], [], [], 0.1)[0]:
            continue
        try:
            part = os.read(main, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        got += part
    os.close(main)
    if time.monotonic() >= deadline:
        running.kill()
    reading.join()
    for stream in (running.stdout, running.stderr):
        if stream:
            stream.close()
    return running.wait(10), got.decode(errors="surrogateescape"), b"".join(other)


def controls(text):
    return {
        char
        for char in text
        if (ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 or 0xDC80 <= ord(char) <= 0xDCFF) and char not in ALLOWED
    }


def publish(server, content, **fields):
    client = Client(("127.0.0.1", server.port), agent="alice")
    client.publish(content, **fields)
    client.close()


@pytest.mark.parametrize("style", [[], ["--raw"], ["--json"]])
def test_a_content_is_shown_on_a_terminal_and_whole_in_a_pipe(server, style):
    for _ in range(2):
        publish(server, EVIL.encode(), to="bob", content_type="text/plain")
    status, seen, _ = on_terminal(server, "recv", "bob", "--wait", "5s", *style)
    assert status == 0 and controls(seen) == set(), seen
    if style == ["--json"]:
        assert json.loads(seen)["content"] == EVIL
    else:
        assert SHOWN in seen
    piped = subprocess.run(
        [PROGRAM, "recv", "bob", "--wait", "5s", *style],
        capture_output=True,
        env=environment(FOLKMOOT_ADDRESS=server.address),
    )
    if style == ["--json"]:
        assert json.loads(piped.stdout)["content"] == EVIL
    else:
        assert EVIL.encode() in piped.stdout
        assert style != ["--raw"] or piped.stdout == EVIL.encode()


def test_bytes_that_are_no_text_are_shown_too(server):
    content = b"\x9b31m\xff\xfe ok \xe2\x82"
    for _ in range(2):
        publish(server, content, to="bob")
    status, seen, _ = on_terminal(server, "recv", "bob", "--wait", "5s", "--raw")
    assert status == 0 and seen == r"\x9b31m\xff\xfe ok \xe2\x82"
    piped = subprocess.run(
        [PROGRAM, "recv", "bob", "--wait", "5s", "--raw"],
        capture_output=True,
        env=environment(FOLKMOOT_ADDRESS=server.address),
    )
    assert piped.stdout == content


def test_lines_tabs_and_letters_stay_as_they_are(server):
    text = "one\ttwo\r\nthree – ünïcode 漢字 🎉 \u200b\n"
    publish(server, text.encode(), to="bob", content_type="text/plain")
    status, seen, _ = on_terminal(server, "recv", "bob", "--wait", "5s", "--raw")
    assert status == 0 and seen.replace("\r\n", "\n").replace("\r", "") == text.replace(
        "\r", ""
    )  # the terminal makes CR LF of LF


def test_a_stored_content_is_shown_across_its_parts(server, tmp_path):
    text = ("x" * 1_048_575 + "ü\x1b[31m") + "y" * 100 + "\u009b"
    (tmp_path / "file").write_bytes(text.encode())
    ref = json.loads(server.cli("content", "put", str(tmp_path / "file"), "--json").stdout)
    status, seen, _ = on_terminal(server, "content", "get", ref["sha256"], only="stdout")
    assert status == 0 and seen == text.replace("\x1b", r"\u001b").replace("\u009b", r"\u009b")


def test_answers_statuses_and_errors_are_shown(server):
    agent = subprocess.Popen(
        [PROGRAM, "reply", "bob", "--exec", r"printf 'a\033[2Jb'"], env=environment(FOLKMOOT_ADDRESS=server.address)
    )
    try:
        for _ in range(50):
            if (
                "bob" in server.cli("stats").stdout
                and server.cli("request", "bob", "x", "--timeout", "1s").returncode == 0
            ):
                break
        status, seen, _ = on_terminal(server, "request", "bob", "x", "--timeout", "10s")
        assert status == 0 and r"a\u001b[2Jb" in seen and controls(seen) == set()
        status, seen, _ = on_terminal(server, "request", "bob", "x", "--also", "bob", "--timeout", "10s")
        assert r"a\u001b[2Jb" in seen and controls(seen) == set()
        piped = server.cli("request", "bob", "x", "--timeout", "10s")
        assert piped.stdout == "a\x1b[2Jb"
    finally:
        agent.terminate()
        agent.wait(10)


def test_what_is_typed_wrongly_is_shown_not_carried_out(server):
    for arguments in (
        ["send", "bob\x1b[2J", "x"],
        ["\x1b[2J"],
        ["recv", "bob", "--\x1b[2J"],
        ["send", "bob", "x", "--priority", "\x1b[2J"],
        ["receipts", "\x9b2J"],
        ["call", "\x1b[2J"],
    ):
        wrong = server.cli(*arguments)  # into a pipe: errors are safe anywhere
        assert wrong.returncode == 2 and controls(wrong.stderr) == set() and wrong.stderr, wrong


def test_reasons_stay_on_their_line_and_are_shown(server):
    publish(server, b"x", to="bob")
    server.cli("recv", "bob", "--wait", "5s", "--reject", "no\x1b[2J\nfake line")
    status, seen, _ = on_terminal(server, "dead", "list")
    assert status == 0 and seen.count("\n") == 1 and r"no\u001b[2J\u000afake line" in seen and controls(seen) == set()
    piped = server.cli("dead", "list").stdout
    assert piped.count("\n") == 1 and controls(piped) == set()


# -- names

C1 = "bob\u009b2J"


@pytest.mark.parametrize(
    "field", ["to", "from", "type", "key", "group", "conversation", "correlation", "reply_to", "content_type", "topic"]
)
@pytest.mark.parametrize("name", [C1, "bob\x1b[2J", "bob\x7f"])
def test_names_with_control_characters_are_refused_at_every_door(server, field, name):
    body = {"to": "bob", "content": "x", field: name}
    if field == "topic":
        del body["to"]
    asked = urllib.request.Request(f"http://127.0.0.1:{server.port}/api/messages", data=json.dumps(body).encode())
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=10)
    answer = json.loads(refused.value.read())
    assert (
        refused.value.code == 422
        and answer["code"] in ("invalid_name", "invalid_topic")
        and controls(answer["error"]) == set()
    )
    client = Client(("127.0.0.1", server.port), agent="alice")
    with pytest.raises(Refused, match="invalid_(name|topic)"):
        client.publish(b"x", **({"to": "bob"} if field != "topic" else {}) | {field: name})
    client.close()


def test_agents_mailboxes_schedules_and_routes_refuse_them_too(server):
    for arguments in (
        ["--as", C1, "send", "bob", "x"],
        ["recv", C1],
        ["wait", C1],
        ["mailbox", C1, "--max-messages", "1"],
        ["subscribe", C1, "--count", "1"],
        ["schedule", "add", C1, "bob", "x", "--every", "1h"],
        ["schedule", "add", "tick", C1, "x", "--every", "1h"],
        ["route", "add", C1, "bob"],
        ["route", "add", "r", C1],
    ):
        refused = server.cli(*arguments)
        assert refused.returncode == 2 and controls(refused.stderr) == set(), (arguments, refused)
    asked = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/api/messages",
        data=b'{"to":"bob","content":"x"}',
        headers={"X-Agent": C1.encode().decode("latin-1")},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=10)
    assert refused.value.code == 400


def test_letters_beyond_c1_are_names_as_before(server):
    for name in ("b\u00a0b", "grüße", "\u00c2", "漢字"):
        assert server.cli("send", name, "x").returncode == 0


# -- progress


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large"
    with open(path, "wb") as file:
        for _ in range(64):
            file.write(os.urandom(1 << 20))
    return path


def test_an_upload_says_how_far_it_is_on_a_terminal_alone(server, large):
    status, seen, receipt = on_terminal(server, "send", "bob", "--file", str(large), only="stderr")
    assert status == 0 and "% of 64.0 MiB" in seen and seen.endswith("\r\x1b[K"), seen[-200:]
    assert receipt.count(b"\n") == 1 and b"\r" not in receipt
    quiet = server.cli("send", "bob", "--file", str(large))
    assert quiet.returncode == 0 and quiet.stderr == ""


def test_a_fetch_says_how_far_it_is_on_a_terminal_alone(server, large, tmp_path):
    ref = json.loads(server.cli("content", "put", str(large), "--json").stdout)
    status, seen, _ = on_terminal(
        server, "content", "get", ref["sha256"], "--out", str(tmp_path / "copy"), only="stderr"
    )
    assert status == 0 and "% of 64.0 MiB" in seen and (tmp_path / "copy").read_bytes() == large.read_bytes()
    quiet = server.cli("content", "get", ref["sha256"], "--out", str(tmp_path / "copy"))
    assert quiet.returncode == 0 and quiet.stderr == ""


def test_many_lines_say_how_far_they_are(server):
    lines = b"".join(b"line %d\n" % i for i in range(30_000))
    status, seen, receipts = on_terminal(server, "send", "bob", "--lines", "-", stdin=lines, only="stderr", timeout=60)
    assert status == 0 and " lines" in seen and receipts.count(b"\n") == 30_000
