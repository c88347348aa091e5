"""The composition root of the offload."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC
from typing import NoReturn

from mode import Service

from k2_shared.cold.tables import cold_tables
from k2_shared.core.errors import Halt, K2Error
from k2_shared.core.logs import logger
from k2_shared.core.metrics import Metrics
from k2_shared.core.retries import Interrupted
from k2_shared.lake.memory import keep_small
from k2_shared.stages.agent import Shell, run
from offload.adapters import ColdTables
from offload.settings import SERVICE, OffloadSettings

FAILED = "table_not_offloaded"
_TABLES = cold_tables()


class Offload(Service):  # type: ignore[misc]
    """A Faust service that offloads tables, one at a time, until each is done."""

    def __init__(self, settings: OffloadSettings, metrics: Metrics) -> None:
        super().__init__()
        self._settings = settings
        self._metrics = metrics
        self._tables = ColdTables(settings, metrics)
        self._turn = asyncio.Lock()  # what one table needs of memory is what the process needs
        self._busy: set[str] = set()
        self._troubles: dict[str, str] = {}
        for name in _TABLES:
            metrics.offloads.succeeded.labels(name).set(time.time())
            metrics.offloads.failed.labels(name).set(0)

    def not_ready(self) -> Sequence[str]:
        """The tables of which a peer did not answer; an hour that needs a person holds up no other."""
        return [f"{name} is not offloaded: {trouble}" for name, trouble in self._troubles.items()]

    async def on_start(self) -> None:
        """Find both tiers' tables; one that lacks ends the start."""
        await asyncio.to_thread(self._tables.check)

    async def on_started(self) -> None:
        self.add_future(self._catch_up())

    async def on_stop(self) -> None:
        """Let the hour that is under way be finished, and what is waited for be given up."""
        self._tables.stop()
        async with self._turn:
            pass

    async def _catch_up(self) -> None:
        """Offload every table at the start, when an hour may have been missed."""
        await asyncio.gather(*map(self.offload, _TABLES))

    async def offload(self, name: str) -> None:
        """Offload a table, again and again where a peer fails; returns at once where that is under way."""
        if name in self._busy:
            return
        self._busy.add(name)
        try:
            while not self.should_stop and not await self._try(name):
                await self.sleep(self._settings.offload_retry_s)
        finally:
            self._busy.discard(name)

    async def _try(self, name: str) -> bool:
        """Offload a table; False where it is to be tried again soon."""
        async with self._turn:
            try:
                await asyncio.to_thread(self._tables.offload, name)
            except Interrupted:
                return True
            except K2Error as error:
                self._fail(name, error)
                return isinstance(error, Halt)  # which needs a person: the next hour is soon enough
        self._metrics.offloads.failed.labels(name).set(0)
        self._metrics.offloads.succeeded.labels(name).set_to_current_time()
        self._troubles.pop(name, None)
        return True

    def _fail(self, name: str, error: K2Error) -> None:
        logger().warning(FAILED, table=name, reason=str(error))
        self._metrics.offloads.failed.labels(name).set(1)
        if isinstance(error, Halt):
            self._troubles.pop(name, None)
        else:
            self._troubles[name] = str(error)


def compose(settings: OffloadSettings, shell: Shell) -> Offload:
    """Wire the offload from its settings, and its timers: one for each table, in UTC."""
    service = Offload(settings, shell.metrics)
    shell.health.not_ready = service.not_ready
    for name in _TABLES:
        _at(shell, settings.schedule(name), service, name)
    return service


def _at(shell: Shell, schedule: str, service: Offload, name: str) -> None:
    async def offload() -> None:
        await service.offload(name)

    shell.app.crontab(schedule, timezone=UTC)(offload)


def main() -> NoReturn:
    """Run the offload."""
    keep_small()
    run(SERVICE, OffloadSettings, compose)
