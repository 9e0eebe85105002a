"""What clients can read beside calling tools: `RESOURCES` is the single source of truth about them.

A new resource is one function, here or in a file of its own, and one entry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from pgwarden.errors import DatabaseError, ScopeError
from pgwarden.resources import examples, schema, syntax
from pgwarden.resources.spec import ResourceSpec, Surroundings
from pgwarden.results import Report

__all__ = ["RESOURCES", "ResourceSpec", "Surroundings"]


async def _policy(around: Surroundings, _: Mapping[str, str]) -> Report:
    """Return what the caller may do; the database's role is asked too, where it answers."""
    from pgwarden.resources.policy import render

    try:
        warnings = (await (await around.database()).role()).warnings
    except (DatabaseError, ScopeError) as exc:
        # A token without the database's scopes may still know what it grants.
        warnings = (f"The database's role is not known: {exc.message}",)
    return render(
        around.policy,
        around.limits,
        around.categories,
        around.scopes,
        consent=around.consent,
        role_warnings=warnings,
        connections=around.connections(),
    )


async def _knowledge(around: Surroundings, _: Mapping[str, str]) -> Report:
    """Return the list of what is kept; its files are read in a thread."""
    return await asyncio.to_thread(around.knowledge.report)


async def _insights(around: Surroundings, _: Mapping[str, str]) -> Report:
    """Return what was noted in this session."""
    return around.insights.report()


RESOURCES = (
    ResourceSpec(
        "pg://schema", "schema", "The names of everything, by schema and kind.", schema.tree, ("object_tree",)
    ),
    ResourceSpec(
        "pg://schema/{schema}/{table}",
        "table",
        "A table or view: columns, keys both ways, indexes, constraints, comments.",
        schema.table,
        ("describe_table",),
    ),
    ResourceSpec(
        "pg://syntax_help",
        "syntax_help",
        "Writing SQL here: what is refused, and what to write instead.",
        syntax.read,
        ("run_query",),
    ),
    ResourceSpec(
        "pg://query_examples",
        "query_examples",
        "Queries that run here, on this database's own tables and keys.",
        examples.read,
        ("run_query", "describe_table"),
    ),
    ResourceSpec(
        "pg://knowledge",
        "knowledge",
        "What was learned in earlier sessions: the list of entries.",
        _knowledge,
        ("list_knowledge",),
        "knowledge:read",
        ("save_knowledge", "delete_knowledge"),
    ),
    ResourceSpec(
        "memo://insights",
        "insights",
        "What was found in this session.",
        _insights,
        ("append_insight",),
        "knowledge:read",
        ("append_insight",),
    ),
    ResourceSpec("pgwarden://policy", "policy", "What this caller may do, and which rule decided.", _policy),
)
