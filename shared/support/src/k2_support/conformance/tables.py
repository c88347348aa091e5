"""Suites of tests as classes: what a venue says in a table is tested row by row."""

import pytest


class TableTests:
    """A test whose argument is called as a table of its class runs once for each row of that table."""

    tables: tuple[str, ...] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Hand each row of a table to its test; pytest calls this while it collects."""
        for name in self.tables:
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, getattr(self, name), ids=_shown)


def _shown(row: object) -> str | None:
    """A text, or the text that a row begins with; pytest counts any other."""
    first = row[0] if isinstance(row, tuple) else row
    return first[:60] if isinstance(first, str) else None
