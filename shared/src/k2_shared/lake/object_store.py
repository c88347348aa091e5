"""The client of the object store behind the tables, where its certificate is of a private authority."""

from pyarrow.fs import FileSystem, S3FileSystem
from pyiceberg.io.pyarrow import PyArrowFileIO

CAFILE = "s3.tls-ca-file"
"""The catalog's property with the PEM file of the authorities to trust."""


class ObjectStore(PyArrowFileIO):
    """As the library's, which knows no property for the authorities of S3."""

    def _initialize_s3_fs(self, netloc: str | None) -> FileSystem:
        """The library's file system with one option more: what it is pickled to is what it was made of."""
        _, (made_of,) = super()._initialize_s3_fs(netloc).__reduce__()
        return S3FileSystem(**{**made_of, "tls_ca_file_path": self.properties[CAFILE]})
