"""Records for every table of the warm tier, by seed: of many days, repeated, refused ones and garbage among them."""

import random
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from k2_shared.core.origin import HEADER, Headers, Origin
from k2_shared.core.records import Outgoing
from k2_shared.core.trade import Exchange, Trade, encode, wire_prefix
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import Cause, GapRecord, GapState
from k2_shared.kafka.topics import BRONZE, DLQ, EXCHANGES, GOLD, RAW, SILVER

SYMBOLS = ("BTC/USDT", "SOL/USD", "XRP/EUR", "ADA/EUR")
DAY_US = 86_400_000_000
_LARGEST = 10**18 - 1
_REMEMBERED = 500
_REASONS = ("bad_magic", "price_not_positive", "conflict")


@dataclass
class Content:
    """Endless records; ``days`` is how far back the exchange's times of a batch lie, so how many parts it makes.

    ``repeats`` and ``garbage`` are shares of the deliveries. A batch's first list is of what feeds write, its second of
    what agents write in transactions.
    """

    seed: int
    schema_id: int
    days: int = 3
    repeats: float = 0.15
    garbage: float = 0.1
    written: int = 0
    _old: list[Trade] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def batch(self, trades: int) -> tuple[list[Outgoing], list[Outgoing]]:
        """The records of so many trades, and of what is beside them."""
        found = [self._trade() for _ in range(trades)]
        fed = [record for trade in found for record in self._fed(trade)]
        return [*fed, self._gap()], [record for trade in found for record in self._validated(trade)] + [self._letter()]

    def _trade(self) -> Trade:
        """The next trade, or one of those before as it was."""
        if self._old and self._rng.random() < self.repeats:
            return self._rng.choice(self._old)
        rng, self.written = self._rng, self.written + 1
        at = feed_records.now_us() - rng.randrange(self.days) * DAY_US
        made = random_trade(rng, rng.choice(EXCHANGES), rng.choice(SYMBOLS), self.written, at)
        self._old = [*self._old[-_REMEMBERED:], made]
        return made

    def _fed(self, trade: Trade) -> Iterator[Outgoing]:
        """A frame and its delivery, received today or on a day before, as after a backfill."""
        venue = trade.exchange.lower()
        frame = b'{"trade_id": %d, "bytes": "\x00\xff"}' % trade.trade_id
        yield Outgoing(RAW.format(exchange=venue), trade.key, frame, _now_ms(), self._received(2))
        yield Outgoing(BRONZE.format(exchange=venue), trade.key, self._delivery(trade), _now_ms(), self._received(4))

    def _delivery(self, trade: Trade) -> bytes | None:
        value = self._value(trade)
        if self._rng.random() >= self.garbage:
            return value
        other = struct.pack(">I", self._rng.choice((0, self.schema_id + 1_000, 2**31, 2**32 - 1)))
        broken = (None, b"", b"\x00", b"{}", value[:1] + other + value[5:], value + b"\x00", value[: len(value) // 2])
        return self._rng.choice(broken)

    def _validated(self, trade: Trade) -> Iterator[Outgoing]:
        """What silver and gold write of it; where a repeat reaches gold, it stands there twice."""
        for topic in (SILVER.format(exchange=trade.exchange.lower()), GOLD):
            yield self._written_to(topic, trade)

    def _written_to(self, topic: str, trade: Trade) -> Outgoing:
        return Outgoing(topic, trade.key, self._value(trade), _now_ms(), self._received(1))

    def _letter(self) -> Outgoing:
        rng = self._rng
        when = time.time_ns() - rng.randrange(4) * 20 * DAY_US * 1_000
        said = {"topic": GOLD, "partition": "3", "offset": str(self.written), "stage": "silver", "attempt": "2"}
        said |= {"reason": rng.choice(_REASONS), "detail": "price ≤ 0", "service": "silver", "time": str(when)}
        headers = tuple((f"k2-dlq-{name}", value.encode()) for name, value in said.items())
        value = rng.choice((None, b"", rng.randbytes(40), wire_prefix(self.schema_id) + b"\x01"))
        key = rng.choice((b"KRAKEN:BTC/USDT", b"BINANCE:SOL/USD", None if value else b""))
        return Outgoing(DLQ, key, value, _now_ms(), rng.choice(((*self._received(1), *headers), ())))

    def _gap(self) -> Outgoing:
        now, rng = feed_records.now_us(), self._rng
        return feed_records.gaps.outgoing(
            GapRecord(
                exchange=rng.choice(EXCHANGES),
                symbol=rng.choice(SYMBOLS),
                state=rng.choice(list(GapState)),
                first_id=rng.randrange(1, 50),
                last_id=50 + rng.randrange(3),
                cause=rng.choice(list(Cause)),
                opened_at=now - rng.randrange(1_000),
                at=now,
            )
        )

    def _value(self, trade: Trade) -> bytes:
        return encode(trade, feed_records.now_us(), wire_prefix(self.schema_id))

    def _received(self, days: int) -> Headers:
        at_ns = time.time_ns() - self._rng.randrange(days) * DAY_US * 1_000
        return ((HEADER, Origin(at_ns, connection_id=5, frame_number=self.written).pack()),)


def random_trade(rng: random.Random, exchange: Exchange, symbol: str, trade_id: int, at: int) -> Trade:
    """A trade with amounts of up to 18 digits, of which one in four is the least or the largest."""
    return Trade(
        exchange,
        symbol,
        trade_id,
        at,
        _amount(rng),
        _amount(rng),
        rng.choice(("BUY", "SELL")),
        rng.choice((None, {}, {"ord_type": "limit"}, {"a": "ü", "b": "'\\\t"})),
    )


def _amount(rng: random.Random) -> Decimal:
    return Decimal(rng.choice((1, _LARGEST, *(rng.randint(1, _LARGEST) for _ in range(6))))).scaleb(-8)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
