"""What clients can read beside calling tools: `RESOURCES` is the single source of truth about them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgwarden.catalogue import Category
from pgwarden.errors import DatabaseError, ScopeError
from pgwarden.policy import Policy
from pgwarden.policy.scopes import Scopes
from pgwarden.results import Report
from pgwarden.settings import LimitSettings

if TYPE_CHECKING:
    from pgwarden.db import Database


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a resource is made of: what is granted to whom, and the way to the database."""

    policy: Policy
    limits: LimitSettings
    categories: Sequence[Category]
    scopes: Scopes
    consent: str
    database: Callable[[], Awaitable[Database]]


@dataclass(frozen=True, slots=True)
class ResourceSpec:
    """A resource: its address, what clients show of it, the scope that it needs (empty: none), and how it is made."""

    uri: str
    name: str
    description: str
    mime_type: str
    read: Callable[[Surroundings], Awaitable[Report]]
    scope: str = ""


async def _policy(around: Surroundings) -> Report:
    """Return what the caller may do; the database's role is asked too, where it answers."""
    from pgwarden.resources.policy import render

    try:
        warnings = (await (await around.database()).role()).warnings
    except (DatabaseError, ScopeError) as exc:
        # A token without the database's scopes may still know what it grants.
        warnings = (f"The database's role is not known: {exc.message}",)
    return render(
        around.policy,
        around.limits,
        around.categories,
        around.scopes,
        consent=around.consent,
        role_warnings=warnings,
    )


RESOURCES = (
    ResourceSpec(
        "pgwarden://policy",
        "policy",
        "What this caller may do, and which rule decided.",
        "text/markdown",
        _policy,
    ),
)
