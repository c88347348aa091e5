"""Environment variables that nothing of ours reads, though they are called almost like one that something does."""

import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from k2_shared.core import contracts

# difflib's ratio: 1 is the same text. One wrong, missing, doubled or exchanged character of FEED_SOCKETS gives 0.91 or
# more; two settings of ours that differ are 0.87 alike at most, but SIM_SEED and SIM_SPEED. See decision 0012.
_CERTAIN = 0.9
_LIKELY = 0.75
# Set in every container of a cluster, of each of its services.
_OF_KUBERNETES = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)$")


@dataclass(frozen=True, slots=True)
class Misspelling:
    """A variable that is set and not read, and what may be meant; its value is not told: it may be secret."""

    given: str
    meant: tuple[str, ...]
    is_clear: bool

    def __str__(self) -> str:
        return f"{self.given} is read by nothing: {' or '.join(self.meant)} may be meant: rename it, or remove it"


def misspellings(environment: Iterable[str] = os.environ) -> list[Misspelling]:
    """The misspelt names of an environment, in order.

    Clear are those below a word that is ours alone, that are very near to a setting: no other software has such a one.
    """
    known = contracts.variables()
    names = sorted({name.upper() for name in environment} - known.names)
    found = (_misspelling(name) for name in names if not _OF_KUBERNETES.search(name))
    return [each for each in found if each]


def clear_misspellings(of: Collection[str]) -> list[Misspelling]:
    """Those of this process's environment that can be nothing else than one of some settings."""
    return [each for each in misspellings() if each.is_clear and not set(each.meant).isdisjoint(of)]


def _misspelling(name: str) -> Misspelling | None:
    known, word = contracts.variables(), _first_word(name)
    alike = tuple(each for each in known.names if _first_word(each) in _words_like(word))
    is_own = word in known.own_words
    meant = tuple(get_close_matches(name, alike, n=2, cutoff=_LIKELY if is_own else _CERTAIN))
    clear = is_own and get_close_matches(name, known.settings & set(alike), n=2, cutoff=_CERTAIN)
    return Misspelling(name, tuple(clear) if clear else meant, bool(clear)) if meant else None


@cache
def _words_like(word: str) -> frozenset[str]:
    """The first words of ours that one may be meant for; AWS_REGION is no S3_REGION, and LOGLEVEL is Python's."""
    return frozenset(get_close_matches(word, {_first_word(each) for each in contracts.variables().names}, 3, _LIKELY))


def _first_word(name: str) -> str:
    return name.partition("_")[0]
