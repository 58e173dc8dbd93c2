"""Seeded boards: what the judge would say of a small festival. Same seed, same boards."""

import asyncio
import dataclasses
import math
import random
from collections.abc import Callable
from functools import cache
from typing import Any

from msgspec.structs import replace

from fenghuo.api.view.latest import Latest
from fenghuo.schemas.campaign.campaign import Campaign, load
from fenghuo.schemas.campaign.parts import Adaptive, Early, Ladder, Rule
from fenghuo.schemas.kinds.measures import KINDS
from fenghuo.schemas.level import Level
from fenghuo.schemas.wire.status import (
    SCHEMA,
    Board,
    Books,
    CampaignNote,
    KindStatus,
    Overview,
    RegionView,
    Verdict,
)
from fenghuo.schemas.wire.warning import State, Transition
from tests.paths import CAMPAIGN

FILE = CAMPAIGN
START_MS = 1_794_398_400_000  # 2026-11-11 20:00 in China
WARM_S = 420
"""The rehearsal began this long before the first board."""

Level_ = int | None
# rule, scope -> level at second s of the story
_INCIDENTS: dict[tuple[str, str], tuple[tuple[int, int], ...]] = {
    ("payment_failure_rate", "region=south"): ((20, 1), (24, 3), (30, 4), (150, 0)),
    ("payment_failure_rate", "total"): ((28, 1), (150, 0)),
    ("error_rate", "system=payment"): ((22, 2), (34, 5), (120, 2)),
    ("complaint_rate", "region=east"): ((40, 2), (52, 3)),
    ("traffic_capacity", "total"): ((5, 1), (45, 2)),
    ("latency_p99", "system=recommendation"): ((10, 1),),
}


@cache
def campaign() -> Campaign:
    """The shipped campaign, rehearsed, with one rule that warns early and one that is adaptive."""
    made = load(FILE, START_MS - WARM_S * 1000)
    early = Early(within_s=600, line=Level.ORANGE, level=Level.CYAN)
    scores = Ladder(True, (3.0, 5.0, 7.0, 9.0, 12.0), (2.0, 4.0, 6.0, 8.0, 10.0))

    def changed(rule: Rule) -> Rule:
        if rule.id == "traffic_capacity":
            return dataclasses.replace(rule, early=early)
        if rule.id == "complaint_rate":
            return dataclasses.replace(rule, adaptive=Adaptive(), ladder=scores)
        return rule

    return dataclasses.replace(made, rules=tuple(map(changed, made.rules)))


def board(
    second: float = 60.0, *, seq: int | None = None, seed: int = 1, now_ms: int | None = None
) -> Board:
    """The board at this second of the story; now_ms moves the whole story in time."""
    at_ms = round(START_MS + second * 1000) if now_ms is None else now_ms
    noise = random.Random(f"{seed}/{round(second * 4)}")
    made = campaign()
    verdicts = tuple(
        _verdict(rule, scope, second, at_ms, noise)
        for rule in made.rules
        for scope in _scopes(rule)
    )
    return Board(
        schema=SCHEMA,
        seq=round(second * 4) + 1 if seq is None else seq,
        now_ms=at_ms,
        as_of_ms=at_ms - 600,
        watermark_ms=at_ms - 10_600,
        level=max((verdict.level or 0) for verdict in verdicts),
        campaign=_note(at_ms - round(second * 1000)),
        kinds=tuple(_kind(kind, at_ms, second) for kind in KINDS),
        overview=_overview(second, noise),
        verdicts=verdicts,
        recent=_recent(second, at_ms),
        rewind_offset=0,
    )


def named(made: Board, name: str) -> Board:
    """The same board with this for a region's name, and for every reason."""
    first, *rest = made.overview.regions
    regions = (replace(first, region=name), *rest)
    verdicts = tuple(
        replace(verdict, reason=name, scope=verdict.scope.replace("east", name))
        for verdict in made.verdicts
    )
    return replace(made, overview=replace(made.overview, regions=regions), verdicts=verdicts)


def varied(made: Board) -> Board:
    """The same board with all that can be said beside a level: a red error rate came first and
    explains the failing payments, a capacity line comes nearer, one warning flaps, one knows what
    to expect, some are not judged.
    """
    cause = "error_rate|system=payment"

    def told(one: Verdict) -> Verdict:
        key = (one.rule, one.scope)
        if key == ("error_rate", "system=payment"):
            return replace(one, first_out=True)
        if one.rule == "payment_failure_rate" and one.level:
            return replace(one, cause=cause)
        if key == ("traffic_capacity", "total"):
            orange = campaign().rule(one.rule).ladder.enter_of(Level.ORANGE)
            value = one.value or 0.0
            return replace(one, projected=value + (orange - value) * 600 / 480)
        if key == ("complaint_rate", "region=east"):
            memory = replace(one.memory, flapping=True)
            return replace(one, expected=2.0, deviation=0.5, value=6.1, memory=memory)
        if key == ("complaint_burst", "type=quality"):
            return replace(one, state="learning", level=None, reason="learning")
        if key == ("complaint_burst", "type=logistics"):
            return replace(one, state="suspended", level=None, reason="suspended in phase burst")
        return one

    overview = replace(made.overview, gmv_finish_fen=582_100_000_000_00, ahead_ms=720_000)
    return replace(made, verdicts=tuple(map(told, made.verdicts)), overview=overview)


def many_regions(made: Board, many: int) -> Board:
    """The same board of a campaign with this many regions."""
    regions = tuple(
        replace(made.overview.regions[number % 5], region=f"region {number}", level=number % 6)
        for number in range(many)
    )
    return replace(made, overview=replace(made.overview, regions=regions))


def without_data(made: Board) -> Board:
    """The same board when nothing has come yet: null everywhere, never 0."""
    empty = replace(
        made.overview,
        gmv_fen=None,
        orders_per_s=None,
        requests_per_s=None,
        complaints_per_10k=None,
        error_rate=None,
        latency_p99_ms=None,
        regions=tuple(
            RegionView(region.region, None, region.gmv_target_fen, None, None, None, None)
            for region in made.overview.regions
        ),
    )
    verdicts = tuple(
        replace(verdict, value=None, samples=0, state="no_data", level=None, reason="no data")
        for verdict in made.verdicts
    )
    kinds = tuple(
        KindStatus(kind.kind, None, None, None, None, None, 4, Books()) for kind in made.kinds
    )
    return replace(
        made,
        as_of_ms=None,
        watermark_ms=None,
        level=None,
        overview=empty,
        verdicts=verdicts,
        kinds=kinds,
        recent=(),
    )


class FakeSource:
    """Boards by hand: `push` from the test, in place of the broker."""

    def __init__(self, latest: Latest | None = None) -> None:
        self.latest = latest or Latest(0)
        self.undecodable = 0
        self.loop: asyncio.AbstractEventLoop | None = None
        self._told: Callable[[tuple[Transition, ...]], None] = lambda _: None

    async def run(self, told: Callable[[tuple[Transition, ...]], None]) -> None:
        self._told = told
        self.loop = asyncio.get_running_loop()
        await asyncio.Event().wait()

    def push_from_afar(self, made: Board, now_ms: int) -> None:
        """From another thread than the server's."""
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.push, made, now_ms)

    def push(self, made: Board, now_ms: int) -> None:
        news = self.latest.apply(made, now_ms)
        if news is not None:
            self._told(news)


def _scopes(rule: Rule) -> list[str]:
    found = []
    for scope in rule.scopes:
        if scope in ("total", "kind"):
            found.append("total")
        else:
            found += [f"{scope}={label}" for label in campaign().labels[scope]]
    return found


def _level(rule: str, scope: str, second: float) -> tuple[int, float]:
    """Level at this second, and since when."""
    now, since = 0, 0.0
    for at, level in _INCIDENTS.get((rule, scope), ()):
        if second >= at:
            now, since = level, float(at)
    return now, since


def _verdict(rule: Rule, scope: str, second: float, at_ms: int, noise: random.Random) -> Verdict:
    level, since = _level(rule.id, scope, second)
    state: Any = "graded"
    value: float | None = _value(rule, level, noise)
    samples = noise.randrange(rule.min_samples + 200, rule.min_samples * 3 + 5000)
    shown: Level_ = level
    reason = f"{value:.3g}"
    if rule.id == "complaint_rate" and scope in ("region=west", "region=central"):
        state, samples = "too_few", 800
        reason = f"too few samples: {samples} of the {rule.min_samples} needed"
    if rule.id == "complaint_burst" and scope == "type=fake":
        state, value, samples, shown, reason = "no_data", None, 0, None, "no data"
    enter = rule.ladder.enter
    story_ms = at_ms - round(second * 1000)
    since_ms = story_ms + round(since * 1000)
    return Verdict(
        rule=rule.id,
        scope=scope,
        unit=rule.unit,
        value=value,
        samples=samples,
        state=state,
        level=shown,
        as_of_ms=at_ms - 600,
        provisional=True,
        reason=reason,
        threshold=enter[level - 1] if level else None,
        next_threshold=enter[level] if level < 5 else None,
        memory=State(
            level=shown, since_ms=since_ms, opened_ms=since_ms if level else 0, reason=reason
        ),
    )


def _value(rule: Rule, level: int, noise: random.Random) -> float:
    enter = rule.ladder.enter
    part = 0.2 + noise.random() * 0.2
    if level == 0:
        return enter[0] * (0.35 + part / 2) if rule.ladder.rising else enter[0] * (1 + part / 3)
    low = enter[level - 1]
    high = enter[level] if level < 5 else low * (1.25 if rule.ladder.rising else 0.8)
    return low + (high - low) * part


def _note(story_ms: int) -> CampaignNote:
    made = campaign()
    move = story_ms - START_MS
    return CampaignNote(
        name=made.name,
        title_zh=made.title.zh,
        title_en=made.title.en,
        version=made.version,
        start_ms=made.start_ms + move,
        end_ms=made.end_ms + move,
        phase="burst",
        rehearsal_scale=made.scale,
    )


def _kind(kind: str, at_ms: int, second: float) -> KindStatus:
    age = {"order": 640, "traffic": 410, "complaint": 1130}[kind]
    per_s = {"order": 600, "traffic": 1400, "complaint": 1}[kind]
    seen = round((WARM_S + second) * per_s)
    return KindStatus(
        kind=kind,
        as_of_ms=at_ms - age,
        watermark_ms=at_ms - age - 10_000,
        age_ms=age,
        silence_ms=age // 2,
        lag_events={"order": 21, "traffic": 64, "complaint": 0}[kind],
        partitions=4,
        books=Books(accepted=seen, late=seen // 9000, refused=seen // 50_000, unknown_labels=3),
    )


def _overview(second: float, noise: random.Random) -> Overview:
    made = campaign()
    wave = 1 + 0.9 * math.exp(-((second - 15) ** 2) / 400) + 0.04 * noise.gauss(0, 1)
    bad = 4 <= second / 8 <= 15
    gmv = round(6_050_000 * (WARM_S + second) * 1.02)
    due = made.target_due_fen(round(START_MS + second * 1000))
    regions = []
    for place, (name, share) in enumerate(made.region_share.items()):
        part = 1.02 - 0.03 * place + (-0.09 if name == "south" else 0)
        level = max(_level(rule, scope, second)[0] for rule, scope in _of(name))
        regions.append(
            RegionView(
                region=name,
                gmv_fen=round(gmv * share * part),
                gmv_target_fen=round(made.gmv_fen * share),
                orders_per_s=600 * share * wave * (1 + 0.03 * noise.gauss(0, 1)),
                complaints_per_10k=4.2 + noise.random() + (9 if name == "east" and bad else 0),
                payment_failure=0.118 if name == "south" and bad else 0.0146 + noise.random() / 900,
                level=level,
            )
        )
    return Overview(
        gmv_fen=gmv,
        gmv_target_fen=made.gmv_fen,
        gmv_due_fen=due,
        orders_per_s=600 * wave,
        requests_per_s=1400 * wave * (1 + 0.02 * noise.gauss(0, 1)),
        complaints_per_10k=4.2 + second / 90 + noise.random() / 2,
        error_rate=0.0081 + (0.02 if bad else 0) + noise.random() / 2000,
        latency_p99_ms=240 + 40 * noise.random() + (180 if bad else 0),
        regions=tuple(regions),
    )


def _of(region: str) -> list[tuple[str, str]]:
    return [(rule.id, f"region={region}") for rule in campaign().rules if "region" in rule.scopes]


def _recent(second: float, at_ms: int) -> tuple[Transition, ...]:
    made: list[Transition] = []
    story_ms = at_ms - round(second * 1000)
    for (rule_id, scope), steps in _INCIDENTS.items():
        before = 0
        for seq, (at, level) in enumerate(steps, 1):
            if at > second:
                break
            ladder = campaign().rule(rule_id).ladder
            bound = ladder.enter_of(Level(level)) if level else ladder.leave_of(Level.BLUE)
            made.append(
                Transition(
                    rule=rule_id,
                    scope=scope,
                    seq=seq,
                    incident=1,
                    from_level=before,
                    to_level=level,
                    at_ms=story_ms + at * 1000,
                    value=bound * 1.05,
                    samples=4000,
                    threshold=bound,
                    reason=f"{bound * 1.05:.3g} against {bound:.3g}",
                )
            )
            before = level
    return tuple(sorted(made, key=lambda t: t.at_ms, reverse=True))
