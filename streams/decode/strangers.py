"""Strangers: what refused bytes look like, and what to do about it. Pure, total, and cheap: told
from the first bytes, and asked only for what was refused.
"""

import re
from typing import Final, NamedTuple

LOOKED_BYTES: Final = 4_096
"""So much of the bytes is looked at."""


class Stranger(NamedTuple):
    """What bytes look like, and the cure. is_binary: line breaks in them mean nothing."""

    name: str
    advice: str
    is_binary: bool = False

    def __str__(self) -> str:
        return f"looks like {self.name}: {self.advice}"


_SEND: Final = "send JSON, NDJSON or an Arrow stream"
_PACKED: Final = "let the producer compress (compression.type), not the value"
_MAGIC: Final = (
    (b"\x1f\x8b", "gzip", _PACKED),
    (b"\x28\xb5\x2f\xfd", "zstd", _PACKED),
    (b"\x04\x22\x4d\x18", "lz4", _PACKED),
    (b"\xff\x06\x00\x00sNaPpY", "snappy", _PACKED),
    (b"\x82SNAPPY\x00", "snappy", _PACKED),
    (b"BZh", "bzip2", _PACKED),
    (b"PK\x03\x04", "a zip file", f"unpack it and {_SEND}"),
    (b"ARROW1", "an Arrow file", "send the stream format (ipc.new_stream, not new_file)"),
    (b"PAR1", "a Parquet file", _SEND),
    (b"Obj\x01", "an Avro file", _SEND),
    (b"\xac\xed\x00\x05", "a serialized Java object", f"{_SEND}, as bytes or a string"),
    (b"\xfe\xff", "UTF-16", "send UTF-8"),
    (b"\xff\xfe", "UTF-16", "send UTF-8"),
    (b"\x80\x04\x95", "a Python pickle", _SEND),
    (b"\x80\x05\x95", "a Python pickle", _SEND),
)
_UTF16_BYTES, _REGISTRY_BYTES = 64, 5
_CLOUD: Final = re.compile(rb'"specversion"\s*:')
_DEBEZIUM: Final = (re.compile(rb'"op"\s*:\s*"[cudrtm]"'), re.compile(rb'"(?:before|after)"\s*:'))
_CONNECT: Final = (re.compile(rb'"schema"\s*:'), re.compile(rb'"payload"\s*:'))
_TS: Final = re.compile(rb'"ts"\s*:\s*(-?\d{1,22})(\.\d+)?\s*[,}]')
_HINTS: Final = (
    (re.compile(rb"[\[{]\s*'"), "a printed Python dict", "write JSON, with double quotes"),
    (
        re.compile(rb'.*?"ts"\s*:\s*"\d{4}-\d\d', re.DOTALL),
        "a time as text in `ts`",
        "send milliseconds since 1970 as a whole number",
    ),
    (
        re.compile(rb'.*?"amount_fen"\s*:\s*"?\d+\.\d', re.DOTALL),
        "yuan in `amount_fen`",
        "send fen as a whole number: 12.34 yuan are 1234",
    ),
    (
        re.compile(
            rb'.*?"(?:ts|amount_fen|latency_ms|count|status|severity)"\s*:\s*"-?\d+"', re.DOTALL
        ),
        "a number in quotes",
        "send it without",
    ),
    (
        re.compile(rb".*?[:,\[]\s*(?:NaN|-?Infinity|None|True|False|undefined)\b", re.DOTALL),
        "JSON with a word it does not have",
        "no NaN, Infinity, None, True, False or undefined",
    ),
    (re.compile(rb".*?[\s,{](?://|/\*)", re.DOTALL), "JSON with comments", "leave them out"),
)
_CALL: Final = re.compile(rb"[\w$.]+\s*\(\s*[\[{]")
_CSV: Final = re.compile(rb"[^\n{}\[\]<>]*(?:[,;\t][^\n{}\[\]<>]*){2,}")


def stranger(data: bytes) -> Stranger | None:
    """What refused bytes look like; None where they are not known."""
    head = bytes(data[:LOOKED_BYTES])
    return binary(head) or _text(head.lstrip())


def binary(data: bytes) -> Stranger | None:
    """The same where it is no text; asked before a message is cut at its line breaks."""
    head = bytes(data[:LOOKED_BYTES])
    for magic, name, advice in _MAGIC:
        if head.startswith(magic):
            return Stranger(name, advice, is_binary=True)
    first = head[:_UTF16_BYTES]
    zeros = max(first[::2].count(0), first[1::2].count(0))
    if len(first) >= 4 and zeros * 4 > len(first) and (first[0] or not first[2]):
        return Stranger("UTF-16 without its mark", "send UTF-8", is_binary=True)
    if head[:1] == b"\0" and len(head) > _REGISTRY_BYTES:
        number = int.from_bytes(head[1:_REGISTRY_BYTES], "big")
        name = f"a schema registry's message (Avro, Protobuf or JSON Schema, id {number})"
        return Stranger(name, f"{_SEND}, without the registry's five bytes", is_binary=True)
    if head[:1] and (0x80 <= head[0] <= 0x8F or head[0] in (0xDE, 0xDF)) and b"\xa2ts" in head:
        return Stranger("MessagePack", _SEND, is_binary=True)
    return None


def _text(head: bytes) -> Stranger | None:
    if head.startswith(b"\xef\xbb\xbf"):
        return Stranger("UTF-8 with a byte order mark", "leave its three bytes out")
    if head[:1] in (b"{", b"["):
        return _json(head)
    if head[:1] == b"<":
        return Stranger("XML or HTML", _SEND)
    if head[:1] == b'"' and b"{" in head[:40]:
        return Stranger("JSON inside of a JSON string", "encode it once, not twice")
    if _CALL.match(head):
        return Stranger("JSON with a function around it (JSONP)", "send the object alone")
    if _CSV.match(head):
        return Stranger("a line of CSV", f"{_SEND}; `fenghuo replay` reads files by a mapping")
    return None


def _json(head: bytes) -> Stranger | None:
    if _CLOUD.search(head):
        return Stranger("a CloudEvents envelope", "send its `data` alone, as binary mode does")
    if all(one.search(head) for one in _DEBEZIUM):
        return Stranger("a Debezium change", "unwrap it (ExtractNewRecordState) into an event")
    if all(one.search(head) for one in _CONNECT):
        return Stranger("Kafka Connect's schema and payload", "set `schemas.enable` to false")
    if (found := _TS.search(head)) and (unit := _unit(found)):
        return Stranger(f"{unit} in `ts`", "send milliseconds since 1970 as a whole number")
    for form, name, advice in _HINTS:
        if form.match(head):
            return Stranger(name, advice)
    return None


def _unit(found: re.Match[bytes]) -> str:
    digits = len(found[1].lstrip(b"-"))
    if found[2] is not None or 9 <= digits <= 10:
        return "seconds"
    if digits >= 18:
        return "nanoseconds"
    return "microseconds" if digits >= 15 else ""
