"""How figures of a run are written for people. Pure."""

from typing import Final

UNKNOWN: Final = "–"


def number(value: float | None, digits: int = 0) -> str:
    """A figure in groups of three; a dash for what is not known."""
    return UNKNOWN if value is None else f"{value:,.{digits}f}".replace(",", " ")


def exact(value: float, unit: str = "") -> str:
    """A figure with the decimals that it has, four at the most, one of thousands; and its unit."""
    whole, _, decimals = number(value, 4 if abs(value) < 1_000 else 1).partition(".")
    text = f"{whole}.{decimals.rstrip('0')}".rstrip(".")
    return f"{text} {unit}".rstrip()


def share(part: float, whole: float) -> str:
    """A share in percent, to three digits: 10.5 %, 1.05 %, 0.0172 %."""
    if not whole:
        return UNKNOWN
    percent = part / whole * 100
    if percent >= 99.95:
        return f"{number(percent)} %"
    if 0 < percent < 0.001:
        return "< 0.001 %"
    return f"{percent:#.3g} %" if percent else "0 %"


def signed(value: int) -> str:
    """A difference with its sign."""
    return f"{'+' if value > 0 else '−' if value < 0 else '±'}{number(abs(value))}"
