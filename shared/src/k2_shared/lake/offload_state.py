"""What the commit of an hour says of it in its snapshot's summary, and of the newest hour in the table's properties."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from k2_shared.core.errors import Halt


@dataclass(frozen=True, slots=True)
class OffloadedHour:
    """An hour as one commit made it: when it begins (UTC), how many rows it has, their fingerprint, the commit's id."""

    start: datetime
    rows: int
    fingerprint: str
    commit_id: str

    def to_summary(self, table: str) -> dict[str, str]:
        """Encode it for the snapshot's summary; ``table`` is the contract's name."""
        return {
            f"offload.{table}.hour": _spelt(self.start),
            f"offload.{table}.rows": str(self.rows),
            f"offload.{table}.fingerprint": self.fingerprint,
            f"offload.{table}.commit-id": self.commit_id,
        }

    @classmethod
    def from_summary(cls, properties: Mapping[str, str | None], table: str) -> "OffloadedHour | None":
        """Decode it; None of a snapshot that is no hour's, as compaction's.

        Raises:
            Halt: a part is missing or cannot be read.
        """
        prefix = f"offload.{table}."
        own = {name.removeprefix(prefix): value or "" for name, value in properties.items() if name.startswith(prefix)}
        if not own:
            return None
        try:
            return cls(datetime.fromisoformat(own["hour"]), int(own["rows"]), own["fingerprint"], own["commit-id"])
        except (KeyError, ValueError) as error:
            raise Halt(f"what a snapshot of table {table} says of its hour is damaged ({error!r}): {own}") from None


def watermark(properties: Mapping[str, str | None], table: str) -> datetime | None:
    """When the newest hour begins that was ever offloaded, by the table's properties; None where none was.

    Raises:
        Halt: it cannot be read.
    """
    said = properties.get(_watermark(table))
    try:
        return datetime.fromisoformat(said) if said else None
    except ValueError:
        raise Halt(f"property {_watermark(table)} was changed by hand: {said!r} is no time; write it again") from None


def advanced(properties: Mapping[str, str | None], table: str, start: datetime) -> dict[str, str]:
    """The watermark once an hour is offloaded, as a property: it never goes back."""
    return {_watermark(table): _spelt(max(start, watermark(properties, table) or start))}


def _watermark(table: str) -> str:
    return f"offload.{table}.watermark"


def _spelt(start: datetime) -> str:
    return f"{start:%Y-%m-%dT%H:%MZ}"
