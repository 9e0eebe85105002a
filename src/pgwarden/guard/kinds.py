"""What kind of statement was refused, as far as its first words tell."""

from __future__ import annotations

import re
from typing import Final

from pgwarden.guard.keywords import words
from pgwarden.guard.lexer import Kind, Token, lex
from pgwarden.guard.parsed import Refused
from pgwarden.guard.rules.data_modifying import VERBS

_READS: Final = {"select": "SELECT", "values": "SELECT", "table": "SELECT", "with": "SELECT"}
_STATEMENTS: Final = words("""
    show explain insert update delete merge create alter drop truncate grant revoke set call use comment refresh
    vacuum analyze copy do prepare execute deallocate declare fetch move close lock listen unlisten notify load begin
    start commit rollback savepoint release abort end reset discard checkpoint cluster reindex import security
    reassign describe""")
_EXPLAIN_OPTIONS: Final = frozenset({"analyze", "analyse"})
_FIRST_WORD = re.compile(r"[\s(;]*([A-Za-z]+)")


def of(sql: str) -> tuple[str, ...]:
    """Return the kinds of the statements in a text, in order and without repetition; never raises for any text."""
    try:
        tokens = lex(sql)
    except Refused:
        match = _FIRST_WORD.match(sql[:1000])
        return tuple(filter(None, [_kind(match.group(1).lower()) if match else ""]))
    return tuple(dict.fromkeys(kind for kind in _kinds(tokens) if kind))


def _kinds(tokens: list[Token]) -> list[str]:
    found: list[str] = []
    starts, explains = True, False
    for index, token in enumerate(tokens):
        word = token.value if token.kind is Kind.WORD else ""
        if starts and token.value != "(":
            found.append(_kind(word))
            starts, explains = False, word == "explain"
        elif explains and _kind(word) and word not in _EXPLAIN_OPTIONS:
            found.append(_kind(word))
            explains = False
        elif word in VERBS and tokens[index - 1].value in ("(", ")") and _is_name(tokens, index + 1):
            found.append(_kind(word))
        elif word == "into" and "SELECT" in found and tokens[index - 1].value not in VERBS:
            found.append("CREATE")
        starts = starts or token.value == ";"
    return found


def _is_name(tokens: list[Token], index: int) -> bool:
    return index < len(tokens) and tokens[index].kind in (Kind.WORD, Kind.QUOTED)


def _kind(word: str) -> str:
    return _READS.get(word, word.upper() if word in _STATEMENTS else "")
