"""The warning machine from its description alone: slow, with the whole history, nothing kept.

What is asked at each step is asked of all steps since the machine last knew nothing. Flapping is
left out: the rules given here never flap.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from fenghuo.schemas.campaign.parts import Ladder, Rule

UNJUDGED = ("no_data", "too_few", "learning", "suspended")


def grade_of(value: float, ladder: Ladder, now: int) -> int:
    """The highest level that is entered, or that is on and not left."""

    def bad(bound: float) -> bool:
        return value >= bound if ladder.rising else value <= bound

    entered = [level for level in range(1, 6) if bad(ladder.enter[level - 1])]
    kept = [level for level in range(1, now + 1) if bad(ladder.leave[level - 1])]
    return max([0, *entered, *kept])


@dataclass
class Said:
    """One change of level."""

    seq: int
    incident: int
    from_level: int | None
    to_level: int | None
    at_ms: int


@dataclass
class Model:
    """All that happened, and the level it led to."""

    level: int | None = None
    since_ms: int = 0
    incident: int = 0
    graded: list[tuple[int, int]] = field(default_factory=list)  # (moment, grade)
    said: list[Said] = field(default_factory=list)

    def step(self, rule: Rule, outcome: int | str, now_ms: int) -> Said | None:
        """outcome: a grade, or why there is none."""
        now_ms = max(now_ms, self.since_ms)
        if isinstance(outcome, str):
            assert outcome in UNJUDGED
            self.graded.clear()
            unknown = outcome in ("no_data", "suspended") and self.level == 0
            return self._move(None, now_ms) if unknown else None
        self.graded.append((now_ms, outcome))
        present = self.level or 0
        if outcome < present:
            return self._fall(rule, present, outcome, now_ms)
        for level in range(outcome, present, -1):
            if now_ms - self._since(level, 5) >= rule.hold_up_ms[level]:
                return self._move(level, now_ms)
        return self._move(0, now_ms) if self.level is None else None

    def _fall(self, rule: Rule, present: int, grade: int, now_ms: int) -> Said | None:
        if now_ms - self._since(0, present - 1) < rule.hold_down_ms[present]:
            return None
        seen = max(self._lasting(0, present - 1), key=lambda one: one[1])[1]
        self.graded = [(now_ms, grade)]  # what is lower still waits anew
        return self._move(seen, now_ms)

    def _since(self, low: int, high: int) -> int:
        return self._lasting(low, high)[0][0]

    def _lasting(self, low: int, high: int) -> Sequence[tuple[int, int]]:
        """The last steps that were all of these grades."""
        first = len(self.graded)
        while first and low <= self.graded[first - 1][1] <= high:
            first -= 1
        return self.graded[first:]

    def _move(self, to: int | None, now_ms: int) -> Said:
        before, seq = self.level, len(self.said) + 1
        is_open = bool(to)
        incident = self.incident or (seq if is_open else 0)
        self.incident = incident if is_open else 0
        self.level, self.since_ms = to, now_ms
        self.said.append(Said(seq, incident, before, to, now_ms))
        return self.said[-1]
