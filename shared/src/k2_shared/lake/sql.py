"""A SQL catalog on PostgreSQL: no wait is for ever, and its failures are a catalog's; needs k2-shared[lake-sql]."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.exceptions import ServiceUnavailableError
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.typedef import Identifier
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import IntegrityError

from k2_shared.lake.store_clients import StoreClients

_SCHEME, _DRIVER = "postgresql:", "postgresql+pg8000:"  # of the drivers the one whose every wait has a limit
_ABSENT = {"42P01", "42703"}  # a table, a column: the library asks for them to find out, and creates what there is not


class SqlLake(StoreClients, SqlCatalog):
    """A catalog that is two tables of a database; a commit is one conditional update there.

    Its properties are as a REST catalog's: ``credential`` is user:password, ``timeout-s`` is for one answer, and with
    ``cafile`` the connection is TLS.
    """

    def __init__(self, name: str, **properties: str) -> None:
        uri = properties["uri"].replace(_SCHEME, _DRIVER, 1)
        super().__init__(name, **{**properties, "uri": uri, "schema_version": "v1", "pool_pre_ping": "true"})

    def _init_catalog(self) -> None:
        """The library makes the engine, then asks it at once."""
        event.listen(self.engine, "do_connect", self._limit)
        event.listen(self.engine, "handle_error", _tell)
        super()._init_catalog()

    def load_table(self, identifier: str | Identifier) -> Table:
        with _answering():
            return super().load_table(identifier)

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        with _answering():
            return super().commit_table(table, requirements, updates)

    def _limit(self, _dialect: object, _record: object, _arguments: object, parameters: dict[str, Any]) -> None:
        user, _, password = self.properties.get("credential", "").partition(":")
        parameters |= {"user": user, "password": password, "timeout": float(self.properties["timeout-s"])}
        if cafile := self.properties.get("cafile"):
            parameters["ssl_context"] = ssl.create_default_context(cafile=cafile)

    def _convert_orm_to_iceberg(self, orm_table: IcebergTables) -> Table:
        """As the library's, but by the client of the store that all tables share."""
        location = str(orm_table.metadata_location)
        metadata = FromInputFile.table_metadata(self._load_file_io(location=location).new_input(location))
        return Table(
            identifier=(*Catalog.identifier_to_tuple(orm_table.table_namespace), orm_table.table_name),
            metadata=metadata,
            metadata_location=location,
            io=self._load_file_io(metadata.properties, location),
            catalog=self,
        )


@contextmanager
def _answering() -> Iterator[None]:
    """A connection that is tried before it is used, and is reset or gives no answer, is a database that is away.

    The driver does not take what its socket raises there for its own; the store's failures are of neither kind.
    """
    try:
        yield
    except (TimeoutError, ConnectionError) as error:
        raise _away(error) from error


def _away(error: BaseException) -> ServiceUnavailableError:
    return ServiceUnavailableError(f"the catalog's database failed ({type(error).__name__}: {error})")


def _tell(failed: ExceptionContext) -> None:
    """What the database did not do is a catalog that is away, but for what the library reads from its refusals."""
    error = failed.original_exception
    code = error.args[0].get("C") if error.args and isinstance(error.args[0], dict) else None
    if not isinstance(failed.sqlalchemy_exception, IntegrityError) and code not in _ABSENT:
        raise _away(error) from error
