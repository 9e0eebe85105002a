"""Everything in a statement that has a meaning in the catalog. In doubt a name is in more than one of the sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pgwarden.guard import calls, clauses, ctes, types
from pgwarden.guard.lexer import Kind
from pgwarden.guard.parsed import Name
from pgwarden.guard.stream import Stream

_STANDS_FOR: Final = {
    "like": ("~~", "!~~"),
    "ilike": ("~~*", "!~~*"),
    "similar": ("~", "!~"),
    "in": ("=", "<>"),
    "between": ("<", "<=", ">", ">="),
    "case": ("=",),
    "distinct": ("=",),
    "nullif": ("=",),
    "using": ("=",),
    "natural": ("=",),
    "overlaps": ("<", "<=", ">", ">="),
}
"""Operators that syntax stands for."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a statement and where they stand; the attributes of `Parsed` follow from it.

    Attributes:
        relations: Relations by the index of their first part, without CTEs.
        calls: Calls by the index of their last part.
        types: Types: index of the first part to index of the last.
        attributes: Every `.name` that is not part of a relation, call or type.
        operators: Every operator.
        ctes: Names of CTEs.
        tails: SEARCH and CYCLE clauses of CTEs: index of their first token to the index behind them.
    """

    relations: dict[int, Name]
    calls: dict[int, Name]
    types: dict[int, int]
    attributes: frozenset[str]
    operators: frozenset[Name]
    ctes: frozenset[str]
    tails: dict[int, int]


def find(stream: Stream) -> Names:
    """Return the names of a statement.

    Raises:
        Refused: A WITH list is not of the usual form.
    """
    placed = clauses.find(stream)
    tables = ctes.find(stream)
    type_at = types.find(stream, placed.clause)
    call_at = calls.find(stream, placed.clause, type_at, frozenset(cte.index for cte in tables))
    relations = {at: name for at, name in placed.relations.items() if not _is_cte(name, at, tables)}
    return Names(
        relations=relations,
        calls=call_at,
        types=type_at,
        attributes=_attributes(stream, placed.relations, call_at, type_at),
        operators=_operators(stream),
        ctes=frozenset(cte.name for cte in tables),
        tails={cte.tail: cte.behind for cte in tables if cte.behind > cte.tail},
    )


def _is_cte(name: Name, at: int, tables: list[ctes.Cte]) -> bool:
    return not name.schema and any(cte.name == name.name and cte.seen_from < at < cte.seen_to for cte in tables)


def _attributes(
    stream: Stream, relations: dict[int, Name], call_at: dict[int, Name], type_at: dict[int, int]
) -> frozenset[str]:
    found: set[str] = set()
    type_ends = frozenset(type_at.values())
    for index in range(1, stream.size):
        if stream.marks[index - 1] != "." or not stream.is_name(index):
            continue
        end = stream.chain_end(index)
        if end not in call_at and end not in type_ends and stream.chain_start(index) not in relations:
            found.add(stream.value(index))
    return frozenset(found)


def _operators(stream: Stream) -> frozenset[Name]:
    found: set[Name] = set()
    for index, token in enumerate(stream.tokens):
        if token.kind is Kind.OPERATOR:
            schema = stream.value(index - 2) if stream.words[index - 4] == "operator" else ""
            found.add(Name(schema, token.value))
        elif stands_for := _STANDS_FOR.get(stream.words[index]):
            found.update(Name("", operator) for operator in stands_for)
    return frozenset(found)
