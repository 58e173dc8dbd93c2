"""Campaign: what is watched, against which targets, by which rules.

`parse(text)` is pure; `load(path)` is the edge.
"""

import hashlib
import json
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from fenghuo.schemas.campaign import names, sections
from fenghuo.schemas.campaign.history import Beside, nothing_beside, read_history
from fenghuo.schemas.campaign.parts import (
    OUTSIDE,
    Fold,
    Line,
    PacePoint,
    Phase,
    Rehearsal,
    Rule,
    Title,
    Wave,
)
from fenghuo.schemas.campaign.plans import Plans, check_rules, read_plans
from fenghuo.schemas.campaign.rules import read_folds, read_rules
from fenghuo.schemas.campaign.toml_reader import MISSING, Notes, Problem, Reader
from fenghuo.schemas.kinds.kind import Cut
from fenghuo.schemas.kinds.measures import FIXED_LABELS, OTHER, UNCLASSIFIED, cuts
from fenghuo.schemas.metrics.exact import fraction
from fenghuo.schemas.metrics.words import Known

TEXT_CHARS_MAX = 1_000_000
MINUTE_MS = 60_000


class CampaignError(ValueError):
    """All problems of a campaign file at once."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign file, checked; nothing in it changes after it was read."""

    name: str
    title: Title
    start_ms: int
    end_ms: int
    utc_offset_minutes: int
    page_url: str
    labels: Mapping[
        str, tuple[str, ...]
    ]  # without "other"; severity and acquisition are always there
    titles: Mapping[str, Mapping[str, Title]]
    cuts: Mapping[str, tuple[Cut, ...]]  # by kind, only those added to the base cuts
    gmv_fen: int  # 0: no target
    region_share: Mapping[str, float]  # empty: no target per region
    capacity: Mapping[str, Line]
    pace: tuple[PacePoint, ...]
    phases: tuple[Phase, ...]
    waves: tuple[Wave, ...]
    rehearsal: Rehearsal | None
    channels: Mapping[str, str]
    rules: tuple[Rule, ...]
    version: str  # short hash of the whole text, last year's included
    folds: tuple[Fold, ...] = ()
    last_year: Mapping[str, tuple[PacePoint, ...]] = field(default_factory=dict)
    """By measure ("order.events"): campaign minute, and the sum since the campaign's start."""
    plans: Plans = field(default_factory=Plans)
    scale: float = 1.0  # below 1: a rehearsal, capacity lines are multiplied by this

    @property
    def fingerprint(self) -> str:
        """Short hash of labels and cuts: what decides which series exist, and nothing else."""
        shape = {
            "labels": {dimension: list(labels) for dimension, labels in self.labels.items()},
            "cuts": {kind: [list(cut) for cut in extra] for kind, extra in self.cuts.items()},
        }
        return _short_hash(json.dumps(shape, sort_keys=True, ensure_ascii=False))

    def fingerprint_of(self, kind: str) -> str:
        """Short hash of the cuts of a kind and of the labels that its events are told apart by."""
        used = {"region", *(dimension for cut in self.cuts_of(kind) for dimension in cut)}
        shape = {
            "labels": {name: list(self.labels.get(name, ())) for name in sorted(used)},
            "cuts": [list(cut) for cut in self.cuts_of(kind)],
        }
        return _short_hash(json.dumps(shape, sort_keys=True, ensure_ascii=False))

    def cuts_of(self, kind: str) -> tuple[Cut, ...]:
        """All cuts of a kind: base and extra."""
        return cuts(kind, self.cuts)

    def labels_of(self, dimension: str) -> tuple[str, ...]:
        """All labels that events can end up with, "other" and "unclassified" included."""
        declared = self.labels.get(dimension, ())
        if dimension in FIXED_LABELS:
            return declared
        extra = (OTHER, UNCLASSIFIED) if dimension == "type" else (OTHER,)
        return (*declared, *extra)

    def rule(self, rule_id: str) -> Rule:
        """The rule of an id; KeyError if there is none."""
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        raise KeyError(rule_id)

    def phase_at(self, now_ms: int) -> str | None:
        """The id of the phase there is now."""
        return next((p.id for p in self.phases if p.start_ms <= now_ms < p.end_ms), None)

    def campaign_minute(self, now_ms: int) -> Fraction:
        """Minutes since the campaign began, exactly; negative before."""
        return Fraction(now_ms - self.start_ms, MINUTE_MS)

    def share_due(self, now_ms: int) -> float:
        """The share of the target due by now, 0 to 1: the pace curve, linear between its points."""
        if not self.pace or now_ms < self.start_ms:
            return 0.0
        minute = float(self.campaign_minute(now_ms))
        after = bisect_right(self.pace, minute, key=lambda point: point.minute)
        if after == len(self.pace):
            return self.pace[-1].share
        high = self.pace[after]
        low = self.pace[after - 1] if after else PacePoint(0.0, 0.0)
        part = (minute - low.minute) / (high.minute - low.minute)
        return low.share + (high.share - low.share) * part

    def target_due_fen(self, now_ms: int, region: str | None = None) -> int:
        """What should have been paid by now, in all or in a region; 0 where there is no target."""
        of_target = 1.0 if region is None else self.region_share.get(region, 0.0)
        return round(self.gmv_fen * of_target * self.share_due(now_ms))

    def rehearsed(self, start_ms: int) -> "Campaign":
        """The same campaign in small: clock from the second of `start_ms`, targets, lines and last
        year scaled; duty stays as it is.
        """
        if self.rehearsal is None:
            raise ValueError(f"expected a [rehearsal] table in campaign {self.name}, found none")
        plan = self.rehearsal
        start_ms -= start_ms % 1000
        long_ms, short_ms = self.end_ms - self.start_ms, plan.duration_s * 1000
        squeeze = short_ms / long_ms

        def scaled(curve: tuple[PacePoint, ...]) -> tuple[PacePoint, ...]:
            """A rehearsal with a pace of its own had that pace last year, too."""
            if not plan.curve or not curve:
                points = ((point.minute * squeeze, point.share) for point in curve)
            else:
                points = ((point.minute, point.share * curve[-1].share) for point in plan.curve)
            return tuple(PacePoint(minute, total * plan.gmv_scale) for minute, total in points)

        def moved(at_ms: int) -> int:
            return start_ms + round((at_ms - self.start_ms) * short_ms / long_ms)

        return replace(
            self,
            start_ms=start_ms,
            end_ms=start_ms + short_ms,
            gmv_fen=round(self.gmv_fen * plan.gmv_scale),
            capacity={
                name: replace(
                    line, requests_per_s=float(fraction(line.requests_per_s) * fraction(plan.scale))
                )
                for name, line in self.capacity.items()
            },
            pace=plan.curve
            or tuple(PacePoint(point.minute * squeeze, point.share) for point in self.pace),
            phases=tuple(
                replace(phase, start_ms=moved(phase.start_ms), end_ms=moved(phase.end_ms))
                for phase in self.phases
            ),
            waves=tuple(replace(wave, at_ms=moved(wave.at_ms)) for wave in self.waves),
            rehearsal=None,
            scale=plan.scale,
            last_year={name: scaled(curve) for name, curve in self.last_year.items()},
        )


def parse(text: str, name: str, beside: Beside = nothing_beside) -> Campaign:
    """The campaign of a TOML text; `name` is the file in errors, `beside` reads the files that it
    names. CampaignError lists all.
    """
    notes = Notes(name)
    campaign = _read(_document(text, notes), notes, text, beside)
    if notes.problems:
        raise CampaignError(tuple(notes.problems))
    return campaign


def load(path: str | Path, rehearsal_start_ms: int | None = None) -> Campaign:
    """Read a campaign file; with a start, its rehearsal."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        problem = Problem(str(path), "", "a readable campaign file", str(error.strerror))
        raise CampaignError((problem,)) from error
    except UnicodeDecodeError as error:
        problem = Problem(str(path), "", "UTF-8 text", f"bad bytes at offset {error.start}")
        raise CampaignError((problem,)) from error
    campaign = parse(text, file.name, lambda name: (file.parent / name).read_text(encoding="utf-8"))
    return campaign if rehearsal_start_ms is None else campaign.rehearsed(rehearsal_start_ms)


def _document(text: str, notes: Notes) -> Reader:
    if len(text) > TEXT_CHARS_MAX:
        raise CampaignError(
            (Problem(notes.file, "", f"at most {TEXT_CHARS_MAX} characters", str(len(text))),)
        )
    try:
        return Reader(tomllib.loads(text), "", notes)
    except (ValueError, RecursionError) as error:
        raise CampaignError((Problem(notes.file, "", "valid TOML", str(error)),)) from error


def _read(root: Reader, notes: Notes, text: str, beside: Beside) -> Campaign:
    head = sections.read_head(root.table("campaign"))
    labels = names.read_labels(root.table("labels"))
    titles = names.read_titles(root.optional("titles"), labels)
    extra = names.read_cuts(root.optional("cuts"), labels)
    targets = sections.read_targets(root.optional("targets"), labels)
    capacity = sections.read_capacity(root.optional("capacity"))
    pace = sections.read_pace(root.optional("pace"), head.duration_minutes)
    if targets.gmv_fen and not pace:
        notes.add("pace.curve", "a pace curve, because targets.gmv_fen is set", MISSING)
    phases = sections.read_phases(root, head)
    history = read_history(root.optional("last_year"), head.duration_minutes, beside)
    world = sections.World(
        labels=labels,
        cuts=extra,
        known=Known(
            tuple(capacity),
            has_target=bool(targets.gmv_fen and pace),
            last_year=tuple(history.curves),
        ),
        paced_regions=targets.by_region,
        phases=(*(phase.id for phase in phases if phase.id), OUTSIDE),
    )
    rules = read_rules(root, world)
    channels = sections.read_channels(root.optional("channels"))
    plans = read_plans(root, channels=tuple(channels), start_ms=head.start_ms, end_ms=head.end_ms)
    check_rules(root, rules, plans)
    campaign = Campaign(
        name=head.name,
        title=head.title,
        start_ms=head.start_ms,
        end_ms=head.end_ms,
        utc_offset_minutes=head.utc_offset_minutes,
        page_url=head.page_url,
        labels=labels,
        titles=titles,
        cuts=extra,
        gmv_fen=targets.gmv_fen,
        region_share=targets.region_share,
        capacity=capacity,
        pace=pace,
        phases=phases,
        waves=sections.read_waves(root, head),
        rehearsal=sections.read_rehearsal(root),
        channels=channels,
        rules=rules,
        version=_short_hash(text + history.text),
        folds=read_folds(root, rules),
        last_year=history.curves,
        plans=plans,
    )
    root.done()
    return campaign


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
