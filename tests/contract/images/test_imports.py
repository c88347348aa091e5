"""What an agent imports is in its image."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from tests.contract.images.as_image import ROOT, Hidden, hidden

SERVICES = sorted(path.name for path in (ROOT / "services").iterdir() if path.name != "k2")
TOOLS = {"chdb", "exchange_sim", "k2", "k2_local", "k2_support", "pytest", "hypothesis", "tests", "typer"}


@pytest.mark.parametrize("service", SERVICES)
def test_an_agent_imports_only_what_its_image_has(service: str) -> None:
    """All its modules load with what is shared and the packages that the two declare; nothing else of ours is there."""
    command = [sys.executable, "-m", "tests.contract.images.as_image", service]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {service, "k2_shared"}


@pytest.mark.parametrize("service", SERVICES)
def test_no_tool_is_in_an_agents_image(service: str) -> None:
    """The simulator, the demo, the local stack, its ClickHouse and the tests' packages are hidden from it."""
    assert hidden(service) >= TOOLS - {service}


@pytest.mark.parametrize("service", sorted({*SERVICES} - {"iceberg_sink", "offload", "warm_sink"}))
def test_only_who_fills_tables_has_arrow(service: str) -> None:
    """It is larger than all the rest of an agent's image."""
    assert "pyarrow" in hidden(service)


def test_what_an_image_lacks_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check itself fails for a module that needs a tool."""
    (tmp_path / "needs_a_tool.py").write_text("import k2_support.waiting\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("k2_support")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Hidden(hidden("silver"), "not in the image"), *sys.meta_path])
    with pytest.raises(ModuleNotFoundError, match="k2_support is not in the image"):
        import_module("needs_a_tool")
