"""Limits: how many connections of each kind an api holds, by the files it may have open."""

import resource

import msgspec

OWN_FILES = 96
"""What the process has open for itself: broker, store, askers, log."""
WAITING_MAX = 1_024
ANSWERS_MAX = 512
SHARE = 8
"""Where few files are allowed, each of these two has at most one of so many parts of them."""


class Limits(msgspec.Struct, frozen=True):
    """Places by what a connection is doing."""

    waiting: int
    """Has no request under way: it is new, slow, or kept alive."""
    answers: int
    """Is being answered, the stream apart."""
    viewers: int
    """Is on the stream."""


def limits(files: int, viewers_max: int) -> Limits:
    """The places that fit into so many open files."""
    usable = max(files - OWN_FILES, SHARE)
    waiting, answers = min(WAITING_MAX, usable // SHARE), min(ANSWERS_MAX, usable // SHARE)
    return Limits(waiting, answers, min(viewers_max, usable - waiting - answers))


def files() -> int:
    """How many files this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 30 if soft == resource.RLIM_INFINITY else soft
