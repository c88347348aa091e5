"""Which records of a topic are shown. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from k2_shared.core.errors import ConfigError
from k2_shared.core.records import Consumed

_AGO = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Start:
    """Where reading begins: at an offset of every partition, or at the first record of a time in ms."""

    offset: int | None = None
    time_ms: int | None = None

    @classmethod
    def parse(cls, text: str, now: datetime) -> "Start":
        """Read an offset, a time (ISO 8601; UTC where it has no zone) or an age (``90s``, ``15m``, ``2h``, ``1d``).

        Raises:
            ConfigError: it is none of them.
        """
        if text.isdecimal():
            return cls(offset=int(text))
        found = point_in_time(text, now)
        if found is None:
            raise ConfigError(
                f"--from {text!r} is no place to start: it is an offset (1200), a time (2026-11-26T12:00:00Z) or an "
                "age (15m; s, m, h or d)"
            )
        return cls(time_ms=int(found.timestamp() * 1e3))

    def takes(self, record: Consumed) -> bool:
        """Whether a record is of that time or later, or may be at that offset.

        The broker finds the first record or end of a transaction of a time; what was written after it may be older.
        """
        return self.time_ms is None or record.timestamp >= self.time_ms


def point_in_time(text: str, now: datetime) -> datetime | None:
    """Read a time (ISO 8601; UTC where it has no zone) or an age (``90s``, ``15m``, ``2h``, ``1d``); else None."""
    try:
        if text[-1:] in _AGO and text[:-1].isdecimal():
            return now - timedelta(seconds=int(text[:-1]) * _AGO[text[-1]])
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records are meant; what is not given restricts nothing.

    ``symbol`` is BASE/QUOTE or EXCHANGE:BASE/QUOTE; records of a symbol have it as their key.
    """

    key: str | None = None
    symbol: str | None = None
    where: Callable[[Any], bool] | None = None

    def takes_record(self, record: Consumed) -> bool:
        """Whether a record's key is one that is meant, judged before it is decoded."""
        key = (record.key or b"").decode(errors="replace")
        if self.key is not None and key != self.key:
            return False
        return self.symbol is None or key == self.symbol or key.partition(":")[2] == self.symbol

    def takes_value(self, value: Any) -> bool:
        """Whether a decoded value fulfils the condition."""
        return self.where is None or self.where(value)
