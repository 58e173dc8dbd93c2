"""Usual: what the adaptive rules expect, learnt from the seconds that are final. No clock, no I/O.

A baseline goes by steps as long as its rule looks back; where it knows days, of a minute at least,
for a week of short steps is much to keep. A step is learnt once the watermark has passed its end,
so what is learnt is a function of the log alone, and a judge that takes over learns what the one
before would have. What was learnt leaves as dumps, before the board that was graded with them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from fenghuo.alerts.judging.baseline import Baseline
from fenghuo.schemas.campaign.parts import Rule
from fenghuo.schemas.log import foreign
from fenghuo.schemas.metrics.reading import Reading
from fenghuo.streams.judge.clocks import Clock
from fenghuo.streams.judge.readings import View

STEP_OF_DAY_S = 60
"""The shortest step of a baseline that knows days."""
STEPS_MAX = 200
"""Most steps learnt at once: the rings reach back for minutes, not for a night."""
Key = tuple[str, str]


class _Learnt(msgspec.Struct):
    baseline: Baseline
    step_ms: int
    last_ms: int | None = None
    """End of the newest step that was learnt."""


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    metric: str
    last_ms: int
    dump: bytes


class Usual:
    """The baselines of every adaptive rule in each of its scopes."""

    def __init__(self, watched: Sequence[tuple[Rule, str]], left: Mapping[str, bytes]) -> None:
        self._left = dict(left)
        self._of: dict[Key, _Learnt] = {}
        self._told: dict[str, bytes] = {}
        self.watch(watched)

    def watch(self, watched: Sequence[tuple[Rule, str]]) -> None:
        """Go on with these rules and scopes: what is measured as before keeps what it learnt."""
        found: dict[Key, _Learnt] = {}
        for rule, scope in watched:
            if rule.adaptive is not None:
                key = (rule.id, scope)
                found[key] = self._restored(rule, scope)
        self._of = found

    def learn(self, rule: Rule, scope: str, view: View, times: Mapping[str, Clock]) -> None:
        """Learn the steps that are final by now."""
        learnt = self._of[rule.id, scope]
        marks = [times[kind].watermark_ms for kind in rule.metric.kinds]
        known = [mark for mark in marks if mark is not None]
        if len(known) < len(marks) or view.is_stale:
            return
        step_ms = learnt.step_ms
        end_ms = min(known) // step_ms * step_ms
        first_ms = end_ms if learnt.last_ms is None else learnt.last_ms + step_ms
        first_ms = max(first_ms, end_ms - (STEPS_MAX - 1) * step_ms)
        if first_ms > end_ms:
            return
        for at_ms in range(first_ms, end_ms + 1, step_ms):
            reading = view.read(rule.metric, scope, at_ms // 1000)
            value = reading.value if reading.samples >= rule.min_samples else None
            learnt.baseline.learn(at_ms, value, _season(rule, view, at_ms))
        learnt.last_ms = end_ms
        name = _named(rule, scope)
        self._told[name] = self._left[name] = _dumped(rule, learnt)

    def expected(self, rule: Rule, scope: str, view: View, reading: Reading) -> Reading:
        """The reading, with what was expected of it where that is known."""
        at_ms = view.as_of_ms(next(iter(rule.metric.kinds)))
        if reading.value is None or at_ms is None:
            return reading
        found = self._of[rule.id, scope].baseline.expect(at_ms, _season(rule, view, at_ms))
        if found is None:
            return reading
        return replace(reading, expected=found[0], deviation=found[1])

    def take(self) -> dict[str, bytes]:
        """What was learnt since the last time, by rule and scope ("rule|scope")."""
        told, self._told = self._told, {}
        return told

    def _restored(self, rule: Rule, scope: str) -> _Learnt:
        assert rule.adaptive is not None
        shortest_s = STEP_OF_DAY_S if rule.adaptive.season == "day" else 1
        step_ms = max(rule.window_s, shortest_s) * 1000
        fresh = _Learnt(Baseline(rule.adaptive, step_ms), step_ms)
        data = self._left.get(_named(rule, scope))
        if data is None:
            return fresh
        try:
            kept = msgspec.msgpack.decode(data, type=_Kept)
            if kept.metric != repr(rule.metric):
                return fresh  # another thing under the same name: nothing is known of it
            baseline = Baseline.load(rule.adaptive, step_ms, kept.dump)
        except foreign.ERRORS:
            return fresh
        return _Learnt(baseline, step_ms, kept.last_ms)


def _season(rule: Rule, view: View, at_ms: int) -> float | None:
    is_last_year = rule.adaptive is not None and rule.adaptive.season == "last_year"
    return view.expected_by_last_year(rule.metric, at_ms) if is_last_year else None


def _named(rule: Rule, scope: str) -> str:
    return f"{rule.id}|{scope}"


def _dumped(rule: Rule, learnt: _Learnt) -> bytes:
    kept = _Kept(repr(rule.metric), learnt.last_ms or 0, learnt.baseline.dump())
    return msgspec.msgpack.encode(kept)
