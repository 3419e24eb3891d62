"""Contents that the server cannot read, from outside: keys, sealing, opening (docs/sealed.md)."""

import base64
import json
import os
import re
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap
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
    env = environment(PATH=f"{tmp_path}/bin:{os.environ['PATH']}", FOLKMOOT_ADDRESS=server.address)
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", commands],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and done.stdout.endswith("the plan\n"), done
