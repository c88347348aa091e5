"""The absence of one of Prometheus' tools is a named skip, and where they are required a failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.contract.alerts.tools import REQUIRED, TOOLS, Tool

ROOT = Path(__file__).parents[3]
OF_EACH = pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without the tools and without apt, and an empty cache of ours."""
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    monkeypatch.setenv("K2_CACHE_DIR", os.fspath(tmp_path / "cache"))
    monkeypatch.delenv(REQUIRED, raising=False)
    return tmp_path


@OF_EACH
@pytest.mark.usefixtures("bare")
def test_its_absence_is_a_skip_with_a_reason(tool: Tool) -> None:
    """The reason says how to get it."""
    with pytest.raises(pytest.skip.Exception, match="'make test-alerts' fetches it"):
        tool.needed()


@OF_EACH
@pytest.mark.usefixtures("bare")
def test_its_absence_is_a_failure_where_it_is_required(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in continuous integration."""
    monkeypatch.setenv(REQUIRED, "required")
    with pytest.raises(pytest.fail.Exception, match=f"{REQUIRED}=required, and {tool.name} is not here"):
        tool.needed()


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(("value", "code"), [("", 0), ("required", 2)])
def test_a_machine_without_apt_is_told_in_one_line(value: str, code: int) -> None:
    """It ends a run that requires it, and no other."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.contract.alerts.tools"],
        cwd=ROOT,
        env={**os.environ, REQUIRED: value},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "packages cannot be had here: apt-get" in done.stderr


def test_continuous_integration_requires_them() -> None:
    """They are fetched before the tests, of which none is skipped for want of one."""
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert f"export {REQUIRED}=required" in lines
    assert lines.index("make prometheus") < lines.index("exec make test")


@OF_EACH
def test_one_that_was_fetched_is_kept(bare: Path, tool: Tool) -> None:
    """It is found in the cache, and nothing is asked for."""
    kept = bare / "cache" / tool.name
    kept.parent.mkdir()
    kept.touch()
    assert tool.found() == tool.fetch() == os.fspath(kept)
