"""Reads the bounds of a rule: its ladder, holds, variants, and what makes it adaptive or early."""

from collections.abc import Mapping, Sequence

from fenghuo.schemas.campaign.parts import DEFAULT_SCORES, Adaptive, Early, Ladder, Variant
from fenghuo.schemas.campaign.toml_reader import Phrase, Reader, is_number, one_of
from fenghuo.schemas.level import WARNINGS, Level

HOLD_S_MAX = 3600.0
BOUND_MAX = 1e15
VARIANTS_MAX = 100
WITHIN_S_MAX = 86_400
DIRECTIONS = ("rising", "falling")
SEASONS = ("day", "last_year", "none")
SIDES = ("both", "above", "below")
WORDS: Mapping[str, Level] = {level.word: level for level in WARNINGS}


def read_ladder(table: Reader) -> Ladder:
    """direction and levels of a rule with fixed bounds."""
    direction = table.choice("direction", DIRECTIONS)
    return _read_levels(table.table("levels"), direction)


def read_scores(table: Reader) -> Ladder:
    """The levels of an adaptive rule, in usual deviations: the shipped ones where none are given.
    It always rises: the score is how far away a value is.
    """
    if table.has("direction"):
        expected = "no direction: an adaptive ladder rises with the deviation (adaptive.side says "
        table.notes.add(table.path("direction"), expected + "which)", table.raw("direction", ""))
    levels = table.optional("levels")
    return DEFAULT_SCORES if levels is None else _read_levels(levels, "rising")


def read_adaptive(table: Reader | None, curves: Sequence[str], measure: str) -> Adaptive | None:
    """adaptive: the season of a baseline and what a deviation at least is. curves: the measures of
    last year's curve; measure: that of the rule's metric, "" if it is no rate.
    """
    if table is None:
        return None
    usual = Adaptive()
    season = table.choice("season", SEASONS) if table.has("season") else usual.season
    if season == "last_year" and measure not in curves:
        expected = f'"day" or "none": last_year has no curve of {measure or "this metric"}'
        table.notes.add(table.path("season"), expected, season)
    found = Adaptive(
        season=season or usual.season,
        side=(table.choice("side", SIDES) if table.has("side") else "") or usual.side,
        floor=table.number("floor", 0.0, BOUND_MAX, default=usual.floor),
        floor_share=table.number("floor_share", 0.0, 1.0, default=usual.floor_share),
    )
    table.done()
    return found


def read_variants(
    rule: Reader, ladder: Ladder, phases: Sequence[str], scopes: Sequence[str]
) -> tuple[Variant, ...]:
    """[[rules.variants]]: other bounds for a phase, a scope or both; the first that fits counts."""
    direction = "rising" if ladder.rising else "falling"
    found: list[Variant] = []
    for table in rule.tables("variants", VARIANTS_MAX):
        phase = table.choice("phase", phases) if table.has("phase") else ""
        scope = table.choice("scope", scopes) if table.has("scope") else ""
        if not (table.has("phase") or table.has("scope")):
            expected = "a phase, a scope or both: for any there are the rule's own levels"
            table.notes.add(table.path(""), expected, Phrase("neither"))
        before = [one for one in found if one.phase in ("", phase) and one.scope in ("", scope)]
        if before and (phase or scope):
            expected = "a phase or scope that no variant before it covers: the first one counts"
            table.notes.add(table.path(""), expected, Phrase(f"{phase} {scope}".strip()))
        found.append(Variant(phase, scope, _read_levels(table.table("levels"), direction)))
        table.done()
    return tuple(found)


def read_early(table: Reader | None, *, can: bool) -> Early | None:
    """early: how soon a line must be in reach for the warning that comes before it. can: whether
    the rule's metric can be projected.
    """
    if table is None:
        return None
    if not can:
        expected = "no early warning: only a rate, a share or a pace on fixed bounds is projected"
        table.notes.add(table.path(""), expected, Phrase("one"))
    line = WORDS.get(table.choice("line", tuple(WORDS)))
    level = WORDS.get(table.choice("level", tuple(WORDS)))
    found = Early(
        within_s=table.integer("within_s", 1, WITHIN_S_MAX),
        line=line or Level.RED,
        level=level or Level.BLUE,
    )
    if line and level and level >= line:
        expected = f"a level below the line ({line.word}): what is there need not be projected"
        table.notes.add(table.path("level"), expected, level.word)
    table.done()
    return found


def read_suspended(rule: Reader, phases: Sequence[str]) -> tuple[str, ...]:
    """suspended: in which phases the rule is not judged; "outside" is the time outside all."""
    if not rule.has("suspended"):
        return ()
    found: dict[str, None] = {}
    for path, phase in rule.items("suspended", max(len(phases), 1)):
        if not isinstance(phase, str) or phase not in phases:
            rule.notes.add(path, one_of(phases), phase, phases)
        elif phase in found:
            rule.notes.add(path, "phases that differ", phase)
        else:
            found[phase] = None
    return tuple(found)


def read_holds(table: Reader, key: str, *, instant: Level | None) -> tuple[int, ...]:
    """One number for all levels, or a table with a number for each; `instant` never waits."""
    held = [level for level in WARNINGS if level is not instant]
    seconds = dict.fromkeys(Level, 0.0)
    value = table.raw(key, "seconds, as one number or as a table with one per level")
    if isinstance(value, dict):
        inner = table.table(key)
        seconds.update({level: inner.number(level.word, 0.0, HOLD_S_MAX) for level in held})
        if instant and inner.has(instant.word) and inner.number(instant.word, 0.0, HOLD_S_MAX):
            inner.notes.add(
                inner.path(instant.word), f"0: {instant.word} enters at once", value[instant.word]
            )
        inner.done()
    elif is_number(value) and 0.0 <= value <= HOLD_S_MAX:
        seconds.update(dict.fromkeys(held, float(value)))
    elif not isinstance(value, Phrase):
        table.notes.add(
            table.path(key), f"seconds from 0 to {HOLD_S_MAX:g}, or a table of them", value
        )
    return tuple(round(seconds[level] * 1000) for level in Level)


def _read_levels(levels: Reader, direction: str) -> Ladder:
    """Five levels, each with the bound that enters and the bound that leaves it."""
    enter, leave = [], []
    before: Level | None = None
    for level in WARNINGS:
        inner = levels.table(level.word)
        problems = len(inner.notes.problems)
        enter.append(inner.number("enter", -BOUND_MAX, BOUND_MAX))
        leave.append(inner.number("leave", -BOUND_MAX, BOUND_MAX))
        whole = inner.has("enter") and len(inner.notes.problems) == problems
        inner.done()
        if not (direction and whole):
            continue  # what could not be read cannot be compared either
        rising = direction == "rising"
        if before and not _beyond(enter[-1], enter[before - 1], rising=rising):
            side = "above" if rising else "below"
            bound = f"{before.word}'s enter ({enter[before - 1]:g})"
            inner.notes.add(inner.path("enter"), f"a bound {side} {bound}", enter[-1])
        if not _beyond(enter[-1], leave[-1], rising=rising):
            side = "below" if rising else "above"
            inner.notes.add(inner.path("leave"), f"a bound {side} enter ({enter[-1]:g})", leave[-1])
        before = level
    levels.done()
    return Ladder(direction != "falling", tuple(enter), tuple(leave))


def _beyond(bound: float, other: float, *, rising: bool) -> bool:
    return bound > other if rising else bound < other
