"""The command line against a real server: what a person or a script types, sees and gets back."""

import json
import re
import signal
import subprocess
import time

import pytest
from native import Client, message
from program import PROGRAM, environment

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
SUBCOMMANDS = [
    "serve", "send", "recv", "wait", "publish", "subscribe", "request", "reply", "receipts", "stats", "mailbox",
    "journal", "bench"
]


def ok(run):
    assert run.returncode == 0, (run.returncode, run.stdout, run.stderr)
    return run.stdout


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def consumers(server, mailbox):
    boxes = json.loads(ok(server.cli("stats", "--json")))["mailboxes"]
    return sum(box["consumers"] for box in boxes if box["name"] == mailbox)


def subscriptions(server):
    return json.loads(ok(server.cli("stats", "--json")))["subscriptions"]


@pytest.mark.parametrize("arguments",
                         [[], *[[name] for name in SUBCOMMANDS], ["journal", "verify"], ["journal", "info"],
                          ["journal", "new-key"]])
def test_help_is_there_and_ends_with_an_example(arguments):
    run = subprocess.run([PROGRAM, *arguments, "--help"], capture_output=True, text=True, env=environment())
    assert run.returncode == 0 and not run.stderr
    assert re.search(r"^Example:\n(  .*\n)+\s*$", run.stdout, re.M), run.stdout[-400:]


@pytest.mark.parametrize(
    "arguments",
    [[], ["sing"], ["send"], ["send", "bob"], ["recv", "bob", "--max", "0"], ["recv", "bob", "--wait", "soon"],
     ["send", "bob", "x", "--ttl", "-5s"], ["journal"], ["journal", "verify", "/no/such/folder"]])
def test_wrong_usage_exits_with_2(arguments):
    run = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, env=environment())
    assert run.returncode == 2 and run.stderr and not run.stdout, (run.returncode, run.stdout)


@pytest.mark.parametrize("arguments, says", [(["recv", ""], "AGENT: must not be empty"),
                                             (["wait", ""], "AGENT: must not be empty"),
                                             (["command", "dep", ""], "NAME: must not be empty"),
                                             (["request", "dep", "x", "--timeout", "0s"], "longer than 0"),
                                             (["command", "dep", "x", "--timeout", "0"], "longer than 0"),
                                             (["subscribe", "a", "--count", "0"], "1 or more"),
                                             (["dead", "list", "--limit", "-1"], "1 or more"),
                                             (["mailbox", "bob", "--max-messages", "many"], "1 or more"),
                                             (["send", "bob", "x", "--compress=zip"], "zstd or gzip"),
                                             (["send", "bob", "--lines", "-", "--key", "k"], "leave it out"),
                                             (["recv", "bob", "--delay", "1s"], "--nack")])
def test_wrong_usage_says_what_to_give(arguments, says):
    run = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, env=environment())
    assert run.returncode == 2 and says in run.stderr and len(run.stderr) < 200, run.stderr


def test_without_a_server_it_fails_soon_and_says_so(tmp_path):
    began = time.monotonic()
    run = subprocess.run([PROGRAM, "send", "bob", "x"], capture_output=True, text=True, cwd=tmp_path,
                         env=environment(FOLKMOOT_ADDRESS="127.0.0.1:1"), timeout=30)
    assert run.returncode == 5 and "127.0.0.1:1" in run.stderr and "running" in run.stderr
    assert time.monotonic() - began < 10


def test_X10_send_tells_what_is_known_of_the_recipient(server):
    assert re.fullmatch(rf"{UUID}  queued for bob: never seen, 1 unread\n", ok(server.cli("send", "bob", "one")))
    assert re.fullmatch(rf"{UUID}  queued for bob: never seen, 2 unread\n", ok(server.cli("send", "bob", "two")))
    ok(server.cli("recv", "bob"))
    assert re.fullmatch(rf"{UUID}  queued, 2 unread, last read .* ago\n", ok(server.cli("send", "bob", "three")))
    receipt = json.loads(ok(server.cli("send", "bob", "four", "--json")))
    assert receipt["unread"] == 3 and receipt["outcome"] == "queued" and receipt["last_read_age_ms"] >= 0
    assert re.fullmatch(rf"{UUID}  scheduled.*\n", ok(server.cli("send", "bob", "five", "--delay", "1h")))


def test_A7_recv_prints_acknowledges_and_is_empty_afterwards(server):
    ok(server.cli("--as", "alice", "send", "bob", "please look", "--priority", "high", "--type", "task"))
    assert re.fullmatch(rf"alice task high {UUID}\nplease look\n", ok(server.cli("recv", "bob")))
    empty = server.cli("recv", "bob")
    assert empty.returncode == 3 and not empty.stdout and "nothing" in empty.stderr


def test_X12_recv_without_ack_gives_back_when_it_ends(server):
    ok(server.cli("send", "bob", "x"))
    assert ok(server.cli("recv", "bob", "--no-ack", "--raw")) == "x"
    assert ok(server.cli("recv", "bob")).splitlines()[0].endswith("redelivered")


def test_A3_recv_waits_and_gives_up_in_time(server):
    began = time.monotonic()
    assert server.cli("recv", "bob", "--wait", "300ms").returncode == 3
    assert time.monotonic() - began > 0.25
    waiting = server.cli_start("recv", "bob", "--wait", "20s", "--raw")
    time.sleep(0.3)
    ok(server.cli("send", "bob", "at last"))
    assert waiting.communicate(timeout=10)[0] == "at last" and waiting.returncode == 0


def test_A1_M8_every_option_of_send_arrives(server):
    ok(
        server.cli("--as", "carol", "send", "bob", "-", "--type", "review", "--priority", "low", "--ttl", "2h", "--key",
                   "k1", "--conversation", "c1", "--correlation", "m0", "--reply-to", "carol", "--mode",
                   "at_least_once", "--meta", "a=1", "--meta", "b=x=y", "--content-type", "text/markdown",
                   stdin="# from stdin\nsecond line"))
    got = json.loads(ok(server.cli("recv", "bob", "--json")))
    for name, value in {
            "from": "carol", "to": "bob", "type": "review", "priority": 7, "ttl": 7_200_000, "key": "k1",
            "conversation": "c1", "correlation": "m0", "reply_to": "carol", "mode": "at_least_once",
            "metadata": {"a": 1, "b": "x=y"}, "content_type": "text/markdown", "content": "# from stdin\nsecond line"
    }.items():
        assert got[name] in ((7, "low") if name == "priority" else (value,)), (name, got)


def test_A3_recv_json_is_one_message_a_line_and_max_bounds_it(server):
    for number in range(5):
        ok(server.cli("send", "bob", f"line {number}\nmore"))
    lines = ok(server.cli("recv", "bob", "--json", "--max", "3")).splitlines()
    assert [json.loads(line)["content"] for line in lines] == [f"line {number}\nmore" for number in range(3)]
    assert len(ok(server.cli("recv", "bob", "--json", "--max", "100")).splitlines()) == 2


def test_binary_content_comes_through_unharmed(server):
    data = bytes(range(256)) * 100
    run = subprocess.run([PROGRAM, "send", "bob", "-"], input=data, capture_output=True,
                         env=environment(FOLKMOOT_ADDRESS=server.address))
    assert run.returncode == 0, run.stderr
    run = subprocess.run([PROGRAM, "recv", "bob", "--raw"], capture_output=True,
                         env=environment(FOLKMOOT_ADDRESS=server.address))
    assert run.stdout == data


def test_recv_follow_goes_on_until_it_is_stopped(server):
    follower = server.cli_start("recv", "bob", "--follow", "--raw")
    wait_for(lambda: consumers(server, "bob") == 1)
    for word in ("one\n", "two\n"):
        ok(server.cli("send", "bob", word))
    assert [follower.stdout.readline() for _ in range(2)] == ["one\n", "two\n"]
    follower.send_signal(signal.SIGINT)
    assert follower.communicate(timeout=10)[1] == "" and follower.returncode == 0
    assert server.cli("recv", "bob").returncode == 3


def test_A7_recv_follow_stopped_at_any_moment_has_acknowledged_what_it_printed(server, connect):
    """A signal between a message's print and its acknowledgement must not make it come again."""
    total = 2000
    connect("writer").publish_batch([message(f"{number}\n".encode(), to="bob") for number in range(total)])
    printed = 0
    for _ in range(8):
        follower = server.cli_start("recv", "bob", "--follow", "--raw")
        assert follower.stdout.readline() == f"{printed}\n"
        follower.send_signal(signal.SIGTERM)
        rest = follower.stdout.read()  # not communicate(), which forgets what readline() had read ahead
        assert follower.stderr.read() == "" and follower.wait(30) == 0
        printed += 1 + rest.count("\n")
        assert printed < total, "nothing is left to be interrupted at"
        wait_for(lambda: json.loads(ok(server.cli("wait", "bob", "--json")))["ready"] == total - printed)


def test_X11_wait_wakes_with_a_summary_and_takes_nothing(server):
    sleeper = server.cli_start("wait", "bob", "--timeout", "20s")
    time.sleep(0.3)
    assert sleeper.poll() is None
    ok(server.cli("send", "bob", "x", "--priority", "critical"))
    assert sleeper.communicate(
        timeout=10)[0] == "1 message for bob, the first of priority critical\n" and sleeper.returncode == 0
    assert json.loads(ok(server.cli("wait", "bob", "--json"))) == {"ready": 1, "first_priority": 1}
    ok(server.cli("recv", "bob"))
    gave_up = server.cli("wait", "bob", "--timeout", "200ms")
    assert gave_up.returncode == 4 and "bob" in gave_up.stderr


def test_wait_is_stopped_by_a_signal(server):
    for number in (signal.SIGINT, signal.SIGTERM):
        sleeper = server.cli_start("wait", "bob")
        time.sleep(0.3)
        sleeper.send_signal(number)
        sleeper.communicate(timeout=10)
        assert sleeper.returncode != 0


def test_A2_publish_reaches_a_subscriber(server):
    subscriber = server.cli_start("subscribe", "build.*", "--count", "2", "--json")
    wait_for(lambda: subscriptions(server) == 1)
    assert re.fullmatch(rf"{UUID}  sent to 1 subscription\n", ok(server.cli("publish", "build.done", "green")))
    assert ok(server.cli("publish", "test.done", "nobody")).endswith("sent to 0 subscriptions\n")
    ok(server.cli("publish", "build.failed", "red", "--meta", "change=12"))
    lines = subscriber.communicate(timeout=10)[0].splitlines()
    assert subscriber.returncode == 0
    events = [json.loads(line) for line in lines]
    assert [(e["topic"], e["content"]) for e in events] == [("build.done", "green"), ("build.failed", "red")]
    assert events[1]["metadata"] == {"change": 12}


def test_A4_request_and_reply_are_an_agent_in_one_line(server):
    agent = server.cli_start("reply", "analyst", "--exec", "wc -w")
    wait_for(lambda: consumers(server, "analyst") == 1)
    assert ok(server.cli("request", "analyst", "-", stdin="how many words are these\n")).strip() == "5"
    assert ok(server.cli("request", "analyst", "three small words")).strip() == "3"
    agent.send_signal(signal.SIGTERM)
    agent.communicate(timeout=10)
    assert agent.returncode == 0


def test_X19_request_and_reply_of_what_is_larger_than_a_message(server, tmp_path):
    """A question that goes by reference is fetched for the command."""
    large = tmp_path / "large.txt"
    large.write_text("word " * 500_000)
    agent = server.cli_start("reply", "analyst", "--exec", "wc -w")
    wait_for(lambda: consumers(server, "analyst") == 1)
    assert ok(server.cli("request", "analyst", "-", stdin=large.read_text())).strip() == "500000"
    ok(server.cli("--as", "bob", "send", "analyst", "--file", str(large), "--type", "task"))
    assert ok(server.cli("recv", "bob", "--wait", "20s", "--raw")).strip() == "500000"
    agent.terminate()
    agent.communicate(timeout=10)


def test_A4_a_reply_that_fails_is_an_error_answer(server):
    agent = server.cli_start("reply", "analyst", "--exec", "echo so far; exit 3")
    wait_for(lambda: consumers(server, "analyst") == 1)
    run = server.cli("request", "analyst", "x")
    assert run.returncode == 1 and not run.stdout and "so far" in run.stderr and "3" in run.stderr
    answer = server.cli("request", "analyst", "x", "--json")
    assert answer.returncode == 1 and json.loads(answer.stdout)["type"] == "error"
    agent.terminate()
    assert "the command ended with status 3" in (said := agent.communicate(timeout=10)[1]) and "internal" not in said


def test_A4_a_reply_may_run_in_parallel(server):
    agent = server.cli_start("reply", "slow", "--exec", "sleep 3; cat", "--parallel", "4")
    wait_for(lambda: consumers(server, "slow") == 1)
    began = time.monotonic()
    asking = [server.cli_start("request", "slow", f"{number}") for number in range(4)]
    assert [one.communicate(timeout=30)[0].strip() for one in asking] == ["0", "1", "2", "3"]
    assert time.monotonic() - began < 11  # one after the other takes 12 at least
    agent.terminate()
    agent.communicate(timeout=10)


def test_X12_a_reply_killed_at_work_leaves_its_task_to_the_next(server):
    agent = server.cli_start("reply", "worker", "--exec", "sleep 5")
    wait_for(lambda: consumers(server, "worker") == 1)
    ok(server.cli("--as", "boss", "send", "worker", "important"))
    box = lambda: json.loads(ok(server.cli("stats", "--mailbox", "worker", "--json")))["mailboxes"][0]  # noqa: E731
    wait_for(lambda: box()["leased"] == 1)
    agent.kill()
    agent.wait()
    wait_for(lambda: box()["ready"] == 1)
    second = server.cli_start("reply", "worker", "--exec", "tr a-z A-Z")
    assert "IMPORTANT" in ok(server.cli("recv", "boss", "--wait", "10s"))
    second.terminate()
    second.communicate(timeout=10)


def test_A4_a_request_nobody_answers_times_out(server):
    began = time.monotonic()
    run = server.cli("request", "nobody", "x", "--timeout", "300ms")
    assert run.returncode == 4 and run.stderr and not run.stdout
    assert time.monotonic() - began < 5


def test_X10_receipts_show_how_far_messages_are(server):
    id = ok(server.cli("send", "bob", "x")).split()[0]
    assert re.match(rf"{id}  queued  bob", ok(server.cli("receipts", id)))
    ok(server.cli("recv", "bob"))
    assert re.match(rf"{id}  acknowledged  bob  1 delivery", ok(server.cli("receipts", id)))
    got = [
        json.loads(line)
        for line in ok(server.cli("receipts", id, "00000000-0000-7000-8000-000000000000", "--json")).splitlines()
    ]
    assert [r["state"] for r in got] == ["acknowledged", "unknown"]
    assert server.cli("receipts", "nonsense").returncode == 2


def test_A3_a_mailbox_can_be_bounded(server):
    ok(server.cli("mailbox", "bob", "--max-messages", "1"))
    ok(server.cli("send", "bob", "x"))
    full = server.cli("send", "bob", "y")
    assert full.returncode == 1 and "full (1 of 1" in full.stderr and "mailbox.max_messages" in full.stderr
    ok(server.cli("mailbox", "bob", "--max-messages", "1", "--overflow", "drop_oldest"))
    ok(server.cli("send", "bob", "z"))
    assert ok(server.cli("recv", "bob", "--raw")) == "z"


def test_A3_what_a_mailbox_is_not_told_stays_and_reset_makes_it_the_servers(make_server):
    server = make_server("--set", "mailbox.overflow=drop_oldest")
    ok(server.cli("mailbox", "bob", "--max-messages", "2", "--overflow", "reject"))
    ok(server.cli("mailbox", "bob", "--max-messages", "1"))
    ok(server.cli("send", "bob", "x"))
    assert server.cli("send", "bob", "y").returncode == 1
    ok(server.cli("recv", "bob"))
    assert server.cli("mailbox", "bob", "--max-deliveries", "70000").returncode == 2
    ok(server.cli("mailbox", "bob", "--reset", "--max-messages", "1"))
    ok(server.cli("send", "bob", "x"))
    ok(server.cli("send", "bob", "y"))
    assert ok(server.cli("recv", "bob", "--raw")) == "y"


def test_A19_stats_are_readable_by_people_and_programs(server):
    ok(server.cli("send", "bob", "x"))
    text = ok(server.cli("stats"))
    assert re.search(r"^bob +1 +0 +0 +0 +0 +never$", text, re.M), text
    assert json.loads(ok(server.cli("stats", "--json")))["messages"]["published"] == 1


def test_it_finds_the_server_of_the_folder_it_stands_in(make_server, tmp_path):
    make_server(data=tmp_path / "folkmoot-data")
    run = subprocess.run([PROGRAM, "send", "bob", "x"], capture_output=True, text=True, cwd=tmp_path, env=environment())
    assert run.returncode == 0, run.stderr


def test_X3_the_journal_of_a_stopped_server_can_be_checked(server):
    for number in range(10):
        ok(server.cli("send", "bob", f"{number}"))
    server.terminate()
    verify = server.cli("journal", "verify", str(server.data))
    assert verify.returncode == 0 and "sound" in verify.stdout
    info = json.loads(ok(server.cli("journal", "info", str(server.data), "--json")))
    assert info["problems_total"] == 0 and info["clean_stop"] is True
    assert info["facts"] + sum(shard["facts"] for shard in info.get("shards", [])) >= 10

    segment = max((path for path in server.data.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    data = bytearray(segment.read_bytes())
    used = info["segments"][0]["used_bytes"]
    data[used // 2] ^= 1
    segment.write_bytes(data)
    verify = server.cli("journal", "verify", str(server.data))
    assert verify.returncode == 1 and "offset" in verify.stdout, verify


@pytest.mark.parametrize("word", ["verify", "info"])
def test_X3_a_folder_that_is_no_journal_is_not_called_sound(word, tmp_path):
    (tmp_path / "notes.txt").write_text("buy milk")
    for more in [], ["--json"]:
        run = subprocess.run(
            [PROGRAM, "journal", word, str(tmp_path), *more], capture_output=True, text=True, env=environment()
        )
        assert run.returncode == 1 and run.stdout == ""
        assert f"not_found: there is no journal in {tmp_path}" in run.stderr and "--data" in run.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt"]


def test_X20_a_folder_with_files_of_others_is_not_taken_for_a_data_folder(make_server, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for name in "b.txt", "a.txt", "folder-of-mine":
        (data / name).mkdir() if "." not in name else (data / name).touch()
    for shards in "1", "3":
        run = subprocess.run(
            [PROGRAM, "serve", "--data", str(data), "--listen", "127.0.0.1:0", "--set", f"shards={shards}"],
            capture_output=True,
            text=True,
            env=environment(),
            timeout=20,
        )
        assert run.returncode == 1
        assert "a.txt, b.txt, folder-of-mine in it are not folkmoot's" in run.stderr and "empty folder" in run.stderr
    assert sorted(path.name for path in data.iterdir()) == ["a.txt", "b.txt", "folder-of-mine"], "nothing was written"

    for name in "a.txt", "b.txt":
        (data / name).unlink()
    (data / "folder-of-mine").rename(data / "lost+found")
    (data / ".profile").touch()
    server = make_server(data=data)
    ok(server.cli("send", "bob", "x"))
    assert server.terminate() == 0
    (data / "core.4711").touch()
    server.start()
    assert ok(server.cli("recv", "bob", "--raw")) == "x"
    assert "in the data folder" in server.log() and "core.4711" in server.log(), "an old one is used, and it says so"


def test_the_bench_command_gives_figures_as_json(tmp_path):
    run = subprocess.run([PROGRAM, "bench", "pubsub", "--messages", "20000", "--json"], capture_output=True, text=True,
                         cwd=tmp_path, env=environment(), timeout=60)
    assert run.returncode == 0, run.stderr
    figures = json.loads(run.stdout.splitlines()[-1])
    assert figures and not list(tmp_path.iterdir())


def test_X3_messages_survive_a_kill_between_commands(server):
    id = ok(server.cli("send", "bob", "precious")).split()[0]
    server.kill9()
    server.start()
    got = json.loads(ok(server.cli("recv", "bob", "--json")))
    assert got["id"] == id and got["content"] == "precious"


def test_P3_a_client_that_follows_survives_a_restart_of_the_server(server):
    server.listen = server.address  # to come back where it was
    follower = server.cli_start("recv", "bob", "--follow", "--raw")
    wait_for(lambda: consumers(server, "bob") == 1)
    server.kill9()
    time.sleep(0.2)
    server.start()
    ok(server.cli("send", "bob", "still there\n"))
    assert follower.stdout.readline() == "still there\n"
    wait_for(lambda: json.loads(ok(server.cli("stats", "--json")))["leased"] == 0)  # acknowledged after it was printed
    follower.terminate()
    follower.communicate(timeout=10)
    client = Client(("127.0.0.1", server.port))
    assert client.receive("bob", wait_ms=100) == []
    client.close()
