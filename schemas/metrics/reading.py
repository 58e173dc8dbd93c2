"""Reading: a number and how much stands behind it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """A number and how many samples stand behind it; None is "no data", never 0.

    expected, deviation: of an adaptive rule, in the rule's unit; None while they are not known.
    projected: the value after the rule's early.within_s at the present pace.
    """

    value: float | None
    samples: int = 0
    expected: float | None = None
    deviation: float | None = None
    projected: float | None = None


NOTHING = Reading(None, 0)
