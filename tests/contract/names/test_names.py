"""One word means one thing: no name of ours has a word that was given up, and shared class names are unique."""

from collections import defaultdict
from collections.abc import Mapping

import pytest
from tests.contract.names.vocabulary import Named, definitions, modules, names, unwanted

# word -> what to say instead
GONE = {
    "tape": "replay",
    "course": "timeline",
    "epoch": "feed run",
    "slot": "connection supervisor",
    "lane": "partition batcher",
    "teller": "gap log",
    "director": "symbol controller",
    "filling": "backfill worker",
    "spans": "interval set, or offset ranges",
    "hurry": "what hastens, or a deadline",
    "worn_out": "failing, or to be replaced",
    "book": "symbol tracker",
    "keeper": "housekeeping",
    "room": "capacity",
    "sole": "only",
}
# name -> why it may have such a word
ALLOWED = {
    "producer_epoch": "Kafka's own: which incarnation of a transactional producer a request is from",
    "an_offset_of_an_older_epoch_is_refused": "Kafka's own",
    "test_an_old_offset_enters_the_next_transaction_of_an_epoch": "Kafka's own",
    "test_an_old_end_commits_half_of_the_next_transaction_of_an_epoch": "Kafka's own",
    "_UNIX_EPOCH": "the start of Unix time",
}
# each is defined at most once, as a class or a type alias
UNIQUE = ("Batch", "Gap", "Limits", "Line", "Offsets", "Record", "Registry", "Stage", "Target", "Verdict")


@pytest.fixture(scope="module")
def every_name() -> list[Named]:
    return [found for path in modules() for found in names(path)]


def complaints(found: list[Named], words: Mapping[str, str]) -> list[str]:
    """A line for each name that has an old word: where it is, and what to say instead."""
    judged = ((each, unwanted(each.name, words)) for each in found if each.name not in ALLOWED)
    return sorted({f"{each.path}:{each.line}: {each.name}: say {words[word]}" for each, word in judged if word})


def test_no_name_has_a_word_that_was_given_up(every_name: list[Named]) -> None:
    """No module, class, function, argument, variable, field, log event or metric."""
    assert complaints(every_name, GONE) == []


def test_a_name_that_several_parts_could_claim_is_defined_once() -> None:
    """Whoever reads it knows what it is, without its import."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in modules():
        for each in definitions(path):
            if each.name in UNIQUE:
                found[each.name].append(f"{each.path}:{each.line}")
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


@pytest.mark.parametrize(
    "name", ["tape", "_tapes", "TapeFaults", "LIVE_TAPE", "test_a_tape_is_played", "worn_out", "WornOutSocket"]
)
def test_a_word_is_found_as_a_whole_part_of_a_name(name: str) -> None:
    """In snake case, in camel case, in capitals, in the plural, also of several parts."""
    assert unwanted(name, GONE)


@pytest.mark.parametrize("name", ["tapered", "outworn", "bookkeeping", "span", "absolute", "__slots__", "classroom"])
def test_part_of_a_word_is_no_word(name: str) -> None:
    """And what Python itself names is not ours."""
    assert unwanted(name, GONE) is None
