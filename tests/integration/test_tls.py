"""TLS on the one port, from outside: every door, whom who believes, certificates (docs/tls.md)."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time

import pytest
import websockets
from native import CONFIRM, PUBLISH, Client, Ended, Refused, message
from program import PROGRAM, ROOT, Server, environment
from test_delivery_native import eventually
from tls import Certificates, TlsClient, cert, certs, dated  # noqa: F401
from tls import get, https, raw, read_all, shell, still_serves


@pytest.fixture
def server(make_server, certs):
    return make_server(*certs.settings(tls__plain="unix"))


# -- every door


def test_U13_the_shell_speaks_tls(server, certs):
    assert shell(server, certs, "send", "ann", "hello").returncode == 0
    got = shell(server, certs, "recv", "ann")
    assert (got.returncode, got.stdout.strip().splitlines()[-1]) == (0, "hello"), got
    by_name = shell(server, certs, "stats", address="localhost")
    assert by_name.returncode == 0, by_name.stderr


def test_U13_the_shell_takes_the_environments_word(server, certs):
    env = {"FOLKMOOT_ADDRESS": f"tls://127.0.0.1:{server.port}", "FOLKMOOT_CA": certs.ca}
    done = subprocess.run([PROGRAM, "stats"], capture_output=True, text=True, timeout=20, env=environment(**env))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 300_000, 900_000])
def test_U13_contents_of_every_size_cross_the_native_door(server, certs, size):
    content = os.urandom(size // 2).hex() if size else ""
    one, two = TlsClient(server, certs.context(), "one"), TlsClient(server, certs.context(), "two")
    one.publish(content, to="two")
    deliveries = two.receive("two", wait_ms=5_000)
    assert [d.content.decode() for d in deliveries] == [content]
    assert two.ack(deliveries[0].lease).settled == 1
    one.close(), two.close()


def test_U13_events_reach_many_subscribers_over_tls(server, certs):
    listeners = [TlsClient(server, certs.context(), f"listener-{n}") for n in range(5)]
    for listener in listeners:
        listener.subscribe("news.>")
    speaker = TlsClient(server, certs.context(), "speaker")
    for n in range(300):
        speaker.publish(f"{n} " + "x" * 2_000, topic="news.today")
    for listener in listeners:
        seen = [listener.delivery(timeout=10).content for _ in range(300)]
        assert [int(content.split()[0]) for content in seen] == list(range(300))
        listener.close()
    speaker.close()


def test_U13_many_frames_in_one_record_are_all_carried_out(server, certs):
    client = TlsClient(server, certs.context(), "batch")
    for n in range(2_000):
        client.send_frame(PUBLISH, message(f"message {n}", to="batch"))
    for _ in range(2_000):
        client.next_where(lambda frame: frame.opcode == CONFIRM)
    contents = []
    while len(contents) < 2_000:
        deliveries = client.receive("batch", max=500, wait_ms=5_000)
        assert deliveries
        contents += [d.content.decode() for d in deliveries]
        client.ack(*[d.lease for d in deliveries])
    assert contents == [f"message {n}" for n in range(2_000)]
    client.close()


def test_U13_http_is_https(server, certs):
    assert get(server, certs)[0] == 200
    connection = https(server, certs)
    with contextlib.closing(connection):
        for n in range(3):  # one connection, several requests
            body = json.dumps({"to": "web", "content": "x" * 200_000 + str(n)})
            connection.request("POST", "/api/messages", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["outcome"]) == (201, "queued")
    status, body = get(server, certs, "/api/messages?agent=web&limit=10&wait=2s")
    assert status == 200 and len(body) > 600_000


def test_U13_an_answer_that_waits_comes_over_https(server, certs):
    connection = https(server, certs)
    connection.request("GET", "/api/messages?agent=late&wait=10s")
    time.sleep(0.3)
    assert shell(server, certs, "send", "late", "at last").returncode == 0
    answer = connection.getresponse()
    assert answer.status == 200 and b"at last" in answer.read()
    connection.close()


def test_U13_a_client_that_leaves_while_it_waits_gets_nothing(server, certs):
    connection = https(server, certs)
    connection.request("GET", "/api/messages?agent=gone&wait=20s")
    time.sleep(0.3)
    with contextlib.suppress(ssl.SSLError):  # an answer may be on its way
        connection.sock.unwrap()  # close_notify, then the end
    connection.close()
    time.sleep(0.5)
    assert shell(server, certs, "send", "gone", "still here").returncode == 0
    got = shell(server, certs, "recv", "gone", "--wait", "2s")
    assert "still here" in got.stdout, got


def test_U13_a_websocket_is_wss(server, certs):

    async def talk():
        context = certs.context()
        address = f"wss://127.0.0.1:{server.port}/ws?agent=socket"
        async with websockets.connect(address, ssl=context, max_size=1 << 24) as one:
            text = "y" * 500_000
            await one.send(json.dumps({"op": "consume", "request": 1, "mailbox": "socket", "credit": 5}))
            await one.send(json.dumps({"op": "publish", "request": 2, "message": {"to": "socket", "content": text}}))
            seen = {}
            while not {"deliver", "confirm"} <= seen.keys():
                said = json.loads(await asyncio.wait_for(one.recv(), 10))
                seen[said["op"]] = said
            assert seen["deliver"]["message"]["content"] == text
            await one.ping()

    asyncio.run(talk())


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_U13_both_versions_are_spoken(server, certs, version):
    context = certs.context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    client = TlsClient(server, context, "versions")
    assert client.socket.version() == version.replace("_", ".")
    assert "GCM" in client.socket.cipher()[0] or "POLY1305" in client.socket.cipher()[0]
    assert client.socket.compression() is None
    client.close()


def test_U13_the_oldest_version_can_be_raised(make_server, certs):
    server = make_server(*certs.settings(tls__plain="unix", tls__minimum="1.3"))
    context = certs.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="(?i)protocol.version"):
        TlsClient(server, context, "old")
    still_serves(server, certs)


def spoken(server, certs, **versions):
    """The cipher that a connection is spoken with."""
    context = certs.context()
    for name, version in versions.items():
        setattr(context, name, ssl.TLSVersion[version])
    client = TlsClient(server, context, "ciphers")
    try:
        return client.socket.cipher()[0]
    finally:
        client.close()


OLD, NEW = {"maximum_version": "TLSv1_2"}, {"minimum_version": "TLSv1_3"}


def test_M4_the_ciphers_that_are_named_are_spoken(make_server, certs):
    names = "TLS_CHACHA20_POLY1305_SHA256,ECDHE-ECDSA-AES128-GCM-SHA256,TLS_AES_128_GCM_SHA256"
    server = make_server(*certs.settings(tls__plain="unix", tls__ciphers=names))
    assert spoken(server, certs, **NEW) == "TLS_CHACHA20_POLY1305_SHA256", "the first that both know"
    assert spoken(server, certs, **OLD) == "ECDHE-ECDSA-AES128-GCM-SHA256"
    context = certs.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    with pytest.raises(ssl.SSLError):
        TlsClient(server, context, "others")
    still_serves(server, certs)


@pytest.mark.parametrize(
    "names, speaks, refuses",
    [("TLS_AES_256_GCM_SHA384", NEW, OLD), ("ECDHE-ECDSA-AES256-GCM-SHA384", OLD, NEW)],
)
def test_M4_a_version_without_a_cipher_is_not_spoken(make_server, certs, names, speaks, refuses):
    server = make_server(*certs.settings(tls__plain="unix", tls__ciphers=names))
    assert spoken(server, certs, **speaks) == names
    with pytest.raises(ssl.SSLError, match="(?i)protocol.version"):
        spoken(server, certs, **refuses)


def test_M4_ciphers_change_while_the_server_runs(certs, tmp_path):
    file = tmp_path / "folkmoot.toml"
    file.write_text("")
    server = Server(tmp_path / "data", "--config", str(file), *certs.settings())
    assert spoken(server, certs) == "TLS_AES_256_GCM_SHA384"
    file.write_text('[tls]\nciphers = "TLS_CHACHA20_POLY1305_SHA256"\n')
    assert shell(server, certs, "reload").returncode == 0
    assert spoken(server, certs) == "TLS_CHACHA20_POLY1305_SHA256"
    for names, why in (("RC4-MD5", "RC4-MD5 is no cipher"), ("ECDHE-RSA-AES256-GCM-SHA384", "key of the certificate")):
        file.write_text(f'[tls]\nciphers = "{names}"\n')
        refused = shell(server, certs, "reload")
        assert refused.returncode != 0 and why in refused.stderr, refused.stderr
        assert spoken(server, certs) == "TLS_CHACHA20_POLY1305_SHA256", "what cannot be changes nothing"
    file.write_text("")
    assert shell(server, certs, "reload").returncode == 0
    assert all("nothing has changed" in line for line in server.error_lines()), server.log()
    assert server.terminate() == 0


def test_U13_nothing_older_than_1_2_is_spoken(server, certs):
    context = certs.context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        TlsClient(server, context, "old")
    still_serves(server, certs)


# -- who must speak it


def test_U13_plain_is_refused_where_tls_is_required(server, certs):
    with pytest.raises(Refused, match="by TLS only") as refused:
        Client(("127.0.0.1", server.port), agent="plain")
    assert refused.value.name == "not_permitted" and refused.value.goodbye
    done = server.cli("stats", timeout=20)
    assert done.returncode != 0 and "tls://HOST:PORT" in done.stderr, done
    with contextlib.closing(raw(server)) as plain:
        plain.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = read_all(plain)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 ") and json.loads(body)["code"] == "not_permitted"
    assert "https://" in json.loads(body)["advice"]
    by_socket = server.cli("--server", f"unix:{server.socket}", "stats")
    assert by_socket.returncode == 0, by_socket.stderr
    still_serves(server, certs)


def test_U13_loopback_may_stay_plain_as_it_does_by_default(make_server, certs):
    server = make_server(*certs.settings())
    assert server.cli("stats").returncode == 0
    still_serves(server, certs)
    other = make_server(*certs.settings(tls__mode="optional"))
    assert other.cli("stats").returncode == 0
    still_serves(other, certs)


def test_U13_tls_to_a_server_without_says_what_to_do(make_server, certs):
    server = make_server()
    done = shell(server, certs, "stats", timeout=20)
    assert done.returncode != 0 and "HOST:PORT" in done.stderr, done.stderr
    listener = socket.create_server(("127.0.0.1", 0))  # what answers, and not by TLS
    done = subprocess.Popen(
        [PROGRAM, "--server", f"tls://127.0.0.1:{listener.getsockname()[1]}", "stats"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    peer, _ = listener.accept()
    peer.recv(1)
    peer.sendall(b"220 mail.example ESMTP\r\n")
    assert "does not speak TLS" in done.communicate(timeout=20)[1]
    peer.close(), listener.close()


@pytest.mark.parametrize(
    "settings,told",
    [
        (["tls.mode=required"], "TLS needs tls.certificate"),
        (["tls.certificate=CERTS/server.pem"], "TLS needs tls.key"),
        (["tls.certificate=CERTS/server.pem", "tls.key=CERTS/ann-key.pem"], "is not the key of"),
        (["tls.certificate=CERTS/none.pem", "tls.key=CERTS/server-key.pem"], "No such file"),
        (["tls.certificate=CERTS/server-key.pem", "tls.key=CERTS/server-key.pem"], "holds no certificate"),
        (["tls.certificate=CERTS/server.pem", "tls.key=CERTS/server.pem"], "holds no key"),
        (
            ["tls.certificate=CERTS/server.pem", "tls.key=CERTS/server-key.pem", "tls.client_ca=/dev/null"],
            "is not a regular file",
        ),
        (["tls.ciphers=TLS_AES_256_GCM_SHA284"], "did you mean `TLS_AES_256_GCM_SHA384`"),
        (["tls.ciphers=ALL"], "there are TLS_AES_256_GCM_SHA384, "),
        (
            [
                "tls.certificate=CERTS/server.pem",
                "tls.key=CERTS/server-key.pem",
                "tls.ciphers=ECDHE-RSA-AES256-GCM-SHA384,TLS_AES_256_GCM_SHA384",
            ],
            "name one that begins with ECDHE-ECDSA",
        ),
        (
            [
                "tls.certificate=CERTS/server.pem",
                "tls.key=CERTS/server-key.pem",
                "tls.minimum=1.3",
                "tls.ciphers=ECDHE-ECDSA-AES256-GCM-SHA384",
            ],
            "tls.minimum is 1.3",
        ),
    ],
)
def test_U13_a_server_does_not_start_with_files_that_do_not_fit(tmp_path, certs, settings, told):
    words = [word for each in settings for word in ("--set", each.replace("CERTS", certs.path("")))]
    done = subprocess.run(
        [PROGRAM, "serve", "--data", str(tmp_path / "d"), "--listen", "127.0.0.1:0", *words],
        capture_output=True,
        text=True,
        timeout=20,
        env=environment(),
    )
    assert done.returncode in (1, 2) and told in done.stderr, done


# -- whom a client believes


def test_U13_who_is_not_trusted_is_told_and_what_helps(server, certs):
    done = server.cli("--server", f"tls://127.0.0.1:{server.port}", "stats", timeout=20)
    assert done.returncode != 0 and "was not verified" in done.stderr and "--ca FILE" in done.stderr, done.stderr
    done = server.cli("--server", f"tls://127.0.0.1:{server.port}", "--ca", certs.path("ca.pem", "others"), "stats")
    assert done.returncode != 0 and "--ca FILE" in done.stderr, done.stderr
    done = server.cli("--server", f"tls://127.0.0.1:{server.port}", "--insecure", "stats")
    assert done.returncode == 0, done.stderr


def test_U13_a_certificate_for_another_name_is_told(make_server, certs):
    server = make_server(*certs.settings("elsewhere"))
    for address in ("127.0.0.1", "localhost"):
        done = shell(server, certs, "stats", address=address)
        assert done.returncode != 0 and f"not for `{address}`" in done.stderr, done.stderr


def expired(certs, folder):
    """A certificate of the authority that ran out yesterday."""
    return dated(certs, folder, "20200101000000Z", "20200201000000Z")


def test_U13_a_certificate_that_has_run_out_is_told_and_the_servers_log_says_so(certs, tmp_path):
    certificate, key = expired(certs, tmp_path)
    server = Server(tmp_path / "data", "--set", f"tls.certificate={certificate}", "--set", f"tls.key={key}")
    done = shell(server, certs, "stats")
    assert done.returncode != 0 and "has run out" in done.stderr and "cert renew" in done.stderr, done.stderr
    assert "tls: the certificate has run out" in server.log()
    assert server.terminate() == 0


# -- who shows one of his own


@pytest.fixture
def mutual(make_server, certs):
    return make_server(*certs.settings(tls__plain="unix", tls__client_ca=certs.ca))


def test_U13_a_client_shows_its_certificate(mutual, certs):
    own = ("--cert", certs.path("ann.pem"), "--cert-key", certs.path("ann-key.pem"))
    done = shell(mutual, certs, *own, "stats")
    assert done.returncode == 0, done.stderr
    assert get(mutual, certs, name="ann")[0] == 200
    client = TlsClient(mutual, certs.context("ann"), "ann")
    client.ping()
    client.close()


def test_U13_who_shows_none_or_anothers_gets_no_further(mutual, certs):
    done = shell(mutual, certs, "stats", timeout=20)
    assert done.returncode != 0 and "--cert FILE" in done.stderr, done.stderr
    for context in (certs.context(), certs.context("mallory", folder="others")):
        with pytest.raises((ssl.SSLError, Ended, OSError)):
            TlsClient(mutual, context, "mallory").ping()
    client = TlsClient(mutual, certs.context("ann"), "ann")
    client.close()


def test_U13_a_certificate_may_be_optional(make_server, certs):
    server = make_server(*certs.settings(tls__plain="unix", tls__client_ca=certs.ca, tls__clients="optional"))
    still_serves(server, certs)
    client = TlsClient(server, certs.context("ann"), "ann")
    client.close()
    with pytest.raises((ssl.SSLError, Ended, OSError)):
        TlsClient(server, certs.context("mallory", folder="others"), "mallory").ping()


def test_U13_half_of_a_pair_is_refused(server, certs):
    done = shell(server, certs, "--cert", certs.path("ann.pem"), "stats")
    assert done.returncode != 0 and "--cert-key FILE" in done.stderr, done.stderr


# -- while it runs


def serial_of(server, certs):
    context = certs.context()
    with contextlib.closing(context.wrap_socket(raw(server), server_hostname="127.0.0.1")) as connection:
        return connection.getpeercert()["serialNumber"]


def test_U13_certificates_are_read_again_without_a_restart(make_server, certs, tmp_path):
    cert(tmp_path, "init")
    cert(tmp_path, "issue", "server", "--host", "127.0.0.1")
    own = Certificates.__new__(Certificates)
    own.folder, own.ca = tmp_path, str(tmp_path / "folkmoot-certs/ca.pem")
    server = make_server(*own.settings(tls__plain="unix"))
    before = serial_of(server, own)
    client = TlsClient(server, own.context(), "stays")
    cert(tmp_path, "renew", "server", "--days", "90")
    assert serial_of(server, own) == before
    server.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: serial_of(server, own), lambda serial: serial != before)
    client.ping()  # who was connected goes on
    client.close()
    assert "good for 89 days more" in server.log() or "good for 90 days more" in server.log()


def test_U13_what_cannot_be_read_leaves_what_was(tmp_path, certs):
    own = Certificates.__new__(Certificates)
    own.folder = tmp_path
    cert(tmp_path, "init")
    cert(tmp_path, "issue", "server", "--host", "127.0.0.1")
    own.ca = own.path("ca.pem")
    server = Server(tmp_path / "data", *own.settings(tls__plain="unix"))
    before = serial_of(server, own)
    (tmp_path / "folkmoot-certs/server.pem").write_text("not a certificate")
    server.process.send_signal(signal.SIGHUP)
    assert eventually(server.log, lambda log: "nothing has changed" in log)
    assert "holds no certificate" in server.log() and serial_of(server, own) == before
    assert server.terminate() == 0


# -- certificates


def test_U13_cert_makes_files_that_openssl_verifies(certs):
    for name in ("server", "ann"):
        done = subprocess.run(
            ["openssl", "verify", "-CAfile", certs.ca, certs.path(f"{name}.pem")],
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert done.returncode == 0, done.stderr
        assert os.stat(certs.path(f"{name}-key.pem")).st_mode & 0o777 == 0o600
    assert os.stat(certs.path("ca-key.pem")).st_mode & 0o777 == 0o600


def test_U13_cert_overwrites_nothing(certs):
    before = open(certs.path("ca-key.pem")).read()
    for words in (["init"], ["issue", "server", "--host", "x"]):
        done = subprocess.run(
            [PROGRAM, "cert", *words], cwd=certs.folder, capture_output=True, text=True, timeout=20, env=environment()
        )
        assert done.returncode == 1 and "is there already; nothing was written" in done.stderr, done
    assert open(certs.path("ca-key.pem")).read() == before


@pytest.mark.parametrize(
    "words,told",
    [
        (["issue", "x"], "--host"),
        (["issue", "x", "--host", "http://x:80"], "neither the name of a host nor an address"),
        (["issue", "../x", "--host", "x"], "cannot be the name of a file"),
        (["issue", "x", "--host", "x", "--folder", "nowhere"], "cert init"),
        (["issue", "x", "--host", "x", "--days", "0"], "--days"),
        (["renew", "nobody"], "nobody.pem"),
        (["show", "/etc/hostname"], "no certificate"),
    ],
)
def test_U13_cert_says_what_is_wrong(certs, words, told):
    done = subprocess.run(
        [PROGRAM, "cert", *words], cwd=certs.folder, capture_output=True, text=True, timeout=20, env=environment()
    )
    assert done.returncode in (1, 2) and told in done.stderr, done
    assert not (certs.folder / "folkmoot-certs/x.pem").exists()


def test_U13_cert_show_says_what_a_certificate_says(certs):
    shown = json.loads(cert(certs.folder, "show", "--json", certs.path("server.pem")))
    assert shown["hosts"] == ["localhost", "127.0.0.1"] and shown["key"] == "P-256" and not shown["authority"]
    shown = json.loads(cert(certs.folder, "show", "--json", certs.path("ann.pem")))
    assert shown["agent"] == "ann" and shown["key"] == "Ed25519"
    assert "(an authority)" in cert(certs.folder, "show", certs.ca)
    printed = subprocess.run(
        ["openssl", "x509", "-in", certs.path("ann.pem"), "-noout", "-fingerprint", "-sha256"],
        capture_output=True,
        text=True,
        timeout=20,
    ).stdout
    assert shown["sha256"] == printed.strip().split("=")[1].replace(":", "").lower()


def test_U13_a_renewed_certificate_has_the_same_key_and_names(tmp_path):
    cert(tmp_path, "init")
    cert(tmp_path, "issue", "server", "--host", "bus.example", "--host", "::1")
    path = str(tmp_path / "folkmoot-certs/server.pem")
    key = lambda: subprocess.run(
        ["openssl", "x509", "-in", path, "-noout", "-pubkey"], capture_output=True, timeout=20
    ).stdout
    before, shown = key(), json.loads(cert(tmp_path, "show", "--json", path))
    cert(tmp_path, "renew", "server", "--days", "700")
    after = json.loads(cert(tmp_path, "show", "--json", path))
    assert key() == before and after["hosts"] == shown["hosts"] == ["bus.example", "::1"]
    assert after["valid_until"] > shown["valid_until"] and after["sha256"] != shown["sha256"]


# -- the page


def test_U13_the_commands_of_the_page_work_as_they_stand(tmp_path):
    """docs/tls.md, 'From nothing': at most five commands, typed into a shell."""
    page = (ROOT / "docs/tls.md").read_text()
    block = re.search(r"## From nothing\n.*?```sh\n(.*?)```", page, re.S).group(1)
    commands = [line for line in block.splitlines() if line]
    assert 1 < len(commands) <= 5
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/folkmoot").symlink_to(os.path.realpath(PROGRAM))
    env = environment(PATH=f"{tmp_path}/bin:{os.environ['PATH']}")
    processes = []
    try:
        for command in commands:
            command = command.replace("7470", str(port))
            if command.endswith(" &"):
                processes.append(
                    subprocess.Popen(
                        ["bash", "-c", "exec " + command[:-2]], cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True
                    )
                )
                assert "native, HTTP, WebSocket" in processes[-1].stdout.readline()
                continue
            done = subprocess.run(
                ["bash", "-c", command], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=30
            )
            assert done.returncode == 0, (command, done.stderr)
        assert "hello" in done.stdout
    finally:
        for process in processes:
            process.terminate()
            process.wait(20)
            process.stdout.close()
