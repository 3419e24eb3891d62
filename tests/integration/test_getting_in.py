"""Who gets in, beside keys: certificates of clients as accounts, at every door; and what becomes of those who show
wrong credentials again and again, and of those beside them."""

import asyncio
import contextlib
import http.client
import json
import re
import ssl
import time
import urllib.request

import pytest
import websockets
from native import Client, Refused
from test_accounts import Guarded, claims, http as ask, jwt, part, refused, SECRET
from test_websocket import Text
from tls import Certificates, TlsClient, cert, certs, dated  # noqa: F401

# -- certificates


@pytest.fixture(params=[1, 3], ids=["one_shard", "three_shards"])
def mutual(make_server, certs, request):
    """A server that takes certificates of clients, and accounts by the Unix socket."""
    settings = certs.settings(tls__plain="loopback", tls__client_ca=certs.ca, tls__clients="optional")
    return Guarded(make_server("--set", f"shards={request.param}", *settings))


def https(server, context, method, path, body=None, key=None):
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=20)
    with contextlib.closing(connection):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")


def over_wss(server, context, steps, path="/ws"):
    async def main():
        async with websockets.connect(f"wss://127.0.0.1:{server.port}{path}", ssl=context) as one:
            await steps(Text(one))

    asyncio.run(asyncio.wait_for(main(), 60))


def test_U13_a_certificate_is_its_agents_account_at_every_door(mutual, certs):
    server, shown = mutual.server, certs.context("ann")
    mutual.add("ann")
    mutual.add("bob")
    ann, text = TlsClient(server, shown), {"content_type": "text/plain"}
    ann.publish("natively", to="ann", **text)
    ann.publish("once more", to="ann", from_="ann/part", **text)
    assert refused(ann.publish, "x", to="ann", from_="bob").name == "not_permitted"
    assert refused(ann.carry_out, "account.list").name == "not_permitted"
    assert refused(TlsClient, server, shown, "bob").name == "not_permitted"
    TlsClient(server, shown, "ann/elsewhere").publish("of a name of its", to="ann", **text)

    assert https(server, shown, "POST", "/api/messages", {"to": "ann", "content": "https"})[0] == 201
    assert https(server, shown, "GET", "/api/accounts")[0] == 403
    forged = https(server, shown, "POST", "/api/messages", {"to": "ann", "from": "bob", "content": "x"})
    assert forged[0] == 403 and forged[1]["code"] == "not_permitted"
    assert https(server, shown, "GET", "/api/messages?agent=bob")[0] == 403

    async def steps(me):
        assert (await me.ask("publish", request=1, message={"to": "ann", "content": "wss"}))["op"] == "confirm"
        answer = await me.ask("publish", request=2, message={"to": "ann", "from": "bob", "content": "wss"})
        assert answer["op"] == "error" and answer["code"] == "not_permitted"

    over_wss(server, shown, steps)
    own = ("--cert", certs.path("ann.pem"), "--cert-key", certs.path("ann-key.pem"), "--ca", certs.ca)
    sent = server.cli("--server", f"tls://127.0.0.1:{server.port}", *own, "send", "ann", "by the shell")
    assert sent.returncode == 0, sent.stderr
    got = [
        (each["from"], each["content"])
        for each in https(server, shown, "GET", "/api/messages?agent=ann&limit=50")[1]["messages"]
    ]
    sent = [("ann", "natively"), ("ann/part", "once more"), ("ann/elsewhere", "of a name of its")]
    sent += [("ann", "https"), ("ann", "wss"), ("ann", "by the shell")]
    assert sorted(got) == sorted(sent)
    assert mutual.call("account.show", name="ann")["used_at"] is not None


def test_U13_a_certificate_of_no_account_or_of_a_disabled_one_is_refused_and_says_why(mutual, certs):
    server, shown = mutual.server, certs.context("ann")

    def met_everywhere(why):
        met = refused(TlsClient, server, shown)
        assert met.name == "unauthorized" and why in met.text, met
        status, answer = https(server, shown, "GET", "/api/messages?agent=ann")
        assert status == 401 and why in answer["error"], answer

        async def steps(me):
            answer = await me.ask("stats", request=1)
            assert answer["op"] in ("goodbye", "error") and answer["code"] in ("unauthorized", "not_connected"), answer

        over_wss(server, shown, steps)

    met_everywhere("by its certificate: there is no account ann")
    key = mutual.add("ann")
    TlsClient(server, shown).close()
    mutual.cli("account", "disable", "ann")
    met_everywhere("by its certificate: the account ann is disabled")
    mutual.cli("account", "remove", "ann")
    met_everywhere("there is no account ann")
    # What is shown goes before the certificate, wrong or right; and without one a key is asked for.
    assert TlsClient(server, shown, token=mutual.root).carry_out("account.list")
    assert refused(TlsClient, server, shown, token=key).name == "unauthorized"
    assert "wants the key of an account" in refused(TlsClient, server, certs.context()).text
    with pytest.raises((ssl.SSLError, OSError)):
        TlsClient(server, certs.context("mallory", folder="others"))


def test_U13_what_is_withdrawn_ends_connections_by_certificate_at_every_door(mutual, certs):
    server, shown = mutual.server, certs.context("ann")
    mutual.add("ann")
    clients = [TlsClient(server, shown, f"ann/{number}") for number in range(6)]  # of several shards
    for number, client in enumerate(clients):
        client.consume(f"ann/{number}")

    async def steps(me):
        assert (await me.ask("ping", request=1))["op"] == "ok"
        mutual.cli("account", "disable", "ann")
        said = await me.read()
        assert said["op"] == "goodbye" and said["code"] == "unauthorized"

    over_wss(server, shown, steps)
    for client in clients:
        assert client.ended().name == "unauthorized"
    assert https(server, shown, "GET", "/api/messages?agent=ann")[0] == 401
    mutual.cli("account", "enable", "ann")
    TlsClient(server, shown).close()


def test_U13_a_connection_ends_when_its_certificate_does(mutual, certs, tmp_path):
    ends = time.time() + 4
    stamp = lambda at: time.strftime("%Y%m%d%H%M%SZ", time.gmtime(at))
    pair = dated(certs, tmp_path, stamp(ends - 3600), stamp(ends), name="brief")
    context = certs.context()
    context.load_cert_chain(*pair)
    mutual.add("brief")
    brief = TlsClient(mutual.server, context)
    brief.publish("x", to="brief")
    goodbye = brief.ended(timeout=20)
    assert goodbye.name == "unauthorized" and "has expired" in goodbye.text
    assert time.time() >= int(ends)


def test_U13_without_accounts_a_certificate_is_no_more_than_what_tls_asks_for(make_server, certs):
    server = make_server(*certs.settings(tls__plain="unix", tls__client_ca=certs.ca))
    TlsClient(server, certs.context("ann"), "whoever").close()
    guarded = make_server(*certs.settings(tls__plain="unix", tls__client_ca=certs.ca), "--token", "secret")
    assert refused(TlsClient, guarded, certs.context("ann")).name == "unauthorized"
    TlsClient(guarded, certs.context("ann"), token="secret").close()


# -- wrong credentials


def slowed(make_server, per_minute=6, shards=1, *more):
    settings = ("--set", f"login.failures_per_minute={per_minute}", "--set", f"shards={shards}")
    return Guarded(make_server(*settings, *more))


def wrong(key):
    return key[:-1] + ("A" if key[-1] != "A" else "B")


def fail_until_slowed(connect, most):
    """How often it was looked at, and what was said then."""
    for count in range(most + 1):
        met = refused(connect)
        if met.name != "unauthorized":
            return count, met
    pytest.fail(f"{most} failures were all looked at")


@pytest.mark.parametrize("shards", [1, 3])
def test_U11_who_guesses_is_slowed_down_and_nobody_else_is(make_server, shards):
    guarded = slowed(make_server, 6, shards)
    server, ann, bob = guarded.server, guarded.add("ann"), guarded.add("bob")
    guarded.connect("bob").close()
    count, met = fail_until_slowed(lambda: guarded.connect("a guess"), 8)
    assert count >= 6 and met.name == "limit_reached" and met.goodbye and "login.failures_per_minute" in met.text
    # All doors have the same account of it.
    status, answer = ask(server, "GET", "/api/messages?agent=a", key="another guess")
    assert status == 429 and answer["code"] == "limit_reached"
    # Accounts of the same address do not share in it, whether they were there before or not.
    for account in "ann", "bob", "root":
        guarded.connect(account).close()
        assert ask(server, "GET", f"/api/messages?agent={account}", key=guarded.keys[account])[0] == 200

    # Who guesses at an account is slowed for that one, and who has got in as it before with what is good is not.
    count, met = fail_until_slowed(lambda: guarded.connect(wrong(bob)), 8)
    assert count >= 6 and met.name == "limit_reached"
    guarded.connect("bob").close()
    guarded.connect("ann").close()
    # Who shows nothing guesses nothing.
    assert "wants the key" in refused(Client, ("127.0.0.1", server.port)).text
    stats = guarded.call("server.stats")["access"]
    assert stats["logins_slowed"] >= 3 and stats["logins_failed"] >= stats["logins_slowed"] + 12
    # Said once a minute, by each shard, and never what was shown.
    log = server.log()
    assert 1 <= log.count("somebody was not let in") <= shards
    assert bob not in log and ann not in log and "a guess" not in log and wrong(bob) not in log


def test_U11_a_slowed_guess_is_told_when_to_come_again_and_is_looked_at_then(make_server):
    guarded = slowed(make_server, 12)
    fresh = guarded.add("fresh")
    _, met = fail_until_slowed(lambda: guarded.connect(wrong(fresh)), 20)
    wait_ms = int(met.text.rsplit(" in ", 1)[1].removesuffix(" ms"))
    assert 0 < wait_ms <= 5_000 and met.retry_after == (wait_ms + 999) // 1000
    connection = http.client.HTTPConnection("127.0.0.1", guarded.server.port, timeout=20)
    connection.request("GET", "/api/messages?agent=a", headers={"Authorization": f"Bearer {wrong(fresh)}"})
    answer = connection.getresponse()
    answer.read()
    if answer.status == 429:
        assert met.retry_after - 1 <= int(answer.headers["Retry-After"]) <= met.retry_after
    else:  # the machine was slow: a moment was over
        assert answer.status == 401
    connection.close()
    # The right key of that account, for the first time from here, waits no longer than it is told.
    deadline = time.monotonic() + 20
    while True:
        try:
            guarded.connect("fresh").close()
            break
        except Refused as still:
            assert still.name == "limit_reached" and time.monotonic() < deadline
            time.sleep(still.retry_after)
    request = urllib.request.Request(
        f"http://{guarded.server.address}/metrics", headers={"Authorization": f"Bearer {guarded.root}"}
    )
    metrics = urllib.request.urlopen(request, timeout=20).read().decode()
    slowed_count = int(re.search(r"^folkmoot_logins_slowed_total (\d+)$", metrics, re.M)[1])
    assert slowed_count == guarded.call("server.stats")["access"]["logins_slowed"] >= 1


def test_U11_the_servers_token_is_guessed_slowly_too_and_those_who_had_it_stay(make_server):
    server = make_server("--token", "secret", "--set", "login.failures_per_minute=5")
    connect = lambda token: Client(("127.0.0.1", server.port), token=token)
    connect("secret").close()
    count, met = fail_until_slowed(lambda: connect("guess"), 7)
    assert count >= 5 and met.name == "limit_reached"
    connect("secret").close()


def test_U11_tokens_of_one_account_that_are_wrong_are_not_in_the_way_of_anothers(make_server, tmp_path):
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [{"kty": "oct", "kid": "one", "k": part(SECRET)}]}))
    settings = {"keys": keys, "issuer": "https://issuer", "audience": "bus", "algorithms": "HS256", "leeway": "0"}
    guarded = slowed(make_server, 6, 1, *[f"--set=jwt.{name}={value}" for name, value in settings.items()])
    guarded.add("ann")
    guarded.add("bob")
    forged = b"x" * 32
    for subject in "ann", "nobody at all":
        count, met = fail_until_slowed(lambda: guarded.connect(jwt(claims(sub=subject), forged)), 8)
        assert count >= 6 and met.name == "limit_reached"
    guarded.connect(jwt(claims(sub="bob"))).close()
