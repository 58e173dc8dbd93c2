"""Cells: money is exact, and a cell that cannot be used says why."""

from decimal import ROUND_HALF_UP, Decimal

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fenghuo.loadtest.recordings import columns
from fenghuo.loadtest.recordings.language import (
    Bucket,
    Column,
    Condition,
    Field,
    FirstWord,
    Keywords,
    Number,
    Prefix,
    Source,
    Time,
)


def cell(kind: str, spec: Field, **row: str | None) -> tuple[object, object]:
    """Value and reason of a field over one row of text."""
    made = columns.field(kind, spec)
    frame = pl.DataFrame({name: pl.Series([value], dtype=pl.String) for name, value in row.items()})
    return frame.select(made.value.alias("v"), made.reason.alias("r")).row(0)


@given(
    price=st.decimals(min_value=0, max_value=99_999, places=2)
    | st.decimals(min_value=0, max_value=99_999, places=3),
    quantity=st.integers(-80_995, 80_995),
)
@example(price=Decimal("2.55"), quantity=6)
@example(price=Decimal("0.145"), quantity=1)
@example(price=Decimal("1.005"), quantity=1)
def test_a_price_times_a_quantity_is_exact(price: Decimal, quantity: int) -> None:
    spec = Field("amount_fen", Number("product", ("q", "p"), 100, absolute=True, half_up=True))
    thousandths = int(price * 1000) * abs(quantity)

    value, reason = cell("order", spec, q=str(quantity), p=str(price))

    assert value == (thousandths + 5) // 10
    assert reason is None or thousandths > 10**12


@given(
    left=st.decimals(min_value=-(10**9), max_value=10**9, places=6),
    right=st.decimals(min_value=-(10**9), max_value=10**9, places=6),
)
def test_sums_and_products_agree_with_decimal_arithmetic(left: Decimal, right: Decimal) -> None:
    frame = pl.DataFrame({"a": [f"{left:f}"], "b": [f"{right:f}"]})
    for operation, exact in (("sum", left + right), ("product", left * right)):
        spec = Field("quantity", Number(operation, ("a", "b"), 1, absolute=False, half_up=True))
        value = frame.select(columns.field("order", spec).value).item()

        assert value == int(exact.to_integral_value(ROUND_HALF_UP))


def test_the_well_known_line_is_1530_pence() -> None:
    spec = Field("amount_fen", Number("product", ("q", "p"), 100, absolute=True, half_up=True))

    assert cell("order", spec, q="6", p="2.55") == (1530, None)


AMOUNT = Number("number", ("x",), 100, absolute=False, half_up=False)
COUNT = Number("number", ("x",), 1, absolute=False, half_up=False)
DAY = Time("x", ("%m/%d/%Y",), 0, spread_day=False)
EITHER = Time("x", ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"), 480, spread_day=False)
ZONED = Time("x", ("%Y-%m-%d %H:%M:%S%z",), 480, spread_day=False)
EPOCH = Time("x", ("epoch_s",), 480, spread_day=False)
WORDS = Keywords("x", (("late", ("slow", "Late")), ("fake", ("假",))))

CellRow = tuple[str, str, Source, str | None, object, str | None]
CELLS: list[CellRow] = [
    ("order", "amount_fen", AMOUNT, "12.34", 1234, None),
    ("order", "amount_fen", AMOUNT, " +12.3400000 ", 1234, None),
    ("order", "amount_fen", AMOUNT, "12.345", 1234, "not whole after scaling"),
    ("order", "amount_fen", AMOUNT, "-1", -100, "not from 0 to 100000000000"),
    ("order", "amount_fen", AMOUNT, "1000000001", 100000000100, "not from 0 to 100000000000"),
    ("order", "amount_fen", AMOUNT, "1e3", None, "not a number of at most 12 digits"),
    ("order", "amount_fen", AMOUNT, "NaN", None, "not a number of at most 12 digits"),
    ("order", "amount_fen", AMOUNT, "9" * 13, None, "not a number of at most 12 digits"),
    ("order", "amount_fen", AMOUNT, "", None, "empty"),
    ("order", "user_id", COUNT, "12712.0", "12712", None),
    ("order", "user_id", COUNT, "12712.5", "12712", "not whole after scaling"),
    ("order", "quantity", COUNT, None, None, None),
    ("order", "quantity", COUNT, "x", None, "not a number"),
    ("order", "status", Column("x"), "paid", "paid", None),
    ("order", "status", Column("x"), "Paid", "Paid", "not an allowed word"),
    ("order", "region", Column("x"), "  east ", "east", None),
    ("order", "region", Column("x"), "   ", None, "empty"),
    ("order", "region", Column("x"), "e" * 257, "e" * 257, "not 0 to 256 characters"),
    ("complaint", "type", Column("x", ((",", ";"),)), "a,b, c", "a;b; c", None),
    ("order", "category", Prefix("x", 2), "85123A", "85", None),
    ("order", "category", FirstWord("x"), " WHITE HEART", "WHITE", None),
    ("order", "category", Bucket("x", 32, "b-"), "1464116", "b-20", None),
    ("order", "category", Bucket("x", 32, "b-"), "x", None, "not a number"),
    ("complaint", "type", WORDS, "much too late, 假货", "late", None),
    ("complaint", "type", WORDS, "是假货", "fake", None),
    ("complaint", "type", WORDS, "fine", None, "empty"),
    ("order", "ts", DAY, "7/29/2013", 1375056000000, None),
    ("order", "ts", DAY, "2/30/2013", None, "not a time of the stated format"),
    ("order", "ts", EITHER, "2020-02-01 08:00", 1580515200000, None),
    ("order", "ts", EITHER, "2020-02-01 08:00:01", 1580515201000, None),
    ("order", "ts", ZONED, "2020-02-01 08:00:00+08:00", 1580515200000, None),
    ("order", "ts", EPOCH, "1580515200", 1580515200000, None),
    ("order", "ts", EPOCH, "1", 1000, "not from 631152000000"),
]


@pytest.mark.parametrize("row", CELLS)
def test_a_cell_has_a_value_or_a_reason(row: CellRow) -> None:
    kind, name, source, text, value, reason = row
    found, why = cell(kind, Field(name, source), x=text)

    assert found == value
    if reason is None:
        assert why is None
    else:
        assert str(why).startswith(f"{kind}.{name}: {reason}")


def test_a_table_translates_and_what_it_does_not_list_is_bad() -> None:
    spec = Field("status", Column("x"), table=(("OK", 200), ("FAIL", 500)))

    assert cell("traffic", spec, x="OK") == (200, None)
    assert cell("traffic", spec, x="new") == (None, "traffic.status: not in the table")
    assert cell("traffic", spec, x=None) == (None, "traffic.status: empty")


def test_a_default_stands_for_an_empty_cell_but_not_for_garbage() -> None:
    spec = Field("user_id", COUNT, default="guest")

    assert cell("order", spec, x="") == ("guest", None)
    assert str(cell("order", spec, x="?")[1]).startswith("order.user_id: not a number")


CONDITIONS = [
    (Condition("x", "equals", "a"), "a", True),
    (Condition("x", "equals", "a"), None, False),
    (Condition("x", "not_equals", "a"), None, True),
    (Condition("x", "in", ("a", "b")), " b ", True),
    (Condition("x", "not_in", ("a", "b")), "b", False),
    (Condition("x", "starts_with", "C"), "C536", True),
    (Condition("x", "contains", "."), "abc", False),
    (Condition("x", "empty", value=True), "  ", True),
    (Condition("x", "empty", value=False), "  ", False),
    (Condition("x", "greater", Decimal(0)), "0.000001", True),
    (Condition("x", "greater", Decimal(0)), "0.0", False),
    (Condition("x", "at_least", Decimal("1.5")), "1.5", True),
    (Condition("x", "less", Decimal(0)), "-3", True),
    (Condition("x", "at_most", Decimal(2)), "2.0", True),
    (Condition("x", "at_most", Decimal(2)), "two", False),
]


@pytest.mark.parametrize(("condition", "text", "expected"), CONDITIONS)
def test_a_condition_holds_or_not(condition: Condition, text: str | None, expected: bool) -> None:
    frame = pl.DataFrame({"x": pl.Series([text], dtype=pl.String)})

    assert frame.select(columns.holds([condition])).item() is expected
