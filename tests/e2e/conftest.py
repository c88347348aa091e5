"""Fixtures of the end-to-end tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.demos import Demos


@pytest.fixture
def demos(tmp_path: Path) -> Iterator[Demos]:
    """Demos that end with the test."""
    runner = Demos(tmp_path)
    yield runner
    runner.end()
