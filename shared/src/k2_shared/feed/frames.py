"""One frame to the records it becomes: pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from k2_shared.dlq import Refuser
from k2_shared.errors import InvalidRecord
from k2_shared.feed.encoder import Encode, encoder
from k2_shared.feed.protocol import Event, TradesReceived, Unreadable
from k2_shared.origin import HEADER, Origin
from k2_shared.records import Outgoing
from k2_shared.topics import BRONZE, RAW
from k2_shared.trade import Exchange, Trade, encode


@dataclass(frozen=True, slots=True)
class FrameRecords:
    """What a frame becomes: its raw record, its trades, and the refusals of those V3 cannot hold."""

    records: Sequence[Outgoing]
    refused: Sequence[InvalidRecord] = ()


class FrameWriter:
    """Turns a venue's frames into records for its topics."""

    def __init__(self, exchange: Exchange, service: str, prefix: bytes) -> None:
        self._exchange = exchange
        self.raw_topic = self._raw = RAW.format(exchange=exchange.lower())
        self.bronze_topic = self._bronze = BRONZE.format(exchange=exchange.lower())
        self._refuser = Refuser("feed", service)
        self._prefix = prefix

    def encoder(self, symbol: str) -> Encode:
        """What encodes the trades of one symbol of this venue."""
        return encoder(self._exchange, symbol, self._prefix)

    def raw(self, frame: bytes, key: bytes, origin: Origin) -> Outgoing:
        """A frame as it came."""
        return self._record(self._raw, key, frame, origin)

    def letter(self, raw: Outgoing, error: InvalidRecord) -> Outgoing:
        """The dead letter of a frame."""
        return self._refuser.refuse_frame(raw, error)

    def records(self, frame: bytes, event: Event, origin: Origin) -> FrameRecords:
        """The records of one frame; none where it carries no trades."""
        match event:
            case TradesReceived(trades):
                return self._trades(frame, trades, origin)
            case Unreadable(detail):
                raw = self._record(self._raw, self._exchange.encode(), frame, origin)
                error = InvalidRecord("unreadable_frame", detail)
                return FrameRecords([raw, self._refuser.refuse_frame(raw, error)], [error])
            case _:
                return FrameRecords([])

    def _trades(self, frame: bytes, trades: Sequence[Trade], origin: Origin) -> FrameRecords:
        raw = self._record(self._raw, trades[0].key, frame, origin)
        records, refused = [raw], []
        for trade in trades:
            try:
                value = encode(trade, origin.received_ns // 1_000, self._prefix)
            except InvalidRecord as error:
                refused.append(error)
                records.append(self._refuser.refuse_frame(raw, error))
            else:
                records.append(self._record(self._bronze, trade.key, value, origin))
        return FrameRecords(records, refused)

    def _record(self, topic: str, key: bytes, value: bytes, origin: Origin) -> Outgoing:
        return Outgoing(topic, key, value, origin.received_ns // 1_000_000, ((HEADER, origin.pack()),))
