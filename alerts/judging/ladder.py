"""grade(value, ladder, level_now): which level a value means, given the level that is on now."""

from fenghuo.schemas.campaign.parts import Ladder
from fenghuo.schemas.level import WARNINGS, Level

_WORST_FIRST = WARNINGS[::-1]


def grade(value: float, ladder: Ladder, level_now: int) -> Level:
    """The highest level whose enter bound is reached, or, if that is higher, the highest level up
    to level_now whose leave bound still holds.

    Bounds are included: a rising level is reached at `value >= enter` and holds at `value >= leave`
    (falling: `<=`). So between leave and enter the level that is on stays on, and nothing else:
    a level above level_now is never given by its leave bound. Monotone in value and in level_now.
    The value must be finite: a NaN compares false with every bound and would look green.
    """
    rising = ladder.rising
    steps = zip(_WORST_FIRST, reversed(ladder.enter), reversed(ladder.leave), strict=True)
    for level, enter, leave in steps:
        # of a level that is on both bounds count: a leave bound need not be the milder one
        if value >= enter if rising else value <= enter:
            return level
        if level <= level_now and (value >= leave if rising else value <= leave):
            return level
    return Level.GREEN


def enters(value: float, ladder: Ladder, level: Level) -> bool:
    """Whether the value reaches the enter bound of a level above green."""
    bound = ladder.enter_of(level)
    return value >= bound if ladder.rising else value <= bound


def holds(value: float, ladder: Ladder, level: Level) -> bool:
    """Whether the value is still on the bad side of the leave bound of a level above green."""
    bound = ladder.leave_of(level)
    return value >= bound if ladder.rising else value <= bound
