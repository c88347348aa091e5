"""Python files as tests judge them."""

import ast
import gc
from pathlib import Path


def parsed(path: Path) -> ast.Module:
    """A file's syntax tree.

    Python 3.11 loses count where it builds one tree amid another (SystemError: AST constructor recursion depth
    mismatch). A collection of garbage does that: a future that nobody awaited logs its traceback, which is parsed.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        if was_enabled:
            gc.enable()
