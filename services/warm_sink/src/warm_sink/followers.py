"""What is kept up with a table: the candles with gold, the missing ids with all that names them."""

from collections.abc import Mapping
from typing import Protocol

import pyarrow as pa

from warm_sink.candles import Candles
from warm_sink.missing import MissingIds
from warm_sink.rules import Filled, Source


class Follower(Protocol):
    """Follows a table. Every method blocks, raises what ``Warehouse`` raises, and may be called again after that."""

    def begin(self, sources: Mapping[str, Source]) -> list[Filled]:
        """Begin anew, for a table that is filled from these topics; returns how far the tables are that follow it.

        Raises:
            Halt: they followed other topics.
        """

    def follow(self, rows: pa.Table) -> bool:
        """Take note of rows, which stand in the table; those that came before change nothing.

        False where what follows was lost meanwhile: then no note is taken, since it would hide that.

        Raises:
            Halt: a row cannot be followed.
        """


class Nothing:
    """Of the tables that nothing follows."""

    def begin(self, _sources: Mapping[str, Source]) -> list[Filled]:
        return []

    def follow(self, _rows: pa.Table) -> bool:
        return True


class OfGold(Nothing):
    """The candles follow every trade, and the missing ids those that were missing."""

    def __init__(self, candles: Candles, missing: MissingIds) -> None:
        self._candles = candles
        self._missing = missing

    def begin(self, sources: Mapping[str, Source]) -> list[Filled]:
        return [self._candles.begin(sources)]

    def follow(self, rows: pa.Table) -> bool:
        if not self._candles.follow(rows):
            return False
        self._missing.follow_gold(rows)
        return True


class OfLedger(Nothing):
    """The missing ids follow the gap ledger."""

    def __init__(self, missing: MissingIds) -> None:
        self._missing = missing

    def begin(self, _sources: Mapping[str, Source]) -> list[Filled]:
        self._missing.begin_ledger()
        return []

    def follow(self, rows: pa.Table) -> bool:
        self._missing.follow_ledger(rows)
        return True


class OfLetters(Nothing):
    """The missing ids follow the dead letters."""

    def __init__(self, missing: MissingIds) -> None:
        self._missing = missing

    def begin(self, _sources: Mapping[str, Source]) -> list[Filled]:
        self._missing.begin_letters()
        return []

    def follow(self, rows: pa.Table) -> bool:
        self._missing.follow_letters(rows)
        return True
