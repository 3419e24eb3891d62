"""A page in a browser must not reach a server on loopback (docs/protocol.md, section 13)."""

import json
import socket

import pytest
from test_http import Http
from test_http_conformance import Connection, ask, message, post, request

EVIL = "evil.example"
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", KEY)
CHROME = ("User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
          "Safari/537.36")
OLD = ("User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
       "Version/15.6 Safari/605.1.15")
IMAGE = "Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
TAKE = "/api/messages?agent=victim&ack=true"


@pytest.fixture
def mail(server):
    """A message for `victim`; afterwards it is still there, untouched."""
    http = Http(server)
    _, sent = http("POST", "/api/messages", {"to": "victim", "content": "secret"})
    yield sent["id"]
    (got,) = http("GET", "/api/messages?agent=victim")[1]["messages"]
    assert (got["id"], got["delivery"]) == (sent["id"], 1)


# -- by a name of its own


@pytest.mark.parametrize("name", [
    EVIL, "127.0.0.1.evil.example", "localhost.evil.example", "localhostx", "xlocalhost", "evil.example.", "10.0.0.1",
    "0.0.0.0", "[::2]", "[fe80::1]", "2130706433", "127.1", "0x7f.0.0.1"
])
def test_a_page_whose_name_points_here_gets_nothing(server, mail, name):
    host = f"{name}:{server.port}"
    origin = f"Origin: http://{host}"
    body = message(to="victim")
    for fields in ([origin], [origin, "Sec-Fetch-Site: same-origin"], []):
        for text in (request("GET", TAKE, *fields, host=host),
                     request("GET", "/health", *fields, host=host),
                     request("GET", "/metrics", *fields, host=host),
                     post(body, f"Content-Length: {len(body)}", "Content-Type: application/json", *fields, host=host),
                     request("OPTIONS", "/api/messages", *fields, host=host),
                     request("GET", "/ws?agent=victim", *UPGRADE, *fields, host=host),
                     request("GET", f"http://{host}{TAKE}", *fields),
                     request("GET", TAKE, *fields, host=host, version="1.0")):
            answer = ask(server, text)
            assert answer.status == 421, text
            assert name.lower() in answer.json()["error"] and "http.hosts" in answer.json()["advice"]


def test_the_server_is_known_by_its_addresses_and_localhost(server):
    for host in ("localhost", "LocalHost", "agents.localhost", "127.0.0.1", "127.8.9.10", "[::1]", "[0:0:0:0:0:0:0:1]"):
        for port in ("", f":{server.port}", ":1"):  # a tunnel may have another port
            assert ask(server, request(host=host + port)).status == 200, host
    assert ask(server, request(host=None, version="1.0")).status == 200


def test_and_by_the_address_that_a_connection_came_in_at(make_server):
    server = make_server(start=False)
    server.listen = "0.0.0.0:0"
    server.arguments += ["--token", "secret"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address = probe.getsockname()[0]
    from program import BANNER  # noqa: PLC0415
    import program  # noqa: PLC0415
    import re  # noqa: PLC0415
    program.BANNER = re.compile(BANNER.pattern.replace(r"127\.0\.0\.1", r"0\.0\.0\.0"))
    try:
        server.start()
    finally:
        program.BANNER = BANNER
    with socket.create_connection((address, server.port), timeout=20) as raw:
        for host, status in ((address, 401), (EVIL, 421)):
            raw.sendall(request(host=f"{host}:{server.port}").encode())
            assert raw.recv(65536).split()[1] == str(status).encode()


def test_and_as_it_is_told(make_server):
    server = make_server("--set", "http.hosts=bus.example,Folkmoot")
    for host, status in (("bus.example", 200), ("BUS.example:80", 200), ("folkmoot", 200), ("localhost", 200),
                         (EVIL, 421), ("x.bus.example", 421)):
        assert ask(server, request(host=host)).status == status, host
    assert ask(make_server("--set", "http.hosts=*"), request(host=EVIL)).status == 200


def test_over_the_unix_socket_any_name_will_do(server):
    with Connection(server, unix=True) as connection:
        assert connection.send(request(host=EVIL)).answer().status == 200


# -- by requests that browsers send without asking


@pytest.mark.parametrize(
    "fields",
    [
        [
            CHROME, IMAGE, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image",
            f"Referer: http://{EVIL}/"
        ],
        [CHROME, IMAGE, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"],
        ["User-Agent: strange", "Sec-Fetch-Site: cross-site"],
        [CHROME, "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors"],
        [
            CHROME, "Accept: text/html", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: document", "Sec-Fetch-User: ?1"
        ],
        [CHROME, "Accept: text/html", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Purpose: prefetch"],
        [OLD, IMAGE],
        [OLD, IMAGE, f"Referer: http://{EVIL}/page?x"],
        ["User-Agent: reader/1.0", f"Referer: https://{EVIL}/"],
        [f"Origin: http://{EVIL}"],
        ["Origin: null"],
        [CHROME, "Origin: null", "Sec-Fetch-Site: cross-site"],
        # Fields that a page may send as it likes prove nothing.
        [OLD, "Accept: application/json", "Accept-Language: de", "Content-Language: de"],
        [OLD, "Content-Type: text/plain"],
    ],
    ids=range(14))
@pytest.mark.parametrize(
    "path",
    [TAKE, "/api/messages?agent=victim", "/api/messages?agent=victim&wait=1s&lease=1h", f"http://localhost{TAKE}"])
def test_what_a_page_sends_without_asking_takes_nothing(server, mail, fields, path):
    assert ask(server, request("GET", path, *fields, host=server.address)).status == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize(
    "fields", [[CHROME, f"Origin: http://{EVIL}", "Sec-Fetch-Site: cross-site"], [CHROME, "Sec-Fetch-Site: cross-site"],
               [OLD, f"Referer: http://{EVIL}/"], [OLD, "Origin: null"], [OLD]], ids=range(5))
def test_nor_do_its_forms_change_anything(server, mail, kind, fields):
    for target, body in (("/api/messages", message(to="victim")),
                         ("/api/requests", json.dumps({"to": "victim", "message": {}})),
                         ("/api/call/dead.purge", json.dumps({"all": True})),
                         ("/api/content", "x"), ("/message", message(to="victim"))):
        answer = ask(
            server,
            post(body, f"Content-Length: {len(body)}", f"Content-Type: {kind}", *fields, target=target,
                 host=server.address))
        assert answer.status == 403, target


@pytest.mark.parametrize(
    "fields",
    [[CHROME, f"Origin: http://{EVIL}"], ["Origin: null"], [f"Origin: http://{EVIL}", "Sec-Fetch-Site: cross-site"],
     [f"Origin: http://127.0.0.1.{EVIL}"], ["Origin: http://localhost"], ["Origin: http://127.0.0.1:1"]], ids=range(6))
def test_nor_does_it_open_a_websocket(server, fields):
    assert ask(server, request("GET", "/ws?agent=victim", *UPGRADE, *fields, host=server.address)).status == 403


def test_what_only_reads_may_be_looked_at_in_a_browser(server):
    for target in ("/health", "/metrics", "/api/dead", "/openapi.json"):
        for site in ("none", "cross-site"):
            assert ask(
                server,
                request("GET", target, CHROME, f"Sec-Fetch-Site: {site}", "Sec-Fetch-Mode: navigate",
                        host=server.address)).status == 200


def test_pages_of_the_server_itself_may_do_all(server):
    own = [CHROME, f"Origin: http://{server.address}", "Sec-Fetch-Site: same-origin"]
    body = message(to="a")
    for fields in (own, own[:2], own[::2], [OLD, f"Referer: http://{server.address}/page"]):
        assert ask(server, post(body, f"Content-Length: {len(body)}", *fields, host=server.address)).status == 201
        assert len(
            ask(server, request("GET", "/api/messages?agent=a&ack=true&wait=1s", *fields,
                                host=server.address)).json()["messages"]) == 1
    with Connection(server) as connection:
        connection.send(request("GET", "/ws", *UPGRADE, *own, host=server.address))
        assert connection.socket.recv(65536).startswith(b"HTTP/1.1 101 ")


def test_pages_that_the_server_is_told_of_may_too(make_server):
    server = make_server("--set", "http.cors_origins=https://app.example")
    body = message(to="a")
    fields = [CHROME, "Origin: https://app.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors"]
    answer = ask(
        server,
        post(body, f"Content-Length: {len(body)}", "Content-Type: application/json", *fields, host=server.address))
    assert answer.status == 201 and answer["access-control-allow-origin"] == "https://app.example"
    answer = ask(server, request("GET", "/api/messages?agent=a&ack=true&wait=1s", *fields, host=server.address))
    assert len(answer.json()["messages"]) == 1
    preflight = ask(
        server,
        request("OPTIONS", "/api/messages", "Origin: https://app.example", "Access-Control-Request-Method: POST",
                host=server.address))
    assert preflight.status == 204 and "X-Agent" in preflight["access-control-allow-headers"]


# -- and whoever is no page goes on


AIOHTTP = ["Accept: */*", "Accept-Encoding: gzip, deflate", "User-Agent: Python/3.11 aiohttp/3.8.4"]


@pytest.mark.parametrize("token", ["", "key"])
def test_B5_a_client_that_polls_goes_on(make_server, token):
    """As the asyncio client of feature B5 does: it publishes, and asks again and again."""
    server = make_server(*(["--token", token] if token else []))
    fields = [f"Authorization: Bearer {token or 'None'}", *AIOHTTP]
    body = json.dumps({"to_agent_id": "claude", "message_type": "task", "content": {"q": 1}, "priority": 3})
    sent = ask(
        server,
        post(body, *fields, f"Content-Length: {len(body)}", "Content-Type: application/json", host=server.address))
    assert sent.status == 201 and sent.json()["id"]
    with Connection(server) as connection:
        for _ in range(3):  # looking takes nothing
            answer = connection.send(
                request("GET", "/api/messages?to_agent_id=claude&status=pending", *fields,
                        host=server.address)).answer()
            assert answer.status == 200 and [m["id"] for m in answer.json()] == [sent.json()["id"]]
        answer = connection.send(
            request("GET", "/api/messages?to_agent_id=claude&status=failed", *fields, host=server.address)).answer()
        assert answer.status == 200 and answer.json() == []


@pytest.mark.parametrize(
    "fields", [["User-Agent: curl/7.88.1", "Accept: */*"], [], AIOHTTP, ["User-Agent: Go-http-client/1.1"],
               ["User-Agent: python-requests/2.31.0"], [OLD, "X-Agent: me"], [OLD, "Authorization: Bearer x"]],
    ids=range(7))
def test_clients_that_are_no_browsers_take_their_mail(server, fields):
    body = message(to="me")
    assert ask(
        server,
        post(body, *fields, f"Content-Length: {len(body)}", "Content-Type: application/x-www-form-urlencoded",
             host=server.address)).status == 201
    answer = ask(server, request("GET", "/api/messages?agent=me&ack=true&wait=1s", *fields, host=server.address))
    assert answer.status == 200 and len(answer.json()["messages"]) == 1
