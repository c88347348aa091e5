"""Reads the events in an agent's log."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

Event = Mapping[str, Any]


def events(log: Path, *names: str) -> Iterator[Event]:
    """The log lines of one process that are events of these names; other lines are passed over."""
    for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
        with suppress(ValueError):
            said = json.loads(line)
            if isinstance(said, dict) and said.get("event") in names:
                yield said
