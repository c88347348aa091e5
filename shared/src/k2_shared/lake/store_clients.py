"""What catalogs of any kind share: one client of the object store for all tables, with the keys of now."""

from abc import ABC
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from pyiceberg.catalog import Catalog
from pyiceberg.io import S3_ACCESS_KEY_ID, S3_ENDPOINT, S3_SECRET_ACCESS_KEY, S3_SESSION_TOKEN, FileIO
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.typedef import EMPTY_DICT, Properties

from k2_shared.core.aws_credentials import keys_in

KEYS_FILE = "k2.s3-credentials-file"
"""The catalog's property with the file of the store's keys, which may be written anew at any time."""
OWN_ENDPOINT = "k2.s3-endpoint"
"""The catalog's property with the store's address as this client was told it: a catalog says one of its own network."""
_OF_A_STORE = ("s3.", "client.", "py-io-impl")
_NAMES = {
    "aws_access_key_id": S3_ACCESS_KEY_ID,
    "aws_secret_access_key": S3_SECRET_ACCESS_KEY,
    "aws_session_token": S3_SESSION_TOKEN,
}


class StoreClients(Catalog, ABC):
    """A catalog whose tables share a client of their object store.

    The library makes a client for every table that it loads, also when it loads one again: each holds memory, threads
    and connections until garbage is looked for. Keys that the catalog gives with a table, or that stand in a file, are
    those of the moment at which the table is loaded: where the store refuses old ones, the next attempt loads it anew.
    """

    def __init__(self, name: str, **properties: str) -> None:
        self._clients: dict[tuple[tuple[str, str], ...], FileIO] = {}
        super().__init__(name, **properties)

    def close(self) -> None:
        """Close every connection, the store's too."""
        self._take({})
        super().close()

    @staticmethod
    def _delete_old_metadata(io: FileIO, base: TableMetadata, metadata: TableMetadata) -> None:
        """As the library's; where the catalog's server was faster there is nothing to warn of."""

        def delete(location: str) -> None:
            with suppress(FileNotFoundError):
                io.delete(location)

        Catalog._delete_old_metadata(cast("FileIO", SimpleNamespace(delete=delete)), base, metadata)

    def _load_file_io(self, properties: Properties = EMPTY_DICT, location: str | None = None) -> FileIO:
        properties = {**self._keys(), **properties, **self._address()}
        given = {**self.properties, **properties}
        how = tuple(sorted((name, str(value)) for name, value in given.items() if name.startswith(_OF_A_STORE)))
        if how not in self._clients:
            self._take({how: super()._load_file_io(properties, location)})  # keys are renewed, not gathered
        return self._clients[how]

    def _take(self, clients: dict[tuple[tuple[str, str], ...], FileIO]) -> None:
        """Have these clients, and close the former: each is in a cycle, and would stay connected until it is found."""
        former, self._clients = self._clients, clients
        for client in former.values():
            if isinstance(client, PyArrowFileIO):
                client.fs_by_scheme.cache_clear()  # type: ignore[attr-defined]

    def _address(self) -> dict[str, str]:
        own = self.properties.get(OWN_ENDPOINT)
        return {S3_ENDPOINT: own} if own else {}

    def _keys(self) -> dict[str, str]:
        """The keys of the file, if there is one; raises OSError where it has none at the moment."""
        file = self.properties.get(KEYS_FILE)
        return {_NAMES[name]: key for name, key in keys_in(Path(file)).items()} if file else {}
