"""Recorded: the plan of a run that sends a recorded file at N times its speed. An event's time is
the time it is due, so that a year-old file is business of now.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

from fenghuo.loadtest import replay
from fenghuo.loadtest.plan.plan import BatchIterator
from fenghuo.loadtest.recordings import recording
from fenghuo.loadtest.recordings.mapping import parse

EVENTS_MAX = 5_000_000
SPEED_MAX = 1e6


@dataclass(frozen=True)
class Recorded:
    """Events of files by a mapping, or every `of`-th of them from `number` on."""

    mapping: Path
    files: tuple[Path, ...]
    speed: float
    number: int = 0
    producers: int = 1
    form: str = "json"

    @classmethod
    def of(cls, mapping: str, files: tuple[Path, ...], speed: float) -> "Recorded":
        """A plan of these files; raises UsageError, MappingError or RecordingError."""
        if not files:
            raise replay.UsageError("--recording: expected files to send, as arguments")
        if not 0.001 <= speed <= SPEED_MAX:
            raise replay.UsageError(f"--speed: expected 0.001 to {SPEED_MAX:g}, got {speed:g}")
        plan = cls(replay.mapping_path(mapping), files, speed)
        if plan._found.events > EVENTS_MAX:
            raise replay.UsageError(
                f"--recording: expected at most {EVENTS_MAX} events, got {plan._found.events}"
            )
        return plan

    @property
    def kind(self) -> str:
        """The kind of most of its events."""
        return max(self._found.streams, key=lambda stream: stream[1].height)[0]

    @property
    def seconds(self) -> int:
        """How long it lasts."""
        span_ms = self._found.last_ms - self._found.first_ms
        return int(span_ms / self.speed / 1000) + 1

    @property
    def rate_per_s(self) -> int:
        """Events a second, on average."""
        return max(1, self._found.events // self.seconds)

    def part(self, run: str, number: int, of: int) -> "Recorded":
        """What one of several producers sends; events keep their own names, whatever the run."""
        del run
        return replace(self, number=number, producers=of)

    def due_by(self, at_ms: int) -> int:
        """About how many events are due by then: as if they came evenly."""
        share = min(1.0, max(0.0, at_ms / 1000 / self.seconds))
        return int(self._found.events * share) // self.producers

    def messages(self, start_ms: int) -> BatchIterator:
        """Messages by their due times."""
        pace = recording.Pace(self.speed, "now", start_ms)
        turn = 0
        for batch in recording.messages(self._found, pace, lambda: start_ms):
            yield list(islice(batch, (self.number - turn) % self.producers, None, self.producers))
            turn += len(batch)

    @cached_property
    def _found(self) -> recording.Recording:
        text = self.mapping.read_text(encoding="utf-8")
        return recording.read(parse(text, self.mapping.name), list(self.files), 0)
