"""Contents that the server cannot read, from outside: keys, sealing, opening (docs/sealed.md)."""

import base64
import hashlib
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap
import native
from program import PROGRAM, ROOT, environment


def key(folder, *arguments, stdin=b"", fails=False):
    done = subprocess.run(
        [PROGRAM, "key", *arguments], cwd=folder, input=stdin, capture_output=True, timeout=60, env=environment()
    )
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr.decode() if fails else done.stdout


def text_of(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def bytes_of(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def content_key_by(recipient, own):
    """Written from RFC 7518 and RFC 8037 alone."""
    wrapped = bytes_of(recipient["encrypted_key"])
    if recipient["header"]["alg"] == "RSA-OAEP-256":
        return own.decrypt(wrapped, OAEP(MGF1(hashes.SHA256()), hashes.SHA256(), None))
    other = X25519PublicKey.from_public_bytes(bytes_of(recipient["header"]["epk"]["x"]))
    return aes_key_unwrap(agreed(own.exchange(other)), wrapped)


def agreed(secret):
    part = lambda data: len(data).to_bytes(4, "big") + data
    info = part(b"ECDH-ES+A256KW") + part(b"") + part(b"") + (256).to_bytes(4, "big")
    return ConcatKDFHash(hashes.SHA256(), 32, info).derive(secret)


def opened(sealed, own, kid):
    recipient = next(each for each in sealed["recipients"] if each["header"]["kid"] == kid)
    aad = f"{sealed['protected']}.{sealed['aad']}".encode()
    cipher = bytes_of(sealed["ciphertext"]) + bytes_of(sealed["tag"])
    return AESGCM(content_key_by(recipient, own)).decrypt(bytes_of(sealed["iv"]), cipher, aad)


@pytest.fixture
def keys(tmp_path):
    for name, *options in (("bob",), ("carol", "--type", "rsa", "--bits", "2048"), ("eve",)):
        key(tmp_path, "generate", name, *options)
    return tmp_path


def thumbprint(folder, name):
    return json.loads(key(folder, "show", "--json", f"{name}.pem"))["thumbprint"]


@pytest.mark.parametrize("plain", [b"", b"the plan", os.urandom(200_000)], ids=["empty", "text", "bytes"])
def test_U13_another_implementation_opens_what_is_sealed_here(keys, plain):
    sealed = json.loads(key(keys, "seal", "bob.pub.pem", "carol.pub.pem", "--bound", "ann to bob", stdin=plain))
    assert json.loads(bytes_of(sealed["protected"])) == {"enc": "A256GCM"} and bytes_of(sealed["aad"]) == b"ann to bob"
    for name in ("bob", "carol"):
        own = serialization.load_pem_private_key((keys / f"{name}.pem").read_bytes(), None)
        assert opened(sealed, own, thumbprint(keys, name)) == plain


def test_U13_what_another_implementation_seals_is_opened_here(keys):
    other = serialization.load_pem_public_key((keys / "bob.pub.pem").read_bytes())
    own, content_key, nonce = X25519PrivateKey.generate(), os.urandom(32), os.urandom(12)
    front, aad = text_of(b'{"enc":"A256GCM"}'), text_of(b"bound")
    cipher = AESGCM(content_key).encrypt(nonce, b"from elsewhere", f"{front}.{aad}".encode())
    raw = own.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    header = {
        "alg": "ECDH-ES+A256KW",
        "kid": thumbprint(keys, "bob"),
        "epk": {"kty": "OKP", "crv": "X25519", "x": text_of(raw)},
    }
    sealed = {
        "protected": front,
        "aad": aad,
        "iv": text_of(nonce),
        "ciphertext": text_of(cipher[:-16]),
        "tag": text_of(cipher[-16:]),
        "recipients": [
            {"header": header, "encrypted_key": text_of(aes_key_wrap(agreed(own.exchange(other)), content_key))}
        ],
    }
    assert key(keys, "open", "bob.pem", "--bound", "bound", stdin=json.dumps(sealed).encode()) == b"from elsewhere"
    assert "another message" in key(keys, "open", "bob.pem", stdin=json.dumps(sealed).encode(), fails=True)


def test_U13_who_has_another_key_does_not_open_it(keys):
    sealed = key(keys, "seal", "bob.pub.pem", stdin=b"the plan")
    assert "for none of these keys" in key(keys, "open", "eve.pem", stdin=sealed, fails=True)
    altered = json.loads(sealed)
    altered["ciphertext"] = text_of(
        bytes([bytes_of(altered["ciphertext"])[0] ^ 1]) + bytes_of(altered["ciphertext"])[1:]
    )
    assert "was altered" in key(keys, "open", "bob.pem", stdin=json.dumps(altered).encode(), fails=True)
    assert "no sealed content" in key(keys, "open", "bob.pem", stdin=b"{}", fails=True)


def test_U13_keys_are_their_owners_alone_and_openssl_knows_them(keys):
    assert os.stat(keys / "bob.pem").st_mode & 0o777 == 0o600
    done = subprocess.run(["openssl", "pkey", "-in", keys / "bob.pem", "-pubout"], capture_output=True, timeout=20)
    assert done.stdout == (keys / "bob.pub.pem").read_bytes()
    assert "is there already" in key(keys, "generate", "bob", fails=True)


def test_U13_a_key_goes_through_both_notations(keys):
    jwk = key(keys, "convert", "bob.pem", "--format", "jwk", "--out", "bob.jwk")
    assert jwk == b"" and os.stat(keys / "bob.jwk").st_mode & 0o777 == 0o600
    assert json.loads((keys / "bob.jwk").read_text()).keys() == {"kty", "crv", "x", "d"}
    assert key(keys, "convert", "bob.jwk") == (keys / "bob.pem").read_bytes()
    public = json.loads(key(keys, "convert", "bob.jwk", "--public", "--format", "jwk"))
    assert public.keys() == {"kty", "crv", "x"}
    sealed = key(keys, "seal", "bob.pub.pem", stdin=b"x")
    assert key(keys, "open", "bob.jwk", stdin=sealed) == b"x"


def test_U13_a_passphrase_guards_a_key(tmp_path):
    (tmp_path / "pass").write_text("correct horse\n")
    (tmp_path / "wrong").write_text("battery\n")
    key(tmp_path, "generate", "bob", "--passphrase-file", "pass")
    sealed = key(tmp_path, "seal", "bob.pub.pem", stdin=b"x")
    assert "has a passphrase" in key(tmp_path, "open", "bob.pem", stdin=sealed, fails=True)
    assert "is not the key's" in key(
        tmp_path, "open", "bob.pem", "--passphrase-file", "wrong", stdin=sealed, fails=True
    )
    assert key(tmp_path, "open", "bob.pem", "--passphrase-file", "pass", stdin=sealed) == b"x"


def test_U13_the_commands_of_the_page_work_as_they_stand(make_server, tmp_path):
    page = (ROOT / "docs/sealed.md").read_text()
    commands = re.search(r"## From nothing\n\n```sh\n(.*?)```", page, re.S).group(1)
    server = make_server()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/folkmoot").symlink_to(os.path.realpath(PROGRAM))
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    env = environment(PATH=path, FOLKMOOT_ADDRESS=server.address, XDG_CONFIG_HOME=str(tmp_path))
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", commands],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and done.stdout.endswith("the plan\n"), done


# -- messages that are signed and sealed by the shell


class Pair:
    """Ann and bob, each with keys and a folder of their own, over one server."""

    def __init__(self, server, folder):
        self.server, self.folder = server, folder
        for name in ("ann", "bob", "eve"):
            key(folder, "generate", name)
            key(folder, "generate", f"{name}-sign", "--type", "ed25519")

    def cli(self, who, *arguments, **options):
        home = self.folder / f"home-{who}"
        home.mkdir(exist_ok=True)
        env = {"XDG_CONFIG_HOME": str(home)}
        return self.server.cli("--as", who, *arguments, env=env, **options)

    def done(self, who, *arguments, **options):
        done = self.cli(who, *arguments, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def file(self, name):
        return str(self.folder / name)

    def register(self, *names):
        for name in names:
            keys = [f"sign=@{self.file(name)}-sign.pub.pem", f"seal=@{self.file(name)}.pub.pem"]
            self.done(name, "agents", "register", *(word for each in keys for word in ("--key", each)))


@pytest.fixture
def pair(make_server, tmp_path):
    return Pair(make_server(), tmp_path)


def test_U13_A16_A17_a_message_is_sealed_and_signed_on_one_side_and_opened_on_the_other(pair):
    pair.register("ann", "bob")
    pair.done("ann", "send", "bob", "the plan", "--encrypt", "--sign", pair.file("ann-sign.pem"))
    seen = json.loads(pair.done("eve", "mailbox", "peek", "bob", "--json"))["message"]
    assert "the plan" not in json.dumps(seen) and seen["content_type"] == "application/jose+json"
    got = json.loads(pair.done("bob", "recv", "bob", "--verify", "--open", pair.file("bob.pem"), "--json"))
    assert got["content"] == "the plan" and got["content_type"] == "text/plain" and got["from"] == "ann"
    known = [json.loads(line) for line in pair.done("bob", "key", "known", "--json").splitlines()]
    assert [(each["agent"], [k["pinned"] for k in each["keys"]]) for each in known] == [("ann", [False])]


def test_U13_another_implementation_checks_a_signature_and_makes_one(pair):
    pair.register("ann")
    pair.done("ann", "send", "bob", "the plan", "--meta", "round=2", "--sign", pair.file("ann-sign.pem"))
    got = json.loads(pair.done("bob", "recv", "bob", "--json"))
    head, claims, mark = got["metadata"]["signature"].split(".")
    own = serialization.load_pem_private_key((pair.folder / "ann-sign.pem").read_bytes(), None)
    own.public_key().verify(bytes_of(mark), f"{head}.{claims}".encode())
    assert json.loads(bytes_of(head)) == {"alg": "EdDSA", "kid": thumbprint(pair.folder, "ann-sign")}
    said = json.loads(bytes_of(claims))
    assert abs(said.pop("iat") - time.time()) < 60 and len(bytes_of(said.pop("jti"))) == 16
    assert said == {
        "from": "ann",
        "to": "bob",
        "type": "task",
        "key": got["key"],
        "content_type": "text/plain",
        "content_sha256": hashlib.sha256(b"the plan").hexdigest(),
        "metadata": {"round": 2},
    }
    # The same by hand, over HTTP.
    content = {"from": "elsewhere"}
    claims = {
        "iat": int(time.time()),
        "from": "ann",
        "to": "bob",
        "type": "task",
        "key": "by-hand",
        "content_type": "application/json",
        "content_sha256": hashlib.sha256(json.dumps(content).encode()).hexdigest(),
    }
    text = f"{head}.{text_of(json.dumps(claims).encode())}"
    message = {name: claims[name] for name in ("from", "to", "type", "key", "content_type")}
    message["metadata"] = {"signature": f"{text}.{text_of(own.sign(text.encode()))}"}
    body = json.dumps(message)[:-1] + f', "content": {json.dumps(content)}}}'
    asked = urllib.request.Request(f"http://{pair.server.address}/api/messages", body.encode(), {"X-Agent": "ann"})
    assert urllib.request.urlopen(asked, timeout=20).status in (200, 201)
    got = json.loads(pair.done("bob", "recv", "bob", "--verify", "--json"))
    assert got["content"] == content


def test_U13_A17_what_is_not_of_its_sender_goes_to_the_dead_letters(pair):
    pair.register("ann", "eve")
    pair.done("ann", "send", "bob", "nobody has signed this")
    pair.done("eve", "send", "bob", "as eve", "--sign", pair.file("eve-sign.pem"))
    pair.done("ann", "send", "bob", "as ann", "--sign", pair.file("eve-sign.pem"))
    done = pair.cli("bob", "recv", "bob", "--verify", "--max", "5")
    assert done.returncode == 1 and "as eve" in done.stdout
    assert "as ann" not in done.stdout and "nobody" not in done.stdout
    assert "is not signed" in done.stderr and "is not known as one of ann" in done.stderr
    dead = [json.loads(line) for line in pair.done("bob", "dead", "list", "--json").splitlines()]
    assert len(dead) == 2 and all("refused by its recipient" in each["text"] for each in dead), dead


def test_U13_an_agent_whose_key_has_changed_is_refused_until_it_is_trusted(pair):
    pair.register("ann")
    pair.done("ann", "send", "bob", "one", "--sign", pair.file("ann-sign.pem"))
    assert "one" in pair.done("bob", "recv", "bob", "--verify")
    pair.done("ann", "agents", "register", "--key", f"sign=@{pair.file('eve-sign.pub.pem')}")
    pair.done("ann", "send", "bob", "two", "--sign", pair.file("eve-sign.pem"))
    refused = pair.cli("bob", "recv", "bob", "--verify")
    assert refused.returncode == 1 and "ann is known by the key" in refused.stderr
    assert "folkmoot key trust" in refused.stderr
    pair.done("bob", "key", "trust", "ann", pair.file("eve-sign.pub.pem"))
    pair.done("ann", "send", "bob", "three", "--sign", pair.file("eve-sign.pem"))
    assert "three" in pair.done("bob", "recv", "bob", "--verify")
    pair.done("bob", "key", "block", "ann")
    pair.done("ann", "send", "bob", "four", "--sign", pair.file("eve-sign.pem"))
    assert "is blocked" in pair.cli("bob", "recv", "bob", "--verify").stderr


def test_U13_requests_and_answers_events_and_lines_are_signed(pair, tmp_path):
    pair.register("ann", "bob")
    pair.done("ann", "call", "subscription.set", "name=ann-news", "pattern=news", "mailbox=ann")
    pair.done("bob", "publish", "news", "hear", "--kept", "--sign", pair.file("bob-sign.pem"))
    assert "hear" in pair.done("ann", "recv", "ann", "--verify")
    lines = tmp_path / "lines"
    lines.write_text("first\nsecond\n")
    pair.done("ann", "send", "bob", "--lines", str(lines), "--encrypt", "--sign", pair.file("ann-sign.pem"))
    got = pair.done("bob", "recv", "bob", "--max", "2", "--verify", "--open", pair.file("bob.pem"))
    assert "first" in got and "second" in got
    pair.done("ann", "send", "bob", "2 + 2", "--reply-to", "ann", "--sign", pair.file("ann-sign.pem"))
    pair.done("bob", "reply", "bob", "--exec", "echo 4", "--once", "--sign", pair.file("bob-sign.pem"))
    assert "4" in pair.done("ann", "recv", "ann", "--verify")
    serving = pair.server.cli_start("reply", "bob", "--exec", "wc -c")
    sign = ("--timeout", "20s", "--sign", pair.file("ann-sign.pem"))
    assert pair.done("ann", "request", "bob", "four", *sign).strip() == "4"
    assert pair.done("ann", "request", "bob", "four", "--mode", "at_least_once", *sign).strip() == "4"
    serving.terminate()
    serving.wait(20)


def test_U13_a_message_for_somebody_without_a_key_is_not_sent(pair):
    refused = pair.cli("ann", "send", "carol", "the plan", "--encrypt")
    assert refused.returncode == 1 and "carol has no key that contents are sealed for" in refused.stderr
    refused = pair.cli("ann", "send", "bob", "x", "--sign", pair.file("ann.pem"))
    assert refused.returncode == 2 and "nothing is signed with a key of kind x25519" in refused.stderr
    assert pair.cli("bob", "recv", "bob").returncode == 3, "nothing has come"


def test_U13_a_content_that_is_sealed_for_another_message_is_refused(pair):
    pair.register("bob")
    pair.done("ann", "send", "bob", "the plan", "--encrypt")
    got = json.loads(pair.done("bob", "recv", "bob", "--json"))
    sealed = json.dumps(got["content"]) if isinstance(got["content"], dict) else got["content"]
    pair.done("eve", "send", "bob", sealed, "--content-type", "application/jose+json")
    refused = pair.cli("bob", "recv", "bob", "--open", pair.file("bob.pem"))
    assert refused.returncode == 1 and "sealed with another `from`" in refused.stderr


# -- a server that wants signatures


@pytest.fixture
def strict(make_server, tmp_path):
    known = tmp_path / "server-keys.json"
    pair = Pair(make_server(start=False), tmp_path)
    pair.known = {"FOLKMOOT_KNOWN_KEYS": str(known)}
    for name in ("ann", "bob"):
        done = subprocess.run(
            [PROGRAM, "key", "trust", name, pair.file(f"{name}-sign.pub.pem")],
            env=environment(**pair.known),
            timeout=20,
        )
        assert done.returncode == 0
    for word in (f"policy.known_keys={known}", "policy.require_signature=yes", "policy.signature_age=2s"):
        pair.server.arguments += ["--set", word]
    pair.server.start()
    made = pair.server.cli("account", "add", "root", "--role", "admin", "--json")
    root = json.loads(made.stdout)["key"]
    pair.tokens = {"root": root}
    for name in ("ann", "bob"):
        made = pair.server.cli("account", "add", name, "--json", env={"FOLKMOOT_TOKEN": root})
        pair.tokens[name] = json.loads(made.stdout)["key"]
    plain = pair.server.cli
    pair.cli = lambda who, *arguments, **more: plain(
        "--as", who, *arguments, env={"FOLKMOOT_TOKEN": pair.tokens[who], "XDG_CONFIG_HOME": str(tmp_path)}, **more
    )
    return pair


def native_client(pair, who):
    return native.Client(("127.0.0.1", pair.server.port), agent=who, token=pair.tokens[who])


def test_U13_a_server_may_want_signatures(strict):
    strict.done("ann", "send", "bob", "signed", "--sign", strict.file("ann-sign.pem"))
    strict.done("ann", "send", "bob", "x" * 4000, "--compress", "--sign", strict.file("ann-sign.pem"))
    assert "signed" in strict.done("bob", "recv", "bob")
    for words in (("no signature",), ("another's", "--sign", strict.file("eve-sign.pem"))):
        refused = strict.cli("ann", "send", "bob", *words)
        assert refused.returncode == 1 and "takes only what is signed" in refused.stderr, refused.stderr
    refused = strict.cli("ann", "publish", "news", "no signature")
    assert refused.returncode == 1 and "takes only what is signed" in refused.stderr
    asked = urllib.request.Request(
        f"http://{strict.server.address}/api/messages",
        json.dumps({"to": "bob", "content": "x"}).encode(),
        {"Authorization": f"Bearer {strict.tokens['ann']}", "X-Agent": "ann"},
    )
    with pytest.raises(urllib.error.HTTPError) as met:
        urllib.request.urlopen(asked, timeout=20)
    assert met.value.code == 403
    refused = strict.cli("root", "schedule", "add", "tick", "bob", "x", "--every", "1h")
    assert refused.returncode == 1 and "takes only what is signed" in refused.stderr


def test_U13_what_was_sent_before_or_long_ago_is_not_taken_again(strict):
    """Also not by a server that was killed meanwhile: mail is known by its key on disk, and an event that was signed
    before the server read its keys is refused."""
    strict.done("ann", "send", "bob", "once", "--sign", strict.file("ann-sign.pem"))
    got = json.loads(strict.done("bob", "recv", "bob", "--json"))
    again = {name: got[name] for name in ("to", "type", "key", "content", "content_type", "metadata")}
    content = again.pop("content").encode()
    client = native_client(strict, "ann")
    assert client.publish(content, **again).outcome == "duplicate"
    strict.server.kill9()
    strict.server.start()
    client = native_client(strict, "ann")
    assert client.publish(content, **again).outcome == "duplicate"
    time.sleep(3.5)
    with pytest.raises(native.Refused) as met:
        client.publish(content, **again)
    assert "it was signed" in str(met.value)


def refused_as(call, text):
    with pytest.raises(native.Refused) as met:
        call()
    assert text in str(met.value), met.value


def signed_by(pair, name, content, iat=None, **fields):
    """Envelope fields with a signature, made by another implementation."""
    own = serialization.load_pem_private_key((pair.folder / f"{name}-sign.pem").read_bytes(), None)
    said = {"iat": iat or int(time.time()), "from": name, **fields}
    said["content_sha256"] = hashlib.sha256(content).hexdigest()
    head = {"alg": "EdDSA", "kid": thumbprint(pair.folder, f"{name}-sign")}
    text = ".".join(text_of(json.dumps(each).encode()) for each in (head, said))
    fields.pop("jti", None)
    return {**fields, "metadata": {"signature": f"{text}.{text_of(own.sign(text.encode()))}"}}


def test_U13_what_has_no_key_is_told_by_the_number_of_its_signature(strict):
    """Taken once, whatever door it comes back by, and not after a reload or a restart either."""
    time.sleep(2)  # what was signed in the second of the start cannot be told from what was there before
    again = signed_by(strict, "ann", b"once", to="bob", type="task", content_type="text/plain", jti="1")
    assert native_client(strict, "ann").publish(b"once", **again).outcome == "queued"
    strict.done("root", "reload")
    refused_as(lambda: native_client(strict, "ann").publish(b"once", **again), "it was sent before")
    asked = urllib.request.Request(
        f"http://{strict.server.address}/api/messages",
        json.dumps({**again, "content": "once"}).encode(),
        {"Authorization": f"Bearer {strict.tokens['ann']}"},
    )
    with pytest.raises(urllib.error.HTTPError) as met:
        urllib.request.urlopen(asked, timeout=20)
    assert met.value.code == 401 and "it was sent before" in met.value.read().decode()
    strict.server.kill9()
    strict.server.start()
    refused_as(lambda: native_client(strict, "ann").publish(b"once", **again), "began to remember")


def test_U13_a_signature_without_a_number_is_good_for_what_has_a_key(strict):
    time.sleep(2)
    client = native_client(strict, "ann")
    mail = signed_by(strict, "ann", b"x", to="bob", type="task")
    refused_as(lambda: client.publish(b"x", **mail), "no number of its own")
    event = signed_by(strict, "ann", b"x", topic="news", type="event")
    refused_as(lambda: client.publish(b"x", **event), "no number of its own")
    keyed = signed_by(strict, "ann", b"x", to="bob", type="task", key="one")
    assert client.publish(b"x", **keyed).outcome == "queued"
    assert client.publish(b"x", **keyed).outcome == "duplicate"
    numbered = signed_by(strict, "ann", b"x", to="bob", type="task", jti="1")
    assert client.publish(b"x", key="two", **numbered).outcome == "queued"
    refused_as(lambda: client.publish(b"x", key="three", **numbered), "it was sent before")


def test_U13_what_has_a_key_goes_only_where_it_was_signed_for(strict):
    """Each mailbox knows it by itself: whoever saw a signature for whom the server finds could send it to all."""
    client = native_client(strict, "ann")
    for to in ("capability:ocr", None):
        where = {"to": to} if to else {}
        signed = signed_by(strict, "ann", b"x", type="task", key="one", jti="1", **where)
        free = {name: field for name, field in signed.items() if name != "to"}
        for other in ("bob", "carol", "capability:other"):
            refused_as(lambda: client.publish(b"x", to=other, **free), "it was signed for")
        refused_as(lambda: client.publish_batch([native.message(b"x", to="bob", **free)]), "it was signed for")
        if to:
            # What a client does whose confirmation was lost, also for a server that was killed meanwhile.
            assert client.publish(b"x", **signed).outcome == "queued"
            assert client.publish(b"x", **signed).outcome == "duplicate"
            strict.server.kill9()
            strict.server.start()
            client = native_client(strict, "ann")
            assert client.publish(b"x", **signed).outcome == "duplicate"
    # What is not kept is not known by a key either.
    asked = signed_by(strict, "ann", b"x", to="bob", type="task", key="two")
    refused_as(lambda: client.request(b"x", **asked), "not known by one")


def test_U13_a_full_memory_of_keys_forgets_none_that_a_good_signature_has(strict):
    strict.server.terminate()
    strict.server.arguments += ["--set", "keys.max=2", "--set", "policy.signature_age=1m"]
    strict.server.start()
    client = native_client(strict, "ann")
    keyed = [signed_by(strict, "ann", b"x", to="bob", type="task", key=key) for key in ("one", "two", "three")]
    for each in keyed[:2]:
        assert client.publish(b"x", **each).outcome == "queued"
    refused_as(lambda: client.publish(b"x", **keyed[2]), "none of them may be forgotten yet")
    strict.server.kill9()
    strict.server.start()
    client = native_client(strict, "ann")
    refused_as(lambda: client.publish(b"x", **keyed[2]), "none of them may be forgotten yet")
    for each in keyed[:2]:
        assert client.publish(b"x", **each).outcome == "duplicate"
    time.sleep(2)  # what has no key goes on
    assert client.publish(b"x", **signed_by(strict, "ann", b"x", to="bob", type="task", jti="1")).outcome == "queued"


def test_U13_keys_are_kept_for_signatures_that_a_reload_demands(strict, tmp_path):
    strict.server.terminate()
    file = tmp_path / "folkmoot.toml"
    file.write_text("")
    at = strict.server.arguments.index("policy.require_signature=yes")
    del strict.server.arguments[at - 1 : at + 1]
    strict.server.arguments += ["--config", str(file)]
    strict.server.start()
    file.write_text('[policy]\nrequire_signature = "yes"\n[keys]\nmax = 2\n')
    strict.done("root", "reload")
    client = native_client(strict, "ann")
    keyed = [signed_by(strict, "ann", b"x", to="bob", type="task", key=key) for key in ("one", "two", "three")]
    for each in keyed[:2]:
        assert client.publish(b"x", **each).outcome == "queued"
    refused_as(lambda: client.publish(b"x", **keyed[2]), "none of them may be forgotten yet")


def test_U13_requests_and_events_in_memory_are_signed(strict):
    time.sleep(2)
    bob = native_client(strict, "bob")
    heard = bob.subscribe("news")
    event = signed_by(strict, "ann", b"hear", topic="news", type="event", jti="1")
    ann = native_client(strict, "ann")
    ann.publish(b"hear", **event)
    assert bob.delivery(heard).content == b"hear"
    refused_as(lambda: ann.publish(b"hear", **event), "it was sent before")
    ahead = signed_by(strict, "ann", b"x", topic="news", type="event", jti="2", iat=int(time.time()) + 5)
    refused_as(lambda: ann.publish(b"x", **ahead), "in the future")


def test_U13_a_batch_that_is_refused_is_not_remembered(strict):
    """One wrong signature refuses all; the others may come again as they are."""
    time.sleep(2)
    good = signed_by(strict, "ann", b"good", to="bob", type="task", jti="good")
    wrong = signed_by(strict, "ann", b"another", to="bob", type="task", jti="wrong")
    client = native_client(strict, "ann")
    first = native.message(b"good", **good)
    for second in (native.message(b"changed", **wrong), first):
        refused_as(lambda second=second: client.publish_batch([first, second]), "message 1")
    assert client.publish(b"good", **good).outcome == "queued"
    refused_as(lambda: client.publish(b"good", **good), "it was sent before")


def test_U13_a_recipient_that_goes_on_knows_what_was_there_before(pair):
    """The server of `pair` wants no signatures, so whoever sends as ann may send again what she has signed."""
    pair.register("ann", "bob")
    order = signed_by(pair, "ann", b"pay 10", to="bob", type="task", content_type="text/plain", jti="1")
    client = native.Client(("127.0.0.1", pair.server.port), agent="ann")
    client.publish(b"pay 10", **order)
    pair.done("bob", "recv", "bob", "--lease", "1s", "--json")
    time.sleep(1.5)  # back by itself: the same message, delivered again
    client.publish(b"pay 10", **order)
    taken = pair.cli("bob", "recv", "bob", "--max", "2", "--verify")
    assert taken.returncode == 1 and taken.stdout.count("pay 10") == 1, taken.stdout
    assert "the message was there before" in taken.stderr
    dead = [json.loads(line) for line in pair.done("bob", "dead", "list", "--json").splitlines()]
    assert len(dead) == 1 and "there before" in dead[0]["text"]


def test_U13_a_blocked_agent_is_refused_after_a_reload(strict):
    strict.done("ann", "send", "bob", "before", "--sign", strict.file("ann-sign.pem"))
    done = subprocess.run([PROGRAM, "key", "block", "ann"], env=environment(**strict.known), timeout=20)
    assert done.returncode == 0
    strict.done("root", "reload")
    refused = strict.cli("ann", "send", "bob", "after", "--sign", strict.file("ann-sign.pem"))
    assert refused.returncode == 1 and "ann is blocked" in refused.stderr
    strict.done("bob", "send", "ann", "still", "--sign", strict.file("bob-sign.pem"))


@pytest.mark.parametrize(
    "settings, why",
    [
        (["policy.require_signature=yes"], "policy.known_keys is not"),
        (["policy.known_keys=/nowhere"], "is not a file that can be read"),
        (["policy.known_keys=@keys", "policy.signature_age=2d", "keys.window=1d"], "is longer than keys.window"),
    ],
)
def test_U13_a_policy_that_could_not_hold_stops_the_start(make_server, tmp_path, settings, why):
    (tmp_path / "keys").write_text('{"agents": {}}')
    words = [word for each in settings for word in ("--set", each.replace("@keys", str(tmp_path / "keys")))]
    done = subprocess.run(
        [PROGRAM, "serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", *words],
        capture_output=True,
        text=True,
        timeout=20,
        env=environment(),
    )
    assert done.returncode != 0 and why in done.stderr, done.stderr
