"""Code of users that runs in a read: each way is shown to work on the server, and to be refused by the guard.

The proof is a session lock: it needs no right, works in a READ ONLY transaction, and outlives its rollback.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
import pytest

from fix_db import Server, as_plain_role
from guard_snapshots import snapshot
from pgwarden.guard import judge

pytestmark = pytest.mark.anyio

SETUP = """
CREATE FUNCTION strike() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN pg_try_advisory_lock(4711); END';
CREATE FUNCTION calm(n integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql
  AS 'BEGIN RETURN n + pg_try_advisory_lock(4711)::int; END';
CREATE TABLE things (id integer, name text);
INSERT INTO things VALUES (1, 'one'), (2, 'two');
CREATE TYPE pair AS (a integer, b integer);
CREATE TABLE pairs (id integer, p pair);
INSERT INTO pairs VALUES (1, (1, 2)), (2, (3, 4));
"""


@dataclass(frozen=True)
class Attack:
    """A statement that runs code of users, what makes it possible, and the signatures that would allow it."""

    id: str
    statement: str
    setup: str = ""
    allow: tuple[str, ...] = ("public.calm(integer)",)


def _on_pair(name: str, returns: str, body: str, arguments: str = "x pair") -> str:
    return (
        f"CREATE FUNCTION {name}({arguments}) RETURNS {returns} IMMUTABLE LANGUAGE plpgsql "
        f"AS 'BEGIN PERFORM pg_try_advisory_lock(4711); RETURN {body}; END';"
    )


PAIR_EQUALS = (
    _on_pair("pair_is", "boolean", "x.a = n", "x pair, n integer")
    + "CREATE OPERATOR = (LEFTARG = pair, RIGHTARG = integer, FUNCTION = pair_is);"
)
PAIRS_EQUAL = (
    _on_pair("pairs_are", "boolean", "x.a = y.a", "x pair, y pair")
    + "CREATE OPERATOR = (LEFTARG = pair, RIGHTARG = pair, FUNCTION = pairs_are);"
)
CHECKED = "CREATE DOMAIN small AS integer CHECK (calm(VALUE) > 0);"
IN_A_TABLE = CHECKED + "CREATE TABLE sizes (s small); INSERT INTO sizes VALUES (1);"
SUM_UP = "CREATE AGGREGATE total(integer) (SFUNC = step, STYPE = integer, INITCOND = '0');"
STEP = _on_pair("step", "integer", "s + n", "s integer, n integer")
POLICY = "ALTER TABLE things ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON things USING (strike());"
PEEK = _on_pair("peek", "integer", "x.id", "x things")
MOOD = "CREATE TYPE mood AS ENUM ('good'); CREATE TABLE moods (m mood); INSERT INTO moods VALUES ('good');"
PAIR_PLUS = (
    _on_pair("plus", "integer", "x.a", "x pair, n integer")
    + "CREATE OPERATOR + (LEFTARG = pair, RIGHTARG = integer, FUNCTION = plus);"
)
TO_POINT = (
    _on_pair("to_point", "point", "point(1, 1)", "x text") + "CREATE CAST (text AS point) WITH FUNCTION to_point(text);"
)
POINT = ("public.to_point(text)",)
STRIKE = ("public.strike()",)
PAIR_IS = ("public.pair_is(pair, integer)",)
PAIRS_ARE = ("public.pairs_are(pair, pair)",)

TO_INTEGER = (
    _on_pair("to_number_one", "integer", "1", "x text")
    + "CREATE CAST (text AS integer) WITH FUNCTION to_number_one(text);"
)
INTEGER = ("public.to_number_one(text)",)
TO_INTEGERS = (
    _on_pair("to_numbers", "integer[]", "ARRAY[1]", "x text")
    + "CREATE CAST (text AS integer[]) WITH FUNCTION to_numbers(text);"
)
TO_ZONED = (
    _on_pair("to_zoned", "timestamptz", "now()", "x text")
    + "CREATE CAST (text AS timestamptz) WITH FUNCTION to_zoned(text);"
)
PARTED = (
    "CREATE TABLE parted (id integer, n integer) PARTITION BY LIST (id);"
    "CREATE TABLE part PARTITION OF parted FOR VALUES IN (1) PARTITION BY RANGE ((n + calm(1)));"
    "CREATE TABLE leaf PARTITION OF part FOR VALUES FROM (0) TO (9);"
)
GIN = (
    _on_pair("gin_compare", "integer", "x - n", "x integer, n integer")
    + """CREATE OPERATOR CLASS sought FOR TYPE integer[] USING gin AS
    OPERATOR 1 &&(anyarray, anyarray), STORAGE integer, FUNCTION 1 gin_compare(integer, integer),
    FUNCTION 2 ginarrayextract(anyarray, internal, internal),
    FUNCTION 3 ginqueryarrayextract(anyarray, internal, smallint, internal, internal, internal, internal),
    FUNCTION 4 ginarrayconsistent(internal, smallint, anyarray, integer, internal, internal, internal, internal);
    CREATE TABLE sets (s integer[]); INSERT INTO sets SELECT ARRAY[n, n + 1] FROM generate_series(1, 20000) AS n;
    CREATE INDEX ON sets USING gin (s sought); ANALYZE sets;"""
)

ATTACKS = [
    Attack("planning an index's expression", "SELECT name FROM things", "CREATE INDEX ON things ((id + calm(1)));"),
    Attack("planning an index's condition", "TABLE things", "CREATE INDEX ON things (id) WHERE id > calm(1);"),
    Attack("planning extended statistics", "TABLE things", "CREATE STATISTICS s ON (id + calm(1)), name FROM things;"),
    Attack(
        "planning a child's check",
        "SELECT * FROM things WHERE id = 1",
        "CREATE TABLE child (CHECK (id > calm(1))) INHERITS (things);",
    ),
    Attack("planning a partition's key", "SELECT * FROM parted", PARTED),
    Attack(
        "planning below a view", "TABLE v", "CREATE INDEX ON things ((id + calm(1))); CREATE VIEW v AS TABLE things;"
    ),
    Attack(
        "planning a column that is simplified away",
        "TABLE things",
        "CREATE INDEX ON things (calm(CASE WHEN true THEN 1 ELSE id END));",
    ),
    Attack(
        "planning a function in SQL",
        "TABLE things",
        "CREATE FUNCTION inlined(n integer) RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT n + public.calm(1)';"
        "CREATE INDEX ON things (inlined(id));",
        ("public.inlined(integer)",),
    ),
    Attack(
        "searching an index of a class",
        "SELECT * FROM sets WHERE s && '{5}'",
        GIN,
        ("public.gin_compare(integer, integer)",),
    ),
    Attack("a cast to a type that is a key word", "SELECT name::integer FROM things", TO_INTEGER, INTEGER),
    Attack("such a cast of elements, by key word", "SELECT ARRAY[name]::int[] FROM things", TO_INTEGER, INTEGER),
    Attack("such a cast by the array's own name", "SELECT ARRAY[name]::_int4 FROM things", TO_INTEGER, INTEGER),
    Attack("a cast to an array", "SELECT name::int[] FROM things", TO_INTEGERS, ("public.to_numbers(text)",)),
    Attack(
        "a cast to a type of several words",
        "SELECT CAST(name AS timestamp with time zone) FROM things",
        TO_ZONED,
        ("public.to_zoned(text)",),
    ),
    Attack(
        "AT TIME ZONE",
        "SELECT name AT TIME ZONE 'x' FROM things",
        _on_pair("pg_catalog.timezone", "integer", "1", "x text, y text"),
        ("pg_catalog.timezone(text, text)",),
    ),
    Attack(
        "TRIM",
        "SELECT trim(id) FROM things",
        _on_pair("pg_catalog.btrim", "integer", "1", "x integer"),
        ("pg_catalog.btrim(integer)",),
    ),
    Attack("a call", "SELECT strike()", allow=STRIKE),
    Attack("a call that claims to be immutable", "SELECT calm(1)"),
    Attack("planning a call", "EXPLAIN SELECT calm(1)"),
    Attack("a call with a schema", "SELECT public.calm(id) FROM things"),
    Attack("a call by argument name", "SELECT calm(n => 1)"),
    Attack("a call in FROM", "SELECT * FROM calm(1) AS c"),
    Attack(
        "a call that leaves out its argument",
        "SELECT preset()",
        _on_pair("preset", "integer", "n", "n integer DEFAULT 1"),
        ("public.preset(integer)",),
    ),
    Attack(
        "a call of any number of arguments",
        "SELECT every_one(1, 2)",
        _on_pair("every_one", "integer", "n[1]", "VARIADIC n integer[]"),
        ("public.every_one(integer[])",),
    ),
    Attack(
        "the rights of the owner",
        "SELECT lifted()",
        "CREATE FUNCTION lifted() RETURNS boolean SECURITY DEFINER LANGUAGE sql AS 'SELECT strike()';",
        ("public.lifted()",),
    ),
    Attack("a view", "SELECT * FROM v", "CREATE VIEW v AS SELECT strike();", STRIKE),
    Attack("a view, by TABLE", "TABLE v", "CREATE VIEW v AS SELECT strike();", STRIKE),
    Attack(
        "a view in a CTE", "WITH c AS (SELECT * FROM v) SELECT * FROM c", "CREATE VIEW v AS SELECT strike();", STRIKE
    ),
    Attack(
        "a view in a view",
        "SELECT count(*) FROM outermost WHERE s",
        "CREATE VIEW inner_one AS SELECT strike() AS s; CREATE VIEW middle AS TABLE inner_one;"
        "CREATE VIEW outermost AS SELECT * FROM things CROSS JOIN middle;",
        STRIKE,
    ),
    Attack(
        "a built-in function in a view",
        "SELECT * FROM v",
        "CREATE VIEW v AS SELECT pg_try_advisory_lock(4711);",
        ("pg_try_advisory_lock(bigint)",),
    ),
    Attack(
        "an operator in a view",
        "TABLE v",
        PAIR_EQUALS + "CREATE VIEW v AS SELECT p = 1 AS s FROM pairs;",
        PAIR_IS,
    ),
    Attack("a domain in a view", "TABLE v", CHECKED + "CREATE VIEW v AS SELECT id::small AS s FROM things;"),
    Attack(
        "a composite type with a domain in a view",
        "TABLE v",
        CHECKED + "CREATE TYPE crate AS (s small);"
        "CREATE VIEW v AS SELECT (jsonb_populate_record(NULL::crate, jsonb_build_object('s', id))).s FROM things;",
    ),
    Attack("row security", "SELECT * FROM things", POLICY, STRIKE),
    Attack(
        "row security below a view",
        "SELECT * FROM v",
        POLICY + "CREATE VIEW v WITH (security_invoker) AS TABLE things;",
        STRIKE,
    ),
    Attack("a domain", "SELECT 1::small", CHECKED),
    Attack("a domain with its schema", "SELECT CAST(1 AS public.small)", CHECKED),
    Attack("a domain over a domain", "SELECT 1::smaller", CHECKED + "CREATE DOMAIN smaller AS small;"),
    Attack("an array of a domain", "SELECT '{1}'::small[]", CHECKED),
    Attack("an array of a domain by its own name", "SELECT '{1}'::_small", CHECKED),
    Attack("a typed literal", "SELECT small '1'", CHECKED),
    Attack("a domain as a function", "SELECT small(id) FROM things", CHECKED, ()),
    Attack("a domain as an attribute", "SELECT (id).small FROM things", CHECKED),
    Attack("a composite type with a domain", "SELECT '(1)'::crate", CHECKED + "CREATE TYPE crate AS (s small);"),
    Attack("a range of a domain", "SELECT '[1,2]'::spread", CHECKED + "CREATE TYPE spread AS RANGE (SUBTYPE = small);"),
    Attack("a row type with a domain", "SELECT '(1)'::sizes", IN_A_TABLE),
    Attack("a column definition list", """SELECT * FROM jsonb_to_record('{"s":1}') AS r(s small)""", CHECKED),
    Attack("JSON into a row type", """SELECT jsonb_populate_record(NULL::sizes, '{"s":1}')""", IN_A_TABLE),
    Attack("JSON into a row", """SELECT jsonb_populate_record(sizes, '{"s":1}') FROM sizes""", IN_A_TABLE),
    Attack("a literal that becomes a row", "SELECT coalesce(sizes, '(1)') FROM sizes", IN_A_TABLE),
    Attack(
        "a row type inside a row type",
        "SELECT coalesce(outside, '(\"(1)\")') FROM outside",
        IN_A_TABLE + "CREATE TABLE outside (s sizes); INSERT INTO outside SELECT sizes FROM sizes;",
    ),
    Attack(
        "a cast",
        "SELECT p::integer FROM pairs",
        _on_pair("to_int", "integer", "x.a") + "CREATE CAST (pair AS integer) WITH FUNCTION to_int(pair);",
        ("public.to_int(pair)",),
    ),
    Attack(
        "a cast that no one asks for",
        "SELECT lower(p) FROM pairs",
        _on_pair("to_words", "text", "x.a::text")
        + "CREATE CAST (pair AS text) WITH FUNCTION to_words(pair) AS IMPLICIT;",
        ("public.to_words(pair)",),
    ),
    Attack(
        "a cast to JSON",
        "SELECT to_json(m) FROM moods",
        MOOD
        + _on_pair("as_json", "json", "to_json(1)", "x mood")
        + "CREATE CAST (mood AS json) WITH FUNCTION as_json(mood);",
        ("public.as_json(mood)",),
    ),
    Attack(
        "a cast between built-in types",
        "SELECT name::point FROM things",
        TO_POINT,
        POINT,
    ),
    Attack(
        "such a cast by a domain", "SELECT name::place FROM things", TO_POINT + "CREATE DOMAIN place AS point;", POINT
    ),
    Attack(
        "such a cast of a field",
        "SELECT ROW(name)::spot FROM things",
        TO_POINT + "CREATE TYPE spot AS (p point);",
        POINT,
    ),
    Attack("such a cast of elements", "SELECT ARRAY[name]::point[] FROM things", TO_POINT, POINT),
    Attack(
        "an operator",
        "SELECT 1 === 1",
        _on_pair("same", "boolean", "x = n", "x integer, n integer")
        + "CREATE OPERATOR === (LEFTARG = integer, RIGHTARG = integer, FUNCTION = same);",
        ("public.same(integer, integer)",),
    ),
    Attack(
        "a prefix operator",
        "SELECT !!! id FROM things",
        "CREATE OPERATOR !!! (RIGHTARG = integer, FUNCTION = calm);",
    ),
    Attack(
        "an operator for more types",
        "SELECT name + name FROM things",
        _on_pair("glue", "text", "x || n", "x text, n text")
        + "CREATE OPERATOR + (LEFTARG = text, RIGHTARG = text, FUNCTION = glue);",
        ("public.glue(text, text)",),
    ),
    Attack(
        "LIKE",
        "SELECT id LIKE id FROM things",
        _on_pair("alike", "boolean", "x = n", "x integer, n integer")
        + "CREATE OPERATOR ~~ (LEFTARG = integer, RIGHTARG = integer, FUNCTION = alike);",
        ("public.alike(integer, integer)",),
    ),
    Attack("IN", "SELECT p IN (1) FROM pairs", PAIR_EQUALS, PAIR_IS),
    Attack("CASE", "SELECT CASE p WHEN 1 THEN 2 END FROM pairs", PAIR_EQUALS, PAIR_IS),
    Attack("NULLIF", "SELECT NULLIF(p, 1) FROM pairs", PAIR_EQUALS, PAIR_IS),
    Attack("IS DISTINCT FROM", "SELECT p IS DISTINCT FROM 1 FROM pairs", PAIR_EQUALS, PAIR_IS),
    Attack("ANY", "SELECT p = ANY (ARRAY[1]) FROM pairs", PAIR_EQUALS, PAIR_IS),
    Attack("USING", "SELECT * FROM pairs JOIN pairs AS more USING (p)", PAIRS_EQUAL, PAIRS_ARE),
    Attack("NATURAL JOIN", "SELECT * FROM pairs NATURAL JOIN pairs AS more", PAIRS_EQUAL, PAIRS_ARE),
    Attack(
        "sorting",
        "SELECT * FROM pairs ORDER BY p",
        PAIRS_EQUAL
        + _on_pair("compare", "integer", "x.a - y.a", "x pair, y pair")
        + "".join(
            f"CREATE OPERATOR {sign} (LEFTARG = pair, RIGHTARG = pair, FUNCTION = pairs_are);"
            for sign in ["<", "<=", ">=", ">"]
        )
        + "CREATE OPERATOR CLASS pair_order DEFAULT FOR TYPE pair USING btree AS "
        "OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 compare(pair, pair);",
        ("public.compare(pair, pair)", *PAIRS_ARE),
    ),
    Attack(
        "an overload of a built-in function",
        "SELECT lower(id) FROM things",
        _on_pair("lower", "integer", "x", "x integer"),
        ("public.lower(integer)",),
    ),
    Attack(
        "an overload of a built-in aggregate",
        "SELECT sum(p) FROM pairs",
        _on_pair("gather", "integer", "s + x.a", "s integer, x pair")
        + "CREATE AGGREGATE sum(pair) (SFUNC = gather, STYPE = integer, INITCOND = '0');",
        ("public.sum(pair)",),
    ),
    Attack(
        "a schema before pg_catalog",
        "SELECT upper(name) FROM things",
        "CREATE SCHEMA first; GRANT USAGE ON SCHEMA first TO PUBLIC;"
        + _on_pair("first.upper", "text", "x", "x text")
        + "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = first, pg_catalog, public', "
        "current_database()); END$$;",
        ("first.upper(text)",),
    ),
    Attack(
        "an attribute",
        "SELECT t.peek FROM things t",
        PEEK,
        ("public.peek(things)",),
    ),
    Attack("a row without a type", "SELECT q.peek FROM (SELECT 1, 'x') AS q", PEEK, ("public.peek(things)",)),
    Attack("a literal without a type", "SELECT peek('(1,x)')", PEEK, ("public.peek(things)",)),
    Attack("an attribute of a function's rows", "SELECT g.calm FROM generate_series(1, 2) AS g"),
    Attack(
        "a literal as the operand of a user's type",
        "SELECT 'good' || 1 FROM things",
        MOOD
        + _on_pair("glue", "text", "x::text", "x mood, n integer")
        + "CREATE OPERATOR || (LEFTARG = mood, RIGHTARG = integer, FUNCTION = glue);",
        ("public.glue(mood, integer)",),
    ),
    Attack(
        "a row as the operand of a composite type",
        "SELECT (1, 2) + 1",
        PAIR_PLUS,
        ("public.plus(pair, integer)",),
    ),
    Attack(
        "a built-in value as the operand of a domain",
        "SELECT name + name FROM things",
        "CREATE DOMAIN word AS text;"
        + _on_pair("plus", "text", "x", "x word, y word")
        + "CREATE OPERATOR + (LEFTARG = word, RIGHTARG = word, FUNCTION = plus);",
        ("public.plus(word, word)",),
    ),
    Attack(
        "a literal for an overload with more arguments",
        "SELECT lower('(1,2)', 1)",
        _on_pair("lower", "integer", "n", "x pair, n integer"),
        ("public.lower(pair, integer)",),
    ),
    Attack(
        "a literal for a domain's overload",
        "SELECT abs('x')",
        "CREATE DOMAIN word AS text;" + _on_pair("abs", "integer", "1", "x word"),
        ("public.abs(word)",),
    ),
    Attack("an attribute of an expression", "SELECT (id).calm FROM things"),
    Attack("an aggregate", "SELECT total(id) FROM things", STEP + SUM_UP, ("public.step(integer, integer)",)),
    Attack("an aggregate by its own name", "SELECT total(id) FROM things", STEP + SUM_UP, ("public.total(integer)",)),
    Attack(
        "an aggregate over a window", "SELECT total(id) OVER () FROM things", STEP + SUM_UP, ("public.total(integer)",)
    ),
    Attack(
        "the end of an aggregate",
        "SELECT closing(id) FROM things",
        "CREATE AGGREGATE closing(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', FINALFUNC = calm);",
    ),
]


async def _strikes(url: str, statement: str) -> bool:
    """Run a statement as reads are run, and tell whether the lock is held afterwards."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=None) as connection:
        await connection.execute("BEGIN READ ONLY")
        await connection.execute(statement.encode())
        await connection.execute("ROLLBACK")
        cursor = await connection.execute("SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND objid = 4711")
        return await cursor.fetchone() is not None


async def _prepare(url: str, setup: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute((SETUP + setup).encode())
        # Making an index may have taken the lock, which a backend that is still ending would hold on to.
        await connection.execute("SELECT pg_advisory_unlock_all()")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
async def test_hidden_code_works_and_is_refused(any_server: Server, any_database_url: str, attack: Attack) -> None:
    """A statement that runs a user's function is refused, and let through where the policy names that function."""
    await _prepare(any_database_url, attack.setup)
    reader = as_plain_role(any_server, any_database_url)
    assert await _strikes(reader, attack.statement)

    catalog = await snapshot(reader)
    verdict = judge(attack.statement, catalog)
    assert (verdict.readable, verdict.code) == (False, "function_not_allowed")
    assert judge(attack.statement, catalog, frozenset(attack.allow)).readable is bool(attack.allow)


async def test_functions_of_columns_leave_a_table_readable(any_server: Server, any_database_url: str) -> None:
    """What planning cannot run, as its first argument is a column, does not count: such indexes are common."""
    setup = """
        CREATE FUNCTION label(n integer, t text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN t; END';
        CREATE INDEX ON things (calm(id)); CREATE INDEX ON things (label(5, name)) WHERE calm(id) > 1;
        ALTER TABLE things ADD CHECK (calm(id) > 0); CREATE STATISTICS s ON calm(id), name FROM things;
    """
    await _prepare(any_database_url, setup)
    reader = as_plain_role(any_server, any_database_url)
    assert not await _strikes(reader, "SELECT * FROM things WHERE id = 1")
    assert judge("SELECT * FROM things WHERE id = 1", await snapshot(reader)).readable


FOREIGN = """
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE TABLE parent (line text) PARTITION BY LIST (line);
CREATE TABLE ancestor (line text);
CREATE FOREIGN TABLE far (line text) SERVER files OPTIONS (program 'echo struck');
CREATE FOREIGN TABLE part PARTITION OF parent DEFAULT SERVER files OPTIONS (program 'echo struck');
CREATE FOREIGN TABLE child () INHERITS (ancestor) SERVER files OPTIONS (program 'echo struck');
CREATE VIEW looks_local AS SELECT line FROM parent;
"""


@pytest.mark.parametrize("relation", ["far", "public.far", "part", "parent", "child", "ancestor", "looks_local"])
async def test_foreign_tables_are_refused(any_server: Server, any_database_url: str, relation: str) -> None:
    """Reading a foreign table runs its program, also through a parent or a view, and is refused."""
    await _prepare(any_database_url, FOREIGN)
    reader = as_plain_role(any_server, any_database_url)
    async with await psycopg.AsyncConnection.connect(reader) as connection:
        cursor = await connection.execute(f"SELECT * FROM {relation}".encode())
        assert await cursor.fetchall() == [("struck",)]
    verdict = judge(f"SELECT * FROM {relation}", await snapshot(reader))
    assert (verdict.readable, verdict.code) == (False, "relation_not_allowed")


@pytest.mark.parametrize("body", ["SELECT rolpassword FROM pg_authid", "SELECT passwd FROM pg_shadow"])
async def test_secrets_are_refused_behind_a_view(any_server: Server, any_database_url: str, body: str) -> None:
    """A superuser's view lends its rights: what it shows of the system's secrets is refused, too."""
    await _prepare(
        any_database_url, f"CREATE VIEW v AS {body}; CREATE VIEW w AS TABLE v; CREATE VIEW fine AS TABLE pg_roles;"
    )
    reader = as_plain_role(any_server, any_database_url)
    async with await psycopg.AsyncConnection.connect(reader) as connection:
        await connection.execute("TABLE w")
    catalog = await snapshot(reader)
    assert [judge(f"TABLE {view}", catalog).code for view in ("v", "w", "fine")] == ["relation_not_allowed"] * 2 + [""]


async def test_only_one_branch_of_a_parent_is_foreign(any_server: Server, any_database_url: str) -> None:
    """A local partition stays readable where its sister is foreign."""
    await _prepare(any_database_url, FOREIGN + "CREATE TABLE near PARTITION OF parent FOR VALUES IN ('x');")
    catalog = await snapshot(as_plain_role(any_server, any_database_url))
    assert judge("SELECT * FROM near", catalog).readable


async def test_the_refusal_says_what_to_do(any_server: Server, any_database_url: str) -> None:
    """The message tells of the owner's rights, and the hint has the signature as the policy takes it."""
    await _prepare(any_database_url, "ALTER FUNCTION strike() SECURITY DEFINER;")
    catalog = await snapshot(as_plain_role(any_server, any_database_url))
    verdict = judge("SELECT strike()", catalog)
    assert "rights of its owner, a superuser" in verdict.message
    assert '"public.strike()"' in verdict.hint
    assert judge("SELECT strike()", catalog, frozenset({"public.strike()"})).functions == ("public.strike",)
