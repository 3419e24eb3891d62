"""B8, M7: `folkmoot doctor` says before the start whether a server would work and be safe, and what to do if not."""

import json
import os
import socket
import ssl
import subprocess
import time

import pytest

from native import Client
from program import PROGRAM, environment
from redis_server import PASSWORD, Redis
from webhook_endpoint import Endpoint, set_webhook


def doctor(*arguments, env=None, code=0):
    """Its findings, by subject, as (weight, what, advice)."""
    done = subprocess.run(
        [PROGRAM, "doctor", "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env=environment(**(env or {})),
    )
    assert done.returncode == code, done.stdout + done.stderr
    found = {}
    for line in done.stdout.splitlines():
        one = json.loads(line)
        assert (one["weight"] == "ok") == ("advice" not in one), one  # who is told of trouble is told what to do
        found.setdefault(one["subject"], []).append((one["weight"], one["what"], one.get("advice", "")))
    return found


def says(found, subject, weight, text):
    return any(each[0] == weight and text in each[1] for each in found.get(subject, []))


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return str(folder)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_B8_a_name_that_begins_like_loopback_is_not_taken_for_it(data):
    found = doctor("--data", data, "--listen", "127.example.org:0", code=1)
    assert says(found, "access", "problem", "127.example.org can be reached from other machines")
    doctor("--data", data, "--listen", "127.0.0.53:0")
    doctor("--data", data, "--listen", "localhost:0")


def test_B8_an_audit_log_that_no_server_starts_with_is_a_problem(data):
    log = os.path.join(data, "audit", "00000001.log")
    os.makedirs(log)
    found = doctor("--data", data, "--listen", "127.0.0.1:0", code=1)
    assert says(found, "access", "problem", "the audit log cannot be read")
    os.rmdir(log)
    with open(log, "w") as file:
        file.write("no record\n")
    found = doctor("--data", data, "--listen", "127.0.0.1:0")
    assert says(found, "access", "warning", "the audit log is not what was written")
    os.remove(log)
    os.rmdir(os.path.dirname(log))
    with open(os.path.dirname(log), "w"):
        pass
    doctor("--data", data, "--listen", "127.0.0.1:0", code=1)


def test_B8_a_laptop_needs_nothing(data):
    found = doctor("--data", data, "--listen", "127.0.0.1:0")
    assert says(found, "promises", "ok", "on disk")
    assert says(found, "address", "ok", "free port")
    assert says(found, "disk", "ok", "4 KiB are on disk after") or says(found, "disk", "warning", "4 KiB take")
    assert {"settings", "access", "descriptors", "memory", "clock"} <= found.keys()
    assert os.listdir(data) == []  # it leaves nothing behind


def test_M7_a_person_reads_a_line_for_each_finding(data):
    done = subprocess.run(
        [PROGRAM, "doctor", "--data", data, "--listen", "127.0.0.1:0", "--sync", "never"],
        capture_output=True,
        text=True,
        timeout=30,
        env=environment(),
    )
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("warning  promises"))
    assert "power cut" in lines[at] and lines[at + 1].strip().startswith("sync = always")


def test_U13_strangers_that_would_get_in_are_a_problem(data):
    found = doctor("--data", f"{data}/new", "--listen", "0.0.0.0:0", code=1)
    assert says(found, "access", "problem", "no token is set")
    with open(f"{data}/0000000001.segment", "w"):
        pass
    found = doctor("--data", data, "--listen", "0.0.0.0:0")  # which may have accounts
    assert says(found, "access", "warning", "only if its data folder has an account")
    found = doctor("--data", data, "--listen", "0.0.0.0:0", env={"FOLKMOOT_TOKEN": "0123456789abcdef0123"})
    assert not any(each[0] == "problem" for each in found["access"])


def test_U13_a_token_that_others_can_see_or_guess(data, tmp_path):
    found = doctor("--data", data, "--listen", "127.0.0.1:0", "--token", "short")
    assert says(found, "access", "warning", "5 characters") and says(found, "access", "warning", "command line")
    config = tmp_path / "folkmoot.toml"
    config.write_text('token = "0123456789abcdef0123"\n')
    config.chmod(0o644)
    assert says(
        doctor("--data", data, "--listen", "127.0.0.1:0", "--config", str(config)), "access", "warning", "can read it"
    )
    config.chmod(0o600)
    found = doctor("--data", data, "--listen", "127.0.0.1:0", "--config", str(config))
    assert not any("token" in each[1] and each[0] != "ok" for each in found["access"])


def test_U13_what_can_be_read_on_its_way(data, tmp_path):
    token = {"FOLKMOOT_TOKEN": "0123456789abcdef0123"}
    found = doctor("--data", data, "--listen", "0.0.0.0:0", env=token)
    assert says(found, "access", "warning", "TLS is off")
    key = tmp_path / "server.key"
    key.write_text("a key")
    key.chmod(0o644)
    tls = ("--set", f"tls.certificate={tmp_path}/server.pem", "--set", f"tls.key={key}")
    found = doctor("--data", data, "--listen", "0.0.0.0:0", *tls, env=token)
    assert says(found, "access", "warning", "the key of TLS") and not says(found, "access", "warning", "TLS is off")
    key.chmod(0o600)
    found = doctor("--data", data, "--listen", "0.0.0.0:0", *tls, "--set", "tls.mode=optional", env=token)
    assert says(found, "access", "warning", "tls.mode is optional")
    assert not says(found, "access", "warning", "the key of TLS")


def test_U13_web_pages_and_folders_left_open(data):
    os.chmod(data, 0o755)
    found = doctor("--data", data, "--listen", "127.0.0.1:0", "--set", "http.cors_origins=*", "--set", "http.hosts=*")
    for text in ("any web page", "DNS rebinding", "can look into"):
        assert says(found, "access", "warning", text), found["access"]


def test_A20_B10_a_collector_that_is_not_there_and_alarms_that_are_off(data):
    arguments = ("--data", data, "--listen", "127.0.0.1:0")
    found = doctor(*arguments, "--set", f"traces.endpoint=http://127.0.0.1:{free_port()}/v1/traces")
    assert says(found, "traces", "warning", "/v1/traces") and "alarms" not in found
    found = doctor(*arguments, "--set", "alerts.every=0")
    assert says(found, "alarms", "warning", "alerts.every is 0") and "traces" not in found


def test_B7_B8_endpoints_of_webhooks_are_reached_without_posting_anything(make_server, data, tmp_path):
    endpoint, secure = Endpoint(), Endpoint()
    for words in (["init"], ["issue", "leaf", "--host", "localhost"]):
        command = [PROGRAM, "cert", *words, "--folder", str(tmp_path / "certs")]
        subprocess.run(command, check=True, capture_output=True, timeout=30, env=environment())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{tmp_path}/certs/leaf.pem", f"{tmp_path}/certs/leaf-key.pem")
    secure.server.socket = context.wrap_socket(secure.server.socket, server_side=True)
    nobody = f"http://127.0.0.1:{free_port()}/mail"
    untrusted = f"https://localhost:{secure.port}/mail"
    try:
        arguments = ("--data", data, "--listen", "127.0.0.1:0", "--webhook", endpoint.url, "--webhook", nobody)
        found = doctor(*arguments, "--webhook", untrusted)
        assert says(found, "webhooks", "ok", f"{endpoint.url} can be reached")
        assert says(found, "webhooks", "warning", f"{nobody}: ")
        (told,) = [what for _, what, _ in found["webhooks"] if what.startswith(untrusted)]
        assert "certificate" in told.lower() or "ssl" in told.lower()
        found = doctor(*arguments, "--set", "webhooks.local=no")
        assert says(found, "webhooks", "warning", "private network")
        # Those of a server that runs there.
        server = make_server()
        boss = Client(("127.0.0.1", server.port), agent="boss")
        set_webhook(boss, endpoint)
        set_webhook(boss, nobody, agent="helper")
        set_webhook(boss, endpoint, agent="third")
        boss.carry_out("webhook.disable", agent="third", reason="moves")
        found = doctor("--data", str(server.data), "--listen", server.address)
        assert says(found, "webhooks", "ok", f"{endpoint.url} (of worker) can be reached")
        assert says(found, "webhooks", "warning", f"{nobody} (of helper): ")
        assert says(found, "webhooks", "warning", "of third is disabled: moves")
        assert not endpoint.posts and not secure.posts
        boss.close()
    finally:
        endpoint.close()
        secure.close()


def test_B3_B8_doctor_looks_at_redis_and_at_what_it_keeps(data):
    redis = Redis()
    arguments = ("--data", data, "--listen", "127.0.0.1:0")
    try:
        assert "redis" not in doctor(*arguments)
        found = doctor(*arguments, env={"REDIS_URL": redis.url})
        assert says(found, "redis", "ok", "has on disk what it has taken")
        redis.client.config_set("appendfsync", "everysec")
        found = doctor(*arguments, env={"REDIS_URL": redis.url})
        assert says(found, "redis", "warning", "appendonly is yes, appendfsync everysec")
        wrong = redis.url.replace(PASSWORD, "wrong")
        found = doctor(*arguments, env={"REDIS_URL": wrong})
        assert says(found, "redis", "warning", "password") and "wrong@" not in json.dumps(found)
        redis.stop()
        found = doctor(*arguments, env={"REDIS_URL": redis.url})
        assert says(found, "redis", "warning", "127.0.0.1") and PASSWORD not in json.dumps(found)
        assert says(doctor(*arguments, env={"REDIS_URL": "http://x"}), "redis", "warning", "REDIS_URL")
    finally:
        redis.close()


def test_B8_a_wrong_setting_is_named(data):
    found = doctor("--data", data, "--set", "mailbox.max_mesages=7", code=1)
    assert says(found, "settings", "problem", "did you mean `mailbox.max_messages`") and len(found) == 1


def test_M7_who_listens_there(make_server, data):
    server = make_server()
    assert says(doctor("--data", data, "--listen", server.address), "address", "ok", "and ready")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        found = doctor("--data", data, "--listen", f"127.0.0.1:{port}", code=1)
        assert says(found, "address", "problem", "another program")
        assert any(f"sport = :{port}" in each[2] for each in found["address"])
    found = doctor("--data", data, "--listen", "192.0.2.1:0", "--token", "0123456789abcdef0123", code=1)
    assert says(found, "address", "problem", "cannot listen")


def test_M7_a_folder_of_others_and_one_from_the_future(tmp_path):
    strange = tmp_path / "strange"
    strange.mkdir(mode=0o700)
    (strange / "letter.txt").write_text("mine")
    found = doctor("--data", str(strange), "--listen", "127.0.0.1:0", code=1)
    assert says(found, "disk", "problem", "letter.txt")
    later = tmp_path / "later"
    later.mkdir(mode=0o700)
    (later / ".note").write_text("")
    os.utime(later / ".note", (time.time() + 3600, time.time() + 3600))
    assert says(
        doctor("--data", str(later), "--listen", "127.0.0.1:0", code=1), "clock", "problem", "after what this machine"
    )


def test_M7_a_server_that_the_machine_is_too_small_for(data):
    found = doctor(
        "--data",
        data,
        "--listen",
        "127.0.0.1:0",
        "--set",
        "max_connections=1000000",
        "--set",
        "shards=16",
        "--set",
        "frame.total_bytes=15GiB",
        "--set",
        "http.unfinished_bytes=1000GiB",
    )
    assert says(found, "memory", "warning", "MiB")
    assert says(found, "processors", "warning", "16 shards") == (os.cpu_count() < 16)
    few = subprocess.run(
        ["bash", "-c", f"ulimit -n 512; exec {PROGRAM} doctor --json --data {data} --listen 127.0.0.1:0"],
        capture_output=True,
        text=True,
        timeout=30,
        env=environment(),
    )
    assert '"weight":"warning","subject":"descriptors"' in few.stdout, few.stdout
