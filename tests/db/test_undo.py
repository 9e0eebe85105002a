"""Changes of the row tools, and putting them back, through the whole path of a call."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fix_rows import Caller, Opener

pytestmark = pytest.mark.anyio


NOT_VIP = {"email": "ann@x", "vip": False}
LINE = {"order id": 1, "nr;--": 1, 'sku "x': "sesame"}


async def changed(caller: Caller, tool: str, **arguments: Any) -> str:
    """The id of a change that was made."""
    before = {each["change_id"] for each in await caller.rows("list_changes")}
    yes = {"confirm_name": "public.orders"} if tool == "delete_rows" else {"confirm": True}
    text = await caller.text(tool, **{**yes, **arguments})
    made = [each["change_id"] for each in await caller.rows("list_changes") if each["change_id"] not in before]
    [new] = {name.partition(".")[0] for name in made}
    assert f"change {new}" in text
    return str(new)


def contents(caller: Caller, table: str = "orders") -> Any:
    """All rows of a table, as text."""
    return caller.tell(f"SELECT array_agg(t::text ORDER BY t::text) FROM {table} t")


async def test_everything_comes_back(shop: Opener) -> None:
    """Each kind of change is put back exactly, and doing it again is an undo of the undo."""
    async with shop() as caller:
        with psycopg.connect(caller.url, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO orders (customer_id, tags, info, note) VALUES (1, '{a,NULL,\"\"}', 'null', '')"
            )
        calls: list[tuple[str, dict[str, Any]]] = [
            ("update_rows", {"table": "orders", "filter": {"id": {"<": 5}}, "values": {"note": "x", "info": {"a": 1}}}),
            ("delete_rows", {"table": "orders", "filter": {"id": {">": 8}}}),
            ("insert_rows", {"table": "orders", "rows": [{"customer_id": 1}, {"customer_id": 2, "note": "n"}]}),
            ("upsert_rows", {"table": "orders", "rows": [{"id": 1, "customer_id": 3}, {"id": 99, "customer_id": 1}]}),
            ("archive_rows", {"table": "customers", "filter": {"id": {"in": [1, 2]}}}),
            (
                "upsert_rows",
                {"table": "customers", "key": "customers_email_key", "rows": [{"email": "ann@x", "vip": False}]},
            ),
        ]
        for tool, arguments in calls:
            table = arguments["table"]
            before = contents(caller, table)
            change = await changed(caller, tool, **arguments)
            after = contents(caller, table)
            assert before != after, tool
            undo = await changed(caller, "undo_change", change_id=change)
            assert contents(caller, table) == before, tool
            assert (await caller.error("undo_change", change_id=change, confirm=True))["code"] == "already_undone"
            await changed(caller, "undo_change", change_id=undo)
            assert contents(caller, table) == after, tool


async def test_rows_that_moved_on(shop: Opener) -> None:
    """Where a row was changed or deleted since, or its key is taken, nothing is put back; the error shows what is."""
    async with shop() as caller:
        change = await changed(
            caller, "update_rows", table="orders", filter={"id": {"in": [1, 2]}}, values={"note": "mine"}
        )
        deleted = await changed(caller, "delete_rows", table="orders", filter={"id": 3})
        with psycopg.connect(caller.url, autocommit=True) as connection:
            connection.execute("UPDATE orders SET note = 'yours' WHERE id = 2")
            connection.execute("INSERT INTO orders (id, customer_id) VALUES (3, 1)")
        before = contents(caller)
        error = await caller.error("undo_change", change_id=change, confirm=True)
        assert error["code"] == "undo_conflict"
        assert [each["note"] for each in error["details"]["current"]] == ["yours"]
        assert (await caller.error("undo_change", change_id=deleted, confirm=True))["code"] == "undo_conflict"
        assert contents(caller) == before
        with psycopg.connect(caller.url, autocommit=True) as connection:
            connection.execute("DELETE FROM orders WHERE id = 2")
        error = await caller.error("undo_change", change_id=change, confirm=True)
        assert "1 deleted" in error["message"]
        with psycopg.connect(caller.url, autocommit=True) as connection:
            connection.execute("ALTER TABLE orders DROP COLUMN note")
        assert (await caller.error("undo_change", change_id=change, confirm=True))["code"] == "table_changed"


async def test_a_transaction_comes_back_whole(shop: Opener) -> None:
    """All changes of a transaction are put back in one, the last one first; one alone can be."""
    async with shop() as caller:
        before = contents(caller), contents(caller, "customers")
        steps = [
            {"tool": "insert_rows", "table": "customers", "rows": [{"email": "new@x"}], "as": "c"},
            {"tool": "insert_rows", "table": "orders", "rows": [{"customer_id": {"$ref": "c.rows[0].id"}}]},
            {"tool": "update_rows", "table": "orders", "filter": {"id": 1}, "values": {"note": "t"}},
        ]
        text = await caller.text("run_transaction", steps=steps, confirm=True)
        names = [each["change_id"] for each in await caller.rows("list_changes")]
        group = names[0].partition(".")[0]
        assert names == [f"{group}.3", f"{group}.2", f"{group}.1"]
        assert f"change {group}" in text
        await changed(caller, "undo_change", change_id=f"{group}.3")
        assert caller.tell("SELECT note FROM orders WHERE id = 1") is None
        error = await caller.error("undo_change", change_id=group, confirm=True)
        assert error["code"] == "already_undone"
        await caller.text("undo_change", change_id=(await caller.rows("list_changes"))[0]["change_id"], confirm=True)
        plan = (await caller.error("undo_change", change_id=group))["details"]["plan"]
        assert [each["does"] for each in plan["statements"]] == ["updates", "deletes", "deletes"]
        await caller.text("undo_change", change_id=group, confirm=True)
        assert (contents(caller), contents(caller, "customers")) == before


async def test_what_cannot_be_undone(shop: Opener) -> None:
    """A table without a key changes all the same; the answer says why it cannot be undone. Dry runs leave nothing."""
    async with shop() as caller:
        text = await caller.text("insert_rows", table="keyless", rows=[{"a": 1}], confirm=True)
        assert "cannot be undone: public.keyless has no key" in text
        await caller.text("update_rows", table="vips", filter={"id": 1}, values={"email": "a@x"}, confirm=True)
        await caller.text("update_rows", table="orders", filter={"id": 1}, values={"note": "x"}, dry_run=True)
        await caller.error("insert_rows", table="orders", rows=[{"customer_id": 77}], confirm=True)
        assert await caller.rows("list_changes") == []
        assert (await caller.error("undo_change", change_id="0123456789ab"))["code"] == "not_found"
        assert (await caller.error("undo_change", change_id="../x"))["code"] == "not_found"
    async with shop(UNDO_MAX_CHANGE_BYTES="50") as caller:
        text = await caller.text(
            "update_rows", table="orders", filter={"id": {"<": 9}}, values={"note": "y"}, confirm=True
        )
        assert "PGWARDEN_UNDO_MAX_CHANGE_BYTES" in text
    async with shop(UNDO="off") as caller:
        await caller.text("update_rows", table="orders", filter={"id": 1}, values={"note": "z"}, confirm=True)
        assert "PGWARDEN_UNDO is off" in await caller.text("list_changes")


GOVERNANCE = """
version: 1
tables:
  - match: public.lines
    hidden: true
masks:
  - column: public.customers.email
    mask: redact
"""


async def test_masks_and_hidden_tables(shop: Opener) -> None:
    """What is kept is shown only as the rules show it: values masked, hidden tables not at all."""
    async with shop() as caller:
        hidden = await changed(caller, "insert_rows", table="lines", rows=[LINE])
        shown = await changed(
            caller, "update_rows", table="customers", filter={"id": 1}, values={"email": "sesame@x", "vip": False}
        )
    async with shop(GOVERNANCE) as caller:
        assert [each["change_id"] for each in await caller.rows("list_changes")] == [shown]
        values = {each["column"]: each for each in await caller.rows("list_changes", change_id=shown)}
        assert values["email"]["before"] == values["email"]["after"] == "[redacted]"
        assert values["vip"]["after"] == "f"
        answers: list[Any] = [values]
        for change in (hidden, "00000000000a"):
            for tool, more in (("list_changes", {}), ("undo_change", {"confirm": True})):
                error = await caller.error(tool, change_id=change, **more)
                assert error["code"] == "not_found"
                assert "lines" not in json.dumps(error)
                answers.append(error)
        answers.append(await caller.error("undo_change", change_id=shown))
        with psycopg.connect(caller.url, autocommit=True) as connection:
            connection.execute("UPDATE customers SET vip = true, email = 'sesame2@x' WHERE id = 1")
        conflict = await caller.error("undo_change", change_id=shown, confirm=True)
        assert conflict["code"] == "undo_conflict"
        answers += [conflict, caller.audit]
        assert "sesame" not in json.dumps(answers)
        with psycopg.connect(caller.url, autocommit=True) as connection:
            connection.execute("UPDATE customers SET vip = false, email = 'sesame@x' WHERE id = 1")
        assert "sesame" not in await caller.text("undo_change", change_id=shown, confirm=True)
        assert caller.tell("SELECT email FROM customers WHERE id = 1") == "ann@x"


async def test_two_undo_at_once(shop: Opener) -> None:
    """Of two that undo the same change at the same time exactly one does."""
    async with shop() as caller:
        change = await changed(caller, "update_rows", table="orders", filter={"id": 1}, values={"note": "x"})
        answers = await asyncio.gather(
            *(caller._path("undo_change", {"change_id": change, "confirm": True}) for _ in range(4))
        )
        codes = [each.error and each.error["code"] for each in answers]
        assert codes.count(None) == 1, codes
        assert set(codes) <= {None, "undo_conflict", "already_undone"}


async def test_others_change_rows_meanwhile(shop: Opener) -> None:
    """While others are at work the images stay true: what is put back is what each change found."""
    async with shop() as caller:

        async def change(n: int) -> None:
            await caller.text(
                "update_rows", table="orders", filter={"total": {">": 0}}, values={"note": f"n{n}"}, confirm=True
            )

        before = contents(caller)
        await asyncio.gather(*(change(n) for n in range(4)))
        for each in await caller.rows("list_changes"):
            await caller.text("undo_change", change_id=each["change_id"], confirm=True)
        assert contents(caller) == before


async def test_a_process_that_was_killed(shop: Opener, tmp_path: Path) -> None:
    """What was prepared and not settled is settled by what the server says of its transaction."""
    async with shop() as caller:
        change = await changed(caller, "update_rows", table="orders", filter={"id": 1}, values={"note": "x"})
        folder = tmp_path / "changes"
        (folder / f"{change}.json").rename(folder / f"{change}.prepared")
        assert [each["change_id"] for each in await caller.rows("list_changes")] == [change]
        assert (folder / f"{change}.json").exists()
        with psycopg.connect(caller.url) as connection:
            row = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
            connection.rollback()
        assert row
        head, rows = (folder / f"{change}.json").read_text().splitlines()
        entry = json.loads(head)["entry"]
        aborted = entry | {"id": "00000000000b", "xid": row[0]}
        _write(folder / "00000000000b.prepared", aborted, rows)
        _write(folder / "00000000000c.json", entry | {"id": "00000000000c"}, rows, checksum="0")
        _write(folder / "00000000000d.json", entry | {"id": "00000000000d", "system": "1"}, rows)
        assert [each["change_id"] for each in await caller.rows("list_changes")] == [change]
        assert not (folder / "00000000000b.prepared").exists()
        assert (folder.stat().st_mode & 0o777, (folder / f"{change}.json").stat().st_mode & 0o777) == (0o700, 0o600)


def _write(path: Path, entry: dict[str, Any], rows: str, checksum: str = "") -> None:
    import hashlib

    text = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
    checksum = checksum or hashlib.sha256(text.encode()).hexdigest()
    path.write_text(f'{{"checksum":"{checksum}","entry":{text}}}\n{rows}\n')
    path.chmod(0o600)


async def test_no_room_for_it(shop: Opener, tmp_path: Path) -> None:
    """Where the rows cannot be kept they are not changed."""
    async with shop() as caller:
        (tmp_path / "changes").write_text("a file where a directory should be")
        error = await caller.error("update_rows", table="orders", filter={"id": 1}, values={"note": "x"}, confirm=True)
        assert error["code"] == "undo_unavailable"
        assert caller.tell("SELECT note FROM orders WHERE id = 1") is None


async def test_in_an_interactive_transaction(shop: Opener) -> None:
    """What was rolled back to a savepoint is not kept; what was committed is, as one transaction."""
    async with shop() as caller:
        begun = await caller.text("begin_transaction")
        transaction = begun.partition("transaction_id=")[2].split()[0]
        inside = {"transaction_id": transaction, "confirm": True}
        await caller.text("update_rows", table="orders", filter={"id": 1}, values={"note": "a"}, **inside)
        await caller.text("savepoint", transaction_id=transaction, name="s")
        await caller.text("update_rows", table="orders", filter={"id": 2}, values={"note": "b"}, **inside)
        await caller.text("rollback_to_savepoint", transaction_id=transaction, name="s")
        await caller.text("update_rows", table="orders", filter={"id": 3}, values={"note": "c"}, **inside)
        assert await caller.rows("list_changes") == []
        await caller.text("commit_transaction", transaction_id=transaction, confirm=True)
        names = [each["change_id"] for each in await caller.rows("list_changes")]
        assert len(names) == 2
        await caller.text("undo_change", change_id=names[0].partition(".")[0], confirm=True)
        assert caller.tell("SELECT count(note) FROM orders") == 0
