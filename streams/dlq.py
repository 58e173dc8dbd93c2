"""`fenghuo dlq`: dead letters listed, and replayed so that each counts once."""

import asyncio
import json
import sys
from collections import Counter
from typing import Any

import aiokafka

from fenghuo.schemas import reading, topics
from fenghuo.schemas.foreign import FOREIGN
from fenghuo.schemas.lane import SHADOW, Lane
from fenghuo.schemas.letters import REPLAY_HEADER, Letter, from_record
from fenghuo.schemas.marks import SHADOW_HEADER, is_shadow
from fenghuo.schemas.settings import Settings
from fenghuo.streams import kafka

SHOWN_BYTES = 120
PLACE_CHARS = 60


async def _letters(settings: Settings) -> list[Letter]:
    """Every letter of the lane once, in the order of the topic."""
    found: dict[Any, Letter] = {}
    refused = topics.of(topics.REFUSED, settings.lane)
    async for record in reading.records(settings.kafka, refused):
        letter = FOREIGN.read(refused, record.offset, from_record, record.value, record.headers)
        if letter is not None:
            found.setdefault(letter.key, letter)
    return list(found.values())


def show(settings: Settings, *, limit: int, reason: str | None, as_json: bool) -> int:
    """Print letters; 0, or 2 when the broker cannot be reached."""
    try:
        letters = asyncio.run(_existing(settings))
    except reading.KafkaDown as error:
        print(f"dlq: {error}", file=sys.stderr)
        return 2
    chosen = [letter for letter in letters if reason in (None, letter.reason)]
    if as_json:
        for letter in chosen[-limit:]:
            print(json.dumps(_plain(letter)))  # ASCII: one letter is one line, whatever it holds
        return 0
    for letter in chosen[-limit:]:
        text = letter.data[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
        print(
            f"{_place(letter):24} {letter.reason:16} {letter.detail}\n    {_size(letter)}: {text!r}"
        )
    counts: Counter[str] = Counter()
    for letter in chosen:
        counts[letter.reason] += letter.count
    print(
        f"{len(chosen)} letters, {counts.total()} events: "
        + ", ".join(f"{name} {count}" for name, count in counts.most_common())
    )
    return 0


def replay(settings: Settings, *, reason: str | None, source: str | None, as_json: bool) -> int:
    """Send letters back to their partition, marked with their source; gather counts each once."""
    try:
        sent, cut = asyncio.run(_replay(settings, reason, source))
    except reading.KafkaDown as error:
        print(f"dlq: {error}", file=sys.stderr)
        return 2
    if as_json:
        print(json.dumps({"replayed": sent, "not_whole": cut}))
    else:
        print(f"{sent} letters sent again; what was counted before is refused as already_replayed")
        if cut:
            print(
                f"{cut} letters hold only the beginning of what was refused: send these again"
                " from where they came; `fenghuo dlq list` names their places"
            )
    return 0


async def _existing(settings: Settings) -> list[Letter]:
    await kafka.prepare(settings)
    return await _letters(settings)


async def _replay(settings: Settings, reason: str | None, source: str | None) -> tuple[int, int]:
    """How many letters were sent again, and how many are not whole and so were not."""
    log = await kafka.prepare(settings)
    chosen: dict[Any, Letter] = {}
    for letter in await _letters(settings):
        is_ours = letter.source.log == log and letter.reason != "already_replayed"
        place = f"{letter.source}/{letter.offset}/"
        if (
            is_ours
            and reason in (None, letter.reason)
            and (source is None or place.startswith(f"{source}/"))
        ):
            chosen.setdefault((letter.source, letter.first), letter)
    whole = [letter for letter in chosen.values() if can_replay(letter)]
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=settings.kafka, max_request_size=topics.MESSAGE_BYTES_MAX
    )
    await producer.start()
    try:
        for letter in whole:
            await producer.send_and_wait(
                letter.source.topic,
                letter.data,
                partition=letter.source.partition,
                headers=_headers(letter, settings.lane),
            )
    finally:
        await producer.stop()
    return len(whole), len(chosen) - len(whole)


def can_replay(letter: Letter) -> bool:
    """Whether its bytes are all that was refused, and mean events: a batch's do not."""
    return not letter.is_cut and letter.reason != "unreadable"


def _headers(letter: Letter, lane: Lane) -> list[tuple[str, bytes]]:
    """What names the letter, and what keeps its replay in the run and the lane it came from."""
    kept = [(REPLAY_HEADER, letter.replay_mark.encode()), *filter(None, (letter.mark,))]
    if lane == SHADOW and not is_shadow(kept):  # a stranger's: no replay of this lane is real
        kept.append((SHADOW_HEADER, b""))
    return kept


def _place(letter: Letter) -> str:
    """Where it comes from, as one word."""
    if letter.last_offset is not None:
        return f"{letter.source}/{letter.offset}-{letter.last_offset}"
    place = f"{letter.source}/{letter.offset}/{letter.rows or letter.idx}"
    return place if len(place) <= PLACE_CHARS else f"{place[:PLACE_CHARS]}... ({letter.count})"


def _size(letter: Letter) -> str:
    kept = f", the first {len(letter.data)} kept" if letter.is_cut else ""
    return f"{letter.whole_size} bytes{kept}"


def _plain(letter: Letter) -> dict[str, Any]:
    return {
        "topic": letter.source.topic,
        "partition": letter.source.partition,
        "offset": letter.offset,
        "idx": letter.idx,
        "reason": letter.reason,
        "detail": letter.detail,
        "record_ms": letter.record_ms,
        "count": letter.count,
        "rows": letter.rows,
        "last_offset": letter.last_offset,
        "bytes": letter.whole_size,
        "is_cut": letter.is_cut,
        "sha256": letter.hash,
        "data": letter.data[: 64 << 10].decode("utf-8", "backslashreplace"),
    }
