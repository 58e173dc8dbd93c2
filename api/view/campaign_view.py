"""The campaign as the page sees it: titles, levels, rules with their ladders, targets. Pure."""

from typing import Any

from fenghuo.schemas.campaign.campaign import Campaign
from fenghuo.schemas.campaign.parts import Adaptive, Early, Rule, Title, Variant
from fenghuo.schemas.campaign.plans import Playbook
from fenghuo.schemas.kinds.measures import KINDS, cut_name
from fenghuo.schemas.level import TEXT_ON_FILL, WARNINGS, Level


def campaign_view(campaign: Campaign) -> dict[str, Any]:
    """One JSON object; it changes only when the campaign file does."""
    return {
        "name": campaign.name,
        "version": campaign.version,
        "title": _title(campaign.title),
        "start_ms": campaign.start_ms,
        "end_ms": campaign.end_ms,
        "utc_offset_minutes": campaign.utc_offset_minutes,
        "rehearsal_scale": campaign.scale if campaign.scale != 1.0 else None,
        "levels": [_level(level) for level in Level],
        "text_on_fill": TEXT_ON_FILL,
        "labels": {name: list(labels) for name, labels in campaign.labels.items()},
        "titles": {
            dimension: {label: _title(title) for label, title in titles.items()}
            for dimension, titles in campaign.titles.items()
        },
        "cuts": {kind: [cut_name(cut) for cut in campaign.cuts_of(kind)] for kind in KINDS},
        "targets": {"gmv_fen": campaign.gmv_fen, "region_share": dict(campaign.region_share)},
        "capacity": [
            {"name": name, "title": _title(line.title), "requests_per_s": line.requests_per_s}
            for name, line in campaign.capacity.items()
        ],
        "pace": [[point.minute, point.share] for point in campaign.pace],
        "phases": [
            {"id": p.id, "title": _title(p.title), "start_ms": p.start_ms, "end_ms": p.end_ms}
            for p in campaign.phases
        ],
        "waves": [{"id": w.id, "title": _title(w.title), "at_ms": w.at_ms} for w in campaign.waves],
        "departments": {
            name: _title(department.title)
            for name, department in campaign.plans.departments.items()
        },
        "playbooks": {
            name: _title(playbook.title) for name, playbook in campaign.plans.playbooks.items()
        },
        "rules": [_rule(rule) for rule in campaign.rules],
        "folds": [
            {"cause": fold.cause, "hides": list(fold.hides), "scope": fold.scope}
            for fold in campaign.folds
        ],
    }


def playbook_view(playbook: Playbook) -> dict[str, Any]:
    """A playbook with its steps, as it is read by who was woken."""
    return {
        "id": playbook.id,
        "title": _title(playbook.title),
        "owner": playbook.owner,
        "within_minutes": playbook.within_minutes,
        "steps": [_title(step) for step in playbook.steps],
    }


def _title(title: Title) -> dict[str, str]:
    return {"zh": title.zh, "en": title.en}


def _level(level: Level) -> dict[str, Any]:
    look = level.look
    return {
        "level": int(level),
        "name": level.word,
        "word": {"zh": look.zh, "en": look.en},
        "title": {"zh": look.title_zh, "en": look.title_en},
        "letter": {"zh": look.letter_zh, "en": look.letter_en},
        "shape": look.shape,
        "colour": look.colour,
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "title": _title(rule.title),
        "unit": rule.unit,
        "direction": "rising" if rule.ladder.rising else "falling",
        "scopes": list(rule.scopes),
        "window_s": rule.window_s,
        "min_samples": rule.min_samples,
        "ladder": {
            level.word: {
                "enter": rule.ladder.enter_of(level),
                "leave": rule.ladder.leave_of(level),
                "hold_up_ms": rule.hold_up_ms[level],
                "hold_down_ms": rule.hold_down_ms[level],
            }
            for level in WARNINGS
        },
        "adaptive": None if rule.adaptive is None else _adaptive(rule.adaptive),
        "variants": [_variant(variant) for variant in rule.variants],
        "suspended": list(rule.suspended),
        "early": None if rule.early is None else _early(rule.early),
        "playbook": rule.playbook,
        "owner": rule.owner,
    }


def _adaptive(adaptive: Adaptive) -> dict[str, Any]:
    return {
        "season": adaptive.season,
        "side": adaptive.side,
        "floor": adaptive.floor,
        "floor_share": adaptive.floor_share,
    }


def _variant(variant: Variant) -> dict[str, Any]:
    """Other bounds; an empty phase or scope means any, and of the variants the first counts."""
    ladder = variant.ladder
    return {
        "phase": variant.phase,
        "scope": variant.scope,
        "ladder": {
            level.word: {"enter": ladder.enter_of(level), "leave": ladder.leave_of(level)}
            for level in WARNINGS
        },
    }


def _early(early: Early) -> dict[str, Any]:
    return {"within_s": early.within_s, "line": int(early.line), "level": int(early.level)}
