"""A letter is replayed once unless that is ordered again: on the real broker, with real agents, under kill -9."""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import RecordsToDelete
from services.k2.tests.dead_letters import HOME, KEY, KRAKEN, STRIPS_A_BYTE, damaged, holds, ids, k2, letters

from k2.dlq.letter import Letter
from k2.dlq.reading import DeadLetters, Selection
from k2.dlq.replay import Counts, Order, replay
from k2.dlq.sending import Sender, sending
from k2_shared.core.errors import Halt
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import BRONZE, DLQ, GOLD, REPLAYS, Names, administration, create
from k2_support.plugin import Agents
from k2_support.records import RECEIVED_NS, trade, value
from k2_support.topics import read, topics_of, values, write
from k2_support.waiting import eventually

needs_agents = pytest.mark.skipif(
    not (find_spec("silver") and find_spec("gold")), reason="needs the agents beside the command line: make test"
)
pytestmark = pytest.mark.topics(*{*topics_of("silver", "gold"), REPLAYS})
STANDS_BEFORE_ITS_COMMIT = """
import asyncio
import sys
from aiokafka import AIOKafkaProducer
from k2.main import main

async def stand(self):
    print("sent", flush=True)
    await asyncio.Event().wait()

AIOKafkaProducer.commit_transaction = stand
main()
"""


async def batches(*given: Sequence[Letter]) -> AsyncGenerator[Sequence[Letter]]:
    """Batches as the dead-letter topic gives them."""
    for batch in given:
        yield batch


async def replayed(dead: DeadLetters, sender: Sender) -> Counts:
    """Replay all letters as they stood then."""
    return await replay(dead.selected(Selection()), dead.histories, Order(), sender.deliver)


async def started(names: Names, *arguments: str) -> asyncio.subprocess.Process:
    """Python as a process of its own, whose output is read."""
    environment = {**os.environ, "K2_PREFIX": names.prefix}
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(sys.executable, *arguments, env=environment, stdout=pipe, stderr=pipe)


async def listed(names: Names) -> Any:
    """The only kind of letters there is."""
    (found,) = json.loads((await k2(names, "list", "--json")).stdout)
    return found


@pytest.mark.long
@needs_agents
async def test_twelve_letters_stay_twelve_after_three_replays_that_are_refused(
    topics: dict[str, int], agents: Agents, run_settings: RunSettings, names: Names
) -> None:
    """They have four attempts each; a replay that is not ordered again sends none of them."""
    schema_id = next(iter(topics.values()))
    agents.start("silver").wait_ready()
    await write(run_settings, names, damaged(schema_id, 12), HOME)
    await holds(run_settings, DLQ, 12)
    for attempt in (2, 3, 4):
        counts = json.loads((await k2(names, "replay", "--all", "--again", "--json")).stdout)
        assert (counts["selected"], counts["sent"], counts["unchanged"]) == (12, 12, {"trailing_bytes": 12})
        await holds(run_settings, DLQ, 12 * attempt)
        found = await listed(names)
        assert (found["letters"], found["attempts"], found["refused_again"]) == (12, 12 * attempt, 12)
    shown = json.loads((await k2(names, "show", found["example"], "--json")).stdout)
    assert (shown["attempts"], shown["state"], shown["last_replay"]["attempt"]) == (4, "refused_again", 4)
    last = json.loads((await k2(names, "show", shown["refused_again_at"], "--json")).stdout)
    assert (last["letter"], last["dlq.attempt"]) == (found["example"], "4")
    counts = json.loads((await k2(names, "replay", "--all", "--json")).stdout)
    assert (counts["selected"], counts["sent"], counts["replayed_before"]) == (12, 0, 12)
    assert len(await read(run_settings, names, DLQ)) == 48


@needs_agents
async def test_a_repaired_letter_is_in_gold_once_and_told_as_replayed(
    topics: dict[str, int], agents: Agents, run_settings: RunSettings, names: Names, tmp_path: Path
) -> None:
    """Refused as it was, then repaired from what was refused first, then once more: gold drops the repeat."""
    schema_id, repair = next(iter(topics.values())), tmp_path / "repair.py"
    repair.write_text(STRIPS_A_BYTE)
    for agent in [agents.start("silver"), agents.start("gold")]:
        agent.wait_ready()

    async def passed(number: int) -> Iterable[Any]:
        """Send a sound trade behind all else; what gold has when it is through."""
        sound = Outgoing(KRAKEN, KEY, value(trade(trade_id=number), schema_id), RECEIVED_NS // 1_000_000, ())
        await write(run_settings, names, [sound], HOME)

        async def there() -> bool:
            return sound.value in values(await read(run_settings, names, GOLD))

        await eventually(there, f"trade {number} in gold")
        return values(await read(run_settings, names, GOLD))

    (broken,) = damaged(schema_id, 1)
    await write(run_settings, names, [broken], HOME)
    await holds(run_settings, DLQ, 1)
    await k2(names, "replay", "--all")
    await holds(run_settings, DLQ, 2)
    for number in (2, 3):
        again = await k2(names, "replay", "--stage", "silver", "--again", "--transform", str(repair), "--json")
        assert (json.loads(again.stdout)["sent"], json.loads(again.stdout)["unchanged"]) == (1, {})
        expected = [(broken.value or b"")[:-1], *(value(trade(trade_id=n), schema_id) for n in range(2, number + 1))]
        assert await passed(number) == expected
    found = await listed(names)
    assert (found["letters"], found["attempts"], found["replayed"]) == (1, 4, 1)
    assert "repair.py" in (await k2(names, "replay", "--all", "--dry-run")).stdout


@pytest.mark.usefixtures("topics")
async def test_a_replay_that_is_killed_before_its_commit_has_replayed_nothing(
    run_settings: RunSettings, names: Names
) -> None:
    """Its letters were sent, and so was the record of it; whoever replays next sends each of them once."""
    await write(run_settings, names, letters(names, 7))
    killed = await started(names, "-c", STANDS_BEFORE_ITS_COMMIT, "dlq", "replay", "--all")
    assert killed.stdout
    assert await killed.stdout.readline() == b"sent\n"
    killed.kill()
    await killed.wait()
    assert len(await read(run_settings, names, KRAKEN, committed=False)) == 7
    assert len(await read(run_settings, names, REPLAYS, committed=False)) == 7
    assert "7 selected, 7 sent" in (await k2(names, "replay", "--all")).stdout
    assert "7 selected, 0 sent, 7 replayed before" in (await k2(names, "replay", "--all")).stdout
    sent = await holds(run_settings, KRAKEN, 7)
    assert ids(sent) == ids(letters(names, 7))
    assert len(await read(run_settings, names, REPLAYS)) == 7


@pytest.mark.usefixtures("topics")
async def test_whoever_replays_later_shuts_out_an_older_replay_and_sends_what_that_did_not(
    run_settings: RunSettings, names: Names
) -> None:
    """What the older one committed is known to the newer one, since it looks when the older can commit no more."""
    await write(run_settings, names, letters(names, 4))
    async with sending(run_settings, names) as older:
        before = await DeadLetters.find(run_settings, names)
        (found,) = [batch async for batch in before.selected(Selection())]
        await replay(batches(found[:1]), before.histories, Order(), older.deliver)
        async with sending(run_settings, names) as newer:
            with pytest.raises(Halt, match="another 'k2 dlq replay' has taken over; 0 letters were sent before"):
                await replayed(before, older)
            counts = await replayed(await DeadLetters.find(run_settings, names), newer)
    assert (counts.sent, counts.replayed_before) == (3, 1)
    assert ids(await holds(run_settings, KRAKEN, 4)) == ids(letters(names, 4))


@pytest.mark.long
@pytest.mark.usefixtures("topics")
async def test_of_replays_at_the_same_time_each_letter_is_sent_once(run_settings: RunSettings, names: Names) -> None:
    """Whichever of them goes through; the others end with 3, and nothing is left."""
    count = 3_000
    await write(run_settings, names, letters(names, count))
    running = [await started(names, "-m", "k2", "dlq", "replay", "--all") for _ in range(3)]
    await asyncio.gather(*(each.communicate() for each in running))
    codes = [each.returncode for each in running]
    assert set(codes) <= {0, 3}
    assert 0 in codes
    sent = await holds(run_settings, KRAKEN, count)
    assert set(Counter(ids(sent)).values()) == {1}
    assert len(sent) == count


@pytest.mark.usefixtures("topics")
async def test_an_interrupted_replay_has_sent_whole_batches_only(run_settings: RunSettings, names: Names) -> None:
    """Of a batch that the broker does not take nothing is to be seen, nor that it was replayed."""
    await write(run_settings, names, letters(names, 3))
    async with sending(run_settings, names) as sender:
        dead = await DeadLetters.find(run_settings, names)
        (found,) = [batch async for batch in dead.selected(Selection())]
        too_large = replace(found[2], value=bytes(2_000_000), topic=BRONZE.format(exchange="binance"))
        with pytest.raises(Halt, match=r"\d{7} bytes .* 1 letters were sent before"):
            await replay(batches(found[:1], [found[1], too_large]), dead.histories, Order(), sender.deliver)
    assert values(await holds(run_settings, KRAKEN, 1)) == [found[0].value]
    assert len(await read(run_settings, names, REPLAYS)) == 1


@pytest.mark.usefixtures("topics")
async def test_what_is_known_of_letters_that_kafka_has_no_more_is_forgotten_by_the_next_replay(
    run_settings: RunSettings, names: Names
) -> None:
    """Their records get a tombstone each, so that what is known stays as small as what there is."""
    await write(run_settings, names, letters(names, 3))
    await k2(names, "replay", "--all")
    async with administration(run_settings) as admin:
        at = names.partitions(DLQ)[0]
        await admin.delete_records({at: RecordsToDelete(2)})
    await k2(names, "replay", "--all")
    kept = {record.key: record.value for record in await holds(run_settings, REPLAYS, 5)}
    assert [key.partition(b"@")[0] for key, said in kept.items() if said] == [b"0:2"]
    assert (await listed(names))["replayed"] == 1
    await write(run_settings, names, [Outgoing(REPLAYS, b"0:2", b"{}", 1, ())])
    assert "1 records of replays cannot be read" in (await k2(names, "replay", "--all")).stderr
    assert len(await read(run_settings, names, REPLAYS)) == 6  # what was forgotten is not forgotten again


@needs_agents
async def test_without_the_topic_of_replays_their_refusals_tell_of_them(
    topics: dict[str, int], agents: Agents, run_settings: RunSettings, names: Names
) -> None:
    """Made anew it is empty: letters that came back stay letters of several attempts; missing, it is named."""
    agents.start("silver").wait_ready()
    await write(run_settings, names, damaged(next(iter(topics.values())), 2), HOME)
    await holds(run_settings, DLQ, 2)
    await k2(names, "replay", "--all")
    await holds(run_settings, DLQ, 4)
    async with administration(run_settings) as admin:
        await admin.delete_topics([names.topic(REPLAYS)])

        async def gone() -> bool:
            (found,) = await admin.describe_topics([names.topic(REPLAYS)])
            return bool(found["error_code"])

        await eventually(gone, "the end of the topic")
        assert f"topic {names.topic(REPLAYS)} does not exist" in (await k2(names, "list", code=2)).stderr
        await create(admin, names, [names.contract(names.topic(REPLAYS))], 1)
    found = await listed(names)
    assert (found["letters"], found["attempts"], found["refused_again"], found["last_replay"]) == (2, 4, 2, None)
    assert "2 replayed before" in (await k2(names, "replay", "--all")).stdout
