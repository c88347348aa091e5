"""Arrow's stream from the engine's blocks, each of which is a stream of its own."""

from collections.abc import Iterable, Iterator

import pyarrow as pa


class _Sink:
    """A file that is emptied after every batch."""

    closed = False

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: pa.Buffer) -> int:
        self._written += memoryview(data)
        return len(data)

    def taken(self) -> bytes:
        taken, self._written = bytes(self._written), bytearray()
        return taken

    def flush(self) -> None:
        """Nothing is held back."""


def one_stream(streams: Iterable[bytes]) -> Iterator[bytes]:
    """The batches of several streams of one schema as one stream, piece by piece; nothing for no stream."""
    sink, writer = _Sink(), None
    for stream in streams:
        reader = pa.ipc.open_stream(stream)
        writer = writer or pa.ipc.new_stream(sink, reader.schema)
        for batch in reader:
            writer.write_batch(batch)
        yield sink.taken()
    if writer is not None:
        writer.close()
        yield sink.taken()
