"""execute_sql on real databases, with the verdicts of the real guard, and what validate_query says of changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from fix_db import Server
from pgwarden.errors import ArgumentError, QueryError, TooManyRowsError
from pgwarden.policy import Decision
from pgwarden.results import Ack, Report, Rows
from pgwarden.settings import LimitSettings
from pgwarden.tools import _written, query, write
from tool_calls import Caller, calling, column, run_sql

pytestmark = pytest.mark.anyio

TABLES = """
drop schema public cascade;
create schema public;
create table orders (id int primary key, total int not null default 0);
create table items (id int primary key, order_id int references orders on delete cascade);
create table secret (order_id int references orders);
insert into orders select g, g from generate_series(1, 10) g;
insert into items select g, (g + 1) / 2 from generate_series(1, 10) g;
analyze;
"""


@pytest.fixture(scope="module")
def module_url(any_server: Server) -> Iterator[str]:
    """A database for this file."""
    name = any_server.create_database()
    yield any_server.url(name)
    any_server.drop_database(name)


@pytest.fixture
def tables_url(module_url: str) -> str:
    """A database with a few rows, made anew."""
    run_sql(module_url, TABLES)
    return module_url


async def execute(caller: Caller, sql: str, **arguments: Any) -> Any:
    """Call execute_sql with the guard's verdict."""
    verdict = await caller.judged(sql)
    assert verdict.accepted, verdict.message
    return await caller.call(write.execute_sql, sql=sql, verdict=verdict, **arguments)


def value(url: str, sql: str) -> Any:
    """What another connection sees."""
    with psycopg.connect(url) as conn:
        row = conn.execute(sql.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("sql", "params", "tag", "check", "expected"),
    [
        ("INSERT INTO orders VALUES (11, 5), (12, 6)", None, "INSERT 0 2", "select count(*) from orders", 12),
        ("UPDATE orders SET total = $1 WHERE id <= $2", [70, 3], "UPDATE 3", "select sum(total) from orders", 259),
        ("DELETE FROM items WHERE id = 1", None, "DELETE 1", "select count(*) from items", 9),
        ("CREATE TABLE fresh (id int)", None, "CREATE TABLE", "select count(*) from fresh", 0),
        ("TRUNCATE items", None, "TRUNCATE TABLE", "select count(*) from items", 0),
    ],
)
async def test_a_change_is_made_and_told(
    tables_url: str, sql: str, params: list[Any] | None, tag: str, check: str, expected: int
) -> None:
    """The answer is the command's tag, and others see the change."""
    async with calling(tables_url) as caller:
        done = await execute(caller, sql, params=params)
    assert isinstance(done, Ack)
    assert done.text.splitlines()[0] == tag
    assert value(tables_url, check) == expected


async def test_returning_gives_rows(tables_url: str) -> None:
    """RETURNING answers with a table that names the command, and the number of rows that it changed."""
    async with calling(tables_url) as caller:
        rows = await execute(caller, "UPDATE orders SET total = 0 WHERE id < 4 RETURNING id", max_rows=2)
    assert isinstance(rows, Rows)
    assert (len(rows.rows), rows.affected, rows.notes[0]) == (2, 3, "UPDATE 3")
    assert value(tables_url, "select count(*) from orders where total = 0") == 3


async def test_reads_run_too(tables_url: str) -> None:
    """A query needs no other tool."""
    async with calling(tables_url) as caller:
        rows = await execute(caller, "SELECT max(id) AS top FROM orders WHERE id < $1", params=[8])
    assert column(rows, "top") == ["7"]


async def test_a_dry_run_tells_all_and_changes_nothing(tables_url: str) -> None:
    """Rows affected, and those that went by cascade, are real; afterwards all is as before."""
    async with calling(tables_url) as caller:
        done = await execute(caller, "DELETE FROM orders WHERE id <= 2", dry_run=True)
        rows = await execute(caller, "DELETE FROM orders WHERE id = 3 RETURNING id", dry_run=True)
    assert done.text.splitlines() == ["DELETE 2", _written.DRY_RUN_NOTE]
    assert done.said == ("rows changed in other tables: public.items (4 deleted)",)
    assert (done.affected, done.data["rolled_back"]) == (2, True)
    assert rows.notes[-1] == _written.DRY_RUN_NOTE
    assert value(tables_url, "select count(*) from orders") == 10


async def test_a_dry_run_shows_what_a_cascade_takes(tables_url: str) -> None:
    """The server's notices are part of the answer."""
    async with calling(tables_url) as caller:
        done = await execute(caller, "TRUNCATE orders CASCADE", dry_run=True)
    assert 'truncate cascades to table "items"' in " ".join(done.said)
    assert value(tables_url, "select count(*) from items") == 10


async def test_what_runs_outside_a_transaction_says_so_and_has_no_dry_run(tables_url: str) -> None:
    """A dry run of VACUUM is refused with the plan in its place."""
    async with calling(tables_url) as caller:
        with pytest.raises(ArgumentError) as caught:
            await execute(caller, "VACUUM orders", dry_run=True)
        done = await execute(caller, "VACUUM orders")
    assert caught.value.error_code == "no_dry_run"
    assert caught.value.details["plan"]["in_transaction"] is False
    assert done.text.splitlines() == ["VACUUM", write.COMMITTED_NOTE]


async def test_what_no_rollback_undoes_has_no_dry_run(tables_url: str) -> None:
    """A dry run needs no yes: what reaches out of the transaction must not run in one."""
    async with calling(tables_url) as caller:
        sql = "COPY orders TO PROGRAM 'true'"
        verdict = await caller.judged(sql, unsafe=frozenset({"COPY"}))
        assert verdict.change is not None
        with pytest.raises(ArgumentError, match="no dry run"):
            await caller.call(write.execute_sql, sql=sql, verdict=verdict, dry_run=True)


async def test_too_many_rows_are_rolled_back(tables_url: str) -> None:
    """The cap of the policy holds for what is really affected."""
    limits = LimitSettings.model_validate({"max_affected_rows": 4})
    async with calling(tables_url) as caller:
        with pytest.raises(TooManyRowsError):
            await execute(caller, "UPDATE orders SET total = 0 WHERE id < 9", limits=limits)
    assert value(tables_url, "select count(*) from orders where total = 0") == 0


async def test_errors_are_in_the_callers_terms(tables_url: str) -> None:
    """Positions are those of the caller's text, and a table that is missing has a near one."""
    sql = "UPDATE orders SET nope = 1 WHERE id = 1"
    async with calling(tables_url) as caller:
        with pytest.raises(QueryError, match="nope") as caught:
            await execute(caller, sql)
        with pytest.raises(QueryError) as missing:
            await execute(caller, "DELETE FROM order_s WHERE id = 1")
    assert sql[caught.value.details["position"] - 1 :].startswith("nope")
    assert missing.value.details["near"] == ["public.orders"]


async def test_hidden_names_stay_out_of_answers_and_errors(tables_url: str) -> None:
    """A foreign key, a notice, or a cascade into a hidden table names nothing."""
    run_sql(tables_url, "insert into secret values (1)")
    hidden = frozenset({("public", "secret"), ("public", "items")})
    async with calling(tables_url) as caller:
        with pytest.raises(QueryError, match="not shown") as caught:
            await execute(caller, "DELETE FROM orders WHERE id = 1", hidden=hidden)
        truncated = await execute(caller, "TRUNCATE orders CASCADE", hidden=hidden, dry_run=True)
        deleted = await execute(caller, "DELETE FROM orders WHERE id = 2", hidden=hidden)
    said = json.dumps([caught.value.as_dict(), truncated.data, deleted.data, truncated.said, deleted.said])
    assert "secret" not in said
    assert "items" not in said
    assert "the server said more, about what is not shown" in truncated.said
    assert "tables that are not shown (2)" in " ".join(deleted.said)


async def test_no_statement_is_an_error_of_the_arguments(module_url: str) -> None:
    """A call without sql says what is missing."""
    async with calling(module_url) as caller:
        with pytest.raises(ArgumentError, match="sql is empty"):
            await caller.call(write.execute_sql, sql="")


def test_the_declaration_is_small() -> None:
    """Every model reads it."""
    spec = write.execute_sql
    entry = {"name": spec.name, "description": spec.description, "inputSchema": spec.input_schema}
    assert len(json.dumps(entry)) <= 800


# The plan, with the guard's own verdicts.


@pytest.mark.parametrize(
    ("sql", "params", "said"),
    [
        ("DELETE FROM orders o WHERE o.id = ANY ($1)", [[1, 2]], "rows: 2 match"),
        ("DELETE FROM orders o WHERE o.id = ANY ($1)", [[1, 2]], "ON DELETE CASCADE: 4 rows deleted too"),
        ("UPDATE orders SET total = $1 WHERE id > $2", [1, 8], "rows: 2 match"),
        ("DELETE FROM items USING orders WHERE order_id = orders.id AND total > 4", None, "rows: 2 match"),
        ("DELETE FROM orders", None, "rows: 10 match"),
        ("INSERT INTO items (id) SELECT id + 100 FROM orders", None, "rows: about 10"),
        ("INSERT INTO orders VALUES (11), (12)", None, "rows: 2 inserted"),
        ("TRUNCATE items", None, "10 rows"),
        ("DROP TABLE orders", None, "PostgreSQL will refuse while 2 objects depend on it"),
        ("ALTER TABLE orders DROP CONSTRAINT orders_pkey CASCADE", None, "a dry run tells"),
        ("VACUUM orders", None, "cannot be rolled back"),
    ],
)
async def test_the_plan_of_a_statement(tables_url: str, sql: str, params: list[Any] | None, said: str) -> None:
    """What the guard says of a statement is what its plan is made of; nothing is changed by it."""
    async with calling(tables_url) as caller:
        verdict = await caller.judged(sql)
        assert verdict.accepted, verdict.message
        plan = await caller.plan(write.execute_sql, sql=sql, params=params, verdict=verdict)
    assert said in plan.text
    assert value(tables_url, "select count(*) from orders") == 10


# validate_query.


async def validated(url: str, sql: str, **context: Any) -> Report:
    """What validate_query says."""
    async with calling(url) as caller:
        verdict = await caller.judged(sql)
        return await caller.report(query.validate_query, sql=sql, verdict=verdict, **context)


async def test_a_change_is_validated_with_tier_and_estimate(tables_url: str) -> None:
    """Tier, command, targets and the planner's rows; nothing runs."""
    report = await validated(
        tables_url, "DELETE FROM orders WHERE id < 6", decision=Decision(True, "sql_profile admin")
    )
    assert report.data["allowed"] is True
    assert (report.data["tier"], report.data["command"], report.data["class"]) == ("confirm", "DELETE", "rows")
    assert report.data["targets"] == ["table public.orders"]
    assert report.data["estimated_rows"] == 5
    assert report.text.startswith(
        "Allowed by sql_profile admin: DELETE needs a person's yes (tier confirm, confirm=true)."
    )


async def test_a_typed_change_says_what_to_type(tables_url: str) -> None:
    """The name to type, and why."""
    report = await validated(tables_url, "DROP TABLE items")
    assert report.data["confirm_name"] == "public.items"
    assert "(tier typed, confirm_name=public.items)" in report.text


async def test_what_the_policy_refuses_is_not_allowed(tables_url: str) -> None:
    """The guard's yes is not enough; the rule that decided is named, and nothing is planned."""
    decision = Decision(False, "sql_profile analyst has no DELETE")
    report = await validated(tables_url, "DELETE FROM orders WHERE id < 6", decision=decision)
    assert (report.data["allowed"], report.data["code"]) == (False, "not_allowed")
    assert "sql_profile analyst has no DELETE" in report.text
    assert "estimated_rows" not in report.data
