"""``k2 topics``, ``k2 lag`` and ``k2 tail`` as a person uses them, on the real broker."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiokafka.admin import NewPartitions
from aiokafka.structs import OffsetAndMetadata
from typer.testing import CliRunner, Result

from k2.main import app
from k2_shared.core import contracts
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.kafka import clients
from k2_shared.kafka.sending import send_all
from k2_shared.kafka.topics import BRONZE, DLQ, EVENTS, GOLD, RAW, SYMBOLS, Names, administration, partition_for
from k2_support.records import ORIGIN, trade, value
from k2_support.topics import write
from k2_support.waiting import eventually

K2 = Callable[..., Awaitable[Result]]
KRAKEN = BRONZE.format(exchange="kraken")
HOME = partition_for(trade().key, 12)
COMMAND = [sys.executable, "-m", "k2"]


@pytest.fixture
def k2(run_settings: RunSettings) -> K2:
    """Run a command on this test's prefix."""

    def run(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(app, arguments, env={"K2_PREFIX": run_settings.k2_prefix, **environment})

    async def invoke(*arguments: str, code: int = 0, **environment: str) -> Result:
        result = await asyncio.to_thread(run, *arguments, **environment)
        assert result.exit_code == code, result.output + repr(result.exception)
        return result

    return invoke


@pytest.fixture
async def trades(topics: dict[str, int], run_settings: RunSettings, names: Names) -> int:
    """A hundred trades of bronze: 40 committed, 20 aborted, 40 committed; returns the schema's id."""
    schema_id = topics[names.subject(names.topic(KRAKEN))]
    now_ms = int(time.time() * 1e3)
    made = [
        Outgoing(
            KRAKEN,
            trade().key,
            value(trade(trade_id=n), schema_id),
            now_ms - 200_000 + n,
            (("k2-origin", ORIGIN.pack()),),
        )
        for n in range(100)
    ]
    sender = clients.producer(run_settings, transactional_id=f"{names.prefix}look")
    async with clients.started(sender, run_settings):
        for commits, part in ((True, made[:40]), (False, made[40:60]), (True, made[60:])):
            await sender.begin_transaction()
            await send_all(sender, names, HOME, {KRAKEN: part})
            await (sender.commit_transaction() if commits else sender.abort_transaction())
    return schema_id


async def read_up_to(settings: RunSettings, group: str, topic: str, offset: int) -> None:
    """A group that has read a partition up to an offset."""
    async with clients.started(clients.consumer(settings, group=group), settings) as reader:
        at = next(each for each in Names(settings.k2_prefix).partitions(topic) if each.partition == HOME)
        reader.assign([at])
        await reader.commit({at: OffsetAndMetadata(offset, "")})


async def by_topic(k2: K2, *arguments: str) -> Mapping[str, Any]:
    """What ``k2 topics --json`` says, by the topic's name."""
    return {found["topic"]: found for found in json.loads((await k2("topics", *arguments, "--json")).stdout)}


async def test_committed_records_are_counted_and_not_offsets(
    trades: int, k2: K2, run_settings: RunSettings, names: Names
) -> None:
    """Markers and aborted records are none; a lag is in records, and as old as the first that was not read."""
    await read_up_to(run_settings, names.group("silver"), KRAKEN, 30)
    await read_up_to(run_settings, names.group("done"), KRAKEN, 103)
    found = await by_topic(k2)
    assert found.keys() == {names.topic(name) for name in contracts.topics()}
    bronze = found[names.topic(KRAKEN)]
    assert (bronze["partitions"], bronze["records"], bronze["estimated"]) == (12, 80, False)
    assert (bronze["schema_id"], bronze["cleanup"], bronze["retention_ms"]) == (trades, "delete", -1)
    assert bronze["bytes"] > 80 * 100
    assert bronze["groups"][names.group("silver")]["lag"] == 50
    assert bronze["groups"][names.group("silver")]["seconds"] > 199
    assert bronze["groups"][names.group("done")] == {"lag": 0, "seconds": None, "estimated": False}
    assert found[names.topic(GOLD)]["groups"] == {}
    assert found[names.topic(GOLD)]["first"] is None


async def test_one_topic_is_shown_by_partition(trades: int, k2: K2, names: Names) -> None:
    """With where it begins and ends."""
    (found,) = json.loads((await k2("topics", KRAKEN, "--json")).stdout)
    assert [each["records"] for each in found["by_partition"]] == [80 if n == HOME else 0 for n in range(12)]
    home = found["by_partition"][HOME]
    assert (home["start"], home["end"], home["first"] < home["last"]) == (0, 103, True)


async def test_beyond_the_limit_offsets_are_counted_and_marked(
    trades: int, k2: K2, run_settings: RunSettings, names: Names
) -> None:
    """The times are those of records all the same."""
    await read_up_to(run_settings, names.group("silver"), KRAKEN, 103)
    exact, estimated = [(await by_topic(k2, KRAKEN, *limit)) for limit in ((), ("--count-limit", "50"))]
    bronze = estimated[names.topic(KRAKEN)]
    assert (bronze["records"], bronze["estimated"]) == (103, True)
    for name in ("first", "last", "groups", "bytes", "contract"):
        assert bronze[name] == exact[names.topic(KRAKEN)][name]
    assert "~103" in (await k2("topics", KRAKEN, "--count-limit", "50")).stdout


async def test_where_a_topic_differs_from_its_contract_is_said(topics: dict[str, int], k2: K2, names: Names) -> None:
    """And which one is missing, with what to do."""
    settings = RunSettings.load(k2_prefix=names.prefix)
    async with administration(settings) as admin:
        await admin.create_partitions({names.topic(DLQ): NewPartitions(13)})
        await admin.delete_topics([names.topic(GOLD)])

        async def settled() -> bool:
            dlq, gold = await admin.describe_topics([names.topic(DLQ), names.topic(GOLD)])
            return bool(gold["error_code"]) and [each["leader"] >= 0 for each in dlq["partitions"]] == [True] * 13

        await eventually(settled, "the broker's new view")
    found = await by_topic(k2)
    lasting = "retention.ms is -1, not"  # as these tests want it
    assert found[names.topic(DLQ)]["contract"] == f"13 partitions, not 12; {lasting} 7776000000"
    assert found[names.topic(EVENTS)]["contract"] == f"{lasting} 2592000000"
    assert found[names.topic(SYMBOLS)]["contract"] == "ok"
    assert found[names.topic(GOLD)]["contract"] == "it does not exist: run 'k2 init'"
    assert f"{names.topic(DLQ)} differs from its contract: 13 partitions, not 12" in (await k2("topics", "dlq")).stdout


async def test_lag_is_a_line_for_each_group_and_topic(
    trades: int, k2: K2, run_settings: RunSettings, names: Names
) -> None:
    """As a table and as JSON."""
    await read_up_to(run_settings, names.group("silver"), KRAKEN, 30)
    (line,) = json.loads((await k2("lag", "--json")).stdout)
    assert (line["group"], line["topic"], line["lag"]) == (names.group("silver"), names.topic(KRAKEN), 50)
    _, shown = (await k2("lag")).stdout.splitlines()
    assert shown.split()[:3] == [names.group("silver"), names.topic(KRAKEN), "50"]


async def test_tail_shows_the_newest_committed_records(trades: int, k2: K2, names: Names) -> None:
    """Decoded, the oldest first, with their origin in words."""
    shown = [json.loads(line) for line in (await k2("tail", KRAKEN, "-n", "45", "--json")).stdout.splitlines()]
    assert [row["value"]["trade_id"] for row in shown] == [str(n) for n in (*range(35, 40), *range(60, 100))]
    assert shown[0].keys() == {"topic", "partition", "offset", "key", "time", "headers", "value"}
    assert shown[0]["headers"]["k2-origin"]["source"] == "socket"
    (place, origin, fields) = (await k2("tail", KRAKEN, "-n", "1")).stdout.splitlines()
    assert place.startswith(f"{names.topic(KRAKEN)}[{HOME}]@101")
    assert origin.startswith("  k2-origin: source socket, received 2025-")
    assert "price 105433.60000000" in fields


async def test_tail_takes_what_is_meant(trades: int, k2: K2) -> None:
    """By a condition, from an offset or a time, of a partition or a symbol; what is not there is said."""

    async def ids(*arguments: str) -> list[int]:
        lines = (await k2("tail", KRAKEN, "--json", *arguments)).stdout.splitlines()
        return [json.loads(line)["value"]["source_sequence"] for line in lines]

    assert await ids("--where", "trade_id < 3 and side == 'BUY'") == [0, 1, 2]
    assert await ids("--from", "35", "-n", "7") == [35, 36, 37, 38, 39, 60, 61]
    assert await ids("--from", "1d", "-n", "2") == [0, 1]
    assert await ids("-n", "2", "--partition", str(HOME), "--symbol", "KRAKEN:BTC/USDT") == [98, 99]
    assert await ids("--key", "BTC/USDT") == []
    assert "price may be meant" in (await k2("tail", KRAKEN, "--where", "prise > 1", code=2)).stderr
    assert (await k2("tail", DLQ, "--where", "prise > 1")).stderr == "no such record\n"
    assert (await k2("tail", KRAKEN, "--partition", str((HOME + 1) % 12))).stderr == "no such record\n"
    assert "has 0 to 11" in (await k2("tail", KRAKEN, "--partition", "12", code=2)).stderr
    assert "means none of" in (await k2("tail", "nonsense", code=2)).stderr
    assert (
        "'btc-usd' is not a symbol of an exchange" in (await k2("tail", KRAKEN, "--symbol", "btc-usd", code=2)).stderr
    )


async def test_tail_from_a_time_shows_nothing_older(trades: int, k2: K2) -> None:
    """The transactions ended after the time that their records bear, so the broker names a place before older ones."""
    lines = (await k2("tail", KRAKEN, "--json")).stdout.splitlines()
    newest = json.loads(lines[-1])["time"]
    later = datetime.fromisoformat(newest) + timedelta(milliseconds=1)
    found = (await k2("tail", KRAKEN, "--json", "--from", newest)).stdout.splitlines()
    assert [json.loads(line)["time"] for line in found] == [newest]
    assert (await k2("tail", KRAKEN, "--from", later.isoformat())).stderr == "no such record\n"


@pytest.mark.usefixtures("topics")
async def test_several_topics_are_merged_by_time(k2: K2, run_settings: RunSettings, names: Names) -> None:
    """A pattern means them; frames and JSON are shown as what they are."""
    raw = RAW.format(exchange="kraken")
    said = [Outgoing(EVENTS, b"e", b'{"kind": 1}', 2_000, ()), Outgoing(raw, b"r", b"no json", 1_000, ())]
    await write(run_settings, names, said)
    lines = (await k2("tail", "market.*[ew]*", "--json")).stdout.splitlines()
    assert [json.loads(line)["value"] for line in lines] == ["no json", {"kind": 1}]


async def test_tail_follows_what_comes_and_ends_with_its_reader(
    trades: int, run_settings: RunSettings, names: Names
) -> None:
    """A closed pipe ends it without a word."""
    environment = {**os.environ, "K2_PREFIX": names.prefix}
    command = [*COMMAND, "tail", KRAKEN, "-n", "1", "--follow", "--json"]
    child = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=2**20
    )
    assert child.stdout is not None
    assert child.stderr is not None
    assert json.loads(await child.stdout.readline())["value"]["trade_id"] == "99"
    for number in (200, 201):
        await write(run_settings, names, [Outgoing(KRAKEN, trade().key, value(trade(trade_id=number), trades), 1, ())])
        assert json.loads(await child.stdout.readline())["value"]["trade_id"] == str(number)
    child._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
    for number in range(300, 400):
        await write(run_settings, names, [Outgoing(KRAKEN, trade().key, value(trade(trade_id=number), trades), 1, ())])
        if child.returncode is not None:
            break
    assert (await child.stderr.read(), await child.wait()) == (b"", 141)
