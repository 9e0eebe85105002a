"""Rude tables, roles and policies against the journal of changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fix_rows import Caller, Opener
from pgwarden.db.session import Session
from tool_calls import run_sql

pytestmark = pytest.mark.anyio


def run(caller: Caller, *statements: str) -> None:
    """Run statements past the server."""
    with psycopg.connect(caller.url, autocommit=True) as connection:
        for each in statements:
            connection.execute(each.encode())


async def changed(caller: Caller, tool: str, **arguments: Any) -> str:
    """The id of a change that was made."""
    before = {each["change_id"] for each in await caller.rows("list_changes")}
    await caller.text(tool, confirm=True, **arguments)
    made = [each["change_id"] for each in await caller.rows("list_changes") if each["change_id"] not in before]
    [new] = {name.partition(".")[0] for name in made}
    return str(new)


def contents(caller: Caller, table: str = "orders") -> Any:
    """All rows of a table, as text."""
    return caller.tell(f"SELECT array_agg(t::text ORDER BY t::text) FROM {table} t")


async def test_rules_that_do_something_instead(shop: Opener) -> None:
    """A table whose rules let no RETURNING through changes as before; the answer says that it cannot be undone."""
    async with shop() as caller:
        run(
            caller,
            "CREATE TABLE soft (id int PRIMARY KEY, gone boolean NOT NULL DEFAULT false)",
            "INSERT INTO soft VALUES (1)",
            "CREATE RULE soft_delete AS ON DELETE TO soft DO INSTEAD UPDATE soft SET gone = true WHERE id = OLD.id",
        )
        await caller.text("delete_rows", table="soft", filter={"id": 1}, confirm_name="public.soft")
        assert caller.tell("SELECT gone FROM soft")
        text = await caller.text("insert_rows", table="soft", rows=[{"id": 2}], confirm=True)
        assert "cannot be undone" in text


async def test_upsert_that_meets_and_sets_nothing(shop: Opener) -> None:
    """Where nothing is set in rows that are met, those that came in are kept and can be taken out."""
    async with shop() as caller:
        run(caller, "CREATE TABLE k (id int PRIMARY KEY)", "INSERT INTO k VALUES (1)")
        change = await changed(caller, "upsert_rows", table="k", rows=[{"id": 1}, {"id": 2}])
        await changed(caller, "undo_change", change_id=change)
        assert caller.tell("SELECT array_agg(id) FROM k") == [1]


async def test_another_table_of_the_name(shop: Opener) -> None:
    """A table that bears the name of a changed one by now is another one: nothing is shown of it, or put into it."""
    async with shop() as caller:
        run(caller, "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
        change = await changed_typed(caller, "public.t", table="t", filter={"id": 1})
        run(caller, "DROP TABLE t", "CREATE TABLE t (id int PRIMARY KEY)")
        assert (await caller.error("undo_change", change_id=change, confirm=True))["code"] == "not_found"
        change = await changed(caller, "insert_rows", table="t", rows=[{"id": 2}])
        run(caller, "ALTER TABLE t RENAME TO private", "CREATE TABLE t (id int PRIMARY KEY)")
        assert await caller.rows("list_changes") == []
        assert (await caller.error("list_changes", change_id=change))["code"] == "not_found"


async def changed_typed(caller: Caller, name: str, **arguments: Any) -> str:
    """The id of a deletion."""
    await caller.text("delete_rows", confirm_name=name, **arguments)
    return str((await caller.rows("list_changes"))[0]["change_id"])


async def test_rows_of_others_do_not_go_with_it(shop: Opener) -> None:
    """Undoing an INSERT is refused where rows that others made would be deleted with it, in this table or others."""
    async with shop() as caller:
        run(
            caller,
            "CREATE TABLE p (id int PRIMARY KEY, up int REFERENCES p ON DELETE CASCADE)",
            "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE)",
            "CREATE TABLE s (id int PRIMARY KEY, p int REFERENCES p ON DELETE SET NULL)",
        )
        for other in ("INSERT INTO c VALUES (1, 1)", "INSERT INTO p VALUES (2, 1)", "INSERT INTO s VALUES (1, 1)"):
            change = await changed(caller, "insert_rows", table="p", rows=[{"id": 1}])
            run(caller, other)
            error = await caller.error("undo_change", change_id=change, confirm=True)
            assert error["code"] == "undo_conflict", other
            assert caller.tell("SELECT count(*) FROM p WHERE id = 1") == 1
            run(caller, "DELETE FROM p", "DELETE FROM s")


async def test_rows_that_went_with_it_are_mentioned(shop: Opener) -> None:
    """Rows of the same table that a cascade took are not kept, and list_changes says so; partitions are no others."""
    async with shop() as caller:
        run(
            caller,
            "CREATE TABLE p (id int PRIMARY KEY, up int REFERENCES p ON DELETE CASCADE)",
            "INSERT INTO p VALUES (1, NULL), (2, 1)",
        )
        await changed_typed(caller, "public.p", table="p", filter={"id": 1})
        assert "not kept" in (await caller.rows("list_changes"))[0]["state"]
        run(caller, "CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')")
        change = await changed(caller, "insert_rows", table="events", rows=[{"day": "2026-02-01", "n": 1}])
        moved = await changed(
            caller, "update_rows", table="events", filter={"day": "2026-02-01"}, values={"day": "2027-02-01"}
        )
        states = {each["change_id"]: each["state"] for each in await caller.rows("list_changes")}
        assert states[change] == states[moved] == ""
        await changed(caller, "undo_change", change_id=moved)
        assert caller.tell("SELECT day::text FROM events") == "2026-02-01"
        await changed(caller, "undo_change", change_id=change)


async def test_triggers_that_have_the_last_word(shop: Opener) -> None:
    """Where a trigger sets other values than those put back, the answer names the columns."""
    async with shop() as caller:
        run(
            caller,
            "CREATE TABLE t (id int PRIMARY KEY, note text, changed int NOT NULL DEFAULT 0)",
            "INSERT INTO t VALUES (1, 'a', 0)",
            "CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN NEW.changed := OLD.changed + 1; RETURN NEW; END$$",
            "CREATE TRIGGER bump BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION bump()",
        )
        change = await changed(caller, "update_rows", table="t", filter={"id": 1}, values={"note": "b"})
        text = await caller.text("undo_change", change_id=change, confirm=True)
        assert "triggers set other values than those that were: changed" in text
        assert contents(caller, "t") == ["(1,a,2)"]


async def test_many_rows_that_were_all_different(shop: Opener) -> None:
    """As many rows as one change may affect come back, also where each gets other values."""
    async with shop() as caller:
        run(
            caller,
            "CREATE TABLE t (id int PRIMARY KEY, n int)",
            "INSERT INTO t SELECT n, n FROM generate_series(1,1000) n",
        )
        change = await changed(caller, "update_rows", table="t", filter={"id": {">": 0}}, values={"n": {"$add": 5}})
        undo = await changed(caller, "undo_change", change_id=change)
        assert caller.tell("SELECT bool_and(n = id) FROM t")
        await changed(caller, "undo_change", change_id=undo)
        assert caller.tell("SELECT bool_and(n = id + 5) FROM t")


async def test_an_undo_of_several_statements_is_one(shop: Opener) -> None:
    """An undo that took several statements is one change, which is done again as a whole."""
    async with shop() as caller:
        before = contents(caller)
        change = await changed(caller, "update_rows", table="orders", filter={"id": {"<": 5}}, values={"total": 0})
        after = contents(caller)
        undo = await changed(caller, "undo_change", change_id=change)
        assert contents(caller) == before
        hint = (await caller.error("undo_change", change_id=change, confirm=True))["hint"]
        assert f"change_id={undo} " in hint
        assert [each["change_id"] for each in await caller.rows("list_changes")] == [undo, change]
        await changed(caller, "undo_change", change_id=undo)
        assert contents(caller) == after


async def test_tables_that_others_may_not_see(shop: Opener) -> None:
    """A hidden table, or one that may not be read, shows nothing; a group with one is like one with a dropped one."""
    async with shop() as caller:
        one = await changed(caller, "update_rows", table="orders", filter={"id": 1}, values={"note": "sesam"})
        steps = [
            {"tool": "insert_rows", "table": "customers", "rows": [{"email": "new@x"}]},
            {"tool": "update_rows", "table": "orders", "filter": {"id": 2}, "values": {"note": "sesam"}},
        ]
        await caller.text("run_transaction", steps=steps, confirm=True)
        group = str((await caller.rows("list_changes"))[0]["change_id"]).partition(".")[0]
        run(caller, "UPDATE orders SET note = 'sesa2' WHERE id < 3")
    answers = []
    for rule in ("hidden: true", "deny: [SELECT]"):
        async with shop(f"version: 1\ntables:\n  - match: public.orders\n    {rule}\n") as caller:
            assert [each["change_id"] for each in await caller.rows("list_changes")] == [f"{group}.1"]
            missing = await caller.error("undo_change", change_id="00000000000a", confirm=True)
            for change in (one, f"{group}.2"):
                error = await caller.error("undo_change", change_id=change, confirm=True)
                assert error["code"] == "not_found"
                assert error["message"].replace(change, "00000000000a") == missing["message"]
                answers += [error, await caller.error("list_changes", change_id=change)]
            answers.append(await caller.error("undo_change", change_id=group, confirm=True))
    assert "sesa" not in json.dumps(answers)
    assert "orders" not in json.dumps(answers)


async def test_where_nothing_may_be_deleted(shop: Opener) -> None:
    """Undoing an INSERT is a DELETE to the policy: refused where that is."""
    async with shop() as caller:
        change = await changed(caller, "insert_rows", table="orders", rows=[{"customer_id": 1}])
    for policy in ("deletes: archive", "tables:\n  - match: public.orders\n    deny: [DELETE]"):
        async with shop(f"version: 1\n{policy}\n") as caller:
            await caller.error("undo_change", change_id=change, confirm=True, confirm_name="public.orders")
            assert caller.tell("SELECT count(*) FROM orders") == 11


async def test_odd_names(shop: Opener) -> None:
    """Columns called old and new, and tables, are columns and tables."""
    async with shop() as caller:
        for table in ("old", "new", "Old"):
            run(
                caller,
                f'CREATE TABLE "{table}" (old int PRIMARY KEY, "new" text, "Old.x" char(4), "excluded" float8)',
                f"INSERT INTO \"{table}\" VALUES (1, '', 'a', 0.1), (2, NULL, NULL, 'NaN')",
            )
            before = contents(caller, f'"{table}"')
            name = f'"{table}"'
            for tool, arguments in (
                ("update_rows", {"filter": {"old": {">": 0}}, "values": {"new": "x", "Old.x": "b", "excluded": 1e300}}),
                ("upsert_rows", {"rows": [{"old": 1, "new": "y"}, {"old": 7, "new": "z"}]}),
            ):
                change = await changed(caller, tool, table=name, **arguments)
                assert contents(caller, f'"{table}"') != before
                await changed(caller, "undo_change", change_id=change)
                assert contents(caller, f'"{table}"') == before


async def test_settings_that_change_in_between(shop: Opener) -> None:
    """Values come back as they were, whatever TimeZone and IntervalStyle are by then."""
    async with shop() as caller:
        run(
            caller,
            "CREATE TABLE t (id int PRIMARY KEY, at timestamptz, i interval, n int)",
            "INSERT INTO t VALUES (1, '2026-03-01 12:00+00', '-1 day +02:03:04', 1)",
        )
        before = contents(caller, "t")
        change = await changed(
            caller,
            "update_rows",
            table="t",
            filter={"id": 1},
            values={"at": "2026-04-01 00:00+00", "i": "-2 days 1 hour"},
        )
        name = caller.tell("SELECT current_database()")
        run(
            caller,
            f"ALTER DATABASE \"{name}\" SET TimeZone = 'Asia/Tokyo'",
            f"ALTER DATABASE \"{name}\" SET IntervalStyle = 'sql_standard'",
        )
    async with shop() as caller:
        await changed(caller, "undo_change", change_id=change)
        name = caller.tell("SELECT current_database()")
        run(caller, f'ALTER DATABASE "{name}" RESET ALL')
        assert contents(caller, "t") == before


@pytest.fixture
def shopkeeper(any_database_url: str) -> Iterator[str]:
    """The URL of a role that may change rows of two tables, of which one has row-level security, and no more."""
    run_sql(
        any_database_url,
        "CREATE ROLE shopkeeper LOGIN PASSWORD 'x'; CREATE TABLE own (id int PRIMARY KEY, who text, v text);"
        "CREATE TABLE plain (id int PRIMARY KEY, v text); INSERT INTO plain VALUES (1, 'a');"
        "ALTER TABLE own ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY see ON own FOR SELECT USING (who = current_user);"
        "CREATE POLICY put ON own FOR INSERT WITH CHECK (true);"
        "CREATE POLICY change ON own FOR UPDATE USING (who = current_user);"
        "GRANT SELECT, INSERT, UPDATE ON own TO shopkeeper; GRANT SELECT (id), UPDATE (v) ON plain TO shopkeeper;"
        "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public",
    )
    yield f"postgresql://shopkeeper:x@{any_database_url.partition('@')[2]}"
    run_sql(any_database_url, "DROP OWNED BY shopkeeper; DROP ROLE shopkeeper")


async def test_a_role_that_may_little(calls: Callable[[str], Opener], any_database_url: str, shopkeeper: str) -> None:
    """A role changes what it could change before, and sees no more: no columns and no rows that it may not read."""
    async with calls(any_database_url)() as caller:
        await caller.text("update_rows", table="plain", filter={"id": 1}, values={"v": "sesame"}, confirm=True)
        plain = (await caller.rows("list_changes"))[0]["change_id"]
        await caller.text("insert_rows", table="own", rows=[{"id": 1, "who": "boss", "v": "sesame"}], confirm=True)
    async with calls(shopkeeper)() as caller:
        given: dict[str, Any] = {"table": "own", "columns": [], "confirm": True}
        await caller.text("insert_rows", rows=[{"id": 2, "who": "boss"}], **given)
        await caller.text("insert_rows", rows=[{"id": 3, "who": "shopkeeper"}], **given)
        await caller.text("update_rows", filter={"id": 3}, values={"v": "mine"}, **given)
        text = await caller.text(
            "update_rows", table="plain", filter={"id": 1}, values={"v": "b"}, columns=[], confirm=True
        )
        assert "cannot be undone: the role may not read v" in text
        rows = await caller.rows("list_changes")
        assert "own" in str(rows)
        [mine] = [each["change_id"] for each in rows if each["table"] == "public.own"]
        for each in rows:
            assert "sesame" not in await caller.text("list_changes", change_id=each["change_id"])
        assert "sesame" not in json.dumps(await caller.error("undo_change", change_id=plain, confirm=True))
        await caller.text("undo_change", change_id=mine, confirm=True)
    with psycopg.connect(any_database_url) as connection:
        assert connection.execute("SELECT v FROM own WHERE id = 3").fetchone() == (None,)


async def test_rows_that_come_in_between(shop: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that somebody inserts between our look and our upsert is never taken for one of ours."""
    async with shop() as caller:
        run(caller, "CREATE TABLE t (id int PRIMARY KEY, v text)")
        begun = await caller.text("begin_transaction")
        transaction = begun.partition("transaction_id=")[2].split()[0]
        whole = Session._locked

        async def late(session: Session, change: Any, taking: Any) -> Any:
            found = await whole(session, change, taking)
            with psycopg.connect(caller.url, autocommit=True) as connection:
                connection.execute("INSERT INTO t VALUES (1, 'theirs') ON CONFLICT DO NOTHING")
            return found

        monkeypatch.setattr(Session, "_locked", late)
        rows = [{"id": 1, "v": "ours"}]
        await caller.text("upsert_rows", table="t", rows=rows, confirm=True, transaction_id=transaction)
        await caller.text("commit_transaction", transaction_id=transaction, confirm=True)
        for each in await caller.rows("list_changes"):
            await caller.text("undo_change", change_id=each["change_id"], confirm=True)
        if caller.tell("SHOW server_version_num") < "180000":
            # There is no look before from 18 on.
            assert caller.tell("SELECT count(*) FROM t") == 1


async def test_a_journal_that_fails_at_commit(shop: Opener, tmp_path: Path) -> None:
    """Where the rows of an interactive transaction cannot be kept it is rolled back, and the connection is of use."""
    async with shop() as caller:
        begun = await caller.text("begin_transaction")
        transaction = begun.partition("transaction_id=")[2].split()[0]
        await caller.text(
            "update_rows",
            table="orders",
            filter={"id": 1},
            values={"note": "x"},
            confirm=True,
            transaction_id=transaction,
        )
        (tmp_path / "changes").write_text("")
        error = await caller.error("commit_transaction", transaction_id=transaction, confirm=True)
        assert error["code"] == "undo_unavailable"
        assert str(tmp_path) not in json.dumps(error)
        assert caller.tell("SELECT note FROM orders WHERE id = 1") is None
        assert caller.tell("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'") == 0
        (tmp_path / "changes").unlink()
        await changed(caller, "update_rows", table="orders", filter={"id": 1}, values={"note": "y"})


TYPES = """CREATE TABLE v (
    id uuid PRIMARY KEY, a bytea, b text, c json, d jsonb, e point, f status[], g word, h char(5), i float4, j float8,
    k numeric, l timestamptz, m interval, n pair, o pair[], p int4range, q inet, r bit(3), s tsvector, t money,
    u boolean, v text, w text[], x "char", y name, z timetz, s2 status)"""
VALUES = r"""INSERT INTO v VALUES (
    gen_random_uuid(), '\x00ff', '<a b="1">é</a>', '{"a": 1,  "a": 2}', '{"b": 1e5}',
    '(0.1,-0)', '{draft,Paid}', '', 'a',
    0.1, '-0', 'NaN', 'infinity', '1 year -2 days 00:00:00.000001', '(1,"x,""y")', '{"(,)",NULL}', '[1,5)',
    '10.0.0.0/8', B'101', 'a:1 b:2', '12.34', NULL, E'tab\t\nline\\', '{NULL,"NULL",""}', 'x', 'n', '12:00+02',
    'Paid')"""


async def test_values_of_many_types(shop: Opener) -> None:
    """Values come back byte for byte, whatever their type: undoing a deletion, and a change of every column."""
    async with shop() as caller:
        run(
            caller,
            "CREATE TYPE pair AS (a int, b text)",
            "CREATE DOMAIN word AS text CHECK (VALUE <> 'no')",
            TYPES,
            VALUES,
        )
        before = caller.tell("SELECT v::text || a::text || f::text FROM v")
        await caller.text("delete_rows", table="v", filter={"r": "101"}, confirm_name="public.v")
        change = (await caller.rows("list_changes"))[0]["change_id"]
        await caller.text("undo_change", change_id=change, confirm=True)
        assert caller.tell("SELECT v::text || a::text || f::text FROM v") == before
        values = dict.fromkeys("abcdefghijklmnopqrstuvwxyz")
        change = await changed(
            caller, "update_rows", table="v", filter={"r": "101"}, values={**values, "g": "w", "s2": None}
        )
        await changed(caller, "undo_change", change_id=change)
        assert caller.tell("SELECT v::text || a::text || f::text FROM v") == before


async def test_values_that_are_unique(shop: Opener) -> None:
    """Rows that passed a unique value on pass it back; rows that refer to each other come back at once."""
    async with shop() as caller:
        run(
            caller,
            "CREATE TABLE u (id int PRIMARY KEY, n int UNIQUE)",
            "INSERT INTO u SELECT n, n FROM generate_series(20, 1, -1) n",
            "CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree)",
            "INSERT INTO tree SELECT n, nullif((n + 1) % 501, 0) FROM generate_series(1, 500) n",
        )
        before = contents(caller, "u"), contents(caller, "tree")
        change = await changed(caller, "update_rows", table="u", filter={"id": {">": 0}}, values={"n": {"$add": 1}})
        undo = await changed(caller, "undo_change", change_id=change)
        await changed(caller, "undo_change", change_id=await changed(caller, "undo_change", change_id=undo))
        await caller.text("delete_rows", table="tree", filter={"id": {">": 0}}, confirm_name="public.tree")
        change = (await caller.rows("list_changes"))[0]["change_id"]
        await changed(caller, "undo_change", change_id=change)
        assert (contents(caller, "u"), contents(caller, "tree")) == before


async def test_many_that_change_one_row(shop: Opener) -> None:
    """Changes that meet at one row all come through, as they did when nothing was kept."""
    async with shop(RATE_LIMIT="0") as caller:
        await asyncio.gather(
            *(
                caller.text(
                    "update_rows", table="orders", filter={"id": 1}, values={"version": {"$add": 1}}, confirm=True
                )
                for _ in range(12)
            )
        )
        assert caller.tell("SELECT version FROM orders WHERE id = 1") == 13


async def test_triggers(shop: Opener) -> None:
    """What BEFORE triggers make of rows is kept, and not those that they leave out; AFTER triggers are in the way."""
    async with shop() as caller:
        run(
            caller,
            "CREATE TABLE t (id int PRIMARY KEY, v text, n int DEFAULT 0)",
            "INSERT INTO t VALUES (1, 'a'), (2, 'skip'), (3, 'c')",
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN IF OLD.v = 'skip' THEN RETURN NULL; END IF; "
            "NEW.v := upper(NEW.v); RETURN NEW; END$$",
            "CREATE TRIGGER f BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
        )
        before = contents(caller, "t")
        await caller.text("update_rows", table="t", filter={"id": {">": 0}}, values={"n": 5}, confirm=True)
        for each in await caller.rows("list_changes"):
            await caller.text("undo_change", change_id=each["change_id"], confirm=True)
            # The trigger writes capitals.
            assert contents(caller, "t") == [row.replace("a", "A").replace("c", "C") for row in before]
        run(
            caller,
            "DROP TRIGGER f ON t",
            "CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF pg_trigger_depth() = 1 THEN "
            "UPDATE t SET n = n + 1 WHERE id = NEW.id; END IF; RETURN NULL; END$$",
            "CREATE TRIGGER g AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION g()",
        )
        await caller.text("update_rows", table="t", filter={"id": 1}, values={"v": "z"}, confirm=True)
        change = (await caller.rows("list_changes"))[0]["change_id"]
        assert (await caller.error("undo_change", change_id=change, confirm=True))["code"] == "undo_conflict"


async def test_masks_reach_partitions(shop: Opener) -> None:
    """A mask of a partitioned table holds for what was changed in its partition, and for keys."""
    async with shop() as caller:
        run(caller, "ALTER TABLE events ADD note text")
        given: dict[str, Any] = {"rows": [{"day": "2026-02-01", "n": 424242, "note": "sesame"}]}
        whole = await changed(caller, "insert_rows", table="events", **given)
        run(caller, "DELETE FROM events")
        part = await changed(caller, "insert_rows", table="events_2026", **given)
        run(caller, "UPDATE events SET note = 'sesame 2'")
    masks = "masks:\n  - {column: public.events.note, mask: redact}\n  - {column: public.events.n, mask: redact}\n"
    async with shop(f"version: 1\n{masks}") as caller:
        answers: list[Any] = []
        for change in (whole, part):
            answers.append(await caller.text("list_changes", change_id=change))
            answers.append(await caller.error("undo_change", change_id=change))
            answers.append(await caller.error("undo_change", change_id=change, confirm=True))
        said = json.dumps([answers, caller.audit])
        assert "sesame" not in said
        assert "424242" not in said
