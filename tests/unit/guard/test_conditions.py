"""Which conditions of UPDATE, DELETE and MERGE can be told to keep rows out; for the others a name is typed."""

from __future__ import annotations

import pytest

from pgwarden.guard import judge

REAL = [
    "id = 1",
    "id = $1",
    "$1 = id",
    "t.id = 1",
    "id IN (1, 2)",
    "id = ANY ($1)",
    "id <> 1",
    "id IS NULL",
    "active",
    "NOT active",
    "active = true",
    "created < now() - interval '1 day'",
    "created::date = '2026-01-01'",
    "lower(name) = 'x'",
    "date_trunc('day', created) = $1",
    "extract(year FROM created) = 2020",
    "name LIKE 'x%'",
    "data->>'k' = 'v'",
    "(data->>'k')::int = 1",
    "data @> '{\"a\": 1}'",
    "a = b",
    "(a, b) = (1, 2)",
    "(a, b) IN ((1, 2), (3, 4))",
    "id BETWEEN 1 AND 10",
    "id = 1 OR id = 2",
    "id = 1 OR name = 'x'",
    "id < 1 OR name = 'x'",
    "(id = 1 AND a > 1) OR (id = 2 AND a <= 1)",
    "true AND id = 1",
    "id = 1 AND ($1 OR true)",
    "NOT (id <> 1 OR a = 2)",
    "NOT (id = 1)",
    "id IN (SELECT s.t_id FROM s)",
    "t_id IN (SELECT id FROM s WHERE x)",
    "EXISTS (SELECT 1 FROM s WHERE s.id = t.id)",
    "NOT EXISTS (SELECT FROM s WHERE s.id = t.id AND s.x)",
    '"Id" = 1',
    "ctid = '(0,1)'",
    "id IS NOT DISTINCT FROM 1",
]
"""Each keeps some rows out, as far as its text can tell."""

DOUBTFUL = [
    "name LIKE '%%%'",
    "name ~ '()'",
    "name ILIKE '%_%'",
    "id BETWEEN SYMMETRIC 9 AND 0",
    "active = ANY ('{t,f}')",
    "true",
    "NOT false",
    "$1",
    "1 = 1",
    "'a' = 'a'",
    "id = id",
    "t.id = id",
    "id = id + 0",
    "id >= id",
    "id * 0 = 0",
    "abs(id) >= 0",
    "length(name) >= 0",
    "id IS NOT NULL",
    "NOT id IS NULL",
    "id ISNULL OR id NOTNULL",
    "x IS NULL OR x IS NOT NULL",
    "id = 1 OR true",
    "id = 1 OR $1",
    "id = $1 OR $1 IS NULL",
    "id = 1 OR id <> 1",
    "id = 1 OR NOT id = 1",
    "id < 5 OR id >= 5",
    "a <= b OR b < a",
    "active OR NOT active",
    "active = true OR active = false",
    "active IN (true, false)",
    "active IN ('t', 'f')",
    "active IS TRUE OR active IS NOT TRUE",
    "NOT (id = 1 AND id = 2)",
    "id NOT BETWEEN 2 AND 1",
    "name LIKE '%'",
    "name ~ ''",
    "name ~ '.*'",
    "name >= ''",
    "data @> '{}'",
    "id = ALL ('{}')",
    "id <> ALL ($1)",
    "id <> ANY (ARRAY[1, 2])",
    "id IS DISTINCT FROM NULL",
    "EXISTS (SELECT 1)",
    "EXISTS (SELECT 1 FROM s)",
    "EXISTS (SELECT t.id)",
    "EXISTS (SELECT count(*) FROM s WHERE s.id = t.id)",
    "EXISTS (SELECT 1 FROM s t WHERE t.id = 1)",
    "EXISTS (SELECT 1 FROM t x WHERE x.id = t.id)",
    "EXISTS (SELECT 1 FROM s WHERE s.id = t.id UNION SELECT 1)",
    "id IN (SELECT id FROM t)",
    "id IN (SELECT id FROM s)",
    "id = (SELECT max(id) FROM t)",
    "CASE WHEN id = 1 THEN true ELSE true END",
    "id = CASE WHEN true THEN id END",
    "coalesce(active, true)",
    "tableoid = 't'::regclass",
    "current_user = 'x'",
    "system_user = 'x'",
    "pg_catalog.now() > '2020-01-01'",
    "t IS NOT NULL",
    "t.* IS NOT NULL",
    "id OPERATOR(pg_catalog.=) 1",
]
"""Of each there is a way that it holds for all rows."""


def tier(sql: str) -> str:
    """Return the tier of a statement, which must be accepted."""
    verdict = judge(sql, None, writes=True)
    assert verdict.accepted, verdict.message
    return verdict.tier


@pytest.mark.parametrize("verb", ["DELETE FROM t", "UPDATE t SET a = 1"])
@pytest.mark.parametrize("condition", REAL)
def test_real_conditions(verb: str, condition: str) -> None:
    """A condition on a column is enough for a plain yes, however it is wrapped."""
    assert tier(f"{verb} WHERE {condition}") == "confirm"
    assert tier(f"{verb} WHERE (({condition}))") == "confirm"


@pytest.mark.parametrize("verb", ["DELETE FROM t", "UPDATE t SET a = 1"])
@pytest.mark.parametrize("condition", DOUBTFUL)
def test_doubtful_conditions(verb: str, condition: str) -> None:
    """In doubt the name is typed."""
    assert tier(f"{verb} WHERE {condition}") == "typed"
    assert tier(f"{verb} WHERE (({condition})) AND true") == "typed"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("DELETE FROM t", "typed"),
        ("DELETE FROM t USING s WHERE t.id = s.id", "confirm"),
        ("DELETE FROM t x USING s WHERE x.id = s.id", "confirm"),
        ("DELETE FROM t x USING s WHERE t.id = s.id", "typed"),
        ("DELETE FROM t USING s WHERE s.id = 1", "typed"),
        ("DELETE FROM t USING s WHERE id = 1", "typed"),
        ("DELETE FROM t USING s WHERE true", "typed"),
        ("DELETE FROM t USING t x WHERE t.id = x.id", "typed"),
        ("DELETE FROM t USING t x WHERE t.id = x.id AND t.a = 1", "confirm"),
        ("DELETE FROM t USING (SELECT * FROM t) x WHERE t.id = x.id", "typed"),
        ("WITH x AS (SELECT * FROM t) DELETE FROM t USING x WHERE t.id = x.id", "typed"),
        ("WITH x AS (SELECT * FROM s) DELETE FROM t USING x WHERE t.id = x.id", "confirm"),
        ("UPDATE t SET a = 1 FROM s WHERE t.id = s.id AND s.x", "confirm"),
        ("MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE", "confirm"),
        ("MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE", "typed"),
        ("MERGE INTO t USING s ON true WHEN MATCHED AND t.a = 1 THEN DELETE", "confirm"),
        ("MERGE INTO t USING s ON true WHEN MATCHED THEN UPDATE SET a = 1", "typed"),
        ("MERGE INTO t USING s ON true WHEN NOT MATCHED THEN INSERT VALUES (1)", "confirm"),
        ("MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED BY SOURCE THEN DELETE", "typed"),
        ("MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED BY SOURCE AND t.a = 1 THEN DELETE", "confirm"),
        ("MERGE INTO t USING t s ON t.id = s.id WHEN MATCHED THEN DELETE", "typed"),
        ("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1", "confirm"),
    ],
)
def test_statements(sql: str, expected: str) -> None:
    """A join counts where it ties a row of the target to another table's."""
    assert tier(sql) == expected
