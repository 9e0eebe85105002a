"""The decisions. Deny beats allow beats profile; each names the rule that decided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pgwarden.policy.model import Policy


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether, and by which rule."""

    allowed: bool
    rule: str


def decide_tool(policy: Policy, tool: str, category: str) -> Decision:
    """Decide whether a tool exists for the caller.

    The order is: the tool's name denied, allowed; its category denied, allowed; the tool profile.
    """
    if tool in policy.tools_denied:
        return Decision(False, "tools.deny")
    if category in policy.categories_denied:
        return Decision(False, "categories.deny")
    if tool in policy.tools_allowed:
        return Decision(True, "tools.allow")
    if category in policy.categories_allowed:
        return Decision(True, "categories.allow")
    return Decision(category in policy.profile_categories, f"tool_profile {policy.tool_profile}")


def decide_kinds(policy: Policy, kinds: Iterable[str]) -> Decision:
    """Decide whether a statement with these effects is within the SQL profile: every one of them must be."""
    missing = sorted(set(kinds) - policy.statement_types)
    rule = f"sql_profile {policy.sql_profile}"
    return Decision(not missing, f"{rule} has no {', '.join(missing)}" if missing else rule)
