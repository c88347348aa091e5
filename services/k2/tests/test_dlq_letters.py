"""Dead letters as values: what is read of them, what they are sent as, and what a transform may do."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from services.k2.tests.dead_letters import KRAKEN, NAMES, TOPIC_ID, found, letter_id, refused

from k2.dlq.description import describe
from k2.dlq.history import Standing
from k2.dlq.letter import Letter, LetterId, Place
from k2.dlq.transform import Transform
from k2_shared.core.errors import ConfigError, InvalidRecord
from k2_shared.core.records import Outgoing
from k2_shared.kafka.dlq import ATTEMPT, LETTER
from k2_shared.kafka.topics import DLQ, RAW, partition_for
from k2_support.records import ORIGIN, FakeRecord, trade, value

TRADE = trade()


def described(letter: Letter) -> dict[str, Any]:
    """A letter that was never replayed, as it is shown."""
    return describe(letter, letter_id(5), Standing(letter.attempt, "waiting"))


def test_a_letter_is_the_record_as_it_was_and_what_its_stage_said() -> None:
    """Its topic is the contract's name, its headers are the record's own."""
    record = FakeRecord(TRADE.key, value(TRADE), NAMES.topic(KRAKEN), partition=4, offset=9)
    letter = found(refused(record))
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


def test_a_letter_goes_out_untouched_with_its_attempts_and_the_next_refusal_says_which_letter_it_is() -> None:
    """No other header of the dead-letter queue goes along."""
    of = letter_id(5)
    out = found(refused()).outgoing(of, 1)
    own = FakeRecord(None, None).headers
    assert out.headers == (*own, (LETTER, f"3:5@{TOPIC_ID}".encode()), (ATTEMPT, b"1"))
    again = found(refused(FakeRecord(out.key, out.value, NAMES.topic(KRAKEN), 1, 2, out.timestamp, out.headers)))
    assert (again.attempt, again.first, again.headers) == (2, of, own)
    assert again.outgoing(of, 2) == replace(out, headers=(*own, *out.headers[-2:-1], (ATTEMPT, b"2")))


@pytest.mark.parametrize("text", ["", "3:5", "3:5@", f"@{TOPIC_ID}", "3:5@17", f"3@{TOPIC_ID}", f"3:5:{TOPIC_ID}"])
def test_what_is_no_letters_id_names_no_letter(text: str) -> None:
    """Whoever wrote it: the refusal is a letter of its own."""
    assert LetterId.read(text) is None
    assert LetterId.read(str(letter_id(7))) == letter_id(7)


def test_a_strangers_headers_are_read_without_a_failure() -> None:
    """Whoever writes to the topic, every letter can be listed and shown."""
    strange = tuple((f"k2-dlq-{name}", b"\xff\xb2") for name in ("attempt", "time", "stage", "partition"))
    letter = found(Outgoing(DLQ, None, None, 1_000, (*strange, ("k2-origin", b"?"))))
    assert (letter.topic, letter.attempt, letter.refused.timestamp()) == ("", 1, 1.0)
    assert described(letter)["origin"].startswith("not an origin header")


@pytest.mark.parametrize("text", ["", "3", "3:", ":3", "-1:0", "3:1:2", "²:1", "9" * 20 + ":1"])
def test_what_is_not_a_place_is_refused(text: str) -> None:
    """The sentence says how a place looks."""
    with pytest.raises(ConfigError, match="PARTITION:OFFSET"):
        Place.parse(text)


def test_a_letter_goes_to_its_keys_partition_or_else_to_where_it_came_from() -> None:
    """A key decides; without one the header does."""
    letter = found(refused())
    assert letter.destination() == (KRAKEN, partition_for(TRADE.key, 12))
    assert replace(letter, key=None).destination() == (KRAKEN, 4)
    with pytest.raises(InvalidRecord, match="neither a key nor a header"):
        replace(letter, key=None, said={"partition": "12"}).destination()


@pytest.mark.parametrize("topic", [RAW.format(exchange="kraken"), "market.crypto.trades.gold", "", "nothing"])
def test_a_topic_that_no_stage_reads_is_no_destination(topic: str) -> None:
    """Raw frames are parsed by nobody again, and nothing but gold writes gold."""
    with pytest.raises(InvalidRecord, match="only a --transform"):
        replace(found(refused()), topic=topic).destination()


def test_a_description_has_the_trade_the_origin_and_every_header() -> None:
    """Whatever schema id the value claims, it is read with it; no decimal has an exponent, and no time is a number."""
    said = described(found(refused()))
    assert (said["trade"]["price"], said["trade"]["timestamp"][:4]) == ("105433.60000000", "2025")
    free = value(trade(price=Decimal(0)))
    broken = described(replace(found(refused()), value=free))
    assert broken["trade"]["price"] == "0.00000000"
    assert (said["trade"]["message_id"], said["schema_id"]) == (TRADE.message_id, 7)
    assert (said["origin.connection"], said["origin.source"]) == (ORIGIN.connection_id, "socket")
    assert (said["dlq.detail"], said["dlq.topic"]) == ("the detail", NAMES.topic(KRAKEN))
    assert said["value"] == value(TRADE).hex()


def test_a_value_that_is_no_trade_says_why_and_a_feeds_is_text() -> None:
    """A letter can always be shown."""
    broken = replace(found(refused()), value=b"\x00")
    assert described(broken)["undecodable"].startswith("bad_magic")
    assert described(replace(broken, value=None))["undecodable"].startswith("null_value")
    frame = replace(broken, value=b'{"\xff', said={"stage": "feed"})
    assert described(frame)["frame"] == '{"\\xff'


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
