"""Level: green, then five levels of warning, ordered; and how each is shown to people.

People never see the number: word, letter, shape and height carry a level, never the hue alone.
"""

from difflib import get_close_matches
from enum import IntEnum
from typing import NamedTuple


class Level(IntEnum):
    """Ordered 0 to 5; the number is for code and metrics only."""

    GREEN = 0
    BLUE = 1
    CYAN = 2
    YELLOW = 3
    ORANGE = 4
    RED = 5

    @property
    def word(self) -> str:
        """The name on the wire, in the campaign file and in metrics: `green`, `blue`, ..."""
        return self.name.lower()

    @property
    def look(self) -> "Look":
        """How people see it."""
        return LOOKS[self]

    @classmethod
    def parse(cls, word: str) -> "Level":
        """The level of a name; ValueError says the nearest one."""
        if word in _BY_WORD:
            return _BY_WORD[word]
        near = get_close_matches(word, _BY_WORD, n=1, cutoff=0.5)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        raise ValueError(f"expected a level ({', '.join(_BY_WORD)}), got {word!r}{hint}")


class Look(NamedTuple):
    """One row of the table below."""

    zh: str
    en: str
    title_zh: str
    title_en: str
    letter_zh: str
    letter_en: str
    shape: str
    colour: str


# colours: found by search on panel #0F141B, smallest OKLab distance 14 also under red/green
# blindness; text on every fill is dark. Green has no letter: its ring with a tick says enough.
LOOKS: dict[Level, Look] = {
    Level.GREEN: Look("正常", "Normal", "正常", "Normal", "", "", "ring", "#71C8A4"),
    Level.BLUE: Look("蓝", "Blue", "蓝色预警", "Blue alert", "蓝", "B", "disc", "#6A92DC"),
    Level.CYAN: Look(
        "青", "Cyan", "青色预警", "Cyan alert", "青", "C", "rounded-square", "#96EFF7"
    ),
    Level.YELLOW: Look(
        "黄", "Yellow", "黄色预警", "Yellow alert", "黄", "Y", "triangle", "#EEE771"
    ),
    Level.ORANGE: Look("橙", "Orange", "橙色预警", "Orange alert", "橙", "O", "diamond", "#F89802"),
    Level.RED: Look("红", "Red", "红色预警", "Red alert", "红", "R", "octagon", "#F23344"),
}
TEXT_ON_FILL = "#0A0E14"
WARNINGS: tuple[Level, ...] = tuple(level for level in Level if level is not Level.GREEN)

_BY_WORD = {level.word: level for level in Level}
