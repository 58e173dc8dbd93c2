"""The command `fenghuo replay`: arguments in, summary and exit code out."""

import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final, Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from fenghuo.loadtest.recordings import recording
from fenghuo.loadtest.recordings.mapping import MappingError, parse
from fenghuo.loadtest.send.drive import DriveError, Progress, Sender, Summary
from fenghuo.schemas.wire.topics import TOPIC_OF

OK: Final = 0
INCOMPLETE: Final = 1
UNUSABLE: Final = 2
"""Exit codes: all was acknowledged; something was not; nothing could be sent."""

MAPPINGS: Final = Path(__file__).resolve().parent.parent / "deploy" / "mappings"
LEAD_MS: Final = 300


class UsageError(ValueError):
    """An argument that cannot be used."""


UNUSABLE_ERRORS: Final = (
    UsageError,
    MappingError,
    recording.RecordingError,
    DriveError,
    OSError,
)


def replay(
    mapping: str,
    files: Sequence[Path],
    *,
    bootstrap: str,
    partitions: int,
    speed: str = "max",
    rebase: str = "keep",
    as_json: bool = False,
) -> int:
    """Replay recorded FILES by MAPPING, a path or the name of a shipped mapping."""

    def work(stop: threading.Event, progress: Progress) -> tuple[Summary, dict[str, Any]]:
        pace_speed = _speed(speed)
        if rebase not in ("now", "keep"):
            raise UsageError(f"--rebase: expected now or keep, got {rebase!r}")
        path = mapping_path(mapping)
        plan = parse(path.read_text(encoding="utf-8"), path.name)
        now_ms = time.time_ns() // 1_000_000
        found = recording.read(plan, list(files), now_ms)
        topics = sorted({TOPIC_OF[kind] for kind, frame in found.streams if frame.height})
        sender = Sender(bootstrap, dict.fromkeys(topics, partitions))
        start_ms = _now_ms() + LEAD_MS
        way: Literal["now", "keep"] = "now" if rebase == "now" else "keep"
        pace = recording.Pace(pace_speed, way, start_ms)
        summary = sender.run(
            recording.messages(found, pace, _now_ms),
            planned=found.events,
            start_ms=None if pace_speed is None else start_ms,
            stop=stop,
            progress=progress,
        )
        extra = {
            "rows": found.rows,
            "skipped": found.skipped,
            "first_ts": found.first_ms,
            "last_ts": found.last_ms,
        }
        return summary, extra

    return _run("replay", work, as_json=as_json)


def mapping_path(name: str) -> Path:
    """A mapping file: the path as given, or a shipped mapping by its bare name."""
    given = Path(name)
    if given.is_file():
        return given
    shipped = MAPPINGS / f"{name}.toml"
    if shipped.is_file():
        return shipped
    known = ", ".join(sorted(path.stem for path in MAPPINGS.glob("*.toml")))
    raise UsageError(f"mapping {name}: expected a file or one of {known}")


def _run(
    title: str,
    work: Callable[[threading.Event, Progress], tuple[Summary, dict[str, Any]]],
    *,
    as_json: bool,
) -> int:
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # each retry is in the books, not a line
    try:
        with stopping() as stop, _progress(title) as progress:
            summary, extra = work(stop, progress)
    except UNUSABLE_ERRORS as error:
        print(f"{title}: {error}", file=sys.stderr)
        return UNUSABLE
    result = {**summary.as_json(), **extra}
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        _print(title, result)
    return OK if summary.complete else INCOMPLETE


def _print(title: str, result: dict[str, Any]) -> None:
    print(
        f"{title}: {result['acknowledged']} of {result['planned']} messages acknowledged, "
        f"{result['events']} events in {result['seconds']} s ({result['rate_per_s']} a second)"
    )
    for key in ("failed", "late_sends", "failures", "skipped"):
        if result[key]:
            print(f"  {key}: {result[key]}")
    for topic, count in result["by_topic"].items():
        print(f"  {topic}: {count['events']} events in {count['messages']} messages")
    print(f"  paid: {result['sum']['paid']} orders, {result['sum']['paid_amount_fen']} fen")


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set: the run ends cleanly with its summary so far."""
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress(title: str) -> Iterator[Progress]:
    """A bar on standard error, if a person looks at it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _planned, _acknowledged: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console) as bar:
        task = bar.add_task(title, total=None)

        def show(planned: int, acknowledged: int) -> None:
            bar.update(task, total=max(planned, 1), completed=acknowledged)

        yield show


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.001 <= speed <= 1e6:
        raise UsageError(f"--speed: expected max or a number from 0.001 to 1000000, got {text!r}")
    return speed


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
