"""One step of a pipeline, as a process of its own that may be killed at any moment: takes numbers from `in`, and
completes each with its square to `ledger`. Arguments: the server's Unix socket.
"""

import struct
import sys
import time

from native import Client, Ended, Refused, message, read_delivery

COMPLETE, DELIVER = 0x12, 0x85


def work(path):
    client = Client(path, agent="worker")
    client.consume("in", credit=4)
    while True:
        frame = client.next_where(lambda frame: frame.opcode == DELIVER, timeout=3600)
        delivery = read_delivery(frame)
        number = int(delivery.content)
        output = message(f"{number} {number * number}".encode(), to="ledger")
        body = struct.pack("<QII", delivery.lease, 1, len(output)) + output
        try:
            client.call(COMPLETE, body)
        except Refused as refused:
            if refused.name != "lease_lost":
                raise


while True:
    try:
        work(sys.argv[1])
    except (OSError, Ended):
        time.sleep(0.02)
    except Refused as refused:  # the server is going down
        if not refused.goodbye:
            raise
