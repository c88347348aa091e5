"""What the endpoint refuses although the engine would do it: it reaches beyond the tables, or breaks the directory."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from k2_local.embedded_clickhouse.errors import Code, QueryError

# A directory with such a table does not open again: its engine waits for a server that chdb has not.
ENGINES_REFUSED = frozenset({"kafka", "rabbitmq", "nats"})
# Of the table functions those that compute, or read tables that the reader may read anyway.
_HARMLESS = frozenset({
    "format", "fuzzjson", "fuzzquery", "generate_series", "generateseries", "generaterandom", "merge", "null",
    "mergetreeindex", "mergetreeprojection", "numbers", "numbers_mt", "primes", "values", "view", "viewifpermitted",
    "zeros", "zeros_mt",
})  # fmt: skip
# The roots of statements that read, or set what the engine checks itself.
_READS = ("Select", "Explain", "Show", "Describe", "Exists", "Use", "Set")
# Of the other functions those that read a file or ask another server.
_REACHING = ("file", "catboostevaluate", "hascolumnintable")
_FUNCTION = re.compile(r"^ *Function (\w+)", re.MULTILINE)
_ENGINE = re.compile(r"^ *Storage definition[^\n]*\n *Function (\w+)", re.MULTILINE)
_LITERAL = re.compile(r"^ Literal '", re.MULTILINE)  # of the statement itself: a file's name, or a comment


@dataclass(frozen=True)
class Syntax:
    """A statement as the engine's parser saw it."""

    tree: str  # as EXPLAIN AST prints it
    statements: int
    writes_a_file: bool  # or is of another kind that steers the client

    @property
    def kind(self) -> str:
        """The name of the root, such as ``SelectWithUnionQuery``."""
        return self.tree.split(maxsplit=1)[0]

    @property
    def functions(self) -> frozenset[str]:
        """Every function, table function and engine that it names, in lower case."""
        return frozenset(name.lower() for name in _FUNCTION.findall(self.tree))


def check(syntax: Syntax) -> None:
    """Refuse what nobody may do here.

    Raises:
        QueryError: more than one statement, a file of the server's machine, a table that makes the directory unusable.
    """
    if syntax.statements > 1:
        raise QueryError.of(Code.SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed): send them one by one")
    if _LITERAL.search(syntax.tree) and (syntax.writes_a_file or syntax.kind == "InsertQuery"):
        raise QueryError.of(
            Code.SUPPORT_IS_DISABLED,
            "INTO OUTFILE and FROM INFILE are for a client's own files: ask for a FORMAT and write the answer yourself",
        )
    if "python" in syntax.functions:
        raise QueryError.of(Code.SUPPORT_IS_DISABLED, "the table function Python is not available over HTTP")
    for engine in _ENGINE.findall(syntax.tree):
        if engine.lower() in ENGINES_REFUSED:
            raise QueryError.of(
                Code.SUPPORT_IS_DISABLED,
                f"the embedded server refuses ENGINE={engine}: its directory would not open again; "
                "write into the table from outside, as the sinks do, or use a server of your own",
            )


def check_reader(syntax: Syntax, table_functions: Collection[str]) -> None:
    """Refuse what the engine's own ``readonly=1`` lets through; ``table_functions`` are all it has, in lower case.

    Raises:
        QueryError: a file, another server, or another query is reached for.
    """
    outside = (syntax.functions & {*table_functions, *_REACHING}) - _HARMLESS
    if outside:
        reached = ", ".join(sorted(outside))
        raise QueryError.of(Code.READONLY, f"Cannot execute query in readonly mode: {reached} reads beyond the tables")
    if not syntax.kind.startswith(_READS):
        raise QueryError.of(Code.READONLY, f"Cannot execute query in readonly mode: it is no SELECT ({syntax.kind})")
