"""What a counting of a source partition depends on besides its log, and what comes out of it."""

import hashlib
from collections.abc import Mapping

import msgspec

from fenghuo.schemas.campaign.campaign import Campaign
from fenghuo.schemas.kinds.measures import cuts
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire import topics
from fenghuo.schemas.wire.gaps import NO_GAPS, Gaps
from fenghuo.schemas.wire.letters import Letter
from fenghuo.schemas.wire.position import Position
from fenghuo.schemas.wire.pulse import Rows, Tally
from fenghuo.streams.decode.codes import Coder


class Terms(msgspec.Struct, frozen=True):
    """What the counting depends on besides the log. fingerprint names labels, cuts and the
    campaign's times; by_kind the same as far as a kind's events are concerned, so that a change of
    complaints counts no order anew.
    """

    lateness_ms: int
    future_ms: int
    start_ms: int
    end_ms: int
    fingerprint: str
    by_kind: Mapping[str, str] = {}

    def own(self, kind: str) -> str:
        """The fingerprint of a kind."""
        return self.by_kind.get(kind, "")


def coders(campaign: Campaign) -> dict[str, Coder]:
    """The coder of each kind, for the labels and cuts of the campaign."""
    return {kind: Coder(kind, campaign.labels, cuts(kind, campaign.cuts)) for kind in topics.KINDS}


def terms(settings: Settings, campaign: Campaign) -> Terms:
    """What the counting depends on; two workers with one fingerprint count alike."""
    times = f"{campaign.start_ms} {campaign.end_ms}"
    return Terms(
        settings.lateness_ms,
        settings.future_ms,
        campaign.start_ms,
        campaign.end_ms,
        _short(f"{campaign.fingerprint} {times}"),
        {kind: _short(f"{campaign.fingerprint_of(kind)} {times}") for kind in topics.KINDS},
    )


def _short(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()[:16]


class Taken(msgspec.Struct, frozen=True):
    """What changed: pulses and late rows to publish, letters for the dead, and the position after
    that.
    """

    pulses: Rows
    late: Rows
    letters: tuple[Letter, ...]
    position: Position
    frontier_ms: int | None
    watermark_ms: int | None
    next_offset: int
    tally: Tally
    gaps: Gaps = NO_GAPS
