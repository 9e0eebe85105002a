"""What rules cost: a read without rules, with rules for tables and with masks; and a change against a raw one."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from itertools import count

import psycopg

from benchmarks import servers
from benchmarks.measure import Sample, heading, interleaved, ratio, show
from benchmarks.servers import Program, Session
from benchmarks.stand import Stand, stand

TABLES = (
    """
    CREATE TABLE person AS
    SELECT i AS id, 'name ' || i AS name, 'p' || i || '@example.com' AS email, '+49 ' || i AS phone, i % 7 AS kind
    FROM generate_series(1, 1000) AS i
    """,
    "ALTER TABLE person ADD PRIMARY KEY (id)",
    "CREATE TABLE secret AS SELECT 1 AS id",
    "CREATE TABLE counter AS SELECT i AS id, 0 AS value FROM generate_series(1, 1000) AS i",
    "ALTER TABLE counter ADD PRIMARY KEY (id)",
)
RULES = {
    "no rules": "",
    "rules for tables": """
tables:
  - match: public.secret
    hidden: true
  - match: public.person
    allow: [SELECT]
""",
    "masks": """
masks:
  - column: "*.*.email"
    mask: redact
  - column: public.person.phone
    mask: hash
""",
}
READS = (
    ("one row by its key", "SELECT id, name FROM person WHERE id = 5", 400),
    ("one row by its key, each statement a new one", "SELECT id, name FROM person WHERE id = {}", 400),
    ("1000 rows with the columns that a mask is on", "SELECT * FROM person", 100),
)
"""Title, statement, rounds."""
UPDATE = "UPDATE counter SET value = value + 1 WHERE id = 5"
ROUNDS = 300
BASE = "raw psycopg: BEGIN, UPDATE, COMMIT"
OURS = "execute_sql, confirm=true"
DRY = "execute_sql, dry_run=true"
PLAN = "execute_sql, refused with the plan"


def main() -> None:
    """Measure and print."""
    with stand(*TABLES) as place:
        asyncio.run(_run(place))


async def _run(place: Stand) -> None:
    async with AsyncExitStack() as stack:
        subjects = {
            name: await stack.enter_async_context(servers.connected(_governed(place, number, rules)))
            for number, (name, rules) in enumerate(RULES.items())
        }
        numbers = count()
        for title, sql, rounds in READS:
            heading(f"{title}, over stdio", "ms")

            async def read(session: Session, sql: str = sql) -> None:
                await session.query(sql.format(next(numbers)))

            samples = await interleaved({name: partial(read, each) for name, each in subjects.items()}, rounds)
            show(samples)
            for name in samples:
                if name != "no rules":
                    ratio(f"{name} / no rules", samples[name], samples["no rules"])
        writer = await stack.enter_async_context(servers.connected(_writer(place)))
        heading("UPDATE of one row", "ms")
        samples = await _changes(place, writer)
        show(samples)
        ratio(f"{OURS} / {BASE}", samples[OURS], samples[BASE])


async def _changes(place: Stand, writer: Session) -> dict[str, Sample]:
    with psycopg.connect(place.admin_url) as connection:

        async def raw() -> None:
            connection.execute(UPDATE)
            connection.commit()

        async def ask() -> None:
            try:
                await writer.call("execute_sql", {"sql": UPDATE})
            except RuntimeError as exc:
                if "confirmation_required" not in str(exc):
                    raise

        change = partial(writer.call, "execute_sql")
        return await interleaved(
            {
                BASE: raw,
                OURS: partial(change, {"sql": UPDATE, "confirm": True}),
                DRY: partial(change, {"sql": UPDATE, "dry_run": True}),
                PLAN: ask,
            },
            ROUNDS,
        )


def _governed(place: Stand, number: int, rules: str) -> Program:
    """Return pgwarden under rules of its own, with an audit log of its own."""
    program = servers.pgwarden(place)
    policy = place.root / f"rules{number}.yaml"
    policy.write_text(f"version: 1\n{rules}", encoding="utf-8")
    return replace(
        program,
        env={**program.env, "PGWARDEN_GOVERNANCE": str(policy), "PGWARDEN_HOME": str(place.root / f"home{number}")},
    )


def _writer(place: Stand) -> Program:
    """Return pgwarden as a developer has it; its log is forced to disk before the answer to a change, as by default."""
    program = servers.pgwarden(place, place.admin_url)
    return replace(
        program,
        env={**program.env, "PGWARDEN_PROFILE": "developer", "PGWARDEN_HOME": str(place.root / "home-writer")},
    )


if __name__ == "__main__":
    main()
