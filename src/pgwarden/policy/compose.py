"""Puts a policy together from its layers: the file's own rules, the connection's, the built-in role's, and the role's.

Their lists add up, so that no layer takes back what another one denies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pgwarden.policy import commands
from pgwarden.policy.document import BUILT_IN, Connection, Document, Role, Rules
from pgwarden.policy.layers import Layer, object_rules, origins
from pgwarden.policy.model import Policy
from pgwarden.policy.names import Names
from pgwarden.policy.profiles import profile_of
from pgwarden.settings import LimitSettings, PolicySettings


def compose(
    settings: PolicySettings, limits: LimitSettings, document: Document, check: Names, connection: str = ""
) -> tuple[Policy, LimitSettings]:
    """Return the policy and the limits in force.

    Args:
        settings: The environment's part of the policy.
        limits: The environment's limits.
        document: The file, whose names have been checked.
        check: Knows the names that exist.
        connection: The connection that they are for; one that the file does not have adds nothing.

    Raises:
        ConfigError: A name does not exist.
    """
    own = document.connections.get(connection, Connection())
    role = own.role or document.role or ""
    if settings.role:
        role = check.role(settings.role, document, "PGWARDEN_ROLE")
    layers = _layers(document, connection, role)
    sources: list[PolicySettings | Rules] = [settings, *(each.rules for each in reversed(layers))]
    policy = Policy(
        sql_profile=profile_of(sources, "sql_profile"),
        tool_profile=profile_of(sources, "tool_profile"),
        functions_allowed=check.signatures(document.functions.allow)
        | check.signatures(own.functions.allow, f"connections.{connection}."),
        toolsets=_toolsets(check, settings, document),
        deletes=_deletes(layers),
        unsafe=frozenset((*document.unsafe, *own.unsafe)),
        objects=object_rules(layers),
        role=role,
        ad_hoc=document.connections_ad_hoc,
        origins=origins(layers),
        **_name_lists(layers),
    )
    given = limits.model_fields_set
    from_file = {name: v for layer in layers for name, v in layer.rules.limits.model_dump(exclude_none=True).items()}
    return policy, limits.model_copy(update={name: value for name, value in from_file.items() if name not in given})


def _layers(document: Document, connection: str, role: str) -> list[Layer]:
    layers = [Layer("", document)]
    if connection in document.connections:
        layers.append(Layer(f"connections.{connection}", document.connections[connection]))
    if role in BUILT_IN:
        layers.append(Layer(f"roles.{role}", Role.model_validate(BUILT_IN[role])))
    if role in document.roles:
        layers.append(Layer(f"roles.{role}", document.roles[role]))
    return layers


def _name_lists(layers: Sequence[Layer]) -> dict[str, Any]:
    """Return the lists of names, each with what every layer has in it."""
    lists = {
        f"{section}_{suffix}": frozenset(name for each in layers for name in getattr(getattr(each.rules, section), key))
        for section in ("categories", "tools", "statements")
        for key, suffix in (("allow", "allowed"), ("deny", "denied"))
    }
    denied = frozenset(commands.normal(name) for each in layers for name in each.rules.commands.deny)
    return {**lists, "commands_denied": denied}


def _toolsets(check: Names, settings: PolicySettings, document: Document) -> tuple[str, ...]:
    if "toolsets" in settings.model_fields_set:
        return check.toolsets(settings.toolsets, "PGWARDEN_TOOLSETS")
    return check.toolsets(document.toolsets or ())


def _deletes(layers: Sequence[Layer]) -> Literal["hard", "archive"]:
    return "archive" if any(each.rules.deletes == "archive" for each in layers) else "hard"
