"""The operator's own code that repairs letters: ``def transform(letter: Letter) -> Letter | None`` in a file."""

import hashlib
import runpy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from k2.dlq.letter import Letter
from k2_shared.core.errors import ConfigError

_SIGNATURE = "def transform(letter: Letter) -> Letter | None"


@dataclass(frozen=True, slots=True)
class Transform:
    """The function of a file; without a file every letter stays as it is."""

    file: Path | None = None
    function: Callable[[Letter], Any] = lambda letter: letter
    sha256: str = ""

    @property
    def name(self) -> str:
        """The file's name; none without a file."""
        return self.file.name if self.file else ""

    @classmethod
    def load(cls, file: Path) -> Self:
        """Run the file and take its function.

        Raises:
            ConfigError: there is no such file or function, or the file failed.
        """
        if not file.is_file():
            raise ConfigError(f"--transform {file}: there is no such file; it holds '{_SIGNATURE}'")
        try:
            sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
            function = runpy.run_path(str(file)).get("transform")
        except Exception as error:
            raise ConfigError(f"--transform {file} failed: {error!r}") from error
        if not callable(function):
            raise ConfigError(f"--transform {file} has no function 'transform'; it holds '{_SIGNATURE}'")
        return cls(file, function, sha256)

    def __call__(self, letter: Letter) -> Letter | None:
        """The letter as it is to go on; None leaves it in the dead-letter topic.

        Raises:
            ConfigError: the function failed, or gave something else.
        """
        try:
            found = self.function(letter)
        except Exception as error:
            raise ConfigError(f"--transform {self.file} failed at letter {letter.place}: {error!r}") from error
        if found is None or isinstance(found, Letter):
            return found
        gave = f"gave {type(found).__name__} for letter {letter.place}"
        raise ConfigError(f"--transform {self.file} {gave}: it gives a Letter, or None to leave it")
