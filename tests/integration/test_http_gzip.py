"""gzip over HTTP, both ways (RFC 9110, sections 8.4 and 12.5.3)."""

import gzip

import pytest
from test_http_conformance import ask, message, post, request


def packed(body, **more):
    return gzip.compress(body.encode() if isinstance(body, str) else body, **more)


def post_packed(data, *fields):
    head = post("", "Content-Encoding: gzip", f"Content-Length: {len(data)}", *fields)
    return (head.encode("latin-1") if isinstance(head, str) else head) + data


def test_U4_9110_8_4_a_body_in_gzip_is_what_it_holds(server):
    assert ask(server, post_packed(packed(message()))).status == 201
    several = packed(message()[:9]) + packed(message()[9:])
    assert ask(server, post_packed(several)).status == 201


@pytest.mark.parametrize("spoil, status", [(lambda data: data[:-4], 400), (lambda data: data + b"x", 400),
                                           (lambda data: b"\x1f\x8b" + bytes(18), 400),
                                           (lambda data: packed(b" " * 8_388_609 + message().encode()), 413),
                                           (lambda data: packed(packed(message())), 400)])
def test_U4_a_body_in_gzip_that_is_damaged_or_a_bomb_is_refused(server, spoil, status):
    assert ask(server, post_packed(spoil(packed(message())))).status == status
    assert ask(server, post(message(), f"Content-Length: {len(message())}")).status == 201


@pytest.mark.parametrize("accepted, is_packed", [("gzip", True), ("deflate, gzip;q=0.5", True), ("GZIP", True),
                                                 ("gzip;q=0", False), ("gzip;q=0.000", False), ("deflate", False),
                                                 ("gzipx", False), ("", False)])
def test_U4_9110_12_5_3_a_long_answer_is_packed_for_who_takes_that(server, accepted, is_packed):
    plain = ask(server, request("GET", "/openapi.json"))
    answer = ask(server, request("GET", "/openapi.json", f"Accept-Encoding: {accepted}"))
    assert answer.status == 200 and "Accept-Encoding" in answer["vary"]
    assert answer["content-encoding"] == ("gzip" if is_packed else None)
    assert (gzip.decompress(answer.body) if is_packed else answer.body) == plain.body
    short = ask(server, request("GET", "/health/live", "Accept-Encoding: gzip"))
    assert short["content-encoding"] is None
