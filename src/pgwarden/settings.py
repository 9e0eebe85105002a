"""Settings: PGWARDEN_ environment variables over the file named by --env-file over the defaults.

One model a concern; `load` is called by the composition root alone, never at import. A variable with our prefix that no
model knows stops the start, so that a typo cannot mean "the default" where the user meant to be stricter.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pgwarden.errors import ConfigError, did_you_mean

PREFIX = "PGWARDEN_"
_NARROWING = frozenset({"PGWARDEN_TOKEN", "PGWARDEN_GOVERNANCE", "PGWARDEN_ROLE", "PGWARDEN_CONNECTION"})
"""Variables that take something away from the policy, or can; or say which database is meant."""
LIBPQ_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE")

Profile = Literal["read_only", "analyst", "developer", "admin"]
ToolProfile = Literal["read_only", "analyst", "developer", "admin", "operator"]
Csv = Annotated[tuple[str, ...], NoDecode]


def _default_home() -> Path:
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "pgwarden"


class _Concern(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True)


class ConnectionSettings(_Concern):
    """Where the database is and how connections to it are kept."""

    database_url: SecretStr | None = Field(None, description="Primary, as a libpq URL or key=value string.")
    replica_urls: Annotated[tuple[SecretStr, ...], NoDecode] = Field((), description="Replicas, comma-separated URLs.")
    pool_max: int = Field(10, ge=1, le=200, description="Connections a server at most.")
    pool_idle: float = Field(60, ge=1, description="Seconds after which an idle connection is closed.")
    pool_lifetime: float = Field(300, ge=1, description="Seconds after which a connection is replaced.")
    connect_timeout: float = Field(10, ge=1, le=600, description="Seconds for one attempt to connect.")
    retry_attempts: int = Field(5, ge=1, le=100, description="Attempts to connect, where the cause can pass.")
    retry_base: float = Field(0.5, gt=0, le=60, description="Seconds before the second attempt; doubles each time.")
    retry_max: float = Field(10, gt=0, le=600, description="Seconds between two attempts at most.")
    replica_max_lag: float = Field(10, ge=0, description="Seconds of replay lag up to which a replica is read.")
    pipeline: Literal["auto", "off"] = Field("auto", description="off for poolers that cannot pipeline.")
    watchdog_interval: float = Field(30, ge=0, description="Seconds between pings of idle connections; 0 = none.")
    watchdog_timeout: float = Field(5, gt=0, description="Seconds a ping may take.")

    @field_validator("replica_urls", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return _comma_separated(value)


class LimitSettings(_Concern):
    """What one call, and one caller, may use."""

    max_rows: int = Field(1000, ge=1, le=1_000_000, description="Rows of one result at most.")
    max_result_bytes: int = Field(131_072, ge=1_024, le=64_000_000, description="Bytes of one result at most.")
    max_cell_chars: int = Field(2_000, ge=16, description="Characters shown of one value.")
    statement_timeout: float = Field(30, gt=0, le=86_400, description="Seconds for one statement.")
    export_timeout: float = Field(300, gt=0, le=86_400, description="Seconds for the statement of one export.")
    export_max_bytes: int = Field(1 << 30, ge=0, description="Bytes of one export file at most; 0 = no limit.")
    lock_timeout: float = Field(5, gt=0, le=86_400, description="Seconds to wait for a lock.")
    max_affected_rows: int = Field(10_000, ge=1, description="Rows that one change may affect at most.")
    max_estimated_rows: int = Field(0, ge=0, description="Rows that the planner may expect of a query; 0 = no limit.")
    max_estimated_cost: float = Field(0, ge=0, description="Cost that the planner may expect; 0 = no limit.")
    rate_limit: int = Field(600, ge=0, description="Calls a minute for a caller; 0 = no limit.")
    max_concurrency: int = Field(8, ge=1, le=200, description="Calls that use the database at once.")
    max_transactions: int = Field(2, ge=0, le=100, description="Interactive transactions at once; 0 = none.")
    transaction_idle: float = Field(60, ge=1, le=86_400, description="Seconds an interactive transaction may idle.")
    transaction_lifetime: float = Field(600, ge=1, le=86_400, description="Seconds one may stand in all.")


class PolicySettings(_Concern):
    """Who may do what. The YAML file refines it."""

    profile: ToolProfile = Field("read_only", description="Sets both profiles.")
    sql_profile: Profile | None = Field(None, description="Statement types allowed; default: profile.")
    tool_profile: ToolProfile | None = Field(None, description="Tool categories allowed; default: profile.")
    toolsets: Csv = Field((), description="Categories listed at first; default by profile; `all` for every one.")
    consent: Literal["auto", "human", "argument"] = Field(
        "auto", description="How a yes is taken: auto asks the person where the client can."
    )
    consent_timeout: float = Field(300, ge=5, le=3600, description="Seconds a person has to answer.")
    role: str | None = Field(None, description="Role of the policy file, or admin, analyst, operator.")
    token: SecretStr | None = Field(None, description="Signed token whose scopes bound every call.")
    governance: Path | None = Field(None, description="YAML policy file.")
    connection: str | None = Field(None, description="Connection of the policy file that is current at the start.")
    require_least_privilege: bool = Field(False, description="Refuse roles that could do more than the profile.")

    @field_validator("toolsets", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return _comma_separated(value)


class StateSettings(_Concern):
    """Files of our own."""

    home: Path = Field(
        default_factory=_default_home,
        description="State directory; default: pgwarden in $XDG_STATE_HOME or ~/.local/state.",
    )
    export_dir: Path | None = Field(None, description="Where export files go; default: exports in the state directory.")
    audit_path: Path | None = Field(None, description="Audit log; default: audit.jsonl in the state directory.")
    audit_fsync: Literal["never", "changes", "always"] = Field(
        "changes", description="Which audit lines are forced to disk before the answer."
    )
    audit_max_bytes: int = Field(0, ge=0, description="Size from which on the audit log is rotated; 0 = never.")
    audit_keep: int = Field(10, ge=1, le=10_000, description="Rotated audit logs kept.")
    audit_literals: bool = Field(True, description="Whether literals of SQL stay in the audit log.")
    undo: Literal["on", "off"] = Field(
        "on", description="Whether rows are kept as they were before row tools change them."
    )
    undo_days: float = Field(7, gt=0, le=3650, description="Days for which they are kept.")
    undo_max_bytes: int = Field(268_435_456, ge=0, description="Bytes of all that is kept; the oldest go first.")
    undo_max_change_bytes: int = Field(
        16_777_216, ge=0, description="Bytes of rows of one change, beyond which it cannot be undone."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("WARNING", description="Of the log on stderr.")

    @property
    def export_folder(self) -> Path:
        """The directory of export files."""
        return self.export_dir or self.home / "exports"

    @property
    def undo_folder(self) -> Path:
        """The directory of rows as they were."""
        return self.home / "changes"

    @property
    def audit_file(self) -> Path:
        """The audit log's path."""
        return self.audit_path or self.home / "audit.jsonl"


class Settings(BaseModel):
    """All settings."""

    connection: ConnectionSettings
    limits: LimitSettings
    policy: PolicySettings
    state: StateSettings


CONCERNS: dict[str, type[_Concern]] = {
    "connection": ConnectionSettings,
    "limits": LimitSettings,
    "policy": PolicySettings,
    "state": StateSettings,
}


def known_variables() -> dict[str, str]:
    """Return every variable that is understood, with its description."""
    return {
        PREFIX + name.upper(): field.description or ""
        for model in CONCERNS.values()
        for name, field in model.model_fields.items()
    }


def load(env_file: Path | None = None) -> Settings:
    """Read the environment and, where one is named, an env file.

    Raises:
        ConfigError: The file is missing, a variable is unknown, or a value does not fit.
    """
    if env_file is not None and not env_file.is_file():
        raise ConfigError(f"There is no file {env_file}.", hint="--env-file takes the path of an existing file.")
    try:
        _refuse_unknown(env_file)
        return Settings(**{name: model(_env_file=env_file) for name, model in CONCERNS.items()})
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        variable = PREFIX + str(first["loc"][0]).upper()
        hint = known_variables().get(variable)
        if first["type"] == "literal_error":
            near = did_you_mean(str(first["input"]), re.findall(r"'(\w+)'", first["ctx"]["expected"]))
            hint = f"Did you mean {near}?" if near else hint
        # Never the value itself: it may be a password in the wrong place.
        raise ConfigError(f"{variable}: {first['msg']}.", hint=hint) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{env_file} is not a text file in UTF-8.") from None


def _refuse_unknown(env_file: Path | None) -> None:
    given = {name: value for name, value in os.environ.items() if name.upper().startswith(PREFIX)}
    if env_file is not None:
        given = {**_variables_in(env_file), **given}
    known = known_variables()
    for name in sorted(given):
        if name.upper() not in known:
            near = did_you_mean(name.upper(), {k.upper(): k for k in known}) or _nearest(name, known)
            raise ConfigError(
                f"The variable {name} is not known.",
                hint=f"Did you mean {near}?" if near else "The README lists every variable.",
            )
        if name.upper() in _NARROWING and not given[name]:
            # Mostly a reference to a variable that is not set: what was to narrow the policy must not be lost.
            raise ConfigError(f"{name} is empty.", hint="Give it a value, or leave it out.")


def _variables_in(env_file: Path) -> dict[str, str]:
    from dotenv.parser import parse_stream

    found = {}
    with env_file.open(encoding="utf-8") as stream:
        for binding in parse_stream(stream):
            if binding.error:
                raise ConfigError(f"{env_file}, line {binding.original.line}: not of the form NAME=value.")
            if binding.key and binding.key.upper().startswith(PREFIX):
                found[binding.key] = binding.value or ""
    return found


def _nearest(name: str, known: dict[str, str]) -> str | None:
    near = did_you_mean(name[len(PREFIX) :], [k[len(PREFIX) :].lower() for k in known])
    return PREFIX + near.upper() if near else None


def _comma_separated(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
