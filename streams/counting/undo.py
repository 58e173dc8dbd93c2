"""Undo: an object as it was before something broke in the middle. No clock, no I/O."""

from typing import Any

import msgspec


class Kept(msgspec.Struct, frozen=True):
    """Names of the attributes that may change: values that are replaced, tables that are written
    into, lists that only grow.
    """

    values: tuple[str, ...]
    tables: tuple[str, ...]
    lists: tuple[str, ...]

    def of(self, owner: object) -> "Before":
        """How things stand: as cheap as the tables are small."""
        state = {name: getattr(owner, name) for name in self.values}
        state |= {name: getattr(owner, name).copy() for name in self.tables}
        return Before(state, {name: len(getattr(owner, name)) for name in self.lists})


class Before(msgspec.Struct, frozen=True):
    """What to go back to: values and tables, and how long the lists were."""

    state: dict[str, Any]
    sizes: dict[str, int]

    def restore(self, owner: object) -> None:
        """Go back."""
        for name, value in self.state.items():
            setattr(owner, name, value)
        for name, size in self.sizes.items():
            del getattr(owner, name)[size:]
