"""'When something is wrong': what docs/troubleshooting.md quotes is what is printed.

The commands of each console block are typed into a shell, in the situation that SITUATIONS has for the heading above
it; where it has none, a server runs that is new. Lines that begin with a time are lines of the server's log. What
differs from run to run (ids, times, ...) is compared by its shape. `python3 tests/integration/test_troubleshooting.py`
writes the outputs into the page anew: read what has changed, and change what the page says of it.
"""

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from native import Client, Refused, message
from program import PROGRAM, ROOT, Server, environment
from test_cli import wait_for
from test_delivery_native import text_id
from webhook_endpoint import Endpoint

PAGE = ROOT / "docs/troubleshooting.md"
ERRORS = re.findall(r"^FOLKMOOT_ERROR\(\d+, (\w+),", (ROOT / "src/base/errors.def").read_text(), re.M)

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
VARIES = [(UUID, "ID"), (re.compile(r"(?<=127.0.0.1:)\d+(?=/mail)"), "PORT"),
          (TIME, "TIME"), (re.compile(r"\b\d+ ?(ms|s)\b"), "A WHILE"),
          (re.compile(r"(\"(?:uptime_ms|at)\":|process |connection |offset |did not read |more than )\d+"), r"\1N"),
          (re.compile(r"\d+( facts)"), r"N\1"), (re.compile(r"(?m)^(bytes|behind by)( +)\d+"), r"\1\2N")]
SECTION = re.compile(r"^### (.+)\n((?:(?!^##).*\n?)*)", re.M)
BLOCK = re.compile(r"(?<=^```console\n)(?:.*\n)*?(?=^```$)", re.M)


def shape(lines):
    text = "\n".join(lines)
    for what, stands_for in VARIES:
        text = what.sub(stands_for, text)
    return text.splitlines()


class Place:
    """A folder that somebody stands in, with a shell, and the server that runs there."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.server = None
        self.env = {"FOLKMOOT_LISTEN": "127.0.0.1:0"}  # so that no other server of this machine is in the way
        self.ids = {}  # what the ids of the page are here
        self.open = []  # what is to be closed in the end
        self.port = None  # that is meant by the page's 7470
        (self.folder / "bin").mkdir()
        (self.folder / "bin/folkmoot").symlink_to(Path(PROGRAM).resolve())

    def serve(self, *arguments, data="folkmoot-data", **options):
        self.server = Server(self.folder / data, *arguments, **options)
        self.port = self.server.port
        return self.server

    def client(self, agent):
        self.open.append(Client(("127.0.0.1", self.server.port), agent=agent))
        return self.open[-1]

    def as_on_the_page(self, text):
        text = text.replace(f"{self.folder}/", "").replace(f":{self.port}", ":7470")
        for there, here in self.ids.items():
            text = text.replace(here, there)
        return text

    def shell(self, command):
        """The lines it prints, on either stream."""
        env = environment(PATH=f"{self.folder}/bin:{os.environ['PATH']}", **self.env)
        run = subprocess.run(["bash", "-c", command], cwd=self.folder, env=env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        return self.as_on_the_page(run.stdout).splitlines()

    def type_in(self, command, shown):
        """The page's command, with the ids and the port that are meant here. `shown`: its output on the page."""
        command = UUID.sub(lambda match: self.ids.get(match.group(), match.group()), command)
        if self.port is not None:
            command = command.replace(":7470", f":{self.port}")
        lines = self.shell(command)
        for there, here in zip(UUID.findall("\n".join(shown)), UUID.findall("\n".join(lines))):
            self.ids.setdefault(there, here)
        return lines

    def in_log(self, wanted):
        """The line of the log that has this shape; nothing if none comes."""
        deadline = time.monotonic() + 10
        while True:
            for line in self.as_on_the_page(self.server.log()).splitlines():
                if shape([line]) == shape([wanted]):
                    return line
            if time.monotonic() > deadline:
                return None
            time.sleep(0.05)

    def leave(self):
        for each in self.open:
            each.close()
        if self.server is not None and self.server.process is not None:
            self.server.kill9()


SITUATIONS = {}
ID = "019ab3c0-4f1e-7d42-8a00-3c5d7e9f1a2b"  # on the page: of the message that the situation is about


def situation(heading):
    def keep(prepare):
        assert heading not in SITUATIONS
        SITUATIONS[heading] = prepare
        return prepare
    return keep


@situation("The port is in use")
def _(place):
    place.serve(data="other-data")


@situation("It wants a token")
@situation("There is no room to begin")
@situation("The log file cannot be opened")
def _(place):
    pass


@situation("A setting is wrong")
def _(place):
    (place.folder / "folkmoot.toml").write_text('[mailbox]\nmax_messages = "many"\n')


@situation("The data folder cannot be made")
def _(place):
    (place.folder / "notes.txt").touch()


@situation("The folder is not a data folder")
def _(place):
    (place.folder / "photos" / "2026").mkdir(parents=True)
    (place.folder / "photos" / "cat.jpg").touch()


@situation("The folder is a backup")
def _(place):
    server = place.serve()
    assert server.cli("backup", str(place.folder / "monday")).returncode == 0
    assert server.terminate() == 0


@situation("The journal is damaged")
def _(place):
    server = place.serve("--set", "journal.segment_bytes=64KiB")
    place.client("alice").publish_batch([message(b"x" * 1000, to="bob")] * 5)
    assert server.terminate() == 0
    segment = min(server.data.glob("*.segment"))
    data = bytearray(segment.read_bytes())
    data[data.index(b"x" * 1000)] ^= 1
    segment.write_bytes(data)


@situation("It was made with another number of shards")
def _(place):
    assert place.serve("--set", "shards=2").terminate() == 0


@situation("A shard is missing")
def _(place):
    server = place.serve("--set", "shards=2")
    assert server.terminate() == 0
    shutil.rmtree(server.data / "shard-1")
    place.env["FOLKMOOT_SHARDS"] = "2"


@situation("The server is not reachable")
def _(place):
    with socket.create_server(("127.0.0.1", 0)) as free:
        place.port = free.getsockname()[1]
    place.env["FOLKMOOT_ADDRESS"] = f"127.0.0.1:{place.port}"


@situation("The token is missing or wrong")
def _(place):
    place.serve(env={"FOLKMOOT_TOKEN": "open sesame"})


@situation("The key of an account is missing, wrong or not good any more")
def _(place):
    place.serve()
    place.shell("folkmoot account add root --role admin")


@situation("An account may not do it")
def _(place):
    place.serve()
    place.env["FOLKMOOT_TOKEN"] = place.shell("folkmoot account add root --role admin")[-1]
    place.env["FOLKMOOT_TOKEN"] = place.shell("folkmoot account add planner")[-1]


@situation("The mailbox is full")
def _(place):
    place.serve()
    place.shell("folkmoot mailbox bob --max-messages 1; folkmoot send bob one")


@situation("There is no room on the disk")
def _(place):
    place.serve("--set", "journal.segment_bytes=4MiB", "--set", "journal.bytes_max=20MiB")
    client = place.client("alice")
    for content in (bytes(20_000), b"small"):
        with pytest.raises(Refused, match="disk_full"):
            for _ in range(50_000):
                client.publish(content, to="bob")


@situation("A limit on loops stopped it")
def _(place):
    place.serve(env={"FOLKMOOT_GUARD_HOPS": "2"})
    client, cause = place.client("bob"), {}
    for _ in range(3):
        place.ids[ID] = text_id(client.publish("x", to="bob", **cause).id)
        (got,) = client.receive("bob")
        client.ack(got.lease)
        cause = {"cause": got.fields["id"]}


@situation("The sender wants no answer")
def _(place):
    place.serve()
    place.ids[ID] = text_id(place.client("alice").publish("thank you", to="bob", expects_reply=False).id)
    assert len(place.client("bob").receive("bob")) == 1  # and holds it


@situation("Nothing is there")
def _(place):
    place.serve()
    place.ids[ID] = text_id(place.client("alice").publish("hello", to="bob").id)
    assert len(place.client("worker").receive("bob")) == 1  # and holds it


@situation("It is a dead letter")
def _(place):
    place.serve()
    place.ids[ID] = text_id(place.client("alice").publish("hello", to="bob", content_type="text/plain").id)
    place.shell("folkmoot --as bob recv bob --reject 'not in my language'")


@situation("Its webhook does not get it")
def _(place):
    place.serve()
    endpoint = Endpoint()
    place.open.append(endpoint)
    endpoint.answer = lambda post: 410
    place.shell(f"folkmoot webhook set worker --url http://127.0.0.1:{endpoint.port}/mail; folkmoot send worker hello")
    wait_for(lambda: "disabled" in "".join(place.shell("folkmoot webhook show worker")))


@situation("Its agent is not woken")
def _(place):
    place.serve()
    place.shell("folkmoot wake set night-shift --how hook; folkmoot send night-shift hello")


@situation("The history does not go on")
def _(place):
    place.serve("--set", "history.store=sqlite")
    place.shell("folkmoot send bob hello")
    wait_for(lambda: "pending" in "".join(place.shell("folkmoot history find --to bob")))
    lock = sqlite3.connect(f"{place.server.data}/history.sqlite", isolation_level=None)
    place.open.append(lock)
    lock.execute("BEGIN IMMEDIATE")
    place.shell("folkmoot send bob again")
    wait_for(lambda: "problem" in "".join(place.shell("folkmoot history status")), seconds=30)


@situation("A message comes again and again")
def _(place):
    place.serve()
    place.ids[ID] = text_id(place.client("alice").publish("hello", to="bob", content_type="text/plain").id)
    place.shell("folkmoot --as bob recv bob --nack 'the database is down'")


@situation("A new message is called a duplicate")
def _(place):
    place.serve()
    place.shell("folkmoot send bob hello --key order-7")


@situation("A settlement is refused")
def _(place):
    place.serve()
    place.ids[ID] = text_id(place.client("alice").publish("hello", to="bob").id)


@situation("Connections are cut")
def _(place):
    place.serve("--set", "slow_consumer_timeout=200ms")
    slow = Client(("127.0.0.1", place.port), receive_buffer=4096)
    place.open.append(slow)
    slow.subscribe("flood")
    publisher = place.client("alice")
    while publisher.publish(bytes(256 * 1024), topic="flood").count:
        pass


@situation("No more connections are taken")
def _(place):
    place.serve(wrapper=["prlimit", "--nofile=128:128"])
    place.open += [socket.create_connection(("127.0.0.1", place.port)) for _ in range(200)]


@situation("Contents are missing")
def _(place):
    server = place.serve()
    (place.folder / "video.mp4").write_bytes(bytes(2_000_000))
    place.shell("folkmoot send editor --file video.mp4")
    assert server.terminate() == 0
    shutil.rmtree(server.data / "content")
    place.port = server.start().port


@situation("It stopped by itself")
def _(place):
    server = place.serve("--set", "journal.segment_bytes=64KiB")
    client = place.client("alice")
    shutil.rmtree(server.data)  # the next segment cannot be made
    with pytest.raises((Refused, OSError)):
        for _ in range(100):
            client.publish(bytes(20_000), to="bob")


@situation("It was killed, and says so")
def _(place):
    server = place.serve()
    place.client("alice").publish("hello", to="bob")
    server.kill9()
    place.port = server.start().port


def steps(block):
    """(command, lines it prints) of a console block; the command of a line of the log is empty."""
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif TIME.match(line):
            found.append(("", [line]))
        else:
            found[-1][1].append(line)
    return found


def carried_out(block, place):
    """The block as it is here."""
    lines = []
    for command, shown in steps(block):
        if command:
            lines += [f"$ {command}", *place.type_in(command, shown)]
        else:
            lines.append(place.in_log(shown[0]) or f"(no such line in the log)\n{place.server.log()}")
    return lines


def prepared(heading, folder):
    place = Place(folder)
    try:
        SITUATIONS.get(heading, Place.serve)(place)
    except BaseException:
        place.leave()
        raise
    return place


def sections():
    return [(heading, text) for heading, text in SECTION.findall(PAGE.read_text()) if BLOCK.search(text)]


@pytest.mark.parametrize("heading, text", [pytest.param(*section, id=section[0]) for section in sections()])
def test_what_the_page_quotes_is_printed(heading, text, tmp_path):
    place = prepared(heading, tmp_path)
    try:
        for block in BLOCK.findall(text):
            assert shape(carried_out(block, place)) == shape(block.splitlines())
    finally:
        place.leave()


def test_every_error_is_on_the_page():
    page = PAGE.read_text()
    assert [name for name in ERRORS if f"`{name}`" not in page] == []


def test_every_situation_is_on_the_page():
    assert SITUATIONS.keys() <= {heading for heading, _ in sections()}


def write_page():
    def written(section):
        heading, text = section.groups()
        if not BLOCK.search(text):
            return section.group()
        with tempfile.TemporaryDirectory() as folder:
            place = prepared(heading, folder)

            def output(block):
                lines, shown = carried_out(block.group(), place), block.group().splitlines()
                return block.group() if shape(lines) == shape(shown) else "\n".join([*lines, ""])

            try:
                return f"### {heading}\n{BLOCK.sub(output, text)}"
            finally:
                place.leave()

    PAGE.write_text(SECTION.sub(written, PAGE.read_text()))


if __name__ == "__main__":
    write_page()
