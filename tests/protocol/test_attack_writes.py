"""Attacks on the write path: what once got through, or with too low a tier, and what has to stay refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from mcp import Client
from mcp_types import CallToolResult

from fix_server import Era, Opener

pytestmark = pytest.mark.anyio

SETUP = """
    CREATE SCHEMA app;
    CREATE SCHEMA evil;
    CREATE TABLE items (id int PRIMARY KEY, name text DEFAULT 'x', flag boolean);
    INSERT INTO items SELECT g, 'n' || g, true FROM generate_series(1, 30) g;
    CREATE VIEW items_view AS SELECT * FROM items;
    CREATE TABLE invoices (id int PRIMARY KEY, amount int);
    INSERT INTO invoices SELECT g, g FROM generate_series(1, 30) g;
    CREATE TABLE sales (id int, year int) PARTITION BY LIST (year);
    CREATE TABLE sales_24 PARTITION OF sales FOR VALUES IN (24);
    INSERT INTO sales VALUES (1, 24);
    CREATE TABLE counted (id serial, x int);
    CREATE FUNCTION app.total(i int) RETURNS int LANGUAGE sql AS $$ SELECT i $$;
    CREATE FUNCTION evil.wipe(i int) RETURNS int LANGUAGE sql AS $$ DELETE FROM public.items RETURNING 1 $$;
    CREATE FUNCTION evil.total(i int) RETURNS int LANGUAGE sql AS $$ DELETE FROM public.items RETURNING 1 $$;
    CREATE FOREIGN DATA WRAPPER nowhere;
    CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere;
    CREATE FOREIGN TABLE remote (id int) SERVER elsewhere;
"""
LISTED = 'functions: {allow: ["app.total(integer)"]}'
RULES = """
tables:
  - {match: public.invoices, deny: [UPDATE, DELETE]}
  - {match: public.sales, deny: [UPDATE, DELETE, TRUNCATE]}
"""

REFUSED: list[tuple[str, str, str, str]] = [
    # profile, governance, statement, code
    ("admin", LISTED, "ALTER FUNCTION evil.wipe(int) RENAME TO total", "function_not_allowed"),
    ("admin", LISTED, "ALTER ROUTINE evil.wipe(int) RENAME TO total", "function_not_allowed"),
    ("admin", LISTED, "ALTER FUNCTION evil.total(int) SET SCHEMA app", "function_not_allowed"),
    ("developer", LISTED, "ALTER SCHEMA evil RENAME TO app", "function_not_allowed"),
    ("developer", LISTED, "ALTER SCHEMA evil RENAME TO public", "function_not_allowed"),
    ("developer", "", "ANALYZE remote", "relation_not_allowed"),
    ("developer", "", "VACUUM (ANALYZE) remote", "relation_not_allowed"),
    ("developer", RULES, "ALTER TABLE invoices RENAME TO others", "not_allowed"),
    ("developer", RULES, "ALTER TABLE invoices SET SCHEMA app", "not_allowed"),
    ("developer", "schemas: {deny: [evil]}", "ALTER TABLE items SET SCHEMA evil", "not_allowed"),
    ("developer", "schemas: {deny: [evil]}", "ALTER TABLE items SET SCHEMA nowhere", "not_allowed"),
    ("developer", RULES, "ALTER SCHEMA public RENAME TO other", "not_allowed"),
    ("developer", RULES, "ALTER TABLE invoices ALTER amount TYPE int USING 0", "not_allowed"),
    ("developer", RULES, "DELETE FROM sales_24 WHERE id = 1", "not_allowed"),
    ("developer", RULES, "UPDATE sales_24 SET id = 2 WHERE id = 1", "not_allowed"),
    ("admin", RULES, "TRUNCATE sales_24", "not_allowed"),
    ("admin", RULES, "ALTER TABLE sales DETACH PARTITION sales_24", "not_allowed"),
    ("admin", "statements: {deny: [UPDATE]}", "ALTER TABLE items ALTER name TYPE text USING 'x'", "not_allowed"),
    ("admin", "statements: {deny: [GRANT]}", "CREATE ROLE nobody_new IN ROLE pg_monitor", "not_allowed"),
    ("admin", "statements: {deny: [REVOKE]}", "DROP OWNED BY pg_monitor", "not_allowed"),
    ("admin", "deletes: archive", "DROP TABLE items", "not_allowed"),
    ("admin", "deletes: archive", "DROP SCHEMA app CASCADE", "not_allowed"),
    ("admin", "deletes: archive", "DROP OWNED BY pg_monitor", "not_allowed"),
    ("admin", "", "ALTER FUNCTION pg_read_file(text) RENAME TO log", "relation_not_allowed"),
    ("admin", "", "GRANT ALL ON ALL FUNCTIONS IN SCHEMA pg_catalog TO public", "relation_not_allowed"),
    ("admin", "", 'ALTER ROLE pg_monitor SET "Session_Replication_Role" = replica', "never_allowed"),
    (
        "admin",
        "limits: {max_estimated_rows: 100}",
        "CREATE TABLE x AS SELECT generate_series(1, 9999)",
        "too_expensive",
    ),
    (
        "admin",
        "limits: {max_estimated_rows: 100}",
        "CREATE MATERIALIZED VIEW x AS SELECT generate_series(1, 9999)",
        "too_expensive",
    ),
]


@pytest.fixture
def shop(database_url: str) -> str:
    """A database with something to take."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SETUP.encode())
    return database_url


@pytest.fixture
def era() -> Era:
    """One era: what is judged does not depend on it."""
    return "auto"


class Attacker:
    """Somebody with a profile, who agrees to everything."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, sql: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
        """Call execute_sql; return the error's code (empty: it ran) and what would have to be sent."""
        result = await self._client.call_tool("execute_sql", {"sql": sql, **arguments})
        assert isinstance(result, CallToolResult)
        if not result.is_error:
            return "", {}
        [block] = [each.text for each in result.content if each.type == "text"]
        error = json.loads(block)["error"]
        return str(error["code"]), dict((error.get("details") or {}).get("send") or {})

    async def insist(self, sql: str, **arguments: Any) -> str:
        """Call, agree to what is asked, and return the code of what comes of it."""
        code, send = await self.call(sql, **arguments)
        return (await self.call(sql, **arguments, **send))[0] if code == "confirmation_required" else code


@pytest.fixture
def attack(shop: str, in_memory: Opener, tmp_path: Path) -> Any:
    """A function that opens a server with a profile and a policy."""

    @asynccontextmanager
    async def opened(profile: str, governance: str = "") -> AsyncIterator[Attacker]:
        path = tmp_path / "governance.yaml"
        path.write_text(f"version: 1\n{governance}\n")
        variables = {"PGWARDEN_SQL_PROFILE": profile, "PGWARDEN_TOOL_PROFILE": "admin"}
        async with in_memory(shop, PGWARDEN_GOVERNANCE=str(path), **variables) as client:
            yield Attacker(client)

    return opened


def ask(url: str, question: str) -> Any:
    """Ask the database, past the server."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(question.encode()).fetchone()
    return row and row[0]


@pytest.mark.parametrize(("profile", "governance", "sql", "code"), REFUSED, ids=[f"{r[0]}: {r[2]}" for r in REFUSED])
async def test_refused(profile: str, governance: str, sql: str, code: str, attack: Any) -> None:
    """A way around the policy is refused, also to somebody who agrees to everything."""
    async with attack(profile, governance) as attacker:
        assert await attacker.insist(sql) == code


async def test_functions_of_a_trusted_extension_keep_their_bodies(shop: str, attack: Any) -> None:
    """What is trusted because of its extension cannot be replaced, nor anything be added to the extension."""
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION fuzzystrmatch")
    body = "AS $$ SELECT length(pg_read_file('PG_VERSION')) $$"
    async with attack("admin") as attacker:
        replaced = (
            f"CREATE OR REPLACE FUNCTION levenshtein(text, text) RETURNS int IMMUTABLE STRICT LANGUAGE sql {body}"
        )
        assert await attacker.insist(replaced) == "function_not_allowed"
        assert await attacker.insist(f"CREATE FUNCTION app.own(text) RETURNS int IMMUTABLE LANGUAGE sql {body}") == ""
        assert await attacker.insist("ALTER EXTENSION fuzzystrmatch ADD FUNCTION app.own(text)") == "never_allowed"
        assert await attacker.insist("SELECT app.own('')") == "function_not_allowed"


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO counted (x) SELECT 1 FROM generate_series(1, 20)",
        "INSERT INTO counted (x) VALUES (nextval('counted_id_seq'))",
        "UPDATE items SET name = nextval('counted_id_seq') WHERE id = 1",
        "TRUNCATE counted",
    ],
)
async def test_a_dry_run_that_leaves_something_needs_a_yes(sql: str, shop: str, attack: Any) -> None:
    """Sequences do not roll back, and a TRUNCATE locks everybody out until it does."""
    async with attack("admin") as attacker:
        code, _ = await attacker.call(sql, dry_run=True)
        assert code == "confirmation_required"
        assert ask(shop, "SELECT is_called FROM counted_id_seq") is False
        assert (await attacker.call("INSERT INTO counted (x) VALUES (1)", dry_run=True))[0] == ""


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("DELETE FROM items WHERE name LIKE '%%%'", "public.items"),
        ("DELETE FROM items WHERE name ~ '()'", "public.items"),
        ("DELETE FROM items WHERE id BETWEEN SYMMETRIC 100 AND 0", "public.items"),
        ("DELETE FROM items WHERE flag = ANY('{t,f}')", "public.items"),
        ("ALTER TABLE items ALTER name DROP DEFAULT", "public.items"),
        ("GRANT pg_monitor TO pg_signal_backend", "pg_monitor"),
        ("CREATE ROLE nobody_new IN ROLE pg_monitor", "nobody_new"),
    ],
)
async def test_what_has_to_be_typed(sql: str, name: str, attack: Any) -> None:
    """A yes is not enough for what reaches every row in disguise, or gives a role's power away."""
    async with attack("admin") as attacker:
        code, send = await attacker.call(sql)
        assert (code, send) == ("confirmation_required", {"confirm_name": name})
        assert (await attacker.call(sql, confirm=True))[0] == "confirmation_required"


async def test_what_looks_like_an_attack_and_is_none(shop: str, attack: Any) -> None:
    """Policies for UPDATE, operators with a commutator, tables of a query under limits: they are made."""
    async with attack("admin", "limits: {max_estimated_rows: 100}") as attacker:
        for sql in (
            "CREATE POLICY p ON items FOR UPDATE USING (true)",
            "CREATE OPERATOR app.=== (leftarg = int, rightarg = int, function = int4eq,"
            " commutator = OPERATOR(app.===))",
            "CREATE TABLE few AS SELECT id FROM invoices WHERE id = 1",
            "CREATE TABLE IF NOT EXISTS few AS SELECT 1",
            "TRUNCATE counted",
            "ALTER SCHEMA evil RENAME TO kind",
        ):
            assert await attacker.insist(sql) == "", sql
        assert (await attacker.insist("CREATE TABLE one AS SELECT $1::int AS a", params=[7])) == ""
        assert ask(shop, "SELECT count(*) FROM few") == 1
