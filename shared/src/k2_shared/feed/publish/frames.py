"""Makes records of a venue's frames; no I/O."""

from k2_shared.core.errors import InvalidRecord
from k2_shared.core.origin import HEADER, Origin
from k2_shared.core.records import Outgoing
from k2_shared.core.trade import Exchange
from k2_shared.feed.publish.encoder import Encode, encoder
from k2_shared.kafka.dlq import Refuser
from k2_shared.kafka.topics import BRONZE, RAW


class FrameWriter:
    """Makes a venue's records; ``raw_topic`` and ``bronze_topic`` are where they go, by the contracts' names."""

    def __init__(self, exchange: Exchange, service: str, prefix: bytes) -> None:
        self.raw_topic = RAW.format(exchange=exchange.lower())
        self.bronze_topic = BRONZE.format(exchange=exchange.lower())
        self._exchange = exchange
        self._refuser = Refuser("feed", service)
        self._prefix = prefix

    def encoder(self, symbol: str) -> Encode:
        """The encoder of one symbol's trades."""
        return encoder(self._exchange, symbol, self._prefix)

    def raw(self, frame: bytes, key: bytes, origin: Origin) -> Outgoing:
        """The raw record of a frame, byte for byte; its timestamp is its receipt in ms."""
        return Outgoing(self.raw_topic, key, frame, origin.received_ns // 1_000_000, ((HEADER, origin.pack()),))

    def letter(self, raw: Outgoing, error: InvalidRecord) -> Outgoing:
        """The dead letter of a frame."""
        return self._refuser.refuse_frame(raw, error)
