"""Roles that `setup-sql` makes: PostgreSQL itself refuses what the profile forbids, and permits the rest."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from fix_db import Server
from pgwarden.policy.objects import ObjectRules, TableRule
from pgwarden.setup_sql import PROFILES, Request, render

_numbers = itertools.count()

SHOP = """
CREATE SCHEMA shop;
CREATE TABLE shop.item (id serial PRIMARY KEY, name text);
CREATE TABLE shop.secret (id int);
CREATE TABLE shop.secret_too (id int);
CREATE VIEW shop.names AS SELECT name FROM shop.item;
INSERT INTO shop.item (name) VALUES ('bolt');
"""

STATEMENTS = {
    "select": "SELECT * FROM shop.item",
    "insert": "INSERT INTO shop.item (name) VALUES ('nut')",
    "update": "UPDATE shop.item SET name = 'screw'",
    "delete": "DELETE FROM shop.item",
    "create": "CREATE TABLE shop.mine (id int)",
    "truncate": "TRUNCATE shop.item",
    "alter": "ALTER TABLE shop.item ADD COLUMN more int",
    "drop": "DROP TABLE shop.item CASCADE",
    "create schema": "CREATE SCHEMA other",
    "create role": "CREATE ROLE another",
    "create in public": "CREATE TABLE public.mine (id int)",
    "read a file": "SELECT pg_read_file('PG_VERSION')",
    "run a program": "COPY shop.item (name) FROM PROGRAM 'true'",
    "write a file": "COPY shop.item TO '/dev/null'",
    "become another": "SET ROLE postgres",
}
"""Representative statements; what a profile is not said to permit it must refuse."""

PERMITTED = {
    "read_only": {"select"},
    "analyst": {"select", "insert"},
    "operator": {"select", "insert", "update"},
    "developer": {"select", "insert", "update", "delete", "create"},
    "admin": {"select", "insert", "update", "delete", "create", "truncate"},
}


@dataclass
class Shop:
    """A database with a few tables, and what is done in it."""

    server: Server
    database: str
    role: str

    def connect(self, user: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """Connect; nothing that is done stays unless it is committed."""
        return psycopg.connect(self.server.url(self.database, user))

    def apply(self, script: str) -> None:
        """Run a script, as psql would, as superuser."""
        with psycopg.connect(self.server.url(self.database), autocommit=True) as conn:
            conn.execute(script.encode())

    def grant(self, profile: str, **arguments: Any) -> None:
        """Make the role, and give it the password that its URL has."""
        self.apply(render(Request(profile, **{"role": self.role, "schemas": ("shop",), **arguments})))
        with self.connect() as conn:
            conn.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(self.role), self.new_password()))

    def new_password(self) -> sql.Literal:
        """Return a password that URLs of the role have from now on."""
        return sql.Literal(self.server.cluster.make_password(self.role))

    def permitted(self, statements: Mapping[str, str] = STATEMENTS) -> set[str]:
        """Return the names of the statements that PostgreSQL lets the role run; each is undone."""
        found = set()
        with self.connect(self.role) as conn:
            # What is denied must be denied by privileges: not by a setting that the role can change.
            conn.execute("SET transaction_read_only = off")
            for name, statement in statements.items():
                with suppress(errors.InsufficientPrivilege), conn.transaction(force_rollback=True):
                    conn.execute(statement.encode())
                    found.add(name)
            conn.rollback()
        return found


@pytest.fixture(scope="module")
def database(any_server: Server) -> Iterator[str]:
    """A database for all the tests on a server."""
    name = any_server.create_database()
    yield name
    any_server.drop_database(name)


@pytest.fixture
def shop(any_server: Server, database: str) -> Iterator[Shop]:
    """Tables of the superuser in it, and the name of a role that there is not yet."""
    shop = Shop(any_server, database, f'role "{next(_numbers)}" $setup$ \\ x')
    shop.apply(f"DROP SCHEMA IF EXISTS shop CASCADE; {SHOP}")
    yield shop
    with shop.connect() as conn:
        for role in (shop.role, "shop_owner"):
            if conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                statements = "REASSIGN OWNED BY {0} TO postgres; DROP OWNED BY {0}; DROP ROLE {0}"
                conn.execute(sql.SQL(statements).format(sql.Identifier(role)))


@pytest.mark.parametrize("profile", PROFILES)
def test_postgresql_keeps_the_profile(shop: Shop, profile: str) -> None:
    """Of a list of statements exactly those of the profile run, without the guard and without any setting's help."""
    shop.grant(profile)
    assert shop.permitted() == PERMITTED[profile]


def test_a_profile_can_be_changed_both_ways(shop: Shop) -> None:
    """Run again it changes nothing; run with another profile, that one holds, with nothing of the one before."""
    for profile in ("admin", "admin", "read_only", "developer"):
        shop.grant(profile)
        assert shop.permitted() == PERMITTED[profile], profile


def test_tables_of_tomorrow_are_granted_too(shop: Shop) -> None:
    """What the owner creates afterwards can be used as what was there, and no more."""
    shop.grant("analyst")
    shop.apply("CREATE TABLE shop.later (id serial, name text)")
    later = {
        "read": "SELECT * FROM shop.later",
        "insert": "INSERT INTO shop.later (name) VALUES ('x')",
        "update": "UPDATE shop.later SET name = 'y'",
    }
    assert shop.permitted(later) == {"read", "insert"}


def test_an_admin_is_a_member_of_the_owner(shop: Shop) -> None:
    """With the owner named an admin alters and drops its tables; as another profile it does not any more."""
    shop.apply("CREATE ROLE shop_owner; GRANT USAGE, CREATE ON SCHEMA shop TO shop_owner")
    shop.apply("ALTER TABLE shop.item OWNER TO shop_owner")
    shop.grant("admin", owner="shop_owner")
    assert shop.permitted() == PERMITTED["admin"] | {"alter", "drop"}
    shop.grant("analyst", owner="shop_owner")
    assert shop.permitted() == PERMITTED["analyst"]


def test_memberships_do_not_outlast_a_profile(shop: Shop) -> None:
    """Whoever made it a member of whatever: run again, also without naming the owner, it is a member of nothing."""
    shop.apply("CREATE ROLE shop_owner; GRANT USAGE, CREATE ON SCHEMA shop TO shop_owner")
    shop.apply("ALTER TABLE shop.item OWNER TO shop_owner")
    shop.grant("admin", owner="shop_owner")
    with shop.connect() as conn:
        conn.execute(sql.SQL("GRANT pg_write_all_data TO {}").format(sql.Identifier(shop.role)))
    shop.grant("read_only")
    assert shop.permitted() == PERMITTED["read_only"]


def test_what_it_had_in_other_schemas_is_taken_back(shop: Shop) -> None:
    """A role that is made anew for other schemas loses the old ones, and what will be created in them."""
    shop.apply("DROP SCHEMA IF EXISTS elsewhere CASCADE; CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.t (id serial)")
    shop.grant("developer", schemas=("elsewhere", "shop"))
    shop.grant("read_only")
    shop.apply("CREATE TABLE elsewhere.later (id int); GRANT USAGE ON SCHEMA elsewhere TO PUBLIC")
    statements = {
        "create": "CREATE TABLE elsewhere.mine (id int)",
        "read": "SELECT * FROM elsewhere.t",
        "count": "SELECT nextval('elsewhere.t_id_seq')",
        "read later": "SELECT * FROM elsewhere.later",
    }
    assert shop.permitted(statements) == set()


def test_who_owns_is_no_reader(shop: Shop) -> None:
    """What a role owns it may change: as long as it does, a profile that may not is refused and nothing is changed."""
    shop.grant("developer")
    with shop.connect(shop.role) as conn:
        conn.execute("CREATE TABLE shop.own (id int)")
    with pytest.raises(errors.RaiseException, match="owns objects"):
        shop.grant("read_only")
    assert shop.permitted() == PERMITTED["developer"]
    shop.grant("developer")
    with shop.connect() as conn:
        conn.execute(sql.SQL("REASSIGN OWNED BY {} TO postgres").format(sql.Identifier(shop.role)))
    shop.grant("read_only")
    assert shop.permitted() == {"select"}


def test_nobody_becomes_a_member_of_a_superuser(shop: Shop) -> None:
    """An owner that could do more than own tables is refused, and nothing of the script stays."""
    with pytest.raises(errors.RaiseException, match="more than own tables"):
        shop.grant("admin", owner="postgres")
    with shop.connect() as conn:
        assert conn.execute("SELECT FROM pg_roles WHERE rolname = %s", [shop.role]).fetchone() is None


def test_a_role_of_somebody_is_left_alone(shop: Shop) -> None:
    """A role that the script has not made keeps all that it has."""
    for role in ("postgres", "plain_reader"):
        with pytest.raises(errors.RaiseException, match="was not made by pgwarden"):
            shop.apply(render(Request("read_only", role=role, schemas=("shop",))))
    with shop.connect() as conn:
        assert conn.execute("SELECT rolsuper FROM pg_roles WHERE rolname = 'postgres'").fetchone() == (True,)


def test_an_owner_who_may_create_roles_can_run_it(shop: Shop) -> None:
    """It takes no superuser: the owner of the schema and its tables will do, twice."""
    with shop.connect() as conn:
        conn.execute("CREATE ROLE shop_owner CREATEROLE; GRANT shop_owner TO postgres")
        conn.execute("ALTER SCHEMA shop OWNER TO shop_owner")
        for table in ("item", "secret", "secret_too", "names"):
            conn.execute(sql.SQL("ALTER TABLE shop.{} OWNER TO shop_owner").format(sql.Identifier(table)))
        conn.execute(sql.SQL("ALTER DATABASE {} OWNER TO shop_owner").format(sql.Identifier(shop.database)))
    for profile in ("analyst", "developer"):
        shop.apply(f"SET ROLE shop_owner; {render(Request(profile, shop.role, ('shop',)))}")
    with shop.connect() as conn:
        conn.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(shop.role), shop.new_password()))
    assert shop.permitted() == PERMITTED["developer"]


def test_attributes_given_since_are_taken_back(shop: Shop) -> None:
    """A role that was made more powerful in the meantime is what the profile says again."""
    shop.grant("read_only")
    with shop.connect() as conn:
        powers = "ALTER ROLE {} SUPERUSER CREATEROLE CREATEDB REPLICATION BYPASSRLS"
        conn.execute(sql.SQL(powers).format(sql.Identifier(shop.role)))
    shop.grant("read_only")
    assert shop.permitted() == {"select"}


def test_table_rules_narrow_the_grants(shop: Shop) -> None:
    """Hidden tables are not granted, denied operations neither, and a new table only once the script runs again."""
    rules = ObjectRules(
        tables=(
            TableRule("shop", "secret*", hidden=True),
            TableRule("*", "item", deny=frozenset({"UPDATE"})),
            TableRule("shop", "names", allow=frozenset({"INSERT"})),
        )
    )
    statements = {
        "hidden": "SELECT * FROM shop.secret",
        "hidden too": "SELECT * FROM shop.secret_too",
        "delete": STATEMENTS["delete"],
        "update": STATEMENTS["update"],
        "not allowed": "SELECT * FROM shop.names",
        "new": "SELECT * FROM shop.secret_new",
        "new and plain": "SELECT * FROM shop.plain",
    }
    shop.grant("developer", rules=rules)
    shop.apply("CREATE TABLE shop.secret_new (); CREATE TABLE shop.plain ()")
    assert shop.permitted(statements) == {"delete"}
    shop.grant("developer", rules=rules)
    assert shop.permitted(statements) == {"delete", "new and plain"}


def test_denied_statement_types_narrow_the_grants(shop: Shop) -> None:
    """A policy that denies a type takes the privilege from the role."""
    shop.grant("developer", denied=frozenset({"DELETE", "CREATE"}))
    assert shop.permitted() == PERMITTED["developer"] - {"delete", "create"}


def test_names_are_quoted(shop: Shop) -> None:
    """Whatever a schema is called, it is that schema and nothing else that is granted."""
    schemas = ('we"ird', "it's", "back\\slash", "$setup$; DROP TABLE shop.item; --", "Ünïcode\nline")
    with shop.connect() as conn:
        for schema in schemas:
            conn.execute(sql.SQL("CREATE SCHEMA {0}; CREATE TABLE {0}.t (id int)").format(sql.Identifier(schema)))
    rules = tuple(TableRule(schema, "none", hidden=True) for schema in schemas)
    shop.grant("analyst", schemas=(*schemas, "shop"), rules=ObjectRules(tables=rules))
    with shop.connect(shop.role) as conn:
        for schema in schemas:
            conn.execute(sql.SQL("INSERT INTO {}.t VALUES (1)").format(sql.Identifier(schema)))
        assert conn.execute("SELECT current_schema()").fetchone() == (schemas[0],)
    assert shop.permitted() == PERMITTED["analyst"]


def test_it_runs_in_the_named_database_only(shop: Shop) -> None:
    """A script for one database does nothing in another."""
    with pytest.raises(errors.RaiseException, match="this is the database"):
        shop.grant("read_only", database="elsewhere")
    shop.grant("read_only", database=shop.database)
    assert shop.permitted() == {"select"}


def test_settings_of_the_role(shop: Shop) -> None:
    """A reader starts read-only and every role with a time limit and its schemas first."""
    shop.grant("read_only", statement_timeout=12.5)
    with shop.connect(shop.role) as conn:
        names = ("default_transaction_read_only", "statement_timeout", "search_path")
        shown = [conn.execute(sql.SQL("SHOW {}").format(sql.Identifier(name))).fetchone() for name in names]
    assert shown == [("on",), ("12500ms",), ("shop",)]
