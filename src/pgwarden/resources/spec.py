"""What a resource declares, and what it is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pgwarden.catalogue import Category
from pgwarden.knowledge import Insights, Knowledge
from pgwarden.policy import Policy
from pgwarden.policy.scopes import Scopes
from pgwarden.results import Report, Result
from pgwarden.settings import LimitSettings
from pgwarden.toolsets import Toolsets

if TYPE_CHECKING:
    from pgwarden.db import Database


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What resources, prompts and completions are made of: what is granted to whom, and the ways to the database.

    Attributes:
        policy: What is granted.
        limits: Caps in force.
        categories: The catalogue.
        scopes: What the caller's token grants.
        consent: How a yes is taken.
        database: Gives the database.
        tools: The names of the tools that the caller has, listed now or not.
        toolsets: The categories that are granted and shown.
        run: Runs one of these tools, one that only reads and takes no SQL, with arguments by name.
        passes: Tells whether run_query would take a statement.
        knowledge: What was learned in earlier sessions.
        insights: What was found in this one.
        connections: Gives what holds on each connection, in short.
    """

    policy: Policy
    limits: LimitSettings
    categories: Sequence[Category]
    scopes: Scopes
    consent: str
    database: Callable[[], Awaitable[Database]]
    tools: frozenset[str]
    toolsets: Toolsets
    run: Callable[[str, Mapping[str, Any]], Awaitable[Result]]
    passes: Callable[[str], Awaitable[bool]]
    knowledge: Knowledge
    insights: Insights
    connections: Callable[[], Sequence[Mapping[str, Any]]] = tuple


@dataclass(frozen=True)
class ResourceSpec:
    """A resource, or where its address has names in braces, a template of resources.

    Attributes:
        uri: The address; each `{name}` stands for one part between slashes, percent-encoded.
        name: What clients call it.
        description: What clients show of it.
        read: Makes it; takes the values of the address's names.
        tools: Tools that it stands for: it exists where the caller has them all.
        scope: What a token must hold; empty: nothing beyond what the tools need.
        changed_by: Tools whose success changes its text.
        mime_type: Of its text.
    """

    uri: str
    name: str
    description: str
    read: Callable[[Surroundings, Mapping[str, str]], Awaitable[Report]]
    tools: tuple[str, ...] = ()
    scope: str = ""
    changed_by: tuple[str, ...] = ()
    mime_type: str = "text/markdown"

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """The names in its address."""
        return tuple(part[1:-1] for part in self.uri.split("/") if part.startswith("{"))

    def match(self, uri: str) -> dict[str, str] | None:
        """Return the values of the names in an address, decoded; None where it is not one of this resource."""
        wanted, given = self.uri.split("/"), uri.split("/")
        if len(wanted) != len(given):
            return None
        values: dict[str, str] = {}
        for part, found in zip(wanted, given, strict=True):
            if part.startswith("{") and found:
                values[part[1:-1]] = unquote(found)
            elif part != found:
                return None
        return values
