"""Turns: at which ticks a source partition is published, and its position sent. Pure."""

SAFE_MS = 5_000
"""A partition's position is sent this often, behind the sketches of what lies before it: these
change with every new user, and an older position only means to read a little more again.
"""
HEAD_MS = 1_000
"""A partition in which nothing changed says so this often."""


def is_due(pending: int, quiet_ms: int, *, is_safe: bool) -> bool:
    """Whether a source partition is published at a tick: it has news, or was not heard of for a
    while. A safe tick leaves nobody out: a partition that fell silent could be passed over at
    every one of them, and its users and its position would never be told.
    """
    return is_safe or pending > 0 or quiet_ms >= HEAD_MS


def in_turn(number: int, of: int, before_ms: int, now_ms: int) -> bool:
    """Whether the safe tick of this one of several partitions came after before_ms, up to now_ms.
    They take turns: the sketches of all at once would hold viewers up for a quarter of a second.
    """
    phase_ms = SAFE_MS * number // of
    return (now_ms - phase_ms) // SAFE_MS > (before_ms - phase_ms) // SAFE_MS
