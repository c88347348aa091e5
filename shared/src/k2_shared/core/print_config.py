"""What ``--print-config`` prints: each setting with its value, where that came from, and what it is for."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from k2_shared.core.setting_fields import SettingField, as_given, setting_fields
from k2_shared.core.settings import Settings

Source = Literal["flag", "environment", "default"]
_SAID = {"flag": "from a flag", "environment": "from the environment", "default": "by default"}


@dataclass(frozen=True, slots=True)
class ConfiguredField:
    """A setting and its value, as the variable would have it; a secret is hidden."""

    field: SettingField
    value: str
    source: Source

    def as_lines(self) -> str:
        """The value, below a comment: all settings together are a file of variables, but for the secrets."""
        default = f", default {self.field.default}" if self.source != "default" and self.field.default else ""
        return f"# {self.field.description} ({_SAID[self.source]}{default})\n{self.field.variable}={self.value}\n"

    def as_dict(self) -> dict[str, str | None]:
        """The same for a program."""
        return {
            "variable": self.field.variable,
            "value": self.value,
            "source": self.source,
            "default": self.field.default,
            "kind": self.field.kind,
            "allowed": self.field.allowed,
            "description": self.field.description,
        }


def print_config(settings: Settings, *, as_json: bool = False, flags: Collection[str] = ()) -> str:
    """Every setting by its variable's name; ``flags`` are the fields that were given on the command line."""
    found = sorted((_configured(settings, each, flags) for each in setting_fields(type(settings))), key=_variable)
    if as_json:
        return json.dumps([each.as_dict() for each in found], indent=2) + "\n"
    return "".join(each.as_lines() for each in found)


def _configured(settings: Settings, field: SettingField, flags: Collection[str]) -> ConfiguredField:
    given: Source = "flag" if field.name in flags else "environment"
    source: Source = given if field.name in settings.model_fields_set else "default"
    return ConfiguredField(field, as_given(getattr(settings, field.name)), source)


def _variable(configured: ConfiguredField) -> str:
    return configured.field.variable
