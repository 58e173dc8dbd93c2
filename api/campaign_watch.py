"""InForce: the campaign the api speaks of now; its file is read again when it changes."""

import asyncio
import logging
from collections.abc import Callable

import msgspec

from fenghuo.api.view.campaign_view import campaign_view
from fenghuo.schemas.campaign.campaign import Campaign
from fenghuo.schemas.campaign.reload import Applied, CampaignFile, Refused
from fenghuo.schemas.lane import Lane

LOG = logging.getLogger(__name__)
LOOK_S = 1.0


class InForce:
    """A campaign that stays as it is, or that of a file."""

    def __init__(
        self,
        found: Campaign | CampaignFile,
        lane: Lane,
        clock_ms: Callable[[], int],
    ) -> None:
        self._file = found if isinstance(found, CampaignFile) else None
        self._lane = lane
        self._clock_ms = clock_ms
        self._show(found.campaign if isinstance(found, CampaignFile) else found)

    @property
    def refused(self) -> str:
        """Why what the file holds now is not in force; empty: it is."""
        return self._file.refused.short if self._file and self._file.refused else ""

    async def follow(self) -> None:
        """Look at the file for ever."""
        while self._file:
            await asyncio.sleep(LOOK_S)
            self.look(self._file)

    def look(self, file: CampaignFile) -> None:
        """Take over what the file holds now, where that is possible."""
        match file.poll(self._clock_ms()):
            case Refused(reasons):
                LOG.error(
                    "campaign file refused, version %s stays in force:\n%s",
                    self.campaign.version,
                    "\n".join(reasons),
                )
            case Applied(campaign):
                before = self.campaign.version
                LOG.warning("campaign %s in force, after %s", campaign.version, before)
                self._show(campaign)

    def _show(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.encoded = msgspec.json.encode({"lane": self._lane, **campaign_view(campaign)})
        """What /api/v1/campaign answers."""
