"""Fixtures of the shared tests."""

import pytest
from shared.tests.toy_stage import Run

from k2_shared.settings import RunSettings
from k2_shared.topics import Names


@pytest.fixture
def run(run_settings: RunSettings, names: Names) -> Run:
    """A toy agent under test."""
    return Run(run_settings, names)
