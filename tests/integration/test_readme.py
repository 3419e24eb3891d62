"""README's first conversation, typed as it stands into one shell, gives the output that README shows.

Only what differs from run to run is compared by shape: ids, the port (a free one here, so that no other server is in
the way).
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from program import PROGRAM, ROOT, environment

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
README = (ROOT / "README.md").read_text()
END = "--- end of output ---"


def conversation():
    """(command, output) pairs of all console blocks, in order."""
    pairs = []
    for block in re.findall(r"^```console\n(.*?)^```", README, re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                pairs.append((line[2:], []))
            else:
                pairs[-1][1].append(line)
    return pairs


def shape(lines, port):
    """Ids become numbers in the order they appear, so that the same id must come again where README has it again."""
    seen = {}
    text = UUID.sub(lambda match: f"<id {seen.setdefault(match.group(), len(seen))}>", "\n".join(lines))
    return re.sub(rf":(?:7470|{port})\b", ":PORT", text).splitlines()


def test_the_first_conversation_gives_the_output_shown(tmp_path):
    assert shutil.which("curl"), "README speaks HTTP with curl"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/folkmoot").symlink_to(Path(PROGRAM).resolve())
    pairs = conversation()
    assert len(pairs) > 8
    env = environment(PATH=f"{tmp_path}/bin:{os.environ['PATH']}", FOLKMOOT_LISTEN="127.0.0.1:0")
    shell = subprocess.Popen(["bash", "--norc", "-m"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True, cwd=tmp_path, env=env, start_new_session=True)

    too_long = threading.Timer(60, shell.kill)
    too_long.start()

    def type_in(command):
        # Not every output ends with a newline.
        shell.stdin.write(f"{command}\nprintf '\\n%s\\n' '{END}'\n")
        shell.stdin.flush()
        lines = []
        while (line := shell.stdout.readline()) != END + "\n":
            assert line, f"the shell ended at: {command}"
            lines.append(line.rstrip("\n"))
        return lines[:-1] if lines[-1] == "" else lines

    port, got, expected = None, [], []
    try:
        for command, shown in pairs:
            lines = type_in(command.replace("localhost:7470", f"localhost:{port}"))
            if command.startswith("folkmoot serve"):
                while not (lines := [line for line in lines if line]):  # it speaks while the shell goes on
                    lines = [shell.stdout.readline().rstrip("\n")]
                port = int(re.search(r":(\d+) ", lines[0]).group(1))
            got += [f"$ {command}", *lines]
            expected += [f"$ {command}", *shown]
    finally:
        too_long.cancel()
        shell.stdin.close()
        try:
            shell.wait(10)
        finally:
            try:
                os.killpg(shell.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
    assert shape(got, port) == shape(expected, port)


def test_U10_the_first_lines_may_be_pasted_at_once(tmp_path):
    """As most people do it: nobody waits for the server's line. It listens some hundred milliseconds later, and the
    agent is there later still."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/folkmoot").symlink_to(Path(PROGRAM).resolve())
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    pairs = conversation()[:3]
    assert [command.split()[1] for command, _ in pairs[:2]] == ["serve", "reply"] and pairs[2][1] == ["5"]
    env = environment(PATH=f"{tmp_path}/bin:{os.environ['PATH']}", FOLKMOOT_LISTEN=address, FOLKMOOT_ADDRESS=address)
    shell = subprocess.Popen(["bash", "--norc", "-m"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=env, start_new_session=True)
    try:
        lines = [command for command, _ in pairs]
        out, told = shell.communicate("\n".join([*lines, "kill %1 %2", "wait"]) + "\n", timeout=60)
    finally:
        try:
            os.killpg(shell.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    # The server's line is written when it listens, which is before the answer.
    assert [line[:8] for line in out.splitlines()] == ["folkmoot", "5"], (out, told)
    assert "connection_lost" not in told, told


def anchors(page):
    """What links within the page may name: its headings, as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))],
                         ids=lambda page: page.name)
def test_the_pages_that_a_page_names_are_there(page):
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(), flags=re.M | re.S)  # code has brackets too
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        named = page.parent / target if target else page
        assert named.exists(), target
        assert not anchor or anchor in anchors(named), f"{target}#{anchor}"
