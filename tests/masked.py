"""A database with masked columns, and statements judged and run in it as the server would run them."""

from __future__ import annotations

from dataclasses import dataclass, field

import psycopg
from psycopg import pq

from guard_snapshots import TextRows, connect
from pgwarden.db import catalog
from pgwarden.db.objects import Bound, load
from pgwarden.guard import Verdict, judge
from pgwarden.guard.catalog import Catalog
from pgwarden.guard.masks import show
from pgwarden.policy.masks import Mask, MaskRule
from pgwarden.policy.objects import ObjectRules

KEY = b"a secret of the test"


def rule(column: str, kind: str, *permit: str, first: int = 0, last: int = 0) -> MaskRule:
    """Return a mask rule for `schema.table.column`."""
    schema, table, name = column.split(".")
    return MaskRule(schema, table, name, Mask(kind, first, last), frozenset(permit))  # type: ignore[arg-type]


@dataclass
class Answer:
    """What came of a statement: the guard's code, the server's error, or rows; and everything that was said."""

    verdict: Verdict
    rows: list[tuple[str | None, ...]] = field(default_factory=list)
    error: str = ""

    @property
    def text(self) -> str:
        """Everything that a caller could read."""
        return repr((self.verdict.message, self.verdict.hint, self.rows, self.error))


@dataclass
class Masked:
    """A connection whose statements are judged under rules."""

    connection: psycopg.Connection
    catalog: Catalog
    bound: Bound

    def judge(self, sql: str) -> Verdict:
        """Judge a statement, changes included."""
        return judge(sql, self.catalog, writes=True, shields=self.bound.shields)

    def run(self, sql: str, *values: str) -> Answer:
        """Judge a statement and run it, then roll back."""
        verdict = self.judge(sql)
        answer = Answer(verdict)
        if not verdict.accepted:
            return answer
        masking = verdict.masking
        bound = [*values, *(masking.parameters if masking else ())]
        pgconn = self.connection.pgconn
        pgconn.exec_(b"BEGIN")
        result = pgconn.exec_params(verdict.canonical.encode(), [value.encode() for value in bound])
        if result.status == pq.ExecStatus.FATAL_ERROR:
            state = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
            text = result.error_message.decode()
            scrubbed = masking is not None and masking.scrub and state[:2] in (b"22", b"23")
            answer.error = state.decode() if scrubbed else text.partition("\nDETAIL")[0].partition("\nCONTEXT")[0]
        for row in range(result.ntuples):
            answer.rows.append(tuple(self._value(verdict, result, row, column) for column in range(result.nfields)))
        pgconn.exec_(b"ROLLBACK")
        return answer

    def _value(self, verdict: Verdict, result: pq.abc.PGresult, row: int, column: int) -> str | None:
        raw = result.get_value(row, column)
        value = None if raw is None else raw.decode()
        masking = verdict.masking
        mask = masking.outputs.get((result.ftable(column), result.ftablecol(column))) if masking else None
        return show(value, mask, masking.key) if mask and masking else value


async def masked(url: str, *rules: MaskRule, objects: ObjectRules | None = None) -> Masked:
    """Bind rules to a database, and connect to it."""
    async with await connect(url) as connection:
        fetch = TextRows(connection)
        snapshot = await catalog.load(fetch)
        bound = await load(fetch, objects or ObjectRules(masks=rules), KEY)
    return Masked(psycopg.connect(url, autocommit=True), snapshot, bound)
