"""The scenes, in their order. Each calls the real server and checks what it tells."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

from mcp import Client

from pgwarden.demo.calls import error, result, shown, text
from pgwarden.demo.stage import Stage, check

TOP_CUSTOMERS = """
SELECT c.name, c.city, count(DISTINCT o.id) AS orders, sum(i.quantity * i.unit_price) AS spent
FROM shop.customers AS c
JOIN shop.orders AS o ON o.customer_id = c.id
JOIN shop.order_items AS i ON i.order_id = o.id
WHERE o.status <> 'returned'
GROUP BY c.id
ORDER BY spent DESC
LIMIT 5
"""
PAGED = "SELECT id, name, price FROM shop.products WHERE price > $1 ORDER BY id"
EXPLAINED = "SELECT * FROM shop.orders WHERE customer_id = 42"
COUNTS = "SELECT (SELECT count(*) FROM shop.orders) AS orders, (SELECT count(*) FROM shop.order_items) AS items"

ATTACKS = (
    ("a DROP", "DROP TABLE shop.orders"),
    ("a DELETE inside a WITH", "WITH gone AS (DELETE FROM shop.orders RETURNING *) SELECT count(*) FROM gone"),
    ("a second statement", "SELECT 1; DELETE FROM shop.orders"),
    ("a second statement behind a quote", "SELECT E'\\'; DELETE FROM shop.orders; --'; DELETE FROM shop.orders"),
    ("reading a file of the server", "SELECT pg_read_file('/etc/passwd')"),
    ("a call hidden by a comment", "SELECT lo_import/* just a note */('/etc/passwd') FROM shop.products"),
    ("a program on the server", "COPY shop.customers TO PROGRAM 'cat > /tmp/customers'"),
    ("ending other sessions", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"),
)


AUDITED = ("n", "tool", "tier", "consent", "outcome", "affected")


async def play(stage: Stage, client: Client, started: float) -> None:
    """Play every scene that needs the client.

    Args:
        stage: Where to narrate.
        client: Connected to the server.
        started: When the server was started, of time.perf_counter.

    Raises:
        DemoError: Something was not as narrated.
    """
    await tools(stage, client, started)
    await look_around(stage, client)
    await query(stage, client)
    await pages(stage, client)
    await plans(stage, client)
    await attacks(stage, client)


async def tools(stage: Stage, client: Client, started: float) -> None:
    """What the assistant sees first."""
    stage.scene("The server, over stdio, as your assistant starts it")
    listed = (await client.list_tools()).tools
    took = time.perf_counter() - started
    dumped = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed]
    size = len(json.dumps(dumped, separators=(",", ":")))
    names = [tool.name for tool in listed]
    check({"run_query", "list_tables", "describe_table", "explain_query", "find_join_path"} <= set(names), "the tools")
    check(all(tool.annotations and tool.annotations.read_only_hint for tool in listed), "every tool only reads")
    stage.say(f"{len(listed)} tools in {size / 1000:.1f} KB, listed {took:.1f} s after the start; each one only reads:")
    stage.say(", ".join(names))


async def look_around(stage: Stage, client: Client) -> None:
    """Finding out what is there, without reading a row."""
    stage.scene("What is in this database?")
    tables = await shown(stage, client, "list_tables", {"schema": "shop"}, 15)
    check(
        all(name in tables for name in ("customers", "order_items", "revenue_by_month", "wages")),
        "list_tables names them",
    )
    described = await shown(stage, client, "describe_table", {"tables": ["shop.orders"]}, 14)
    check("One row for each order" in described and "shop.customers" in described, "comments and keys are shown")
    path = await shown(stage, client, "find_join_path", {"from_table": "shop.payments", "to_table": "shop.categories"})
    check("order_items" in path and "JOIN" in path, "the way leads over order_items")


async def query(stage: Stage, client: Client) -> None:
    """An ordinary question."""
    stage.scene("Who are our best customers?")
    answer = await shown(stage, client, "run_query", {"sql": TOP_CUSTOMERS})
    check(re.search(r"\b5 rows\b", answer), "five rows came back")


async def pages(stage: Stage, client: Client) -> None:
    """A long result comes in pages, and says so."""
    stage.scene("A long result, page by page")
    first = await shown(stage, client, "run_query", {"sql": PAGED, "params": [10], "max_rows": 3})
    cursor = re.search(r"cursor=(\w[\w.-]*)", first)
    check(cursor, "a page that is not the last has a cursor")
    second = await shown(stage, client, "run_query", {"cursor": cursor[1] if cursor else "", "max_rows": 3})
    ids = [_first_column(page) for page in (first, second)]
    check(len(ids[0]) == len(ids[1]) == 3 and max(ids[0]) < min(ids[1]), "the second page goes on after the first")


async def plans(stage: Stage, client: Client) -> None:
    """Why is it slow?"""
    stage.scene("How would PostgreSQL run it?")
    plan = await shown(stage, client, "explain_query", {"sql": EXPLAINED, "analyze": True})
    check("orders_customer_id_idx" in plan, "the index is used")


async def attacks(stage: Stage, client: Client) -> None:
    """What must not happen."""
    stage.scene("And what it does not do, whoever asks")
    before = await result(client, "run_query", {"sql": COUNTS})
    for what, sql in ATTACKS:
        refused = await client.call_tool("run_query", {"sql": sql})
        found = error(refused)
        check(refused.is_error and found.get("code") and found.get("message"), f"{what} is refused")
        check("query_failed" not in str(found["code"]), f"{what} is refused before PostgreSQL sees it")
        stage.refused(what, found["code"], found["message"])
    check(text(await result(client, "run_query", {"sql": COUNTS})) == text(before), "nothing was changed")
    stage.say("Every row is still there. Had one come through, the role and the read-only transaction would have held.")


def audit_trail(stage: Stage, path: Path) -> None:
    """Every call left a line, and no line can be changed unnoticed.

    Raises:
        DemoError: A refused call has no line, or a changed one is not noticed.
    """
    stage.scene("Every call left a trace")
    lines = path.read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    refused = sum(record["outcome"] in ("denied", "failed") for record in records)
    check(refused == stage.refusals, "each refusal is on record")
    stage.say(
        f"{len(lines)} lines, {refused} of them of refused calls. A change leaves one before it runs and one after:"
    )
    for record in [record for record in records if record.get("consent") == "person"]:
        stage.show(json.dumps({name: record[name] for name in AUDITED if name in record}))
    stage.call("pgwarden audit verify")
    check(_verify(stage, path) == 0, "the log verifies")
    forged = path.with_name("forged.jsonl")
    forged.write_text("\n".join(lines).replace("DROP TABLE", "SELECT 1 --", 1) + "\n", encoding="utf-8")
    stage.say("A copy in which somebody has made the DROP look harmless:")
    check(_verify(stage, forged) == 1, "a changed line is noticed")


def _verify(stage: Stage, path: Path) -> int:
    argv = [sys.executable, "-m", "pgwarden", "audit", "verify", "--path", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 (our own program)
    stage.show((done.stdout or done.stderr).replace(str(path), path.name))
    return done.returncode


def _first_column(table: str) -> list[int]:
    return [int(found) for found in re.findall(r"^\|?\s*(\d+)\s*\|", table, re.MULTILINE)]
