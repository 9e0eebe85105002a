"""What was found in this session: category `insight`. It changes nothing but the memory of this process."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pgwarden.catalogue import Tier, tool
from pgwarden.context import Context
from pgwarden.knowledge import INSIGHT_CHARS
from pgwarden.results import Ack
from pgwarden.tools import _notes


@tool(tier=Tier.READ, scope="knowledge:write")
async def append_insight(ctx: Context, insight: Annotated[str, Field(min_length=1, max_length=INSIGHT_CHARS)]) -> Ack:
    """Add a finding to memo://insights, which lasts as long as this session."""
    number = _notes.insights(ctx).append(insight)
    return Ack(f"Insight {number} is in memo://insights.", {"insights": number})
