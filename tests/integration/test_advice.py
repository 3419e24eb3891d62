"""What a refusal advises fits the situation: what happened, to what, and what to do about that, at every door."""

import json
import os
import re
import socket
import stat
import subprocess
import urllib.error
import urllib.request

import pytest
from native import Client, Refused
from program import PROGRAM, environment

# Sentences that stood under every text of their code, whatever had happened.
GLUED = (
    "another server owns this",
    "is the client newer",
    "docs/protocol.md, section 4",
    "is it running?",
    "this connection may not do that",
    "see the text",
    "the value is outside its limits",
    "there is no such thing here",
    "the bytes do not parse",
)


def run(*arguments, cwd=None, user=None, **env):
    env = environment(FOLKMOOT_LISTEN="127.0.0.1:0", **env)
    return subprocess.run(
        [PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env=env,
        cwd=cwd,
        user=user,
        stdin=subprocess.DEVNULL,
    )


def says(finished, *words, status=None):
    text = finished.stderr
    assert finished.returncode == status if status is not None else finished.returncode != 0, finished
    assert [word for word in words if word not in text] == [] and [word for word in GLUED if word in text] == [], text
    return text


def http(server, method, path, body=None, **headers):
    asked = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", method=method, data=body, headers=headers)
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or "null")
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


# -- the server that does not start


def test_the_port_is_in_use(server, tmp_path):
    text = says(
        run("serve", "--data", str(tmp_path / "other"), "--listen", f"127.0.0.1:{server.port}"),
        "in_use",
        str(server.port),
        "ss -lntpx",
        "--listen",
        status=1,
    )
    assert "data folder" not in text


def test_the_data_folder_is_in_use(server):
    text = says(
        run("serve", "--data", str(server.data)),
        "in_use",
        str(server.data),
        f"process {server.pid}",
        "another folder",
        status=1,
    )
    assert "--listen" not in text


def test_an_address_that_is_not_this_machine_s(tmp_path):
    text = says(
        run("serve", "--data", str(tmp_path / "data"), "--listen", "192.0.2.1:0", FOLKMOOT_TOKEN="x"),
        "192.0.2.1",
        "ip address",
        status=1,
    )
    assert "--unix-socket" not in text


def test_a_setting_that_is_wrong(tmp_path):
    for setting, word in (("keys.window=1week", "1week"), ("mailbox.max_mesages=1", "max_messages")):
        text = says(run("serve", "--data", str(tmp_path / "data"), "--set", setting), word, status=2)
        assert "docs/protocol.md" not in text


@pytest.mark.parametrize(
    "path, why, advice",
    [
        ("notes.txt/data", "Not a directory", "give another path"),
        ("notes.txt", "File exists|Not a directory", "give another path"),
        ("/proc/none/data", "No such file", "look at the path"),
    ],
)
def test_a_data_folder_that_cannot_be_made(tmp_path, path, why, advice):
    (tmp_path / "notes.txt").touch()
    text = says(run("serve", "--data", path, cwd=tmp_path), "io_error", path, advice, status=1)
    assert re.search(why, text)


# -- the server that is not reached


def test_nothing_listens_there():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    says(run("--server", f"127.0.0.1:{port}", "stats"), f"127.0.0.1:{port}", "nothing listens there", status=5)


def test_a_socket_that_is_not_there(tmp_path):
    text = says(run("--server", f"unix:{tmp_path}/folkmoot.sock", "stats"), "no such socket", "data folder", status=5)
    assert "listens" not in text


def test_a_socket_without_permission(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    with socket.socket(socket.AF_UNIX) as listening:
        path = f"/tmp/folkmoot-{os.getpid()}.sock"
        try:
            listening.bind(path)
            os.chmod(path, stat.S_IRUSR | stat.S_IWUSR)
            listening.listen()
            text = says(
                run("--server", f"unix:{path}", "stats", cwd="/", user=65534),
                "Permission denied",
                "the server's own user",
                status=5,
            )
        finally:
            os.unlink(path)
    assert "running" not in text


def test_a_path_that_is_no_socket(tmp_path):
    (tmp_path / "file").touch()
    says(run("--server", f"unix:{tmp_path}/file", "stats"), "file", "nothing listens there", status=5)


def test_a_name_that_nobody_knows():
    text = says(
        run("--server", "no-such-machine.invalid:7470", "stats"),
        "no-such-machine.invalid",
        "known by that name",
        status=5,
    )
    assert "running" not in text


# -- over HTTP


@pytest.mark.parametrize(
    "method, path, code, words",
    [
        ("DELETE", "/health", 405, ["GET, HEAD", "openapi"]),
        ("BREW", "/health", 501, ["BREW", "GET"]),
        ("GET", "/nowhere", 404, ["/nowhere", "openapi"]),
        (
            "GET",
            "/api/messages/01890000-0000-7000-8000-000000000000",
            404,
            ["settled too long ago", "this is the server"],
        ),
        ("GET", "/api/dead/01890000-0000-7000-8000-000000000000", 404, ["folkmoot dead list", "new id"]),
        ("GET", f"/api/content/{'0' * 64}", 404, ["no content", "upload"]),
        ("POST", "/api/call/no.such", 404, ["no.such", "openapi"]),
        ("GET", "/api/stats?mailbox=nobody", 404, ["nobody", "folkmoot stats"]),
    ],
)
def test_http_says_what_to_do_about_the_address(server, method, path, code, words):
    status, answer = http(server, method, path, body=b"{}" if method == "POST" else None)
    assert status == code
    text = answer["error"] + " | " + answer["advice"]
    assert [word for word in words if word not in text] == [] and [word for word in GLUED if word in text] == [], text
    assert "\n" not in text


@pytest.mark.parametrize(
    "body, words",
    [
        ({"to": "bob", "priority": 11, "content": "x"}, ["1 (first) to 10"]),
        ({"to": "bob", "topic": "a", "content": "x"}, ["exactly one"]),
        ({"content": "x"}, ["folkmoot route add"]),
        ({"to": "$bob", "content": "x"}, ["begins otherwise"]),
        ({"topic": "bus.dead", "content": "x"}, ["begins otherwise"]),
        ({"to": "bob", "content": "x" * 1_100_000}, ["docs/content.md", "max_content_bytes"]),
    ],
)
def test_http_says_what_to_do_about_the_message(server, body, words):
    status, answer = http(server, "POST", "/api/messages", json.dumps(body).encode())
    assert 400 <= status < 500
    text = answer["error"] + " | " + answer.get("advice", "")
    assert [word for word in words if word not in text] == [] and [word for word in GLUED if word in text] == [], text


def test_a_foreign_page_and_a_foreign_name_are_told_which_setting(server):
    status, answer = http(server, "GET", "/api/messages?agent=bob", Origin="https://app.example")
    assert status == 403 and "http.cors_origins" in answer["advice"]
    status, answer = http(server, "GET", "/health", Host="mail.example")
    assert status == 421 and "http.hosts" in answer["advice"]


# -- natively and over WebSocket: the advice crosses the wire


def test_native_errors_carry_it_after_a_line_feed(server):
    client = Client(("127.0.0.1", server.port))
    with pytest.raises(Refused) as refused:
        client.publish(b"x", to="$bob")
    text, advice = str(refused.value).split("\n")
    assert "are the server's" in text and "begins otherwise" in advice
    client.close()


def test_each_of_a_batch_has_its_own(server):
    status, answer = http(
        server,
        "POST",
        "/api/messages/batch",
        json.dumps([{"to": "$bob", "content": "x"}, {"to": "bob", "content": "y"}]).encode(),
    )
    refused, done = answer["results"]
    assert (
        status == 200 and "begins otherwise" in refused["advice"] and "\n" not in refused["error"] and done["outcome"]
    )


def test_the_command_line_tells_what_the_server_advised(server):
    text = says(server.cli("send", "$bob", "x"), "the server's. give a name", status=2)
    assert text.count("\n") == 1
    with_lines = server.cli("send", "$bob", "--lines", "-", stdin="a\n")
    assert "give a name" in with_lines.stderr
    says(server.cli("request", "nobody", "x", "--timeout", "100ms"), "folkmoot stats", status=4)
