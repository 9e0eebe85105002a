"""The locks that the guard states are those that PostgreSQL takes, and so is what runs in no transaction."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from pgwarden.guard.ddl.draft import LOCKS

from .reading import define

OBJECTS = """
    CREATE TABLE u (id int PRIMARY KEY, a int);
    CREATE TABLE t (a int PRIMARY KEY, b int, c text, i int GENERATED ALWAYS AS IDENTITY,
        CONSTRAINT small CHECK (b < 9));
    ALTER TABLE t ADD CONSTRAINT tiny CHECK (b < 5) NOT VALID;
    CREATE TABLE parent (a int NOT NULL, b int, c text, i int NOT NULL);
    CREATE INDEX i ON t (b);
    CREATE VIEW v AS SELECT a FROM t;
    CREATE SEQUENCE q;
    CREATE MATERIALIZED VIEW m AS SELECT 1 AS x;
    CREATE UNIQUE INDEX mi ON m (x);
    CREATE TABLE pt (a int) PARTITION BY LIST (a);
    CREATE TABLE p1 PARTITION OF pt FOR VALUES IN (1);
    CREATE TABLE p2 (a int);
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
    CREATE POLICY p ON t;
    CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING;
    CREATE STATISTICS st ON a, b FROM t;
"""
STATEMENTS = """
ALTER TABLE t ADD COLUMN z int
ALTER TABLE t DROP COLUMN c
ALTER TABLE t ALTER b TYPE bigint
ALTER TABLE t ALTER b SET DEFAULT 1
ALTER TABLE t ALTER b SET NOT NULL
ALTER TABLE t ALTER b SET STATISTICS 50
ALTER TABLE t ALTER c SET STORAGE main
ALTER TABLE t ALTER c SET (n_distinct = 5)
ALTER TABLE t ALTER i DROP IDENTITY
ALTER TABLE t ADD CHECK (b > 1)
ALTER TABLE t ADD UNIQUE (b)
ALTER TABLE t ADD FOREIGN KEY (b) REFERENCES u
ALTER TABLE t VALIDATE CONSTRAINT tiny
ALTER TABLE t DROP CONSTRAINT small
ALTER TABLE t DISABLE TRIGGER g
ALTER TABLE t ENABLE TRIGGER g
ALTER TABLE t DISABLE RULE r
ALTER TABLE t ENABLE ROW LEVEL SECURITY
ALTER TABLE t CLUSTER ON i
ALTER TABLE t SET WITHOUT CLUSTER
ALTER TABLE t SET (fillfactor = 70)
ALTER TABLE t SET (autovacuum_enabled = off, toast.autovacuum_enabled = off)
ALTER TABLE t SET (user_catalog_table = true)
ALTER TABLE t REPLICA IDENTITY FULL
ALTER TABLE t SET UNLOGGED
ALTER TABLE t INHERIT parent
ALTER TABLE t RENAME TO tt
ALTER TABLE t RENAME COLUMN a TO aa
ALTER INDEX i RENAME TO ii
ALTER INDEX i SET (fillfactor = 50)
ALTER VIEW v ALTER a SET DEFAULT 1
ALTER VIEW v SET (security_barrier)
ALTER SEQUENCE q RESTART
ALTER SEQUENCE q RENAME TO qq
ALTER SEQUENCE q SET UNLOGGED
ALTER TABLE pt ATTACH PARTITION p2 FOR VALUES IN (2)
ALTER TABLE pt DETACH PARTITION p1
CREATE INDEX ON t (b)
CREATE STATISTICS ON b, a FROM t
CREATE TRIGGER g2 AFTER INSERT ON t EXECUTE FUNCTION f()
CREATE RULE r2 AS ON UPDATE TO t DO INSTEAD NOTHING
CREATE POLICY p2 ON t
CREATE OR REPLACE VIEW v AS SELECT a FROM t
CREATE TABLE x (a int REFERENCES u)
CREATE TABLE x PARTITION OF pt FOR VALUES IN (4)
CREATE TABLE x () INHERITS (u)
DROP TABLE t CASCADE
DROP INDEX i
DROP VIEW v
DROP TRIGGER g ON t
DROP POLICY p ON t
DROP RULE r ON t
DROP STATISTICS st
ALTER POLICY p ON t USING (true)
ALTER TRIGGER g ON t RENAME TO gg
COMMENT ON TABLE t IS 'x'
COMMENT ON COLUMN t.a IS 'x'
COMMENT ON TRIGGER g ON t IS 'x'
REFRESH MATERIALIZED VIEW m
REFRESH MATERIALIZED VIEW CONCURRENTLY m
ANALYZE t
REINDEX INDEX i
REINDEX (CONCURRENTLY 0) INDEX i
REINDEX (CONCURRENTLY 'off') INDEX i
CLUSTER t USING i
TRUNCATE t
""".strip().splitlines()
APART = """
VACUUM t
VACUUM (FULL) t
CREATE INDEX CONCURRENTLY ON t (c)
DROP INDEX CONCURRENTLY i
REINDEX TABLE CONCURRENTLY t
REINDEX (CONCURRENTLY) INDEX i
REINDEX (CONCURRENTLY 1) INDEX i
REINDEX SCHEMA public
CLUSTER
ALTER TABLE pt DETACH PARTITION p1 CONCURRENTLY
CREATE DATABASE ddl_apart
DROP DATABASE ddl_apart
""".strip().splitlines()


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """A connection to a database with one object of each kind."""
    with psycopg.connect(database_url) as connection:
        connection.execute(OBJECTS)
        connection.commit()
        yield connection


def test_locks(connection: psycopg.Connection) -> None:
    """The strongest lock on any relation that was there before is the one that the definition states."""
    found = connection.execute("SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    before = [row[0] for row in found]
    connection.rollback()
    wrong: dict[str, tuple[str, str]] = {}
    for sql in STATEMENTS:
        connection.execute(sql.encode())
        held = connection.execute(
            "SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = ANY (%s)", [before]
        )
        strongest = max((row[0] for row in held), key=LOCKS.index, default="")
        connection.rollback()
        stated = define(sql).change.lock
        if stated != strongest:
            wrong[sql] = (stated, strongest)
    assert wrong == {}


@pytest.mark.parametrize("sql", APART)
def test_in_no_transaction(connection: psycopg.Connection, sql: str) -> None:
    """What is said to run in no transaction is refused by PostgreSQL inside of one."""
    assert not define(sql).change.in_transaction
    with pytest.raises(psycopg.errors.ActiveSqlTransaction):
        connection.execute(sql.encode())
    connection.rollback()
