"""The operations page ``deploy/README.md`` has everything that the compose file has, under its own name."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.contract.compose.composefile import ROOT, Compose

PAGE = (ROOT / "deploy/README.md").read_text()
FILE = (ROOT / "docker-compose.yml").read_text()
_SECRET = re.compile(r"PASSWORD|SECRET|TOKEN$|CREDENTIAL$|_KEY(_ID|$)")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+):-[^${}]*\}")
OURS = "every service of ours"


def rows(heading: str) -> Iterator[tuple[set[str], str]]:
    """The rows of a section's table: what stands between backticks in the first cell, and the rest."""
    section = PAGE.partition(f"{heading}\n")[2].partition("\n#")[0]
    for line in section.splitlines():
        if line.startswith("| `"):
            first, _, rest = line.removeprefix("|").partition("|")
            yield set(re.findall(r"`([^`]+)`", first)), rest


def row(of: str, heading: str) -> str:
    """The rest of the row in whose first cell something is named."""
    (found,) = [rest for names, rest in rows(heading) if of in names] or [""]
    return found


def secrets() -> dict[str, set[str]]:
    """Every variable of the file that is a secret, and the services that are told it."""
    text, before = FILE, ""
    while text != before:
        before, text = text, _VARIABLE.sub(r"<\1>", text)
    services: dict[str, Any] = yaml.safe_load(text)["services"]
    told = {name: set(re.findall(r"<([A-Z0-9_]+)>", str(each.get("environment")))) for name, each in services.items()}
    names = {name for each in told.values() for name in each if _SECRET.search(name)}
    return {name: {service for service, each in told.items() if name in each} for name in names}


def test_every_service_is_on_the_map(compose: Compose) -> None:
    """In one row, with its profile, the ports that it is published at, and its volumes."""
    for name, service in compose.services.items():
        said = row(name, "## The map")
        wanted = [*service.get("profiles", ()), *(port.split(":")[1] for port in service.get("ports", ()))]
        wanted += [each.partition(":")[0] for each in service.get("volumes", ()) if each[0] not in "./"]
        assert said, name
        assert [each for each in wanted if each not in said] == [], name


def test_every_port_is_of_this_machine_alone(compose: Compose) -> None:
    """As the page says."""
    ports = [port for service in compose.services.values() for port in service.get("ports", ())]
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_every_volume_is_on_the_map(compose: Compose) -> None:
    """Also one that no service would have."""
    told = " ".join(rest for _, rest in rows("## The map"))
    assert [name for name in compose.content["volumes"] if f"`{name}`" not in told] == []


@pytest.mark.parametrize("name", sorted(secrets()))
def test_every_secret_is_named_with_who_reads_it(compose: Compose, name: str) -> None:
    """Every service that is told it, by name."""
    said, readers = row(name, "### Secrets"), secrets()[name]
    ours = {service for service, folder in compose.built.items() if folder != "exchange_sim"}
    assert said, name
    assert [each for each in readers - (ours if OURS in said else set()) if f"`{each}`" not in said] == []


def test_every_profile_is_told(compose: Compose) -> None:
    """With the option that starts it."""
    profiles = {profile for service in compose.services.values() for profile in service.get("profiles", ())}
    assert [profile for profile in sorted(profiles) if f"--profile {profile}" not in PAGE] == []


def test_as_many_dashboards_are_found_as_the_page_says() -> None:
    """By the line that looks for them: without their folder."""
    (said,) = re.findall(r"/api/search\?type=dash-db\"\s+# (\w+)", PAGE)
    assert said == "five"
    assert len(list((ROOT / "deploy/grafana/dashboards").glob("*.json"))) == 5


def test_links_lead_somewhere() -> None:
    """Of files; a heading is as the page has it."""
    links = re.findall(r"\]\(([^)#]*)(#[^)]*)?\)", PAGE)
    headings = {line.lstrip("# ").lower().replace(" ", "-") for line in PAGE.splitlines() if line.startswith("#")}
    assert [path for path, _ in links if path and not (ROOT / "deploy" / path).exists()] == []
    assert [anchor for path, anchor in links if not path and anchor[1:] not in headings] == []
