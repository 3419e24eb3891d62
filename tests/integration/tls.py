"""What the tests of TLS share: an authority and its certificates, and clients that speak TLS."""

import contextlib
import http.client
import socket
import ssl
import subprocess

import pytest
from native import Client
from program import PROGRAM, environment


def cert(folder, *arguments):
    done = subprocess.run(
        [PROGRAM, "cert", *arguments], cwd=folder, capture_output=True, text=True, timeout=30, env=environment()
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Certificates:
    """An authority with certificates for the server, of the agent ann, and another authority."""

    def __init__(self, folder):
        self.folder = folder
        cert(folder, "init")
        cert(folder, "issue", "server", "--host", "localhost", "--host", "127.0.0.1")
        cert(folder, "issue", "elsewhere", "--host", "elsewhere.example")
        cert(folder, "issue", "ann", "--agent", "ann", "--key-type", "ed25519")
        cert(folder, "init", "--folder", "others", "--name", "another authority")
        cert(folder, "issue", "mallory", "--agent", "ann", "--folder", "others")
        self.ca = self.path("ca.pem")

    def path(self, name, folder="folkmoot-certs"):
        return str(self.folder / folder / name)

    def settings(self, name="server", **more):
        values = {"tls.certificate": self.path(f"{name}.pem"), "tls.key": self.path(f"{name}-key.pem")}
        values |= {key.replace("__", "."): value for key, value in more.items()}
        return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]

    def context(self, name=None, ca=None, folder="folkmoot-certs"):
        context = ssl.create_default_context(cafile=ca or self.ca)
        if name:
            context.load_cert_chain(self.path(f"{name}.pem", folder), self.path(f"{name}-key.pem", folder))
        return context


@pytest.fixture(scope="module")
def certs(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certs"))


class TlsClient(Client):
    """A native client that speaks TLS."""

    def __init__(self, server, context, agent=None, name="127.0.0.1"):
        super().__init__(("127.0.0.1", server.port), hello=False)
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        self.hello(agent, None)


def shell(server, certs, *arguments, address="127.0.0.1", **options):
    return server.cli("--server", f"tls://{address}:{server.port}", "--ca", certs.ca, *arguments, **options)


def https(server, certs, **options):
    return http.client.HTTPSConnection("127.0.0.1", server.port, context=certs.context(**options), timeout=15)


def get(server, certs, path="/health", **options):
    connection = https(server, certs, **options)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def raw(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=15)


def read_all(connection):
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while block := connection.recv(65536):
            got += block
    return got


def still_serves(server, certs):
    client = TlsClient(server, certs.context(), "check")
    client.publish("x", to="check")
    assert client.ack(*[d.lease for d in client.receive("check", max=100)]).settled == 1
    client.close()


def handshake_bytes(context):
    """A ClientHello, and the object that made it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    made = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with contextlib.suppress(ssl.SSLWantReadError):
        made.do_handshake()
    return outgoing.read(), made, incoming, outgoing
