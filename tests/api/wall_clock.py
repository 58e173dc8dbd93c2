"""The campaign's wall clock by the standard library, to hold the api's arithmetic against."""

from datetime import datetime, timedelta, timezone

from tests.api.boards import campaign


def begin_there(at_ms: int, unit: str, utc_offset_minutes: int | None = None) -> int:
    """The beginning of the unit that holds a moment, on the campaign's wall clock."""
    if utc_offset_minutes is None:
        utc_offset_minutes = campaign().utc_offset_minutes
    zone = timezone(timedelta(minutes=utc_offset_minutes))
    there = datetime.fromtimestamp(at_ms / 1000, zone).replace(microsecond=0)
    if unit == "10s":
        there = there.replace(second=there.second // 10 * 10)
    elif unit != "second":
        there = there.replace(second=0)
    if unit in ("hour", "day", "week"):
        there = there.replace(minute=0)
    if unit in ("day", "week"):
        there = there.replace(hour=0)
    if unit == "week":
        there -= timedelta(days=there.weekday())
    return int(there.timestamp()) * 1000
