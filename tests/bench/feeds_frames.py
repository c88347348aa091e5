"""Recorded trades as the frames of a venue's socket, as many as are asked for."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count, islice

from exchange_sim.model import Recording
from exchange_sim.recordings import DIALECTS, PACKAGED, load
from k2_shared.core.trade import Exchange


@dataclass(frozen=True)
class Frames:
    """A venue's frames in the order they are sent, and the trades in them."""

    payloads: list[bytes]
    trades: int


def symbols(exchange: Exchange) -> dict[str, str]:
    """The recorded symbols of a venue, canonical to its own."""
    found = [recording.instrument for recording in load(PACKAGED) if recording.instrument.venue == exchange]
    return {instrument.symbol: instrument.native for instrument in found}


def frames(exchange: Exchange, trades: int) -> Frames:
    """At least so many recorded trades; where a recording ends it begins anew with the ids that follow."""
    payloads, taken = list[bytes](), 0
    streams = [_endless(recording) for recording in load(PACKAGED) if recording.instrument.venue == exchange]
    while taken < trades:
        for stream in streams:
            for payload, size in islice(stream, 10):
                payloads.append(payload)
                taken += size
    return Frames(payloads, taken)


def _endless(recording: Recording) -> Iterator[tuple[bytes, int]]:
    """Frames with the number of trades in each, for ever, ids without a hole."""
    dialect, known = DIALECTS[recording.instrument.venue], recording.trades
    first = known[0].trade_id
    for turn in count():
        numbered = [replace(t, trade_id=first + turn * len(known) + n) for n, t in enumerate(known)]
        renewed = [dialect.rewrite(trade) for trade in numbered]
        for group in dialect.group(renewed):
            sent = [renewed[n] for n in group]
            yield dialect.frame(recording.instrument, sent).encode(), len(sent)
