"""One change on the primary: run, looked at, and only then committed or rolled back.

    BEGIN; settings; SAVEPOINT; effects; the statement; RELEASE; SET CONSTRAINTS ALL IMMEDIATE; effects
    COMMIT (and the position in the log), or ROLLBACK
    DISCARD ALL

each line one batch of the extended protocol. Between the first two it is decided whether the change may stay: not
where it affected more rows than allowed (the difference of the effects tells), and not in a dry run. RELEASE fails
where the statement itself ended the transaction. Deferred constraints are checked before the decision, so that a dry
run tells the truth.

A change is never sent twice. Until COMMIT is sent, a lost connection or a cancelled call means that nothing was
changed; from then on its answer is waited for, whoever is cancelled, and where there is none the outcome is unknown.

What PostgreSQL refuses to run in a transaction goes alone, and takes effect as it runs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pgwarden.db import errors, guc
from pgwarden.db.blocks import Blocks
from pgwarden.db.cursor import Keeper, dump
from pgwarden.db.link import Answers, BrokenError, Link, Step
from pgwarden.db.notices import Notices
from pgwarden.db.pool import Pool
from pgwarden.errors import ArgumentError, QueryError, TooManyRowsError
from pgwarden.results import Touched
from pgwarden.settings import LimitSettings

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

    from pgwarden.guard.shields import Masking

_BEGIN = Step(b"BEGIN")
_SAVEPOINT = Step(b"SAVEPOINT pgwarden")
_RELEASE = Step(b"RELEASE SAVEPOINT pgwarden")
_CHECK_CONSTRAINTS = Step(b"SET CONSTRAINTS ALL IMMEDIATE")
_COMMIT = Step(b"COMMIT")
_FIRST = 4
"""Steps before the statement."""

_ENDED = frozenset({"25P01", "3B001"})
"""What RELEASE says where its transaction, or its savepoint, is gone."""

_AGAIN = "Nothing was changed; repeat the call."
_LEFT_BEHIND: Mapping[str, str] = {
    "CREATE INDEX": "It may have left an invalid index behind: look for it, and DROP INDEX CONCURRENTLY it.",
    "CREATE UNIQUE INDEX": "It may have left an invalid index behind: look for it, and DROP INDEX CONCURRENTLY it.",
    "REINDEX": "It may have left an invalid index behind, named _ccnew: look for it, and DROP INDEX CONCURRENTLY it.",
    "DROP INDEX": "It may have left the index invalid: drop it again.",
    "ALTER TABLE": "A partition may be left half detached: ALTER TABLE ... DETACH PARTITION ... FINALIZE ends that.",
}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change:
    """A change to make; the attributes are the arguments of `Database.write`."""

    statement: str
    parameters: Sequence[object]
    limit: int
    max_bytes: int
    timeout_s: float
    max_affected: int | None
    dry_run: bool = False
    in_transaction: bool = True
    masking: Masking | None = None

    @property
    def scrub(self) -> bool:
        """Whether nothing that the server says may quote values."""
        return self.masking is not None and self.masking.scrub


@dataclass(slots=True)
class Fate:
    """Whether the change was made: what is true at any moment, also for a caller that no longer waits."""

    state: Literal["unchanged", "unknown", "changed"] = "unchanged"


@dataclass(slots=True)
class Done:
    """A change that was made, or rolled back in a dry run.

    Attributes:
        rows: What it returned, and its command tag.
        notices: What the server said.
        touched: Tables whose rows were changed.
        position: Bytes of log behind it; None where that is not known, or was not asked for.
    """

    rows: Keeper
    notices: tuple[str, ...] = ()
    touched: tuple[Touched, ...] = ()
    position: int | None = None

    @property
    def affected(self) -> int | None:
        """The rows that the tag counts; None where it counts none, or only those that were returned."""
        return None if self.rows.tag.startswith("SELECT") and self.rows.types else self.rows.counted


class Writer:
    """Makes changes on the links of a pool."""

    def __init__(self, pool: Pool, limits: LimitSettings, blocks: Blocks) -> None:
        """Take the pool, the limits of locks, and the blocks of our own SQL."""
        self._pool = pool
        self._lock_timeout_s = limits.lock_timeout
        self._blocks = blocks

    async def run(self, change: Change, fate: Fate, *, locate: bool) -> Done:
        """Make a change.

        Args:
            change: What to do.
            fate: Kept true.
            locate: Whether to ask for the position in the log behind it.

        Raises:
            UnavailableError: No connection could be made.
            ConnectionLostError: It broke, and nothing was changed.
            OutcomeUnknownError: It broke, and the change may have been made.
            TooManyRowsError: It affected more rows than allowed, and was rolled back.
            QueryError: The server refused it, and nothing was changed; outside a transaction, the hint says what may be
                left behind.
            ArgumentError: There is no dry run of it, or a value cannot be sent.
        """
        statement = _step(change)
        link = await self._pool.acquire()
        try:
            work = self._in_transaction if change.in_transaction else self._alone
            return await work(link, change, statement, fate, locate)
        except asyncio.CancelledError:
            await link.abort()
            raise
        except BrokenError as exc:
            if not link.aborted:
                link.close()
            self._pool.clear()
            if fate.state == "unchanged":
                raise errors.lost(str(exc), _AGAIN) from None
            raise errors.outcome_unknown(str(exc)) from None
        finally:
            self._pool.release(link)

    async def _in_transaction(self, link: Link, change: Change, statement: Step, fate: Fate, locate: bool) -> Done:
        notices, rows = Notices(scrub=change.scrub), Keeper(change.limit, change.max_bytes, masking=change.masking)
        effects = self._block("write_effects", link)
        before = (_BEGIN, self._settings(link, change), _SAVEPOINT, effects)
        steps = (*before, statement, _RELEASE, _CHECK_CONSTRAINTS, effects)
        with link.listening(notices):
            started = time.monotonic()
            # Deferred triggers have as long again.
            answers = await self._within(2 * change.timeout_s, link, link.run(steps, rows=_FIRST, collector=rows))
            if answers.error is not None:
                if not link.broken:
                    await link.reset(rollback=True)
                raise _refused(answers, change, started)
            done = Done(rows, touched=_difference(answers.results[_FIRST - 1], answers.results[-1]))
            excess = _excess(done, change.max_affected)
            if change.dry_run or excess:
                await link.reset(rollback=True)
            if excess and not change.dry_run:
                raise excess
            if not change.dry_run:
                done.position = await _to_the_end(self._commit(link, change, fate, locate))
        done.notices = (*notices.texts(), *([f"Without dry_run it is refused. {excess.message}"] if excess else []))
        return done

    async def _commit(self, link: Link, change: Change, fate: Fate, locate: bool) -> int | None:
        """Commit, and return the position in the log behind it where that is asked for and known.

        Raises:
            BrokenError: The connection broke.
            QueryError: The server rolled back instead.
        """
        if not link.alive:
            raise BrokenError("the server has ended the session.")
        started = time.monotonic()
        steps = (_COMMIT, self._block("write_position", link)) if locate else (_COMMIT,)
        fate.state = "unknown"
        answers = await self._within(change.timeout_s, link, link.run(steps))
        if not answers.results:
            fate.state = "unchanged"
            await link.reset(rollback=True)
            raise _refused(answers, change, started)
        if answers.results[0][0].command_status != b"COMMIT":
            raise BrokenError("the server answered COMMIT with something else.")
        fate.state = "changed"
        await link.reset(rollback=False)
        return _position(answers.results[1]) if len(answers.results) > 1 else None

    async def _alone(self, link: Link, change: Change, statement: Step, fate: Fate, locate: bool) -> Done:
        notices, rows = Notices(scrub=change.scrub), Keeper(change.limit, change.max_bytes, masking=change.masking)
        started = time.monotonic()
        answers = await self._within(guc.GRACE_S, link, link.run((self._settings(link, change),)))
        if answers.error is None:
            with link.listening(notices):
                fate.state = "unknown"
                work = link.run((statement,), rows=0, collector=rows)
                answers = await self._within(change.timeout_s, link, work)
        if answers.error is not None:
            if not link.broken:
                await link.reset(rollback=False)
            raise _refused(answers, change, started, alone=True)
        fate.state = "changed"
        position = await self._locate(link) if locate else None
        await link.reset(rollback=False)
        return Done(rows, notices.texts(), position=position)

    async def _locate(self, link: Link) -> int | None:
        """Return the position in the log, or None where the server no longer answers: the change has been made."""
        try:
            answers = await self._within(guc.GRACE_S, link, link.run((self._block("write_position", link),)))
        except BrokenError:
            return None
        return _position(answers.results[0]) if answers.results else None

    async def _within(self, seconds: float, link: Link, work: Coroutine[Any, Any, T]) -> T:
        """Wait for an exchange, and somewhat longer than the server should take.

        Raises:
            BrokenError: It took longer still; the link is given up.
        """
        try:
            async with asyncio.timeout(seconds + guc.GRACE_S):
                return await work
        except TimeoutError:
            await link.abort()
            raise BrokenError("the server did not answer in time.") from None

    def _settings(self, link: Link, change: Change) -> Step:
        whole = change.in_transaction and link.version >= guc.TRANSACTION_TIMEOUT_VERSION
        return guc.settings(
            guc.ms(change.timeout_s),
            guc.ms(self._lock_timeout_s),
            check=self._pool.checks_client and link.version >= guc.CHECK_CLIENT_VERSION,
            transaction_ms=guc.ms(3 * change.timeout_s + guc.GRACE_S) if whole else 0,
            local=change.in_transaction,
        )

    def _block(self, name: str, link: Link) -> Step:
        return Step(self._blocks.pick(name, link.version).text.encode())


async def _to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Wait for work to end, also where the waiting task is cancelled: what was sent cannot be taken back."""
    task = asyncio.get_running_loop().create_task(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
        except Exception:
            break
    return task.result()


def _step(change: Change) -> Step:
    if "\0" in change.statement:
        # The wire would end the text there, and the server see another one than the guard.
        raise ArgumentError("A statement cannot contain the character NUL.")
    if change.dry_run and not change.in_transaction:
        raise ArgumentError(
            "There is no dry run of what cannot run in a transaction.",
            code="no_dry_run",
            hint="Look at the plan that a call without confirmation returns.",
        )
    values = (*change.parameters, *(change.masking.parameters if change.masking else ()))
    return Step(change.statement.encode(), *(dump(values) if values else ((), ())))


def _refused(answers: Answers, change: Change, started: float, *, alone: bool = False) -> QueryError:
    """Return the error for what the server refused, wherever in the batch that was."""
    assert answers.error is not None
    if answers.error.sqlstate in _ENDED and not alone and len(answers.results) == _FIRST + 1:
        return QueryError(
            "The statement would have ended its transaction; nothing was changed.",
            code="transaction_ended",
            hint="Each call is a transaction of its own, which is committed when the statement succeeds.",
        )
    timed_out = time.monotonic() - started >= change.timeout_s * 0.95
    error = errors.query_error(
        answers.error, length=len(change.statement), timed_out=timed_out, scrub=change.scrub, writing=True
    )
    words = " ".join(change.statement[:80].upper().split())
    left = next((hint for start, hint in _LEFT_BEHIND.items() if words.startswith(start)), None) if alone else None
    error.hint = " ".join(filter(None, (error.hint, left))) or None
    return error


def _excess(done: Done, limit: int | None) -> TooManyRowsError | None:
    """Return the error where more rows were affected than allowed, by whatever part of the change."""
    total = max(done.affected or 0, sum(each.total for each in done.touched))
    if limit is None or total <= limit:
        return None
    return TooManyRowsError(
        f"The statement would have changed {total:,} rows, and {limit:,} are allowed; it was rolled back.",
        hint="Change fewer rows at a time; triggers and cascades count. PGWARDEN_MAX_AFFECTED_ROWS is the limit.",
        details={"affected": total, "limit": limit, "command": done.rows.tag},
    )


def _difference(before: Sequence[PGresult], after: Sequence[PGresult]) -> tuple[Touched, ...]:
    """Return what was changed between two answers of the block `write_effects`."""
    already = {oid: counts for oid, _, _, counts in _effects(before)}
    found = []
    for oid, schema, name, counts in _effects(after):
        # A table that was truncated counts anew.
        inserted, updated, deleted = (max(n - m, 0) for n, m in zip(counts, already.get(oid, (0, 0, 0)), strict=True))
        found.append(Touched(schema, name, inserted, updated, deleted))
    return tuple(sorted((each for each in found if each.total), key=lambda each: (each.schema, each.name)))


def _effects(results: Sequence[PGresult]) -> list[tuple[str, str, str, tuple[int, ...]]]:
    found = []
    for result in results:
        for row in range(result.ntuples):
            oid, schema, name, *counts = ((result.get_value(row, i) or b"").decode() for i in range(result.nfields))
            found.append((oid, schema, name, tuple(map(int, counts))))
    return found


def _position(results: Sequence[PGresult]) -> int | None:
    value = results[0].get_value(0, 0) if results and results[0].ntuples else None
    return None if value is None else int(value)
