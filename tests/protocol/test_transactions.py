"""Interactive transactions as a client meets them: inside and outside, consent, endings, the audit."""

from __future__ import annotations

import asyncio
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
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult

from fix_server import Era, Opener
from pgwarden.audit import verify
from raw_server import RawServer, error_of, launched, text_of

pytestmark = pytest.mark.anyio

SETUP = """
CREATE TABLE item (id int PRIMARY KEY, name text, email text);
INSERT INTO item SELECT n, 'item ' || n, n || '@example.org' FROM generate_series(1, 250) n;
CREATE SCHEMA secret;
CREATE TABLE secret.plan (id int);
CREATE TABLE ledger (id int);
"""
RULES = """version: 1
schemas: {deny: [secret]}
tables: [{match: public.ledger, allow: [SELECT]}, {match: "public.kept_*", allow: [SELECT, CREATE]}]
masks: [{column: "*.*.email", mask: redact}]
functions: {allow: ['pg_sleep(double precision)']}
"""
DEVELOPER = {"PGWARDEN_PROFILE": "admin", "PGWARDEN_CONSENT": "argument"}


@pytest.fixture
def era() -> Era:
    """One era, but for the tests that name both: what runs inside does not depend on it."""
    return "auto"


BOTH = pytest.mark.parametrize("era", ["legacy", "auto"])


@pytest.fixture
def shop(database_url: str) -> str:
    """A database."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(SETUP.encode())
    return database_url


@pytest.fixture
def any_shop(any_database_url: str) -> str:
    """The same on either server."""
    with psycopg.connect(any_database_url, autocommit=True) as conn:
        conn.execute(SETUP.encode())
    return any_database_url


@pytest.fixture
def rules(tmp_path: Path) -> str:
    """A policy file with rules, masks and something hidden."""
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return str(path)


def audit(tmp_path: Path) -> list[dict[str, Any]]:
    """The audit's lines, checked."""
    path = tmp_path / "home" / "audit.jsonl"
    assert verify(path).problem is None
    return [json.loads(line) for line in path.read_text().splitlines()]


def outside(url: str, query: str = "SELECT count(*) FROM item") -> Any:
    """One value, as another session sees it."""
    with psycopg.connect(url, autocommit=True) as conn:
        row = conn.execute(query.encode()).fetchone()
    return row[0] if row else None


STANDING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND xact_start IS NOT NULL"
)


class Hand:
    """Calls tools, says yes where it is asked to, and reads answers."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.id = ""

    async def call(self, tool: str, **arguments: Any) -> str:
        """The text of an answer, with its fence taken off; an error is one of the test's."""
        result = await self.client.call_tool(tool, arguments)
        assert isinstance(result, CallToolResult)
        text = "\n".join(block.text for block in result.content if block.type == "text")
        assert not result.is_error, text
        return re.sub(r"</?data-\w+>\n?", "", text)

    async def refused(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The error of a call."""
        result = await self.client.call_tool(tool, arguments)
        assert isinstance(result, CallToolResult)
        text = "\n".join(block.text for block in result.content if block.type == "text")
        assert result.is_error, text
        error: dict[str, Any] = json.loads(text)["error"]
        return error

    async def begin(self, **arguments: Any) -> str:
        """Begin a transaction, that `do` and `see` run in."""
        found = re.search(r"transaction_id=(\w+)", await self.call("begin_transaction", **arguments))
        assert found is not None
        self.id = found[1]
        return self.id

    async def do(self, sql: str, **arguments: Any) -> str:
        """Change something inside, with the yes that the refusal asks for."""
        given = {"sql": sql, "transaction_id": self.id, **arguments}
        first = await self.refused("execute_sql", **given)
        assert "send" in first.get("details", {}), first
        return await self.call("execute_sql", **given, **first["details"]["send"])

    async def see(self, sql: str, **arguments: Any) -> str:
        """Read inside."""
        return await self.call("run_query", sql=sql, transaction_id=self.id, **arguments)


@asynccontextmanager
async def hand(opened: Opener, url: str, **variables: str) -> AsyncIterator[Hand]:
    """Open a client."""
    async with opened(url, **(DEVELOPER | variables)) as client:
        yield Hand(client)


@BOTH
async def test_from_begin_to_commit(over_stdio: Opener, shop: str, tmp_path: Path) -> None:
    """Changes are seen inside alone; the commit's plan says what ran; each line of the audit has the id."""
    async with hand(over_stdio, shop) as it:
        await it.begin()
        assert "INSERT 0 1" in await it.do("INSERT INTO item VALUES (251, 'mine')")
        await it.call("savepoint", transaction_id=it.id, name="before the end")
        await it.do("DELETE FROM item WHERE id < 100")
        assert "1 statement undone" in await it.call(
            "rollback_to_savepoint", transaction_id=it.id, name="before the end"
        )
        assert "mine" in await it.see("SELECT name FROM item WHERE id = 251")
        assert "mine" not in await it.call("run_query", sql="SELECT name FROM item WHERE id = 251")
        status = await it.call("get_transaction_status")
        assert it.id in status
        assert "public.item: 1 inserted" in status
        assert "RowExclusiveLock" in status
        refusal = await it.refused("commit_transaction", transaction_id=it.id)
        plan = refusal["details"]["plan"]
        assert refusal["code"] == "confirmation_required"
        assert plan["rows_changed"] == {"public.item": {"inserted": 1}}
        assert plan["statements"] == [{"sql": "INSERT INTO item VALUES (251, 'mine')", "result": "INSERT 0 1"}]
        assert any("public.item RowExclusiveLock" in lock for lock in plan["locks"])
        assert "Committed: 1 statement, 1 rows" in await it.call(
            "commit_transaction", transaction_id=it.id, confirm=True
        )
        assert outside(shop) == 251
        assert (await it.refused("run_query", sql="SELECT 1", transaction_id=it.id))["code"] == "transaction_gone"
        assert "committed" in await it.call("get_transaction_status", transaction_id=it.id)
        assert (await it.refused("run_query", sql="SELECT 1", transaction_id="nil"))["code"] == "transaction_not_found"
    lines = [line for line in audit(tmp_path) if line.get("transaction") == it.id]
    said = [(line["tool"], line["outcome"]) for line in lines]
    assert said[0] == ("begin_transaction", "allowed")
    assert ("execute_sql", "started") in said
    assert said.count(("commit_transaction", "started")) == 1
    assert said.count(("commit_transaction", "allowed")) == 1


async def test_what_is_left_is_rolled_back(over_stdio: Opener, shop: str, tmp_path: Path) -> None:
    """The client leaves: nothing stays, and the audit says why."""
    async with hand(over_stdio, shop) as it:
        await it.begin()
        await it.do("DELETE FROM item WHERE id < 100")
    for _ in range(60):
        if outside(shop, STANDING):
            await asyncio.sleep(0.05)
    assert outside(shop) == 250
    last = audit(tmp_path)[-1]
    assert (last["tool"], last["outcome"], last["transaction"]) == ("rollback_transaction", "automatic", it.id)
    assert "client had gone" in last["note"]


@pytest.mark.parametrize(
    ("ending", "busy"), [("EOF", True), ("SIGTERM", False), ("SIGINT", True), ("SIGKILL", False), ("SIGKILL", True)]
)
async def test_locks_go_with_the_server(
    ending: str,
    busy: bool,
    shop: str,
    rules: str,
    server_environment: Callable[..., dict[str, str]],
    server_log: Path,
) -> None:
    """However the server ends, also in the middle of a statement, its backend is out of the transaction in seconds."""
    environment = server_environment(shop, PGWARDEN_GOVERNANCE=rules, **DEVELOPER)
    async with launched(environment, server_log) as server:
        await server.initialize()
        begun = await server.call("begin_transaction")
        found = re.search(r"transaction_id=(\w+)", text_of(begun))
        assert found is not None
        change = {"sql": "UPDATE item SET name = 'locked' WHERE id = 1", "confirm": True, "transaction_id": found[1]}
        assert "UPDATE 1" in text_of(await server.call("execute_sql", change))
        if busy:
            await server.begin_call("run_query", {"sql": "SELECT pg_sleep(30)", "transaction_id": found[1]})
            await asyncio.sleep(0.4)
        server.end(ending)
        await server.exit_status()
        started = time.monotonic()
        outside(shop, "UPDATE item SET name = 'free' WHERE id = 1 RETURNING 1")
        assert time.monotonic() - started < 4
        assert outside(shop, STANDING) == 0


@BOTH
async def test_idling(over_stdio: Opener, shop: str, tmp_path: Path) -> None:
    """A second of silence ends it; the next call says so, and the audit has the line."""
    async with hand(over_stdio, shop, PGWARDEN_TRANSACTION_IDLE="1", PGWARDEN_MAX_TRANSACTIONS="1") as it:
        first = await it.begin()
        assert (await it.refused("begin_transaction"))["code"] == "too_many_transactions"
        await asyncio.sleep(1.3)
        gone = await it.refused("run_query", sql="SELECT 1", transaction_id=first)
        assert gone["code"] == "transaction_gone"
        assert "nothing ran in it for 1 s" in gone["message"]
        assert await it.begin() != first
    assert any(line["outcome"] == "automatic" and "1 s" in line["note"] for line in audit(tmp_path))


async def test_rules_masks_and_hidden_things_hold_inside(in_memory: Opener, any_shop: str, rules: str) -> None:
    """For what was there, and for what the transaction itself makes."""
    async with hand(in_memory, any_shop, PGWARDEN_GOVERNANCE=rules) as it:
        await it.begin()
        assert "@example.org" not in await it.see("SELECT * FROM item WHERE id = 1")
        peek = "CREATE VIEW peek AS SELECT id, email AS other FROM item"
        assert "mask" in (await it.refused("execute_sql", sql=peek, transaction_id=it.id))["code"]
        await it.do("CREATE TABLE copied AS SELECT * FROM item")
        assert "@example.org" not in await it.see("SELECT * FROM copied")
        await it.do("CREATE TABLE kept_mine (id int)")
        refused = await it.refused("execute_sql", sql="INSERT INTO kept_mine VALUES (1)", transaction_id=it.id)
        assert refused["code"] == "not_allowed"
        refused = await it.refused("execute_sql", sql="INSERT INTO ledger VALUES (1)", transaction_id=it.id)
        assert refused["code"] == "not_allowed"
        hidden = await it.refused("run_query", sql="SELECT * FROM secret.plan", transaction_id=it.id)
        missing = await it.refused("run_query", sql="SELECT * FROM secret.none", transaction_id=it.id)
        assert hidden["code"] == missing["code"] == "undefined_table"
        assert hidden["message"].replace("plan", "none") == missing["message"]
        await it.do("CREATE TABLE fresh (id int, email text)")
        await it.do("INSERT INTO fresh VALUES (1, 'a@example.org')")
        assert "@example.org" not in await it.see("SELECT * FROM fresh")
        guessed = await it.refused("run_query", sql="SELECT 1 FROM fresh WHERE email LIKE 'a%'", transaction_id=it.id)
        assert guessed["code"] == "mask_violation"
        await it.do("CREATE TEMP TABLE passing AS SELECT * FROM item")
        assert "@example.org" not in await it.see("SELECT * FROM passing")
        assert "@example.org" not in await it.see("SELECT * FROM pg_temp.passing")
        assert (await it.refused("run_query", sql="SELECT * FROM fresh"))["code"] == "undefined_table"
        status = await it.call("get_transaction_status", transaction_id=it.id)
        assert "public.fresh: 1 inserted" in status
        await it.call("rollback_transaction", transaction_id=it.id)
        assert (await it.refused("run_query", sql="SELECT * FROM fresh"))["code"] == "undefined_table"


async def test_a_trigger_leads_no_name_to_what_is_hidden(in_memory: Opener, any_shop: str, rules: str) -> None:
    """What it sets for the session would let a later statement read by another name what the policy hides."""
    with psycopg.connect(any_shop, autocommit=True) as conn:
        conn.execute("""CREATE FUNCTION leads() RETURNS trigger LANGUAGE plpgsql
            AS $$BEGIN PERFORM set_config('search_path', 'secret', false); RETURN NEW; END$$""")
        conn.execute("CREATE TRIGGER leads AFTER UPDATE ON item FOR EACH ROW EXECUTE FUNCTION leads()")
    async with hand(in_memory, any_shop, PGWARDEN_GOVERNANCE=rules) as it:
        await it.begin()
        await it.do("UPDATE item SET name = 'x' WHERE id = 1")
        hidden = await it.refused("run_query", sql="SELECT * FROM plan", transaction_id=it.id)
        assert hidden["code"] == "undefined_table"
        assert "x" in await it.see("SELECT name FROM item WHERE id = 1")


async def test_row_tools_explain_and_pages_run_inside(in_memory: Opener, shop: str) -> None:
    """They see what the transaction changed, and a cursor goes on in it, or says that it is gone."""
    async with hand(in_memory, shop) as it:
        await it.begin()
        new = {"table": "public.item", "rows": [{"id": 1000, "name": "new"}], "transaction_id": it.id}
        send = (await it.refused("insert_rows", **new))["details"]["send"]
        await it.call("insert_rows", **new, **send)
        found = await it.call("read_rows", table="public.item", filter={"id": 1000}, transaction_id=it.id)
        assert "new" in found
        assert "new" not in await it.call("read_rows", table="public.item", filter={"id": 1000})
        assert "Scan" in await it.call("explain_query", sql="SELECT * FROM item", transaction_id=it.id)
        page = await it.see("SELECT id FROM item ORDER BY id DESC", max_rows=2)
        assert page.startswith("id\n-\n1000\n250")
        cursor = re.search(r"cursor=(\w+)", page)
        assert cursor is not None
        assert "249\n248" in await it.call("run_query", cursor=cursor[1], max_rows=2)
        await it.call("rollback_transaction", transaction_id=it.id)
        assert (await it.refused("run_query", cursor=cursor[1], max_rows=2))["code"] == "transaction_gone"
        assert outside(shop) == 250


async def test_plans_are_made_inside(in_memory: Opener, shop: str) -> None:
    """The plan of a statement counts what the transaction sees, and keeps no lock."""
    async with hand(in_memory, shop) as it:
        await it.begin()
        await it.do("CREATE TABLE made AS SELECT generate_series(1, 7) AS id")
        refusal = await it.refused("execute_sql", sql="DELETE FROM made WHERE id > 2", transaction_id=it.id)
        assert refusal["details"]["plan"]["rows"]["matching"] == 5
        await it.refused("execute_sql", sql="DROP TABLE item", transaction_id=it.id)
        with psycopg.connect(shop, autocommit=True, options="-c lock_timeout=500") as conn:
            conn.execute("ALTER TABLE item ADD COLUMN more int")
        dry = await it.call("execute_sql", sql="DELETE FROM made WHERE id > 2", dry_run=True, transaction_id=it.id)
        assert "DELETE 5" in dry
        assert "7" in await it.see("SELECT count(*) FROM made")


async def test_what_cannot_run_inside(in_memory: Opener, shop: str) -> None:
    """Refused before anybody is asked, and nothing else is lost; changes in what is read only are, too."""
    async with hand(in_memory, shop) as it:
        await it.begin()
        for sql in ("VACUUM item", "CREATE INDEX CONCURRENTLY i ON item (name)", "COMMIT", "SAVEPOINT x", "BEGIN"):
            refused = await it.refused("execute_sql", sql=sql, transaction_id=it.id)
            assert refused["code"] != "confirmation_required"
        refused = await it.refused("execute_sql", sql="VACUUM item", confirm=True, transaction_id=it.id)
        assert refused["code"] == "not_in_transaction"
        await it.begin(read_only=True, isolation="repeatable read")
        refused = await it.refused("execute_sql", sql="DELETE FROM item WHERE id = 1", transaction_id=it.id)
        assert refused["code"] == "transaction_read_only"
        assert (await it.refused("begin_transaction", deferrable=True))["code"] == "invalid_arguments"


async def test_settings_last_as_long_as_the_transaction(in_memory: Opener, shop: str) -> None:
    """SET holds inside, and nowhere else."""
    async with hand(in_memory, shop) as it:
        await it.begin()
        await it.do("SET work_mem = '7MB'")
        assert "7MB" in await it.see("SHOW work_mem")
        assert "7MB" not in await it.call("run_query", sql="SHOW work_mem")
        await it.call("commit_transaction", transaction_id=it.id, confirm=True)
        for _ in range(3):
            assert "7MB" not in await it.call("run_query", sql="SHOW work_mem")


async def test_two_servers_in_each_others_way(in_memory: Opener, over_stdio: Opener, shop: str) -> None:
    """A deadlock, and a serialization failure: one of the two is told to roll back and begin again, and can."""
    async with hand(over_stdio, shop) as a, hand(over_stdio, shop) as b:
        await a.begin()
        await b.begin()
        await a.do("UPDATE item SET name = 'a' WHERE id = 1")
        await b.do("UPDATE item SET name = 'b' WHERE id = 2")

        async def cross(it: Hand, key: int) -> str:
            sql = f"UPDATE item SET name = 'x' WHERE id = {key}"
            result = await it.client.call_tool("execute_sql", {"sql": sql, "confirm": True, "transaction_id": it.id})
            assert isinstance(result, CallToolResult)
            return "\n".join(block.text for block in result.content if block.type == "text")

        answers = await asyncio.gather(cross(a, 2), cross(b, 1))
        [loser] = [(it, text) for it, text in zip((a, b), answers, strict=True) if "deadlock_detected" in text]
        assert "was rolled back" in loser[1]
        assert sum("UPDATE 1" in text for text in answers) == 1
        again = await loser[0].refused("run_query", sql="SELECT 1", transaction_id=loser[0].id)
        assert again["code"] == "transaction_gone"
        assert "already" in await loser[0].call("rollback_transaction", transaction_id=loser[0].id)
        winner = b if loser[0] is a else a
        await winner.call("commit_transaction", transaction_id=winner.id, confirm=True)
        for it in (a, b):
            await it.begin(isolation="serializable")
            await it.see("SELECT count(*) FROM item")
        for number, it in enumerate((a, b)):
            await it.do(f"INSERT INTO item VALUES ({2000 + number})")
        await a.call("commit_transaction", transaction_id=a.id, confirm=True)
        refused = await b.refused("commit_transaction", transaction_id=b.id, confirm=True)
        assert refused["code"] == "serialization_failure"
        assert "was rolled back" in refused["message"]
        assert outside(shop) == 251


class Person:
    """Answers yes, and may do something first."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.first: Callable[[], Any] | None = None

    async def __call__(self, context: Any, params: ElicitRequestParams) -> ElicitResult:
        self.asked.append(params.message)
        if self.first is not None:
            await self.first()
        return ElicitResult(action="accept", content={"confirm": True})


@BOTH
async def test_a_yes_is_about_what_ran(in_memory: Opener, shop: str, era: Era) -> None:
    """The person is shown what ran; where more runs before their answer is back, it was not about that."""
    person = Person()
    async with in_memory(shop, person=person, PGWARDEN_PROFILE="developer") as client:
        it = Hand(client)
        await it.begin()
        change = {"sql": "UPDATE item SET name = 'x' WHERE id = 1", "transaction_id": it.id}
        await it.call("execute_sql", **change)

        async def more() -> None:
            person.first = None
            await it.call("execute_sql", **change)

        person.first = more
        refused = await it.refused("commit_transaction", transaction_id=it.id)
        assert refused["code"] == "confirmation_expired"
        await it.call("commit_transaction", transaction_id=it.id)
        assert "> 1. UPDATE item SET name = 'x' WHERE id = 1 -> UPDATE 1" in person.asked[-1]
        assert "> 2. UPDATE" in person.asked[-1]


async def test_an_argument_is_about_what_was_shown(in_memory: Opener, shop: str) -> None:
    """Where the argument counts, a plan that was shown must still be true."""
    async with hand(in_memory, shop) as it:
        await it.begin()
        await it.do("DELETE FROM item WHERE id = 1")
        await it.refused("commit_transaction", transaction_id=it.id)
        await it.do("DELETE FROM item WHERE id = 2")
        refused = await it.refused("commit_transaction", transaction_id=it.id, confirm=True)
        assert refused["code"] == "confirmation_expired"
        await it.refused("commit_transaction", transaction_id=it.id)
        await it.call("commit_transaction", transaction_id=it.id, confirm=True)
        assert outside(shop) == 248


async def test_a_cancelled_call_is_undone_alone(
    shop: str, rules: str, server_environment: Callable[..., dict[str, str]], server_log: Path, tmp_path: Path
) -> None:
    """notifications/cancelled ends the statement, and the transaction goes on; a second call meanwhile is told."""
    async with launched(server_environment(shop, PGWARDEN_GOVERNANCE=rules, **DEVELOPER), server_log) as server:
        await server.initialize()
        found = re.search(r"transaction_id=(\w+)", text_of(await server.call("begin_transaction")))
        assert found is not None
        inside = {"transaction_id": found[1]}
        change = {"sql": "UPDATE item SET name = 'kept' WHERE id = 1", "confirm": True, **inside}
        await server.call("execute_sql", change)
        slow = {"sql": "UPDATE item SET name = pg_sleep(20)::text WHERE id = 2", "confirm": True, **inside}
        call = await server.begin_call("execute_sql", slow)
        await asyncio.sleep(0.5)
        busy = error_of(await server.call("run_query", {"sql": "SELECT 1", **inside}))
        assert (busy["code"], busy["retryable"]) == ("transaction_busy", True)
        assert "a statement runs" in text_of(await server.call("get_transaction_status"))
        await server.notify("notifications/cancelled", {"requestId": call})
        await _until_free(server, inside)
        assert "kept" in text_of(
            await server.call("run_query", {"sql": "SELECT name FROM item WHERE id = 1", **inside})
        )
        outside(shop, "UPDATE item SET name = 'free' WHERE id = 2 RETURNING 1")
        await server.call("commit_transaction", {**inside, "confirm": True})
    assert outside(shop, "SELECT name FROM item WHERE id = 1") == "kept"
    [line] = [line for line in audit(tmp_path) if line["outcome"] == "cancelled"]
    assert (line["note"], line["transaction"]) == ("Nothing was changed.", found[1])


async def _until_free(server: RawServer, inside: dict[str, Any]) -> None:
    for _ in range(60):
        if not (await server.call("run_query", {"sql": "SELECT 1", **inside})).get("isError"):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the transaction stayed busy")


@pytest.mark.parametrize("profile", ["read_only", "operator"])
async def test_without_the_grant_there_is_nothing_of_it(in_memory: Opener, shop: str, profile: str) -> None:
    """No tool, no argument, no word of it in the list."""
    async with in_memory(shop, PGWARDEN_PROFILE=profile, PGWARDEN_TOOLSETS="all") as client:
        assert "transaction_id" not in str([tool.input_schema for tool in (await client.list_tools()).tools])
        it = Hand(client)
        assert (await it.refused("begin_transaction"))["code"] == "unknown_tool"
        if profile == "read_only":
            refused = await it.refused("run_query", sql="SELECT 1", transaction_id="x")
            assert refused["code"] == "invalid_arguments"


async def test_definitions_are_announced_when_they_are_made(in_memory: Opener, shop: str) -> None:
    """What a transaction defines is seen by others from its commit on."""
    async with hand(in_memory, shop) as it:
        await it.begin()
        await it.do("CREATE TABLE made (id int)")
        assert "made" not in await it.call("list_tables")
        await it.call("commit_transaction", transaction_id=it.id, confirm=True)
        assert "made" in await it.call("list_tables")
