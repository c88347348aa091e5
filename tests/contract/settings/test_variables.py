"""The list of variables is whole: what reads one, and what sets or names one, agrees with it."""

import re
from difflib import get_close_matches
from itertools import product
from pathlib import Path

import pytest
from tests.contract.compose.composefile import replaced_by_defaults
from tests.contract.settings.classes import ROOT, SERVICES, settings_classes

from k2_local import StackSettings
from k2_shared.core import contracts

KNOWN = contracts.variables()
COMPOSED = set(replaced_by_defaults((ROOT / "docker-compose.yml").read_text())[1])
NAME = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9]\b")
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "services/*/README.md", "deploy/**/README.md", "shared/**/README.md", ".github/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"  # it tells of what was, also of what was wrong
)


def test_the_settings_are_those_of_every_service() -> None:
    """A field of a settings class has its line in schemas/variables.yaml, and no line is without one."""
    fields = {name.upper() for kind in settings_classes() for name in kind.model_fields}
    assert set(KNOWN.settings) == fields


def test_what_compose_alone_reads_is_known_too() -> None:
    """And nothing that it does not read."""
    others = set(KNOWN.names) - KNOWN.settings - {"SIM_TEST_RECORDINGS"}
    assert others == COMPOSED - KNOWN.settings


def test_a_word_of_ours_begins_a_setting() -> None:
    """And none of the words that Kafka, S3 and the others have for theirs."""
    first = {name.partition("_")[0] for name in KNOWN.settings}
    assert first >= KNOWN.own_words
    assert first - KNOWN.own_words == {
        "CLICKHOUSE",
        "ICEBERG",
        "KAFKA",
        "LOG",
        "S3",
        "SCHEMA",
        "SHUTDOWN",
        "SPARK",
        "WEB",
    }


def test_settings_differ_by_more_than_a_clear_misspelling() -> None:
    """So a setting that only another release has is not refused, which is why misspellings can be; two are alike."""
    alike = {name: get_close_matches(name, KNOWN.settings - {name}, cutoff=0.9) for name in KNOWN.settings}
    assert {name: others for name, others in alike.items() if others} == {
        "SIM_SEED": ["SIM_SPEED"],
        "SIM_SPEED": ["SIM_SEED"],
    }


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_variables_that_there_are(path: Path) -> None:
    """A name below a word of ours in a README is a variable."""
    text = path.read_text()
    named = {name for name in NAME.findall(text) if name.partition("_")[0] in KNOWN.own_words}
    assert sorted(named - KNOWN.names) == []


@pytest.mark.parametrize("service", [service for service in SERVICES if service != "k2"])
def test_a_readme_sends_who_wants_to_set_something_to_help(service: str) -> None:
    """A table of settings there would repeat the code."""
    assert f"`k2-{service.replace('_', '-')} --help`" in (ROOT / "services" / service / "README.md").read_text()


def test_the_local_stacks_readme_has_each_of_its_settings() -> None:
    """It has no ``--help`` of its own: those of the k2 tool are flags."""
    told = (ROOT / "deploy/local/README.md").read_text()
    names = {name for pattern in re.findall(r"`(K2_[A-Z0-9_{},]+)`", told) for name in spelt_out(pattern)}
    assert {name.upper() for name in StackSettings.model_fields} - names == set()


def spelt_out(pattern: str) -> list[str]:
    """``A_{B,C}_D`` is A_B_D and A_C_D."""
    parts = [part.split(",") for part in re.split(r"[{}]", pattern)]
    return ["".join(chosen) for chosen in product(*parts)]
