"""Records of which candles are made, by seed: gold has a trade once, ledger and letters tell what it lacks."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.candles.symbol_trades import LedgerEntry, SymbolTrades, Told
from tests.warm.content import DAY_US, Content

from k2_shared.core.records import Outgoing
from k2_shared.core.trade import Trade
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import Cause, GapRecord
from k2_shared.kafka.topics import DLQ, EXCHANGES, GOLD, SILVER

_BEGAN_DAYS = 60  # before now, and a symbol a day before the last: they end in the past and in the future


@dataclass
class History(Content):
    """Content of as many symbols as it has days, each in its own days; repeats end in silver, as gold drops them."""

    _symbols: list[SymbolTrades] = field(default_factory=list)

    def batch(self, trades: int) -> tuple[list[Outgoing], list[Outgoing]]:
        told = [(symbol, symbol.tell()) for symbol in (self._symbol() for _ in range(trades))]
        new = [trade for _, each in told for trade in (*each.gold, *each.refused)]
        again = [self._rng.choice(self._old) for _ in new if self._old and self._rng.random() < self.repeats]
        self._old = [*self._old, *new][-500:]
        fed = [record for trade in (*new, *again) for record in self._fed(trade)]
        ledger = [_ledger(symbol, gap) for symbol, each in told for gap in each.gaps]
        validated = [record for _, each in told for record in self._judged(each)]
        return [*fed, *ledger], [*validated, *(self._silver(trade) for trade in again), self._letter()]

    def _symbol(self) -> SymbolTrades:
        number = self._rng.randrange(self.days + 5)
        while number >= len(self._symbols):
            self._symbols.append(self._new_symbol(len(self._symbols)))
        return self._symbols[number]

    def _new_symbol(self, number: int) -> SymbolTrades:
        began = feed_records.now_us() - (_BEGAN_DAYS + number) * DAY_US
        return SymbolTrades(EXCHANGES[number % len(EXCHANGES)], f"T{number}/USD", began, self._rng)

    def _judged(self, told: Told) -> Iterator[Outgoing]:
        for trade in told.gold:
            yield self._silver(trade)
            yield self._written_to(GOLD, trade)
        for trade in told.refused:
            said = {"reason": "price_not_positive", "stage": "silver", "time": str(time.time_ns())}
            headers = tuple((f"k2-dlq-{name}", value.encode()) for name, value in said.items())
            letter = self._written_to(DLQ, trade)
            yield Outgoing(DLQ, letter.key, letter.value, letter.timestamp, (*letter.headers, *headers))

    def _silver(self, trade: Trade) -> Outgoing:
        return self._written_to(SILVER.format(exchange=trade.exchange.lower()), trade)


def _ledger(of: SymbolTrades, gap: LedgerEntry) -> Outgoing:
    now = feed_records.now_us()
    return feed_records.gaps.outgoing(
        GapRecord(
            exchange=of.exchange,
            symbol=of.symbol,
            state=gap.state,
            first_id=gap.first_id,
            last_id=gap.last_id,
            cause=Cause.RECONNECT,
            opened_at=now,
            at=now,
        )
    )
