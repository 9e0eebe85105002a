"""Category `session`: widening tools/list during a conversation, within what the policy grants."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pgwarden.catalogue import Tier, tool
from pgwarden.context import Context
from pgwarden.errors import NotFoundError, did_you_mean
from pgwarden.results import Ack, Column, Rows


@tool(tier=Tier.READ, scope="database:read")
async def list_toolsets(ctx: Context) -> Rows:
    """Tool categories that can be used here, and whether they are listed now."""
    shown = ctx.toolsets.shown
    columns = tuple(Column(name) for name in ("toolset", "listed", "about", "tools"))
    return Rows(
        columns,
        [
            (toolset.name, "yes" if toolset.name in shown else "no", toolset.title, ", ".join(toolset.tools))
            for toolset in ctx.toolsets.granted.values()
        ],
    )


@tool(tier=Tier.READ, scope="database:read")
async def enable_toolset(ctx: Context, toolset: Annotated[str, Field(description="From list_toolsets.")]) -> Ack:
    """List a category's tools too."""
    granted = ctx.toolsets.granted
    if toolset not in granted:
        near = did_you_mean(toolset, granted)
        raise NotFoundError(
            f"There is no toolset {toolset[:64]!r}.",
            hint=f"Did you mean {near}?" if near else f"One of: {', '.join(granted)}.",
        )
    changed = ctx.toolsets.enable(toolset)
    names = ", ".join(granted[toolset].tools)
    return Ack(f"{toolset} {'is listed now' if changed else 'was listed already'}: {names}")
