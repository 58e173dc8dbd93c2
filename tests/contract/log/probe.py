"""A part that writes down what the transport hands it:
`python -m tests.contract.log.probe OPTIONS`.

It starts where the files in its folder say, one for each partition, and keeps them up to date; so
several probes of one name share the work as real workers do.
"""

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from aiokafka.errors import GroupAuthorizationFailedError
from faust.types import TP

from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.settings import Settings, read
from fenghuo.streams import part


class Options(msgspec.Struct, frozen=True):
    """name: of the group; folder: of the offsets; fails: start_offsets raises; expelled: once it
    has read something, the client learns that the group is closed to it.
    """

    name: str
    topics: list[str]
    folder: str
    fails: bool = False
    expelled: bool = False


class Assigned(msgspec.Struct, frozen=True, tag="assigned"):
    """What start_offsets said."""

    offsets: dict[str, int]


class Seen(msgspec.Struct, frozen=True, tag="seen"):
    """One fetch. values: length and digest of each, null for a value that is null."""

    tp: str
    start: int
    stop: int
    offsets: list[int]
    values: list[str | None]
    record_ms: list[int]
    headers: dict[str, list[tuple[str, str | None]]]


Line = Assigned | Seen


class Probe(part.Part):
    """Reads and tells."""

    def __init__(self, settings: Settings, options: Options) -> None:
        self.name = options.name
        self.topics = options.topics
        self._options = options
        self._ticks_read = 0
        super().__init__(settings)

    async def start_offsets(self, assigned: set[TP]) -> Mapping[TP, int]:
        if self._options.fails:
            raise OSError("the store of the offsets is away")
        offsets = {tp: int(self._file(tp).read_text()) for tp in assigned}
        tell(Assigned({name(tp): offset for tp, offset in offsets.items()}))
        return offsets

    async def on_fetch(self, tp: TP, fetch: Fetch) -> None:
        headers: dict[str, list[tuple[str, str | None]]] = {
            str(at): [(key, None if value is None else value.hex()) for key, value in found]
            for at in range(len(fetch.values))
            if (found := fetch.headers_of(at))
        }
        digests = [digest(value) for value in fetch.values]
        offsets, record_ms = fetch.offsets.tolist(), fetch.record_ms.tolist()
        start, stop = fetch.start_offset, fetch.next_offset
        tell(Seen(name(tp), start, stop, offsets, digests, record_ms, headers))
        fresh = self._file(tp).with_suffix(f".{os.getpid()}")
        fresh.write_text(str(fetch.next_offset))
        fresh.rename(self._file(tp))

    async def on_tick(self) -> None:
        self._ticks_read += any(self._file(TP(t, 0)).read_text() != "0" for t in self.topics)
        if self._options.expelled and self._ticks_read == 4:
            thread = self.app.consumer._thread
            tell_all = thread._consumer._subscription.abort_waiters
            thread.thread_loop.call_soon_threadsafe(tell_all, GroupAuthorizationFailedError("x"))

    def _file(self, tp: TP) -> Path:
        return Path(self._options.folder) / f"{tp.topic}-{tp.partition}"


def name(tp: Any) -> str:
    """`topic/partition`."""
    return f"{tp.topic}/{tp.partition}"


def digest(value: bytes | None) -> str | None:
    """What stands for a value in a line."""
    if value is None:
        return None
    return f"{len(value)}:{hashlib.sha256(value).hexdigest()[:16]}"


def tell(line: Line) -> None:
    print(msgspec.json.encode(line).decode(), flush=True)


if __name__ == "__main__":
    chosen = msgspec.json.decode(sys.argv[1], type=Options)
    part.main(lambda: Probe(read(os.environ), chosen))
