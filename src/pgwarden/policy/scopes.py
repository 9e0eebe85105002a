"""Scopes: what a token grants, `family:level` with read < write < admin."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from pgwarden.errors import ConfigError, ScopeError, did_you_mean

LEVELS = ("read", "write", "admin")
FAMILIES = ("database", "services", "backups", "branches", "compute", "networks", "sync", "knowledge", "policy")


@dataclass(frozen=True, slots=True)
class Scopes:
    """What a caller's token grants.

    Attributes:
        granted: Scopes, such as "database:write"; None: there is no token, and the profile alone decides.
        token_id: The token's id, for the audit; empty without one.
        expires_at: Seconds since 1970 from which on nothing is granted; None: never.
    """

    granted: frozenset[str] | None = None
    token_id: str = ""
    expires_at: int | None = None

    @classmethod
    def of(cls, names: Iterable[str], token_id: str = "", expires_at: int | None = None) -> Self:
        """Return the scopes of a token.

        Raises:
            ConfigError: A scope is not known; the hint names the nearest one.
        """
        return cls(frozenset(map(check, names)), token_id, expires_at)

    def has(self, scope: str) -> bool:
        """Tell whether a scope, or a higher one of its family, is granted. Does not look at the clock."""
        if self.granted is None:
            return True
        family, _, level = scope.partition(":")
        return any(f"{family}:{higher}" in self.granted for higher in LEVELS[LEVELS.index(level) :])

    def require(self, scope: str) -> None:
        """Do nothing where a scope is granted now.

        Raises:
            ScopeError: It is not, and the error names it; or the token has expired.
        """
        self.require_valid()
        if not self.has(scope):
            raise ScopeError(
                f"The token lacks the scope {scope}.",
                hint="Ask the owner of the server for a token with it.",
                details={"missing_scope": scope},
            )

    def require_valid(self) -> None:
        """Do nothing while the token, if there is one, has not expired.

        Raises:
            ScopeError: It has.
        """
        if self.expires_at is not None and time.time() >= self.expires_at:
            raise ScopeError(
                "The token has expired.",
                code="scope_expired",
                hint="Ask the owner of the server for a new token and start the server with it.",
            )


UNLIMITED = Scopes()


def check(scope: str) -> str:
    """Return a scope that exists.

    Raises:
        ConfigError: Its family or level is not known; the hint names the nearest one.
    """
    family, colon, level = scope.partition(":")
    if family in FAMILIES and level in LEVELS:
        return scope
    near = f"{_nearest(family, FAMILIES)}:{_nearest(level, LEVELS) if colon else LEVELS[0]}"
    hint = f"Families: {', '.join(FAMILIES)}; levels: {', '.join(LEVELS)}."
    raise ConfigError(
        f"The scope {scope[:64]!r} is not known.", hint=hint if "None" in near else f"Did you mean {near}? {hint}"
    )


def _nearest(name: str, known: tuple[str, ...]) -> str | None:
    return name if name in known else did_you_mean(name, known)
