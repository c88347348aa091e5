"""The rows of a table as a reader finds them, file by file: what does not change is read once."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan
from tests.lake.expected import Row, found

from k2_shared.core.contracts import TableContract


@dataclass
class TableReader:
    """Reads a table again and again; of its data files, which are never written over, each once."""

    contract: TableContract
    _known: dict[str, Counter[Row]] = field(default_factory=dict)

    def rows(self, table: Any) -> Counter[Row]:
        """Every row of the current snapshot, counted."""
        tasks = list(table.scan().plan_files())
        for task in tasks:
            if task.file.file_path not in self._known:
                self._known[task.file.file_path] = self._read(table, task)
        every: Counter[Row] = Counter()
        for task in tasks:
            every.update(self._known[task.file.file_path])
        return every

    def _read(self, table: Any, task: Any) -> Counter[Row]:
        scan = ArrowScan(table.metadata, table.io, table.schema(), AlwaysTrue())
        return Counter(found(self.contract, scan.to_table([task]).to_pylist()))
