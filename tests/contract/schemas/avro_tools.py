"""Apache's own Avro tools, in Java: a second opinion on the bytes that we write and read."""

import json
import os
import subprocess
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from k2_local.artifacts import Artifact
from k2_local.parts import java
from k2_shared.core.trade import DECIMAL_SCALE

TOOLS = Artifact(
    "f8e4d0d945852dc2f91c3bf88f7dcb8cabc00e0fc295bb92e893e54945e08085",
    57_522_797,
    "org.apache.avro:avro-tools:1.12.0:jar",
)
_DECIMALS = ("price", "quantity")
_HEAP_MB = 256
_TIMEOUT_S = 120
_BYTES = "latin-1"  # Avro's JSON has a byte as the character of its number


class AvroTools:
    """The command line of avro-tools for one schema; every call starts a Java of its own."""

    def __init__(self, jar: Path, schema: Path, folder: Path) -> None:
        self._jar, self._schema, self._folder = jar, schema, folder

    def decode(self, data: bytes) -> list[dict[str, Any]]:
        """Read records that stand one after another, without any frame."""
        lines = self._run(data, "fragtojson", "--no-pretty").split(b"\n")
        return [_from_json(json.loads(line)) for line in lines if line]

    def encode(self, records: Iterable[dict[str, Any]]) -> bytes:
        """Write records one after another, without any frame."""
        return self._run("\n".join(json.dumps(_to_json(each)) for each in records).encode(), "jsontofrag")

    def compile(self) -> str:
        """The Java class of the schema's record."""
        out = self._folder / "java"
        self._call("compile", "-bigDecimal", "schema", os.fspath(self._schema), os.fspath(out))
        (record,) = out.rglob("TradeV3.java")
        return record.read_text()

    def _run(self, data: bytes, *tool: str) -> bytes:
        given = self._folder / "input"
        given.write_bytes(data)
        return self._call(*tool, "--schema-file", os.fspath(self._schema), os.fspath(given))

    def _call(self, *arguments: str) -> bytes:
        command = java(_HEAP_MB, "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-jar", os.fspath(self._jar))
        done = subprocess.run([*command, *arguments], capture_output=True, timeout=_TIMEOUT_S, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout


def _to_json(record: dict[str, Any]) -> dict[str, Any]:
    return {
        **record,
        **{name: _unscaled(record[name]).decode(_BYTES) for name in _DECIMALS},
        "source_sequence": _in_union("long", record["source_sequence"]),
        "vendor_data": _in_union("map", record["vendor_data"]),
    }


def _from_json(record: dict[str, Any]) -> dict[str, Any]:
    return {
        **record,
        **{name: _scaled(record[name].encode(_BYTES)) for name in _DECIMALS},
        "source_sequence": _out_of_union(record["source_sequence"]),
        "vendor_data": _out_of_union(record["vendor_data"]),
    }


def _in_union(kind: str, value: Any) -> Any:
    return None if value is None else {kind: value}


def _out_of_union(value: Any) -> Any:
    return None if value is None else next(iter(value.values()))


def _unscaled(value: Decimal) -> bytes:
    number = int(value.scaleb(DECIMAL_SCALE))
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)


def _scaled(data: bytes) -> Decimal:
    return Decimal(int.from_bytes(data, "big", signed=True)).scaleb(-DECIMAL_SCALE)
