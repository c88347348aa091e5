"""Which queries run, by the ids that their clients know them by, and how they are cancelled."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from k2_local.embedded_clickhouse.connection import Engine, quoted
from k2_local.embedded_clickhouse.errors import Code, QueryError

_KILL = re.compile(r"^\s*KILL\s+QUERY\b", re.IGNORECASE)
_QUERY_ID = re.compile(r"\bquery_id\b", re.IGNORECASE)


class Running:
    """The running queries of one server; may be used from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tokens: dict[str, str | None] = {}  # of the connection, by query id; None before there is one
        self._lock = threading.Lock()
        self._killing = threading.Lock()

    @contextmanager
    def registered(self, query_id: str) -> Iterator[None]:
        """Hold a query id for the length of the block; raises QueryError if it runs already."""
        with self._lock:
            if query_id in self._tokens:
                raise QueryError.of(
                    Code.QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING, f"Query with id = {query_id} is already running"
                )
            self._tokens[query_id] = None
        try:
            yield
        finally:
            with self._lock:
                del self._tokens[query_id]

    def runs_on(self, query_id: str, token: str) -> None:
        """The query has a connection."""
        with self._lock:
            self._tokens[query_id] = token

    def kill(self, query_id: str) -> None:
        """Cancel a query; nothing happens if it has ended, or has not reached the engine yet."""
        with self._lock:
            token = self._tokens.get(query_id)
        if token is not None:
            with self._killing:
                self._engine.kill(token)

    @staticmethod
    def is_kill(sql: str) -> bool:
        """Whether a statement is KILL QUERY, which has a place even where no other has."""
        return _KILL.match(sql) is not None

    def translated(self, sql: str) -> str:
        """A KILL QUERY in which ``query_id`` is the client's, since the engine has its own; others as they are."""
        if not self.is_kill(sql):
            return sql
        with self._lock:
            known = {token: query_id for query_id, token in self._tokens.items() if token}
        tokens, ids = (", ".join(map(quoted, part)) for part in (known.keys(), known.values()))
        clients = f"transform(Settings['log_comment'], [{tokens}]::Array(String), [{ids}]::Array(String), query_id)"
        return _QUERY_ID.sub(lambda _: clients, sql)
