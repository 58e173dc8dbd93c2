"""Time for a failing law to be made small."""

from pathlib import Path

import pytest

SHRINK_S_MAX = 120
"""Passing takes seconds; making a failing example small may take longer."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SHRINK_S_MAX))
