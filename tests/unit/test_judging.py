"""The memory of judgements: a verdict holds for one state of the database and one use, and for no other."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any, cast

import pytest

from pgwarden import guard
from pgwarden.catalogue import Tier, ToolSpec
from pgwarden.errors import GuardError, QueryError
from pgwarden.guard.catalog import Catalog, Relation
from pgwarden.judging import Judge, Judged
from pgwarden.policy import Policy
from pgwarden.record import Record
from pgwarden.settings import LimitSettings
from pgwarden.tools import query, write

pytestmark = pytest.mark.anyio

READ: ToolSpec = query.run_query
WRITE: ToolSpec = write.execute_sql
PLAIN = Catalog(version=180006, path=("pg_catalog", "public"), names={"public": frozenset({"t"})})
OUTSIDE = replace(PLAIN, relations={16500: Relation(16500, "public", "t", "f", outside=True)})
"""The same database after t became a foreign table."""


class Database:
    """Gives a snapshot, and has no rules; the planner fails with `sqlstate`."""

    def __init__(self, sqlstate: str = "") -> None:
        self.snapshot = PLAIN
        self.sqlstate = sqlstate

    async def catalog(self) -> Catalog:
        return self.snapshot

    async def bound(self) -> None:
        return None

    async def estimate(self, *_: Any, **__: Any) -> tuple[float, float]:
        raise QueryError("no plan", details={"sqlstate": self.sqlstate})


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that the guard itself was asked about."""
    asked: list[str] = []
    real = guard.judge

    def judge(sql: str, *args: Any, **kwargs: Any) -> guard.Verdict:
        asked.append(sql)
        return real(sql, *args, **kwargs)

    monkeypatch.setattr(guard, "judge", judge)
    return asked


async def judged(judge: Judge, spec: ToolSpec, sql: str, database: Database) -> Judged:
    """Judge a call with nothing but a statement."""
    return await judge(Record(spec.name, {}), spec, {"sql": sql}, cast(Any, database))


async def test_a_known_statement_is_not_judged_again(verdicts: list[str]) -> None:
    """As long as the database is the same."""
    judge, database = Judge(Policy(), LimitSettings()), Database()
    first = await judged(judge, READ, "SELECT 1", database)
    assert await judged(judge, READ, "SELECT 1", database) == first
    assert verdicts == ["SELECT 1"]


async def test_a_change_of_the_database_is_judged_anew(verdicts: list[str]) -> None:
    """What was harmless may not be any more."""
    judge, database = Judge(Policy(), LimitSettings()), Database()
    await judged(judge, READ, "SELECT * FROM t", database)
    database.snapshot = OUTSIDE
    with pytest.raises(GuardError):
        await judged(judge, READ, "SELECT * FROM t", database)
    assert len(verdicts) == 2


async def test_a_yes_to_a_change_is_none_to_a_read() -> None:
    """What execute_sql may run run_query must not, and the other way round nothing is refused for it."""
    judge, database = Judge(Policy(sql_profile="developer"), LimitSettings()), Database()
    changing = "UPDATE t SET a = 1 WHERE b = 2"
    assert (await judged(judge, WRITE, changing, database)).tier is Tier.CONFIRM
    with pytest.raises(GuardError):
        await judged(judge, READ, changing, database)
    assert (await judged(judge, WRITE, changing, database)).tier is Tier.CONFIRM


@pytest.mark.parametrize(
    ("sqlstate", "refused"), [("42P01", False), ("22012", False), ("55P03", True), ("57014", True)]
)
async def test_what_could_not_be_estimated_does_not_run(sqlstate: str, refused: bool) -> None:
    """A lock or a cancellation in the way of the planner would be gone when it runs; a missing table would not."""
    judge = Judge(Policy(), LimitSettings(max_estimated_rows=10))
    with pytest.raises(QueryError) if refused else nullcontext():
        await judged(judge, READ, "SELECT * FROM t", Database(sqlstate))


async def test_the_memory_is_bounded(verdicts: list[str]) -> None:
    """The oldest is forgotten; a long statement is never kept."""
    judge, database = Judge(Policy(), LimitSettings()), Database()
    long = f"SELECT '{'x' * 5_000}'"
    for sql in ("SELECT 0", *(f"SELECT {number}" for number in range(1, 257)), "SELECT 0", long, long):
        await judged(judge, READ, sql, database)
    assert verdicts.count("SELECT 0") == 2
    assert verdicts.count(long) == 2
