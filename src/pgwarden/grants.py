"""What the settings grant to whom: the policy in force on each connection, and the caller with what a token allows."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from pgwarden import policy
from pgwarden.errors import ConfigError, did_you_mean
from pgwarden.exports import ExportFolder
from pgwarden.policy import Loaded, Policy
from pgwarden.policy.scopes import UNLIMITED, Scopes
from pgwarden.settings import LIBPQ_VARIABLES, LimitSettings, Settings
from pgwarden.tools import CATEGORIES

if TYPE_CHECKING:
    from pgwarden.policy.load import Named

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: as the audit names them, and what their token grants."""

    name: str = "stdio"
    scopes: Scopes = UNLIMITED


@dataclass(frozen=True, slots=True)
class Grant:
    """One connection, and what holds on it.

    Attributes:
        name: Its name.
        settings: The settings as they are for it: where it is, and how a yes is taken.
        policy: What is granted.
        limits: Caps in force.
        named: Whether the policy file says where it is; else libpq's variables and the embedded server count.
        missing: The variable that should have its URL and has none; empty where nothing is missing.
    """

    name: str
    settings: Settings
    policy: Policy
    limits: LimitSettings
    named: bool = False
    missing: str = ""

    @property
    def summary(self) -> dict[str, Any]:
        """What holds on it, in short."""
        return {
            "connection": self.name,
            "current": False,
            "role": self.policy.role or None,
            "sql_profile": self.policy.sql_profile,
            "tool_profile": self.policy.tool_profile,
            "consent": self.settings.policy.consent,
            "tables": len(self.policy.objects.tables),
            "masks": len(self.policy.objects.masks),
            "max_rows": self.limits.max_rows,
            "statement_timeout": self.limits.statement_timeout,
        }


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that the environment, the env file and the policy file say.

    Attributes:
        settings: The settings.
        caller: Who calls.
        grants: The connections by name.
        start: The one that is current at the start.
        digest: Of the policy file's text; empty where there is none.
    """

    settings: Settings
    caller: Caller
    grants: Mapping[str, Grant]
    start: str
    digest: str = ""
    ad_hoc: Grant | None = field(default=None)
    """What holds on a URL of the caller's; None where the policy allows none."""


def load_policy(
    settings: Settings, governance: Path | None = None, connection: str = ""
) -> tuple[Policy, LimitSettings]:
    """Return the policy and the limits in force on a connection.

    Args:
        settings: The settings.
        governance: The policy file; None: the one that the settings name, where they do.
        connection: Its name; empty: `default`.

    Raises:
        ConfigError: The file cannot be read, or the policy is wrong, or there is no such connection.
    """
    loaded = _load(settings, _text(governance or settings.policy.governance))
    if connection in ("", DEFAULT):
        return loaded.policy, loaded.limits
    if connection not in loaded.connections:
        raise unknown_connection(connection, loaded.connections)
    return loaded.connections[connection].policy, loaded.connections[connection].limits


def load_configuration(settings: Settings, env_file: Path | None = None) -> Configuration:
    """Return the configuration that the settings, and the policy file that they name, make.

    Args:
        settings: The settings.
        env_file: Where variables with URLs are looked up that the environment has not got.

    Raises:
        ConfigError: The policy file or the token is wrong, the connection to start with does not exist, or exports
            could overwrite files of ours.
    """
    text = _text(settings.policy.governance)
    loaded = _load(settings, text)
    _check_exports(settings, env_file)
    caller = load_caller(settings)
    own = Grant(DEFAULT, settings, loaded.policy, loaded.limits)
    variables = _Variables(env_file)
    grants = {name: _grant(own, name, named, variables) for name, named in loaded.connections.items()}
    if DEFAULT not in grants and (_configured(settings) or not grants):
        grants = {DEFAULT: own, **grants}
    start = settings.policy.connection or loaded.start or (DEFAULT if DEFAULT in grants else next(iter(grants)))
    if start not in grants:
        raise unknown_connection(start, grants)
    own = grants.get(DEFAULT, own)
    digest = "" if text is None else hashlib.sha256(text.encode()).hexdigest()
    return Configuration(settings, caller, grants, start, digest, own if own.policy.ad_hoc else None)


def unknown_connection(name: str, known: Mapping[str, object]) -> ConfigError:
    """Return the error for a connection to start with, or to explain, that does not exist."""
    near = did_you_mean(name, known)
    hint = f"Did you mean {near}?" if near else f"One of: {', '.join(known) or 'none'}."
    return ConfigError(f"There is no connection {name[:64]!r}.", hint=hint)


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


class _Variables:
    """The environment's variables, and beneath them those of the env file."""

    def __init__(self, env_file: Path | None) -> None:
        self._env_file = env_file
        self._read: Mapping[str, str | None] | None = None

    def get(self, name: str) -> str:
        """Return a value; empty where there is none."""
        if not os.environ.get(name) and self._env_file is not None and self._read is None:
            from dotenv import dotenv_values

            self._read = dotenv_values(self._env_file)
        return os.environ.get(name) or (self._read or {}).get(name) or ""


def _load(settings: Settings, text: str | None) -> Loaded:
    tools = {spec.name: category.name for category in CATEGORIES for spec in category.tools}
    return policy.load_all(settings.policy, settings.limits, text, tools)


def _text(path: Path | None) -> str | None:
    try:
        return path.read_text(encoding="utf-8") if path else None
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is not a text in UTF-8"
        raise ConfigError(
            f"The policy file {path} cannot be read: {why}.",
            hint="PGWARDEN_GOVERNANCE, or --governance, takes the path of a YAML file.",
        ) from None


def _check_exports(settings: Settings, env_file: Path | None) -> None:
    """Refuse a directory of exports in which one could take the place of the policy, the audit, or what undo keeps.

    Raises:
        ConfigError: It is one.
    """
    state = settings.state
    folder = ExportFolder(state.export_folder)
    for own in (state.home, state.undo_folder, state.audit_file, settings.policy.governance, env_file):
        if own is not None and folder.reaches(own):
            raise ConfigError(
                f"PGWARDEN_EXPORT_DIR: exports could overwrite {own}.", hint="Give exports a directory of their own."
            )


def _configured(settings: Settings) -> bool:
    """Tell whether the environment says where a database is."""
    return settings.connection.database_url is not None or any(os.environ.get(name) for name in LIBPQ_VARIABLES)


def _grant(own: Grant, name: str, named: Named, variables: _Variables) -> Grant:
    where, settings = named.where, own.settings
    if where.consent is not None and "consent" not in settings.policy.model_fields_set:
        consents = settings.policy.model_copy(update={"consent": where.consent})
        settings = settings.model_copy(update={"policy": consents})
    # The environment says where `default` is, or the file does; never one of them the primary, the other the replicas.
    if not where.placed or (name == DEFAULT and settings.connection.database_url is not None):
        return Grant(name, settings, named.policy, named.limits)
    url, missing = where.database_url, ""
    if where.service is not None:
        url = SecretStr(f"service={where.service}")
    elif where.database_url_env is not None:
        url = SecretStr(variables.get(where.database_url_env))
        missing = "" if url.get_secret_value().strip() else where.database_url_env
    replicas = where.replica_urls
    if where.replica_urls_env is not None:
        listed = variables.get(where.replica_urls_env).split(",")
        replicas = tuple(SecretStr(each.strip()) for each in listed if each.strip())
        missing = missing or ("" if replicas else where.replica_urls_env)
    connection = settings.connection.model_copy(update={"database_url": url, "replica_urls": replicas})
    settings = settings.model_copy(update={"connection": connection})
    return Grant(name, settings, named.policy, named.limits, True, missing)
