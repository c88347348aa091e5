"""An image holds the installed packages alone, so the contracts must be inside the wheel."""

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from tests.contract.compose.composefile import ROOT

LOAD = """
from k2_shared.core import contracts
print(contracts.__file__)
print(sorted(contracts.topics()), contracts.iceberg_tables(), contracts.schema_text("trade_v3.avsc"))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of k2-shared, built as an image's build does."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT / "shared", check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_every_contract_is_packed(wheel: Path) -> None:
    """The wheel has every file of schemas/, byte for byte."""
    schemas = [path for path in (ROOT / "schemas").rglob("*") if path.is_file()]
    with ZipFile(wheel) as packed:
        for path in schemas:
            assert packed.read(f"k2_shared/schemas/{path.relative_to(ROOT / 'schemas')}") == path.read_bytes()


def test_contracts_load_from_the_wheel(wheel: Path) -> None:
    """The packed contracts are read without the repository, and are the same."""
    outputs = []
    for found_first in (str(wheel), str(ROOT / "shared" / "src")):
        environment = {**os.environ, "PYTHONPATH": found_first}
        done = subprocess.run(
            [sys.executable, "-c", LOAD], cwd=wheel.parent, env=environment, check=True, capture_output=True, text=True
        )
        where, _, what = done.stdout.partition("\n")
        assert where.startswith(found_first)
        outputs.append(what)
    assert outputs[0] == outputs[1]
