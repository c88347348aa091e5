"""One request that the proxy delays until its transaction is over, which is how a transaction gets torn."""

import asyncio
import struct
from dataclasses import dataclass
from enum import Enum, auto
from io import BytesIO
from typing import Any

from aiokafka.errors import for_code
from aiokafka.protocol.produce import ProduceResponse_v7
from aiokafka.protocol.transaction import (
    AddOffsetsToTxnResponse_v0,
    AddPartitionsToTxnResponse_v0,
    EndTxnResponse_v0,
    TxnOffsetCommitResponse_v0,
)
from tests.faults.apis import (
    ADD_OFFSETS_TO_TXN,
    ADD_PARTITIONS_TO_TXN,
    APIS,
    END_TXN,
    IN_TRANSACTION,
    INIT_PRODUCER_ID,
    PRODUCE,
)

# In the versions that aiokafka and this broker agree on.
_REPLIES = {
    reply.API_KEY: reply
    for reply in (
        ProduceResponse_v7,
        AddPartitionsToTxnResponse_v0,
        AddOffsetsToTxnResponse_v0,
        TxnOffsetCommitResponse_v0,
        EndTxnResponse_v0,
    )
}
_ASKED = frozenset({INIT_PRODUCER_ID, *(APIS[name] for name in IN_TRANSACTION)})
_BEGINNING = (ADD_PARTITIONS_TO_TXN, ADD_OFFSETS_TO_TXN)
_LENGTH, _STRING, _CORRELATION = struct.Struct(">i"), struct.Struct(">h"), 4
_CLIENT_AT = 8  # behind api key, version and correlation id
_TIMEOUT_S = 10.0


class Phase(Enum):
    """Where the producer of a held request is."""

    FREE = auto()  # nothing is held yet
    SAME = auto()  # in the transaction of the held request
    OVER = auto()  # that one has ended
    NEXT = auto()  # in a later transaction
    RELEASED = auto()  # the broker has the held request
    ENDED = auto()  # and the transaction in which it came has ended


@dataclass
class HeldRequest:
    """A request that is kept until its producer's next transaction.

    ``before`` is the request before which it is released there, None where the test releases it; ``last`` lets the
    producer begin no transaction afterwards, which would cover what the request has done. ``renewed`` says whether the
    producer had a new epoch by then, ``answer`` what the broker said to the request when it came at last.
    """

    api: int
    before: int | None
    quiet: bool
    last: bool
    port: int
    owner: str | None = None
    renewed: bool = False
    answer: list[str] | None = None
    _frame: bytes = b""
    _phase: Phase = Phase.FREE

    @property
    def taken(self) -> bool:
        """Whether the request is held, or was."""
        return self._phase is not Phase.FREE

    @property
    def released(self) -> bool:
        """Whether the broker has got the request after the end of its transaction, and has answered."""
        return self.answer is not None

    async def passes(self, api: int, frame: bytes) -> bool:
        """Whether a request may pass; a held one that is due goes before it. Blocks until the broker has answered."""
        owner = transactional_id(api, frame)
        if self._phase is Phase.FREE and owner and api == self.api:
            self.owner, self._frame, self._phase = owner, frame, Phase.SAME
            return False
        if owner and owner == self.owner:
            if self._is_due(api):
                await self.release()
            self._follow(api)
            return not (self.last and self._phase is Phase.ENDED and api in _BEGINNING)
        return True

    async def release(self) -> list[str]:
        """Bring the request to the broker, over a connection of its own; returns the errors that it answered."""
        self._phase = Phase.RELEASED
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(_LENGTH.pack(len(self._frame)) + self._frame)
                (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                self.answer = _errors(self.api, await reader.readexactly(length))
            finally:
                writer.close()
        return self.answer

    def _is_due(self, api: int) -> bool:
        begins = self._phase is Phase.OVER and api in _BEGINNING
        return api == self.before and (begins or self._phase is Phase.NEXT)

    def _follow(self, api: int) -> None:
        """Go on with the producer's transactions, of which every request is seen here."""
        match self._phase:
            case Phase.SAME if api in (END_TXN, INIT_PRODUCER_ID):
                self._phase = Phase.OVER
            case Phase.OVER if api in _BEGINNING:
                self._phase = Phase.NEXT
            case Phase.RELEASED if api == END_TXN:
                self._phase = Phase.ENDED
        if api == INIT_PRODUCER_ID and not self.released:
            self.renewed = True


def transactional_id(api: int, frame: bytes) -> str | None:
    """Of whose transaction a request is: the field behind the client's name in all of them, as aiokafka sends them."""
    if api not in _ASKED:
        return None
    _, at = _string(frame, _CLIENT_AT)
    return _string(frame, at)[0]


def _string(frame: bytes, at: int) -> tuple[str | None, int]:
    """A string that may be missing, and where the next field is."""
    (length,) = _STRING.unpack_from(frame, at)
    begin = at + _STRING.size
    return (None, begin) if length < 0 else (frame[begin : begin + length].decode(), begin + length)


def _errors(api: int, reply: bytes) -> list[str]:
    """The errors of a reply by name, of every partition; none where the broker took the request."""
    said: Any = _REPLIES[api].decode(BytesIO(reply[_CORRELATION:]))
    if api in (ADD_OFFSETS_TO_TXN, END_TXN):
        codes = [said.error_code]
    elif api == PRODUCE:
        codes = [partition[1] for _, partitions in said.topics for partition in partitions]
    else:
        codes = [code for _, partitions in said.errors for _, code in partitions]
    return [for_code(code).__name__ for code in codes if code]
