"""REST's view of a replay: what it shows, what it shows late, and what it never shows."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import replace

from exchange_sim.conditions import Conditions
from exchange_sim.listing import HALTED, TRADING, History
from exchange_sim.market_replay import MarketReplay, latest
from exchange_sim.model import Instrument, Trade


class RestView:
    """A market as REST shows it under its venue's active faults; without ``conditions`` all that was played."""

    def __init__(self, replay: MarketReplay, conditions: Conditions | None = None) -> None:
        self._replay = replay
        self._conditions = conditions or Conditions(replay.instrument.venue)

    @property
    def instrument(self) -> Instrument:
        """The market."""
        return self._replay.instrument

    @property
    def price_decimals(self) -> int:
        """Decimals that its prices use."""
        return self._replay.price_decimals

    @property
    def status(self) -> str:
        """What the venue's list says of it."""
        venue = self.instrument.venue
        return HALTED[venue] if self._halted("status") else TRADING[venue]

    @property
    def listed(self) -> bool:
        """Whether the venue's list has it."""
        return not self._halted("missing")

    def _halted(self, how: str) -> bool:
        """Whether ``halted`` is active in this form; counted."""
        symbol = self.instrument.symbol
        halted = self._conditions.active("halted", symbol)
        if halted is None or halted.value != how:
            return False
        self._conditions.struck("halted", symbol)
        return True

    def recent(self, count: int) -> list[Trade]:
        """The latest ``count`` trades, oldest first."""
        return self._show(latest(count, self._end(), self._replay.rest_hides))

    def from_id(self, trade_id: int, count: int) -> list[Trade]:
        """At most ``count`` trades from ``trade_id`` on, oldest first; of the last run of ids that reaches it."""
        timeline, end = self._replay.timeline, self._end()
        for start in reversed(timeline.id_starts):
            if start < end and timeline.trade_id(end - 1) >= trade_id:
                first = start + bisect_left(range(start, end), trade_id, key=timeline.trade_id)
                return self._show(self._visible(range(first, end), count))
            end = min(end, start)
        return []

    def since(self, time_ns: int, count: int) -> tuple[list[Trade], int]:
        """At most ``count`` trades of ``time_ns`` or later, oldest first, and the time to go on from."""
        timeline, end = self._replay.timeline, self._end()
        first = bisect_left(range(end), time_ns, key=timeline.order_ns)
        numbers = self._visible(range(first, end), count)
        return self._show(numbers), timeline.order_ns(numbers[-1]) if numbers else time_ns

    def _end(self) -> int:
        """How many trades are public by REST."""
        exposed = self._replay.exposed
        lag = self._conditions.active("rest_lag", self.instrument.symbol)
        if lag is None:
            return exposed
        shown = self._replay.exposed_before(int(lag.number * 1e9))
        if shown < exposed:
            self._conditions.struck("rest_lag", self.instrument.symbol)
        return shown

    def _visible(self, numbers: range, count: int) -> list[int]:
        hidden = self._replay.rest_hides
        if not hidden:
            return list(numbers[:count])
        scanned = numbers[: count + len(hidden)]
        shown = [number for number in scanned if number not in hidden][:count]
        if len(shown) == count:
            scanned = range(scanned.start, shown[-1])
        for number in hidden.keys() & set(scanned):
            self._conditions.struck(hidden[number], self.instrument.symbol)
        return shown

    def _show(self, numbers: Iterable[int]) -> list[Trade]:
        trades = [self._replay.trade(number) for number in numbers]
        conditions = self._conditions
        if not trades or not conditions.active("rest_off_by_1us", self.instrument.symbol):
            return trades
        conditions.struck("rest_off_by_1us", self.instrument.symbol)
        return [self._replay.dialect.rewrite(replace(trade, time_ns=trade.time_ns + 1_000)) for trade in trades]


def rest_view(market: MarketReplay | History) -> History:
    """A replay as REST shows it when nothing is wrong."""
    return RestView(market) if isinstance(market, MarketReplay) else market
