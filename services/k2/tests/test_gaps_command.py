"""``k2 gaps`` as an operator uses it, on the real broker."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from typer.testing import CliRunner, Result

from k2.main import app
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import Cause, GapRecord, GapState
from k2_shared.kafka.topics import GAPS, Names
from k2_support.topics import write

pytestmark = pytest.mark.topics(GAPS)
K2 = Callable[..., Awaitable[Result]]
SECOND = 1_000_000


@pytest.fixture
def k2(run_settings: RunSettings) -> K2:
    """Run ``k2 gaps`` on this test's prefix."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["gaps", *arguments], env={"K2_PREFIX": run_settings.k2_prefix})

    async def invoke(*arguments: str, code: int = 0) -> Result:
        result = await asyncio.to_thread(run, *arguments)
        assert result.exit_code == code, result.output + repr(result.exception)
        return result

    return invoke


def gap(state: GapState, first_id: int, last_id: int, at: int, exchange: Exchange = "KRAKEN") -> Outgoing:
    """What a feed writes of a range that it missed."""
    record = GapRecord(
        exchange=exchange,
        symbol="BTC/USDT",
        state=state,
        first_id=first_id,
        last_id=last_id,
        cause=Cause.RECONNECT,
        opened_at=SECOND,
        at=at * SECOND,
    )
    return feed_records.gaps.outgoing(record)


async def test_without_topics_the_command_that_creates_them_is_named(k2: K2) -> None:
    """Exit code 2: something is to be done first."""
    assert "run 'k2 init'" in (await k2(code=2)).stderr


async def test_open_gaps_come_first_and_what_cannot_be_read_is_counted(
    topics: dict[str, int], run_settings: RunSettings, names: Names, k2: K2
) -> None:
    """Data on stdout, the rest on stderr; an empty ledger is an empty list."""
    empty = await k2("--json")
    assert (empty.stdout, empty.stderr) == ("[]\n", "no gaps recorded\n")
    said = [
        gap(GapState.OPENED, 10, 29, at=1),
        gap(GapState.FILLED, 10, 19, at=3),
        gap(GapState.OPENED, 7, 7, at=1, exchange="BINANCE"),
        gap(GapState.UNFILLABLE, 7, 7, at=5, exchange="BINANCE"),
        Outgoing(GAPS, None, b"nonsense", 1, ()),
    ]
    await write(run_settings, names, said)
    shown = await k2("--json")
    found = json.loads(shown.stdout)
    assert [(g["symbol"], g["state"], g["first_id"], g["last_id"], g["count"]) for g in found] == [
        ("KRAKEN:BTC/USDT", "open", 20, 29, 10),
        ("BINANCE:BTC/USDT", "unfillable", 7, 7, 1),
        ("KRAKEN:BTC/USDT", "filled", 10, 19, 10),
    ]
    assert [(g["cause"], g["opened"]) for g in found] == [("reconnect", "1970-01-01T00:00:01.000+00:00")] * 3
    assert [g["seconds"] for g in found[1:]] == [4.0, 2.0]
    assert shown.stderr == "1 records of the ledger cannot be read: something else than a feed wrote them\n"
    assert [line.split()[:3] for line in (await k2("--symbol", "KRAKEN:BTC/USDT")).stdout.splitlines()[1:]] == [
        ["KRAKEN:BTC/USDT", "open", "20"],
        ["KRAKEN:BTC/USDT", "filled", "10"],
    ]
    assert len(json.loads((await k2("--symbol", "BTC/USDT", "--json")).stdout)) == 3
    none = await k2("--symbol", "ETH/USDT", "--json")
    assert (none.stdout, none.stderr.splitlines()[0]) == ("[]\n", "no gaps recorded of ETH/USDT")


async def test_of_many_settled_gaps_the_newest_are_shown(
    topics: dict[str, int], run_settings: RunSettings, names: Names, k2: K2
) -> None:
    """Every open one is; how many are left off is said."""
    settled = [gap(GapState.FILLED, n * 10, n * 10, at=n) for n in range(2, 105)]
    await write(run_settings, names, [*settled, gap(GapState.OPENED, 5_000, 5_000, at=1)])
    shown = await k2("--json")
    assert "3 older settled gaps are left off: --all shows them" in shown.stderr
    assert [g["first_id"] for g in json.loads(shown.stdout)] == [5_000, *(n * 10 for n in range(104, 4, -1))]
    assert len(json.loads((await k2("--all", "--json")).stdout)) == 104


@pytest.mark.parametrize("text", ["btc-usdt", "BITSTAMP:BTC/USD", "KRAKEN:", "KRAKEN", "BTCUSDT", ""])
async def test_what_is_no_symbol_is_refused(k2: K2, text: str) -> None:
    """The line says what one looks like."""
    assert (
        "EXCHANGE:BASE/QUOTE as the exchange writes it, e.g. KRAKEN:BTC/USD"
        in (await k2("--symbol", text, code=2)).stderr
    )
