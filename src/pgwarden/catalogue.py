"""The single source of truth about tools: what a tool declares, and everything that is derived from it.

A tool is one async function in `tools/<category>.py`:

    @tool(tier=Tier.READ, scope="database:read", paged=200)
    async def list_things(ctx: Context, schema: Annotated[str, Field(description="Only this schema.")] = "") -> Rows:
        '''List the things.'''

Its JSON schema, annotations, common arguments (`max_rows`, `cursor`, `format`, `confirm`, `confirm_name`) and place in
the policy follow from that. It never enforces anything: `call.py` does.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from pgwarden.errors import ArgumentError, did_you_mean
from pgwarden.results import Plan, Report, Result, Rows

if TYPE_CHECKING:
    from pgwarden.context import Composed

Format = Literal["markdown", "json", "csv"]
DocumentFormat = Literal["markdown", "json"]
Confirm = Annotated[bool, Field(description="Only once the person has said yes.")]
TransactionId = Annotated[str, Field(description="To run in it.")]
_LONGEST_NAME = 128
"""Characters of a caller's name of an argument that are repeated."""
ConfirmName = Annotated[str, Field(description="The exact name, as the person gave it.")]


class Tier(StrEnum):
    """What a call needs before it runs."""

    READ = "read"
    """Nothing."""
    CONFIRM = "confirm"
    """A yes: `confirm=true`, or a person's."""
    TYPED = "typed"
    """The exact name of what it destroys, in `confirm_name` or typed by a person."""


class SqlUse(StrEnum):
    """What the guard does with a tool's statement: its argument `sql`, or what it composes."""

    READ = "read"
    """Refuses the call unless the statement is readable."""
    JUDGE = "judge"
    """Judges it; the tool reports the verdict and runs nothing."""
    WRITE = "write"
    """Accepts changes as well; the statement's own tier takes the place of the tool's."""


@dataclass(frozen=True)
class ToolSpec:
    """A declared tool. Make one with `tool`; `joins` adds the argument `transaction_id`, where that is granted."""

    function: Callable[..., Awaitable[Result]]
    tier: Tier
    scope: str
    sql: SqlUse | None = None
    paged: int | None = None
    plan: Callable[..., Awaitable[Plan]] | None = None
    typed: str = ""
    compose: Callable[..., Awaitable[Composed | Sequence[Composed]]] | None = None
    changes: bool = False
    several: bool = False
    bulk: bool = False
    joins: bool = False
    elevated: tuple[tuple[str, str], ...] = ()
    optional: tuple[tuple[str, str], ...] = ()
    withheld: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Check that the declaration can be kept.

        Raises:
            TypeError: Something that destroys names neither what has to be typed, nor has a statement that does; or
                nobody would judge what is composed.
        """
        if self.compose is not None and self.sql not in (SqlUse.READ, SqlUse.WRITE):
            raise TypeError(f"{self.name}: what is composed is judged as a read or as a change")
        if self.compose is not None and (self.sql is SqlUse.READ) is not (self.tier is Tier.READ):
            raise TypeError(f"{self.name}: only a change needs a yes, and every one does")
        if self.tier is Tier.TYPED and not self.typed and self.compose is None:
            raise TypeError(f"{self.name}: a typed tool names the argument that has to be typed")
        if (self.tier is not Tier.READ or self.elevated) and self.plan is None:
            raise TypeError(f"{self.name}: a tool that needs a yes says what it would do")
        if self.elevated and (self.sql is not None or self.tier is not Tier.READ):
            raise TypeError(f"{self.name}: only what needs no yes can need one for an argument")
        if (self.tier is not Tier.READ or self.elevated) and self.paged is not None:
            raise TypeError(f"{self.name}: the next page would be the same change, with the same yes, again")

    @property
    def name(self) -> str:
        """The tool's name: its function's."""
        return self.function.__name__

    @cached_property
    def description(self) -> str:
        """What models read: the docstring."""
        return inspect.cleandoc(self.function.__doc__ or "")

    @cached_property
    def arguments(self) -> type[BaseModel]:
        """The model of the arguments. Unknown ones are refused, values are not coerced across types."""
        hints = get_type_hints(self.function, include_extras=True)
        returned = hints.pop("return")
        fields: dict[str, Any] = {
            name: (hints[name], ... if parameter.default is parameter.empty else parameter.default)
            for name, parameter in list(inspect.signature(self.function).parameters.items())[1:]
            if name not in self.withheld
        }
        if self.joins:
            fields["transaction_id"] = (TransactionId, "")
        if self.paged is not None:
            fields["max_rows"] = (Annotated[int | None, Field(ge=1)], None)
            fields["cursor"] = (str, "")
        shapes = get_args(returned) or (returned,)
        if Rows in shapes:
            fields["format"] = (Format, "markdown")
        elif Report in shapes:
            fields["format"] = (DocumentFormat, "markdown")
        if self.tier is Tier.CONFIRM or self.elevated:
            fields["confirm"] = (Confirm, False)
        if self.tier is Tier.TYPED or (self.sql is SqlUse.WRITE and (self.compose is None or self.several)):
            fields["confirm_name"] = (ConfirmName, "")
        # The trailing underscore keeps a field called `schema` off pydantic's own attributes.
        aliased: dict[str, Any] = {
            f"{name}_": (Annotated[kind, Field(alias=name)], default) for name, (kind, default) in fields.items()
        }
        config = ConfigDict(extra="forbid", strict=True)
        return create_model(self.name, __config__=config, **aliased)

    @cached_property
    def argument_names(self) -> tuple[str, ...]:
        """Every argument's name, the derived ones last."""
        return tuple(name.removesuffix("_") for name in self.arguments.model_fields)

    def validate(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all arguments, defaults filled in.

        Raises:
            pydantic.ValidationError: One is unknown, missing, of the wrong type or out of bounds.
        """
        model = self.arguments.model_validate(dict(given))
        return {name: getattr(model, f"{name}_") for name in self.argument_names}

    def check(self, given: Mapping[str, Any], without: Collection[str] = ()) -> dict[str, Any]:
        """Return all arguments as `validate` does, but for those that are not taken here.

        Args:
            given: The arguments.
            without: Names of arguments that count as unknown.

        Raises:
            ArgumentError: One is not valid; says which, and what may have been meant.
        """
        known = [name for name in self.argument_names if name not in without]
        unknown = next((name for name in given if name not in known), None)
        if unknown is not None:
            # A misspelt name also shows as one that is missing: this says what to do.
            near = did_you_mean(unknown, known)
            hint = f"Did you mean {near}?" if near else f"It takes: {', '.join(known) or 'none'}."
            raise ArgumentError(f"{self.name} has no argument {unknown[:_LONGEST_NAME]!r}.", hint=hint)
        try:
            values = self.validate(given)
        except ValidationError as exc:
            error = exc.errors(include_url=False, include_input=False)[0]
        else:
            return {name: values[name] for name in known}
        name = ".".join(str(part) for part in error["loc"])[:_LONGEST_NAME]
        takes = f"It takes: {', '.join(known)}." if error["type"] == "missing" else None
        raise ArgumentError(f"{self.name}: {name}: {error['msg']}.", hint=takes)

    def elevation(self, values: Mapping[str, Any]) -> str:
        """Return the scope that a call needs for an argument that gives more away; empty where it has none such."""
        return next((scope for name, scope in self.elevated if values.get(name)), "")

    def offered(self, has: Callable[[str], bool]) -> ToolSpec:
        """Return the tool without the arguments whose feature the policy has not got.

        Args:
            has: Tells whether it has a feature.
        """
        withheld = frozenset(name for name, feature in self.optional if not has(feature))
        return replace(self, withheld=withheld) if withheld else self

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments, without what models do not need (titles, empty defaults, `null`)."""
        schema: dict[str, Any] = _slim(self.arguments.model_json_schema())
        schema.setdefault("properties", {})
        return schema

    def joining(self) -> ToolSpec:
        """Return the same tool with the argument `transaction_id`, where it runs one statement for an answer."""
        one = self.sql in (SqlUse.READ, SqlUse.WRITE) and not (self.several or self.bulk)
        return replace(self, joins=True) if one else self

    @property
    def read_only(self) -> bool:
        """Whether no call of it changes anything."""
        return self.tier is Tier.READ and not self.changes


def tool(
    *,
    tier: Tier,
    scope: str,
    sql: SqlUse | None = None,
    paged: int | None = None,
    plan: Callable[..., Awaitable[Plan]] | None = None,
    typed: str = "",
    compose: Callable[..., Awaitable[Composed | Sequence[Composed]]] | None = None,
    changes: bool = False,
    several: bool = False,
    bulk: bool = False,
    elevated: Mapping[str, str] | None = None,
    optional: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., Awaitable[Result]]], ToolSpec]:
    """Declare a tool.

    Args:
        tier: What a call needs before it runs.
        scope: What a token must hold, `family:level`.
        sql: How the guard treats the argument `sql`, or what is composed; None where there is neither.
        paged: Rows of a page unless `max_rows` says otherwise; adds `max_rows` and `cursor`. None: not paged.
        plan: Says what a call would do, without doing it; takes what the tool takes. Needed for every tier but READ.
        typed: For TYPED: the argument whose value has to be given again in `confirm_name`. What composes a statement
            has none: there it is the statement's target.
        compose: Makes the one statement that a call is, from what the tool takes; it is judged like any other, and
            the tool finds it in `ctx.composed` and `ctx.verdict`. Such a tool has no argument `sql`.
        changes: Whether it changes something although it needs no yes.
        several: Whether `compose` makes a list of statements, which the tool finds in `ctx.parts`. Each is judged as a
            call of the tool that it names; the call needs what the strictest of them does.
        bulk: Whether its rows do not go through the answer: `max_rows` and `format` are its own then, and `timeout_s`
            is bounded by the limit of exports.
        elevated: Arguments that, where they are given, make the call need a yes and the scope that stands here, and
            a policy that grants the tool by its name, or everything.
        optional: Arguments that exist where the policy has the feature that stands here: an attribute of it.
    """

    def declare(function: Callable[..., Awaitable[Result]]) -> ToolSpec:
        spec = ToolSpec(function, tier, scope, sql, paged, plan, typed, compose, changes, several, bulk)
        return replace(spec, elevated=tuple((elevated or {}).items()), optional=tuple((optional or {}).items()))

    return declare


@dataclass(frozen=True)
class Category:
    """A file of tools, granted and shown as one.

    One that is not `listed` costs no tokens before the model enables it, or PGWARDEN_TOOLSETS names it.
    """

    name: str
    title: str
    module: ModuleType
    listed: bool = True

    @cached_property
    def tools(self) -> tuple[ToolSpec, ...]:
        """Its tools in the order of the file."""
        return tuple(value for value in vars(self.module).values() if isinstance(value, ToolSpec))


def _slim(node: Any) -> Any:
    if isinstance(node, list):
        return [_slim(item) for item in node]
    if not isinstance(node, dict):
        return node
    slim: dict[str, Any] = {}
    for key, value in node.items():
        if key == "properties":
            slim[key] = {name: _slim(schema) for name, schema in value.items()}
        elif key == "title" or (key == "default" and value in (None, "", False, [])):
            continue
        else:
            slim[key] = _slim(value)
    options = slim.get("anyOf", [])
    if {"type": "null"} in options and len(options) == 2:
        slim |= next(option for option in options if option != {"type": "null"})
        del slim["anyOf"]
    if "enum" in slim:
        slim.pop("type", None)
        if slim.get("default") == slim["enum"][0]:
            del slim["default"]  # by our convention the first choice is the default
    return slim
