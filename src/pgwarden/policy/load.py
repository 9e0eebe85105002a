"""Makes the policy of the settings and the YAML text: environment beats role beats connection beats file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pgwarden.policy.model import Policy
from pgwarden.policy.names import Names
from pgwarden.policy.profiles import profile_of
from pgwarden.settings import LimitSettings, PolicySettings

if TYPE_CHECKING:
    from pgwarden.policy.document import Connection, Document

_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Named:
    """A connection of the file: where it is, and what holds there."""

    where: Connection
    policy: Policy
    limits: LimitSettings


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the settings and the file say.

    Attributes:
        policy, limits: What holds on the connection `default`.
        connections: The file's connections by name, in its order.
        start: The connection that the file wants to be the current one at the start; empty where it does not say.
    """

    policy: Policy
    limits: LimitSettings
    connections: Mapping[str, Named] = field(default_factory=dict)
    start: str = ""


def load(
    settings: PolicySettings, limits: LimitSettings, text: str | None, tools: dict[str, str]
) -> tuple[Policy, LimitSettings]:
    """Return the policy and the limits in force on the connection `default`; as `load_all`."""
    loaded = load_all(settings, limits, text, tools)
    return loaded.policy, loaded.limits


def load_all(settings: PolicySettings, limits: LimitSettings, text: str | None, tools: dict[str, str]) -> Loaded:
    """Return the policies and the limits in force, for every connection.

    Args:
        settings: The environment's part of the policy.
        limits: The environment's limits.
        text: The YAML file's text; None where there is no file.
        tools: Every known tool's name, with its category's.

    Raises:
        ConfigError: A name or key is unknown, with the nearest valid one, or a value does not fit, with its line.
    """
    if text is None and not settings.role:
        toolsets = Names({}, tools).toolsets(settings.toolsets, "PGWARDEN_TOOLSETS")
        sources = [settings]
        profiles = profile_of(sources, "sql_profile"), profile_of(sources, "tool_profile")
        return Loaded(Policy(*profiles, toolsets=toolsets), limits)
    # Only now: a start without file and role need not build the models of the file.
    from pgwarden.policy.parse import parse

    document, lines = parse(text)
    return _composed(settings, limits, document, Names(lines, tools))


def _composed(settings: PolicySettings, limits: LimitSettings, document: Document, check: Names) -> Loaded:
    from pgwarden.policy.compose import compose

    check.document(document)
    if document.connection is not None:
        check.connection(document.connection, {_DEFAULT, *document.connections})
    own = compose(settings, limits, document, check, _DEFAULT)
    named = {
        name: Named(where, *compose(settings, limits, document, check, name))
        for name, where in document.connections.items()
    }
    return Loaded(*own, named, document.connection or "")
