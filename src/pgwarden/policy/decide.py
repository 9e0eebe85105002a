"""The decisions. Deny beats allow beats profile; each names the rule that decided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pgwarden.policy.commands import blocked_by
from pgwarden.policy.model import HARD_DELETES, Policy
from pgwarden.policy.objects import Objects, Relation, Use
from pgwarden.policy.profiles import SQL_PROFILES
from pgwarden.policy.reach import Statement, breach

_HARD_DELETE_TOOL = "delete_rows"
_ARCHIVE_HINT = "Nothing is deleted for good here: mark the rows as archived instead."
_DROPS_ROWS = frozenset({"DROP TABLE", "DROP DATABASE", "DROP OWNED", "DROP EXTENSION"})
_ADMINISTRATION = frozenset({"code", "power"})
_CLASSES = frozenset({"rows", "schema", "session", "maintenance"}) | _ADMINISTRATION


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether, and by which rule.

    Attributes:
        allowed: Whether.
        rule: What decided, as a clause that can end "the policy does not allow this: ...".
        hidden: A relation that the statement names and that is absent for the caller, who must be answered as if it
            did not exist; with an empty name: a schema; with an empty schema: a database. None where there is none.
        hint: What to do instead; may be empty.
    """

    allowed: bool
    rule: str
    hidden: Relation | None = None
    hint: str = ""


def decide_tool(policy: Policy, tool: str, category: str) -> Decision:
    """Decide whether a tool exists for the caller.

    The order is: the tool's name denied, its category denied; the name allowed, the category allowed; the tool profile.
    """
    if tool in policy.tools_denied:
        return Decision(False, policy.rule("tools.deny", tool))
    if tool == _HARD_DELETE_TOOL and policy.deletes == "archive":
        return Decision(False, f"{policy.rule('deletes', 'archive')} is archive")
    if category in policy.categories_denied:
        return Decision(False, policy.rule("categories.deny", category))
    if tool in policy.tools_allowed:
        return Decision(True, policy.rule("tools.allow", tool))
    if category in policy.categories_allowed:
        return Decision(True, policy.rule("categories.allow", category))
    return Decision(category in policy.profile_categories, f"tool_profile {policy.tool_profile}")


def decide_elevated(policy: Policy, tool: str) -> Decision:
    """Decide whether a tool that is granted may be called with an argument that gives more away: by its name alone."""
    if tool in policy.tools_allowed:
        return Decision(True, policy.rule("tools.allow", tool))
    return Decision(policy.tool_profile == "admin", f"tool_profile {policy.tool_profile}")


def decide_type(policy: Policy, kind: str) -> Decision:
    """Decide whether a statement type is granted at all."""
    if kind in policy.statements_denied:
        return Decision(False, policy.rule("statements.deny", kind))
    if kind in HARD_DELETES and policy.deletes == "archive":
        return Decision(False, f"{policy.rule('deletes', 'archive')} is archive", hint=_ARCHIVE_HINT)
    profile = f"sql_profile {policy.sql_profile}"
    if kind in SQL_PROFILES[policy.sql_profile]:
        return Decision(True, profile)
    if kind in policy.statements_allowed:
        return Decision(True, policy.rule("statements.allow", kind))
    return Decision(False, profile)


def decide_kinds(policy: Policy, kinds: Iterable[str]) -> Decision:
    """Decide whether a statement with these effects is within the statement types: every one of them must be."""
    decisions = {kind: decide_type(policy, kind) for kind in kinds}
    if all(decision.allowed for decision in decisions.values()):
        return Decision(True, ", ".join(sorted({decision.rule for decision in decisions.values()})))
    profile = f"sql_profile {policy.sql_profile}"
    refused = sorted(kind for kind, decision in decisions.items() if not decision.allowed)
    # What is denied by name says more than what the profile only has not got.
    for kind in refused:
        if decisions[kind].rule != profile:
            return Decision(False, f"{decisions[kind].rule} refuses {kind}", hint=decisions[kind].hint)
    return Decision(False, f"{profile} has no {', '.join(refused)}")


def decide_statement(
    policy: Policy,
    *,
    kinds: Iterable[str],
    command: str = "",
    object_class: str = "rows",
    unsafe: str = "",
    uses: Iterable[Use] = (),
    objects: Objects | None = None,
    targets: Iterable[tuple[str, str]] = (),
    sweeps: Iterable[tuple[str, str]] = (),
    cascade: bool = False,
    moves: bool = False,
) -> Decision:
    """Decide whether a statement that the guard has understood may run.

    Args:
        policy: The policy in force.
        kinds: Everything that it does, by statement type; at least one.
        command: Its command in PostgreSQL's words.
        object_class: The class of what it changes; "rows" for a read.
        unsafe: What the policy must list for it; empty where nothing.
        uses: The relations that it names, resolved, with what it does with each.
        objects: What the database says of its relations; needed where there are rules about them.
        targets: The objects that it changes: kind and name, quoted as SQL quotes it.
        sweeps: Objects that stand for relations which it does not name, likewise: a schema, the database.
        cascade: Whether it says CASCADE.
        moves: Whether it takes something out from under the name, or the parent, that rules know it by.
    """
    kinds = frozenset(kinds)
    refused = (
        _blocked(policy, command, kinds)
        or _class(policy, command, object_class, unsafe)
        or _archived(policy, command, kinds, cascade=cascade)
    )
    if refused:
        return refused
    types = decide_kinds(policy, kinds - {unsafe})
    if not kinds:
        return Decision(False, "what it does is not known")
    if not types.allowed:
        return types
    if not policy.objects:
        return types
    statement = Statement(command, object_class, unsafe, tuple(uses), tuple(targets), tuple(sweeps), cascade, moves)
    found = breach(policy.objects, objects, statement)
    return Decision(False, found.rule, found.hidden, found.hint) if found else types


def _blocked(policy: Policy, command: str, kinds: frozenset[str]) -> Decision | None:
    blocked = blocked_by(policy.commands_denied, command, kinds) if policy.commands_denied else None
    return Decision(False, f"{policy.rule('commands.deny', blocked)} refuses {blocked}") if blocked else None


def _archived(policy: Policy, command: str, kinds: frozenset[str], *, cascade: bool) -> Decision | None:
    """Refuse to drop what holds rows where none may be deleted for good."""
    if policy.deletes != "archive" or not (command in _DROPS_ROWS or (cascade and "DROP" in kinds)):
        return None
    return Decision(
        False, f"{policy.rule('deletes', 'archive')} is archive, and {command} drops rows", hint=_ARCHIVE_HINT
    )


def _class(policy: Policy, command: str, object_class: str, unsafe: str) -> Decision | None:
    """Refuse what only an administrator may do, whatever allow lists say."""
    if object_class not in _CLASSES:
        return Decision(False, "what it changes is not known")
    if (object_class in _ADMINISTRATION or unsafe) and policy.sql_profile != "admin":
        return Decision(False, f"sql_profile {policy.sql_profile} has no {command or unsafe}")
    if unsafe and unsafe not in policy.unsafe:
        return Decision(False, f"unsafe does not list {unsafe}")
    return None
