"""Data folders that earlier versions have written, as tests/journals/make.py has made them: opened by this one, which
answers what their own version did.
"""

import json
import re
import sys
from pathlib import Path

import pytest
from program import ROOT

JOURNALS = ROOT / "tests" / "journals"
sys.path.insert(0, str(JOURNALS))

import make  # noqa: E402


@pytest.fixture(params=sorted(path.stem for path in JOURNALS.glob("*.json")), name="old")
def old_folder(request, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    make.unpack((JOURNALS / f"{request.param}.tar.xz.base64").read_text(), data)
    return data, json.loads((JOURNALS / f"{request.param}.json").read_text())


def test_X3_a_folder_of_an_earlier_version_is_opened_as_it_was(old, make_server):
    data, expected = old
    server = make_server(*make.settings_of(data), data=data)
    assert make.look(server) == expected


def test_X3_it_has_facts_of_every_kind_that_there_was(old):
    names = (ROOT / "src" / "engine" / "fact_kind.hpp").read_text()
    kinds = {int(number) for number in re.findall(r"^  \w+ = (\d+),", names, re.MULTILINE)}
    data, _ = old
    assert make.kinds_in(data) <= kinds
    was_there = set(range(1, 18))
    if (data / "shards").exists():
        was_there.remove(11)  # made by copying forward: here only in the shard of the mailbox `noise`
    assert was_there <= make.kinds_in(data)


def test_X3_what_it_holds_survives_being_copied_forward_by_this_version(old, make_server):
    data, expected = old
    server = make_server(*make.settings_of(data), data=data)
    before = set(Path(data).rglob("*.segment"))
    make.make_noise(make.connect(server, "ann"), make.connect(server, "noisy"))
    assert before - set(Path(data).rglob("*.segment")), "the oldest of the shard that the noise is in"
    server.kill9()
    server.start()
    answer = make.look(server)
    for subject in ("dead", "schedules", "routes", "cost", "attempts"):
        assert answer[subject] == expected[subject]
    for name, mailbox in expected["mailboxes"].items():
        now = [[id, sender, content] for id, _, _, sender, content in answer["mailboxes"][name]["messages"]]
        assert now == [[id, sender, content] for id, _, _, sender, content in mailbox["messages"]]
