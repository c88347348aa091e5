"""What the embedded server is allowed to use, and what it grants to one query."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Self

from k2_shared.core.errors import ConfigError

MIB = 1_048_576


@dataclass(frozen=True)
class Limits:
    """Every limit of one server; bytes and seconds."""

    memory: int = 2_048 * MIB  # of the whole engine
    query_memory: int = 1_024 * MIB
    mark_cache: int = 64 * MIB
    free_disk: int = 256 * MIB  # not to be used: a merge that finds the disk full leaves a part that nobody can read
    execution_s: float = 600.0  # of one query; no less than a reader may ask for
    result: int = 512 * MIB  # of a result that is held whole before it is sent
    query_text: int = MIB
    body: int = 1_024 * MIB  # of one request, compressed or not
    body_idle_s: float = 60.0  # without a byte of a request's body
    concurrent: int = 16  # queries at once
    waiting: int = 64  # queries that may wait for a place among them
    waiting_s: float = 30.0
    sessions: int = 1_024
    session_s: float = 60.0  # that a session is kept for, unless its client says otherwise
    longest_session_s: float = 3_600.0
    ttl_merge_s: int = 300  # between two merges of one part that delete what has expired
    stopping_s: float = 10.0  # for queries that run when the server is told to stop

    @property
    def granted(self) -> dict[str, float]:
        """What one query may use, as settings of the engine."""
        return {"max_execution_time": self.execution_s, "max_memory_usage": self.query_memory}

    @classmethod
    def of(cls, given: Iterable[str]) -> Self:
        """Limits of which some are given as ``name=value``.

        Raises:
            ConfigError: there is no such limit, or its value is not a number, or negative.
        """
        kinds = {one.name: float if one.type in (float, "float") else int for one in fields(cls)}
        found: dict[str, float] = {}
        for entry in given:
            name, _, value = entry.partition("=")
            if name not in kinds:
                raise ConfigError(f"there is no limit {name!r}: it is one of {', '.join(kinds)}")
            try:
                found[name] = kinds[name](value)
            except ValueError:
                raise ConfigError(f"the limit {name}={value!r} is not a number") from None
            if found[name] < 0:
                raise ConfigError(f"the limit {name}={value} is negative")
        return cls(**found)  # type: ignore[arg-type]  # each is of its field's own type
