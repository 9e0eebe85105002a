"""OPERATOR(schema.+) can name any operator, and an operator is a function call.

Those of pg_catalog are known; the plain form of others is judged by the catalog.
"""

from __future__ import annotations

from pgwarden.guard.lexer import Kind
from pgwarden.guard.names import Names
from pgwarden.guard.parsed import Refused
from pgwarden.guard.stream import Stream


def check(stream: Stream, _: Names) -> None:
    """Refuse OPERATOR() but for OPERATOR(pg_catalog.<operator>)."""
    for index, word in enumerate(stream.words[: stream.size]):
        if word == "operator" and stream.marks[index + 1] == "(" and not _is_builtin(stream, index + 2):
            raise Refused("function_not_allowed", "OPERATOR() takes operators of pg_catalog only.", "Write it plain.")


def _is_builtin(stream: Stream, index: int) -> bool:
    return (
        stream.value(index) == "pg_catalog"
        and stream.marks[index + 1] == "."
        and index + 3 < stream.size
        and stream.tokens[index + 2].kind is Kind.OPERATOR
        and stream.marks[index + 3] == ")"
    )
