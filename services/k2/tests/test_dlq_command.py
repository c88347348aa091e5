"""``k2 dlq`` as an operator uses it, on the real stack, and with real agents to the end."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from k2.dlq.letter import Letter
from k2.dlq.reading import DeadLetters, Selection
from k2.dlq.replay import replay, sending
from k2.dlq.transform import Transform
from k2.main import app
from k2_shared.core.errors import Halt, InvalidRecord
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.dlq import Refuser
from k2_shared.kafka.topics import BRONZE, DLQ, GOLD, RAW, Names, partition_for
from k2_support.plugin import Agents
from k2_support.ports import free_port
from k2_support.records import RECEIVED_NS, FakeRecord, trade, value
from k2_support.topics import read, values, write
from k2_support.waiting import eventually

KRAKEN = BRONZE.format(exchange="kraken")
KEY = trade().key
HOME = partition_for(KEY, 12)
ATTEMPT_1 = ("k2-dlq-attempt", b"1")
STRIPS_A_BYTE = """
from dataclasses import replace

def transform(letter):
    return letter.value and replace(letter, value=letter.value[:-1])
"""
needs_agents = pytest.mark.skipif(
    not (find_spec("silver") and find_spec("gold")), reason="needs the agents beside the command line: make test"
)

K2 = Callable[..., Awaitable[Result]]


@pytest.fixture
def k2(run_settings: RunSettings) -> K2:
    """Run a command on this test's prefix."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["dlq", *arguments], env={"K2_PREFIX": run_settings.k2_prefix})

    async def invoke(*arguments: str, code: int = 0) -> Result:
        result = await asyncio.to_thread(run, *arguments)
        assert result.exit_code == code, result.output + repr(result.exception)
        return result

    return invoke


def letters(names: Names, count: int) -> list[Outgoing]:
    """What silver writes of so many records it refused."""
    records = [FakeRecord(KEY, value(trade(trade_id=n)), names.topic(KRAKEN), offset=n) for n in range(1, count + 1)]
    return [Refuser("silver", "silver").refuse(record, InvalidRecord("price_not_positive", "")) for record in records]


def frame_letter() -> Outgoing:
    """What a feed writes of a frame that it cannot read."""
    frame = Outgoing(RAW.format(exchange="kraken"), KEY, b'{"frame": 1}', RECEIVED_NS // 1_000_000, ())
    return Refuser("feed", "feed_kraken").refuse_frame(frame, InvalidRecord("unreadable_frame", "no array"))


async def written(settings: RunSettings, names: Names, count: int) -> list[Any]:
    """What was sent back, once at least so many records are visible: a moment after their commit."""

    async def there() -> bool:
        return len(await read(settings, names, KRAKEN)) >= count

    await eventually(there, f"{count} records")
    return await read(settings, names, KRAKEN)


async def test_list_counts_and_show_describes_what_is_there(
    topics: dict[str, int], run_settings: RunSettings, names: Names, k2: K2
) -> None:
    """From any partition, by kind; a place that holds no letter is refused with the offsets there are."""
    assert (await k2("list", "--json")).stdout == "[]\n"
    await write(run_settings, names, letters(names, 3), partition=3)
    await write(run_settings, names, [frame_letter()], partition=7)
    found = json.loads((await k2("list", "--json")).stdout)
    assert [(kind["stage"], kind["reason"], kind["topic"], kind["count"], kind["example"]) for kind in found] == [
        ("silver", "price_not_positive", KRAKEN, 3, "3:0"),
        ("feed", "unreadable_frame", RAW.format(exchange="kraken"), 1, "7:0"),
    ]
    assert "price_not_positive" not in (await k2("list", "--stage", "feed")).stdout
    shown = json.loads((await k2("show", "3:1", "--json")).stdout)
    assert (shown["trade"]["trade_id"], shown["dlq.reason"]) == ("2", "price_not_positive")
    assert '{"frame": 1}' in (await k2("show", "7:0")).stdout
    assert "partition 3 has offsets 0 to 2" in (await k2("show", "3:9", code=2)).stderr
    assert "partition 0 is empty" in (await k2("show", "0:0", code=2)).stderr
    assert "has partitions 0 to 11" in (await k2("show", "12:0", code=2)).stderr


async def test_replay_sends_what_is_meant_and_a_dry_run_nothing(
    topics: dict[str, int], run_settings: RunSettings, names: Names, k2: K2
) -> None:
    """What is not meant stays; a frame can only be sent by a transform, and where nothing else was meant it is 1."""
    await write(run_settings, names, [*letters(names, 3), frame_letter()], partition=3)
    assert "say which letters" in (await k2("replay", code=2)).stderr
    *lines, counts = map(json.loads, (await k2("replay", "--all", "--dry-run", "--json")).stdout.splitlines())
    assert lines == [{"at": f"3:{n}", "to": KRAKEN, "partition": HOME} for n in range(3)]
    assert counts == {
        "dry_run": True,
        "selected": 4,
        "sent": 3,
        "skipped_by_transform": 0,
        "refused": {"topic_not_read": 1},
    }
    assert await read(run_settings, names, KRAKEN) == []
    assert "letter 3:3: no stage reads" in (await k2("replay", "--stage", "feed", code=1)).stderr
    assert "2 selected, 2 sent" in (await k2("replay", "--at", "3:2", "--at", "3:0")).stdout
    sent = await written(run_settings, names, 2)
    assert {(r.partition, r.key, r.value, r.timestamp, r.headers) for r in sent} == {
        (HOME, KEY, value(trade(trade_id=n)), RECEIVED_NS // 1_000_000, (*FakeRecord(None, None).headers, ATTEMPT_1))
        for n in (1, 3)
    }


async def batches(*given: Sequence[Letter]) -> AsyncIterator[Sequence[Letter]]:
    """Batches as the dead-letter topic gives them."""
    for batch in given:
        yield batch


async def test_an_interrupted_replay_has_sent_whole_batches_only(
    topics: dict[str, int], run_settings: RunSettings, names: Names
) -> None:
    """Of a batch that the broker does not take, as of one whose sender was overtaken, nothing is to be seen."""
    source = DeadLetters(run_settings, names)
    await write(run_settings, names, letters(names, 3))
    (found,) = [batch async for batch in source.selected(Selection())]
    too_large = replace(found[2], value=bytes(2_000_000), topic=BRONZE.format(exchange="binance"))
    async with sending(source) as deliver:
        with pytest.raises(Halt, match=r"\d{7} bytes .* 1 letters were sent before"):
            await replay(batches(found[:1], [found[1], too_large]), Transform(), deliver)
    async with sending(source) as overtaken, sending(source):
        with pytest.raises(Halt, match="another 'k2 dlq replay'"):
            await replay(batches(found), Transform(), overtaken)
    assert values(await written(run_settings, names, 1)) == [found[0].value]


def damaged(schema_id: int) -> Outgoing:
    """A trade with a byte too many."""
    return Outgoing(KRAKEN, KEY, value(trade(trade_id=1), schema_id) + b"\0", RECEIVED_NS // 1_000_000, ())


async def attempts(settings: RunSettings, names: Names) -> list[int]:
    """The attempts of all letters."""
    return sorted(Letter.of(record, names).attempt for record in await read(settings, names, DLQ))


@needs_agents
async def test_replaying_twice_leaves_gold_as_after_once(
    topics: dict[str, int], agents: Agents, run_settings: RunSettings, names: Names, k2: K2, tmp_path: Path
) -> None:
    """A letter sent back as it is comes back with attempt 2; repaired it is in gold once, however often it is sent."""
    schema_id, repair = next(iter(topics.values())), tmp_path / "repair.py"
    repair.write_text(STRIPS_A_BYTE)
    for agent in [agents.start("silver"), agents.start("gold")]:
        agent.wait_ready()

    async def refused(expected: list[int]) -> None:
        async def there() -> bool:
            return await attempts(run_settings, names) == expected

        await eventually(there, f"letters of attempts {expected}")

    async def passed(number: int) -> Iterable[Any]:
        """Send a sound trade behind all else; what gold has when it is through."""
        sound = Outgoing(KRAKEN, KEY, value(trade(trade_id=number), schema_id), RECEIVED_NS // 1_000_000, ())
        await write(run_settings, names, [sound], HOME)

        async def there() -> bool:
            return sound.value in values(await read(run_settings, names, GOLD))

        await eventually(there, f"trade {number} in gold")
        return values(await read(run_settings, names, GOLD))

    broken = damaged(schema_id)
    await write(run_settings, names, [broken], HOME)
    await refused([1])
    await k2("replay", "--all")
    await refused([1, 2])
    for number in (2, 3):
        counts = json.loads((await k2("replay", "--stage", "silver", "--transform", str(repair), "--json")).stdout)
        assert (counts["selected"], counts["sent"]) == (2, 2)
        expected = [(broken.value or b"")[:-1], *(value(trade(trade_id=n), schema_id) for n in range(2, number + 1))]
        assert await passed(number) == expected
    assert await attempts(run_settings, names) == [1, 2]


@needs_agents
async def test_resume_lets_a_halted_agent_go_on(
    topics: dict[str, int], agents: Agents, run_settings: RunSettings, names: Names, k2: K2
) -> None:
    """Halted on a flood of broken records silver refuses nothing; told to, it refuses them and is ready again."""
    silver = agents.start("silver", BREAKER_RECORDS="100").wait_ready()
    url = f"http://127.0.0.1:{silver.web_port}"
    await write(run_settings, names, [replace(damaged(0), value=b"?")] * 400, HOME)
    await eventually(lambda: any(said.startswith("halted:") for said in silver.missing()), "the halt")
    assert await read(run_settings, names, DLQ) == []
    assert "goes on" in (await k2("resume", url)).stderr

    async def refused() -> bool:
        return len(await read(run_settings, names, DLQ)) == 400

    await eventually(refused, "400 letters")
    await eventually(lambda: not silver.missing(), "readiness")
    assert "was not halted" in (await k2("resume", url)).stderr


async def test_resume_says_where_nothing_answers_and_what_is_no_url(k2: K2) -> None:
    """A port that nothing listens on is 4, what cannot be an agent's URL is 2."""
    assert "no agent answered at" in (await k2("resume", f"http://127.0.0.1:{free_port()}", code=4)).stderr
    for url in ("127.0.0.1:6066", "file:///etc/passwd", "http://[", "http://127.0.0.1:99999"):
        assert "is not the URL" in (await k2("resume", url, code=2)).stderr
