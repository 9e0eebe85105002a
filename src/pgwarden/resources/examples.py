"""`pg://query_examples`: queries on this database's own tables, each let through by the guard and the policy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pgwarden.resources.spec import Surroundings
from pgwarden.results import Report

MOST = 8
"""Examples that are shown."""
_TABLES = 6
"""Tables that are looked at."""
_COLUMNS = 5
"""Columns of a table that an example selects."""
_SAMPLES: dict[str, Any] = {
    "smallint": 1,
    "integer": 1,
    "bigint": 1,
    "text": "a",
    "character varying": "a",
    "uuid": "00000000-0000-0000-0000-000000000000",
    "date": "2026-01-01",
}
"""A value of a type, for keys."""
_GROUPS = ("boolean", "text", "character varying")
_MOMENTS = ("date", "timestamp with time zone", "timestamp without time zone")

Table = Mapping[str, Any]
Link = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """A query, what it is for, and values of its parameters."""

    title: str
    sql: str
    params: tuple[Any, ...] = ()

    def text(self) -> str:
        """Return it for reading."""
        params = f"\nparams: {json.dumps(self.params)}" if self.params else ""
        return f"{self.title}:\n```sql\n{self.sql}\n```{params}"

    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"title": self.title, "sql": self.sql, **({"params": [*self.params]} if self.params else {})}


async def read(around: Surroundings, _: Mapping[str, str]) -> Report:
    """Return up to eight examples.

    Raises:
        DatabaseError: The catalog cannot be read.
    """
    found = await (await around.database()).json("example_tables", {"limit": _TABLES})
    shown: list[Example] = []
    for example in candidates(found["tables"], found["links"]):
        if len(shown) == MOST:
            break
        # What masks and rules refuse for these columns is no example.
        if await around.passes(example.sql):
            shown.append(example)
    if not shown:
        return Report("There is no table here that could be read.", {"examples": []}, untrusted=False)
    return Report("\n\n".join(each.text() for each in shown), {"examples": [each.data() for each in shown]})


def candidates(tables: Sequence[Table], links: Sequence[Link]) -> Iterator[Example]:
    """Yield examples, the most telling first.

    Args:
        tables: As the block example_tables gives them.
        links: Foreign keys between them, likewise.
    """
    usable = [table for table in tables if table["columns"]]
    by_ref = {table["ref"]: table for table in usable}
    for link in [each for each in links if each["child"] in by_ref and each["parent"] in by_ref][:1]:
        yield from _joined(by_ref[link["child"]], by_ref[link["parent"]], link)
    for number, table in enumerate(usable):
        yield from _keyed(table)
        yield from _summed(table)
        if not number:
            yield from _plain(table)


def _joined(child: Table, parent: Table, link: Link) -> Iterator[Example]:
    on = " AND ".join(f"c.{a} = p.{b}" for a, b in zip(link["columns"], link["to"], strict=True))
    to = ", ".join(f"p.{name}" for name in link["to"])
    yield Example(
        f"Rows of {child['ref']} with their {parent['ref']}",
        f"SELECT {_columns(child, 'c')}, {_columns(parent, 'p')}\n"
        f"FROM {child['ref']} AS c\nJOIN {parent['ref']} AS p ON {on}\nLIMIT 20",
    )
    yield Example(
        f"{parent['ref']} with the most {child['ref']}",
        f"SELECT {to}, count(*) AS number\nFROM {parent['ref']} AS p\nJOIN {child['ref']} AS c ON {on}\n"
        f"GROUP BY {to}\nORDER BY number DESC\nLIMIT 10",
    )
    none = f"NOT EXISTS (SELECT FROM {child['ref']} AS c WHERE {on})"
    yield Example(
        f"{parent['ref']} without any {child['ref']}",
        f"SELECT {_columns(parent, 'p')}\nFROM {parent['ref']} AS p\nWHERE {none}\nLIMIT 20",
    )


def _keyed(table: Table) -> Iterator[Example]:
    key: Sequence[str] = table["key"]
    types = {column["name"]: column["type"] for column in table["columns"]}
    if not key or any(types.get(name) not in _SAMPLES for name in key):
        return
    names = ", ".join(key)
    values = tuple(_SAMPLES[types[name]] for name in key)
    marks = ", ".join(f"${number}" for number in range(1, len(key) + 1))
    left, right = (names, marks) if len(key) == 1 else (f"({names})", f"({marks})")
    select = f"SELECT {_columns(table)}\nFROM {table['ref']}\n"
    yield Example(f"One row of {table['ref']} by its key", f"{select}WHERE {left} = {right}", values)
    yield Example(
        f"The page of {table['ref']} after a key",
        f"{select}WHERE {left} > {right}\nORDER BY {names}\nLIMIT 20",
        values,
    )


def _summed(table: Table) -> Iterator[Example]:
    foreign_or_key = {*table["key"]}
    rest = [column for column in table["columns"] if column["name"] not in foreign_or_key]
    for column in [each for each in rest if each["type"] in _MOMENTS][:1]:
        yield Example(
            f"{table['ref']} by month",
            f"SELECT date_trunc('month', {column['name']}) AS month, count(*) AS number\nFROM {table['ref']}\n"
            "GROUP BY month\nORDER BY month DESC\nLIMIT 12",
        )
    for column in [each for each in rest if each["category"] == "E" or each["type"] in _GROUPS][:1]:
        yield Example(
            f"The most frequent values of {column['name']} in {table['ref']}",
            f"SELECT {column['name']}, count(*) AS number\nFROM {table['ref']}\n"
            f"GROUP BY {column['name']}\nORDER BY number DESC\nLIMIT 10",
        )
    for column in [each for each in rest if each["type"] in ("numeric", "double precision", "real", "money")][:1]:
        name = column["name"]
        yield Example(
            f"The spread of {name} in {table['ref']}",
            f"SELECT count({name}) AS number, min({name}), max({name})\nFROM {table['ref']}",
        )


def _plain(table: Table) -> Iterator[Example]:
    first = table["columns"][0]["name"]
    yield Example(f"Some rows of {table['ref']}", f"SELECT {_columns(table)}\nFROM {table['ref']}\nLIMIT 20")
    yield Example(f"How many rows {table['ref']} has", f"SELECT count(*)\nFROM {table['ref']}")
    yield Example(
        f"How many rows of {table['ref']} have no {first}",
        f"SELECT count(*) FILTER (WHERE {first} IS NULL) AS missing, count(*) AS number\nFROM {table['ref']}",
    )
    yield Example(
        f"A sample of {table['ref']}",
        f"SELECT {_columns(table)}\nFROM {table['ref']} TABLESAMPLE BERNOULLI (1)\nLIMIT 20",
    )
    exists = f"SELECT EXISTS (SELECT FROM {table['ref']}) AS has_rows"  # noqa: S608 - a quoted name
    yield Example(f"Whether {table['ref']} has any row", exists)


def _columns(table: Table, alias: str = "") -> str:
    before = f"{alias}." if alias else ""
    return ", ".join(f"{before}{column['name']}" for column in table["columns"][:_COLUMNS])
