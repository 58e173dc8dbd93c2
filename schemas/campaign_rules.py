"""Reads [[rules]]: metric, scopes, ladder, holds, checked against what the campaign declares."""

from collections.abc import Callable

from fenghuo.schemas.campaign_names import read_title
from fenghuo.schemas.campaign_parts import (
    Age,
    Change,
    Ladder,
    Lag,
    Metric,
    Pace,
    Quantile,
    Rate,
    Ratio,
    Rule,
    Share,
    Silence,
    Users,
)
from fenghuo.schemas.campaign_sections import World
from fenghuo.schemas.level import WARNINGS, Level
from fenghuo.schemas.measures import KINDS, Measure, counters, cuts, histograms
from fenghuo.schemas.toml_reader import Phrase, Reader, is_number, one_of

RULES_MAX = 200
WINDOW_S_MAX = 3600
BASELINE_S_MAX = 3600
MEASURES_MAX = 10
HOLD_S_MAX = 3600.0
SAMPLES_MAX = 10**12
BOUND_MAX = 1e15

TOTAL = "total"
KIND = "kind"
GMV = "order.paid_amount_fen"
DIRECTIONS = ("rising", "falling")

# a reading is always in its rule's unit, so the unit fixes a ratio's scale: 5.2 percent is 5.2
UNIT_SCALE = {"ratio": 1.0, "percent": 100.0, "per_10k": 10_000.0}
UNITS: dict[type, tuple[str, ...]] = {
    Rate: ("per_s",),
    Ratio: tuple(UNIT_SCALE),
    Quantile: ("ms",),
    Change: ("ratio",),
    Share: ("ratio",),
    Pace: ("ratio",),
    Age: ("s",),
    Silence: ("s",),
}
ALL_UNITS = tuple(dict.fromkeys(unit for units in UNITS.values() for unit in units))


def read_rules(root: Reader, world: World) -> tuple[Rule, ...]:
    """[[rules]], ids unique."""
    found: dict[str, Rule] = {}
    for table in root.tables("rules", RULES_MAX):
        rule = _read_rule(table, world)
        if rule.id in found:
            table.notes.add(table.path("id"), "an id that no other rule has", rule.id)
        elif rule.id:
            found[rule.id] = rule
    return tuple(found.values())


def _read_rule(table: Reader, world: World) -> Rule:
    rule_id = table.id("id")
    title = read_title(table, "title")
    metric = _read_metric(table.table("metric"), world)
    unit = table.choice("unit", UNITS[type(metric)] if metric else ALL_UNITS)
    if isinstance(metric, Ratio) and unit and metric.scale != UNIT_SCALE[unit]:
        expected = f'{UNIT_SCALE[unit]:g}, as the unit is "{unit}"'
        table.notes.add(table.path("metric.scale"), expected, metric.scale)
    rule = Rule(
        id=rule_id,
        title=title,
        unit=unit,
        metric=metric or Rate(Measure("order", "events"), 1),
        scopes=_read_scopes(table, metric, world),
        min_samples=table.integer("min_samples", 0, SAMPLES_MAX, default=0),
        ladder=_read_ladder(table),
        hold_up_ms=_read_holds(table, "hold_up_s", instant=Level.RED),
        hold_down_ms=_read_holds(table, "hold_down_s", instant=None),
        playbook=table.id("playbook", default=""),
        owner=table.text("owner", default=""),
    )
    table.done()
    if metric and rule.min_samples and isinstance(metric, Age | Silence):
        expected = "0: this metric counts no samples"
        table.notes.add(table.path("min_samples"), expected, rule.min_samples)
    return rule


def _read_metric(table: Reader, world: World) -> Metric | None:
    kind = table.choice("kind", tuple(_METRICS))
    if not kind:
        return None  # its keys cannot be judged without its kind
    before = len(table.notes.problems)
    metric = _METRICS[kind](table, world)
    table.done()
    return metric if len(table.notes.problems) == before else None


def _measure(table: Reader, names: tuple[str, ...]) -> Measure:
    return _split(table.choice("measure", names) or names[0])


def _measures(table: Reader, key: str) -> tuple[Measure, ...]:
    known = counters()
    found: dict[str, None] = {}
    for path, name in table.items(key, MEASURES_MAX):
        if name not in known:
            table.notes.add(path, one_of(known), name, known)
        elif name in found:
            table.notes.add(path, "measures that differ", name)
        else:
            found[name] = None
    return tuple(_split(name) for name in found)


def _split(name: str) -> Measure:
    kind, _, measure = name.partition(".")
    return Measure(kind, measure)


def _window(table: Reader) -> int:
    return table.integer("window_s", 1, WINDOW_S_MAX)


def _rate(table: Reader, _world: World) -> Metric:
    return Rate(_measure(table, counters()), _window(table))


def _ratio(table: Reader, _world: World) -> Metric:
    return Ratio(
        _measures(table, "numerator"),
        _measures(table, "denominator"),
        _window(table),
        table.number("scale", 1.0, 10_000.0, default=1.0),
    )


def _quantile(table: Reader, _world: World) -> Metric:
    return Quantile(_measure(table, histograms()), table.number("q", 0.0, 1.0), _window(table))


def _change(table: Reader, _world: World) -> Metric:
    baseline_s = table.integer("baseline_s", 1, BASELINE_S_MAX)
    return Change(_measure(table, counters()), _window(table), baseline_s)


def _share(table: Reader, world: World) -> Metric:
    lines = tuple(f"capacity.{name}" for name in world.lines)
    of = table.choice("of", lines)
    return Share(_measure(table, counters()), _window(table), of.removeprefix("capacity."))


def _pace(table: Reader, world: World) -> Metric:
    if not world.paced:
        expected = "another metric: the campaign has no targets.gmv_fen with a pace.curve"
        table.notes.add(table.path("kind"), expected, "pace")
    return Pace(_measure(table, (GMV,)))


def _age(table: Reader, _world: World) -> Metric:
    return Age(table.choice("of", KINDS))


def _silence(table: Reader, _world: World) -> Metric:
    return Silence(table.choice("of", KINDS))


_METRICS: dict[str, Callable[[Reader, World], Metric]] = {
    "rate": _rate,
    "ratio": _ratio,
    "quantile": _quantile,
    "change": _change,
    "share": _share,
    "pace": _pace,
    "age": _age,
    "silence": _silence,
}


def _read_scopes(table: Reader, metric: Metric | None, world: World) -> tuple[str, ...]:
    every = (TOTAL, KIND, *world.labels)
    allowed = every if metric is None else _scopes_of(metric, world)
    found: dict[str, None] = {}
    for path, scope in table.items("scopes", len(every)):
        if not isinstance(scope, str) or scope not in allowed:
            table.notes.add(path, f"a scope of this metric ({one_of(allowed)})", scope, allowed)
        elif scope in found:
            table.notes.add(path, "scopes that differ", scope)
        else:
            found[scope] = None
    return tuple(found)


def _scopes_of(metric: Metric, world: World) -> tuple[str, ...]:
    """Total, and every dimension in which all the metric's measures are kept."""
    match metric:
        case Age() | Silence() | Lag():
            return (TOTAL, KIND)
        case Share():
            return (TOTAL,)
        case Pace():
            return (TOTAL, "region") if world.paced_regions else (TOTAL,)
        case Users():
            return (TOTAL, "region")
        case Ratio(numerator=numerator, denominator=denominator):
            kinds = {measure.kind for measure in (*numerator, *denominator)}
        case _:
            kinds = {metric.measure.kind}
    kept = [{cut[0] for cut in cuts(kind, world.cuts) if len(cut) == 1} for kind in kinds]
    return (TOTAL, *sorted(set.intersection(*kept)))


def _read_ladder(table: Reader) -> Ladder:
    direction = table.choice("direction", DIRECTIONS)
    levels = table.table("levels")
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


def _read_holds(table: Reader, key: str, *, instant: Level | None) -> tuple[int, ...]:
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
