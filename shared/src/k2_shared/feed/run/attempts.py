"""Connection attempts that count against the venue's budget over restarts too."""

import asyncio
from dataclasses import dataclass

from k2_shared.feed.coverage.store import CoverageStore
from k2_shared.feed.publish.publisher import Publisher
from k2_shared.feed.venue.budget import ConnectionAttempts


@dataclass(frozen=True)
class DurableAttempts:
    """The attempts of this process, kept in Kafka."""

    attempts: ConnectionAttempts
    store: CoverageStore
    publisher: Publisher

    async def reserve(self) -> None:
        """Write one more attempt down, then wait until the venue's budget allows it.

        Raises:
            Unavailable: Kafka did not take it.
        """
        wait_s = self.attempts.reserve()
        self.publisher.put(self.store.attempts(self.attempts.made))
        await self.publisher.flush()
        await asyncio.sleep(wait_s)
