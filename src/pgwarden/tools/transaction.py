"""Transactions that stand between calls: tools of the category transaction.

What runs in one are other tools, which take its id as `transaction_id`; the path of a call gives them the database as
the transaction sees it. Here they are begun, ended, and looked at.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from pgwarden.catalogue import Tier, tool
from pgwarden.context import Context
from pgwarden.errors import ConsentError, DatabaseError, TransactionError
from pgwarden.results import Ack, Plan, Report, Touched

if TYPE_CHECKING:
    from pgwarden.db import Database
    from pgwarden.db.transaction import Transaction

SCOPE = "database:read"
"""Of one that only reads; what changes something needs database:write, which the database checks."""

Isolation = Literal["read committed", "repeatable read", "serializable"]
SavepointName = Annotated[str, Field(description="Any text.")]


@tool(tier=Tier.READ, scope=SCOPE, changes=True)
async def begin_transaction(
    ctx: Context,
    isolation: Isolation = "read committed",
    read_only: bool = False,
    deferrable: Annotated[bool, Field(description="For serializable with read_only.")] = False,
) -> Ack:
    """Begin a transaction; pass its id as transaction_id to run_query, execute_sql and the row tools.

    It is rolled back when it idles too long. Nothing stays without commit_transaction.
    """
    made = await ctx.db.transactions.begin(isolation, read_only=read_only, deferrable=deferrable)
    idle, lifetime = made.manner.idle_s, made.manner.lifetime_s
    mode = f"{isolation}{', read only' if read_only else ''}"
    text = f"transaction_id={made.id} ({mode}). Rolled back after {idle:g} s without a call, or {lifetime:g} s in all."
    return Ack(text, {"transaction_id": made.id, "idle_limit_s": idle, "lifetime_s": lifetime})


@tool(tier=Tier.READ, scope=SCOPE, changes=True)
async def savepoint(ctx: Context, transaction_id: str, name: SavepointName) -> Ack:
    """Set a savepoint to go back to."""
    found = ctx.db.transactions.inside(transaction_id).transaction
    with found.turn():
        await found.savepoint(name)
    return Ack("Savepoint set.", {"transaction_id": transaction_id, "savepoints": [s.name for s in found.savepoints]})


@tool(tier=Tier.READ, scope=SCOPE, changes=True)
async def rollback_to_savepoint(ctx: Context, transaction_id: str, name: SavepointName) -> Ack:
    """Undo what ran since a savepoint; the savepoint and the transaction stay."""
    found = ctx.db.transactions.inside(transaction_id).transaction
    with found.turn():
        undone = await found.rollback_to(name)
    left = len(found.ran)
    text = f"{undone} statement{'s' * (undone != 1)} undone; {left} left in the transaction."
    return Ack(text, {"transaction_id": transaction_id, "undone": undone, "statements": left})


async def plan(ctx: Context, transaction_id: str) -> Plan:
    """Return what commit_transaction would make permanent.

    Raises:
        TransactionError: The transaction is gone, or busy.
    """
    place = ctx.db.transactions.inside(transaction_id)
    with place.transaction.turn():
        place.transaction.require_open()
        data = await _facts(place, place.transaction, inside=True)
        place.transaction.shown = place.transaction.state
    return Plan("\n".join(_described(data)), data)


@tool(tier=Tier.CONFIRM, scope=SCOPE, plan=plan)
async def commit_transaction(ctx: Context, transaction_id: str) -> Ack:
    """Make everything that ran in a transaction permanent."""
    found = ctx.db.transactions.inside(transaction_id).transaction
    await ctx.db.check(SCOPE if found.manner.read_only else "database:write")
    with found.turn():
        if found.shown not in (None, found.state):
            raise ConsentError(
                "Something else ran in the transaction since its plan was shown; it stands, and is not committed.",
                code="confirmation_expired",
                hint="Call without confirm, and show the person the new plan.",
            )
        touched, statements = found.touched, len(found.ran)
        await ctx.db.transactions.commit(found)
    affected = sum(each.total for each in touched)
    text = f"Committed: {statements} statement{'s' * (statements != 1)}, {affected:,} rows changed."
    return Ack(text, {"transaction_id": transaction_id, "statements": statements, "affected": affected}, affected)


@tool(tier=Tier.READ, scope=SCOPE, changes=True)
async def rollback_transaction(ctx: Context, transaction_id: str) -> Ack:
    """Undo everything that ran in a transaction, and end it."""
    ended = ctx.db.transactions.ended(transaction_id)
    if ended is not None and ended.outcome == "rolled back":
        return Ack(f"It was rolled back already: {ended.why}.", {"transaction_id": transaction_id, "undone": 0})
    found = ctx.db.transactions.inside(transaction_id).transaction
    undone = len(found.ran)
    await ctx.db.transactions.roll_back(found, "rollback_transaction")
    text = f"Rolled back: {undone} statement{'s' * (undone != 1)} undone, nothing was changed."
    return Ack(text, {"transaction_id": transaction_id, "undone": undone})


@tool(tier=Tier.READ, scope=SCOPE)
async def get_transaction_status(ctx: Context, transaction_id: str = "") -> Report:
    """Show the open transactions, or one: age, limits, statements, rows changed, locks; or how it ended."""
    known = ctx.db.transactions
    if transaction_id and (ended := known.ended(transaction_id)) is not None:
        data = {"transaction_id": ended.id, "outcome": ended.outcome, "reason": ended.why}
        return Report(f"{ended.id}: {ended.outcome} ({ended.why})", data)
    places = [known.inside(transaction_id)] if transaction_id else [*known.open.values()]
    found = [await _facts(ctx.db, each.transaction, inside=False) for each in places]
    text = "\n\n".join("\n".join(_described(each)) for each in found)
    most = f"{len(known.open)} of at most {known.most} transactions stand."
    return Report(f"{text}\n\n{most}" if text else most, {"transactions": found, "limit": known.most})


async def _facts(database: Database, found: Transaction, *, inside: bool) -> dict[str, Any]:
    """Return what is known of a transaction, without what is hidden from the caller, and without what is empty."""
    now, manner = time.monotonic(), found.manner
    bound = await database.bound()
    hidden = bound.objects.hidden if bound else frozenset()
    tables = [each for each in found.touched if (each.schema, each.name) not in hidden]
    facts = {
        "transaction_id": found.id,
        "isolation": manner.isolation,
        "read_only": manner.read_only or None,
        "age_s": round(now - found.begun, 1),
        "lifetime_s": manner.lifetime_s,
        "idle_s": None if inside else round(now - found.used, 1),
        "idle_limit_s": manner.idle_s,
        "busy": (found.busy and not inside) or None,
        "savepoints": [each.name for each in found.savepoints],
        "rows_changed": {f"{each.schema}.{each.name}": _counts(each) for each in tables},
        "rows_changed_elsewhere": sum(each.total for each in found.touched) - sum(each.total for each in tables)
        or None,
        "statements": [{"sql": ran.words, "result": ran.tag} for ran in found.ran],
        **await _locks(database, found),
    }
    return {name: value for name, value in facts.items() if value not in (None, [], {})}


async def _locks(database: Database, found: Transaction) -> dict[str, Any]:
    try:
        rows = (await database.query("transaction_locks", [found.pid], primary=True, queued=False)).rows
    except TransactionError:
        raise
    except DatabaseError as exc:
        return {"locks": [f"unknown: {exc.message}"]}
    held = dict.fromkeys(f"{name or 'a table made in it'} {mode}" for name, mode, granted, _ in rows if granted == "t")
    waits = [f"{name or 'another transaction'} {mode}" for name, mode, granted, _ in rows if granted != "t"]
    blocks = int(rows[0][3] or 0) if rows else 0
    return {"locks": [*held], "waiting_for": waits, "blocks_sessions": blocks or None}


def _counts(each: Touched) -> dict[str, int]:
    counts = {"inserted": each.inserted, "updated": each.updated, "deleted": each.deleted}
    return {name: number for name, number in counts.items() if number}


def _described(facts: dict[str, Any]) -> Iterator[str]:
    mode = f"{facts['isolation']}{', read only' if facts.get('read_only') else ''}"
    idle = f", idle for {facts['idle_s']} s of at most {facts['idle_limit_s']:g}" if "idle_s" in facts else ""
    yield (
        f"Transaction {facts['transaction_id']} ({mode}): stands for {facts['age_s']} s of at most "
        f"{facts['lifetime_s']:g}{idle}{', a statement runs' if facts.get('busy') else ''}"
    )
    changed = [
        f"{name}: {_listed(f'{n:,} {verb}' for verb, n in counts.items())}"
        for name, counts in facts.get("rows_changed", {}).items()
    ]
    if elsewhere := facts.get("rows_changed_elsewhere"):
        changed.append(f"tables that are not shown: {elsewhere:,}")
    yield f"Rows changed: {'; '.join(changed) or 'none'}"
    for name, words in (("savepoints", "Savepoints"), ("locks", "Locks held"), ("waiting_for", "Waiting for")):
        if facts.get(name):
            yield f"{words}: {_listed(facts[name])}"
    if "blocks_sessions" in facts:
        yield f"Other sessions that wait for it: {facts['blocks_sessions']}"
    statements = facts.get("statements", [])
    yield f"Statements: {len(statements) or 'none'}"
    for number, each in enumerate(statements, 1):
        yield f"{number}. {each['sql']} -> {each['result']}"


def _listed(parts: Iterable[str]) -> str:
    return ", ".join(parts)
