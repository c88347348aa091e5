"""The schemas under a topic's subject, by id: read at a start, and again when a record has an id that is not there."""

import asyncio
import time
from collections.abc import Callable, Iterable

from k2_shared.core.contracts import TopicContract
from k2_shared.core.logs import logger
from k2_shared.core.records import Record
from k2_shared.core.settings import RegistrySettings
from k2_shared.core.trade import WriterSchema, readable, schema_ids
from k2_shared.kafka.registry import SchemaRegistry

LEARNT = "schema_learnt"
_ABSENT_S = 60.0
_MAX_ABSENT = 10_000


class SubjectSchemas:
    """The schemas that the records of a topic may be written with; decoders are handed ``known``, which grows.

    The registry is asked once for all ids of a batch that are not known, and not again for an id that it did not have
    within ``absent_s``. ``asking`` says what is being asked for: the agent is not ready meanwhile.
    """

    def __init__(
        self,
        settings: RegistrySettings,
        contract: TopicContract,
        subject: str,
        absent_s: float = _ABSENT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.known: dict[int, WriterSchema | None] = {}
        self.asking: str | None = None
        self._settings, self._contract, self._subject = settings, contract, subject
        self._absent_s, self._clock = absent_s, clock
        self._absent: dict[int, float] = {}
        self._read: set[int] = set()
        self._lock = asyncio.Lock()

    async def load(self) -> int:
        """Read every version of the subject; returns the id of the contract's schema. To be awaited once, at a start.

        Raises:
            ConfigError: the subject does not hold the contract's schema.
            Unavailable: the registry does not answer.
        """
        async with SchemaRegistry.connect(self._settings) as registry:
            schema_id = await registry.schema_id(self._contract, self._subject)
            await self._refresh(registry)
        return schema_id

    async def learn(self, records: Iterable[Record]) -> None:
        """Ask for the schema ids of a batch that are not known; waits for the registry only then.

        Raises:
            Unavailable: the registry does not answer: the batch is to be read again, nothing of it is unknown yet.
        """
        ids = schema_ids(records)
        if not ids <= self.known.keys() and self._unasked(ids):
            async with self._lock:
                await self._ask(self._unasked(ids))

    def _unasked(self, ids: set[int]) -> set[int]:
        now = self._clock()
        return {each for each in ids - self.known.keys() if self._absent.get(each, now) <= now}

    async def _ask(self, ids: set[int]) -> None:
        """Read what is new in the subject, and remember which of the ids it does not have."""
        if not ids:
            return  # the batch of another partition had them too
        self.asking = f"schema registry: asked for {len(ids)} ids of {self._subject}, as {min(ids)}"
        try:
            async with SchemaRegistry.connect(self._settings) as registry:
                await self._refresh(registry)
        finally:
            self.asking = None
        until = self._clock() + self._absent_s
        if len(self._absent) + len(ids) > _MAX_ABSENT:
            self._absent.clear()
        self._absent.update(dict.fromkeys(ids - self.known.keys(), until))

    async def _refresh(self, registry: SchemaRegistry) -> None:
        for number in await registry.versions(self._subject):
            if number not in self._read:
                schema_id, schema = await registry.version(self._subject, number)
                self.known[schema_id] = readable(schema)
                self._read.add(number)
                logger().info(LEARNT, subject=self._subject, id=schema_id, readable=self.known[schema_id] is not None)
