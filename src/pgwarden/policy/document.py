"""The YAML file named by PGWARDEN_GOVERNANCE, as it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model, field_validator, model_validator

from pgwarden.policy.masks import MaskKind, Permit
from pgwarden.policy.objects import Operation
from pgwarden.policy.patterns import parse
from pgwarden.policy.profiles import StatementType
from pgwarden.settings import LimitSettings, Profile, ToolProfile

Unsafe = Literal["COPY", "DO", "LOAD", "ALTER SYSTEM", "SUPERUSER"]
Deletes = Literal["hard", "archive"]


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


class Document(Rules):
    """The whole file."""

    version: Literal[1] = Field(description="1")
    role: str | None = Field(None, description="role in force: one of `roles`, `admin`, `analyst` or `operator`")
    toolsets: tuple[str, ...] | None = Field(None, description="categories listed at first; `all` for every one")
    functions: Functions = Field(Functions(), description="functions that statements may call")
    unsafe: tuple[Unsafe, ...] = Field((), description="what is otherwise never allowed; needs sql_profile admin")
    roles: dict[str, Role] = Field({}, description="named sets of rules, added to the file's own when in force")

    @field_validator("roles")
    @classmethod
    def _named(cls, roles: dict[str, Role]) -> dict[str, Role]:
        for name in roles:
            if not name.strip() or len(name) > 64 or not name.isprintable():
                raise ValueError(f"{name[:64]!r} is no name of a role")
        return roles


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
