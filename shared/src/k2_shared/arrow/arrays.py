"""Arrow arrays made of numpy's, with no Python object for a value."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from k2_shared.core.layout import Bytes, Entries, Flags, Longs, Span

BYTES = pa.large_binary()
TEXT = pa.large_string()
TIME = pa.timestamp("us", tz="UTC")
TEXT_MAP = pa.map_(TEXT, TEXT)
_SIGN_SHIFT = 63
_DAY_US = 86_400_000_000
_HOUR_US = 3_600_000_000
_HOURS = 24


def texts(data: Bytes, place: Span) -> pa.Array:
    """Strings that stand in ``data`` one after the other, with whatever between them.

    Raises:
        pyarrow.ArrowInvalid: one is no UTF-8.
    """
    start, length = place
    # To Arrow, data and offsets are already an array, in which every other string is what stands between two.
    offsets = np.zeros(2 * len(start) + 1, np.int64)
    offsets[:-1:2] = start
    offsets[1::2] = start + length
    offsets[-1] = offsets[-2:].max()
    all_between = pa.LargeStringArray.from_buffers(2 * len(start), pa.py_buffer(offsets), pa.py_buffer(data))
    found = all_between.take(pa.array(np.arange(0, 2 * len(start), 2)))
    found.validate(full=True)
    return found


def text_maps(data: Bytes, entries: Entries, present: Flags) -> pa.Array:
    """Maps of strings, null where not ``present`` and there without entries.

    Raises:
        pyarrow.ArrowInvalid: a key or a value is no UTF-8.
    """
    inside = np.arange(len(entries.texts)) < entries.counts[:, None]
    keys, values = (texts(data, _flat([pair[of] for pair in entries.texts], inside)) for of in (0, 1))
    offsets = pa.array(np.concatenate([[0], np.cumsum(entries.counts)]).astype(np.int32))
    return pa.MapArray.from_arrays(offsets, keys, values, type=TEXT_MAP, mask=pa.array(~present))


def _flat(places: Sequence[Span], inside: Flags) -> Span:
    """The places of all rows' first, second, … text, row by row."""
    starts, lengths = np.array(places, np.int64).reshape(len(places), 2, len(inside)).transpose(1, 2, 0)
    return starts[inside], lengths[inside]


def chosen(names: Sequence[str], which: Longs) -> pa.Array:
    """Strings of which there are few: by each row's number, one of the names."""
    return pa.array(names, TEXT).take(pa.array(which))


def decimals(unscaled: Longs, kind: pa.DataType) -> pa.Array:
    """Decimals of 128 bits, by what they are without their point."""
    halves = np.stack([unscaled, unscaled >> _SIGN_SHIFT], axis=1)
    return pa.Array.from_buffers(kind, len(unscaled), [None, pa.py_buffer(halves)])


def times(microseconds: Longs) -> pa.Array:
    """Moments in UTC."""
    return pa.array(microseconds).view(TIME)


def days(moments: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The day of each moment, in UTC."""
    return pa.array((_microseconds(moments) // _DAY_US).astype(np.int32)).view(pa.date32())


def hours(moments: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The hour of each moment's day, in UTC."""
    return pa.array((_microseconds(moments) // _HOUR_US % _HOURS).astype(np.int32))


def _microseconds(moments: pa.Array | pa.ChunkedArray) -> Longs:
    return np.asarray(moments.cast(pa.int64()), np.int64)
