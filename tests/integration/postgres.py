"""A PostgreSQL of the tests' own: a cluster in a temporary folder, on a free port of loopback, stopped at the end."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), default=Path("/none"))
PASSWORD = "not-to-be-told"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    def __init__(self):
        assert (BINARIES / "postgres").exists(), "PostgreSQL is not installed: scripts/setup test"
        self.folder = Path(tempfile.mkdtemp(prefix="folkmoot-postgres-"))
        self.data = self.folder / "data"
        self.port = free_port()
        self.process = None
        # It refuses to be root.
        self.user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        password = self.folder / "password"
        password.write_text(PASSWORD)
        os.chmod(password, 0o644)
        self._run(
            BINARIES / "initdb",
            "-D",
            self.data,
            "-U",
            "folk",
            "-A",
            "scram-sha-256",
            "--pwfile",
            password,
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
        )
        self.start()

    def _as_user(self):
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}

    def _run(self, *command):
        done = subprocess.run(
            [*map(str, command)], capture_output=True, text=True, cwd=self.folder, timeout=60, **self._as_user()
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def url(self):
        return self.url_of("postgres")

    def url_of(self, database):
        return f"postgresql://folk:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [
                    str(BINARIES / "postgres"),
                    "-D",
                    str(self.data),
                    "-p",
                    str(self.port),
                    "-c",
                    "listen_addresses=127.0.0.1",
                    "-c",
                    f"unix_socket_directories={self.folder}",
                ],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self._as_user(),
            )
        end = time.monotonic() + 30
        while self._psql("SELECT 1", "postgres").returncode != 0:
            assert self.process.poll() is None and time.monotonic() < end, (self.folder / "log").read_text()
            time.sleep(0.05)

    def stop(self, how=signal.SIGINT):
        """SIGINT: it ends all connections and stops; SIGKILL: as in a crash."""
        self.process.send_signal(how)
        self.process.wait(30)
        end = time.monotonic() + 30
        while how == signal.SIGKILL and (self.data / "postmaster.pid").exists():  # its children see that, and end
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) != 0:
                    break
            assert time.monotonic() < end
            time.sleep(0.05)

    def close(self):
        if self.process and self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _psql(self, sql, database):
        env = {**os.environ, "PGPASSWORD": PASSWORD}
        return subprocess.run(
            [
                "psql",
                "-X",
                "-A",
                "-t",
                "-q",
                "-F",
                "\t",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
                "127.0.0.1",
                "-p",
                str(self.port),
                "-U",
                "folk",
                "-d",
                database,
                "-c",
                sql,
            ],
            capture_output=True,
            text=True,
            timeout=60,
            env=env,
        )

    def psql(self, sql, database="postgres"):
        """The rows that psql shows, as lists of texts."""
        done = self._psql(sql, database)
        assert done.returncode == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines()]
