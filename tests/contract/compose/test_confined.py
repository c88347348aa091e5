"""Every service of the compose file is confined, or is listed here with what it is let off and why."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from tests.compose.images import STAND_INS
from tests.contract.compose.composefile import ROOT, Compose

LET_OFF: Mapping[str, Mapping[str, str]] = {
    "clickhouse": {
        "read_only": "its start writes the owner's account beside users.xml, and this version's was not to be had"
    },
    "kafka": {
        "read_only": "its entrypoint refuses to start where it cannot write to /opt/kafka/config, and its own logs go"
        " without a limit to /opt/kafka/logs: in a tmpfs they would count as its memory"
    },
}
"""By service: what it is let off, and why. deploy/README.md says which, among what no real image was run with."""
STAND_IN = (ROOT / "tests/compose/standins/Dockerfile").read_text()
ACCOUNTS = {name: (uid, folder) for name, uid, folder in re.findall(r"\bown (\w+) (\d+) (\S+)", STAND_IN)}
"""The stand-ins' users: the number and the folder of each."""
ROOTS = {"", "0", "root"}


def user(service: Mapping[str, Any]) -> str:
    """Whom a service's processes run as: as the file says, or the Dockerfile, or nobody says."""
    told = [str(service["user"])] if "user" in service else []
    if "build" in service and not told:
        told = re.findall(r"^USER (\S+)$", (ROOT / service["build"]["dockerfile"]).read_text(), re.MULTILINE)
    return told[-1].partition(":")[0] if told else ""


def lacking(service: Mapping[str, Any]) -> set[str]:
    """What a service has that one which is confined has not."""
    confined = {
        "security_opt": service.get("security_opt") == ["no-new-privileges:true"] and "privileged" not in service,
        "cap_drop": service.get("cap_drop") == ["ALL"] and "cap_add" not in service,
        "read_only": service.get("read_only") is True,
        "user": user(service) not in ROOTS,
    }
    return {name for name, holds in confined.items() if not holds}


def test_every_service_is_confined(compose: Compose) -> None:
    """No new privileges, no capability, a read-only root, not root; whoever is let off needs it."""
    found = {name: lacking(service) for name, service in compose.services.items()}
    assert {name: each for name, each in found.items() if each} == {name: set(each) for name, each in LET_OFF.items()}


def test_the_page_names_who_is_let_off() -> None:
    """Among what was never run with the real image, with the same word."""
    _, _, section = (ROOT / "deploy/README.md").read_text().partition("## Never run with the real image\n")
    told = re.findall(r"`([\w-]+)` is let off ((?:`\w+`(?: and )?)+):", section)
    assert {name: set(re.findall(r"\w+(?=`)", what)) for name, what in told} == {
        name: set(each) for name, each in LET_OFF.items()
    }


@pytest.mark.parametrize("name", STAND_INS)
def test_a_stand_in_has_the_user_of_the_image_that_it_stands_in_for(compose: Compose, name: str) -> None:
    """By name, to whom the folder belongs over which the file has a volume; a bare number needs no name."""
    service = compose.services[name]
    assert list(compose.mounted(name).values()) == ([] if user(service).isdigit() else [ACCOUNTS[user(service)][1]])


@pytest.mark.parametrize("name", STAND_INS)
def test_what_is_in_memory_belongs_to_its_user(compose: Compose, name: str) -> None:
    """By number, as the account has it: /tmp is everybody's."""
    service = compose.services[name]
    given = [each.partition(":")[::2] for each in service.get("tmpfs", ())]
    owned = {options for folder, options in given if folder != "/tmp"}  # noqa: S108  # the container's own
    assert owned <= {f"uid={uid},gid={uid}" for uid, _ in [ACCOUNTS.get(user(service), ("", ""))]}
