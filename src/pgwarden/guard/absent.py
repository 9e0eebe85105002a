"""Statements that name what the policy hides, turned into ones that name something that is not there.

PostgreSQL then answers as it does for any unknown name: with the same error, at the same place, before or after the
same other errors. An answer made up here would differ somewhere, and tell a hidden name from a missing one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pgwarden.guard import canonical
from pgwarden.guard.catalog import Catalog
from pgwarden.guard.lexer import Kind, Token, lex
from pgwarden.guard.parsed import Name

if TYPE_CHECKING:
    from pgwarden.guard.verdict import Verdict

_LETTERS = "zqxjkvwy"
_WORD = re.compile(r"[\w$]+")
NOT_SHOWN = "[not shown]"


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
        sql: A statement that the lexer understands.
        hidden: The relations, by schema and name; without a name for a schema with everything in it.
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


def qualifiers(sql: str, hidden: Collection[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Return the hidden schemas that qualify names in a statement: those of types, functions and whatever else.

    Args:
        sql: A statement.
        hidden: As `without` takes it.

    Raises:
        Refused: The lexer does not understand it.
    """
    schemas = {schema for schema, name in hidden if not name}
    if not any(schema in sql for schema in schemas) and schemas.isdisjoint(sql.lower().replace(".", " ").split()):
        return frozenset()
    tokens = canonical.statement(lex(sql))
    starts = (i for i in range(len(tokens)) if _is_name(tokens, i) and not _follows_dot(tokens, i))
    return frozenset((tokens[i].value, "") for i in starts if tokens[i].value in schemas and _qualifies(tokens, i))


def veiled(verdict: Verdict, sql: str, hidden: Collection[tuple[str, str]]) -> Verdict:
    """Return a verdict that names nothing in a hidden schema: views, defaults and the search path lead there.

    Args:
        verdict: A verdict on the statement.
        sql: The statement: what the caller wrote tells them nothing.
        hidden: As `without` takes it.
    """
    written = {token.lower() for token in _WORD.findall(sql)}
    schemas = [schema for schema, name in hidden if not name and schema.lower() not in written]
    if not schemas:
        return verdict
    alternatives = "|".join(map(re.escape, sorted(schemas)))
    inside = re.compile(rf'(?<![\w$".])"?(?:{alternatives})"?\.("[^"]*"|[\w$]+)(\([^()]*\))?')
    shown = {each: inside.sub(NOT_SHOWN, getattr(verdict, each)) for each in ("message", "hint")}
    if shown["hint"] != verdict.hint:
        # It would tell how to allow what cannot be named.
        shown["hint"] = ""
    functions = tuple(name for name in verdict.functions if not inside.match(name))
    return replace(verdict, message=shown["message"], hint=shown["hint"], functions=functions)


def _hidden_parts(tokens: list[Token], start: int, hidden: Collection[Name], catalog: Catalog) -> list[int]:
    """Return which tokens of the dotted name that starts here name a hidden relation, and its schema."""
    second = start + 2 if _follows_dot(tokens, start + 2) and _is_name(tokens, start + 2) else -1
    if second > 0 and Name(tokens[start].value, tokens[second].value) in hidden:
        return [start, second]
    if Name(tokens[start].value, "") in hidden and (_qualifies(tokens, start) or _follows_schema(tokens, start)):
        return [start]
    return [start] if catalog.located(Name("", tokens[start].value)) in hidden else []


def _qualifies(tokens: list[Token], index: int) -> bool:
    """Tell whether a name before a dot is a schema: an alias of the statement stands by itself somewhere as well.

    Functions, types and collations have no alias before them.
    """
    if not _follows_dot(tokens, index + 2):
        return False
    value, last = tokens[index].value, index + 3
    if last < len(tokens) and (tokens[last].value == "(" or tokens[last].kind is Kind.STRING):
        return True
    if index and tokens[index - 1].value in ("::", "collate", "as"):
        return True
    same = (i for i in range(len(tokens)) if tokens[i].value == value and _is_name(tokens, i))
    return all(_follows_dot(tokens, i) or _follows_dot(tokens, i + 2) for i in same)


def _follows_schema(tokens: list[Token], index: int) -> bool:
    """Tell whether a name is called a schema, by a statement that does not make one of that name."""
    words = [token.value for token in tokens[max(index - 3, 0) : index]]
    named = words[-1:] == ["schema"] or words == ["schema", "if", "exists"]
    return named and tokens[0].value != "create"


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
    return (
        name not in made.values()
        and name not in catalog.names
        and not any(name in names for names in catalog.names.values())
    )
