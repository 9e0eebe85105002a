"""The one statement that looks many entities up: keys as arrays, so that its text is the same for any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from pgwarden.db.compose import Table

# No column of a table is called like what is named here: the guard would take the one for the other.
_LOOKUP: Final = """SELECT {shown} FROM unnest({arrays}) WITH ORDINALITY AS k ({keys}, pw_n)
LEFT JOIN {table} AS t ON {same} ORDER BY k.pw_n"""


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A column of a key: its name, and schema and name of the type of its values."""

    name: str
    type: tuple[str, str]


def statement(
    table: Table, key: Sequence[KeyColumn], columns: Sequence[str], found: str, entities: Sequence[Sequence[str]]
) -> tuple[str, tuple[str, ...]]:
    """Return a statement and its parameters, one array for each column of the key.

    Its columns are the key as given, the columns, and whether there is such a row; its rows are in the order of the
    entities.

    Args:
        table: Schema and name.
        key: The columns of a unique key.
        columns: What is looked up.
        found: Name of the last column.
        entities: For each, the values of the key as PostgreSQL's text.
    """
    names = [sql.Identifier(f"pw_k{at}") for at in range(len(key))]
    own = [sql.SQL("k.{}").format(name) for name in names]
    there = [sql.SQL("t.{}").format(sql.Identifier(column.name)) for column in key]
    shown = [
        *(sql.SQL("{} AS {}").format(mine, sql.Identifier(column.name)) for mine, column in zip(own, key, strict=True)),
        *(sql.SQL("t.{}").format(sql.Identifier(name)) for name in columns),
        sql.SQL("{} IS NOT NULL AS {}").format(there[0], sql.Identifier(found)),
    ]
    arrays = [
        sql.SQL("{}::{}[]").format(sql.SQL(f"${at}"), sql.Identifier(*column.type)) for at, column in enumerate(key, 1)
    ]
    text = sql.SQL(_LOOKUP).format(
        shown=sql.SQL(", ").join(shown),
        arrays=sql.SQL(", ").join(arrays),
        keys=sql.SQL(", ").join(names),
        table=sql.Identifier(*table),
        same=sql.SQL(" AND ").join([sql.SQL("{} = {}").format(*each) for each in zip(there, own, strict=True)]),
    )
    return text.as_string(None), tuple(map(_array, zip(*entities, strict=True)))


def _array(values: Sequence[str]) -> str:
    return "{" + ",".join('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values) + "}"
