"""The prompt diagnose_slow_query: why a query is slow, and what would help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pgwarden.prompts.spec import Argument, PromptSpec, Step, block


def _task(values: Mapping[str, str]) -> str:
    return f"Find out why this query is slow, and what would help. Change nothing.\n\n{block(values['sql'], 'sql')}"


def _steps(_: Mapping[str, str]) -> Iterator[Step]:
    yield Step("validate_query: whether it may run here at all, and what it reads.", ("validate_query",))
    yield Step(
        "explain_query without analyze: the plan and its warnings. Look at the estimated cost first.",
        ("explain_query",),
    )
    yield Step(
        "explain_query with analyze=true and buffers=true, unless the estimate says that it would run for minutes:"
        " compare estimated with actual rows, and find the node that takes the time.",
        ("explain_query",),
    )
    yield Step(
        'describe_table with sections ["columns", "indexes", "sizes", "statistics"] on the tables of that node: rows,'
        " last_analyze, distinct values.",
        ("describe_table",),
    )
    yield Step("list_indexes on them: indexes that are never scanned, or invalid.", ("list_indexes",))
    yield Step(
        "get_database_info: work_mem and other settings, where the plan sorts or hashes on disk.",
        ("get_database_info",),
    )
    yield Step(
        "Where a rewrite helps, prove it: explain_query on the rewritten query, and run_query on both with a small"
        " LIMIT to see the same rows.",
        ("explain_query", "run_query"),
    )


DIAGNOSE_SLOW_QUERY = PromptSpec(
    name="diagnose_slow_query",
    description="Find out why a query is slow, and what would help.",
    task=_task,
    steps=_steps,
    closing="Then say: where the time goes (node, estimated and actual rows), why, and at most three remedies in the"
    " order of their gain: a rewrite, ANALYZE, an index as CREATE INDEX CONCURRENTLY with what it costs writers."
    " Propose them; run none of them.",
    tools=("explain_query",),
    arguments=(Argument("sql", "The query.", required=True),),
)
