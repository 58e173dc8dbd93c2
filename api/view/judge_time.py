"""JudgeTime: how far the time here is ahead of the judge's, from the boards that come. Pure.

Both go by the broker's time where it tells. Where it does not, or one of them may not ask, two
hosts differ, and a healthy board would look old. Boards that come as they are made, for a while,
tell how far. What lay in the topic comes at once and tells nothing: that of a dead judge stays old.
"""

from fenghuo.schemas.clock import JUMP_MS

LIVE_MS = 2_000
"""Boards that have kept step with the time here for so long are made as they come."""


class JudgeTime:
    """The judge's time against the time here."""

    def __init__(self) -> None:
        self.ahead_ms = 0
        """By how much the time here is ahead; 0 while it is right to a second."""
        self._began_ms = self._first_ms = self._least_ms = 0
        self._is_begun = False

    def see(self, board_ms: int, now_ms: int) -> None:
        """A board that says it was made at board_ms came at now_ms."""
        apart_ms = now_ms - board_ms  # the way of the board is in it
        if not self._is_begun or abs(apart_ms - self._first_ms) > JUMP_MS:
            self._is_begun, self._began_ms = True, now_ms
            self._first_ms = self._least_ms = apart_ms
            return
        self._least_ms = min(self._least_ms, apart_ms)
        if now_ms - self._began_ms >= LIVE_MS:
            self.ahead_ms = self._least_ms if abs(self._least_ms) > JUMP_MS else 0
