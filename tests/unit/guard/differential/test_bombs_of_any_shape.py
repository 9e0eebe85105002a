"""No text keeps the guard busy: a verdict within a second of computing, whatever nests or repeats."""

from __future__ import annotations

from collections.abc import Callable
from time import thread_time

import pytest

from pgwarden.guard import judge

NESTED: dict[str, tuple[str, str]] = {
    "parentheses": ("(", ")"),
    "brackets": ("[", "]"),
    "arrays": ("ARRAY[", "]"),
    "rows": ("ROW(", ")"),
    "calls": ("lower(", ")"),
    "typed-calls": ("date(", ")"),
    "interval-calls": ("interval(", ")"),
    "timestamp-calls": ("timestamp(", ")"),
    "struct-calls": ("struct(", ")"),
    "map-calls": ("map(", ")"),
    "casts": ("CAST(", " AS int)"),
    "cases": ("CASE WHEN ", " THEN 1 END"),
    "case-operands": ("CASE ", " WHEN 1 THEN 1 END"),
    "subqueries": ("(SELECT ", ")"),
    "sources": ("(SELECT * FROM (SELECT ", ") a)"),
    "exists": ("EXISTS (SELECT ", ")"),
    "ctes": ("(WITH x AS (SELECT 1) SELECT ", ")"),
    "not": ("NOT ", ""),
    "minus": ("- ", ""),
    "tilde": ("~", ""),
    "coalesce": ("coalesce(1, ", ")"),
    "extract": ("extract(year FROM ", ")"),
    "trim": ("trim(BOTH ' ' FROM ", ")"),
    "position": ("position('a' IN ", ")"),
    "in": ("1 IN (", ")"),
    "any": ("1 = ANY (", ")"),
    "braces": ("{", "}"),
    "type-arguments": ("1::numeric(", ")"),
    "windows": ("sum(", ") OVER ()"),
    "filters": ("count(*) FILTER (WHERE ", ")"),
    "json": ("json_object('a': ", ")"),
    "lambda": ("(x) -> ", ""),
    "grouping": ("1 GROUP BY ROLLUP (", ")"),
}
REPEATED: dict[str, str] = {
    "additions": " + 1",
    "and": " AND a",
    "or": " OR a",
    "concatenations": " || 'a'",
    "unions": " UNION ALL SELECT 1",
    "joins": " FROM a JOIN b ON true",
    "cross-joins": ", a CROSS JOIN b",
    "casts": "::int",
    "subscripts": "[1]",
    "slices": "[1:2]",
    "empty-subscripts": "[]",
    "attributes": ".a",
    "collations": ' COLLATE "C"',
    "time-zones": " AT TIME ZONE 'UTC'",
    "is": " IS NOT NULL",
    "between": " BETWEEN 1 AND 2",
    "not-in": " NOT IN (1)",
    "columns": ", 1",
    "aliases": " AS a",
    "arrows": " -> 'a'",
    "strings": " 'a'",
    "comments": " /* a */",
    "line-comments": " --\n",
    "quotes": "'",
    "double-quotes": '"',
    "dollars": "$",
    "tags": "$a$",
    "comment-openers": "/*",
    "backslashes": "\\",
    "semicolons": ";",
    "parameters": ", $1",
    "like": " LIKE 'a' ESCAPE 'b'",
    "type-words": " int",
    "interval-words": " interval",
    "with": " WITH",
    "select": " SELECT",
    "case": " CASE",
    "array-types": "::int[]",
    "overlaps": " OVERLAPS (1, 2)",
    "operators": " +-+",
    "distinct-from": " IS DISTINCT FROM 1",
    "windows": ", sum(a) OVER w",
    "key-words": " - GROUP SETS TABLESAMPLE ALL",
    "type-starts": " interval map<",
    "operator-words": " IS !~ TO",
}
DEPTHS = [12, 25, 300, 6000]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("shape", NESTED.values(), ids=NESTED.keys())
def test_nesting(shape: tuple[str, str], depth: int) -> None:
    """Nesting of any kind, closed or left open, has a verdict in time."""
    opened, closed = shape
    _judge_in_time(f"SELECT {opened * depth}1{closed * depth}")
    _judge_in_time(f"SELECT {opened * depth}")
    _judge_in_time(f"SELECT 1 FROM t WHERE {opened * depth}1{closed * (depth - 1)}")


@pytest.mark.parametrize("count", [*DEPTHS, 30000])
@pytest.mark.parametrize("piece", REPEATED.values(), ids=REPEATED.keys())
def test_repetition(piece: str, count: int) -> None:
    """A long run of anything has a verdict in time."""
    _judge_in_time(f"SELECT a{piece * count}")


PAIRS: dict[str, Callable[[int], str]] = {
    "array-of-calls": lambda depth: "ARRAY[date(" * depth + "1" + ")]" * depth,
    "array-then-subscript": lambda depth: "ARRAY[" * depth + "1" + "][1]" * depth,
    "case-in-array": lambda depth: "ARRAY[CASE WHEN " * depth + "1" + " THEN 1 END]" * depth,
    "parenthesis-and-cast": lambda depth: "(" * depth + "1" + ")::int" * depth,
    "parenthesis-and-attribute": lambda depth: "(" * depth + "a" + ").b" * depth,
    "call-in-subscript": lambda depth: "a[lower(" * depth + "1" + ")]" * depth,
    "select-in-array": lambda depth: "ARRAY(SELECT ARRAY[" * depth + "1" + "])" * depth,
    "typed-literals": lambda depth: "interval " * depth + "'1'",
    "not-exists": lambda depth: "NOT EXISTS (SELECT (" * depth + "1" + "))" * depth,
    "open-mix": lambda depth: "([" * depth,
    "types-as-calls": lambda depth: "int(text(date(" * depth + "1" + ")))" * depth,
    "bracketed-types": lambda depth: "int[" * depth + "1" + "]" * depth,
    "angle-types": lambda depth: "array<" * depth + "int" + ">" * depth,
    "map-brackets": lambda depth: "map[" * depth + "1" + "]" * depth,
}


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("build", PAIRS.values(), ids=PAIRS.keys())
def test_mixed_nesting(build: Callable[[int], str], depth: int) -> None:
    """Two things nested in each other have a verdict in time."""
    _judge_in_time(f"SELECT {build(depth)}")
    _judge_in_time(f"SELECT * FROM {build(depth)}")


@pytest.mark.parametrize("size", [100_000, 100_001, 5_000_000])
def test_size(size: int) -> None:
    """A text of any size has a verdict in time, and over 100,000 characters it is a refusal."""
    sql = f"SELECT '{'a' * (size - 9)}'"
    assert len(sql) == size
    assert _judge_in_time(sql) is (size <= 100_000)


def _judge_in_time(sql: str) -> bool:
    # The guard only computes: its processor time is its time, however busy the machine is with other tests.
    started = thread_time()
    readable = judge(sql, None).readable
    assert thread_time() - started < 1.0
    return readable
