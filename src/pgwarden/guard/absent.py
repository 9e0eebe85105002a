"""Statements that name what the policy hides, turned into ones that name something that is not there.

PostgreSQL then answers as it does for any unknown name: with the same error, at the same place, before or after the
same other errors. An answer made up here would differ somewhere, and tell a hidden name from a missing one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from pgwarden.guard import canonical
from pgwarden.guard.catalog import Catalog
from pgwarden.guard.lexer import Kind, Token, lex
from pgwarden.guard.parsed import Name

_LETTERS = "zqxjkvwy"


@dataclass(frozen=True, slots=True)
class Absence:
    """A statement without its hidden names.

    Attributes:
        text: The statement to judge and run; its names are as long as the original ones.
        original: The same with the names that the caller wrote.
        names: The names in `text` that stand for others, with what the caller wrote.
    """

    text: str
    original: str
    names: Mapping[str, str]


def without(sql: str, hidden: Collection[Name], catalog: Catalog) -> Absence:
    """Return a statement with every name of a hidden relation replaced by one that does not exist.

    A column or alias that is spelt like one goes too; PostgreSQL complains of the missing relation before.

    Args:
        sql: A statement that the guard has accepted.
        hidden: The relations, by schema and name.
        catalog: How names without a schema are looked up.
    """
    tokens = canonical.statement(lex(sql))
    made: dict[tuple[str, bool], str] = {}
    out = list(tokens)
    for index in range(len(tokens)):
        if _is_name(tokens, index) and not _follows_dot(tokens, index):
            for at in _hidden_parts(tokens, index, hidden, catalog):
                out[at] = _stand_in(tokens[at], made, catalog)
    names = {new.text.strip('"'): old.text.strip('"') for new, old in zip(out, tokens, strict=True) if new is not old}
    return Absence(canonical.render(out), canonical.render(tokens), names)


def _hidden_parts(tokens: list[Token], start: int, hidden: Collection[Name], catalog: Catalog) -> list[int]:
    """Return which tokens of the dotted name that starts here name a hidden relation, and its schema."""
    second = start + 2 if _follows_dot(tokens, start + 2) and _is_name(tokens, start + 2) else -1
    if second > 0 and Name(tokens[start].value, tokens[second].value) in hidden:
        return [start, second]
    return [start] if catalog.resolve(Name("", tokens[start].value)) in hidden else []


def _is_name(tokens: list[Token], index: int) -> bool:
    return index < len(tokens) and tokens[index].kind in (Kind.WORD, Kind.QUOTED)


def _follows_dot(tokens: list[Token], index: int) -> bool:
    return 0 < index < len(tokens) and tokens[index - 1].value == "." and tokens[index - 1].kind is Kind.MARK


def _stand_in(token: Token, made: dict[tuple[str, bool], str], catalog: Catalog) -> Token:
    """Return a token of the same length, the same for the same name, that no schema of the search path knows."""
    quoted = token.text.startswith('"')
    length = len(token.text) - 2 * quoted
    key = (token.value, quoted)
    if key not in made:
        made[key] = next(name for name in _candidates(length) if _is_free(name, made, catalog))
    name = made[key]
    return replace(token, text=f'"{name}"' if quoted else name, value=name)


def _candidates(length: int) -> list[str]:
    """Return names of a length that nobody gives to anything, and longer ones in case that somebody did."""
    short = ["_" * length, *("_" * (length - 1) + letter for letter in _LETTERS)]
    return [*short, *(("_" * (length + more)) for more in range(1, 64))]


def _is_free(name: str, made: Mapping[tuple[str, bool], str], catalog: Catalog) -> bool:
    return name not in made.values() and not any(name in names for names in catalog.names.values())
