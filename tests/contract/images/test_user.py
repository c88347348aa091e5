"""Nobody in an image of ours is root, and each image is checked by what it has."""

import re

import pytest
from tests.contract.images.as_image import ROOT

DOCKERFILES = ("deploy/docker/Dockerfile", "deploy/spark/Dockerfile")
K2 = "10001"


def last_stage(dockerfile: str) -> str:
    """What is done in the stage that becomes the image."""
    return (ROOT / dockerfile).read_text().rpartition("\nFROM ")[2]


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_an_image_runs_as_k2(dockerfile: str) -> None:
    """By number, as an engine that refuses root wants it; the account has no shell and no home."""
    stage = last_stage(dockerfile)
    assert re.findall(r"^USER (\S+)$", stage, re.MULTILINE) == [f"{K2}:{K2}"]
    (account,) = re.findall(r"^RUN useradd (.* k2)\b", stage, re.MULTILINE)
    assert f"--uid {K2} --user-group --no-create-home --shell /usr/sbin/nologin" in account


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_what_runs_is_not_its_users_to_change(dockerfile: str) -> None:
    """What is installed is copied as root's."""
    copies = re.findall(r"^COPY .*$", last_stage(dockerfile), re.MULTILINE)
    assert copies == ["COPY --from=build /opt/k2 /opt/k2"]
