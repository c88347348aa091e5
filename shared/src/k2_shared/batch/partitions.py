"""Which of a table's partitions are closed: their time is over, so that nothing but late rows comes; pure."""

from datetime import UTC, datetime, timedelta

from k2_shared.core.contracts import IcebergContract, PartitionField

GRACE = timedelta(hours=1)
"""How long after its end a partition counts as open: its rows are on their way for some of it."""


def closed_rows(contract: IcebergContract, now: datetime) -> str:
    """The condition, in SQL, that the rows of closed partitions fulfil, and no others.

    Raises:
        ValueError: the table is not partitioned by time.
    """
    at = (now - GRACE).astimezone(UTC)
    fields = {field.column: field for field in contract.partition_by}
    date, hour = fields.get("exchange_date"), fields.get("exchange_hour")
    if date and hour:
        today = _literal(contract, date, at.replace(hour=0))
        return f"({date.column} < {today} OR ({date.column} = {today} AND {hour.column} < {at.hour}))"
    for field in contract.partition_by:
        if begin := _begin(field.transform, at):
            return f"{field.column} < {_literal(contract, field, begin)}"
    raise ValueError(f"{contract.name} is not partitioned by time")


def _begin(transform: str, at: datetime) -> datetime | None:
    """The begin of the partition that a moment is in."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    match transform:
        case "hour":
            return hour
        case "day":
            return hour.replace(hour=0)
        case "month":
            return hour.replace(day=1, hour=0)
    return None


def _literal(contract: IcebergContract, field: PartitionField, at: datetime) -> str:
    kind = next(column.type for column in contract.columns if column.name == field.column)
    return f"DATE '{at:%Y-%m-%d}'" if kind == "date" else f"TIMESTAMP '{at:%Y-%m-%d %H:%M:%S}'"
