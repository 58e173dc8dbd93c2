"""Real files into events: read lazily as text, mapped, sorted by time, rendered in batches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import polars as pl
import polars.exceptions as plx

from fenghuo.loadtest.plan.plan import BatchIterator, Message
from fenghuo.loadtest.recordings import columns
from fenghuo.loadtest.recordings.language import Mapping, Stream, Time
from fenghuo.loadtest.wire import FIELDS
from fenghuo.schemas.wire.topics import TOPIC_OF

ROWS_MAX: Final = 20_000_000
BATCH_EVENTS: Final = 4_096
DAY_MS: Final = 86_400_000
UNMATCHED: Final = "row matches no events"
_SUFFIXES: Final = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet"}


class RecordingError(ValueError):
    """A recording that cannot be replayed: says which file, row and column, and the cure."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How recorded time becomes sending time; a speed of None means as fast as acknowledged."""

    speed: float | None
    rebase: Literal["now", "keep"]
    start_ms: int


@dataclass(frozen=True, slots=True)
class Recording:
    """All events of a replay, as columns; `_order` numbers them over all streams."""

    streams: tuple[tuple[str, pl.DataFrame], ...]
    rows: int
    events: int
    skipped: dict[str, int]
    origin_ms: int
    """Time of the event that is sent first."""
    first_ms: int
    last_ms: int


def read(mapping: Mapping, paths: Sequence[Path], now_ms: int) -> Recording:
    """Maps the files, so that before anything is sent every row is an event or counted as none."""
    try:
        source = _source(mapping, paths)
        tagged = source.with_columns(
            pl.any_horizontal([columns.holds(stream.when) for stream in mapping.streams]).alias(
                "_any"
            )
        )
        unmatched = tagged.height - int(tagged["_any"].sum())
        skipped = {UNMATCHED: unmatched} if unmatched else {}
        frames = [_mapped(mapping, stream, source, skipped) for stream in mapping.streams]
    except (plx.PolarsError, OSError) as error:
        raise RecordingError(f"{mapping.name}: {error}") from error
    ordered = _order(mapping, frames, now_ms)
    _check_ids(mapping, ordered)
    times = [frame["ts"] for frame in ordered if frame.height]
    return Recording(
        streams=tuple((s.kind, f) for s, f in zip(mapping.streams, ordered, strict=True)),
        rows=source.height,
        events=sum(frame.height for frame in ordered),
        skipped=skipped,
        origin_ms=next((int(f["ts"][0]) for f in ordered if f.height and f["_order"][0] == 0), 0),
        first_ms=min((int(ts.min()) for ts in times), default=0),  # type: ignore[arg-type]
        last_ms=max((int(ts.max()) for ts in times), default=0),  # type: ignore[arg-type]
    )


def messages(recording: Recording, pace: Pace, clock: Callable[[], int]) -> BatchIterator:
    """Batches of single JSON messages in sending order.

    Rebased to now, an event's time is the time its message is due: the start plus the recorded
    distance divided by the speed; at speed max nothing is due, so it is the clock when the batch is
    rendered. Other times of an event (promised, delivered) keep their distance to it. Kept, all
    times stay as recorded.
    """
    for start in range(0, recording.events, BATCH_EVENTS):
        end = min(start + BATCH_EVENTS, recording.events)
        now_ms = clock()
        parts = []
        for kind, frame in recording.streams:
            low, high = frame["_order"].search_sorted(pl.Series([start, end]))
            if high > low:
                part = frame.slice(low, high - low)
                origin_ms = recording.origin_ms
                parts.append(_rendered(kind, part, origin_ms=origin_ms, pace=pace, now_ms=now_ms))
        batch = pl.concat(parts).sort("_order")
        yield [
            Message(due, topic, payload, 1, paid, fen)
            for due, topic, payload, paid, fen in batch.drop("_order").iter_rows()
        ]


def _source(mapping: Mapping, paths: Sequence[Path]) -> pl.DataFrame:
    """The needed columns of all files, as text, with file name and row number."""
    labels = [path.name.split(".")[0] for path in paths]
    for label in labels:
        if labels.count(label) > 1:
            raise RecordingError(
                f"{mapping.name}: two files are named {label}: event ids would clash"
            )
    needed: set[str] = set()
    for stream in mapping.streams:
        needed |= columns.columns_of(stream.when, stream.fields)
    needed -= {"file", "row"}
    frames = [_scan(mapping, path, sorted(needed)) for path in paths]
    tagged = [
        frame.with_row_index("row", offset=1).with_columns(
            pl.lit(label).alias("file"), pl.col("row").cast(pl.String)
        )
        for frame, label in zip(frames, labels, strict=True)
    ]
    source = pl.concat(tagged).with_row_index("_row").head(ROWS_MAX + 1).collect()
    if source.height > ROWS_MAX:
        raise RecordingError(
            f"{mapping.name}: expected at most {ROWS_MAX} rows, got more: split it"
        )
    return source


def _scan(mapping: Mapping, path: Path, needed: list[str]) -> pl.LazyFrame:
    if not path.is_file():
        raise RecordingError(f"{path}: expected a file, found none")
    form = mapping.format if mapping.format != "auto" else _format(path)
    if form == "csv":
        frame = pl.scan_csv(
            path,
            has_header=mapping.header,
            separator=mapping.separator,
            new_columns=list(mapping.columns) or None,
            infer_schema=False,
        )
    elif form == "ndjson":
        old = {new: was for was, new in mapping.rename}
        names = {*needed, *(old[name] for name in needed if name in old)}
        frame = pl.scan_ndjson(path, schema=dict.fromkeys(sorted(names), pl.String))
    else:
        frame = pl.scan_parquet(path)
    present = frame.collect_schema().names()
    for was, new in mapping.rename:
        if was in present and form == "ndjson":
            frame = frame.with_columns(pl.coalesce(new, was).alias(new)).drop(was)
        elif was in present and new not in present:
            frame = frame.rename({was: new})
    present = frame.collect_schema().names()
    missing = [name for name in needed if name not in present]
    for name in missing:
        if name not in mapping.optional:
            raise RecordingError(
                f"{path}: expected column {name!r}, got {', '.join(present)[:500]}"
            )
    frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in missing)
    return frame.select(pl.col(name).cast(pl.String) for name in needed)


def _format(path: Path) -> str:
    for suffix in path.suffixes:
        if suffix.lower() in _SUFFIXES:
            return _SUFFIXES[suffix.lower()]
    raise RecordingError(
        f"{path}: expected .csv, .ndjson, .jsonl or .parquet (also .gz); or set source.format"
    )


def _mapped(
    mapping: Mapping, stream: Stream, source: pl.DataFrame, skipped: dict[str, int]
) -> pl.DataFrame:
    """The stream's good events; bad rows are counted in `skipped`, or stop the replay."""
    cells = {spec.name: columns.field(stream.kind, spec) for spec in stream.fields}
    frame = (
        source.lazy()
        .filter(columns.holds(stream.when))
        .select(
            "_row", "file", "row",
            *(cell.value.alias(name) for name, cell in cells.items()),
            pl.coalesce(cell.reason for cell in cells.values()).alias("_reason"),
        )
        .collect()
    )  # fmt: skip
    bad = frame.filter(pl.col("_reason").is_not_null())
    if bad.height and not mapping.skip_bad_rows:
        first = bad.row(0, named=True)
        raise RecordingError(
            f"{mapping.name}: {first['file']} row {first['row']}: {first['_reason']} "
            f"({bad.height} rows are bad; with mapping.skip_bad_rows = true they are left out "
            "and counted)"
        )
    for reason, count in bad.group_by("_reason").len().iter_rows():
        skipped[reason] = skipped.get(reason, 0) + count
    good = frame.filter(pl.col("_reason").is_null()).drop("_reason", "file", "row")
    for spec in stream.fields:
        if isinstance(spec.source, Time) and spec.source.spread_day:
            day = pl.col(spec.name)
            place = pl.int_range(pl.len()).over(day) * DAY_MS // pl.len().over(day)
            good = good.with_columns((day + place).alias(spec.name))
    return good


def _order(mapping: Mapping, frames: list[pl.DataFrame], now_ms: int) -> list[pl.DataFrame]:
    """Adds `_order` (place over all streams) and `_due` (recorded ms after the first event)."""
    keys = ["_row", "_stream"]
    if mapping.sort and not mapping.clock:
        keys = ["ts", *keys]
    pick = ["_row"] if mapping.clock else ["_row", "ts"]
    index = pl.concat(
        frame.select(*pick, pl.lit(number, dtype=pl.UInt32).alias("_stream"))
        for number, frame in enumerate(frames)
    ).sort(keys)
    index = index.with_row_index("_order").with_columns(pl.col("_order").cast(pl.Int64))
    if mapping.clock:
        start_ms = now_ms if mapping.clock.start_ms is None else mapping.clock.start_ms
        milli_rate = int(mapping.clock.rate_per_s * 1000)
        index = index.with_columns(
            (start_ms + pl.col("_order") * 1_000_000 // milli_rate).alias("ts")
        )
    # An unsorted recording is sent when the newest time so far says, so late events come late.
    index = index.with_columns((pl.col("ts").cum_max() - pl.col("ts").first()).alias("_due"))
    result = []
    for number, frame in enumerate(frames):
        place = index.filter(pl.col("_stream") == number).drop("_stream")
        body = frame.drop("ts", strict=False)
        result.append(place.join(body, on="_row", how="left").sort("_order"))
    return result


def _check_ids(mapping: Mapping, frames: list[pl.DataFrame]) -> None:
    for kind in FIELDS:
        ids = [
            f["event_id"] for s, f in zip(mapping.streams, frames, strict=True) if s.kind == kind
        ]
        if not ids:
            continue
        every = pl.concat(ids)
        if every.n_unique() != every.len():
            twice = every.filter(every.is_duplicated())[0]
            raise RecordingError(
                f"{mapping.name}: expected an event_id of its own for each {kind}, got {twice!r} "
                "twice: use {file} and {row}, and another literal in each [[events]]"
            )


def _rendered(
    kind: str, frame: pl.DataFrame, *, origin_ms: int, pace: Pace, now_ms: int
) -> pl.DataFrame:
    """Due time, topic, JSON bytes and sums of a slice; absent optional fields are left out."""
    due = pl.lit(0, dtype=pl.Int64)
    moved = frame
    if pace.speed is not None:
        due = (pl.col("_due") / pace.speed).floor().cast(pl.Int64)
    if pace.rebase == "now":
        if pace.speed is None:
            ts = pl.lit(now_ms, dtype=pl.Int64)
        else:
            ts = pace.start_ms + ((pl.col("ts") - origin_ms) / pace.speed).floor().cast(pl.Int64)
        others = [name for name in ("promised_ts", "delivered_ts") if name in frame.columns]
        moved = frame.with_columns(
            ts.alias("ts"), *((pl.col(name) - pl.col("ts") + ts).alias(name) for name in others)
        )
    slots = FIELDS[kind]
    needed = [name for name, slot in slots.items() if slot.required]
    extra = [name for name, slot in slots.items() if not slot.required and name in frame.columns]
    head = pl.struct(pl.lit(kind).alias("kind"), *needed).struct.json_encode().str.strip_suffix("}")
    tail = [_optional(name) for name in extra]
    paid = (pl.col("status") == "paid") if kind == "order" else pl.lit(value=False)
    amount = pl.col("amount_fen") if kind == "order" else pl.lit(0, dtype=pl.Int64)
    return moved.select(
        "_order",
        due.alias("due"),
        pl.lit(TOPIC_OF[kind]).alias("topic"),
        pl.concat_str(head, *tail, pl.lit("}")).cast(pl.Binary).alias("payload"),
        paid.cast(pl.Int64).alias("paid"),
        pl.when(paid).then(amount).otherwise(0).alias("fen"),
    )


def _optional(name: str) -> pl.Expr:
    encoded = pl.struct(name).struct.json_encode().str.strip_prefix("{").str.strip_suffix("}")
    return pl.when(pl.col(name).is_null()).then(pl.lit("")).otherwise(pl.lit(",") + encoded)
