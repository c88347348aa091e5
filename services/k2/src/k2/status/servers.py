"""Asking the registry, the catalog with its tables, and the object store; each costs a bounded time."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import aiohttp
from pyiceberg.exceptions import RESTError
from pyiceberg.table import Table as IcebergTable
from requests.exceptions import ConnectionError as ConnectFailed
from requests.exceptions import RequestException, Timeout

from k2.status.agents import reason
from k2.status.facts import CATALOG, REGISTRY, STORE, WARM, Part, Table
from k2_shared.core import contracts
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.settings import ClickHouseSettings, RegistrySettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg

LIMIT_S = 3.0
_REFUSED = (401, 403)


async def registry(settings: RegistrySettings) -> Part:
    """Ask the schema registry for its modes, as any client may."""
    where, secret = settings.schema_registry_url, settings.schema_registry_password
    login = None
    if settings.schema_registry_username and secret:
        login = aiohttp.BasicAuth(settings.schema_registry_username, secret.get_secret_value())
    status = await _status(f"{where.rstrip('/')}/config", settings.schema_registry_cafile, login)
    if isinstance(status, str):
        return Part(REGISTRY, where, status, "start it, or check SCHEMA_REGISTRY_URL", answers=False)
    if status in _REFUSED:
        return Part(REGISTRY, where, f"refuses us (HTTP {status})", "check SCHEMA_REGISTRY_USERNAME and its password")
    if status != 200:
        return Part(REGISTRY, where, f"answers HTTP {status}", "its log says why; or check SCHEMA_REGISTRY_URL")
    return Part(REGISTRY, where)


async def store(settings: LakeSettings) -> Part:
    """Whether the object store answers anybody; who may read what is not asked."""
    status = await _status(settings.s3_endpoint, settings.s3_cafile)
    if isinstance(status, str):
        return Part(STORE, settings.s3_endpoint, status, "start it, or check S3_ENDPOINT", answers=False)
    if status >= 500:
        return Part(STORE, settings.s3_endpoint, f"answers HTTP {status}", "its log says why")
    return Part(STORE, settings.s3_endpoint)


async def warm(settings: ClickHouseSettings) -> Part:
    """Ask ClickHouse the simplest query, as the sink's user."""
    where, secret = settings.clickhouse_url.rstrip("/"), settings.clickhouse_password
    login = aiohttp.BasicAuth(settings.clickhouse_user, secret.get_secret_value() if secret else "")
    status = await _status(f"{where}/?query=SELECT%201", settings.clickhouse_cafile, login)
    if isinstance(status, str):
        return Part(WARM, where, status, "start it, or check CLICKHOUSE_URL", answers=False)
    if status in _REFUSED:
        return Part(WARM, where, f"refuses us (HTTP {status})", "check CLICKHOUSE_USER and CLICKHOUSE_PASSWORD")
    if status != 200:
        return Part(WARM, where, f"answers HTTP {status}", "its log says why; or check CLICKHOUSE_URL")
    return Part(WARM, where)


async def _status(url: str, cafile: Path | None, login: aiohttp.BasicAuth | None = None) -> int | str:
    """The HTTP status of a URL, or why there is none."""
    tls = ssl.create_default_context(cafile=str(cafile)) if cafile else True
    timeout = aiohttp.ClientTimeout(total=LIMIT_S)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls), timeout=timeout, auth=login) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            return answer.status
    except TimeoutError:
        return f"no answer in {LIMIT_S:g} s"
    except (aiohttp.ClientError, OSError) as error:
        return f"no answer ({reason(error)})"


async def lake(settings: LakeSettings, names: Names) -> tuple[Part, Sequence[Table]]:
    """Ask the catalog for every table of the contracts; a catalog that falls silent is given up."""
    every = list(contracts.tables())
    limited = settings.model_copy(update={"iceberg_timeout_s": LIMIT_S - 0.5})
    deadline = time.monotonic() + LIMIT_S
    try:
        async with asyncio.timeout(LIMIT_S):
            return await asyncio.to_thread(_asked, limited, names, deadline)
    except (TimeoutError, Timeout):
        part = _unanswered(settings, f"no answer in {LIMIT_S:g} s")
    except RequestException as error:
        part = _unanswered(settings, f"no answer ({_innermost(error)})")
    except RESTError as error:
        do = "check ICEBERG_CREDENTIAL and ICEBERG_WAREHOUSE; its log says more"
        part = Part(CATALOG, settings.iceberg_catalog_uri, f"refuses us ({_first_line(error)})", do)
    return part, [Table(name, fault=f"the {CATALOG} cannot be asked") for name in every]


def _unanswered(settings: LakeSettings, fault: str) -> Part:
    do = "start it, or check ICEBERG_CATALOG_URI"
    return Part(CATALOG, settings.iceberg_catalog_uri, fault, do, answers=False)


def _asked(settings: LakeSettings, names: Names, deadline: float) -> tuple[Part, Sequence[Table]]:
    found = []
    with closing(iceberg.connect(settings)) as catalog:
        for name, contract in contracts.tables().items():
            if time.monotonic() > deadline:  # nobody waits for this thread any more
                raise TimeoutError
            table = iceberg.find(catalog, names, contract)
            found.append(_described(name, table) if table else Table(name, fault="does not exist"))
    return Part(CATALOG, settings.iceberg_catalog_uri), found


def _described(name: str, table: IcebergTable) -> Table:
    snapshot = table.current_snapshot()
    if snapshot is None:
        return Table(name, rows=0, snapshots=0)
    total = snapshot.summary["total-records"] if snapshot.summary else None
    return Table(
        name,
        rows=None if total is None else int(total),
        snapshots=len(table.snapshots()),
        commit_age_s=max(0.0, time.time() - snapshot.timestamp_ms / 1_000),
    )


def _innermost(error: RequestException) -> str:
    """What the operating system said, which stands deep inside of what the libraries make of it."""
    cause: BaseException = error
    while isinstance(error, ConnectFailed) and (inner := cause.__cause__ or cause.__context__):
        cause = inner
    return reason(cause)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
