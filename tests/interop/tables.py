"""The lake's tables as the sink writes them, with what is hard to read, and what their records say of each row."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from pyiceberg.catalog import Catalog

from iceberg_sink.rows import gathered, of_table
from k2_shared.core import contracts
from k2_shared.core.contracts import TableContract
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.origin import HEADER
from k2_shared.kafka.identities import Identity
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.lake.retries import at_table
from k2_shared.lake.table import Commit, LakeTable
from k2_support.records import ORIGIN, SCHEMA_ID, SCHEMAS, FakeRecord, encoded, fields, trade

Row = dict[str, Any]
_START = datetime(1970, 1, 1, tzinfo=UTC)
_MIDNIGHT = 1_762_819_200_000_000  # of 2025-11-11, microseconds
_TIMES = (_MIDNIGHT - 1, _MIDNIGHT, _MIDNIGHT + 1, _MIDNIGHT + 3_600_000_000 - 1, _MIDNIGHT + 3_600_000_000, 0, 1)
_OLD = (*_TIMES, -1)  # of the day before 1970; a receipt and a refusal are never of then
_MOST = Decimal("9999999999.99999999")
_AMOUNTS = (_MOST, -_MOST, Decimal("0.00000001"), Decimal("0E-8"), Decimal("1.00000000"), Decimal("105433.60000001"))
_VENDOR_DATA: Sequence[Mapping[str, str] | None] = (
    None,
    {},
    {"ord_type": "limit"},
    {"b": "2", "a": "1", "": ""},
    {"币安人生": 'a "quoted" | \\ line\nand\ttab', "none": "null"},
)
_SEQUENCES = (None, 0, 2**63 - 1, -(2**63), 9, 10)
_PAYLOADS = (b"", b"\x00\x01\xfe\xff", b"|-'\"\\\n", bytes(range(256)), None, "币安人生".encode())
_KEYS = (b"KRAKEN:BTC/USDT", "BINANCE:币安人生/USDT".encode(), b"", None, b"\xff|")
_COMMITS = 3  # to a table; each has every hard value, in another combination


@dataclass(frozen=True)
class Written:
    """A table that stands in the lake, and the rows that its records say it has."""

    contract: TableContract
    namespace: str
    location: str
    rows: list[Row]

    def load(self) -> Any:
        """The table as pyiceberg has it now."""
        return iceberg.connect(LakeSettings.load()).load_table((self.namespace, self.contract.name))


def lake_tables() -> Iterator[dict[str, Written]]:
    """Every table of the contracts, filled; dropped behind the first. The body of a fixture."""
    catalog, names = iceberg.connect(LakeSettings.load()), Names(f"t{uuid4().hex[:8]}.")
    written = {name: _write(catalog, names, contract) for name, contract in contracts.tables().items()}
    yield written
    for name, each in written.items():
        catalog.drop_table((each.namespace, name))


def _write(catalog: Catalog, names: Names, contract: TableContract) -> Written:
    loaded = iceberg.create(catalog, names, contract)
    topic = contract.topics[0]
    table = LakeTable(loaded, "k2", Identity("cluster", dict.fromkeys(contract.topics, "id")), at_table(5))
    to_rows = of_table(contract, table.arrow_schema, {topic: SCHEMAS})
    batches = [_MAKERS[contract.rows](topic, number) for number in range(_COMMITS)]
    start = 0
    for batch in batches:
        records = [record for record, _ in batch]
        end = start + len(records)
        rows = gathered([to_rows(records)], contract.sort_by)
        table.commit(Commit(rows, {(topic, 0): start}, {(topic, 0): end}))
        start = end
    expected = [row for batch in batches for _, row in batch]
    return Written(contract, iceberg.namespace(names), loaded.location(), expected)


def _trades(topic: str, number: int) -> list[tuple[FakeRecord, Row]]:
    """Trades of several hours and days: what is said of each goes through the extremes at paces of its own."""
    return [_trade(topic, number * 100 + n) for n in range(60)]


def _trade(topic: str, n: int) -> tuple[FakeRecord, Row]:
    said = fields(trade(trade_id=n + 1)) | {
        "timestamp": _OLD[n % len(_OLD)] + n % 100 // 50 * 86_400_000_000,
        "price": _AMOUNTS[n % len(_AMOUNTS)],
        "quantity": _AMOUNTS[(n + 1) % len(_AMOUNTS)],
        "source_sequence": _SEQUENCES[n % len(_SEQUENCES)],
        "vendor_data": _VENDOR_DATA[n % len(_VENDOR_DATA)],
    }
    at = _moment(said["timestamp"])
    times = {name: _moment(said[name]) for name in ("timestamp", "ingestion_timestamp")}
    row = {**said, **times, "exchange_date": at.date(), "exchange_hour": at.hour}
    return FakeRecord(trade().key, encoded(said), topic, offset=n), row


def _envelopes(topic: str, number: int) -> list[tuple[FakeRecord, Row]]:
    """Records of any bytes, received on several days."""
    return [_envelope(topic, number * 100 + n) for n in range(30)]


def _envelope(topic: str, n: int) -> tuple[FakeRecord, Row]:
    received_us = _TIMES[n % len(_TIMES)]
    origin = ORIGIN._replace(received_ns=received_us * 1_000 + 999)
    key = _KEYS[n % len(_KEYS)]
    record = FakeRecord(key, _PAYLOADS[n % len(_PAYLOADS)], topic, offset=n, headers=((HEADER, origin.pack()),))
    received = _moment(received_us)
    return record, {
        "avro_payload": record.value,
        **_place(record),
        "ingestion_timestamp": received,
        "ingestion_date": received.date(),
    }


def _letters(topic: str, number: int) -> list[tuple[FakeRecord, Row]]:
    """Letters of several days, and records that say nothing of a refusal."""
    return [_letter(topic, number * 100 + n) for n in range(30)]


def _letter(topic: str, n: int) -> tuple[FakeRecord, Row]:
    said, row = _refusal(n) if n % 4 else ((), _UNSAID)
    value = _PAYLOADS[n % len(_PAYLOADS)] if n % 3 else encoded(fields(trade(trade_id=n + 1)))
    record = FakeRecord(_KEYS[n % len(_KEYS)], value, topic, offset=n, headers=said)
    place = _place(record)
    refused = row["refused_at"] or place["kafka_timestamp"]
    return record, {
        **place,
        **row,
        "value": value,
        "headers": [{"name": name, "value": data} for name, data in said],
        "schema_id": None if n % 3 else SCHEMA_ID,
        "refused_at": refused,
        "ingestion_timestamp": place["kafka_timestamp"],
        "refused_date": refused.date(),
    }


_TEXTS = ("reason", "detail", "stage", "service", "version")
_UNSAID: Row = {
    **dict.fromkeys(_TEXTS, ""),
    "attempt": 0,
    "refused_at": None,
    "source_topic": "",
    "source_partition": None,
    "source_offset": None,
}


def _refusal(n: int) -> tuple[tuple[tuple[str, bytes | None], ...], Row]:
    """The headers of a letter, one without a value and one twice, and the columns that they fill."""
    at_us = _TIMES[n % len(_TIMES)]
    texts = {name: f"{name} | 币 {n}" for name in _TEXTS}
    own = {**texts, "attempt": "2", "time": str(at_us * 1_000 + 999), "topic": "t", "partition": "3", "offset": "41"}
    headers = tuple((f"k2-dlq-{name}", text.encode()) for name, text in own.items())
    row = {
        **texts,
        "attempt": 2,
        "refused_at": _moment(at_us),
        "source_topic": "t",
        "source_partition": 3,
        "source_offset": 41,
    }
    return (*headers, ("other", None), ("other", b"\x00\xff")), row


def _place(record: FakeRecord) -> Row:
    """What the envelope of a record says."""
    key = None if record.key is None else record.key.decode("utf-8", "backslashreplace")
    return {
        "message_key": key,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "kafka_timestamp": _moment(record.timestamp * 1_000),
    }


def _moment(micros: int) -> datetime:
    return _START + timedelta(microseconds=micros)


_MAKERS = {"trade_v3": _trades, "envelope": _envelopes, "letter": _letters}
