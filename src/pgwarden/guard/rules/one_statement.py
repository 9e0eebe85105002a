"""One statement, and not an empty one.

A second statement behind a semicolon would run with the first where the simple protocol is in use.
"""

from __future__ import annotations

from pgwarden.guard.lexer import Kind, Token
from pgwarden.guard.parsed import Refused


def check(tokens: list[Token]) -> None:
    """Refuse no statement and several."""
    if not tokens:
        raise Refused("invalid_sql", "There is no statement.", "Send one SELECT.")
    if any(token.kind is Kind.MARK and token.value == ";" for token in tokens):
        raise Refused("multiple_statements", "There is more than one statement.", "Send one statement at a time.")
