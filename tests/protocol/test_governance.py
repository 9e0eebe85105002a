"""Profiles, rules and masks as a client meets them, against what then is in the database."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from mcp import Client
from mcp_types import CallToolResult, ElicitRequestFormParams, ElicitRequestParams, ElicitResult

from fix_server import Opener
from pgwarden import tokens
from pgwarden.policy.profiles import SQL_PROFILES

pytestmark = pytest.mark.anyio

SETUP = """
    CREATE TABLE items (id int PRIMARY KEY, name text);
    INSERT INTO items VALUES (1, 'one'), (2, 'two'), (3, 'three');
    CREATE TABLE doomed (id int);
    CREATE TABLE emptied (id int);
    INSERT INTO emptied VALUES (1);
    CREATE TABLE log (line text);
    CREATE PROCEDURE tidy() LANGUAGE sql AS $$ INSERT INTO log VALUES ('tidied') $$;
"""

STATEMENTS: dict[str, tuple[str, dict[str, Any], str]] = {
    # type: statement, what to send, and a read that gives "t" once it has run (empty: it leaves nothing behind)
    "SELECT": ("SELECT * FROM items", {}, ""),
    "SHOW": ("SHOW work_mem", {}, ""),
    "EXPLAIN": ("EXPLAIN SELECT * FROM items", {}, ""),
    "INSERT": (
        "INSERT INTO items VALUES (10, 'ten')",
        {"confirm": True},
        "SELECT EXISTS (SELECT FROM items WHERE id = 10)",
    ),
    "SET": ("SET work_mem = '8MB'", {"confirm": True}, ""),
    "UPDATE": (
        "UPDATE items SET name = 'uno' WHERE id = 1",
        {"confirm": True},
        "SELECT name = 'uno' FROM items WHERE id = 1",
    ),
    "DELETE": (
        "DELETE FROM items WHERE id = 2",
        {"confirm": True},
        "SELECT NOT EXISTS (SELECT FROM items WHERE id = 2)",
    ),
    "CREATE": ("CREATE TABLE made (id int)", {"confirm": True}, "SELECT to_regclass('made') IS NOT NULL"),
    "ALTER": (
        "ALTER TABLE items ADD COLUMN more int",
        {"confirm": True},
        "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'items'::regclass AND attname = 'more')",
    ),
    "CALL": ("CALL tidy()", {"confirm": True}, "SELECT EXISTS (SELECT FROM log)"),
    "MERGE": (
        "MERGE INTO items t USING (VALUES (3, 'drei')) s (id, name) ON t.id = s.id"
        " WHEN MATCHED THEN UPDATE SET name = s.name",
        {"confirm": True},
        "SELECT name = 'drei' FROM items WHERE id = 3",
    ),
    "DROP": ("DROP TABLE doomed", {"confirm_name": "public.doomed"}, "SELECT to_regclass('doomed') IS NULL"),
    "TRUNCATE": (
        "TRUNCATE emptied",
        {"confirm_name": "public.emptied"},
        "SELECT NOT EXISTS (SELECT FROM emptied)",
    ),
    "GRANT": (
        "GRANT SELECT ON items TO pg_monitor",
        {"confirm": True},
        "SELECT has_table_privilege('pg_monitor', 'items', 'SELECT')",
    ),
    "REVOKE": (
        "REVOKE SELECT ON log FROM pg_read_all_stats",
        {"confirm_name": "public.log"},
        "SELECT NOT has_table_privilege('pg_read_all_stats', 'log', 'SELECT')",
    ),
}
FOREIGN = {"DESCRIBE": "DESCRIBE items", "USE": "USE shop"}
"""Types that PostgreSQL has no statement for."""

GOVERNANCE = "version: 1\nfunctions:\n  allow: [tidy()]\n"


@pytest.fixture
def shop(database_url: str) -> str:
    """A database to try statements on, owned by the role that connects."""
    run(database_url, SETUP)
    run(database_url, "GRANT SELECT ON log TO pg_read_all_stats")
    return database_url


def run(url: str, statements: str) -> None:
    """Run statements as they are, each committed."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())


def tell(url: str, question: str) -> bool:
    """Ask the database, past the server."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(question.encode()).fetchone()
    return bool(row and row[0])


def text(result: CallToolResult) -> str:
    """The result's text."""
    return "\n".join(block.text for block in result.content if block.type == "text")


def code(result: CallToolResult) -> str:
    """The error's code; empty where there is none."""
    return str(json.loads(text(result))["error"]["code"]) if result.is_error else ""


async def execute(client: Client, sql: str, **arguments: Any) -> CallToolResult:
    """Call execute_sql."""
    result = await client.call_tool("execute_sql", {"sql": sql, **arguments})
    assert isinstance(result, CallToolResult)
    return result


@pytest.mark.parametrize("profile", [*SQL_PROFILES])
async def test_profiles_by_types(profile: str, shop: str, in_memory: Opener, governance: Callable[[str], str]) -> None:
    """Every statement type in every profile: refused without effect, or asked for first and then done."""
    variables = {
        "PGWARDEN_SQL_PROFILE": profile,
        "PGWARDEN_TOOL_PROFILE": "admin",
        "PGWARDEN_GOVERNANCE": governance(GOVERNANCE),
    }
    async with in_memory(shop, **variables) as client:
        for kind, (sql, consent, effect) in STATEMENTS.items():
            # A MERGE that updates needs both types, and only the administrator has it.
            granted = kind in SQL_PROFILES[profile]
            first = await execute(client, sql)
            expected = "" if granted and not consent else "confirmation_required" if granted else "not_allowed"
            assert code(first) == expected, (profile, kind, text(first))
            if effect:
                assert not tell(shop, effect), (profile, kind)
            second = await execute(client, sql, **consent)
            assert bool(second.is_error) is not granted, (profile, kind, text(second))
            if effect:
                assert tell(shop, effect) is granted, (profile, kind)
        for kind, sql in FOREIGN.items():
            assert code(await execute(client, sql)) in ("not_postgresql", "not_allowed"), kind


@pytest.mark.parametrize("profile", ["read_only", "operator"])
async def test_profiles_without_free_changes(profile: str, shop: str, in_memory: Opener) -> None:
    """The tool is not there, and the statement types stay refused in the one that reads."""
    async with in_memory(shop, PGWARDEN_PROFILE=profile) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert "execute_sql" not in names
        assert code(await execute(client, "DELETE FROM items WHERE id = 1", confirm=True)) == "unknown_tool"
        read = await client.call_tool("run_query", {"sql": "DELETE FROM items WHERE id = 1"})
        assert isinstance(read, CallToolResult)
        assert code(read) == ("unknown_tool" if profile == "operator" else "not_a_read")
    assert tell(shop, "SELECT count(*) = 3 FROM items")


class Person:
    """Somebody who answers each question with what is at hand."""

    def __init__(self, action: str, **content: Any) -> None:
        self.action, self.content = action, content
        self.asked: list[ElicitRequestParams] = []

    async def __call__(self, context: Any, params: ElicitRequestParams) -> ElicitResult:
        self.asked.append(params)
        content = self.content if self.action == "accept" else None
        return ElicitResult.model_validate({"action": self.action, "content": content})


class Agreeing:
    """Somebody who says yes to everything, and types what the form's message names."""

    def __init__(self) -> None:
        self.typed = ""

    async def __call__(self, context: Any, params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        content = {"confirm_name": self.typed} if "confirm_name" in params.requested_schema["properties"] else {}
        return ElicitResult(action="accept", content=content or {"confirm": True})


@pytest.mark.parametrize("asks", [True, False], ids=["client asks", "client cannot ask"])
@pytest.mark.parametrize("profile", ["analyst", "developer", "admin"])
async def test_profiles_by_types_over_stdio(
    profile: str, asks: bool, shop: str, over_stdio: Opener, governance: Callable[[str], str]
) -> None:
    """The table again, with the real program and a client that can ask a person, or not."""
    person = Agreeing() if asks else None
    variables = {"PGWARDEN_PROFILE": profile, "PGWARDEN_GOVERNANCE": governance(GOVERNANCE)}
    async with over_stdio(shop, person=person, **variables) as client:
        for kind, (sql, consent, effect) in STATEMENTS.items():
            granted = kind in SQL_PROFILES[profile]
            if person is not None:
                person.typed = str(consent.get("confirm_name", ""))
            # Where a person is asked, the arguments need not say anything.
            result = await execute(client, sql, **({} if asks else consent))
            assert code(result) == ("" if granted else "not_allowed"), (kind, text(result))
            if effect:
                assert tell(shop, effect) is granted, kind


@pytest.mark.parametrize(
    ("person", "done"),
    [
        (Person("accept", confirm_name="public.doomed"), True),
        (Person("accept", confirm_name="public.Doomed"), False),
        (Person("accept", confirm_name=" public.doomed"), False),
        (Person("decline"), False),
        (Person("cancel"), False),
    ],
    ids=["typed", "wrong case", "a space", "declined", "cancelled"],
)
async def test_over_stdio_with_a_person(person: Person, done: bool, shop: str, over_stdio: Opener) -> None:
    """A client that can ask: what the arguments say does not count, what the person types does."""
    person.asked.clear()
    async with over_stdio(shop, person=person, PGWARDEN_PROFILE="admin") as client:
        result = await execute(client, "DROP TABLE doomed", confirm_name="public.doomed")
    assert len(person.asked) == 1
    assert "doomed" in person.asked[0].message
    assert bool(result.is_error) is not done
    assert tell(shop, "SELECT to_regclass('doomed') IS NULL") is done


async def test_over_stdio_without_a_person(shop: str, over_stdio: Opener) -> None:
    """A client that cannot ask: the refusal says what would happen and what to send, and that then works."""
    async with over_stdio(shop, PGWARDEN_PROFILE="developer") as client:
        refused = await execute(client, "DELETE FROM items WHERE id > 1")
        error = json.loads(text(refused))["error"]
        assert error["code"] == "confirmation_required"
        assert error["details"]["send"] == {"confirm": True}
        assert error["details"]["plan"]["rows"]["matching"] == 2
        assert tell(shop, "SELECT count(*) = 3 FROM items")
        tried = await execute(client, "DELETE FROM items WHERE id > 1", dry_run=True)
        assert not tried.is_error
        assert tell(shop, "SELECT count(*) = 3 FROM items")
        done = await execute(client, "DELETE FROM items WHERE id > 1", **error["details"]["send"])
        assert "DELETE 2" in text(done)
    assert tell(shop, "SELECT count(*) = 1 FROM items")


async def test_limits_of_what_the_planner_expects(shop: str, in_memory: Opener) -> None:
    """A statement that is expected to be too large does not run."""
    run(shop, "INSERT INTO log SELECT 'x' || i FROM generate_series(1, 5000) i; ANALYZE log")
    async with in_memory(shop, PGWARDEN_PROFILE="developer", PGWARDEN_MAX_ESTIMATED_ROWS="1000") as client:
        for sql in ("SELECT * FROM log", "SELECT * FROM log WHERE line <> $1", "DELETE FROM log WHERE line > 'a'"):
            params = ["y"] if "$1" in sql else None
            assert code(await execute(client, sql, params=params, confirm=True)) == "too_expensive", sql
        assert not (await execute(client, "SELECT count(*) FROM items")).is_error
    async with in_memory(shop, PGWARDEN_MAX_ESTIMATED_COST="20", PGWARDEN_MAX_ESTIMATED_ROWS="0") as client:
        result = await client.call_tool("run_query", {"sql": "SELECT * FROM log a, log b"})
        assert isinstance(result, CallToolResult)
        assert code(result) == "too_expensive"
    assert tell(shop, "SELECT count(*) = 5000 FROM log")


async def test_a_cap_on_affected_rows(shop: str, in_memory: Opener) -> None:
    """A change of more rows than allowed is rolled back."""
    async with in_memory(shop, PGWARDEN_PROFILE="developer", PGWARDEN_MAX_AFFECTED_ROWS="2") as client:
        refused = await execute(client, "UPDATE items SET name = 'x' WHERE id < 9", confirm=True)
        assert code(refused) == "too_many_rows"
        assert "UPDATE 2" in text(await execute(client, "UPDATE items SET name = 'x' WHERE id < 3", confirm=True))
    assert tell(shop, "SELECT count(*) = 2 FROM items WHERE name = 'x'")


async def test_a_token_bounds_every_call(
    shop: str, in_memory: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tool beyond the token's scopes is not listed, and a call of it names what is missing."""
    token = tokens.create(tokens.key_file(tmp_path / "home"), ["database:read"], "reporter", 1, time.time())
    async with in_memory(shop, PGWARDEN_PROFILE="admin", PGWARDEN_TOKEN=token) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert "run_query" in names
        assert "execute_sql" not in names
        refused = await execute(client, "DELETE FROM items WHERE id = 1", confirm=True)
        assert code(refused) == "scope_missing"
        assert "database:write" in text(refused)
        assert not (await client.call_tool("run_query", {"sql": "SELECT 1"})).is_error
    log = (tmp_path / "home" / "audit.jsonl").read_text()
    assert token not in log
    assert '"caller":"reporter"' in log


RULES = """
version: 1
schemas:
  deny: [hidden]
tables:
  - match: public.log
    deny: [INSERT, DROP]
  - match: public.secrets
    hidden: true
masks:
  - column: public.people.email
    mask: partial
    first: 1
  - column: public.people.phone
    mask: redact
"""
OBJECTS = """
    CREATE SCHEMA hidden;
    CREATE TABLE hidden.vault (id int);
    CREATE TABLE secrets (id int);
    CREATE TABLE people (id int PRIMARY KEY, email text, phone text);
    INSERT INTO people VALUES (1, 'maria@marker.example', '555-MARKER');
    CREATE VIEW contacts AS SELECT id, email AS address FROM people;
    CREATE VIEW peek AS SELECT * FROM secrets;
"""


@pytest.fixture
def ruled(shop: str, in_memory: Opener, governance: Callable[[str], str]) -> Any:
    """A function that opens a client under rules on objects."""
    run(shop, OBJECTS)
    path = governance(RULES)

    @asynccontextmanager
    async def opened(profile: str = "admin") -> AsyncIterator[Client]:
        async with in_memory(shop, PGWARDEN_PROFILE=profile, PGWARDEN_GOVERNANCE=path) as client:
            yield client

    return opened


async def test_hidden_is_absent(ruled: Any) -> None:
    """A hidden table answers as a missing one of the same length does, in every tool."""
    async with ruled() as client:
        for hidden, missing in (("secrets", "secretz"), ("hidden.vault", "hiddan.vault")):
            for sql in (
                "SELECT * FROM {}",
                "SELECT 1 FROM items, {} x",
                "DELETE FROM {} WHERE id = 1",
                "DROP TABLE {}",
                "TRUNCATE {}",
            ):
                answers = [text(await execute(client, sql.format(name))) for name in (hidden, missing)]
                assert answers[0].replace(hidden, missing) == answers[1], sql
        for tool, arguments in (
            ("list_tables", {}),
            ("list_schemas", {}),
            ("object_tree", {}),
            ("search_objects", {"query": "secrets"}),
            ("search_objects", {"query": "vault"}),
            ("describe_table", {"tables": ["secrets"]}),
        ):
            answer = text(await client.call_tool(tool, arguments))
            assert "vault" not in answer.replace("'vault'", ""), tool
            assert "secrets" not in answer.replace("no table or view secrets", ""), tool
        peek = await execute(client, "SELECT * FROM peek")
        assert code(peek) == "not_allowed"
        assert "secrets" not in text(peek)
        policy = (await client.read_resource("pgwarden://policy")).contents[0].text
        assert "vault" not in policy
        assert "secrets" not in policy


async def test_hidden_is_absent_in_notices(shop: str, in_memory: Opener, governance: Callable[[str], str]) -> None:
    """What the server says of a hidden table is what it says of a missing one, with the name that was written."""
    run(shop, OBJECTS)
    path = governance("version: 1\ntables: [{match: public.secrets, hidden: true}]\n")
    async with in_memory(shop, PGWARDEN_PROFILE="admin", PGWARDEN_GOVERNANCE=path) as client:
        said = [
            text(await execute(client, f"DROP TABLE IF EXISTS {name}", confirm_name=name)).replace(name, "it")
            for name in ("secrets", "secretz")
        ]
    assert 'it" does not exist, skipping' in said[0]
    assert re.sub("data-[0-9a-f]+", "data", said[0]) == re.sub("data-[0-9a-f]+", "data", said[1])


async def test_operations_on_a_table(ruled: Any, shop: str) -> None:
    """A rule takes operations from a table and leaves the others."""
    async with ruled() as client:
        denied = await execute(client, "INSERT INTO log VALUES ('x')", confirm=True)
        assert code(denied) == "not_allowed"
        assert "public.log" in text(denied)
        assert code(await execute(client, "DROP TABLE log", confirm_name="public.log")) == "not_allowed"
        assert not (await execute(client, "SELECT * FROM log")).is_error
    assert tell(shop, "SELECT count(*) = 0 FROM log")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM people",
        "SELECT email AS e, phone AS p FROM people",
        "SELECT to_json(p) FROM people p",
        "SELECT * FROM contacts",
        "WITH x AS (SELECT * FROM people) SELECT row_to_json(x) FROM x",
        "SELECT * FROM people WHERE email LIKE 'maria%'",
        "UPDATE people SET id = 1 WHERE id = 1 RETURNING *",
        "INSERT INTO people VALUES (1, 'x', 'y')",
        "INSERT INTO log SELECT email FROM people",
        "EXPLAIN (VERBOSE) SELECT * FROM people",
        "SELECT most_common_vals::text FROM pg_stats",
    ],
)
async def test_masks_hold(sql: str, ruled: Any) -> None:
    """No way of writing it brings a masked value out."""
    async with ruled() as client:
        result = await execute(client, sql, confirm=True, confirm_name="public.people")
        assert "marker" not in text(result).lower()
        after = await execute(client, "SELECT * FROM log")
        assert "marker" not in text(after).lower()
