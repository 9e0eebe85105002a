"""The YAML file named by PGWARDEN_GOVERNANCE, as it is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    create_model,
    field_validator,
    model_validator,
)

from pgwarden.policy.masks import MaskKind, Permit
from pgwarden.policy.objects import Operation
from pgwarden.policy.patterns import parse
from pgwarden.policy.profiles import StatementType
from pgwarden.settings import LimitSettings, Profile, ToolProfile

Unsafe = Literal["COPY", "DO", "LOAD", "ALTER SYSTEM", "SUPERUSER"]
Deletes = Literal["hard", "archive"]
Consent = Literal["auto", "human", "argument"]

DEFAULT = "default"
"""The connection that PGWARDEN_DATABASE_URL, libpq's variables, or an embedded PostgreSQL make."""
AD_HOC = "ad-hoc"
"""What a connection to a URL of the caller's is called; no connection of the file has this name."""
_CONNECTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SERVICE = re.compile(r"[\w.-]+")


def _pattern(parts: int) -> AfterValidator:
    def check(text: str) -> str:
        parse(text, parts)
        return text

    return AfterValidator(check)


Name = Annotated[str, _pattern(1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Names(_Section):
    """An allow list and a deny list; a name in both is denied."""

    allow: tuple[str, ...] = Field((), description="granted beyond the profile")
    deny: tuple[str, ...] = Field((), description="refused, whatever allows it")


class Statements(_Section):
    """The same over the statement types."""

    allow: tuple[StatementType, ...] = Field((), description="granted beyond the SQL profile")
    deny: tuple[StatementType, ...] = Field((), description="refused, whatever allows it")


class Commands(_Section):
    """Commands in PostgreSQL's words."""

    deny: tuple[str, ...] = Field((), description="refused, with all that begin with these words")


class Patterns(_Section):
    """Patterns of names; what is not allowed, or is denied, is hidden."""

    allow: tuple[Name, ...] = Field((), description="patterns of the only ones that exist; empty for all")
    deny: tuple[Name, ...] = Field((), description="patterns of those that do not exist")


class Functions(_Section):
    """Functions by signature, `schema.name(type, type)`; built-in ones without the schema."""

    allow: tuple[str, ...] = Field((), description="signatures let through beyond the guard's own list")


class Table(_Section):
    """A rule for the tables, views and other relations that match."""

    match: Annotated[str, _pattern(2)] = Field(description="pattern `schema.table`")
    allow: tuple[Operation, ...] | None = Field(None, description="the only operations allowed; `[]` allows none")
    deny: tuple[Operation, ...] = Field((), description="operations refused")
    hidden: bool = Field(False, description="`true`: there is no such table")

    @model_validator(mode="after")
    def _says_something(self) -> Table:
        if self.hidden and (self.allow or self.deny):
            raise ValueError("hidden: a table that is hidden has no operations to allow or deny")
        if not self.hidden and self.allow is None and not self.deny:
            raise ValueError("the rule says nothing: give allow, deny or hidden: true")
        return self


class Column(_Section):
    """A mask for the columns that match."""

    column: Annotated[str, _pattern(3)] = Field(description="pattern `schema.table.column`")
    mask: MaskKind = Field(description="`redact`, `partial`, `hash`, `null` or `clear`")
    first: int = Field(0, ge=0, le=1000, description="partial: characters shown at the start")
    last: int = Field(0, ge=0, le=1000, description="partial: characters shown at the end")
    permit: tuple[Permit, ...] = Field((), description="uses beside output: `filter`, `join`, `order`, `group`")

    @model_validator(mode="after")
    def _fits_together(self) -> Column:
        if self.mask == "partial" and not self.first + self.last:
            raise ValueError("mask: partial shows nothing: give first or last, or use redact")
        if self.mask != "partial" and self.first + self.last:
            raise ValueError("first and last belong to mask: partial")
        if self.mask == "clear" and self.permit:
            raise ValueError("permit: what is clear needs no permit")
        return self


if TYPE_CHECKING:

    class Limits(_Section):
        """The environment's limits, each of which may be left out."""
else:
    _LIMITS = {
        name: (Annotated[field.annotation | None, *field.metadata], Field(None, description=field.description))
        for name, field in LimitSettings.model_fields.items()
    }
    Limits = create_model("Limits", __base__=_Section, **_LIMITS)


class Rules(_Section):
    """What the file can say for everybody, and a role again for itself."""

    profile: ToolProfile | None = Field(None, description="sets both profiles")
    sql_profile: Profile | None = Field(None, description="statement types")
    tool_profile: ToolProfile | None = Field(None, description="tool categories")
    categories: Names = Field(Names(), description="tool categories")
    tools: Names = Field(Names(), description="tools by name")
    statements: Statements = Field(Statements(), description="statement types")
    commands: Commands = Field(Commands(), description="commands by their words")
    deletes: Deletes | None = Field(
        None, description="`archive`: no row is deleted for good, nor dropped with its table; `hard` (default)"
    )
    databases: Patterns = Field(Patterns(), description="databases")
    schemas: Patterns = Field(Patterns(), description="schemas")
    tables: tuple[Table, ...] = Field((), description="rules for tables and views, all of which must let pass")
    masks: tuple[Column, ...] = Field((), description="masks for columns, the last that matches counts")
    limits: Limits = Field(Limits(), description="limits; the environment's win")


class Role(Rules):
    """A named set of rules that are added to the file's own."""

    @field_validator("masks")
    @classmethod
    def _only_masks_more(cls, masks: tuple[Column, ...]) -> tuple[Column, ...]:
        if any(each.mask == "clear" for each in masks):
            raise ValueError("a role cannot clear a mask: give the masks to the roles that need them")
        return masks


class Connection(Rules):
    """Where a database is, and the rules that are added to the file's own while it is the current one."""

    database_url_env: str | None = Field(None, description="name of the variable that has the URL, password and all")
    database_url: SecretStr | None = Field(None, description="libpq URL or key=value string; best without a password")
    service: str | None = Field(None, description="name in libpq's service file")
    replica_urls_env: str | None = Field(None, description="name of the variable that has the replicas' URLs")
    replica_urls: tuple[SecretStr, ...] = Field((), description="URLs of replicas")
    role: str | None = Field(None, description="role in force here, in place of the file's")
    consent: Consent | None = Field(None, description="`auto`, `human` or `argument`; PGWARDEN_CONSENT wins")
    functions: Functions = Field(Functions(), description="functions that statements may call here as well")
    unsafe: tuple[Unsafe, ...] = Field((), description="what is otherwise never allowed, and is here")

    @field_validator("masks")
    @classmethod
    def _only_masks_more(cls, masks: tuple[Column, ...]) -> tuple[Column, ...]:
        if any(each.mask == "clear" for each in masks):
            raise ValueError("a connection cannot clear a mask: give the masks to the connections that need them")
        return masks

    @field_validator("database_url_env", "replica_urls_env")
    @classmethod
    def _of_others(cls, name: str | None) -> str | None:
        if name is not None and not _VARIABLE.fullmatch(name):
            raise ValueError("this is no name of a variable")
        if name is not None and name.upper().startswith("PGWARDEN_"):
            raise ValueError("variables that begin with PGWARDEN_ are settings: give it another name")
        return name

    @field_validator("service")
    @classmethod
    def _plain(cls, name: str | None) -> str | None:
        if name is not None and not _SERVICE.fullmatch(name):
            raise ValueError("this is no name of a service")
        return name

    @field_validator("database_url")
    @classmethod
    def _not_empty(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().strip():
            raise ValueError("it is empty")
        return url

    @model_validator(mode="after")
    def _is_at_one_place(self) -> Connection:
        if sum(each is not None for each in (self.database_url_env, self.database_url, self.service)) > 1:
            raise ValueError("give one of database_url_env, database_url and service")
        if self.replica_urls and self.replica_urls_env:
            raise ValueError("give one of replica_urls_env and replica_urls")
        if (self.replica_urls or self.replica_urls_env) and not self.placed:
            raise ValueError("replicas need their primary beside them: database_url_env, database_url or service")
        return self

    @property
    def placed(self) -> bool:
        """Whether it says where the database is."""
        return bool(self.database_url_env or self.database_url or self.service)


class Document(Rules):
    """The whole file."""

    version: Literal[1] = Field(description="1")
    role: str | None = Field(None, description="role in force: one of `roles`, `admin`, `analyst` or `operator`")
    toolsets: tuple[str, ...] | None = Field(None, description="categories listed at first; `all` for every one")
    functions: Functions = Field(Functions(), description="functions that statements may call")
    unsafe: tuple[Unsafe, ...] = Field((), description="what is otherwise never allowed; needs sql_profile admin")
    roles: dict[str, Role] = Field({}, description="named sets of rules, added to the file's own when in force")
    connection: str | None = Field(None, description="connection that is the current one at the start")
    connections: dict[str, Connection] = Field({}, description="databases by name, with the rules for each")
    connections_ad_hoc: bool = Field(False, description="`true`: the tool connect takes a URL of the caller's, too")

    @field_validator("roles")
    @classmethod
    def _named(cls, roles: dict[str, Role]) -> dict[str, Role]:
        for name in roles:
            if not name.strip() or len(name) > 64 or not name.isprintable():
                raise ValueError(f"{name[:64]!r} is no name of a role")
        return roles

    @field_validator("connections")
    @classmethod
    def _placed(cls, connections: dict[str, Connection]) -> dict[str, Connection]:
        for name, each in connections.items():
            if not _CONNECTION.fullmatch(name) or name == AD_HOC:
                raise ValueError(f"{name[:64]!r} is no name of a connection: letters, digits, - and _")
            if name != DEFAULT and not each.placed:
                raise ValueError(f"{name}: where is it? Give database_url_env, database_url or service")
        return connections


BUILT_IN: dict[str, dict[str, Any]] = {
    "admin": {"profile": "admin"},
    "analyst": {"profile": "analyst"},
    # Changes rows and nothing else, and takes none away for good.
    "operator": {
        "profile": "developer",
        "statements": {"deny": ["DELETE", "TRUNCATE", "CREATE", "ALTER", "DROP", "GRANT", "REVOKE", "CALL"]},
        "deletes": "archive",
    },
}
"""The roles that there are without a file. A role of the file with such a name refines it."""
