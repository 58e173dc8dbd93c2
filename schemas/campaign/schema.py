"""The campaign file as a JSON Schema, for editors that complete, explain and underline.

It takes every file that the reader takes. It cannot say what ties two places together (a rule's
owner is a department, bounds are in order): `fenghuo check` says that. Draft 7, because the TOML
plug-ins of editors know that one.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fenghuo.schemas.campaign import ladders, plans, rules, sections
from fenghuo.schemas.campaign.names import (
    CUT_DIMENSIONS_MAX,
    CUTS_MAX,
    FREE_DIMENSIONS,
    LABEL_CHARS_MAX,
    LABELS_MAX,
    REQUIRED_DIMENSIONS,
)
from fenghuo.schemas.campaign.parts import OUTSIDE
from fenghuo.schemas.campaign.toml_reader import ID_PATTERN, TEXT_CHARS_MAX
from fenghuo.schemas.kinds.measures import DIMENSIONS, FIXED_LABELS, KINDS, OTHER, UNCLASSIFIED
from fenghuo.schemas.level import WARNINGS
from fenghuo.schemas.metrics import catalogue

Tree = dict[str, Any]

PATH: Final = "deploy/schemas/campaign.schema.json"
_DIALECT: Final = "http://json-schema.org/draft-07/schema#"
_LEVELS: Final = tuple(level.word for level in WARNINGS)
_SCOPES_MAX: Final = 200
_METRICS: Final = (
    "order.events over 10s",
    "order.failed / (order.paid + order.failed) over 10s",
    "p99 of traffic.latency_ms over 10s",
    "traffic.requests over 10s of capacity.dual",
    "order.paid_amount_fen of target",
    "order.events over 10s vs last 120s",
    "order.paid_amount_fen over 60s vs last year",
    "slope of order.events over 60s",
    "age of order",
    "active users",
)
_HELD: Final = _LEVELS[:-1]  # red is entered at once


def files() -> dict[str, str]:
    """Relative path -> text."""
    return {PATH: json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"}


def schema() -> Tree:
    """The whole document."""
    required = ("campaign", "labels")
    said = "A fenghuo campaign. `fenghuo check FILE` finds what no schema can say."
    root = _table(said, required, _head() | _names() | _goals() | _plans() | _rules())
    return {"$schema": _DIALECT, "$id": "campaign.schema.json", "title": "fenghuo campaign"} | (
        root | {"definitions": _definitions()}
    )


def _definitions() -> Tree:
    bound = _number(-ladders.BOUND_MAX, ladders.BOUND_MAX)
    level = {
        "enter": bound | {"description": "reached: the level is entered"},
        "leave": bound | {"description": "no longer held: the level is left"},
    }
    levels = {word: _table("", tuple(level), level) for word in _LEVELS}
    return {
        "text": {"type": "string", "minLength": 1, "maxLength": TEXT_CHARS_MAX},
        "id": {"type": "string", "pattern": f"^{ID_PATTERN.pattern}$"},
        "title": _table("what people read", ("zh", "en"), {"zh": _ref("text"), "en": _ref("text")}),
        "moment": {
            "description": "a time with its offset: 2026-11-11T00:00:00+08:00",
            "type": "string",
            "examples": ["2026-11-11T00:00:00+08:00"],
        },
        "address": {"type": "string", "pattern": "^[hH][tT][tT][pP][sS]?://"},
        "curve": {
            "description": "[campaign minute, share]: both rise, the last share is 1",
            **_list(_pair(), sections.PACE_POINTS_MAX),
        },
        "levels": _table("bounds in the rule's unit, in order", _LEVELS, levels),
    }


def _head() -> Tree:
    offset = _integer(-720, 840, "the clock that people read; 480 is UTC+8")
    known = {
        "name": _ref("id"),
        "title": _ref("title"),
        "start": _ref("moment"),
        "end": _ref("moment"),
        "utc_offset_minutes": offset,
        "page_url": _ref("address", "how people reach the page: notices link to it"),
    }
    said = "what it is called and when it is"
    return {"campaign": _table(said, ("name", "title", "start", "end"), known)}


def _names() -> Tree:
    taken = {"type": (UNCLASSIFIED,)}
    label = {"type": "string", "minLength": 1, "maxLength": LABEL_CHARS_MAX, "pattern": "^[^,=]*$"}
    labels = {
        dimension: _list(label | {"not": {"enum": [OTHER, *taken.get(dimension, ())]}}, LABELS_MAX)
        | {"uniqueItems": True}
        for dimension in FREE_DIMENSIONS
    }
    every = (*FREE_DIMENSIONS, *FIXED_LABELS)
    pairs = {
        kind: _list(
            _list({"enum": list(DIMENSIONS[kind])}, CUT_DIMENSIONS_MAX) | {"uniqueItems": True},
            CUTS_MAX,
        )
        for kind in KINDS
    }
    titles = {dimension: _named("", _ref("title")) for dimension in sorted(every)}
    said = 'every label that is counted by name; whatever else arrives is counted as "other"'
    return {
        "labels": _table(said, REQUIRED_DIMENSIONS, labels),
        "titles": _table("names of labels, by dimension", (), titles),
        "cuts": _table("what is summed beyond the built-in cuts, by kind", (), pairs),
    }


def _goals() -> Tree:
    share = _named("by region, summing to 1", _number(0, 1))
    gmv_fen = _integer(1, sections.GMV_FEN_MAX, "what is to be paid, in fen")
    line = {"title": _ref("title"), "requests_per_s": _number(1, 1e12)}
    phase = {name: _ref("moment") for name in ("start", "end")} | _called()
    rehearsal = {
        "duration_s": _integer(1, 86_400, "how long the rehearsal lasts"),
        "scale": _number(1e-9, 1000, "of the capacity lines"),
        "gmv_scale": _number(1e-9, 1000, "of the target; without it, scale"),
        "curve": _ref("curve"),
    }
    history = {"file": _ref("text", "a CSV beside this file: minute,order.paid_amount_fen")}
    return {
        "targets": _table(
            "what the campaign is to reach",
            ("gmv_fen",),
            {"gmv_fen": gmv_fen, "region_share": share},
        ),
        "capacity": _named("lines that traffic is measured against", _table("", tuple(line), line))
        | {"maxProperties": sections.LINES_MAX},
        "pace": _table(
            "which share of the target is due when", ("curve",), {"curve": _ref("curve")}
        ),
        "last_year": _table("what had been counted by each minute a year ago", ("file",), history),
        "phases": _tables(
            "stretches of the campaign, in order", sections.PHASES_MAX, tuple(phase), phase
        ),
        "waves": _tables(
            "moments at which a sale opens",
            sections.WAVES_MAX,
            ("id", "title", "at"),
            _called() | {"at": _ref("moment")},
        ),
        "rehearsal": _table(
            "the campaign, small enough for a laptop", ("duration_s", "scale"), rehearsal
        ),
    }


def _plans() -> Tree:
    department = {"title": _ref("title"), "channel": _ref("text", "where it is told")}
    step = {"zh": _ref("text"), "en": _ref("text")}
    playbook = {
        "title": _ref("title"),
        "owner": _ref("id", "a department"),
        "within_minutes": _integer(1, 10_080, "by when it is to have worked"),
        "steps": _tables("what to do, in order", plans.STEPS_MAX, tuple(step), step)
        | {"minItems": 1},
    }
    people = _list({"type": "string", "minLength": 1}, plans.PEOPLE_MAX) | {"uniqueItems": True}
    shift = {
        "department": _ref("id"),
        "people": people,
        "start": _ref("moment"),
        "end": _ref("moment"),
        "wake_from": _choice(_LEVELS, "from which level on people are woken"),
    }
    budgets = {
        "spend_fen": _integer(0, plans.FEN_MAX, "what may be spent, in fen"),
        "elastic_share": _number(0, 1, "what of it is kept back"),
        "notices_per_hour": _integer(0, 100_000, "what a channel is told in an hour, at most"),
        "wakes_per_shift": _integer(0, 1_000, "how often a person is woken in a shift, at most"),
    }
    return {
        "channels": _named("where notices go: name -> web hook", _ref("address"))
        | _keys(sections.CHANNEL_PATTERN.pattern, sections.CHANNELS_MAX),
        "departments": _named("who answers", _table("", ("title",), department))
        | _keys(ID_PATTERN.pattern, plans.DEPARTMENTS_MAX),
        "playbooks": _named("what is done", _table("", tuple(playbook), playbook))
        | _keys(ID_PATTERN.pattern, plans.PLAYBOOKS_MAX),
        "duty": _tables("who is on duty when", plans.SHIFTS_MAX, tuple(shift)[:-1], shift),
        "budgets": _table("what may be spent", (), budgets),
    }


def _rules() -> Tree:
    flapping = {
        "changes": _integer(2, rules.CHANGES_MAX, "so many changes of level"),
        "within_s": _integer(1, rules.FLAPPING_S_MAX, "within so long are flapping"),
        "hold_s": _integer(1, rules.FLAPPING_S_MAX, "then it must be better for so long"),
    }
    fold = {
        "cause": _ref("id", "the rule that explains"),
        "hides": _list(_ref("id"), rules.RULES_MAX) | {"uniqueItems": True},
        "scope": _choice(rules.FOLD_SCOPES, "total: its total explains every scope; same: its own"),
    }
    return {
        "rules": {
            "description": "what is watched",
            "type": "array",
            "maxItems": rules.RULES_MAX,
            "items": _rule(),
        },
        "flapping": _table("when a warning that comes and goes is held", (), flapping),
        "folds": _tables("which rule explains which", rules.FOLDS_MAX, ("cause", "hides"), fold),
    }


def _rule() -> Tree:
    required = ("id", "title", "metric", "unit", "scopes", "hold_up_s", "hold_down_s")
    known = {
        "id": _ref("id"),
        "title": _ref("title"),
        "metric": {
            "description": "what is measured, in one line; see deploy/campaigns/README.md",
            "type": "string",
            "maxLength": catalogue.TEXT_CHARS_MAX,
            "pattern": catalogue.pattern(),
            "examples": list(_METRICS),
        },
        "unit": _choice(catalogue.UNITS, "of the reading and of all bounds"),
        "scopes": _list({"type": "string", "examples": ["total", "region"]}, _SCOPES_MAX)
        | {"description": "total, kind, a dimension, or a cut of two", "uniqueItems": True},
        "min_samples": _integer(0, rules.SAMPLES_MAX, "with fewer the level stays as it is"),
        "direction": _choice(ladders.DIRECTIONS, "whether much or little is bad"),
        "levels": _ref("levels"),
        "hold_up_s": _holds("how long a grade must last before its level is entered", _HELD),
        "hold_down_s": _holds("how long it must be better before a level is left", _LEVELS),
        "playbook": _ref("id", "what is done then"),
        "owner": _ref("text", "a department"),
        "adaptive": _adaptive(),
        "variants": _variants(),
        "suspended": _list({"type": "string"}, sections.PHASES_MAX + 1)
        | {
            "description": f'phases in which it is not judged; "{OUTSIDE}" is the time outside all',
            "uniqueItems": True,
        },
        "early": _early(),
    }
    return _table("", required, known) | {
        "if": {"required": ["adaptive"]},
        "then": {"not": {"required": ["direction"]}},
        "else": {"required": ["direction", "levels"]},
    }


def _adaptive() -> Tree:
    known = {
        "season": _choice(ladders.SEASONS, "what is usual: as on the days before, or last year"),
        "side": _choice(ladders.SIDES, "which deviations count"),
        "floor": _number(0, ladders.BOUND_MAX, "a deviation is at least this"),
        "floor_share": _number(0, 1, "and this share of what is expected"),
    }
    return _table("bounds count in usual deviations from what is expected", (), known)


def _variants() -> Tree:
    known: dict[str, Tree] = {
        "phase": {"type": "string"},
        "scope": {"type": "string", "examples": ["region=east"]},
        "levels": _ref("levels"),
    }
    said = "other bounds for a phase, a scope or both"
    found = _tables(said, ladders.VARIANTS_MAX, ("levels",), known)
    found["items"]["anyOf"] = [{"required": ["phase"]}, {"required": ["scope"]}]
    return found


def _early() -> Tree:
    known = {
        "within_s": _integer(1, ladders.WITHIN_S_MAX, "when the line is so near"),
        "line": _choice(_LEVELS, "the level whose bound is the line"),
        "level": _choice(_LEVELS, "the grade is at least this, below the line's"),
    }
    return _table("a warning before the line is reached", tuple(known), known)


def _holds(said: str, required: Sequence[str]) -> Tree:
    seconds = _number(0, ladders.HOLD_S_MAX)
    known = dict.fromkeys(_LEVELS, seconds) | {
        word: {"const": 0, "description": "enters at once"}
        for word in _LEVELS
        if word not in required
    }
    each = _table("", required, known)
    return {"description": f"{said}, in seconds", "anyOf": [seconds, each]}


def _called() -> Tree:
    return {"id": _ref("id"), "title": _ref("title")}


def _table(said: str, required: Sequence[str], known: Mapping[str, Tree]) -> Tree:
    """A table with these keys and no others."""
    found: Tree = {"description": said} if said else {}
    found |= {"type": "object", "properties": dict(known), "additionalProperties": False}
    return found | ({"required": list(required)} if required else {})


def _named(said: str, value: Tree) -> Tree:
    """A table whose keys are names."""
    found: Tree = {"description": said} if said else {}
    return found | {"type": "object", "additionalProperties": value}


def _keys(pattern: str, most: int) -> Tree:
    return {"propertyNames": {"pattern": f"^{pattern}$"}, "maxProperties": most}


def _tables(said: str, most: int, required: Sequence[str], known: Mapping[str, Tree]) -> Tree:
    items = _table("", required, known)
    return {"description": said, "type": "array", "maxItems": most, "items": items}


def _list(items: Tree, most: int) -> Tree:
    return {"type": "array", "minItems": 1, "maxItems": most, "items": items}


def _pair() -> Tree:
    minute, share = {"type": "number", "minimum": 0}, _number(0, 1)
    return {"type": "array", "minItems": 2, "maxItems": 2, "items": [minute, share]}


def _number(low: float, high: float, said: str = "") -> Tree:
    found: Tree = {"description": said} if said else {}
    return found | {"type": "number", "minimum": low, "maximum": high}


def _integer(low: int, high: int, said: str) -> Tree:
    return {"description": said, "type": "integer", "minimum": low, "maximum": high}


def _choice(names: Sequence[str], said: str) -> Tree:
    return {"description": said, "enum": list(names)}


def _ref(name: str, said: str = "") -> Tree:
    """A definition; what it means here stands beside it, where draft 7 lets it stand."""
    target = {"$ref": f"#/definitions/{name}"}
    return {"description": said, "allOf": [target]} if said else target
