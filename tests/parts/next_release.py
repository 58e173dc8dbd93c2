"""The release after this one, as far as a test can have it: it counts two things more of orders.
A process with ENV in its environment is of that release, and so are its children.
"""

from dataclasses import replace

from fenghuo.schemas.kinds import events
from fenghuo.schemas.kinds.kind import Counter, Flags
from tests.paths import ROOT

ENV = {"PYTHONPATH": str(ROOT / "tests/parts/next_release_path")}


def _unpaid(flags: Flags) -> bool:
    return flags["status"] != "paid"


MORE = (Counter("unpaid", _unpaid), Counter("unpaid_fen", _unpaid, weighed=True))


def grow() -> None:
    """Before anything else of fenghuo is imported: what goes by the kinds reads them once."""
    order = events.ALL["order"]
    events.ALL["order"] = replace(order, counters=(*order.counters, *MORE))
