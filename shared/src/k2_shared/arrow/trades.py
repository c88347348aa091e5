"""Trades as rows of Arrow: the fields of ``schemas/trade_v3.avsc``, exact, decoded a batch at a time.

Almost every record is decoded by column (``k2_shared.core.layout``). One that is laid out in another way is decoded
alone by ``trade.decode``, and is the same row; what that refuses is no row, and is told by its number in the batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from k2_shared.arrow.arrays import TEXT, TEXT_MAP, TIME, chosen, decimals, text_maps, texts, times
from k2_shared.core.contracts import column_type
from k2_shared.core.errors import Halt, InvalidRecord
from k2_shared.core.layout import EXCHANGE_FIELD, TRADE_FIELDS, Entries, Layout, Longs, Span, keep_texts, lay_out, words
from k2_shared.core.records import RecordBatch
from k2_shared.core.trade import DECIMAL_PRECISION, DECIMAL_SCALE, Schemas, claimed_schema, decode, fits

_DECIMAL = pa.decimal128(DECIMAL_PRECISION, DECIMAL_SCALE)
_UNSCALED_LIMIT = 10**DECIMAL_PRECISION
_ARROW_TYPES = {
    "string": TEXT,
    "long": pa.int64(),
    "timestamptz": TIME,
    f"decimal({DECIMAL_PRECISION}, {DECIMAL_SCALE})": _DECIMAL,
    "map<string, string>": TEXT_MAP,
}
TRADE_ROWS = pa.schema([(name, _ARROW_TYPES[column_type(kind)]) for name, kind in TRADE_FIELDS])
"""The columns of decoded trades."""
_DECIMALS = [field.name for field in TRADE_ROWS if field.type == _DECIMAL]


@dataclass(frozen=True, slots=True)
class DecodedTrades:
    """The trades of a batch in its order, columns as in ``TRADE_ROWS``; why the others are none, by number."""

    rows: pa.Table
    refused: Mapping[int, InvalidRecord]


def decode_trades(batch: RecordBatch, schemas: Mapping[str, Schemas]) -> DecodedTrades:
    """Decode records; ``schemas`` are what those of each topic may be written with."""
    parts, refused, start = list[pa.Table](), dict[int, InvalidRecord](), 0
    for topic, records in groupby(batch, attrgetter("topic")):
        values = [record.value for record in records]
        found = decode_values(values, schemas[topic])
        parts.append(found.rows)
        refused.update({start + number: error for number, error in found.refused.items()})
        start += len(values)
    return DecodedTrades(pa.concat_tables(parts or [TRADE_ROWS.empty_table()]), refused)


def validated_trades(batch: RecordBatch, schemas: Mapping[str, Schemas]) -> pa.Table:
    """Decode records that silver has let through, as ``decode_trades``.

    Raises:
        Halt: one is no trade, so somebody else wrote it; or one has a field that is not known here, which a row would
            lack. Says where it stands.
    """
    _check_known(batch, schemas)
    found = decode_trades(batch, schemas)
    for number, error in found.refused.items():
        record = batch[number]
        where = f"{record.topic}[{record.partition}]@{record.offset}"
        raise Halt(f"{where} should hold a validated trade but cannot be decoded: {error}")
    return found.rows


def _check_known(batch: RecordBatch, schemas: Mapping[str, Schemas]) -> None:
    newer = {
        topic: {schema_id for schema_id, each in known.items() if each and each.unknown}
        for topic, known in schemas.items()
    }
    for record in batch if any(newer.values()) else ():
        if (claimed := claimed_schema(record.value)) in newer[record.topic] and (
            schema := schemas[record.topic][claimed]
        ):
            where = f"{record.topic}[{record.partition}]@{record.offset}"
            raise Halt(
                f"{where} has fields that this version does not know ({', '.join(schema.unknown)}), and a row without "
                "them would lack them for ever: install the version of k2 that knows them; it goes on from there"
            )


def decode_values(values: Sequence[bytes | None], schemas: Schemas) -> DecodedTrades:
    """Decode record values in the registry's wire format."""
    found = lay_out(values, schemas)
    _keep_exact(found)
    rows = _by_column(found)
    if found.plain.all():
        return DecodedTrades(rows, {})
    odd, refused = _alone(values, np.flatnonzero(~found.plain).tolist(), schemas)
    numbers = [*np.flatnonzero(found.plain), *odd]
    both = pa.concat_tables([rows, _as_rows(list(odd.values()))])
    return DecodedTrades(both.take(np.argsort(numbers)), refused)


def _keep_exact(found: Layout) -> None:
    """A decimal that does not fit its type is not plain, nor is a map that may have a key twice."""
    for name in _DECIMALS:
        unscaled = found.numbers[name]
        found.plain[...] &= (unscaled > -_UNSCALED_LIMIT) & (unscaled < _UNSCALED_LIMIT)
    for entries in found.maps.values():
        keys = [(length, _beginning(found, start, length)) for (start, length), _ in entries.texts]
        for one, other in combinations(range(len(keys)), 2):
            alike = (keys[one][0] == keys[other][0]) & (keys[one][1] == keys[other][1])
            found.plain[...] &= ~alike | (other >= entries.counts)


def _beginning(found: Layout, start: Longs, length: Longs) -> Longs:
    """The first eight bytes of texts, or as many as there are, as numbers: alike if the texts are."""
    missing = 8 * (8 - np.clip(length, 1, 8))
    return (words(found.data, start) >> missing) * (length > 0)


def _by_column(found: Layout) -> pa.Table:
    """The rows that are plain; one with a text that is no UTF-8 is not, which is seen to only where one has."""
    try:
        return _plain_rows(found)
    except pa.ArrowInvalid:
        keep_texts(found, np.flatnonzero(found.plain), _text_places(found))
        return _plain_rows(found)


def _text_places(found: Layout) -> list[Span]:
    entries = [place for each in found.maps.values() for pair in each.texts for place in pair]
    return [place for name, place in found.places.items() if name not in found.maps] + entries


def _plain_rows(found: Layout) -> pa.Table:
    rows = np.flatnonzero(found.plain)
    return pa.table([column(found, rows, name, kind) for name, kind in TRADE_FIELDS], schema=TRADE_ROWS)


def column(found: Layout, rows: Longs, name: str, kind: Any) -> pa.Array:
    """A field of some of the rows that are plain, which has a type of the contract's."""
    match kind:
        case "string":
            return texts(found.data, _at(rows, found.places[name]))
        case {"symbols": symbols}:
            return _symbols(found, rows, name, symbols)
        case {"logicalType": "decimal"}:
            return decimals(found.numbers[name][rows], _DECIMAL)
        case {"logicalType": "timestamp-micros"}:
            return times(found.numbers[name][rows])
        case ["null", "long"]:
            return pa.array(found.numbers[name][rows], mask=~found.present[name][rows])
        case ["null", "string"]:
            said = texts(found.data, _at(rows, found.places[name]))
            return pc.if_else(pa.array(found.present[name][rows]), said, pa.scalar(None, TEXT))
    entries = found.maps[name]
    places = [(_at(rows, key), _at(rows, value)) for key, value in entries.texts]
    return text_maps(found.data, Entries(entries.counts[rows], places), found.present[name][rows])


def _at(rows: Longs, place: Span) -> Span:
    return place[0][rows], place[1][rows]


def _symbols(found: Layout, rows: Longs, name: str, symbols: Sequence[str]) -> pa.Array:
    """The symbols of an enum, which for the exchange are those of each row's own schema."""
    numbers = found.numbers[name][rows]
    if name != EXCHANGE_FIELD:
        return chosen(symbols, numbers)
    before = np.cumsum([0, *(len(writer.exchanges) for writer in found.writers)])
    every = [exchange for writer in found.writers for exchange in writer.exchanges]
    return chosen(every, before[found.writer[rows]] + numbers)


def _alone(
    values: Sequence[bytes | None], rows: Sequence[int], schemas: Schemas
) -> tuple[dict[int, dict[str, Any]], dict[int, InvalidRecord]]:
    """Decode rows one by one: the trades, and why the others are none."""
    trades, refused = dict[int, dict[str, Any]](), dict[int, InvalidRecord]()
    for row in rows:
        try:
            trades[row] = _exact(decode(values[row], schemas))
        except InvalidRecord as error:
            refused[row] = error
    return trades, refused


def _exact(trade: dict[str, Any]) -> dict[str, Any]:
    for name in _DECIMALS:
        if not fits(trade[name]):
            raise InvalidRecord("decimal_overflow", f"{name} {trade[name]} does not fit {_DECIMAL}")
    return trade


def _as_rows(trades: Sequence[Mapping[str, Any]]) -> pa.Table:
    columns = {field.name: [trade[field.name] for trade in trades] for field in TRADE_ROWS}
    for name in (field.name for field in TRADE_ROWS if field.type == TEXT_MAP):
        columns[name] = [None if said is None else list(said.items()) for said in columns[name]]
    return pa.table(columns, schema=TRADE_ROWS)
