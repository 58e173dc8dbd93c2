"""Figures of a backtest over series of values: a row for each set and level, and peers. Pure."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import median
from typing import Final

import msgspec

from fenghuo.alerts.backtest import nab_score, spans
from fenghuo.alerts.backtest.peers import above_percentile, track_of, windowed_gaussian
from fenghuo.alerts.backtest.run import SeriesResult
from fenghuo.alerts.backtest.series import Series
from fenghuo.alerts.backtest.spans import Conduct, Match, Track
from fenghuo.schemas.campaign.parts import Rule
from fenghuo.schemas.level import WARNINGS, Level

DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Judged:
    """A series, and what the rule made of it."""

    series: Series
    result: SeriesResult


class Row(msgspec.Struct, frozen=True):
    """A level over a set. Delays are of the windows found, from the start of a window to the first
    moment at the level; false alarms and days are of labelled series, after their learning time;
    None is "not labelled" or "none found". fired, minutes, notices and flaps are of all series and
    their whole time; flaps are those of the warning, whatever the level.
    """

    set: str
    rule: str
    level: str
    windows: int
    found: int
    median_delay_s: float | None
    median_delay_samples: float | None
    false_alarms: int | None
    false_alarms_per_series_day: float | None
    fired: int
    minutes: float
    notices_per_hour: float
    flaps: int
    series: int
    samples: int
    days: float
    samples_per_s: float
    nab_score: float | None = None


class Peer(msgspec.Struct, frozen=True):
    """Another detector on the same rows. threshold: "best" of all, or how it was fixed."""

    set: str
    detector: str
    threshold: str
    nab_score: float | None = None
    windows: int = 0
    found: int = 0
    false_alarms_per_series_day: float | None = None


def rows(judged: Sequence[Judged], rule: Rule, seconds: float) -> list[Row]:
    """The rows of one set, blue first; seconds: how long judging it took."""
    return [_row(judged, rule, level, seconds) for level in WARNINGS]


def matched(one: Judged | tuple[Series, Track], level: Level) -> Match | None:
    """How a series' incidents met its windows after the learning time; None without labels."""
    series, track = (one.series, one.result.track) if isinstance(one, Judged) else one
    if series.windows is None or not series.times_ms:
        return None
    from_ms = series.times_ms[spans.learning(len(series.times_ms))]
    alarms = spans.since(spans.incidents(track, level), from_ms)
    return spans.match(alarms, spans.since(series.windows, from_ms), series.times_ms)


def peers(judged: Sequence[Judged]) -> list[Peer]:
    """What simple detectors reach on the rows of one set."""
    found = [_percentile(judged)] if any(one.series.windows for one in judged) else []
    scored = [one for one in judged if one.series.costs is not None]
    if not scored:
        return found
    group, costs = scored[0].series.group, scored[0].series.costs
    assert costs is not None
    places = [_scored(one) for one in scored]

    def best(detector: str, values: Iterable[Sequence[float]]) -> Peer:
        top = nab_score.best(zip(places, values, strict=True), costs)
        return Peer(group, detector, "best", None if top is None else top[1])

    above = [above_percentile(one.series.values) for one in scored]
    fixed = [[row for row, value in enumerate(values) if value > 0] for values in above]
    fixed_score = nab_score.score(zip(places, fixed, strict=True), costs)
    every = [range(len(one.series.values)) for one in scored]
    return [
        best("fenghuo's score, one threshold", (one.result.scores for one in scored)),
        best("windowed Gaussian", (windowed_gaussian(one.series.values) for one in scored)),
        best("99th percentile", above),
        Peer(group, "99th percentile", "as it is", fixed_score),
        Peer(group, "null", "none", nab_score.score(((p, ()) for p in places), costs)),
        Peer(group, "always", "none", nab_score.score(zip(places, every, strict=True), costs)),
        *found,
    ]


def conduct_of(one: Judged, rule: Rule) -> Conduct:
    """What the warning of a series did."""
    return spans.conduct(one.result.track, rule.flapping)


def _row(judged: Sequence[Judged], rule: Rule, level: Level, seconds: float) -> Row:
    conducts = [conduct_of(one, rule) for one in judged]
    met = [found for one in judged if (found := matched(one, level)) is not None]
    delays_ms = list(chain.from_iterable(found.delays_ms for found in met))
    delays = list(chain.from_iterable(found.delays_samples for found in met))
    days, false = _days(judged), sum(found.false_alarms for found in met)
    hours = sum(done.hours for done in conducts)
    samples = sum(len(one.series.times_ms) for one in judged)
    return Row(
        set=judged[0].series.group,
        rule=rule.id,
        level=level.word,
        windows=sum(found.windows for found in met),
        found=len(delays),
        median_delay_s=median(delays_ms) / 1000 if delays_ms else None,
        median_delay_samples=median(delays) if delays else None,
        false_alarms=false if met else None,
        false_alarms_per_series_day=round(false / days, 4) if days else None,
        fired=sum(done.fired[level - 1] for done in conducts),
        minutes=round(sum(done.minutes[level] for done in conducts), 1),
        notices_per_hour=(
            round(sum(done.notices[level - 1] for done in conducts) / hours, 4) if hours else 0.0
        ),
        flaps=sum(done.flaps for done in conducts),
        series=len(judged),
        samples=samples,
        days=round(days, 2),
        samples_per_s=round(samples / seconds) if seconds else 0,
        nab_score=_nab(judged, level),
    )


def _days(judged: Sequence[Judged]) -> float:
    """Days of labelled series after their learning time, all together."""
    total_ms = 0
    for one in judged:
        times_ms = one.series.times_ms
        if one.series.windows is not None and times_ms:
            total_ms += one.result.track.end_ms - times_ms[spans.learning(len(times_ms))]
    return total_ms / DAY_MS


def _nab(judged: Sequence[Judged], level: Level) -> float | None:
    """A detection is the start of an incident at the level."""
    scored = [one for one in judged if one.series.costs is not None]
    if not scored or scored[0].series.costs is None:
        return None
    starts = (
        [
            bisect_left(one.series.times_ms, incident.start_ms)
            for incident in spans.incidents(one.result.track, level)
        ]
        for one in scored
    )
    places = map(_scored, scored)
    found = nab_score.score(zip(places, starts, strict=True), scored[0].series.costs)
    return None if found is None else round(found, 2)


def _scored(one: Judged) -> nab_score.Scored:
    return nab_score.Scored(one.series.times_ms, one.series.windows or ())


def _percentile(judged: Sequence[Judged]) -> Peer:
    """The 99th percentile as a warning without holds."""
    met = [
        matched((one.series, track_of(one.series.times_ms, above_percentile(one.series.values),
                                      one.result.track.end_ms)), Level.RED)
        for one in judged
    ]  # fmt: skip
    known = [found for found in met if found is not None]
    days = _days(judged)
    false = sum(found.false_alarms for found in known)
    return Peer(
        judged[0].series.group,
        "99th percentile, as a warning",
        "as it is",
        windows=sum(found.windows for found in known),
        found=sum(found.found for found in known),
        false_alarms_per_series_day=round(false / days, 4) if days else None,
    )
