"""What RFC 9110 (HTTP semantics) and RFC 9112 (HTTP/1.1) say that a server must refuse and must take, over raw sockets.

Each test names its section. Where a request ends must be understood in one way only (RFC 9112, section 11.2): what is
doubtful is refused and the connection closed, so that no part of one client's request is taken for another's.
"""

import email.utils
import hashlib
import json
import socket
import time

import pytest
from program import MOMENT_MS

TAKES_MAIL = "GET /api/messages?agent=victim&ack=true&wait=1s HTTP/1.1\r\nHost: localhost\r\n\r\n"
CONTENT = bytes(range(256)) * 40


class Answer:
    def __init__(self, status_line, fields, body):
        self.version, status, _, self.reason = status_line[:8], *status_line[9:].partition(" ")
        self.status = int(status)
        self.fields = fields
        self.body = body

    def __getitem__(self, name):
        """The one field of that name; None if there is none."""
        values = [value for field, value in self.fields if field == name.lower()]
        assert len(values) <= 1, (name, values)
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)


class Connection:
    def __init__(self, server, unix=False):
        self.socket = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        self.socket.settimeout(20)
        self.socket.connect(server.socket if unix else ("127.0.0.1", server.port))
        self.have = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, text):
        self.socket.sendall(text.encode("latin-1") if isinstance(text, str) else text)
        return self

    def _more(self):
        more = self.socket.recv(65536)
        self.have += more
        return more != b""

    def answer(self, to_head=False):
        """The next answer; None if the server has closed instead."""
        while b"\r\n\r\n" not in self.have:
            if not self._more():
                assert self.have == b"", self.have
                return None
        head, _, self.have = self.have.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        assert status_line[:9] in ("HTTP/1.1 ", "HTTP/1.0 "), status_line
        fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        answer = Answer(status_line, fields, b"")
        bodiless = to_head or answer.status < 200 or answer.status in (204, 304)
        length = 0 if bodiless else int(answer["content-length"])
        while len(self.have) < length:
            assert self._more(), "the answer breaks off"
        answer.body, self.have = self.have[:length], self.have[length:]
        return answer

    def is_closed(self):
        """True if nothing but the end comes."""
        return self.answer() is None

    def is_open(self):
        return self.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().status == 200


def request(method="GET", target="/health", *fields, version="1.1", host="localhost", body=""):
    lines = [f"{method} {target} HTTP/{version}", *([f"Host: {host}"] if host else []), *fields]
    return "\r\n".join(lines) + "\r\n\r\n" + body


def post(body, *fields, target="/api/messages", **options):
    return request("POST", target, *fields, body=body, **options)


@pytest.fixture
def raw(server):
    with Connection(server) as connection:
        yield connection


def ask(server, text, to_head=False):
    with Connection(server) as connection:
        return connection.send(text).answer(to_head)


def refused(server, text, *statuses):
    """It is answered with one of these, once, and then the connection is closed."""
    with Connection(server) as connection:
        answer = connection.send(text).answer()
        assert answer is not None, "closed without an answer"
        assert answer.status in statuses, (answer.status, answer.body)
        assert answer["connection"] == "close" and answer.json()["error"]
        assert connection.is_closed()
        return answer


def message(**fields):
    return json.dumps({"to": "box", "content": "x", **fields})


def chunked(*chunks):
    return "".join(f"{len(chunk):x}\r\n{chunk}\r\n" for chunk in chunks) + "0\r\n\r\n"


def received(server, agent="box"):
    return ask(server, request(target=f"/api/messages?agent={agent}&ack=true&wait={MOMENT_MS}ms")).json()["messages"]


def has_mail(server):
    assert ask(server, post(body := message(to="victim"), f"Content-Length: {len(body)}")).status == 201


def still_has_mail(server):
    assert len(received(server, "victim")) == 1


# -- RFC 9112, section 6: where a request ends

CODINGS = [
    "identity", "xchunked", "gzip", "chunked, identity", "", "chunked, chunked", "chunked;q=1", "\"chunked\"",
    "chunked,", ",chunked", "chun ked", "chunked\t x", "deflate, gzip", "gzip, chunked", "chunked\x0b", "trailers"
]


@pytest.mark.parametrize("coding", CODINGS)
def test_U4_9112_6_1_a_transfer_coding_that_is_not_chunked_alone_is_refused(server, coding):
    has_mail(server)
    refused(server, post(TAKES_MAIL, f"Transfer-Encoding: {coding}"), 400, 501)
    still_has_mail(server)


@pytest.mark.parametrize("coding", [*CODINGS, "chunked"])
@pytest.mark.parametrize("order", ["coding first", "length first"])
@pytest.mark.parametrize("length", ["0", "5", str(len(TAKES_MAIL))])
def test_U4_9112_6_3_transfer_encoding_beside_content_length_is_refused(server, coding, order, length):
    has_mail(server)
    fields = [f"Transfer-Encoding: {coding}", f"Content-Length: {length}"]
    refused(server, post("0\r\n\r\n" + TAKES_MAIL, *(fields if order == "coding first" else fields[::-1])), 400, 501)
    still_has_mail(server)


@pytest.mark.parametrize("fields", [["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
                                    ["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"],
                                    ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
                                    ["Transfer-Encoding:", "Transfer-Encoding: chunked"]])
def test_U4_9112_6_1_transfer_codings_over_several_fields_are_one_list(server, fields):
    has_mail(server)
    refused(server, post("0\r\n\r\n" + TAKES_MAIL, *fields), 400, 501)
    still_has_mail(server)


def test_U4_9112_6_1_transfer_encoding_is_not_for_http_1_0(server):
    has_mail(server)
    refused(server, post("0\r\n\r\n" + TAKES_MAIL, "Transfer-Encoding: chunked", "Connection: keep-alive",
                         version="1.0"), 400)
    still_has_mail(server)


def test_U4_9112_6_1_a_coding_that_is_not_known_is_not_implemented(server):
    refused(server, post(chunked(message()), "Transfer-Encoding: gzip, chunked"), 501)


@pytest.mark.parametrize("lengths",
                         [["5", "6"], ["5", "5"], ["5, 5"], ["5, 6"], ["-5"], ["+5"], ["0x5"], ["5.0"], ["5 5"], [""],
                          ["five"], ["18446744073709551621"], ["9" * 400], ["5;x"], ["\"5\""], ["5\x0b"]])
def test_U4_9112_6_3_a_content_length_that_is_not_one_number_is_refused(server, lengths):
    has_mail(server)
    refused(server, post("12345" + TAKES_MAIL, *[f"Content-Length: {length}" for length in lengths]), 400)
    still_has_mail(server)


@pytest.mark.parametrize("field", [
    "Transfer-Encoding : chunked", "Transfer-Encoding\t: chunked", " Transfer-Encoding: chunked", "Content-Length : 5",
    "X: y\r\n Transfer-Encoding: chunked", "X: y\r\n\tContent-Length: 5", "Transfer-Encoding: chunked\r\n ,identity",
    "Transfer-Encoding:\r\n chunked", "X: y\nContent-Length: 5", "X: y\rContent-Length: 5",
    "Transfer-Encoding: chun\0ked", "Transfer\0-Encoding: chunked", "Transfer-Encoding\xa0: chunked", ": chunked",
    "Content-Length", "Content-Length 5", "(X): y"
])
def test_U4_9112_5_fields_that_are_none_are_refused(server, field):
    """5.1: no blank before the colon. 5.2: no line folding. 2.2: no bare CR or LF."""
    has_mail(server)
    refused(server, post("0\r\n\r\n" + TAKES_MAIL, field), 400)
    still_has_mail(server)


def test_U4_9112_6_3_what_follows_the_body_is_the_next_request(raw):
    body = message()
    raw.send(post(body, f"Content-Length: {len(body)}") * 3 + post(chunked(body), "Transfer-Encoding: chunked") * 3)
    assert [raw.answer().status for _ in range(6)] == [201] * 6 and raw.is_open()


def test_U4_9112_6_3_without_either_there_is_no_body(raw):
    assert raw.send(request("DELETE", "/api/messages/5") + request()).answer().status == 400
    assert raw.answer().status == 200


def test_U4_9110_8_6_leading_zeros_are_a_number_still(server):
    body = message()
    assert ask(server, post(body, f"Content-Length: 000{len(body)}")).status == 201


# -- RFC 9112, section 7: chunks


@pytest.mark.parametrize("write", [
    lambda body: f"{len(body):X}\r\n{body}\r\n0\r\n\r\n",
    lambda body: f"000{len(body):x}\r\n{body}\r\n000\r\n\r\n",
    lambda body: chunked(*body),
    lambda body: f"{len(body):x};name=value;other=\"quoted; text\"\r\n{body}\r\n0;last\r\n\r\n",
    lambda body: f"{len(body):x} ; name = value\r\n{body}\r\n0\r\n\r\n",
    lambda body: f"{len(body):x}\r\n{body}\r\n0\r\nExpires: never\r\nX-Sum: 5\r\n\r\n",
], ids=["capitals", "zeros", "bytes", "extensions", "blanks", "trailers"])
def test_U4_9112_7_1_a_body_in_chunks_is_taken(server, write):
    body = message(content="in chunks")
    with Connection(server) as connection:
        assert connection.send(post(write(body), "Transfer-Encoding: Chunked")).answer().status == 201
        assert connection.is_open()
    assert [m["content"] for m in received(server)] == ["in chunks"]


def test_U4_9112_7_1_a_body_in_chunks_may_come_byte_by_byte(server):
    with Connection(server) as connection:
        for byte in post(chunked(message()[:7], message()[7:]), "Transfer-Encoding: chunked"):
            connection.send(byte)
        assert connection.answer().status == 201


def test_U4_9110_6_5_1_trailers_are_no_fields_of_the_header(server):
    body = message()
    trailers = ("0\r\nX-Agent: mallory\r\nOrigin: http://evil.example\r\nContent-Length: 5\r\n"
                "Transfer-Encoding: identity\r\n\r\n")
    with Connection(server) as connection:
        connection.send(post(f"{len(body):x}\r\n{body}\r\n{trailers}", "Transfer-Encoding: chunked", "X-Agent: alice"))
        assert connection.answer().status == 201 and connection.is_open()
    assert [m["from"] for m in received(server)] == ["alice"]


@pytest.mark.parametrize("body", [
    "", "\r\n", "x\r\n", "-1\r\n", "0x5\r\n", "+5\r\n12345\r\n", " 5\r\n12345\r\n0\r\n\r\n", "5 \r\n12345\r\n0\r\n\r\n",
    "5 x\r\n12345", "5\n12345\r\n0\r\n\r\n", "5\r12345", "5\r\n1234567", "5\r\n12345\n0\r\n\r\n", "5\r\n12345\rx",
    "5\r\n123450\r\n\r\n", "fffffffffffffffff\r\n", "0\r\nX: y\n\r\n", "0\r\n\rx", "0\r\nX\0: y\r\n\r\n",
    "5;\0\r\n12345\r\n0\r\n\r\n", "5;" + "x" * 20_000, "0\r\n" + "X: yyyyyyyyyy\r\n" * 2_000
])
def test_U4_9112_7_1_broken_chunks_are_refused(server, body):
    has_mail(server)
    with Connection(server) as connection:
        connection.send(post(body + TAKES_MAIL if body else "\r\n" + TAKES_MAIL, "Transfer-Encoding: chunked"))
        answer = connection.answer()
        assert answer.status == 400 and answer["connection"] == "close" and connection.is_closed()
    still_has_mail(server)


def test_U4_9112_7_1_a_body_that_breaks_off_is_no_message(server):
    """8: an incomplete request is not carried out."""
    for text in (post(message(), "Content-Length: 500"), post(f"ff\r\n{message()}", "Transfer-Encoding: chunked")):
        with Connection(server) as connection:
            connection.send(text).socket.shutdown(socket.SHUT_WR)
            assert connection.answer() is None
    assert received(server) == []


# -- RFC 9112, sections 2 and 3: the request line


@pytest.mark.parametrize("lines", ["\r\n", "\r\n\r\n"])
def test_U4_9112_2_2_empty_lines_before_a_request_are_passed_over(server, lines):
    with Connection(server) as connection:
        assert connection.send(lines + request()).answer().status == 200
        assert connection.send(lines + request() + lines + request()).answer().status == 200
        assert connection.answer().status == 200


def test_U4_9112_2_2_but_not_without_end(server):
    with Connection(server) as connection:
        assert connection.is_open()
        connection.send("\r\n" * 1000)
        assert connection.answer().status == 400 and connection.is_closed()


@pytest.mark.parametrize("line", [
    "GET", "GET /health", "GET  /health HTTP/1.1", "GET /health  HTTP/1.1", "GET /health HTTP/1.1 ",
    "GET\t/health HTTP/1.1", "GET /hea lth HTTP/1.1", "GET /health HTTP/1", "GET /health HTTP/1.1.1",
    "GET /health http/1.1", "GET /health HTTPS/1.1", "GET /health HTTP/01.1", "GET /health HTTP/1.x",
    "G(T /health HTTP/1.1", "GET health HTTP/1.1", "GET * HTTP/1.1", "GET /health\x7f HTTP/1.1",
    "GET /health HTTP/1.1\rX: y", "GET //[ HTTP/1.1\x0b", "GET localhost:80 HTTP/1.1", "GET http:/health HTTP/1.1",
    "GET http:///health HTTP/1.1", "GET http://a@localhost/health HTTP/1.1", "GET http://loc alhost/health HTTP/1.1",
    "GET http://localhost:x/health HTTP/1.1"
])
def test_U4_9112_3_request_lines_that_are_none_are_refused(server, line):
    refused(server, f"{line}\r\nHost: localhost\r\n\r\n", 400)


def test_U4_9112_2_2_a_line_that_ends_in_lf_alone_is_refused_at_once(server):
    with Connection(server) as connection:
        connection.send("GET /health HTTP/1.1\nHost: localhost\n")
        assert connection.answer().status == 400 and connection.is_closed()


def test_U4_9112_2_2_nothing_may_stand_between_the_request_line_and_the_fields(server):
    refused(server, "GET /health HTTP/1.1\r\n X: y\r\nHost: localhost\r\n\r\n", 400)


@pytest.mark.parametrize("version, status", [("2.0", 505), ("0.9", 505), ("9.9", 505), ("3.0", 505)])
def test_U4_9110_15_6_6_another_major_version_is_not_supported(server, version, status):
    refused(server, request(version=version), status)


@pytest.mark.parametrize("version", ["1.1", "1.2", "1.9"])
def test_U4_9110_2_5_a_newer_minor_version_is_taken_as_1_1(server, version):
    answer = ask(server, request(version=version))
    assert (answer.status, answer.version) == (200, "HTTP/1.1")


def test_U4_9112_9_3_http_1_0_closes_unless_it_is_asked_not_to(server):
    with Connection(server) as connection:
        answer = connection.send(request(version="1.0", host=None)).answer()
        assert (answer.status, answer.version) == (200, "HTTP/1.0") and connection.is_closed()
    with Connection(server) as connection:
        answer = connection.send(request("GET", "/health", "Connection: Keep-Alive", version="1.0")).answer()
        assert answer["connection"] == "keep-alive"
        assert connection.send(request(version="1.0")).answer().status == 200 and connection.is_closed()


@pytest.mark.parametrize("value", ["close", "Close", "foo, close", "keep-alive, close", "close,"])
def test_U4_9112_9_6_close_ends_the_connection_after_its_answer(server, value):
    with Connection(server) as connection:
        answer = connection.send(request("GET", "/health", f"Connection: {value}") + request()).answer()
        assert answer.status == 200 and answer["connection"] == "close" and connection.is_closed()


def test_U4_9112_9_3_a_connection_persists_otherwise(raw):
    for connection in ("keep-alive", "foo", "", "closed"):
        answer = raw.send(request("GET", "/health", f"Connection: {connection}")).answer()
        assert answer.status == 200 and answer["connection"] is None
    assert raw.is_open()


def test_U4_9112_9_3_2_pipelined_requests_are_answered_in_their_order(raw):
    ids = [f"0193f2c4-a1b2-7def-8123-4567{i:08x}" for i in range(30)]
    raw.send("".join(request(target=f"/api/messages/{id}") for id in ids))
    assert [raw.answer().json()["error"].split()[1] for _ in ids] == ids


def test_U4_9112_3_a_target_may_be_of_8000_bytes(server):
    assert ask(server, request(target="/nowhere/" + "y" * 7990)).status == 404


def test_U4_9110_15_5_15_a_target_that_is_too_long(server):
    refused(server, request(target="/api/messages?agent=box&x=" + "y" * 20_000), 414)


def test_U4_6585_5_a_header_that_is_too_long_or_has_too_many_fields(server):
    refused(server, request("GET", "/health", "X: " + "y" * 20_000), 431)
    refused(server, request("GET", "/health", *["X: y"] * 200), 431)


def test_U4_9112_5_values_are_trimmed_and_may_be_empty_or_have_any_visible_byte(raw):
    fields = [
        "X-Empty:", "X-Blank: \t ", "X-Odd:~!#\"\\\xe4\xff", "x-AGENT: \t alice \t",
        "A'b`c|d~e^f_g.h-i+j*k&l%m$n#o!p: q"
    ]
    body = message()
    assert raw.send(post(body, *fields, f"content-LENGTH:{len(body)}")).answer().status == 201
    assert raw.is_open()
    assert raw.send(request(target="/api/messages?agent=box")).answer().json()["messages"][0]["from"] == "alice"


# -- Host, and forms of the target (RFC 9112, section 3.2; RFC 9110, sections 7.2 and 7.4)


def test_U4_9112_3_2_http_1_1_has_one_host(server):
    refused(server, request(host=None), 400)
    refused(server, request("GET", "/health", "Host: localhost"), 400)
    refused(server, request("GET", "/health", "host: other.example"), 400)
    assert ask(server, request(version="1.0", host=None)).status == 200
    refused(server, request("GET", "/health", "Host: localhost", version="1.0"), 400)


@pytest.mark.parametrize("host", [
    "", "a b", "a,b", "a/b", "user@localhost", "localhost:", "localhost:80:80", "localhost:x", "localhost:99999",
    "[::1", "::1", "[::g]", "[127.0.0.1]", "localhost\xe4", "local%zzhost", "local<host", "http://localhost",
    "localhost?x", "[::1]x", ":80", "a" * 300
])
def test_U4_9112_3_2_a_host_that_is_none_is_refused(server, host):
    if host in ("localhost:", "a,b"):  # the grammar of RFC 3986 has them
        assert ask(server, request(host=host)).status in (200, 421)
    else:
        refused(server, "\r\n".join(["GET /health HTTP/1.1", f"Host: {host}", "", ""]), 400)


@pytest.mark.parametrize("target, path", [("http://localhost/health", 200), ("HTTP://LOCALHOST:80/health", 200),
                                          ("http://localhost", 404), ("http://localhost?x=y", 404),
                                          ("http://127.0.0.1:7470/api/messages?agent=box", 200),
                                          ("http://[::1]/health", 200)])
def test_U4_9112_3_2_2_the_absolute_form_is_taken(server, target, path):
    assert ask(server, request(target=target)).status == path


def test_U4_9112_3_2_2_the_absolute_form_goes_before_host(server):
    assert ask(server, request(target="http://localhost/health", host="other.example")).status == 200
    refused(server, request(target="http://localhost/health", host=None), 400)


def test_U4_9110_7_4_what_is_for_another_scheme_is_misdirected(server):
    assert ask(server, request(target="https://localhost/health")).status == 421


def test_U4_9112_3_2_4_the_asterisk_asks_about_the_server(raw):
    answer = raw.send(request("OPTIONS", "*")).answer()
    assert answer.status == 204 and {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"} == set(
        answer["allow"].split(", "))
    assert raw.is_open()


def test_U4_9110_9_3_6_there_is_no_connect(server):
    refused(server, request("CONNECT", "localhost:7470"), 405, 501)


# -- methods (RFC 9110, section 9)


@pytest.mark.parametrize("method", ["FLY", "get", "Get", "PROPFIND"])
def test_U4_9110_9_1_a_method_that_is_not_known_is_not_implemented(raw, method):
    """Its first letter tells HTTP from native frames, but for a connection that has been taken for HTTP."""
    assert raw.is_open() and raw.send(request(method)).answer().status == 501 and raw.is_open()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "POST"])
def test_U4_9110_15_5_6_a_method_that_is_not_for_the_resource_is_told_which_are(server, method):
    answer = ask(server, request(method))
    assert answer.status == 405 and set(answer["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize(
    "target", ["/health", "/api/dead", "/api/schedules", "/api/routes", "/nowhere", "/api/messages/five", "/ws"])
def test_U4_9110_9_3_2_head_says_what_get_says_without_the_body(server, target):
    with Connection(server) as connection:
        got = connection.send(request(target=target)).answer()
        head = connection.send(request("HEAD", target)).answer(to_head=True)
        assert head.status == got.status
        varying = {"date"} if target != "/health" else {"date", "content-length"}
        fields = [[field for field in answer.fields if field[0] not in varying] for answer in (got, head)]
        assert fields[0] == fields[1]
        assert connection.is_open()


def test_U4_9110_9_3_2_head_of_messages_takes_none(server):
    has_mail(server)
    with Connection(server) as connection:
        answer = connection.send(request("HEAD", "/api/messages?agent=victim&ack=true&wait=20s")).answer(to_head=True)
        assert answer.status == 200 and answer["content-type"] == "application/json"
        assert answer["content-length"] is None
        assert connection.is_open()
    still_has_mail(server)


def test_U4_9110_9_3_2_head_of_events_subscribes_to_none(raw):
    answer = raw.send(request("HEAD", "/api/events?pattern=x")).answer(to_head=True)
    assert answer.status == 200 and answer["content-type"] == "text/event-stream" and raw.is_open()
    body = json.dumps({"topic": "x"})
    assert raw.send(post(body, f"Content-Length: {len(body)}")).answer().json()["subscriptions"] == 0


def test_U4_9110_9_3_7_options_says_what_there_is(raw):
    answer = raw.send(request("OPTIONS", "/api/messages")).answer()
    assert answer.status == 204 and set(answer["allow"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}
    assert answer["content-length"] is None  # 8.6: none in a 204
    assert raw.is_open() and raw.send(request("OPTIONS", "/nowhere")).answer().status == 404


# -- Expect (RFC 9110, section 10.1.1)


def test_U4_9110_10_1_1_a_client_that_asks_is_told_to_go_on(raw):
    body = message()
    raw.send(post("", "Expect: 100-Continue", f"Content-Length: {len(body)}"))
    assert raw.answer().status == 100
    assert raw.send(body).answer().status == 201 and raw.is_open()


def test_U4_9110_10_1_1_not_if_its_body_is_there_already_or_there_is_none(raw):
    body = message()
    assert raw.send(post(body, "Expect: 100-continue", f"Content-Length: {len(body)}")).answer().status == 201
    assert raw.send(request("GET", "/health", "Expect: 100-continue")).answer().status == 200
    assert raw.is_open()


def test_U4_9110_10_1_1_http_1_0_is_not_sent_what_it_does_not_know(server):
    body = message()
    with Connection(server) as connection:
        connection.send(post("", "Expect: 100-continue", f"Content-Length: {len(body)}", version="1.0"))
        time.sleep(0.2)
        assert connection.send(body).answer().status == 201


@pytest.mark.parametrize("target, length, fields, status", [("/nowhere", 20, [], 404), ("/health", 20, [], 405),
                                                            ("/api/messages", 99_999_999, [], 413),
                                                            ("/api/messages", 20, ["Content-Encoding: br"], 415),
                                                            ("/api/messages", 20, ["Origin: http://evil.example"], 403),
                                                            ("/api/messages", 20, ["X-Agent: \xff"], 400)])
def test_U4_9110_10_1_1_what_is_refused_by_its_header_is_refused_at_once(server, target, length, fields, status):
    answer = refused(server, post("", "Expect: 100-continue", f"Content-Length: {length}", *fields, target=target),
                     status)
    assert answer["connection"] == "close"


@pytest.mark.parametrize("target", ["/api/messages", "/api/content"])
@pytest.mark.parametrize("fields", [[], ["Authorization: Bearer wrong"], ["Authorization: Basic c2VjcmV0"]])
def test_U4_9110_10_1_1_and_so_is_who_is_not_known(make_server, target, fields):
    server = make_server("--token", "secret")
    for more in (["Expect: 100-continue"], []):
        answer = refused(server, post("", "Content-Length: 200", *more, *fields, target=target), 401)
        assert answer["www-authenticate"] == "Bearer"  # 15.5.2
    with Connection(server) as connection:
        body = message()
        connection.send(post("", "Expect: 100-continue", f"Content-Length: {len(body)}",
                             "Authorization: Bearer secret"))
        assert connection.answer().status == 100 and connection.send(body).answer().status == 201


def test_U4_9110_15_5_18_other_expectations_fail(server):
    refused(server, request("GET", "/health", "Expect: 200-ok"), 417)
    assert ask(server, request("GET", "/health", "Expect: 200-ok", version="1.0")).status == 200


# -- bodies that are not wanted


def test_U4_9112_9_3_a_body_that_was_not_read_is_never_the_next_request(server):
    has_mail(server)
    fields = f"Content-Length: {len(TAKES_MAIL)}"
    for text in (post(TAKES_MAIL, fields, target="/nowhere"), request("PATCH", "/health", fields, body=TAKES_MAIL),
                 request("GET", "/health", fields, body=TAKES_MAIL), request("OPTIONS", "*", fields, body=TAKES_MAIL),
                 post(chunked(TAKES_MAIL), "Transfer-Encoding: chunked", target="/nowhere")):
        with Connection(server) as connection:
            assert connection.send(text + request()).answer().status in (200, 204, 404, 405)
            last = connection.answer()
            assert last is None or last.json().get("status") == "ok"
    still_has_mail(server)


def test_U4_9110_15_5_14_a_body_that_is_too_large(server):
    refused(server, post("x" * 100_000, "Content-Length: 99999999"), 413)
    with Connection(server) as connection:
        connection.send(post("", "Transfer-Encoding: chunked"))
        chunk = f"{1 << 20:x}\r\n{' ' * (1 << 20)}\r\n"
        try:
            for _ in range(20):
                connection.send(chunk)
        except OSError:
            pass  # it has been told already
        assert connection.answer().status == 413


@pytest.mark.parametrize("target, codings", [("/api/messages", ["br", "deflate", "gzip, gzip", "unknown"]),
                                             ("/api/content", ["gzip", "br", "unknown"])])
def test_U4_9110_8_4_other_content_codings_are_not_supported(server, target, codings):
    body = message()
    takes = "gzip, identity" if target == "/api/messages" else "identity"
    for coding in codings:
        answer = ask(server, post(body, f"Content-Encoding: {coding}", f"Content-Length: {len(body)}", target=target))
        assert answer.status == 415 and answer["accept-encoding"] == takes
    assert ask(server, post(body, "Content-Encoding: identity", f"Content-Length: {len(body)}",
                            target=target)).status == 201


# -- fields of answers


def test_U4_9110_6_6_1_answers_have_a_date(server):
    for text in (request(), request(target="/nowhere"), request("FLY")):
        date = ask(server, text)["date"]
        assert abs(email.utils.parsedate_to_datetime(date).timestamp() - time.time()) < 5 and date.endswith(" GMT")


def test_U4_9110_15_5_22_an_upgrade_that_is_required_is_named(server):
    answer = ask(server, request(target="/ws"))
    assert (answer.status, answer["upgrade"]) == (426, "websocket")


def test_U4_9110_7_8_an_upgrade_to_what_is_not_known_is_ignored(raw):
    assert raw.send(
        request("GET", "/health", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
                "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA")).answer().status == 200
    assert raw.is_open()


# -- conditions and ranges (RFC 9110, sections 13 and 14)


@pytest.fixture
def content(server):
    with Connection(server) as connection:
        head = request("POST", "/api/content", f"Content-Length: {len(CONTENT)}")
        assert connection.send(head).send(CONTENT).answer().status == 201
    hash = hashlib.sha256(CONTENT).hexdigest()

    def get(*fields, method="GET"):
        with Connection(server) as connection:
            answer = connection.send(request(method, f"/api/content/{hash}", *fields)).answer(to_head=method == "HEAD")
            assert connection.is_open()
            return answer

    get.etag = f'"{hash}"'
    return get


def test_U4_9110_14_2_one_range_is_answered_with_that_part(content):
    for range, first, last in [("bytes=0-9", 0, 9), ("bytes=10230-", 10230, 10239), ("bytes=-5", 10235, 10239),
                               ("Bytes=5-99999", 5, 10239)]:
        answer = content(f"Range: {range}")
        assert answer.status == 206 and answer["content-range"] == f"bytes {first}-{last}/10240"
        assert answer.body == CONTENT[first:last + 1]


@pytest.mark.parametrize("range", ["bytes=5-1", "bytes=", "bytes=a-b", "lines=1-2", "bytes", "bytes=0-1,5-6"])
def test_U4_9110_14_2_a_range_that_is_none_is_ignored(content, range):
    assert (content(f"Range: {range}").status, content(f"Range: {range}").body) == (200, CONTENT)


def test_U4_9110_15_5_17_a_range_behind_the_end_cannot_be_had(content):
    answer = content("Range: bytes=10240-")
    assert answer.status == 416 and answer["content-range"] == "bytes */10240"


def test_U4_9110_13_1_5_if_range_holds_for_the_same_content_alone(content):
    for validator, status in [(content.etag, 206), ('"other"', 200), (f"W/{content.etag}", 200),
                              ("Sat, 29 Oct 1994 19:43:31 GMT", 200), ("x", 200)]:
        answer = content("Range: bytes=0-9", f"If-Range: {validator}")
        assert answer.status == status and answer.body == (CONTENT[:10] if status == 206 else CONTENT), validator
        assert (answer["content-range"] is None) == (status == 200)
    assert content(f"If-Range: {content.etag}").status == 200
    assert content("Range: bytes=10240-", 'If-Range: "other"').status == 200


def test_U4_9110_13_1_2_if_none_match_saves_the_body(content):
    for validator in (content.etag, f'"other", {content.etag}', f"W/{content.etag}", "*"):
        for method in ("GET", "HEAD"):
            answer = content(f"If-None-Match: {validator}", method=method)
            assert answer.status == 304 and answer["etag"] == content.etag and answer.body == b""
    assert content('If-None-Match: "other"').status == 200


def test_U4_9110_13_1_1_if_match_wants_that_content(content):
    for validator, status in [(content.etag, 200), ("*", 200), (f'"x", {content.etag}', 200), ('"other"', 412),
                              (f"W/{content.etag}", 412)]:
        assert content(f"If-Match: {validator}").status == status
    assert content('If-Match: "other"', f"If-None-Match: {content.etag}").status == 412  # 13.2.2: in this order


def test_U4_9110_14_2_head_ignores_ranges_and_says_the_whole_length(content):
    answer = content("Range: bytes=0-9", method="HEAD")
    assert (answer.status, answer["content-length"], answer["accept-ranges"]) == (200, "10240", "bytes")
