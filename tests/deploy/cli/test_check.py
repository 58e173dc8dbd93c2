"""`fenghuo check`: every problem of every file, in words and as JSON, and no crash."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from fenghuo.deploy.cli.main import app
from fenghuo.schemas.campaign.campaign import CampaignError, parse
from tests.paths import GOLDEN
from tests.schemas.campaign.campaign_texts import BROKEN, BROKEN_MORE, FULL

GOLDEN = GOLDEN / "check_broken.txt"
EDITS = {what: (old, new) for what, old, new in (*BROKEN, *BROKEN_MORE)}

# what is wrong with each of twenty files: edits of the good one, each of a different place
FILES: tuple[tuple[str, ...], ...] = (
    ("unknown measure", "unknown side", "unknown cause", "unknown table"),
    ("name that is no id", "title without English", "wave outside", "negative hold"),
    ("missing label list", "bound that is no number", "rehearsal of nothing"),
    ("too many labels", "window of nothing", "early warning above its line"),
    ("label other", "no labels", "unknown key of flapping"),
    ("cut of an unknown dimension", "channel that is no address", "hold without a level"),
    ("target that is no integer", "share of an unknown region", "infinite capacity"),
    ("pace that falls", "phase outside", "unit of another metric"),
    ("pace that does not end at 1", "phase twice", "ladder without a level", "unknown season"),
    ("missing table", "flapping at once"),
    ("moment without offset", "rule id twice", "unknown hidden rule"),
    ("end before start", "no hold", "negative floor"),
    ("unknown scope", "unknown key", "variant of an unknown phase", "red that waits"),
    ("rising ladder out of order", "falling ladder out of order", "variant out of order"),
    ("metric that is a table", "suspended in an unknown phase", "adaptive without window"),
    ("samples of an age", "adaptive with a direction", "early warning of an unknown level"),
    ("quantile above 1", "growth without last year", "variant for anything"),
    ("target without a pace curve", "pair of dimensions that is no cut", "cause that hides itself"),
    ("not TOML",),
    ("dimension with fixed labels", "channel with an odd name", "unknown scope of a fold"),
)  # fmt: skip


def _broken(edits: tuple[str, ...]) -> str:
    text = FULL
    for what in edits:
        old, new = EDITS[what]
        assert old in text, what
        text = text.replace(old, new)
    return text


def _check(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["check", *arguments])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_twenty_broken_files_give_the_golden_output(here: Path) -> None:
    """UPDATE_GOLDEN=1 writes the file anew; read the difference before it is committed."""
    for i, edits in enumerate(FILES, 1):
        (here / f"{i:02}.toml").write_text(_broken(edits), encoding="utf-8")
    names = [f"{i:02}.toml" for i in range(1, len(FILES) + 1)]

    result = _check(*names)

    assert len(FILES) == 20
    assert (result.exit_code, result.stdout) == (1, "")
    if os.environ.get("UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(result.stderr, encoding="utf-8")
    assert result.stderr == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("edits", FILES, ids=[edits[0] for edits in FILES])
def test_every_problem_of_a_file_is_named_beside_the_others(
    here: Path, edits: tuple[str, ...]
) -> None:
    """Where each edit alone is told, the file with all of them tells it too."""
    (here / "one.toml").write_text(_broken(edits), encoding="utf-8")

    result = _check("--json", "one.toml")

    found = json.loads(result.stdout)
    told = {problem["path"] for problem in found["files"][0]["problems"]}
    assert (result.exit_code, found["good"]) == (1, False)
    for what in edits:
        alone = _paths(_broken((what,)))
        assert alone & told, what


def test_files_that_cannot_be_read_are_told_like_any_other(here: Path) -> None:
    (here / "empty.toml").write_text("")
    (here / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    (here / "long.toml").write_text("#" * 1_000_001)
    (here / "folder.toml").mkdir()
    (here / "good.toml").write_text(FULL, encoding="utf-8")
    names = ("empty.toml", "bytes.toml", "long.toml", "folder.toml", "absent.toml", "good.toml")

    result = _check("--json", *names)

    files = {one["file"]: one["problems"] for one in json.loads(result.stdout)["files"]}
    assert result.exit_code == 1
    assert [name for name in names if not files[name]] == ["good.toml"]
    assert files["bytes.toml"][0]["expected"] == "UTF-8 text"
    assert all(problem["expected"] for problems in files.values() for problem in problems)


def test_a_good_file_is_told_by_name_and_version(here: Path) -> None:
    (here / "good.toml").write_text(FULL, encoding="utf-8")

    result = _check("good.toml")

    version = parse(FULL, "good.toml").version
    assert result.exit_code == 0
    assert result.stdout == f"good.toml: campaign small, 4 rules, version {version}\n"


@given(st.lists(st.sampled_from(sorted(EDITS)), min_size=1, max_size=6, unique=True))
def test_no_mixture_of_mistakes_gets_past_the_reader(mixture: list[str]) -> None:
    """One mistake may hide another (no table, no keys), but never all of them."""
    text = FULL
    for what in mixture:
        text = text.replace(*EDITS[what])

    paths = _paths(text)

    assert paths, mixture
    assert len(paths) < 1_000


def _paths(text: str) -> set[str]:
    try:
        parse(text, "one.toml")
    except CampaignError as error:
        return {problem.path for problem in error.problems}
    return set()
