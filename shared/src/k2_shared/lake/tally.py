"""What the commits to a table came to, for its metrics."""

from collections.abc import Collection
from dataclasses import dataclass

from pyiceberg.manifest import DataFile


@dataclass(slots=True)
class Tally:
    """What commits to a table came to: data files and their bytes, and how often another owner's was ahead."""

    files: int = 0
    bytes: int = 0
    conflicts: int = 0

    def add(self, files: Collection[DataFile]) -> None:
        """Count files that stand in the table."""
        self.files += len(files)
        self.bytes += sum(file.file_size_in_bytes for file in files)
