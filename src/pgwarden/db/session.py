"""A transaction on one link, statement by statement, until it is committed or rolled back.

    [BEGIN;] SAVEPOINT; settings; [effects;] the statement; RELEASE; [SET CONSTRAINTS ALL IMMEDIATE;] effects
    [BEGIN;] SAVEPOINT; settings; READ ONLY; SAVEPOINT; a read; ROLLBACK TO; RELEASE
    COMMIT (and the position in the log), or ROLLBACK
    DISCARD ALL

each line one batch of the extended protocol. What fails takes nothing with it but itself: the next batch goes back to
the savepoint first. From the second batch on the settings are also those of names and of the role, as the session had
them when it began: whoever judges the statement knows no others. RELEASE fails where a statement has ended its
transaction. A read is read only within its savepoint, as the server sees it; the second savepoint makes that final.

Whoever uses a session keeps the link to themselves, and runs one batch at a time. A cancelled one leaves nothing but
`Link.abort`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pgwarden.db import errors, guc
from pgwarden.db.blocks import Blocks, Parameters
from pgwarden.db.capture import Capture, Capturing, Row, Taken, paired
from pgwarden.db.change import Change, Counts, Done, Fate, difference, effects, position
from pgwarden.db.cursor import Keeper
from pgwarden.db.link import Answers, BrokenError, Link, Step
from pgwarden.db.notices import Notices
from pgwarden.db.read import Request, render
from pgwarden.errors import QueryError
from pgwarden.results import Touched

if TYPE_CHECKING:
    from pgwarden.db.recorder import Recorder

BEGIN = Step(b"BEGIN")
_SAVEPOINT = Step(b"SAVEPOINT pgwarden")
_RELEASE = Step(b"RELEASE SAVEPOINT pgwarden")
_BACK = (Step(b"ROLLBACK TO SAVEPOINT pgwarden"), _RELEASE)
_READ_ONLY = (Step(b"SET LOCAL transaction_read_only = on"), Step(b"SAVEPOINT pgwarden_read"))
_AS_JUDGED = (Step(b"SET LOCAL search_path TO DEFAULT"), Step(b"SET LOCAL role TO DEFAULT"))
"""What names mean, and who asks: a trigger or a procedure can have set that for the rest of the transaction."""
_CHECK_CONSTRAINTS = Step(b"SET CONSTRAINTS ALL IMMEDIATE")
_FORGET = Step(b"DEALLOCATE ALL")
_COMMIT = Step(b"COMMIT")

_ENDED = frozenset({"25P01", "3B001"})
"""What RELEASE says where its transaction, or its savepoint, is gone."""

T = TypeVar("T")


class Session:
    """A transaction. It begins with its first statement."""

    def __init__(
        self,
        link: Link,
        blocks: Blocks,
        *,
        lock_timeout_s: float,
        checks_client: bool,
        begin: Sequence[Step] = (BEGIN,),
        idle_s: float = 0,
        transaction_s: float = 0,
        recorder: Recorder | None = None,
    ) -> None:
        """Take a link.

        Args:
            link: Nobody else uses it; no transaction stands on it.
            blocks: Our own SQL.
            lock_timeout_s: Seconds to wait for each lock.
            checks_client: Whether the server can watch for clients that are gone.
            begin: What begins the transaction.
            idle_s: Seconds between two statements after which the server ends it; 0: shortly after a statement's time.
            transaction_s: Seconds after which the server ends it, where it can; 0: never.
            recorder: Keeps what is needed to undo changes; None: nothing is.
        """
        self.link = link
        self.made: list[Done] = []
        """The changes of which rows were taken, in their order; whoever undoes one takes it out."""
        self._recorder = recorder
        self.affected = 0
        """Rows that were changed, by whatever part of the changes."""
        self._blocks = blocks
        self._lock_timeout_s = lock_timeout_s
        self._checks_client = checks_client
        self._begin = tuple(begin)
        self._exact = any(level in step.text for step in begin for level in (b"REPEATABLE READ", b"SERIALIZABLE"))
        self._begun = False
        self._idle_s = idle_s
        self._transaction_s = transaction_s
        self._failed = False
        self._scrub = False
        self._counts: Counts | None = None

    @property
    def standing(self) -> bool:
        """Whether a transaction stands on the link, in whatever state."""
        return self._begun and self.link.in_transaction

    @property
    def failed(self) -> bool:
        """Whether the next batch has to go back to a savepoint first, and will."""
        return self._failed

    async def prepare(self, timeout_s: float) -> None:
        """Set the limits of the session itself, under which its transaction begins: some wait for their snapshot.

        Raises:
            QueryError: The server refused them.
            BrokenError: The connection broke.
        """
        answers = await self._within(timeout_s, self.link.run((self._settings(timeout_s, local=False),)))
        if answers.error is not None:
            raise errors.query_error(answers.error, length=0)

    async def change(self, change: Change, *, final: bool = False) -> Done:
        """Run a change.

        Args:
            change: What to do; its `dry_run` and `max_affected` are for whoever commits.
            final: Whether deferred constraints are to be checked behind it.

        Raises:
            QueryError: The server refused it; the transaction is as it was before.
            ArgumentError: A value cannot be sent.
            BrokenError: The connection broke.
        """
        taking = None if change.dry_run or self._recorder is None else change.capture
        version = self.link.version
        before = await self._locked(change, taking) if taking and taking.locks(version) else None
        statement = change.step(taking.suffix(version) if taking else "")
        self._scrub |= change.scrub
        counting = Step(self._blocks.pick("write_effects", self.link.version).text.encode())
        first = (*self._ready(), self._settings(change.timeout_s))
        ahead = (*first, *((counting,) if self._counts is None else ()))
        after = (_RELEASE, *((_CHECK_CONSTRAINTS,) if final else ()), counting)
        rows = self._keeper(change, taking)
        notices = Notices(scrub=change.scrub)
        started = time.monotonic()
        with self.link.listening(notices):
            # Deferred triggers have as long again.
            work = self.link.run((*ahead, statement, *after), rows=len(ahead), collector=rows)
            answers = await self._within(2 * change.timeout_s, work)
        self._begun = True
        if answers.error is not None:
            self._failed = True
            # The server counts also what it has undone.
            self._counts = None
            raise self._refused(answers, change, started, released=len(answers.results) == len(ahead) + 1)
        if self._counts is None:
            self._counts = effects(answers.results[len(ahead) - 1])
        counts = effects(answers.results[-1])
        done = Done(rows, notices.texts(), difference(self._counts, counts))
        self._counts = counts
        self.affected += done.total
        if taking:
            done.others = await self._others(taking.oid, done, change.timeout_s)
            done.taken = _taken(taking, before, rows, self._exact, version, done)
            self.made.append(done)
        return done

    async def _others(self, oid: int, done: Done, timeout_s: float) -> tuple[tuple[Touched, bool], ...]:
        """Return what was changed beside the change's own rows, and whether it may follow from deleting those."""
        if not done.touched or (len(done.touched) == 1 and done.total == (done.affected or 0)):
            return ()
        names = json.dumps([[each.schema, each.name] for each in done.touched])
        found = await self.query("undo_others", {"oid": oid, "tables": names}, timeout_s)
        follows = {(schema, name): each == "true" for schema, name, each in found.rows}
        return tuple((each, follows[name]) for each in done.touched if (name := (each.schema, each.name)) in follows)

    def _keeper(self, change: Change, taking: Capture | None) -> Keeper:
        if taking is None or self._recorder is None:
            return Keeper(change.limit, change.max_bytes, masking=change.masking)
        extra = len(taking.columns) * taking.sides(self.link.version)
        return Capturing(change.limit, change.max_bytes, extra, self._recorder.max_bytes, change.masking)

    async def _locked(self, change: Change, taking: Capture) -> list[Row] | None:
        """Read and lock the rows that a change is about to change; None where they are too much to be kept.

        Raises:
            QueryError: The server refused it; the transaction is as it was before.
            BrokenError: The connection broke.
        """
        assert self._recorder is not None
        rows = await self.lock(
            taking.lock, taking.lock_params, change.timeout_s, change.scrub, self._recorder.max_bytes
        )
        return None if rows.truncated else rows.rows

    async def lock(
        self, text: str, params: Sequence[object], timeout_s: float, scrub: bool, max_bytes: int | None = None
    ) -> Keeper:
        """Read rows, as they are stored, with a statement of ours that locks them.

        Args:
            text: The statement.
            params: Values of its parameters.
            timeout_s: Seconds that it may take.
            scrub: Whether errors must not quote values.
            max_bytes: Bytes that are kept at most.

        Raises:
            QueryError: The server refused it; the transaction is as it was before.
            BrokenError: The connection broke.
        """
        lock = Change(text, params, 0, 0, timeout_s, None)
        self._scrub |= scrub
        rows = Keeper(None, max_bytes)
        before = (*self._ready(), self._settings(timeout_s))
        started = time.monotonic()
        answers = await self._within(
            timeout_s, self.link.run((*before, lock.step(), _RELEASE), rows=len(before), collector=rows)
        )
        self._begun = True
        if answers.error is not None:
            self._failed = True
            timed_out = time.monotonic() - started >= timeout_s * 0.95
            raise errors.query_error(answers.error, length=0, timed_out=timed_out, scrub=scrub, writing=True)
        return rows

    async def read(self, request: Request) -> Keeper:
        """Run a read: it sees what the transaction has changed, and changes nothing itself.

        Raises:
            QueryError: The server refused it; the transaction goes on.
            ArgumentError: A value cannot be sent.
            BrokenError: The connection broke.
        """
        sent = render(request, self._blocks, self.link.version)
        scrub = request.masking is not None and request.masking.scrub
        forget = (_FORGET,) if request.prepared else ()
        settings = self._settings(request.timeout_s, ours=request.block, generic=bool(request.prepared))
        before = (*self._ready(), settings, *_READ_ONLY, *forget, *sent.first)
        rows = Keeper(request.limit, request.max_bytes, masking=request.masking)
        started = time.monotonic()
        work = self.link.run((*before, sent.step, *_BACK), rows=len(before), collector=rows)
        answers = await self._within(request.timeout_s, work)
        self._begun = True
        if answers.error is not None:
            self._failed = True
            timed_out = time.monotonic() - started >= request.timeout_s * 0.95
            found = answers.error
            raise errors.query_error(found, before=sent.before, length=sent.length, timed_out=timed_out, scrub=scrub)
        return rows

    async def query(self, block: str, params: Parameters, timeout_s: float) -> Keeper:
        """Run a named block of our own SQL as a read: all of its rows, of which nothing is hidden.

        Raises:
            QueryError, BrokenError: as `read`.
        """
        return await self.read(Request(block, params, timeout_s, block=True))

    async def run(self, steps: Sequence[Step], timeout_s: float) -> Answers:
        """Run statements of ours in the transaction: savepoints, constraints. Returns their answers, the last ones.

        Raises:
            QueryError: The server refused one; the transaction is as good as lost, unless it goes back to a savepoint.
            BrokenError: The connection broke.
        """
        started = time.monotonic()
        self._counts = None
        answers = await self._within(timeout_s, self.link.run((*self._back(), self._settings(timeout_s), *steps)))
        self._begun = True
        if answers.error is not None:
            timed_out = time.monotonic() - started >= timeout_s * 0.95
            raise errors.query_error(answers.error, length=0, timed_out=timed_out, scrub=self._scrub, writing=True)
        return answers

    async def check_constraints(self, timeout_s: float) -> None:
        """Check what was deferred; what deferred triggers change counts in `affected`.

        Raises:
            QueryError: A constraint is violated.
            BrokenError: The connection broke.
        """
        counting = Step(self._blocks.pick("write_effects", self.link.version).text.encode())
        before = self._counts
        answers = await self.run((_CHECK_CONSTRAINTS, counting), timeout_s)
        if before is not None:
            self._counts = effects(answers.results[-1])
            self.affected += sum(each.total for each in difference(before, self._counts))

    async def recover(self, timeout_s: float) -> None:
        """Go back to before a statement that failed, so that its locks are not kept.

        Raises:
            BrokenError: The connection broke.
        """
        failed, self._failed = self._failed, False
        if failed and self.standing:
            answers = await self._within(timeout_s, self.link.run(_BACK))
            # A late request to cancel may have met the way back; the next batch tries it again.
            self._failed = answers.error is not None

    async def commit(self, fate: Fate, timeout_s: float, *, locate: bool) -> int | None:
        """Commit, and return the position in the log behind it where that is asked for and known.

        Args:
            fate: Kept true.
            timeout_s: Seconds that it may take.
            locate: Whether to ask for the position.

        Raises:
            BrokenError: The connection broke.
            QueryError: The server rolled back instead.
            UndoError: What is needed to undo it cannot be kept; nothing was sent.
        """
        if not self.link.alive:
            raise BrokenError("the server has ended the session.")
        try:
            kept = await self._recorder.prepare(self, timeout_s) if self._recorder and self.made else ""
        except QueryError:
            await self.rollback()
            raise
        started = time.monotonic()
        located = Step(self._blocks.pick("write_position", self.link.version).text.encode())
        back = _BACK if self._failed else ()
        steps = (*back, _COMMIT, *((located,) if locate else ()))
        fate.state = "unknown"
        answers = await self._within(timeout_s, self.link.run(steps))
        if len(answers.results) <= len(back):
            fate.state = "unchanged"
            if kept and self._recorder:
                await self._recorder.settle(kept, committed=False)
            await self.rollback()
            timed_out = time.monotonic() - started >= timeout_s * 0.95
            assert answers.error is not None
            raise errors.query_error(answers.error, length=0, timed_out=timed_out, scrub=self._scrub, writing=True)
        if answers.results[len(back)][0].command_status != b"COMMIT":
            raise BrokenError("the server answered COMMIT with something else.")
        fate.state = "changed"
        if kept and self._recorder:
            await self._recorder.settle(kept, committed=True)
        await self.link.reset(rollback=False)
        return position(answers.results[-1]) if len(answers.results) > len(back) + 1 else None

    async def rollback(self) -> None:
        """Undo everything; a link that cannot is closed, which undoes it too."""
        if not self.link.broken:
            await self.link.reset(rollback=True)

    def _ready(self) -> tuple[Step, ...]:
        """Return what comes before a statement: it runs as if it were the first one."""
        restored = _AS_JUDGED if self._begun else ()
        return (*self._back(), _SAVEPOINT, *restored)

    def _back(self) -> tuple[Step, ...]:
        """Return what a batch starts with: the transaction's begin, or the way back from what failed."""
        back = _BACK if self._failed else ()
        self._failed = False
        return back if self._begun else self._begin

    def _settings(self, timeout_s: float, *, ours: bool = False, generic: bool = False, local: bool = True) -> Step:
        version = self.link.version
        whole = self._transaction_s and version >= guc.TRANSACTION_TIMEOUT_VERSION
        return guc.settings(
            guc.ms(timeout_s),
            guc.ms(self._lock_timeout_s),
            ours=ours,
            check=self._checks_client and version >= guc.CHECK_CLIENT_VERSION,
            generic=generic,
            transaction_ms=guc.ms(self._transaction_s) if whole else 0,
            idle_ms=guc.ms(self._idle_s) if self._idle_s else 0,
            local=local,
        )

    def _refused(self, answers: Answers, change: Change, started: float, *, released: bool) -> QueryError:
        """Return the error for what the server refused, wherever in the batch that was."""
        assert answers.error is not None
        if answers.error.sqlstate in _ENDED and released:
            return QueryError(
                "The statement would have ended its transaction; nothing was changed.",
                code="transaction_ended",
                hint="A transaction is committed by pgwarden, never by a statement in it.",
            )
        timed_out = time.monotonic() - started >= change.timeout_s * 0.95
        length = len(change.statement)
        return errors.query_error(answers.error, length=length, timed_out=timed_out, scrub=change.scrub, writing=True)

    async def _within(self, seconds: float, work: Coroutine[Any, Any, T]) -> T:
        return await within(seconds, self.link, work)


def _taken(taking: Capture, before: list[Row] | None, rows: Keeper, exact: bool, version: int, done: Done) -> Taken:
    """Return what was taken of a change, or why it cannot be undone."""
    own = taking.table
    others = tuple(
        f"{each.schema}.{each.name}"
        for each, _ in done.others
        if (each.schema, each.name) != own or each.total > (done.affected or 0)
    )
    taken = rows.taken if isinstance(rows, Capturing) else None
    if taken is None or (taking.locks(version) and before is None):
        return Taken(taking, problem="its rows are larger than PGWARDEN_UNDO_MAX_CHANGE_BYTES", touched=others)
    try:
        return Taken(taking, paired(taking, before, taken, taking.sides(version), exact=exact), touched=others)
    except ValueError as exc:
        return Taken(taking, problem=str(exc), touched=others)


async def within(seconds: float, link: Link, work: Coroutine[Any, Any, T]) -> T:
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
