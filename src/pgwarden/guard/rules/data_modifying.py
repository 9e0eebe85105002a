"""INSERT, UPDATE, DELETE and MERGE inside a query: `WITH x AS (DELETE FROM t RETURNING *) SELECT ...`.

They stand after a bracket (of either kind: `WITH x AS (...) UPDATE t`). As none of these words is reserved, a column
may bear one; it is told by what follows it.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from pgwarden.guard.keywords import words
from pgwarden.guard.names import Names
from pgwarden.guard.parsed import Refused
from pgwarden.guard.stream import Stream

VERBS: Final = frozenset({"insert", "update", "delete", "merge"})


def check(stream: Stream, names: Names) -> None:
    """Refuse statements within the statement that change rows, where they are not known to."""
    verb = find(stream, names.syntax)
    if verb and names.changes:
        raise Refused(
            "not_understood", f"{verb.upper()} stands where it cannot.", "Put it into the WITH list at the start."
        )
    if verb:
        raise Refused(
            "not_a_read",
            f"The statement contains {verb.upper()}, where only reads can stand.",
            "Read the rows with SELECT; what changes rows stands first, or in the WITH list at the start.",
        )


def find(stream: Stream, known: Container[int] = ()) -> str:
    """Return the first verb that changes rows, or nothing; one at a known index does not count."""
    for index, word in enumerate(stream.words[1 : stream.size], 1):
        stands = word in VERBS and stream.marks[index - 1] in ("(", ")") and index not in known
        if stands and _starts_statement(stream, index):
            return word
    return ""


def _starts_statement(stream: Stream, index: int) -> bool:
    behind = stream.words[index + 1]
    if behind in ("into", "from", "only"):
        return behind != "from" or stream.marks[index - 1] == "(" or stream.is_name(index + 2)
    return stream.is_name(index + 1) and (not behind or behind not in _AFTER_A_COLUMN)


_AFTER_A_COLUMN: Final = words("""
    as and or not is in like ilike similar between asc desc nulls collate at from where group order limit offset
    fetch union intersect except having window on using join left right full inner cross natural then when else end
    over filter within placing for isnull notnull overlaps escape operator tablesample values select rows range groups
    path default returning""")
