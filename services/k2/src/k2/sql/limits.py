"""What one query may take, and the settings that say so to a server. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from k2_shared.core.errors import ConfigError
from k2_shared.warm.reader import CHANGEABLE, GRANTED

_MB = 1_000_000
_OFF = "0"


class Setting(Protocol):
    """A setting as a server has it for a user."""

    @property
    def value(self) -> str: ...
    @property
    def readonly(self) -> int: ...


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What is asked for; where nothing is, a reader has what it is granted."""

    seconds: int | None = None
    memory_mb: int | None = None
    rows: int | None = None
    result_mb: int | None = None

    @property
    def longest_s(self) -> int:
        """The seconds after which a server ends the query."""
        return self.seconds or GRANTED["max_execution_time"]

    @property
    def asked(self) -> dict[str, int]:
        """Settings of what is asked for.

        Raises:
            ConfigError: no reader may have that; says what it may.
        """
        options = {
            "max_execution_time": ("--limit-s", self.seconds, 1),
            "max_memory_usage": ("--limit-mb", self.memory_mb, _MB),
            "max_result_rows": ("--limit-rows", self.rows, 1),
            "max_result_bytes": ("--limit-result-mb", self.result_mb, _MB),
        }
        return {
            name: _checked(name, option, value, unit)
            for name, (option, value, unit) in options.items()
            if value is not None
        }

    def settings(self, server: Mapping[str, Setting]) -> dict[str, int]:
        """Those to send to a server, by what it has for the user: what is asked for, and what is missing of the rest.

        Raises:
            ConfigError: the server would show rows twice, and does not let that be changed.
        """
        if (final := server.get("final")) and final.value == _OFF and final.readonly:
            raise ConfigError(
                "the server shows its reader rows twice until they are merged: give that user's profile "
                "<final>1</final>, as deploy/clickhouse/users.xml does"
            )
        wanted = {**GRANTED, "readonly": 1}
        missing = [
            name for name in wanted if (found := server.get(name)) and found.value == _OFF and not found.readonly
        ]
        return {**{name: wanted[name] for name in missing}, **self.asked}


def _checked(name: str, option: str, value: int, unit: int) -> int:
    allowed = CHANGEABLE[name]
    if not allowed.least <= value * unit <= allowed.most:
        between = f"{max(1, allowed.least // unit):,} to {allowed.most // unit:,}"
        raise ConfigError(f"{option} {value} is not allowed: it is {between}")
    return value * unit
