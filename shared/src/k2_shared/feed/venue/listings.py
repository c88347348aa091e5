"""A venue's own list of pairs, read entry by entry: an odd one is refused alone, when it is asked for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec import Raw

from k2_shared.core.errors import Unavailable
from k2_shared.core.symbol import near, unfit
from k2_shared.core.trade import DECIMAL_SCALE

_ODD = (ValueError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class Listing:
    """A pair that the venue lists: its name there, and why it cannot be captured, if it cannot."""

    name: str
    refused: str = ""


def listing(name: str, price_decimals: int, halted: str) -> Listing:
    """A pair, refused where its prices have more decimals than the schema, or its status says that it is halted."""
    if price_decimals > DECIMAL_SCALE:
        return Listing(name, f"its prices have {price_decimals} decimals, and decimal(18,8) holds {DECIMAL_SCALE}")
    if halted:
        return Listing(name, f"the venue does not trade it now: its status is {halted!r}")
    return Listing(name)


@dataclass(frozen=True, slots=True)
class Pairs:
    """What a venue lists, by canonical symbol; why the entries without a name have none, and a missing part is."""

    listings: Mapping[str, Listing]
    nameless: Sequence[str] = ()
    missing: str = ""

    def refusal(self, symbol: str) -> str:
        """Why a symbol cannot be captured; empty where it can."""
        why = unfit(symbol)
        if why or symbol in self.listings:
            return why or self.listings[symbol].refused
        if self.missing:
            return self.missing
        meant = ", ".join(near(symbol, self.listings))
        others = f"near it: {meant}" if meant else f"it has {len(self.listings)} others, and none near it"
        return f"the venue does not trade it; {others}"

    def check(self, symbols: Iterable[str]) -> None:
        """Return if the list says of each of these symbols whether it can be captured.

        Raises:
            Unavailable: one of the symbols may be in the part that is missing.
        """
        if self.missing and not self.listings.keys() >= set(symbols):
            raise Unavailable(self.missing)

    def name(self, symbol: str) -> str:
        """The venue's name of a symbol that is not refused."""
        return self.listings[symbol].name


def read_each(entries: Iterable[Raw], symbol: Callable[[Raw], str], read: Callable[[Raw], Listing]) -> Pairs:
    """Read entries apart from each other; one whose ``symbol`` is empty is no pair.

    Of two entries of a symbol one that can be captured counts.

    Raises:
        ValueError: not one of them has a name.
    """
    found: dict[str, Listing] = {}
    nameless: list[str] = []
    for entry in entries:
        try:
            name = symbol(entry)
        except _ODD as error:
            nameless.append(str(error))
            continue
        if name and (name not in found or found[name].refused):
            found[name] = _listing(entry, read)
    if nameless and not found:
        raise ValueError(f"no pair of the list has a name: {nameless[0]}")
    return Pairs(found, nameless)


def _listing(entry: Raw, read: Callable[[Raw], Listing]) -> Listing:
    try:
        return read(entry)
    except _ODD as error:
        return Listing("", f"the venue's list cannot be read where it speaks of it: {error}")
