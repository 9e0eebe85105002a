"""What is derived from a tool's declaration."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from pgwarden.catalogue import Category, Tier, ToolSpec, tool
from pgwarden.context import Context
from pgwarden.results import Ack, Rows
from pgwarden.tools import CATEGORIES

ALL = [spec for category in CATEGORIES for spec in category.tools]


@tool(tier=Tier.READ, scope="database:read", paged=50)
async def sample(
    ctx: Context, table: Annotated[str, Field(description="The table.")], limit: int | None = None, deep: bool = False
) -> Rows:
    """Sample a table."""
    return Rows((), [])


def test_the_schema_is_small_and_closed() -> None:
    """No titles, no empty defaults, no null branches; unknown arguments are not allowed."""
    assert sample.input_schema == {
        "type": "object",
        "properties": {
            "table": {"type": "string", "description": "The table."},
            "limit": {"type": "integer"},
            "deep": {"type": "boolean"},
            "max_rows": {"type": "integer", "minimum": 1},
            "cursor": {"type": "string"},
            "format": {"enum": ["markdown", "json", "csv"]},
        },
        "required": ["table"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "value", [{"table": 1}, {"table": "t", "limit": "5"}, {"table": "t", "deep": "yes"}, {"tabel": "t"}]
)
def test_values_are_not_coerced(value: dict[str, object]) -> None:
    """A wrong type is an error and not a guess."""
    with pytest.raises(ValidationError):
        sample.validate(value)


def test_an_ack_has_no_format() -> None:
    """Only what shows data can be asked for in another format."""

    @tool(tier=Tier.READ, scope="x:read")
    async def done(ctx: Context) -> Ack:
        """Do."""
        return Ack("done")

    assert done.input_schema["properties"] == {}


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.name)
def test_every_tool_declares_itself(spec: ToolSpec) -> None:
    """A short description, a scope of the right form, described or self-explaining arguments."""
    assert spec.description.endswith(".")
    assert len(spec.description) <= 240
    family, level = spec.scope.split(":")
    assert family
    assert level in ("read", "write", "admin")
    assert (spec.sql is not None and spec.compose is None) == ("sql" in spec.input_schema["properties"])


def test_names_are_unique() -> None:
    """Two tools of one name would hide each other."""
    names = [spec.name for spec in ALL]
    assert len(names) == len(set(names))


def test_a_category_lists_its_tools_in_order() -> None:
    """The order of the file is the order of the list."""
    import types

    module = types.ModuleType("m")
    module.b = sample  # type: ignore[attr-defined]
    module.other = 1  # type: ignore[attr-defined]
    assert Category("c", "t", module).tools == (sample,)
