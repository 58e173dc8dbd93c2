"""Reign: which judge speaks, read off topic `status`. No clock, no I/O.

Every judge reads the topic and is ready to speak; one does. Who wants to take over writes a claim:
a board that names the reign it would end. The first such claim in the log ends it, and its place
there numbers the new reign: its generation. A second one comes too late. Whatever the judge
before sends behind that place is no board any more, whether it knows or not. All this is decided by
the order of one log alone, so everybody who reads it agrees, and no lease, clock or coordinator is
trusted.
"""

from fenghuo.schemas.wire.status import Board

NOBODY = ""
"""The claim of a judge that leaves: whoever is ready may speak at once."""


class Reign:
    """What the records of topic `status` have said so far, in their order, from any offset on."""

    def __init__(self) -> None:
        self.generation: int | None = None
        """None: nothing was heard yet."""
        self.speaker: str | None = None
        """Who claimed it; None: the claim lies before what was read."""
        self._above: int | None = None
        """The claim that began this reign was the first record heard: another one just before it
        may have won. Boards tell: theirs is the reign if its number is higher than this.
        """

    def hears(self, board: Board, offset: int) -> bool:
        """Whether this record counts: a board of the judge that speaks, or a claim that ended the
        reign before.
        """
        if board.claim is not None:
            return self._claimed(board.claim, board.generation, offset)
        above = self.generation if self._above is None else self._above
        if above is None or board.generation > above:
            if board.generation != self.generation:
                self.generation, self.speaker = board.generation, None
            self._above = None
        return board.generation == self.generation

    def _claimed(self, by: str, ended: int, offset: int) -> bool:
        if self._above is None:
            if self.generation not in (None, ended):
                return False
            self._above = ended if self.generation is None else None
        elif ended <= self._above:
            return False
        else:  # the one that lost named what the one that won had ended
            self._above = None if ended == self.generation else ended
        self.generation, self.speaker = offset + 1, by  # 0 is before all claims
        return True
