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


def dated(certs, folder, begins, ends, name="old"):
    """A certificate of the authority that is good from then till then (20200101000000Z)."""
    (folder / "index.txt").write_text("")
    (folder / "serial").write_text("77\n")
    (folder / "ca.conf").write_text(f"""
[ca]
default_ca = one
[one]
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
certificate = {certs.ca}
private_key = {certs.path('ca-key.pem')}
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
""")
    pair = folder / f"{name}.pem", folder / f"{name}-key.pem"
    asked = "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -addext subjectAltName=IP:127.0.0.1".split()
    signed = "ca -batch -notext -config ca.conf -in asked.csr".split()
    for words in (
        (*asked, "-keyout", pair[1], "-out", "asked.csr", "-subj", f"/CN={name}"),
        (*signed, "-out", pair[0], "-startdate", begins, "-enddate", ends),
    ):
        subprocess.run(["openssl", *map(str, words)], cwd=folder, check=True, capture_output=True, timeout=20)
    return pair


@pytest.fixture(scope="module")
def certs(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certs"))


class TlsClient(Client):
    """A native client that speaks TLS."""

    def __init__(self, server, context, agent=None, name="127.0.0.1", token=None):
        super().__init__(("127.0.0.1", server.port), hello=False)
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        self.hello(agent, token)


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
