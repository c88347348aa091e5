"""The accounts of a venue's trade ids: published, quarantined, unfillable, or open. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from k2_shared.core.columns import decode_columns
from k2_shared.core.errors import InvalidRecord
from k2_shared.core.layout import Longs
from k2_shared.core.letter_headers import PREFIX
from k2_shared.core.origin import Headers, Source, find
from k2_shared.core.records import Consumed, RecordBatch
from k2_shared.core.trade import Exchange, contract_under, decode, record_key
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import GapRecord, GapState
from k2_shared.feed.coverage.intervals import Interval, IntervalSet

_STAGE, _REASON, _DETAIL = (PREFIX + name for name in ("stage", "reason", "detail"))


@dataclass
class Account:
    """One symbol's ids and what became of them; ``open`` are those whose gap the ledger has not closed yet."""

    published: IntervalSet = field(default_factory=IntervalSet)
    quarantined: IntervalSet = field(default_factory=IntervalSet)
    unfillable: IntervalSet = field(default_factory=IntervalSet)
    open: IntervalSet = field(default_factory=IntervalSet)
    records: int = 0  # of bronze
    rest_records: int = 0  # those of them that came by REST

    @property
    def repeated(self) -> int:
        """Records of bronze beyond the first of their id."""
        return self.records - len(self.published)

    def without(self, first: int, last: int) -> list[Interval]:
        """The parts of a range of which nothing is known."""
        rest = IntervalSet([(first, last)])
        for known in (self.published, self.quarantined, self.unfillable):
            for interval in known.within(first, last):
                rest.remove(*interval)
        return list(rest)

    def from_first(self, first: int, last: int) -> int:
        """The lowest id in a range of which something is known; ``first`` where nothing is."""
        known = (self.published, self.quarantined, self.unfillable)
        return min((intervals[0][0] for of in known if (intervals := of.within(first, last))), default=first)


class VenueAccounts:
    """The accounts of one venue by canonical symbol, from what was read so far. No I/O."""

    def __init__(self, exchange: Exchange, schema_id: int) -> None:
        self.accounts: dict[str, Account] = {}
        self._exchange = exchange
        self._prefix = record_key(exchange, "")
        self._schema_id = schema_id

    def trades(self, batch: RecordBatch) -> None:
        """Take records of bronze, or of any topic of trades; those of another venue, or without an id, are left."""
        columns = decode_columns([r.value for r in batch], [r.key for r in batch], contract_under(self._schema_id))
        by_rest = np.fromiter((from_rest(record.headers) for record in batch), np.bool_, len(batch))
        for code, key in enumerate(columns.symbols):
            if key.startswith(self._prefix):
                rows = np.flatnonzero(columns.plain & (columns.symbol == code) & (columns.trade_id > 0))
                symbol = key.removeprefix(self._prefix).decode()
                self._publish(symbol, columns.trade_id[rows], int(by_rest[rows].sum()))
        for row in np.flatnonzero(~columns.plain).tolist():
            self._trade(batch[row], rest=bool(by_rest[row]))

    def letters(self, batch: RecordBatch) -> None:
        """Take dead letters; those of a feed of this venue quarantine trades."""
        for letter in batch:
            said = dict(letter.headers)
            key = letter.key or b""
            if said.get(_STAGE) == b"feed" and key.startswith(self._prefix):
                for symbol, trade_id in quarantined(said, key.removeprefix(self._prefix).decode(), letter.value):
                    self._account(symbol).quarantined.add(trade_id, trade_id)

    def gaps(self, batch: RecordBatch) -> None:
        """Take records of the gap ledger; those of another venue are left."""
        for record in batch:
            told = feed_records.gaps.read(record.value)
            if told.exchange == self._exchange:
                self._gap(told)

    def _gap(self, told: GapRecord) -> None:
        account, interval = self._account(told.symbol), (told.first_id, told.last_id)
        if told.state is GapState.OPENED:
            account.open.add(*interval)
            return
        account.open.remove(*interval)
        if told.state is GapState.UNFILLABLE:
            account.unfillable.add(*interval)

    def _trade(self, record: Consumed, *, rest: bool) -> None:
        """One that the columns cannot tell."""
        with suppress(InvalidRecord):
            trade = decode(record.value, contract_under(self._schema_id))
            number = int(trade["trade_id"])
            if trade["exchange"] == self._exchange and number > 0:
                self._publish(trade["symbol"], np.array([number]), int(rest))

    def _publish(self, symbol: str, ids: Longs, by_rest: int) -> None:
        if not len(ids):
            return
        account = self._account(symbol)
        account.records += len(ids)
        account.rest_records += by_rest
        for first, last in runs(ids):
            account.published.add(first, last)

    def _account(self, symbol: str) -> Account:
        return self.accounts.setdefault(symbol, Account())


def from_rest(headers: Headers) -> bool:
    """Whether a record's origin says that it came by REST."""
    origin = find(headers)
    return origin is not None and origin[-1] == Source.REST


def runs(ids: Longs) -> Iterator[Interval]:
    """Ids in any order, as ranges."""
    found = np.unique(ids)
    stops = np.flatnonzero(np.diff(found) > 1)
    firsts, lasts = np.append(0, stops + 1), np.append(stops, len(found) - 1)
    yield from zip(found[firsts].tolist(), found[lasts].tolist(), strict=True)


def quarantined(said: Mapping[str, bytes], symbol: str, frame: bytes | None) -> Iterator[tuple[str, int]]:
    """The symbols and ids of the trades that a feed's letter is about.

    A letter about one trade names it in its detail; one about ids that do not continue is about all of the symbol's in
    the frame; one about a frame that cannot be read is about none.
    """
    if said.get(_REASON) == b"unreadable_frame":
        return
    _, symbol_named, number = said[_DETAIL].decode().split(" ", 1)[0].rstrip(":").split(":")
    yield symbol_named, int(number)
    if said.get(_REASON) == b"id_reset":
        for trade_id in ids_in(frame, symbol):
            yield symbol, trade_id


def ids_in(frame: bytes | None, symbol: str) -> Iterator[int]:
    """The ids of a symbol's trades in a frame that carries several (Kraken's do)."""
    data = json.loads(frame or b"{}").get("data")
    for row in data if isinstance(data, list) else ():
        if row.get("symbol") == symbol:
            yield row["trade_id"]


def unaccounted(
    assigned: Mapping[str, Sequence[Interval]], accounts: Mapping[str, Account]
) -> dict[str, list[Interval]]:
    """The ids, by symbol, that a venue assigned and that are neither published nor quarantined nor unfillable.

    ``assigned`` is as ``due`` takes it.
    """
    found = {}
    for symbol, intervals in assigned.items():
        account = accounts.get(symbol, Account())
        missing = [part for interval in due(intervals, account) for part in account.without(*interval)]
        if missing:
            found[symbol] = missing
    return found


def due(assigned: Sequence[Interval], account: Account) -> Iterator[Interval]:
    """The ranges of ids that a feed answers for, of all that a venue assigned.

    ``assigned`` are ranges in the order of assignment; one that lies before its predecessor begins a new numbering.
    Of each numbering count those from the first on of which something is known; all, where nothing is.
    """
    for numbering in numberings(assigned):
        begun = account.from_first(numbering[0][0], numbering[-1][1])
        yield from ((max(first, begun), last) for first, last in numbering if last >= begun)


def numberings(intervals: Sequence[Interval]) -> list[list[Interval]]:
    """Ranges in the order of assignment, apart where the ids start anew."""
    if not intervals:
        return []
    found = [[tuple(intervals[0])]]
    for before, after in pairwise(intervals):
        if after[0] <= before[1]:
            found.append([])
        found[-1].append(tuple(after))
    return [[(first, last) for first, last in numbering] for numbering in found]
