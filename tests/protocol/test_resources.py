"""Resources, their templates and the completion of their arguments, as a client meets them in both eras."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import INVALID_PARAMS, ResourceTemplateReference, TextResourceContents

from fix_server import Era, Opener
from pgwarden import tokens
from pgwarden.policy.profiles import TOOL_PROFILES
from pgwarden.resources.examples import candidates
from pgwarden.resources.spec import ResourceSpec
from pgwarden.tools import CATEGORIES

pytestmark = pytest.mark.anyio

SETUP = """
    CREATE TYPE state AS ENUM ('open', 'paid');
    CREATE TABLE customers (id int PRIMARY KEY, email text, joined timestamptz);
    CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES customers, state state, total numeric);
    CREATE TABLE "Order Lines" ("order" int REFERENCES orders, "Line No" int, PRIMARY KEY ("order", "Line No"));
    INSERT INTO customers VALUES (1, 'a@example.com', now()), (2, 'b@example.com', now());
    INSERT INTO orders VALUES (1, 1, 'open', 10), (2, 1, 'paid', 20);
    INSERT INTO "Order Lines" VALUES (1, 1);
    CREATE SCHEMA vault;
    CREATE TABLE vault.secrets (id int PRIMARY KEY, pin text);
    CREATE TABLE order_secrets (id int PRIMARY KEY REFERENCES orders, pin text);
"""
HIDING = "version: 1\nschemas: {deny: [vault]}\ntables: [{match: public.order_secrets, hidden: true}]\n"
TEMPLATE = "pg://schema/{schema}/{table}"
OF_DATABASE = {"pg://schema", "pg://syntax_help", "pg://query_examples", "pgwarden://policy"}
STATIC = {*OF_DATABASE, "pg://knowledge", "memo://insights"}


def run(url: str, statements: str) -> None:
    """Run statements as they are, each committed."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())


@pytest.fixture
def shop(any_database_url: str) -> str:
    """A small shop, with things to hide."""
    run(any_database_url, SETUP)
    return any_database_url


@pytest.fixture
def audit(tmp_path: Path) -> Callable[[], list[dict[str, Any]]]:
    """A function that returns the audit's lines."""
    path = tmp_path / "home" / "audit.jsonl"
    return lambda: [json.loads(line) for line in path.read_text().splitlines()]


def tool_names(text: str) -> set[str]:
    """The tools that a text names."""
    known = {spec.name for category in CATEGORIES for spec in category.tools}
    return known & set(re.findall(r"\w+", text))


async def read(client: Client, uri: str) -> str:
    """The text of a resource."""
    [content] = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "text/markdown"
    return content.text


async def listed(client: Client) -> set[str]:
    """The addresses of resources and templates."""
    static = {resource.uri for resource in (await client.list_resources()).resources}
    return static | {each.uri_template for each in (await client.list_resource_templates()).resource_templates}


async def complete(client: Client, argument: str, value: str = "", **known: str) -> list[str]:
    """Names that complete an argument of the template."""
    ref = ResourceTemplateReference(uri=TEMPLATE)
    found = await client.complete(ref, {"name": argument, "value": value}, context_arguments=known or None)
    return found.completion.values


async def refused(client: Client, uri: str) -> str:
    """The message that refuses to read a resource."""
    with pytest.raises(MCPError) as refusal:
        await client.read_resource(uri)
    assert refusal.value.error.code == INVALID_PARAMS
    data = refusal.value.error.data
    assert {"code", "message", "hint"} <= set(data["error"])
    return str(refusal.value)


async def test_what_there_is_to_read(in_memory: Opener, shop: str) -> None:
    """Every resource is listed, can be read, and says what its tool says."""
    async with in_memory(shop) as client:
        assert await listed(client) == {*STATIC, TEMPLATE}
        tree = await read(client, "pg://schema")
        assert "vault" in tree
        assert "customers" in tree
        said = await client.call_tool("describe_table", {"tables": ["public.orders"]})
        table = await read(client, "pg://schema/public/orders")
        [block] = said.content
        assert re.sub("data-[0-9a-f]+", "data", block.text) == re.sub("data-[0-9a-f]+", "data", table)  # type: ignore[union-attr]
        assert "customer integer not null -> public.customers.id" in table
        assert "Line No" in await read(client, "pg://schema/public/Order%20Lines")
        assert await read(client, "pg://schema/public/Order Lines")


async def test_reading_is_recorded(in_memory: Opener, shop: str, audit: Callable[[], list[dict[str, Any]]]) -> None:
    """Each read and completion leaves a line, refused ones too."""
    async with in_memory(shop) as client:
        await read(client, "pg://schema")
        await refused(client, "pg://schema/public/nothing")
        assert await complete(client, "table", "ord")
    assert [(line["tool"], line["outcome"], line["arguments"]) for line in audit()] == [
        ("resources/read", "allowed", {"uri": "pg://schema"}),
        ("resources/read", "denied", {"uri": "pg://schema/public/nothing"}),
        ("completion/complete", "allowed", {"ref": "table", "argument": "table", "value": "ord"}),
    ]


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("pg://schema/public/ordrs", "Did you mean public.orders"),
        ("pg://schema/public/Orders", "Did you mean public.orders"),
        ("pg://schema/pubic/orders", "Did you mean public"),
        ("pg://schema/public", "There is no resource"),
        ("pg://schema/public/", "There is no resource"),
        ("pg://schema/public/orders/id", "There is no resource"),
        ("pg://schema/public/a%00b", "NUL"),
        ("pg://schema/public/orders%22%20CASCADE", "There is no table"),
        ("pg://syntax_hlp", "Did you mean pg://syntax_help"),
        ("pgwarden://polic", "Did you mean pgwarden://policy"),
        ("file:///etc/passwd", "resources/list"),
        ("x" * 10_000, "There is no resource"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_is_not_there(uri: str, said: str, in_memory: Opener, shop: str) -> None:
    """An address that leads nowhere is answered with what is near."""
    async with in_memory(shop) as client:
        message = await refused(client, uri)
    assert said in message
    assert len(message) < 400


async def test_hidden_is_absent(in_memory: Opener, shop: str, governance: Callable[[str], str]) -> None:
    """What the policy hides is in no text, completes nothing, and answers like what is not there."""
    async with in_memory(shop, PGWARDEN_GOVERNANCE=governance(HIDING)) as client:
        for uri in ("pg://schema", "pg://schema/public/orders", "pg://query_examples", "pg://syntax_help"):
            text = await read(client, uri)
            assert "secrets" not in text, uri
            assert "vault" not in text, uri
        for hidden, missing in (
            ("pg://schema/public/order_secrets", "pg://schema/public/order_secretz"),
            ("pg://schema/vault/secrets", "pg://schema/vaulz/secrets"),
        ):
            answers = [await refused(client, uri) for uri in (hidden, missing)]
            assert answers[0].replace("order_secrets", "order_secretz").replace("vault", "vaulz") == answers[1]
        assert await complete(client, "schema", "v") == []
        assert "order_secrets" not in await complete(client, "table", "order")
        assert await complete(client, "table", "", schema="vault") == []


async def test_completion(in_memory: Opener, shop: str) -> None:
    """Names that start with what was written come first, whatever its case; other arguments narrow them."""
    async with in_memory(shop) as client:
        assert await complete(client, "schema") == ["public", "vault"]
        assert await complete(client, "schema", "AU") == ["vault"]
        assert await complete(client, "table", "ORDER") == ["Order Lines", "order_secrets", "orders"]
        assert await complete(client, "table", "secrets") == ["secrets", "order_secrets"]
        assert await complete(client, "table", "", schema="vault") == ["secrets"]
        assert await complete(client, "table", "x' OR true --") == []
        assert await complete(client, "table", "a\0b") == []
        assert await complete(client, "table", "o" * 10_000) == []
        with pytest.raises(MCPError, match=r"has no argument 'tabel'.*Did you mean table"):
            await complete(client, "tabel")
        with pytest.raises(MCPError, match="no resource template 'pg://nothing/"):
            await client.complete(ResourceTemplateReference(uri="pg://nothing/{x}"), {"name": "x", "value": ""})


async def test_completion_is_bounded(in_memory: Opener, database_url: str) -> None:
    """A hundred names at most, and how many there are."""
    run(database_url, "DO $$ BEGIN FOR n IN 1..130 LOOP EXECUTE format('CREATE TABLE t%s ()', n); END LOOP; END $$")
    async with in_memory(database_url) as client:
        ref = ResourceTemplateReference(uri=TEMPLATE)
        found = (await client.complete(ref, {"name": "table", "value": "t"})).completion
    assert (len(found.values), found.total, found.has_more) == (100, 130, True)


async def test_no_database(in_memory: Opener, audit: Callable[[], list[dict[str, Any]]]) -> None:
    """Where it is away completion is empty and soon there, lists are whole, and reading says so."""
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    async with in_memory(url) as client:
        assert await listed(client) == {*STATIC, TEMPLATE}
        with anyio.fail_after(10):
            assert await complete(client, "table", "o") == []
    assert audit()[-1]["outcome"] == "failed"
    async with in_memory(url, PGWARDEN_RETRY_ATTEMPTS="1") as client:
        assert "pg://" not in await read(client, "pgwarden://policy")
        assert "Refused" in await read(client, "pg://syntax_help")
        with pytest.raises(MCPError, match=r"connect|refused|answer"):
            await read(client, "pg://schema")


@pytest.mark.parametrize("profile", sorted(TOOL_PROFILES))
async def test_a_resource_needs_its_tools(profile: str, in_memory: Opener, database_url: str) -> None:
    """It exists where the tools that it stands for are granted, and names no tool that the caller lacks."""
    async with in_memory(database_url, PGWARDEN_TOOL_PROFILE=profile, PGWARDEN_TOOLSETS="all") as client:
        found = await listed(client)
        queries = "sql_query" in TOOL_PROFILES[profile]
        assert ("pg://query_examples" in found, "pg://syntax_help" in found) == (queries, queries)
        assert {"pg://schema", TEMPLATE, "pgwarden://policy"} <= found
        if queries:
            text = await read(client, "pg://syntax_help")
            assert tool_names(text) <= {tool.name for tool in (await client.list_tools()).tools}
        else:
            assert "no resource" in await refused(client, "pg://syntax_help")


async def test_denied_tools_take_their_resources(
    in_memory: Opener, shop: str, governance: Callable[[str], str]
) -> None:
    """A tool that is denied by name takes its resource, and the completion of the same names, with it."""
    path = governance("version: 1\ntools: {deny: [object_tree, list_tables]}\n")
    async with in_memory(shop, PGWARDEN_GOVERNANCE=path) as client:
        assert await listed(client) == {*STATIC, TEMPLATE} - {"pg://schema"}
        assert "no resource" in await refused(client, "pg://schema")
        assert await complete(client, "table", "o") == []
        assert await complete(client, "schema", "p") == ["public"]


@pytest.mark.parametrize(("scope", "expected"), [("database:read", {*OF_DATABASE, TEMPLATE}), ("services:read", None)])
async def test_scopes(scope: str, expected: set[str] | None, in_memory: Opener, shop: str, tmp_path: Path) -> None:
    """A token without the tools' scope has only what needs none."""
    token = tokens.create(tokens.key_file(tmp_path / "home"), [scope], "somebody", 1, time.time())
    async with in_memory(shop, PGWARDEN_TOKEN=token) as client:
        assert await listed(client) == (expected or {"pgwarden://policy"})
        if expected is None:
            assert "no resource" in await refused(client, "pg://schema")
            with pytest.raises(MCPError, match="no resource template"):
                await complete(client, "table", "o")


async def test_the_rate_holds(in_memory: Opener, shop: str) -> None:
    """Reading and completing count as calls."""
    async with in_memory(shop, PGWARDEN_RATE_LIMIT="2") as client:
        await read(client, "pg://syntax_help")
        await complete(client, "table", "o")
        with pytest.raises(MCPError, match="calls"):
            await read(client, "pg://syntax_help")


async def test_examples_run(in_memory: Opener, shop: str) -> None:
    """Five to eight of them, on the tables that are there, and each runs as it is shown."""
    async with in_memory(shop) as client:
        text = await read(client, "pg://query_examples")
        found = examples(text)
        assert 5 <= len(found) <= 8
        assert any("JOIN" in sql for sql, _ in found)
        for sql, params in found:
            result = await client.call_tool("run_query", {"sql": sql, "params": params})
            assert not result.is_error, (sql, result.content)


async def test_examples_of_one_odd_table(in_memory: Opener, any_database_url: str) -> None:
    """A table without a key, with names that need quotes, gives examples as well; no table gives none."""
    async with in_memory(any_database_url) as client:
        assert "no table" in await read(client, "pg://query_examples")
        run(any_database_url, 'CREATE TABLE "Odd ""One" ("a b" int, "select" text)')
        found = examples(await read(client, "pg://query_examples"))
        assert len(found) >= 5
        for sql, params in found:
            result = await client.call_tool("run_query", {"sql": sql, "params": params})
            assert not result.is_error, (sql, result.content)


async def test_examples_hold_to_the_policy(in_memory: Opener, shop: str, governance: Callable[[str], str]) -> None:
    """What masks and rules refuse is not shown as an example."""
    path = governance(
        "version: 1\nmasks: [{column: public.orders.state, mask: redact}]\n"
        "tables: [{match: public.customers, deny: [SELECT]}]\n"
    )
    async with in_memory(shop, PGWARDEN_GOVERNANCE=path) as client:
        found = examples(await read(client, "pg://query_examples"))
        assert found
        assert not any("customers" in sql or "GROUP BY state" in sql for sql, _ in found)


async def test_what_was_noted(in_memory: Opener, database_url: str) -> None:
    """What was learned and found can be read, and is empty before."""
    async with in_memory(database_url, PGWARDEN_PROFILE="admin") as client:
        assert "No insights" in await read(client, "memo://insights")
        assert await read(client, "pg://knowledge")
        await client.call_tool("append_insight", {"insight": "orders are never deleted"})
        saved = {"title": "How orders are counted", "text": "By id."}
        assert not (await client.call_tool("save_knowledge", saved)).is_error
        assert "orders are never deleted" in await read(client, "memo://insights")
        assert "How orders are counted" in await read(client, "pg://knowledge")
    async with in_memory(database_url, PGWARDEN_TOOL_PROFILE="operator") as client:
        for uri in ("memo://insights", "pg://knowledge"):
            assert "no resource" in await refused(client, uri)


async def test_noting_announces_what_it_changes(
    server_environment: Callable[..., dict[str, str]], server_log: Path, era: Era, database_url: str
) -> None:
    """In the newer era who subscribed hears that a resource changed, when a tool has changed it."""
    heard: set[str] = set()
    uris = ["memo://insights"]
    async with changes(server_environment(database_url), server_log, era, heard, uris) as client:
        refusal = await client.call_tool("append_insight", {"insight": ""})
        assert refusal.is_error
        await anyio.sleep(0.1)
        assert not heard
        await client.call_tool("append_insight", {"insight": "something"})
        if era == "auto":
            with anyio.fail_after(5):
                while "ResourceUpdatedNotification" not in heard:
                    await read(client, "memo://insights")
        assert "ResourceListChangedNotification" not in heard


def test_candidates_of_nothing() -> None:
    """Tables without columns give nothing."""
    assert list(candidates([{"ref": "public.t", "columns": [], "key": []}], [])) == []


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("pg://schema/a/b", {"schema": "a", "table": "b"}),
        ("pg://schema/a%2Fc/b%25", {"schema": "a/c", "table": "b%"}),
        ("pg://schema/{schema}/{table}", {"schema": "{schema}", "table": "{table}"}),
        ("pg://schema//b", None),
        ("pg://schemas/a/b", None),
        ("PG://schema/a/b", None),
    ],
)
def test_addresses(uri: str, expected: dict[str, str] | None) -> None:
    """Each part between slashes is one name, decoded once."""

    async def never(*_: Any) -> Any:
        raise AssertionError

    assert ResourceSpec(TEMPLATE, "t", "", never).match(uri) == expected


@asynccontextmanager
async def changes(
    environment: dict[str, str], log: Path, era: Era, heard: set[str], subscribed: Sequence[str] = ("pg://schema",)
) -> AsyncIterator[Client]:
    """A client that notes the changes that it hears of, in the way of its era."""

    async def note(message: Any) -> None:
        heard.add(type(message).__name__)

    launch = StdioServerParameters(command=sys.executable, args=["-m", "pgwarden"], env=environment)
    with log.open("a", encoding="utf-8") as stderr:
        async with Client(
            stdio_client(launch, errlog=stderr), mode=era, read_timeout_seconds=30, message_handler=note
        ) as client:
            if era == "legacy":
                yield client
            else:
                async with client.listen(resources_list_changed=True, resource_subscriptions=subscribed):
                    heard.clear()
                    yield client


async def test_changes_of_the_schema_are_announced(
    server_environment: Callable[..., dict[str, str]], server_log: Path, era: Era, database_url: str
) -> None:
    """Our own DDL is, once it is made, and others', once it is seen; rows, dry runs and failures are not."""
    heard: set[str] = set()
    run(database_url, "CREATE TABLE seen (id int)")
    environment = server_environment(database_url, PGWARDEN_PROFILE="admin")
    async with changes(environment, server_log, era, heard) as client:
        assert client.server_capabilities.resources is not None
        assert client.server_capabilities.resources.list_changed is True
        assert client.server_capabilities.completions is not None
        assert client.server_capabilities.prompts is not None
        for quiet in (
            {"sql": "INSERT INTO seen VALUES (1)", "confirm": True},
            {"sql": "CREATE TABLE dry (id int)", "confirm": True, "dry_run": True},
            {"sql": "CREATE TABLE seen (id int)", "confirm": True},
            {"sql": "CREATE TABLE unconfirmed (id int)"},
        ):
            await client.call_tool("execute_sql", quiet)
        await anyio.sleep(0.2)
        assert not heard
        made = await client.call_tool("execute_sql", {"sql": "CREATE TABLE made (id int)", "confirm": True})
        assert not made.is_error, made.content
        wanted = {"ResourceListChangedNotification"} | ({"ResourceUpdatedNotification"} if era == "auto" else set())
        with anyio.fail_after(5):
            while not wanted <= heard:
                await read(client, "pg://syntax_help")
        assert "made" in await read(client, "pg://schema")
        await client.call_tool("run_query", {"sql": "SELECT 1"})
        heard.clear()
        run(database_url, "CREATE TABLE theirs (id int)")
        with anyio.fail_after(10):
            while not wanted <= heard:
                await client.call_tool("run_query", {"sql": "SELECT 1"})
                await anyio.sleep(0.1)


def examples(text: str) -> list[tuple[str, list[Any]]]:
    """The statements of query_examples, with their parameters."""
    found = re.findall(r"```sql\n(.*?)\n```(?:\nparams: ([^\n]*))?", text, re.DOTALL)
    return [(sql, json.loads(params) if params else []) for sql, params in found]
