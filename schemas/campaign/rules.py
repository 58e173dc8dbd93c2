"""Reads [[rules]]: metric, scopes, ladder, holds, checked against what the campaign declares; and
what holds for all of them: [flapping] and [[folds]].
"""

from fenghuo.schemas.campaign.ladders import (
    read_adaptive,
    read_early,
    read_holds,
    read_ladder,
    read_scores,
    read_suspended,
    read_variants,
)
from fenghuo.schemas.campaign.names import read_title
from fenghuo.schemas.campaign.parts import Flapping, Fold, Rule
from fenghuo.schemas.campaign.sections import World
from fenghuo.schemas.campaign.toml_reader import MISSING, Phrase, Reader, one_of
from fenghuo.schemas.kinds.measures import Measure, cut_name, cuts, scope_names
from fenghuo.schemas.level import Level
from fenghuo.schemas.metrics.catalogue import UNITS, read
from fenghuo.schemas.metrics.form import Form
from fenghuo.schemas.metrics.forms.rate import Rate
from fenghuo.schemas.metrics.words import MetricError

RULES_MAX = 200
FOLDS_MAX = 100
WATCHED_MAX = 5_000
"""Most pairs of rule and scope: each is judged several times a second."""
SAMPLES_MAX = 10**12
CHANGES_MAX = 20
FLAPPING_S_MAX = 86_400

TOTAL = "total"
KIND = "kind"
FOLD_SCOPES = ("total", "same")

_STAND_IN = Rate(Measure("order", "events"), 1)


def read_rules(root: Reader, world: World) -> tuple[Rule, ...]:
    """[[rules]], ids unique; each with what [flapping] says."""
    flapping = _read_flapping(root.optional("flapping"))
    found: dict[str, Rule] = {}
    watched = 0
    for table in root.tables("rules", RULES_MAX):
        rule = _read_rule(table, world, flapping)
        if rule.id in found:
            table.notes.add(table.path("id"), "an id that no other rule has", rule.id)
        elif rule.id:
            found[rule.id] = rule
        more = len(_scope_names(rule.scopes, world))
        watched += more
        if watched > WATCHED_MAX >= watched - more:
            expected = f"at most {WATCHED_MAX} pairs of rule and scope in all"
            table.notes.add(table.path("scopes"), expected, Phrase(f"{watched} up to here"))
    return tuple(found.values())


def read_folds(root: Reader, rules: tuple[Rule, ...]) -> tuple[Fold, ...]:
    """[[folds]]: which rule explains which others."""
    ids = tuple(rule.id for rule in rules)
    found = []
    for table in root.tables("folds", FOLDS_MAX):
        cause = table.choice("cause", ids)
        hides: dict[str, None] = {}
        for path, rule in table.items("hides", max(len(ids), 1)):
            if not isinstance(rule, str) or rule not in ids:
                table.notes.add(path, one_of(ids), rule, ids)
            elif rule == cause or rule in hides:
                table.notes.add(path, "rules that differ from the cause and each other", rule)
            else:
                hides[rule] = None
        scope = table.choice("scope", FOLD_SCOPES) if table.has("scope") else TOTAL
        table.done()
        found.append(Fold(cause, tuple(hides), scope))
        if cause in _explained(cause, found):
            expected = "no circle: what explains each other would hide each other"
            table.notes.add(table.path("hides"), expected, cause)
    return tuple(found)


def _explained(cause: str, folds: list[Fold]) -> set[str]:
    """Every rule that a cause explains, also by others."""
    reached: set[str] = set()
    waiting = [cause]
    while waiting:
        at = waiting.pop()
        more = {rule for fold in folds if fold.cause == at for rule in fold.hides} - reached
        reached |= more
        waiting += more
    return reached


def _read_flapping(table: Reader | None) -> Flapping:
    if table is None:
        return Flapping()
    usual = Flapping()
    within_s = table.integer("within_s", 1, FLAPPING_S_MAX, default=usual.within_ms // 1000)
    hold_s = table.integer("hold_s", 1, FLAPPING_S_MAX, default=usual.hold_ms // 1000)
    changes = table.integer("changes", 2, CHANGES_MAX, default=usual.changes)
    table.done()
    return Flapping(changes, within_s * 1000, hold_s * 1000)


def _read_rule(table: Reader, world: World, flapping: Flapping) -> Rule:
    rule_id = table.id("id")
    title = read_title(table, "title")
    metric = _read_metric(table, world)
    unit = table.choice("unit", metric.UNITS if metric else UNITS)
    metric = metric and metric.in_unit(unit)
    scopes = _read_scopes(table, metric, world)
    measure = str(metric.measure) if isinstance(metric, Rate) else ""
    adaptive = read_adaptive(table.optional("adaptive"), world.known.last_year, measure)
    ladder = read_ladder(table) if adaptive is None else read_scores(table)
    can = adaptive is None and (metric is None or metric.EARLY)
    rule = Rule(
        id=rule_id,
        title=title,
        unit=unit,
        metric=metric or _STAND_IN,
        scopes=scopes,
        min_samples=table.integer("min_samples", 0, SAMPLES_MAX, default=0),
        ladder=ladder,
        hold_up_ms=read_holds(table, "hold_up_s", instant=Level.RED),
        hold_down_ms=read_holds(table, "hold_down_s", instant=None),
        playbook=table.id("playbook", default=""),
        owner=table.text("owner", default=""),
        adaptive=adaptive,
        variants=read_variants(table, ladder, world.phases, _scope_names(scopes, world)),
        suspended=read_suspended(table, world.phases),
        early=read_early(table.optional("early"), can=can),
        flapping=flapping,
    )
    table.done()
    if metric and rule.min_samples and not metric.COUNTS:
        expected = "0: this metric counts no samples"
        table.notes.add(table.path("min_samples"), expected, rule.min_samples)
    if metric and adaptive and not rule.window_s:
        expected = "no adaptive ladder: this metric has no window, so no steps to learn from"
        table.notes.add(table.path("adaptive"), expected, Phrase("one"))
    return rule


def _read_metric(table: Reader, world: World) -> Form | None:
    expected = 'one line like "order.events over 10s"'
    text = table.raw("metric", expected)
    if text is MISSING:
        return None
    path = table.path("metric")
    if not isinstance(text, str):
        table.notes.add(path, expected, text)
        return None
    try:
        return read(text, world.known)
    except MetricError as error:
        got = Phrase(f"{error.got} at column {error.column}")
        table.notes.add(path, error.expected, got, error.names, word=error.got.strip('"'))
        return None


def _read_scopes(table: Reader, metric: Form | None, world: World) -> tuple[str, ...]:
    every = (TOTAL, KIND, *world.labels)
    allowed = every if metric is None else _scopes_of(metric, world)
    found: dict[str, None] = {}
    for path, scope in table.items("scopes", max(len(every), len(allowed))):
        known = isinstance(scope, str) and scope in allowed
        if not known and not (metric is None and isinstance(scope, str) and "," in scope):
            table.notes.add(path, f"a scope of this metric ({one_of(allowed)})", scope, allowed)
        elif scope in found:
            table.notes.add(path, "scopes that differ", scope)
        else:
            found[scope] = None
    return tuple(found)


def _scopes_of(metric: Form, world: World) -> tuple[str, ...]:
    """Where a metric may be read. Of most: the total, and every cut in which all its measures are
    kept, a dimension or two.
    """
    match metric.SCOPES:
        case "total":
            return (TOTAL,)
        case "kind":
            return (TOTAL, KIND)
        case "region":
            return (TOTAL, "region")
        case "paced":
            return (TOTAL, "region") if world.paced_regions else (TOTAL,)
    kept = [{cut_name(cut) for cut in cuts(kind, world.cuts) if cut} for kind in metric.kinds]
    common = set.intersection(*kept)
    return (TOTAL, *sorted(common, key=lambda name: (name.count(","), name)))


def _scope_names(scopes: tuple[str, ...], world: World) -> tuple[str, ...]:
    """ "total", "region=east", ...: every scope that a rule is judged in."""
    return tuple(name for scope in scopes for name in scope_names(scope, world.labels))
