"""What each field of a settings class is, in an operator's words: its variable, what it takes, its default, its use."""

from collections.abc import Iterator
from dataclasses import dataclass
from inspect import get_annotations
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

HIDDEN = "**********"
# What pydantic calls a limit, the lower ones first, and how it is said.
_BOUNDS = {"ge": "{}", "gt": "above {}", "min_length": "{}", "le": "{}", "lt": "below {}", "max_length": "{}"}
_KINDS = {bool: "boolean", int: "integer", float: "number", Path: "path", SecretStr: "secret", tuple: "list"}


@dataclass(frozen=True, slots=True)
class SettingField:
    """A setting: ``allowed`` is empty where any value is, ``default`` is None where one must be given."""

    name: str
    kind: str
    allowed: str
    default: str | None
    description: str
    owner: type[BaseModel]

    @property
    def variable(self) -> str:
        """The environment variable that it is read from."""
        return self.name.upper()


def setting_fields(settings: type[BaseModel]) -> list[SettingField]:
    """Every field of a settings class: those of its own first, then those of what it is built upon."""
    owners = [(name, _owner(settings, name)) for name in settings.model_fields]
    order = {kind: place for place, kind in enumerate(settings.__mro__)}
    return [setting_field(settings, name, owner) for name, owner in sorted(owners, key=lambda found: order[found[1]])]


def setting_field(settings: type[BaseModel], name: str, owner: type[BaseModel] | None = None) -> SettingField:
    """One field of a settings class."""
    info = settings.model_fields[name]
    kinds, allowed = zip(*_shapes(info.annotation, info.metadata), strict=True)
    return SettingField(
        name=name,
        kind=" or ".join(dict.fromkeys(kinds)),
        allowed=" or ".join(each for each in allowed if each),
        default=None if info.is_required() else as_given(info.get_default(call_default_factory=True)),
        description=info.description or "",
        owner=owner or _owner(settings, name),
    )


def as_given(value: object) -> str:
    """A value as its variable takes it: nothing for None, a secret hidden."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case tuple():
            return ",".join(map(str, value))
        case SecretStr():
            return HIDDEN if value.get_secret_value() else ""
        case _:
            return str(value)


def is_secret(info: FieldInfo) -> bool:
    """Whether a field's value is never shown."""
    return SecretStr in (info.annotation, *get_args(info.annotation))


def _owner(settings: type[BaseModel], name: str) -> type[BaseModel]:
    """The class that says what the field is now: the nearest that names it."""
    return next(kind for kind in settings.__mro__ if name in get_annotations(kind))


def _shapes(annotation: Any, metadata: list[Any]) -> Iterator[tuple[str, str]]:
    """Each kind of value that an annotation has, and what is allowed of it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        own = [limit for each in arguments[1:] for limit in getattr(each, "metadata", [each])]
        yield from _shapes(arguments[0], [*metadata, *own])
    elif origin in (Union, UnionType):
        for each in arguments:
            if each is not NoneType:
                yield from _shapes(each, metadata)
    elif origin is Literal:
        yield "choice", ", ".join(map(str, arguments))
    else:
        yield _KINDS.get(origin or annotation, "text"), _limits(origin or annotation, metadata)


def _limits(kind: Any, metadata: list[Any]) -> str:
    pattern = next((each.pattern for each in metadata if getattr(each, "pattern", None)), None)
    if kind is bool:
        return "true, false"
    if kind is str:
        return f"matches {pattern}" if pattern else ""
    found = {name: getattr(each, name) for name in _BOUNDS for each in metadata if hasattr(each, name)}
    words = " to ".join(_BOUNDS[name].format(as_given(limit)) for name, limit in found.items())
    return f"{words} of them, comma-separated" if kind is tuple else words
