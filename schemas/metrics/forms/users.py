"""Users: how many different people."""

from dataclasses import dataclass
from typing import ClassVar

from fenghuo.schemas.metrics.form import Form
from fenghuo.schemas.metrics.reading import NOTHING, Reading
from fenghuo.schemas.metrics.seen import Seen, region_of


@dataclass(frozen=True, slots=True)
class Users(Form):
    """Distinct users since the campaign's start: `active` or `new`; samples = as many."""

    of: str

    WORDS: ClassVar = "{of:who} users"
    UNITS: ClassVar = ("users",)
    SCOPES: ClassVar = "region"

    @property
    def kind(self) -> str:
        return "order"

    def read(self, seen: Seen, scope: str) -> Reading:
        many = seen.users(self.of, region_of(scope))
        return NOTHING if many is None else Reading(float(many), many)
