"""Permitted uses of masked columns: the statement runs over real values, and its output is masked by origin.

PostgreSQL tells of every output column that is a plain column of a table which one it is, and only plain columns can
get here. So the statement has to be one SELECT without anything that could hide where a value comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pgwarden.guard import keywords
from pgwarden.guard.lexer import Kind
from pgwarden.guard.masking import refusals
from pgwarden.guard.masking.layout import Layout
from pgwarden.guard.masking.references import Reference
from pgwarden.guard.masking.strict import Mention, Strict
from pgwarden.guard.parsed import Source
from pgwarden.guard.shields import Shield, ShieldColumn
from pgwarden.policy.masks import Mask

_REFUSED: Final = keywords.words("with values table union intersect except natural lateral window into")

Outputs = dict[tuple[int, int], Mask]


def outputs(shields: Iterable[Shield]) -> Outputs:
    """Return the masks of relations by the origin of an output column."""
    return {(shield.oid, column.number): column.mask for shield in shields for column in shield.columns if column.mask}


def check(source: Source, layout: Layout, references: Mapping[int, Reference]) -> Outputs:
    """Judge a statement that is to see real values, and return how its output is to be masked.

    Raises:
        Refused: It is not of the plain form, or a use is not permitted.
    """
    stream = source.stream
    _check_form(layout)
    shielded = [each for each in references.values() if each.shield is not None]
    for each in references.values():
        if each.list >= 0:
            raise refusals.plain("an alias has a list of columns")
    owners = {each.alias: each.shield for each in shielded if each.shield}
    strict = Strict(source, layout, owners, references.values())
    strict.learn_aliases(layout.items(0))
    distinct = layout.is_distinct(0)
    for mention in strict.mentions(range(stream.size)):
        _check_use(strict, mention, distinct=distinct)
    if distinct and any(strict.stars(range(stream.size))):
        _require([c for shield in owners.values() for c in shield.masked.values()], "group")
    _check_ordinals(layout, strict, owners)
    return outputs(owners.values())


def _check_form(layout: Layout) -> None:
    stream = layout.stream
    selects = sum(word == "select" for word in stream.words)
    if stream.words[0] != "select" or selects != 1 or not _REFUSED.isdisjoint(stream.words):
        raise refusals.plain("the statement is more than one plain SELECT")
    if stream.words[1] == "distinct" and stream.words[2] == "on":
        raise refusals.plain("the statement has DISTINCT ON")
    for index in range(stream.size):
        if stream.marks[index] == "(" and layout.clause[index] == "from":
            raise refusals.plain("its FROM list has brackets")


def _check_use(strict: Strict, mention: Mention, *, distinct: bool) -> None:
    start, end, column = mention.start, mention.end, mention.column
    clause = strict.layout.clause[start]
    if strict.is_item(start, end):
        if distinct:
            _require([column], "group")
    elif clause in ("where", "having", "on"):
        use = "join" if clause == "on" else "filter"
        _require([column], use)
        if not strict.compares(start, end):
            raise refusals.plain(f"{column.name} is not compared directly")
        if clause == "on" and not _compares_columns(strict, start, end):
            _require([column], "filter")
    elif clause in ("order", "group"):
        _require([column], clause)
        if not strict.sorts(start, end):
            raise refusals.plain(f"{column.name} is not a whole item of the list")
    elif clause == "using":
        raise refusals.plain(f"JOIN ... USING ({column.name}) makes a new column: write ON")
    else:
        raise refusals.use(column.name, "output")


def _require(columns: Iterable[ShieldColumn], use: str) -> None:
    for column in columns:
        if use not in column.permit:
            raise refusals.use(column.name, use)


def _compares_columns(strict: Strict, start: int, end: int) -> bool:
    """Tell whether a join condition compares with another column, and with nothing else."""
    stream = strict.layout.stream
    if stream.marks[end + 1] == "=":
        first = end + 2
        last = stream.chain_end(first)
        edge = last + 1
        closed = stream.marks[edge] == ")" or stream.words[edge] != "" or edge >= stream.size
        return stream.is_name(first) and last > first and closed
    if stream.marks[start - 1] == "=":
        first = stream.chain_start(start - 2)
        return stream.is_name(start - 2) and first < start - 2 and stream.words[first - 1] in ("on", "and", "or")
    return False


def _check_ordinals(layout: Layout, strict: Strict, owners: Mapping[str, Shield]) -> None:
    """Judge any number in ORDER BY and GROUP BY as if it stood for every column of the select list."""
    stream = layout.stream
    items = layout.items(0)
    for index in range(stream.size):
        clause = layout.clause[index]
        if clause not in ("order", "group") or not stream.is_kind(index, Kind.NUMBER):
            continue
        if any(stream.marks[end - 1] == "*" for _, end in items):
            _require([c for shield in owners.values() for c in shield.masked.values()], clause)
        for mention in strict.mentions(i for start, end in items for i in range(start, end)):
            _require([mention.column], clause)
