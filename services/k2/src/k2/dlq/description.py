"""One letter whole, as plain values to print."""

import json
from typing import Any

from msgspec.structs import asdict

from k2.dlq.history import Standing
from k2.dlq.letter import Letter, LetterId
from k2.tail.decoding import plain
from k2_shared.core import origin
from k2_shared.core.errors import InvalidRecord
from k2_shared.core.times import iso
from k2_shared.core.trade import claimed_schema, decode_as_contract


def describe(letter: Letter, of: LetterId, standing: Standing) -> dict[str, Any]:
    """Everything a letter says, what cannot be read as the reason why, and what became of it since."""
    return {
        "at": str(letter.place),
        **_history(of, standing),
        **{f"dlq.{name}": said for name, said in letter.said.items()},
        "refused": letter.refused.isoformat(),
        "timestamp": iso(letter.timestamp * 1_000),
        **_origin(letter),
        "headers": [[name, (value or b"").hex()] for name, value in letter.headers],
        "key": letter.key and letter.key.decode("utf-8", "backslashreplace"),
        "value": letter.value and letter.value.hex(),
        **_contents(letter),
    }


def _history(of: LetterId, standing: Standing) -> dict[str, Any]:
    """Which letter it is, or is an attempt of, and how that stands."""
    return {
        "letter": str(of.place),
        "state": standing.state,
        "attempts": standing.attempts,
        "last_replay": standing.replay and {**asdict(standing.replay), "at": iso(standing.replay.at)},
        "refused_again_at": standing.last_refused and str(standing.last_refused),
    }


def _origin(letter: Letter) -> dict[str, Any]:
    packed = origin.find(letter.headers)
    try:
        found = origin.Origin.unpack(packed or b"")
    except ValueError as error:
        return {"origin": str(error) if packed else None}
    return {
        "origin.received": iso(found.received_ns // 1_000),
        "origin.connection": found.connection_id,
        "origin.frame": found.frame_number,
        "origin.source": found.source.name.lower(),
    }


def _contents(letter: Letter) -> dict[str, Any]:
    """The frame of a feed's letter, else the trade, by the schema id that the value claims."""
    value = letter.value or b""
    if letter.stage == "feed":
        return {"frame": value.decode("utf-8", "backslashreplace")}
    try:
        trade = decode_as_contract(letter.value)
    except InvalidRecord as error:
        return {"trade": None, "undecodable": str(error)}
    return {"schema_id": claimed_schema(value), "trade": plain(trade)}


def in_words(value: Any) -> str:
    """One value of a description, for people."""
    if value is None:
        return ""
    return json.dumps(value, default=str) if isinstance(value, (dict, list)) else str(value)
