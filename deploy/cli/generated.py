"""Generated files, rendered from a campaign and the wire types; which are stale."""

from collections.abc import Mapping
from pathlib import Path

from fenghuo.alerts.prometheus import files as prometheus
from fenghuo.alerts.prometheus import ladder_table
from fenghuo.schemas import documents
from fenghuo.schemas.campaign import schema
from fenghuo.schemas.campaign.campaign import load

CAMPAIGN = Path("deploy/campaigns/double11.toml")


def texts(root: Path) -> dict[str, str]:
    """Relative path -> text of every generated file of the checkout at `root`."""
    campaign = load(root / CAMPAIGN)
    rendered = prometheus.files(campaign) | ladder_table.files(campaign)
    return rendered | documents.files() | schema.files()


def texts_of(
    path: Path,
    targets: prometheus.Targets = prometheus.TARGETS,
    alertmanager: str = prometheus.ALERTMANAGER,
    runbook: str = "",
) -> dict[str, str]:
    """Relative path -> text of every file that anybody's campaign needs, beside it or elsewhere:
    rules with their tests, scrape configuration, routes, the table of ladders, schemas.
    """
    campaign = load(path)
    source = path.as_posix()
    rendered = prometheus.files(campaign, source, targets, alertmanager, runbook=runbook)
    rendered |= ladder_table.files(campaign, source) | documents.files() | schema.files()
    del rendered[prometheus.COMPOSE_PATH]  # of the shipped compose file alone
    return {name.removeprefix("deploy/"): text for name, text in rendered.items()}


def write(wanted: Mapping[str, str], root: Path, *, check_only: bool) -> list[Path]:
    """The files that differ from what is on disk; they are written, unless only looked at."""
    made = {root / name: text.encode() for name, text in wanted.items()}
    stale = {path: data for path, data in made.items() if _read(path) != data}
    if not check_only:
        for path, data in stale.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return list(stale)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
