"""What a simulated venue handed to its sockets, from its oracle log."""

import json
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Handed:
    """One trade that was handed to one socket; trades of one frame share its number."""

    symbol: str
    connection: int
    frame: int
    trade_id: int
    kind: str


def handed(log: Path) -> list[Handed]:
    """Every trade, in order."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [
        Handed(line["symbol"], line["connection"], line["frame"], line["trade_id"], line["kind"])
        for line in lines
        if "trade_id" in line
    ]


def overtaken(trades: Iterable[Handed]) -> list[int]:
    """By how many later frames of its symbol each original frame was overtaken on its socket, where it was."""
    frames: dict[tuple[int, str], dict[int, int]] = {}
    for each in trades:
        if each.kind == "original":
            frames.setdefault((each.connection, each.symbol), {}).setdefault(each.frame, each.trade_id)
    return [count for of in frames.values() for count in _overtaken(list(of.values())) if count]


def _overtaken(ids: Sequence[int]) -> Iterator[int]:
    before = list[int]()
    for trade_id in ids:
        yield len(before) - bisect_left(before, trade_id)
        insort(before, trade_id)
