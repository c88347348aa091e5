"""Symbols of the two venues and their canonical form, BASE/QUOTE."""

from exchange_sim.model import Instrument, Venue

_STABLE = ["USDT", "USDC", "FDUSD", "TUSD", "BUSD", "PYUSD", "DAI"]
_FIAT = ["USD", "EUR", "GBP", "JPY", "CAD", "AUD", "CHF", "TRY", "BRL"]
_CRYPTO = ["BTC", "XBT", "ETH", "BNB"]
QUOTES = sorted([*_STABLE, *_FIAT, *_CRYPTO], key=len, reverse=True)
# Kraken's REST says XBT and XDG; its v2 socket says BTC and DOGE
# https://docs.kraken.com/api/docs/guides/spot-ws-intro
CANONICAL = {"XBT": "BTC", "XDG": "DOGE"}
KRAKEN_REST = {value: key for key, value in CANONICAL.items()}


def instrument(venue: Venue, native: str) -> Instrument:
    """Split a venue's symbol by the known quotes, the longest first.

    Raises:
        ValueError: it ends in no known quote.
    """
    native = native.upper()
    for quote in QUOTES:
        base = native.removesuffix(quote)
        if base and base != native:
            return Instrument(venue, f"{_canonical(venue, base)}/{_canonical(venue, quote)}", native)
    raise ValueError(f"{native} ends in none of the known quotes {', '.join(QUOTES)}")


def _canonical(venue: Venue, currency: str) -> str:
    return CANONICAL.get(currency, currency) if venue == "KRAKEN" else currency
