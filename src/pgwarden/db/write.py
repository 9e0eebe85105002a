"""Changes on the primary: run, looked at, and only then committed or rolled back (`session.py` has the batches).

Between the statements and COMMIT it is decided whether the change may stay: not where it affected more rows than
allowed (the difference of the effects tells), and not in a dry run. Deferred constraints are checked before the
decision, so that a dry run tells the truth.

A change is never sent twice. Until COMMIT is sent, a lost connection or a cancelled call means that nothing was
changed; from then on its answer is waited for, whoever is cancelled, and where there is none the outcome is unknown.
Several statements of one transaction that another one was in the way of were rolled back whole, and are run again.

What PostgreSQL refuses to run in a transaction goes alone, and takes effect as it runs.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pgwarden.db import errors, guc
from pgwarden.db.blocks import Blocks
from pgwarden.db.change import Change, Done, Fate, excess, position
from pgwarden.db.cursor import Keeper
from pgwarden.db.link import BrokenError, Link, Step
from pgwarden.db.notices import Notices
from pgwarden.db.pool import Pool
from pgwarden.db.recorder import Recorder
from pgwarden.db.session import BEGIN, Session, within
from pgwarden.errors import QueryError
from pgwarden.settings import LimitSettings

Isolation = Literal["read committed", "repeatable read", "serializable"]

RETRIES = 3
"""How often a transaction is run again that another one was in the way of."""
_RETRY_S = 0.05
"""Seconds before it is, at most; doubles each time."""
_DEFER = Step(b"SET CONSTRAINTS ALL DEFERRED")
BEGIN_AT: Mapping[Isolation, Step] = {
    "read committed": Step(b"BEGIN ISOLATION LEVEL READ COMMITTED"),
    "repeatable read": Step(b"BEGIN ISOLATION LEVEL REPEATABLE READ"),
    "serializable": Step(b"BEGIN ISOLATION LEVEL SERIALIZABLE"),
}

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
class Terms:
    """How several statements are run as one; the attributes are the arguments of `Database.transact`."""

    timeout_s: float
    max_affected: int | None
    isolation: Isolation = "serializable"
    dry_run: bool = False


class Writer:
    """Makes changes on the links of a pool."""

    def __init__(self, pool: Pool, limits: LimitSettings, blocks: Blocks, recorder: Recorder | None = None) -> None:
        """Take the pool, the limits of locks, the blocks of our own SQL, and what keeps rows as they were."""
        self._recorder = recorder
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
        statement = change.step()
        for attempt in range(RETRIES + 1):
            try:
                async with self._link(fate) as link:
                    if change.in_transaction:
                        return await self._in_transaction(link, change, fate, locate, last=attempt == RETRIES)
                    return await self._alone(link, change, statement, fate, locate)
            except QueryError as exc:
                if not (exc.retryable and self._locks(change)) or attempt == RETRIES:
                    raise
            await _pause(attempt)
        raise AssertionError

    async def transact(
        self, work: Callable[[Session], Awaitable[T]], terms: Terms, fate: Fate, *, locate: bool
    ) -> tuple[T, int | None]:
        """Run several statements as one transaction, again from the start where another one was in the way.

        Args:
            work: Runs them, and returns what the caller gets.
            terms: How.
            fate: Kept true.
            locate: Whether to ask for the position in the log behind it.

        Returns:
            What `work` returned the last time, and the position.

        Raises:
            DatabaseError: as `run`; whatever `work` raises: nothing was changed then.
        """
        for attempt in range(RETRIES + 1):
            try:
                async with self._link(fate) as link:
                    return await self._transaction(link, work, terms, fate, locate)
            except QueryError as exc:
                if not exc.retryable or attempt == RETRIES:
                    raise
            await _pause(attempt)
        raise AssertionError

    def _locks(self, change: Change) -> bool:
        """Tell whether the rows of a change may be read before it: both must see the same, whoever else is at work."""
        return self._recorder is not None and change.capture is not None and bool(change.capture.lock)

    @asynccontextmanager
    async def _link(self, fate: Fate) -> AsyncIterator[Link]:
        """Lend a link; what fails on it becomes an error that says whether something was changed.

        Raises:
            UnavailableError: No connection could be made.
            ConnectionLostError: It broke, and nothing was changed.
            OutcomeUnknownError: It broke, and the change may have been made.
        """
        link = await self._pool.acquire()
        try:
            yield link
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

    async def _in_transaction(self, link: Link, change: Change, fate: Fate, locate: bool, *, last: bool) -> Done:
        exact = self._locks(change) and change.capture is not None and change.capture.locks(link.version)
        # In READ COMMITTED nobody is in the way: the last attempt makes it, if need be without keeping its rows.
        exact = exact and not last
        begin = BEGIN_AT["repeatable read"] if exact else BEGIN
        session = self._session(link, begin=(begin,), transaction_s=3 * change.timeout_s + guc.GRACE_S)
        try:
            done = await session.change(change, final=True)
            found = excess(done.total, change.max_affected, done.rows.tag)
            if found and not change.dry_run:
                raise found
        except QueryError:
            await session.rollback()
            raise
        if change.dry_run:
            await session.rollback()
            if found:
                done.notices = (*done.notices, f"Without dry_run it is refused. {found.message}")
        else:
            done.position = await to_the_end(session.commit(fate, change.timeout_s, locate=locate))
        return done

    async def _transaction(
        self, link: Link, work: Callable[[Session], Awaitable[T]], terms: Terms, fate: Fate, locate: bool
    ) -> tuple[T, int | None]:
        session = self._session(link, begin=(BEGIN_AT[terms.isolation], _DEFER))
        try:
            made = await work(session)
            await session.check_constraints(terms.timeout_s)
            found = excess(session.affected, terms.max_affected, "", "transaction")
            if found:
                raise found
        except (asyncio.CancelledError, BrokenError):
            raise
        except BaseException:
            await session.rollback()
            raise
        if terms.dry_run:
            await session.rollback()
            return made, None
        return made, await to_the_end(session.commit(fate, terms.timeout_s, locate=locate))

    async def _alone(self, link: Link, change: Change, statement: Step, fate: Fate, locate: bool) -> Done:
        notices, rows = Notices(scrub=change.scrub), Keeper(change.limit, change.max_bytes, masking=change.masking)
        started = time.monotonic()
        settings = guc.settings(
            guc.ms(change.timeout_s),
            guc.ms(self._lock_timeout_s),
            check=self._pool.checks_client and link.version >= guc.CHECK_CLIENT_VERSION,
            local=False,
        )
        answers = await within(guc.GRACE_S, link, link.run((settings,)))
        if answers.error is None:
            with link.listening(notices):
                fate.state = "unknown"
                work = link.run((statement,), rows=0, collector=rows)
                answers = await within(change.timeout_s, link, work)
        if answers.error is not None:
            if not link.broken:
                await link.reset(rollback=False)
            raise _refused_alone(answers.error, change, started)
        fate.state = "changed"
        where = await self._locate(link) if locate else None
        await link.reset(rollback=False)
        return Done(rows, notices.texts(), position=where)

    async def _locate(self, link: Link) -> int | None:
        """Return the position in the log, or None where the server no longer answers: the change has been made."""
        step = Step(self._blocks.pick("write_position", link.version).text.encode())
        try:
            answers = await within(guc.GRACE_S, link, link.run((step,)))
        except BrokenError:
            return None
        return position(answers.results[0]) if answers.results else None

    def _session(self, link: Link, **more: Any) -> Session:
        return Session(
            link,
            self._blocks,
            lock_timeout_s=self._lock_timeout_s,
            checks_client=self._pool.checks_client,
            recorder=self._recorder,
            **more,
        )


async def _pause(attempt: int) -> None:
    """Wait before another attempt: two that met would meet again."""
    await asyncio.sleep(random.uniform(0, _RETRY_S * 2**attempt))  # noqa: S311


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
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


def _refused_alone(found: errors.ServerMessage, change: Change, started: float) -> QueryError:
    """Return the error for what the server refused outside a transaction, and what that may leave behind."""
    timed_out = time.monotonic() - started >= change.timeout_s * 0.95
    length = len(change.statement)
    error = errors.query_error(found, length=length, timed_out=timed_out, scrub=change.scrub, writing=True)
    words = " ".join(change.statement[:80].upper().split())
    left = next((hint for start, hint in _LEFT_BEHIND.items() if words.startswith(start)), None)
    error.hint = " ".join(filter(None, (error.hint, left))) or None
    return error
