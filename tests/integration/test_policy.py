"""What whoever runs a server demands of everybody (docs/security.md, 'Policy'): contents that the server cannot read,
and agents that are trusted or blocked, while it runs."""

import json
import os
import re
import subprocess

import pytest
from native import Client, Refused, message
from program import PROGRAM, ROOT, environment
from test_accounts import Guarded, http

SEALED = {"content_type": "application/jose+json"}


def key(folder, *arguments, **options):
    done = subprocess.run(
        [PROGRAM, "key", *arguments], cwd=folder, capture_output=True, timeout=60, env=environment(), **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(what, *arguments, **options):
    with pytest.raises(Refused) as met:
        what(*arguments, **options)
    assert met.value.name == "not_permitted" and "is not sealed" in met.value.text, met.value
    assert "--encrypt" in met.value.text or "seal" in met.value.text


@pytest.fixture
def sealing(make_server, tmp_path):
    """Accounts ann and bob, bob with a key, at a server that takes sealed contents alone."""
    folder = tmp_path / "keys"
    folder.mkdir()
    key(folder, "generate", "bob")
    guarded = Guarded(make_server("--set", "policy.require_encryption=yes"))
    guarded.folder = folder
    guarded.sealed = key(folder, "seal", "bob.pub.pem", input=b"the plan")
    guarded.add("ann")
    guarded.add("bob")
    return guarded


def test_M4_a_content_that_the_server_could_read_is_refused_at_every_door(sealing):
    for who in ("ann", "root"):
        client = sealing.connect(who)
        refused(client.publish, b"the plan", to="bob", **({"from": "ann"} if who == "root" else {}))
        refused(client.publish, b"the plan", topic="news")
        refused(client.request, b"the plan", to="bob")
        refused(client.publish_batch, [message(sealing.sealed, to="bob", **SEALED), message(b"x", to="bob")])
        reference = client.upload(b"the plan" * 1000)
        refused(client.publish, b"", to="bob", content_ref=reference)
        client.close()
    status, said = http(sealing.server, "POST", "/api/messages", {"to": "bob", "content": "x"}, sealing.keys["ann"])
    assert status == 403 and "is not sealed" in said["error"], said
    done = sealing.server.cli("send", "bob", "x", env={"FOLKMOOT_TOKEN": sealing.keys["ann"]})
    assert done.returncode == 1 and "--encrypt" in done.stderr
    done = sealing.server.cli(
        "schedule", "add", "tick", "bob", "x", "--every", "1h", env={"FOLKMOOT_TOKEN": sealing.keys["root"]}
    )
    assert done.returncode == 1 and "is not sealed" in done.stderr
    bob = sealing.connect("bob")
    assert bob.receive("bob", max=10) == [], "nothing has come of any of it"
    assert sealing.call("server.stats")["access"]["refused"] >= 10
    bob.close()


def test_M4_what_is_sealed_or_has_no_content_passes(sealing):
    ann, bob = sealing.connect("ann"), sealing.connect("bob")
    ann.publish(sealing.sealed, to="bob", **SEALED)
    ann.publish(b"", to="bob", type="status")
    ann.publish(b"", to="bob", content_ref=ann.upload(sealing.sealed), **SEALED)
    got = bob.receive("bob", max=3, wait_ms=5_000)
    assert [each.content for each in got] == [sealing.sealed, b"", b""]
    # What comes of a message is one, too: nothing is settled by what is refused.
    refused(bob.complete, got[0].lease, [message(b"done", to="ann")])
    assert len(bob.complete(got[0].lease, [message(sealing.sealed, to="ann", **SEALED)])) == 1
    assert bob.ack(got[1].lease, got[2].lease).settled == 2
    ann.close()
    bob.close()


def test_M4_answers_are_sealed_as_well(sealing):
    ann, bob = sealing.connect("ann"), sealing.connect("bob")
    taken = bob.consume("bob")
    asked = ann.start_request(sealing.sealed, to="bob", **SEALED)
    question = bob.delivery(taken)
    answer = {"to": question.fields["reply_to"], "type": "response"}
    refused(bob.publish, b"yes", **answer)
    bob.publish(sealing.sealed, **answer, **SEALED)
    assert ann.end_request(asked).content == sealing.sealed
    ann.close()
    bob.close()


def test_M4_the_shell_seals_what_such_a_server_takes(sealing):
    own = {"FOLKMOOT_TOKEN": sealing.keys["ann"], "XDG_CONFIG_HOME": str(sealing.folder)}
    done = sealing.server.cli("send", "bob", "hello", "--encrypt-for", str(sealing.folder / "bob.pub.pem"), env=own)
    assert done.returncode == 0, done.stderr
    own["FOLKMOOT_TOKEN"] = sealing.keys["bob"]
    done = sealing.server.cli("recv", "bob", "--open", str(sealing.folder / "bob.pem"), env=own)
    assert "hello" in done.stdout, done.stderr


def test_M4_nobody_is_asked_for_it_who_has_no_account(make_server):
    """As all of the policy: it is of accounts. And what stands in mailboxes stays there."""
    server = make_server("--set", "policy.require_encryption=yes")
    client = Client(("127.0.0.1", server.port), agent="ann")
    assert client.publish(b"x", to="bob").outcome == "queued"
    client.close()
    shown = make_server("--set", "policy.require_encryption=yes", "--token", "secret")
    client = Client(("127.0.0.1", shown.port), agent="ann", token="secret")
    assert client.publish(b"x", to="bob").outcome == "queued"
    client.close()


@pytest.fixture
def configured(make_server, tmp_path):
    file = tmp_path / "folkmoot.toml"
    file.write_text("")
    guarded = Guarded(make_server("--config", str(file)))
    guarded.file = file
    guarded.add("ann")
    guarded.add("mallory")
    return guarded


def test_M4_the_demand_comes_and_goes_while_the_server_runs(configured):
    ann = configured.connect("ann")
    assert ann.publish(b"before", to="bob").outcome == "queued"
    configured.file.write_text('[policy]\nrequire_encryption = "yes"\n')
    done = configured.cli("reload")
    assert "policy.require_encryption" in done.stdout
    refused(ann.publish, b"meanwhile", to="bob")  # also what is the same as before byte for byte
    configured.file.write_text("")
    configured.cli("reload")
    assert ann.publish(b"after", to="bob").outcome == "queued"
    ann.close()


def test_M4_the_commands_of_the_page_trust_and_block_while_the_server_runs(configured, tmp_path):
    """docs/security.md, 'Policy', typed into a shell as they stand, but for the place of the file."""
    page = (ROOT / "docs/security.md").read_text()
    block = re.search(r"## Policy\n.*?```sh\n(.*?)```", page, re.S).group(1)
    known = tmp_path / "known-keys.json"
    key(tmp_path, "generate", "ann-sign", "--type", "ed25519")
    key(tmp_path, "generate", "mallory-sign", "--type", "ed25519")
    known.write_text('{"agents": {}}')
    configured.file.write_text(f'[policy]\nknown_keys = "{known}"\nrequire_signature = "yes"\n')
    configured.cli("reload")

    def send(who):
        env = {"FOLKMOOT_TOKEN": configured.keys[who]}
        signed = ("--sign", str(tmp_path / f"{who}-sign.pem"))
        done = configured.server.cli("--as", who, "send", "bob", "x", *signed, env=env)
        return "" if done.returncode == 0 else done.stderr

    assert "is not known here as its key" in send("ann")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/folkmoot").symlink_to(os.path.realpath(PROGRAM))
    env = environment(
        PATH=f"{tmp_path}/bin:{os.environ['PATH']}",
        FOLKMOOT_ADDRESS=configured.server.address,
        FOLKMOOT_TOKEN=configured.root,
    )
    typed = block.replace("/etc/folkmoot/known-keys.json", str(known))
    done = subprocess.run(
        ["bash", "-e"], input=typed, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert send("ann") == "" and "mallory is blocked" in send("mallory")
    text = json.loads(known.read_text())
    assert text["agents"]["mallory"]["blocked"] is True
    done = subprocess.run(
        ["bash", "-ec", "folkmoot key forget mallory; folkmoot reload"],
        cwd=tmp_path,
        env={**env, "FOLKMOOT_KNOWN_KEYS": str(known)},
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "is not known here as its key" in send("mallory")
