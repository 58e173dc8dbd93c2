"""Generated files, rendered from the shipped campaign and the wire types; which are stale."""

from pathlib import Path

from fenghuo.alerts import ladder_table, prometheus
from fenghuo.schemas import campaign_schema, documents
from fenghuo.schemas.campaign import load

CAMPAIGN = Path("deploy/campaigns/double11.toml")


def texts(root: Path) -> dict[str, str]:
    """Relative path -> text of every generated file of the checkout at `root`."""
    campaign = load(root / CAMPAIGN)
    rendered = prometheus.files(campaign) | ladder_table.files(campaign)
    return rendered | documents.files() | campaign_schema.files()


def write(root: Path, *, check_only: bool) -> list[Path]:
    """The files that differ from what is on disk; they are written, unless only looked at."""
    wanted = {root / name: text.encode() for name, text in texts(root).items()}
    stale = {path: data for path, data in wanted.items() if _read(path) != data}
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
