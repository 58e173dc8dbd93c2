"""A batch sent as it is: what no client would write, brokers take and keep all the same."""

import socket
import struct
import time

PRODUCE, VERSION = 0, 7
NOT_YET = {3, 5, 6}
"""A topic just made has no leader for a moment."""
LEADER_S_MAX = 10


def produce(bootstrap: str, topic: str, batch: bytes, partition: int = 0) -> int:
    """The offset that the broker gave it; raises OSError with the code of a broker that refuses."""
    until = time.monotonic() + LEADER_S_MAX
    while True:
        code, offset = _sent(bootstrap, topic, batch, partition)
        if code in NOT_YET and time.monotonic() < until:
            time.sleep(0.1)
        elif code:
            raise OSError(f"the broker refused the batch: code {code}")
        else:
            return offset


def _sent(bootstrap: str, topic: str, batch: bytes, partition: int) -> tuple[int, int]:
    name = topic.encode()
    body = struct.pack(">hhih", PRODUCE, VERSION, 1, -1)  # no name of a client
    body += struct.pack(">hhii", -1, -1, 60_000, 1)  # no transaction, all replicas, one topic
    body += struct.pack(">h", len(name)) + name
    body += struct.pack(">iii", 1, partition, len(batch)) + batch
    host, _, port = bootstrap.partition(":")
    with socket.create_connection((host, int(port)), 60) as link:
        link.sendall(struct.pack(">i", len(body)) + body)
        with link.makefile("rb") as answer:
            (size,) = struct.unpack(">i", answer.read(4))
            told = answer.read(size)
    # correlation, topics, name, partitions, partition, error, offset
    code, offset = struct.unpack_from(">hq", told, 4 + 4 + 2 + len(name) + 4 + 4)
    return int(code), int(offset)
