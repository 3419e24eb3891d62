"""Content by reference (X19) through HTTP, WebSocket, the command line and the C++ library: what goes in at one door
comes out at another, part by part, with its hash checked."""

import asyncio
import base64
import hashlib
import http.client
import json
import os
import random
import socket
import struct
import subprocess
import time

import msgpack
import pytest

from native import CONTENT_FINISH, CONTENT_OPEN, CONTENT_READ, CONTENT_WRITE, Client
from program import PROGRAM, ROOT, SANITIZED, environment
from test_cli import ok, wait_for
from test_content_native import files_of
from test_http import Http
from test_websocket import frame, run

MIB = 1 << 20
DATA = random.Random(19).randbytes(3 * MIB + 777)
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def ask(server):
    return Http(server)


def get(server, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read(), dict(answer.getheaders())


# -- HTTP

def test_X19_http_stores_refers_and_fetches(server, ask):
    assert ask("POST", "/api/content", DATA) == (201, {"sha256": SHA, "size": len(DATA)})
    assert ask("POST", "/api/content", DATA)[0] == 200, "it was there"
    status, sent = ask(
        "POST", "/api/messages",
        {"from": "a", "to": "b", "content_ref": {"sha256": SHA, "size": len(DATA)}, "content_type": "video/mp4"})
    assert status == 201, sent
    (message,) = ask("GET", "/api/messages?agent=b")[1]["messages"]
    assert message["content_ref"] == {"sha256": SHA, "size": len(DATA)}
    assert "content" not in message and message["content_type"] == "video/mp4"
    status, body, headers = get(server, f"/api/content/{SHA}")
    assert status == 200 and body == DATA
    assert headers["Content-Length"] == str(len(DATA)) and headers["ETag"] == f'"{SHA}"'
    assert ask("GET", "/health")[0] == 200, "the connection that uploaded goes on"


def test_X19_http_head_and_ranges(server, ask):
    ask("POST", "/api/content", DATA)
    path = f"/api/content/{SHA.upper()}"
    status, body, headers = get(server, path, "HEAD")
    assert (status, body, headers["Content-Length"], headers["Accept-Ranges"]) == (200, b"", str(len(DATA)), "bytes")
    size = len(DATA)
    for asked, begin, end in (("bytes=0-9", 0, 10), ("bytes=100-", 100, size), ("bytes=-7", size - 7, size),
                              (f"bytes={size - 3}-{size + 50}", size - 3, size), (f"bytes=5-{2 * MIB}", 5,
                                                                                  2 * MIB + 1)):
        status, body, headers = get(server, path, Range=asked)
        assert (status, headers["Content-Range"]) == (206, f"bytes {begin}-{end - 1}/{size}"), asked
        assert body == DATA[begin:end], asked
    for asked in (f"bytes={size}-", "bytes=-0"):
        status, body, headers = get(server, path, Range=asked)
        assert (status, headers["Content-Range"]) == (416, f"bytes */{size}"), asked
    for ignored in ("bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "bytes=-"):
        status, body, _ = get(server, path, Range=ignored)
        assert (status, body) == (200, DATA), ignored


def test_X19_http_refuses_what_is_wrong_and_keeps_nothing_of_it(server, ask):
    status, refused = ask("POST", f"/api/content?sha256={'0' * 64}", DATA)
    assert (status, refused["code"]) == (400, "invalid_field")
    assert ask("POST", "/api/content?sha256=abc", DATA)[1]["code"] == "invalid_field"
    assert ask("GET", f"/api/content/{SHA}")[1]["code"] == "not_found"
    assert ask("GET", "/api/content/../../etc/passwd")[0] == 404
    for path in ("/api/content/..%2f..%2fetc%2fpasswd", "/api/content/" + "z" * 64, "/api/content/" + SHA[1:]):
        assert ask("GET", path)[1]["code"] == "invalid_field"
    assert get(server, f"/api/content/{SHA}", "HEAD")[0] == 404
    # Without a length there is nothing to reserve.
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("POST", "/api/content", iter([b"abc", b"def"]), encode_chunked=True,
                       headers={"Transfer-Encoding": "chunked"})
    assert connection.getresponse().status == 411
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(b"POST /api/content HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999999\r\n\r\n")
        assert raw.recv(4096).startswith(b"HTTP/1.1 413")
    status, refused = ask("POST", "/api/content", b"")
    assert (status, refused["code"]) == (413, "content_too_large")
    wait_for(lambda: files_of(server) == [])


def test_X19_http_an_upload_that_breaks_off_is_gone(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(b"POST /api/content HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n" + bytes(MIB))
        wait_for(lambda: len(files_of(server)) == 1)
    wait_for(lambda: files_of(server) == [])


@pytest.mark.parametrize("pace, is_fast_enough", [("1MiB", False), ("4KiB", True)])
def test_X19_http_obeys_the_same_pace_as_the_native_door(make_server, pace, is_fast_enough):
    """content.pace, and http.timeout for what stands still: 100 kB a second are too slow for 1 MiB a second."""
    server = make_server("--set", f"content.pace={pace}", "--set", "http.timeout=1s")
    began = time.monotonic()
    answer = None
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
        raw.sendall(b"POST /api/content HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400000\r\n\r\n")
        try:
            for _ in range(40):
                raw.sendall(bytes(10_000))
                time.sleep(0.1)
            answer = raw.recv(4096)
        except OSError:
            answer = b""  # it was cut
    assert answer.startswith(b"HTTP/1.1 201") if is_fast_enough else answer == b"", answer
    assert is_fast_enough or 0.9 < time.monotonic() - began < 10


def test_X19_curl_waits_to_be_told_to_go_on(server, tmp_path):
    (tmp_path / "file").write_bytes(DATA)
    url = f"http://127.0.0.1:{server.port}/api/content"
    said = subprocess.run(["curl", "-s", "--data-binary", f"@{tmp_path}/file", url], capture_output=True, text=True,
                          timeout=30)
    assert json.loads(said.stdout) == {"sha256": SHA, "size": len(DATA)}
    subprocess.run(["curl", "-s", "-o", f"{tmp_path}/back", f"{url}/{SHA}"], check=True, timeout=30)
    assert (tmp_path / "back").read_bytes() == DATA


def test_X19_http_a_big_body_costs_no_memory(server):
    size = 150 * MIB
    part = random.Random(1).randbytes(MIB)
    before = server.rss()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", "/api/content", (part for _ in range(size // MIB)),
                       headers={"Content-Length": str(size)})
    answer = connection.getresponse()
    stored = json.loads(answer.read())
    assert answer.status == 201 and stored["size"] == size
    peak = server.rss()
    connection.request("GET", f"/api/content/{stored['sha256']}")
    answer = connection.getresponse()
    got = 0
    while chunk := answer.read(MIB):
        assert chunk == part[:len(chunk)]
        got += len(chunk)
    assert got == size
    assert SANITIZED or max(peak, server.rss()) - before < 40 * MIB


def test_X19_metrics_and_statistics_tell_of_contents(ask):
    ask("POST", "/api/content", DATA)
    lines = ask("GET", "/metrics")[1].splitlines()
    assert "folkmoot_contents_stored 1" in lines and f"folkmoot_contents_bytes {len(DATA)}" in lines
    assert "folkmoot_content_uploads_open 0" in lines and f"folkmoot_content_uploaded_bytes_total {len(DATA)}" in lines


# -- WebSocket

def test_X19_websocket_text(server):
    async def steps(me, other):
        assert await me.ask("content_open", request=1, size=len(DATA),
                            sha256=SHA) == {"op": "ok", "request": 1, "stored": False}
        taken = await me.ask("subscribe", request=1, pattern="x")
        assert taken["code"] == "already_exists", "an upload keeps its number"
        for at in range(0, len(DATA), MIB):
            data = base64.b64encode(DATA[at:at + MIB]).decode()
            assert await me.ask("content_write", request=2, upload=1, offset=at,
                                data=data) == {"op": "ok", "request": 2}
        assert (await me.ask("content_write", request=2, upload=1, offset=0, data="AAAA"))["code"] == "out_of_range"
        assert await me.ask("content_finish", request=3, upload=1, sha256=SHA) == \
            {"op": "ok", "request": 3, "size": len(DATA), "known": False}
        assert (await me.ask("content_write", request=2, upload=1, offset=0, data="AAAA"))["code"] == "not_found"
        assert await me.ask("content_open", request=1, size=len(DATA),
                            sha256=SHA) == {"op": "ok", "request": 1, "stored": True}
        sent = await me.ask("publish", request=4,
                            message={"to": "other", "content_ref": {"sha256": SHA, "size": len(DATA)}})
        assert sent["op"] == "confirm"

        await other.send("receive", request=1, mailbox="other")
        ref = (await other.read())["message"]["content_ref"]
        assert (await other.read())["count"] == 1
        assert await other.ask("content_stat", request=2,
                               sha256=ref["sha256"]) == {"op": "ok", "request": 2, "size": ref["size"]}
        back = b""
        while len(back) < ref["size"]:
            part = await other.ask("content_read", request=3, sha256=ref["sha256"], offset=len(back), size=MIB)
            back += base64.b64decode(part["data"])
        assert back == DATA
        # Given up, an upload's number is free again.
        assert (await me.ask("content_open", request=9, size=5))["stored"] is False
        assert (await me.ask("cancel", request=10, target=9))["op"] == "ok"
        assert (await me.ask("content_write", request=2, upload=9, offset=0, data="AAAA"))["code"] == "not_found"
        assert (await me.ask("content_open", request=9, size=5))["stored"] is False
        for wrong in ({"sha256": "../../x"}, {"sha256": 5}, {}):
            assert (await me.ask("content_stat", request=5, **wrong))["code"] in ("invalid_field", "invalid_name")
        assert (await me.ask("content_write", request=2, upload=9, offset=0,
                             data="no base64"))["code"] == "invalid_field"

    run(server, steps)


def test_X19_websocket_binary(server):
    digest = bytes.fromhex(SHA)

    async def steps(me, other):
        async def call(opcode, request, body):
            await me.socket.send(frame(opcode, request, body))
            said = await asyncio.wait_for(me.socket.recv(), 15)
            assert (said[4], struct.unpack_from("<I", said, 8)[0]) == (0x83, request), said[:200]
            return said[12:]

        assert await call(CONTENT_OPEN, 1, msgpack.packb({0: len(DATA)})) == b"\0"
        for at in range(0, len(DATA), MIB):
            await call(CONTENT_WRITE, 2, struct.pack("<IQ", 1, at) + DATA[at:at + MIB])
        assert await call(CONTENT_FINISH, 3, struct.pack("<I", 1) + digest) == struct.pack("<QB", len(DATA), 0)
        assert await call(CONTENT_READ, 4, digest + struct.pack("<QI", 100, 50)) == DATA[100:150]

    run(server, steps)


# -- the command line

def test_X19_cli_sends_a_file_and_saves_it(server, tmp_path):
    big, small = tmp_path / "report & more.pdf", tmp_path / "note.txt"
    big.write_bytes(DATA)
    small.write_text("short\n")
    ok(server.cli("--as", "writer", "send", "reader", "--file", str(big), "--type", "report"))
    ok(server.cli("send", "reader", "--file", str(small)))
    (tmp_path / "in").mkdir()
    seen = server.cli("recv", "reader", "--save", str(tmp_path / "in"))
    assert f"{len(DATA)} bytes by reference: folkmoot content get {SHA}" in ok(seen)
    (saved,) = (tmp_path / "in").iterdir()
    assert saved.name.endswith("-report___more.pdf") and saved.read_bytes() == DATA
    assert str(saved) in seen.stderr
    message = json.loads(ok(server.cli("recv", "reader", "--json", "--save", str(tmp_path / "in"))))
    assert message["content"] == "short\n" and message["metadata"] == {"filename": "note.txt"}
    assert (tmp_path / "in" / f"{message['id']}-note.txt").read_text() == "short\n"


def test_X19_cli_raw_gives_the_bytes_themselves(server, tmp_path):
    (tmp_path / "file").write_bytes(DATA)
    ok(server.cli("send", "reader", "--file", str(tmp_path / "file")))
    got = subprocess.run([PROGRAM, "recv", "reader", "--raw"], capture_output=True, timeout=30,
                         env=environment(FOLKMOOT_ADDRESS=server.address))
    assert got.returncode == 0 and got.stdout == DATA


def test_X19_cli_a_hostile_file_name_stays_in_its_folder(server, connect, tmp_path):
    sender = connect("mallory")
    for name in ("../../../tmp/x", "/etc/passwd", "..", ".", "", "a\nb", "~root", "-rf", "c:\\windows\\x", "x" * 5000,
                 7):
        sender.publish(b"harmless", to="reader", metadata={"filename": name})
        inbox = tmp_path / "in"
        inbox.mkdir(exist_ok=True)
        ok(server.cli("recv", "reader", "--save", str(inbox)))
    names = [path.name for path in inbox.iterdir()]
    assert len(names) == 11 and all(path.is_file() for path in inbox.iterdir())
    assert all(name[:36].count("-") == 4
               and set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")
               for name in names)


def test_X19_cli_content_put_get_stat(server, tmp_path):
    (tmp_path / "file").write_bytes(DATA)
    assert ok(server.cli("content", "put", str(tmp_path / "file"))) == f"{SHA}  {len(DATA)} bytes\n"
    assert json.loads(ok(server.cli("content", "stat", SHA, "--json"))) == {"sha256": SHA, "size": len(DATA)}
    ok(server.cli("content", "get", SHA, "--out", str(tmp_path / "back")))
    assert (tmp_path / "back").read_bytes() == DATA and not (tmp_path / "back.part").exists()
    absent = server.cli("content", "stat", "0" * 64)
    assert absent.returncode == 1 and "not_found" in absent.stderr
    assert server.cli("content", "get", "../../etc/passwd").returncode == 2
    assert server.cli("content", "put", str(tmp_path / "nothing")).returncode == 2
    (tmp_path / "empty").touch()
    assert "empty" in server.cli("content", "put", str(tmp_path / "empty")).stderr


def test_X19_cli_a_damaged_content_is_not_saved(make_server, tmp_path):
    server = make_server()
    (tmp_path / "file").write_bytes(DATA)
    ok(server.cli("send", "reader", "--file", str(tmp_path / "file")))
    stored = server.data / "content" / SHA
    stored.write_bytes(DATA[:-1] + b"?")
    (tmp_path / "in").mkdir()
    got = server.cli("recv", "reader", "--save", str(tmp_path / "in"))
    assert got.returncode == 1 and "damaged" in got.stderr
    assert list((tmp_path / "in").iterdir()) == []
    assert server.cli("wait", "reader").returncode == 0, "the message is still there"
    # Uploaded again, by one who does not ask whether it is there, it is whole.
    client = Client(("127.0.0.1", server.port))
    upload = client.open_upload(len(DATA))
    for at in range(0, len(DATA), 1 << 20):
        client.write_upload(upload, at, DATA[at:at + (1 << 20)])
    assert client.finish_upload(upload, bytes.fromhex(SHA)) == (len(DATA), True)
    client.close()
    ok(server.cli("recv", "reader", "--save", str(tmp_path / "in")))
    [saved] = (tmp_path / "in").iterdir()
    assert saved.read_bytes() == DATA


def test_X19_journal_verify_checks_contents_too(make_server, tmp_path):
    server = make_server()
    refs = []
    for number in range(3):
        (tmp_path / "file").write_bytes(DATA + bytes([number]))
        ok(server.cli("send", "reader", "--file", str(tmp_path / "file")))
        refs.append(hashlib.sha256(DATA + bytes([number])).hexdigest())
    ok(server.cli("recv", "reader"))  # the first one's message is gone: nobody misses it
    assert server.terminate() == 0
    verify = lambda *more: server.cli("journal", "verify", str(server.data), *more)  # noqa: E731
    assert "3 contents by reference: sound" in ok(verify())
    folder = server.data / "content"
    (folder / refs[0]).unlink()
    assert ok(verify())
    (folder / refs[1]).unlink()
    (folder / refs[2]).write_bytes(DATA + b"!")
    found = verify()
    assert found.returncode == 1
    assert f"content {refs[1]} of {len(DATA) + 1} bytes is missing" in found.stdout and refs[0] not in found.stdout
    assert f"content {refs[2]}: its {len(DATA) + 1} bytes have the SHA-256" in found.stdout
    report = json.loads(verify("--json").stdout)
    assert report["contents"] == 1 and len(report["contents_damaged"]) == 1 and len(report["contents_missing"]) == 2


# -- the C++ library

def test_X19_the_client_library_refers_and_fetches_by_itself(server, tmp_path):
    program = os.environ.get("FOLKMOOT_CONTENT_CLIENT") or str(ROOT / "build/release/tests/integration/content_client")
    done = subprocess.run([program, str(tmp_path)], capture_output=True, text=True, timeout=60,
                          env=environment(FOLKMOOT_ADDRESS=server.address))
    assert done.returncode == 0, done.stdout + done.stderr
    # What it sent to somebody else, seen through another door.
    bob = Client(("127.0.0.1", server.port), agent="elsewhere")
    bob.consume("elsewhere")
    got = bob.delivery()
    assert got.content == b"" and got.fields["content_ref"][1] == 2_500_000
    assert bob.fetch(got.fields["content_ref"]) == b"f" * 2_500_000
    bob.close()
