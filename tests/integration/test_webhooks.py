"""Webhooks: the server posts the mail of an agent to its endpoint, message by message (docs/webhooks.md)."""

import base64
import hashlib
import json
import ssl
import time

import pytest
from native import Client, Refused, text_of_id
from test_cli import ok, wait_for
from test_delivery_native import eventually
from test_http import Http
from webhook_endpoint import KEY, SECRET, Endpoint, set_webhook, show, signature

KEY2 = bytes(range(1, 33))
SECRET2 = "whsec_" + base64.b64encode(KEY2).decode()


@pytest.fixture
def endpoint():
    made = Endpoint()
    yield made
    made.close()


# -- a message is posted


def test_B7_the_mail_of_an_agent_is_posted_whole_and_signed(connect, endpoint):
    boss = connect("boss")
    set_webhook(boss, endpoint)
    confirm = boss.publish(
        b'{"change": 12}', to="worker", type="query", priority=3, content_type="application/json", conversation="c-1"
    )
    wait_for(lambda: endpoint.posts)
    (post,) = endpoint.posts
    assert post.path == "/mail"
    assert post.told["type"] == "folkmoot.message" and post.told["agent"] == "worker" and post.told["attempt"] == 1
    assert post.told["redelivered"] is False
    assert post.message["content"] == {"change": 12} and post.message["from"] == "boss"
    assert post.message["type"] == "query" and post.message["priority"] == 3
    assert post.message["conversation"] == "c-1"
    assert post.id == post.message["id"] == text_of_id(confirm.id)
    assert post.headers["webhook-signature"] == signature(post, KEY)
    assert abs(int(post.headers["webhook-timestamp"]) - time.time()) < 60
    assert post.headers["user-agent"].startswith("folkmoot/")
    now = eventually(lambda: show(boss), lambda now: now["delivered"] == 1)
    assert now["state"] == "closed" and now["attempts"] == 1 and now["last_code"] == 204
    eventually(lambda: boss.stats("worker")["mailboxes"][0], lambda box: box["leased"] == 0 and box["ready"] == 0)


def test_B7_mail_that_waited_is_posted_when_the_webhook_is_set_and_after_a_restart(make_server, endpoint):
    server = make_server()
    boss = Client(("127.0.0.1", server.port), agent="boss")
    boss.publish(b"before", to="worker", content_type="text/plain")
    set_webhook(boss, endpoint)
    wait_for(lambda: endpoint.contents() == ["before"])
    boss.close()
    server.terminate()
    server.start()
    boss = Client(("127.0.0.1", server.port), agent="boss")
    boss.publish(b"after", to="worker", content_type="text/plain")
    wait_for(lambda: endpoint.contents() == ["before", "after"])
    assert endpoint.posts[1].headers["webhook-signature"] == signature(endpoint.posts[1], KEY)
    boss.close()


def test_B7_what_failed_is_posted_again_under_its_id_as_the_mailbox_has_it(connect, endpoint):
    boss = connect("boss")
    boss.mailbox("worker", retry=[4, 0, 50, 50, 1000])
    answers = [500, "half", "cut", 200]
    endpoint.answer = lambda post: answers.pop(0)
    set_webhook(boss, endpoint, failures=100)
    boss.publish(b"x", to="worker")
    wait_for(lambda: len(endpoint.posts) == 4)
    assert len({post.id for post in endpoint.posts}) == 1
    assert [post.told["attempt"] for post in endpoint.posts] == [1, 2, 3, 4]
    now = eventually(lambda: show(boss), lambda now: now["delivered"] == 1)
    assert now["failed"] == 3 and now["attempts"] == 4 and "last_error" not in now


def test_B7_an_endpoint_is_not_run_over_where_the_mailbox_has_no_wait_of_its_own(connect, endpoint):
    boss = connect("boss")
    answers = [500, 404, 200]
    endpoint.answer = lambda post: answers.pop(0)
    set_webhook(boss, endpoint)
    boss.publish(b"x", to="worker")
    eventually(lambda: show(boss), lambda now: now["delivered"] == 1)
    first, second, third = (post.at for post in endpoint.posts)
    assert 0.9 <= second - first < 1.9 <= third - second
    answers[:] = [500, 200]
    boss.mailbox("worker", retry=[5, 0, 10, 10, 1000])  # its own wait is kept to
    boss.publish(b"y", to="worker")  # the policy of before may still be known for this one
    eventually(lambda: show(boss), lambda now: now["delivered"] == 2)
    answers[:] = [500, 200]
    boss.publish(b"z", to="worker")
    eventually(lambda: show(boss), lambda now: now["delivered"] == 3)
    assert endpoint.posts[-1].at - endpoint.posts[-2].at < 0.9


def test_B7_what_fails_too_often_is_a_dead_letter_with_its_attempts(connect, endpoint):
    boss = connect("boss")
    boss.mailbox("worker", retry=[3, 0, 20, 20, 1000])
    endpoint.answer = lambda post: 500
    set_webhook(boss, endpoint, failures=100)
    boss.publish(b"x", to="worker")
    (dead,) = eventually(lambda: boss.carry_out("dead.list", mailbox="worker")["dead"], len)
    assert len(endpoint.posts) == 3
    attempts = boss.carry_out("message.attempts", id=dead["id"])["attempts"]
    assert [(each["holder"], each["reason"]) for each in attempts][:2] == [("worker", "it answered 500")] * 2


def test_B7_an_endpoint_that_refuses_a_message_makes_it_a_dead_letter_at_once(connect, endpoint):
    boss = connect("boss")
    endpoint.answer = lambda post: 422 if post.message["content"] == "bad" else 200
    set_webhook(boss, endpoint, concurrency=1, failures=1)
    boss.publish(b"bad", to="worker", content_type="text/plain")
    boss.publish(b"good", to="worker", content_type="text/plain")
    wait_for(lambda: endpoint.contents() == ["bad", "good"])
    (dead,) = eventually(lambda: boss.carry_out("dead.list", mailbox="worker")["dead"], len)
    assert dead["reason"] == "rejected"
    assert eventually(lambda: show(boss), lambda now: now["delivered"] == 1)["state"] == "closed"


def test_B7_contents_of_every_kind_and_size_arrive_as_they_were(connect, endpoint):
    boss = connect("boss")
    data = bytes(range(256)) * 4095
    text = "\u00e4\u20ac" * 100_000
    set_webhook(boss, endpoint, concurrency=1)
    boss.publish(data, to="worker", content_type="application/octet-stream")
    boss.publish(text.encode(), to="worker", content_type="text/plain")
    boss.publish(b"", to="worker")
    sha, size = hashlib.sha256(data * 5).digest(), len(data) * 5
    boss.upload(data * 5)
    boss.publish(to="worker", content_ref=[sha, size])
    wait_for(lambda: len(endpoint.posts) == 4)
    binary, plain, empty, referred = (post.message for post in endpoint.posts)
    assert base64.b64decode(binary["content"]) == data
    assert plain["content"] == text and "content" not in empty
    assert referred["content_ref"] == {"sha256": sha.hex(), "size": size}
    eventually(lambda: show(boss), lambda now: now["delivered"] == 4)


# -- what an answer may say


def test_B7_an_answer_carries_the_response_of_a_request(connect, endpoint):
    boss = connect("boss")
    endpoint.answer = lambda post: (200, {}, {"reply": {"content": {"sum": 3}, "content_type": "application/json"}})
    set_webhook(boss, endpoint)
    for mode in (None, 1):
        response = boss.request(b"1+2", to="worker", **({} if mode is None else {"mode": mode}))
        assert json.loads(response.content) == {"sum": 3}
        assert response.fields["from"] == "worker" and response.fields["type"] == 3
    endpoint.answer = lambda post: (200, {}, {"reply": "three"})
    assert boss.request(b"1+2", to="worker").content == b"three"


def test_B7_an_answer_completes_a_message_with_others_both_or_neither(connect, endpoint):
    boss = connect("boss")
    endpoint.answer = lambda post: (
        200,
        {},
        {"reply": "done", "complete": [{"to": "next", "content": "step 2"}, {"topic": "work.done", "content": "x"}]},
    )
    listener = connect("listener")
    listener.subscribe("work.*")
    set_webhook(boss, endpoint)
    confirm = boss.publish(b"step 1", to="worker")
    (mail,) = boss.receive("next", wait_ms=10_000)
    assert mail.content == b"step 2" and mail.fields["from"] == "worker"
    (answer,) = boss.receive("boss", wait_ms=10_000)
    assert answer.content == b"done" and answer.fields["correlation"] == text_of_id(confirm.id)
    assert listener.delivery().content == b"x"
    assert len(endpoint.posts) == 1


def test_B7_an_answer_that_cannot_be_carried_out_gives_the_message_back(connect, endpoint):
    boss = connect("boss")
    boss.mailbox("worker", retry=[20, 0, 20, 20, 1000])
    bad = [
        (200, {"Content-Type": "application/json"}, b"{broken"),
        (200, {}, {"complete": "no list"}),
        (200, {}, {"complete": [{"to": "next", "topic": "both"}]}),
        (200, {}, {"complete": [{"content": "to nobody"}]}),
        (200, {"Content-Type": "application/json"}, b"[" * 100_000),
    ]
    left = list(bad)
    endpoint.answer = lambda post: left.pop(0) if left else (200, {}, {"complete": [{"to": "next", "content": "good"}]})
    set_webhook(boss, endpoint)
    boss.publish(b"x", to="worker")
    (mail,) = boss.receive("next", wait_ms=10_000)
    assert mail.content == b"good" and len(endpoint.posts) == len(bad) + 1
    now = eventually(lambda: show(boss), lambda now: now["delivered"] == 1)
    assert now["failed"] == len(bad) and now["state"] == "closed"


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"Content-Type": "text/html"}, b"<html>OK</html>"),
        (200, {"Content-Type": "application/json"}, b'"ok"'),
        (200, {"Content-Type": "application/json"}, b'{"status":"ok","reply":null}'),
        (201, {}, b""),
        (204, {}, b""),
    ],
)
def test_B7_an_answer_that_says_nothing_settles(connect, endpoint, answer):
    boss = connect("boss")
    endpoint.answer = lambda post: answer
    set_webhook(boss, endpoint)
    boss.publish(b"x", to="worker")
    eventually(lambda: show(boss), lambda now: now["delivered"] == 1)
    assert len(endpoint.posts) == 1


# -- breaker, rests, limits


def test_B7_an_endpoint_that_fails_is_left_alone_and_tried_again(connect, endpoint):
    boss = connect("boss")
    boss.mailbox("worker", retry=[100, 0, 10, 10, 1000])
    broken = True
    endpoint.answer = lambda post: 500 if broken else 200
    set_webhook(boss, endpoint, failures=3, open_ms=1_000, concurrency=1)
    boss.publish(b"x", to="worker")
    now = eventually(lambda: show(boss), lambda now: now["state"] == "open")
    assert now["failures_in_row"] == 3 and now["next_at"] and now["failing_since"]
    assert now["last_error"] == "it answered 500"
    posts = len(endpoint.posts)
    assert posts == 3
    time.sleep(0.5)
    assert len(endpoint.posts) == posts
    wait_for(lambda: len(endpoint.posts) == posts + 1)  # one is tried, and fails
    assert endpoint.posts[3].at - endpoint.posts[2].at >= 0.9
    broken = False
    wait_for(lambda: len(endpoint.posts) == posts + 2)
    assert endpoint.posts[4].at - endpoint.posts[3].at >= 1.9  # twice as long
    now = eventually(lambda: show(boss), lambda now: now["delivered"] == 1)
    assert now["state"] == "closed" and "failing_since" not in now
    assert len({post.id for post in endpoint.posts}) == 1


def test_B7_enabling_closes_the_circuit_at_once(connect, endpoint):
    boss = connect("boss")
    boss.mailbox("worker", retry=[100, 0, 10, 10, 1000])
    endpoint.answer = lambda post: 500
    set_webhook(boss, endpoint, failures=1, open_ms=3_600_000)
    boss.publish(b"x", to="worker")
    eventually(lambda: show(boss), lambda now: now["state"] == "open")
    endpoint.answer = lambda post: 200
    boss.carry_out("webhook.enable", agent="worker")
    eventually(lambda: show(boss), lambda now: now["delivered"] == 1)


def test_B7_a_webhook_that_failed_for_long_is_disabled_and_comes_back(connect, endpoint):
    boss = connect("boss")
    boss.mailbox("worker", retry=[1000, 0, 10, 10, 1000])
    endpoint.answer = lambda post: 503
    set_webhook(boss, endpoint, failures=2, open_ms=100, disable_after_ms=1_000)
    boss.publish(b"x", to="worker")
    now = eventually(lambda: show(boss), lambda now: now["state"] == "disabled")
    assert now["disabled_reason"].startswith("nothing was delivered since") and now["disabled_at"]
    posts = len(endpoint.posts)
    boss.publish(b"y", to="worker")
    time.sleep(0.5)
    assert len(endpoint.posts) == posts
    eventually(lambda: boss.stats("worker")["mailboxes"][0], lambda box: box["ready"] == 2 and box["consumers"] == 0)
    endpoint.answer = lambda post: 200
    boss.carry_out("webhook.enable", agent="worker")
    eventually(lambda: show(boss), lambda now: now["ready"] == 0 and now["state"] == "closed" and not now["under_way"])
    assert len({post.id for post in endpoint.posts}) == 2


def test_B7_an_endpoint_that_is_gone_is_disabled(make_server, endpoint):
    server = make_server()
    boss = Client(("127.0.0.1", server.port), agent="boss")
    endpoint.answer = lambda post: 410
    set_webhook(boss, endpoint)
    boss.publish(b"x", to="worker")
    now = eventually(lambda: show(boss), lambda now: now["state"] == "disabled")
    assert now["disabled_reason"] == "it answered 410: it is gone"
    boss.close()
    server.terminate()
    server.start()
    boss = Client(("127.0.0.1", server.port), agent="boss")
    assert show(boss)["state"] == "disabled"
    time.sleep(0.3)
    assert len(endpoint.posts) == 1
    endpoint.answer = lambda post: 200
    set_webhook(boss, endpoint)  # set anew it is enabled
    wait_for(lambda: len(endpoint.posts) == 2)
    boss.close()


@pytest.mark.parametrize("status", [429, 503])
def test_B7_an_endpoint_that_asks_to_be_left_alone_is(connect, endpoint, status):
    boss = connect("boss")
    boss.mailbox("worker", retry=[100, 0, 10, 10, 1000])
    answers = [(status, {"Retry-After": "2"}, b"")]
    endpoint.answer = lambda post: answers.pop(0) if answers else 200
    set_webhook(boss, endpoint, concurrency=1)
    boss.publish(b"x", to="worker")
    wait_for(lambda: len(endpoint.posts) == 1)
    boss.publish(b"y", to="worker")
    wait_for(lambda: len(endpoint.posts) == 3)
    first, second, third = endpoint.posts
    assert second.at - first.at >= 1.9 and third.at - first.at >= 1.9
    assert len({post.id for post in endpoint.posts}) == 2


def test_B7_redirects_are_not_followed(connect, endpoint):
    boss = connect("boss")
    boss.mailbox("worker", retry=[2, 0, 10, 10, 1000])
    endpoint.answer = lambda post: (302, {"Location": f"http://127.0.0.1:{endpoint.port}/other"}, b"")
    set_webhook(boss, endpoint)
    boss.publish(b"x", to="worker")
    eventually(lambda: boss.carry_out("dead.list", mailbox="worker")["dead"], len)
    assert {post.path for post in endpoint.posts} == {"/mail"} and len(endpoint.posts) == 2


def test_B7_no_more_are_under_way_than_may_be(connect, endpoint):
    boss = connect("boss")

    def slowly(post):
        time.sleep(0.05)
        return 200

    endpoint.answer = slowly
    set_webhook(boss, endpoint, concurrency=3)
    for number in range(30):
        boss.publish(str(number).encode(), to="worker")
    eventually(lambda: show(boss), lambda now: now["delivered"] == 30)
    assert endpoint.most == 3
    assert len(endpoint.posts) == 30
    assert endpoint.connections <= 4  # connections are kept


def test_B7_an_endpoint_that_is_paced_gets_so_many_a_minute(connect, endpoint):
    boss = connect("boss")
    set_webhook(boss, endpoint, concurrency=1, rate=300)  # one in 200 ms
    for number in range(6):
        boss.publish(str(number).encode(), to="worker")
    wait_for(lambda: len(endpoint.posts) == 6)
    times = [post.at for post in endpoint.posts]
    assert times[5] - times[0] >= 0.9
    assert all(later - sooner >= 0.1 for sooner, later in zip(times, times[1:]))


def test_B7_a_request_ends_in_its_time(connect, endpoint):
    boss = connect("boss")
    boss.mailbox("worker", retry=[100, 0, 10, 10, 1000])
    answers = ["hang"]
    endpoint.answer = lambda post: answers.pop(0) if answers else 200
    set_webhook(boss, endpoint, timeout_ms=300)
    boss.publish(b"x", to="worker")
    now = eventually(lambda: show(boss), lambda now: now["delivered"] == 1)
    assert now["failed"] == 1 and endpoint.posts[1].at - endpoint.posts[0].at < 5


def test_B7_one_that_hangs_does_not_hold_up_the_others(make_server, endpoint):
    server = make_server("--set", "webhooks.deliveries=4", "--set", "webhooks.timeout=2s")
    boss = Client(("127.0.0.1", server.port), agent="boss")
    slow = Endpoint()
    slow.answer = lambda post: "hang"
    set_webhook(boss, slow, agent="slow", concurrency=2)
    set_webhook(boss, endpoint, concurrency=2)
    for number in range(8):
        boss.publish(b"x", to="slow")
    wait_for(lambda: len(slow.posts) == 2)
    for number in range(50):
        boss.publish(str(number).encode(), to="worker")
    wait_for(lambda: len(endpoint.posts) == 50, seconds=2)
    slow.close()
    boss.close()


# -- secrets


def test_B7_secrets_are_rotated_with_both_for_a_while(connect, endpoint):
    boss = connect("boss")
    set_webhook(boss, endpoint)
    boss.carry_out("webhook.rotate", agent="worker", secret=SECRET2, keep_ms=1_500)
    assert show(boss)["secrets"] == 2
    boss.publish(b"x", to="worker")
    wait_for(lambda: len(endpoint.posts) == 1)
    (post,) = endpoint.posts
    assert post.headers["webhook-signature"] == signature(post, KEY2) + " " + signature(post, KEY)
    time.sleep(1.6)
    boss.publish(b"y", to="worker")
    wait_for(lambda: len(endpoint.posts) == 2)
    post = endpoint.posts[1]
    assert post.headers["webhook-signature"] == signature(post, KEY2)
    assert show(boss)["secrets"] == 1
    set_webhook(boss, endpoint, secret="", rate=600)  # what is known stays
    boss.publish(b"z", to="worker")
    wait_for(lambda: len(endpoint.posts) == 3)
    assert endpoint.posts[2].headers["webhook-signature"] == signature(endpoint.posts[2], KEY2)


def test_B7_secrets_are_never_shown_or_logged(make_server, endpoint):
    server = make_server("--log-level", "debug")
    boss = Client(("127.0.0.1", server.port), agent="boss")
    endpoint.answer = lambda post: 500
    set_webhook(boss, endpoint, failures=1)
    boss.publish(b"x", to="worker")
    wait_for(lambda: endpoint.posts)
    told = json.dumps([show(boss), boss.carry_out("webhook.list")]) + server.log()
    assert SECRET[6:] not in told
    boss.close()


# -- where it may go


def test_B7_addresses_of_this_machine_are_refused_unless_they_are_allowed(make_server, endpoint):
    server = make_server("--set", "webhooks.local=no")
    boss = Client(("127.0.0.1", server.port), agent="boss")
    set_webhook(boss, f"http://localhost:{endpoint.port}/mail", failures=1)
    boss.publish(b"x", to="worker")
    now = eventually(lambda: show(boss), lambda now: now["failed"] == 1)
    assert "webhooks.local" in now["last_error"] and not endpoint.posts
    boss.close()


def test_B7_a_server_that_nobody_vouches_for_gets_nothing(server, connect, endpoint, tmp_path):
    folder = str(tmp_path / "certs")
    ok(server.cli("cert", "init", "--folder", folder))
    ok(server.cli("cert", "issue", "leaf", "--host", "localhost", "--folder", folder))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/leaf.pem", f"{folder}/leaf-key.pem")
    endpoint.server.socket = context.wrap_socket(endpoint.server.socket, server_side=True)
    boss = connect("boss")
    set_webhook(boss, f"https://localhost:{endpoint.port}/mail", failures=1)
    boss.publish(b"x", to="worker")
    now = eventually(lambda: show(boss), lambda now: now["failed"] == 1)
    assert "certificate" in now["last_error"].lower() or "ssl" in now["last_error"].lower()
    assert not endpoint.posts


def test_B7_webhooks_go_on_when_accounts_are_made_and_act_for_their_agent(make_server, endpoint):
    server = make_server()
    boss = Client(("127.0.0.1", server.port), agent="boss")
    set_webhook(boss, endpoint)
    boss.publish(b"before", to="worker", content_type="text/plain")
    wait_for(lambda: endpoint.contents() == ["before"])
    key = boss.carry_out("account.add", name="boss", role="admin")["key"]
    boss.close()
    boss = Client(("127.0.0.1", server.port), agent="boss", token=key)
    endpoint.answer = lambda post: (200, {}, {"reply": "answered"})
    boss.publish(b"after", to="worker", content_type="text/plain")
    wait_for(lambda: endpoint.contents() == ["before", "after"])
    (answer,) = boss.receive("boss", wait_ms=10_000)
    assert answer.content == b"answered" and answer.fields["from"] == "worker"
    boss.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://x/"},
        {"url": "http://user:pass@x/"},
        {"url": "http://"},
        {"url": "http://x/\u00e4"},
        {"secret": "short"},
        {"secret": "whsec_" + base64.b64encode(b"x" * 23).decode()},
        {"secret": ""},
        {"concurrency": 0},
        {"concurrency": 65},
        {"rate": 60_001},
        {"failures": 0},
        {"open_ms": 99},
        {"timeout_ms": 99},
        {"disable_after_ms": 999},
        {"agent": "$x"},
        {"agent": "@x"},
    ],
)
def test_B7_what_is_no_webhook_is_refused(connect, wrong):
    boss = connect("boss")
    with pytest.raises(Refused) as refused:
        boss.carry_out("webhook.set", **{"agent": "worker", "url": "http://127.0.0.1:1/", "secret": SECRET, **wrong})
    assert refused.value.name in ("invalid_field", "out_of_range", "invalid_name")
    assert boss.carry_out("webhook.list")["webhooks"] == []
    for name in ("show", "remove", "enable", "disable"):
        with pytest.raises(Refused) as refused:
            boss.carry_out(f"webhook.{name}", agent="worker")
        assert refused.value.name == "not_found"


def test_B7_a_webhook_that_is_removed_leaves_the_mail_where_it_is(connect, endpoint):
    boss = connect("boss")
    set_webhook(boss, endpoint)
    boss.publish(b"x", to="worker")
    wait_for(lambda: len(endpoint.posts) == 1)
    boss.carry_out("webhook.remove", agent="worker")
    boss.publish(b"y", to="worker", content_type="text/plain")
    (mail,) = boss.receive("worker", wait_ms=5_000)
    assert mail.content == b"y" and len(endpoint.posts) == 1
    assert boss.carry_out("webhook.list")["webhooks"] == []


def test_B7_webhooks_are_listed_a_page_at_a_time_whatever_shard_they_are_in(connect, endpoint):
    boss = connect("boss")
    names = sorted(f"agent-{number:02}" for number in range(12))
    for name in names:
        set_webhook(boss, endpoint, agent=name)
    listed, after = [], ""
    while after is not None:
        page = boss.carry_out("webhook.list", limit=5, after=after)
        listed += [each["agent"] for each in page["webhooks"]]
        after = page["next"]
    assert listed == names
    for name in names:
        boss.publish(name.encode(), to=name, content_type="text/plain")
    wait_for(lambda: sorted(endpoint.contents()) == names)


def test_B7_webhooks_are_set_at_the_command_line_and_over_http(server, endpoint):
    made = json.loads(ok(server.cli("webhook", "set", "worker", "--url", endpoint.url, "--rate", "600", "--json")))
    assert made["status"] == "set" and made["secret"].startswith("whsec_")
    again = json.loads(ok(server.cli("webhook", "set", "worker", "--url", endpoint.url, "--json")))
    assert "secret" not in again
    ok(server.cli("send", "worker", "hello"))
    wait_for(lambda: endpoint.posts)
    key = base64.b64decode(made["secret"][6:])
    assert endpoint.posts[0].headers["webhook-signature"] == signature(endpoint.posts[0], key)
    http = Http(server)
    code, body = http("GET", "/api/webhooks/worker")
    assert code == 200 and body["url"] == endpoint.url
    wait_for(lambda: "delivered 1" in ok(server.cli("webhook", "show", "worker")))
    assert "worker" in ok(server.cli("webhook", "list"))
    rotated = json.loads(ok(server.cli("webhook", "rotate", "worker", "--json")))
    assert rotated["secret"] not in ("", made["secret"])
    ok(server.cli("webhook", "disable", "worker", "--reason", "moves"))
    assert "moves" in ok(server.cli("webhook", "show", "worker"))
    ok(server.cli("webhook", "enable", "worker"))
    ok(server.cli("webhook", "remove", "worker"))
    assert http("GET", "/api/webhooks/worker")[0] == 404


def test_B7_how_webhooks_go_is_measured(server, connect, endpoint):
    boss = connect("boss")
    boss.mailbox("worker", retry=[100, 0, 10, 10, 1000])
    answers = [500, 404, 429, 200]
    endpoint.answer = lambda post: answers.pop(0)
    set_webhook(boss, endpoint, failures=50)
    boss.publish(b"x", to="worker")
    eventually(lambda: show(boss), lambda now: now["delivered"] == 1)
    text = Http(server)("GET", "/metrics")[1]
    for line in (
        'folkmoot_webhooks{state="closed"} 1',
        'folkmoot_webhook_requests_total{end="delivered"} 1',
        'folkmoot_webhook_requests_total{end="server_error"} 1',
        'folkmoot_webhook_requests_total{end="client_error"} 1',
        'folkmoot_webhook_requests_total{end="later"} 1',
        "folkmoot_webhook_requests_under_way 0",
        'circuit_breaker_open{breaker="webhooks"} 0',
    ):
        assert line + "\n" in text
    endpoint.answer = lambda post: 500
    set_webhook(boss, endpoint, failures=1, open_ms=60_000)
    boss.publish(b"y", to="worker")
    eventually(lambda: show(boss), lambda now: now["state"] == "open")
    assert 'circuit_breaker_open{breaker="webhooks"} 1\n' in Http(server)("GET", "/metrics")[1]
