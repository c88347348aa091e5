"""promtool's absence is a named skip, and where it is required a failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.contract.alerts import promtool

ROOT = Path(__file__).parents[3]


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without promtool and without apt, and an empty cache of ours."""
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    monkeypatch.setenv("K2_CACHE_DIR", os.fspath(tmp_path / "cache"))
    monkeypatch.delenv(promtool.REQUIRED, raising=False)
    return tmp_path


@pytest.mark.usefixtures("bare")
def test_its_absence_is_a_skip_with_a_reason() -> None:
    """The reason says how to get it."""
    with pytest.raises(pytest.skip.Exception, match="'make test-alerts' fetches it"):
        promtool.needed()


@pytest.mark.usefixtures("bare")
def test_its_absence_is_a_failure_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in continuous integration."""
    monkeypatch.setenv(promtool.REQUIRED, "required")
    with pytest.raises(pytest.fail.Exception, match="PROMTOOL=required, and promtool is not here"):
        promtool.needed()


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(("value", "code"), [("", 0), ("required", 2)])
def test_a_machine_without_apt_is_told_in_one_line(value: str, code: int) -> None:
    """It ends a run that requires it, and no other."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.contract.alerts.promtool"],
        cwd=ROOT,
        env={**os.environ, promtool.REQUIRED: value},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "apt-get" in done.stderr


def test_continuous_integration_requires_it() -> None:
    """Before everything else, since it takes seconds."""
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert f"export {promtool.REQUIRED}=required" in lines
    assert lines.index("make test-alerts") < lines.index("exec make test")


@pytest.mark.usefixtures("bare")
def test_one_that_was_fetched_is_kept(bare: Path) -> None:
    """It is found in the cache, and nothing is asked for."""
    kept = bare / "cache" / "promtool"
    kept.parent.mkdir()
    kept.touch()
    assert promtool.found() == promtool.fetch() == os.fspath(kept)
