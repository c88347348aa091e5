"""A world of sinks under a load, and how they end: what suites of faults share, whichever the tables are."""

import asyncio
import random
import signal
from abc import ABC, abstractmethod

from tests.faults.supervisor import SupervisedAgent, until
from tests.rounds import Done
from tests.warm.load import Load

from k2_shared.core.errors import Unavailable

_KILLED = -signal.SIGKILL
_LONGEST_START_S = 4.0
_READY_S = 300.0


class SinksUnderLoad(ABC):
    """Sinks of one service, of which the first is up between faults, and the load that they take."""

    sinks: list[SupervisedAgent]
    load: Load
    rng: random.Random

    @property
    def sink(self) -> SupervisedAgent:
        """The one that is up between faults."""
        return self.sinks[0]

    async def sink_up(self) -> None:
        """Start the sink if it is not there, and wait until it keeps every table up."""
        self.sink.note()
        if not self.sink.running:
            self.sink.start()
        await self.sink.ready(_READY_S)

    async def stop_sinks(self) -> None:
        """End every sink at once."""
        for sink in self.sinks:
            await sink.end(signal.SIGKILL)

    async def flow(self, batches: int = 8) -> None:
        """Let so many batches of the load be written."""
        wanted = self.load.batches + batches
        await until(lambda: self.load.batches >= wanted, f"{batches} batches of the load")

    async def settle(self) -> list[str]:
        """Let everything arrive, compare each table with its topics, and go on; what is not equal, or nothing."""
        await self.load.pause()
        try:
            await self.arrived()
        except Unavailable as error:
            said = [str(error)]
        else:
            said = []
        said += await self.compared()
        self.load.resume()
        return said

    @abstractmethod
    async def arrived(self) -> None:
        """Wait until the tables have as many rows as Kafka has records now."""

    @abstractmethod
    async def compared(self) -> list[str]:
        """What of the tables is not as their topics say, once everything has arrived."""


async def ended(world: SinksUnderLoad, what: str = "") -> Done:
    """The sink was killed, and is up again."""
    end = await world.sink.wait_end()
    await world.flow(4)
    await world.sink_up()
    return Done(end.exit_code == _KILLED, f"exit {end.exit_code} {what}".rstrip())


async def killed_at_start(world: SinksUnderLoad) -> Done:
    """Twice, at a random moment of its start."""
    for _ in range(2):
        await world.sink.end(signal.SIGKILL)
        world.sink.start()
        await asyncio.sleep(world.rng.uniform(0.5, _LONGEST_START_S))
    world.sink.send(signal.SIGKILL)
    return await ended(world)


async def stopped(world: SinksUnderLoad) -> Done:
    """In order."""
    world.sink.send(signal.SIGTERM)
    end = await world.sink.wait_end()
    await world.flow(4)
    await world.sink_up()
    return Done(end.exit_code == 0, f"exit {end.exit_code}")


async def either_dies(world: SinksUnderLoad) -> Done:
    """Of two sinks that run, one after the other in any order."""
    one, two = world.rng.sample(world.sinks, 2)
    await one.end(signal.SIGKILL)
    await world.flow(4)
    end = await two.end(signal.SIGKILL)
    await world.sink_up()
    return Done(end is not None, f"{one.name} ended first")
