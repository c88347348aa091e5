"""Which hours of which cold tables the command line means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from k2.tail.selection import point_in_time
from k2_shared.cold.hours import Hour
from k2_shared.cold.tables import cold_tables
from k2_shared.core.contracts import ColdTableContract
from k2_shared.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class HourRange:
    """Hours from ``first`` to ``last``, both included; where one is None, as far as the warm tier has rows."""

    first: Hour | None
    last: Hour | None

    @classmethod
    def parse(cls, hour: str | None, start: str | None, end: str | None, now: datetime) -> Self:
        """Read what the command line says: of an hour that a time is in, all is meant.

        Raises:
            ConfigError: a time is none, the end is not after the start, or an hour and bounds are given.
        """
        if hour and (start or end):
            raise ConfigError(f"--hour {hour} is one hour, and --from and --to are bounds of several: pass one of both")
        first = _moment("--hour" if hour else "--from", hour or start, now)
        if hour and first:
            return cls(Hour.of(first), Hour.of(first))
        before = _moment("--to", end, now)
        if first and before and before <= first:
            raise ConfigError(f"--to {end} is not after --from {start}: nothing lies between")
        last = Hour.of(before - timedelta(microseconds=1)) if before else None
        return cls(Hour.of(first) if first else None, last)


EVERY_HOUR = HourRange(None, None)


def _moment(option: str, text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    if (found := point_in_time(text, now)) is None:
        raise ConfigError(f"{option} {text} is no time: pass one as 2026-11-26T12:00Z, or an age as 15m, 2h or 3d")
    return found


def wanted(names: Sequence[str]) -> Mapping[str, ColdTableContract]:
    """The contracts of cold tables by name; all of them where none is named.

    Raises:
        ConfigError: there is no such table.
    """
    every = cold_tables()
    if unknown := [name for name in names if name not in every]:
        raise ConfigError(f"{unknown[0]!r} is no cold table: they are {', '.join(every)}")
    return {name: contract for name, contract in every.items() if not names or name in names}
