"""The real program, started on a free port over a temporary data folder: what the tests of this folder drive.

The program is FOLKMOOT_PROGRAM, else build/release/src/cli/folkmoot.
"""

import os
import re
import select
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SANITIZED = bool(os.environ.get("FOLKMOOT_SANITIZED"))  # a sanitizer's own memory and time say nothing about the server
PROGRAM = os.environ.get("FOLKMOOT_PROGRAM") or str(ROOT / "build/release/src/cli/folkmoot")
SETTINGS = os.environ.get("FOLKMOOT_TEST_SETTINGS",
                          "").split()  # KEY=VALUE for every server: the same tests, another setting
SHARDED = any(setting.startswith("shards=") for setting in SETTINGS)
# What was confirmed is there; but if another shard has decided it, a moment later (docs/delivery.md).
MOMENT_MS = 500 if SHARDED else 0
BANNER = re.compile(r"^folkmoot \S+  127\.0\.0\.1:(\d+) \(native, HTTP, WebSocket\)  data (\S.*?)(?:  .*)?$")
ERROR_LINE = re.compile(r"^\S+Z (?:error|critical) ")


def environment(**more):
    """This process's environment without settings of a folkmoot that happens to be in use here."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("FOLKMOOT_")}
    env.update(more)
    return env


class Server:
    """One data folder, and the server that runs on it when it runs."""

    def __init__(self, data, *arguments, wrapper=(), env=None, start=True, start_timeout=20):
        self.data = Path(data)
        self.socket = str(self.data / "folkmoot.sock")
        self.listen = "127.0.0.1:0"
        self.arguments = list(arguments)
        self.wrapper = list(wrapper)  # a command that runs the program
        self.env = environment(**(env or {}))
        self.start_timeout = start_timeout
        self.errors = self.data.parent / (self.data.name + ".stderr")
        self.process = None
        self.port = 0
        self.started_in = 0.0
        if start:
            self.start()

    @property
    def pid(self):
        return self.process.pid

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def running(self):
        return self.process is not None and self.process.poll() is None

    def start(self):
        """Returns once it says that it listens."""
        assert not self.running()
        settings = [word for setting in SETTINGS for word in ("--set", setting)]
        command = [
            *self.wrapper, PROGRAM, "serve", "--data",
            str(self.data), "--listen", self.listen, *settings, *self.arguments
        ]
        began = time.monotonic()
        with open(self.errors, "ab") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL,
                                            env=self.env)
        ready, _, _ = select.select([self.process.stdout], [], [], self.start_timeout)
        line = self.process.stdout.readline().decode() if ready else ""
        match = BANNER.match(line)
        if not match:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"no banner but {line!r} from {' '.join(command)}:\n{self.log()}")
        self.started_in = time.monotonic() - began
        self.port = int(match.group(1))
        return self

    def log(self):
        return self.errors.read_text(errors="replace") if self.errors.exists() else ""

    def error_lines(self):
        return [line for line in self.log().splitlines() if ERROR_LINE.search(line)]

    def _ended(self, timeout):
        code = self.process.wait(timeout)
        self.process.stdout.close()
        return code

    def kill9(self):
        if self.running():
            self.process.kill()
        self._ended(10)

    def terminate(self, timeout=20):
        """SIGTERM; returns the exit status."""
        if self.running():
            self.process.send_signal(signal.SIGTERM)
        return self._ended(timeout)

    def restart(self):
        assert self.terminate() == 0, self.log()
        return self.start()

    def rss(self):
        """Resident bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M).group(1)) * 1024

    def cli(self, *arguments, stdin=None, timeout=30, env=None):
        """Runs a subcommand against this server; returns the finished process with its output as text."""
        if arguments[0] == "recv" and MOMENT_MS and not {"--wait", "--follow"} & {*arguments}:
            arguments += ("--wait", f"{MOMENT_MS}ms")
        return subprocess.run([PROGRAM, *arguments], input=stdin, capture_output=True, text=True, timeout=timeout,
                              env=environment(FOLKMOOT_ADDRESS=self.address, **(env or {})),
                              **({"stdin": subprocess.DEVNULL} if stdin is None else {}))

    def cli_start(self, *arguments, **options):
        return subprocess.Popen([PROGRAM, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env=environment(FOLKMOOT_ADDRESS=self.address),
                                **options)
