"""What the long suites and the benches are made of can be loaded, also on a day on which nobody runs them."""

from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CONTENDERS = "contenders"  # they run in an environment of their own
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "tests").rglob("*.py")
    if not path.name.startswith("test_") and path.stem != "conftest" and CONTENDERS not in path.parts
)


@pytest.mark.parametrize("module", MODULES)
def test_a_part_of_a_suite_loads(module: str) -> None:
    """A name that has gone elsewhere is noticed here, and not after half an hour of a suite."""
    import_module(module)
