"""Both transports against a server on a real socket, whose every byte is the test's."""

import asyncio
import base64
import hashlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k2_shared.feed.transport.inbox import Disconnected, SocketLimits
from k2_shared.feed.transport.transport import TRANSPORTS, Socket, Transport, TransportName
from k2_support.waiting import eventually

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
LIMITS = SocketLimits(max_frame_bytes=100_000, close_timeout_s=0.2)


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A frame as a server sends it."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", fin << 7 | opcode, size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", fin << 7 | opcode, 126, size)
    else:
        head = struct.pack("!BBQ", fin << 7 | opcode, 127, size)
    return head + payload


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def accept(self, more: bytes = b"") -> None:
        """Do the handshake; ``more`` goes out in the same segment."""
        request = await self.reader.readuntil(b"\r\n\r\n")
        lines = dict(line.split(b": ", 1) for line in request.split(b"\r\n")[1:] if b": " in line)
        key = next(value for name, value in lines.items() if name.lower() == b"sec-websocket-key")
        said = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self.writer.write(head + b"Sec-WebSocket-Accept: " + said + b"\r\n\r\n" + more)

    async def receive(self) -> tuple[int, bytes]:
        """The opcode and payload of the next frame from the client."""
        first, second = await self.reader.readexactly(2)
        mask = await self.reader.readexactly(4)
        payload = await self.reader.readexactly(second & 0x7F)
        return first & 0x0F, bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))


Script = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def connected(
    transport: Transport, script: Script, limits: SocketLimits = LIMITS, more: bytes = b""
) -> AsyncIterator[Socket]:
    """A socket to a server that runs a script after the handshake, then holds the connection and says nothing."""
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        await peer.accept(more)
        await script(peer)
        await done.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        socket = await transport.connect(f"ws://127.0.0.1:{port}/", limits)
        try:
            yield socket
        finally:
            socket.abort()
            done.set()


def says(*parts: bytes) -> Script:
    """A server that sends parts, each after a pause of the loop."""

    async def script(peer: Peer) -> None:
        for part in parts:
            peer.writer.write(part)
            await peer.writer.drain()
            await asyncio.sleep(0)

    return script


async def take(socket: Socket, count: int) -> list[bytes]:
    """Exactly so many messages."""
    found: list[bytes] = []
    while len(found) < count:
        found += await socket.frames()
    return found


@pytest.fixture(params=get_args(TransportName))
def transport(request: pytest.FixtureRequest) -> Transport:
    """Each transport in turn."""
    return TRANSPORTS[request.param]


async def test_messages_come_in_order_with_their_bytes(transport: Transport) -> None:
    """Text and binary, of every length of the length, are the bytes that were sent; none is decoded."""
    sizes = (0, 1, 125, 126, 127, 65_535, 65_536, 99_999)
    sent = [bytes([0xFF, n]) * (size // 2) + b"\x80" * (size % 2) for n, size in enumerate(sizes)]
    parts = [frame(BINARY if n % 2 else TEXT, payload) for n, payload in enumerate(sent)]
    async with connected(transport, says(*parts)) as socket:
        assert await take(socket, len(sent)) == sent


async def test_messages_right_behind_the_handshake_are_not_lost(transport: Transport) -> None:
    """They may come in the segment that ends the handshake, the last one cut anywhere."""
    behind = frame(TEXT, b"one") + frame(TEXT, b"t" * 300)
    async with connected(transport, says(behind[-7:], frame(TEXT, b"three")), more=behind[:-7]) as socket:
        assert await take(socket, 3) == [b"one", b"t" * 300, b"three"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 126, 70_000]), st.booleans()), min_size=1, max_size=8),
    st.lists(st.integers(1, 70_000), max_size=12),
)
@pytest.mark.parametrize("name", get_args(TransportName))
def test_however_the_stream_is_cut_the_messages_are_the_same(
    name: TransportName, messages: list[tuple[int, bool]], cuts: list[int]
) -> None:
    """Segments end anywhere: in a header, in a payload, in a control frame between fragments."""
    sent = [bytes([n]) * size for n, (size, _) in enumerate(messages)]
    stream = b"".join(
        frame(TEXT, payload[: size // 2], fin=False) + frame(PING, b"?") + frame(CONTINUATION, payload[size // 2 :])
        if fragmented
        else frame(TEXT, payload)
        for payload, (size, fragmented) in zip(sent, messages, strict=True)
    )
    ends = sorted({cut for cut in cuts if cut < len(stream)} | {len(stream)})
    parts = [stream[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]

    async def run() -> None:
        async with connected(TRANSPORTS[name], says(*parts)) as socket:
            assert await take(socket, len(sent)) == sent

    asyncio.run(run())


async def test_a_message_beyond_the_limit_ends_the_connection(transport: Transport) -> None:
    """What came before it is taken; the reason says what was too big."""
    stream = frame(TEXT, b"fits") + frame(TEXT, b"x" * 100_001)
    async with connected(transport, says(stream)) as socket:
        assert await take(socket, 1) == [b"fits"]
        with pytest.raises(Disconnected, match=r"100.?001"):
            await socket.frames()
        with pytest.raises(Disconnected, match=r"100.?001"):
            await socket.send("more")


async def test_fragments_beyond_the_limit_end_the_connection(transport: Transport) -> None:
    """The limit is the message's, not the frame's."""
    part = b"x" * 40_000
    stream = frame(TEXT, part, fin=False) + frame(CONTINUATION, part, fin=False) + frame(CONTINUATION, part)
    async with connected(transport, says(stream)) as socket:
        with pytest.raises(Disconnected, match=r"more than 100000|exceeds limit"):
            await socket.frames()


@pytest.mark.parametrize("broken", [b"\x83\x00", b"\xc1\x01x", b"\x81\x81mask!"], ids=["opcode", "rsv", "masked"])
async def test_a_stream_that_breaks_the_protocol_ends_the_connection(transport: Transport, broken: bytes) -> None:
    """An unknown opcode, a reserved bit that nobody agreed upon, a masked frame from a server."""
    async with connected(transport, says(frame(TEXT, b"good"), broken + frame(TEXT, b"x" * 20))) as socket:
        assert await take(socket, 1) == [b"good"]
        with pytest.raises(Disconnected):
            await socket.frames()


async def test_a_close_ends_the_connection_though_tcp_stays_open(transport: Transport) -> None:
    """A venue that says goodbye and holds the line is gone; what it said before is taken."""
    async with connected(transport, says(frame(TEXT, b"last") + frame(CLOSE, b"\x03\xe9bye"))) as socket:
        assert await take(socket, 1) == [b"last"]
        with pytest.raises(Disconnected, match=r"closed by the peer: 1001.*bye"):
            await socket.frames()
        with pytest.raises(Disconnected, match="bye"):
            await socket.ping(timeout_s=60)


async def test_a_lost_tcp_connection_ends_the_connection(transport: Transport) -> None:
    """A reset, in the middle of a message."""

    async def script(peer: Peer) -> None:
        peer.writer.write(frame(TEXT, b"whole") + frame(TEXT, b"half a message")[:-3])
        await peer.writer.drain()
        peer.writer.close()

    async with connected(transport, script) as socket:
        assert await take(socket, 1) == [b"whole"]
        with pytest.raises(Disconnected):
            await socket.frames()


async def test_a_half_open_connection_is_found_by_ping(transport: Transport) -> None:
    """A peer that is silent for ever; whoever waits for its frames is told too."""
    async with connected(transport, says()) as socket:
        waiting = asyncio.create_task(socket.frames())
        with pytest.raises(Disconnected, match=r"no pong within 0\.1 s"):
            await socket.ping(timeout_s=0.1)
        with pytest.raises(Disconnected, match=r"no pong within 0\.1 s"):
            await waiting


async def test_a_ping_is_answered_by_its_own_pong(transport: Transport) -> None:
    """A pong that nobody asked for is none."""

    async def script(peer: Peer) -> None:
        opcode, payload = await peer.receive()
        assert opcode == PING
        peer.writer.write(frame(PONG, payload))
        await peer.receive()
        peer.writer.write(frame(PONG, b"unasked"))

    async with connected(transport, script) as socket:
        await socket.ping(timeout_s=60)
        with pytest.raises(Disconnected, match="no pong"):
            await socket.ping(timeout_s=0.1)


async def test_the_servers_ping_is_answered_with_its_payload(transport: Transport) -> None:
    """Without anybody asking for it, and it is no message."""
    answers: list[tuple[int, bytes]] = []

    async def script(peer: Peer) -> None:
        peer.writer.write(frame(PING, b"1723161255342") + frame(TEXT, b"data"))
        answers.append(await peer.receive())

    async with connected(transport, script) as socket:
        assert await take(socket, 1) == [b"data"]
        await eventually(lambda: answers == [(PONG, b"1723161255342")], "the pong")


async def test_text_is_sent_as_text(transport: Transport) -> None:
    """The server gets what was said."""
    heard: list[tuple[int, bytes]] = []

    async def script(peer: Peer) -> None:
        heard.append(await peer.receive())

    async with connected(transport, script) as socket:
        await socket.send('{"method":"ping"}')
        await eventually(lambda: heard == [(TEXT, b'{"method":"ping"}')], "the message")


async def test_a_full_inbox_stops_the_server(transport: Transport) -> None:
    """TCP pushes back: the server cannot hand over what we do not take; a pong that we cannot see proves nothing."""
    limits = SocketLimits(max_frame_bytes=100_000, queue_frames=1_000_000, queue_bytes=1_000_000)
    total, written, peers = 600, 0, list[Peer]()

    async def script(peer: Peer) -> None:
        nonlocal written
        peers.append(peer)
        while written < total:
            peer.writer.write(frame(BINARY, b"x" * 65_536))
            await peer.writer.drain()
            written += 1

    async with connected(transport, script, limits) as socket:
        await eventually(lambda: socket.inbox.paused, "a full inbox")  # type: ignore[attr-defined]
        await eventually(peers[0].writer.transport.get_write_buffer_size, "a server that cannot hand over more")
        before = len(socket.inbox)  # type: ignore[attr-defined]
        await socket.ping(timeout_s=0.05)
        assert len(socket.inbox) == before  # type: ignore[attr-defined]
        assert written < total
        assert len(await take(socket, total)) == total


async def test_an_aborted_connection_has_ended(transport: Transport) -> None:
    """Who waits is told at once, and nothing more can be said."""
    async with connected(transport, says()) as socket:
        asyncio.get_running_loop().call_soon(socket.abort)
        with pytest.raises(Disconnected, match="aborted"):
            await socket.frames()
        with pytest.raises(Disconnected, match="aborted"):
            await socket.send("hello")


@pytest.mark.parametrize("polite", [True, False])
async def test_a_closed_connection_gives_what_had_arrived(transport: Transport, *, polite: bool) -> None:
    """Whether the server answers the Close or not, closing ends."""
    opcodes: list[int] = []

    async def script(peer: Peer) -> None:
        peer.writer.write(frame(TEXT, b"one"))
        opcode, payload = await peer.receive()
        opcodes.append(opcode)
        if polite:
            peer.writer.write(frame(CLOSE, payload))
            peer.writer.close()

    async with connected(transport, script) as socket:
        first = await take(socket, 1)
        await socket.close()
        assert (first, opcodes) == ([b"one"], [CLOSE])
        with pytest.raises(Disconnected):
            await socket.frames()


async def test_what_cannot_be_connected_says_where(transport: Transport) -> None:
    """Nobody listens, or somebody who speaks no WebSocket."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Disconnected, match=f"cannot connect to ws://127.0.0.1:{port}/"):
            await transport.connect(f"ws://127.0.0.1:{port}/", LIMITS)
    with pytest.raises(Disconnected, match=f"cannot connect to ws://127.0.0.1:{port}/"):
        await transport.connect(f"ws://127.0.0.1:{port}/", LIMITS)


async def test_a_server_that_never_answers_the_handshake_is_given_up(transport: Transport) -> None:
    """In the time to open."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Disconnected, match="cannot connect"):
            await transport.connect(f"ws://127.0.0.1:{port}/", SocketLimits(open_timeout_s=0.2))


@pytest.mark.parametrize("cut", [0, 1, 9])
async def test_frames_that_the_peer_sent_before_our_close_are_all_taken(transport: Transport, cut: int) -> None:
    """They are on their way when we say goodbye, and may be cut anywhere; the peer's Close comes behind them."""
    stream = b"".join(frame(TEXT, b"%d" % number * 3) for number in range(4))
    first = len(frame(TEXT, b"000")) + cut

    async def script(peer: Peer) -> None:
        peer.writer.write(stream[:first])
        assert (await peer.receive())[0] == CLOSE
        for start in range(first, len(stream), 3):
            peer.writer.write(stream[start : start + 3])
            await peer.writer.drain()
            await asyncio.sleep(0)
        peer.writer.write(frame(PING, b"?") + frame(CLOSE, struct.pack("!H", 1000)))
        peer.writer.close()

    async with connected(transport, script, SocketLimits(close_timeout_s=20.0)) as socket:
        await eventually(lambda: len(socket.inbox), "the first frame")  # type: ignore[attr-defined]
        await socket.close()
        assert await take(socket, 4) == [b"000", b"111", b"222", b"333"]


async def test_a_full_inbox_does_not_keep_frames_from_a_socket_that_closes(transport: Transport) -> None:
    """What was sent before our Close is read and taken, though nobody was reading when we said goodbye."""
    payloads = [bytes([number]) * 60_000 for number in range(20)]

    async def script(peer: Peer) -> None:
        for payload in payloads:
            peer.writer.write(frame(BINARY, payload))
        await peer.writer.drain()
        assert (await peer.receive())[0] == CLOSE
        peer.writer.write(frame(CLOSE, struct.pack("!H", 1000)))
        peer.writer.close()

    limits = SocketLimits(max_frame_bytes=100_000, queue_bytes=100_000, close_timeout_s=20.0)
    async with connected(transport, script, limits) as socket:
        await eventually(lambda: socket.inbox.paused, "a full inbox")  # type: ignore[attr-defined]
        await socket.close()
        assert await take(socket, 20) == payloads
