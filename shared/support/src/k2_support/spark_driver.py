"""A driver of Spark's jobs that is none: it says what it is told to say. For what starts drivers; Spark has suites."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from k2_shared.batch.steps import MODULE

_CODE = """
import sys, time
from pathlib import Path
folder = Path(__file__).parent
with (folder / "runs").open("a") as runs:
    runs.write(" ".join(sys.argv[1:]) + "\\n")
for line in (folder / "lines").read_text().splitlines():
    print(line, flush=True)
if (folder / "waits").exists():
    sys.stdin.read()
sys.exit(int((folder / "code").read_text()))
"""


class SpokenDriver:
    """The module that the maintenance starts, in a folder for ``PYTHONPATH``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._place = folder / MODULE.partition(".")[0]
        self._place.mkdir()
        (self._place / f"{MODULE.rpartition('.')[2]}.py").write_text(_CODE)
        self.says([])

    def says(self, lines: Sequence[Mapping[str, Any]], code: int = 0, *, waits: bool = False) -> None:
        """What its next runs say, how they end, and whether they end only when they are told to."""
        (self._place / "lines").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (self._place / "code").write_text(str(code))
        if waits:
            (self._place / "waits").touch()
        else:
            (self._place / "waits").unlink(missing_ok=True)

    @property
    def runs(self) -> list[str]:
        """The arguments of each run so far."""
        runs = self._place / "runs"
        return runs.read_text().splitlines() if runs.exists() else []


def unit(step: str, table: str, reason: str = "", **facts: Any) -> dict[str, Any]:
    """The line of a step that has ended."""
    return {"event": "unit", "step": step, "table": table, "seconds": 1.5, "facts": facts, "reason": reason}
