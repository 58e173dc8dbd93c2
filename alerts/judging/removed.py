"""close_removed: how the warning of a rule that is no longer in the campaign ends."""

from fenghuo.schemas.wire.warning import State, Transition

REMOVED = "rule removed from the campaign"


def close_removed(
    state: State, rule: str, scope: str, *, now_ms: int
) -> tuple[State, Transition | None]:
    """The end of what is remembered of a rule in a scope that is gone. Only its number remains, so
    that the chain goes on if the rule comes back; an open incident is told to be over.
    """
    if not state.incident:
        return State(level=state.level, since_ms=state.since_ms, seq=state.seq), None
    at_ms = max(now_ms, state.since_ms)
    transition = Transition(
        rule=rule,
        scope=scope,
        seq=state.seq + 1,
        incident=state.incident,
        from_level=state.level,
        to_level=None,
        at_ms=at_ms,
        value=None,
        samples=0,
        threshold=None,
        reason=REMOVED,
    )
    return State(since_ms=at_ms, seq=transition.seq, reason=REMOVED), transition
