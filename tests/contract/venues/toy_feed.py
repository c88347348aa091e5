"""A feed of a toy venue, for the tests: run under contracts that have it, it registers them and writes trades.

Each line of stdin is a frame of the toy's protocol; at the end it says under which schema id it wrote.
"""

import asyncio
import json
import sys
from decimal import Decimal

from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Exchange, Trade, encode, wire_prefix
from k2_shared.kafka.topics import BRONZE, Names, partition_for
from k2_support.records import RECEIVED_NS
from k2_support.topics import create_lasting, write


class ToyProtocol:
    """A trade is a line of JSON: exchange, symbol, id, price and quantity; every taker buys."""

    def receive(self, frame: str) -> Trade:
        """The trade of a frame."""
        exchange, symbol, trade_id, price, quantity = json.loads(frame)
        of: Exchange = exchange
        return Trade(of, symbol, trade_id, RECEIVED_NS // 1_000, Decimal(price), Decimal(quantity), "BUY")


async def feed(settings: RunSettings, frames: list[str]) -> int:
    """Write the trades of frames to bronze; returns the id of the schema that they are written with."""
    names, protocol = Names(settings.k2_prefix), ToyProtocol()
    (schema_id,) = set((await create_lasting(settings)).values())
    for trade in map(protocol.receive, frames):
        value = encode(trade, RECEIVED_NS // 1_000, wire_prefix(schema_id))
        record = Outgoing(BRONZE.format(exchange=trade.exchange.lower()), trade.key, value, 1, ())
        await write(settings, names, [record], partition_for(trade.key, 12))
    return schema_id


if __name__ == "__main__":
    sys.stdout.write(str(asyncio.run(feed(RunSettings.load(), sys.stdin.read().splitlines()))))
