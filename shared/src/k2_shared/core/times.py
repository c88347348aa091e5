"""Times as they are written for people and machines."""

from datetime import UTC, datetime, timedelta

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(microseconds: int, timespec: str = "auto") -> str:
    """A time in microseconds since the epoch, as ISO 8601 in UTC; a number that no calendar holds stays one."""
    try:
        return (_UNIX_EPOCH + timedelta(microseconds=microseconds)).isoformat(timespec=timespec)
    except OverflowError:
        return str(microseconds)
