"""Names in Parsed: everything with a meaning in the catalog is in it."""

from __future__ import annotations

import pytest

from pgwarden.guard.parse import read
from pgwarden.guard.parsed import Name, Refused


def names(found: frozenset[Name]) -> set[str]:
    """Return names as text."""
    return set(map(str, found))


@pytest.mark.parametrize(
    ("sql", "relations"),
    [
        ("SELECT * FROM a, b.c JOIN d ON true", {"a", "b.c", "d"}),
        ("SELECT * FROM (a JOIN (b CROSS JOIN c) ON true)", {"a", "b", "c"}),
        ("SELECT * FROM ONLY a, ONLY (b), LATERAL (SELECT * FROM c) x", {"a", "b", "c"}),
        ("TABLE a", {"a"}),
        ("SELECT 1 UNION TABLE ONLY b.a", {"b.a"}),
        ("SELECT extract(year FROM d), substring(e FROM f), trim(both g FROM h) FROM t", {"t"}),
        ("SELECT a IS DISTINCT FROM b, (SELECT c IS NOT DISTINCT FROM d FROM e) FROM f", {"e", "f"}),
        ("SELECT * FROM f(x), rows, ROWS FROM (g(1), h(2)) y", {"rows"}),
        ("SELECT 1 AS from, t.from, 2 AS table FROM a", {"a"}),
        ('SELECT * FROM "A b"."C.d"', {"A b.C.d"}),
        ("WITH x AS (SELECT * FROM x) SELECT * FROM x", {"x"}),
        ("WITH x AS (SELECT 1) SELECT * FROM x, s.x", {"s.x"}),
        ("WITH RECURSIVE x AS (SELECT * FROM y), y AS (SELECT * FROM x) SELECT 1", set()),
        ("WITH x AS (SELECT * FROM y), y AS (SELECT * FROM x) SELECT 1", {"y"}),
        ("SELECT * FROM (WITH x AS (SELECT 1), y AS (SELECT 2) SELECT * FROM x, y) z JOIN x ON true", {"x"}),
        ("(WITH x AS (SELECT 1) SELECT * FROM x) UNION SELECT * FROM x", {"x"}),
        ("SELECT * FROM a WHERE x IN (SELECT b FROM c) ORDER BY d, e", {"a", "c"}),
        ("WITH RECURSIVE x(a) AS (SELECT 1) SEARCH DEPTH FIRST BY a SET o, y AS (SELECT 1) SELECT * FROM x, y", set()),
    ],
)
def test_relations(sql: str, relations: set[str]) -> None:
    """A relation is whatever a FROM list or TABLE names, unless a CTE of that name is in scope there."""
    assert names(read(sql).relations) == relations


@pytest.mark.parametrize(
    ("sql", "calls"),
    [
        ('SELECT f(g(1)), s.h(2), "I j"(3)', {"f", "g", "s.h", "I j"}),
        ("SELECT sum(a) FILTER (WHERE b) OVER (PARTITION BY c) FROM t", {"sum"}),
        ("SELECT DISTINCT ON (a) over(b), filter(c) FROM t", {"over", "filter"}),
        ("SELECT a::numeric(1), CAST(b AS foo(2)), c::s.bar(3)", set()),
        ("SELECT * FROM a b(c), (SELECT 1) AS d(e), f(1) g(h), i(2) WITH ORDINALITY j(k)", {"f", "i"}),
        ("SELECT * FROM f() AS t(a int, b varchar(3))", {"f"}),
        ("SELECT * FROM a JOIN b ON 1 OPERATOR(pg_catalog.+) f(2) > 0", {"f"}),
        ("SELECT * FROM a JOIN b ON a.x AND f(a) AND NOT g(b)", {"f", "g"}),
        ("SELECT a FROM t GROUP BY rollup (a), cube (b)", set()),
        ("SELECT cube(1), rollup(2)", {"cube", "rollup"}),
        ("SELECT * FROM t ORDER BY by(a)", {"by"}),
        ("SELECT NOT materialized(a), left(b, 1)", {"materialized", "left"}),
        ("SELECT coalesce(a, f(b)), nullif(c, g(d))", {"f", "g"}),
        ("SELECT interval '1' second(3), second(4)", {"second"}),
        ("SELECT sum(a) OVER (ROWS f(1) PRECEDING) FROM t WINDOW w AS (ROWS g(1) PRECEDING)", {"sum", "f", "g"}),
        ("WITH x(a) AS (SELECT 1) SELECT * FROM x y(b)", set()),
        ("SELECT substring(a, 1), overlay(b, c, 1)", {"substring", "overlay"}),
    ],
)
def test_calls(sql: str, calls: set[str]) -> None:
    """A name with a bracket is a call, unless it can only be an alias, a type or syntax."""
    assert names(read(sql).calls) == calls


def test_attributes() -> None:
    """Whatever follows a dot may be a call, but for the parts of a relation, a call or a type."""
    parsed = read("SELECT a.b, (c).d, e[1].f, s.g(1), x::s.t, $1.h FROM s.r AS a")
    assert parsed.attributes == {"b", "d", "f", "h"}


def test_operators() -> None:
    """Operators are found as such, with a schema, and behind the syntax that stands for them."""
    parsed = read("SELECT a <-> b, c OPERATOR(pg_catalog.+) d FROM t WHERE e LIKE 'x' AND f BETWEEN 1 AND 2")
    assert {
        Name("", "<->"),
        Name("pg_catalog", "+"),
        Name("", "~~"),
        Name("", ">="),
        Name("", "<="),
    } <= parsed.operators


def test_types() -> None:
    """Types are found in casts, typed literals and column lists; key words stand for types of pg_catalog."""
    parsed = read("SELECT a::s.b, CAST(c AS d(1)), e 'x', 1::int, '1'::double precision FROM f() AS g(h i, j int)")
    assert names(parsed.types) == {"s.b", "d", "e", "i", "pg_catalog.int4", "pg_catalog.float8"}


def test_parameters_and_forms() -> None:
    """The highest parameter is counted, and the form says how the statement runs."""
    assert read("SELECT $2, $1").parameters == 2
    assert (read("SHOW work_mem").form, read("EXPLAIN SELECT 1").form, read("VALUES (1)").form) == (
        "show", "explain", "select",
    )  # fmt: skip
    assert read("EXPLAIN (COSTS off) TABLE t").relations == {Name("", "t")}


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("", "invalid_sql"),
        ("SELECT 1; SELECT 2", "multiple_statements"),
        ("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", "not_a_read"),
        ("WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT 1", "not_a_read"),
        ("WITH x AS (UPDATE ONLY t SET a = 1 RETURNING a) SELECT 1", "not_a_read"),
        ('WITH x AS (SELECT 1) UPDATE "t" SET a = 1', "not_a_read"),
        ("WITH x AS (SELECT 1) DELETE FROM t", "not_a_read"),
        ("WITH x AS (SELECT 1) MERGE INTO t USING x ON true WHEN MATCHED THEN DELETE", "not_a_read"),
        ("SELECT 1 INTO t", "not_a_read"),
        ("SELECT 1 FROM t FOR NO KEY UPDATE", "row_lock"),
        ("SELECT * FROM t TABLESAMPLE system_rows (10)", "function_not_allowed"),
        ("SELECT TREAT(a AS f)", "function_not_allowed"),
        ("SELECT 1 OPERATOR(public.+) 2", "function_not_allowed"),
        ("SELECT ('/etc/passwd'::text).pg_read_file", "function_not_allowed"),
        ("SELECT * FROM pg_catalog.pg_authid", "relation_not_allowed"),
        ('TABLE "pg_shadow"', "relation_not_allowed"),
        ("EXPLAIN ANALYZE SELECT 1", "explain_analyze"),
        ("EXPLAIN (ANALYSE off) SELECT 1", "explain_analyze"),
        ('EXPLAIN ("analyze") SELECT 1', "explain_analyze"),
        ("EXPLAIN (COSTS off) DELETE FROM t", "not_a_read"),
        ("EXPLAIN (nonsense) SELECT 1", "not_understood"),
        ("SHOW a b", "not_understood"),
        ("SELECT (1", "invalid_sql"),
        ("SELECT (1]", "invalid_sql"),
    ],
)
def test_refusals(sql: str, code: str) -> None:
    """Each token rule refuses with its own code."""
    with pytest.raises(Refused) as caught:
        read(sql)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT (delete), (update), insert FROM t",
        "SELECT a AS into, t.into FROM t",
        "SELECT count(*) FROM t WHERE (update = 1)",
        "SELECT (delete).x, (merge IS NULL) FROM t",
        "SHOW a.b.c", "SHOW ALL", "SHOW TIME ZONE", "SHOW TRANSACTION ISOLATION LEVEL",
        "EXPLAIN (VERBOSE, FORMAT json, BUFFERS false) (SELECT 1)", "EXPLAIN VERBOSE SELECT 1", "EXPLAIN ((SELECT 1))",
    ],
)  # fmt: skip
def test_names_that_look_like_statements(sql: str) -> None:
    """Words of other statements are ordinary names where only a name can stand."""
    assert read(sql).canonical == sql
