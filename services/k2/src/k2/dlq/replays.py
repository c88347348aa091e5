"""The records that say which letters were replayed: the last replay of each."""

import msgspec

from k2.dlq.letter import LetterId
from k2_shared.core.errors import InvalidRecord
from k2_shared.core.records import Consumed, Outgoing
from k2_shared.kafka.topics import REPLAYS, Names


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """The last replay of a letter: when (µs since the epoch), as which attempt, to where, repaired by what."""

    at: int
    attempt: int
    to: str
    transform: str = ""
    transform_sha256: str = ""


_DECODER = msgspec.json.Decoder(Replay)


def outgoing(letter: LetterId, replay: Replay) -> Outgoing:
    """The record that says it."""
    return Outgoing(REPLAYS, str(letter).encode(), msgspec.json.encode(replay), replay.at // 1_000, ())


def partition(letter: LetterId) -> int:
    """Where it is written: in the partition of the letter; one of an older topic may be of none that is here."""
    return letter.place.partition % Names().contract(REPLAYS).partitions


def read(record: Consumed) -> tuple[LetterId, Replay | None]:
    """Which letter was replayed how; None where that is to be forgotten.

    Raises:
        InvalidRecord: ``undecodable``.
    """
    letter = LetterId.read((record.key or b"").decode("utf-8", "replace"))
    if letter is None:
        raise InvalidRecord("undecodable", f"{record.key!r} is no letter's name")
    try:
        return letter, None if record.value is None else _DECODER.decode(record.value)
    except (msgspec.MsgspecError, ValueError) as error:  # the second: no UTF-8
        raise InvalidRecord("undecodable", f"not a record of {REPLAYS}: {error}") from None
