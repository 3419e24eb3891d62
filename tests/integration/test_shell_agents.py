"""Agents in one line, `folkmoot reply`, whose command fails: nothing of their work is lost, and only
who waits for an answer is told (docs/delivery.md)."""

import json
import re
import signal

import pytest
from native import TYPES
from test_cli import consumers, ok, wait_for
from test_delivery_native import eventually, text_id


@pytest.fixture
def agent(server):
    """Starts agents: agent('worker', 'command', '--to', 'next')."""
    running = []

    def start(name, command, *options):
        running.append(server.cli_start("reply", name, "--exec", command, *options))
        wait_for(lambda: consumers(server, name) == 1)
        return running[-1]

    yield start
    for one in running:
        one.terminate()
        one.communicate(timeout=20)


def letter(client, mailbox):
    (dead,) = eventually(lambda: client.carry_out("dead.list", mailbox=mailbox)["dead"], len)
    return client.carry_out("dead.show", id=dead["id"])


def unread(client, mailbox):
    return sum(
        box["ready"] + box["scheduled"] + box["leased"] for box in client.stats()["mailboxes"] if box["name"] == mailbox
    )


@pytest.mark.parametrize(
    "onward", [[], ["--to", "next"], ["--to", "next", "--to", "other"]], ids=["answers", "hands on", "hands on to two"]
)
@pytest.mark.parametrize(
    "command, reason",
    [
        ("exit 1", "the command ended with status 1"),
        ("cat; echo so far; exit 3", "the command ended with status 3"),
        ("echo 'no such customer' >&2; exit 1", "no such customer"),
        ("echo one >&2; echo out; echo two >&2; exit 7", "one\ntwo"),
        ("kill -9 $$", "the command ended with status 137"),
        ("no-such-program 2>/dev/null", "the command ended with status 127"),
    ],
)
def test_A10_a_command_that_fails_gives_its_message_back(server, connect, agent, onward, command, reason):
    agent("worker", command, *onward)
    boss = connect("boss")
    boss.publish("do it", to="worker", retry=[3, 0, 0, 0, 1000])
    dead = letter(boss, "worker")
    assert (dead["reason"], dead["deliveries"], dead["message"]["content"]) == ("max_deliveries", 3, "do it") or dead[
        "message"
    ].get("content_encoding")
    assert [(each["end"], each["reason"]) for each in dead["attempts"]] == [("nacked", reason)] * 3
    # Nobody asked: nobody is answered, and nothing goes on.
    assert [unread(boss, name) for name in ("boss", "next", "other", "worker")] == [0] * 4


def test_A10_the_wait_before_the_next_attempt_is_the_policys(server, connect, agent):
    agent("worker", "echo not yet >&2; exit 1")
    boss = connect("boss")
    sent = boss.publish("do it", to="worker", retry=[3, 0, 3_600_000, 0, 1000])
    receipt = eventually(lambda: boss.receipts(sent.id)[0], lambda got: got["state"] == "scheduled")
    assert receipt["deliveries"] == 1
    (attempt,) = boss.carry_out("message.attempts", id=text_id(sent.id))["attempts"]
    assert (attempt["end"], attempt["reason"], attempt["holder"]) == ("nacked", "not yet", "worker")


def test_A10_what_fails_and_then_succeeds_is_answered_once(server, connect, agent, tmp_path):
    count = tmp_path / "count"
    agent("worker", f"echo x >> {count}; test $(wc -l < {count}) -ge 3 && echo done")
    boss = connect("boss")
    boss.publish("do it", to="worker", type=TYPES["task"], retry=[5, 0, 0, 0, 1000])
    (answer,) = boss.receive("boss", wait_ms=20_000)
    assert (answer.content, answer.fields["type"]) == (b"done\n", TYPES["response"]) and len(
        count.read_text().split()
    ) == 3
    boss.ack(answer.lease)
    assert unread(boss, "boss") == 0 and boss.carry_out("dead.list")["dead"] == []


def test_A4_a_request_is_answered_with_an_error_after_its_last_attempt(server, agent, tmp_path):
    count = tmp_path / "count"
    agent("worker", f"echo x >> {count}; echo 'the database is down' >&2; exit 1")
    run = server.cli(
        "request", "worker", "how many?", "--mode", "at_least_once", "--retry", "attempts=3", "--timeout", "20s"
    )
    assert (
        run.returncode == 1
        and "answered with an error" in run.stderr
        and "the database is down" in run.stderr
        and not run.stdout
    )
    assert len(count.read_text().split()) == 3
    answer = json.loads(
        server.cli(
            "request", "worker", "how many?", "--mode", "at_least_once", "--retry", "attempts=2", "--json"
        ).stdout
    )
    content = answer["content"]
    assert (answer["type"], answer["from"]) == ("error", "$bus")
    assert (content["error"], content["reason"], content["text"], content["deliveries"]) == (
        "dead",
        "max_deliveries",
        "the database is down",
        2,
    )


def test_A4_a_request_that_waits_in_memory_has_one_attempt(server, agent, tmp_path):
    count = tmp_path / "count"
    agent("worker", f"echo x >> {count}; echo so far; echo 'the database is down' >&2; exit 1")
    run = server.cli("request", "worker", "how many?")
    assert run.returncode == 1 and re.search("so far\nthe database is down", run.stderr), run.stderr
    assert len(count.read_text().split()) == 1


def test_A4_who_waits_hears_when_what_was_handed_on_fails(server, agent):
    agent("first", "cat", "--to", "second")
    agent("second", "echo 'not mine' >&2; exit 1")
    ok(server.cli("mailbox", "second", "--max-deliveries", "2"))
    run = server.cli("request", "first", "how many?", "--mode", "at_least_once", "--timeout", "20s")
    assert run.returncode == 1 and "not mine" in run.stderr


def test_A10_what_it_says_of_its_failures_is_on_its_own_stderr(server, connect, agent):
    worker = agent("worker", "echo 'one \033[31mred' >&2; exit 1")
    boss = connect("boss")
    boss.publish("do it", to="worker", retry=[1, 0, 0, 0, 1000])
    assert letter(boss, "worker")["attempts"][0]["reason"] == "one ?[31mred"
    worker.send_signal(signal.SIGTERM)
    said = worker.communicate(timeout=20)[1]
    assert "one ?[31mred" in said and "from boss" in said
