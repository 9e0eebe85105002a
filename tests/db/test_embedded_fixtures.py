"""The databases that every other test gets."""

from __future__ import annotations

import psycopg
import pytest

from fix_db import Server


def test_each_test_gets_an_empty_database_as_superuser(database_url: str) -> None:
    """There is nothing in it, and everything is allowed."""
    with psycopg.connect(database_url) as conn:
        tables = conn.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace").fetchone()
        superuser = conn.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    assert (tables, superuser) == ((0,), (True,))


def test_the_plain_role_reads_what_is_created_later_and_writes_nothing(database_url: str, plain_role_url: str) -> None:
    """Tables and schemas that the test makes can be read by the plain role, and only read."""
    with psycopg.connect(database_url) as conn:
        conn.execute("CREATE SCHEMA s; CREATE TABLE s.t AS SELECT 1 AS a")
    with psycopg.connect(plain_role_url, autocommit=True) as conn:
        assert conn.execute("SELECT a FROM s.t").fetchone() == (1,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("DELETE FROM s.t")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("CREATE TABLE public.u ()")


def test_any_server_is_each_version_that_is_installed(any_server: Server, any_plain_role_url: str) -> None:
    """The database is on the server whose version the fixture tells, and can be entered as the plain role."""
    with psycopg.connect(any_plain_role_url) as conn:
        assert conn.info.server_version // 10_000 == any_server.major
