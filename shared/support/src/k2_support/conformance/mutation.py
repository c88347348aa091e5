"""Valid trade frames with one or a few things wrong: random bytes never get as far into a parser as these."""

import json
import re
from random import Random

# What once got through, or ended a feed.
NASTY = (
    b"\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"1_000",
    b'"1_000"',
    "\uff11\uff12\uff13".encode(),  # digits of full width
    b'" 61000.1 "',
    b'"+5"',
    b'"sNaN"',
    b'"Infinity"',
    b"NaN",
    b"1e999999",
    b'"1e999999"',
    b"1e99999999999999999999",
    b"-1",
    b"null",
    b"true",
    b'""',
    b"{}",
    b"[]",
    b"[[]]",
    b"\\u0000",
    b"[" * 3_000,
    b'{"a":' * 3_000,
    b"9" * 400,
)
_PAIR = re.compile(rb'"[A-Za-z_]+":(?:"[^"]*"|[0-9.eE+-]+|true|false|null)')
_VALUE = re.compile(rb'(?<=":)(?:"[^"]*"|[0-9.eE+-]+|true|false|null)')


def mutated(frame: bytes, random: Random) -> bytes:
    """The frame after one to three changes."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        frame = random.choice((_flip, _delete, _insert, _truncate, _repeat, _replace, _replace, _nest))(frame, random)
    return frame


def _flip(frame: bytes, random: Random) -> bytes:
    at = random.randrange(len(frame)) if frame else 0
    return frame[:at] + bytes(byte ^ 1 << random.randrange(8) for byte in frame[at : at + 1]) + frame[at + 1 :]


def _delete(frame: bytes, random: Random) -> bytes:
    at = random.randrange(len(frame) + 1)
    return frame[:at] + frame[at + random.randrange(1, 6) :]


def _insert(frame: bytes, random: Random) -> bytes:
    at = random.randrange(len(frame) + 1)
    return frame[:at] + random.choice(NASTY) + frame[at:]


def _truncate(frame: bytes, random: Random) -> bytes:
    return frame[: random.randrange(len(frame) + 1)]


def _repeat(frame: bytes, random: Random) -> bytes:
    """A key a second time, with its value or with nothing, or the whole content a second time."""
    if random.random() < 0.3:
        return frame[:-1] + random.choice((b',"data":[]}', b',"data":null}', b"," + frame[1:]))
    found = random.choice(list(_PAIR.finditer(frame)) or [None])
    return frame if found is None else frame[: found.end()] + b"," + found.group() + frame[found.end() :]


def _replace(frame: bytes, random: Random) -> bytes:
    """A value by another one."""
    found = random.choice(list(_VALUE.finditer(frame)) or [None])
    return frame if found is None else frame[: found.start()] + random.choice(NASTY) + frame[found.end() :]


def _nest(frame: bytes, random: Random) -> bytes:
    """The frame inside something."""
    around = random.choice(((b"[", b"]"), (b'{"data":', b"}"), (b'{"result":', b',"id":2}'), (b'{"x":[', b"]}")))
    return around[0] + frame + around[1]


def spaced(frame: bytes) -> bytes:
    """The same frame with white space where JSON allows it."""
    return json.dumps(json.loads(frame), ensure_ascii=False, separators=(" , ", " : ")).encode()
