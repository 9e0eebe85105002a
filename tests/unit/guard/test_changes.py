"""Statements that change rows: what is said of them, and what is refused. By the text alone, but for the last tests."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pgwarden.guard import Verdict, judge
from pgwarden.guard.catalog import Catalog, Function, Hook, Relation
from pgwarden.guard.verdict import Target


@dataclass(frozen=True, slots=True)
class Case:
    """A statement and what its verdict must say; `uses` are pairs in words."""

    sql: str
    kinds: str
    uses: str
    inserted: int | None = None
    returning: bool = False


CASES = [
    Case("INSERT INTO t VALUES (1, 'x')", "INSERT", "INSERT t", 1),
    Case("INSERT INTO s.t AS x (a) VALUES (1), (2), (DEFAULT)", "INSERT", "INSERT s.t", 3),
    Case("INSERT INTO t DEFAULT VALUES RETURNING id", "INSERT", "INSERT t, SELECT t", 1, True),
    Case("INSERT INTO t (a) OVERRIDING USER VALUE VALUES (1)", "INSERT", "INSERT t", 1),
    Case("INSERT INTO t VALUES (nextval('s'))", "INSERT", "INSERT t", 1),
    Case("INSERT INTO t (values, delete) VALUES (1, 2)", "INSERT", "INSERT t", 1),
    Case("INSERT INTO t SELECT * FROM s", "INSERT, SELECT", "INSERT t, SELECT s"),
    Case("INSERT INTO t (a) (SELECT 1)", "INSERT, SELECT", "INSERT t"),
    Case("INSERT INTO t TABLE s", "INSERT, SELECT", "INSERT t, SELECT s"),
    Case("INSERT INTO t SELECT * FROM a JOIN b ON conflict = 1", "INSERT, SELECT", "INSERT t, SELECT a, SELECT b"),
    Case("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", "INSERT", "INSERT t", 1),
    Case("INSERT INTO t VALUES (1) ON CONFLICT (a) DO NOTHING", "INSERT", "INSERT t, SELECT t", 1),
    Case(
        "INSERT INTO t VALUES (1) ON CONFLICT (a) WHERE b DO UPDATE SET a = excluded.a WHERE t.c RETURNING a",
        "INSERT, UPDATE",
        "INSERT t, UPDATE t, SELECT t",
        1,
        True,
    ),
    # A CTE of INSERT's query is not seen behind that query: there the name means a table.
    Case(
        "INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x RETURNING (SELECT 1 FROM x)",
        "INSERT, SELECT",
        "INSERT t, SELECT t, SELECT x",
        None,
        True,
    ),
    # A target is a table, whatever CTE has its name.
    Case("WITH t AS (SELECT 1) DELETE FROM t WHERE a = 1", "DELETE, SELECT", "DELETE t, SELECT t"),
    Case("UPDATE t SET a = 1 WHERE id = 2", "UPDATE", "UPDATE t, SELECT t"),
    Case("UPDATE t SET delete = 1 WHERE merge = 3 RETURNING into_", "UPDATE", "UPDATE t, SELECT t", None, True),
    Case("UPDATE t SET a = (SELECT max(b) FROM s) WHERE id = 1", "UPDATE, SELECT", "UPDATE t, SELECT t, SELECT s"),
    Case("UPDATE t SET a = s.a FROM s WHERE t.id = s.id", "UPDATE, SELECT", "UPDATE t, SELECT t, SELECT s"),
    Case("UPDATE t SET a = b IS DISTINCT FROM c WHERE id = 1", "UPDATE", "UPDATE t, SELECT t"),
    Case("DELETE FROM ONLY s.t * AS d WHERE d.a = 1", "DELETE", "DELETE s.t, SELECT s.t"),
    Case(
        "DELETE FROM t USING a JOIN b USING (k) WHERE t.a = b.a",
        "DELETE, SELECT",
        "DELETE t, SELECT t, SELECT a, SELECT b",
    ),
    Case(
        "WITH x AS (DELETE FROM t WHERE a = 1 RETURNING *) SELECT * FROM x",
        "SELECT, DELETE",
        "DELETE t, SELECT t",
        None,
        True,
    ),
    Case(
        "WITH x AS (WITH y AS (SELECT 1) UPDATE t SET a = 1 WHERE b = 2 RETURNING *) INSERT INTO u SELECT * FROM x",
        "INSERT, UPDATE, SELECT",
        "INSERT u, UPDATE t, SELECT t",
    ),
    Case(
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED AND s.b THEN UPDATE SET a = 1 WHEN MATCHED THEN DELETE "
        "WHEN NOT MATCHED THEN INSERT (a) VALUES (CASE WHEN s.a > 1 THEN 1 END)",
        "MERGE, UPDATE, DELETE, INSERT, SELECT",
        "UPDATE t, DELETE t, INSERT t, SELECT t, SELECT s",
    ),
    Case(
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DO NOTHING RETURNING t.*",
        "MERGE, SELECT",
        "SELECT t, SELECT s",
        None,
        True,
    ),
]


def judged(sql: str, catalog: Catalog | None = None, listed: frozenset[str] = frozenset()) -> Verdict:
    """Return the verdict on a statement that may change something."""
    return judge(sql, catalog, listed, writes=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sql[:60])
def test_what_it_changes(case: Case) -> None:
    """Kinds, relations with their operations, and rows of a statement are all said."""
    verdict = judged(case.sql)
    assert verdict.change is not None, verdict.message
    assert ", ".join(verdict.kinds) == case.kinds
    assert ", ".join(f"{use.operation} {use.relation}" for use in verdict.uses) == case.uses
    assert (verdict.change.inserted, verdict.change.returning) == (case.inserted, case.returning)
    assert (verdict.form, verdict.readable, verdict.tier) == ("change", False, "confirm")
    assert (verdict.change.lock, verdict.change.object_class) == ("RowExclusiveLock", "rows")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sql[:60])
def test_it_is_refused_as_a_read(case: Case) -> None:
    """Without `writes` none of it passes."""
    assert not judge(case.sql, None).accepted


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sql[:60])
def test_explain_is_a_read(case: Case) -> None:
    """EXPLAIN runs nothing; what it explains is said of it all the same."""
    verdict = judged(f"EXPLAIN {case.sql}")
    assert verdict.readable, verdict.message
    assert verdict.change is None
    assert ", ".join(verdict.kinds) == f"EXPLAIN, {case.kinds}"
    assert ", ".join(f"{use.operation} {use.relation}" for use in verdict.uses) == case.uses


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("EXPLAIN ANALYZE DELETE FROM t", "explain_analyze"),
        ("EXPLAIN (ANALYZE off) INSERT INTO t VALUES (1)", "explain_analyze"),
        ("INSERT INTO t SELECT pg_read_file('x')", "function_not_allowed"),
        ("INSERT INTO t VALUES (setval('s', 1))", "function_not_allowed"),
        ("UPDATE t SET a = pg_sleep(1)", "function_not_allowed"),
        ("UPDATE t SET a = 1 RETURNING pg_sleep(1)", "function_not_allowed"),
        ("DELETE FROM t WHERE a = 1 RETURNING pg_sleep (1)", "function_not_allowed"),
        ("INSERT INTO t VALUES (1) ON CONFLICT (pg_sleep(1)) DO NOTHING", "function_not_allowed"),
        ("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = pg_sleep(1)", "function_not_allowed"),
        ("MERGE INTO t USING s ON pg_sleep(1) IS NULL WHEN MATCHED THEN DELETE", "function_not_allowed"),
        ("MERGE INTO t USING s ON true WHEN MATCHED AND set(1) THEN DELETE", "function_not_allowed"),
        ("UPDATE t SET a = ('s'::regclass).nextval", "function_not_allowed"),
        ("UPDATE t SET a = x.pg_sleep FROM x WHERE t.id = 1", "function_not_allowed"),
        ("DELETE FROM t WHERE a OPERATOR(public.=) 1", "function_not_allowed"),
        ("SELECT nextval('s')", "function_not_allowed"),
        ("INSERT INTO t VALUES (public.nextval('s'))", "function_not_allowed"),
        ("EXPLAIN SELECT nextval('s')", "function_not_allowed"),
        ("DELETE FROM t WHERE CURRENT OF c", "not_understood"),
        ("SELECT 1 INTO t", "not_a_read"),
        ("WITH x AS (SELECT 1) SELECT * INTO t FROM x", "not_a_read"),
        ("WITH x AS (DELETE FROM t RETURNING *) SELECT * INTO u FROM x", "not_a_read"),
        ("SELECT * FROM t FOR UPDATE", "row_lock"),
        ("INSERT INTO t SELECT * FROM s FOR UPDATE", "row_lock"),
        ("DELETE FROM pg_catalog.pg_class WHERE oid = 1", "relation_not_allowed"),
        ("UPDATE pg_class SET relname = 'x' WHERE oid = 1", "relation_not_allowed"),
        ("INSERT INTO information_schema.sql_features VALUES (1)", "relation_not_allowed"),
        ("INSERT INTO t SELECT rolpassword FROM pg_authid", "relation_not_allowed"),
        ("INSERT INTO t VALUES (1); DELETE FROM t", "multiple_statements"),
        ("INSERT INTO t SELECT * FROM (DELETE FROM s RETURNING *) x", "not_understood"),
        ("UPDATE t SET a = 1 WHERE (DELETE FROM s)", "not_understood"),
        ("INSERT INTO t WITH x AS (DELETE FROM s RETURNING *) SELECT * FROM x", "not_understood"),
        ("SELECT * FROM (WITH x AS (DELETE FROM s RETURNING *) SELECT * FROM x) y", "not_a_read"),
        ("WITH x AS ((DELETE FROM t RETURNING *)) SELECT * FROM x", "not_a_read"),
        ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING DO UPDATE SET a = 1", "not_understood"),
        ("MERGE INTO t USING a JOIN b ON true ON true WHEN MATCHED THEN DELETE", "not_understood"),
        ("UPDATE t SET a = 1 WHERE a = 1 WHERE b = 2", "not_understood"),
        ("UPDATE t SET a = 1 RETURNING WITH (OLD AS o, NEW n) o.a", "not_understood"),
        ("DELETE t WHERE a = 1", "not_understood"),
        ("INSERT t VALUES (1)", "not_understood"),
    ],
)
def test_refused(sql: str, code: str) -> None:
    """What runs a function, reaches the system, or stands where it cannot, is refused; nothing raises."""
    verdict = judged(sql)
    assert not verdict.accepted
    assert (verdict.code, verdict.fault) == (code, ""), verdict.message
    assert verdict.message


@pytest.mark.parametrize(
    ("sql", "canonical"),
    [
        ("DELETE/**/FROM t--x\nWHERE a=$$1$$;", "DELETE FROM t\nWHERE a='1'"),
        ('update"t"set a=1 where"A"=1', 'update "t"set a=1 where "A"=1'),
    ],
)
def test_what_runs(sql: str, canonical: str) -> None:
    """The text that runs has no comment and one kind of quotes."""
    verdict = judged(sql)
    assert (verdict.canonical, verdict.plannable) == (canonical, canonical)


@pytest.mark.parametrize(
    ("sql", "matching"),
    [
        ("DELETE FROM t WHERE a = 1 OR b", "SELECT count(*) FROM t WHERE a = 1 OR b"),
        ("UPDATE ONLY s.t AS u SET a = 1", "SELECT count(*) FROM ONLY s.t AS u"),
        (
            "UPDATE t SET a = $1 WHERE id = $2",
            "SELECT count(*) FROM t WHERE id = $2 HAVING ($1::text IS NULL OR true)",
        ),
        (
            "WITH x AS (SELECT 1) DELETE FROM t USING x, y WHERE t.a = y.a RETURNING *",
            "WITH x AS (SELECT 1) SELECT count(*) FROM t WHERE EXISTS (SELECT FROM x, y WHERE t.a = y.a)",
        ),
        ("WITH x AS (DELETE FROM s) DELETE FROM t WHERE a = 1", ""),
        ("DELETE FROM t WHERE a = nextval('s')", ""),
        ("INSERT INTO t VALUES (1)", ""),
        ("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", ""),
    ],
)
def test_matching(sql: str, matching: str) -> None:
    """The rows that match are counted by a read with the same parameters, where there is one."""
    change = judged(sql).change
    assert change is not None
    assert change.matching == matching
    assert not matching or judge(matching, None).readable


def test_several_typed_names() -> None:
    """Of several targets those are typed that may lose every row; a dot in a name is no separator."""
    change = judged('WITH x AS (DELETE FROM s."a.b"), y AS (UPDATE u SET a = 1 WHERE b = 1) UPDATE t SET a = 1').change
    assert change is not None
    assert (change.tier, change.typed_name) == ("typed", 't, s."a.b"')
    assert (
        change.why == 'UPDATE without WHERE changes every row of t. DELETE without WHERE deletes every row of s."a.b".'
    )
    assert change.targets == (Target("table", "t"), Target("table", 's."a.b"'), Target("table", "u"))


SNAPSHOT = Catalog(
    version=180000,
    path=("pg_catalog", "app", "public"),
    names={"pg_catalog": frozenset({"pg_class"}), "app": frozenset({"t", "v"}), "public": frozenset({"t", "far"})},
    relations={
        20001: Relation(20001, "public", "far", "f", outside=True),
        20002: Relation(20002, "app", "v", "v"),
    },
)


def test_names_are_those_of_the_catalog() -> None:
    """Targets, what is typed and what is used are qualified as PostgreSQL finds them; a view is called one."""
    verdict = judged("DELETE FROM t; ", SNAPSHOT)
    assert verdict.change is not None
    assert (verdict.change.typed_name, verdict.change.targets) == ("app.t", (Target("table", "app.t"),))
    assert [str(use.relation) for use in verdict.uses] == ["app.t", "app.t"]
    view = judged("UPDATE v SET a = 1 WHERE b = 2", SNAPSHOT).change
    assert view is not None
    assert view.targets == (Target("view", "app.v"),)


@pytest.mark.parametrize("sql", ["INSERT INTO far VALUES (1)", "DELETE FROM pg_class WHERE oid = 1", "TRUNCATE far"])
def test_nothing_outside_is_written(sql: str) -> None:
    """Foreign tables and the system's relations are no targets."""
    assert judged(sql, SNAPSHOT).code == "relation_not_allowed"


def test_assignment_casts_count() -> None:
    """A value is cast to its column's type without a word, so that a user's cast counts in every change."""
    mix = Function(
        20100, "public", "mix", (25,), "mix(text)", 1, frozenset({23}), "v", "plpgsql", "f", "", False, False, False,
        False, (),
    )  # fmt: skip
    catalog = Catalog(
        version=180000,
        path=("pg_catalog", "public"),
        functions={20100: mix},
        hooks=(Hook("the cast from text to integer", frozenset(), frozenset({20100}), frozenset({"integer"})),),
    )
    assert judge("SELECT 'x' FROM t", catalog).readable
    assert judged("INSERT INTO t SELECT x FROM s", catalog).code == "function_not_allowed"
    assert judged("INSERT INTO t SELECT x FROM s", catalog, frozenset({"public.mix(text)"})).accepted


def test_listed_functions_are_not_redefined() -> None:
    """A function that the policy lists is trusted by its name: a statement must not put another in its place."""
    sql = "CREATE OR REPLACE FUNCTION total(x integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'"
    assert judged(sql).accepted
    assert judged(sql, None, frozenset({"public.total(integer)"})).code == "function_not_allowed"
    assert judged(sql, None, frozenset({"public.other(integer)"})).accepted


def test_a_view_is_judged_with_its_query() -> None:
    """The query in a definition is a read, and everything in it counts."""
    verdict = judged("CREATE VIEW v AS SELECT lower(a) FROM s")
    assert (verdict.kinds, [f"{u.operation} {u.relation}" for u in verdict.uses]) == (
        ("CREATE", "SELECT"),
        ["CREATE v", "SELECT s"],
    )
    assert judged("CREATE VIEW v AS SELECT pg_sleep(1)").code == "function_not_allowed"
    assert not judged("CREATE VIEW v AS WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x").accepted


def test_reads_say_what_they_use() -> None:
    """A read is judged alike in both ways, and says which relations it reads."""
    for writes in (False, True):
        verdict = judge("SELECT * FROM t JOIN s.u ON true", SNAPSHOT, writes=writes)
        assert (verdict.command, verdict.plannable, verdict.tier) == ("SELECT", verdict.canonical, "read")
        assert [f"{use.operation} {use.relation}" for use in verdict.uses] == ["SELECT app.t", "SELECT s.u"]
