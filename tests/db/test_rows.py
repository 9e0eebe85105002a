"""The row tools through the whole path of a call, against what then is in the database."""

from __future__ import annotations

import json
import time
from typing import Any

import psycopg
import pytest

from fix_rows import Opener

pytestmark = pytest.mark.anyio


async def test_reads_by_key_and_filter(shop: Opener) -> None:
    """A value or an object is a key; filters compare, and nest."""
    async with shop() as caller:
        assert [each["email"] for each in await caller.rows("read_rows", table="customers", key=1)] == ["ann@x"]
        by_email = await caller.rows("read_rows", table="public.customers", key={"email": "bob@x"}, columns=["id"])
        assert by_email == [{"id": 2}]
        for given, ids in FILTERS:
            found = await caller.rows("read_rows", table="orders", filter=given, columns=["id"])
            assert [each["id"] for each in found] == ids, given


FILTERS: list[tuple[dict[str, Any], list[int]]] = [
    ({"id": 3}, [3]),
    ({"id": {">=": 4, "<": 6}}, [4, 5]),
    ({"id": {"<>": 1}, "total": {"<=": 2}}, [2]),
    ({"or": [{"id": {"in": [1, "2"]}}, {"id": {"between": [9, 10]}}]}, [1, 2, 9, 10]),
    ({"and": [{"not": {"id": {">": 3}}}, {"status": "open"}]}, [1, 2, 3]),
    ({"tags": {"contains": ["t1"]}, "id": {"<": 4}}, [1, 3]),
    ({"tags": {"overlaps": ["t0", "x"]}, "id": {"<": 5}}, [2, 4]),
    ({"info": {"contains": {"n": 7}}}, [7]),
    ({"note": {"is_null": True}, "id": 1}, [1]),
    ({"note": {"is_null": False}}, []),
    ({"customer_id": 1, "id": {"!=": 3}}, [6, 9]),
]


async def test_reads_text_by_pattern(shop: Opener) -> None:
    """like and ilike are PostgreSQL's."""
    async with shop() as caller:
        for operator, ids in (("like", []), ("ilike", [1])):
            found = await caller.rows("read_rows", table="customers", filter={"email": {operator: "ANN%"}})
            assert [each["id"] for each in found] == ids


@pytest.mark.parametrize("order", [None, ["total desc"], ["note", "id desc"], ["customer_id desc", "total"]])
async def test_pages_are_stable_under_inserts(shop: Opener, order: list[str] | None) -> None:
    """Every row that was there comes once, in the order, whatever is inserted meanwhile."""
    async with shop() as caller:
        caller.tell("UPDATE orders SET note = 'n' || id % 3 WHERE id % 2 = 0 RETURNING 1")
        terms = ", ".join([*(order or []), "id" if not order or "id" not in order[-1] else "1"])
        if order and order[0].endswith("desc") and len(order) == 1:
            terms = "total DESC, id DESC"
        expected = caller.tell(f"SELECT array_agg(id) FROM (SELECT id FROM orders ORDER BY {terms}) o")
        arguments: dict[str, Any] = {"table": "orders", "columns": ["total"], "max_rows": 3}
        if order:
            arguments["order_by"] = order
        seen, cursor = await caller.page("read_rows", **(arguments | {"columns": ["id"]}))
        while cursor:
            caller.tell("INSERT INTO orders (customer_id, total) VALUES (1, 0) RETURNING 1")
            more, cursor = await caller.page("read_rows", cursor=cursor)
            seen += more
        assert [each["id"] for each in seen if each["id"] <= 10] == expected


async def test_composite_and_weird_names(shop: Opener) -> None:
    """Names are quoted wherever they stand, and a key of several columns pages and finds."""
    weird = 'sku "x'
    rows = [{"order id": n // 3, "nr;--": n % 3, weird: f"s{n}"} for n in range(7)]
    async with shop() as caller:
        await caller.text("insert_rows", table="lines", rows=rows, confirm=True)
        seen, cursor = await caller.page("read_rows", table="lines", max_rows=2)
        while cursor:
            more, cursor = await caller.page("read_rows", cursor=cursor)
            seen += more
        assert seen == rows
        found = await caller.rows("read_rows", table="lines", key={"nr;--": 1, "order id": 1}, columns=[weird])
        assert found == [{weird: "s4"}]
        assert (await caller.error("read_rows", table="lines", key=1))["code"] == "invalid_arguments"
        assert (await caller.error("read_rows", table="lines", key={"order id": 1}))["code"] == "unknown_key"


async def test_no_key_no_cursor(shop: Opener) -> None:
    """A table without a key is read, and what is cut says why it cannot go on."""
    async with shop() as caller:
        caller.tell("INSERT INTO keyless SELECT n, 'x' FROM generate_series(1, 5) n RETURNING 1")
        assert "no cursor" in await caller.text("read_rows", table="keyless", max_rows=2)
        wrong = await caller.error(
            "update_rows", table="keyless", filter={"a": 1}, values={"b": "y"}, expected_version="1", confirm=True
        )
        assert wrong["code"] == "key_missing"


async def test_insert_returns_what_is_stored(shop: Opener) -> None:
    """Defaults, generated columns and the identity come back; rows may give different columns."""
    async with shop() as caller:
        rows = [
            {"customer_id": 1, "total": "1.50", "info": "text"},
            {"customer_id": 2, "status": "Paid", "tags": ["a,b", None]},
        ]
        refused = await caller.error("insert_rows", table="orders", rows=rows)
        assert refused["code"] == "confirmation_required"
        assert caller.tell("SELECT count(*) FROM orders") == 10
        stored = await caller.rows("insert_rows", table="orders", rows=rows, confirm=True)
        assert [each["status"] for each in stored] == ["draft", "Paid"]
        assert float(stored[0]["twice"]) == 3
        assert caller.tell("SELECT info = '\"text\"' FROM orders WHERE id = 11")
        assert caller.tell("SELECT tags = ARRAY['a,b', NULL] FROM orders WHERE id = 12")
        assert "INSERT 0 1" in await caller.text("insert_rows", table="keyless", rows=[{}], columns=[], confirm=True)


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("insert_rows", {"table": "order", "rows": [{}]}, "not_found"),
    ("insert_rows", {"table": "orders", "rows": [{"totl": 1}]}, "unknown_column"),
    ("insert_rows", {"table": "orders", "rows": [{"total": 1}]}, "not_null_violation"),
    ("insert_rows", {"table": "orders", "rows": [{"customer_id": None}]}, "not_null_violation"),
    ("insert_rows", {"table": "orders", "rows": [{"customer_id": "one"}]}, "invalid_value"),
    ("insert_rows", {"table": "orders", "rows": [{"customer_id": 2**31}]}, "invalid_value"),
    ("insert_rows", {"table": "orders", "rows": [{"customer_id": 1, "twice": 1}]}, "generated_column"),
    ("insert_rows", {"table": "orders", "rows": [{"customer_id": 1, "status": "paid"}]}, "invalid_value"),
    ("insert_rows", {"table": "orders", "rows": [{"customer_id": 1, "note": "longer"}]}, "invalid_value"),
    ("insert_rows", {"table": "orders", "rows": [{"customer_id": 1, "tags": "a"}]}, "invalid_value"),
    ("insert_rows", {"table": "orders", "rows": [{"customer_id": True}]}, "invalid_value"),
    ("insert_rows", {"table": "customers", "rows": [{"id": 1, "email": "x"}]}, "generated_column"),
    ("insert_rows", {"table": "lines", "rows": [{"order id": 1, "nr;--": 1}]}, "not_null_violation"),
    ("insert_rows", {"table": "lines", "rows": [{"order id": 1, "nr;--": 1, 'sku "x': "123456789"}]}, "invalid_value"),
    ("insert_rows", {"table": "counts", "rows": [{"n": 1}]}, "not_updatable"),
    ("update_rows", {"table": "orders", "filter": {"id": 1}, "values": {"customer_id": None}}, "not_null_violation"),
    ("update_rows", {"table": "orders", "filter": {}, "values": {"total": 1}}, "condition_missing"),
    ("update_rows", {"table": "orders", "filter": {"idd": 1}, "values": {"total": 1}}, "unknown_column"),
    ("update_rows", {"table": "orders", "filter": {"id": {"=>": 1}}, "values": {"total": 1}}, "invalid_filter"),
    ("update_rows", {"table": "orders", "filter": {"id": None}, "values": {"total": 1}}, "invalid_filter"),
    ("upsert_rows", {"table": "orders", "rows": [{"customer_id": 1}], "key": "nope"}, "unknown_key"),
    ("upsert_rows", {"table": "orders", "rows": [{"customer_id": 1}]}, "invalid_arguments"),
    ("archive_rows", {"table": "orders", "filter": {"id": 1}}, "not_archivable"),
    ("read_rows", {"table": "orders", "order_by": ["ttal desc"]}, "unknown_column"),
    ("read_rows", {"table": "orders", "filter": {"note": {"like": 1}}}, "invalid_filter"),
    ("read_rows", {"table": "orders", "filter": {"total": {"contains": 1}}}, "invalid_filter"),
]


async def test_wrong_arguments_never_reach_the_table(shop: Opener) -> None:
    """Each is refused by its own code, before anybody is asked."""
    async with shop() as caller:
        before = caller.tell("SELECT pg_stat_get_xact_tuples_inserted('orders'::regclass)")
        for tool, arguments, code in WRONG:
            error = await caller.error(tool, **arguments)
            assert error["code"] == code, (tool, arguments, error)
        assert caller.tell("SELECT pg_stat_get_xact_tuples_inserted('orders'::regclass)") == before
        near = await caller.error("insert_rows", table="orders", rows=[{"customer_id": 1, "status": "paid"}])
        assert "Paid" in near["hint"]
        assert "total" in (await caller.error("insert_rows", table="orders", rows=[{"totl": 1}]))["hint"]


@pytest.mark.parametrize(
    "given",
    [
        {"email": {"like": "%"}},
        {"email": {"ilike": "%%"}},
        {"vip": {"in": [True, False]}},
        {"or": [{"vip": True}, {"vip": False}]},
        {"not": {"and": [{"vip": True}, {"vip": False}]}},
        {"id": {"is_null": False}},
        {"not": {"id": {"is_null": True}}},
        {"or": [{"id": {">": 1}}, {"id": {"<=": 1}}]},
        {"email": {">=": ""}},
    ],
    ids=str,
)
async def test_filters_that_hold_for_all_rows_change_none(shop: Opener, given: dict[str, Any]) -> None:
    """A condition has to keep some rows out, whatever is said in confirm."""
    async with shop() as caller:
        wrong = await caller.error("update_rows", table="customers", filter=given, values={"email": "x"}, confirm=True)
        assert wrong["code"] == "condition_missing"
        wrong = await caller.error("delete_rows", table="customers", filter=given, confirm_name="public.customers")
        assert wrong["code"] == "condition_missing"
        assert caller.tell("SELECT count(*) FROM customers WHERE email <> 'x'") == 3


async def test_update_with_a_plan(shop: Opener) -> None:
    """Without a yes the plan says how many rows; with one they are changed and come back."""
    change: dict[str, Any] = {"table": "orders", "filter": {"customer_id": 1}, "values": {"status": "Paid"}}
    async with shop() as caller:
        refused = await caller.error("update_rows", **change)
        assert refused["code"] == "confirmation_required"
        assert refused["details"]["plan"]["rows"]["matching"] == 3
        rolled = await caller.text("update_rows", **change, dry_run=True)
        assert "nothing was changed" in rolled
        assert caller.tell("SELECT count(*) FROM orders WHERE status = 'Paid'") == 0
        stored = await caller.rows("update_rows", **change, columns=["id", "status"], confirm=True)
        assert sorted(each["id"] for each in stored) == [3, 6, 9]


async def test_optimistic_locking(shop: Opener) -> None:
    """A version that has moved on is a conflict, which shows the row as it is."""
    change: dict[str, Any] = {"table": "orders", "filter": {"id": 1}, "values": {"note": "mine"}, "confirm": True}
    async with shop() as caller:
        [row] = await caller.rows("read_rows", table="orders", key=1, columns=["id", "xmin"])
        caller.tell("UPDATE orders SET note = 'yours' WHERE id = 1 RETURNING 1")
        error = await caller.error("update_rows", **change, expected_version=str(row["xmin"]))
        assert error["code"] == "version_conflict"
        assert error["details"]["current"][0]["note"] == "yours"
        now = error["details"]["current"][0]["xmin"]
        assert (await caller.rows("update_rows", **change, expected_version=now))[0]["note"] == "mine"
        gone = await caller.error("update_rows", **(change | {"filter": {"id": 99}}), expected_version=now)
        assert gone["code"] == "row_not_found"
        counted = {**change, "version_column": "version"}
        assert (await caller.rows("update_rows", **counted, expected_version="1"))[0]["version"] == 2
        assert (await caller.error("update_rows", **counted, expected_version="1"))["code"] == "version_conflict"


async def test_a_version_is_read_as_one(shop: Opener) -> None:
    """Thousands of digits are no xmin, and no defect."""
    given: dict[str, Any] = {"table": "orders", "filter": {"id": 1}, "values": {"note": "x"}, "confirm": True}
    async with shop() as caller:
        error = await caller.error("update_rows", **given, expected_version="9" * 5000)
        assert error["code"] == "invalid_arguments"


@pytest.mark.parametrize(("columns", "most"), [(1, 4_973), (2, 3_315)])
async def test_so_many_rows_fit_into_one_call(shop: Opener, columns: int, most: int) -> None:
    """The most rows that are allowed can be inserted; of more, the error says how many can."""
    rows = [{"a": n, "b": "x"} if columns == 2 else {"a": n} for n in range(most + 1)]
    async with shop() as caller:
        error = await caller.error("insert_rows", table="keyless", rows=rows, confirm=True)
        assert f"at most {most:,}" in error["hint"]
        done = await caller.text("insert_rows", table="keyless", rows=rows[1:], columns=[], confirm=True)
        assert f"INSERT 0 {most}" in done


@pytest.mark.parametrize("name", ["a." * 200_000, "." * 100_000, "x" * 3_000_000, '"' * 200_000, '"a".' * 100_000])
async def test_no_table_has_such_a_name(shop: Opener, name: str) -> None:
    """A name of megabytes is answered at once, and repeated in part."""
    async with shop() as caller:
        await caller.rows("read_rows", table="orders", key=1)
        started = time.perf_counter()
        error = await caller.error("read_rows", table=name)
        assert error["code"] == "not_found"
        assert time.perf_counter() - started < 2
        assert len(json.dumps(error)) < 1_000


async def test_a_conflict_is_no_longer_than_a_result(shop: Opener) -> None:
    """The row that it shows is cut short as a result would be."""
    given: dict[str, Any] = {"table": "orders", "filter": {"id": 1}, "values": {"note": "x"}, "confirm": True}
    async with shop() as caller:
        caller.tell("UPDATE orders SET info = to_jsonb(repeat('x', 3000000)) WHERE id = 1 RETURNING 1")
        error = await caller.error("update_rows", **given, expected_version="1")
        assert error["code"] == "version_conflict"
        assert error["details"]["current"][0]["info"].startswith('"xxx')
        assert len(json.dumps(error)) < 10_000


async def test_a_cursor_ends_with_the_key_that_it_went_by(shop: Opener) -> None:
    """Where the table has another key, or none, by the second page, its rows cannot be found by the first."""
    async with shop() as caller:
        _, cursor = await caller.page("read_rows", table="lines", max_rows=1)
        assert cursor == ""
        caller.tell("INSERT INTO lines VALUES (1, 1, 'a'), (2, 2, 'b') RETURNING 1")
        _, cursor = await caller.page("read_rows", table="lines", max_rows=1)
        for change in ('ALTER TABLE lines ADD UNIQUE ("nr;--")', "ALTER TABLE lines DROP CONSTRAINT lines_pkey"):
            assert len(await caller.rows("read_rows", cursor=cursor)) == 1
            with psycopg.connect(caller.url, autocommit=True) as connection:
                connection.execute(change.encode())
        assert (await caller.error("read_rows", cursor=cursor))["code"] == "cursor_invalid"


INHERITED = """
    CREATE TABLE parent (id int PRIMARY KEY, t text);
    CREATE TABLE child () INHERITS (parent);
    INSERT INTO parent SELECT n, 'p' FROM generate_series(1, 5) n;
    INSERT INTO child SELECT n, 'c' FROM generate_series(1, 5) n;
    CREATE DOMAIN filled AS text NOT NULL DEFAULT 'x';
    CREATE DOMAIN refilled AS filled;
    CREATE TABLE domains (id int PRIMARY KEY, a filled, b refilled);
    CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.t := coalesce(new.t, ''f''); RETURN new; END';
    CREATE TABLE named (id int PRIMARY KEY, t text NOT NULL);
    CREATE TRIGGER fill BEFORE INSERT ON named FOR EACH ROW EXECUTE FUNCTION fill();
    CREATE FUNCTION put() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN INSERT INTO named VALUES (new.id, new.u); RETURN new; END';
    CREATE VIEW upper AS SELECT id, upper(t) AS u FROM named;
    CREATE TRIGGER put INSTEAD OF INSERT ON upper FOR EACH ROW EXECUTE FUNCTION put();
    CREATE TABLE spaced (" id" int PRIMARY KEY, "x desc" int);
"""


async def test_keys_say_nothing_of_tables_that_inherit(shop: Opener) -> None:
    """Rows of a child can have the same key: no page is found by it, and no version is of one row."""
    async with shop() as caller:
        with psycopg.connect(caller.url, autocommit=True) as connection:
            connection.execute(INHERITED)
        found, cursor = await caller.page("read_rows", table="parent", max_rows=3)
        assert (len(found), cursor) == (3, "")
        assert len(await caller.rows("read_rows", table="parent")) == 10
        one: dict[str, Any] = {"filter": {"id": 1}, "values": {"t": "x"}, "expected_version": "1", "confirm": True}
        assert (await caller.error("update_rows", table="parent", **one))["code"] == "key_missing"
        assert (await caller.error("update_rows", table="child", **one))["code"] == "key_missing"
        # A domain's default fills a column that refuses NULL.
        assert (await caller.rows("insert_rows", table="domains", rows=[{"id": 1}], confirm=True))[0]["b"] == "x"
        # So does a trigger, and one of a view takes what it computes.
        assert (await caller.rows("insert_rows", table="named", rows=[{"id": 1, "t": None}], confirm=True))[0][
            "t"
        ] == "f"
        assert "INSERT 0 1" in await caller.text("insert_rows", table="upper", rows=[{"id": 2, "u": "x"}], confirm=True)
        # Spaces of a name are part of it.
        assert await caller.rows("read_rows", table="spaced", order_by=[" id desc", "x desc"]) == []


async def test_keys_of_another_collation(shop: Opener) -> None:
    """What a column calls equal, an index of another collation may hold twice: it is no key for pages."""
    async with shop() as caller:
        with psycopg.connect(caller.url, autocommit=True) as connection:
            try:
                connection.execute("CREATE COLLATION ci (provider=icu, locale='und-u-ks-level2', deterministic=false)")
            except psycopg.errors.FeatureNotSupported:
                pytest.skip("this PostgreSQL is built without ICU")
            connection.execute("CREATE TABLE named (k text COLLATE ci NOT NULL)")
            connection.execute('CREATE UNIQUE INDEX ON named (k COLLATE "C")')
            connection.execute("INSERT INTO named VALUES ('a'), ('A'), ('b'), ('B')")
        found, cursor = await caller.page("read_rows", table="named", max_rows=3)
        assert (len(found), cursor) == (3, "")


async def test_upsert(shop: Opener) -> None:
    """Rows that meet others by the key take the columns that are given; the rest is inserted."""
    rows = [{"email": "ann@x", "vip": False}, {"email": "dee@x", "vip": True}]
    async with shop() as caller:
        stored = await caller.rows("upsert_rows", table="customers", rows=rows, key="customers_email_key", confirm=True)
        assert [each["vip"] for each in stored] == [False, True]
        assert stored[0]["id"] == 1
        assert caller.tell("SELECT count(*) FROM customers") == 4


async def test_upsert_resets_nothing(shop: Opener) -> None:
    """What only other rows give would be set to its default: rows of different columns are refused."""
    uneven = [{"id": 1, "customer_id": 1, "note": "n"}, {"id": 2, "customer_id": 1, "total": 9}]
    async with shop() as caller:
        error = await caller.error("upsert_rows", table="orders", rows=uneven, confirm=True)
        assert error["code"] == "invalid_arguments"
        assert caller.tell("SELECT count(*) FROM orders WHERE total IS NULL") == 0
        await caller.rows("upsert_rows", table="orders", rows=uneven[1:], confirm=True)
        assert caller.tell("SELECT status = 'open' AND total = 9 FROM orders WHERE id = 2")


async def test_archive_and_restore(shop: Opener) -> None:
    """What is archived stays, and comes back; a second time changes nothing."""
    which: dict[str, Any] = {"table": "customers", "filter": {"id": 2}, "columns": [], "confirm": True}
    async with shop() as caller:
        assert "UPDATE 1" in await caller.text("archive_rows", **which)
        assert "UPDATE 0" in await caller.text("archive_rows", **which)
        assert caller.tell("SELECT archived_at IS NOT NULL FROM customers WHERE id = 2")
        assert "UPDATE 1" in await caller.text("restore_rows", **which)
        assert caller.tell("SELECT archived_at IS NULL FROM customers WHERE id = 2")


async def test_delete_needs_the_name(shop: Opener) -> None:
    """The exact name of the table, not a yes."""
    which: dict[str, Any] = {"table": "orders", "filter": {"id": {"in": [1, 2]}}}
    async with shop() as caller:
        for given in ({}, {"confirm_name": "orders"}, {"confirm_name": "public.Orders"}):
            assert (await caller.error("delete_rows", **which, **given))["code"].startswith("confirm")
        assert caller.tell("SELECT count(*) FROM orders") == 10
        assert "DELETE 2" in await caller.text("delete_rows", **which, confirm_name="public.orders")
        assert caller.tell("SELECT count(*) FROM orders") == 8


async def test_violated_constraints_are_explained(shop: Opener) -> None:
    """By name, definition and columns."""
    async with shop() as caller:
        for tool, arguments, code, columns in (
            ("insert_rows", {"table": "customers", "rows": [{"email": "ann@x"}]}, "unique_violation", ["email"]),
            (
                "insert_rows",
                {"table": "orders", "rows": [{"customer_id": 9}]},
                "foreign_key_violation",
                ["customer_id"],
            ),
            (
                "update_rows",
                {"table": "orders", "filter": {"id": 1}, "values": {"total": -1}},
                "check_violation",
                ["total"],
            ),
        ):
            error = await caller.error(tool, **arguments, confirm=True)
            assert (error["code"], error["details"]["columns"]) == (code, columns)
            assert error["details"]["definition"] in error["hint"]
        kept = await caller.error("delete_rows", table="customers", filter={"id": 1}, confirm_name="public.customers")
        assert kept["code"] == "foreign_key_violation"
        assert "still refer" in kept["hint"]


async def test_partitions_and_views(shop: Opener) -> None:
    """Rows of partitioned tables and of views that can be updated are rows like others."""
    async with shop() as caller:
        row = {"day": "2026-05-01", "n": 1}
        await caller.text("insert_rows", table="events", rows=[row], confirm=True)
        assert await caller.rows("read_rows", table="events", key=row) == [row]
        await caller.text("insert_rows", table="vips", rows=[{"email": "v@x", "vip": True}], confirm=True)
        assert "UPDATE 1" in await caller.text(
            "update_rows", table="vips", filter={"email": "v@x"}, values={"vip": False}, columns=[], confirm=True
        )
        assert caller.tell("SELECT vip FROM customers WHERE email = 'v@x'") is False


async def test_rules_and_masks_hold(shop: Opener) -> None:
    """Tables that are hidden do not exist, what is not allowed is refused, and masked values stay masked."""
    governance = """
version: 1
tables:
  - match: public.keyless
    hidden: true
masks:
  - column: public.customers.email
    mask: redact
"""
    async with shop(governance) as caller:
        assert (await caller.error("read_rows", table="keyless"))["code"] == "not_found"
        assert "ann@x" not in await caller.text("read_rows", table="customers")
        hidden = await caller.error("read_rows", table="customers", filter={"email": "ann@x"})
        assert "ann@x" not in json.dumps(hidden)
        shown = await caller.text(
            "update_rows", table="customers", filter={"id": 1}, values={"vip": True}, confirm=True
        )
        assert "ann@x" not in shown
        error = await caller.error(
            "update_rows",
            table="customers",
            filter={"id": 1},
            values={"vip": True},
            expected_version="1",
            confirm=True,
        )
        assert error["code"] == "version_conflict", error
        assert "ann@x" not in json.dumps(error)


async def test_pages_where_keys_are_masked(shop: Opener) -> None:
    """What is shown of a masked key finds no page: rows go by another key, or are read without a cursor."""
    governance = """
version: 1
masks:
  - {column: public.accounts.mail, mask: redact, permit: [filter, order]}
  - {column: public.logins.mail, mask: hash}
"""
    async with shop() as caller:
        with psycopg.connect(caller.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE accounts (mail text PRIMARY KEY, n int NOT NULL UNIQUE)")
            connection.execute("CREATE TABLE logins (mail text PRIMARY KEY, n int)")
            connection.execute("INSERT INTO accounts SELECT 'a' || n, n FROM generate_series(1, 5) n")
            connection.execute("INSERT INTO logins SELECT 'a' || n, n FROM generate_series(1, 5) n")
    async with shop(governance) as caller:
        found, cursor = await caller.page("read_rows", table="accounts", max_rows=3)
        found += await caller.rows("read_rows", cursor=cursor)
        assert [each["n"] for each in found] == [1, 2, 3, 4, 5]
        assert {each["mail"] for each in found} == {"[redacted]"}
        found, cursor = await caller.page("read_rows", table="accounts", order_by=["mail desc"], max_rows=3)
        assert ([each["n"] for each in found], cursor) == ([5, 4, 3], "")
        found, cursor = await caller.page("read_rows", table="logins", max_rows=3)
        assert (len(found), cursor) == (3, "")


async def test_profiles(shop: Opener) -> None:
    """Who only reads has no tool that changes, and an analyst may insert and not delete."""
    async with shop(PROFILE="read_only") as caller:
        assert (await caller.error("insert_rows", table="orders", rows=[{}]))["code"] == "unknown_tool"
        assert len(await caller.rows("read_rows", table="orders")) == 10
    async with shop(PROFILE="analyst") as caller:
        await caller.text("insert_rows", table="orders", rows=[{"customer_id": 1}], confirm=True)
        refused = await caller.error("delete_rows", table="orders", filter={"id": 1}, confirm_name="public.orders")
        assert refused["code"] == "not_allowed"


async def test_the_audit_has_no_values(shop: Opener) -> None:
    """Lines name the columns, tier and kinds; values of rows and of filters are not in them."""
    async with shop() as caller:
        await caller.text("insert_rows", table="customers", rows=[{"email": "sesame@x"}], confirm=True)
        await caller.rows("read_rows", table="customers", filter={"email": "sesame@x"})
        await caller.rows("read_rows", table="customers", key={"email": "sesame@x"})
        await caller.text(
            "update_rows", table="customers", filter={"id": 1}, values={"email": "sesame2@x"}, confirm=True
        )
        lines = caller.audit
        assert "sesame" not in json.dumps(lines)
        [started, done] = [line for line in lines if line["tool"] == "update_rows"]
        assert (started["outcome"], done["outcome"], done["affected"]) == ("started", "allowed", 1)
        assert "email" in done["arguments"]["values"]
        assert (done["tier"], done["kinds"]) == ("confirm", ["UPDATE"])
