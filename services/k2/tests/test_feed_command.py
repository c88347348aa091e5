"""``k2 feed`` as an operator uses it, on the real broker, with a feed that answers as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from k2.feed.overview import overview
from k2.main import app
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import EventKind, EventRecord, SymbolRecord
from k2_shared.kafka import clients
from k2_shared.kafka.topics import EVENTS, SYMBOLS, Names
from k2_support.ports import free_port
from k2_support.topics import read, write

pytestmark = pytest.mark.topics(EVENTS, SYMBOLS)
K2 = Callable[..., Awaitable[Result]]
Reply = Callable[[SymbolRecord], EventRecord]


@pytest.fixture
def k2(run_settings: RunSettings) -> K2:
    """Run ``k2 feed`` on this test's prefix."""

    def run(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(app, ["feed", *arguments], env={"K2_PREFIX": run_settings.k2_prefix, **environment})

    async def invoke(*arguments: str, code: int = 0, **environment: str) -> Result:
        result = await asyncio.to_thread(run, *arguments, **environment)
        assert result.exit_code == code, result.output + repr(result.exception)
        return result

    return invoke


def event(kind: EventKind, symbol: str = "SOL/USD", detail: str = "") -> EventRecord:
    """What Kraken's feed says."""
    return EventRecord(exchange="KRAKEN", kind=kind, service="feed_kraken", at=5, symbol=symbol, detail=detail)


@asynccontextmanager
async def feed(settings: RunSettings, names: Names, reply: Reply) -> AsyncIterator[None]:
    """A feed that answers every order, after an event of another symbol and a record that is none."""

    async def serve() -> None:
        async with clients.started(clients.consumer(settings), settings) as reader:
            reader.assign(names.partitions(SYMBOLS))
            async for order in reader:
                others = [
                    Outgoing(EVENTS, None, b"?", 1, ()),
                    feed_records.events.outgoing(event(EventKind.REJECTED, "A/B")),
                ]
                answer = feed_records.events.outgoing(reply(feed_records.symbols.read(order.value)))
                await write(settings, names, [*others, answer])

    serving = asyncio.create_task(serve())
    yield
    serving.cancel()
    await asyncio.wait([serving])


async def words(settings: RunSettings, names: Names) -> list[dict[str, Any]]:
    """What stands in the control topic, without the times."""
    found = [json.loads(record.value) for record in await read(settings, names, SYMBOLS)]
    return [{name: value for name, value in word.items() if name != "at"} for word in found]


def word(**changes: Any) -> dict[str, Any]:
    """An operator's word."""
    plain = {"exchange": "KRAKEN", "symbol": "SOL/USD", "captured": True, "backfill_from_id": None, "resumption": None}
    return {**plain, **changes}


@pytest.mark.parametrize(
    ("arguments", "kind", "ordered"),
    [
        (["add", "KRAKEN:SOL/USD"], EventKind.SUBSCRIBED, word()),
        (["add", "KRAKEN:SOL/USD", "--backfill-from", "7"], EventKind.SUBSCRIBED, word(backfill_from_id=7)),
        (["remove", "KRAKEN:SOL/USD"], EventKind.UNSUBSCRIBED, word(captured=False)),
        (["resume", "KRAKEN:SOL/USD", "--accept"], EventKind.RESUMED, word(resumption="accept")),
        (["resume", "KRAKEN:SOL/USD", "--continue"], EventKind.RESUMED, word(resumption="continue")),
    ],
)
async def test_an_order_is_written_and_its_answer_shown(
    topics: dict[str, int],
    run_settings: RunSettings,
    names: Names,
    k2: K2,
    arguments: list[str],
    kind: EventKind,
    ordered: dict[str, Any],
) -> None:
    """What the feed said before of the symbol, or says of others, is no answer."""
    stale = [event(EventKind.REJECTED, detail="long ago"), event(EventKind.DISCONNECTED)]
    await write(run_settings, names, [feed_records.events.outgoing(each) for each in stale])
    async with feed(run_settings, names, lambda order: event(kind, detail="as asked")):
        shown = await k2(*arguments, "--json")
    assert await words(run_settings, names) == [ordered]
    found = json.loads(shown.stdout)
    assert (found["answer"]["kind"], found["answer"]["detail"], found["dry_run"]) == (kind.value, "as asked", False)
    assert found["order"] == {**ordered, "at": found["order"]["at"]}


async def test_a_rejection_exits_1_with_the_feeds_reason(
    topics: dict[str, int], run_settings: RunSettings, names: Names, k2: K2
) -> None:
    """A script notices; a person reads why."""
    async with feed(run_settings, names, lambda order: event(EventKind.REJECTED, detail="no such pair")):
        shown = await k2("add", "KRAKEN:SOL/USD", code=1)
    assert shown.stdout == "KRAKEN:SOL/USD rejected by feed_kraken at 1970-01-01T00:00:00.000+00:00: no such pair\n"


async def test_without_an_answer_it_exits_4_and_the_order_stands(
    topics: dict[str, int], run_settings: RunSettings, names: Names, k2: K2
) -> None:
    """The line names the service to look for; one that starts later reads the order."""
    shown = await k2("add", "KRAKEN:SOL/USD", "--timeout", "0.5", code=4)
    assert "does feed_kraken run? The order stands" in shown.stderr
    assert shown.stdout == ""
    assert await words(run_settings, names) == [word()]


async def test_a_dry_run_writes_nothing_and_no_wait_waits_for_nobody(
    topics: dict[str, int], run_settings: RunSettings, names: Names, k2: K2
) -> None:
    """Both show the order itself."""
    shown = await k2("add", "KRAKEN:SOL/USD", "--dry-run")
    assert "KRAKEN:SOL/USD would be ordered: {" in shown.stdout
    assert "nothing is written" in shown.stderr
    assert await words(run_settings, names) == []
    assert json.loads((await k2("remove", "KRAKEN:SOL/USD", "--no-wait", "--json")).stdout)["answer"] is None
    assert await words(run_settings, names) == [word(captured=False)]


async def test_list_shows_the_last_word_and_the_last_event(
    topics: dict[str, int], run_settings: RunSettings, names: Names, k2: K2
) -> None:
    """By name; a symbol of the settings has events alone, and an exchange has its own."""
    assert (await k2("list", "--json")).stdout == "[]\n"
    assert (await k2("list")).stderr == "no feed and no order has named a symbol\n"
    assert (await k2("list", "--symbol", "A/B")).stderr == "no feed and no order has named A/B\n"
    for arguments in (["add", "KRAKEN:SOL/USD"], ["remove", "KRAKEN:SOL/USD"], ["add", "BINANCE:SOL/USDT"]):
        await k2(*arguments, "--no-wait")
    said = [event(EventKind.SUBSCRIBED), event(EventKind.UNSUBSCRIBED), event(EventKind.STALE, "BTC/USD", "90 s")]
    venue = event(EventKind.CONNECTED, symbol="")
    unreadable = Outgoing(EVENTS, None, b"?", 1, ())
    await write(run_settings, names, [*map(feed_records.events.outgoing, [*said, venue]), unreadable])
    shown = await k2("list", "--json")
    assert [
        tuple(s[c] for c in ("symbol", "asked", "captured", "event", "detail")) for s in json.loads(shown.stdout)
    ] == [
        ("BINANCE:SOL/USDT", "yes", None, None, None),
        ("KRAKEN", None, None, "connected", ""),
        ("KRAKEN:BTC/USD", None, "no", "stale", "90 s"),
        ("KRAKEN:SOL/USD", "no", "no", "unsubscribed", ""),
    ]
    assert shown.stderr.startswith("1 records cannot be read")
    assert "KRAKEN:BTC/USD" not in (await k2("list", "--symbol", "KRAKEN:SOL/USD")).stdout


@pytest.mark.parametrize(
    ("kinds", "captured"),
    [
        ([EventKind.SUBSCRIBED, EventKind.STALE, EventKind.REFUSED, EventKind.REJECTED], "yes"),
        ([EventKind.SUBSCRIBED, EventKind.LOST], "no"),
        ([EventKind.SUBSCRIBED, EventKind.RESET, EventKind.STALE], "stopped"),
        ([EventKind.RESET, EventKind.RESUMED], "yes"),
        ([EventKind.REFUSED], "no"),
        ([EventKind.REJECTED], "no"),
    ],
)
def test_what_is_captured_is_what_the_feed_says(kinds: list[EventKind], captured: str) -> None:
    """An order that stands is no capture: the venue may refuse it, and the feed may be away."""
    order = SymbolRecord(exchange="KRAKEN", symbol="SOL/USD", captured=True, at=5)
    (line,) = overview([order], [event(kind) for kind in kinds])
    assert (line.shown()["asked"], line.shown()["captured"]) == ("yes", captured)


async def test_what_cannot_be_asked_is_refused(k2: K2) -> None:
    """Two decisions or none, a symbol that is none, an id that is none."""
    for flags in ([], ["--accept", "--continue"]):
        assert "--accept the venue's new numbering" in (await k2("resume", "KRAKEN:SOL/USD", *flags, code=2)).stderr
    assert "'SOL/USD' is not a symbol of an exchange" in (await k2("add", "SOL/USD", code=2)).stderr
    await k2("add", "KRAKEN:SOL/USD", "--backfill-from", "0", code=2)
    nowhere = f"127.0.0.1:{free_port()}"
    await k2("add", "KRAKEN:SOL/USD", code=4, KAFKA_BOOTSTRAP_SERVERS=nowhere)
