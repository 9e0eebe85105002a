"""What the guard says of changes of rows, held against what a server does."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import psycopg
import pytest

from fix_db import Server
from pgwarden.guard import judge

SETUP = """
CREATE TABLE t (id integer PRIMARY KEY, a integer NOT NULL, b integer NOT NULL, f boolean NOT NULL, s text NOT NULL);
INSERT INTO t SELECT row_number() OVER (), a, b, f, s
  FROM generate_series(-2, 2) a, generate_series(-2, 2) b, (VALUES (true), (false)) f (f),
    (VALUES ('x'), ('y'), ('')) s (s);
CREATE TABLE u (id integer, a integer);
INSERT INTO u SELECT n, n % 3 FROM generate_series(1, 20) n, generate_series(1, 2);
CREATE VIEW v AS SELECT * FROM t WHERE f;
"""
CHANGES: list[tuple[str, tuple[object, ...]]] = [
    ("DELETE FROM t", ()),
    ("DELETE FROM t WHERE a = 1 OR b > 0", ()),
    ("UPDATE t SET a = $1 WHERE id = $2", (9, 3)),
    ("UPDATE t SET s = $1, a = $3 WHERE id < $2", ("z", 10, 4)),
    ("UPDATE ONLY t AS x SET a = u.a FROM u WHERE x.id = u.id", ()),
    ("UPDATE v SET a = u.a FROM u WHERE v.id = u.id RETURNING *", ()),
    ("DELETE FROM t USING u JOIN u w USING (a) WHERE t.id = u.id AND w.id = $1", (1,)),
    ("WITH x AS (SELECT id FROM u WHERE a = $1) DELETE FROM t USING x WHERE t.id = x.id", (1,)),
    ("DELETE FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id) RETURNING t.id", ()),
]
ATOMS = [
    *("a = 1", "a <> 1", "a < 0", "a >= 0", "1 > a", "a IN (0, 1)", "a NOT IN (0, 1)", "a BETWEEN 0 AND 1", "a = b"),
    *("a NOT BETWEEN 1 AND 0", "a < b", "a >= b", "t.a = a", "a = a + 0", "a * 0 = 0", "abs(a) >= 0", "a IS NULL"),
    *("a IS NOT NULL", "b = 1", "b <> 1", "b <= 0", "b > 0", "a IS DISTINCT FROM NULL", "a IS DISTINCT FROM b"),
    *("f", "NOT f", "f = true", "f = 'f'", "f IS TRUE", "f IS NOT TRUE", "f IN (true, false)", "f IS UNKNOWN"),
    *("s = 'x'", "s <> 'x'", "s LIKE '%'", "s LIKE 'x%'", "s NOT LIKE 'x%'", "s ~ ''", "s >= ''", "lower(s) = 'x'"),
    *("(s, a) = ('x', 1)", "(s, a) <> ('x', 1)", "s = ALL ('{}')", "s <> ALL ('{}')", "s <> ANY (ARRAY['x', 'y'])"),
    *("EXISTS (SELECT 1)", "EXISTS (SELECT 1 FROM u WHERE u.a = t.a)", "NOT EXISTS (SELECT 1 FROM u WHERE u.a = t.a)"),
    *("EXISTS (SELECT count(*) FROM u WHERE u.a = t.a)", "NOT EXISTS (SELECT 1 FROM u t WHERE t.a = 5)"),
    *("EXISTS (SELECT 1 FROM t x WHERE x.a = t.a)", "a IN (SELECT a FROM t)", "a IN (SELECT x.a FROM u x)"),
    *("a = (SELECT a)", "true", "1 = 1", "CASE WHEN a = 1 THEN true ELSE true END", "coalesce(f, true)"),
]
"""None but tautologies holds for all rows of the table: they have every combination of values that are named here."""


@pytest.fixture(scope="module")
def connection(server: Server) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a database with the tables."""
    name = server.create_database()
    with psycopg.connect(server.url(name), cursor_factory=psycopg.RawCursor) as conn:
        conn.execute(SETUP)
        conn.commit()
        yield conn
    server.drop_database(name)


@pytest.mark.parametrize(("sql", "params"), CHANGES, ids=lambda value: str(value)[:60])
def test_matching_counts_what_changes(
    connection: psycopg.Connection[Any], sql: str, params: tuple[object, ...]
) -> None:
    """The read that counts takes the statement's parameters, and gives the number of rows that it then changes."""
    change = judge(sql, None, writes=True).change
    assert change is not None
    row = connection.execute(change.matching.encode(), params).fetchone()
    changed = connection.execute(sql.encode(), params).rowcount
    connection.rollback()
    assert row == (changed,)
    assert changed > 0


def test_what_needs_no_typing_spares_rows(connection: psycopg.Connection[Any]) -> None:
    """Of conditions made at random, each that passes with a plain yes leaves a row of a table that has everything."""
    random = Random(5)
    conditions = [*ATOMS, *(_condition(random, 3) for _ in range(600))]
    row = connection.execute("SELECT count(*) FROM t").fetchone()
    plain = 0
    for condition in conditions:
        verdict = judge(f"DELETE FROM t WHERE {condition}", None, writes=True)
        assert verdict.change is not None, (condition, verdict.message)
        if verdict.tier == "confirm":
            plain += 1
            assert connection.execute(verdict.change.matching.encode()).fetchone() != row, condition
    assert plain > len(conditions) / 4, "hardly any condition is taken for one"


def _condition(random: Random, depth: int) -> str:
    if depth == 0 or random.random() < 0.2:
        return random.choice(ATOMS)
    one, other = _condition(random, depth - 1), _condition(random, depth - 1)
    return random.choice((f"{one} OR {other}", f"{one} AND {other}", f"NOT ({one})", f"({one})", f"{one} OR {one}"))
