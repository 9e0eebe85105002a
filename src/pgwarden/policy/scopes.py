"""Scopes: what a token grants, `family:level` with read < write < admin."""

from __future__ import annotations

from dataclasses import dataclass

from pgwarden.errors import ScopeError

LEVELS = ("read", "write", "admin")
FAMILIES = ("database", "services", "backups", "branches", "compute", "networks", "sync", "knowledge", "policy")


@dataclass(frozen=True, slots=True)
class Scopes:
    """What a caller's token grants.

    Attributes:
        granted: Scopes, such as "database:write"; None: there is no token, and the profile alone decides.
        token_id: The token's id, for the audit; empty without one.
    """

    granted: frozenset[str] | None = None
    token_id: str = ""

    def has(self, scope: str) -> bool:
        """Tell whether a scope, or a higher one of its family, is granted."""
        if self.granted is None:
            return True
        family, _, level = scope.partition(":")
        return any(f"{family}:{higher}" in self.granted for higher in LEVELS[LEVELS.index(level) :])

    def require(self, scope: str) -> None:
        """Do nothing where a scope is granted.

        Raises:
            ScopeError: It is not; the error names it.
        """
        if not self.has(scope):
            raise ScopeError(
                f"The token lacks the scope {scope}.",
                hint="Ask the owner of the server for a token with it.",
                details={"missing_scope": scope},
            )


UNLIMITED = Scopes()
