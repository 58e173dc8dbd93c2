"""Hypothesis for the laws: the same examples every time, and no deadline on a busy machine."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

SHRINK_S_MAX = 120
"""Passing takes seconds; making a failing example small may take longer."""

settings.register_profile(
    "laws",
    derandomize=True,
    deadline=None,
    max_examples=70,
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("laws")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SHRINK_S_MAX))
