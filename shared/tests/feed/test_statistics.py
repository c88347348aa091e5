"""Statistics of the feeds: counted from the start of the process by Faust agents, and shown at /feeds."""

import asyncio
import json
import signal
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.feed.coverage import counts as counting
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.counts import FeedCounts
from k2_shared.feed.coverage.feed_records import Cause, EventKind, EventRecord, GapRecord, GapState
from k2_shared.kafka.topics import EVENTS, GAPS, Names, administration
from k2_support.children import Child
from k2_support.plugin import Agents
from k2_support.topics import write
from k2_support.waiting import eventually

SINCE = 1_762_795_433_000_000
pytestmark = pytest.mark.topics(EVENTS, GAPS)


def event(kind: EventKind, at: int = SINCE, symbol: str = "BTC/USD", detail: str = "") -> EventRecord:
    """What Kraken's feed says."""
    return EventRecord(exchange="KRAKEN", kind=kind, service="feed_kraken", at=at, symbol=symbol, detail=detail)


def gap(state: GapState, first_id: int, last_id: int, at: int = SINCE) -> GapRecord:
    """A range of ids that Kraken's feed missed."""
    return GapRecord(
        exchange="KRAKEN",
        symbol="BTC/USD",
        state=state,
        first_id=first_id,
        last_id=last_id,
        cause=Cause.RECONNECT,
        opened_at=at,
        at=at,
    )


def ids(counts: FeedCounts) -> dict[str, int]:
    """The ids of the one symbol."""
    found: dict[str, int] = counts.shown()["symbols"]["KRAKEN:BTC/USD"]["gap_ids"]
    return found


def test_events_are_counted_by_exchange_and_kind_and_the_last_is_kept() -> None:
    """An event of the venue is kept under the exchange alone."""
    counts = FeedCounts(SINCE)
    for each in (event(EventKind.SUBSCRIBED), event(EventKind.STALE), event(EventKind.SUBSCRIBED, detail="again")):
        counts.event(each)
    counts.event(event(EventKind.FAILOVER, symbol=""))
    shown = counts.shown()
    assert shown["since"] == "2025-11-10T17:23:53.000+00:00"
    assert shown["events"] == {"KRAKEN": {"failover": 1, "stale": 1, "subscribed": 2}}
    assert shown["symbols"]["KRAKEN:BTC/USD"]["last_event"] == {
        "kind": "subscribed",
        "at": "2025-11-10T17:23:53.000+00:00",
        "service": "feed_kraken",
        "detail": "again",
    }
    assert shown["symbols"]["KRAKEN"]["last_event"]["kind"] == "failover"


def test_open_ids_are_what_was_opened_less_what_was_settled() -> None:
    """A gap that is opened twice is one; a gap that was open before the start is settled all the same."""
    counts = FeedCounts(SINCE)
    for state, first_id, last_id in (
        (GapState.OPENED, 10, 29),
        (GapState.OPENED, 10, 29),
        (GapState.FILLED, 10, 14),
        (GapState.UNFILLABLE, 15, 15),
        (GapState.FILLED, 1, 2),
        (GapState.FILLED, 9, 8),
    ):
        counts.gap(gap(state, first_id, last_id))
    assert ids(counts) == {"opened": 20, "filled": 7, "unfillable": 1, "open": 14}


def test_what_was_said_before_the_start_is_not_counted() -> None:
    """The answer says since when it counts, and means it."""
    counts = FeedCounts(SINCE)
    counts.event(event(EventKind.STALE, at=SINCE - 1))
    counts.gap(gap(GapState.OPENED, 1, 2, at=SINCE - 1))
    counts.unreadable(GAPS)
    assert counts.shown() == {
        "since": "2025-11-10T17:23:53.000+00:00",
        "events": {},
        "symbols": {},
        "unreadable": {GAPS: 1},
    }


def test_symbols_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it an event counts for its exchange alone; a time that no calendar holds is shown as a number."""
    monkeypatch.setattr(counting, "MAX_SYMBOLS", 1)
    counts = FeedCounts(SINCE)
    counts.event(event(EventKind.STALE, at=2**62))
    counts.event(event(EventKind.STALE, symbol="ETH/USD"))
    counts.gap(GapRecord(**{**_fields(gap(GapState.OPENED, 1, 2)), "symbol": "ETH/USD"}))
    shown = counts.shown()
    assert shown["events"] == {"KRAKEN": {"stale": 2}}
    assert list(shown["symbols"]) == ["KRAKEN:BTC/USD"]
    assert shown["symbols"]["KRAKEN:BTC/USD"]["last_event"]["at"] == str(2**62)


def _fields(record: GapRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def page(child: Child, path: str = "/feeds") -> str:
    """A page of an agent."""
    child.check()
    with urlopen(f"http://127.0.0.1:{child.web_port}{path}", timeout=60) as answer:
        text: str = answer.read().decode()
    return text


def feeds(child: Child) -> dict[str, Any]:
    """What an agent answers at /feeds."""
    found: dict[str, Any] = json.loads(page(child))
    return found


def outgoing(*records: EventRecord | GapRecord) -> list[Outgoing]:
    """Records as feeds write them."""
    return [
        feed_records.events.outgoing(r) if isinstance(r, EventRecord) else feed_records.gaps.outgoing(r)
        for r in records
    ]


async def test_a_feeds_agents_count_what_the_feeds_say(
    topics: dict[str, int], agents: Agents, run_settings: RunSettings, names: Names
) -> None:
    """From its start on, its own first event included; a value that cannot be read is counted and stops nothing."""
    await write(run_settings, names, outgoing(event(EventKind.RESET, at=feed_records.now_us())))
    child = agents.start("toy_feed", PYTHONPATH=str(Path(__file__).parent)).wait_ready()
    now = feed_records.now_us()
    rubbish = [Outgoing(topic, b"k", value, now // 1_000, ()) for topic in (EVENTS, GAPS) for value in (b"?", None)]
    said = outgoing(
        event(EventKind.SUBSCRIBED, now),
        gap(GapState.OPENED, 1, 5, now),
        gap(GapState.FILLED, 1, 3, now),
        event(EventKind.STALE, now, detail="90 s"),
    )
    await write(run_settings, names, [*rubbish, *said])
    await eventually(lambda: "BTC/USD" in page(child) and '"stale"' in page(child), "the last event", 60)
    await eventually(lambda: feeds(child)["symbols"]["KRAKEN:BTC/USD"]["gap_ids"]["open"] == 2, "the open ids")
    found = feeds(child)
    assert found["reading"] is True
    assert found["events"] == {"KRAKEN": {"connected": 1, "subscribed": 1, "stale": 1}}
    assert found["symbols"]["KRAKEN:BTC/USD"]["last_event"]["detail"] == "90 s"
    assert found["symbols"]["KRAKEN:BTC/USD"]["gap_ids"] == {"opened": 5, "filled": 3, "unfillable": 0, "open": 2}
    assert found["unreadable"] == {EVENTS: 2, GAPS: 2}
    assert datetime.fromisoformat(found["since"]).timestamp() * 1e6 < now
    assert "k2_feed_memory_limit_bytes 4e+08" in page(child, "/metrics")
    assert 'k2_errors_total{error_type="undecodable",stage="statistics"} 4.0' in page(child, "/metrics")
    assert await asyncio.to_thread(child.stop) == 0


@pytest.mark.long
async def test_the_counts_of_a_killed_feed_begin_anew(
    topics: dict[str, int], agents: Agents, run_settings: RunSettings, names: Names
) -> None:
    """Its old self is a member of the group for a while; the new one starts and ends without waiting."""
    child = agents.start("toy_feed", PYTHONPATH=str(Path(__file__).parent)).wait_ready()
    await eventually(lambda: "connected" in page(child), "the first start", 60)
    assert child.kill() == -signal.SIGKILL
    assert await asyncio.to_thread(child.start().wait_ready().stop) == 0
    await write(run_settings, names, outgoing(event(EventKind.RESET, at=feed_records.now_us())))
    child.start().wait_ready()
    await eventually(lambda: feeds(child)["events"], "the last start", 120)
    assert feeds(child)["events"] == {"KRAKEN": {"connected": 1}}


@pytest.mark.long
async def test_groups_that_no_one_will_read_by_are_deleted(
    topics: dict[str, int], agents: Agents, run_settings: RunSettings, names: Names
) -> None:
    """That of a feed that ended in order by itself, and that of a killed one by a feed of another name."""
    here = {"PYTHONPATH": str(Path(__file__).parent)}
    prefix = f"{names.prefix}k2-toy_feed-statistics-"

    async def found() -> set[str]:
        async with administration(run_settings) as admin:
            every = await admin.list_consumer_groups()
        return {group.removeprefix(prefix) for group, _ in every if group.startswith(prefix)}

    async def is_gone() -> bool:
        return await found() == {"new"}

    old = agents.start("toy_feed", K2_INSTANCE="old", **here).wait_ready()
    await eventually(lambda: "connected" in page(old), "the first count", 60)
    assert await found() == {"old"}
    assert await asyncio.to_thread(old.stop) == 0
    assert await found() == set()
    old.start().wait_ready()
    await eventually(lambda: "connected" in page(old), "the second count", 60)
    old.kill()
    await write(run_settings, names, outgoing(event(EventKind.RESET, at=feed_records.now_us())))
    assert await found() == {"old"}
    new = agents.start("toy_feed", K2_INSTANCE="new", **here).wait_ready()
    await eventually(lambda: "connected" in page(new), "the new one's count", 60)
    await eventually(is_gone, "the end of the old one's group", 120)
    assert await asyncio.to_thread(new.stop) == 0
    assert await found() == set()
