"""Bodies, compressed piece by piece."""

import gzip
import zlib
from collections.abc import Callable

import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from k2_local.embedded_clickhouse.compression import decoded, encoder
from k2_local.embedded_clickhouse.errors import QueryError

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "lz4": lz4.frame.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
NAMES = st.sampled_from(sorted(COMPRESS))


@given(name=NAMES, frames=st.lists(st.binary(max_size=300), min_size=1, max_size=4), size=st.integers(1, 50))
def test_frames_come_back_however_they_are_cut(name: str, frames: list[bytes], size: int) -> None:
    """A body may be several frames, as clickhouse-connect sends a frame a block, in pieces of any size."""
    body = b"".join(COMPRESS[name](frame) for frame in frames)
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    assert b"".join(decoded(pieces, name)) == b"".join(frames)


@given(name=NAMES, pieces=st.lists(st.binary(max_size=300), max_size=4))
def test_what_is_encoded_is_decoded(name: str, pieces: list[bytes]) -> None:
    """In either direction."""
    chosen, compressor = encoder(f"br, {name};q=0.5, identity")
    assert chosen == name
    body = b"".join(map(compressor.compress, pieces)) + compressor.flush()
    assert b"".join(decoded(iter([body]), name)) == b"".join(pieces)


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0", "lz4;q=0.0, br"])
def test_what_is_not_accepted_is_not_used(accepted: str) -> None:
    """Then nothing is compressed."""
    name, plain = encoder(accepted)
    assert (name, plain.compress(b"x"), plain.flush()) == (None, b"x", b"")


@pytest.mark.parametrize("name", sorted(COMPRESS))
def test_a_body_that_is_cut_off_is_refused(name: str) -> None:
    """Also one that is something else altogether."""
    body = COMPRESS[name](b"x" * 1_000)
    for broken in (body[:-1], b"not compressed"):
        with pytest.raises(QueryError, match=f"the body .*{name}"):
            list(decoded(iter([broken]), name))


def test_an_unknown_encoding_is_refused() -> None:
    """By name, with what is allowed."""
    with pytest.raises(QueryError, match="Unknown compression method: br; allowed: zstd, lz4, gzip, deflate"):
        decoded(iter([b""]), "br")
