"""The mapping language: how one row of a recording becomes events, as frozen values.

A mapping is data, never code. A field of an event is a constant or a table with one verb:

region     = "CN"                                         a constant
category   = { column = "Product" }                       the text, trimmed
type       = { column = "Issue", replace = { "," = ";" } }
order_id   = { template = "uk-{InvoiceNo}" }              columns, {file} and {row} (from 1)
amount_fen = { number = "price", scale = 100 }            exact; scale 1, 10 .. 1000000
amount_fen = { sum = ["goods", "freight"], scale = 100 }
amount_fen = { product = ["n", "price"], scale = 100, absolute = true, round = "half_up" }
ts         = { time = "created", format = "%Y-%m-%d %H:%M:%S", utc_offset_minutes = 480 }
type       = { keywords = "text", rules = { delivery = ["late"], refund = ["money back"] } }
category   = { prefix = "StockCode", length = 2 }
category   = { first_word = "Description" }
category   = { bucket = "category_id", buckets = 32, name = "bucket-" }
status     = { cases = [{ when = [...], then = "cancelled" }], default = "paid" }

`table = { IN = OUT }` after column, prefix, first_word or number translates the text; `default`
stands for an empty value and for one that the table does not list. `format` may be a list (the
first that fits), `epoch_s` or `epoch_ms`; `spread = "day"` spreads rows that know only their day
evenly over it, in file order. A number that is not whole after scaling is a bad row unless
`round = "half_up"` (away from zero at the half).
"""

from dataclasses import dataclass
from decimal import Decimal

from fenghuo.loadtest.wire import Value


@dataclass(frozen=True, slots=True)
class Condition:
    """One test of one column; a list of them holds when all hold."""

    column: str
    operator: str
    value: str | bool | Decimal | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Constant:
    value: Value


@dataclass(frozen=True, slots=True)
class Column:
    column: str
    replace: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    parts: tuple[tuple[str, str], ...]
    """Pairs of literal text and the column after it ("" for none)."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number (one column), a product or a sum (two columns), exact to 6 decimals a column."""

    operation: str
    columns: tuple[str, ...]
    scale: int
    absolute: bool
    half_up: bool


@dataclass(frozen=True, slots=True)
class Time:
    column: str
    formats: tuple[str, ...]
    utc_offset_minutes: int
    spread_day: bool


@dataclass(frozen=True, slots=True)
class Keywords:
    column: str
    rules: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Prefix:
    column: str
    length: int


@dataclass(frozen=True, slots=True)
class FirstWord:
    column: str


@dataclass(frozen=True, slots=True)
class Bucket:
    column: str
    buckets: int
    name: str


@dataclass(frozen=True, slots=True)
class Cases:
    cases: tuple[tuple[tuple[Condition, ...], Value], ...]


Plain = Constant | Column | Template | Keywords | Prefix | FirstWord | Cases
Source = Plain | Number | Time | Bucket


@dataclass(frozen=True, slots=True)
class Field:
    """Where one field of an event comes from."""

    name: str
    source: Source
    table: tuple[tuple[str, Value], ...] = ()
    default: Value | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """One event for each row that meets all conditions."""

    kind: str
    when: tuple[Condition, ...]
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Clock:
    """Arrival times for a recording that has none."""

    rate_per_s: Decimal
    start_ms: int | None


@dataclass(frozen=True, slots=True)
class Mapping:
    """A whole mapping file."""

    name: str
    sort: bool
    skip_bad_rows: bool
    format: str
    header: bool
    separator: str
    columns: tuple[str, ...]
    rename: tuple[tuple[str, str], ...]
    optional: tuple[str, ...]
    clock: Clock | None
    streams: tuple[Stream, ...]
