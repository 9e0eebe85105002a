"""Keeping what was learned for later sessions, and removing it: category `knowledge_write`."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import Field

from pgwarden.catalogue import Tier, tool
from pgwarden.context import Context
from pgwarden.knowledge import ENTRY_BYTES, TITLE_CHARS, TOPICS
from pgwarden.results import Ack, Plan
from pgwarden.tools import _notes

SCOPE = "knowledge:write"
BEGINNING = 500
"""Characters of a text that the plan of its removal shows."""

Name = Annotated[str, Field(min_length=1, max_length=TITLE_CHARS, description="Name or title.")]


@tool(tier=Tier.READ, scope=SCOPE, changes=True)
async def save_knowledge(
    ctx: Context,
    title: Annotated[str, Field(min_length=1, max_length=TITLE_CHARS)],
    text: Annotated[str, Field(min_length=1, max_length=ENTRY_BYTES, description="Markdown.")],
    topics: Annotated[list[str] | None, Field(max_length=TOPICS)] = None,
) -> Ack:
    """Keep what was learned about the database for later sessions; replaces the entry of the same title."""
    entry, replaced = await asyncio.to_thread(_notes.knowledge(ctx).save, title, text, topics or ())
    before = "; a copy of the text before is kept beside it" if replaced else ""
    data = {"name": entry.name, "replaced": replaced, "bytes": entry.size}
    return Ack(f"{'Replaced' if replaced else 'Saved'} {entry.name}.md, {entry.size:,} bytes{before}.", data)


async def plan(ctx: Context, name: str) -> Plan:
    """Return what delete_knowledge would remove.

    Raises:
        NotFoundError: There is no such entry.
        KnowledgeError: It cannot be read.
    """
    entry = await asyncio.to_thread(_notes.knowledge(ctx).get, name)
    beginning = entry.text[:BEGINNING] + ("…" if len(entry.text) > BEGINNING else "")
    data = {"name": entry.name, "title": entry.title, "updated": entry.updated, "bytes": entry.size}
    text = (
        f"Removes the entry {entry.name}.md for good, with the copy of its earlier text if there is one.\n"
        f"Title: {entry.title}\nUpdated: {entry.updated}, {entry.size:,} bytes\nIt begins:\n{beginning}"
    )
    return Plan(text, {**data, "beginning": beginning})


@tool(tier=Tier.CONFIRM, scope=SCOPE, plan=plan)
async def delete_knowledge(ctx: Context, name: Name) -> Ack:
    """Remove one entry of list_knowledge for good."""
    entry = await asyncio.to_thread(_notes.knowledge(ctx).delete, name)
    return Ack(f"Removed {entry.name}.md.", {"name": entry.name})
