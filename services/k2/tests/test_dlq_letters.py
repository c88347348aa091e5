"""Dead letters as values: what is read of them, what they are sent as, and what a transform may do."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k2.dlq import summary
from k2.dlq.description import describe
from k2.dlq.letter import Letter, Place
from k2.dlq.replay import Counts, Parcel, replay
from k2.dlq.transform import Transform
from k2_shared.core.errors import ConfigError, InvalidRecord
from k2_shared.core.records import Outgoing
from k2_shared.kafka.dlq import ATTEMPT, Refuser, StageName
from k2_shared.kafka.topics import BRONZE, DLQ, RAW, Names, partition_for
from k2_support.records import ORIGIN, FakeRecord, trade, value

NAMES = Names("run1.")
KRAKEN = BRONZE.format(exchange="kraken")
TRADE = trade()


def refused(
    record: FakeRecord | None = None, stage: StageName = "silver", reason: str = "price_not_positive"
) -> Outgoing:
    """A record as a stage writes it to the dead-letter topic."""
    record = record or FakeRecord(TRADE.key, value(TRADE), NAMES.topic(KRAKEN), partition=4, offset=9)
    return Refuser(stage, stage).refuse(record, InvalidRecord(reason, "the detail"))


def read(written: Outgoing, offset: int = 5) -> Letter:
    """The letter that a reader of the dead-letter topic gets."""
    record = FakeRecord(written.key, written.value, DLQ, 3, offset, written.timestamp, written.headers)
    return Letter.of(record, NAMES)


def test_a_letter_is_the_record_as_it_was_and_what_its_stage_said() -> None:
    """Its topic is the contract's name, its headers are the record's own."""
    record = FakeRecord(TRADE.key, value(TRADE), NAMES.topic(KRAKEN), partition=4, offset=9)
    letter = read(refused(record))
    assert (letter.key, letter.value, letter.timestamp, letter.headers) == (
        record.key,
        record.value,
        record.timestamp,
        record.headers,
    )
    assert (str(letter.place), letter.topic, letter.stage, letter.reason) == (
        "3:5",
        KRAKEN,
        "silver",
        "price_not_positive",
    )
    assert (letter.said["partition"], letter.said["offset"], letter.attempt) == ("4", "9", 1)


def test_a_letter_goes_out_untouched_with_its_attempt_and_the_next_refusal_counts_on() -> None:
    """No other header of the dead-letter queue goes along."""
    out = read(refused()).outgoing()
    assert out.headers == (*FakeRecord(None, None).headers, (ATTEMPT, b"1"))
    again = read(refused(FakeRecord(out.key, out.value, NAMES.topic(KRAKEN), 1, 2, out.timestamp, out.headers)))
    assert again.attempt == 2
    assert again.outgoing() == replace(out, headers=(*FakeRecord(None, None).headers, (ATTEMPT, b"2")))


def test_a_strangers_headers_are_read_without_a_failure() -> None:
    """Whoever writes to the topic, every letter can be listed and shown."""
    strange = tuple((f"k2-dlq-{name}", b"\xff\xb2") for name in ("attempt", "time", "stage", "partition"))
    letter = read(Outgoing(DLQ, None, None, 1_000, (*strange, ("k2-origin", b"?"))))
    assert (letter.topic, letter.attempt, letter.refused.timestamp()) == ("", 1, 1.0)
    assert describe(letter)["origin"].startswith("not an origin header")


@pytest.mark.parametrize("text", ["", "3", "3:", ":3", "-1:0", "3:1:2", "²:1", "9" * 20 + ":1"])
def test_what_is_not_a_place_is_refused(text: str) -> None:
    """The sentence says how a place looks."""
    with pytest.raises(ConfigError, match="PARTITION:OFFSET"):
        Place.parse(text)


def test_a_letter_goes_to_its_keys_partition_or_else_to_where_it_came_from() -> None:
    """A key decides; without one the header does."""
    letter = read(refused())
    assert letter.destination() == (KRAKEN, partition_for(TRADE.key, 12))
    assert replace(letter, key=None).destination() == (KRAKEN, 4)
    with pytest.raises(InvalidRecord, match="neither a key nor a header"):
        replace(letter, key=None, said={"partition": "12"}).destination()


@pytest.mark.parametrize("topic", [RAW.format(exchange="kraken"), "market.crypto.trades.gold", "", "nothing"])
def test_a_topic_that_no_stage_reads_is_no_destination(topic: str) -> None:
    """Raw frames are parsed by nobody again, and nothing but gold writes gold."""
    with pytest.raises(InvalidRecord, match="only a --transform"):
        replace(read(refused()), topic=topic).destination()


def test_letters_are_counted_by_stage_reason_and_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest group comes first; beyond the limit of groups all others are one."""
    monkeypatch.setattr(summary, "MAX_GROUPS", 2)
    found = summary.Summary()
    found.add(read(refused(reason=reason), offset) for offset, reason in enumerate("abbcd"))
    counted = [(g.reason, g.count, str(g.example)) for g in found.largest(10)]
    assert counted == [("(more kinds)", 2, "3:3"), ("b", 2, "3:1"), ("a", 1, "3:0")]
    assert len(found.largest(1)) == 1
    assert found.largest(1)[0].first <= found.largest(1)[0].last


def test_a_description_has_the_trade_the_origin_and_every_header() -> None:
    """Whatever schema id the value claims, it is read with it."""
    said = describe(read(refused()))
    assert (said["trade"]["message_id"], said["schema_id"]) == (TRADE.message_id, 7)
    assert (said["origin.connection"], said["origin.source"]) == (ORIGIN.connection_id, "socket")
    assert (said["dlq.detail"], said["dlq.topic"]) == ("the detail", NAMES.topic(KRAKEN))
    assert said["value"] == value(TRADE).hex()


def test_a_value_that_is_no_trade_says_why_and_a_feeds_is_text() -> None:
    """A letter can always be shown."""
    broken = replace(read(refused()), value=b"\x00")
    assert describe(broken)["undecodable"].startswith("bad_magic")
    assert describe(replace(broken, value=None))["undecodable"].startswith("null_value")
    frame = replace(broken, value=b'{"\xff', said={"stage": "feed"})
    assert describe(frame)["frame"] == '{"\\xff'


async def replayed(batches: list[list[Letter]], transform: Transform) -> tuple[Counts, list[Parcel]]:
    """Replay into a list."""
    sent: list[Parcel] = []

    async def deliver(parcels: Sequence[Parcel]) -> None:
        sent.extend(parcels)

    async def given() -> AsyncIterator[Sequence[Letter]]:
        for batch in batches:
            yield batch

    try:
        return await replay(given(), transform, deliver), sent
    except ConfigError as error:
        raise ConfigError(f"{error} / {len(sent)}") from error


async def test_every_selected_letter_is_sent_skipped_or_refused() -> None:
    """The counts add up."""
    sound = read(refused(), 1)
    left, lost = read(refused(), 2), replace(read(refused(), 3), topic="nothing")
    transform = Transform(Path("t.py"), lambda letter: None if letter is left else letter)
    counts, sent = await replayed([[sound, left], [lost]], transform)
    assert (counts.selected, counts.sent, counts.skipped_by_transform, dict(counts.refused)) == (
        3,
        1,
        1,
        {"topic_not_read": 1},
    )
    assert [parcel.letter for parcel in sent] == [sound.place]
    assert "letter 3:3: no stage reads 'nothing'" in counts.refusals["topic_not_read"]
    assert not counts.all_refused
    assert (await replayed([[lost]], Transform()))[0].all_refused


async def test_a_failing_transform_names_file_letter_and_failure_and_sends_no_part_of_a_batch() -> None:
    """Whole batches before it stay sent."""

    def fails(letter: Letter) -> Any:
        return letter if letter.place.offset < 4 else 1 / 0

    letters = [read(refused(), offset) for offset in range(1, 6)]
    told = r"t\.py failed at letter 3:4: ZeroDivisionError.*; 2 letters were sent before, in whole batches / 2"
    with pytest.raises(ConfigError, match=told):
        await replayed([letters[:2], letters[2:]], Transform(Path("t.py"), fails))
    with pytest.raises(ConfigError, match="gave str for letter 3:1"):
        await replayed([letters], Transform(Path("t.py"), str))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "there is no such file"),
        ("x = 1", "has no function 'transform'"),
        ("def transform(", "SyntaxError"),
        ("import nothing_like_it", "ModuleNotFoundError"),
    ],
)
def test_a_file_without_a_transform_is_refused_by_name(text: str | None, told: str, tmp_path: Path) -> None:
    """The file and what is wrong with it are named."""
    file = tmp_path / "repair.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=f"repair.py.*{told}"):
        Transform.load(file)
