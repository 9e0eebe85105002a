"""What the guard costs a statement: small ones, analytical ones, and texts made to keep a parser busy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Sample, heading, show, verdict
from benchmarks.stand import Stand, stand
from pgwarden.db import Database
from pgwarden.guard import judge
from pgwarden.settings import load

if TYPE_CHECKING:
    from pgwarden.guard.catalog import Catalog

QUERIES = Path(__file__).parents[1] / "tests" / "corpus" / "queries"
SMALL = "SELECT c_name, c_phone FROM customer WHERE c_custkey = 7"
ROUNDS = 200
MAX_CHARS = 100_000
"""What the guard reads at most; longer texts are refused unread."""


def main() -> None:
    """Measure and print."""
    schema = (QUERIES / "tpch_schema.sql").read_text(encoding="utf-8")
    with stand(schema) as place:
        catalog = asyncio.run(_snapshot(place))
    judge(SMALL, catalog)  # imports, and indexes of the snapshot
    heading("One verdict, with a snapshot of the catalog", "us")
    show({"small, for the first time": _fresh([SMALL] * ROUNDS, catalog), "small, again": _again(SMALL, catalog)})
    queries = list(_queries())
    mean = round(sum(map(len, queries)) / len(queries))
    show({f"{len(queries)} analytical ones of {mean} characters": _fresh(queries * 5, catalog)})
    bombs = {name: _fresh([bomb], catalog).p50 / 1000 for name, bomb in _bombs()}
    print(f"\n{len(bombs)} texts made to keep a parser busy, ms: the worst three", flush=True)
    for name in sorted(bombs, key=bombs.__getitem__, reverse=True)[:3]:
        verdict(name, bombs[name], "ms")


async def _snapshot(place: Stand) -> Catalog:
    settings = load()
    database = Database(settings.connection, settings.limits, conninfo=place.reader_url)
    try:
        return await database.catalog()
    finally:
        await database.close()


def _fresh(statements: list[str], catalog: Catalog) -> Sample:
    """Judge statements that were never seen: a comment makes each its own text. Returns microseconds."""
    return Sample(tuple(_timed(f"{sql} --{number}", catalog) for number, sql in enumerate(statements)))


def _again(sql: str, catalog: Catalog) -> Sample:
    judge(sql, catalog)
    return Sample(tuple(_timed(sql, catalog) for _ in range(ROUNDS)))


def _timed(sql: str, catalog: Catalog) -> float:
    started = time.perf_counter()
    judge(sql, catalog)
    return (time.perf_counter() - started) * 1e6


def _queries() -> Iterator[str]:
    """Yield the shapes of TPC-H, each once."""
    for block in (QUERIES / "tpch.sql").read_text(encoding="utf-8").split("-- name: ")[1:]:
        yield block.partition("\n")[2].strip()


def _bombs() -> Iterator[tuple[str, str]]:
    """Yield texts up to the longest that is read: nested, long, and ambiguous ones."""
    nested = {
        "round brackets": ("(", "1", ")"),
        "ARRAY brackets": ("ARRAY[", "1", "]"),
        "CASE": ("CASE WHEN ", "true", " THEN 1 END"),
        "calls": ("abs(", "1", ")"),
        "type words as calls": ("char(", "1", ")"),
        "NOT": ("NOT ", "true", ""),
        "signs": ("- ", "1", ""),
        "subqueries": ("(SELECT ", "1", ")"),
        "casts": ("CAST(", "1", " AS int)"),
    }
    for name, (left, middle, right) in nested.items():
        for depth in (20, 1_000, MAX_CHARS // (len(left + right) + 1)):
            yield f"{name}, {depth:,} deep", "SELECT " + left * depth + middle + right * depth
    repeated = {
        "OR chain": ("SELECT 1 WHERE true", " OR 1 = 2"),
        "IN list": ("SELECT 1 WHERE 1 IN (0", ",1"),
        "additions": ("SELECT 1", "+1"),
        "UNION": ("SELECT 1", " UNION SELECT 1"),
        "joins": ("SELECT 1 FROM customer", " CROSS JOIN customer"),
        "subscripts": ("SELECT ARRAY[1]", "[1]"),
        "columns": ("SELECT 1", ",a"),
        "CTEs": ("WITH a AS (SELECT 1)", ", a AS (SELECT 1)"),
        "casts": ("SELECT 1", "::int"),
        "open comments": ("SELECT 1 ", "/*"),
        "open brackets": ("SELECT ", "("),
        "dollar quotes": ("SELECT ", "$a$b$a$,"),
        "fields": ("SELECT a", ".a"),
    }
    for name, (head, unit) in repeated.items():
        for count in (200, (MAX_CHARS - 100) // len(unit)):
            yield f"{name}, {count:,} long", head + unit * count


if __name__ == "__main__":
    main()
