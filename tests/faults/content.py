"""What is delivered, by seed: new trades with holes in their ids, repeats near and far, conflicts, and poison."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from tests.faults.deliveries import Kind, Refusal
from tests.faults.poison import KINDS, OVERSIZED, Poison, large

from k2_shared.core.origin import HEADER, Headers, Origin
from k2_shared.core.trade import Exchange, Trade, contract_under, decode, encode, wire_prefix
from k2_shared.kafka.topics import BRONZE, EXCHANGES, partition_for
from k2_support.spellings import NAMED, PLAIN, Spelling

PARTITIONS = 12
# Of each venue some in the lower half of the partitions and some in the upper, so that two processes have work.
SYMBOLS = ("BTC/USDT", "SOL/USD", "XRP/EUR", "XRP/USD", "LTC/USD", "SOL/EUR", "ADA/EUR")
NEAR = 64
_START_US = 1_762_795_433_000_000
_SHARES: dict[Kind, float] = {"new": 0.80, "duplicate": 0.11, "conflict": 0.03, "poison": 0.06}
_LARGE_EVERY = 4_000
_SPELLINGS = (PLAIN, *NAMED.values())


@dataclass(frozen=True, slots=True)
class Draft:
    """A record to deliver; ``number`` is its place in the whole and stands in its origin header."""

    number: int
    topic: str
    partition: int
    key: bytes
    value: bytes | None
    kind: Kind
    message_id: str | None = None
    refusal: Refusal | None = None

    @property
    def timestamp(self) -> int:
        """The time of receipt in ms."""
        return _START_US // 1_000 + self.number

    @property
    def headers(self) -> Headers:
        """Where it came from."""
        return ((HEADER, Origin(self.timestamp * 1_000_000, 1, self.number).pack()),)


@dataclass
class Market:
    """One symbol's trades so far; ids that were left out come later or never."""

    exchange: Exchange
    symbol: str
    next_id: int
    trades: list[Trade] = field(default_factory=list)
    holes: list[int] = field(default_factory=list)

    def new_id(self, rng: random.Random) -> int:
        """Mostly the next id; now and then one that was left out before, or one after a hole."""
        if self.holes and rng.random() < 0.02:
            return self.holes.pop(rng.randrange(len(self.holes)))
        if rng.random() < 0.02:
            skipped = rng.randrange(1, 5)
            self.holes += range(self.next_id, self.next_id + skipped)
            self.next_id += skipped
        self.next_id += 1
        return self.next_id - 1


class Content:
    """An endless sequence of drafts; the same seed gives the same sequence."""

    def __init__(self, seed: int, schema_id: int) -> None:
        self._rng = random.Random(seed)
        self._schema_id = schema_id
        self._markets = [
            Market(exchange, symbol, self._rng.randrange(1, 10**9)) for exchange in EXCHANGES for symbol in SYMBOLS
        ]
        self._number = 0
        self._pills: list[Poison] = []

    def __iter__(self) -> Iterator[Draft]:
        return self

    def __next__(self) -> Draft:
        self._number += 1
        market = self._rng.choice(self._markets)
        if self._number % _LARGE_EVERY == 100:
            return self._poison(market, OVERSIZED)
        if self._number % _LARGE_EVERY == 200:
            return self._new(market, huge=True)
        return self._ordinary(market)

    def _ordinary(self, market: Market) -> Draft:
        kind = self._rng.choices(list(_SHARES), list(_SHARES.values()))[0] if market.trades else "new"
        match kind:
            case "new":
                return self._new(market)
            case "duplicate":
                return self._draft(self._repeated(market), "duplicate", self._rng.choice(_SPELLINGS))
            case "conflict":
                return self._draft(self._contradicted(market), "conflict")
            case _:
                return self._poison(market, self._next_pill())

    def _new(self, market: Market, *, huge: bool = False) -> Draft:
        trade = self._trade(market)
        market.trades.append(trade)
        return self._draft(large(trade) if huge else trade, "new")

    def _trade(self, market: Market) -> Trade:
        rng = self._rng
        return Trade(
            exchange=market.exchange,
            symbol=market.symbol,
            trade_id=market.new_id(rng),
            timestamp=_START_US + self._number,
            price=Decimal(rng.randrange(1, 10**12)).scaleb(-8),
            quantity=Decimal(rng.randrange(1, 10**12)).scaleb(-8),
            side=rng.choice(("BUY", "SELL")),
            vendor_data={"ord_type": "limit"},
        )

    def _repeated(self, market: Market) -> Trade:
        """A trade again as another connection sent it; every second time from anywhere in the past."""
        rng = self._rng
        trade = rng.choice(market.trades[-NEAR:] if rng.random() < 0.5 else market.trades)
        return trade._replace(vendor_data={"connection": str(rng.randrange(10**6))})

    def _contradicted(self, market: Market) -> Trade:
        """A recent trade again, with another price, quantity or side."""
        rng, trade = self._rng, self._rng.choice(market.trades[-NEAR:])
        match rng.choice(("price", "quantity", "side")):
            case "price":
                return trade._replace(price=trade.price + 1)
            case "quantity":
                return trade._replace(quantity=trade.quantity + 1)
            case _:
                return trade._replace(side="SELL" if trade.side == "BUY" else "BUY")

    def _next_pill(self) -> Poison:
        """Every kind once, in any order, before one comes again."""
        if not self._pills:
            self._pills = self._rng.sample(KINDS, len(KINDS))
        return self._pills.pop()

    def _poison(self, market: Market, poison: Poison) -> Draft:
        trade = market.trades[-1] if market.trades else self._trade(market)
        pill = poison.make(trade, self._schema_id)
        partition = (partition_for(trade.key, PARTITIONS) + pill.astray) % PARTITIONS
        topic = BRONZE.format(exchange=market.exchange.lower())
        return Draft(self._number, topic, partition, pill.key, pill.value, "poison", refusal=poison.refusal)

    def _draft(self, trade: Trade, kind: Kind, spelling: Spelling = PLAIN) -> Draft:
        value = encode(trade, _START_US + self._number, wire_prefix(self._schema_id))
        if spelling is not PLAIN:
            value = spelling.write(decode(value, contract_under(self._schema_id)), self._schema_id)
        topic = BRONZE.format(exchange=trade.exchange.lower())
        partition = partition_for(trade.key, PARTITIONS)
        return Draft(self._number, topic, partition, trade.key, value, kind, trade.message_id)
