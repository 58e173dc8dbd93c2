"""State and Transition: the memory of the warning machine and what it tells, as they travel."""

import msgspec


class State(msgspec.Struct, frozen=True):
    """What the machine remembers of one rule in one scope; the default is "nothing known yet".

    level: None is "no data and nothing open". A machine restarted from this goes on as if nothing
    had happened: all its clocks are moments, none is a counter of ticks.
    """

    level: int | None = None
    since_ms: int = 0
    """When this level began."""
    pending_level: int | None = None
    """What waits for its hold: above the level the grade, below it the highest grade seen."""
    pending_since_ms: int = 0
    """Since when the grade has been above (below) the level; 0 while nothing waits."""
    rise_since_ms: tuple[int, ...] = ()
    """While a rise waits: since when the grade has been at least level + 1, level + 2, ..."""
    seq: int = 0
    """How many transitions there have been; each one raises it by one."""
    incident: int = 0
    """The seq at which it left green; 0 while no incident is open."""
    opened_ms: int = 0
    """When the open incident began; 0 while none is open."""
    peak: int = 0
    """The highest level of the open incident."""
    reason: str = ""
    """The last reason, in words."""
    moves_ms: tuple[int, ...] = ()
    """When the level last changed: as many moments as decide whether it flaps."""
    flapping: bool = False
    """Whether it changes so often that it is held."""


class Transition(msgspec.Struct, frozen=True):
    """A change of level of one rule in one scope. None as a level is "no data"."""

    rule: str
    scope: str
    seq: int
    incident: int
    """The incident this belongs to, also at its end; 0 between green and "no data"."""
    from_level: int | None
    to_level: int | None
    at_ms: int
    value: float | None
    samples: int
    threshold: float | None
    """The bound that decided: that of the level entered, or of the level left."""
    reason: str
