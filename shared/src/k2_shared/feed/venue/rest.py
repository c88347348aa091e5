"""REST calls to a venue inside its budget; a refusal is waited out, and nothing is tried for ever."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import aiohttp

from k2_shared.core.errors import Unavailable
from k2_shared.core.metrics import FeedMetrics
from k2_shared.core.trade import Exchange, Trade
from k2_shared.feed.venue.budget import RestBudget
from k2_shared.feed.venue.listings import Pairs

# The last two: no decimal, and JSON that is nested too deeply.
_FAILED = (aiohttp.ClientError, TimeoutError, ValueError, ArithmeticError, RecursionError)
MAX_ANSWER_BYTES = 32 * 1024 * 1024  # a venue's list of pairs is its largest
_REFUSALS = frozenset({418, 429})
_DEFAULT_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 3 * 86_400.0  # the longest ban that Binance's documentation names


ReadT = TypeVar("ReadT")


class TooManyCalls(Exception):
    """The venue said in an answer's body that there were too many calls."""


@dataclass(frozen=True, slots=True)
class Call:
    """One GET: its URL below the venue's base, and what it takes of the budget."""

    path: str
    cost: float


@dataclass(frozen=True, slots=True)
class Page:
    """Trades by ascending id as REST gave them; ``cursor`` continues behind them, where the venue needs one."""

    trades: Sequence[Trade]
    cursor: str = ""


class VenueRest(Protocol):
    """The REST interface of a venue: makes calls and reads answers; no I/O."""

    def pairs(self) -> Sequence[Call]:
        """The lists of pairs: the first is needed, each other may fail alone."""

    def read_pairs(self, answer: bytes) -> Pairs:
        """Read one list. Raises ValueError, or TooManyCalls."""

    def newest(self, name: str) -> Call:
        """The newest trade."""

    def since(self, name: str, first_id: int, after_us: int, cursor: str) -> Call:
        """Trades from an id on, at most a thousand; ``after_us`` is a time before it, ``cursor`` the last page's."""

    @property
    def by_time(self) -> bool:
        """Whether the past is asked for by time, so that the time before a trade must be known."""

    def read_trades(self, symbol: str, answer: bytes) -> Page:
        """Read trades. Raises ValueError, or TooManyCalls."""


class RestClient:
    """Makes calls to one venue, one at a time, within its budget."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        exchange: Exchange,
        budget: RestBudget,
        metrics: FeedMetrics,
    ) -> None:
        self._session, self._base_url, self._exchange = session, base_url, exchange
        self._budget, self._metrics = budget, metrics
        self._one = asyncio.Lock()

    async def get(self, call: Call, read: Callable[[bytes], ReadT]) -> tuple[ReadT, bytes]:
        """Make a call when the budget allows it; returns what ``read`` makes of the answer, and the answer's bytes.

        Raises:
            Unavailable: no usable answer; a refusal is counted, and the next call waits it out.
        """
        async with self._one:
            await self._wait(call.cost)
            try:
                answer = await self._answer(call)
                said = read(answer)
            except TooManyCalls as error:
                raise self._refused(_DEFAULT_PAUSE_S, str(error)) from None
            except _FAILED as error:
                self._count("failed")
                raise Unavailable(f"{self._exchange} gave no answer at {call.path}: {error!r}") from None
        self._count("ok")
        return said, answer

    async def _wait(self, cost: float) -> None:
        await asyncio.sleep(self._budget.wait_s(cost))
        self._budget.spend(cost)

    async def _answer(self, call: Call) -> bytes:
        async with self._session.get(self._base_url + call.path) as response:
            if response.status in _REFUSALS:
                raise self._refused(_retry_after(response.headers), f"HTTP {response.status}")
            response.raise_for_status()
            answer = bytearray()
            async for chunk in response.content.iter_any():
                answer += chunk
                if len(answer) > MAX_ANSWER_BYTES:
                    raise ValueError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
        return bytes(answer)

    def _refused(self, pause_s: float, said: str) -> Unavailable:
        self._count("refused")
        self._budget.refused(pause_s)
        return Unavailable(f"{self._exchange} wants no calls for {pause_s:g} s: {said}")

    def _count(self, outcome: str) -> None:
        self._metrics.rest_calls.labels(self._exchange, outcome).inc()


def _retry_after(headers: Mapping[str, str]) -> float:
    """The seconds that a Retry-After header asks for; both venues give a whole number."""
    said = headers.get("Retry-After", "")
    if not (said.isascii() and said.isdigit()):
        return _DEFAULT_PAUSE_S
    return min(float(said), _LONGEST_PAUSE_S)
