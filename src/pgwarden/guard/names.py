"""Everything in a statement that has a meaning in the catalog. In doubt a name is in more than one of the sets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pgwarden.guard import calls, clauses, ctes, types
from pgwarden.guard.lexer import Kind
from pgwarden.guard.parsed import Name
from pgwarden.guard.stream import Stream

if TYPE_CHECKING:
    from pgwarden.guard.dml import Layout

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
        tails: What a skeleton leaves out, SEARCH and CYCLE clauses of CTEs among it: index of the first token to the
            index behind the last.
        targets: Relations that are changed, by the index of their first part; they are in `relations` too.
        syntax: Words of INSERT, UPDATE, DELETE and MERGE, which could be names elsewhere.
        changes: What sqlglot must find that changes rows, as `dml.Layout.changes` has it.
    """

    relations: dict[int, Name]
    calls: dict[int, Name]
    types: dict[int, int]
    attributes: frozenset[str]
    operators: frozenset[Name]
    ctes: frozenset[str]
    tails: dict[int, int]
    targets: frozenset[int] = frozenset()
    syntax: frozenset[int] = frozenset()
    changes: tuple[str, ...] = ()


def find(stream: Stream) -> Names:
    """Return the names of a query.

    Raises:
        Refused: A WITH list is not of the usual form.
    """
    placed, tables = clauses.find(stream), ctes.find(stream)
    return _names(stream, placed, tables, types.find(stream, placed.clause), frozenset(cte.index for cte in tables))


def find_in_change(stream: Stream, layout: Layout) -> Names:
    """Return the names of a statement that changes rows.

    Raises:
        Refused: A WITH list is not of the usual form.
    """
    marks, targets = layout.marks, layout.targets
    placed, tables = clauses.find(stream, marks.clauses, targets), ctes.find(stream, marks.withs)
    type_at = types.find(stream, placed.clause, marks.returning)
    # What is changed is a relation, whatever CTE has its name.
    seen = _names(stream, placed, tables, type_at, marks.plain.union(cte.index for cte in tables))
    return replace(
        seen,
        relations=seen.relations | dict(targets),
        tails=seen.tails | marks.dropped,
        targets=frozenset(targets),
        syntax=frozenset(marks.syntax),
        changes=layout.changes,
    )


def _names(
    stream: Stream, placed: clauses.Clauses, tables: list[ctes.Cte], type_at: dict[int, int], plain: Iterable[int]
) -> Names:
    call_at = calls.find(stream, placed.clause, type_at, frozenset(plain))
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
