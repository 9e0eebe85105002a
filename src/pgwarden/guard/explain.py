"""EXPLAIN, which sqlglot does not read: its options from tokens, its query like any other."""

from __future__ import annotations

from typing import Final

from pgwarden.guard.keywords import words
from pgwarden.guard.lexer import Kind, Token
from pgwarden.guard.parsed import Refused

_OPTIONS: Final = words("verbose costs settings generic_plan buffers wal timing summary memory serialize format")
_VALUES: Final = words("on off true false text json xml yaml none binary")
_QUERY: Final = words("select values with table")


def query(tokens: list[Token]) -> list[Token]:
    """Return the tokens of the query that an EXPLAIN statement explains.

    Raises:
        Refused: The options are unknown, or ask to run the query (ANALYZE, even where it is switched off again).
    """
    index = 1
    if _value(tokens, 1) == "(" and not _starts_query(tokens, 2):
        index = _options(tokens, 2)
    elif _word(tokens, 1) in ("analyze", "analyse"):
        raise _analyze()
    elif _word(tokens, 1) == "verbose":
        index = 2
    return tokens[index:]


def _options(tokens: list[Token], index: int) -> int:
    """Check the options from an index on and return the index behind their bracket."""
    while True:
        option = _word(tokens, index)
        if option in ("analyze", "analyse") or _value(tokens, index) in ("analyze", "analyse"):
            raise _analyze()
        if option not in _OPTIONS:
            raise Refused("not_understood", "EXPLAIN has an option that is not known.", f"Known: {sorted(_OPTIONS)}.")
        index += 1
        if _word(tokens, index) in _VALUES or _is_number(tokens, index):
            index += 1
        mark = _value(tokens, index)
        index += 1
        if mark == ")":
            return index
        if mark != ",":
            raise Refused("invalid_sql", "The options of EXPLAIN are not understood.")


def _analyze() -> Refused:
    return Refused(
        "explain_analyze",
        "EXPLAIN ANALYZE runs the statement.",
        "Use the tool explain_query with analyze=true and the bare query.",
    )


def _starts_query(tokens: list[Token], index: int) -> bool:
    return _word(tokens, index) in _QUERY or _value(tokens, index) == "("


def _is_number(tokens: list[Token], index: int) -> bool:
    return index < len(tokens) and tokens[index].kind is Kind.NUMBER


def _word(tokens: list[Token], index: int) -> str:
    return tokens[index].value if index < len(tokens) and tokens[index].kind is Kind.WORD else ""


def _value(tokens: list[Token], index: int) -> str:
    return tokens[index].value if index < len(tokens) else ""
