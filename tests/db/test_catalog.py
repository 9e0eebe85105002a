"""The snapshot of the catalog: what is in it, when it is read again, and that it stays small."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import psycopg
import pytest

from fix_db import Server, as_plain_role
from guard_snapshots import Row, TextRows, connect, snapshot
from pgwarden.db.catalog import CatalogCache
from pgwarden.guard.parsed import Name

pytestmark = pytest.mark.anyio


class Clock:
    """A time that stands still until told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


@pytest.fixture
async def rows(any_database_url: str) -> AsyncIterator[TextRows]:
    """A connection as superuser, that also changes what is snapshot."""
    async with await connect(any_database_url) as connection:
        yield TextRows(connection)


async def test_a_fresh_database_has_nothing_special(any_database_url: str) -> None:
    """An empty database yields the search path, the system's names, and no code of users."""
    catalog = await snapshot(any_database_url)
    assert catalog.path == ("pg_catalog", "public")
    assert catalog.version >= 140000
    assert (catalog.functions, catalog.operators, catalog.types, catalog.hooks, catalog.relations) == (
        {},
        {},
        {},
        (),
        {},
    )
    assert "pg_class" in catalog.names["pg_catalog"]
    assert catalog.type_names[23] == "integer"


async def test_a_plain_role_sees_what_a_superuser_sees(any_server: Server, any_database_url: str) -> None:
    """Every catalog that the snapshot reads is open to everyone, so a role without rights misses nothing."""
    async with await psycopg.AsyncConnection.connect(any_database_url, autocommit=True) as connection:
        await connection.execute(
            "CREATE EXTENSION citext; CREATE TABLE hidden (c citext); REVOKE ALL ON hidden FROM PUBLIC;"
            "CREATE VIEW v AS SELECT pg_try_advisory_lock(1); CREATE DOMAIN d AS int CHECK (VALUE > abs(VALUE));"
            "CREATE FUNCTION f(d) RETURNS int LANGUAGE sql AS 'SELECT 1'; REVOKE ALL ON FUNCTION f(d) FROM PUBLIC;"
            "ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON hidden USING (f(1) = 1)"
        )
    assert await snapshot(as_plain_role(any_server, any_database_url)) == await snapshot(any_database_url)


async def test_names_follow_the_search_path(any_database_url: str) -> None:
    """A name means the relation of the first schema that has it; schemas that do not exist are not on the path."""
    async with await psycopg.AsyncConnection.connect(any_database_url, autocommit=True) as connection:
        await connection.execute(
            "CREATE SCHEMA one; CREATE SCHEMA two; CREATE TABLE two.t (); CREATE TABLE public.t ();"
            "CREATE TABLE one.o (); CREATE TABLE two.pg_class ();"
            "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = gone, one, two', current_database()); END$$"
        )
    catalog = await snapshot(any_database_url)
    assert catalog.path == ("pg_catalog", "one", "two")
    assert catalog.resolve(Name("", "t")) == Name("two", "t")
    assert catalog.resolve(Name("public", "t")) == Name("public", "t")
    assert catalog.resolve(Name("", "pg_class")) == Name("pg_catalog", "pg_class")
    assert catalog.resolve(Name("", "nowhere")) is None


async def test_temporary_relations_come_first(rows: TextRows) -> None:
    """The session's own temporary schema goes by its alias, before every other."""
    await rows.connection.execute("CREATE TABLE t (); CREATE TEMP TABLE t ()")
    catalog = await CatalogCache().get(rows)
    assert catalog.path == ("pg_temp", "pg_catalog", "public")
    assert catalog.resolve(Name("", "t")) == Name("pg_temp", "t")


async def test_types_are_followed_into_everything_that_carries_them(rows: TextRows) -> None:
    """A type that matters is found inside arrays, domains, composite types, tables, views, and row types in columns."""
    await rows.connection.execute(
        "CREATE TYPE core AS (n int); CREATE FUNCTION f(core) RETURNS point LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';"
        "CREATE CAST (core AS point) WITH FUNCTION f(core);"
        "CREATE DOMAIN wrapped AS core; CREATE TYPE shell AS (c core[]); CREATE TABLE plain (n int);"
        "CREATE TABLE direct (c core); CREATE TABLE nested (s shell, w int); CREATE TABLE row_in_row (d direct);"
        "CREATE VIEW seen AS SELECT d FROM row_in_row; CREATE TABLE wrapping (w wrapped[])"
    )
    catalog = await CatalogCache().get(rows)
    [core] = catalog.suspects
    carriers = {name.name for name, origins in catalog.carrier_names.items() if core in origins and name.name[0] != "_"}
    assert carriers == {"core", "wrapped", "shell", "direct", "nested", "row_in_row", "seen", "wrapping"}
    assert catalog.carried(Name("", "_direct")) == {core}
    assert catalog.carried(Name("", "plain")) == frozenset()


async def test_an_unchanged_database_is_read_once(rows: TextRows) -> None:
    """Within the time to live nothing is asked, after it only the fingerprint, and the same object comes back."""
    clock = Clock()
    cache = CatalogCache(ttl_s=2.0, clock=clock)
    first = await cache.get(rows)
    clock.now += 1.9
    assert await cache.get(rows) is first
    assert rows.asked == ["guard_fingerprint", "guard_snapshot"]
    clock.now += 0.2
    assert await cache.get(rows) is first
    assert rows.asked == ["guard_fingerprint", "guard_snapshot", "guard_fingerprint"]


SETUP = """
CREATE TABLE t (a int, b text);
CREATE TABLE other (a int);
CREATE VIEW v AS SELECT 1 AS one;
CREATE POLICY p ON t USING (true);
CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION g(text) RETURNS point LANGUAGE sql AS 'SELECT point(1, 1)';
CREATE DOMAIN d AS int;
CREATE EXTENSION file_fdw;
CREATE SERVER s FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE far (a int) SERVER s OPTIONS (program 'true');
"""


@pytest.mark.parametrize(
    "change",
    [
        "CREATE FUNCTION h() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 2'",
        "ALTER FUNCTION f(int) SECURITY DEFINER",
        "DROP FUNCTION f(int)",
        "CREATE AGGREGATE a(int) (SFUNC = int4pl, STYPE = int)",
        "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
        "CREATE CAST (text AS point) WITH FUNCTION g(text)",
        "CREATE OR REPLACE VIEW v AS SELECT 2 AS one",
        "ALTER VIEW v RENAME TO w",
        "CREATE SCHEMA n; ALTER VIEW v SET SCHEMA n",
        "ALTER DOMAIN d ADD CHECK (VALUE > 1)",
        "CREATE DOMAIN e AS int",
        "CREATE TYPE r AS RANGE (SUBTYPE = int)",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "ALTER POLICY p ON t USING (false)",
        "DROP POLICY p ON t",
        "CREATE TABLE u ()",
        "ALTER FOREIGN TABLE far INHERIT other",
        "CREATE EXTENSION citext",
        "ALTER SCHEMA public RENAME TO private; CREATE SCHEMA public",
        "SET search_path = pg_catalog",
    ],
)
async def test_a_change_is_seen(rows: TextRows, change: str) -> None:
    """After the time to live, whatever could change a verdict makes the snapshot be read again."""
    await rows.connection.execute(SETUP.encode())
    cache = CatalogCache(ttl_s=0)
    before = await cache.get(rows)
    assert await cache.get(rows) is before
    await rows.connection.execute(change.encode())
    assert await cache.get(rows) is not before


async def test_statistics_and_data_do_not_matter(rows: TextRows) -> None:
    """Writing rows, ANALYZE, VACUUM and temporary tables of other sessions leave the snapshot as it is."""
    await rows.connection.execute(SETUP.encode())
    cache = CatalogCache(ttl_s=0)
    before = await cache.get(rows)
    for statement in ("INSERT INTO t SELECT n, 'x' FROM generate_series(1, 1000) AS n", "ANALYZE", "VACUUM t"):
        await rows.connection.execute(statement.encode())
    assert await cache.get(rows) is before


async def test_a_failed_probe_is_not_papered_over(rows: TextRows) -> None:
    """Where the fingerprint cannot be read the error reaches the caller, and no old snapshot is served."""
    cache = CatalogCache(ttl_s=0)
    await cache.get(rows)

    async def broken(block: str, params: Sequence[object]) -> list[Row]:
        raise ConnectionError(block)

    with pytest.raises(ConnectionError, match="guard_fingerprint"):
        await cache.get(broken)


async def test_a_change_made_meanwhile_is_not_missed(rows: TextRows) -> None:
    """What is under way when something is changed from here asked before that: the next look asks again."""
    cache, asked = CatalogCache(ttl_s=3600), list[str]()

    async def changing(block: str, params: Sequence[object]) -> list[Row]:
        found = await rows(block, params)
        cache.forget()
        return found

    async def counting(block: str, params: Sequence[object]) -> list[Row]:
        asked.append(block)
        return await rows(block, params)

    await cache.get(changing)
    await cache.get(counting)
    await cache.get(counting)
    assert asked == ["guard_fingerprint"]


async def test_many_tables_cost_only_their_names(rows: TextRows) -> None:
    """Plain tables are in the snapshot by name alone: columns, row types and indexes of 2,000 tables add nothing."""
    for start in range(0, 2000, 500):
        await rows.connection.execute(
            f"DO $$BEGIN FOR i IN {start}..{start + 499} LOOP "
            "EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, name text)', i); END LOOP; END$$".encode()
        )
    catalog = await CatalogCache().get(rows)
    assert len(catalog.names["public"]) == 2000
    assert (catalog.relations, catalog.types, catalog.carriers) == ({}, {}, {})
    assert len(catalog.type_names) < 1000
