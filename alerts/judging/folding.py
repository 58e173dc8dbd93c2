"""fold(verdicts, folds): which open warnings others explain, and which of a group came first. Pure.

A part is explained by what holds it, of its own rule: a region by the total, a region's category by
either of the two or by the total. Any warning is explained by a cause that the campaign declares
for its rule. Nothing is explained by something milder: a warning that is worse than its cause says
more than the cause does, and stays on its own. What is explained is still there, with its level; it
is only shown, and told, inside its cause.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from fenghuo.schemas.campaign.parts import Fold
from fenghuo.schemas.level import Level
from fenghuo.schemas.wire.status import Verdict

TOTAL = "total"
CAUSE_MIN = Level.YELLOW
"""A declared cause explains from this level on: a slight excess is no explanation."""

Key = tuple[str, str]
"""(rule, scope)"""


def fold(verdicts: Sequence[Verdict], folds: Sequence[Fold]) -> list[Verdict]:
    """The same verdicts; of each open warning with its root cause ("rule|scope", None: it is one)
    and whether it was the first of several warnings with that root.
    """
    open_ = {(one.rule, one.scope): one for one in verdicts if one.level}
    if not open_:
        return list(verdicts)
    causes: dict[str, list[Fold]] = {}
    for declared in folds:
        for rule in declared.hides:
            causes.setdefault(rule, []).append(declared)
    roots = {key: _root(key, open_, causes) for key in open_}
    sizes = Counter(roots.values())
    first: dict[Key, Key] = {}
    for key, one in open_.items():  # in the order of the rules: of a tie the first one counts
        root = roots[key]
        if root not in first or one.memory.opened_ms < open_[first[root]].memory.opened_ms:
            first[root] = key
    found = []
    for one in verdicts:
        key = (one.rule, one.scope)
        if key not in open_:
            found.append(one)
            continue
        root = roots[key]
        cause = None if root == key else "|".join(root)
        is_first = first[root] == key and sizes[root] > 1
        found.append(replace(one, cause=cause, first_out=is_first))
    return found


def _root(key: Key, open_: Mapping[Key, Verdict], causes: Mapping[str, Sequence[Fold]]) -> Key:
    """Cause of cause of cause; what declares itself in a circle ends where it began to repeat."""
    seen = {key}
    while (found := _cause(key, open_, causes)) is not None and found not in seen:
        seen.add(found)
        key = found
    return key


def _cause(
    key: Key, open_: Mapping[Key, Verdict], causes: Mapping[str, Sequence[Fold]]
) -> Key | None:
    rule, scope = key
    level = open_[key].level or 0
    wider = _wider(scope)
    for where in wider:
        if _level(open_, (rule, where)) >= level:
            return rule, where
    for declared in causes.get(rule, ()):
        for where in (scope, *wider) if declared.scope == "same" else (TOTAL,):
            reached = _level(open_, (declared.cause, where))
            if reached >= CAUSE_MIN and reached >= level:
                return declared.cause, where
    return None


def _wider(scope: str) -> tuple[str, ...]:
    """The scopes that hold this one, the widest first: of "region=east,category=food" the total and
    both parts.
    """
    parts = scope.split(",")
    return () if scope == TOTAL else (TOTAL, *parts) if len(parts) > 1 else (TOTAL,)


def _level(open_: Mapping[Key, Verdict], key: Key) -> int:
    found = open_.get(key)
    return 0 if found is None else found.level or 0
