"""What ``--help`` prints: what a program does, its topics, its settings, its pages, its exit codes; 80 columns."""

from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, metadata
from textwrap import fill

from k2_shared.core import contracts
from k2_shared.core.exits import EXIT_CODES
from k2_shared.core.setting_fields import SettingField, setting_fields
from k2_shared.core.settings import Settings

FLAGS: Mapping[str, str] = {
    "--help": "print this, and end",
    "--version": "print the version, and end",
    "--print-config": "print every setting with its value and where that came from, and end; with --json for a program",
}
_NOTE = "Its settings are environment variables; an empty one is not set."
_WIDTH = 80
_NAME = 25  # columns for the name of a setting
_INDENT = 6


def package(service: str) -> tuple[str, str]:
    """The version of a service and what it does, by its package; a program without one has that of what is shared."""
    try:
        found = metadata(f"k2-{service.replace('_', '-')}")
    except PackageNotFoundError:
        found = metadata("k2-shared")
    return found["Version"], found["Summary"]


def variable(field: SettingField) -> str:
    """How a setting is given where there are no flags."""
    return field.variable


def help_text(service: str, settings: type[Settings], spelt: Callable[[SettingField], str] = variable) -> str:
    """The whole help of a service; ``spelt`` says how a setting is given."""
    parts = (
        (f"{service}: {package(service)[1]}", [_NOTE]),
        ("Flags", _entries(FLAGS)),
        ("Topics, each after K2_PREFIX", _topics(service)),
        *_settings(settings, spelt).items(),
        ("Pages, by HTTP", _entries(settings.pages)),
        ("Exit codes", _entries({str(code): said for code, said in EXIT_CODES.items()})),
    )
    return (
        "\n\n".join("\n".join([fill(title, _WIDTH, break_on_hyphens=False), *lines]) for title, lines in parts if lines)
        + "\n"
    )


def _topics(service: str) -> list[str]:
    """Which topics a service reads and writes, by their contracts."""
    topics = contracts.topics().values()
    reads = [f"  in   {topic.name}" for topic in topics if service in topic.consumers]
    writes = [f"  out  {topic.name}" for topic in topics if service in topic.producers]
    return [*reads, *writes]


def _settings(settings: type[Settings], spelt: Callable[[SettingField], str]) -> Mapping[str, list[str]]:
    """The settings in groups: the service's own first, then those that it shares."""
    groups: dict[str, list[str]] = {}
    for field in setting_fields(settings):
        title = (field.owner.__doc__ or "").partition("\n")[0].removesuffix(".")
        groups.setdefault(title, []).append(_setting(field, spelt(field)))
    return groups


def _setting(field: SettingField, name: str) -> str:
    """How it is given, what it takes and its default; then, indented, what it is for."""
    blank, given = " " * _INDENT, field.default or "none"
    default = "required" if field.default is None else f"default {_spaced(given) if field.kind == 'list' else given}"
    limits = f"{field.kind}: {field.allowed}" if field.allowed else field.kind
    about = fill(field.description, _WIDTH, initial_indent=blank, subsequent_indent=blank)
    return f"{_entry(name, f'{limits}; {default}', _NAME)}\n{about}"


def _entries(said: Mapping[str, str]) -> list[str]:
    column = max(map(len, said), default=0)
    return [_entry(name, about, column) for name, about in said.items()]


def _entry(name: str, about: str, column: int) -> str:
    """A name, and beside it what is said of it."""
    text = " ".join(about.split()).removesuffix(".")
    start, blank = f"  {name:<{column}}  ", " " * (column + 4)
    return fill(text, _WIDTH, initial_indent=start, subsequent_indent=blank, break_on_hyphens=False)


def _spaced(listed: str) -> str:
    return listed.replace(",", ", ")
