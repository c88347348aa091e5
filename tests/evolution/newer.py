"""A newer version of K2, whose contract has fields more: a copy of the shared package that comes before ours."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import k2_shared
from k2_shared.warm.migrations import migrations
from k2_support.records import ADDED

NUMBER = {"name": "maker_sequence", "type": ["null", "long"], "default": None, "doc": "the maker's order"}
FIELDS = (ADDED, NUMBER)
MIGRATION = f"{len(migrations()) + 1:04}_more_fields"
COLD = "silver_trades"
"""The cold table that has the fields of trades."""
_PATIENCE_S = 240.0
_FIELDS = (("fee", "String", "what it cost"), ("maker_sequence", "Int64", "of the order"))
_COLUMNS = "".join(
    f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {name} Nullable({kind}) COMMENT '{comment}';\n"
    for table in ("silver_trades", "gold_trades")
    for name, kind, comment in _FIELDS
)
_COLD_TYPES = {"String": "string", "Int64": "long"}


@dataclass(frozen=True)
class NewerVersion:
    """The newer version's folder, and its contract."""

    folder: Path

    @property
    def schema(self) -> dict[str, Any]:
        """How it writes trades."""
        schema: dict[str, Any] = json.loads((self.folder / "k2_shared/schemas/trade_v3.avsc").read_text())
        return schema

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes a process of ours one of that version."""
        return {"PYTHONPATH": str(self.folder)}

    def k2(self, words: Sequence[str], **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run its command line."""
        return subprocess.run(
            [sys.executable, "-m", "k2", *words],
            env={**os.environ, **self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )


def newer_version(folder: Path) -> NewerVersion:
    """Make it."""
    source = Path(k2_shared.__file__).parent
    shutil.copytree(source, folder / "k2_shared", ignore=shutil.ignore_patterns("__pycache__"))
    contract = folder / "k2_shared/schemas/trade_v3.avsc"
    schema = json.loads(contract.read_text())
    contract.write_text(json.dumps({**schema, "fields": [*schema["fields"], *FIELDS]}))
    (folder / f"k2_shared/schemas/clickhouse/{MIGRATION}.sql").write_text(_COLUMNS)
    _add_to_cold(folder / f"k2_shared/schemas/tables/cold/{COLD}.yaml")
    return NewerVersion(folder)


def _add_to_cold(file: Path) -> None:
    contract = yaml.safe_load(file.read_text())
    more = [{"name": name, "type": _COLD_TYPES[kind], "comment": comment} for name, kind, comment in _FIELDS]
    file.write_text(yaml.safe_dump({**contract, "columns": [*contract["columns"], *more]}))
