"""Requests by which a table's owner works, as a proxy before catalog or store sees them."""

from k2_support.http_proxy import Which


def path_has(*parts: str, method: str) -> Which:
    """Requests of one method whose path contains all of these."""
    return lambda given, path: given == method and all(part in path for part in parts)


def data_file(table: str = "") -> Which:
    """Rows that are written to the store."""
    return _written(table, "/data/")


def manifest(table: str = "") -> Which:
    """Manifests and lists of them that are written to the store."""
    return _written(table, "/metadata/")


def manifest_list(table: str = "") -> Which:
    """Lists of manifests that are written to the store: the last thing before a commit."""
    return _written(table, "/metadata/snap-")


LISTED = path_has("list-type=2", method="GET")
"""Files of a place that are listed."""


def removed(method: str, path: str) -> bool:
    """Files that are deleted from the store, one or many at once."""
    return method == "DELETE" or (method == "POST" and path.partition("?")[2].split("=")[0] == "delete")


def _written(table: str, what: str) -> Which:
    """Files of one table, or of any: a catalog may put more behind the name, where an earlier table has left files."""
    return path_has(f"/{table}", what, method="PUT")


def read_table(table: str = "") -> Which:
    """A table that is read from the catalog."""
    return path_has(f"/tables/{table}", method="GET")


def commit(table: str = "") -> Which:
    """A commit to a table: of rows, of what expires, of anything."""
    return path_has(f"/tables/{table}", method="POST")
