"""What deploy/campaigns/README.md shows is what the reader takes."""

import re

import pytest

from fenghuo.schemas.campaign.campaign import load, parse
from fenghuo.schemas.kinds.measures import HISTOGRAMS, KINDS, MEASURES, counters
from fenghuo.schemas.metrics.catalogue import FORMS, UNITS, read
from fenghuo.schemas.metrics.words import Known
from tests.paths import CAMPAIGNS

TEXT = (CAMPAIGNS / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([^`]+)` \| [^|]+ \| (.+) \|$", TEXT, re.MULTILINE)
BLOCKS = re.findall(r"^```toml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
KNOWN = Known(("dual",), has_target=True, last_year=counters())


@pytest.mark.parametrize(("line", "units"), ROWS, ids=[line for line, _ in ROWS])
def test_every_line_of_the_table_is_a_metric_with_these_units(line: str, units: str) -> None:
    metric = read(line, KNOWN)

    assert read(str(metric), KNOWN) == metric
    assert tuple(re.findall(r"`(\w+)`", units)) == metric.UNITS


def test_the_table_shows_every_kind_of_metric_and_the_text_every_measure() -> None:
    assert {type(read(line, KNOWN)) for line, _ in ROWS} == set(FORMS)
    assert set(re.findall(r"`(\w+)`", " ".join(units for _, units in ROWS))) == set(UNITS)
    measures = TEXT[TEXT.index("Measures:") : TEXT.index("A span is")]
    named = re.findall(r"`(\w+)`", measures)
    assert named == [name for kind in KINDS for name in (*MEASURES[kind], *HISTOGRAMS[kind])]


def _beside(name: str) -> str:
    return (CAMPAIGNS / name).read_text(encoding="utf-8")


def test_every_example_is_read() -> None:
    """A rule stands alone, the rest beside or inside the shipped rules."""
    shipped = (CAMPAIGNS / "double11.toml").read_text(encoding="utf-8")
    plain = shipped[: shipped.index("[flapping]")]
    rule = next(block for block in BLOCKS if 'id = "payment_failures"' in block)
    rate = rule.replace("payment_failures", "trending")
    rate = re.sub(r"metric = .*", 'metric = "order.events over 10s"', rate)
    rate = rate.replace('"percent"', '"per_s"')
    for block in BLOCKS:
        # the head of the file stays; every example is put where it may stand
        if block.startswith("[[rules.variants]]"):
            text = f"{plain}\n{rule}\n{block}"
        elif block.startswith("[last_year]"):
            bare = plain.replace('[last_year]\nfile = "double11-last-year.csv"\n', "")
            text = f"{bare}\n{block}"
        elif block.startswith("["):
            text = f"{plain}\n{block}"
        else:
            text = f"{plain}\n{rate}\n{block}"
        assert parse(text, "double11.toml", _beside).rules, block
    assert len(BLOCKS) >= 6


def test_the_shipped_files_are_good() -> None:
    for name in ("double11.toml", "replays.toml"):
        assert load(CAMPAIGNS / name).rules
