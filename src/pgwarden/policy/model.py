"""The policy as it is in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pgwarden.policy.objects import ObjectRules
from pgwarden.policy.profiles import SQL_PROFILES, TOOL_PROFILES

HARD_DELETES = frozenset({"DELETE", "TRUNCATE"})
"""Statement types that `deletes: archive` refuses, and so does the tool delete_rows."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What this process grants.

    Attributes:
        sql_profile: Name of the profile over statement types.
        tool_profile: Name of the profile over tool categories.
        categories_allowed, categories_denied: Refine the tool profile.
        tools_allowed, tools_denied: Refine the categories.
        functions_allowed: Signatures of functions that the guard lets through beyond its own list.
        toolsets: Categories listed at first; empty for all that are granted.
        statements_allowed, statements_denied: Refine the SQL profile.
        commands_denied: Commands refused, by their first words, upper case.
        deletes: "archive" where no row may be deleted for good, else "hard".
        unsafe: What is otherwise never allowed and is with the SQL profile admin.
        objects: Rules about databases, schemas, tables and columns.
        role: The role in force; empty for none.
        ad_hoc: Whether the caller may connect to a URL of their own.
        origins: The role or connection ("roles.support") that brought a name into one of the lists, by list
            ("tools.deny") and name; for explanations.
    """

    sql_profile: str = "read_only"
    tool_profile: str = "read_only"
    categories_allowed: frozenset[str] = frozenset()
    categories_denied: frozenset[str] = frozenset()
    tools_allowed: frozenset[str] = frozenset()
    tools_denied: frozenset[str] = frozenset()
    functions_allowed: frozenset[str] = frozenset()
    toolsets: tuple[str, ...] = ()
    statements_allowed: frozenset[str] = frozenset()
    statements_denied: frozenset[str] = frozenset()
    commands_denied: frozenset[str] = frozenset()
    deletes: Literal["hard", "archive"] = "hard"
    unsafe: frozenset[str] = frozenset()
    objects: ObjectRules = field(default_factory=ObjectRules)
    role: str = ""
    ad_hoc: bool = False
    origins: Mapping[tuple[str, str], str] = field(default_factory=dict, compare=False)

    @property
    def statement_types(self) -> frozenset[str]:
        """Statement types that are granted: the SQL profile's with what is allowed, less what is denied."""
        granted = (SQL_PROFILES[self.sql_profile] | self.statements_allowed) - self.statements_denied
        return granted - HARD_DELETES if self.deletes == "archive" else granted

    @property
    def writes(self) -> bool:
        """Whether any statement that changes something is granted."""
        return bool(self.statement_types - SQL_PROFILES["read_only"])

    @property
    def profile_categories(self) -> frozenset[str]:
        """Categories that the tool profile grants."""
        return TOOL_PROFILES[self.tool_profile]

    def rule(self, listed: str, name: str) -> str:
        """Return the name of the rule that has a name in a list: "tools.deny", or "roles.support.tools.deny"."""
        place = self.origins.get((listed, name))
        return f"{place}.{listed}" if place else listed
