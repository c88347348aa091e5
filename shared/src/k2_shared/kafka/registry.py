"""A client of the schema registry (Confluent's API): what agents and the topic setup need of it."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp
import stamina

from k2_shared.core.contracts import TopicContract, schema_text
from k2_shared.core.errors import ConfigError, Halt, Unavailable
from k2_shared.core.settings import RegistrySettings

_JSON = "application/vnd.schemaregistry.v1+json"
_ATTEMPTS = 5
_RETRIED = (429, 500, 502, 503, 504)


class _TryAgain(Exception):
    """The registry could not answer this time."""


class SchemaRegistry:
    """Registers contracts and looks up their ids; every call is bounded in time and attempts."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    @classmethod
    @asynccontextmanager
    async def connect(cls, settings: RegistrySettings) -> AsyncIterator[Self]:
        """Open a session with the credentials and authorities of the settings."""
        cafile = settings.schema_registry_cafile
        tls = ssl.create_default_context(cafile=str(cafile)) if cafile else True
        async with aiohttp.ClientSession(
            headers=_credentials(settings),
            connector=aiohttp.TCPConnector(ssl=tls),
            timeout=aiohttp.ClientTimeout(total=settings.schema_registry_timeout_s),
        ) as session:
            yield cls(session, settings.schema_registry_url)

    async def apply(self, contract: TopicContract, subject: str) -> int:
        """Register a topic's schema and set its compatibility mode; safe to repeat. Returns the schema's id."""
        # The subject comes first: Apicurio keeps a mode only for a subject that exists, and starts it as NONE.
        answer = await self._call("POST", f"/subjects/{subject}/versions", _body(contract))
        await self._call("PUT", f"/config/{subject}", {"compatibility": contract.compatibility})
        found = (await self._call("GET", f"/config/{subject}"))["compatibilityLevel"]
        if found != contract.compatibility:
            raise Halt(f"the registry keeps mode {found} for {subject}; its contract says {contract.compatibility}")
        return int(answer["id"])

    async def find(self, contract: TopicContract, subject: str) -> int | None:
        """The id under which a topic's schema stands; None where the subject does not hold it."""
        answer = await self._call("POST", f"/subjects/{subject}", _body(contract), absent_ok=True)
        return None if answer is None else int(answer["id"])

    async def schema_id(self, contract: TopicContract, subject: str) -> int:
        """As ``find``, of a schema that must be there.

        Raises:
            ConfigError: the subject does not hold the contract's schema.
        """
        found = await self.find(contract, subject)
        if found is None:
            raise ConfigError(f"the registry has no schema {contract.schema} under {subject}: run 'k2 init'")
        return found

    async def versions(self, subject: str) -> list[int]:
        """The numbers of a subject's versions; none where there is no such subject."""
        found: list[int] = await self._call("GET", f"/subjects/{subject}/versions", absent_ok=True) or []
        return found

    async def version(self, subject: str, number: int) -> tuple[int, Any]:
        """The id and the schema of one version; both stay what they are."""
        answer = await self._call("GET", f"/subjects/{subject}/versions/{number}")
        return int(answer["id"]), json.loads(answer["schema"])

    async def _call(self, method: str, path: str, body: Any = None, *, absent_ok: bool = False) -> Any:
        try:
            async for attempt in stamina.retry_context(
                on=(_TryAgain, aiohttp.ClientError, TimeoutError),
                attempts=_ATTEMPTS,
                timeout=None,
                wait_max=2.0,
            ):
                with attempt:
                    return await self._once(method, path, body, absent_ok=absent_ok)
        except (_TryAgain, aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(
                f"the schema registry at {self._url} did not answer {method} {path} "
                f"in {_ATTEMPTS} attempts ({error or type(error).__name__}): check SCHEMA_REGISTRY_URL"
            ) from None

    async def _once(self, method: str, path: str, body: Any, *, absent_ok: bool) -> Any:
        headers = {"Content-Type": _JSON}
        async with self._session.request(method, self._url + path, json=body, headers=headers) as response:
            if response.status in _RETRIED:
                raise _TryAgain(f"HTTP {response.status}")
            if response.status == 404 and absent_ok:
                return None
            if response.status >= 400:
                raise Halt(f"the registry refused {method} {path}: HTTP {response.status} {await response.text()}")
            return await response.json(content_type=None)


def _credentials(settings: RegistrySettings) -> dict[str, str]:
    if not (settings.schema_registry_username and settings.schema_registry_password):
        return {}
    secret = settings.schema_registry_password.get_secret_value()
    return {"Authorization": aiohttp.encode_basic_auth(settings.schema_registry_username, secret)}


def _body(contract: TopicContract) -> dict[str, str]:
    if contract.schema is None:
        raise TypeError(f"{contract.name} carries no schema")
    return {"schema": schema_text(contract.schema), "schemaType": "AVRO"}
