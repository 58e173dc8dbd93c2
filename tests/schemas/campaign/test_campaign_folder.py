"""The campaign's folder while it may not be looked into: a part goes on by what it knows."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fenghuo.schemas.campaign.reload import POLL_MS, CampaignFile, Refused
from tests.laws.judge.duty import TEXT


def test_a_folder_that_may_not_be_looked_into_leaves_the_campaign_in_force(
    tmp_path: Path,
) -> None:
    (tmp_path / "day.toml").write_text(TEXT, encoding="utf-8")
    file = CampaignFile(tmp_path / "day.toml", None, 0)
    with looking_into_nothing(tmp_path):
        looks = [file.poll(at * POLL_MS) for at in range(1, 4)]
    assert [type(look) for look in looks] == [type(None), Refused, type(None)]
    assert file.refused is not None
    assert file.campaign.name == "day"
    assert [file.poll(at * POLL_MS) for at in range(4, 7)][-1] is None
    assert file.refused is None


@contextmanager
def looking_into_nothing(folder: Path) -> Iterator[None]:
    """As a user whom the folder lets look at nothing."""
    folder.chmod(0)
    if is_root := os.geteuid() == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)
