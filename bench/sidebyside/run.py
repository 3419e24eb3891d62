"""Runs rows: one server at a time, in alternating rounds, and counts the sync calls of each durable server."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from .servers import SERVERS, ServerError, children_of

REFERENCES = ("tcp", "unix", "relay", "disk")
SYNC_CALLS = "fsync,fdatasync,sync_file_range,msync,sync,syncfs"
SYNC_MESSAGES = 20_000
SYNC_WINDOW = 1_000
LOAD_SECONDS_MAX = 180


class RunError(Exception):
    """One run did not give figures."""


class Runner:
    def __init__(self, load, library_load, scratch, quick, out=sys.stderr):
        self.load = str(load)
        self.library_load = str(library_load)
        self.scratch = Path(scratch)
        self.quick = quick
        self.out = out
        self.results = {}       # row -> peer -> list of figures
        self.failures = {}      # row -> peer -> last reason
        self.syncs = {}         # peer -> {"messages", "syncs", "calls"}
        self.began = time.monotonic()
        self.done = 0
        self.planned = 0
        self._folders = 0
        self._kept = {}         # servers that serve several rows of a round

    def run_rounds(self, plan, rounds):
        """`plan` is a list of (row, peer). RabbitMQ, slow to start, comes last in a round, with one start for its
        rows."""
        def rounds_of(row, peer):
            once = self.quick and (row.long or peer == "rabbitmq")
            return 1 if once else min(rounds, row.rounds_max.get(peer, rounds))

        self.planned = sum(rounds_of(row, peer) for row, peer in plan)
        for number in range(rounds):
            turn = [(row, peer) for row, peer in plan if number < rounds_of(row, peer)]
            quick_start = [entry for entry in turn if entry[1] != "rabbitmq"]
            rabbit = [entry for entry in turn if entry[1] == "rabbitmq"]
            if number % 2:
                quick_start = alternate(quick_start)
            for row, peer in quick_start + rabbit:
                self.run_one(row, peer, number + 1, rounds)
            if number + 1 == rounds:
                durable = dict.fromkeys(peer for row, peer in plan if row.synced)
                for peer in sorted(durable, key=lambda peer: peer != "rabbitmq"):  # it may still be up
                    self.count_syncs(peer)
            self.end_kept()

    def run_one(self, row, peer, number, rounds):
        self.done += 1
        elapsed = time.monotonic() - self.began
        print(f"[{self.done}/{self.planned}, {elapsed:.0f} s] round {number} of {rounds}: {row.title}: {peer} ... ",
              end="", file=self.out, flush=True)
        try:
            figures = self.measure(row, peer)
            self.results.setdefault(row.name, {}).setdefault(peer, []).append(figures)
            shown = [f"{column.title} {figures[column.key]:,.4g}" for column in row.columns if column.key in figures]
            print(", ".join(shown), file=self.out, flush=True)
        except (RunError, ServerError) as error:
            self.failures.setdefault(row.name, {})[peer] = str(error)
            print(f"failed: {error}", file=self.out, flush=True)

    def measure(self, row, peer):
        seconds = max(0.4, row.seconds * (0.5 if self.quick else 1))
        arguments = [str(a) for a in row.peer_arguments.get(peer, row.arguments)]
        if peer in REFERENCES:
            pin = [] if row.core is None else ["--pin", row.core]
            return self.run_load(peer, "--directory", self.scratch, "--seconds", seconds, *arguments, *pin)
        if row.workload == "backlog":
            return self.backlog(peer, row.arguments[0])
        keep = peer == "rabbitmq" and row.core is None
        server = self._kept.get(peer) or self.start(peer, row.core)
        if keep:
            self._kept[peer] = server
        try:
            pin = [] if row.core is None else ["--pin", row.core]
            return self.run_load(row.workload, *self.target(server), "--seconds", seconds, *arguments, *pin,
                                 program=self.library_load if row.library else None)
        except RunError:
            self._kept.pop(peer, None)
            keep = False
            raise
        finally:
            if not keep:
                self.stop(server)

    def backlog(self, peer, count):
        """Fill; kill -9 and restart; end cleanly and restart. A restart counts until a client is shown all messages."""
        self.end_kept()
        server = self.start(peer)
        try:
            figures = self.run_load("fill", *self.target(server), "--messages", count, "--window", 10_000)
            figures["disk_mib"] = server.disk_mib()
            time.sleep(1)  # a server that syncs each second has done it
            server.end(signal.SIGKILL)
            figures["kill_s"] = self.restart(server, count)
            figures["rss_restarted_mib"] = rss_mib(server.pid)
            figures["stop_s"] = server.end(signal.SIGTERM)
            figures["term_s"] = self.restart(server, count)
            return figures
        finally:
            self.stop(server)

    def restart(self, server, count):
        command = [self.load, "ready", "--peer", server.load_peer, *server.address(), "--messages", str(count)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as probe:
            try:
                time.sleep(0.1)
                began = time.monotonic_ns()
                server.start(wait=False)
                out, errors = probe.communicate(timeout=LOAD_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                raise RunError("it did not come back") from None
            finally:
                probe.kill()
        if probe.returncode != 0:
            raise RunError(errors.strip())
        return (json.loads(out)["ready_at_ns"] - began) / 1e9

    def count_syncs(self, peer):
        """Sync calls of a server while it confirms a known number of messages, in a run of its own."""
        print(f"[{time.monotonic() - self.began:.0f} s] sync calls: {peer} ... ", end="", file=self.out, flush=True)
        server = None
        try:
            server = self._kept.get(peer) or self.start(peer)
            report = self.scratch / f"syncs-{peer}"
            pids = [word for pid in children_of(server.pid) for word in ("-p", str(pid))]
            tracer = subprocess.Popen(["strace", "-f", "-c", "-o", report, "-e", f"trace={SYNC_CALLS}", *pids],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            time.sleep(1.0)  # until it is attached to all threads
            if tracer.poll() is not None:
                raise RunError("strace: " + tracer.stderr.read().decode(errors="replace").strip())
            try:
                self.run_load("fill", *self.target(server), "--messages", SYNC_MESSAGES, "--window", SYNC_WINDOW)
            finally:
                tracer.send_signal(signal.SIGINT)
                tracer.wait(30)
            calls = {}
            for line in report.read_text().splitlines():
                words = line.split()
                if len(words) >= 5 and words[-1] in SYNC_CALLS.split(","):
                    calls[words[-1]] = int(words[3])
            total = sum(calls.values())
            self.syncs[peer] = {"messages": SYNC_MESSAGES, "syncs": total, "calls": calls}
            print(f"{total} for {SYNC_MESSAGES:,} messages", file=self.out, flush=True)
        except (RunError, ServerError, OSError, subprocess.TimeoutExpired) as error:
            print(f"failed: {error}", file=self.out, flush=True)
        finally:
            if server is not None and peer not in self._kept:
                self.stop(server)

    def start(self, peer, core=None):
        self._folders += 1
        server = SERVERS[peer](self.scratch / f"{peer}-{self._folders}", core)
        try:
            return server.start()
        except BaseException as error:
            server.discard()
            if isinstance(error, (ServerError, OSError)):
                raise ServerError(f"{peer} does not start: {error}") from None
            raise  # interrupted

    def stop(self, server):
        server.end(signal.SIGTERM)
        server.discard()

    def end_kept(self):
        for server in self._kept.values():
            self.stop(server)
        self._kept.clear()

    def close(self):
        self.end_kept()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def target(self, server):
        return ["--peer", server.load_peer, *server.address(), "--server-pid", server.pid]

    def run_load(self, *arguments, program=None):
        command = [program or self.load, *map(str, arguments)]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_SECONDS_MAX, check=False)
        except subprocess.TimeoutExpired:
            raise RunError(f"no end after {LOAD_SECONDS_MAX} s: {' '.join(command)}") from None
        if ran.returncode != 0:
            raise RunError(ran.stderr.strip() or f"exit status {ran.returncode}")
        return json.loads(ran.stdout)


def alternate(entries):
    """The same rows in the same order, each row's peers the other way round: no peer always follows the same one."""
    rows = {}
    for row, peer in entries:
        rows.setdefault(row.name, []).insert(0, (row, peer))
    return [entry for peers in rows.values() for entry in peers]


def rss_mib(root):
    total = 0
    for pid in children_of(root):
        try:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
        except OSError:
            pass
    return total / 1024
