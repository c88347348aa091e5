"""The origin header: leads from any record back to the frame it came from."""

import struct
from enum import IntEnum
from typing import NamedTuple

HEADER = "k2-origin"
VERSION = 1
_LAYOUT = struct.Struct(">BqQQB")  # version, receipt in ns, connection id, frame number, source
_RECEIVED_NS = struct.Struct(">xq")


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
    return next((value for name, value in headers if name == HEADER), None)


def received_ns(headers: "Headers") -> int | None:
    """When the frame of a record was received, ns since the epoch, or None where no header says so."""
    header = find(headers)
    if header is None or len(header) != _LAYOUT.size or header[0] != VERSION:
        return None
    (value,) = _RECEIVED_NS.unpack_from(header)
    return int(value)


Headers = tuple[tuple[str, bytes], ...]
