"""What a machine lacks is said in one line, before anything is installed."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PREFLIGHT = ROOT / "deploy/local/preflight.py"
LACKING = [
    ("sys.version_info = (3, 9, 2)", "is too old: install Python 3.11 or later, or set PYTHON=python3.x"),
    ("importlib.util.find_spec = lambda name: None", "Python's venv module is missing: install it"),
]


@pytest.mark.parametrize(("lack", "said"), LACKING)
@pytest.mark.parametrize("target", ["demo", "test"])
def test_make_says_what_is_missing_and_installs_nothing(tmp_path: Path, target: str, lack: str, said: str) -> None:
    """Both commands that a newcomer is told of end with 2 and one line of ours."""
    repository = tmp_path / "repository"
    (repository / "deploy/local").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", repository)
    shutil.copy(PREFLIGHT, repository / "deploy/local")
    python = tmp_path / "python3"
    python.write_text(
        f"#!{sys.executable}\nimport importlib.util, runpy, sys\n{lack}\nsys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    python.chmod(0o700)
    command = ["make", "--no-print-directory", target, f"PYTHON={python}"]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # of no make around us
    done = subprocess.run(
        command, cwd=repository, env=outside, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    ours, *of_make = done.stderr.splitlines()
    assert ours.startswith("k2: ")
    assert said in ours
    assert all(line.startswith("make: ***") for line in of_make)
    assert not (repository / ".venv").exists()


def test_this_machine_lacks_nothing() -> None:
    """The Python of these tests is one that it lets pass."""
    done = subprocess.run([sys.executable, PREFLIGHT], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_an_old_python_gets_as_far_as_saying_that_it_is_too_old() -> None:
    """Python 3.6 reads it, and evaluates no annotation that it does not know."""
    tree = ast.parse(PREFLIGHT.read_text(), feature_version=(3, 6))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    annotations = [f.returns for f in functions] + [a.annotation for f in functions for a in f.args.args]
    assert [ast.unparse(a) for a in annotations if a is not None and not isinstance(a, ast.Constant | ast.Name)] == []
