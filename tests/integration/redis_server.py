"""A Redis of the tests' own: in a temporary folder, on a free port of loopback, every write on disk before it is
answered; stopped at the end."""

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import redis
from postgres import free_port

PASSWORD = "not-to-be-told"


class Redis:
    def __init__(self):
        assert shutil.which("redis-server"), "redis-server is not installed: scripts/setup test"
        self.folder = Path(tempfile.mkdtemp(prefix="folkmoot-redis-"))
        self.port = free_port()
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/1"
        self.process = None
        self.start()

    def start(self):
        options = [
            "--port",
            self.port,
            "--bind",
            "127.0.0.1",
            "--dir",
            self.folder,
            "--requirepass",
            PASSWORD,
            "--save",
            "",
        ]
        options += ["--appendonly", "yes", "--appendfsync", "always"]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", *map(str, options)], stdout=log, stderr=log, cwd=self.folder
            )
        self.client = redis.Redis.from_url(self.url)
        end = time.monotonic() + 20
        while True:
            try:
                return self.client.ping()
            except redis.exceptions.ConnectionError:
                assert self.process.poll() is None and time.monotonic() < end, (self.folder / "log").read_text()
                time.sleep(0.05)

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(20)

    def close(self):
        if self.process and self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
