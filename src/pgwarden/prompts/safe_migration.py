"""The prompt safe_migration: a change of the schema, rehearsed, explained, and made only after a yes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pgwarden.prompts.spec import Argument, PromptSpec, Step, block, inline


def _task(values: Mapping[str, str]) -> str:
    about = [f"{name} {inline(values[name])}" for name in ("table", "column") if values[name]]
    where = f" It is about {', '.join(about)}." if about else ""
    return f"Change the schema without hurting who uses it.{where} The change:\n\n{block(values['change'])}"


def _steps(values: Mapping[str, str]) -> Iterator[Step]:
    table = f" on {inline(values['table'])}" if values["table"] else " on every table concerned"
    yield Step(
        f'describe_table{table} with sections ["columns", "keys", "indexes", "constraints", "triggers", "partitions",'
        ' "sizes"]: rows and size decide how.',
        ("describe_table",),
    )
    if values["column"]:
        yield Step("search_objects with the column's name: where else it occurs.", ("search_objects",))
    yield Step(
        "Write the statements, one a call, each harmless by itself: indexes CONCURRENTLY; constraints NOT VALID first"
        " and VALIDATE later; new columns nullable or with a constant default; NOT NULL by a validated CHECK; backfills"
        " in batches by key; type changes and drops through a new column and a later release. Write how to undo each.",
    )
    yield Step(
        "validate_query on each: whether it may run, its tier, its targets.",
        ("validate_query",),
    )
    yield Step(
        "execute_sql with dry_run=true on each that can run in a transaction, in their order where they stand alone:"
        " the plan names locks, rewrites and dependents. What would lock a large table needs another way.",
        ("execute_sql",),
    )
    yield Step(
        "Show the person the statements, their plans and how to undo them, and ask. Then execute_sql, one by one, with"
        " what each refusal asks for; never a yes of your own. Stop at the first error.",
        ("execute_sql",),
    )
    yield Step("describe_table again: it is as it was meant to be.", ("describe_table",))


SAFE_MIGRATION = PromptSpec(
    name="safe_migration",
    description="Change the schema in steps that are rehearsed first and run only after a yes.",
    task=_task,
    steps=_steps,
    closing="Then say what was changed, what is left for later, and how to go back.",
    tools=("execute_sql", "describe_table", "validate_query"),
    statements=("CREATE", "ALTER", "DROP"),
    arguments=(
        Argument("change", "What should be different afterwards, in your words or as SQL.", required=True),
        Argument("table", "schema.table", completes="qualified_table"),
        Argument("column", "A column of the table.", completes="column"),
    ),
)
