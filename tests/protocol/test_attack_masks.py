"""Attacks on masks and hidden objects as a client makes them; see docs/decisions/0005-attacks-on-masks.md."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from mcp import Client
from mcp_types import CallToolResult

from fix_server import Opener
from pgwarden.guard import Verdict, absent
from pgwarden.guard.catalog import Catalog
from pgwarden.guard.parsed import Name

pytestmark = pytest.mark.anyio

SECRET = "zzgone"
"""In every hidden name."""

SETUP = f"""
    CREATE SCHEMA {SECRET};
    CREATE TABLE {SECRET}.vault_{SECRET} (id int PRIMARY KEY, v text);
    CREATE DOMAIN {SECRET}.kind AS text;
    CREATE FUNCTION {SECRET}.fn() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 42';
    CREATE SEQUENCE {SECRET}.counter;
    CREATE TABLE {SECRET}_table (id int PRIMARY KEY);
    CREATE SEQUENCE {SECRET}_seq OWNED BY {SECRET}_table.id;
    CREATE TABLE seen (
        id int DEFAULT nextval('{SECRET}.counter'), other int DEFAULT nextval('{SECRET}_seq'), k {SECRET}.kind
    );
    CREATE FUNCTION rows_of() RETURNS SETOF {SECRET}.vault_{SECRET} LANGUAGE sql AS 'SELECT 1, ''x''';
    CREATE FUNCTION takes(x {SECRET}_table) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE TABLE guarded (id int PRIMARY KEY);
    ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
    CREATE POLICY p ON guarded USING (EXISTS (SELECT FROM {SECRET}.vault_{SECRET} v WHERE v.id = guarded.id));
    CREATE TABLE checked (id int, CONSTRAINT c CHECK (id < {SECRET}.fn()));
    CREATE TABLE people (id int PRIMARY KEY, email text);
    INSERT INTO people VALUES (1, 'marker@x.example');
    GRANT USAGE ON SCHEMA {SECRET} TO PUBLIC;
    GRANT SELECT ON ALL TABLES IN SCHEMA {SECRET} TO PUBLIC;
    GRANT SELECT ON people, guarded TO PUBLIC;
"""
RULES = f"""
version: 1
schemas: {{deny: [{SECRET}]}}
tables:
  - {{match: 'public.{SECRET}*', hidden: true}}
masks:
  - {{column: public.people.email, mask: redact, permit: [filter]}}
"""


@pytest.fixture
def attacked(database_url: str, in_memory: Opener, tmp_path: Path) -> Any:
    """A function that opens a client whose policy hides what has SECRET in its name."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SETUP.encode())
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)

    @asynccontextmanager
    async def opened(url: str = database_url) -> AsyncIterator[Client]:
        variables = {"PGWARDEN_PROFILE": "admin", "PGWARDEN_GOVERNANCE": str(rules), "PGWARDEN_TOOLSETS": "all"}
        async with in_memory(url, **variables) as client:
            yield client

    return opened


async def tell(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool and return its text."""
    result = await client.call_tool(tool, arguments)
    assert isinstance(result, CallToolResult)
    return "\n".join(block.text for block in result.content if block.type == "text")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM seen WHERE k = 1",
        "SELECT sum(k) FROM seen",
        "SELECT (k).x FROM seen",
        "SELECT array_agg(k) FROM seen",
        "SELECT ARRAY[k] FROM seen",
    ],
)
async def test_types_of_hidden_schemas(sql: str, attacked: Any) -> None:
    """A visible column can be of a hidden type: neither errors nor the columns of a result say which."""
    async with attacked() as client:
        for tool in ("run_query", "explain_query", "validate_query", "execute_sql"):
            assert SECRET not in await tell(client, tool, sql=sql, format="json"), tool


@pytest.mark.parametrize("options", ["", "(VERBOSE)", "(FORMAT JSON)", "(FORMAT YAML)"])
async def test_plans_with_hidden_tables(options: str, attacked: Any, plain_role_url: str) -> None:
    """Row security reads what the statement does not name; a plan that shows it is not shown, the rows are."""
    with psycopg.connect(plain_role_url) as connection:
        plan = connection.execute(f"EXPLAIN {options} SELECT * FROM guarded".encode()).fetchall()
    assert SECRET in str(plan)
    async with attacked(plain_role_url) as client:
        answer = await tell(client, "run_query", sql=f"EXPLAIN {options} SELECT * FROM guarded")
        assert SECRET not in answer
        assert "error" in await tell(client, "run_query", sql="SELECT * FROM nosuch")
        assert "error" not in await tell(client, "run_query", sql="SELECT * FROM guarded")
        assert "error" not in await tell(client, "run_query", sql=f"EXPLAIN {options} SELECT * FROM people")


async def test_definitions_that_name_hidden_objects(attacked: Any) -> None:
    """Defaults, types and signatures of what can be seen are shown without the hidden names in them."""
    async with attacked() as client:
        sections = ["columns", "keys", "indexes", "constraints", "comments", "triggers", "definition"]
        for tool, arguments in (
            ("describe_table", {"tables": ["seen", "guarded"], "sections": sections}),
            ("list_functions", {}),
            ("object_tree", {}),
            ("search_objects", {"query": "takes"}),
            ("search_objects", {"query": "seen"}),
            ("list_constraints", {}),
        ):
            for form in ("markdown", "json", "csv") if tool.startswith("list") else ("markdown", "json"):
                answer = await tell(client, tool, format=form, **arguments)
                assert SECRET not in answer, tool
        assert "nextval('[not shown]" in await tell(client, "describe_table", tables=["seen"])


async def test_words_before_strings_are_no_types(attacked: Any) -> None:
    """Where something is hidden, LIKE, ESCAPE and AT TIME ZONE still work."""
    async with attacked() as client:
        for sql in (
            "SELECT id FROM people WHERE email LIKE 'm%'",
            "SELECT id FROM people WHERE email ILIKE 'M%'",
            "SELECT 'a' LIKE 'b' ESCAPE '!'",
            "SELECT now() AT TIME ZONE 'UTC'",
        ):
            answer = json.loads(await tell(client, "run_query", sql=sql, format="json"))
            assert "error" not in answer, sql
        for type_ in ("regclass", "regtype", f"{SECRET}_table"):
            answer = await tell(client, "run_query", sql=f"SELECT {type_} 'people'")
            assert "type_not_allowed" in answer, type_


CATALOG = Catalog(version=180_000, path=("pg_catalog", "public"))
HIDDEN = frozenset({("gone", ""), ("gone", "t"), ("", "gone_idx")})


@pytest.mark.parametrize(
    ("sql", "changed"),
    [
        ("SELECT gone.f()", True),
        ("SELECT 1::gone.kind", True),
        ('SELECT CAST(1 AS "gone".kind)', True),
        ("SELECT 'a' COLLATE GONE.c", True),
        ("CREATE TABLE x (a gone.kind)", True),
        ("SELECT gone.f(), 1 AS gone", True),
        ("SELECT gone.id FROM items gone", False),
        ("SELECT 'gone.x'", False),
        ("SELECT 1 AS gone", False),
        ("SELECT x.gone FROM x", False),
    ],
)
def test_hidden_schemas_that_qualify(sql: str, changed: bool) -> None:
    """The name of a hidden schema before a dot is replaced, an alias of that name is not."""
    found = absent.qualifiers(sql, HIDDEN)
    assert bool(found) is changed
    text = absent.without(sql, {Name(*each) for each in found}, CATALOG).text
    assert ("____" in text) is changed
    assert len(text) == len(sql)


@pytest.mark.parametrize(
    ("sql", "changed"),
    [
        ("DROP SCHEMA gone", True),
        ("DROP SCHEMA IF EXISTS gone", True),
        ("ALTER TABLE items SET SCHEMA gone", True),
        ("CREATE SCHEMA gone", False),
        ("CREATE SCHEMA IF NOT EXISTS gone", False),
        ("ALTER TABLE items RENAME TO gone", False),
    ],
)
def test_hidden_schemas_by_themselves(sql: str, changed: bool) -> None:
    """A schema is looked up under another name, and never made under it."""
    text = absent.without(sql, {Name("gone", "")}, CATALOG).text
    assert ("____" in text) is changed


def test_hidden_indexes_without_a_schema() -> None:
    """An index that no schema of the path is known to have is replaced by its name alone."""
    text = absent.without("REINDEX INDEX gone_idx", {Name("", "gone_idx")}, CATALOG).text
    assert text == "REINDEX INDEX ________"


def test_refusals_name_nothing_hidden() -> None:
    """What the guard says of a check or view that calls into a hidden schema."""
    no = Verdict(False, message="Reading public.t calls gone.f(integer), which is not known.", hint='add "gone.f(int)"')
    shown = absent.veiled(no, "SELECT * FROM t", HIDDEN)
    assert shown.message == "Reading public.t calls [not shown], which is not known."
    assert "gone" not in shown.hint
    assert absent.veiled(no, "SELECT gone.f(1) FROM t", HIDDEN) == no


async def test_hidden_names_answer_as_missing_ones(attacked: Any) -> None:
    """What is behind a hidden schema's name, an index, or kept of a hidden table is as if it were not there."""
    missing = "zzgona"
    async with attacked() as client:
        for sql in (
            "SELECT {}.fn()",
            "SELECT * FROM {}.fn()",
            "SELECT 'x'::{}.kind",
            "SELECT CAST(1 AS {}.kind)",
            "CREATE TABLE x (a {}.kind)",
            "CREATE TABLE {}.x (a int)",
            "CREATE TABLE x AS SELECT * FROM {}_table",
            "CREATE TABLE x (LIKE {}_table)",
            "ALTER TABLE people SET SCHEMA {}",
            "DROP SCHEMA {}",
            "DROP DOMAIN {}.kind",
            "DROP TABLE {}_table",
            "SELECT * FROM {}_table_pkey",
            "REINDEX INDEX {}_table_pkey",
            "ALTER INDEX {}_table_pkey RENAME TO z",
        ):
            for tool in ("run_query", "validate_query", "execute_sql"):
                both = [
                    re.sub("data-[0-9a-f]+", "", await tell(client, tool, sql=sql.format(n))) for n in (SECRET, missing)
                ]
                assert both[0].replace(SECRET, missing) == both[1], (tool, sql)
        for tool in ("run_query", "explain_query"):
            assert SECRET not in await tell(client, tool, sql="SELECT * FROM checked")


async def test_plans_of_explain_query(attacked: Any, plain_role_url: str) -> None:
    """The tool for plans shows none that names what is hidden, either."""
    async with attacked(plain_role_url) as client:
        for form in ("markdown", "json"):
            assert SECRET not in await tell(client, "explain_query", sql="SELECT * FROM guarded", format=form)
