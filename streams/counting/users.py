"""Distinct users of one source partition by region, as theta sketches. No clock, no I/O.

A union of sketches is commutative, associative and idempotent: repeats, replays and dead workers
do no harm, just as with pulses. A sketch keeps the users whose hash lies below its theta, so of
millions a second it wants a few; those are found by a compiled loop that computes the library's own
hash, and only they are given to the library. The others it would have ignored itself, so the sketch
is the same (tests/laws/gather/test_users_laws.py).
"""

# Compiled: numba infers the types, the signatures stand in the decorators.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, no-check-untyped-defs
# ruff: noqa: PLR0917

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from datasketches import update_theta_sketch

from fenghuo.schemas.arrays import Flags, Ints
from fenghuo.schemas.compiled import FLAGS, INT, INTS, compiled, inlined
from fenghuo.schemas.wire.visitors import ACTIVE, LG_K, NEW, Name, Sketches, united

SEED: Final = 9001
"""The library's own, so that everybody's sketches can be united."""
SEEN_SLOTS: Final = 1 << 16
"""Users seen a moment ago, by their hash: while a sketch is not full yet, all of them would be
given to the library again and again.
"""
NEWS_SHARE: Final = 8
"""Sketches are told whole again when an eighth of what they held came new."""
HASH_BYTES: Final = 8
_ALL: Final = 2**63 - 1


class Told(msgspec.Struct, frozen=True):
    """What is sent of the sketches: whole, or the users that came since the last whole ones. The
    newest of both together are all that is known.
    """

    sketches: Sketches
    is_whole: bool


class Users:
    """The sketches of a source partition: for each region who was active, and who was new, at
    event times from the first of span_ms to before the second.
    """

    def __init__(
        self, regions: Sequence[str], span_ms: tuple[int, int], found: Sketches | None = None
    ) -> None:
        self._from_ms, self._to_ms = span_ms
        self._names = [(measure, region) for measure in (ACTIVE, NEW) for region in regions]
        self._sketches = [update_theta_sketch(LG_K) for _ in self._names]
        self._news = [update_theta_sketch(LG_K) for _ in self._names]
        """Who came since the whole sketches were last told; theirs is the smaller theta."""
        self._given, self._told = 0, 0
        """Users given to sketches since then, and how many all of them held."""
        self._theta = np.full(len(self._names), _ALL, np.int64)
        self._seen = np.zeros(SEEN_SLOTS, np.int64)
        self._held = dict(found or {})
        """What was known when this worker began; a sketch cannot take in another one."""
        self._changed: set[int] = set(range(len(self._names))) if found else set()

    def add(self, tables: tuple[Ints, Flags], ts: Ints, code: Ints, user: Ints) -> int:
        """These users came; tables: region and newness by code; 0 is nobody. How many of them a
        sketch wanted to know.
        """
        if not len(ts):
            return 0
        if ts.min() < self._from_ms or ts.max() >= self._to_ms:
            inside = (ts >= self._from_ms) & (ts < self._to_ms)
            code, user = code[inside], user[inside]
        out = np.empty((2, 2 * len(user)), np.int64)
        count = _wanted(code, user, *tables, self._theta, self._seen, out[0], out[1])
        for slot, value in zip(out[0, :count].tolist(), out[1, :count].tolist(), strict=True):
            self._sketches[slot].update(value)
            self._news[slot].update(value)
        self._given += count
        for slot in set(out[0, :count].tolist()):
            self._theta[slot] = self._sketches[slot].theta64
            self._changed.add(slot)
        return count

    def take(self) -> Told | None:
        """The sketches, when any of them has changed since the last time: whole when much came
        since they last were, for whole ones are large, and of millions of users few are news.
        """
        if not self._changed:
            return None
        self._changed.clear()
        if self._given * NEWS_SHARE < self._told:
            return Told(_compact(self._names, self._news, {}), is_whole=False)
        return self.whole()

    def whole(self) -> Told:
        """All sketches; news begin again behind them."""
        self._news = [update_theta_sketch(LG_K) for _ in self._names]
        sketches = _compact(self._names, self._sketches, self._held)
        self._given, self._told = 0, sum(map(len, sketches.values())) // HASH_BYTES
        return Told(sketches, is_whole=True)


def _compact(
    names: Sequence[Name], sketches: Sequence[update_theta_sketch], held: Sketches
) -> Sketches:
    found = dict(held)
    for name, sketch in zip(names, sketches, strict=True):
        if not sketch.is_empty():
            mine = sketch.compact().serialize()
            # a union is trimmed: half as many bytes
            found[name] = united([found[name], mine] if name in found else [mine])
    return found


@inlined
def _hash(user):
    """The first half of MurmurHash3 (x64, 128 bits) of eight bytes, shifted, as DataSketches takes
    it.
    """
    k = np.uint64(user) * np.uint64(0x87C37B91114253D5)
    k = (k << np.uint64(31)) | (k >> np.uint64(33))
    k *= np.uint64(0x4CF5AD432745937F)
    first = (np.uint64(SEED) ^ k) ^ np.uint64(8)
    second = np.uint64(SEED) ^ np.uint64(8)
    first += second
    second += first
    return (_mixed(first) + _mixed(second)) >> np.uint64(1)


@inlined
def _mixed(k):
    k ^= k >> np.uint64(33)
    k *= np.uint64(0xFF51AFD7ED558CCD)
    k ^= k >> np.uint64(33)
    k *= np.uint64(0xC4CEB9FE1A85EC53)
    return k ^ (k >> np.uint64(33))


@compiled(INT(INTS, INTS, INTS, FLAGS, INTS, INTS, INTS, INTS))
def _wanted(code, user, region, is_new, theta, seen, slots, users):
    """Who is below theta and was not seen a moment ago, by sketch: slots and users; how many."""
    count, regions = 0, len(theta) // 2
    for i in range(len(user)):
        if user[i] == 0:
            continue
        mark = np.int64(_hash(user[i]))
        slot = region[code[i]]
        is_newcomer = is_new[code[i]]
        if mark >= theta[slot] and not (is_newcomer and mark < theta[slot + regions]):
            continue
        for k in range(2 if is_newcomer else 1):
            at = slot + k * regions
            if mark < theta[at]:
                place = (mark ^ (at * 0x9E3779B1)) & (SEEN_SLOTS - 1)
                if seen[place] != mark + at:
                    seen[place] = mark + at
                    slots[count], users[count] = at, user[i]
                    count += 1
    return count
