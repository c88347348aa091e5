"""Every setting is described and limited, and a wrong value is told in a line that is enough to correct it."""

import os
import re

import pytest
from tests.contract.settings.classes import own_fields, settings_classes

from k2_shared.core.errors import ConfigError
from k2_shared.core.print_config import print_config
from k2_shared.core.setting_fields import SettingField, setting_fields
from k2_shared.core.settings import Settings

FIELDS = own_fields()
RANGE = re.compile(r"(?P<above>above )?(?P<low>-?[\d.]+) to (?P<below>below )?(?P<high>-?[\d.]+)(?: or fit)?")
NUMBERS = [(kind, field) for kind, field in FIELDS if field.kind.startswith(("integer", "number"))]
PATTERNS = [(kind, field) for kind, field in FIELDS if field.allowed.startswith("matches ")]
CHOSEN = [(kind, field) for kind, field in FIELDS if field.kind in {"choice", "boolean"}]


def named(found: list[tuple[type[Settings], SettingField]]) -> list[str]:
    return [f"{kind.__name__}.{field.variable}" for kind, field in found]


def load(kind: type[Settings]) -> Settings:
    """Load the environment, with a port for each field that must be given and is not."""
    required = {name for name, info in kind.model_fields.items() if info.is_required()}
    given = {name: 1 for name in required if name.upper() not in os.environ}
    return kind.load(**given)


def refusal(kind: type[Settings], field: SettingField, value: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said of a wrong value: one line."""
    monkeypatch.setenv(field.variable, value)
    with pytest.raises(ConfigError) as refused:
        load(kind)
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_every_setting_says_what_it_is_for() -> None:
    """In a few words; --help and --print-config show them."""
    assert [name for name, (_, field) in zip(named(FIELDS), FIELDS, strict=True) if not field.description] == []
    assert [field.variable for _, field in FIELDS if len(field.description) > 160] == []
    assert [field.variable for _, field in FIELDS if field.description.endswith(".")] == []


@pytest.mark.parametrize(("kind", "field"), NUMBERS, ids=named(NUMBERS))
def test_every_number_has_limits_and_what_is_beyond_them_is_refused(
    kind: type[Settings], field: SettingField, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below, above, no number, none at all: each names the variable, the value and the range; the limits are taken."""
    limits = RANGE.fullmatch(field.allowed)
    assert limits, f"{field.variable} is without a limit: {field.allowed!r}"
    step = 1 if field.kind == "integer" else 0.5
    low, high = float(limits["low"]), float(limits["high"])
    beyond = [low if limits["above"] else low - step, high if limits["below"] else high + step]
    written = [f"{each:.0f}" if each.is_integer() else str(each) for each in map(float, beyond)]
    if field.kind == "integer":
        written[1] = str(int(limits["high"]) + 1)  # what no float holds
    for value in (*written, "many", "nan", "inf"):
        said = refusal(kind, field, value, monkeypatch)
        assert said.startswith(f"{field.variable}={value!r} is not allowed: ")
        assert field.allowed in said
    for value in (limits["low"] if not limits["above"] else None, limits["high"] if not limits["below"] else None):
        if value:
            monkeypatch.setenv(field.variable, value)
            load(kind)


@pytest.mark.parametrize(("kind", "field"), CHOSEN, ids=named(CHOSEN))
def test_of_a_choice_each_possibility_is_named(
    kind: type[Settings], field: SettingField, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that one can be taken without looking it up."""
    said = refusal(kind, field, "perhaps", monkeypatch)
    assert said.startswith(f"{field.variable}='perhaps' is not allowed: ")
    assert [each for each in field.allowed.split(", ") if each not in said] == []


@pytest.mark.parametrize(("kind", "field"), PATTERNS, ids=named(PATTERNS))
def test_a_text_of_another_form_is_refused(
    kind: type[Settings], field: SettingField, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its form, and with what it is for."""
    said = refusal(kind, field, "no § such", monkeypatch)
    assert said.startswith(f"{field.variable}='no § such' is not allowed: ")
    assert field.allowed.removeprefix("matches ") in said
    assert field.description in said


@pytest.mark.parametrize("kind", settings_classes(), ids=lambda kind: kind.__name__)
def test_what_print_config_shows_is_taken_as_it_is(kind: type[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lines are variables, which give the same settings; so are the defaults that it and --help tell."""
    for field in setting_fields(kind):
        monkeypatch.delenv(field.variable, raising=False)
    settings = load(kind)
    lines = [line for line in print_config(settings).splitlines() if not line.startswith("#")]
    for name, _, value in (line.partition("=") for line in lines):
        monkeypatch.setenv(name, value)
    assert load(kind) == settings
    for field in setting_fields(kind):
        if field.default is not None:
            monkeypatch.setenv(field.variable, field.default)
    assert load(kind) == settings
