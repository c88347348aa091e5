"""Dead letters for tests, as stages write them, and the command over them."""

import asyncio
from collections.abc import Iterable
from typing import Any

from typer.testing import CliRunner, Result

from k2.dlq.history import Histories
from k2.dlq.letter import Letter, LetterId, Place
from k2.main import app
from k2_shared.core.errors import InvalidRecord
from k2_shared.core.records import Consumed, Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.core.stage_names import StageName
from k2_shared.kafka.dlq import Refuser
from k2_shared.kafka.topics import BRONZE, DLQ, RAW, Names, partition_for
from k2_support.records import RECEIVED_NS, FakeRecord, trade, value
from k2_support.topics import read
from k2_support.waiting import eventually

KRAKEN = BRONZE.format(exchange="kraken")
KEY = trade().key
HOME = partition_for(KEY, 12)
NAMES = Names("run1.")
TOPIC_ID = "5f9a1d3c-8f0e-4c37-9d52-2f6f3a1f7f10"
STRIPS_A_BYTE = """
from dataclasses import replace

def transform(letter):
    return letter.value and replace(letter, value=letter.value[:-1])
"""


def refused(
    record: Consumed | None = None, stage: StageName = "silver", reason: str = "price_not_positive"
) -> Outgoing:
    """A record as a stage writes it to the dead-letter topic."""
    record = record or FakeRecord(KEY, value(trade()), NAMES.topic(KRAKEN), partition=4, offset=9)
    return Refuser(stage, stage).refuse(record, InvalidRecord(reason, "the detail"))


def found(written: Outgoing, offset: int = 5, partition: int = 3) -> Letter:
    """The letter that a reader of the dead-letter topic gets."""
    record = FakeRecord(written.key, written.value, DLQ, partition, offset, written.timestamp, written.headers)
    return Letter.of(record, NAMES)


def again(letter: Letter, of: LetterId, attempts: int, offset: int, partition: int = 3) -> Letter:
    """What is found of a letter that was replayed, after so many attempts, and refused once more."""
    sent = letter.outgoing(of, attempts)
    record = FakeRecord(sent.key, sent.value, NAMES.topic(KRAKEN), HOME, 1, sent.timestamp, sent.headers)
    return found(refused(record), offset, partition)


def histories(*refusals: Letter, start: int = 0, end: int = 100) -> Histories:
    """What is known after these refusals, of a topic whose partitions have these offsets."""
    known = Histories(TOPIC_ID, dict.fromkeys(range(12), range(start, end)))
    for letter in refusals:
        known.take(letter)
    return known


def letter_id(offset: int, partition: int = 3) -> LetterId:
    """The letter whose first refusal lies there."""
    return LetterId(Place(partition, offset), TOPIC_ID)


def letters(names: Names, count: int) -> list[Outgoing]:
    """What silver writes of so many records it refused."""
    records = [FakeRecord(KEY, value(trade(trade_id=n)), names.topic(KRAKEN), offset=n) for n in range(1, count + 1)]
    return [refused(record) for record in records]


def frame_letter() -> Outgoing:
    """What a feed writes of a frame that it cannot read."""
    frame = Outgoing(RAW.format(exchange="kraken"), KEY, b'{"frame": 1}', RECEIVED_NS // 1_000_000, ())
    return Refuser("feed", "feed_kraken").refuse_frame(frame, InvalidRecord("unreadable_frame", "no array"))


def damaged(schema_id: int, count: int) -> list[Outgoing]:
    """So many trades with a byte too many."""
    when = RECEIVED_NS // 1_000_000
    return [Outgoing(KRAKEN, KEY, value(trade(trade_id=n), schema_id) + b"\0", when, ()) for n in range(1, count + 1)]


async def k2(names: Names, *arguments: str, code: int = 0) -> Result:
    """Run ``k2 dlq`` on a test's prefix."""
    environment = {"K2_PREFIX": names.prefix}
    result = await asyncio.to_thread(CliRunner().invoke, app, ["dlq", *arguments], env=environment)
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


async def holds(settings: RunSettings, topic: str, count: int) -> list[Any]:
    """The records of a topic, once so many are visible: a moment after their commit."""
    names = Names(settings.k2_prefix)

    async def there() -> bool:
        return len(await read(settings, names, topic)) >= count

    await eventually(there, f"{count} records of {topic}")
    return await read(settings, names, topic)


def ids(records: Iterable[Any]) -> list[bytes]:
    """The values of records, sorted: each is of one trade."""
    return sorted(record.value for record in records)
