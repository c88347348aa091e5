"""The sinks of several tables in one process: each ends alone, and after a while the process with them."""

import asyncio
from abc import abstractmethod
from collections.abc import Iterable, Sequence

from mode import Service

from k2_shared.core.errors import Halt, K2Error
from k2_shared.core.settings import KafkaSettings, RunSettings
from k2_shared.kafka.identities import Identity, identify
from k2_shared.kafka.schemas import SubjectSchemas
from k2_shared.kafka.topics import Names, administration, check
from k2_shared.stages.table_sink import TableSink


class TableSinks(Service):  # type: ignore[misc]
    """A Faust service that runs a ``TableSink`` for each of its tables."""

    def __init__(self, tables: Iterable[str], outlive_s: float) -> None:
        super().__init__()
        self._tables = list(tables)
        self._outlive_s = outlive_s
        self._sinks: dict[str, TableSink] = {}

    @abstractmethod
    async def sinks(self) -> Sequence[TableSink]:
        """Make the sink of every table; none is started.

        Raises:
            K2Error: they cannot be made; the process ends.
        """

    def not_ready(self) -> list[str]:
        """The tables that are not being filled, and why."""
        said = (self._sinks[name].not_ready() if name in self._sinks else name for name in self._tables)
        return [each for each in said if each is not None]

    async def on_start(self) -> None:
        for sink in await self.sinks():
            self._sinks[sink.feed.table] = await self.add_runtime_dependency(sink)
        self.add_future(self._end())

    async def on_stop(self) -> None:
        """Stop the tables side by side, so that their last batches do not wait for each other."""
        await asyncio.gather(*(sink.stop() for sink in self._sinks.values()))

    async def _end(self) -> None:
        """End the process some time after a table has ended: till then the others are kept up.

        Raises:
            Halt: of the tables that ended, one needs a person.
            Unavailable: the next start may bring them back.
        """
        ends = [asyncio.ensure_future(sink.done.wait()) for sink in self._sinks.values()]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(ends, timeout=self._outlive_s)
        if errors := [sink.end for sink in self._sinks.values() if sink.end]:
            raise worst(errors)


def worst(errors: Sequence[K2Error]) -> K2Error:
    """One error for the process: a ``Halt`` if any table has one, with the texts of all."""
    kind = Halt if any(isinstance(error, Halt) for error in errors) else type(errors[0])
    return kind("; ".join(map(str, errors)))


async def identified(settings: KafkaSettings, names: Names, used: Sequence[str]) -> Identity:
    """Check topics by their contracts, and ask which cluster and which topics they are; ``used`` are contracts' names.

    Raises:
        ConfigError: one is missing, or has another partition count.
        Unavailable: no broker answered.
    """
    async with administration(settings) as admin:
        await check(admin, names, used)
        return await identify(admin, [names.topic(name) for name in used])


async def loaded_schemas(settings: RunSettings, names: Names, used: Iterable[str]) -> dict[str, SubjectSchemas]:
    """The schemas of topics by the topic's name in this run; ``used`` are contracts' names.

    Raises:
        ConfigError: a subject does not hold its contract's schema.
        Unavailable: the registry does not answer.
    """
    topics = map(names.topic, used)
    found = {topic: SubjectSchemas(settings, names.contract(topic), names.subject(topic)) for topic in topics}
    for schemas in found.values():
        await schemas.load()
    return found
