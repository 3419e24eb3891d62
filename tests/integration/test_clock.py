"""The server's time while the wall clock jumps (docs/delivery.md, "Time"):
lengths stay lengths, and times of the day are found back to."""

import os
import struct
import time

import pytest
from native import Client
from program import SANITIZED
from test_delivery_native import eventually
from test_every_door import DOORS, dead
from test_http import Http

SHIM = os.environ.get("FOLKMOOT_CLOCK_SHIM")
SLEW = 1 / 20  # the server's time runs so much faster or slower at most
pytestmark = pytest.mark.skipif(SANITIZED or not SHIM, reason="no clock to move under a sanitizer")
HOUR = 3_600_000


class Wall:
    def __init__(self, path):
        self.path = path
        path.write_bytes(struct.pack("<q", 0))
        self.file = os.open(path, os.O_WRONLY)

    def set(self, ms):
        os.pwrite(self.file, struct.pack("<q", ms), 0)

    def moved(self):
        return struct.unpack("<q", self.path.read_bytes())[0]

    def now(self):
        return time.time() * 1000 + self.moved()


@pytest.fixture
def wall(tmp_path):
    wall = Wall(tmp_path / "offset")
    yield wall
    os.close(wall.file)


@pytest.fixture
def server(make_server, wall):
    return make_server(env={"LD_PRELOAD": SHIM, "CLOCK_OFFSET": str(wall.path)})


@pytest.fixture(params=DOORS, name="door")
def _door(request, server):
    door = DOORS[request.param](server)
    yield door
    door.close()


def stamps(client, count=1):
    """When the server accepts messages now, by its time; and their ids."""
    for _ in range(count):
        client.publish("x", to="clock")
    got = client.receive("clock", max=count, wait_ms=5_000)
    for one in got:
        client.ack(one.lease)
    return [(one.fields["timestamp"], one.fields["id"]) for one in got]


def jump(client, wall, ms):
    """The wall clock jumps, and the server notices."""
    stamps(client)
    wall.set(wall.moved() + ms)
    stamps(client)


@pytest.mark.parametrize("ms", [-5_000, 5_000, -HOUR, HOUR], ids=["5 s back", "5 s forward", "1 h back", "1 h forward"])
def test_X5_a_delay_is_as_long_as_it_says(connect, wall, door, ms):
    began = time.monotonic()
    assert door.publish(to="early", content="before the jump", delay=2_000)["outcome"] == "scheduled"
    jump(connect(), wall, ms)
    after = time.monotonic()
    assert door.publish(to="late", content="after it", delay=2_000)["outcome"] == "scheduled"
    for mailbox, since in (("early", began), ("late", after)):
        assert len(door.take(mailbox, wait_ms=10_000)) == 1
        assert 2 * (1 - SLEW) <= time.monotonic() - since < 2 * (1 + SLEW) + 2.5


def test_X5_a_jump_that_is_taken_back_is_as_good_as_none(connect, wall, door):
    client = connect()
    jump(client, wall, HOUR)
    time.sleep(0.3)
    jump(client, wall, -HOUR)
    began = time.monotonic()
    door.publish(to="late", content="x", delay=1_500)
    door.publish(to="alive", content="x", ttl=60_000)
    assert len(door.take("late", wait_ms=10_000)) == 1
    assert time.monotonic() - began >= 1.5 * (1 - SLEW)
    assert len(door.take("alive")) == 1 and dead(door) == []
    client.carry_out("schedule.set", name="s", cron="* * * * *", message={"to": "bob", "content": "x"})
    (schedule,) = client.carry_out("schedule.list")["schedules"]
    assert -1_000 < schedule["next"] - wall.now() <= 61_000
    assert abs(stamps(client)[0][0] - wall.now()) < 1_000


@pytest.mark.parametrize("ms", [-HOUR, HOUR], ids=["back", "forward"])
def test_X3_the_time_finds_to_the_wall_clocks_and_no_instant_comes_twice(connect, wall, ms):
    client = connect()
    stamps(client)
    jump(client, wall, ms)
    asked, (first, _), began = time.monotonic(), stamps(client)[0], time.monotonic()
    seen = []
    while time.monotonic() - began < 3:
        seen += stamps(client, 5)
    least, (last, _), most = (time.monotonic() - began) * 1000, stamps(client)[0], (time.monotonic() - asked) * 1000
    assert seen == sorted(seen) and len({id for _, id in seen}) == len(seen)
    # It goes over at the rate that it says, in the direction of the wall's.
    faster = 1 + SLEW if ms > 0 else 1 - SLEW
    assert least * (faster - 0.01) - 5 < last - first < most * (faster + 0.01) + 5, (last - first, least, most)


def test_X3_the_jump_is_said_once_and_a_restart_takes_it(server, wall):
    client = Client(("127.0.0.1", server.port))
    stamps(client)
    wall.set(HOUR)
    eventually(lambda: stamps(client) and server.log(), lambda log: "the wall clock has jumped forward by 3" in log)
    time.sleep(0.5)
    stamps(client, 3)
    assert server.log().count("the wall clock has jumped") == 1
    assert wall.now() - stamps(client)[0][0] > HOUR * 0.9
    client.close()
    server.restart()
    client = Client(("127.0.0.1", server.port))
    assert abs(wall.now() - stamps(client)[0][0]) < 2_000
    client.close()


@pytest.mark.parametrize("ms", [-HOUR, HOUR], ids=["back", "forward"])
def test_X12_leases_waits_and_time_outs_are_as_long_as_they_say(server, connect, wall, ms):
    client = connect()
    stamps(client)
    client.publish("x", to="bob")
    wall.set(ms)
    (got,) = client.receive("bob", wait_ms=1_000, lease_ms=1_500)
    began = time.monotonic()
    (again,) = client.receive("bob", wait_ms=10_000)
    assert 1.5 * (1 - SLEW) - 0.1 <= time.monotonic() - began < 4 and again.delivery == 2
    began = time.monotonic()
    assert client.receive("nobody", wait_ms=1_000) == []
    assert 1 - SLEW <= time.monotonic() - began < 3
    began = time.monotonic()
    status, _ = Http(server)(
        "POST", "/api/requests", {"to": "nobody", "message": {"content": "?"}, "timeout_ms": 1_000}
    )
    assert status == 504 and 1 - SLEW <= time.monotonic() - began < 3


def test_X5_times_are_those_of_the_servers_clock(connect, wall, server):
    """A client whose clock is wrong by an hour: its lengths are right, and its times are what they say."""
    env = {"LD_PRELOAD": SHIM, "CLOCK_OFFSET": str(wall.path)}
    stamps(connect())
    wrong = wall.path.with_name("wrong")
    wrong.write_bytes(struct.pack("<q", -HOUR))
    began = time.monotonic()
    run = server.cli("send", "bob", "x", "--delay", "1s", env={**env, "CLOCK_OFFSET": str(wrong)})
    assert run.returncode == 0 and "scheduled" in run.stdout
    (got,) = connect().receive("bob", wait_ms=10_000)
    assert time.monotonic() - began >= 1 - SLEW
    assert got.fields["delay"] == 1_000 and "deliver_at" not in got.fields
