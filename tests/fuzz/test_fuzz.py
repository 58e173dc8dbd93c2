"""Hostile records: none ends a part, none costs without bound, and nothing good beside them is
lost. A short form of `python -m tests.fuzz.run` and `python -m tests.fuzz.cost`.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz import cost, run

LETTERS_MAX, LETTER_BYTES_MAX = 64, 8 << 20
"""Of one record, whatever it holds."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_record_is_accounted_for_in_letters_of_bounded_number_and_size(seed: int) -> None:
    for found in cost.costs(seed, 250):
        assert found.events >= 1, found
        assert found.letters <= LETTERS_MAX, found
        assert found.letter_bytes <= LETTER_BYTES_MAX, found


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(500)
def test_nobody_dies_and_every_good_event_counts(
    need: Callable[[str], None], tmp_path: Path
) -> None:
    need("kafka")
    need("clickhouse")
    with run.river(tmp_path) as made:
        sent = run.storm(made, seed=7, seconds=20, hostile=101)
        assert sent.hostile.total() > 100
        run.check(made, sent)
