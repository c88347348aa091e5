"""Arrow rows of the warm tier's tables, a batch of Kafka records at a time; a row is a function of its record alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from k2_shared.arrow.arrays import TEXT, days, times
from k2_shared.arrow.envelopes import envelopes
from k2_shared.arrow.letters import letters
from k2_shared.arrow.tables import quote_volume
from k2_shared.arrow.trades import TRADE_ROWS, DecodedTrades, decode_trades, validated_trades
from k2_shared.core.contracts import WarmTableContract
from k2_shared.core.errors import Halt, InvalidRecord
from k2_shared.core.records import Consumed, RecordBatch
from k2_shared.core.trade import Schemas
from k2_shared.feed.coverage import feed_records
from k2_shared.stages.row_batch import ToRows
from warm_sink.rules import Landmark

_MILLISECONDS = pa.timestamp("ms", tz="UTC")
_DELIVERED = ("trade_id", "timestamp", "price", "quantity", "side", "source_sequence")
_VALIDATED = [name for name in TRADE_ROWS.names if name not in ("message_id", "vendor_data")]
_GAP_TEXTS = ("exchange", "symbol", "state", "cause")
_REFUSED = ("reason", "detail", "stage", "service", "version", "refused_at")
_NAMED = r"^(?P<key>.+):(?P<id>[0-9]{1,18}): "  # as a trade that no schema holds is refused
_REFUSED_FROM = ("source_topic", "source_partition", "source_offset")

Columns = dict[str, Any]
"""Arrow arrays by their columns' names."""


def of_table(contract: WarmTableContract, exchanges: Mapping[str, str], schemas: Mapping[str, Schemas]) -> ToRows:
    """How the rows of a table are made.

    ``exchanges`` has the venue of each topic that is one venue's, ``schemas`` those that a topic's trades may be
    written with.
    """
    match contract.rows:
        case "frame":
            return lambda batch: _frames(batch, exchanges)
        case "delivery":
            return lambda batch: _deliveries(batch, exchanges, schemas)
        case "trade":
            return lambda batch: _trades(batch, schemas)
        case "trade_once":
            return lambda batch: _trades(batch, schemas, "message_id")
        case "letter":
            return lambda batch: _letters(batch, schemas)
    return _gaps


def by_days(rows: pa.Table, column: str | None, most: int) -> Iterator[pa.Table]:
    """The rows in pieces of so many days of a column at most: each day is a part on the server's disk."""
    if column is None:
        yield rows
        return
    found, numbers = np.unique(np.asarray(days(rows[column]).cast(pa.int32())), return_inverse=True)
    for first in range(0, len(found), most):
        inside = (numbers >= first) & (numbers < first + most)
        yield rows if inside.all() else rows.filter(pa.array(inside))


def landmark(rows: pa.Table, partition_by: str | None, received: range) -> Landmark | None:
    """The row by which a table is known again: of those received within a time (us) the last; None if there is none.

    Its columns are those by which ClickHouse finds it without reading much.
    """
    names = rows.column_names
    when = rows["ingestion_timestamp" if "ingestion_timestamp" in names else "at"].cast(pa.int64()).to_numpy()
    when = np.where((when >= received.start) & (when < received.stop), when, -1)
    at = int(when.argmax())
    if when[at] < 0:
        return None
    times = [partition_by] if partition_by else []
    return Landmark(
        {name: rows[name][at].as_py() for name in ("exchange", "symbol", "kafka_topic") if name in names},
        {name: rows[name][at].as_py() for name in ("kafka_partition", "kafka_offset")},
        {name: rows[name][at].cast(pa.int64()).as_py() for name in times},
    )


def _frames(batch: RecordBatch, exchanges: Mapping[str, str]) -> pa.Table:
    envelope = envelopes(batch)
    return pa.table(
        {**_sources(batch, exchanges), "frame": _payloads(envelope), **_received(envelope), **_places(envelope)}
    )


def _deliveries(batch: RecordBatch, exchanges: Mapping[str, str], schemas: Mapping[str, Schemas]) -> pa.Table:
    """Rows of bronze: the trade's columns are null where it cannot be decoded."""
    envelope = envelopes(batch)
    trades = _with_gaps(decode_trades(batch, schemas), len(batch))
    return pa.table(
        {
            **_sources(batch, exchanges),
            "message_key": _keys(envelope),
            "avro_payload": _payloads(envelope),
            **{name: trades[name] for name in _DELIVERED},
            **_received(envelope),
            **_places(envelope),
        }
    )


def _with_gaps(decoded: DecodedTrades, count: int) -> pa.Table:
    """A row for each record of a batch, of nulls where it is no trade."""
    refused = np.zeros(count, np.bool_)
    refused[list(decoded.refused)] = True
    return decoded.rows.take(pa.array(np.cumsum(~refused) - 1, mask=refused))


def _trades(batch: RecordBatch, schemas: Mapping[str, Schemas], *more: str) -> pa.Table:
    """Rows of silver and gold; a record's time is when silver wrote it, and gold's has that of its silver record."""
    trades, envelope = validated_trades(batch, schemas), envelopes(batch)
    return pa.table(
        {
            **{name: trades[name] for name in (*_VALIDATED, *more)},
            "quote_volume": quote_volume(trades["price"], trades["quantity"]),
            "validated_at": envelope["kafka_timestamp"].cast(_MILLISECONDS),
            "vendor_data": _maps(trades["vendor_data"]),
            **_places(envelope),
        }
    )


def _maps(vendor_data: pa.ChunkedArray) -> pa.Array:
    """Maps, empty where there is none: the table's are never null."""
    return pc.coalesce(vendor_data, pa.scalar([], vendor_data.type))


def _letters(batch: RecordBatch, schemas: Mapping[str, Schemas]) -> pa.Table:
    """Rows of dead letters; what another writer's record does not say is empty, zero or null."""
    found = letters(batch)
    return pa.table(
        {
            **{name: found[name] for name in (*_REFUSED, *_REFUSED_FROM, "headers")},
            "attempt": found["attempt"].cast(pa.uint32()),
            "schema_id": found["schema_id"].cast(pa.uint32()),
            "message_key": _keys(found),
            "source_sequence": _refused_ids(decode_trades(batch, schemas), found),
            "value": found["value"],
            **_received(found),
            **_places(found),
        }
    )


def _refused_ids(trades: DecodedTrades, found: pa.Table) -> pa.ChunkedArray:
    """The trade id in each value; of a frame, in which no trade is read here, the one that the feed's refusal names."""
    named = pc.extract_regex(found["detail"], _NAMED)
    of_key = pc.equal(pc.struct_field(named, "key"), _keys(found))
    by_feed = pc.and_(pc.equal(found["stage"], "feed"), pc.fill_null(of_key, False))
    ids = pc.if_else(by_feed, pc.struct_field(named, "id").cast(pa.int64()), pa.scalar(None, pa.int64()))
    return pc.coalesce(_with_gaps(trades, len(found))["source_sequence"], ids)


def _gaps(batch: RecordBatch) -> pa.Table:
    found = [_gap(record) for record in batch]
    return pa.table(
        {
            **{name: pa.array([getattr(each, name) for each in found], TEXT) for name in _GAP_TEXTS},
            **{name: pa.array(_numbers(found, name)) for name in ("first_id", "last_id")},
            **{name: times(_numbers(found, name)) for name in ("opened_at", "at")},
            **_places(envelopes(batch)),
        }
    )


def _gap(record: Consumed) -> feed_records.GapRecord:
    try:
        return feed_records.gaps.read(record.value)
    except InvalidRecord as error:
        where = f"{record.topic}[{record.partition}]@{record.offset}"
        raise Halt(f"{where} should hold a gap's record but cannot be decoded: {error}") from None


def _numbers(found: Sequence[feed_records.GapRecord], name: str) -> Any:
    return np.array([getattr(each, name) for each in found], np.int64)


def _sources(batch: RecordBatch, exchanges: Mapping[str, str]) -> Columns:
    """The venue whose topic this is, and the symbol that the key names, empty where it names none."""
    keys = ((record.key or b"").decode("utf-8", "backslashreplace") for record in batch)
    return {
        "exchange": pa.array([exchanges[record.topic] for record in batch], TEXT),
        "symbol": pa.array([key.partition(":")[2] for key in keys], TEXT),
    }


def _places(envelope: pa.Table) -> Columns:
    """Where the records stand, which is what makes a row the same whenever it is inserted."""
    return {f"kafka_{name}": envelope[name] for name in ("topic", "partition", "offset")}


def _received(envelope: pa.Table) -> Columns:
    return {
        "ingestion_timestamp": envelope["ingestion_timestamp"],
        "kafka_timestamp": envelope["kafka_timestamp"].cast(_MILLISECONDS),
    }


def _keys(envelope: pa.Table) -> Any:
    return pc.fill_null(envelope["message_key"], "")


def _payloads(envelope: pa.Table) -> Any:
    return pc.fill_null(envelope["avro_payload"], b"")
