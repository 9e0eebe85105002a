"""What a tool receives beside its arguments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pgwarden.catalogue import ToolSpec
    from pgwarden.connections import Connections
    from pgwarden.db import Database
    from pgwarden.db.capture import Capture
    from pgwarden.exports import ExportFolder
    from pgwarden.guard.verdict import Verdict
    from pgwarden.knowledge import Insights, Knowledge
    from pgwarden.policy import Decision
    from pgwarden.policy.objects import Relation
    from pgwarden.results import Bindable
    from pgwarden.settings import LimitSettings
    from pgwarden.toolsets import Toolsets


async def unreported(done: float, message: str) -> None:
    """Report nothing to nobody."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A statement that a tool made from its arguments.

    Attributes:
        sql: Its text: the arguments' values are `$1`, `$2`, ... in it.
        params: These values, as PostgreSQL's text; None for NULL. One of several statements may have some that those
            before it return.
        about: What the tool wants to find again when it runs the statement; never shown.
        spec: The tool whose call it stands for; None: the one that made it.
        capture: What to keep of the rows that it changes, or why nothing can be kept; None: nothing is to be.
    """

    sql: str
    params: tuple[Bindable, ...] = ()
    about: Any = None
    spec: ToolSpec | None = None
    capture: Capture | str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One of several statements that a tool made, and what was judged of it."""

    composed: Composed
    verdict: Verdict
    decision: Decision | None


@dataclass(frozen=True, slots=True)
class Context:
    """One call's surroundings.

    Attributes:
        db: The database.
        limits: Caps of the policy.
        toolsets: The categories that are granted and shown.
        max_rows: Rows that this call may return: the argument, the tool's page size or the policy's cap, the least.
        max_bytes: Bytes of values that it should read at most.
        timeout_s: Seconds that a statement of this call may take.
        page: What the tool left in Rows.next_page when the caller continues with a cursor; None on the first page.
        composed: What the tool composed, for tools that do.
        verdict: The guard's judgement of that, or of the argument `sql`.
        decision: The policy's decision on it; None where the guard refuses.
        parts: Where the tool composed several statements: these, in their order, in place of the three before.
        hidden: Relations that are absent for this caller.
        knowledge: What was learned in earlier sessions; None: nowhere.
        insights: What was found in this session; None: nowhere.
        connections: The connections of the session; None: there is but this database.
        reading: Judges one more read that the tool composes while it runs, and returns the context to run it in;
            raises what the path of a call would. None where no call is made.
        exports: Where files go; None: nowhere.
        progress: Tells the client how far the call is: a number that grows, and what it counts. At most a few a second.
    """

    db: Database
    limits: LimitSettings
    toolsets: Toolsets
    max_rows: int
    max_bytes: int
    timeout_s: float
    page: Any = None
    composed: Composed | None = None
    verdict: Verdict | None = None
    decision: Decision | None = None
    parts: tuple[Part, ...] = ()
    hidden: frozenset[Relation] = frozenset()
    knowledge: Knowledge | None = None
    insights: Insights | None = None
    connections: Connections | None = None
    reading: Callable[[Composed], Awaitable[Context]] | None = None
    exports: ExportFolder | None = None
    progress: Callable[[float, str], Awaitable[None]] = unreported
