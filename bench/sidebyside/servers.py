"""Starts and ends the servers that are compared: each on a free port of 127.0.0.1, with its data in a folder of its
own.

Settings are each server's defaults, but for what would drop messages or fork a rewrite in the middle of a run; they are
named in docs/benchmarks.md. A server is ended by the pid it was started with, never by name.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

START_SECONDS_MAX = 90
STOP_SECONDS_MAX = 60
RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"


class ServerError(Exception):
    """A server did not start, or ended by itself."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children_of(pid):
    """The process and all its descendants."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
            except (OSError, IndexError):
                pass  # it ended meanwhile
    found = [pid]
    for parent in found:
        found.extend(parents.get(parent, []))
    return found


class Server:
    """One peer's process. `load_peer` is the name folkmoot-load has for its protocol."""

    load_peer = ""
    package = ""
    library = ""    # the package of its C client

    def __init__(self, folder, core=None):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.core = core
        self.port = free_port()
        self.process = None

    def command(self):
        raise NotImplementedError

    def environment(self):
        return dict(os.environ)

    def start(self, wait=True):
        pin = (lambda: os.sched_setaffinity(0, {self.core})) if self.core is not None else None
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self.environment(), start_new_session=True, preexec_fn=pin)
        if wait:
            self.wait_until_open()
        return self

    def wait_until_open(self):
        end = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise ServerError(f"{self.command()[0]} ended at once:\n{self.log_tail()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise ServerError(f"{self.command()[0]} does not listen after {START_SECONDS_MAX} s:\n{self.log_tail()}")

    def log_tail(self):
        return "\n".join((self.folder / "server.log").read_text(errors="replace").splitlines()[-10:])

    @property
    def pid(self):
        return self.process.pid

    def address(self):
        return ["--port", str(self.port)]

    def end(self, how=signal.SIGTERM):
        """Ends it; returns the seconds that took. What does not end in time is killed."""
        if self.process is None or self.process.poll() is not None:
            return 0.0
        began = time.monotonic()
        self.signal(how)
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        return time.monotonic() - began

    def signal(self, how):
        os.kill(self.process.pid, how)

    def discard(self):
        self.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def disk_mib(self):
        return sum(f.stat().st_blocks * 512 for f in self.folder.rglob("*") if f.is_file()) / 2**20


class Nats(Server):
    load_peer = "nats"
    package = "nats-server"
    library = "libnats-dev"

    def command(self):
        return ["nats-server", "-a", "127.0.0.1", "-p", str(self.port)]


class JetStream(Nats):
    load_peer = "jetstream"

    def command(self):
        return super().command() + ["-js", "-sd", str(self.folder / "jetstream")]


class Redis(Server):
    load_peer = "redis"
    package = "redis-server"
    library = "libhiredis-dev"
    append = ["--appendonly", "no"]

    def command(self):
        return [
            "redis-server", "--port",
            str(self.port), "--bind", "127.0.0.1", "--dir",
            str(self.folder), "--save", "", "--auto-aof-rewrite-percentage", "0", "--client-output-buffer-limit",
            "pubsub 0 0 0", "--maxclients", "15000", "--loglevel", "warning", *self.append
        ]


class RedisAlways(Redis):
    append = ["--appendonly", "yes", "--appendfsync", "always"]


class RedisEverysec(Redis):
    append = ["--appendonly", "yes", "--appendfsync", "everysec"]


class RabbitMq(Server):
    load_peer = "rabbitmq"
    package = "rabbitmq-server"
    library = "librabbitmq-dev"

    def __init__(self, folder, core=None):
        super().__init__(folder, core)
        self.epmd_port = free_port()
        self.epmd = None
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nvm_memory_high_watermark.relative = 0.7\n")

    def command(self):
        return [RABBITMQ]

    def environment(self):
        where = str(self.folder)
        return dict(os.environ, HOME=where, RABBITMQ_NODENAME=f"compare{self.port}@localhost",
                    RABBITMQ_CONFIG_FILE=f"{where}/rabbitmq.conf", RABBITMQ_CONF_ENV_FILE="/dev/null",
                    RABBITMQ_MNESIA_BASE=f"{where}/mnesia", RABBITMQ_LOG_BASE=f"{where}/log",
                    RABBITMQ_ENABLED_PLUGINS_FILE=f"{where}/plugins", RABBITMQ_DIST_PORT=str(free_port()),
                    ERL_EPMD_PORT=str(self.epmd_port), ERL_EPMD_ADDRESS="127.0.0.1")

    def start(self, wait=True):
        # Erlang's port mapper would otherwise be started as a daemon that outlives the server.
        if self.epmd is None:
            self.epmd = subprocess.Popen(["epmd", "-port", str(self.epmd_port), "-address", "127.0.0.1"],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL, start_new_session=True)
        return super().start(wait)

    def signal(self, how):
        if how == signal.SIGKILL:
            os.killpg(self.process.pid, how)
            return
        # The start script would call rabbitmqctl; the virtual machine itself stops cleanly on SIGTERM.
        for pid in children_of(self.process.pid):
            try:
                if Path(f"/proc/{pid}/comm").read_text().startswith("beam"):
                    os.kill(pid, how)
                    return
            except OSError:
                pass
        os.killpg(self.process.pid, how)

    def discard(self):
        self.end(signal.SIGKILL)
        if self.epmd is not None:
            self.epmd.kill()
            self.epmd.wait()
        super().discard()


class Folkmoot(Server):
    load_peer = "folkmoot"
    program = "folkmoot"

    def command(self):
        return [str(self.program), "serve", "--data", str(self.folder / "data"), "--listen", f"127.0.0.1:{self.port}"]


class Before(Folkmoot):
    """An earlier program of folkmoot itself."""


class FolkmootUnix(Folkmoot):
    def address(self):
        return ["--unix", str(self.folder / "data" / "folkmoot.sock")]


class FolkmootHttp(Folkmoot):
    load_peer = "folkmoot-http"


class FolkmootWebSocket(Folkmoot):
    load_peer = "folkmoot-ws"


SERVERS = {
    "folkmoot": Folkmoot, "before": Before, "folkmoot-unix": FolkmootUnix, "folkmoot-http": FolkmootHttp,
    "folkmoot-ws": FolkmootWebSocket, "nats": Nats, "jetstream": JetStream, "redis": Redis, "redis-always": RedisAlways,
    "redis-everysec": RedisEverysec, "rabbitmq": RabbitMq
}
