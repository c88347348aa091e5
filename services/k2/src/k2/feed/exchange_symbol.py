"""One symbol of one exchange, as it is written on the command line."""

from dataclasses import dataclass
from typing import Protocol, Self

from k2_shared.core.errors import ConfigError
from k2_shared.core.symbol import unfit
from k2_shared.core.trade import Exchange
from k2_shared.kafka.topics import EXCHANGES


class HasSymbol(Protocol):
    """A record about one symbol of one exchange, or about a whole exchange where the symbol is empty."""

    @property
    def exchange(self) -> Exchange: ...
    @property
    def symbol(self) -> str: ...


@dataclass(frozen=True, slots=True)
class ExchangeSymbol:
    """A canonical BASE/QUOTE at an exchange."""

    exchange: Exchange
    symbol: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read EXCHANGE:SYMBOL.

        Raises:
            ConfigError: it is not that.
        """
        if found := cls.find(text):
            return found
        raise ConfigError(
            f"{text!r} is not a symbol of an exchange: it is EXCHANGE:BASE/QUOTE as the exchange writes it, "
            f"e.g. KRAKEN:BTC/USD; exchanges are {', '.join(EXCHANGES)}"
        )

    @classmethod
    def find(cls, text: str) -> Self | None:
        """As ``parse``, or None where it is not that."""
        name, _, symbol = text.partition(":")
        known = (exchange for exchange in EXCHANGES if name == exchange and not unfit(symbol))
        return next((cls(exchange, symbol) for exchange in known), None)

    def __str__(self) -> str:
        return f"{self.exchange}:{self.symbol}"


@dataclass(frozen=True, slots=True)
class SymbolFilter:
    """Selects records by exchange and symbol; None selects all."""

    exchange: Exchange | None = None
    symbol: str | None = None

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read EXCHANGE:SYMBOL or SYMBOL; None selects all.

        Raises:
            ConfigError: it is none of them.
        """
        if text is None:
            return cls()
        if not unfit(text):
            return cls(symbol=text)
        parsed = ExchangeSymbol.parse(text)
        return cls(parsed.exchange, parsed.symbol)

    def takes(self, found: HasSymbol) -> bool:
        """Whether a record is about a selected symbol."""
        return self.exchange in (None, found.exchange) and self.symbol in (None, found.symbol)


def name(of: HasSymbol) -> str:
    """EXCHANGE:SYMBOL, or EXCHANGE alone where there is no symbol."""
    return f"{of.exchange}:{of.symbol}" if of.symbol else of.exchange
