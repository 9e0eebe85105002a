"""The one path of every call: rate -> policy -> arguments -> guard -> consent -> run -> format -> audit.

Each step but run and audit is a pure decision, or asks a person. Whatever happens, one audit line is written at the
end: in `finally`, so that a cancelled call and a defect leave theirs too. A change also has one written before it runs:
what cannot be recorded does not happen.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pgwarden import consent
from pgwarden.audit import AuditLog
from pgwarden.catalogue import Category, Tier, ToolSpec
from pgwarden.connections import Connections, Place
from pgwarden.context import Composed, Context, Part, unreported
from pgwarden.errors import (
    AuditError,
    ConsentError,
    GuardError,
    InternalError,
    PolicyError,
    UnknownToolError,
    WardenError,
    did_you_mean,
)
from pgwarden.exports import ExportFolder
from pgwarden.format import Caps, dumps
from pgwarden.grants import Caller
from pgwarden.judging import Judge, Judged
from pgwarden.knowledge import Knowledge
from pgwarden.policy import Policy, decide_tool
from pgwarden.rate import RateLimit
from pgwarden.record import Record
from pgwarden.rendering import render_document, render_table, table_blocks
from pgwarden.resources import Surroundings
from pgwarden.results import Ack, FileLink, Image, Plan, Report, Result, Rows
from pgwarden.sessions import Activity, Session
from pgwarden.settings import LimitSettings, PolicySettings, StateSettings
from pgwarden.toolsets import Toolset, Toolsets

if TYPE_CHECKING:
    from pgwarden.db import Database
    from pgwarden.db.outcome import Ended
    from pgwarden.db.transaction import Transaction
    from pgwarden.guard.catalog import Catalog

log = logging.getLogger(__name__)

Progress = Callable[[float, str], Awaitable[None]]

_READ_AHEAD = 8
"""Values are shown clipped, so more bytes than the result may have are worth reading; this many times more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller gets: text blocks, beside them pictures and links to files, and for an error the same as data."""

    blocks: tuple[str, ...]
    error: dict[str, Any] | None = None
    links: tuple[FileLink, ...] = ()
    images: tuple[Image, ...] = ()


class CallPath:
    """Runs calls for one caller, on one connection."""

    def __init__(
        self,
        categories: Sequence[Category],
        policy: Policy,
        limits: LimitSettings,
        database: Callable[[], Awaitable[Database]],
        audit: AuditLog,
        *,
        caller: Caller | None = None,
        consents: PolicySettings | None = None,
        state: StateSettings | None = None,
        session: Session | None = None,
        activity: Activity | None = None,
        place: Place | None = None,
        connections: Connections | None = None,
    ) -> None:
        """Create the path.

        Args:
            categories: The catalogue.
            policy: What is granted.
            limits: Caps in force.
            database: Gives the database; called when a tool first needs it, and must not wait for a connection.
            audit: Where every call is recorded.
            caller: Who calls.
            consents: How a yes is taken; None: the defaults.
            state: What the audit keeps, and when it is forced to disk; None: the defaults.
            session: What it has in common with paths for other connections; None: nothing.
            activity: Counts the calls on the database; None: on its own.
            place: The connection; None: there is but one.
            connections: What its tools see of the connections; None: nothing.
        """
        self._limits = limits
        self._categories = categories
        self._policy = policy
        self._database = database
        self._audit = audit
        self._caller = caller or Caller()
        self._consents = consents or PolicySettings()
        state = state or StateSettings()
        self._session = session or Session(Knowledge(state.home / "knowledge"))
        self._activity = activity or Activity()
        self.place = place or Place()
        self._connections = connections
        self._exports = ExportFolder(state.export_folder, limits.export_max_bytes)
        self._literals, self._fsync = state.audit_literals, state.audit_fsync
        self._judge = Judge(policy, limits)
        self._rate = RateLimit(limits.rate_limit, buckets=self._session.buckets)
        self.definitions = 0
        """How many changes of the schema, or of code and rights, were made or seen."""
        self._seen: Catalog | None = None
        self._tools: dict[str, tuple[ToolSpec, str]] = {
            spec.name: (spec.offered(lambda feature: bool(getattr(policy, feature))), category.name)
            for category in categories
            for spec in category.tools
            if decide_tool(policy, spec.name, category.name).allowed
        }
        if "begin_transaction" in self._tools:
            self._tools = {name: (spec.joining(), category) for name, (spec, category) in self._tools.items()}
        self.toolsets = self._toolsets(categories)

    def _toolsets(self, categories: Sequence[Category]) -> Toolsets:
        names: dict[str, list[str]] = {}
        for spec, category in self._tools.values():
            if self._caller.scopes.has(spec.scope):
                names.setdefault(category, []).append(spec.name)
        granted = [Toolset(each.name, each.title, tuple(names[each.name])) for each in categories if each.name in names]
        shown = self._policy.toolsets or [each.name for each in categories if each.listed]
        # What widens the list is always on it, or a narrow start could never be widened.
        return Toolsets(granted, (*shown, "session"), self._session.enabled)

    def listed(self) -> list[ToolSpec]:
        """The tools to list now: granted, within the token's scopes, and of a category that is shown."""
        shown = set(self.toolsets.shown)
        scopes = self._caller.scopes
        return [spec for spec, category in self._tools.values() if category in shown and scopes.has(spec.scope)]

    def surroundings(self) -> Surroundings:
        """Return what resources, prompts and completions for this caller are made of."""
        scopes = self._caller.scopes
        return Surroundings(
            policy=self._policy,
            limits=self._limits,
            categories=self._categories,
            scopes=scopes,
            consent=self._consents.consent,
            database=self._database,
            tools=frozenset(spec.name for spec, _ in self._tools.values() if scopes.has(spec.scope)),
            toolsets=self.toolsets,
            run=self._run_for_resource,
            passes=self._passes,
            knowledge=self._session.knowledge,
            insights=self._session.insights,
            connections=self._connections.summaries if self._connections else tuple,
        )

    @asynccontextmanager
    async def admitted(self, method: str, arguments: Mapping[str, Any], known: Collection[str]) -> AsyncIterator[None]:
        """Record what the block does, within the caller's rate and while their token is valid.

        Args:
            method: The protocol's name of what was asked for.
            arguments: As given.
            known: Names of those that are no literals.

        Raises:
            RateLimitedError: There were too many calls in the last minute.
            ScopeError: The token has expired.
            ConfigError: The configuration was changed and is not valid.
            InternalError: The block fails with what is no error of ours.
        """
        async with self._recorded(Record(method, arguments, self._literals, known)):
            self._rate.take(self._caller.name)
            self._session.check()
            self._caller.scopes.require_valid()
            yield

    async def _run_for_resource(self, name: str, arguments: Mapping[str, Any]) -> Result:
        """Return what a tool that only reads, and takes no SQL, gives for a resource."""
        spec = self._find(name)
        self._caller.scopes.require(spec.scope)
        if spec.tier is not Tier.READ or spec.sql is not None:
            raise InternalError(f"{name} is no tool for resources.")
        values = spec.check(arguments)
        values.pop("format", None)
        context = self._context(spec, values, await self._database(), None)
        return await spec.function(context, **values)

    async def _passes(self, sql: str) -> bool:
        """Tell whether run_query would take a statement."""
        spec, values = self._find("run_query"), {"sql": sql}
        try:
            judged = await self._judge(Record(spec.name, values), spec, values, await self._database())
        except (GuardError, PolicyError):
            return False
        return judged.tier is Tier.READ and judged.absence is None

    async def __call__(
        self,
        name: str,
        arguments: Mapping[str, Any],
        asker: consent.Asker | None = None,
        progress: Progress = unreported,
    ) -> Answer:
        """Run one call. Every failure is an answer.

        Args:
            name: The tool's name.
            arguments: As the caller gave them.
            asker: The way to the person behind the client; None where there is none.
            progress: Tells the client how far the call is.

        Raises:
            consent.Asked: The client has to be asked first, and to repeat the call with the answer.
        """
        record = Record(name, arguments, self._literals)
        try:
            async with self._recorded(record):
                return await self._answer(record, name, arguments, asker, progress)
        except WardenError as exc:
            error = exc.as_dict()
            return Answer((dumps({"error": error}),), error)

    @asynccontextmanager
    async def _recorded(self, record: Record) -> AsyncIterator[None]:
        """Record how the block ends, whatever way it does; what is no error of ours leaves it as an InternalError."""
        self._activity.begin()
        record.connection = self.place.label
        try:
            yield
            record.outcome = "allowed"
        except consent.Asked:
            record.outcome = "asked"
            raise
        except asyncio.CancelledError as exc:
            record.note = " ".join(getattr(exc, "__notes__", ())) or None
            raise
        except WardenError as exc:
            record.fail(exc)
            raise
        except Exception:
            log.exception("%s failed", record.tool)
            failure = InternalError()
            record.fail(failure)
            raise failure from None
        finally:
            self._write(record)
            self._activity.end()

    async def drain(self, timeout_s: float) -> None:
        """Wait until no call is running, at most `timeout_s` seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._activity.rest(), timeout_s)

    async def _answer(
        self,
        record: Record,
        name: str,
        given: Mapping[str, Any],
        asker: consent.Asker | None,
        progress: Progress,
    ) -> Answer:
        self._rate.take(self._caller.name)
        self._session.check()
        spec = self._find(name)
        record.tier, record.known = spec.tier.value, spec.argument_names
        self._caller.scopes.require(spec.scope)
        page, given = self._resume(spec, given)
        record.arguments = given
        values = spec.check(given)
        said = consent.Given(values.pop("confirm", False), values.pop("confirm_name", ""))
        form = "markdown" if spec.bulk else values.pop("format", "markdown")
        record.transaction = str(values.get("transaction_id") or "")
        with self._place(await self._database(), spec, values) as database:
            asked = dict(values)
            bare = self._context(spec, values, database, page, progress)
            judged, context = await self._judged(record, spec, values, bare, asker)
            if judged.tier is not Tier.READ:
                # Nobody is asked about what the token does not grant.
                for scope in judged.scopes or (spec.scope,):
                    self._caller.scopes.require(scope)
                record.consent = await self._obtain(spec, asked, values, context, judged, said, asker)
            if record.consent == "person":
                # People take minutes; what names meant when they were asked need not be what they mean now.
                await self._session.valid(self)
                values = dict(asked)
                bare = self._context(spec, values, database, page, progress)
                now, context = await self._judged(record, spec, values, bare, asker)
                judged = _as_agreed(judged, now)
            if judged.changes:
                self._announce(record)
            with judged.absences():
                result = judged.answered(await spec.function(context, **values))
            self._notice(spec, database, defined=_defines(judged, record, database))
            return self._render(record, spec, given, result, form)

    def _notice(self, spec: ToolSpec, database: Database, *, defined: bool) -> None:
        """Count a change of definitions: the call's own, or one of others that its look at the catalog has shown."""
        if defined:
            self.definitions += 1
            # What is seen next is, or has, that change.
            self._seen = None
        elif spec.sql is not None and database.transaction is None and database.known is not self._seen:
            self.definitions += self._seen is not None
            self._seen = database.known

    @contextmanager
    def _place(self, database: Database, spec: ToolSpec, values: Mapping[str, Any]) -> Iterator[Database]:
        """Give what a call runs on: the database, or the transaction that it names, which is its alone meanwhile."""
        database.on_transaction_end = self._transaction_ended
        if not (spec.joins and values["transaction_id"]):
            yield database
            return
        place = database.transactions.inside(values["transaction_id"])
        with place.transaction.turn():
            place.transaction.words = values.get("sql", "")
            yield place

    def _transaction_ended(self, ended: Ended) -> None:
        """Record an end that no call asked for."""
        if ended.automatic:
            record = Record("rollback_transaction", {}, transaction=ended.id, changed=True)
            record.outcome, record.note = "automatic", ended.why
            self._write(record)

    async def _judged(
        self,
        record: Record,
        spec: ToolSpec,
        values: dict[str, Any],
        context: Context,
        asker: consent.Asker | None,
    ) -> tuple[Judged, Context]:
        """Return the judgement of a call, and the context with what belongs to it; composes the statements first."""

        async def reading(more: Composed) -> Context:
            found = await self._judge.reading(more, context.db)
            return replace(made, composed=more, verdict=found.verdict, decision=found.decision)

        made = replace(context, reading=reading)
        composed = None if spec.compose is None else await spec.compose(made, **values)
        if composed is None or isinstance(composed, Composed):
            judged = await self._judge(record, spec, values, context.db, composed)
        else:
            for each in composed:
                # What a call may not do by itself it may not do as a step.
                self._caller.scopes.require(self._find(each.spec.name if each.spec else spec.name).scope)
            judged = await self._judge.several(record, spec, values, context.db, composed)
        if judged.tier is not Tier.READ:
            judged = replace(judged, state=await self._state(spec, values, context, judged, asker))
        change = judged.verdict.change if judged.verdict else None
        if change is not None and context.db.transaction is not None:
            context.db.transaction.admit(change.command, in_transaction=change.in_transaction)
        made = replace(
            made,
            composed=judged.composed,
            verdict=judged.verdict,
            decision=judged.decision,
            parts=tuple(_part(each) for each in judged.parts),
            hidden=judged.hidden,
        )
        return judged, made

    async def _state(
        self,
        spec: ToolSpec,
        values: Mapping[str, Any],
        context: Context,
        judged: Judged,
        asker: consent.Asker | None,
    ) -> str:
        """Return what a yes is a yes to beside the call's own meaning: what has changed by then makes it void."""
        if (standing := _standing(context.db, values)) is not None:
            return standing.state
        if not self._asks(asker):
            # The call's own argument says yes, to what is there as it comes.
            return ""
        if relations := judged.relations:
            # Their names may mean other tables by then.
            return " ".join(await context.db.relation_ids(relations))
        if judged.verdict is not None or judged.parts:
            return ""
        plan = await spec.plan(context, **values) if spec.plan else None
        return repr(plan.data) if plan else ""

    def _find(self, name: str) -> ToolSpec:
        if name not in self._tools:
            near = did_you_mean(name, self._tools)
            raise UnknownToolError(f"There is no tool {name[:64]!r}.", hint=f"Did you mean {near}?" if near else None)
        return self._tools[name][0]

    def _resume(self, spec: ToolSpec, given: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Return the state of the page to continue with, and the arguments with the first call's put back."""
        # Models send null for what they mean to leave out.
        known = spec.argument_names
        arguments = {name: value for name, value in given.items() if value is not None or name not in known}
        cursor = arguments.get("cursor")
        if spec.paged is None or not isinstance(cursor, str) or not cursor:
            return None, arguments
        page = self._session.pages.load(cursor, spec.name, arguments, self._at)
        return page.state, {**page.arguments, **arguments}

    async def _obtain(
        self,
        spec: ToolSpec,
        asked: Mapping[str, Any],
        values: Mapping[str, Any],
        context: Context,
        judged: Judged,
        said: consent.Given,
        asker: consent.Asker | None,
    ) -> str:
        """Return how a yes was given.

        Args:
            spec: The tool.
            asked: Its arguments in the caller's words: what a yes is about.
            values: The same as the tool takes them.
            context: The call.
            judged: What it needs.
            said: What the arguments say.
            asker: The way to a person.

        Raises:
            ConsentError: There is none; nothing has been done.
        """
        make = spec.plan
        assert make is not None

        async def plan() -> Plan:
            return judged.restored(await make(context, **values))

        with judged.absences():
            requirement = consent.Requirement(
                tool=spec.name,
                arguments=asked,
                tier=judged.tier.value,
                name=judged.name,
                meaning=repr(judged.meaning),
                plan=plan,
                connection=self.place.label,
                place=self._at,
            )
            async with self._waiting(_standing(context.db, values), asker):
                evidence = await consent.obtain(self._consents.consent, requirement, said, asker, self._session.shown)
        return evidence.how

    def _asks(self, asker: consent.Asker | None) -> bool:
        """Tell whether a person is asked."""
        return asker is not None and asker.available and self._consents.consent != "argument"

    @asynccontextmanager
    async def _waiting(self, standing: Transaction | None, asker: consent.Asker | None) -> AsyncIterator[None]:
        """Let a transaction outlast the question about what runs in it, or about its commit."""
        if standing is None or not self._asks(asker):
            yield
            return
        await standing.outlast(self._consents.consent_timeout)
        with standing.asking(self._consents.consent_timeout):
            yield

    def _announce(self, record: Record) -> None:
        """Record that a change is about to run.

        Raises:
            AuditError: It cannot be recorded, and so must not run.
        """
        record.outcome, record.changed = "started", True
        self._append(record, durable=self._fsync != "never")
        record.outcome = "cancelled"

    def _context(
        self,
        spec: ToolSpec,
        values: dict[str, Any],
        database: Database,
        page: Any,
        progress: Progress = unreported,
    ) -> Context:
        """Return the context before anything is judged; takes what is told by it out of the arguments."""
        limits = self._limits
        max_rows = (None if spec.bulk else values.pop("max_rows", None)) or spec.paged or limits.max_rows
        values.pop("cursor", None)
        if spec.joins:
            values.pop("transaction_id")
        longest = limits.export_timeout if spec.bulk else limits.statement_timeout
        timeout = values.pop("timeout_s", None) or longest
        return Context(
            db=database,
            limits=limits,
            toolsets=self.toolsets,
            max_rows=min(max_rows, limits.max_rows),
            max_bytes=limits.max_result_bytes * _READ_AHEAD,
            timeout_s=min(timeout, longest),
            page=page,
            knowledge=self._session.knowledge,
            insights=self._session.insights,
            connections=self._connections,
            exports=self._exports,
            progress=progress,
        )

    @property
    def _at(self) -> tuple[str, int]:
        """The place, as cursors and answers are bound to it."""
        return self.place.name, self.place.serial

    def _render(self, record: Record, spec: ToolSpec, given: Mapping[str, Any], result: Result, form: str) -> Answer:
        if isinstance(result, Rows):
            return self._render_rows(record, spec, given, result, form)
        links: tuple[FileLink, ...] = ()
        record.affected, record.change = result.affected, result.change
        if isinstance(result, Ack):
            record.transaction = record.transaction or str(result.data.get("transaction_id", ""))
            record.rows, record.note, links = result.rows, result.note, result.links
        text = render_document(result, form, self._limits.max_result_bytes)
        return Answer((text,), links=links, images=result.images if isinstance(result, Report) else ())

    def _render_rows(self, record: Record, spec: ToolSpec, given: Mapping[str, Any], rows: Rows, form: str) -> Answer:
        table = render_table(rows, form, Caps(self._limits.max_result_bytes, self._limits.max_cell_chars))
        record.rows, record.affected, record.change = table.shown, rows.affected, rows.change
        cursor = None
        if table.more and rows.next_page is not None:
            cursor = self._session.pages.save(spec.name, given, rows.next_page(table.shown), self._at)
        return Answer(table_blocks(table, rows, form, cursor))

    def _write(self, record: Record) -> None:
        try:
            self._append(record, durable=self._fsync == "always" or (self._fsync == "changes" and record.changed))
        except AuditError as exc:
            # A full disk does not stop reads, and the start of a change is on record already.
            log.error("%s", exc.message)

    def _append(self, record: Record, *, durable: bool) -> None:
        self._audit.append(record.line(self._caller.name, self._caller.scopes.token_id), durable=durable)


def _as_agreed(agreed: Judged, now: Judged) -> Judged:
    """Return the judgement of now, where it is about what the person has agreed to.

    Raises:
        ConsentError: It is not.
    """
    if (now.tier, now.name, now.meaning) != (agreed.tier, agreed.name, agreed.meaning):
        raise ConsentError(
            "The database has changed while the person was asked, and the call would do something else now; "
            "nothing has been done.",
            code="confirmation_expired",
            hint="Repeat the call; the person will be asked about what it would do now.",
        )
    return now


def _part(judged: Judged) -> Part:
    assert judged.composed is not None
    assert judged.verdict is not None
    return Part(judged.composed, judged.verdict, judged.decision)


def _standing(database: Database, values: Mapping[str, Any]) -> Transaction | None:
    """Return the transaction that a call runs in, or is about.

    Raises:
        TransactionError: It has ended.
        NotFoundError: There is none of this id.
    """
    if database.transaction is not None or not values.get("transaction_id"):
        return database.transaction
    return database.transactions.inside(values["transaction_id"]).transaction


def _defines(judged: Judged, record: Record, database: Database) -> bool:
    """Tell whether a change is of more than rows and settings, and committed."""
    if record.transaction:
        ended = database.transactions.ended(record.transaction) if judged.changes and judged.verdict is None else None
        return ended is not None and ended.outcome == "committed" and ended.defined
    return judged.defines
