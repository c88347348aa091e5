"""WebSocket frames as bytes, for what no library sends of its own will.

Source: https://datatracker.ietf.org/doc/html/rfc6455#section-5.2.
"""

from collections.abc import Iterator

_FIN, _CONTINUATION, _TEXT, _CLOSE = 0x80, 0x0, 0x1, 0x8
_SHORT, _MEDIUM, _LONG = 126, 127, 1 << 16
GOING_AWAY = bytes([_FIN | _CLOSE, 2]) + (1_001).to_bytes(2, "big")


def fragments(payload: bytes, pieces: int) -> list[bytes]:
    """One text message in up to ``pieces`` frames of about equal size; their bytes joined are the message."""
    size = max(1, -(-len(payload) // max(1, pieces)))
    parts = [payload[at : at + size] for at in range(0, len(payload), size)] or [b""]
    last = len(parts) - 1
    opcodes = [(_CONTINUATION if index else _TEXT) | (_FIN if index == last else 0) for index in range(len(parts))]
    return [_frame(opcode, part) for opcode, part in zip(opcodes, parts, strict=True)]


def segments(frames: list[bytes]) -> Iterator[bytes]:
    """Writes that cut frames apart in the middle of their headers: the second byte comes with the payload."""
    for frame in frames:
        yield frame[:1]
        yield frame[1:]


def _frame(opcode: int, part: bytes) -> bytes:
    size = len(part)
    if size < _SHORT:
        head = bytes([opcode, size])
    elif size < _LONG:
        head = bytes([opcode, _SHORT]) + size.to_bytes(2, "big")
    else:
        head = bytes([opcode, _MEDIUM]) + size.to_bytes(8, "big")
    return head + part
