"""The prompt explore_database: what is in here, and how it hangs together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pgwarden.prompts.spec import Argument, PromptSpec, Step, block, inline


def _task(values: Mapping[str, str]) -> str:
    where = f" Keep to the schema {inline(values['schema'])}." if values["schema"] else ""
    question = f"\n\nWhat the person wants to know:\n{block(values['question'])}" if values["question"] else ""
    return f"Explore this PostgreSQL database and explain it to the person.{where} Only read.{question}"


def _steps(values: Mapping[str, str]) -> Iterator[Step]:
    schema = f" with schema={inline(values['schema'])}" if values["schema"] else ""
    yield Step(
        "search_knowledge: what earlier sessions learned; check it before you rely on it.", ("search_knowledge",)
    )
    yield Step("get_database_info: version, size, and what the role may do.", ("get_database_info",))
    if not schema:
        yield Step("list_schemas: which schemas there are, and how large.", ("list_schemas",))
    yield Step(f"list_tables{schema}: the largest and most commented tables are mostly the core.", ("list_tables",))
    if values["question"]:
        yield Step("search_objects with the nouns of the question: names differ from words.", ("search_objects",))
    yield Step(
        "describe_table on the core tables, up to ten in one call: columns, keys both ways, comments.",
        ("describe_table",),
    )
    yield Step("find_join_path between tables whose relation is not plain.", ("find_join_path",))
    yield Step(
        "run_query with a LIMIT of 5 to see what values look like, only where names and comments leave it open.",
        ("run_query",),
    )
    yield Step("append_insight for each finding that the rest of the session needs.", ("append_insight",))


EXPLORE_DATABASE = PromptSpec(
    name="explore_database",
    description="Find out what is in the database and how its tables hang together.",
    task=_task,
    steps=_steps,
    closing="Then say in a page: what the database is for, its core tables with a line each, how they join, what is"
    " odd, and three questions that it can answer. Say what you have not looked at.",
    tools=("list_tables", "describe_table"),
    arguments=(
        Argument("schema", "Only this schema.", completes="schema"),
        Argument("question", "What you want to know, in your words."),
    ),
)
