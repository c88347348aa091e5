"""Clients of ClickHouse, over HTTP, and how what it refuses is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, Error

from k2_shared.core.errors import ConfigError, Halt, K2Error, Unavailable
from k2_shared.core.settings import ClickHouseSettings
from k2_shared.kafka.topics import Names

# ErrorCodes.cpp of ClickHouse: what may succeed when it is asked again.
_PASSING = frozenset(
    {
        159,  # TIMEOUT_EXCEEDED
        164,  # READONLY, as a server is that has lost its disk
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        236,  # ABORTED, as by a shutdown
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        319,  # UNKNOWN_STATUS_OF_INSERT
        394,  # QUERY_WAS_CANCELLED
        425,  # SYSTEM_ERROR
        999,  # KEEPER_EXCEPTION
    }
)
# What a part of it may succeed of, where an insert is meant.
_TOO_LARGE = frozenset(
    {
        173,  # CANNOT_ALLOCATE_MEMORY
        229,  # QUERY_IS_TOO_LARGE
        241,  # MEMORY_LIMIT_EXCEEDED
    }
)
_PROXY_TOO_LARGE = "received HTTP status 413"
_REFUSED = frozenset(
    {192, 193, 194, 497, 516}
)  # UNKNOWN_USER, WRONG_ and REQUIRED_PASSWORD, ACCESS_DENIED, AUTHENTICATION_FAILED
_ABSENT = frozenset({60, 81})  # UNKNOWN_TABLE, UNKNOWN_DATABASE
_LONGEST_REASON = 500


class TooLarge(Unavailable):
    """The server has too little memory for what was asked at once, or takes no request of that size."""


def database(settings: ClickHouseSettings, names: Names) -> str:
    """The database of a run's tables."""
    own = names.prefix.rstrip(".").replace("-", "_")
    return f"{own}_{settings.clickhouse_database}" if own else settings.clickhouse_database


def connect(settings: ClickHouseSettings, into: str, **options: Any) -> Client:
    """A client of one database, which need not exist yet; asks the server for its version. Blocks.

    Not for two threads at once. ``options`` are clickhouse-connect's.

    Raises:
        Unavailable: no server answered.
        ConfigError: it refuses the user or the password.
    """
    at, secret = urlsplit(settings.clickhouse_url), settings.clickhouse_password
    with failures(settings):
        client = clickhouse_connect.get_client(
            interface=at.scheme,
            host=at.hostname,
            port=at.port or (8443 if at.scheme == "https" else 8123),
            username=settings.clickhouse_user,
            password=secret.get_secret_value() if secret else "",
            connect_timeout=int(min(settings.clickhouse_timeout_s, 10)),
            send_receive_timeout=int(settings.clickhouse_timeout_s),
            ca_cert=str(settings.clickhouse_cafile) if settings.clickhouse_cafile else None,
            autogenerate_session_id=False,  # a session takes one query at a time
            query_retries=0,
            **options,
        )
    client.database = into
    return client


@contextmanager
def failures(settings: ClickHouseSettings) -> Iterator[None]:
    """Tell failures of the block as errors of ours."""
    try:
        yield
    except ClickHouseError as error:
        raise told(error, settings) from None
    except OSError as error:
        raise Unavailable(f"ClickHouse at {settings.clickhouse_url} failed: {error}") from None


def told(error: ClickHouseError, settings: ClickHouseSettings) -> K2Error:
    """A failure of ClickHouse, as the error that says what to do about it.

    ``Unavailable`` for one that may pass, ``TooLarge`` if by asking for less, ``ConfigError`` where it lacks or refuses
    what was asked for, else ``Halt``.
    """
    code = error.code if isinstance(error, Error) else None
    where, said = f"ClickHouse at {settings.clickhouse_url}", " ".join(str(error).split())[:_LONGEST_REASON]
    if code in _TOO_LARGE or (code is None and _PROXY_TOO_LARGE in said):
        return TooLarge(f"{where} cannot do as much at once: {said}")
    if code is None:
        return Unavailable(f"{where} did not answer ({innermost(error)}): check CLICKHOUSE_URL, and whether it runs")
    if code in _PASSING:
        return Unavailable(f"{where} cannot do it now: {said}")
    if code in _REFUSED:
        return ConfigError(f"{where} refuses user {settings.clickhouse_user!r}: check {settings.login} ({said})")
    if code in _ABSENT:
        return ConfigError(f"{where} lacks a table ({said}): run 'k2 migrate apply'")
    return Halt(f"{where} refused: {said}")


def innermost(error: BaseException) -> str:
    """What the first failure in a chain of them said: of a connection, the system's own words."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return " ".join(str(error).split())[:_LONGEST_REASON]
