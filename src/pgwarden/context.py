"""What a tool receives beside its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pgwarden.db import Database
    from pgwarden.guard.verdict import Verdict
    from pgwarden.policy import Decision
    from pgwarden.policy.objects import Relation
    from pgwarden.settings import LimitSettings
    from pgwarden.toolsets import Toolsets


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
        verdict: The guard's judgement of the argument `sql`, for tools that declare one.
        decision: The policy's decision on it; None where the guard refuses.
        hidden: Relations that are absent for this caller.
    """

    db: Database
    limits: LimitSettings
    toolsets: Toolsets
    max_rows: int
    max_bytes: int
    timeout_s: float
    page: Any = None
    verdict: Verdict | None = None
    decision: Decision | None = None
    hidden: frozenset[Relation] = frozenset()
