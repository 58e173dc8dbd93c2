"""What workers have left on topic `users`: of each source the sketches a new owner goes on from.
No clock, no I/O.

A writer has two keys: its whole sketches, and behind them the news that came since. The newest of
both are all it knows, so that compaction takes nothing away.
"""

from collections.abc import Iterable
from typing import Any, Final

from fenghuo.schemas.log.foreign import FOREIGN, Foreign, key_of
from fenghuo.schemas.wire import visitors
from fenghuo.schemas.wire.pulse import Source

NEWS: Final = "|news"
"""Ends the key of sketches that are not whole."""
LEFT_MS: Final = 60_000
"""A worker that has lost a partition, and does not know it yet, may still write. What it wrote is
deleted only when it has been silent for this long: its news rest on its whole sketches, and a
position of its own on both.
"""


def key(source: Source, writer: str, *, is_whole: bool) -> str:
    """The key of a writer's sketches."""
    return f"{source}|{writer}" + ("" if is_whole else NEWS)


class Left:
    """The newest record of each key of some sources ("topic/partition"), and nothing else of the
    topic is held.
    """

    def __init__(self, topic: str, sources: Iterable[str], foreign: Foreign = FOREIGN) -> None:
        self._topic, self._foreign = topic, foreign
        self._wanted = tuple(f"{source}|" for source in sources)
        self._newest: dict[str, tuple[int, bytes]] = {}
        self._heard_ms: dict[str, int] = {}

    def see(self, record: Any) -> None:
        """The next record of the topic."""
        name = self._foreign.read(self._topic, record.offset, key_of, record.key) or ""
        self._newest.pop(name, None)
        if record.value and name.startswith(self._wanted):
            self._newest[name] = (record.offset, record.value)
            writer = name.removesuffix(NEWS)
            self._heard_ms[writer] = max(self._heard_ms.get(writer, 0), record.timestamp)

    def parts(self) -> dict[str, visitors.Part]:
        """What was left, by key; what cannot be read is passed over."""
        found = {}
        for name, (offset, value) in self._newest.items():
            part = self._foreign.read(self._topic, offset, visitors.decode, value)
            if part is not None and name.startswith(f"{part.source}|"):
                found[name] = part
        return found

    def is_silent(self, name: str, now_ms: int) -> bool:
        """Whether the writer of this key is surely gone."""
        return self._heard_ms[name.removesuffix(NEWS)] < now_ms - LEFT_MS


def known(parts: Iterable[visitors.Part], epoch: int) -> visitors.Sketches:
    """All that is known of a source in an epoch: other epochs have counted anew."""
    by_name: dict[visitors.Name, list[bytes]] = {}
    for part in parts:
        for name, data in part.sketches.items() if part.epoch == epoch else ():
            by_name.setdefault(name, []).append(data)
    return {name: visitors.united(found) for name, found in by_name.items()}
