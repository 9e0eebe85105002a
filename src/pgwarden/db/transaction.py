"""A transaction that stands between calls, on a connection of the primary's that it keeps.

Each statement is within a savepoint (`session.py`): one that fails, affects too much, or is a dry run leaves nothing
behind, also no lock. Savepoints of the caller are numbered: their names never reach the server.

Exchanges come one at a time. Ending does not wait for them: whoever wants the end says why, and cancels what runs.
A call that is cancelled cancels its statement alone, whose answers are read to their end; only where that does not come
in time is the connection given up, and the transaction with it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from pgwarden.db import errors, guc
from pgwarden.db.change import Change, Done, Fate, excess, rows_only
from pgwarden.db.cursor import Collector, dump
from pgwarden.db.link import BrokenError, Step
from pgwarden.db.outcome import Ended, Manner, Outcome, Ran, gone, not_inside
from pgwarden.db.read import Request
from pgwarden.db.session import Session
from pgwarden.db.write import to_the_end
from pgwarden.errors import ArgumentError, QueryError, TransactionError, WardenError
from pgwarden.results import Touched

log = logging.getLogger(__name__)

MOST_SAVEPOINTS = 100
_LONGEST_NAME = 128
_WORDS = 1_000
"""Characters of a statement that are kept."""
_STOP_S = 1.2
"""Seconds that a cancelled statement has to end; less than a cancelled call waits."""
_LOOK_S = 1.0
"""Seconds between two looks at the clock and the connection."""
RAN = "It had run, and is in the transaction."
"""What is said of a change whose call was cancelled too late."""
_IN_THE_WAY = frozenset({"40001", "40P01"})
_OUTLAST = b"SELECT pg_catalog.set_config('idle_in_transaction_session_timeout', $1, true)"
_TRY = Step(b"SAVEPOINT pgwarden_try")
_KEEP = Step(b"RELEASE SAVEPOINT pgwarden_try")
_UNDO = (Step(b"ROLLBACK TO SAVEPOINT pgwarden_try"), _KEEP)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Savepoint:
    name: str
    number: int
    ran: int
    made: int


class Transaction:
    """An open transaction, or what is left of one."""

    def __init__(
        self,
        session: Session,
        manner: Manner,
        pid: int,
        on_end: Callable[[Transaction, Ended], None],
        shielded: Callable[[Coroutine[Any, Any, T]], Coroutine[Any, Any, T]],
    ) -> None:
        """Take a session in which the transaction has begun.

        Args:
            session: Its link is this one's alone until it ends.
            manner: How it was begun.
            pid: The server's process.
            on_end: Told once, when it has ended; takes the link back.
            shielded: Runs work that a cancellation must reach exactly once.
        """
        self.id = f"t{secrets.token_hex(5)}"
        self.session = session
        self.manner = manner
        self.pid = pid
        self.begun = self.used = time.monotonic()
        self.ran: list[Ran] = []
        self.savepoints: list[_Savepoint] = []
        self.definitions = 0
        """How often what the guard looks at may have been changed in it, or changed back."""
        self.ended: Ended | None = None
        self.words = ""
        """What the caller wrote, where it is not what is sent."""
        self.note = ""
        """What became of a change whose call was cancelled."""
        self.shown: str | None = None
        """The `state` that was last shown as the plan of a commit."""
        self._on_end = on_end
        self._shielded: Callable[[Coroutine[Any, Any, Any]], Coroutine[Any, Any, Any]] = shielded
        self._numbers = 0
        self.revision = 0
        """Grows with each change that ran in it, or was undone."""
        self._exchange = asyncio.Lock()
        self._turn = False
        self._committing = False
        self._doom: Ended | None = None
        self._asked_until = 0.0
        self._asking = False
        self._task: asyncio.Task[Any] | None = None
        self._watcher = asyncio.get_running_loop().create_task(self._watch())

    @property
    def state(self) -> str:
        """What a yes about it holds for: its id, and what has been changed in it."""
        return f"{self.id}:{self.revision}"

    @property
    def busy(self) -> bool:
        """Whether a call is in it."""
        return self._turn or self._exchange.locked()

    @property
    def defined(self) -> bool:
        """Whether definitions in it may differ from those outside."""
        return self.definitions > 0

    @property
    def idle_left(self) -> float:
        """Seconds until it has idled too long."""
        return max(self.used + self.manner.idle_s, self._asked_until) - time.monotonic()

    @property
    def touched(self) -> tuple[Touched, ...]:
        """The tables whose rows it has changed."""
        sums: dict[tuple[str, str], list[int]] = {}
        for each in (touched for ran in self.ran for touched in ran.touched):
            counts = sums.setdefault((each.schema, each.name), [0, 0, 0])
            for i, number in enumerate((each.inserted, each.updated, each.deleted)):
                counts[i] += number
        return tuple(Touched(*name, *counts) for name, counts in sorted(sums.items()))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Have it to oneself, for the length of a call.

        Raises:
            TransactionError: It has ended (`transaction_gone`), or another call is in it (`transaction_busy`).
        """
        self.require_open()
        if self._turn:
            error = TransactionError(
                f"Another call is in the transaction {self.id}.",
                code="transaction_busy",
                hint="One statement at a time: repeat the call when the other has been answered.",
            )
            error.retryable = True  # type: ignore[misc]  # of this one, not of the class
            raise error
        self._turn = True
        try:
            yield
        finally:
            self._turn, self.used = False, time.monotonic()

    async def read(self, request: Request) -> Collector:
        """Run a read in it; it sees what was changed in it.

        Raises:
            QueryError: The server refused it; the transaction is as before, or the hint says that it was rolled back.
            TransactionError: The transaction is gone.
        """
        return await self._run(lambda: self.session.read(request))

    async def change(self, change: Change) -> Done:
        """Run a change in it.

        Raises:
            QueryError, TransactionError: as `read`.
            TooManyRowsError: It affected more rows than allowed, and was undone.
            ArgumentError: It cannot run in a transaction, or the transaction is read only.
        """
        self.admit("The statement", in_transaction=change.in_transaction)
        return await self._run(lambda: self._try(change))

    def admit(self, command: str, *, in_transaction: bool) -> None:
        """Do nothing where a change can run in it.

        Raises:
            ArgumentError: PostgreSQL runs it in no transaction, or this one is read only.
        """
        if not in_transaction:
            raise not_inside(command)
        if self.manner.read_only:
            raise ArgumentError(
                "The transaction was begun with read_only, and changes nothing.",
                code="transaction_read_only",
                hint="begin_transaction without read_only.",
            )

    async def savepoint(self, name: str) -> None:
        """Set a savepoint; one of the same name is hidden until this one is gone, as in SQL.

        Raises:
            ArgumentError: The name is empty or too long, or there are too many.
            TransactionError: as `read`.
        """
        if not name.strip() or len(name) > _LONGEST_NAME:
            raise ArgumentError(f"A savepoint's name has 1 to {_LONGEST_NAME} characters.")
        if len(self.savepoints) >= MOST_SAVEPOINTS:
            raise ArgumentError(
                f"There are {MOST_SAVEPOINTS} savepoints; no more can be set.",
                hint="rollback_to_savepoint removes those set since; commit_transaction ends them all.",
            )
        self._numbers += 1
        found = _Savepoint(name, self._numbers, len(self.ran), len(self.session.made))

        async def set_it() -> None:
            await self.session.run((Step(b"SAVEPOINT pgwarden_%d" % found.number),), self.manner.timeout_s)
            self.savepoints.append(found)

        await self._run(set_it)

    async def rollback_to(self, name: str) -> int:
        """Undo what ran behind a savepoint, which stays; later ones are gone. Returns how many changes were undone.

        Raises:
            ArgumentError: There is no such savepoint.
            TransactionError: as `read`.
        """
        index = next((i for i, each in reversed(list(enumerate(self.savepoints))) if each.name == name), None)
        if index is None:
            self.require_open()
            known = ", ".join(repr(each.name) for each in self.savepoints)
            raise ArgumentError(
                f"There is no savepoint {name[:_LONGEST_NAME]!r}.",
                code="not_found",
                hint=f"There are: {known}." if known else "The transaction has none; rollback_transaction undoes all.",
            )
        found = self.savepoints[index]

        async def go_back() -> int:
            back = Step(b"ROLLBACK TO SAVEPOINT pgwarden_%d" % found.number)
            await self.session.run((back,), self.manner.timeout_s)
            undone = len(self.ran) - found.ran
            del self.ran[found.ran :]
            del self.session.made[found.made :]
            del self.savepoints[index + 1 :]
            self.revision += 1
            self.definitions += self.defined
            return undone

        return await self._run(go_back)

    async def commit(self, fate: Fate, *, locate: bool) -> int | None:
        """Commit it, and return the position in the log where that is asked for and known.

        Args:
            fate: Kept true.
            locate: Whether to ask for the position.

        Raises:
            QueryError: The server refused, and has rolled back.
            OutcomeUnknownError: The connection broke while it was being committed.
            TransactionError: as `read`.
        """
        async with self._exchange:
            self.require_open()
            self._committing = True
            try:
                position = await to_the_end(self.session.commit(fate, self.manner.timeout_s, locate=locate))
            except BrokenError as exc:
                if fate.state == "unchanged":
                    self._give_up(f"its connection was lost ({errors.one_line(str(exc))})")
                    raise self._gone() from None
                self._give_up("the connection was lost while it was being committed", "unknown")
                raise errors.outcome_unknown(str(exc)) from None
            except QueryError as exc:
                self._end(Ended(self.id, "rolled back", f"PostgreSQL refused to commit it ({exc.error_code})"))
                exc.message = f"The transaction was rolled back, because PostgreSQL refused to commit it: {exc.message}"
                exc.hint = exc.hint if exc.hint and not exc.retryable else "Begin again, and repeat what ran in it."
                exc.retryable = False  # type: ignore[misc]  # of this one, not of the class
                raise
            self._end(Ended(self.id, "committed", "committed"))
            return position

    async def stop(self, ended: Ended) -> None:
        """Roll it back, whatever it is doing; returns when that is under way at the server."""
        if self.ended is not None:
            return
        self._doom = self._doom or ended
        if self._exchange.locked():
            await self.session.link.cancel()
        try:
            async with asyncio.timeout(_STOP_S):
                await self._exchange.acquire()
        except TimeoutError:
            if not self._committing and self._task is not None:
                await self._abandon(self._task)
                self._end(self._doom)
            return
        try:
            await self._roll_back(self._doom)
        finally:
            self._exchange.release()

    @contextmanager
    def asking(self, seconds: float) -> Iterator[None]:
        """Let it stand while a person is asked, for so many seconds at most: idling does not end it then.

        Where the block is left by an answer, or by an error of ours, that is over; else the answer comes with another
        call.
        """
        self._asked_until, self._asking, waits = time.monotonic() + seconds, True, False
        try:
            yield
        except Exception as exc:
            waits = not isinstance(exc, WardenError)
            raise
        finally:
            self._asking = False
            if not waits:
                self._asked_until, self.used = 0, time.monotonic()

    async def outlast(self, seconds: float) -> None:
        """Tell the server that the next statement may be so many seconds away."""
        step = Step(_OUTLAST, *dump([str(guc.ms(seconds + guc.GRACE_S))]))
        await self._run(lambda: self.session.run((step,), self.manner.timeout_s))

    async def _try(self, change: Change) -> Done:
        """Run a change, and undo it where it may not stay."""
        session, timeout = self.session, self.manner.timeout_s
        await session.run((_TRY,), timeout)
        made = len(session.made)
        try:
            done = await session.change(change)
            found = excess(done.total, change.max_affected, done.rows.tag)
            if found and not change.dry_run:
                found.message = found.message.replace("it was rolled back", "it was undone, and the transaction stands")
                raise found
        except (QueryError, ArgumentError):
            del session.made[made:]
            if not session.link.broken:
                await session.run(_UNDO, timeout)
            raise
        if change.dry_run:
            await session.run(_UNDO, timeout)
            if found:
                done.notices = (*done.notices, f"Without dry_run it is refused. {found.message}")
            return done
        # What ran is on record whoever still waits for it.
        self.ran.append(Ran(self._said(change.statement), done.rows.tag, done.affected, done.touched))
        self.revision += 1
        if not rows_only(change.statement):
            self.definitions += 1
        await session.run((_KEEP,), timeout)
        return done

    def _said(self, statement: str) -> str:
        from pgwarden.guard.redact import redact_text

        text = redact_text(self.words or statement)
        return text if len(text) <= _WORDS else f"{text[:_WORDS]}… ({len(text):,} characters)"

    async def _run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        made: T = await self._shielded(self._run_shielded(make))
        return made

    async def _run_shielded(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run an exchange in a task of its own, which a cancellation of this one does not tear."""
        async with self._exchange:
            self.require_open()
            if not self.session.link.alive:
                self._give_up("its connection was lost")
                raise self._gone()
            before = self.revision
            self._task = task = asyncio.get_running_loop().create_task(make())
            try:
                made = await self._waited(task, before)
            except BrokenError as exc:
                self._give_up(_lost(exc))
                raise self._gone() from None
            except QueryError as exc:
                await self._after(exc)
                raise
            except WardenError:
                raise
            except Exception:
                # Nobody knows what of it had run.
                self._give_up("pgwarden failed; its log on stderr has the cause")
                raise
            finally:
                self.used = time.monotonic()
                self._asked_until = self._asked_until if self._asking else 0
            await self._obey()
            return made

    async def _waited(self, task: asyncio.Task[T], before: int) -> T:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled() and self._doom is not None:
                raise gone(self._doom) from None
            await self.session.link.cancel()
            await asyncio.wait({task}, timeout=_STOP_S)
            if not task.done():
                await self._abandon(task)
                self._end(Ended(self.id, "rolled back", "a statement in it was cancelled, and did not end", True))
            elif not task.cancelled() and isinstance(task.exception(), BrokenError):
                self._give_up(_lost(task.exception()))
            else:
                await self._recover()
            self.note = self._noted(before)
            raise

    async def _abandon(self, task: asyncio.Task[Any]) -> None:
        """Stop waiting for an exchange; its link is good for nothing but `gone` then."""
        task.cancel()
        await asyncio.wait({task})
        await self.session.link.abort()

    def _noted(self, before: int) -> str:
        if self.ended is not None:
            return "Its transaction was rolled back with it; nothing was changed."
        return RAN if self.revision != before else "Nothing was changed."

    async def _after(self, exc: QueryError) -> None:
        """Free what a refused statement still holds; where the transaction cannot go on, that is all of it."""
        await self._obey()
        if str(exc.details.get("sqlstate", "")) in _IN_THE_WAY:
            # PostgreSQL would end all of it, but for the savepoint. Whoever it was in the way of can go on.
            why = f"another transaction was in the way ({exc.error_code})"
            await self._roll_back(Ended(self.id, "rolled back", why, True))
            exc.retryable = False  # type: ignore[misc]  # of this one, not of the class
        else:
            await self._recover()
        if self.ended is not None:
            exc.hint = f"The transaction was rolled back: {self.ended.why}. Begin again, and repeat what ran in it."

    async def _obey(self) -> None:
        """End it where somebody wanted that meanwhile.

        Raises:
            TransactionError: Somebody did.
        """
        if self._doom is not None:
            await self._roll_back(self._doom)
            raise self._gone() from None

    async def _recover(self) -> None:
        """Undo what a statement left behind, or note that it cannot be."""
        link = self.session.link
        try:
            if link.broken:
                raise BrokenError("it was closed.")
            await self.session.recover(self.manner.timeout_s)
        except BrokenError as exc:
            self._give_up(_lost(exc))
            return
        if not link.in_transaction:
            self._give_up("a statement has ended it", "unknown")
        elif link.in_failed_transaction and not self.session.failed:
            await self._roll_back(Ended(self.id, "rolled back", "what failed in it could not be undone alone", True))

    def require_open(self) -> None:
        """Do nothing while it stands.

        Raises:
            TransactionError: It has ended, or is about to (`transaction_gone`).
        """
        if (ended := self.ended or self._doom) is not None:
            raise gone(ended)

    def _gone(self) -> TransactionError:
        assert self.ended is not None
        return gone(self.ended)

    async def _roll_back(self, ended: Ended) -> None:
        if self.ended is None:
            if not self.session.link.aborted:
                await self.session.rollback()
            self._end(ended)

    def _give_up(self, why: str, outcome: Outcome = "rolled back") -> None:
        if self.ended is None:
            if not self.session.link.aborted:
                self.session.link.close()
            self._end(Ended(self.id, outcome, why, not self._committing))

    def _end(self, ended: Ended) -> None:
        if self.ended is None:
            self.ended = Ended(ended.id, ended.outcome, ended.why, ended.automatic, self.defined)
            if asyncio.current_task() is not self._watcher:
                self._watcher.cancel()
            self._on_end(self, self.ended)

    async def _watch(self) -> None:
        try:
            while self.ended is None:
                await self._look()
                left = min(self._left, self.idle_left, _LOOK_S)
                await asyncio.sleep(max(left, 0.01))
        except Exception:
            # Without this one nothing would ever end it.
            log.exception("watching a transaction failed")
            self._give_up("pgwarden failed; its log on stderr has the cause")

    @property
    def _left(self) -> float:
        return self.begun + self.manner.lifetime_s - time.monotonic()

    async def _look(self) -> None:
        """End it where its time is up, its connection is gone, or somebody who wanted its end was interrupted."""
        manner = self.manner
        if self._left <= 0:
            why = f"it stood for {manner.lifetime_s:g} s, and no transaction may longer"
            await self.stop(Ended(self.id, "rolled back", why, True))
        elif self._exchange.locked():
            return
        elif self._doom is not None:
            await self.stop(self._doom)
        elif self.idle_left <= 0 and not self._turn:
            why = f"nothing ran in it for {manner.idle_s:g} s"
            await self.stop(Ended(self.id, "rolled back", why, True))
        elif not self.session.link.alive:
            self._give_up("its connection was lost")


def _lost(exc: BaseException | None) -> str:
    said = errors.one_line(str(exc))
    if isinstance(exc, BrokenError) and exc.sqlstate in ("25P03", "25P04"):
        return f"the server ended it ({said})"
    return f"its connection was lost ({said})"
