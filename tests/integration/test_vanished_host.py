"""A host that vanishes without a word, with its agents on it: their leases come back (docs/operations.md, "Slow
clients").

The server and the agent live in a network name space of their own, whose network is taken down under them.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from native import Client

USER = [] if os.geteuid() == 0 else ["--map-root-user"]
SWITCH = """
import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", {flags}))  # SIOCSIFFLAGS
"""
UP, DOWN = SWITCH.format(flags=1), SWITCH.format(flags=0)
AGENT = """
import sys, time
from native import Client
bob = Client(("127.0.0.1", int(sys.argv[1])), agent="bob")
bob.consume("bob", credit=5)
print(bob.delivery(timeout=30).content.decode(), flush=True)
time.sleep(60)
"""


def own_network():
    """The command line that gives a program a network of its own."""
    return [
        "unshare", *USER, "--net", sys.executable, "-c", UP + "import os, sys\nos.execvp(sys.argv[1], sys.argv[1:])"
    ]


def within(server, script, *arguments):
    """The command line of a script in the server's network."""
    user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    return ["nsenter", f"--target={server.pid}", *user, "--net", sys.executable, "-B", "-c", script, *arguments]


def test_X12_a_vanished_hosts_leases_come_back_though_mail_is_on_its_way_to_it(make_server):
    if not shutil.which("unshare") or subprocess.run([*own_network(), "true"], capture_output=True).returncode != 0:
        pytest.skip("this machine lets us have no network name space")
    server = make_server("--set", "host_timeout=2s", wrapper=own_network())
    boss = Client(server.socket, agent="boss")
    boss.publish("held", to="bob")
    bob = subprocess.Popen(within(server, AGENT, str(server.port)), stdout=subprocess.PIPE, text=True,
                           cwd=Path(__file__).parent)
    try:
        assert bob.stdout.readline() == "held\n"
        subprocess.run(within(server, DOWN), check=True)
        boss.publish("on its way", to="bob")
        assert boss.stats("bob")["mailboxes"][0]["leased"] == 2
        deadline = time.monotonic() + 20
        while boss.stats("bob")["mailboxes"][0]["leased"] and time.monotonic() < deadline:
            time.sleep(0.1)
        waiting = boss.receive("bob", max=5)
        assert [(d.content, d.redelivered) for d in waiting] == [(b"held", True), (b"on its way", True)]
        assert "nothing was heard of its host" in server.log()
    finally:
        bob.kill()
        bob.wait()
        boss.close()
