"""Connections that outlive a request because its client named a session."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from k2_local.embedded_clickhouse.connection import Connection, Engine
from k2_local.embedded_clickhouse.errors import Code, QueryError
from k2_local.embedded_clickhouse.limits import Limits
from k2_local.embedded_clickhouse.query import Query, Session

_Key = tuple[str, str]  # user, session


@dataclass
class _Kept:
    connection: Connection
    is_used: bool
    expires: float  # by the monotonic clock


class Sessions:
    """The sessions of one server; may be used from any thread."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self._engine, self._limits = engine, limits
        self._kept: dict[_Key, _Kept] = {}
        self._lock = threading.Lock()

    @contextmanager
    def connection(self, query: Query) -> Iterator[Connection]:
        """The connection for a query: its session's, or one of its own that is closed at the block's end.

        A query that may only read has its own: what it may not change is never to stay on a session's.

        Raises:
            QueryError: the session is at work, or is to exist and does not, or there are too many.
        """
        if query.session is None or query.is_readonly:
            connection = self._engine.connect()
            try:
                yield connection
            finally:
                connection.close()
        else:
            with self._session(query.account.user, query.session) as kept:
                yield kept

    @contextmanager
    def _session(self, user: str, session: Session) -> Iterator[Connection]:
        kept = self._taken((user, session.id), session)
        try:
            yield kept.connection
        finally:
            with self._lock:
                kept.is_used, kept.expires = False, time.monotonic() + session.timeout_s

    def _taken(self, key: _Key, session: Session) -> _Kept:
        with self._lock:
            self._expire()
            known = self._kept.get(key)
            if known is None:
                known = self._kept[key] = self._new(session)
            elif known.is_used:
                raise QueryError.of(Code.SESSION_IS_LOCKED, f"Session {session.id} is locked by a concurrent client")
            known.is_used = True
            return known

    def _new(self, session: Session) -> _Kept:
        if session.must_exist:
            raise QueryError.of(Code.SESSION_NOT_FOUND, f"Session {session.id} not found")
        if len(self._kept) >= self._limits.sessions:
            raise QueryError.of(Code.TOO_MANY_SIMULTANEOUS_QUERIES, f"Too many sessions: {len(self._kept)} are kept")
        return _Kept(self._engine.connect(), is_used=False, expires=0.0)

    def _expire(self) -> None:
        now = time.monotonic()
        for key in [key for key, kept in self._kept.items() if not kept.is_used and kept.expires < now]:
            self._kept.pop(key).connection.close()

    def close(self) -> None:
        """Forget every session."""
        with self._lock:
            for kept in self._kept.values():
                kept.connection.close()
            self._kept.clear()
