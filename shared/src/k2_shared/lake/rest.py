"""A REST catalog that cannot wait for ever."""

from typing import Any

from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.catalog.rest.auth import AuthManager
from requests import PreparedRequest, Response, Session
from requests.adapters import BaseAdapter, HTTPAdapter

from k2_shared.lake.store_clients import StoreClients


class _Deadline(HTTPAdapter):
    """An HTTP adapter whose every request has a time limit, and trusts the authorities that it was told.

    ``through`` is the adapter that sends, where it is another one.
    """

    def __init__(self, timeout_s: float, cafile: str | None, through: BaseAdapter | None = None) -> None:
        self._timeout_s = timeout_s
        self._cafile = cafile
        self._through = through
        super().__init__()

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        kwargs["timeout"] = self._timeout_s
        if self._cafile:  # here, where no REQUESTS_CA_BUNDLE of the environment wins over it
            kwargs["verify"] = self._cafile
        return self._through.send(request, *args, **kwargs) if self._through else super().send(request, *args, **kwargs)


class RestLake(StoreClients, RestCatalog):
    """A REST catalog of any kind; how long one answer may take is its property ``timeout-s``."""

    def _create_legacy_oauth2_auth_manager(self, session: Session) -> AuthManager:
        """The library makes this first of a session, and asks for a token at once."""
        deadline = self._deadline()
        session.mount("http://", deadline)
        session.mount("https://", deadline)
        return super()._create_legacy_oauth2_auth_manager(session)

    def _init_sigv4(self, session: Session) -> None:
        """The library's adapter that signs knows no time limit."""
        super()._init_sigv4(session)
        session.mount(self.uri, self._deadline(session.get_adapter(self.uri)))

    def _deadline(self, through: BaseAdapter | None = None) -> _Deadline:
        return _Deadline(float(self.properties["timeout-s"]), self.properties.get("cafile"), through)
