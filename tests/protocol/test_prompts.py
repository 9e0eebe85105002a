"""Prompts as a client meets them: which there are, what they say, what they refuse, and their completion."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from mcp import Client, MCPError
from mcp_types import INVALID_PARAMS, PromptReference, TextContent

from fix_server import Opener
from pgwarden.errors import ArgumentError
from pgwarden.policy.profiles import TOOL_PROFILES
from pgwarden.prompts import PROMPTS, PromptSpec
from pgwarden.prompts.spec import block, inline
from pgwarden.tools import CATEGORIES

pytestmark = pytest.mark.anyio

ARGUMENTS = {
    "explore_database": {"schema": "public", "question": "Who buys most?"},
    "diagnose_slow_query": {"sql": "SELECT * FROM orders"},
    "safe_migration": {"change": "Add a column.", "table": "public.orders", "column": "state"},
}
SETUP = """
    CREATE TABLE orders (id int PRIMARY KEY, state text, "State Of" text);
    CREATE TABLE "Odd Name" (id int);
    CREATE SCHEMA vault;
    CREATE TABLE vault.secrets (pin text);
"""
TOOLS = {spec.name for category in CATEGORIES for spec in category.tools}


@pytest.fixture
def shop(any_database_url: str) -> str:
    """Some tables."""
    with psycopg.connect(any_database_url, autocommit=True) as connection:
        connection.execute(SETUP.encode())
    return any_database_url


async def names(client: Client) -> set[str]:
    """The prompts that are listed."""
    return {prompt.name for prompt in (await client.list_prompts()).prompts}


async def get(client: Client, name: str, **arguments: str) -> str:
    """The text of a prompt."""
    [message] = (await client.get_prompt(name, arguments)).messages
    assert message.role == "user"
    assert isinstance(message.content, TextContent)
    return message.content.text


async def refused(client: Client, name: str, **arguments: str) -> str:
    """The message that refuses a prompt."""
    with pytest.raises(MCPError) as refusal:
        await client.get_prompt(name, arguments)
    assert refusal.value.error.code == INVALID_PARAMS
    assert {"code", "message", "hint"} <= set(refusal.value.error.data["error"])
    return str(refusal.value)


async def complete(client: Client, prompt: str, argument: str, value: str = "", **known: str) -> list[str]:
    """Names that complete an argument of a prompt."""
    ref = PromptReference(name=prompt)
    found = await client.complete(ref, {"name": argument, "value": value}, context_arguments=known or None)
    return found.completion.values


async def test_what_is_listed(in_memory: Opener, shop: str) -> None:
    """Names, descriptions, and arguments with what is required."""
    async with in_memory(shop, PGWARDEN_PROFILE="admin") as client:
        prompts = {prompt.name: prompt for prompt in (await client.list_prompts()).prompts}
    assert set(prompts) == set(ARGUMENTS)
    assert all(prompt.description for prompt in prompts.values())
    required = {
        name: [each.name for each in prompt.arguments or () if each.required] for name, prompt in prompts.items()
    }
    assert required == {"explore_database": [], "diagnose_slow_query": ["sql"], "safe_migration": ["change"]}


@pytest.mark.parametrize("profile", sorted(TOOL_PROFILES))
async def test_steps_name_only_granted_tools(profile: str, in_memory: Opener, shop: str) -> None:
    """Every tool in a prompt's text is one that the caller has; a prompt without its essential tools is absent."""
    async with in_memory(shop, PGWARDEN_PROFILE=profile, PGWARDEN_TOOLSETS="all") as client:
        granted = {tool.name for tool in (await client.list_tools()).tools}
        listed = await names(client)
        for name in listed:
            text = await get(client, name, **ARGUMENTS[name])
            named = TOOLS & set(re.findall(r"\w+", text))
            assert named, name
            assert named <= granted, name
        for name in set(ARGUMENTS) - listed:
            assert "There is no prompt" in await refused(client, name)
    assert "explore_database" in listed
    assert ("diagnose_slow_query" in listed) == ("sql_query" in TOOL_PROFILES[profile])
    assert ("safe_migration" in listed) == (profile in ("developer", "admin"))


async def test_denied_tools_leave_their_steps_out(
    in_memory: Opener, shop: str, governance: Callable[[str], str]
) -> None:
    """A tool that is denied by name is in no step; an essential one takes the prompt with it."""
    path = governance("version: 1\ntools: {deny: [find_join_path, run_query, list_indexes, explain_query]}\n")
    async with in_memory(shop, PGWARDEN_GOVERNANCE=path, PGWARDEN_TOOLSETS="all") as client:
        assert await names(client) == {"explore_database"}
        text = await get(client, "explore_database")
        assert "find_join_path" not in text
        assert "run_query" not in text
        assert [int(number) for number in re.findall(r"^(\d+)\. ", text, re.MULTILINE)] == [1, 2, 3, 4, 5, 6]


async def test_tools_that_are_not_listed_are_brought_in_first(in_memory: Opener, shop: str) -> None:
    """Where a step's tools are granted and not listed, the first step lists them."""
    async with in_memory(shop, PGWARDEN_TOOLSETS="schema_read,knowledge,insight") as client:
        listed = {tool.name for tool in (await client.list_tools()).tools}
        assert "run_query" not in listed
        text = await get(client, "explore_database")
        assert "1. Call enable_toolset with toolset=sql_query" in text
        await client.call_tool("enable_toolset", {"toolset": "sql_query"})
        assert "enable_toolset" not in await get(client, "explore_database")


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("explore_databse", {}, "Did you mean explore_database"),
        ("zzz", {}, "prompts/list"),
        ("diagnose_slow_query", {}, "needs sql"),
        ("diagnose_slow_query", {"sql": "  "}, "needs sql"),
        ("diagnose_slow_query", {"sq": "SELECT 1"}, "Did you mean sql"),
        ("explore_database", {"zzz": "1"}, "It takes: schema, question"),
        ("diagnose_slow_query", {"sql": "x" * 20_001}, "more than 20,000 characters"),
        ("setup_sync", {}, "There is no prompt"),
    ],
    ids=str,
)
async def test_what_is_wrong(name: str, arguments: dict[str, str], said: str, in_memory: Opener, shop: str) -> None:
    """An unknown prompt or argument is refused with what to do."""
    async with in_memory(shop) as client:
        assert said in await refused(client, name, **arguments)


async def test_prompts_are_recorded(in_memory: Opener, shop: str, tmp_path: Path) -> None:
    """Each leaves a line; SQL is kept as it is for calls, without passwords."""
    sql = "ALTER ROLE a PASSWORD 'hunter2'"
    async with in_memory(shop) as client:
        await get(client, "diagnose_slow_query", sql=sql)
        await refused(client, "nothing")
    lines = [json.loads(line) for line in (tmp_path / "home" / "audit.jsonl").read_text().splitlines()]
    assert [(line["tool"], line["outcome"]) for line in lines] == [
        ("prompts/get", "allowed"),
        ("prompts/get", "denied"),
    ]
    assert lines[0]["arguments"]["name"] == "diagnose_slow_query"
    assert "hunter2" not in json.dumps(lines)


async def test_completion(in_memory: Opener, shop: str, governance: Callable[[str], str]) -> None:
    """Schemas, tables with their schema, columns of the table that was given; nothing that is hidden."""
    async with in_memory(shop, PGWARDEN_PROFILE="admin") as client:
        assert await complete(client, "explore_database", "schema", "pub") == ["public"]
        assert await complete(client, "explore_database", "question", "wh") == []
        assert await complete(client, "safe_migration", "table", "ord") == ["public.orders"]
        both = ['public."Odd Name"', "public.orders"]
        for value in ("public.o", "o"):
            assert await complete(client, "safe_migration", "table", value) == both
        assert await complete(client, "safe_migration", "table", 'public."o') == both[:1]
        assert await complete(client, "safe_migration", "table", "vault") == ["vault.secrets"]
        for table in ("public.orders", "orders"):
            assert await complete(client, "safe_migration", "column", "st", table=table) == ["state", "State Of"]
        assert await complete(client, "safe_migration", "column", "", table='public."Odd Name"') == ["id"]
        assert await complete(client, "safe_migration", "column", "s") == []
        with pytest.raises(MCPError, match="no prompt"):
            await complete(client, "nothing", "x")
        with pytest.raises(MCPError, match="Did you mean table"):
            await complete(client, "safe_migration", "tabel")
    path = governance("version: 1\nschemas: {deny: [vault]}\n")
    async with in_memory(shop, PGWARDEN_PROFILE="admin", PGWARDEN_GOVERNANCE=path) as client:
        assert await complete(client, "safe_migration", "table", "secr") == []
        assert await complete(client, "safe_migration", "column", "", table="vault.secrets") == []


async def test_prompts_need_no_database(in_memory: Opener) -> None:
    """They are made of what is granted, and come where the database is away."""
    async with in_memory("postgresql://nobody@127.0.0.1:1/nothing") as client:
        assert await names(client) == {"explore_database", "diagnose_slow_query"}
        assert "SELECT 1" in await get(client, "diagnose_slow_query", sql="SELECT 1")


@pytest.mark.parametrize("spec", PROMPTS, ids=lambda spec: spec.name)
def test_steps_declare_the_tools_that_they_name(spec: PromptSpec) -> None:
    """A step names exactly the tools that it declares, and these exist; nothing else of a prompt names any."""
    values = spec.validate(ARGUMENTS[spec.name])
    for given in (values, dict.fromkeys(values, "")):
        for step in spec.steps(given):
            assert TOOLS & set(re.findall(r"\w+", step.text)) == set(step.tools), step.text
    assert not TOOLS & set(re.findall(r"\w+", f"{spec.task(values)} {spec.closing} {spec.description}"))
    assert set(spec.tools) <= TOOLS
    assert len(spec.text(values, TOOLS, {})) < 3_000


def test_what_was_given_stays_in_its_quotes() -> None:
    """No text can end the block or the quotes that it stands in."""
    assert block("a\n````\nb").splitlines()[0] == "`````"
    assert inline('a" b\nc\\') == '"a\\" b c\\\\"'


def test_validation_fills_in() -> None:
    """What was not given is empty; what is unknown is refused."""
    [spec] = [each for each in PROMPTS if each.name == "explore_database"]
    assert spec.validate({"schema": " public "}) == {"schema": "public", "question": ""}
    with pytest.raises(ArgumentError):
        spec.validate({"Schema": "public"})
