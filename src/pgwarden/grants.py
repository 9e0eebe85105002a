"""What the settings grant to whom: the policy in force, and the caller with what their token allows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from pgwarden import policy
from pgwarden.errors import ConfigError
from pgwarden.policy import Policy
from pgwarden.policy.scopes import UNLIMITED, Scopes
from pgwarden.settings import LimitSettings, Settings
from pgwarden.tools import CATEGORIES


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: as the audit names them, and what their token grants."""

    name: str = "stdio"
    scopes: Scopes = UNLIMITED


def load_policy(settings: Settings, governance: Path | None = None) -> tuple[Policy, LimitSettings]:
    """Return the policy and the limits in force.

    Args:
        settings: The settings.
        governance: The policy file; None: the one that the settings name, where they do.

    Raises:
        ConfigError: The file cannot be read, or the policy is wrong.
    """
    path = governance or settings.policy.governance
    try:
        text = path.read_text(encoding="utf-8") if path else None
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is not a text in UTF-8"
        raise ConfigError(
            f"The policy file {path} cannot be read: {why}.",
            hint="PGWARDEN_GOVERNANCE, or --governance, takes the path of a YAML file.",
        ) from None
    tools = {spec.name: category.name for category in CATEGORIES for spec in category.tools}
    return policy.load(settings.policy, settings.limits, text, tools)


def load_caller(settings: Settings) -> Caller:
    """Return the caller that the token of the settings names; without a token the profile alone decides.

    Raises:
        ConfigError: The token is not valid; see `tokens.read`.
    """
    if settings.policy.token is None:
        return Caller()
    from pgwarden import tokens

    token = tokens.read(settings.policy.token, tokens.key_file(settings.state.home), time.time())
    return Caller(token.caller, Scopes.of(token.scopes, token.id, token.expires))
