"""Fixtures of the integration tests: the real program in a folder of its own, and connections to it."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from native import Client  # noqa: E402
from program import Server  # noqa: E402


def _finish(server):
    """A server must end cleanly when told to, having met nothing that it calls an error."""
    if server.process is None:
        return
    was_running = server.running()
    code = server.terminate()
    if was_running:
        assert code == 0, f"exit status {code}:\n{server.log()}"
    assert not server.error_lines(), "\n".join(server.error_lines())


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.has_failed = outcome.get_result().failed


@pytest.fixture
def make_server(tmp_path, request):
    """Makes servers, each with options of its own: make_server('--token', 'x'). A folder of theirs has 64 MiB and more
    for each shard: those of a test that passed are not kept."""
    servers = []

    def make(*arguments, data=None, **options):
        server = Server(data or tmp_path / f"data{len(servers)}", *arguments, **options)
        servers.append(server)
        return server

    yield make
    for server in servers:
        _finish(server)
    if not getattr(request.node, "has_failed", True):
        for server in servers:
            if tmp_path in server.data.parents:
                shutil.rmtree(server.data, ignore_errors=True)


@pytest.fixture
def server(make_server):
    return make_server()


@pytest.fixture
def connect(server):
    """Makes native connections: connect('agent') says HELLO under that name."""
    clients = []

    def make(agent=None, **options):
        client = Client(("127.0.0.1", server.port), agent=agent, **options)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()
