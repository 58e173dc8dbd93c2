"""TopicWatch: looks at the settings of our topics at the start and every minute, and tells once."""

import asyncio
import logging
from collections.abc import Sequence

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from fenghuo.schemas.log.again import Well, again
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire import topics
from fenghuo.schemas.wire.status import Note
from fenghuo.streams.transport import kafka
from fenghuo.streams.watch.topic_check import Topic, check

LOG = logging.getLogger("fenghuo.topics")
EVERY_S = 60.0
REACH_S = 5.0


class TopicWatch:
    """What is to be said about the settings of topics now: `notes`."""

    def __init__(self, settings: Settings, campaign_ms: int) -> None:
        self.notes: tuple[Note, ...] = ()
        self._settings, self._campaign_ms = settings, campaign_ms
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look from now on."""
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        """Never ends: a broker that is away is waited for."""
        what = "the settings of topics cannot be looked at now"
        await again(self._look, what, LOG, pauses_s=(EVERY_S,))

    async def _look(self, well: Well) -> None:
        s = self._settings
        found = await look(s.kafka, list(topics.plan(1, s.lane)))
        notes = check(found, s.lane, self._campaign_ms, s.kafka)
        for note in notes:
            if note not in self.notes:
                LOG.warning("%s; cure: %s", note.en, note.cure)
        self.notes = notes
        well()


async def look(bootstrap: str, names: Sequence[str]) -> dict[str, Topic]:
    """These topics as they are; without those that do not exist."""
    client = await kafka.admin(bootstrap, REACH_S)
    try:
        described = await client.describe_topics(list(names))
        counts = {
            one["topic"]: len(one["partitions"]) for one in described if not one["error_code"]
        }
        wanted = [ConfigResource(ConfigResourceType.TOPIC, name) for name in counts]
        answers = await client.describe_configs(wanted)
    finally:
        await client.close()
    made = {}
    for answer in answers:
        for code, message, _, name, entries in answer.resources:
            configs = {entry[0]: entry[1] or "" for entry in entries}
            why = f"{for_code(code).__name__} {message or ''}".strip() if code else ""
            made[name] = Topic(name, counts[name], None if code else configs, why)
    return made
