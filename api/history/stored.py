"""Whether history is there and up to date, as the api itself sees it."""

from typing import Any

from fenghuo.api.errors import ApiError
from fenghuo.api.history.stores import Stores
from fenghuo.api.view.latest import Latest
from fenghuo.schemas.lane import Lane
from fenghuo.schemas.store.faults import UNKNOWN_TABLE
from fenghuo.schemas.store.port import StoreError
from fenghuo.schemas.store.tables import PULSE_TABLE, of

ASK_S = 1.5
BEHIND_MS_MAX = 30_000
"""History may lack so much of what the board counts before it is called behind."""
LOOK_BACK_MS = 3_600_000
"""So far behind the board's clock the newest stored second is looked for."""


async def state(stores: Stores, latest: Latest, lane: Lane) -> dict[str, Any]:
    """`store`: up, behind or down, with what is known of why."""
    kinds = latest.board.kinds if latest.board else ()
    clock_ms = max((kind.watermark_ms for kind in kinds if kind.watermark_ms), default=None)
    try:
        newest_ms = await _newest_ms(stores, lane, (clock_ms or LOOK_BACK_MS) - LOOK_BACK_MS)
    except StoreError as error:
        if error.code == UNKNOWN_TABLE:
            return {"store": "behind", "why": "archive has made no tables yet"}
        return {"store": "down", "why": str(error)}
    except ApiError as error:
        return {"store": "down", "why": error.message}
    if clock_ms is None:
        return {"store": "up"}
    behind_ms = max(0, clock_ms - newest_ms) if newest_ms else None
    if behind_ms is None or behind_ms > BEHIND_MS_MAX:
        return {"store": "behind", "behind_ms": behind_ms, "why": "see the log of archive"}
    return {"store": "up", "behind_ms": behind_ms}


async def _newest_ms(stores: Stores, lane: Lane, from_ms: int) -> int:
    """The newest second of all kinds that is stored, from a moment on; 0 if none."""
    parts = [
        f"SELECT max(second_ms) AS newest FROM {of(table, lane)}"
        " WHERE cut = '' AND second_ms >= %(from_ms)s"
        for table in PULSE_TABLE.values()
    ]
    sql = f"SELECT max(newest) AS newest FROM ({' UNION ALL '.join(parts)})"
    rows = await stores.query(sql, {"from_ms": from_ms}, ASK_S)
    return int(rows[0]["newest"] or 0)
