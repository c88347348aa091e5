"""The steps of the lake's daily maintenance, in their order."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from k2_shared.batch.driver import EVENT, Line
from k2_shared.core import contracts
from k2_shared.core.contracts import IcebergContract, TableContract
from k2_shared.core.errors import ConfigError

MODULE = "k2_spark.maintenance"
"""The driver that works them off."""
WORK = "maintenance"
"""Whose turn it is, whoever starts the driver."""


class Step(StrEnum):
    """What is done to each table, or once, in the order of a run."""

    COMPACT = "compact"
    """Small files of closed partitions become large ones."""
    MANIFESTS = "manifests"
    """Manifests are grouped by partition."""
    EXPIRE = "expire"
    """The day's last snapshot is tagged for a week, and snapshots that nothing needs are removed."""
    AUDIT = "audit"
    """Both tiers are compared, and the nine rows of it kept."""
    ORPHANS = "orphans"
    """Files that no snapshot knows are deleted."""
    RETENTION = "retention"
    """Partitions older than their table's retention are deleted."""


ONCE = "all"
"""What stands in a table's place of a step that is done once."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One step at one table."""

    step: Step
    table: str

    def __str__(self) -> str:
        return f"{self.step} of {self.table}"


@dataclass(frozen=True, slots=True)
class Told:
    """What a driver says of a unit: that it ended so and after so many seconds, what it found, and why it failed."""

    unit: Unit
    seconds: float
    facts: dict[str, Any]
    reason: str = ""

    @classmethod
    def of(cls, line: Line) -> Self | None:
        """A line that is about a unit; None of another."""
        if line.get(EVENT) != "unit":
            return None
        unit = Unit(Step(line["step"]), line["table"])
        return cls(unit, line["seconds"], line["facts"], line["reason"])

    def to_json(self) -> dict[str, Any]:
        """It as ``--json`` prints it."""
        return {"step": self.unit.step, "table": self.unit.table, "seconds": self.seconds, **self.facts} | (
            {"failed": self.reason} if self.reason else {}
        )


def tables() -> dict[str, IcebergContract]:
    """All tables of the lake by their namespace and name, in which maintenance goes through them."""
    return {f"{each.namespace}.{each.name}": each for each in contracts.iceberg_tables()}


def planned(steps: Sequence[str], names: Sequence[str]) -> list[Unit]:
    """The units of a run: those steps, or all of them, at those tables, or at all.

    Raises:
        ConfigError: there is no such step or table.
    """
    wanted, found = list(map(_step, steps)) or list(Step), tables()
    chosen = [_table(name, found) for name in names] or list(found)
    return [unit for step in Step if step in wanted for unit in _units(step, chosen, found)]


def _units(step: Step, chosen: Sequence[str], found: dict[str, IcebergContract]) -> list[Unit]:
    if step is Step.AUDIT:
        return [Unit(step, ONCE)]
    return [Unit(step, name) for name in chosen if _concerns(step, found[name])]


def _concerns(step: Step, contract: IcebergContract) -> bool:
    if step is Step.RETENTION:
        return isinstance(contract, TableContract) and contract.retention_days is not None
    return True


def _step(name: str) -> Step:
    try:
        return Step(name)
    except ValueError:
        raise ConfigError(f"there is no step {name!r}: the steps are {', '.join(Step)}") from None


def _table(name: str, found: dict[str, IcebergContract]) -> str:
    """A table by its whole name, or by its own where that is enough."""
    fits = [each for each in found if name in (each, found[each].name)]
    if len(fits) != 1:
        raise ConfigError(f"there is no table {name!r}: the tables are {', '.join(found)}")
    return fits[0]
