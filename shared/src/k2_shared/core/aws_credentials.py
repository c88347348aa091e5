"""Keys of an object store in a file, as AWS' tools have them: whoever rotates them writes the file anew."""

from configparser import ConfigParser
from configparser import Error as ParsingError
from dataclasses import dataclass
from pathlib import Path

PROFILE = "default"
_NAMES = {"aws_access_key_id": True, "aws_secret_access_key": True, "aws_session_token": False}  # whether it must be


@dataclass(frozen=True, slots=True)
class StoreKeys:
    """Keys of an object store; the session token is empty where there is none."""

    key: str
    secret: str
    token: str = ""


def keys_in(path: Path) -> dict[str, str]:
    """The keys of the profile ``default``, by their names in the file.

    Raises:
        OSError: the file cannot be read, or does not have them; it may be half written.
    """
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text())
        profile = dict(parser[PROFILE])
    except (ParsingError, KeyError, UnicodeDecodeError):
        raise OSError(f"{path} has no profile [{PROFILE}] of keys") from None
    if absent := [name for name, must in _NAMES.items() if must and not profile.get(name)]:
        raise OSError(f"{path} lacks {' and '.join(absent)} in its profile [{PROFILE}]")
    return {name: profile[name] for name in _NAMES if profile.get(name)}
