"""The policy as it is in force, and the YAML document that refines it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, create_model

from pgwarden.policy.profiles import SQL_PROFILES, TOOL_PROFILES
from pgwarden.settings import LimitSettings


@dataclass(frozen=True, slots=True)
class Policy:
    """What this process grants.

    Attributes:
        sql_profile: Name of the profile over statement types.
        tool_profile: Name of the profile over tool categories.
        categories_allowed, categories_denied: Refine the tool profile.
        tools_allowed, tools_denied: Refine the categories.
        functions_allowed: Signatures of functions that the guard lets through beyond its own list.
        toolsets: Categories listed at first; empty for all that are granted.
    """

    sql_profile: str = "read_only"
    tool_profile: str = "read_only"
    categories_allowed: frozenset[str] = frozenset()
    categories_denied: frozenset[str] = frozenset()
    tools_allowed: frozenset[str] = frozenset()
    tools_denied: frozenset[str] = frozenset()
    functions_allowed: frozenset[str] = frozenset()
    toolsets: tuple[str, ...] = ()

    @property
    def statement_types(self) -> frozenset[str]:
        """Statement types that the SQL profile grants."""
        return SQL_PROFILES[self.sql_profile]

    @property
    def profile_categories(self) -> frozenset[str]:
        """Categories that the tool profile grants."""
        return TOOL_PROFILES[self.tool_profile]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Names(_Section):
    """An allow list and a deny list; a name in both is denied."""

    allow: frozenset[str] = frozenset()
    deny: frozenset[str] = frozenset()


class Functions(_Section):
    """Functions by signature, `schema.name(type, type)`; built-in ones without the schema."""

    allow: frozenset[str] = frozenset()


if TYPE_CHECKING:

    class Limits(_Section):
        """The environment's limits, each of which may be left out."""
else:
    _LIMITS = {
        name: (Annotated[field.annotation | None, *field.metadata], None)
        for name, field in LimitSettings.model_fields.items()
    }
    Limits = create_model("Limits", __base__=_Section, **_LIMITS)


class Document(_Section):
    """The YAML file named by PGWARDEN_GOVERNANCE."""

    version: Literal[1]
    profile: str | None = None
    sql_profile: str | None = None
    tool_profile: str | None = None
    toolsets: tuple[str, ...] | None = None
    categories: Names = Names()
    tools: Names = Names()
    functions: Functions = Functions()
    limits: Limits = Limits()
