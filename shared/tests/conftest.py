"""Fixtures of the shared tests."""

import pytest
from shared.tests.stages.toy_processor import Run

from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import Names


@pytest.fixture
def run(run_settings: RunSettings, names: Names) -> Run:
    """A toy agent under test."""
    return Run(run_settings, names)
