"""Read a definition as the guard does, with the function policy of text alone, and the query of a view as a query."""

from __future__ import annotations

from pgwarden.guard import canonical, functions, judge
from pgwarden.guard.ddl import Definition, read
from pgwarden.guard.lexer import lex
from pgwarden.guard.parsed import Refused

PROCEDURES = frozenset({"p"})
"""What the policy of these tests lists."""


def define(sql: str, unsafe: frozenset[str] = frozenset()) -> Definition:
    """Return the definition.

    Raises:
        Refused: The grammar, the function policy or the judgement of its query refuses it.
    """
    found = read(canonical.statement(lex(sql)), unsafe)
    for name in sorted(found.calls):
        if not functions.is_allowed(name) and name.name not in PROCEDURES:
            raise Refused("function_not_allowed", f"{name} may not be called.")
    if found.query:
        verdict = judge(canonical.render(found.query), None)
        if not verdict.readable:
            raise Refused(verdict.code, verdict.message, verdict.hint)
    return found


def text(sql: str) -> str:
    """Return the canonical text of a statement."""
    return canonical.render(canonical.statement(lex(sql)))
