"""A request's query as the endpoint understands it: what is of HTTP is taken apart from what is of the engine."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from k2_local.embedded_clickhouse.accounts import Account
from k2_local.embedded_clickhouse.errors import Code, QueryError
from k2_local.embedded_clickhouse.limits import Limits

# Parameters of a request that are no settings of the engine: they are used here, or say nothing to one server alone.
_TRANSPORT = frozenset({
    "query", "database", "default_format", "query_id", "session_id", "session_timeout", "session_check", "user",
    "password", "quota_key", "buffer_size", "wait_end_of_query", "enable_http_compression", "client_protocol_version",
    "role", "readonly", "send_progress_in_http_headers", "http_headers_progress_interval_ms",
    "cancel_http_readonly_queries_on_client_close", "http_zlib_compression_level",
    "http_write_exception_in_output_format",
})  # fmt: skip
# Refused: ClickHouse's own framing of blocks, where HTTP's encodings do the same, and what the endpoint itself needs.
_REFUSED = frozenset({"compress", "decompress", "log_comment", "dialect"})


_PARAM = "param_"


@dataclass(frozen=True)
class Session:
    """What a client says of its session."""

    id: str
    timeout_s: float
    must_exist: bool


@dataclass(frozen=True)
class Query:
    """One request, without its body."""

    account: Account
    text: str  # of the parameter ``query``; the body goes on where it ends
    id: str
    database: str  # the connection's own if empty
    default_format: str
    settings: Mapping[str, str]
    readonly: int  # 0 may write, 2 may read and set, 1 may read
    params: Mapping[str, str]  # values of {name:Type} as ClickHouse writes them in TSV
    session: Session | None
    accepted: str  # encodings of the answer, as in Accept-Encoding
    encoding: str | None  # of the body
    is_whole: bool  # the result is held until the query has ended, so that its headers tell the end

    @property
    def is_readonly(self) -> bool:
        """Whether it may only read: by its user, or because it asks for it."""
        return self.readonly != 0


def read(account: Account, method: str, given: Mapping[str, str], headers: Mapping[str, str], limits: Limits) -> Query:
    """Understand the parameters and headers of a request.

    Raises:
        QueryError: a parameter is not allowed.
    """
    if refused := [name for name in _REFUSED & given.keys() if given[name] not in ("0", "")]:
        raise QueryError.of(Code.NOT_IMPLEMENTED, f"the embedded server does not take the parameter {refused[0]}")
    plain = {name: value for name, value in given.items() if name not in _TRANSPORT | _REFUSED}
    return Query(
        account=account,
        text=given.get("query", ""),
        id=given.get("query_id") or str(uuid.uuid4()),
        database=given.get("database") or headers.get("X-ClickHouse-Database", ""),
        default_format=given.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated",
        settings={name: value for name, value in plain.items() if not name.startswith(_PARAM)},
        readonly=_readonly(account, method, given),
        params={name.removeprefix(_PARAM): value for name, value in plain.items() if name.startswith(_PARAM)},
        session=_session(given, limits),
        accepted=headers.get("Accept-Encoding", "") if given.get("enable_http_compression", "0") == "1" else "",
        encoding=headers.get("Content-Encoding"),
        is_whole=given.get("wait_end_of_query", "0") == "1",
    )


def _readonly(account: Account, method: str, given: Mapping[str, str]) -> int:
    """As ClickHouse has it: a GET is to change nothing, whatever it asks for."""
    asked = given.get("readonly", "1" if account.readonly else "0")
    if asked not in ("0", "1", "2"):
        raise QueryError.of(Code.BAD_ARGUMENTS, f"readonly={asked!r} is not allowed, it is 0, 1 or 2")
    if account.readonly and asked != "1":
        raise QueryError.of(Code.READONLY, "Cannot modify 'readonly' setting in readonly mode")
    return int(asked) or (2 if method == "GET" else 0)


def _session(given: Mapping[str, str], limits: Limits) -> Session | None:
    if not given.get("session_id"):
        return None
    try:
        timeout = float(given.get("session_timeout", limits.session_s))
    except ValueError:
        raise QueryError.of(
            Code.BAD_ARGUMENTS, f"session_timeout={given['session_timeout']!r} is not seconds"
        ) from None
    if not 0 < timeout <= limits.longest_session_s:
        longest = f"at most {limits.longest_session_s:g}"
        raise QueryError.of(Code.BAD_ARGUMENTS, f"session_timeout={timeout:g} is not allowed, {longest} are")
    return Session(given["session_id"], timeout, given.get("session_check", "0") == "1")
