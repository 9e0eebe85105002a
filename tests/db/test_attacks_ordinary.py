"""Ordinary reads in a database with code of users in it: the guard must not stand in their way, and must stay right.

Each accepted statement is held against what PostgreSQL itself makes of it: as the body of a view its parse tree names
every function that it calls, also those behind operators and casts that nobody wrote.
"""

from __future__ import annotations

import psycopg
import pytest

from fix_db import Server, as_plain_role
from guard_snapshots import snapshot
from pgwarden.guard import judge
from pgwarden.guard.catalog import Catalog
from pgwarden.guard.functions import ALLOWED

pytestmark = pytest.mark.anyio

SETUP = """
CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION pg_trgm; CREATE EXTENSION ltree;
CREATE EXTENSION unaccent; CREATE EXTENSION fuzzystrmatch; CREATE EXTENSION intarray;
CREATE EXTENSION tsm_system_rows; CREATE EXTENSION btree_gist;

CREATE TYPE mood AS ENUM ('low', 'high');
CREATE TYPE price AS (amount numeric, currency text);
CREATE DOMAIN email AS text CHECK (VALUE ~ '^[^@]+@[^@]+$' AND length(lower(VALUE)) < 255);
CREATE TYPE span AS RANGE (SUBTYPE = numeric);
CREATE TABLE people (id integer PRIMARY KEY, name text, mail email, feels mood, nick citext, tags hstore, path ltree,
  numbers integer[], cost price, count integer, born timestamptz DEFAULT now());
INSERT INTO people VALUES (1, 'Ann', 'a@b', 'low', 'annie', 'a=>1', 'top.one', '{1,2}', (1, 'EUR'), 3);
CREATE TABLE events (id integer, person integer, at date, title text, label text, words tsvector)
  PARTITION BY RANGE (at);
CREATE TABLE events_now PARTITION OF events DEFAULT;
INSERT INTO events VALUES (1, 1, '2026-01-01', 'x', 'first', 'a');
CREATE TABLE base (id integer); CREATE TABLE derived (more text) INHERITS (base);
CREATE TABLE notes (owner name, body text);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (owner = current_user AND lower(body) LIKE 'a%');
CREATE POLICY writers ON notes FOR UPDATE USING (pg_try_advisory_lock(1));
CREATE VIEW grown AS SELECT id, upper(name) AS name, age(born) AS age, feels FROM people WHERE feels > 'low';
CREATE VIEW counted AS SELECT feels, count(*), max(age) FROM grown GROUP BY feels ORDER BY feels;
CREATE VIEW asked AS SELECT similarity(name, 'x'), nick = 'ANNIE' AS same, tags -> 'a' AS a FROM people;
CREATE VIEW sampled AS SELECT id FROM events TABLESAMPLE system_rows(1);
CREATE SEQUENCE numbered; GRANT SELECT ON numbered TO PUBLIC;

-- None of these can be reached by the statements below.
CREATE FUNCTION strike() RETURNS integer LANGUAGE plpgsql AS 'BEGIN RETURN pg_try_advisory_lock(4711)::int; END';
CREATE FUNCTION now() RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION add(x mood, n integer) RETURNS mood LANGUAGE plpgsql AS 'BEGIN RETURN x; END';
CREATE OPERATOR + (LEFTARG = mood, RIGHTARG = integer, FUNCTION = add);
CREATE FUNCTION like_mood(x mood, y mood) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
CREATE OPERATOR ~~ (LEFTARG = mood, RIGHTARG = mood, FUNCTION = like_mood);
CREATE FUNCTION title(x people, n integer) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN x.name; END';
CREATE FUNCTION price_text(x price) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE CAST (price AS text) WITH FUNCTION price_text(price) AS IMPLICIT;
CREATE FUNCTION to_point(x text) RETURNS point LANGUAGE plpgsql AS 'BEGIN RETURN point(1, 1); END';
CREATE CAST (text AS point) WITH FUNCTION to_point(text);
CREATE MATERIALIZED VIEW stored AS SELECT strike() AS s;
CREATE SCHEMA elsewhere;
CREATE FUNCTION elsewhere.upper(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';

CREATE AGGREGATE product(numeric) (SFUNC = numeric_mul, STYPE = numeric, INITCOND = '1');
CREATE OPERATOR === (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq);
"""

READS = [
    "SELECT 1 + 1, 'a' LIKE 'b', now(), lower('X'), upper('x')",
    "SELECT e.title, lower(e.label), e.id + 1 FROM events AS e WHERE label LIKE 'f%'",
    "SELECT label::text, at::timestamp FROM events",
    "SELECT * FROM grown",
    "SELECT feels, count FROM counted",
    "SELECT * FROM asked",
    "SELECT s FROM stored",
    "SELECT owner, body FROM notes",
    "SELECT id FROM base",
    "SELECT last_value FROM numbered",
    "SELECT 'a@b'::email, CAST('low' AS mood), '[1,2]'::span, enum_range(NULL::mood)",
    "SELECT product(n) FROM generate_series(1, 3) AS n",
    "SELECT 1 === 1",
    "SELECT 'a'::citext = 'A', 'a=>1'::hstore -> 'a', 'top.one'::ltree <@ 'top'",
    "SELECT similarity('a', 'b'), 'a' % 'b', 'a' <-> 'b', unaccent('x'), levenshtein('a', 'b')",
    "SELECT id FROM sampled",
    "SELECT sort('{2,1}'::integer[]), '{1,2}'::integer[] & '{2}'::integer[]",
    "SELECT min(x::citext), replace(max(x::citext), 'a', 'b') FROM (VALUES ('a'), ('b')) AS v(x)",
    "SELECT e.id, e.person FROM events e JOIN base USING (id) ORDER BY e.at",
    "SELECT words @@ to_tsquery('a') FROM events",
    "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE n.nspname = 'public'",
    "SELECT table_name FROM information_schema.tables",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT sum(n) FROM r",
]

_FUNCTIONS_OF_ORACLE = """
SELECT DISTINCT p.oid::bigint, p.proname, p.oid::regprocedure::text
FROM pg_rewrite w,
  regexp_matches(w.ev_action::text, ':(?:funcid|opfuncid|aggfnoid|winfnoid|tsmhandler) (\\d+)', 'g') AS m
JOIN pg_proc p ON p.oid = m[1]::oid
WHERE w.ev_class = 'pg_temp.oracle'::regclass
"""


async def _strangers(url: str, canonical: str, catalog: Catalog) -> list[str]:
    """Return the functions in PostgreSQL's own tree of a statement that are not known to be harmless."""
    async with await psycopg.AsyncConnection.connect(url, prepare_threshold=None) as connection:
        await connection.execute(f"CREATE TEMP VIEW oracle AS SELECT 1 FROM (\n{canonical}\n) AS q".encode())
        cursor = await connection.execute(_FUNCTIONS_OF_ORACLE.encode())
        found = await cursor.fetchall()
        await connection.rollback()
    return [text for oid, name, text in found if not _harmless(oid, name, catalog)]


def _harmless(oid: int, name: str, catalog: Catalog) -> bool:
    function = catalog.functions.get(oid)
    if function is None:
        return name in ALLOWED
    return function.trusted or (
        function.kind == "a" and all(catalog.builtins.get(p) in ALLOWED for p in function.parts)
    )


async def test_ordinary_reads_pass_and_call_nothing_else(any_server: Server, any_database_url: str) -> None:
    """Reads over views, domains, enums and extensions are let through, and run, and their trees hold no surprise."""
    async with await psycopg.AsyncConnection.connect(any_database_url, autocommit=True) as connection:
        await connection.execute(SETUP.encode())
    reader = as_plain_role(any_server, any_database_url)
    catalog = await snapshot(reader)
    verdicts = {sql: judge(sql, catalog) for sql in READS}
    assert {sql: v.message for sql, v in verdicts.items() if not v.readable} == {}
    async with await psycopg.AsyncConnection.connect(reader, autocommit=True) as connection:
        for verdict in verdicts.values():
            await connection.execute(verdict.canonical.encode())
    strangers = {sql: await _strangers(any_database_url, v.canonical, catalog) for sql, v in verdicts.items()}
    assert {sql: found for sql, found in strangers.items() if found} == {}


async def test_the_oracle_sees_what_is_hidden(any_server: Server, any_database_url: str) -> None:
    """The comparison above can fail: it names the functions behind an operator, a cast and a call."""
    async with await psycopg.AsyncConnection.connect(any_database_url, autocommit=True) as connection:
        await connection.execute(SETUP.encode())
    catalog = await snapshot(as_plain_role(any_server, any_database_url))
    statement = "SELECT feels + 1, upper(cost), 'x'::text::point, strike() FROM people"
    assert await _strangers(any_database_url, statement, catalog) == [
        "strike()",
        "add(mood,integer)",
        "price_text(price)",
        "to_point(text)",
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count + 1 FROM people",
        "SELECT 'a' LIKE name FROM people",
        "SELECT people.title FROM people",
        "SELECT lower(name) FROM people",
        "SELECT 'x'::point",
        "SELECT ROW(1, 'EUR')::price || 'x'",
        "SELECT elsewhere.upper('x')",
        "SELECT * FROM (SELECT p + 1 FROM (SELECT NULL::mood AS p) q) r",
    ],
)
async def test_the_same_reads_are_refused_where_a_value_could_match(
    any_server: Server, any_database_url: str, sql: str
) -> None:
    """What passes above is refused as soon as the statement can have a value that user code takes."""
    async with await psycopg.AsyncConnection.connect(any_database_url, autocommit=True) as connection:
        await connection.execute(SETUP.encode())
    verdict = judge(sql, await snapshot(as_plain_role(any_server, any_database_url)))
    assert (verdict.readable, verdict.code) == (False, "function_not_allowed")


async def test_vectors_are_ordinary_types(server: Server, database_url: str) -> None:
    """Distances, sums and averages of pgvector pass, and so does every other + and - in that database."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("CREATE EXTENSION vector; CREATE TABLE items (id int, embedding vector(3), n int)")
    catalog = await snapshot(as_plain_role(server, database_url))
    reads = [
        "SELECT id FROM items ORDER BY embedding <-> '[1,2,3]' LIMIT 5",
        "SELECT 1 - (embedding <=> $1::vector(3)) FROM items",
        "SELECT avg(embedding), sum(embedding + embedding), sum(n + 1) FROM items",
        "SELECT l2_distance(embedding, '[1,1,1]'::vector), vector_dims(embedding) FROM items",
    ]
    assert {sql: v.message for sql in reads if not (v := judge(sql, catalog)).readable} == {}
