"""Gaps: offsets of a source partition that were deleted before they were read. Their events are
unknown: neither counted nor late nor refused.
"""

import msgspec

KEPT_MAX = 20
"""Gaps of a partition that are named; of older ones only the sum is known."""


class Gaps(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest gaps [from, to) in rising order, and how many offsets all there ever were hold."""

    newest: tuple[tuple[int, int], ...] = ()
    missing: int = 0

    def plus(self, start: int, end: int) -> "Gaps":
        """With the gap [start, end); what of it is known already counts once."""
        if start >= end:
            return self
        known = sum(
            max(0, min(end, to) - max(start, begin)) for begin, to in self.newest if begin < end
        )
        apart = [gap for gap in self.newest if gap[1] < start or gap[0] > end]
        met = [gap for gap in self.newest if gap not in apart]
        whole = (min([start, *(gap[0] for gap in met)]), max([end, *(gap[1] for gap in met)]))
        newest = tuple(sorted([*apart, whole])[-KEPT_MAX:])
        return Gaps(newest, self.missing + end - start - known)


NO_GAPS = Gaps()
