"""A feed for the tests of the statistics: it says that it is connected, and does nothing else."""

from mode import Service

from k2_shared.core.records import by_topic
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import EventKind, EventRecord
from k2_shared.feed.run.statistics import add_statistics
from k2_shared.feed.venue.settings import FeedSettings
from k2_shared.kafka import clients
from k2_shared.kafka.sending import send_all
from k2_shared.kafka.topics import Names
from k2_shared.stages.agent import Shell, run


class ToyFeed(Service):  # type: ignore[misc]
    """Writes one event."""

    def __init__(self, settings: FeedSettings, shell: Shell) -> None:
        super().__init__()
        self._settings = settings
        self._names = Names(settings.k2_prefix)
        self._health = shell.health
        add_statistics(shell, settings, self._names)

    async def on_start(self) -> None:
        event = EventRecord(exchange="KRAKEN", kind=EventKind.CONNECTED, service="toy_feed", at=feed_records.now_us())
        async with clients.started(clients.producer(self._settings), self._settings) as sender:
            await send_all(sender, self._names, 0, by_topic([feed_records.events.outgoing(event)]))
        self._health.not_ready = list


if __name__ == "__main__":
    run("toy_feed", FeedSettings, ToyFeed)
