"""Tokens of an issuer whose keys are fetched by URL: when, how often, and what becomes of logins when they cannot be
had (docs/security.md, 'Tokens of somebody else')."""

import http.server
import json
import ssl
import subprocess
import threading
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from native import Refused
from program import PROGRAM, environment
from test_accounts import Guarded, claims, http as ask, part, refused
from test_cli import wait_for
from test_doctor import doctor, says
from tls import certs  # noqa: F401


class Issuer:
    """A real HTTP server that gives a set of keys, or what it is told to give."""

    def __init__(self, context=None):
        self.keys = {}
        self.asked = []  # when, and which path
        self.answer = None  # bytes of a body, or (status, headers, body); None: the set
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked.append((time.monotonic(), self.path))
                status, headers, body = 200, {}, issuer.answer
                if isinstance(body, tuple):
                    status, headers, body = body
                if body is None:
                    body = json.dumps({"keys": [issuer.jwk(kid) for kid in issuer.keys]}).encode()
                if body == b"hang":
                    issuer.released.wait(30)
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.released = threading.Event()
        self.context = context
        self.Handler = Handler
        self.server = None
        self.port = 0
        self.start()

    def start(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), self.Handler)
        if self.context:
            self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def close(self):
        self.released.set()
        self.stop()

    @property
    def url(self):
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}/jwks.json"

    def add(self, kid):
        self.keys[kid] = Ed25519PrivateKey.generate()

    def jwk(self, kid):
        x = self.keys[kid].public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": kid, "use": "sig", "x": part(x)}

    def token(self, kid="one", key=None, **more):
        text = part({"alg": "EdDSA", "typ": "JWT", "kid": kid}) + "." + part(claims(**more))
        return text + "." + part((key or self.keys[kid]).sign(text.encode()))


@pytest.fixture
def issuer():
    made = Issuer()
    made.add("one")
    yield made
    made.close()


def settings(issuer, **more):
    values = {"keys": issuer.url, "issuer": "https://issuer", "audience": "bus", "leeway": "0", **more}
    return [f"--set=jwt.{name}={value}" for name, value in values.items()] + ["--set=login.failures_per_minute=0"]


def guarded_by(make_server, issuer, *arguments, **more):
    guarded = Guarded(make_server(*settings(issuer, **more), *arguments))
    guarded.add("ann")
    return guarded


def eventually_in(guarded, token, timeout=20):
    wait_for(lambda: lets_in(guarded, token), timeout)


def lets_in(guarded, token):
    try:
        guarded.connect(token).close()
        return True
    except Refused:
        return False


def test_U11_a_token_whose_key_is_fetched_is_good_at_every_door_from_the_start(make_server, issuer):
    guarded = guarded_by(make_server, issuer)
    good = issuer.token()
    guarded.connect(good).close()
    assert ask(guarded.server, "GET", "/api/messages?agent=ann", key=good)[0] == 200
    assert guarded.server.cli("send", "ann", "x", env={"FOLKMOOT_TOKEN": good}).returncode == 0
    assert [path for _, path in issuer.asked] == ["/jwks.json"], "once for all of them"
    forged = issuer.token(key=Ed25519PrivateKey.generate())
    assert refused(guarded.connect, forged).name == "unauthorized"
    assert len(issuer.asked) == 1, "a wrong signature of a key that is known asks for nothing"


def test_U11_a_key_that_is_not_known_is_asked_for_and_no_sooner_than_the_rest(make_server, issuer):
    guarded = guarded_by(make_server, issuer, refresh="2s")
    guarded.connect(issuer.token()).close()
    issuer.add("two")
    wanted = issuer.token("two")
    met = refused(guarded.connect, wanted)
    assert met.name == "unauthorized" and "come again" in met.text
    eventually_in(guarded, wanted)
    guarded.connect(issuer.token()).close()  # the other one is there still
    # Whoever shows what nobody has signed cannot have the server ask as often as he likes.
    began, before = time.monotonic(), len(issuer.asked)
    while time.monotonic() - began < 4:
        refused(guarded.connect, issuer.token("never", key=issuer.keys["one"]))
    assert len(issuer.asked) - before <= 3, issuer.asked
    gaps = [b[0] - a[0] for a, b in zip(issuer.asked, issuer.asked[1:])]
    assert min(gaps) > 1.8, gaps


def test_U11_within_a_minute_nobody_asks_twice(make_server, issuer):
    guarded = guarded_by(make_server, issuer)  # refresh: an hour
    issuer.add("two")
    for _ in range(20):
        refused(guarded.connect, issuer.token("two"))
    time.sleep(1)
    assert len(issuer.asked) == 1
    guarded.cli("reload")  # an administrator need not wait
    eventually_in(guarded, issuer.token("two"))
    assert len(issuer.asked) == 2


def test_U11_a_key_that_the_issuer_has_withdrawn_is_good_no_more(make_server, issuer):
    guarded = guarded_by(make_server, issuer, refresh="1s")
    old = issuer.token()
    guarded.connect(old).close()
    issuer.add("two")
    del issuer.keys["one"]
    wait_for(lambda: not lets_in(guarded, old), 20)
    eventually_in(guarded, issuer.token("two"))


def test_U11_what_was_good_stays_good_for_a_bounded_time_while_the_issuer_is_away(make_server, issuer):
    guarded = guarded_by(make_server, issuer, refresh="1s", keep="5s")
    guarded.connect(issuer.token()).close()
    issuer.stop()
    began = time.monotonic()
    wait_for(lambda: "keys of the issuer cannot be had" in guarded.server.log(), 20)
    if time.monotonic() - began < 3:
        guarded.connect(issuer.token()).close()
    wait_for(lambda: not lets_in(guarded, issuer.token()), 20)
    met = refused(guarded.connect, issuer.token())
    assert met.name == "busy" and "too old" in met.text, "not unauthorized: who comes again is not to give up"
    assert ask(guarded.server, "GET", "/api/messages?agent=ann", key=issuer.token())[0] == 503
    guarded.cli("account", "list")  # a key of an account waits for nobody
    issuer.start()
    eventually_in(guarded, issuer.token())
    assert "can be had again" in guarded.server.log()
    assert guarded.server.log().count("cannot be had") == 1, "said once"


def test_U11_a_token_that_could_not_be_looked_at_has_not_been_good(make_server, issuer):
    guarded = guarded_by(make_server, issuer, "--set=login.failures_per_minute=5", refresh="1s", keep="5s")
    forged = issuer.token(key=Ed25519PrivateKey.generate())
    issuer.stop()
    wait_for(lambda: not lets_in(guarded, issuer.token()), 20)
    assert refused(guarded.connect, forged).name == "busy"
    issuer.start()
    eventually_in(guarded, issuer.token())
    met = [refused(guarded.connect, forged).name for _ in range(10)]
    assert (met[0], met[-1]) == ("unauthorized", "limit_reached"), "who guesses is slowed down"


WRONG = {
    "no JSON": b"<html>",
    "no set": b'{"keys": 1}',
    "no keys": b'{"keys": []}',
    "too long": b" " * (256 * 1024 + 1),
    "a failure": (500, {}, b"{}"),
    "a weak key": b'{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}',
    "many keys": json.dumps({"keys": [{}] * 65}).encode(),
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG.keys())
def test_U11_an_answer_that_is_no_set_changes_nothing(make_server, issuer, answer):
    guarded = guarded_by(make_server, issuer, refresh="1s", keep="1h")
    guarded.connect(issuer.token()).close()
    issuer.answer = answer
    before = len(issuer.asked)
    wait_for(lambda: len(issuer.asked) >= before + 2, 20)
    guarded.connect(issuer.token()).close()
    assert "cannot be had" in guarded.server.log()


def test_U11_no_redirect_is_followed(make_server, issuer):
    elsewhere = Issuer()
    elsewhere.add("one")
    try:
        issuer.answer = (302, {"Location": elsewhere.url}, b"")
        guarded = guarded_by(make_server, issuer)
        assert refused(guarded.connect, elsewhere.token()).name == "busy"
        assert issuer.asked and not elsewhere.asked
        assert "redirects are not followed" in guarded.server.log()
    finally:
        elsewhere.close()


def test_U11_an_issuer_that_is_not_there_does_not_stop_the_start(make_server, issuer):
    issuer.stop()
    guarded = guarded_by(make_server, issuer, refresh="1s")
    met = refused(guarded.connect, issuer.token())
    assert met.name == "busy" and "have not come yet" in met.text
    assert "keys of the issuer cannot be had" in guarded.server.log()
    issuer.start()
    eventually_in(guarded, issuer.token())


def test_U11_an_issuer_that_hangs_holds_nobody_up(make_server, issuer):
    issuer.answer = b"hang"
    began = time.monotonic()
    guarded = guarded_by(make_server, issuer)
    assert time.monotonic() - began < 15
    for _ in range(3):
        began = time.monotonic()
        assert refused(guarded.connect, issuer.token()).name == "busy"
        guarded.connect("ann").close()
        assert time.monotonic() - began < 3
    began = time.monotonic()
    assert guarded.server.terminate() == 0 and time.monotonic() - began < 5, "nor the stop"


def test_U11_the_issuers_certificate_is_verified(make_server, certs):  # noqa: F811
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs.path("server.pem"), certs.path("server-key.pem"))
    issuer = Issuer(context)
    issuer.add("one")
    try:
        guarded = guarded_by(make_server, issuer)
        assert refused(guarded.connect, issuer.token()).name == "busy"
        assert not issuer.asked and "certificate" in guarded.server.log()
    finally:
        issuer.close()


@pytest.mark.parametrize(
    "given, why",
    [
        (["jwt.keys=http://issuer.example/jwks.json"], "keys are fetched by https"),
        (["jwt.keys=http://127.0.0.1.issuer.example/jwks.json"], "keys are fetched by https"),
        (["jwt.keys=http://127.0.0.1:80x/jwks.json"], "keys are fetched by https"),
        (["jwt.keys=http://[::1].issuer.example/jwks.json"], "keys are fetched by https"),
        (["jwt.keys=http://10.0.0.1/jwks.json"], "keys are fetched by https"),
        (["jwt.keys=ftp://127.0.0.1/jwks.json"], "no URL that keys can be fetched from"),
        (["jwt.keys=https://ann:secret@issuer.example/"], "no URL that keys can be fetched from"),
        (["jwt.keys=https://issuer.example/", "jwt.algorithms=RS256,HS256"], "whose keys are secrets"),
        (["jwt.keys=https://issuer.example/", "jwt.keep=1m"], "jwt.keep is shorter than jwt.refresh"),
        (["jwt.keys=https://issuer.example/", "jwt.issuer="], "needs jwt.issuer"),
    ],
)
def test_U11_a_url_that_could_not_be_trusted_stops_the_start(tmp_path, given, why):
    words = ["jwt.issuer=i", "jwt.audience=a", *given]
    done = subprocess.run(
        [PROGRAM, "serve", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0"]
        + [f"--set={word}" for word in words],
        capture_output=True,
        text=True,
        timeout=20,
        env=environment(),
    )
    assert done.returncode == 2 and why in done.stderr, done


def test_U11_the_url_changes_while_the_server_runs(make_server, issuer, tmp_path):
    file = tmp_path / "folkmoot.toml"
    common = 'issuer = "https://issuer"\naudience = "bus"\nleeway = "0"\n'
    file.write_text(f'[jwt]\nkeys = "{issuer.url}"\n{common}')
    guarded = Guarded(make_server("--config", str(file), "--set=login.failures_per_minute=0"))
    guarded.add("ann")
    guarded.connect(issuer.token()).close()
    other = Issuer()
    other.add("one")
    try:
        file.write_text(f'[jwt]\nkeys = "{other.url}"\n{common}')
        guarded.cli("reload")
        eventually_in(guarded, other.token())
        assert refused(guarded.connect, issuer.token()).name == "unauthorized"
        file.write_text("")
        guarded.cli("reload")
        assert refused(guarded.connect, other.token()).name == "unauthorized"
    finally:
        other.close()


def test_U11_doctor_says_whether_keys_can_be_had(issuer, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    where = ["--data", str(folder), "--listen", "127.0.0.1:0", *settings(issuer)]
    assert says(doctor(*where), "issuer", "ok", "gives keys")
    issuer.answer = b"{}"
    assert says(doctor(*where), "issuer", "warning", "no JWK set")
    issuer.stop()
    assert says(doctor(*where), "issuer", "warning", issuer.url)
    issuer.start()
