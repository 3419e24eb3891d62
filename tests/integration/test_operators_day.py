"""An operator's day, in the commands that `folkmoot --help` lists, as they are typed: the new version on the old
one's folder; who is there, what is stuck and with whom; why a message died, and sending it again, changed; following it
to its end; a backup, the disk gone, and all of it back (docs/operations.md, docs/upgrade.md).

With FOLKMOOT_TEST_SETTINGS=shards=3 as well, on a folder that the earlier version had made for three shards.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from program import PROGRAM, ROOT, SETTINGS, SHARDED, Server, environment
from test_cli import wait_for

sys.path.insert(0, str(ROOT / "tests" / "journals"))

import make  # noqa: E402

OLD = ROOT / "tests" / "journals" / ("version_1_shards" if SHARDED else "version_1")


class Desk:
    """A folder that an operator sits in, with a shell."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.data = self.folder / "folkmoot-data"
        (self.folder / "bin").mkdir()
        (self.folder / "bin/folkmoot").symlink_to(Path(PROGRAM).resolve())
        self.env = environment(PATH=f"{self.folder}/bin:{os.environ['PATH']}")
        self.typed = []

    def __call__(self, command, status=0):
        """What is printed on stdout; on stderr, if it has to fail."""
        self.typed.append(command)
        run = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert run.returncode == status, (command, run.returncode, run.stdout, run.stderr)
        return run.stdout if status == 0 else run.stderr

    def json(self, command):
        return [json.loads(line) for line in self(f"{command} --json").splitlines()]


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def in_the_morning(desk, make_server, old):
    """The new version takes the place of the old one, whose server was stopped (docs/upgrade.md)."""
    desk.data.mkdir()
    make.unpack(OLD.with_suffix(".tar.xz.base64").read_text(), desk.data)
    desk("cp -a folkmoot-data before-the-upgrade")
    assert "sound" in desk("folkmoot journal verify folkmoot-data")
    server = make_server(*make.SETTINGS, data=desk.data)
    assert "folkmoot" in desk("folkmoot stats")
    assert dead_in(desk) == {one["id"] for one in old["dead"]}
    assert [one["name"] for one in desk.json("folkmoot schedule list")] == [one["name"] for one in old["schedules"]]
    assert not server.error_lines()
    return server


def dead_in(desk):
    return {one["id"] for one in desk.json("folkmoot dead list")}


def who_is_there_and_what_is_stuck(desk):
    desk('for page in 1 2 3; do folkmoot --as author send press "{\\"page\\":$page}"; done')
    stuck = json.loads(desk("folkmoot --as printer recv press --lease 1h --json"))["id"]
    (press,) = desk.json("folkmoot mailbox list --match press")
    assert (press["name"], press["ready"], press["leased"]) == ("press", 2, 1)
    assert "2 ready" in desk("folkmoot mailbox show press")
    (peeked,) = desk.json("folkmoot mailbox peek press --state leased")
    assert peeked["id"] == stuck and peeked["holder"] == "printer" and peeked["held_since"] > 0
    assert [(one["agent"], one["held"]) for one in desk.json("folkmoot connections --of printer")] == [("printer", 1)]


def why_it_died_and_what_came_of_it(desk):
    """Changed, sent again, and followed to its end. The id that died, and the one it has now."""
    before = dead_in(desk)
    desk('folkmoot --as printer recv press --reject "page 2 has no margin" > /dev/null')
    (dead,) = dead_in(desk) - before
    shown = desk(f"folkmoot dead show {dead}")
    assert all(word in shown for word in ("rejected", "page 2 has no margin", "printer", '"page":2')), shown
    (again,) = desk.json(f"folkmoot dead resubmit {dead} --to editor --set content.margin=20")
    desk("folkmoot wait editor --timeout 10s")
    assert json.loads(desk("folkmoot --as editor recv editor --raw --wait 10s")) == {"page": 2, "margin": 20}
    wait_for(lambda: "acknowledged" in desk(f"folkmoot trace {dead}"))
    followed = desk(f"folkmoot trace {dead}")
    assert all(word in followed for word in (again["id"], f"resent from {dead}", "editor")), followed
    return dead, again["id"]


def backed_up_lost_and_restored(desk, server):
    desk("folkmoot --as author send library --file bin/folkmoot")
    assert desk("folkmoot backup monday").startswith("ok: ")
    desk('folkmoot send press "after the backup"')
    server.kill9()
    shutil.rmtree(desk.data)
    assert desk("folkmoot restore monday folkmoot-data").startswith("ok: ")
    assert "sound" in desk("folkmoot journal verify folkmoot-data")
    server.start()


def test_X20_A11_X10_an_operators_day(desk, make_server):
    old = json.loads(OLD.with_suffix(".json").read_text())
    server = in_the_morning(desk, make_server, old)
    who_is_there_and_what_is_stuck(desk)
    dead, again = why_it_died_and_what_came_of_it(desk)
    backed_up_lost_and_restored(desk, server)

    # What was stuck is free again, and all the rest as it was.
    pages = desk.json("folkmoot recv press --max 10 --lease 1h" + (" --wait 1s" if SHARDED else ""))
    seen = sorted((json.loads(one["content"])["page"], one["redelivered"]) for one in pages)
    assert seen == [(1, True), (3, True)]
    assert again in desk(f"folkmoot trace {dead}")
    assert dead_in(desk) == {one["id"] for one in old["dead"]}
    desk("mkdir saved && folkmoot recv library --save saved > /dev/null")
    (fetched,) = (desk.folder / "saved").iterdir()
    assert fetched.read_bytes() == Path(PROGRAM).read_bytes()
    assert [one["name"] for one in desk.json("folkmoot schedule list")] == [one["name"] for one in old["schedules"]]

    # What was typed is what --help lists.
    commands = set(re.findall(r"^  (\w+) ", desk("folkmoot --help"), re.M))
    typed = {word for line in desk.typed for word in re.findall(r"folkmoot (?:--as \w+ )?([a-z]+)", line)}
    assert "backup" in typed and typed <= commands, typed - commands


def test_X20_the_way_back_is_the_copy_from_before_the_upgrade(desk, make_server):
    desk.data.mkdir()
    make.unpack(OLD.with_suffix(".tar.xz.base64").read_text(), desk.data)
    desk("cp -a folkmoot-data before-the-upgrade")
    server = make_server(*make.SETTINGS, data=desk.data)
    desk("folkmoot send press 'from the new version'")
    assert server.terminate() == 0
    desk("mv folkmoot-data new-version && mv before-the-upgrade folkmoot-data")
    server.start()
    assert make.look(server) == json.loads(OLD.with_suffix(".json").read_text())
