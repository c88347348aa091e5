"""A registered venue is everywhere that it has to be; what is not is named, file by file."""

import json
import re
import shutil
from datetime import date
from pathlib import Path
from typing import get_args

import pytest
from tests.contract.venues.places import missing

from k2_shared.core import contracts
from k2_shared.core.contracts import VenueContract
from k2_shared.core.trade import Exchange
from k2_shared.kafka.topics import EXCHANGES

ROOT = Path(__file__).resolve().parents[3]
VENUES = list(contracts.venues().values())
TOY = VenueContract("TOY", "Toy", date(2026, 1, 1), "/toy")
LACKING = """
schemas/trade_v3.avsc lacks "TOY" at the end of the enum Exchange
schemas/examples/valid/toy_frame.json is missing
schemas/examples/valid/toy_trade.json is missing
services/feed_toy/README.md is missing
services/feed_toy/pyproject.toml is missing
services/feed_toy/src/feed_toy/__init__.py is missing
services/feed_toy/src/feed_toy/__main__.py is missing
services/feed_toy/src/feed_toy/py.typed is missing
services/feed_toy/src/feed_toy/main.py is missing
services/feed_toy/src/feed_toy/protocol.py is missing
services/feed_toy/src/feed_toy/rest.py is missing
services/feed_toy/src/feed_toy/settings.py is missing
services/feed_toy/tests/test_main.py is missing
services/feed_toy/tests/test_protocol.py is missing
services/feed_toy/tests/test_rest.py is missing
services/feed_toy/tests/test_settings.py is missing
services/exchange_sim/src/exchange_sim/toy.py is missing
services/exchange_sim/src/exchange_sim/toy_rest.py is missing
services/exchange_sim/src/exchange_sim/recordings/toy_*_trades.jsonl.gz is missing
.env.example lacks FEED_TOY_PORT=
.env.example lacks FEED_TOY_INSTANCE=
.env.example lacks TOY_WS_URL=
.env.example lacks TOY_REST_URL=
.env.example lacks TOY_SYMBOLS=
.env.example lacks TOY_ROTATE_AFTER_S=
.github/workflows/ci.yml lacks TOY_WS_URL:
.github/workflows/ci.yml lacks TOY_REST_URL:
README.md lacks (services/feed_toy/README.md)
deploy/prometheus/alerts.yaml lacks absent(up{job="feed_toy"})
deploy/prometheus/alerts.yaml lacks k2_feed_connect_attempts{exchange="TOY"}
deploy/prometheus/prometheus.yaml lacks job_name: feed_toy
deploy/prometheus/prometheus.yaml lacks "feed_toy:6066"
services/exchange_sim/src/exchange_sim/model.py lacks "TOY"
services/k2/src/k2/demo/oracle.py lacks "toy"
services/k2/src/k2/demo/recomputed.py lacks "TOY"
docker-compose.yml lacks the service feed_toy
docker-compose.yml, exchange_sim lacks toy in SIM_EXPECT
pyproject.toml, tool.mypy.mypy_path lacks services/feed_toy/src
pyproject.toml, tool.coverage.run.source_pkgs lacks feed_toy
pyproject.toml, tool.importlinter.root_packages lacks feed_toy
""".strip().splitlines()
SPREAD = "pyproject.toml, tool.importlinter.contracts."


@pytest.mark.parametrize("venue", VENUES, ids=lambda venue: venue.name)
def test_a_registered_venue_is_in_its_places(venue: VenueContract) -> None:
    """Each line of a failure begins with the file to change."""
    assert missing(ROOT, venue) == []


def test_a_registered_venue_that_is_nowhere_is_told_of_every_place() -> None:
    """Nothing that has to be written by hand is left to be found out later."""
    found = missing(ROOT, TOY)
    contracts_of_imports = [line for line in found if line.startswith(SPREAD)]
    assert [line for line in found if line not in contracts_of_imports] == LACKING
    assert len(contracts_of_imports) >= 5
    assert all(line.endswith("lacks feed_toy") for line in contracts_of_imports)


def test_what_was_done_is_not_told_again(tmp_path: Path) -> None:
    """A file that has the venue is silent; of a service that is half there, what it lacks is told."""
    (tmp_path / "schemas").mkdir()
    for path in ("schemas/trade_v3.avsc", "docker-compose.yml", ".env.example", "pyproject.toml"):
        shutil.copy(ROOT / path, tmp_path / path)
    change(tmp_path / "schemas/trade_v3.avsc", '"KRAKEN"]', '"KRAKEN", "TOY"]')
    change(tmp_path / ".env.example", "KRAKEN", "TOY")
    change(tmp_path / "docker-compose.yml", "  feed_kraken:", "  feed_toy:")
    change(tmp_path / "pyproject.toml", "feed_kraken", "feed_toy")
    changed = ("schemas/trade_v3.avsc", ".env.example", "docker-compose.yml", "pyproject.toml")
    assert [line for line in missing(tmp_path, TOY) if line.startswith(changed)] == [
        "docker-compose.yml, feed_toy lacks TOY_WS_URL",
        "docker-compose.yml, feed_toy lacks TOY_REST_URL",
        "docker-compose.yml, feed_toy lacks TOY_SYMBOLS",
        "docker-compose.yml, exchange_sim lacks toy in SIM_EXPECT",
    ]


def change(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_a_venue_is_registered_under_its_own_name() -> None:
    """The file is called after the exchange, whose name the feeds' JSON Schemas take."""
    files = {entry.name for entry in (contracts.ROOT / "venues").iterdir()}
    assert files == {f"{venue.name}.yaml" for venue in VENUES}
    assert get_args(Exchange) == EXCHANGES == tuple(venue.exchange for venue in VENUES)
    for schema in ("event_v1", "gap_v1", "symbol_v1"):
        said = json.loads((contracts.ROOT / f"{schema}.json").read_text())["properties"]["exchange"]
        assert all(re.fullmatch(said["pattern"], exchange) for exchange in EXCHANGES)
