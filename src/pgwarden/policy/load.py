"""Makes the policy of the settings and the YAML text. Environment beats role beats file beats defaults."""

from __future__ import annotations

from pgwarden.policy.model import Policy
from pgwarden.policy.names import Names
from pgwarden.policy.profiles import profile_of
from pgwarden.settings import LimitSettings, PolicySettings


def load(
    settings: PolicySettings, limits: LimitSettings, text: str | None, tools: dict[str, str]
) -> tuple[Policy, LimitSettings]:
    """Return the policy and the limits in force.

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
        return Policy(*profiles, toolsets=toolsets), limits
    # Only now: a start without file and role need not build the models of the file.
    from pgwarden.policy.compose import compose
    from pgwarden.policy.parse import parse

    document, lines = parse(text)
    return compose(settings, limits, document, Names(lines, tools))
