"""Where a venue has to stand that does not follow from its registration: what each file lacks of it."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from k2_shared.core import contracts
from k2_shared.core.contracts import VenueContract

SERVICE = (
    "README.md",
    "pyproject.toml",
    *(f"src/{{service}}/{name}" for name in ("__init__.py", "__main__.py", "py.typed")),
    *(f"src/{{service}}/{name}.py" for name in ("main", "protocol", "rest", "settings")),
)
SUITES = {
    "main": ("FeedConformance",),
    "protocol": ("ProtocolConformance", "MutationConformance"),
    "rest": ("RestConformance",),
    "settings": ("EndpointConformance",),
}
"""The conformance suites that every venue passes, by the module that is tested."""
SIMULATOR = "services/exchange_sim/src/exchange_sim"
FILES = (
    "schemas/examples/valid/{venue}_frame.json",
    "schemas/examples/valid/{venue}_trade.json",
    *(f"services/{{service}}/{name}" for name in SERVICE),
    *(f"services/{{service}}/tests/test_{name}.py" for name in SUITES),
    f"{SIMULATOR}/{{venue}}.py",
    f"{SIMULATOR}/{{venue}}_rest.py",
    f"{SIMULATOR}/recordings/{{venue}}_*_trades.jsonl.gz",
)
URLS = ("{VENUE}_WS_URL", "{VENUE}_REST_URL")
TEXTS: Mapping[str, Sequence[str]] = {
    ".env.example": (
        *(f"{name}=" for name in ("FEED_{VENUE}_PORT", "FEED_{VENUE}_INSTANCE", *URLS)),
        "{VENUE}_SYMBOLS=",
        "{VENUE}_ROTATE_AFTER_S=",
    ),
    ".github/workflows/ci.yml": tuple(f"{name}: " for name in URLS),
    "README.md": ("(services/{service}/README.md)",),
    "deploy/prometheus/alerts.yaml": ('absent(up{job="{service}"})', 'k2_feed_connect_attempts{exchange="{VENUE}"}'),
    "deploy/prometheus/prometheus.yaml": ("job_name: {service}\n", '"{service}:6066"'),
    f"{SIMULATOR}/model.py": ('"{VENUE}"',),
    "services/k2/src/k2/demo/oracle.py": ('"{venue}"',),
    "services/k2/src/k2/demo/recomputed.py": ('"{VENUE}"',),
    **{f"services/{{service}}/tests/test_{name}.py": suites for name, suites in SUITES.items()},
}
"""What stands in each file, where there is such a file, for each venue."""


def missing(root: Path, venue: VenueContract) -> list[str]:
    """What a repository lacks of a venue: a line each, beginning with the file."""
    return [
        *_schema(root / "schemas/trade_v3.avsc", venue),
        *_files(root, venue),
        *_texts(root, venue),
        *_compose(root / "docker-compose.yml", venue),
        *_lists(root / "pyproject.toml", venue),
    ]


def _fill(text: str, venue: VenueContract) -> str:
    return venue.filled(text).replace("{service}", venue.service)


def _schema(path: Path, venue: VenueContract) -> Iterator[str]:
    (symbols,) = (f["type"]["symbols"] for f in json.loads(path.read_text())["fields"] if f["name"] == "exchange")
    if venue.exchange not in symbols:
        yield f'schemas/trade_v3.avsc lacks "{venue.exchange}" at the end of the enum Exchange'


def _files(root: Path, venue: VenueContract) -> Iterator[str]:
    for path in (_fill(each, venue) for each in FILES):
        if not list(root.glob(path)):
            yield f"{path} is missing"


def _texts(root: Path, venue: VenueContract) -> Iterator[str]:
    for path, wanted in TEXTS.items():
        file = root / _fill(path, venue)
        said = file.read_text() if file.exists() else None
        for text in (_fill(each, venue) for each in wanted):
            if said is not None and text not in said:
                yield f"{file.relative_to(root)} lacks {text.strip()}"


def _compose(path: Path, venue: VenueContract) -> Iterator[str]:
    services = yaml.safe_load(path.read_text())["services"]
    if venue.service not in services:
        yield f"docker-compose.yml lacks the service {venue.service}"
    environment = services.get(venue.service, {}).get("environment", {})
    for name in (_fill(each, venue) for each in (*URLS, "{VENUE}_SYMBOLS")):
        if venue.service in services and name not in environment:
            yield f"docker-compose.yml, {venue.service} lacks {name}"
    expected = re.search(r"SIM_EXPECT:-([a-z,]*)", services["exchange_sim"]["environment"]["SIM_EXPECT"])
    if not expected or venue.name not in expected[1].split(","):
        yield f"docker-compose.yml, exchange_sim lacks {venue.name} in SIM_EXPECT"


def _lists(path: Path, venue: VenueContract) -> Iterator[str]:
    """A list that names the service of another venue names each one's."""
    others = {each.service for each in contracts.venues().values()} - {venue.service}
    for where, found in _strings(tomllib.loads(path.read_text()), ()):
        for other in sorted(others):
            wanted = {each.replace(other, venue.service) for each in found if re.search(rf"\b{other}\b", each)}
            if wanted - set(found):
                yield f"{path.name}, {'.'.join(where)} lacks {', '.join(sorted(wanted - set(found)))}"
                break


def _strings(value: Any, where: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], list[str]]]:
    """Every list of strings in a document, and where it is."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        yield where, value
    elif isinstance(value, list | dict):
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        for name, each in inside:
            yield from _strings(each, (*where, str(name)))
