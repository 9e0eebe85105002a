"""run_transaction through the whole path of a call, against what then is in the database."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import psycopg
import pytest

from fix_rows import Caller, Opener

pytestmark = pytest.mark.anyio

Step = dict[str, Any]


def insert(table: str, *rows: dict[str, Any], name: str = "", **arguments: Any) -> Step:
    """A step that inserts rows."""
    return {"tool": "insert_rows", "arguments": {"table": table, "rows": [*rows], **arguments}} | _named(name)


def update(table: str, filter: dict[str, Any], values: dict[str, Any], **more: Any) -> Step:
    """A step that updates rows."""
    arguments = {"table": table, "filter": filter, "values": values, **more}
    expected = {"expect_rows": arguments.pop("expect_rows")} if "expect_rows" in arguments else {}
    return {"tool": "update_rows", "arguments": arguments} | expected


def _named(name: str) -> Step:
    return {"as": name} if name else {}


async def run(caller: Caller, *steps: Step, **arguments: Any) -> dict[str, Any]:
    """What a transaction reports."""
    text = await caller.text("run_transaction", steps=[*steps], confirm=True, format="json", **arguments)
    found: dict[str, Any] = json.loads(text)
    return found


async def refused(caller: Caller, *steps: Step, **arguments: Any) -> dict[str, Any]:
    """The error of a transaction that was agreed to, of which nothing may be left."""
    before = caller.tell("SELECT count(*) FROM customers"), caller.tell("SELECT sum(total) FROM orders")
    error = await caller.error("run_transaction", steps=[*steps], **{"confirm": True, **arguments})
    assert before == (caller.tell("SELECT count(*) FROM customers"), caller.tell("SELECT sum(total) FROM orders"))
    return error


async def test_steps_refer_to_earlier_ones(shop: Opener) -> None:
    """A reference is the value that an earlier step returned, of any row, by name or number."""
    async with shop() as caller:
        done = await run(
            caller,
            insert("customers", {"email": "new@x"}, {"email": "other@x"}, name="people"),
            insert("orders", {"customer_id": {"$ref": "people[1].id"}, "total": "12.5"}, columns=["id", "total"]),
            update("orders", {"id": {"$ref": "1.id"}}, {"note": {"$ref": "1.total"}, "total": {"$ref": "1.total"}}),
            {"tool": "read_rows", "arguments": {"table": "orders", "key": {"id": {"$ref": "1.id"}}}},
        )
        assert [each["command"] for each in done["steps"]] == ["INSERT 0 2", "INSERT 0 1", "UPDATE 1", "SELECT 1"]
        assert done["affected"] == 4
        row = caller.tell("SELECT (customer_id, total, note) FROM orders ORDER BY id DESC")
        assert row == (str(caller.tell("SELECT id FROM customers WHERE email = 'other@x'")), "12.50", "12.50")
        assert "12.50" in done["steps"][3]["rows"][0]


async def test_all_or_nothing(shop: Opener) -> None:
    """A step that fails takes the others with it; the error says which, and explains the constraint."""
    async with shop() as caller:
        error = await refused(
            caller,
            insert("customers", {"email": "new@x"}),
            insert("customers", {"email": "ann@x"}),
        )
        assert (error["code"], error["details"]["step"]) == ("unique_violation", 1)
        assert "customers_email_key" in error["hint"]
        error = await refused(
            caller,
            insert("customers", {"email": "new@x"}, name="one"),
            update("orders", {"id": 77}, {"total": 1}, expect_rows=1),
        )
        assert (error["code"], error["details"]["rows"]) == ("unexpected_rows", 0)
        error = await refused(
            caller,
            insert("customers", {"email": "new@x"}),
            {**update("orders", {"id": 77}, {"total": 1}), "as": "none"},
            insert("orders", {"customer_id": {"$ref": "none.customer_id"}}),
        )
        assert (error["code"], error["details"]["step"]) == ("reference_unresolved", 2)


WRONG: list[tuple[list[Step], str, str]] = [
    ([{"tool": "insert_row", "arguments": {}}], "invalid_arguments", "Did you mean insert_rows?"),
    ([{"tool": "execute_sql", "arguments": {"sql": "DROP TABLE orders"}}], "invalid_arguments", "Steps are"),
    ([{"tool": "insert_rows"}], "invalid_arguments", "arguments"),
    ([{"tool": "insert_rows", "argument": {}}], "invalid_arguments", "Did you mean arguments?"),
    ([insert("customers", {"email": "x@x"}, confirm=True)], "invalid_arguments", "As a step it takes"),
    ([insert("customers", {"emial": "x@x"})], "unknown_column", "Did you mean email?"),
    ([insert("customers", {"email": "x"}, name="a b")], "invalid_arguments", "Letters"),
    ([insert("orders", {"customer_id": {"$ref": "later.id"}})], "invalid_reference", "Earlier steps: none."),
    ([insert("orders", {"customer_id": {"$ref": "0.id"}})], "invalid_reference", "Earlier steps: none."),
    ([insert("orders", {"customer_id": {"$ref": 1}})], "invalid_reference", "step.column"),
    (
        [insert("customers", {"email": "x@x"}, name="c"), insert("orders", {"customer_id": {"$ref": "c.idd"}})],
        "invalid_reference",
        "Did you mean id?",
    ),
    (
        [insert("customers", {"email": "x@x"}, name="c"), insert("orders", {"customer_id": {"$ref": "c.email"}})],
        "invalid_value",
        "same type",
    ),
    (
        [
            insert("customers", {"email": "x@x"}, name="c"),
            update("customers", {"email": {">=": {"$ref": "c.email"}}}, {"vip": True}),
        ],
        "invalid_filter",
        "These do",
    ),
    ([update("orders", {"info": {"contains": {}}}, {"total": 1})], "condition_missing", "Compare"),
    ([update("orders", {"id": {"between": [1, 2]}}, {})], "invalid_arguments", "values"),
]


async def test_wrong_steps(shop: Opener) -> None:
    """What a step gets wrong is said before anything runs or anybody is asked, with the step's number."""
    async with shop() as caller:
        for steps, code, hint in WRONG:
            good = insert("customers", {"email": "never@x"})
            error = await refused(caller, *steps, good, confirm=False)
            assert error["code"] == code, (steps, error)
            assert hint in f"{error['message']} {error.get('hint')}", (steps, error)
            assert error["details"]["step"] == len(steps) - 1, error
        for given in ([], [insert("customers", {"email": f"{n}@x"}) for n in range(51)]):
            assert (await refused(caller, *given))["code"] == "invalid_arguments"


async def test_the_strictest_step_decides(shop: Opener) -> None:
    """One step that deletes makes the whole typed: by the names of the tables that it deletes from."""
    async with shop() as caller:
        steps = [
            insert("customers", {"email": "new@x"}),
            {"tool": "delete_rows", "arguments": {"table": "orders", "filter": {"id": {"<": 4}}}},
        ]
        error = await refused(caller, *steps)
        assert error["code"] == "confirmation_required"
        plan = error["details"]["plan"]
        assert [each["command"] for each in plan["steps"]] == ["INSERT", "DELETE"]
        assert plan["steps"][1]["rows"]["matching"] == 3
        assert (await refused(caller, *steps, confirm_name="orders"))["code"] == "confirm_name_mismatch"
        await caller.text("run_transaction", steps=steps, confirm_name="public.orders")
        assert caller.tell("SELECT count(*) FROM orders") == 7


async def test_a_dry_run_changes_nothing(shop: Opener) -> None:
    """A dry run needs no yes, reports what would be done, and leaves nothing."""
    async with shop() as caller:
        text = await caller.text("run_transaction", steps=[insert("customers", {"email": "new@x"})], dry_run=True)
        assert "INSERT 0 1" in text
        assert "rolled back" in text
        assert caller.tell("SELECT count(*) FROM customers") == 3


async def test_deferred_constraints(shop: Opener) -> None:
    """Rows that refer to each other can be inserted; what still fails at the end is undone."""
    async with shop() as caller:
        with psycopg.connect(caller.url, autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE a (id int PRIMARY KEY, b int NOT NULL);"
                "CREATE TABLE b (id int PRIMARY KEY, a int NOT NULL REFERENCES a DEFERRABLE);"
                "ALTER TABLE a ADD CONSTRAINT a_to_b FOREIGN KEY (b) REFERENCES b DEFERRABLE INITIALLY DEFERRED"
            )
        await run(caller, insert("b", {"id": 1, "a": 1}), insert("a", {"id": 1, "b": 1}))
        assert caller.tell("SELECT count(*) FROM a JOIN b ON b.a = a.id AND a.b = b.id") == 1
        error = await refused(caller, insert("a", {"id": 2, "b": 9}), insert("customers", {"email": "new@x"}))
        assert error["code"] == "foreign_key_violation"
        assert caller.tell("SELECT count(*) FROM a") == 1


async def test_versions(shop: Opener) -> None:
    """A step whose row has another version by now undoes all, and the error shows the row as it is."""
    async with shop() as caller:
        version = caller.tell("SELECT xmin FROM orders WHERE id = 1")
        step = update("orders", {"id": 1}, {"note": "new"}, expected_version=str(version))
        await run(caller, step)
        error = await refused(caller, insert("customers", {"email": "new@x"}), step)
        assert (error["code"], error["details"]["step"]) == ("version_conflict", 1)
        assert error["details"]["current"][0]["note"] == "new"


async def test_limits_hold_over_all_steps(shop: Opener) -> None:
    """The cap on affected rows is one for the whole."""
    async with shop(MAX_AFFECTED_ROWS="5") as caller:
        steps = [update("orders", {"id": {"<": 4}}, {"note": "x"}), update("orders", {"id": {">": 7}}, {"note": "x"})]
        assert (await refused(caller, *steps))["code"] == "too_many_rows"
        await run(caller, steps[0])


MASKED = """
version: 1
masks:
  - column: public.customers.email
    mask: redact
tables:
  - match: public.lines
    allow: [SELECT]
"""


async def test_governance_holds_in_steps(shop: Opener) -> None:
    """Masks, table rules and denied tools are those of calls; nothing can be made of what is masked."""
    async with shop(MASKED + "tools: {deny: [delete_rows]}\n") as caller:
        person = insert("customers", {"email": "secret@x"}, name="c")
        done = await run(caller, person, insert("orders", {"customer_id": {"$ref": "c.id"}}))
        assert "secret@x" not in json.dumps(done)
        error = await refused(caller, person, insert("orders", {"customer_id": 1, "note": {"$ref": "c.email"}}))
        assert error["code"] == "invalid_reference"
        error = await refused(caller, insert("lines", {"order id": 1, "nr;--": 1, 'sku "x': "x"}))
        assert error["code"] == "not_allowed"
        error = await refused(caller, {"tool": "delete_rows", "arguments": {"table": "orders", "filter": {"id": 1}}})
        assert error["code"] == "unknown_tool"
        assert "secret" not in json.dumps(caller.audit)


async def test_another_transaction_in_the_way(shop: Opener) -> None:
    """What read what the other has changed is run again: both succeed, one after the other."""
    async with shop() as caller:

        def steps(of: int, note: str) -> list[Step]:
            read = {"tool": "read_rows", "arguments": {"table": "orders", "filter": {"id": {"in": [1, 2]}}}, "as": "r"}
            return [read, *(update("orders", {"id": of}, {"note": note}) for _ in range(8))]

        done = await asyncio.gather(*(run(caller, *steps(1 + n, f"n{n}")) for n in range(2)))
        assert [each["affected"] for each in done] == [8, 8]


async def test_literals_that_look_like_references(shop: Opener) -> None:
    """$literal keeps a JSON value as it is."""
    async with shop() as caller:
        value = {"$ref": "not a reference"}
        await run(caller, insert("orders", {"customer_id": 1, "info": {"$literal": value}, "id": 900}))
        assert caller.tell("SELECT info FROM orders WHERE id = 900") == value
