"""The pure cores, whose every branch ``make test-cores`` demands: the list in pyproject.toml is whole."""

import ast
import tomllib
from pathlib import Path

import pytest

from k2_shared.core import contracts
from k2_support.source import parsed

ROOT = Path(__file__).resolve().parents[3]
LISTED: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]["report"]["include"]
CORES = sorted({path for pattern in LISTED for path in ROOT.glob(pattern)})
FEEDS = [venue.service for venue in contracts.venues().values()]
AGENTS = (*FEEDS, "gold", "iceberg_sink", "lag_exporter", "maintenance", "offload", "silver", "warm_sink")
SHELL = {"__init__", "__main__", "main", "settings", "adapters", "sink", "housekeeping"}
FOLLOWERS = {"followers", "candles", "candle_store", "missing"}  # of the warm sink, which read and write tables
IO = {
    "aiohttp",
    "aiokafka",
    "asyncio",
    "faust",
    "mode",
    "os",
    "requests",
    "socket",
    "subprocess",
    "threading",
    "urllib3",
}


@pytest.mark.parametrize("pattern", LISTED)
def test_what_is_listed_is_there(pattern: str) -> None:
    """A module that was renamed takes its line with it."""
    assert list(ROOT.glob(pattern))


@pytest.mark.parametrize("agent", AGENTS)
def test_of_an_agent_all_but_its_shell_is_core(agent: str) -> None:
    """What is neither wiring, nor settings, nor I/O is listed."""
    modules = (ROOT / "services" / agent / "src" / agent).glob("*.py")
    assert [module.name for module in modules if module.stem not in SHELL | FOLLOWERS and module not in CORES] == []


@pytest.mark.parametrize("core", CORES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_core_does_no_io(core: Path) -> None:
    """It imports nothing that reads, writes or waits."""
    imports = [node for node in ast.walk(parsed(core)) if isinstance(node, ast.Import | ast.ImportFrom)]
    named = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module or "" for node in imports if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in named} & IO == set()
