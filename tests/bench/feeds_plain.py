"""What people write first: ``websockets``, ``json`` and fastavro, into batches like ours."""

import asyncio
import io
import json
import time
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from aiokafka import TopicPartition
from fastavro import parse_schema, schemaless_writer

from k2_shared.core.contracts import trade_schema
from k2_shared.core.origin import HEADER, Origin
from k2_shared.core.trade import Exchange
from k2_shared.feed.publish.backlog import Backlog, PublisherLimits
from k2_shared.feed.publish.publisher import PartitionBatcher, ProducerBatch
from k2_shared.kafka.topics import BRONZE, RAW, Names, partition_for

_SCHEMA = parse_schema(trade_schema())
_QUANTUM = Decimal("0.00000001")
LINGER_S = 0.005
MOST = 20_000


class Plain:
    """Reads, encodes and writes one venue's frames."""

    def __init__(self, exchange: Exchange, names: Names, symbols: dict[str, str], prefix: bytes, sender: Any) -> None:
        self._exchange: Exchange = exchange
        self._names = names
        self._prefix = prefix
        self._sender = sender
        self._symbols = {native: symbol for symbol, native in symbols.items()}
        self._backlog = Backlog(PublisherLimits())
        self._moved = asyncio.Event()
        self._batchers: dict[tuple[str, str], PartitionBatcher] = {}

    def parse(self, frame: str) -> list[dict[str, Any]]:
        """The twelve fields of each trade of a frame, but the time of its receipt."""
        if self._exchange == "BINANCE":
            return [self._binance(json.loads(frame)["data"])]
        return [self._kraken(row) for row in json.loads(frame, parse_float=Decimal)["data"]]

    def encode(self, record: dict[str, Any]) -> bytes:
        """A record's value."""
        buffer = io.BytesIO()
        buffer.write(self._prefix)
        schemaless_writer(buffer, _SCHEMA, record)
        return buffer.getvalue()

    def take(self, frame: str, number: int) -> int:
        """Append a frame and its trades; returns how many."""
        now_ns = time.time_ns()
        headers = [(HEADER, Origin(now_ns, 1, number).pack())]
        records = self.parse(frame)
        self._append("raw", records[0]["symbol"], frame.encode(), now_ns, headers)
        for record in records:
            record["ingestion_timestamp"] = now_ns // 1_000
            self._append("bronze", record["symbol"], self.encode(record), now_ns, headers)
        return len(records)

    async def send(self) -> None:
        """Send what has gathered, every few milliseconds, until cancelled."""
        while True:
            await asyncio.sleep(LINGER_S)
            await self._send()

    async def settled(self, most: int) -> None:
        """Wait until no more records than that are unacknowledged."""
        while self._backlog.records > most:
            self._moved.clear()
            await self._moved.wait()

    async def _send(self) -> None:
        for batcher in {id(batcher): batcher for batcher in self._batchers.values()}.values():
            if batcher.waits:
                batch = batcher.depart()
                sent = await self._sender.send_batch(batch.builder, batcher.at.topic, partition=batcher.at.partition)
                sent.add_done_callback(partial(self._arrived, batcher, batch))

    def _arrived(self, batcher: PartitionBatcher, batch: ProducerBatch, done: "asyncio.Future[Any]") -> None:
        done.result()
        batcher.arrive(batch)
        self._moved.set()

    def _append(self, kind: str, symbol: str, value: bytes, now_ns: int, headers: list[tuple[str, bytes]]) -> None:
        batcher = self._batchers.get((kind, symbol)) or self._batcher(kind, symbol)
        batcher.append(now_ns // 1_000_000, f"{self._exchange}:{symbol}".encode(), value, headers)

    def _batcher(self, kind: str, symbol: str) -> PartitionBatcher:
        topic = (RAW if kind == "raw" else BRONZE).format(exchange=self._exchange.lower())
        partition = partition_for(f"{self._exchange}:{symbol}".encode(), self._names.contract(topic).partitions)
        at = TopicPartition(self._names.topic(topic), partition)
        same = (batcher for batcher in self._batchers.values() if batcher.at == at)
        batcher = next(same, None) or PartitionBatcher(topic, at, self._backlog, self._sender.create_batch)
        self._batchers[kind, symbol] = batcher
        return batcher

    def _binance(self, data: dict[str, Any]) -> dict[str, Any]:
        side = "SELL" if data["m"] else "BUY"
        said = {"event_time": str(data["E"]), "best_match": str(data["M"]).lower()}
        time_us = data["T"] * 1_000
        return self._record(self._symbols[data["s"]], data["t"], time_us, (data["p"], data["q"]), side, said)

    def _kraken(self, row: dict[str, Any]) -> dict[str, Any]:
        time_us = round(datetime.fromisoformat(row["timestamp"]).timestamp() * 1e6)
        amounts, said = (row["price"], row["qty"]), {"ord_type": row["ord_type"]}
        return self._record(row["symbol"], row["trade_id"], time_us, amounts, row["side"].upper(), said)

    def _record(
        self, symbol: str, number: int, time_us: int, amounts: tuple[Any, Any], side: str, said: dict[str, str]
    ) -> dict[str, Any]:
        price, quantity = amounts
        return {
            "message_id": f"{self._exchange}:{symbol}:{number}",
            "trade_id": str(number),
            "symbol": symbol,
            "exchange": self._exchange,
            "timestamp": time_us,
            "price": Decimal(price).quantize(_QUANTUM),
            "quantity": Decimal(quantity).quantize(_QUANTUM),
            "currency": symbol.split("/")[1],
            "side": side,
            "source_sequence": number,
            "ingestion_timestamp": 0,
            "vendor_data": said,
        }
