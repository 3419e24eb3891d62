"""Accounts: who gets in, at every door; whom an account may speak as; what its role and the rules let it do; and what
becomes of a connection whose rights are taken away."""

import base64
import hmac
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from native import Client, Refused, message, text_of_id
import native
import program
from test_operations import operations, text
from test_websocket import run as run_websocket


def http(server, method, path, body=None, key=None, agent=None):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    if agent:
        headers["X-Agent"] = agent
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"http://{server.address}{path}", data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


class Guarded:
    """A server whose first account is an admin's."""

    def __init__(self, server):
        self.server = server
        self.keys = {}
        self.root = self.keys["root"] = json.loads(
            self.cli("account", "add", "root", "--role", "admin", "--json", key=None).stdout
        )["key"]

    def cli(self, *arguments, key="root", **options):
        key = self.keys.get(key, key)
        done = self.server.cli(*arguments, env={"FOLKMOOT_TOKEN": key} if key else {}, **options)
        assert done.returncode == 0, done.stderr
        return done

    def add(self, name, *arguments):
        self.keys[name] = json.loads(self.cli("account", "add", name, *arguments, "--json").stdout)["key"]
        return self.keys[name]

    def connect(self, account, agent=None):
        return Client(("127.0.0.1", self.server.port), agent=agent, token=self.keys.get(account, account))

    def call(self, operation, account="root", **arguments):
        client = self.connect(account)
        try:
            return client.carry_out(operation, **arguments)
        finally:
            client.close()


@pytest.fixture(params=[1, 3], ids=["one_shard", "three_shards"])
def guarded(make_server, request):
    # What is wrong is shown here more often than anybody is looked at by default.
    return Guarded(make_server("--set", f"shards={request.param}", "--set", "login.failures_per_minute=0"))


@pytest.fixture
def one(server):
    return Guarded(server)


def refused(what, *arguments, **options):
    with pytest.raises(Refused) as met:
        what(*arguments, **options)
    return met.value


# -- who gets in


def test_U11_nobody_is_asked_until_there_is_an_account_and_the_first_is_an_admins(server):
    client = Client(("127.0.0.1", server.port), agent="me")
    early = refused(client.carry_out, "account.add", name="ann")
    assert early.name == "not_permitted" and "an account with the role admin" in early.text
    made = client.carry_out("account.add", name="root", role="admin")
    assert re.fullmatch(r"fm_[0-9a-f]{16}_[A-Za-z0-9_-]{43}", made["key"]) and made["expires_at"] is None
    # It was answered; and then it is somebody without an account.
    assert client.ended().name == "unauthorized"
    assert refused(Client, ("127.0.0.1", server.port)).name == "unauthorized"
    root = Client(("127.0.0.1", server.port), token=made["key"])
    assert [account["name"] for account in root.carry_out("account.list")["accounts"]] == ["root"]
    last = refused(root.carry_out, "account.disable", name="root")
    assert last.name == "not_permitted"
    assert refused(root.carry_out, "account.change", name="root", role="agent").name == "not_permitted"
    root.carry_out("account.remove", name="root")  # the last: then nobody is asked any more
    Client(("127.0.0.1", server.port), agent="me").close()


def credentials(guarded):
    """What does not let anybody in, and the reason for those who have the secret."""
    guarded.add("gone")
    guarded.add("off")
    guarded.add("over", "--key-ttl", "1ms")
    guarded.cli("account", "remove", "gone")
    guarded.cli("account", "disable", "off")
    time.sleep(0.05)
    right = guarded.root
    wrong = right[:-1] + ("A" if right[-1] != "A" else "B")
    keys = guarded.keys
    return {
        "none": (None, "wants the key"),
        "wrong": (wrong, "none of this server's"),
        "removed": (keys["gone"], "none of this server's"),
        "disabled": (keys["off"], "off is disabled"),
        "expired": (keys["over"], "over has expired"),
        "another text": ("letmein", "none of this server's"),
    }


def test_U11_who_makes_the_first_account_hears_its_key_before_the_connection_ends(make_server):
    for name in ("ann", "bob", "carol", "dave", "eve", "frank"):  # at home in all three shards
        server = make_server("--set", "shards=3")
        client = Client(("127.0.0.1", server.port), agent=name)
        key = client.carry_out("account.add", name="root", role="admin")["key"]
        assert "there are accounts now" in str(client.ended())
        client.close()
        Client(("127.0.0.1", server.port), agent="root", token=key).close()


def test_U11_without_good_credentials_no_operation_is_reached_at_any_door(guarded):
    server = guarded.server
    listed = operations(server)
    for kind, (key, why) in credentials(guarded).items():
        met = refused(Client, ("127.0.0.1", server.port), token=key)
        assert met.name == "unauthorized" and why in met.text, (kind, met)
        for operation in listed:
            good = operation.sample()
            for method, path, body in ((operation.method, None, good), ("POST", f"/api/call/{operation.name}", good)):
                if path is None:
                    status, answer = over_http(server, operation, good, key)
                else:
                    status, answer = http(server, method, path, body, key)
                assert status == 401 and answer["code"] == "unauthorized", (kind, operation.name, status, answer)
        for path in ("/api/messages?agent=a", "/api/events?pattern=a", "/metrics"):
            assert http(server, "GET", path, key=key)[0] in (401, 404), (kind, path)
        shell = server.cli("stats", env={"FOLKMOOT_TOKEN": key} if key else {})
        assert shell.returncode != 0 and why in shell.stderr and (key or "none") not in shell.stderr

        async def steps(me, other):
            answer = await me.ask("stats", request=1)
            assert answer["op"] in ("goodbye", "error") and answer["code"] == "unauthorized", (kind, answer)

        run_websocket(server, steps, **({"Authorization": f"Bearer {key}"} if key else {}))
    stats = guarded.call("server.stats")
    assert stats["access"]["logins_failed"] >= 6 * len(listed)


def over_http(server, operation, arguments, key):
    path = operation.path
    for name in operation.in_path:
        path = path.replace("{%s}" % name, urllib.request.quote(str(arguments[name]), safe=""))
    rest = {name: value for name, value in arguments.items() if name not in operation.in_path}
    if operation.method in ("GET", "DELETE"):
        query = "&".join(f"{name}={urllib.request.quote(text(value), safe='')}" for name, value in rest.items())
        return http(server, operation.method, f"{path}?{query}" if query else path, key=key)
    return http(server, operation.method, path, rest, key)


ROLES = {
    "observer": {"observe", "discover"},
    "agent": {"publish", "consume", "discover"},
    "operator": {"publish", "consume", "observe", "administer", "discover"},
}


def test_A18_each_operation_wants_the_right_of_its_row_at_every_door(guarded):
    """From the list: what a role does not have the right to is refused, whatever it is."""
    server = guarded.server
    listed = operations(server)
    rights = {
        operation.name: re.search(r"right: (\w+)", guarded.cli("describe", operation.name).stdout)[1]
        for operation in listed
    }
    for role, has in ROLES.items():
        key = guarded.add(role, "--role", role)
        client = guarded.connect(role)
        for operation in listed:
            good = {**operation.sample()}
            for name in {"agent", "name"} & set(good):
                good[name] = role  # what is one's own
            if operation.name == "wake.take" or operation.name.startswith("backup."):
                continue  # waits; one at a time
            if rights[operation.name] in has:
                try:
                    client.carry_out(operation.name, **good)
                except Refused as met:
                    assert met.name != "not_permitted", (role, operation.name, str(met))
                continue
            if operation.name in ("mailbox.show", "mailbox.peek") and role == "agent":
                continue  # its own mailbox, which it may read
            assert refused(client.carry_out, operation.name, **good).name == "not_permitted", (role, operation.name)
            for status, answer in (
                over_http(server, operation, good, key),
                http(server, "POST", f"/api/call/{operation.name}", good, key),
            ):
                assert (status, answer["code"]) == (403, "not_permitted"), (role, operation.name, answer)

        async def steps(me, _):
            for operation in listed:
                if rights[operation.name] in has or operation.name in ("mailbox.show", "mailbox.peek"):
                    continue
                good = {**operation.sample()}
                for name in {"agent", "name"} & set(good):
                    good[name] = role
                answer = await me.ask(operation.name, request=1, **good)
                assert answer["code"] == "not_permitted", (role, operation.name, answer)

        run_websocket(server, steps, path=f"/ws?agent={role}", Authorization=f"Bearer {key}")


def test_U11_the_token_is_the_built_in_admin_and_goes_on_working(make_server):
    server = make_server("--token", "secret")
    admin = Client(("127.0.0.1", server.port), agent="anybody", token="secret")
    key = admin.carry_out("account.add", name="ann")["key"]  # with a token, no admin is needed
    admin.publish("x", to="ann")
    ann = Client(("127.0.0.1", server.port), token=key)
    ann.consume("ann")
    assert ann.delivery(timeout=10).fields["from"] == "anybody"
    assert refused(Client, ("127.0.0.1", server.port)).name == "unauthorized"
    assert refused(ann.carry_out, "account.list").name == "not_permitted"


def test_U11_a_server_for_other_machines_starts_with_an_account_and_not_without(make_server, tmp_path):
    data = tmp_path / "open"
    settings = [word for each in program.SETTINGS for word in ("--set", each)]
    command = [program.PROGRAM, "serve", "--data", str(data), "--listen", "0.0.0.0:0", *settings]
    early = subprocess.run(command, capture_output=True, text=True, timeout=20, env=program.environment())
    assert early.returncode != 0 and "no token is set and no account" in early.stderr and not data.exists()
    server = make_server(data=data)
    guard = Guarded(server)
    server.terminate()
    server.listen = "0.0.0.0:0"
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    running = subprocess.Popen(command, **streams, text=True, env=program.environment())
    try:
        port = int(re.search(r"0\.0\.0\.0:(\d+)", running.stdout.readline())[1])
        assert refused(Client, ("127.0.0.1", port)).name == "unauthorized"
        root = Client(("127.0.0.1", port), token=guard.root)
        last = refused(root.carry_out, "account.remove", name="root")
        assert last.name == "not_permitted" and "other machines" in last.text
    finally:
        running.terminate()
        assert running.wait(20) == 0
        running.stdout.close()


# -- whom it speaks as


def test_X14_the_sender_is_who_the_credentials_say(guarded):
    guarded.add("ann", "--speaks-as", "ann", "--speaks-as", "team/*")
    ann = guarded.connect("ann")
    other = refused(guarded.connect, "ann", agent="bob")
    assert other.name == "not_permitted" and "may not speak as bob" in other.text
    reader = guarded.connect("root", agent="reader")
    reader.consume("box", credit=100)
    ann.publish("1", to="box")
    ann.publish("2", to="box", from_="team/writer")
    for name in "bob", "human:ann", "$bus", "root", "team":
        assert refused(ann.publish, "x", to="box", from_=name).name in ("not_permitted", "invalid_name"), name
    with pytest.raises(Refused):
        ann.publish_batch([message("a", to="box"), message("b", to="box", from_="bob")])
    guarded.connect("ann", agent="team/a").publish("3", to="box")
    senders = [reader.delivery(timeout=10).fields["from"] for _ in range(3)]
    assert sorted(senders) == ["ann", "team/a", "team/writer"]
    reader.no_delivery()
    # A person's name is given by a name that says so.
    guarded.cli("account", "change", "ann", "--speaks-as", "*")
    assert refused(guarded.connect, "ann", agent="human:ann").name == "not_permitted"
    guarded.cli("account", "change", "ann", "--speaks-as", "human:ann")
    assert guarded.connect("ann").publish("4", to="box").outcome
    assert reader.delivery(timeout=10).fields["from"] == "human:ann"
    key = guarded.keys["ann"]
    body = {"from": "bob", "to": "box", "content": "x"}
    assert http(guarded.server, "POST", "/api/messages", body, key)[0] == 403
    assert http(guarded.server, "POST", "/api/messages", {**body, "from": "human:ann"}, key)[0] in (200, 201, 202)
    assert guarded.call("server.stats")["access"]["refused"] >= 6


def test_A18_a_mailbox_is_its_owners_to_read(guarded):
    guarded.add("ann")
    guarded.add("eve")
    guarded.connect("root", agent="boss").publish("secret", to="ann")
    eve = guarded.connect("eve")
    for ask in (
        lambda: eve.consume("ann"),
        lambda: eve.carry_out("mailbox.peek", name="ann"),
        lambda: eve.carry_out("subscription.set", name="eve", pattern="a", mailbox="ann"),
        lambda: eve.carry_out("subscription.remove", name="ann"),
        lambda: eve.carry_out("agent.register", agent="ann"),
        lambda: eve.carry_out("agent.heartbeat", agent="ann"),
        lambda: eve.carry_out("wake.take", agents=["ann"]),
    ):
        assert refused(ask).name == "not_permitted"
    key = guarded.keys["eve"]
    assert http(guarded.server, "GET", "/api/messages?agent=ann", key=key)[0] == 403
    assert http(guarded.server, "GET", "/api/messages?agent=ann", key=key, agent="eve")[0] == 403
    status, got = http(guarded.server, "GET", "/api/messages?agent=ann", key=guarded.keys["ann"])
    assert status == 200 and [base64.b64decode(each["content"]) for each in got["messages"]] == [b"secret"]


def test_A18_a_lease_is_settled_by_its_holder_alone_and_a_message_taken_back_by_its_sender(guarded):
    guarded.add("ann")
    guarded.add("eve")
    sent = guarded.connect("ann").publish("work", to="ann")
    later = guarded.connect("root", agent="boss").publish("more", to="ann")
    ann, eve = guarded.connect("ann"), guarded.connect("eve")
    ann.consume("ann")
    got = ann.delivery(timeout=10)
    assert eve.ack(got.lease).refused == [got.lease]
    assert eve.reject(got.lease).refused == [got.lease]
    met = refused(eve.complete, got.lease)
    assert met.name == "lease_lost"
    assert refused(eve.carry_out, "message.cancel", id=text_of_id(later.id)).name == "not_permitted"
    assert ann.ack(got.lease).settled == 1
    assert sent.id == got.fields["id"]


# -- rules


def test_A18_rules_narrow_and_widen_and_say_what_decides(guarded):
    guarded.add("ann")
    guarded.add("bob")
    ann = guarded.connect("ann")
    assert ann.publish("x", topic="market.eu").outcome == "sent"
    grant = ("access", "grant")
    assert guarded.cli(*grant, "ann", "publish", "market.>").stdout == "ALLOW ann publish market.>\n"
    guarded.cli(*grant, "role:agent", "publish", "market.secret", "--deny")
    guarded.cli(*grant, "ann", "consume", "tasks")
    guarded.cli(*grant, "ann", "send", "tasks", "--filter", "type = 'task'")
    assert ann.ended().name == "26"  # what it may do has changed: it connects again
    ann, bob = guarded.connect("ann"), guarded.connect("bob")
    assert ann.publish("x", topic="market.eu").outcome == "sent"
    for client, topic in (ann, "market.secret"), (ann, "other"), (bob, "market.eu"):
        assert refused(client.publish, "x", topic=topic).name == "not_permitted"
    assert ann.publish("x", to="tasks", type=native.TYPES["task"]).count == 1
    assert refused(ann.publish, "x", to="tasks", type=native.TYPES["query"]).name == "not_permitted"
    assert refused(ann.publish, "x", to="bob", type=native.TYPES["task"]).name == "not_permitted"
    ann.consume("tasks")
    ann.delivery(timeout=10)
    assert refused(bob.consume, "tasks").name == "not_permitted"
    bob.consume("bob")  # one's own, whatever rules there are

    def check(*words):
        done = guarded.server.cli("access", "check", *words, env={"FOLKMOOT_TOKEN": guarded.root})
        return done.returncode, done.stdout.strip()

    assert check("ann", "publish", "market.eu") == (0, "yes: rule ALLOW ann publish market.>")
    assert check("ann", "publish", "market.secret") == (1, "no: rule DENY role:agent publish market.secret")
    assert check("bob", "publish", "market.eu") == (1, "no: there are rules about publish, and none allows it")
    assert check("bob", "subscribe", "market.>") == (0, "yes: role agent has the right to consume")
    assert check("root", "call", "account.add") == (0, "yes: role admin may do everything")
    listed = guarded.cli("access", "list").stdout.splitlines()
    assert listed == [
        "ALLOW ann send tasks  if type = 'task'",
        "ALLOW ann publish market.>",
        "DENY role:agent publish market.secret",
        "ALLOW ann consume tasks",
    ] or sorted(listed) == sorted(
        [
            "ALLOW ann send tasks  if type = 'task'",
            "ALLOW ann publish market.>",
            "DENY role:agent publish market.secret",
            "ALLOW ann consume tasks",
        ]
    )
    guarded.cli("access", "revoke", "ann", "publish", "market.>")
    assert refused(guarded.connect("ann").publish, "x", topic="market.eu").name == "not_permitted"


def test_A18_streams_conversations_and_calls_have_rules_of_their_own(guarded):
    guarded.add("ann")
    root = guarded.connect("root", agent="boss")
    for name in "open", "closed":
        root.carry_out("stream.set", name=name, topic=f"{name}.>")
    read = {"limit": 1}
    ann = guarded.connect("ann")
    assert refused(ann.carry_out, "stream.read", name="open", **read).name == "not_permitted"
    guarded.cli("access", "grant", "ann", "stream", "open")
    guarded.cli("access", "grant", "ann", "conversation", "ours-*")
    guarded.cli("access", "grant", "role:agent", "call", "agent.register", "--deny")
    guarded.cli("access", "grant", "role:agent", "call", "*")
    ann = guarded.connect("ann")
    ann.carry_out("stream.read", name="open", **read)
    assert refused(ann.carry_out, "stream.read", name="closed", **read).name == "not_permitted"
    assert ann.publish("x", to="box", conversation="ours-1").count == 1
    assert ann.publish("x", to="box").count == 2
    assert refused(ann.publish, "x", to="box", conversation="theirs").name == "not_permitted"
    assert refused(ann.carry_out, "agent.register", agent="ann").name == "not_permitted"
    assert refused(ann.carry_out, "account.rotate", name="ann").name == "not_permitted"  # no rule gives that
    ann.carry_out("agent.heartbeat", agent="ann")


def test_A18_own_roles_have_the_rights_they_were_given(one):
    one.cli("access", "role", "reporter", "publish", "observe")
    one.add("rita", "--role", "reporter")
    rita = one.connect("rita")
    rita.publish("x", to="box")
    rita.carry_out("mailbox.peek", name="box")
    assert refused(rita.consume, "rita").name == "not_permitted"
    used = one.server.cli("access", "role", "reporter", "--remove", env={"FOLKMOOT_TOKEN": one.root})
    assert used.returncode != 0 and "the account rita has the role" in used.stderr
    assert "reporter  publish, observe" in one.cli("access", "roles").stdout.splitlines()
    one.cli("account", "change", "rita", "--role", "observer")
    one.cli("access", "role", "reporter", "--remove")


# -- what ends


def test_U11_what_is_withdrawn_ends_live_connections_at_every_door(guarded):
    key = guarded.add("ann")
    connections = [guarded.connect("ann", agent=f"ann/{number}") for number in range(6)]  # of several shards
    for number, client in enumerate(connections):
        client.consume(f"ann/{number}")
    bystander = guarded.connect("root", agent="bystander")

    async def steps(me, _):
        assert (await me.ask("ping", request=1))["op"] == "ok"
        guarded.cli("account", "disable", "ann")
        assert (await me.read())["op"] == "goodbye"

    run_websocket(guarded.server, steps, path="/ws?agent=ann", Authorization=f"Bearer {key}")
    for client in connections:
        assert client.ended().name == "unauthorized"
    bystander.publish("x", to="y")
    assert refused(guarded.connect, "ann").text.startswith("the account ann is disabled")
    guarded.cli("account", "enable", "ann")
    guarded.connect("ann").close()


def test_U11_a_key_that_is_rotated_is_good_for_its_grace_and_an_expired_one_ends_its_connections(guarded):
    old = guarded.add("ann")
    first = guarded.connect(old)
    new = json.loads(guarded.cli("account", "rotate", "ann", "--grace", "700ms", "--json").stdout)["key"]
    assert new != old
    first.publish("x", to="box")
    guarded.connect(old).close()
    guarded.connect(new).close()
    assert first.ended(timeout=10).name == "unauthorized"  # by itself, when its time is over
    assert "has expired" in refused(guarded.connect, old).text
    second = guarded.connect(new)
    last = json.loads(guarded.cli("account", "rotate", "ann", "--json").stdout)["key"]
    assert second.ended().name == "unauthorized"
    guarded.connect(last).close()
    shown = guarded.cli("account", "show", "ann", "--json").stdout
    assert len(json.loads(shown)["keys"]) == 1 and json.loads(shown)["used_at"] is not None
    for secret in old, new, last:
        assert secret[20:] not in shown


def test_A18_after_a_kill_it_is_as_it_was_confirmed(guarded):
    guarded.add("ann")
    guarded.add("eve")
    guarded.cli("access", "grant", "ann", "send", "tasks")
    guarded.cli("account", "remove", "eve")
    guarded.cli("access", "grant", "ann", "publish", "a.>")
    guarded.cli("access", "revoke", "ann", "publish", "a.>")
    guarded.server.kill9()
    guarded.server.start()
    ann = guarded.connect("ann")
    ann.publish("x", to="tasks")
    assert refused(ann.publish, "x", to="other").name == "not_permitted"
    ann.publish("x", topic="b")  # no rule about publishing is left
    assert refused(guarded.connect, "eve").name == "unauthorized"
    guarded.server.restart()
    guarded.connect("ann").publish("x", to="tasks")


def test_U11_no_secret_is_written_anywhere(one):
    key = one.add("ann")
    one.connect("ann").publish("x", to="box")
    with pytest.raises(Refused):
        Client(("127.0.0.1", one.server.port), token="fm_" + "0" * 16 + "_" + "S" * 43)
    metrics = urllib.request.urlopen(
        urllib.request.Request(f"http://{one.server.address}/metrics", headers={"Authorization": f"Bearer {one.root}"})
    )
    text_of_metrics = metrics.read().decode()
    assert "folkmoot_logins_failed_total 1" in text_of_metrics
    one.server.restart()
    places = [path for path in one.server.data.rglob("*") if path.is_file()]
    assert places
    for secret in (key[20:], one.root[20:], "S" * 43):
        for path in places:
            assert secret.encode() not in path.read_bytes(), path
        assert secret not in one.server.log() and secret not in text_of_metrics
    with open(f"/proc/{one.server.pid}/cmdline", "rb") as line:
        assert b"fm_" not in line.read()


def test_U11_accounts_are_kept_by_those_alone_who_may(one):
    one.add("ann")
    one.add("olga", "--role", "operator")
    for account in "ann", "olga":
        client = one.connect(account)
        for operation, arguments in (
            ("account.list", {}),
            ("account.rotate", {"name": account}),
            ("account.change", {"name": account, "role": "admin"}),
            ("access.grant", {"subject": account, "action": "call", "resource": "*"}),
            ("role.set", {"name": account, "rights": ["secure"]}),
        ):
            assert refused(client.carry_out, operation, **arguments).name == "not_permitted"
    wrong = refused(one.connect("root").carry_out, "account.add", name="x", role="nobody")
    assert wrong.name == "not_found" and "there is no role nobody" in wrong.text
    assert refused(one.connect("root").carry_out, "account.add", name="ann").name == "already_exists"
    for name in "a*", "role:x", "$x", "@x":
        assert refused(one.connect("root").carry_out, "account.add", name=name).name == "invalid_name"


# -- JSON Web Tokens

SECRET = b"0123456789abcdef0123456789abcdef"


def part(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(claims, secret=SECRET, **header):
    text = part({"alg": "HS256", "typ": "JWT", **header}) + "." + part(claims)
    return text + "." + part(hmac.new(secret, text.encode(), "sha256").digest())


def claims(**more):
    return {"iss": "https://issuer", "aud": "bus", "sub": "ann", "exp": time.time() + 60, **more}


@pytest.fixture
def tokens(make_server, tmp_path):
    """A server that takes tokens of one issuer, about the accounts that it has."""
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [{"kty": "oct", "kid": "one", "k": part(SECRET)}]}))
    settings = {"keys": keys, "issuer": "https://issuer", "audience": "bus", "algorithms": "HS256", "leeway": "0"}
    jwt_settings = [f"--set=jwt.{name}={value}" for name, value in settings.items()]
    guarded = Guarded(make_server(*jwt_settings, "--set=login.failures_per_minute=0"))
    guarded.key_file = keys
    guarded.add("ann")
    return guarded


def test_U11_a_token_of_the_issuer_is_the_account_it_is_about_at_every_door(tokens):
    good = jwt(claims())
    ann = tokens.connect(good)
    ann.publish("x", to="ann")
    assert refused(ann.carry_out, "account.list").name == "not_permitted"
    assert refused(tokens.connect, good, agent="bob").name == "not_permitted"
    status, got = http(tokens.server, "GET", "/api/messages?agent=ann", key=good)
    assert status == 200 and [each["from"] for each in got["messages"]] == ["ann"]

    async def steps(me, _):
        assert (await me.ask("ping", request=1))["op"] == "ok"

    run_websocket(tokens.server, steps, path="/ws?agent=ann", Authorization=f"Bearer {good}")
    assert tokens.server.cli("send", "ann", "hello", env={"FOLKMOOT_TOKEN": good}).returncode == 0
    # Who somebody is says the token; what that one may do says the account.
    assert "there is no account eve" in refused(tokens.connect, jwt(claims(sub="eve"))).text
    tokens.cli("account", "disable", "ann")
    assert ann.ended().name == "unauthorized"
    assert "ann is disabled" in refused(tokens.connect, good).text


def test_U11_tokens_that_attackers_make_are_not_good_at_any_door(tokens):
    unsigned = part({"alg": "none"}) + "." + part(claims()) + "."
    attacks = {
        "alg none": unsigned,
        "alg none with a signature": jwt(claims(), alg="none"),
        "no signature": unsigned[:-1],
        "another secret": jwt(claims(), b"x" * 32),
        "an empty secret": jwt(claims(), b""),
        "another algorithm": jwt(claims(), alg="RS256"),
        "a key that is a path": jwt(claims(), b"", kid="/dev/null"),
        "a key of SQL": jwt(claims(), kid="x' UNION SELECT 'x"),
        "its own key": jwt(claims(), jwk={"kty": "oct"}),
        "a place of keys": jwt(claims(), jku="http://127.0.0.1/keys"),
        "critical": jwt(claims(), crit=["x"]),
        "expired": jwt(claims(exp=time.time() - 1)),
        "of the future": jwt(claims(nbf=time.time() + 60)),
        "no end": jwt({key: value for key, value in claims().items() if key != "exp"}),
        "another audience": jwt(claims(aud="other")),
        "another issuer": jwt(claims(iss="https://eve")),
        "nobody": jwt(claims(sub=None)),
        "altered": jwt(claims())[:-4] + "AAAA",
        "dots": "ey" + "." * 2,
    }
    for name, token in attacks.items():
        met = refused(tokens.connect, token)
        assert met.name == "unauthorized", (name, met)
        assert http(tokens.server, "GET", "/api/messages?agent=ann", key=token)[0] == 401, name
    stats = tokens.call("server.stats")
    assert stats["access"]["logins_failed"] == 2 * len(attacks)


def test_U11_a_token_ends_its_connection_with_itself_and_keys_are_changed_by_a_reload(tokens):
    ann = tokens.connect(jwt(claims(exp=time.time() + 1)))
    assert ann.ended(timeout=10).name == "unauthorized"
    other = b"another secret of thirty-two bytes"
    tokens.key_file.write_text(json.dumps({"keys": [{"kty": "oct", "kid": "two", "k": part(other)}]}))
    tokens.cli("reload")
    assert refused(tokens.connect, jwt(claims(), kid="one")).name == "unauthorized"
    tokens.connect(jwt(claims(), other, kid="two")).close()


def test_U11_a_server_does_not_start_with_keys_it_cannot_use(tmp_path):
    keys = tmp_path / "keys.json"
    for text, settings, why in (
        ("{}", ["jwt.issuer=i", "jwt.audience=a"], "no JWK set"),
        ('{"keys":[]}', ["jwt.issuer=i", "jwt.audience=a"], "has no key"),
        ('{"keys":[]}', ["jwt.audience=a"], "needs jwt.issuer and jwt.audience"),
        ('{"keys":[]}', ["jwt.issuer=i", "jwt.audience=a", "jwt.algorithms=none"], "there is no algorithm none"),
    ):
        keys.write_text(text)
        flags = [f"--set={setting}" for setting in (f"jwt.keys={keys}", *settings)]
        done = subprocess.run(
            [program.PROGRAM, "serve", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0", *flags],
            capture_output=True,
            text=True,
            timeout=20,
            env=program.environment(),
        )
        assert done.returncode == 2 and why in done.stderr, (text, settings, done)


# -- users of this machine


def test_U11_a_user_of_this_machine_has_an_account_at_the_unix_socket(make_server):
    server = make_server("--set", f"unix_accounts={os.getuid()}=ann,4294967294=root")
    guarded = Guarded(server)  # without an account nobody is asked, there or here
    assert "there is no account ann" in refused(Client, server.socket).text
    guarded.add("ann")
    ann = Client(server.socket)
    ann.publish("x", to="ann")
    ann.consume("ann")
    assert ann.delivery(timeout=10).fields["from"] == "ann"
    assert refused(ann.carry_out, "account.list").name == "not_permitted"
    assert refused(Client, server.socket, agent="bob").name == "not_permitted"
    Client(server.socket, token=guarded.root).carry_out("account.list")  # what is shown goes before
    assert refused(Client, server.socket, token="guess").name == "unauthorized"
    assert refused(Client, ("127.0.0.1", server.port)).name == "unauthorized"
    guarded.cli("account", "disable", "ann")
    assert ann.ended().name == "unauthorized"
    wrong = subprocess.run(
        [program.PROGRAM, "serve", "--set", "unix_accounts=ann"],
        capture_output=True,
        text=True,
        timeout=20,
        env=program.environment(),
    )
    assert wrong.returncode == 2 and "UID=ACCOUNT" in wrong.stderr
