"""What is measured against whom, and the marks that folkmoot has to reach."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Column:
    key: str            # in the load generator's JSON
    title: str
    more_is_better: bool = False


RATE = Column("rate", "messages/s", True)
CPU = Column("cpu_s_per_m", "CPU s/M")
LATENCY = (Column("p50_us", "p50 us"), Column("p99_us", "p99 us"), Column("p999_us", "p99.9 us"))
CONSUME = (Column("consume_rate", "consumed/s", True), Column("consume_cpu_s_per_m", "consume CPU s/M"))
REPLAY = (Column("consume_rate", "read/s", True), Column("consume_cpu_s_per_m", "read CPU s/M"))
CLIENT_CPU = Column("client_cpu_s_per_m", "client CPU s/M")
CONSUME_CLIENT_CPU = Column("consume_client_cpu_s_per_m", "consume client CPU s/M")
IDLE = (Column("bytes_per_connection", "bytes each"), Column("rss_empty_mib", "empty MiB"),
        Column("idle_cores", "idle cores"), Column("connect_seconds", "connect s"))
BACKLOG = (Column("rate", "filled/s", True), Column("rss_mib", "RSS MiB"), Column("disk_mib", "disk MiB"),
           Column("kill_s", "after kill -9 s"), Column("term_s", "after SIGTERM s"),
           Column("rss_restarted_mib", "RSS then MiB"))


@dataclass(frozen=True, eq=False)
class Row:
    name: str
    title: str
    workload: str                   # of the load generator; 'backlog' is a sequence of them
    arguments: tuple = ()
    peers: tuple = ()
    columns: tuple = ()
    seconds: float = 1.2
    core: int | None = None         # server and load on this core alone
    rounds_max: dict = field(default_factory=dict)   # by peer, where one run takes long
    peer_arguments: dict = field(default_factory=dict)  # by peer, instead of `arguments`
    library: bool = False           # by folkmoot-library-load, through client libraries, not by folkmoot-load
    synced: bool = False            # say whether it synced before it confirmed
    quick: bool = False             # also part of --quick
    long: bool = False              # one round is enough for --quick
    asked: bool = False             # only when --rows names it


TRANSIENT = ("folkmoot", "nats", "redis")
DURABLE = ("folkmoot", "jetstream", "redis-always", "redis-everysec", "rabbitmq")
SIZES = {16: "16 B", 128: "128 B", 1024: "1 KiB", 65536: "64 KiB"}


def pubsub(publishers, subscribers, size):
    return Row(f"pubsub-{publishers}-{subscribers}-{size}", f"pub/sub, {publishers} to {subscribers}, {SIZES[size]}",
               "pubsub", ("--publishers", publishers, "--subscribers", subscribers, "--size", size),
               (*TRANSIENT, "relay"), (RATE, CPU), quick=size == 128)


def fanout(subscribers):
    return Row(f"fanout-{subscribers}", f"fan-out, 1 to {subscribers}, 128 B (deliveries)", "pubsub",
               ("--subscribers", subscribers), TRANSIENT, (RATE, CPU), quick=True)


def request(name, title, core):
    return Row(f"request-{name}", f"request and reply, one at a time, 128 B, {title}", "request", (),
               ("folkmoot", "folkmoot-unix", "nats", "redis", "tcp", "unix"), (*LATENCY, CPU), core=core, quick=True)


def library(name, title, workload, peers, columns, arguments=()):
    return Row(f"library-{name}", f"through client libraries: {title}, 128 B", workload, arguments, peers, columns,
               library=True)


def backlog(count, name, **more):
    return Row(f"backlog-{name}", f"{name} waiting durable messages of 128 B", "backlog", (count,),
               ("folkmoot", "jetstream", "redis-everysec", "rabbitmq"), BACKLOG,
               rounds_max={"rabbitmq": 1}, long=True, **more)


ROWS = (
    Row("machine", "the machine itself, no broker: byte relay; fdatasync of a 4 KiB append", "reference", (),
        ("relay", "disk"), (RATE, CPU, *LATENCY), seconds=0.7, quick=True),
    *(pubsub(1, 1, size) for size in SIZES),
    *(pubsub(8, 8, size) for size in SIZES),
    fanout(10),
    fanout(1000),
    request("one-core", "all on one core", 0),
    request("free", "free on all cores", None),
    Row("durable-1000", "durable: publish confirmed, 1000 in flight; then consume, one ack each; 128 B", "durable",
        ("--window", 1000), DURABLE, (RATE, CPU, *CONSUME), seconds=1.5, synced=True, quick=True),
    Row("stream-1000", "stream: append confirmed, 1000 in flight; then read all from the beginning; 128 B", "stream",
        ("--window", 1000), ("folkmoot", "jetstream", "redis-always", "redis-everysec"), (RATE, CPU, *REPLAY),
        seconds=1.5),
    Row("durable-1", "durable: publish confirmed, one in flight, 128 B", "durable", ("--window", 1), DURABLE,
        (RATE, CPU, *LATENCY), seconds=1.0, synced=True, quick=True),
    library("pubsub-128", "pub/sub, 1 to 1", "pubsub", TRANSIENT, (RATE, CPU, CLIENT_CPU)),
    library("request", "request and reply, one at a time", "request", TRANSIENT, (*LATENCY, CPU, CLIENT_CPU)),
    library("durable-1000", "publish confirmed, 1000 in flight; then consume, one ack each", "durable",
            ("folkmoot", "jetstream", "redis-always", "rabbitmq"),
            (RATE, CPU, CLIENT_CPU, *CONSUME, CONSUME_CLIENT_CPU), ("--window", 1000)),
    Row("agents-64", "64 agents, each publishes a durable message and waits for its confirm, 128 B", "agents",
        ("--connections", 64), ("folkmoot", "folkmoot-http", "folkmoot-ws", "jetstream", "redis-always"),
        (RATE, CPU, *LATENCY)),
    Row("agents-10000", "10,000 agents, each a durable message a second, 128 B", "agents",
        ("--connections", 10000, "--rate", 10000), ("folkmoot", "jetstream", "redis-always"), (RATE, CPU, *LATENCY),
        seconds=3.0, rounds_max={"jetstream": 1, "redis-always": 1}),
    Row("idle-10000", "10,000 connections that wait, each with a mailbox or subject of its own", "idle",
        ("--connections", 10000), ("folkmoot", "nats", "redis", "rabbitmq"), IDLE, seconds=2.0,
        rounds_max={"rabbitmq": 1}, peer_arguments={"rabbitmq": ("--connections", 500)}, quick=True, long=True),
    backlog(1_000_000, "1M", quick=True),
    backlog(10_000_000, "10M", asked=True),
)

QUICK_WITHOUT = {("idle-10000", "rabbitmq"), ("backlog-1M", "rabbitmq"), ("backlog-1M", "redis-everysec")}


@dataclass(frozen=True)
class Mark:
    """folkmoot's median must be at least / at most `factor` times the best of `against` (a plain limit without any)."""
    row: str
    key: str
    factor: float
    against: tuple = ()             # peers of the same row, or (row, peer)
    peer: str = "folkmoot"
    at_least: bool = False
    bare: str = ""  # the reference of the same row that does the same without a broker: named beside a miss


MB = 1e6 / 2**20


def at_least(row, key, factor, *against, peer="folkmoot"):
    return Mark(row, key, factor, against, peer, True)


def at_most(row, key, factor, *against, peer="folkmoot"):
    return Mark(row, key, factor, against, peer, False)


SPINE = (
    at_least("pubsub-1-1-128", "rate", 1.0, "nats"),
    at_most("pubsub-1-1-128", "cpu_s_per_m", 0.5, "nats"),
    *(at_least("durable-1000", key, 1.0, peer) for key in ("rate", "consume_rate")
      for peer in ("redis-always", "rabbitmq", "jetstream")),
    at_most("durable-1000", "messages_per_sync", 1000),
    at_most("idle-10000", "bytes_per_connection", 4096),
    at_most("idle-10000", "rss_empty_mib", 20 * MB),
    at_most("backlog-1M", "rss_mib", 150 * MB),
    at_most("backlog-1M", "term_s", 2.0),
    at_most("backlog-1M", "kill_s", 2.0),
)

BEST = (
    *(mark for pair in ("1-1", "8-8") for size in SIZES
      for mark in (Mark(f"pubsub-{pair}-{size}", "rate", 4.0, ("nats",), at_least=True, bare="relay"),
                   Mark(f"pubsub-{pair}-{size}", "cpu_s_per_m", 0.2, ("nats",), bare="relay"))),
    *(mark for count in (10, 1000)
      for mark in (at_least(f"fanout-{count}", "rate", 3.0, "nats", "redis"),
                   at_most(f"fanout-{count}", "cpu_s_per_m", 1 / 3, "nats", "redis"))),
    # 1.2 times two round trips without a broker
    *(at_most(f"request-{place}", key, 2.4, reference, peer=peer) for place in ("one-core", "free")
      for key in ("p50_us", "p99_us") for peer, reference in (("folkmoot", "tcp"), ("folkmoot-unix", "unix"))),
    at_least("durable-1000", "rate", 3.0, "jetstream"),
    at_least("durable-1000", "rate", 5.0, "redis-always"),
    at_most("durable-1000", "cpu_s_per_m", 1.0),
    at_most("durable-1000", "messages_per_sync", 1000),
    at_least("durable-1000", "consume_rate", 2.5, "jetstream"),
    at_most("durable-1", "p50_us", 1.3, ("machine", "disk")),
    at_most("agents-64", "cpu_s_per_m", 3.0, "folkmoot", peer="folkmoot-http"),
    at_most("agents-64", "cpu_s_per_m", 3.0, "folkmoot", peer="folkmoot-ws"),
    at_most("agents-10000", "p99_us", 20_000),
    at_most("agents-10000", "late", 0),
    at_most("idle-10000", "bytes_per_connection", 1536),
    at_most("idle-10000", "idle_cores", 0.005),
    at_most("backlog-1M", "rss_mib", 40 * MB),
    at_most("backlog-1M", "term_s", 0.3),
    at_most("backlog-1M", "kill_s", 1.0),
    at_most("backlog-10M", "rss_mib", 250 * MB),
)

# Beside an earlier program of folkmoot itself: differences that are no noise. Both run through the same client library.
NOISE = 1.15
BEFORE = tuple(
    Mark(row.name, column.key, 1 /
         NOISE if column.more_is_better else NOISE, ("before",), at_least=column.more_is_better) for row in ROWS
    if "folkmoot" in row.peers and not row.library for column in row.columns
    if column.key not in ("p99_us", "p999_us", "connect_seconds", "idle_cores"))

MARKS = {"spine": SPINE, "best": BEST, "before": BEFORE}
