"""A statement that reads masked values instead of real ones.

Each shielded relation that is read becomes `(SELECT id, <masked> AS email FROM customers) AS c`. Whatever the statement
does with its rows, it does with masked values: stars, whole rows, JSON and set operations need no analysis.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pgwarden.guard.lexer import Kind, Token, lex
from pgwarden.guard.masking import expressions, refusals
from pgwarden.guard.masking.references import Reference
from pgwarden.guard.parsed import Refused
from pgwarden.guard.shields import Shield
from pgwarden.guard.stream import Stream

_SYSTEM_COLUMNS: Final = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})

_SELECT_ALL: Final = tuple(lex(" SELECT * FROM"))
"""What TABLE stands for."""


def tokens(stream: Stream, references: Iterable[Reference], key: int | None) -> list[Token]:
    """Return the statement's tokens with shielded relations replaced.

    Args:
        stream: The statement.
        references: What to replace; each has a shield.
        key: The number of the parameter with the key of "hash"; None: hashes become NULL.
    """
    out: list[Token] = []
    at = 0
    for each in sorted(references, key=lambda reference: reference.start):
        start, only = each.start, False
        if stream.words[start - 1] == "only":
            start, only = start - 1, True
        if stream.words[start - 1] == "table":
            start -= 1
            out += [*stream.tokens[at:start], *_SELECT_ALL]
        else:
            out += stream.tokens[at:start]
        out.append(_piece(each, only=only, key=key))
        at = each.behind
    return [*out, *stream.tokens[at:]]


def check(stream: Stream, references: list[Reference]) -> None:
    """Refuse what a replaced relation cannot be.

    Args:
        stream: The statement.
        references: What will be replaced.
    """
    for each in references:
        if stream.words[each.after] == "tablesample":
            raise Refused(refusals.CODE, "TABLESAMPLE of a table with masked columns is refused.", "Use LIMIT.")
    if not references:
        return
    aliases = {each.alias for each in references}
    names = {each.shield.name for each in references if each.shield}
    for index in range(stream.size):
        if stream.is_name(index) and not (index and stream.marks[index - 1] == "."):
            _check_chain(stream, index, aliases, {(name.schema, name.name) for name in names})


def _check_chain(stream: Stream, start: int, aliases: set[str], names: set[tuple[str, str]]) -> None:
    end = stream.chain_end(start)
    last = stream.value(end)
    if last in _SYSTEM_COLUMNS and (end == start or stream.value(end - 2) in aliases):
        raise Refused(
            refusals.CODE,
            f"The system column {last} cannot be read from a table with masked columns.",
            "If another table's is meant, qualify it with that table's alias.",
        )
    more = end - start >= 4 or (end > start and stream.marks[end + 1] == "." and stream.marks[end + 2] == "*")
    if more and (stream.value(start), stream.value(start + 2)) in names:
        raise Refused(
            refusals.CODE,
            "A column qualified with a schema cannot be read from a table with masked columns.",
            "Give the table an alias and qualify the column with it.",
        )


def _piece(reference: Reference, *, only: bool, key: int | None) -> Token:
    """Return one token that stands for all of a subquery. It is not looked into: the judgement was before."""
    assert reference.shield is not None
    text = f"({_select(reference.shield, only=only, key=key)})"
    if not reference.renamed:
        text += f" AS {expressions.quote(reference.alias)}"
    return Token(Kind.MARK, text, "", " ")


def _select(shield: Shield, *, only: bool, key: int | None) -> str:
    columns = ", ".join(expressions.column(column, key) for column in shield.columns)
    name = f"{expressions.quote(shield.name.schema)}.{expressions.quote(shield.name.name)}"
    return " ".join(["SELECT", columns, "FROM", *["ONLY"] * only, name])


def hashes(references: Iterable[Reference]) -> bool:
    """Tell whether any of the masked columns is hashed."""
    shields = [each.shield for each in references if each.shield is not None]
    return any(column.mask and column.mask.kind == "hash" for shield in shields for column in shield.columns)
