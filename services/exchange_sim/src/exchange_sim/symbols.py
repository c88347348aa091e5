"""Symbols of the two venues and their canonical form, BASE/QUOTE."""

from exchange_sim.model import Instrument, Venue

_FIAT = ["USD", "EUR", "GBP", "JPY", "CAD", "AUD", "CHF"]
# by venue: Binance quotes in TUSD, which on Kraken would make XB/TUSD of XBTUSD
QUOTES: dict[Venue, list[str]] = {
    "KRAKEN": sorted(["USDT", "USDC", "DAI", "XBT", "BTC", "ETH", *_FIAT], key=len, reverse=True),
    "BINANCE": sorted(
        ["USDT", "USDC", "FDUSD", "TUSD", "BUSD", "BTC", "ETH", "BNB", "DAI", "TRY", "BRL", *_FIAT],
        key=len,
        reverse=True,
    ),
}
# Kraken's REST says XBT and XDG; its v2 socket says BTC and DOGE
# https://docs.kraken.com/api/docs/guides/spot-ws-intro
CANONICAL = {"XBT": "BTC", "XDG": "DOGE"}
KRAKEN_REST = {value: key for key, value in CANONICAL.items()}


def instrument(venue: Venue, native: str) -> Instrument:
    """Split a venue's symbol by the known quotes, the longest first; all in lower case means upper case.

    Raises:
        ValueError: it ends in no known quote.
    """
    native = native.upper() if native == native.lower() else native
    for quote in QUOTES[venue]:
        base = native.removesuffix(quote)
        if base and base != native:
            return Instrument(venue, f"{_canonical(venue, base)}/{_canonical(venue, quote)}", native)
    raise ValueError(f"{native} ends in none of the known quotes {', '.join(QUOTES[venue])}")


def is_tokenized(instrument: Instrument) -> bool:
    """Whether a pair is of a tokenized stock: its ticker and an x (AAPLx/USD)."""
    return instrument.venue == "KRAKEN" and instrument.base.endswith("x")


def _canonical(venue: Venue, currency: str) -> str:
    return CANONICAL.get(currency, currency) if venue == "KRAKEN" else currency
