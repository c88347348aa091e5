"""What is replayed: trades of one instrument, as the venue recorded them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Venue = Literal["KRAKEN", "BINANCE"]
Side = Literal["buy", "sell"]
VENUES: tuple[Venue, ...] = ("KRAKEN", "BINANCE")


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade; prices and quantities are the venue's own decimal text, times are ns since 1970."""

    trade_id: int
    price: str
    qty: str
    side: Side  # the taker's
    ord_type: str  # the taker's, "limit" or "market"; empty where the venue does not say
    time_ns: int  # the exchange's time of the trade
    event_ns: int  # the exchange's time of the message
    pace_ns: int  # when it reached the recorder
    text: str  # the recorded frame (Binance) or REST row (Kraken), byte for byte


@dataclass(frozen=True, slots=True, order=True)
class Instrument:
    """A market: ``symbol`` is canonical (BTC/USDT), ``native`` the venue's REST name (XBTUSDT, BTCUSDT)."""

    venue: Venue
    symbol: str
    native: str

    @property
    def base(self) -> str:
        """The canonical base currency."""
        return self.symbol.split("/")[0]

    @property
    def quote(self) -> str:
        """The canonical quote currency."""
        return self.symbol.split("/")[1]


@dataclass(frozen=True, slots=True)
class Recording:
    """All trades of one instrument by ascending id; ``files`` says from which file each came."""

    instrument: Instrument
    trades: tuple[Trade, ...]
    files: tuple[int, ...]


class Dialect(Protocol):
    """How a venue writes trades; implemented by the modules ``kraken`` and ``binance``."""

    def parse(self, line: str) -> tuple[str, Trade]:
        """Read one recorded line to (native symbol or empty, trade); ValueError or KeyError if it is none."""
        ...

    def group(self, trades: Sequence[Trade]) -> Iterable[range]:
        """Indexes of the trades that share a frame, in order."""
        ...

    def frame(self, instrument: Instrument, trades: Sequence[Trade]) -> str:
        """The socket frame that carries ``trades``."""
        ...

    def rewrite(self, trade: Trade) -> Trade:
        """The trade with its text made anew from its fields."""
        ...
