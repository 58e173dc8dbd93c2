"""Quotients that are rounded once, so that a value equal to a bound compares equal to it. Pure.

A bound is the float nearest to the decimal that the campaign file says. 57 failed of 100 are 57 %:
0.57 times 100 is a hair below 57, but the float nearest to the exact quotient of whole numbers is
57, whatever came before. Rounding keeps order, so no value below a bound gets above it, and one
that is rounded up to it is less than one part in 10^15 away.
"""

from fractions import Fraction
from functools import lru_cache


def quotient(over: int, under: int, *, times: float = 1, by: float = 1) -> float:
    """over / under, times one number and divided by another, rounded once.

    times, by: as the campaign file writes them: 0.1 is a tenth. Raises ZeroDivisionError.
    """
    if times != 1:
        top, bottom = written(times)
        over, under = over * top, under * bottom
    if by != 1:
        top, bottom = written(by)
        over, under = over * bottom, under * top
    return over / under  # of two integers: Python rounds this one correctly


@lru_cache(maxsize=10_000)
def written(number: float) -> tuple[int, int]:
    """Numerator and denominator of the shortest decimal that is read as this finite float."""
    return Fraction(repr(number)).as_integer_ratio()


def fraction(number: float) -> Fraction:
    """The decimal that a finite float was written as: 1/10 for 0.1."""
    return Fraction(*written(number))
