"""Errors as ClickHouse tells them: a code, its name, and the HTTP status that goes with it."""

import re
from enum import IntEnum
from typing import Self

from k2_shared.core.errors import K2Error

_ENGINE = re.compile(r"Code: (\d+)\. DB::Exception: ")
_UNKNOWN = 1002


class Code(IntEnum):
    """The codes that the endpoint itself gives; the engine gives any of its own."""

    BAD_ARGUMENTS = 36
    NOT_IMPLEMENTED = 48
    SYNTAX_ERROR = 62
    UNKNOWN_COMPRESSION_METHOD = 89
    TIMEOUT_EXCEEDED = 159
    READONLY = 164
    TOO_MANY_SIMULTANEOUS_QUERIES = 202
    SOCKET_TIMEOUT = 209
    QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING = 216
    QUERY_IS_TOO_LARGE = 229
    NOT_ENOUGH_SPACE = 243
    CANNOT_DECOMPRESS = 271
    SUPPORT_IS_DISABLED = 344
    SESSION_NOT_FOUND = 372
    SESSION_IS_LOCKED = 373
    QUERY_WAS_CANCELLED = 394
    SETTING_CONSTRAINT_VIOLATION = 452
    AUTHENTICATION_FAILED = 516


# As ClickHouse's src/Server/HTTP/exceptionCodeToHTTPStatus.cpp has it; any other code is 500.
_STATUS = {
    400: (6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 427, 441, 675, 676),
    401: (194,),
    403: (192, 193, 497, 512, 516),
    404: (46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511),
    408: (159,),
    411: (381,),
    413: (229,),
    415: (779,),
    501: (48,),
    503: (76, 209, 439),
}
_STATUS_OF = {code: status for status, codes in _STATUS.items() for code in codes}


class QueryError(K2Error):
    """A query that ClickHouse refuses or that failed; the text is what the client is told."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code

    @classmethod
    def of(cls, code: Code, message: str) -> Self:
        """An error of the endpoint itself, worded as the engine words its own."""
        return cls(code, f"Code: {code.value}. DB::Exception: {message}. ({code.name})")

    @classmethod
    def from_engine(cls, error: Exception) -> Self:
        """What chdb raised, without the words that it puts before ClickHouse's."""
        found = _ENGINE.search(str(error))
        if found is None:
            return cls(_UNKNOWN, f"Code: {_UNKNOWN}. DB::Exception: {error}. (UNKNOWN_EXCEPTION)")
        return cls(int(found[1]), str(error)[found.start() :].strip())

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return _STATUS_OF.get(self.code, 500)
