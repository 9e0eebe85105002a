"""A read starts with SELECT, VALUES, TABLE, WITH, a bracket, SHOW or EXPLAIN.

Every other verb changes something, or runs text or state that this guard does not see (PREPARE, EXECUTE, FETCH, DO).
"""

from __future__ import annotations

from typing import Final

from pgwarden.guard.lexer import Kind, Token
from pgwarden.guard.parsed import Refused

READS: Final = frozenset({"select", "values", "table", "with"})


def check(tokens: list[Token]) -> None:
    """Refuse a query (what follows EXPLAIN, or a whole statement) that does not start like a read."""
    first = tokens[0] if tokens else None
    if first and ((first.kind is Kind.WORD and first.value in READS) or first.value == "("):
        return
    if first is None or first.kind is not Kind.WORD:
        raise Refused("invalid_sql", "The statement does not start with a key word.", _HINT)
    verb = first.text.upper()
    article = "an" if verb[0] in "AEIOU" else "a"
    raise Refused("not_a_read", f"This is {article} {verb} statement; only reads run here.", _HINT)


_HINT: Final = "Reads are SELECT, VALUES, TABLE, WITH ... SELECT, SHOW and EXPLAIN."
