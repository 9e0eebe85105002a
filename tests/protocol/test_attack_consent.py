"""Attempts to get a change through that nobody agreed to, or past what a token grants, on a real database."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from mcp import Client, MCPError
from mcp_types import CallToolResult, ElicitRequestFormParams, ElicitRequestParams, ElicitResult, TextResourceContents

from fix_server import Opener
from pgwarden import tokens
from pgwarden.audit import verify
from pgwarden.db.catalog import TTL_S
from raw_server import launched

pytestmark = pytest.mark.anyio

SETUP = """
    CREATE TABLE items (id int PRIMARY KEY, name text);
    INSERT INTO items VALUES (1, 'one'), (2, 'two'), (3, 'three');
"""
COUNT = "SELECT count(*) FROM items"


def run(url: str, statements: str) -> list[tuple[Any, ...]]:
    """Run statements past the server; return the rows of the last one."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statements.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def shop(database_url: str) -> str:
    """A database with three rows to lose."""
    run(database_url, SETUP)
    return database_url


@pytest.fixture
def token(tmp_path: Path) -> Callable[..., str]:
    """A function that makes a token of the server under test."""

    def make(*scopes: str, days: int | None = 1) -> str:
        return tokens.create(tokens.key_file(tmp_path / "home"), scopes, "somebody", days, time.time())

    return make


async def code(client: Client, tool: str, **arguments: Any) -> str:
    """The code of a call's error; empty where there is none."""
    result = await client.call_tool(tool, arguments)
    assert isinstance(result, CallToolResult)
    text = "\n".join(block.text for block in result.content if block.type == "text")
    return str(json.loads(text)["error"]["code"]) if result.is_error else ""


class Meanwhile:
    """A person who says yes, and takes so long that something happens first."""

    def __init__(self, url: str, statements: str) -> None:
        self.url, self.statements = url, statements

    async def __call__(self, context: Any, params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        await asyncio.to_thread(run, self.url, self.statements)
        await asyncio.sleep(TTL_S + 0.2)
        typed = "confirm_name" in params.requested_schema["properties"]
        return ElicitResult(action="accept", content={"confirm_name": "public.items"} if typed else {"confirm": True})


@pytest.mark.parametrize("sql", ["DELETE FROM items WHERE id = 1", "DROP TABLE items"])
async def test_what_was_agreed_to_is_what_runs(sql: str, shop: str, in_memory: Opener) -> None:
    """Where a name has come to mean another table while the person was asked, their yes was not about that one."""
    other = "CREATE SCHEMA postgres; CREATE TABLE postgres.items AS SELECT * FROM public.items"
    async with in_memory(shop, person=Meanwhile(shop, other), PGWARDEN_PROFILE="admin") as client:
        assert await code(client, "execute_sql", sql=sql) == "confirmation_expired"
    assert run(shop, "SELECT count(*) FROM postgres.items") == [(3,)]
    assert run(shop, "SELECT count(*) FROM public.items") == [(3,)]


async def test_what_is_read_is_agreed_to_as_well(shop: str, in_memory: Opener) -> None:
    """The target is the same, and the rows come from another table now: the yes was not about those."""
    run(shop, "CREATE TABLE log (name text)")
    other = "CREATE SCHEMA postgres; CREATE TABLE postgres.items AS SELECT 'secret'::text AS name"
    async with in_memory(shop, person=Meanwhile(shop, other), PGWARDEN_PROFILE="admin") as client:
        assert await code(client, "execute_sql", sql="INSERT INTO log SELECT name FROM items") == "confirmation_expired"
    assert run(shop, "SELECT count(*) FROM log") == [(0,)]


@pytest.mark.parametrize("tool", ["delete_rows", "execute_sql"])
async def test_rows_of_the_table_that_was_agreed_to(shop: str, in_memory: Opener, tool: str) -> None:
    """Tables that are alike may swap their names while the person is asked: the yes was not about the other one."""
    swap = """
        CREATE TABLE copy (LIKE items INCLUDING ALL);
        INSERT INTO copy SELECT * FROM items;
        ALTER TABLE items RENAME TO old;
        ALTER INDEX items_pkey RENAME TO old_pkey;
        ALTER TABLE copy RENAME TO items;
        ALTER INDEX copy_pkey RENAME TO items_pkey;
    """
    async with in_memory(
        shop, person=Meanwhile(shop, swap), PGWARDEN_PROFILE="admin", PGWARDEN_TOOLSETS="all"
    ) as client:
        by_row, by_sql = {"table": "items", "filter": {"id": 1}}, {"sql": "DELETE FROM items WHERE id = 1"}
        found = await code(client, tool, **(by_row if tool == "delete_rows" else by_sql))
    assert found == "confirmation_expired"
    assert run(shop, COUNT) == [(3,)]
    assert run(shop, "SELECT count(*) FROM old") == [(3,)]


async def test_a_person_reads_the_words_of_the_call(shop: str, in_memory: Opener, tmp_path: Path) -> None:
    """Names that are replaced because they are hidden stand in the question, and in refusals, as they were written."""
    rules = "version: 1\nprofile: admin\nschemas: {deny: [vault]}\ntables: [{match: '*.gold', deny: [INSERT]}]\n"
    (tmp_path / "rules.yaml").write_text(rules)
    run(shop, "CREATE SCHEMA vault; CREATE TABLE vault.gold (id int)")
    asked: list[str] = []

    async def person(context: Any, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="decline")

    async with in_memory(shop, person=person, PGWARDEN_GOVERNANCE=str(tmp_path / "rules.yaml")) as client:
        sql = "DROP TABLE IF EXISTS vault.gold"
        assert await code(client, "execute_sql", sql=sql, timeout_s=9.0) == "confirmation_declined"
        result = await client.call_tool("execute_sql", {"sql": "INSERT INTO vault.gold VALUES (1)"})
    [question] = asked
    assert f"> sql: {sql}" in question
    assert "> timeout_s: 9.0" in question
    assert "__" not in question
    assert "refuses INSERT on vault.gold" in str(result)
    assert "__" not in str(result)


async def test_what_changes_elsewhere_does_not_matter(shop: str, in_memory: Opener) -> None:
    """A yes holds while the call means what it meant."""
    person = Meanwhile(shop, "CREATE TABLE others (id int); INSERT INTO items VALUES (4, 'four')")
    async with in_memory(shop, person=person, PGWARDEN_PROFILE="admin") as client:
        assert await code(client, "execute_sql", sql="DELETE FROM items WHERE id = 1") == ""
    assert run(shop, COUNT) == [(3,)]


@pytest.mark.parametrize(
    "consent",
    [
        {"confirm": "true"},
        {"confirm": 1},
        {"confirm": [True]},
        {"confirm": {"confirm": True}},
        {"confirm": None},
        {"Confirm": True},
        {"confirm ": True},
        {"arguments": {"confirm": True}},
        {"confirm_name": "public.items"},
        {"confirm": True, "confirm_name": "items"},
        {"confirm": True, "cursor": "00000000"},
        {"confirm": None, "confirm_name": None, "params": None, "dry_run": None},
    ],
    ids=str,
)
async def test_nothing_near_a_yes_is_one(consent: dict[str, Any], shop: str, in_memory: Opener) -> None:
    """The argument is `confirm`, and its value true; what is null was not said."""
    async with in_memory(shop, PGWARDEN_PROFILE="admin") as client:
        expected = ("confirmation_required", "confirm_name_mismatch", "invalid_arguments")
        assert await code(client, "execute_sql", sql="DELETE FROM items WHERE id = 1", **consent) in expected
    assert run(shop, COUNT) == [(3,)]


async def test_more_rows_of_a_change_are_no_second_change(shop: str, in_memory: Opener) -> None:
    """What RETURNING has beyond the cap cannot be asked for: there is no cursor that would run the change again."""
    sql = "UPDATE items SET name = name || '!' WHERE id > 0 RETURNING id"
    async with in_memory(shop, PGWARDEN_PROFILE="admin", PGWARDEN_MAX_ROWS="1") as client:
        result = await client.call_tool("execute_sql", {"sql": sql, "confirm": True})
        assert isinstance(result, CallToolResult)
        assert "more exist" in str(result.content)
        assert "cursor" not in str(result.content)
    assert run(shop, "SELECT name FROM items WHERE id = 1") == [("one!",)]


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [("database:read", set[str]()), ("database:write", {"rows"}), ("database:admin", {"rows", "code"})],
)
async def test_a_token_bounds_every_profile(
    scope: str, allowed: set[str], shop: str, in_memory: Opener, token: Callable[..., str]
) -> None:
    """An administrator's profile does not outweigh a token: code and power need the highest scope."""
    statements = {
        "rows": "DELETE FROM items WHERE id = 1",
        "code": "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    }
    async with in_memory(shop, PGWARDEN_PROFILE="admin", PGWARDEN_TOKEN=token(scope)) as client:
        for kind, sql in statements.items():
            expected = "" if kind in allowed else "scope_missing"
            assert await code(client, "execute_sql", sql=sql, confirm=True) == expected, kind
    assert run(shop, COUNT) == [(3 if not allowed else 2,)]


async def test_any_token_may_know_what_it_grants(shop: str, in_memory: Opener, token: Callable[..., str]) -> None:
    """The policy is shown within every scope; what would take the database's is left out."""
    async with in_memory(shop, PGWARDEN_PROFILE="admin", PGWARDEN_TOKEN=token("services:read")) as client:
        [content] = (await client.read_resource("pgwarden://policy")).contents
        assert isinstance(content, TextResourceContents)
        assert "scopes: services:read" in content.text
        assert "the token lacks database:read" in content.text


async def test_an_expired_token_reads_nothing(
    shop: str, in_memory: Opener, token: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It expires while the server runs, for tools and for resources, whatever scope they need."""
    async with in_memory(shop, PGWARDEN_PROFILE="admin", PGWARDEN_TOKEN=token("services:read")) as client:
        now = time.time
        monkeypatch.setattr("pgwarden.policy.scopes.time.time", lambda: now() + 86_400)
        assert await code(client, "list_tables") == "scope_expired"
        with pytest.raises(MCPError, match="expired"):
            await client.read_resource("pgwarden://policy")


async def test_a_killed_server_leaves_a_trace(
    shop: str, server_environment: Callable[..., dict[str, str]], server_log: Path, tmp_path: Path
) -> None:
    """Killed in the middle of a change it can say nothing more: that the change began is on disk by then."""
    audit = tmp_path / "home" / "audit.jsonl"
    head = audit.with_name("audit.jsonl.head")
    with psycopg.connect(shop) as holder:
        holder.execute("SELECT * FROM items FOR UPDATE")
        async with launched(server_environment(shop, PGWARDEN_PROFILE="admin"), server_log) as server:
            await server.initialize()
            await server.begin_call("execute_sql", {"sql": "DELETE FROM items WHERE id = 1", "confirm": True})
            async with asyncio.timeout(20):
                # Written last: without it `verify` would rightly say that an end may be missing.
                while not head.exists() or not head.read_text():  # noqa: ASYNC110 - another process writes it
                    await asyncio.sleep(0.05)
            server.end("SIGKILL")
            await server.exit_status()
    [line] = [json.loads(line) for line in audit.read_text().splitlines()]
    assert (line["outcome"], line["consent"]) == ("started", "argument")
    assert verify(audit).problem is None
