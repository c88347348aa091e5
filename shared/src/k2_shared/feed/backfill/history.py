"""A venue's past by REST, and its list of pairs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from k2_shared.core.errors import Unavailable
from k2_shared.core.logs import logger
from k2_shared.feed.venue.listings import Pairs
from k2_shared.feed.venue.rest import Call, Page, RestClient
from k2_shared.feed.venue.venue import Venue

NAMELESS = "pairs_without_a_name"
MISSING = "pairs_missing"
_SEEK_S, _SEEK_STEPS = 60, 30
_MARGIN_US = 1_000  # REST and socket may differ by a microsecond


async def ask_pairs(client: RestClient, venue: Venue) -> Pairs:
    """What a venue lists, all its lists in one; an earlier list counts where two have a symbol.

    Raises:
        Unavailable: the first list could not be had. That another one could not is said by ``missing``.
    """
    (first, *others), read = venue.rest.pairs(), venue.rest.read_pairs
    found, _ = await client.get(first, read)
    for call in others:
        try:
            more, _ = await client.get(call, read)
        except Unavailable as error:
            logger().warning(MISSING, detail=str(error))
            found = replace(found, missing=str(error))
        else:
            listings = {**more.listings, **found.listings}
            found = replace(found, listings=listings, nameless=[*found.nameless, *more.nameless])
    if found.nameless:
        logger().warning(NAMELESS, entries=len(found.nameless), first=found.nameless[0])
    return found


@dataclass
class RestHistory:
    """Asks one venue; ``names`` maps canonical symbols to the venue's."""

    client: RestClient
    venue: Venue
    names: Mapping[str, str]

    async def pairs(self) -> Pairs:
        """What the venue lists. Raises Unavailable."""
        return await ask_pairs(self.client, self.venue)

    async def newest(self, symbol: str) -> Page:
        """The newest trade; none where there has never been one. Raises Unavailable."""
        page, _ = await self._read(symbol, self.venue.rest.newest(self._name(symbol)))
        return page

    async def page(self, symbol: str, first_id: int, after_us: int, cursor: str) -> tuple[Page, bytes]:
        """Trades from an id on, or from a little before, and the answer's bytes. Raises Unavailable."""
        if not self.venue.rest.by_time or cursor:
            return await self.since(symbol, first_id, after_us, cursor)
        page, answer = await self.since(symbol, first_id, after_us) if after_us else (Page(()), b"")
        if page.trades and page.trades[0].trade_id <= first_id:
            return page, answer
        return await self.since(symbol, first_id, await self._seek(symbol, first_id))

    async def since(self, symbol: str, first_id: int, after_us: int, cursor: str = "") -> tuple[Page, bytes]:
        """Trades from a time on where the venue is asked by time, else from an id on; and the answer's bytes.

        Raises:
            Unavailable: REST did not answer.
        """
        call = self.venue.rest.since(self._name(symbol), first_id, max(0, after_us - _MARGIN_US), cursor)
        return await self._read(symbol, call)

    def _name(self, symbol: str) -> str:
        name = self.names.get(symbol)
        if name is None:
            raise Unavailable(f"{symbol} is captured no more")
        return name

    async def _seek(self, symbol: str, first_id: int) -> int:
        """Find a time in µs before an id, back from the newest trade in steps that double. Raises Unavailable."""
        newest = (await self.newest(symbol)).trades
        if not newest:
            raise Unavailable(f"{self.venue.exchange} has no trades of {symbol} to search for {first_id}")
        for step in range(_SEEK_STEPS):
            at_us = newest[-1].timestamp - _SEEK_S * 1_000_000 * 2**step
            page, _ = await self.since(symbol, first_id, at_us)
            if at_us <= 0 or (page.trades and page.trades[0].trade_id <= first_id):
                return max(1, int(at_us))
        return 1

    async def _read(self, symbol: str, call: Call) -> tuple[Page, bytes]:
        return await self.client.get(call, partial(self.venue.rest.read_trades, symbol))
