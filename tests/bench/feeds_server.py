"""A process that serves a venue's frames as fast as the client takes them."""

import asyncio
import json
import struct
import sys
from typing import get_args

from tests.bench.feeds_frames import frames
from websockets.utils import accept_key

from k2_shared.core.trade import Exchange

_CHUNK_BYTES = 256 * 1024
_TEXT = 0x81


def wire(payload: bytes) -> bytes:
    """A text frame as a server sends it (RFC 6455, section 5.2)."""
    size = len(payload)
    head = struct.pack("!BB", _TEXT, size) if size < 126 else struct.pack("!BBH", _TEXT, 126, size)
    return head + payload


async def serve(trades: int) -> None:
    """Listen on a free port, say which and what is served, and send all of a venue's frames to whoever asks."""
    made = {exchange: frames(exchange, trades) for exchange in get_args(Exchange)}
    streams = {exchange: b"".join(map(wire, found.payloads)) for exchange, found in made.items()}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = {name.lower(): said for name, _, said in (line.partition(": ") for line in request.split("\r\n"))}
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_key(lines["sec-websocket-key"]).encode() + b"\r\n\r\n"
        )
        await reader.readexactly(1)  # the client is ready
        stream = memoryview(streams[request.split()[1].strip("/")])  # type: ignore[index]
        for start in range(0, len(stream), _CHUNK_BYTES):
            writer.write(stream[start : start + _CHUNK_BYTES])
            await writer.drain()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    served = {exchange: [len(found.payloads), found.trades] for exchange, found in made.items()}
    sys.stdout.write(json.dumps({"port": port, "served": served}) + "\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
