"""Reads the sections of a campaign file that hold numbers and moments: all but names and rules."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from fenghuo.schemas.campaign.names import read_title
from fenghuo.schemas.campaign.parts import OUTSIDE, Line, PacePoint, Phase, Rehearsal, Title, Wave
from fenghuo.schemas.campaign.toml_reader import Phrase, Reader, is_number
from fenghuo.schemas.kinds.kind import Cut
from fenghuo.schemas.metrics.words import Known

LINES_MAX = 20
PACE_POINTS_MAX = 500
PHASES_MAX = 50
WAVES_MAX = 100
CHANNELS_MAX = 50
CAMPAIGN_DAYS_MAX = 400
GMV_FEN_MAX = 10**17
SHARE_SLACK = 0.001
DAY_MS = 86_400_000
PAGE_URL = "http://127.0.0.1:8600"
CHANNEL_PATTERN = re.compile(r"[a-z][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Head:
    """The table [campaign]."""

    name: str
    title: Title
    start_ms: int
    end_ms: int
    utc_offset_minutes: int
    page_url: str

    @property
    def duration_minutes(self) -> float:
        """How long the campaign lasts."""
        return (self.end_ms - self.start_ms) / 60_000


@dataclass(frozen=True, slots=True)
class Targets:
    """The table [targets]."""

    gmv_fen: int
    region_share: Mapping[str, float]
    by_region: bool


@dataclass(frozen=True, slots=True)
class World:
    """What rules may refer to."""

    labels: Mapping[str, tuple[str, ...]]
    cuts: Mapping[str, tuple[Cut, ...]]
    known: Known
    paced_regions: bool
    phases: tuple[str, ...]


def read_head(table: Reader) -> Head:
    """[campaign]"""
    start_ms, end_ms = _second(table, "start"), _second(table, "end")
    if start_ms is not None and end_ms is not None:
        end_ms = _checked_end(table, start_ms, end_ms)
    head = Head(
        name=table.id("name"),
        title=read_title(table, "title"),
        start_ms=start_ms or 0,
        end_ms=(start_ms or 0) + DAY_MS if end_ms is None or start_ms is None else end_ms,
        utc_offset_minutes=table.integer("utc_offset_minutes", -720, 840, default=480),
        page_url=_read_address(table, "page_url", default=PAGE_URL).rstrip("/"),
    )
    table.done()
    return head


def _second(table: Reader, key: str) -> int | None:
    """A moment on a whole second: the store keeps sums of seconds, and its curve is to begin and to
    end where the campaign does.
    """
    at_ms = table.moment_ms(key)
    if at_ms is not None and at_ms % 1000:
        table.notes.add(table.path(key), "a whole second", Phrase(f"{at_ms % 1000} ms after one"))
        at_ms -= at_ms % 1000
    return at_ms


def _checked_end(table: Reader, start_ms: int, end_ms: int) -> int | None:
    if start_ms < end_ms <= start_ms + CAMPAIGN_DAYS_MAX * DAY_MS:
        return end_ms
    expected = f"an end after the start and at most {CAMPAIGN_DAYS_MAX} days later"
    table.notes.add(table.path("end"), expected, Phrase(f"{(end_ms - start_ms) / DAY_MS:g} days"))
    return None


def read_targets(table: Reader | None, labels: Mapping[str, tuple[str, ...]]) -> Targets:
    """[targets]"""
    if table is None:
        return Targets(0, {}, by_region=False)
    gmv_fen = table.integer("gmv_fen", 1, GMV_FEN_MAX)
    shares: dict[str, float] = {}
    inner = table.optional("region_share")
    regions = labels["region"]
    if inner is not None and regions:  # no regions: noted where they are missing
        shares = {region: inner.number(region, 0.0, 1.0) for region in regions}
        inner.done()
        total = sum(shares.values())
        if abs(total - 1.0) > SHARE_SLACK:
            table.notes.add(
                table.path("region_share"), "shares that sum to 1", Phrase(f"{total:g}")
            )
    table.done()
    return Targets(gmv_fen, shares, by_region=inner is not None)


def read_capacity(table: Reader | None) -> dict[str, Line]:
    """[capacity]: lines by name."""
    if table is None:
        return {}
    names = table.names()
    if len(names) > LINES_MAX:
        table.notes.add(table.path(""), f"at most {LINES_MAX} lines", Phrase(str(len(names))))
    found = {}
    for name in names:
        inner = table.table(name)
        found[name] = Line(
            name, read_title(inner, "title"), inner.number("requests_per_s", 1.0, 1e12)
        )
        inner.done()
    return found


def read_pace(table: Reader | None, within_minutes: float) -> tuple[PacePoint, ...]:
    """A table with a curve: minutes rise, shares never fall, the last share is 1."""
    if table is None:
        return ()
    found: list[PacePoint] = []
    problems = len(table.notes.problems)
    for path, pair in table.items("curve", PACE_POINTS_MAX):
        if not isinstance(pair, list) or len(pair) != 2 or not all(is_number(x) for x in pair):
            table.notes.add(path, "a pair [minute, share] of finite numbers", pair)
            continue
        point = PacePoint(float(pair[0]), float(pair[1]))
        low = found[-1] if found else PacePoint(-1.0, 0.0)
        if not low.minute < point.minute <= within_minutes or point.minute < 0:
            table.notes.add(
                path, f"a minute after the one before and at most {within_minutes:g}", pair[0]
            )
        elif not low.share <= point.share <= 1.0:
            table.notes.add(path, f"a share from {low.share:g} (the one before) to 1", pair[1])
        else:
            found.append(point)
    if found and len(table.notes.problems) == problems and found[-1].share != 1.0:
        table.notes.add(
            table.path("curve"), "a curve that ends at share 1", Phrase(f"{found[-1].share:g}")
        )
    table.done()
    return tuple(found)


def read_phases(root: Reader, head: Head) -> tuple[Phase, ...]:
    """[[phases]]: in order, without overlap, inside the campaign."""
    found: list[Phase] = []
    for table in root.tables("phases", PHASES_MAX):
        start_ms, end_ms = table.moment_ms("start"), table.moment_ms("end")
        phase = Phase(table.id("id"), read_title(table, "title"), start_ms or 0, end_ms or 0)
        table.done()
        _unique(table, phase.id, [OUTSIDE, *(other.id for other in found)])
        found.append(phase)  # also without its times, so that rules may name it
        if start_ms is None or end_ms is None:
            continue
        if start_ms < (found[-2].end_ms if len(found) > 1 else head.start_ms):
            table.notes.add(
                table.path("start"),
                "a start inside the campaign and after the phase before",
                table.raw("start", ""),
            )
        if not start_ms < end_ms <= head.end_ms:
            table.notes.add(
                table.path("end"),
                "an end after the start and inside the campaign",
                table.raw("end", ""),
            )
    return tuple(found)


def read_waves(root: Reader, head: Head) -> tuple[Wave, ...]:
    """[[waves]]: opening moments inside the campaign."""
    found: list[Wave] = []
    for table in root.tables("waves", WAVES_MAX):
        at_ms = table.moment_ms("at")
        wave = Wave(table.id("id"), read_title(table, "title"), at_ms or 0)
        table.done()
        if at_ms is not None and not head.start_ms <= at_ms <= head.end_ms:
            table.notes.add(table.path("at"), "a moment inside the campaign", table.raw("at", ""))
        _unique(table, wave.id, [other.id for other in found])
        found.append(wave)
    return tuple(sorted(found, key=lambda wave: wave.at_ms))


def _unique(table: Reader, found_id: str, others: list[str]) -> None:
    if found_id and found_id in others:
        table.notes.add(table.path("id"), "an id that no other entry has", found_id)


def read_rehearsal(root: Reader) -> Rehearsal | None:
    """[rehearsal]: gmv_scale is scale unless it is given; so is the curve."""
    table = root.optional("rehearsal")
    if table is None:
        return None
    duration_s = table.integer("duration_s", 1, 86_400)
    scale = table.number("scale", 1e-9, 1000.0)
    gmv_scale = table.number("gmv_scale", 1e-9, 1000.0, default=scale)
    curve: tuple[PacePoint, ...] = ()
    if table.has("curve"):
        curve = read_pace(table, duration_s / 60)  # also refuses unknown keys
    else:
        table.done()
    return Rehearsal(duration_s, scale, gmv_scale, curve)


def read_channels(table: Reader | None) -> dict[str, str]:
    """[channels]: where notices go, name -> web hook address."""
    if table is None:
        return {}
    names = table.names()
    if len(names) > CHANNELS_MAX:
        table.notes.add(table.path(""), f"at most {CHANNELS_MAX} channels", Phrase(str(len(names))))
    found = {}
    for name in names[:CHANNELS_MAX]:
        if not CHANNEL_PATTERN.fullmatch(name):
            table.notes.add(table.path(name), "a name of a-z, 0-9, _ and -", name)
        found[name] = _read_address(table, name, default=None)
    return found


def _read_address(table: Reader, key: str, *, default: str | None) -> str:
    if default is not None and not table.has(key):
        return default
    value = table.raw(key, "a web address")
    if isinstance(value, str) and _is_web_address(value):
        return value
    table.notes.add(table.path(key), "a web address like http://host:port/path", value)
    return ""


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return good and text.isprintable() and " " not in text and "{" not in text
