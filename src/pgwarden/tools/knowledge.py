"""What was learned in earlier sessions, to read: category `knowledge`.

Every word of it was written by somebody, so it comes back as data of the database does: between fences.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from pgwarden.catalogue import Tier, tool
from pgwarden.context import Context
from pgwarden.knowledge import TITLE_CHARS, TOPICS, search, with_topics
from pgwarden.results import Cell, Column, Report, Rows
from pgwarden.tools import _notes

SCOPE = "knowledge:read"
QUERY_CHARS = 500

Name = Annotated[str, Field(min_length=1, max_length=TITLE_CHARS, description="Name or title.")]
Topics = Annotated[list[str] | None, Field(max_length=TOPICS, description="Has all of these.")]


@tool(tier=Tier.READ, scope=SCOPE, paged=100)
async def list_knowledge(ctx: Context, topics: Topics = None) -> Rows:
    """List what was learned in earlier sessions: name, title, topics."""
    shelf = await asyncio.to_thread(_notes.knowledge(ctx).shelf)
    found = with_topics(shelf.entries, topics) if topics else list(shelf.entries)
    total, after = len(found), str(ctx.page["after"]) if ctx.page else ""
    found = [entry for entry in found if entry.name > after]
    lines = [
        (entry.name, entry.title, ", ".join(entry.topics), entry.updated, str(entry.size))
        for entry in found[: ctx.max_rows]
    ]
    names = ("name", "title", "topics", "updated", "bytes")
    rows = _page(names, lines, more=len(found) > len(lines), total=total)
    rows.next_page = lambda shown: {"after": found[shown - 1].name if shown else after}
    rows.said = _notes.left_out(shelf.left_out)
    return rows


@tool(tier=Tier.READ, scope=SCOPE)
async def get_knowledge(ctx: Context, name: Name) -> Report:
    """Read one entry of list_knowledge."""
    entry = await asyncio.to_thread(_notes.knowledge(ctx).get, name)
    about = f"{entry.name}: {entry.title}\ntopics: {', '.join(entry.topics) or 'none'}; updated: {entry.updated}"
    data = {"name": entry.name, "title": entry.title, "topics": list(entry.topics), "updated": entry.updated}
    return Report(f"{about}\n\n{entry.text}", {**data, "text": entry.text})


@tool(tier=Tier.READ, scope=SCOPE, paged=20)
async def search_knowledge(
    ctx: Context, query: Annotated[str, Field(min_length=1, max_length=QUERY_CHARS)], topics: Topics = None
) -> Rows:
    """Find entries by words of their title, topics or text, best first, with a line of each."""
    shelf = await asyncio.to_thread(_notes.knowledge(ctx).shelf)
    entries = with_topics(shelf.entries, topics) if topics else shelf.entries
    hits = await asyncio.to_thread(search, entries, query)
    offset: int = ctx.page["offset"] if ctx.page else 0
    lines = [
        (hit.entry.name, hit.entry.title, ", ".join(hit.entry.topics), hit.excerpt)
        for hit in hits[offset : offset + ctx.max_rows]
    ]
    more = len(hits) > offset + len(lines)
    rows = _page(("name", "title", "topics", "line"), lines, more=more, total=len(hits))
    rows.next_page = lambda shown: {"offset": offset + shown}
    rows.said = _notes.left_out(shelf.left_out)
    return rows


def _page(names: Sequence[str], lines: Sequence[tuple[Cell, ...]], *, more: bool, total: int) -> Rows:
    columns = tuple(Column(name, "integer" if name == "bytes" else "text") for name in names)
    return Rows(columns, list(lines), "rows" if more else None, total=total)
