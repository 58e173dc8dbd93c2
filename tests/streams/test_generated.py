"""Generated files: written where missing or stale, named by a check, current in this checkout."""

import shutil
from pathlib import Path

import msgspec
import pytest

from fenghuo.api.campaign_view import campaign_view
from fenghuo.schemas import documents, events
from fenghuo.schemas.campaign import load
from fenghuo.streams import generated

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with a campaign and nothing generated yet."""
    campaign = tmp_path / generated.CAMPAIGN
    campaign.parent.mkdir(parents=True)
    for file in (ROOT / generated.CAMPAIGN, *(ROOT / generated.CAMPAIGN).parent.glob("*.csv")):
        shutil.copy(file, campaign.parent)
    return tmp_path


def test_check_names_every_missing_file_and_writes_none(root: Path) -> None:
    stale = generated.write(root, check_only=True)

    names = {path.relative_to(root).as_posix() for path in stale}
    assert names == set(generated.texts(root))
    assert {"deploy/schemas/order.schema.json", "deploy/schemas/asyncapi.yml"} <= names
    assert {"deploy/prometheus/fenghuo.rules.yml", "deploy/alertmanager/alertmanager.yml"} <= names
    assert not any(path.exists() for path in stale)


def test_what_was_written_is_current(root: Path) -> None:
    written = generated.write(root, check_only=False)

    assert all(path.read_bytes() for path in written)
    assert generated.write(root, check_only=True) == []
    assert generated.write(root, check_only=False) == []


def test_an_edited_file_is_stale(root: Path) -> None:
    generated.write(root, check_only=False)
    path = root / "deploy/prometheus/fenghuo.rules.yml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    assert generated.write(root, check_only=True) == [path]


def test_one_number_of_the_campaign_is_the_number_everywhere(root: Path) -> None:
    """Page band, rule, its unit test and the table change together, and a check names the files."""
    generated.write(root, check_only=False)
    path = root / generated.CAMPAIGN
    before = path.read_text(encoding="utf-8")
    after = before.replace("enter = 0.95, leave = 0.97", "enter = 0.9625, leave = 0.97")
    path.write_text(after, encoding="utf-8")

    stale = {file.relative_to(root).as_posix() for file in generated.write(root, check_only=True)}

    assert after.count("0.9625") == 1
    assert stale == {
        "deploy/prometheus/fenghuo.rules.yml",
        "deploy/prometheus/fenghuo.rules.test.yml",
        "deploy/campaigns/ladders.md",
    }
    for name in stale:
        assert "0.9625" not in (root / name).read_text(encoding="utf-8")
    generated.write(root, check_only=False)
    for name in stale:
        assert "0.9625" in (root / name).read_text(encoding="utf-8"), name
    pace = campaign_view(load(path))["rules"][0]
    assert (pace["id"], pace["ladder"]["blue"]["enter"]) == ("gmv_pace", 0.9625)


def test_a_changed_type_makes_its_documents_stale(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generated.write(root, check_only=False)
    fields = [*events.Complaint.__struct_fields__]
    assert "mood" not in fields
    longer = msgspec.defstruct(
        "Complaint", [("mood", str | None, None)], bases=(events.Complaint,), frozen=True
    )
    monkeypatch.setitem(events.EVENT_OF, "complaint", longer)
    monkeypatch.setattr(documents, "_TYPES", (*events.EVENT_OF.values(), *documents._TYPES[3:]))
    stale = {path.name for path in generated.write(root, check_only=True)}

    assert stale == {"complaint.schema.json", "asyncapi.yml"}


def test_this_checkout_is_current() -> None:
    stale = [path.relative_to(ROOT) for path in generated.write(ROOT, check_only=True)]

    assert stale == [], "run `make generate`"
