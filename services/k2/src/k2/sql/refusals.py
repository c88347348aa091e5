"""How ClickHouse's refusals of a query are told to the person who asked it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from clickhouse_connect.driver.exceptions import ClickHouseError, Error, NotSupportedError

from k2_shared.core.errors import ConfigError, Halt, K2Error, Unavailable
from k2_shared.core.settings import ClickHouseSettings
from k2_shared.warm.client import failures, told

_BEFORE = re.compile(r"^.*?DB::Exception: ", re.DOTALL)
_AFTER = re.compile(r"\s*\(version [^)]*\)\s*$")
_LONGEST = 500
_MEMORY, _OF_THE_SERVER = 241, "(total)"  # not the query's own limit, which another query may keep
_LARGE = (ConfigError, "the result is too large", "LIMIT it, or allow more: --limit-rows, --limit-result-mb")
_ABSENT = (
    ConfigError,
    "the warm tier has no such table",
    "'k2 migrate apply' makes its tables, SHOW TABLES lists them",
)
# By the codes of ClickHouse's ErrorCodes.cpp: what it is, before ClickHouse's own words, and what to do, after them.
_KNOWN: Mapping[int, tuple[type[K2Error], str, str]] = {
    60: _ABSENT,
    62: (ConfigError, "that is no SQL of ClickHouse", ""),
    81: _ABSENT,
    158: _LARGE,
    159: (Unavailable, "the query took too long", "ask for less, or give it more time: --limit-s"),
    164: (ConfigError, "the warm tier is only read here", ""),
    _MEMORY: (ConfigError, "the query needs too much memory", "ask for less, or give it more: --limit-mb"),
    307: _LARGE,
    396: _LARGE,
    452: (ConfigError, "the server does not grant its reader that", ""),
}


@contextmanager
def refusals(settings: ClickHouseSettings) -> Iterator[None]:
    """Tell what the block's query failed of: ``ConfigError`` where asking in another way would help.

    Raises:
        ConfigError: the query cannot be run as it is.
        Unavailable: the server does not answer, or its time was over.
    """
    with failures(settings):
        try:
            yield
        except ClickHouseError as error:
            raise _told(error, settings) from None


def refused_format(found: str, wanted: str) -> None:
    """Refuse a query that has a FORMAT of its own.

    Raises:
        ConfigError: the answer is in another format than was asked for.
    """
    if found != wanted:
        raise ConfigError(f"leave FORMAT {found} out of the query: --json, --csv and --parquet say how it is written")


def _told(error: ClickHouseError, settings: ClickHouseSettings) -> K2Error:
    said = _AFTER.sub("", _BEFORE.sub("", " ".join(str(error).split())))[:_LONGEST]
    code = error.code if isinstance(error, Error) else None
    if isinstance(error, NotSupportedError):
        return ConfigError(f"a column cannot be read ({said}): make another type of it, as by finalizeAggregation()")
    if (known := _KNOWN.get(code or 0)) and not (code == _MEMORY and _OF_THE_SERVER in said):
        kind, what, help_ = known
        return kind(f"{what} ({said}): {help_}" if help_ else f"{what}: {said}")
    found = told(error, settings)
    return ConfigError(f"ClickHouse refuses the query: {said}") if isinstance(found, Halt) else found
