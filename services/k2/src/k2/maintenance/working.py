"""One run of the maintenance, and what it says."""

import asyncio
import sys
from collections.abc import Sequence

from k2_shared.batch.driver import EVENT, Driver, Line
from k2_shared.batch.settings import MaintenanceSettings
from k2_shared.batch.steps import MODULE, WORK, Told
from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka.topics import Names
from k2_shared.kafka.turn import turn

_LONGEST_LIST = 5


class Run:
    """A run that this process starts, in the turn of its own."""

    def __init__(
        self, settings: MaintenanceSettings, steps: Sequence[str], tables: Sequence[str], *, dry_run: bool
    ) -> None:
        self._names = Names(settings.k2_prefix)
        arguments = [f"--step={each}" for each in steps] + [f"--table={each}" for each in tables]
        self._driver = Driver(settings, MODULE, [*arguments, *["--dry-run"] * dry_run])
        self.told = list[Told]()
        """What came of each step, as far as the run is."""

    async def work(self) -> None:
        """Work until all is done.

        Raises:
            Taken: another run is at work.
            ConfigError: there is no Spark here.
            Unavailable: something could not be done.
        """
        async with turn(KafkaSettings.load(), self._names, WORK):
            try:
                await asyncio.to_thread(self._driver.run, self._hear)
            finally:
                self._driver.stop()

    def _hear(self, line: Line) -> None:
        if told := Told.of(line):
            self.told.append(told)
        elif line.get(EVENT) == "begun":
            sys.stderr.write(f"{line['step']} of {line['table']}\n")
        elif line.get(EVENT) == "failed_attempt":
            sys.stderr.write(f"{line['step']} of {line['table']}: an attempt failed: {line['reason']}\n")


def row(told: Told) -> list[str]:
    """What came of a step as a row of the table."""
    return [told.unit.step, told.unit.table, f"{told.seconds:,.1f}", told.reason or _facts(told)]


def _facts(told: Told) -> str:
    said = (f"{name.replace('_', ' ')} {_value(value)}" for name, value in told.facts.items() if name != "layers")
    return ", ".join(said) or "nothing to do"


def _value(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "NO"
        case int():
            return f"{value:,}"
        case list():
            more = len(value) - _LONGEST_LIST
            return ", ".join(map(str, value[:_LONGEST_LIST])) + (f" and {more:,} more" if more > 0 else "") or "none"
        case None:
            return "none"
    return str(value)
