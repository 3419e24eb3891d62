"""scripts/demo, as a new user runs it (with a program that is built already): a worker and the server are killed,
nothing is lost."""

import re
import subprocess
import time

from program import PROGRAM, ROOT, SANITIZED, environment

DEMO = str(ROOT / "scripts/demo")


def row(output, name):
    return re.search(rf"^  {name} +(\S.*)$", output, re.M).group(1)


def test_the_demo_loses_nothing_and_cleans_up(tmp_path):
    texts, scratch = tmp_path / "texts", tmp_path / "scratch"
    texts.mkdir()
    scratch.mkdir()
    words = "the quick brown fox jumps over the lazy dog and doesn't look back at all".split()
    for number in range(8):
        (texts / f"text-{number}").write_text("\n".join(
            " ".join(words[(i * 7 + number) % len(words)] for i in range(j, j + 9)) for j in range(0, 4500, 9)))
    began = time.monotonic()
    run = subprocess.run([DEMO, str(texts)], capture_output=True, text=True, timeout=150,
                         env=environment(FOLKMOOT_PROGRAM=PROGRAM, TMPDIR=str(scratch)))
    elapsed = time.monotonic() - began
    print(run.stdout, run.stderr)
    assert run.returncode == 0
    assert row(run.stdout, "tasks sent") == row(run.stdout, "done") == "600"
    assert row(run.stdout, "lost") == "0"
    assert int(row(run.stdout, "redelivered")) > 0  # both kills met work in hand
    assert row(run.stdout, "words counted by the team") == row(run.stdout, "words counted directly") == "36000"
    assert elapsed < 60 or SANITIZED
    assert run.stdout.count("KILL -9") == 2 and "observer" in run.stdout
    assert not list(scratch.iterdir()), "its temporary folder is left"
    left = subprocess.run(["pgrep", "-f", str(scratch)], capture_output=True, text=True).stdout
    assert not left, "it left processes"


def test_the_demo_refuses_what_is_no_folder():
    run = subprocess.run([DEMO, "/no/such/folder"], capture_output=True, text=True,
                         env=environment(FOLKMOOT_PROGRAM=PROGRAM))
    assert run.returncode == 2 and "/no/such/folder" in run.stderr
