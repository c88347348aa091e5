"""REST calls against a real server: the budget, refusals, and what is no answer."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import aiohttp
import msgspec
import pytest
from aiohttp import web

from k2_shared.core.errors import Unavailable
from k2_shared.core.metrics import Metrics
from k2_shared.feed.backfill.history import RestHistory
from k2_shared.feed.venue.budget import RestBudget
from k2_shared.feed.venue.rest import Call, Page, RestClient, TooManyCalls
from k2_support.records import trade

CALL = Call("/trades", 1)


@dataclass
class Server:
    """Answers as told, the last answer for ever."""

    answers: list[web.Response] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.Response(body=said.body, status=said.status, headers=said.headers)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_get("/{any:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


@pytest.fixture
def budget() -> RestBudget:
    """What calls may cost."""
    return RestBudget(10.0, 1_000.0, time.monotonic)


@pytest.fixture
async def client(server: Server, budget: RestBudget) -> AsyncIterator[RestClient]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.5)) as session:
        yield RestClient(session, server.url, "KRAKEN", budget, Metrics("feed_kraken", "0").feed)


async def test_an_answer_is_read_and_kept(server: Server, client: RestClient) -> None:
    """The bytes are the raw record of what was in them."""
    server.answers = [web.Response(body=b"[1]")]
    assert await client.get(CALL, len) == (3, b"[1]")


@pytest.mark.parametrize("status", [418, 429])
async def test_a_refusal_is_waited_out(server: Server, client: RestClient, status: int, budget: RestBudget) -> None:
    """For as long as Retry-After says; nobody hammers a venue that refuses."""
    server.answers = [web.Response(status=status, headers={"Retry-After": "7"})]
    with pytest.raises(Unavailable, match="wants no calls for 7 s"):
        await client.get(CALL, len)
    assert 6 < budget.wait_s(1) <= 7


async def test_no_refusal_lasts_longer_than_any_ban(server: Server, client: RestClient) -> None:
    """A venue that asks for a million years is asked again after three days."""
    server.answers = [web.Response(status=418, headers={"Retry-After": "9" * 400})]
    with pytest.raises(Unavailable, match="259200 s"):
        await client.get(CALL, lambda said: int(said))


@pytest.mark.parametrize("header", [{}, *({"Retry-After": said} for said in ("soon", "inf", "nan", "-1", "1e9"))])
async def test_a_refusal_without_a_time_has_a_pause_of_its_own(
    server: Server, client: RestClient, header: dict[str, str], budget: RestBudget
) -> None:
    """The venue should say how long."""
    server.answers = [web.Response(status=429, headers=header)]
    with pytest.raises(Unavailable):
        await client.get(CALL, len)
    assert budget.wait_s(1) > 1


async def test_a_refusal_in_the_body_is_one_too(server: Server, client: RestClient, budget: RestBudget) -> None:
    """Kraken refuses with HTTP 200."""

    def read(answer: bytes) -> Page:
        raise TooManyCalls("EAPI:Rate limit exceeded")

    server.answers = [web.Response(body=b"{}")]
    with pytest.raises(Unavailable, match="Rate limit exceeded"):
        await client.get(CALL, read)
    assert budget.wait_s(1) > 1


@pytest.mark.parametrize("answer", [web.Response(status=500), web.Response(body=b"no json")])
async def test_what_is_no_answer_is_unavailable(
    server: Server, client: RestClient, answer: web.Response, budget: RestBudget
) -> None:
    """The call is named; the next one may be made at once."""
    server.answers = [answer]
    with pytest.raises(Unavailable, match="KRAKEN gave no answer at /trades"):
        await client.get(CALL, lambda said: int(said))
    assert budget.wait_s(1) == 0


async def test_json_that_is_nested_too_deeply_is_no_answer(server: Server, client: RestClient) -> None:
    """It ends the call, not the feed."""
    server.answers = [web.Response(body=b"[" * 100_000)]
    with pytest.raises(Unavailable, match="RecursionError"):
        await client.get(CALL, msgspec.json.decode)


@dataclass
class Times:
    """A venue that is asked by time: trade N happened at second N, from 1,000 on."""

    by_time = True
    newest_id: int = 2_000

    def newest(self, name: str) -> Call:
        return Call(f"/{name}/newest", 1)

    def since(self, name: str, first_id: int, after_us: int, cursor: str) -> Call:
        return Call(f"/{name}/since/{cursor or after_us // 1_000_000}", 1)

    def read_trades(self, symbol: str, answer: bytes) -> Page:
        ids = range(int(answer), min(int(answer) + 10, self.newest_id + 1))
        return Page([trade(trade_id=each, timestamp=each * 1_000_000) for each in ids], str(ids.stop))


@dataclass
class Asker:
    """Answers a call by its own path."""

    venue: Times
    calls: list[str] = field(default_factory=list)

    async def get(self, call: Call, read: Callable[[bytes], Page]) -> tuple[Page, bytes]:
        self.calls.append(call.path)
        at = self.venue.newest_id if call.path.endswith("newest") else max(1_000, int(call.path.rpartition("/")[2]) + 1)
        return read(str(at).encode()), b"answer"


@pytest.fixture
def asker() -> Asker:
    return Asker(Times())


def history(asker: Asker) -> RestHistory:
    class Venue:
        exchange, rest = "KRAKEN", asker.venue

    return RestHistory(asker, Venue, {"S": "s"})  # type: ignore[arg-type]


async def test_the_time_before_the_gap_is_asked_from(asker: Asker) -> None:
    """One call, where the page starts at the gap or before it."""
    page, _ = await history(asker).page("S", 1_500, 1_499_000_000, "")
    assert page.trades[0].trade_id == 1_499
    assert len(asker.calls) == 1


@pytest.mark.parametrize("after_us", [0, 1_800_000_000])
async def test_without_a_time_that_helps_it_is_searched_for(asker: Asker, after_us: int) -> None:
    """A page that starts too late proves nothing: back from the newest in steps that double."""
    page, _ = await history(asker).page("S", 1_500, after_us, "")
    assert page.trades[0].trade_id <= 1_500


async def test_a_cursor_is_followed(asker: Asker) -> None:
    """Without asking for the time again."""
    page, _ = await history(asker).page("S", 1_510, 1_499_000_000, "1509")
    assert page.trades[0].trade_id == 1_510
    assert len(asker.calls) == 1
