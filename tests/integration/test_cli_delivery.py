"""The command line's promises about delivery: retries, dead letters, batches, schedules, commands, requests to many."""

import json
import signal
import subprocess
import time
import urllib.request

import pytest
from program import PROGRAM, environment
from test_cli import consumers, ok, wait_for

UNKNOWN = "00000000-0000-7000-8000-000000000000"


def lines(run):
    return [json.loads(line) for line in ok(run).splitlines()]


def stop(process):
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)


def test_A13_sending_lines_ends_on_a_signal_though_nobody_reads_or_writes(server):
    """A pipe that nobody reads its receipts from, and one that nobody writes lines to."""
    for many in (True, False):
        sender = server.cli_start("send", "bob", "--lines", "-")
        sender.stdin.write("line\n" * (12_000 if many else 1))
        sender.stdin.flush()
        if many:  # the pipe holds 64 KiB of receipts; a thousand lines have more
            wait_for(lambda: json.loads(ok(server.cli("stats", "--json")))["messages"]["published"] >= 1_000)
        time.sleep(0.5)
        assert sender.poll() is None
        sender.send_signal(signal.SIGTERM)
        assert sender.wait(5) == 1
        how_far, why = sender.stderr.read().splitlines()
        assert how_far == "folkmoot: no line is confirmed" or "all lines up to " in how_far, how_far
        assert many == ("all lines up to " in how_far), how_far
        assert why.startswith("folkmoot: cancelled: "), why
        sender.stdout.close()
        sender.stderr.close()


@pytest.mark.parametrize("arguments",
                         [["command"], ["cancel"], ["dead"], ["dead", "list"], ["dead", "show"], ["dead", "resubmit"],
                          ["dead", "purge"], ["schedule"], ["schedule", "add"], ["schedule", "list"],
                          ["schedule", "remove"], ["conversation"], ["conversation", "cost"]])
def test_help_is_there_and_ends_with_an_example(arguments):
    run = subprocess.run([PROGRAM, *arguments, "--help"], capture_output=True, text=True, env=environment())
    assert run.returncode == 0 and not run.stderr
    assert "\nExample:\n  " in run.stdout


@pytest.mark.parametrize(
    "arguments",
    [["send", "bob", "x", "--lines", "-"], ["send", "bob", "x", "--atomic"], ["dead", "purge"], ["dead", "resubmit"],
     ["schedule", "add", "a", "bob", "x"], ["recv", "bob", "--nack", "x", "--reject", "y"],
     ["recv", "bob", "--no-ack", "--reject", "y"], ["send", "bob", "x", "--deliver-at", "soon"]])
def test_wrong_usage_exits_with_2(arguments):
    run = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, env=environment())
    assert run.returncode == 2 and run.stderr and not run.stdout, (run.returncode, run.stdout, run.stderr)


@pytest.mark.parametrize("policy",
                         ["attempts", "attempts=x", "backoff=slowly", "initial=soon", "speed=2", "multiplier=0"])
def test_A10_a_wrong_retry_policy_says_what_it_may_be(policy):
    run = subprocess.run([PROGRAM, "send", "bob", "x", "--retry", policy], capture_output=True, text=True,
                         env=environment())
    assert run.returncode == 2 and policy.split("=")[-1] in run.stderr and not run.stdout


def test_A1_a_message_says_all_of_its_fields(server):
    first = ok(server.cli("send", "bob", "x")).split()[0]
    ok(
        server.cli("--as", "alice", "send", "carol", "y", "--retry", "attempts=5,backoff=exponential,initial=1s,max=5m",
                   "--group", "g", "--bounce", "--no-reply", "--cause", first))
    got = json.loads(ok(server.cli("recv", "carol", "--json")))
    assert got["retry"] == {"attempts": 5, "backoff": "exponential", "initial": 1000, "max": 300000, "multiplier": 2}
    assert got["group"] == "g" and got["bounce"] is True and got["expects_reply"] is False and got[
        "cause"] == first and got["hops"] == 1


def test_A1_X5_times_may_be_given_as_such(server):
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    assert "scheduled" in ok(server.cli("send", "bob", "x", "--deliver-at", later))
    ok(server.cli("send", "carol", "x", "--expires-at", later))
    got = json.loads(ok(server.cli("recv", "carol", "--json")))
    assert "ttl" not in got and 3_500 < got["expires_at"] / 1000 - time.time() <= 3_600
    over = server.cli("send", "bob", "x", "--expires-at", "2020-01-01T00:00:00Z")
    assert over.returncode == 2 and "2020-01-01" in over.stderr
    assert server.cli("send", "bob", "x", "--expires-at", "1970-01-01T00:00:00Z").returncode == 2


def test_A13_the_lines_of_a_file_are_messages(server, tmp_path):
    file = tmp_path / "lines"
    file.write_text("one\n\ntwo\nthree\n")
    assert len(ok(server.cli("send", "bob", "--lines", str(file))).splitlines()) == 3
    assert [m["content"] for m in lines(server.cli("recv", "bob", "--max", "9", "--json"))] == ["one", "two", "three"]
    assert len(lines(server.cli("send", "bob", "--lines", "-", "--json", stdin="a\nb"))) == 2
    assert server.cli("send", "bob", "--lines", "/no/such/file").returncode == 2


def test_A13_atomic_lines_are_all_or_none(server):
    ok(server.cli("mailbox", "bob", "--max-messages", "2"))
    refused = server.cli("send", "bob", "--lines", "-", "--atomic", stdin="1\n2\n3\n")
    assert refused.returncode == 1 and "full" in refused.stderr
    assert server.cli("recv", "bob").returncode == 3
    partly = server.cli("send", "bob", "--lines", "-", stdin="1\n2\n3\n")
    assert partly.returncode == 1 and "line 3: mailbox_full" in partly.stderr and len(partly.stdout.splitlines()) == 2


def test_A9_a_key_used_before_is_a_duplicate(server):
    first = ok(server.cli("send", "bob", "x", "--key", "k")).split()[0]
    again = ok(server.cli("send", "bob", "x", "--key", "k"))
    assert again.split()[0] == first and "duplicate" in again
    assert json.loads(ok(server.cli("send", "bob", "x", "--key", "k", "--json")))["state"] == "queued"


def test_A11_a_rejected_message_is_a_dead_letter_that_can_be_sent_again(server):
    id = ok(server.cli("--as", "alice", "send", "bob", "bad", "--priority", "low")).split()[0]
    ok(server.cli("--as", "bob", "recv", "bob", "--nack", "once more"))
    ok(server.cli("--as", "bob", "recv", "bob", "--wait", "20s", "--reject", "cannot be read"))
    assert "rejected" in ok(server.cli("dead", "list"))
    [dead] = lines(server.cli("dead", "list", "--mailbox", "bob", "--reason", "rejected", "--json"))
    assert dead["id"] == id and dead["message"]["from"] == "alice" and not dead["message"].get("content")
    shown = json.loads(ok(server.cli("dead", "show", id, "--json")))
    assert shown["message"]["content"] == "bad" and "cannot be read" in shown["text"]
    assert "once more" in [attempt["reason"] for attempt in shown["attempts"]]
    assert "bad" in ok(server.cli("dead", "show", id))

    assert "1 would" in ok(server.cli("dead", "resubmit", "--mailbox", "bob", "--dry-run"))
    assert "1 would" in ok(server.cli("dead", "resubmit", id, "--dry-run"))
    for arguments, says in ((["--mailbox", "other"], "conditions"), (["--set", "prio=1"], "`prio`"),
                            (["--set", "from=eve"], "`from`"), (["--set", "id=1", "--dry-run"], "`id`")):
        unfit = server.cli("dead", "resubmit", id, *arguments)
        assert unfit.returncode == (1 if says == "conditions" else 2), unfit
        assert says in unfit.stderr and not unfit.stdout, unfit
    assert ok(server.cli("dead", "resubmit", id, "--to", "carol", "--set", "priority=1")).split()[0] != id
    got = json.loads(ok(server.cli("recv", "carol", "--json")))
    assert got["content"] == "bad" and got["priority"] == 1
    assert ok(server.cli("dead", "list")) == ""
    assert server.cli("dead", "show", UNKNOWN).returncode == 1


def test_A7_A11_an_empty_reason_gives_back_and_rejects_too(server):
    id = ok(server.cli("send", "bob", "x")).split()[0]
    ok(server.cli("recv", "bob", "--nack", ""))
    ok(server.cli("recv", "bob", "--wait", "20s", "--reject", ""))
    assert [dead["id"] for dead in lines(server.cli("dead", "list", "--reason", "rejected", "--json"))] == [id]


def test_A10_what_is_given_back_may_be_told_when_to_come_again(server):
    ok(server.cli("send", "bob", "x", "--retry", "backoff=fixed,initial=1h"))
    ok(server.cli("recv", "bob", "--nack", "soon", "--delay", "1ms"))
    ok(server.cli("recv", "bob", "--wait", "20s", "--nack", "later", "--delay", "1h"))
    assert server.cli("recv", "bob").returncode == 3


def test_A11_X18_dead_letters_are_redriven_and_purged_by_condition(server):
    for content in ("a", "b", "c"):
        ok(server.cli("send", "bob", content, "--priority", "high" if content == "a" else "low"))
    ok(server.cli("recv", "bob", "--max", "3", "--reject", "no"))
    assert len(lines(server.cli("dead", "list", "--filter", "priority <= 3", "--json"))) == 1
    ok(server.cli("mailbox", "full", "--max-messages", "1"))
    ok(server.cli("send", "full", "x"))
    refused = server.cli("dead", "resubmit", "--filter", "priority <= 3", "--to", "full")
    assert refused.returncode == 1 and refused.stdout == "0 sent again, 1 refused\n" and "says why" in refused.stderr
    assert ok(server.cli("dead", "resubmit", "--filter", "priority <= 3", "--rate",
                         "100")) == "1 sent again, 0 refused\n"
    assert ok(server.cli("recv", "bob", "--raw")) == "a"
    assert "2 would" in ok(server.cli("dead", "purge", "--all", "--dry-run"))
    assert ok(server.cli("dead", "purge", "--mailbox", "nobody")) == "0 gone\n"
    assert ok(server.cli("dead", "purge", "--reason", "rejected")) == "2 gone\n"
    assert ok(server.cli("dead", "list")) == ""


def test_A10_a_message_given_back_waits_as_its_policy_says(server):
    ok(server.cli("send", "bob", "x", "--retry", "attempts=2,backoff=fixed,initial=1h"))
    ok(server.cli("recv", "bob", "--nack", "not now"))
    assert server.cli("recv", "bob").returncode == 3  # for an hour
    ok(server.cli("mailbox", "carol", "--retry", "attempts=1"))
    ok(server.cli("send", "carol", "y"))
    ok(server.cli("recv", "carol", "--nack", "not now"))
    assert [d["reason"] for d in lines(server.cli("dead", "list", "--json"))] == ["max_deliveries"]


def test_X5_a_message_nobody_has_had_can_be_taken_back(server):
    id = ok(server.cli("send", "bob", "x")).split()[0]
    assert "cancelled" in ok(server.cli("cancel", id))
    assert server.cli("recv", "bob").returncode == 3
    assert server.cli("cancel", id).returncode == 1 and server.cli("cancel", "nonsense").returncode == 2
    assert "cancelled" in ok(server.cli("receipts", id))


def test_X5_a_scheduled_message_comes_again_and_again(server):
    ok(server.cli("schedule", "add", "tick", "bob", "still there", "--every", "100ms", "--priority", "high"))
    assert json.loads(ok(server.cli("recv", "bob", "--wait", "20s", "--json")))["priority"] == 3
    ok(server.cli("recv", "bob", "--wait", "20s"))
    [one] = lines(server.cli("schedule", "list", "--json"))
    assert one["name"] == "tick" and one["every_ms"] == 100 and one["fired"] >= 2
    assert ok(server.cli("schedule", "list")).startswith("tick  every 100ms  next ")
    ok(server.cli("schedule", "remove", "tick"))
    assert ok(server.cli("schedule", "list")) == "" and server.cli("schedule", "remove", "tick").returncode == 1
    ok(server.cli("schedule", "add", "nightly", "bob", "sweep", "--cron", "0 3 * * *"))
    assert "0 3 * * *" in ok(server.cli("schedule", "list"))


def test_X15_a_conversation_sums_up_its_costs(server):
    body = {"to": "bob", "content": "x", "conversation": "c1", "metadata": {"cost_tokens": 100, "cost_money": 0.5}}
    for _ in range(2):
        request = urllib.request.Request(f"http://{server.address}/api/messages",
                                         json.dumps(body).encode(), {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=20).read()
    cost = json.loads(ok(server.cli("conversation", "cost", "c1", "--json")))
    assert cost == {"conversation": "c1", "messages": 2, "tokens": 200, "money": 1}
    assert "200 tokens" in ok(server.cli("conversation", "cost", "c1"))
    assert server.cli("conversation", "cost", "nobody").returncode == 1


def test_A5_a_command_goes_to_an_agent_with_its_parameters(server):
    agent = server.cli_start("reply", "deployer", "--exec", "cat")
    wait_for(lambda: consumers(server, "deployer") == 1)
    got = json.loads(ok(server.cli("command", "deployer", "deploy", "change=12", "name=x", "dry=true")))
    assert got == {"command": "deploy", "parameters": {"change": 12, "name": "x", "dry": True}}
    stop(agent)


def test_A5_a_command_shows_its_statuses_before_its_result(server, connect):
    worker = connect("deployer")
    worker.consume("deployer", credit=2)
    for json_wanted in (False, True):
        asking = server.cli_start("command", "deployer", "deploy", *(["--json"] if json_wanted else []))
        to = worker.delivery(timeout=30).fields["reply_to"]
        worker.publish("half way", to=to, type="status")
        worker.publish("deployed", to=to, type="response")
        out, err = asking.communicate(timeout=30)
        assert asking.returncode == 0
        if json_wanted:
            assert [json.loads(line)["type"] for line in out.splitlines()] == ["status", "response"]
        else:
            assert out == "deployed\n" and "deployer: half way" in err


def test_A4_a_request_to_several_waits_for_as_many_as_are_needed(server):
    agents = [server.cli_start("reply", name, "--exec", f"echo {name} agrees") for name in ("a", "b")]
    for name in ("a", "b"):
        wait_for(lambda name=name: consumers(server, name) == 1)
    assert sorted(ok(server.cli("request", "a", "ship?", "--also", "b")).splitlines()) == ["a: a agrees", "b: b agrees"]
    both = lines(
        server.cli("request", "a", "ship?", "--also", "b", "--also", "nobody", "--need", "2", "--json", "--timeout",
                   "25s"))
    assert sorted(one["recipient"] for one in both) == ["a", "b"]
    assert len(ok(server.cli("request", "a", "ship?", "--also", "b", "--need", "first")).splitlines()) >= 1
    short = server.cli("request", "a", "ship?", "--also", "nobody", "--timeout", "2s")
    assert short.returncode == 1 and "nobody" in short.stderr
    for agent in agents:
        stop(agent)


def test_X5_a_schedule_may_send_events(server):
    subscriber = server.cli_start("subscribe", "clock.*", "--count", "1", "--json")
    wait_for(lambda: json.loads(ok(server.cli("stats", "--json")))["subscriptions"] == 1)
    ok(server.cli("schedule", "add", "tick", "clock.minute", "beat", "--topic", "--every", "100ms"))
    event = json.loads(subscriber.communicate(timeout=20)[0])
    assert (event["topic"], event["content"], event["type"]) == ("clock.minute", "beat", "event")


@pytest.mark.parametrize("option, encoding", [("--compress", "zstd"), ("--compress=zstd", "zstd"),
                                              ("--compress=gzip", "gzip")])
def test_A15_contents_can_be_sent_compressed(server, connect, option, encoding):
    text = "many words " * 1000
    for mailbox in ("bob", "raw"):
        ok(server.cli("send", mailbox, "-", option, stdin=text))
    assert ok(server.cli("recv", "bob", "--raw")) == text
    [packed] = connect("raw").receive("raw")
    assert packed.fields["encoding"] == encoding


def test_A1_an_empty_file_is_an_empty_message(server, tmp_path):
    (tmp_path / "empty").touch()
    ok(server.cli("send", "bob", "--file", str(tmp_path / "empty")))
    assert json.loads(ok(server.cli("recv", "bob", "--json")))["content"] == ""


def test_A24_a_routed_message_is_told_without_a_name(server):
    ok(server.cli("route", "add", "all", "bob"))
    assert "queued for the mailbox that a route chose: never seen" in ok(server.cli("send", "", "x"))


def test_X5_reply_hands_on_what_comes_out_and_settles_in_one_fact(server):
    step = server.cli_start("reply", "scan", "--exec", "tr a-z A-Z", "--to", "archive", "--to", "index")
    wait_for(lambda: consumers(server, "scan") == 1)
    id = ok(server.cli("--as", "boss", "send", "scan", "words", "--conversation", "c")).split()[0]
    for mailbox in ("archive", "index"):
        got = json.loads(ok(server.cli("recv", mailbox, "--wait", "20s", "--json")))
        assert (got["content"], got["cause"], got["hops"], got["from"], got["conversation"]) == ("WORDS", id, 1, "scan",
                                                                                                 "c")
    assert "acknowledged" in ok(server.cli("receipts", id))
    assert server.cli("recv", "boss").returncode == 3  # whoever asked is not answered as well
    stop(step)


def test_X5_A4_the_last_step_of_a_pipeline_answers_whoever_asked(server):
    steps = [
        server.cli_start("reply", "upper", "--exec", "tr a-z A-Z", "--to", "reverse"),
        server.cli_start("reply", "reverse", "--exec", "rev")
    ]
    wait_for(lambda: consumers(server, "upper") == 1 and consumers(server, "reverse") == 1)
    assert ok(server.cli("request", "upper", "abc", "--mode", "at_least_once")).strip() == "CBA"
    for step in steps:
        stop(step)


def test_X5_A10_what_cannot_be_handed_on_is_tried_again(server):
    ok(server.cli("mailbox", "full", "--max-messages", "1"))
    ok(server.cli("send", "full", "x"))
    step = server.cli_start("reply", "scan", "--exec", "cat", "--to", "full")
    wait_for(lambda: consumers(server, "scan") == 1)
    ok(server.cli("send", "scan", "words", "--retry", "attempts=50,backoff=fixed,initial=200ms"))
    time.sleep(0.5)
    assert ok(server.cli("recv", "full", "--raw")) == "x"
    assert ok(server.cli("recv", "full", "--wait", "20s", "--raw")) == "words"
    stop(step)


def test_A5_the_command_of_a_reply_ends_when_it_is_wanted_no_more(server, tmp_path):
    started, ended = tmp_path / "started", tmp_path / "ended"
    script = f"trap 'touch {ended}; exit 1' TERM; touch {started}; sleep 60 & wait"
    worker = server.cli_start("reply", "worker", "--exec", script)
    wait_for(lambda: consumers(server, "worker") == 1)
    for signal_or_timeout in ("signal", "timeout"):
        asking = server.cli_start("command", "worker", "build", "--timeout",
                                  "50s" if signal_or_timeout == "signal" else "1s")
        wait_for(started.exists)
        if signal_or_timeout == "signal":
            asking.send_signal(signal.SIGINT)
        asking.communicate(timeout=20)
        assert asking.returncode == (1 if signal_or_timeout == "signal" else 4)
        wait_for(ended.exists)
        started.unlink()
        ended.unlink()
    stop(worker)


def test_X15_metadata_is_json_where_it_can_be(server):
    ok(
        server.cli("send", "bob", "x", "--conversation", "c", "--meta", "cost_tokens=120", "--meta", "branch=main",
                   "--meta", "tags=[1,\"a\"]", "--meta", "id=007"))
    assert json.loads(ok(server.cli(
        "recv", "bob", "--json")))["metadata"] == {"cost_tokens": 120, "branch": "main", "tags": [1, "a"], "id": "007"}
    assert "120 tokens" in ok(server.cli("conversation", "cost", "c"))
