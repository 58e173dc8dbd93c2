"""files(campaign): the table of all ladders, for people who want to read them all at once."""

from collections.abc import Iterator, Mapping

from fenghuo.alerts.judging.decide import in_words, span
from fenghuo.schemas.campaign.campaign import Campaign
from fenghuo.schemas.campaign.parts import OUTSIDE, Adaptive, Fold, Ladder, Rule
from fenghuo.schemas.level import WARNINGS, Level

PATH = "deploy/campaigns/ladders.md"
INTRODUCTION = (
    "Each pair is the bound that enters the level and the bound that keeps it. `up`, `down`: how",
    "long the grade must last before a level is entered, and before it is left, from blue to red,",
    "or for all. Of an adaptive rule the numbers are usual deviations from what is expected.",
)
_SIDES = {"both": "off", "above": "above", "below": "below"}
_SEASONS = {
    "day": "the same time of the days before and the last hour",
    "last_year": "last year's curve at the present level",
    "none": "the last hour",
}


def files(campaign: Campaign, source: str = "") -> dict[str, str]:
    """Relative path -> text. source: where the campaign was read from."""
    file = source or f"deploy/campaigns/{campaign.name}.toml"
    return {PATH: "\n".join(_lines(campaign, file)) + "\n"}


def _lines(campaign: Campaign, file: str) -> Iterator[str]:
    yield f"<!-- generated from {file} by `fenghuo generate` -->"
    yield f"# The ladders of {campaign.name} ({campaign.title.zh})"
    yield ""
    yield from INTRODUCTION
    yield ""
    yield _row("rule", *(level.word for level in WARNINGS), "up", "down")
    yield _row("---", *("---:" for _ in WARNINGS), "---", "---")
    for rule in campaign.rules:
        yield _row(*_cells(rule, rule.id, rule.ladder), *_holds(rule))
        for variant in rule.variants:
            where = " in ".join(filter(None, (variant.scope, variant.phase)))
            yield _row(*_cells(rule, f"{rule.id}, {where}", variant.ladder), "", "")
    yield ""
    for rule in campaign.rules:
        yield from _about(campaign, rule)
    if campaign.folds:
        yield "## What explains what"
        yield ""
        yield from (f"- {_fold(fold)}" for fold in campaign.folds)


def _cells(rule: Rule, name: str, ladder: Ladder) -> list[str]:
    unit = None if rule.adaptive else rule.unit
    return [name, *(_pair(ladder, level, unit) for level in WARNINGS)]


def _pair(ladder: Ladder, level: Level, unit: str | None) -> str:
    enter, leave = ladder.enter_of(level), ladder.leave_of(level)
    if unit is None:
        return f"{enter:g} / {leave:g}"
    return f"{enter:g} / {leave:g}{in_words(1, unit).removeprefix('1')}"


def _holds(rule: Rule) -> tuple[str, str]:
    return _hold(rule.hold_up_ms), _hold(rule.hold_down_ms)


def _hold(held_ms: tuple[int, ...]) -> str:
    if len(set(held_ms[1:])) == 1:
        return span(held_ms[1])
    return " / ".join(f"{each_ms / 1000:g}" for each_ms in held_ms[1:]) + " s"


def _about(campaign: Campaign, rule: Rule) -> Iterator[str]:
    yield f"## {rule.id}: {rule.title.zh}, {rule.title.en}"
    yield ""
    yield f"- `{rule.metric}` in {', '.join(rule.scopes)}; {_direction(rule)}"
    if rule.min_samples:
        yield f"- not judged on fewer than {f'{rule.min_samples:,}'.replace(',', ' ')} samples"
    if rule.adaptive:
        yield f"- {_learnt(rule.adaptive, rule.unit)}"
    if rule.suspended:
        names = (_phase(campaign, phase) for phase in rule.suspended)
        yield f"- not judged {', '.join(names)}"
    if rule.early:
        early = rule.early
        away = span(early.within_s * 1000)
        yield f"- at least {early.level.word} when {early.line.word} is {away} away at this pace"
    people = {"playbook": rule.playbook, "owner": rule.owner}
    named = [f"{key} `{value}`" for key, value in people.items() if value]
    if named:
        yield f"- {', '.join(named)}"
    yield ""


def _direction(rule: Rule) -> str:
    if rule.adaptive:
        return "deviations"
    return f"{'high' if rule.ladder.rising else 'low'} is bad"


def _learnt(adaptive: Adaptive, unit: str) -> str:
    floors = []
    if adaptive.floor:
        floors.append(in_words(adaptive.floor, unit))
    if adaptive.floor_share:
        floors.append(f"{adaptive.floor_share * 100:g} % of what is expected")
    least = f"; a deviation is at least {' and '.join(floors)}" if floors else ""
    side = _SIDES[adaptive.side]
    return f"counts deviations {side} what is expected from {_SEASONS[adaptive.season]}{least}"


def _phase(campaign: Campaign, phase: str) -> str:
    if phase == OUTSIDE:
        return "outside the phases"
    titles: Mapping[str, str] = {one.id: one.title.zh for one in campaign.phases}
    return f"in {phase} ({titles[phase]})"


def _fold(fold: Fold) -> str:
    where = "its total, everywhere" if fold.scope == "total" else "in its own scope"
    return f"`{fold.cause}` explains {', '.join(f'`{one}`' for one in fold.hides)} ({where})"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
