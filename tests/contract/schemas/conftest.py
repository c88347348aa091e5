"""Avro's tools and the registry's own API."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.contract.jars import fetch
from tests.contract.schemas.avro_tools import TOOLS, AvroTools

from k2_local import StackSettings
from k2_shared.core.settings import RunSettings

SCHEMA = Path(__file__).parents[3] / "schemas" / "trade_v3.avsc"
Call = Callable[..., requests.Response]


@pytest.fixture(scope="session")
def avro_tools(tmp_path_factory: pytest.TempPathFactory) -> AvroTools:
    """avro-tools for trade_v3; the first use downloads 57 MB."""
    return AvroTools(
        fetch(TOOLS, StackSettings.load().cache / "avro-tools"), SCHEMA, tmp_path_factory.mktemp("avro-tools")
    )


@pytest.fixture
def registry_call(run_settings: RunSettings) -> Call:
    """Call the registry without our client between."""

    def call(method: str, path: str, body: Any = None) -> requests.Response:
        return requests.request(method, run_settings.schema_registry_url + path, json=body, timeout=120)

    return call
