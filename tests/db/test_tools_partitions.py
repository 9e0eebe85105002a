"""Partitions are one table to whoever looks around: what the tools leave out of lists, searches and plans."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_db import Server
from pgwarden.tools import query, schema
from tool_calls import calling, column, following, run_sql, select

pytestmark = pytest.mark.anyio

PARTITIONS = 30
SCHEMA = f"""
create table event (id bigint, at date not null, primary key (id, at)) partition by range (at);
create table kind (id int primary key, label text);
do $$ begin for i in 0..{PARTITIONS - 1} loop execute format(
    'create table event_%s partition of event for values from (%L) to (%L)',
    to_char(i, 'FM000'), date '2026-01-01' + i, date '2026-01-02' + i);
end loop; end $$;
insert into event select g, date '2026-01-01' + g % {PARTITIONS} from generate_series(1, 3000) g;
analyze event;
"""


@pytest.fixture(scope="module")
def events_url(any_server: Server) -> Iterator[str]:
    """A database with a table of many partitions, which no test changes."""
    name = any_server.create_database()
    run_sql(any_server.url(name), SCHEMA)
    yield any_server.url(name)
    any_server.drop_database(name)


async def test_partitions_are_left_out_of_the_list_and_counted(events_url: str) -> None:
    """list_tables shows the partitioned table alone, and says once how many partitions it left out."""
    async with calling(events_url) as caller:
        rows = await caller.rows(schema.list_tables)
        first = await caller.rows(schema.list_tables, max_rows=1)
        second = await caller.rows(schema.list_tables, max_rows=1, page=following(first))
    assert column(rows, "name") == ["event", "kind"]
    assert (rows.total, rows.notes) == (2, (f'{PARTITIONS} partitions left out; kinds=["partition"] lists them',))
    assert (first.notes, second.notes) == (rows.notes, ())


async def test_partitions_are_listed_where_they_are_meant(events_url: str) -> None:
    """Asked for by kind, or the only ones that a filter leaves, they are listed."""
    async with calling(events_url) as caller:
        by_kind = await caller.rows(schema.list_tables, kinds=["partition"])
        by_name = await caller.rows(schema.list_tables, filter="event_00")
    assert (by_kind.total, by_kind.notes) == (PARTITIONS, ())
    assert column(by_name, "name") == [f"event_00{digit}" for digit in range(10)]


async def test_search_does_not_drown_in_partitions(events_url: str) -> None:
    """A partition and its indexes are found by their whole name only."""
    async with calling(events_url) as caller:
        part = await caller.rows(schema.search_objects, query="event")
        whole = await caller.rows(schema.search_objects, query="event_007")
    assert column(part, "object") == ["public.event", "public.event_pkey"]
    assert column(whole, "object")[0] == "public.event_007"


async def test_statistics_say_only_what_is_counted(events_url: str) -> None:
    """A partitioned table has no counters of rows and scans; the number of distinct values is one, not a share."""
    async with calling(events_url) as caller:
        report = await caller.report(schema.describe_table, tables=["event"], sections=["statistics"])
    [table] = report.data["tables"]
    assert "live_rows" not in table["statistics"]
    distinct = {each["name"]: each["distinct"] for each in table["statistics"]["columns"]}
    assert distinct == {"id": 3000, "at": PARTITIONS}


@pytest.mark.parametrize("analyze", [False, True])
async def test_a_plan_over_many_partitions_stays_short(events_url: str, analyze: bool) -> None:
    """The costliest members of an Append are shown, and the others are summed up with their rows."""
    async with calling(events_url) as caller:
        verdict = select("SELECT count(*) FROM event")
        report = await caller.report(query.explain_query, sql="", verdict=verdict, analyze=analyze)
    lines = report.text.splitlines()
    assert sum("on event_" in line for line in lines) == 5
    [rest] = [line for line in lines if "cheaper ones" in line]
    assert f"... {PARTITIONS - 5} cheaper ones: {PARTITIONS - 5} Seq Scan" in rest
    assert f"rows {f'{2500:,} of ' if analyze else ''}est {2500:,}" in rest
