"""`fenghuo dlq`: dead letters listed, and replayed so that each counts once."""

import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any

import aiokafka
from aiokafka.errors import MessageSizeTooLargeError

from fenghuo.schemas.campaign.campaign import load
from fenghuo.schemas.lane import SHADOW, Lane
from fenghuo.schemas.log import reading
from fenghuo.schemas.log.foreign import FOREIGN
from fenghuo.schemas.log.reading import Record
from fenghuo.schemas.records.marks import SHADOW_HEADER, is_shadow
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire import topics
from fenghuo.schemas.wire.letters import LETTER_BYTES_MAX, REPLAY_HEADER, Letter, from_record
from fenghuo.schemas.wire.pulse import Source
from fenghuo.streams.decode.codec import Codec
from fenghuo.streams.gather.taken import coders
from fenghuo.streams.letters.whole_letters import whole
from fenghuo.streams.transport import kafka

SHOWN_BYTES = 120
PLACE_CHARS = 60


def newest_form(found: Iterable[Letter]) -> list[Letter]:
    """Each letter once, in this order; of a message those of the highest form."""
    known: dict[Any, Letter] = {}
    forms: dict[tuple[Source, int], int] = {}
    for letter in found:
        message = letter.source, letter.offset
        forms[message] = max(letter.form, forms.get(message, 0))
        known.setdefault((letter.key, letter.form), letter)
    return [one for one in known.values() if one.form == forms[one.source, one.offset]]


async def _letters(settings: Settings) -> list[Letter]:
    """Every letter of the lane."""
    refused = topics.of(topics.REFUSED, settings.lane)
    return newest_form(
        [
            letter
            async for record in reading.records(settings.kafka, refused)
            if (letter := _letter(refused, record))
        ]
    )


def _letter(topic: str, record: Record) -> Letter | None:
    return FOREIGN.read(topic, record.offset, from_record, record.value, record.headers)


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
                f"{cut} letters cannot be sent again: they keep only the beginning of what was"
                " refused, and the log does not have the rest any more, or no topic takes it;"
                " `fenghuo dlq list` names their places"
            )
    return 0


async def _existing(settings: Settings) -> list[Letter]:
    await kafka.prepare(settings)
    return await _letters(settings)


async def _replay(settings: Settings, reason: str | None, source: str | None) -> tuple[int, int]:
    """How many letters were sent again, and how many could not be, for nobody has all of them."""
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
    campaign = load(settings.campaign, settings.rehearsal_start_ms or None)
    codecs = {kind: Codec(coder) for kind, coder in coders(campaign).items()}
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=settings.kafka,
        compression_type="gzip",  # the largest message a topic takes has room for no more headers
        max_request_size=topics.MESSAGE_BYTES_MAX + LETTER_BYTES_MAX,
    )
    await producer.start()
    sent = 0
    try:
        for letter in chosen.values():
            data = await whole(settings.kafka, letter, codecs)
            if data is None:
                continue
            with contextlib.suppress(MessageSizeTooLargeError):
                await producer.send_and_wait(
                    letter.source.topic,
                    data,
                    partition=letter.source.partition,
                    headers=_headers(letter, settings.lane),
                )
                sent += 1
    finally:
        await producer.stop()
    return sent, len(chosen) - sent


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
