"""A campaign file read again while it is in force: what may be taken over, and what is refused.

`decide_reload` is pure; `CampaignFile` is the edge: it looks at one file whenever it is asked to.
"""

from dataclasses import dataclass
from pathlib import Path

from fenghuo.schemas.campaign.campaign import Campaign, CampaignError, load
from fenghuo.schemas.campaign.toml_reader import Problem

POLL_MS = 1_000
"""The file is looked at no more often than this."""
REASON_CHARS_MAX = 300
COUNTED_ANEW = (
    "labels, cuts or campaign times changed: gather must be started anew; restart all parts"
)
NAMED_ANEW = "the campaign's name changed: its warnings would begin anew; restart all parts"


@dataclass(frozen=True, slots=True)
class Applied:
    """This campaign is in force from now on."""

    campaign: Campaign


@dataclass(frozen=True, slots=True)
class Refused:
    """The campaign before stays in force; every reason, in the order of the file."""

    reasons: tuple[str, ...]

    @property
    def short(self) -> str:
        """The first reason, and how many more there are."""
        more = len(self.reasons) - 1
        end = f" (and {more} more)" if more else ""
        first = self.reasons[0]
        room = REASON_CHARS_MAX - len(end)
        return (first if len(first) <= room else first[: room - 1] + "…") + end


def decide_reload(old: Campaign, found: Campaign | CampaignError) -> Applied | Refused:
    """Whether what was found in the file takes the place of the campaign in force.

    What decides which series exist and which events count must be the same in every part at once,
    so a running part never changes it.
    """
    if isinstance(found, CampaignError):
        return Refused(tuple(str(problem) for problem in found.problems))
    reasons = []
    if found.name != old.name:
        reasons.append(NAMED_ANEW)
    if _counted_by(found) != _counted_by(old):
        reasons.append(COUNTED_ANEW)
    return Refused(tuple(reasons)) if reasons else Applied(found)


class CampaignFile:
    """One campaign file, looked at again and again. What it holds when it is made must be good:
    CampaignError.
    """

    def __init__(self, path: str | Path, rehearsal_start_ms: int | None, now_ms: int) -> None:
        self._path = Path(path)
        self._start_ms = rehearsal_start_ms
        self._taken = self._seen = _signatures(self._path)
        self._looked_ms = now_ms
        self.campaign = load(path, rehearsal_start_ms)
        self.loaded_ms = now_ms
        """When the campaign in force was read."""
        self.refused: Refused | None = None
        """Why what the file holds now is not in force."""

    def poll(self, now_ms: int) -> Applied | Refused | None:
        """Call it often. What became of the file, once for each change of it; mostly None.

        A change is read when the file has stayed the same for one look: the first half of a file
        that is being written can be a whole campaign with fewer rules.
        """
        if abs(now_ms - self._looked_ms) < POLL_MS:
            return None
        self._looked_ms = now_ms
        seen, self._seen = self._seen, _signatures(self._path)
        if self._seen == self._taken or self._seen != seen:
            return None
        self._taken = self._seen
        return self._take(decide_reload(self.campaign, self._read()), now_ms)

    def _read(self) -> Campaign | CampaignError:
        try:
            return load(self._path, self._start_ms)
        except CampaignError as error:
            return error
        except ValueError as error:
            return CampaignError((Problem(str(self._path), "", "a campaign", str(error)),))

    def _take(self, decision: Applied | Refused, now_ms: int) -> Applied | Refused | None:
        before, self.refused = self.refused, None
        if isinstance(decision, Refused):
            self.refused = decision
        elif decision.campaign != self.campaign:
            self.campaign, self.loaded_ms = decision.campaign, now_ms
        elif before is None:
            return None
        return decision


def _counted_by(campaign: Campaign) -> tuple[str, int, int]:
    return campaign.fingerprint, campaign.start_ms, campaign.end_ms


def _signatures(path: Path) -> tuple[tuple[int, ...], ...]:
    """Of the file, and of the curves beside it that it may name."""
    try:
        curves = sorted(path.parent.glob("*.csv"))
    except OSError:  # a folder that may not be looked into for now: the file says so when read
        curves = []
    return tuple(_signature(each) for each in (path, *curves))


def _signature(path: Path) -> tuple[int, ...]:
    """What changes with every writing of a file; () while there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino
