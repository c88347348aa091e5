"""What is known of a letter that was replayed: its attempts, its state, and that they are one letter."""

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from services.k2.tests.dead_letters import NAMES, again, found, histories, letter_id, refused

from k2.dlq import replays, summary
from k2.dlq.history import Standing
from k2.dlq.letter import LetterId, Place
from k2.dlq.replays import Replay
from k2_shared.core import contracts
from k2_shared.core.errors import InvalidRecord
from k2_shared.kafka.dlq import ATTEMPT, LETTER
from k2_shared.kafka.topics import REPLAYS
from k2_support.records import FakeRecord

LETTER_5 = letter_id(5)
NAME = str(LETTER_5).encode()
FIRST = found(refused(), 5)
SECOND, THIRD = again(FIRST, LETTER_5, 1, 8), again(FIRST, LETTER_5, 2, 2, partition=7)
ELSEWHERE = LetterId(Place(3, 5), "00000000-0000-4000-8000-000000000000")


def replayed(attempt: int) -> Replay:
    """A replay that was that attempt."""
    return Replay(at=1_762_795_434_000_000, attempt=attempt, to="market.crypto.trades.kraken")


def test_a_letter_that_was_never_replayed_waits() -> None:
    """It has the attempts that it says itself, as one that was refused before letters were known by a name."""
    known = histories(FIRST)
    assert known.standing(FIRST) == Standing(1, "waiting")
    old = found(refused(FakeRecord(b"k", b"v", NAMES.topic("t"), headers=((ATTEMPT, b"4"),))), 6)
    assert known.standing(old) == Standing(5, "waiting")
    assert known.is_letter(old)


def test_refusals_of_replays_are_attempts_of_the_same_letter() -> None:
    """In whichever partition they lie, and in whichever order they are read."""
    for order in ((FIRST, SECOND, THIRD), (THIRD, SECOND, FIRST)):
        known = histories(*order)
        known.note(LETTER_5, replayed(3))
        assert [known.is_letter(each) for each in (FIRST, SECOND, THIRD)] == [True, False, False]
        standing = Standing(3, "refused_again", replayed(3), Place(7, 2))
        assert [known.standing(each) for each in (FIRST, SECOND, THIRD)] == [standing] * 3


def test_a_replay_that_was_not_refused_is_replayed_until_it_is() -> None:
    """The last attempt decides; without the record of a replay its refusals tell of it."""
    known = histories(FIRST, SECOND)
    assert known.standing(FIRST) == Standing(2, "refused_again", None, Place(3, 8))
    known.note(LETTER_5, replayed(3))
    assert known.standing(FIRST) == Standing(3, "replayed", replayed(3), Place(3, 8))
    known.take(THIRD)
    assert known.standing(FIRST).state == "refused_again"


def test_where_the_first_refusal_is_deleted_the_first_that_is_left_stands_for_the_letter() -> None:
    """So no letter is out of sight: also where the topic of its first refusal was made anew."""
    known = histories(SECOND, THIRD, start=6)
    assert [known.is_letter(each) for each in (SECOND, THIRD)] == [True, False]
    before = [again(FIRST, ELSEWHERE, attempts, 10 + attempts) for attempts in (1, 2)]
    known = histories(FIRST, *before)
    assert [known.is_letter(each) for each in (FIRST, *before)] == [True, True, False]
    assert (known.standing(FIRST).state, known.standing(before[1]).attempts) == ("waiting", 3)


@pytest.mark.parametrize("name", ["3:100", "12:1"])
def test_a_refusal_that_names_a_letter_that_never_was_is_its_own(name: str) -> None:
    """Whoever wrote the header."""
    known = histories()
    headers = ((LETTER, str(letter_id(5)).replace("3:5", name).encode()),)
    stranger = found(refused(FakeRecord(b"k", b"v", NAMES.topic("t"), headers=headers)), 9)
    assert stranger.first is not None
    assert known.id_of(stranger) == letter_id(9)
    assert known.is_letter(stranger)


def test_as_they_come_each_letter_is_counted_once() -> None:
    """By its first refusal, or where that is deleted by the first that is read."""
    known = histories(start=6)
    assert [known.take(each) for each in (found(refused(), 7), SECOND, THIRD)] == [True, True, False]
    known = histories()
    assert [known.take(each) for each in (SECOND, FIRST, THIRD)] == [False, True, False]


def test_replays_of_letters_that_are_gone_can_be_forgotten() -> None:
    """Gone is what Kafka has no refusal of any more, by its offset or its topic."""
    known = histories(SECOND, start=6)
    for of in (letter_id(5), letter_id(4), letter_id(6), ELSEWHERE):
        known.note(of, replayed(2))
    assert set(known.gone()) == {letter_id(4), ELSEWHERE}
    known.note(ELSEWHERE, None)
    assert set(known.gone()) == {letter_id(4)}


def test_letters_are_counted_by_stage_reason_and_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest group comes first; beyond the limit of groups all others are one."""
    monkeypatch.setattr(summary, "MAX_GROUPS", 2)
    counted = summary.Summary()
    for offset, reason in enumerate("abbcd"):
        counted.add(found(refused(reason=reason), offset), Standing(2, "refused_again", replayed(2)))
    groups = counted.largest(10)
    assert [(g.reason, g.letters, g.attempts, str(g.example)) for g in groups] == [
        ("(more kinds)", 2, 4, "3:3"),
        ("b", 2, 4, "3:1"),
        ("a", 1, 2, "3:0"),
    ]
    assert len(counted.largest(1)) == 1
    assert groups[0].first <= groups[0].last
    assert (groups[0].shown()["refused_again"], groups[0].shown()["last_replay"]) == (
        2,
        "2025-11-10T17:23:54.000+00:00",
    )
    assert counted.told() == "5 letters, 10 attempts: 0 waiting, 0 replayed, 5 refused again"


def schema() -> Any:
    """The JSON Schema that the topic's contract names."""
    contract = yaml.safe_load((contracts.ROOT / f"topics/{REPLAYS}.yaml").read_text(encoding="utf-8"))
    return json.loads((contracts.ROOT / contract["value"]["json_schema"]).read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", contracts.topics()[REPLAYS].examples)
def test_what_says_that_a_letter_was_replayed_is_as_its_contract_says(path: str) -> None:
    """It is written as the example is, and read back."""
    example = contracts.example(path)
    Draft202012Validator(schema()).validate(example["value"])
    of = LetterId.read(example["key"])
    assert of
    written = replays.outgoing(of, Replay(**example["value"]))
    assert (written.key, json.loads(written.value or b"")) == (example["key"].encode(), example["value"])
    assert replays.read(FakeRecord(written.key, written.value)) == (of, Replay(**example["value"]))
    assert replays.partition(of) == of.place.partition


@pytest.mark.parametrize("record", [(b"3:5", b"{}"), (None, b"{}"), (NAME, b"{"), (NAME, b"\xff"), (NAME, b"")])
def test_what_says_nothing_of_a_replay_is_told(record: tuple[bytes | None, bytes]) -> None:
    """It is no tombstone, which has no value."""
    with pytest.raises(InvalidRecord, match="undecodable"):
        replays.read(FakeRecord(*record))
    assert replays.read(FakeRecord(NAME, None)) == (LETTER_5, None)
