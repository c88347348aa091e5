"""A venue's list of pairs: what it says of a symbol, and how it is asked for."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from k2_shared.core.errors import Unavailable
from k2_shared.core.metrics import Metrics
from k2_shared.feed.backfill.history import MISSING, NAMELESS, ask_pairs
from k2_shared.feed.venue.budget import RestBudget
from k2_shared.feed.venue.listings import Listing, Pairs, listing
from k2_shared.feed.venue.rest import Call, RestClient
from k2_support.venue import serving

PAIRS = Pairs({"BTC/USD": Listing("XBTUSD"), "BTC/EUR": listing("XBTEUR", 5, "halted"), "币安人生/USD": Listing("b")})


def test_a_symbol_that_is_not_listed_is_refused_with_what_there_is() -> None:
    """What is written alike, the nearest first, and the pairs of its base, however it was written; else how many."""
    assert PAIRS.refusal("btc/usdt") == "the venue does not trade it; near it: BTC/USD, BTC/EUR"
    assert PAIRS.refusal("XBT/USD") == "the venue does not trade it; near it: BTC/USD"
    both = Pairs({symbol: Listing(symbol) for symbol in ("BTC/USDT", "ETH/USDT")})
    assert both.refusal("XBT/USDT") == "the venue does not trade it; near it: BTC/USDT"
    assert PAIRS.refusal("NONE/USD") == "the venue does not trade it; it has 3 others, and none near it"


def test_a_listed_symbol_is_refused_with_its_reason_or_not_at_all() -> None:
    """For its status, or for decimals that never fit."""
    assert [PAIRS.refusal(symbol) for symbol in ("BTC/USD", "币安人生/USD")] == ["", ""]
    assert "'halted'" in PAIRS.refusal("BTC/EUR")
    fine = Pairs({"SHIB/USD": listing("SHIBUSD", 10, "halted")})
    assert "10 decimals" in fine.refusal("SHIB/USD")


def test_a_listed_name_that_is_no_symbol_is_refused_for_that() -> None:
    """It would break the keys behind."""
    assert "is no symbol" in Pairs({"A B/USD": Listing("AB")}).refusal("A B/USD")


def test_what_may_be_in_a_missing_part_is_not_said_to_be_untraded() -> None:
    """It is not known; what is listed elsewhere is."""
    partly = Pairs(PAIRS.listings, missing="the other list: HTTP 500")
    assert partly.refusal("AAPLx/USD") == "the other list: HTTP 500"
    assert partly.refusal("BTC/USD") == ""
    partly.check(["BTC/USD", "BTC/EUR"])
    with pytest.raises(Unavailable, match="HTTP 500"):
        partly.check(["BTC/USD", "AAPLx/USD"])
    PAIRS.check(["AAPLx/USD"])


class TwoLists:
    """A venue with two lists: objects of names, and the reasons of entries that have none."""

    def pairs(self) -> Sequence[Call]:
        return [Call("/plain", 1), Call("/other", 1)]

    def read_pairs(self, answer: bytes) -> Pairs:
        names, nameless = json.loads(answer)
        return Pairs({symbol: Listing(name) for symbol, name in names.items()}, nameless)


@asynccontextmanager
async def asked(plain: Any, other: Any) -> AsyncIterator[Pairs]:
    """What is made of two answers; None is an error of the server."""

    def answer(said: Any) -> Any:
        async def handle(request: web.Request) -> web.Response:
            return web.json_response(said, status=500 if said is None else 200)

        return handle

    async with (
        serving({"/plain": answer(plain), "/other": answer(other)}) as address,
        aiohttp.ClientSession() as session,
    ):
        budget = RestBudget(10.0, 1_000.0, asyncio.get_running_loop().time)
        client = RestClient(session, f"http://{address}", "KRAKEN", budget, Metrics("feed_kraken", "0").feed)
        yield await ask_pairs(client, SimpleNamespace(rest=TwoLists()))  # type: ignore[arg-type]


async def test_two_lists_are_one() -> None:
    """The first counts where both have a symbol."""
    async with asked([{"A/B": "first"}, []], [{"A/B": "second", "Cx/D": "c"}, []]) as found:
        assert found.listings == {"A/B": Listing("first"), "Cx/D": Listing("c")}
        assert not found.missing


async def test_the_second_list_may_fail_alone_and_that_is_said() -> None:
    """In the log, and in the refusal of what may be in it."""
    with capture_logs() as logs:
        async with asked([{"A/B": "a"}, []], None) as found:
            assert found.refusal("A/B") == ""
            assert "/other" in found.refusal("Cx/D")
    assert [entry["event"] for entry in logs] == [MISSING]


async def test_without_the_first_list_there_is_none() -> None:
    """The second alone would say that the venue trades next to nothing."""
    with pytest.raises(Unavailable, match="/plain"):
        async with asked(None, [{"A/B": "a"}, []]):
            pass


async def test_entries_without_a_name_are_counted_in_one_line() -> None:
    """Of both lists, however many there are."""
    with capture_logs() as logs:
        async with asked([{"A/B": "a"}, ["odd"] * 1_000], [{}, ["odder"]]):
            pass
    (entry,) = logs
    assert (entry["event"], entry["entries"], entry["first"]) == (NAMELESS, 1_001, "odd")
