"""Views over both tiers: from an hour on rows are the warm tier's, and before it the cold one's. Pure.

So no row is there twice, and who asks for a symbol or a time asks both tiers for no more than that.
"""

from collections.abc import Iterable

from k2_shared.cold.hours import Hour, Verdict
from k2_shared.cold.warm_hours import ColdSource
from k2_shared.core.contracts import ColdTableContract, Column

_SAME = {
    "long": "Nullable(Int64)",
    "boolean": "Nullable(Bool)",
    "map<string, string>": "Map(String, Nullable(String))",
}
_ENUMERATION = "side"
_LESS_IN_WARM = (Verdict.EXPIRING, Verdict.WOULD_SHRINK)
_ESCAPED = str.maketrans({"\\": r"\\", "'": r"\'"})


def view_of(contract: ColdTableContract) -> str:
    """The name of the view that has a cold table's rows and those that are still in the warm tier alone."""
    return f"all_{contract.name}"


def first_warm(hours: Iterable[tuple[Hour, Verdict]], now: Hour) -> Hour:
    """The hour from which on the warm tier has what cold has, for a day to come; ``hours`` are those of its rows."""
    known = dict(hours)
    gone = [hour.number for hour, verdict in known.items() if verdict in _LESS_IN_WARM]
    if gone:
        return Hour(max(gone) + 1)
    return min(known, default=now)


def definitions(contract: ColdTableContract, seam: Hour, source: ColdSource | None) -> list[str]:
    """The statements that make the view, in place of an older one; without a source there is nothing in cold yet.

    The cold table is a table of ClickHouse's, which a reader may read: what is a function it may not.
    """
    columns = ", ".join(map(_column, contract.columns))
    merged = " FINAL" if contract.relation == contract.kept_in else ""  # a view has done it
    warm = f"SELECT {columns} FROM {contract.relation}{merged}"  # noqa: S608  # a contract's
    made = f"CREATE OR REPLACE VIEW {view_of(contract)} AS {warm}"
    if source is None:
        return [made]
    table, begin = f"cold_{contract.name}", f"toDateTime64('{seam.start:%Y-%m-%d %H:%M:%S}', 6, 'UTC')"
    cold = f"SELECT {columns} FROM {table} WHERE {contract.hour_by} < {begin}"  # noqa: S608
    return [
        f"CREATE OR REPLACE TABLE {table} ENGINE = {_engine(source)}",
        f"{made} WHERE {contract.hour_by} >= {begin} UNION ALL {cold}",
    ]


def _column(column: Column) -> str:
    """A column of a type that both tiers can have; what is asked for is left as it is, so that neither reads more."""
    kind = "Nullable(String)" if column.name == _ENUMERATION else _SAME.get(column.type)
    return f"CAST({column.name}, '{kind}') AS {column.name}" if kind else column.name


def _engine(source: ColdSource) -> str:
    keys = source.keys
    given = ", ".join(_quoted(each) for each in (source.url, keys.key, keys.secret, keys.token))
    return f"IcebergS3({given}) SETTINGS iceberg_metadata_file_path = {_quoted(source.metadata_path)}"


def _quoted(text: str) -> str:
    return f"'{text.translate(_ESCAPED)}'"
