"""The encodings of bodies: gzip, deflate, lz4 and zstd, piece by piece both ways."""

import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import lz4.frame
import zstandard

from k2_local.embedded_clickhouse.errors import Code, QueryError

_GZIP, _ZLIB = 31, 15  # zlib's wbits
_FAST = 1  # zstd's and gzip's level: the network is this machine


class Encoder(Protocol):
    """Compresses a stream."""

    def compress(self, data: bytes, /) -> bytes:
        """Take a piece; returns what is ready of the compressed stream, which may be nothing."""
        ...

    def flush(self) -> bytes:
        """End the stream; returns the rest."""
        ...


class Plain:
    """No compression."""

    def compress(self, data: bytes, /) -> bytes:
        """See ``Encoder``."""
        return data

    def flush(self) -> bytes:
        """See ``Encoder``."""
        return b""


class _Lz4:
    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._begun = self._frame.begin()

    def compress(self, data: bytes, /) -> bytes:
        begun, self._begun = self._begun, b""
        return bytes(begun + self._frame.compress(data))

    def flush(self) -> bytes:
        begun, self._begun = self._begun, b""
        return bytes(begun + self._frame.flush())


_ENCODERS: dict[str, Callable[[], Encoder]] = {
    "zstd": lambda: zstandard.ZstdCompressor(level=_FAST).compressobj(),
    "lz4": _Lz4,
    "gzip": lambda: zlib.compressobj(_FAST, wbits=_GZIP),
    "deflate": lambda: zlib.compressobj(_FAST, wbits=_ZLIB),
}
_DECODERS: dict[str, Callable[[], Any]] = {
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "gzip": lambda: zlib.decompressobj(wbits=_GZIP),
    "deflate": lambda: zlib.decompressobj(wbits=_ZLIB),
}


def encoder(accepted: str) -> tuple[str | None, Encoder]:
    """The first encoding of an ``Accept-Encoding`` header that we have, and its encoder; None is no encoding."""
    for entry in accepted.split(","):
        name, _, quality = entry.strip().lower().partition(";")
        if name in _ENCODERS and quality.replace(" ", "") not in ("q=0", "q=0.0"):
            return name, _ENCODERS[name]()
    return None, Plain()


def decoded(pieces: Iterator[bytes], encoding: str | None) -> Iterator[bytes]:
    """The pieces of a body of a ``Content-Encoding``, decompressed.

    Raises:
        QueryError: we do not have the encoding, or the body is not of it.
    """
    name = (encoding or "identity").lower()
    if name == "identity":
        return pieces
    if name not in _DECODERS:
        allowed = ", ".join(_DECODERS)
        raise QueryError.of(Code.UNKNOWN_COMPRESSION_METHOD, f"Unknown compression method: {name}; allowed: {allowed}")
    return _decompressed(pieces, name)


def _decompressed(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    decoder, within = _DECODERS[name](), False
    try:
        for piece in pieces:
            rest = piece
            while rest:
                decoder = _DECODERS[name]() if decoder.eof else decoder  # a body may be several frames
                yield decoder.decompress(rest)
                rest, within = decoder.unused_data or b"", not decoder.eof
    except (zlib.error, zstandard.ZstdError, RuntimeError, EOFError) as error:
        raise QueryError.of(Code.CANNOT_DECOMPRESS, f"the body is not {name}: {error}") from None
    if within:
        raise QueryError.of(Code.CANNOT_DECOMPRESS, f"the body ends in the middle of its {name}")
