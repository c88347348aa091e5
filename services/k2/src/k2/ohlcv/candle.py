"""A candle as it is shown. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Self

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Candle:
    """A candle of one symbol and timeframe; times are in microseconds since the epoch.

    ``missing_trades`` are those that are known to be missing and may belong to it; it is complete where there is none.
    None is a number that is not known, as of a candle in the cold tier.
    """

    exchange: str
    symbol: str
    window_start: int
    window_end: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    vwap: Decimal
    trade_count: int
    is_closed: bool
    missing_trades: int | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The candle of a row of its view, by the names of the columns."""
        return cls(**{field.name: row[field.name] for field in fields(cls)})

    @property
    def lacks_trades(self) -> bool:
        """Whether trades of it are known to be missing."""
        return self.missing_trades != 0

    @property
    def state(self) -> str:
        """Whether it is complete, and whether more may come."""
        count = "some" if self.missing_trades is None else f"{self.missing_trades:,}"
        missing = [f"{count} missing"] if self.lacks_trades else []
        return ", ".join([*([] if self.is_closed else ["open"]), *missing]) or "complete"

    @property
    def rises(self) -> bool:
        """Whether it closes no lower than it opens."""
        return self.close >= self.open


def moment(microseconds: int, form: str = "%Y-%m-%d %H:%M") -> str:
    """A time for people, in UTC."""
    return f"{_UNIX_EPOCH + timedelta(microseconds=microseconds):{form}}"
