"""Lead: whether this judge speaks, stands by, or asks to speak. No I/O; moments are monotonic.

It follows topic `status` as every reader does, and what it does is decided by what it read there:
a judge that was asleep finds the claim of the one that took over before it finds its own.
"""

import secrets

import msgspec

from fenghuo.schemas.wire.reign import NOBODY, Reign
from fenghuo.schemas.wire.status import Board
from fenghuo.schemas.wire.warning import Transition

SILENCE_S = 2.5
"""Who stands by asks to speak when no board has come for this long."""


class Lead:
    """One judge's part in the succession on topic `status`."""

    def __init__(self, now_s: float) -> None:
        self.name = secrets.token_hex(4)
        self.board: Board | None = None
        """The newest board that counts."""
        self._reign = Reign()
        self._heard_s = now_s
        self._asked: int | None = None
        self._untold: tuple[Transition, ...] = ()

    @property
    def speaks(self) -> bool:
        """Whether the reign is this judge's."""
        return self._reign.speaker == self.name

    @property
    def generation(self) -> int:
        """The reign as far as read."""
        return self._reign.generation or 0

    @property
    def is_waiting(self) -> bool:
        """Whether a board that changed a level was sent and not read back yet."""
        return bool(self._untold)

    def hear(self, board: Board, offset: int, now_s: float) -> tuple[Transition, ...]:
        """Take in one record of topic `status`. Returns what may be told now: changes of level of a
        board of one's own that has its place in the log, and so in the memory of all that follow.
        """
        if not self._reign.hears(board, offset):
            return ()
        self._heard_s = now_s
        if board.claim is None:
            self.board = board
        if not self.speaks:
            self._untold = ()
        elif self._untold and board.moved == self._untold and board.claim is None:
            self._untold = ()
            return board.moved
        return ()

    def signed(self, board: Board) -> Board:
        """A board of this judge's reign, to be sent at once."""
        self._untold = board.moved
        return msgspec.structs.replace(board, generation=self.generation)

    def wants(self, now_s: float) -> bool:
        """Whether to ask to speak: nobody does, or whoever does is silent."""
        is_vacant = self._reign.generation is None or self._reign.speaker == NOBODY
        wait_s = 0 if is_vacant and self._asked != self.generation else SILENCE_S
        return not self.speaks and now_s - self._heard_s >= wait_s

    def claim(self, blank: Board, now_s: float) -> Board:
        """The claim to send; a second one follows after another silence only."""
        self._heard_s, self._asked = now_s, self.generation
        return self._claim(blank, self.name)

    def leave(self, blank: Board) -> Board:
        """What a judge that speaks sends last."""
        return self._claim(blank, NOBODY)

    def _claim(self, blank: Board, by: str) -> Board:
        return msgspec.structs.replace(self.board or blank, generation=self.generation, claim=by)
