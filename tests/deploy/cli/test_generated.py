"""Generated files: written where missing or stale, named by a check, current in this checkout."""

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from fenghuo.api.view.campaign_view import campaign_view
from fenghuo.deploy.cli import generated
from fenghuo.schemas import documents
from fenghuo.schemas.campaign.campaign import load
from fenghuo.schemas.kinds import events
from fenghuo.schemas.kinds.complaint import Complaint
from tests.laws.judge.duty import TEXT
from tests.paths import ROOT


def write(root: Path, *, check_only: bool) -> list[Path]:
    return generated.write(generated.texts(root), root, check_only=check_only)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with a campaign and nothing generated yet."""
    campaign = tmp_path / generated.CAMPAIGN
    campaign.parent.mkdir(parents=True)
    for file in (ROOT / generated.CAMPAIGN, *(ROOT / generated.CAMPAIGN).parent.glob("*.csv")):
        shutil.copy(file, campaign.parent)
    return tmp_path


def test_check_names_every_missing_file_and_writes_none(root: Path) -> None:
    stale = write(root, check_only=True)

    names = {path.relative_to(root).as_posix() for path in stale}
    assert names == set(generated.texts(root))
    assert {"deploy/schemas/order.schema.json", "deploy/schemas/asyncapi.yml"} <= names
    assert {"deploy/prometheus/fenghuo.rules.yml", "deploy/alertmanager/alertmanager.yml"} <= names
    assert not any(path.exists() for path in stale)


def test_what_was_written_is_current(root: Path) -> None:
    written = write(root, check_only=False)

    assert all(path.read_bytes() for path in written)
    assert write(root, check_only=True) == []
    assert write(root, check_only=False) == []


def test_an_edited_file_is_stale(root: Path) -> None:
    write(root, check_only=False)
    path = root / "deploy/prometheus/fenghuo.rules.yml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    assert write(root, check_only=True) == [path]


def test_one_number_of_the_campaign_is_the_number_everywhere(root: Path) -> None:
    """Page band, rule, its unit test and the table change together, and a check names the files."""
    write(root, check_only=False)
    path = root / generated.CAMPAIGN
    before = path.read_text(encoding="utf-8")
    after = before.replace("enter = 0.95, leave = 0.97", "enter = 0.9625, leave = 0.97")
    path.write_text(after, encoding="utf-8")

    stale = {file.relative_to(root).as_posix() for file in write(root, check_only=True)}

    assert after.count("0.9625") == 1
    assert stale == {
        "deploy/prometheus/fenghuo.rules.yml",
        "deploy/prometheus/fenghuo.rules.test.yml",
        "deploy/campaigns/ladders.md",
    }
    for name in stale:
        assert "0.9625" not in (root / name).read_text(encoding="utf-8")
    write(root, check_only=False)
    for name in stale:
        assert "0.9625" in (root / name).read_text(encoding="utf-8"), name
    pace = campaign_view(load(path))["rules"][0]
    assert (pace["id"], pace["ladder"]["blue"]["enter"]) == ("gmv_pace", 0.9625)


def test_a_changed_type_makes_its_documents_stale(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, check_only=False)
    fields = [*Complaint.__struct_fields__]
    assert "mood" not in fields
    longer = msgspec.defstruct(
        "Complaint", [("mood", str | None, None)], bases=(Complaint,), frozen=True
    )
    monkeypatch.setitem(events.EVENT_OF, "complaint", longer)
    monkeypatch.setattr(documents, "_TYPES", (*events.EVENT_OF.values(), *documents._TYPES[3:]))
    stale = {path.name for path in write(root, check_only=True)}

    assert stale == {"complaint.schema.json", "asyncapi.yml"}


def test_this_checkout_is_current() -> None:
    stale = [path.relative_to(ROOT) for path in write(ROOT, check_only=True)]

    assert stale == [], "run `make generate`"


def generate(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`fenghuo generate` in a folder that is no checkout."""
    return subprocess.run(
        [sys.executable, "-m", "fenghuo.deploy", "generate", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_anybodys_campaign_gets_its_files_in_a_folder_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(TEXT, encoding="utf-8")
    asked = ("--campaign", "own.toml", "--out", "made")
    done = generate(tmp_path, *asked, "--target", "api=wall:8600", "--alertmanager", "am:9093")

    assert (done.returncode, done.stderr) == (0, "")
    made = {path.relative_to(tmp_path / "made").as_posix() for path in _files(tmp_path / "made")}
    assert {
        "prometheus/fenghuo.rules.yml",
        "prometheus/fenghuo.rules.test.yml",
        "prometheus/prometheus.yml",
        "alertmanager/alertmanager.yml",
        "campaigns/ladders.md",
        "schemas/order.schema.json",
        "schemas/campaign.schema.json",
    } <= made
    rules = (tmp_path / "made/prometheus/fenghuo.rules.yml").read_text()
    assert "generated from own.toml" in rules
    assert "alert: Failing" in rules
    scrape = (tmp_path / "made/prometheus/prometheus.yml").read_text()
    assert "wall:8600" in scrape
    assert "am:9093" in scrape
    checked = generate(tmp_path, *asked, "--check")
    assert checked.returncode == 1  # it would look for other targets
    assert checked.stdout.split()[0] == "made/prometheus/prometheus.yml:"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "expected a checkout, found no deploy/campaigns/double11.toml"),
        (["--campaign", "own.toml"], "expected --campaign FILE together with --out FOLDER"),
        (["--campaign", "none.toml", "--out", "made"], "none.toml: expected a readable campaign"),
        (["--campaign", "own.toml", "--out", "made", "--target", "wall:1"], "PART=HOST:PORT"),
        (["--campaign", "own.toml", "--out", "own.toml"], "own.toml"),
    ],
)
def test_what_cannot_be_generated_is_told_in_one_line(
    tmp_path: Path, words: list[str], told: str
) -> None:
    (tmp_path / "own.toml").write_text(TEXT, encoding="utf-8")
    done = generate(tmp_path, *words)

    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
