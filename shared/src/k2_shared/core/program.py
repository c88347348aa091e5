"""What every service answers without doing its work, before anything heavy is imported."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from k2_shared.core.errors import ConfigError
from k2_shared.core.exits import print_whole, told_in_one_line
from k2_shared.core.help_text import help_text, package, variable
from k2_shared.core.print_config import print_config
from k2_shared.core.setting_fields import SettingField
from k2_shared.core.settings import Settings

ASKS = frozenset({"--help", "-h", "--version", "--print-config", "--json"})


def answer(service: str, settings: type[Settings]) -> None:
    """Answer what this process was asked by a flag, and end it; return where it was given none."""
    if sys.argv[1:]:
        with told_in_one_line(service):
            print_whole(answered(service, settings, sys.argv[1:]))
        sys.exit(0)


def answered(
    service: str,
    settings: type[Settings],
    asked: Sequence[str],
    given: Mapping[str, Any] | None = None,
    spelt: Callable[[SettingField], str] = variable,
) -> str:
    """The answer to flags; ``given`` are the fields that flags of the service's own set, ``spelt`` names its settings.

    Raises:
        ConfigError: there is no such flag, or a setting that is to be shown is wrong.
    """
    match list(asked):
        case ["--help" | "-h"]:
            return help_text(service, settings, spelt)
        case ["--version"]:
            return f"{service} {package(service)[0]}\n"
        case ["--print-config", *rest] if rest in ([], ["--json"]):
            return print_config(settings.load(**given or {}), as_json=bool(rest), flags=given or ())
        case _:
            raise ConfigError(f"{service} takes --help, --version or --print-config [--json], given {' '.join(asked)}")
