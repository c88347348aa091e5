"""How to look around in a demo that was kept: commands and programs to copy, with its addresses and keys."""

import sys
from importlib.metadata import version
from pathlib import Path

from k2.demo.tables import EXTENSIONS, attaching
from k2_local.targets import Targets
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.settings import ClickHouseReaderSettings, ClickHouseSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.warm.client import database

TABLE = "gold_crypto_trades"
_NEWEST = 5
_TEXT = """\
Everything is still up; its logs are in {folder}. Look around:
  {k2} status --targets {folder}
  eval "$({k2} stack env --state {folder}/stack)"   # then, in this shell:
  {k2} gaps; {k2} topics; {k2} tail gold -n 1

The agents' pages; /healthz and /readyz beside them, and of a feed /feeds:
{pages}

DuckDB, as it is in this environment; elsewhere {duckdb}:
{python} - <<'EOF'
import duckdb
from importlib.resources import files
lake = duckdb.connect()
for name in {extensions}:
    lake.load_extension(str(next(files("duckdb_extension_" + name).rglob("*.duckdb_extension"))))
{statements}
print(lake.sql("SELECT count(*) FROM lake.{namespace}.{table}").fetchone()[0], "trades in gold")
lake.sql("SELECT message_id, timestamp, side, price, quantity FROM lake.{namespace}.{table} "
         "ORDER BY timestamp DESC LIMIT {newest}").show()
EOF

pyiceberg, as it is in this environment; elsewhere {pyiceberg}:
{python} - <<'EOF'
from pyiceberg.catalog import load_catalog
catalog = load_catalog("k2", **{properties})
gold = catalog.load_table("{namespace}.{table}")
print(gold.scan().count(), "trades in gold")
print(gold.scan(row_filter="side == 'BUY'", selected_fields=("symbol", "price", "quantity"), limit={newest}).to_arrow())
EOF

Polars; it needs {polars}:
{python} - <<'EOF'
import polars as pl
from pyiceberg.catalog import load_catalog
catalog = load_catalog("k2", **{properties})
gold = pl.scan_iceberg(catalog.load_table("{namespace}.{table}"), reader_override="pyiceberg")
print(gold.select(pl.len()).collect().item(), "trades in gold")
print(gold.group_by("exchange", "symbol").agg(pl.len(), pl.col("quantity").sum()).collect())
EOF

ClickHouse, the warm tier, as it is in this environment; elsewhere {clickhouse}:
{python} - <<'EOF'
import clickhouse_connect
warm = clickhouse_connect.get_client({login})
print(warm.query("SELECT count() FROM gold_trades FINAL").result_rows[0][0], "trades in gold")
for row in warm.query("SELECT message_id, timestamp, side, price, quantity FROM gold_trades FINAL "
                      "ORDER BY timestamp DESC LIMIT {newest}").result_rows:
    print(*row)
EOF

Stop it:
  {k2} demo --stop {folder}
"""


def around(folder: Path) -> str:
    """What to type, by the file of targets of a demo's folder; no line of it may be wrapped."""
    targets = Targets.read(folder)
    given = {name.lower(): value for name, value in targets.settings.items()}
    settings = LakeSettings.load(**given)
    duckdb = [f"{name}=={version(name)}" for name in ("duckdb", *(f"duckdb-extension-{each}" for each in EXTENSIONS))]
    return _TEXT.format(
        folder=folder,
        k2=program("k2"),
        python=program("python"),
        pages="\n".join(f"  {agent.name:<13} {agent.url}/metrics" for agent in targets.agents),
        duckdb=f"pip install {' '.join(duckdb)}",
        pyiceberg=f"pip install 'pyiceberg[pyarrow]=={version('pyiceberg')}'",
        polars=f"{program('uv')} pip install --python {program('python')} polars",
        extensions=EXTENSIONS,
        statements="\n".join(f'lake.execute("{statement}")' for statement in attaching(settings)),
        properties=_properties(settings),
        clickhouse=f"pip install clickhouse-connect=={version('clickhouse-connect')}",
        login=_login(ClickHouseReaderSettings.load(**given).as_reader()),
        namespace=iceberg.namespace(Names()),
        table=TABLE,
        newest=_NEWEST,
    )


def program(name: str) -> str:
    """A program of this environment as it is called from here."""
    path = Path(sys.executable).parent / name
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _properties(settings: LakeSettings) -> str:
    """The catalog's properties, one a line, as a Python dictionary; limits of time are left to the library."""
    said = {"type": "rest", **iceberg.properties(settings)}
    lines = [f'    "{name}": "{value}",\n' for name, value in said.items() if "timeout" not in name]
    return "{\n" + "".join(lines) + "}"


def _login(reader: ClickHouseSettings) -> str:
    """How clickhouse-connect reaches the warm tier, as arguments; by who may read and nothing else."""
    secret = reader.clickhouse_password.get_secret_value() if reader.clickhouse_password else ""
    return (
        f'dsn="{reader.clickhouse_url}", username="{reader.clickhouse_user}", password="{secret}", '
        f'database="{database(reader, Names())}"'
    )
