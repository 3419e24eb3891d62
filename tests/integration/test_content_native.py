"""Content by reference (X19) through the native door: uploaded in parts, stored once, read in parts, removed when
nothing refers to it; what a client may do wrong; and what is left when the server is killed."""

import hashlib
import os
import random
import socket
import struct
import time

import pytest

from native import CONTENT_FINISH, CONTENT_READ, CONTENT_STAT, CONTENT_WRITE, Client, Refused, frame
from program import SANITIZED
from test_cli import wait_for

MIB = 1 << 20


def data_of(size, seed=1):
    return random.Random(seed).randbytes(size)


def files_of(server):
    return sorted(os.listdir(server.data / "content"))


def refused(name):
    return pytest.raises(Refused, match=f"^{name}")


def test_X19_content_above_the_limit_goes_by_reference_and_comes_back_whole(server, connect):
    alice, bob = connect("alice"), connect("bob")
    data = data_of(5 * MIB + 12345)
    ref = alice.upload(data)
    assert ref[0] == hashlib.sha256(data).digest()
    assert files_of(server) == [ref[0].hex()]
    assert alice.publish(to="bob", content_ref=ref).outcome == "queued"
    bob.consume("bob")
    got = bob.delivery()
    assert got.content == b"" and got.fields["content_ref"] == ref
    assert bob.stat_content(ref[0]) == len(data)
    assert bob.fetch(ref) == data
    assert bob.read_content(ref[0], len(data) - 10, 100) == data[-10:]


def test_X19_it_is_stored_once_and_a_known_hash_needs_no_upload(server, connect):
    alice, bob = connect("alice"), connect("bob")
    data = data_of(2 * MIB)
    ref = alice.upload(data)
    assert bob.open_upload(len(data), ref[0]) is None, "known: nothing to upload"
    # Sent all the same, without the hash at the start: dropped in favour of what is there.
    upload = bob.open_upload(len(data))
    bob.write_upload(upload, 0, data[:MIB])
    bob.write_upload(upload, MIB, data[MIB:])
    assert bob.finish_upload(upload, ref[0]) == (len(data), True)
    assert files_of(server) == [ref[0].hex()]


def test_X19_a_message_may_not_refer_to_what_is_not_stored(connect):
    alice = connect("alice")
    with refused("not_found"):
        alice.publish(to="bob", content_ref=[b"x" * 32, 5])
    ref = alice.upload(b"hello")
    with refused("invalid_field"):
        alice.publish(to="bob", content_ref=[ref[0], 6])
    with refused("invalid_field"):
        alice.publish(b"and content", to="bob", content_ref=ref)
    for broken in ([ref[0]], [ref[0][:31], 5], ref[0], [ref[0], -1], [ref[0], "5"], [5, ref[0]], {"a": 1}):
        with refused("malformed"):
            alice.publish(to="bob", content_ref=broken)
    with refused("out_of_range"):
        alice.publish(to="bob", content_ref=[ref[0], 0])
    assert alice.publish(to="bob", content_ref=ref).outcome == "queued"


def test_X19_it_goes_when_nothing_has_referred_to_it_for_the_grace(make_server):
    server = make_server(env={"FOLKMOOT_CONTENT_GRACE": "600ms"})
    client = Client(("127.0.0.1", server.port), agent="bob")
    ref, idle = client.upload(b"a" * 100_000), client.upload(b"b" * 100_000)
    client.publish(to="bob", content_ref=ref)
    wait_for(lambda: files_of(server) == [ref[0].hex()])
    with refused("not_found"):
        client.stat_content(idle[0])
    client.consume("bob")
    got = client.delivery()
    time.sleep(1)
    assert client.fetch(ref) == b"a" * 100_000, "leased: it stays"
    client.settled(client.call(0x09, struct.pack("<Q", got.lease)))
    assert client.fetch(ref) == b"a" * 100_000, "acknowledged: it stays for the grace"
    wait_for(lambda: files_of(server) == [])
    with refused("not_found"):
        client.read_content(ref[0])
    client.close()


def test_X19_a_dead_letter_keeps_its_content_until_it_is_purged(make_server):
    server = make_server(env={"FOLKMOOT_CONTENT_GRACE": "300ms"})
    client = Client(("127.0.0.1", server.port), agent="bob")
    ref = client.upload(b"a" * 100_000)
    client.publish(to="bob", content_ref=ref)
    client.consume("bob")
    client.reject(client.delivery().lease, reason="no")
    time.sleep(0.8)
    assert files_of(server) == [ref[0].hex()]
    server.kill9()
    server.start()
    client = Client(("127.0.0.1", server.port), agent="bob")
    time.sleep(0.8)
    assert files_of(server) == [ref[0].hex()], "after a restart too"
    client.carry_out("dead.purge", all=True)
    wait_for(lambda: files_of(server) == [])
    client.close()


def test_X19_offsets_sizes_and_hashes_are_checked(server, connect):
    client = connect("alice")
    for size in (0, (1 << 30) + 1, 2**63):
        with refused("content_too_large"):
            client.open_upload(size)
    with refused("malformed"):
        client.open_upload(5, b"short")
    upload = client.open_upload(10)
    for offset in (1, 2**64 - 1):
        with refused("out_of_range"):
            client.write_upload(upload, offset, b"x")
    with refused("out_of_range"):
        client.write_upload(upload, 0, b"")
    with refused("out_of_range"):
        client.write_upload(upload, 0, b"x" * (MIB + 1))
    with refused("content_too_large"):
        client.write_upload(upload, 0, b"x" * 11)
    client.write_upload(upload, 0, b"0123456789")
    with refused("content_too_large"):
        client.write_upload(upload, 10, b"x")
    with refused("invalid_field"):
        client.finish_upload(upload, b"y" * 32)
    with refused("not_found"):
        client.finish_upload(upload, b"y" * 32)
    with refused("not_found"):
        client.write_upload(77, 0, b"x")
    half = client.open_upload(10)
    client.write_upload(half, 0, b"01234")
    with refused("invalid_field"):
        client.finish_upload(half, hashlib.sha256(b"01234").digest())
    ref = client.upload(b"0123456789")
    for offset, size in ((11, 1), (0, 0), (0, MIB + 1), (2**64 - 1, 5)):
        with refused("out_of_range"):
            client.read_content(ref[0], offset, size)
    assert client.read_content(ref[0], 10, 5) == b""
    for opcode, body in ((CONTENT_WRITE, b"12345"), (CONTENT_FINISH, b"1234" * 8), (CONTENT_STAT, b"../../etc/passwd"),
                         (CONTENT_READ, ref[0])):
        with refused("malformed"):
            client.call(opcode, body)
    assert files_of(server) == [ref[0].hex()], "nothing else is left"


def test_X19_uploads_are_bounded_in_number_and_what_is_unanswered_too(make_server):
    server = make_server(env={"FOLKMOOT_CONTENT_UPLOADS": "12", "FOLKMOOT_CONTENT_TOTAL_BYTES": "100MiB"})
    clients = [Client(("127.0.0.1", server.port)) for _ in range(2)]
    first = [clients[0].open_upload(MIB) for _ in range(8)]
    with refused("limit_reached"):
        clients[0].open_upload(MIB)
    for _ in range(4):
        clients[1].open_upload(MIB)
    with refused("limit_reached"):
        clients[1].open_upload(MIB)
    clients[0].cancel(first[0])
    with refused("not_found"):
        clients[0].write_upload(first[0], 0, b"x")
    with refused("limit_reached"):
        clients[1].open_upload(90 * MIB)
    clients[1].open_upload(MIB)
    clients[0].close()
    wait_for(lambda: len(files_of(server)) == 5)
    # Twelve MiB at once, none of them waited for.
    upload = clients[1].open_upload(20 * MIB)
    clients[1].send(b"".join(
        frame(CONTENT_WRITE,
              struct.pack("<IQ", upload, at * MIB) + bytes(MIB), 1000 + at) for at in range(12)))
    answers = [clients[1].next_where(lambda f: f.request == 1000 + at) for at in range(12)]
    assert answers[0].opcode == 0x83
    clients[1].close()
    wait_for(lambda: files_of(server) == [])


def test_X19_an_upload_that_nothing_comes_for_is_given_up(make_server):
    server = make_server(env={"FOLKMOOT_CONTENT_IDLE": "300ms"})
    client = Client(("127.0.0.1", server.port))
    upload = client.open_upload(MIB)
    with refused("timed_out"):
        client.answer(upload, timeout=5)
    wait_for(lambda: files_of(server) == [])
    with refused("not_found"):
        client.write_upload(upload, 0, b"x")
    client.close()


def test_X19_a_killed_server_keeps_what_it_confirmed_and_forgets_half_uploads(make_server):
    server = make_server()
    client = Client(("127.0.0.1", server.port), agent="alice")
    data = data_of(3 * MIB)
    ref = client.upload(data)
    assert client.publish(to="bob", content_ref=ref).outcome == "queued"
    half = client.open_upload(8 * MIB)
    client.write_upload(half, 0, data[:MIB])
    assert len(files_of(server)) == 2
    server.kill9()
    server.start()
    assert files_of(server) == [ref[0].hex()]
    client = Client(("127.0.0.1", server.port), agent="bob")
    client.consume("bob")
    assert client.delivery().fields["content_ref"] == ref
    assert client.fetch(ref) == data
    client.close()


def test_X19_killed_at_any_moment_of_many_uploads_nothing_confirmed_is_lost(make_server):
    server = make_server()
    confirmed = {}
    for round in range(6):
        client = Client(("127.0.0.1", server.port), agent="alice")
        for number in range(4 + round):
            data = data_of(300_000 + 1000 * number, seed=100 * round + number)
            ref = client.upload(data, part=100_000)
            client.publish(to="box", content_ref=ref)
            confirmed[ref[0]] = data
        # One more is on the way when it is killed: its fate is open, but half of it may not stay.
        data = data_of(400_000, seed=5000 + round)
        upload = client.open_upload(len(data))
        client.send(frame(CONTENT_WRITE, struct.pack("<IQ", upload, 0) + data, 900) +
                    frame(CONTENT_FINISH, struct.pack("<I", upload) + hashlib.sha256(data).digest(), 901))
        time.sleep(0.004 * round)
        server.kill9()
        client.close()
        server.start()
        for name in files_of(server):
            assert hashlib.sha256((server.data / "content" / name).read_bytes()).hexdigest() == name
    client = Client(("127.0.0.1", server.port), agent="box")
    client.consume("box", 100)
    for _ in range(len(confirmed)):
        ref = client.delivery().fields["content_ref"]
        assert client.fetch(ref) == confirmed.pop(ref[0])
    assert not confirmed and not server.error_lines()
    client.close()


def test_X19_a_missing_file_is_said_loudly_and_the_rest_goes_on(make_server):
    server = make_server()
    client = Client(("127.0.0.1", server.port), agent="bob")
    ref = client.upload(b"precious" * 1000)
    client.publish(to="bob", content_ref=ref)
    client.publish("plain", to="bob")
    server.terminate()
    (server.data / "content" / ref[0].hex()).unlink()
    server.start()
    assert any(ref[0].hex() in line and "journal verify" in line for line in server.error_lines())
    server.errors.write_text("")  # that is what was asked for
    client = Client(("127.0.0.1", server.port), agent="bob")
    client.consume("bob", 2)
    got = [client.delivery(), client.delivery()]
    assert {delivery.content for delivery in got} == {b"", b"plain"}
    with refused("not_found"):
        client.read_content(ref[0])
    assert client.upload(b"precious" * 1000) == ref
    assert client.fetch(ref) == b"precious" * 1000, "uploaded again, it is there for the message that waited"
    client.close()


def test_X19_a_big_upload_and_its_reading_cost_the_server_no_memory(make_server):
    server = make_server()
    client = Client(("127.0.0.1", server.port), agent="alice")
    size = 200 * MIB
    part = data_of(MIB)
    sha = hashlib.sha256()
    before = server.rss()
    upload = client.open_upload(size)
    for at in range(0, size, MIB):
        client.write_upload(upload, at, part)
        sha.update(part)
    assert client.finish_upload(upload, sha.digest()) == (size, False)
    peak = server.rss()
    for at in range(0, size, MIB):
        assert client.read_content(sha.digest(), at) == part
    peak = max(peak, server.rss())
    assert SANITIZED or peak - before < 40 * MIB
    # One that asks for much and takes nothing holds up itself alone.
    slow = Client(("127.0.0.1", server.port), receive_buffer=4096)
    slow.send(b"".join(
        frame(CONTENT_READ,
              sha.digest() + struct.pack("<QI", at * MIB, MIB), 1000 + at) for at in range(100)))
    time.sleep(1)
    assert SANITIZED or server.rss() - before < 60 * MIB
    assert client.read_content(sha.digest()) == part
    got = sorted(slow.next_frame().request for _ in range(100))
    assert got == list(range(1000, 1100)), "all come in the end"
    slow.close()
    client.close()
