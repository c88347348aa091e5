"""Frames that no venue should send, for parsers to survive. Pure: a random generator chooses."""

import json
from collections.abc import Callable, Mapping
from random import Random

DEPTH = 5_000
_FIELDS = ("channel", "type", "data", "stream", "e", "s", "t", "p", "q", "T", "symbol", "price", "qty", "trade_id")
# no number and no truth value: a frame must not turn into another trade, which would be a lie and no garbage
_WRONG: tuple[object, ...] = (None, "", "NaN", "\u0000", [], {}, [[]])
_STOP_HERE = 0.3


def _noise(_frame: str, random: Random) -> str:
    return "".join(chr(random.randrange(32, 0x2FFF)) for _ in range(random.randrange(1, 400)))


def _truncated(frame: str, random: Random) -> str:
    return frame[: random.randrange(len(frame))]


def _wrong_types(frame: str, random: Random) -> str:
    """A trade frame in which one value, at any depth, is of another type."""
    found = json.loads(frame)
    place = found
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = random.choice([each for each in keys if each in _FIELDS or isinstance(each, int)] or keys)
        below = place[key]
        if not isinstance(below, dict | list) or not below or random.random() < _STOP_HERE:
            place[key] = random.choice(_WRONG)
            return json.dumps(found, separators=(",", ":"))
        place = below


def _deep(_frame: str, random: Random) -> str:
    opening, closing = random.choice([("[", "]"), ('{"data":', "}")])
    return f"{opening * DEPTH}1{closing * DEPTH}"


def _huge_number(_frame: str, random: Random) -> str:
    return f'{{"channel":"trade","data":{{"t":{"9" * random.randrange(400, 6_000)},"p":1e{random.randrange(10**6)}}}}}'


FORMS: Mapping[str, Callable[[str, Random], str]] = {
    "noise": _noise,
    "truncated": _truncated,
    "wrong_types": _wrong_types,
    "deep_nesting": _deep,
    "huge_number": _huge_number,
}


def fuzzed(frame: str, random: Random, form: str | None = None) -> str:
    """A frame of the form (a random one without), made from a true trade frame.

    It is no trade: a wrong type never leaves a whole one, and no id in it is that of another trade.
    """
    return FORMS[form or random.choice(list(FORMS))](frame, random)
