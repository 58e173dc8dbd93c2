"""Judge: pulses in, boards and transitions out. No clock, no I/O; now_ms comes in.

Its state is the last minutes of topic `pulses` (rings and newest heads), the memory of its
warnings, which is in every board it gives, and what its baselines have learnt, which `usual` gives
out: a new judge goes on from the newest board and the newest baselines and reads the pulses again
from the board's rewind_offset.
"""

from collections import deque
from collections.abc import Mapping, Sequence

import msgspec

from fenghuo.alerts.judging import forecast
from fenghuo.alerts.judging.decide import Graded, decide
from fenghuo.alerts.judging.folding import fold
from fenghuo.alerts.judging.machine import advance
from fenghuo.alerts.judging.removed import close_removed
from fenghuo.schemas.campaign.campaign import MINUTE_MS, Campaign
from fenghuo.schemas.campaign.parts import Rule
from fenghuo.schemas.kinds.measures import KINDS, Measure, scope_name, scope_names
from fenghuo.schemas.level import Level
from fenghuo.schemas.metrics.forms.quantile import Quantile
from fenghuo.schemas.metrics.forms.rate import Rate
from fenghuo.schemas.metrics.forms.ratio import Ratio
from fenghuo.schemas.wire import status, visitors
from fenghuo.schemas.wire.pulse import Head, Rows, Source
from fenghuo.schemas.wire.status import (
    Behind,
    Board,
    Books,
    KindStatus,
    Overview,
    RegionView,
    Verdict,
)
from fenghuo.schemas.wire.visitors import Estimate
from fenghuo.schemas.wire.warning import State, Transition
from fenghuo.streams.judge.baselines import Usual
from fenghuo.streams.judge.clocks import SLACK_S, Clock, clocks
from fenghuo.streams.judge.readings import View
from fenghuo.streams.judge.ring import Ring
from fenghuo.streams.judge.skews import Skews
from fenghuo.streams.judge.unread import NO_BOUNDS, Bounds, Unread, unread

RATE_WINDOW_S = 10
RATIO_WINDOW_S = 60
USERS_MS = 2_000
"""Sketches are united no more often than this."""
SET_BACK_MS = 60_000
"""No head is on its way for so long: one that seems so much older comes from another clock."""
_ORDERS = Rate(Measure("order", "events"), RATE_WINDOW_S)
_REQUESTS = Rate(Measure("traffic", "requests"), RATE_WINDOW_S)
_COMPLAINTS = Ratio(
    (Measure("complaint", "complaints"),), (_ORDERS.measure,), RATIO_WINDOW_S, 10_000
)
_ERRORS = Ratio((Measure("traffic", "errors"),), (_REQUESTS.measure,), RATIO_WINDOW_S)
_PAID, _FAILED = Measure("order", "paid"), Measure("order", "failed")
_FAILURES = Ratio((_FAILED,), (_PAID, _FAILED), RATIO_WINDOW_S)
_LATENCY = Quantile(Measure("traffic", "latency_ms"), 0.99, RATIO_WINDOW_S)


class Judge:
    """The state of the judgement."""

    def __init__(
        self,
        campaign: Campaign,
        board: Board | None = None,
        left: Mapping[str, bytes] | None = None,
    ) -> None:
        """left: what the baselines had learnt, by "rule|scope": `usual.take()` of judges before."""
        self._campaign = campaign
        self._watched = watched(campaign)
        self.span_s = span_s(campaign)
        """How far back the rings reach."""
        self._rings = {kind: Ring(kind, self.span_s) for kind in KINDS}
        self._heads: dict[Source, Head] = {}
        self._skews = Skews({})
        self._visitors: dict[Source, visitors.Part] = {}
        self._users: tuple[Estimate, ...] = ()
        self._users_ms = 0
        self._is_users_old = False
        self._memory: dict[tuple[str, str], State] = {}
        self._recent: deque[Transition] = deque(maxlen=status.RECENT_TRANSITIONS_MAX)
        self._seq = 0
        self.untold: tuple[Transition, ...] = ()
        """What the judge before may have had no time to tell."""
        self.succeed(board, left or {})

    def succeed(self, board: Board | None, left: Mapping[str, bytes]) -> None:
        """Go on where the judge that gave this board stood, by what was learnt until then. What was
        seen of the pulses stays: who stands by sees them too.
        """
        self.usual = Usual(self._watched, left)
        self._seq, self.untold, self._memory = 0, (), {}
        self._recent.clear()
        if board is None or board.campaign.name != self._campaign.name:
            return
        self._seq = board.seq
        self.untold = board.moved
        self._recent.extend(board.recent)
        # of a rule that is gone the number remains: it goes on if the rule comes back
        self._memory = {(t.rule, t.scope): _left_by(t) for t in board.recent}
        self._memory |= {(v.rule, v.scope): v.memory for v in board.verdicts}
        for head in board.heads:
            self._hear(head)
        self._skews = Skews(board.skews_ms)
        for kind, first_s in board.first_s.items():
            ring = self._rings[kind]
            ring.first_s = first_s if ring.first_s is None else min(first_s, ring.first_s)

    def reload(self, campaign: Campaign) -> bool:
        """Go on by another campaign of the same labels, cuts and times, from the next grade on.

        What is remembered of the rules and scopes that are still there stays as it is. True: the
        windows reach further back than before, and the pulses have to be seen again before that.
        """
        self._campaign = campaign
        self._watched = watched(campaign)
        self.usual.watch(self._watched)
        if span_s(campaign) <= self.span_s:
            return False
        self.span_s = span_s(campaign)
        for kind, ring in self._rings.items():
            self._rings[kind] = Ring(kind, self.span_s)
            self._rings[kind].first_s = ring.first_s
        return True

    def see(self, head: Head, rows: Rows, offset: int) -> None:
        """Take in one frame of pulses, read from this offset of topic `pulses`."""
        if self._hear(head):
            self._skews.see(head)
        self._rings[head.kind].see(head.source, rows, offset)

    def _hear(self, head: Head) -> bool:
        """Keep the newest head of its source; whether it is that."""
        known = self._heads.get(head.source)
        if known is None or _is_newer(head, known):
            self._heads[head.source] = head
            return True
        if head.stopped != known.stopped and head.sent_ms > known.sent_ms:
            # who takes over begins further back, and may stop there: how far was read stays true
            self._heads[head.source] = msgspec.structs.replace(
                known, stopped=head.stopped, idle=head.idle, sent_ms=head.sent_ms
            )
        return False

    def see_users(self, value: bytes) -> None:
        """Take in the sketches of a source partition, a record of topic `users`. Those of all its
        writers are united, so an end to one of them needs no telling. Raises VisitorsError.
        """
        part = visitors.decode(value)
        known = self._visitors.get(part.source)
        if known is not None and known.epoch > part.epoch:
            return
        if known is not None and known.epoch == part.epoch:
            part = _joined(known, part)
        self._visitors[part.source] = part
        self._is_users_old = True

    def grade(
        self, now_ms: int, next_offset: int, log: Bounds = NO_BOUNDS
    ) -> tuple[Board, Sequence[Transition]]:
        """Every rule graded at now_ms, the machine advanced: the board, and what changed. log: what
        the broker says of the source partitions.
        """
        self._skews.look(now_ms)
        heads = self._skews.moved(self._heads)
        times = clocks(heads, self._rings, now_ms)
        waiting = unread(heads.values(), log, now_ms)
        view = View(
            *(self._campaign, self._rings, heads, times),
            now_ms=now_ms,
            users=lambda: self._counted(now_ms),
            waiting=waiting.by_kind,
        )
        phase = self._campaign.phase_at(now_ms)
        verdicts: list[Verdict] = []
        moved = self._close_removed(now_ms)
        for rule, scope in self._watched:
            verdict, transition = self._verdict(rule, scope, view, times, phase=phase)
            verdicts.append(verdict)
            if transition is not None:
                moved.append(transition)
        verdicts = fold(verdicts, self._campaign.folds)
        self._recent.extend(moved)
        self._seq += 1
        board = self._board(
            verdicts, view, times, waiting, moved=moved, now_ms=now_ms, next_offset=next_offset
        )
        return board, moved

    def _close_removed(self, now_ms: int) -> list[Transition]:
        """End the incidents of rules and scopes that nobody watches any more."""
        here = {(rule.id, scope) for rule, scope in self._watched}
        moved = []
        for key in [key for key in self._memory if key not in here]:
            self._memory[key], transition = close_removed(self._memory[key], *key, now_ms=now_ms)
            moved += [transition] if transition else []
        return moved

    def _verdict(
        self, rule: Rule, scope: str, view: View, times: dict[str, Clock], *, phase: str | None
    ) -> tuple[Verdict, Transition | None]:
        before = self._memory.get((rule.id, scope), State())
        reading = view.outlook(rule, scope, view.read(rule.metric, scope))
        if rule.adaptive is not None:
            reading = self.usual.expected(rule, scope, view, reading)
            self.usual.learn(rule, scope, view, times)
        outcome = decide(rule, reading, before.level, phase=phase, scope=scope)
        after, transition = advance(rule, before, outcome, view.now_ms, scope=scope)
        self._memory[rule.id, scope] = after
        clock = times[rule.metric.kind]
        reading = outcome.reading
        level = after.level or 0
        enter = rule.ladder_of(phase, scope).enter
        verdict = Verdict(
            rule.id,
            scope,
            rule.unit,
            reading.value,
            reading.samples,
            outcome.state,  # type: ignore[arg-type]
            after.level,
            clock.as_of_ms,
            clock.as_of_ms is None
            or clock.watermark_ms is None
            or clock.as_of_ms > clock.watermark_ms,
            outcome.reason if isinstance(outcome, Graded) else after.reason or outcome.reason,
            enter[level - 1] if level else None,
            enter[level] if level < Level.RED else None,
            after,
            reading.expected,
            reading.deviation,
            reading.projected,
        )
        return verdict, transition

    def _counted(self, now_ms: int) -> tuple[Estimate, ...]:
        """How many users there are, by sketches united not long ago."""
        if self._is_users_old and not 0 <= now_ms - self._users_ms < USERS_MS:
            self._users = tuple(visitors.estimates(self._visitors.values()))
            self._users_ms, self._is_users_old = now_ms, False
        return self._users

    def _board(
        self,
        verdicts: Sequence[Verdict],
        view: View,
        times: dict[str, Clock],
        waiting: Unread,
        *,
        moved: Sequence[Transition],
        now_ms: int,
        next_offset: int,
    ) -> Board:
        levels = [verdict.level for verdict in verdicts if verdict.level is not None]
        as_of = [clock.as_of_ms for clock in times.values() if clock.as_of_ms is not None]
        marks = [clock.watermark_ms for clock in times.values() if clock.watermark_ms is not None]
        rewinds = [ring.rewind_offset() for ring in self._rings.values()]
        return Board(
            status.SCHEMA,
            self._seq,
            now_ms,
            min(as_of, default=None),
            min(marks, default=None),
            max(levels, default=None),
            self.note(now_ms),
            tuple(
                self._kind(kind, times[kind], waiting.by_kind.get(kind), now_ms) for kind in KINDS
            ),
            self._overview(view, verdicts, now_ms),
            tuple(verdicts),
            tuple(self._recent),
            min((offset for offset in rewinds if offset is not None), default=next_offset),
            tuple(self._heads[source] for source in sorted(self._heads)),
            tuple(moved),
            {k: ring.first_s for k, ring in self._rings.items() if ring.first_s is not None},
            skews_ms=self._skews.told(),
            orphans={f"{topic}/{part}": many for (topic, part), many in waiting.orphans.items()},
        )

    def note(self, now_ms: int) -> status.CampaignNote:
        """Which campaign this judge judges by."""
        c = self._campaign
        phase = c.phase_at(now_ms)
        scale = None if c.scale == 1.0 else c.scale
        return status.CampaignNote(
            c.name, c.title.zh, c.title.en, c.version, c.start_ms, c.end_ms, phase, scale
        )

    def _kind(self, kind: str, clock: Clock, waiting: int | None, now_ms: int) -> KindStatus:
        heads = [head for head in self._heads.values() if head.kind == kind]
        books = Books(
            sum(head.tally.accepted for head in heads),
            sum(head.tally.late for head in heads),
            sum(head.tally.refused for head in heads),
            sum(head.tally.unknown_labels for head in heads),
            sum(head.tally.unknown_fields for head in heads),
        )
        return KindStatus(
            kind,
            clock.as_of_ms,
            clock.watermark_ms,
            None if clock.as_of_ms is None else max(now_ms - clock.as_of_ms, 0),
            None if clock.record_ms is None else max(now_ms - clock.record_ms, 0),
            waiting,
            len({(head.source.topic, head.source.partition) for head in heads}),
            books,
            tuple(Behind(str(source), by_ms) for source, by_ms in sorted(clock.behind.items())),
        )

    def _overview(self, view: View, verdicts: Sequence[Verdict], now_ms: int) -> Overview:
        campaign = self._campaign
        fen = view.paid(None)[1] if self._heads else None
        regions = campaign.labels.get("region", ())
        return Overview(
            fen,
            campaign.gmv_fen,
            campaign.target_due_fen(now_ms),
            view.read(_ORDERS, "total").value,
            view.read(_REQUESTS, "total").value,
            view.read(_COMPLAINTS, "total").value,
            view.read(_ERRORS, "total").value,
            view.read(_LATENCY, "total").value,
            tuple(self._region(region, view, verdicts) for region in regions),
            None if fen is None else forecast.finish_fen(fen, campaign.share_due(now_ms)),
            None if fen is None else _ahead_ms(campaign, fen, now_ms),
        )

    def _region(self, region: str, view: View, verdicts: Sequence[Verdict]) -> RegionView:
        scope = scope_name("region", region)
        levels = [v.level for v in verdicts if v.scope == scope and v.level is not None]
        share = self._campaign.region_share.get(region)
        return RegionView(
            region,
            view.paid(region)[1] if self._heads else None,
            None if share is None else round(self._campaign.gmv_fen * share),
            view.read(_ORDERS, scope).value,
            view.read(_COMPLAINTS, scope).value,
            view.read(_FAILURES, scope).value,
            max(levels, default=None),
        )


def scopes_of(campaign: Campaign, rule: Rule) -> list[str]:
    """Every scope of a rule: "total", and one for each label of a declared dimension."""
    names = (name for scope in rule.scopes for name in scope_names(scope, campaign.labels))
    return list(dict.fromkeys(names))


def watched(campaign: Campaign) -> list[tuple[Rule, str]]:
    """Every rule with each of its scopes."""
    return [(rule, scope) for rule in campaign.rules for scope in scopes_of(campaign, rule)]


def span_s(campaign: Campaign) -> int:
    """How many seconds the readings of a campaign look back."""
    longest = max((rule.span_s for rule in campaign.rules), default=0)
    return max(longest, RATIO_WINDOW_S) + SLACK_S


def _ahead_ms(campaign: Campaign, fen: int, now_ms: int) -> int | None:
    """How long after now what is paid would have been due; None without target or campaign."""
    if not campaign.gmv_fen or not campaign.start_ms <= now_ms < campaign.end_ms:
        return None
    minute_now = float(campaign.campaign_minute(now_ms))
    minute = forecast.minute_due(campaign.pace, fen / campaign.gmv_fen, minute_now)
    return None if minute is None else round((minute - minute_now) * MINUTE_MS)


def _joined(one: visitors.Part, other: visitors.Part) -> visitors.Part:
    """What two writers of a source partition know, in one."""
    names = one.sketches.keys() | other.sketches.keys()
    sketches = {}
    for name in names:
        known = [part.sketches[name] for part in (one, other) if name in part.sketches]
        sketches[name] = visitors.united(known) if len(known) > 1 else known[0]
    return visitors.Part(one.source, one.epoch, max(one.offset, other.offset), sketches)


def _left_by(last: Transition) -> State:
    """What a last transition lets one know."""
    incident = last.incident if last.to_level else 0
    return State(level=last.to_level, since_ms=last.at_ms, seq=last.seq, incident=incident)


def _is_newer(head: Head, known: Head) -> bool:
    """Of two heads of a source the one that read further is newer; then the one sent later, unless
    the clock that said so has been set back since.
    """
    read, before = (head.epoch, head.next_offset), (known.epoch, known.next_offset)
    if read != before:
        return read > before
    return head.sent_ms >= known.sent_ms or known.sent_ms - head.sent_ms > SET_BACK_MS
