"""The origin header: leads from any record back to the frame it came from."""

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

HEADER = "k2-origin"
VERSION = 1
_LAYOUT = struct.Struct(">BqQQB")  # version, receipt in ns, connection id, frame number, source
_RECEIVED_NS = struct.Struct(">xq")
_RECEIPTS = np.dtype([("version", "u1"), ("ns", ">i8"), ("rest", f"V{_LAYOUT.size - _RECEIVED_NS.size}")])
_NONE = bytes(_LAYOUT.size)  # of version 0, which is none


class Source(IntEnum):
    """The way by which a record reached us."""

    SOCKET = 0
    REST = 1


class Origin(NamedTuple):
    """Where and when a frame was received; a tuple, because every frame has one."""

    received_ns: int
    connection_id: int
    frame_number: int
    source: Source = Source.SOCKET

    def pack(self) -> bytes:
        """Encode as the 26 bytes of the header."""
        return _LAYOUT.pack(VERSION, *self)

    @classmethod
    def unpack(cls, header: bytes) -> "Origin":
        """Decode a header.

        Raises:
            ValueError: the bytes are not a header of this version.
        """
        if len(header) != _LAYOUT.size or header[0] != VERSION:
            raise ValueError(f"not an origin header of version {VERSION}: {header.hex()}")
        _, received_ns, connection_id, frame_number, source = _LAYOUT.unpack(header)
        return cls(received_ns, connection_id, frame_number, Source(source))


def find(headers: "Headers") -> bytes | None:
    """The origin header among a record's headers, packed, or None."""
    for name, value in headers:  # a generator would take three times as long, for every record
        if name == HEADER:
            return value
    return None


def received_ns(headers: "Headers") -> int | None:
    """When the frame of a record was received, ns since the epoch, or None where no header says so."""
    header = find(headers)
    if header is None or len(header) != _LAYOUT.size or header[0] != VERSION:
        return None
    (value,) = _RECEIVED_NS.unpack_from(header)
    return int(value)


def receipts(batch: Sequence["Headers"]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """When the frames of a batch's records were received, ns since the epoch, and where a header says so."""
    packed = [find(headers) or _NONE for headers in batch]
    whole = [header if len(header) == _LAYOUT.size else _NONE for header in packed]
    found = np.frombuffer(b"".join(whole), _RECEIPTS)
    return found["ns"].astype(np.int64), found["version"] == VERSION


Headers = tuple[tuple[str, bytes], ...]
