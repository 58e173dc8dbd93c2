"""check(paths): what is wrong with these campaign files, as lines for people or one JSON object."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fenghuo.schemas.campaign.campaign import Campaign, CampaignError, load


def check(paths: Sequence[Path], *, as_json: bool) -> tuple[str, bool]:
    """The text, and whether every file is good. A file is named by its whole path as given."""
    found = [(path, _read(path)) for path in paths]
    good = all(isinstance(one, Campaign) for _, one in found)
    if as_json:
        files = [_document(path, one) for path, one in found]
        return json.dumps({"good": good, "files": files}, ensure_ascii=False, indent=2), good
    return "\n".join(_line(path, one) for path, one in found), good


def _read(path: Path) -> Campaign | CampaignError:
    try:
        return load(path)
    except CampaignError as error:
        return error


def _line(path: Path, found: Campaign | CampaignError) -> str:
    if isinstance(found, Campaign):
        return f"{path}: campaign {found.name}, {len(found.rules)} rules, version {found.version}"
    many = len(found.problems)
    return f"{path}: {many} problem{'s' if many > 1 else ''}\n{found}"


def _document(path: Path, found: Campaign | CampaignError) -> dict[str, Any]:
    if isinstance(found, Campaign):
        return {
            "file": str(path),
            "campaign": found.name,
            "version": found.version,
            "rules": len(found.rules),
            "problems": [],
        }
    return {"file": str(path), "problems": [asdict(problem) for problem in found.problems]}
