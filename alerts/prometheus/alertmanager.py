"""alertmanager(campaign): routes, receivers and inhibitions for Alertmanager.

Severity is part of every group, so an escalation opens a group of its own and waits for group_wait
(red: nothing) instead of the group_interval of a group that has already spoken.
"""

from typing import Any

from fenghuo.alerts.judging.folding import CAUSE_MIN
from fenghuo.schemas.campaign.campaign import Campaign
from fenghuo.schemas.campaign.parts import Fold
from fenghuo.schemas.level import WARNINGS, Level

WATCHDOG = "watchdog"
GROUP_BY = ["campaign", "rule", "scope", "severity"]
DEFAULT_CHANNELS = {"war-room": "http://127.0.0.1:8098/notices"}

# group_wait, group_interval, repeat_interval: the worse, the sooner and the oftener
PACE: dict[Level, tuple[str, str, str]] = {
    Level.RED: ("0s", "5s", "5m"),
    Level.ORANGE: ("0s", "10s", "15m"),
    Level.YELLOW: ("2s", "30s", "1h"),
    Level.CYAN: ("5s", "1m", "4h"),
    Level.BLUE: ("10s", "1m", "12h"),
}
WATCHDOG_PACE = ("0s", "30s", "30s")


def alertmanager(campaign: Campaign) -> dict[str, Any]:
    """The whole configuration. The first channel is the default; "watchdog" gets nothing else."""
    people = {name: url for name, url in campaign.channels.items() if name != WATCHDOG}
    people = people or DEFAULT_CHANNELS
    first = next(iter(people))
    watchdog = campaign.channels.get(WATCHDOG, people[first])
    return {
        "global": {"resolve_timeout": "1m"},
        "route": {
            "receiver": first,
            "group_by": GROUP_BY,
            **_pace(PACE[Level.BLUE]),
            "routes": [
                {
                    "matchers": ['alertname="Watchdog"'],
                    "receiver": WATCHDOG,
                    "group_by": ["alertname"],
                    **_pace(WATCHDOG_PACE),
                },
                *(_channel_route(name) for name in people),
            ],
        },
        "inhibit_rules": [
            *_higher_hides_lower(),
            *_total_hides_parts(),
            *(rule for fold in campaign.folds for rule in _cause_hides(fold)),
        ],
        "receivers": [
            *(_receiver(name, url, send_resolved=True) for name, url in people.items()),
            _receiver(WATCHDOG, watchdog, send_resolved=False),
        ],
    }


def _channel_route(name: str) -> dict[str, Any]:
    """Every channel gets every level at that level's pace; `continue` lets the next channel see."""
    levels = [
        {"matchers": [f'severity="{level.word}"'], "receiver": name, **_pace(pace)}
        for level, pace in PACE.items()
    ]
    return {"matchers": ['severity!="none"'], "receiver": name, "continue": True, "routes": levels}


def _pace(pace: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(("group_wait", "group_interval", "repeat_interval"), pace, strict=True))


def _receiver(name: str, url: str, *, send_resolved: bool) -> dict[str, Any]:
    return {"name": name, "webhook_configs": [{"url": url, "send_resolved": send_resolved}]}


def _higher_hides_lower() -> list[dict[str, Any]]:
    """All levels up to the reached one fire; people see the highest."""
    return [
        _inhibit(
            [f'severity="{level.word}"'],
            [f'severity=~"{_words(WARNINGS[: level - 1])}"'],
            ["campaign", "rule", "scope"],
        )
        for level in reversed(WARNINGS[1:])
    ]


def _total_hides_parts() -> list[dict[str, Any]]:
    """The total hides its regions, systems and types, unless one of those is worse."""
    return [
        _inhibit(
            ['scope="total"', f'severity="{level.word}"'],
            ['scope!="total"', f'severity=~"{_words(WARNINGS[:level])}"'],
            ["campaign", "rule"],
        )
        for level in reversed(WARNINGS)
    ]


def _cause_hides(fold: Fold) -> list[dict[str, Any]]:
    """A declared cause hides what it explains, unless that is worse: its total everywhere, with
    scope `same` also its own scope. (That region=east explains region=east,category=food is said
    by the judge alone: matchers here compare whole scopes.)
    """
    hidden = "|".join(fold.hides)
    found = []
    for level in reversed(WARNINGS[CAUSE_MIN - 1 :]):
        cause = [f'rule="{fold.cause}"', f'severity="{level.word}"']
        explained = [f'rule=~"{hidden}"', f'severity=~"{_words(WARNINGS[:level])}"']
        total = ['scope="total"', *cause]
        found.append(_inhibit(total, explained, ["campaign"]))
        if fold.scope == "same":
            found.append(_inhibit(cause, explained, ["campaign", "scope"]))
    return found


def _inhibit(source: list[str], target: list[str], equal: list[str]) -> dict[str, Any]:
    return {"source_matchers": source, "target_matchers": target, "equal": equal}


def _words(levels: tuple[Level, ...]) -> str:
    return "|".join(level.word for level in levels)
