"""The tools of sql_query, with verdicts that the guard would have given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fix_db import Server
from pgwarden.errors import ArgumentError, QueryError, StatementTimeoutError
from pgwarden.guard.verdict import Verdict
from pgwarden.results import Report
from pgwarden.tools import query
from tool_calls import NASTY, Caller, calling, column, run_sql, select

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def nasty_url(any_server: Server) -> Iterator[str]:
    """A database with the nasty schema, which no test changes."""
    name = any_server.create_database()
    run_sql(any_server.url(name), NASTY)
    yield any_server.url(name)
    any_server.drop_database(name)


# run_query.

UUID = "5f0c1f3e-0000-0000-0000-000000000000"


async def test_what_runs_is_the_canonical_text(nasty_url: str) -> None:
    """The argument `sql` is never sent: only what the guard wrote."""
    async with calling(nasty_url) as caller:
        rows = await caller.rows(query.run_query, sql="drop table shop.item", verdict=select("SELECT 7 AS n"))
    assert column(rows, "n") == ["7"]
    assert rows.total == 1


@pytest.mark.parametrize("max_rows", [1, 3, 5])
async def test_pages_join_up_to_the_whole_result(nasty_url: str, max_rows: int) -> None:
    """Continuing by offset gives every row once, and the last page knows the total."""
    verdict = select("SELECT g FROM generate_series(1, 10) AS g ORDER BY g")
    async with calling(nasty_url) as caller:
        pages = await caller.pages(query.run_query, verdict=verdict, max_rows=max_rows)
    assert [row[0] for page in pages for row in page.rows] == [str(n) for n in range(1, 11)]
    assert pages[-1].total == 10
    assert pages[0].total is None
    assert query.PAGES_NOTE in pages[0].notes
    assert pages[-1].notes == ()


async def test_a_page_cut_by_bytes_continues_after_its_last_row(nasty_url: str) -> None:
    """Where the byte budget ends a page, the next one starts with the first row not shown."""
    verdict = select("SELECT g, repeat('x', 20000) FROM generate_series(1, 40) AS g ORDER BY g")
    async with calling(nasty_url) as caller:
        pages = await caller.pages(query.run_query, verdict=verdict, max_bytes=100_000)
    assert len(pages) > 1
    assert pages[0].truncated == "bytes"
    assert [row[0] for page in pages for row in page.rows] == [str(n) for n in range(1, 41)]


@pytest.mark.parametrize(
    ("canonical", "values", "answer"),
    [
        ("SELECT $1::int + 1", [41], "42"),
        ("SELECT $1::jsonb ->> 'a'", [{"a": "b"}], "b"),
        ("SELECT $1::jsonb -> 0 ->> 'a'", [[{"a": 1}]], "1"),
        ("SELECT count(*) FROM unnest(ARRAY['a', 'b\\\"{,}c']) AS u WHERE u = ANY($1)", [['b\\"{,}c', "NULL"]], "1"),
        ("SELECT count(*) FROM pg_catalog.pg_class WHERE oid::regclass::text = ANY($1)", [["pg_class"]], "1"),
        (
            "SELECT '5f0c1f3e-0000-0000-0000-000000000000'::uuid = ANY($1)",
            [["5f0c1f3e-0000-0000-0000-000000000000"]],
            "t",
        ),
        ("SELECT 3 = ANY($1)", [[1, 2, None, 3]], "t"),
        ("SELECT array_length($1::text[], 2)", [[["a"], ["b"]]], "1"),
        ("SELECT $1::jsonb", [{"ß": [1, None]}], '{"ß": [1, null]}'),
        ("SELECT 0.1 = $1", [0.1], "t"),
        ("SELECT 9007199254740993 = $1", [9007199254740993], "t"),
        ("SELECT $1::text IS NULL", [None], "t"),
        ("SELECT date '2026-01-02' = $1", ["2026-01-02"], "t"),
        ("SELECT $1::bool", [True], "t"),
        ("SELECT '%' || $1", ["%s"], "%%s"),
    ],
)
async def test_parameters_of_every_json_type_are_bound(
    nasty_url: str, canonical: str, values: list[Any], answer: str
) -> None:
    """Numbers, texts, null, lists and objects arrive as values, never as text of the statement."""
    async with calling(nasty_url) as caller:
        rows = await caller.rows(query.run_query, verdict=select(canonical, 1), params=values)
    assert rows.rows == [(answer,)]


@pytest.mark.parametrize(("expected", "values"), [(1, None), (0, [1]), (2, [1])])
async def test_the_number_of_parameters_must_fit(nasty_url: str, expected: int, values: list[Any] | None) -> None:
    """Too few or too many values are refused before the database is asked."""
    async with calling(nasty_url) as caller:
        with pytest.raises(ArgumentError, match=f"has {expected} parameters"):
            await caller.rows(query.run_query, verdict=select("SELECT 1", expected), params=values)


async def test_show_is_not_wrapped_nor_continued(nasty_url: str) -> None:
    """SHOW runs as it is and has no further page."""
    async with calling(nasty_url) as caller:
        rows = await caller.rows(query.run_query, verdict=Verdict(True, "SHOW ALL", "show"), max_rows=3)
    assert (len(rows.rows), rows.truncated, rows.next_page) == (3, "rows", None)


@pytest.mark.parametrize(
    "spec", [query.run_query, query.explain_query, query.validate_query], ids=lambda spec: spec.name
)
async def test_no_statement_is_an_error_of_the_arguments(nasty_url: str, spec: Any) -> None:
    """A call without sql and without a cursor says what is missing."""
    async with calling(nasty_url) as caller:
        with pytest.raises(ArgumentError, match="sql is empty"):
            await caller.call(spec, sql="")


async def test_the_time_limit_of_the_call_holds(nasty_url: str) -> None:
    """A statement ends with the time that the call has."""
    async with calling(nasty_url) as caller:
        with pytest.raises(StatementTimeoutError):
            await caller.rows(query.run_query, verdict=select("SELECT pg_sleep(3)"), context_timeout_s=0.2)


# explain_query.


async def _explained(caller: Caller, canonical: str, parameters: int = 0, **arguments: Any) -> Report:
    return await caller.report(query.explain_query, sql=canonical, verdict=select(canonical, parameters), **arguments)


async def test_a_plan_is_a_tree_of_one_line_nodes(nasty_url: str) -> None:
    """Each node shows its type, relation or index, estimated rows and cost, with conditions below."""
    async with calling(nasty_url) as caller:
        report = await _explained(caller, "SELECT * FROM shop.customer AS c WHERE c.id = 5")
    lines = report.text.splitlines()
    assert lines[0].startswith("Index Scan using customer_pkey on customer c  (rows est 1, cost ")
    assert lines[1] == "    Index Cond: (id = 5)"
    assert report.data["plan"]["Plan"]["Node Type"] == "Index Scan"
    assert "warnings" not in report.data


async def test_analyze_shows_what_happened(nasty_url: str) -> None:
    """With analyze there are actual rows, loops, times, removed rows and, when asked, buffers."""
    statement = "SELECT c.id, count(*) FROM shop.customer c JOIN shop.orders o ON o.customer_id = c.id GROUP BY c.id"
    async with calling(nasty_url) as caller:
        plain = await _explained(caller, statement, analyze=True)
        with_buffers = await _explained(caller, statement, analyze=True, buffers=True)
    assert "rows 100 of est" in plain.text
    assert ", execution " in plain.text
    assert "buffers: " not in plain.text
    assert "shared hit " in with_buffers.text


async def test_analyze_writes_nothing(nasty_url: str) -> None:
    """A statement that writes after all is stopped by the read-only transaction that analyze runs in."""
    async with calling(nasty_url) as caller:
        with pytest.raises(QueryError, match="read-only"):
            await _explained(caller, "INSERT INTO public.lonely VALUES (1) RETURNING id", analyze=True)
        rows = await caller.rows(query.run_query, verdict=select("SELECT count(*) FROM public.lonely"))
    assert rows.rows == [("0",)]


async def test_suspicious_plans_are_warned_of(any_database_url: str) -> None:
    """Estimates far off, sorts that spill and selective scans of whole tables are named."""
    run_sql(
        any_database_url,
        "create table big as select g as id, g % 1000 as a, g % 1000 as b, repeat('x', 50) as pad"
        " from generate_series(1, 100000) g; analyze big",
    )
    async with calling(any_database_url) as caller:
        scan = await _explained(caller, "SELECT * FROM big WHERE a = 5 AND b = 5", analyze=True)
        sort = await _explained(caller, "SELECT * FROM big ORDER BY pad, id DESC", analyze=True)
        whole = await _explained(caller, "SELECT * FROM big", analyze=True)
        small = await _explained(caller, "SELECT * FROM pg_catalog.pg_am WHERE amname = 'heap'", analyze=True)
    assert any("100 rows where" in warning and "times off" in warning for warning in scan.data["warnings"])
    assert any("an index may help" in warning for warning in scan.data["warnings"])
    assert any("spilled to disk" in warning for warning in sort.data["warnings"])
    assert "warnings" not in whole.data
    assert "warnings" not in small.data
    assert scan.data["warnings"][0] in scan.text


async def test_parameters_are_planned_with_their_values(nasty_url: str) -> None:
    """Values reach the planner, and have to be all of them."""
    statement = "SELECT * FROM shop.customer WHERE id = $1"
    async with calling(nasty_url) as caller:
        assert "Index Cond: (id = '7'::bigint)" in (await _explained(caller, statement, 1, params=[7])).text
        with pytest.raises(ArgumentError, match="1 parameters and 0 values"):
            await _explained(caller, statement, 1, params=[])


@pytest.mark.parametrize("form", ["show", "explain"])
async def test_only_queries_have_plans(nasty_url: str, form: Any) -> None:
    """SHOW and EXPLAIN are refused with the reason."""
    async with calling(nasty_url) as caller:
        with pytest.raises(ArgumentError, match="has no plan"):
            await caller.report(query.explain_query, sql="", verdict=Verdict(True, "SHOW ALL", form))


# validate_query.


async def test_a_readable_statement_is_valid_with_an_estimate(nasty_url: str) -> None:
    """The verdict comes with what the planner expects; nothing runs."""
    verdict = Verdict(True, "SELECT * FROM shop.customer", "select", ("SELECT",), ("shop.customer",))
    async with calling(nasty_url) as caller:
        report = await caller.report(query.validate_query, sql="", verdict=verdict)
    assert report.data["allowed"] is True
    assert report.data["estimated_rows"] == 2000
    assert report.text.splitlines()[:3] == ["Allowed as a read.", "kinds: SELECT", "relations: shop.customer"]


async def test_a_refused_statement_is_reported_and_not_planned(nasty_url: str) -> None:
    """The guard's no is the answer, with its code and hint, and no error."""
    verdict = Verdict(False, kinds=("DELETE",), code="not_read_only", message="DELETE changes rows.", hint="Read only.")
    async with calling(nasty_url) as caller:
        report = await caller.report(query.validate_query, sql="delete from shop.item", verdict=verdict)
    assert report.data["allowed"] is False
    assert "estimated_cost" not in report.data
    assert report.text.startswith("Not allowed (not_read_only): DELETE changes rows.\nHint: Read only.")


async def test_what_cannot_be_planned_is_part_of_the_answer(nasty_url: str) -> None:
    """An unknown column is reported beside the verdict."""
    async with calling(nasty_url) as caller:
        wrong = await caller.report(query.validate_query, sql="", verdict=select("SELECT nope FROM shop.customer"))
    assert 'column "nope" does not exist' in wrong.data["planner_error"]
    assert "PostgreSQL cannot plan it" in wrong.text


async def test_parameters_without_values_are_planned_for_any(nasty_url: str) -> None:
    """A statement as statistics show it, with $n, has a generic plan on every version, pipelined or not."""
    statement = "SELECT * FROM shop.customer WHERE id = $1 AND name <> $2"
    for pipeline in ("auto", "off"):
        async with calling(nasty_url, pipeline=pipeline) as caller:
            report = await _explained(caller, statement, 2)
            verdict = await caller.report(query.validate_query, sql="", verdict=select(statement, 2))
            after = await caller.rows(query.run_query, verdict=select("SELECT count(*) FROM pg_prepared_statements"))
        assert "Index Cond: (id = $1)" in report.text
        assert verdict.data["estimated_rows"] >= 1
        assert after.rows == [("0",)]


async def test_a_statement_that_cannot_be_prepared_is_refused_by_position(nasty_url: str) -> None:
    """The position of an error is one of the caller's text, and the connection stays good."""
    async with calling(nasty_url) as caller:
        with pytest.raises(QueryError, match="nope") as caught:
            await _explained(caller, "SELECT nope FROM shop.customer WHERE id = $1", 1)
        assert caught.value.details["position"] == 8
        with pytest.raises(ArgumentError, match="need values"):
            await _explained(caller, "SELECT $1::int", 1, analyze=True)
        rows = await caller.rows(query.run_query, verdict=select("SELECT 1"))
    assert rows.rows == [("1",)]
