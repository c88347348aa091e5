"""The composition root of the maintenance."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import NoReturn

from mode import Service

from k2_shared.batch.driver import Driver
from k2_shared.batch.steps import MODULE, WORK
from k2_shared.core.errors import K2Error, Unavailable
from k2_shared.core.logs import logger
from k2_shared.core.metrics import MaintenanceMetrics
from k2_shared.kafka.topics import Names
from k2_shared.kafka.turn import Taken, turn
from k2_shared.stages.agent import Shell, run
from maintenance.domain import Account
from maintenance.settings import SERVICE, MaintainerSettings

BEGUN = "maintenance_begun"
ENDED = "maintenance_ended"
FAILED = "maintenance_failed"
TAKEN = "maintenance_not_ours"


class Maintenance(Service):  # type: ignore[misc]
    """A Faust service that runs the driver when it is time, and while nobody else does."""

    def __init__(self, settings: MaintainerSettings, metrics: MaintenanceMetrics) -> None:
        super().__init__()
        self._settings = settings
        self._names = Names(settings.k2_prefix)
        self._metrics = metrics
        self._driver: Driver | None = None
        self._turn = asyncio.Lock()
        metrics.succeeded.set(time.time())
        metrics.failed.set(0)
        metrics.overran.set(0)

    def not_ready(self) -> Sequence[str]:
        """Nothing: what a run leaves undone is told by its metrics, and the next one does it."""
        return ()

    async def on_stop(self) -> None:
        """End the driver: no commit of the lake is half made."""
        if self._driver:
            await asyncio.to_thread(self._driver.stop)
        async with self._turn:
            pass

    async def maintain(self) -> None:
        """Run until it succeeds, as long as the time of a run goes; at once over where one is under way."""
        if self._turn.locked():
            return
        async with self._turn:
            ends = time.monotonic() + self._settings.maintenance_limit_s
            while not await self._try(ends) and not self.should_stop:
                if time.monotonic() + self._settings.maintenance_retry_s > ends:
                    return
                await self.sleep(self._settings.maintenance_retry_s)

    async def _try(self, ends: float) -> bool:
        """One run, up to a time of the clock; False where it is to be tried again."""
        try:
            async with turn(self._settings, self._names, WORK):
                return await self._run(ends - time.monotonic())
        except Taken as taken:
            logger().info(TAKEN, reason=str(taken))
            return True
        except Unavailable as error:  # of the broker, which says whose turn it is
            self._fail(error)
            return False

    async def _run(self, limit_s: float) -> bool:
        """Run the driver to its end, or until its time is over; whether nothing was left undone."""
        began, account = time.monotonic(), Account(self._metrics)
        logger().info(BEGUN)
        self._driver = Driver(self._settings, MODULE, [f"--limit-s={limit_s:.3f}"])
        longest_s = limit_s + self._settings.spark_stop_s  # a driver whose time is over says what is left
        try:
            await asyncio.to_thread(self._driver.run, account.hear, longest_s)
        except K2Error as error:
            done = False
            self._fail(error)
        else:
            done = True
            self._metrics.failed.set(0)
            self._metrics.succeeded.set_to_current_time()
        seconds = time.monotonic() - began
        self._metrics.overran.set(account.overran or seconds >= limit_s)
        self._metrics.duration.set(seconds)
        logger().info(ENDED, seconds=round(seconds, 1), failed=not done)
        return done

    def _fail(self, error: K2Error) -> None:
        self._metrics.failed.set(1)
        logger().error(FAILED, reason=str(error))


def compose(settings: MaintainerSettings, shell: Shell) -> Maintenance:
    """Wire the maintenance from its settings, and its timer, in UTC."""
    service = Maintenance(settings, shell.metrics.maintenance)
    shell.health.not_ready = service.not_ready

    async def maintain() -> None:
        await service.maintain()

    schedule: Callable[..., object] = shell.app.crontab(settings.maintenance_schedule, timezone=UTC)
    schedule(maintain)
    return service


def main() -> NoReturn:
    """Run the maintenance."""
    run(SERVICE, MaintainerSettings, compose)
