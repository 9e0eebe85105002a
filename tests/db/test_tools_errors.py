"""What a caller who is slightly wrong is told, and what they can see but not read."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from fix_db import Server
from pgwarden.catalogue import ToolSpec
from pgwarden.errors import NotFoundError, QueryError
from pgwarden.guard.verdict import Verdict
from pgwarden.tools import query, schema
from tool_calls import calling, column, run_sql, select

pytestmark = pytest.mark.anyio

SCHEMA = """
create schema shop;
create schema depot;
create table shop.orders (id int primary key, status text, "createdAt" date, "first name" text);
create table shop.order_items (id int, ref int references shop.orders, secret text);
create table depot.orders (id int primary key);
create view shop.open as select id from shop.orders where status = 'open';
"""


@pytest.fixture(scope="module")
def shop_url(any_server: Server) -> Iterator[str]:
    """A database with a small shop, which no test changes."""
    name = any_server.create_database()
    run_sql(any_server.url(name), SCHEMA)
    yield any_server.url(name)
    any_server.drop_database(name)


def _reading(canonical: str, *relations: str, parameters: int = 0) -> Verdict:
    return Verdict(readable=True, canonical=canonical, kinds=("SELECT",), relations=relations, parameters=parameters)


@pytest.mark.parametrize(
    ("sql", "relations", "near"),
    [
        ("SELECT * FROM ordrs", ("ordrs",), "shop.orders"),
        ("SELECT * FROM shop.order_item, shop.orders", ("shop.order_item", "shop.orders"), "shop.order_items"),
        ('SELECT * FROM shop."Orders"', ("shop.Orders",), "shop.orders"),
    ],
)
async def test_a_table_that_is_not_there_brings_up_those_that_are(
    shop_url: str, sql: str, relations: tuple[str, ...], near: str
) -> None:
    """run_query and explain_query name tables that may be meant; validate_query too, as part of its answer."""
    verdict = _reading(sql, *relations)
    async with calling(shop_url) as caller:
        for tool in (query.run_query, query.explain_query):
            with pytest.raises(QueryError) as caught:
                await caller.call(tool, sql=sql, verdict=verdict)
            assert near in caught.value.details["near"]
            assert near in str(caught.value.hint)
        report = await caller.report(query.validate_query, sql=sql, verdict=verdict)
    assert near in report.data["planner_hint"]
    assert near in report.text


async def test_a_position_is_one_of_what_the_caller_wrote(shop_url: str) -> None:
    """Neither our EXPLAIN nor a comment that was removed moves it: where it would be wrong, there is none."""
    plain = "SELECT nope FROM shop.orders"
    async with calling(shop_url) as caller:
        for tool, sql, expected in (
            (query.run_query, plain, 8),
            (query.explain_query, plain, 8),
            (query.run_query, "SELECT /* why */ nope FROM shop.orders", None),
        ):
            with pytest.raises(QueryError) as caught:
                await caller.call(tool, sql=sql, verdict=select(plain))
            assert caught.value.details.get("position") == expected


async def test_a_generic_plan_says_so_and_shows_no_setting_of_ours(shop_url: str) -> None:
    """The setting that makes a plan generic is not reported as one of the server's."""
    sql = "SELECT * FROM shop.orders WHERE id = $1"
    async with calling(shop_url) as caller:
        generic = await caller.report(query.explain_query, sql=sql, verdict=select(sql, 1))
        of_one = await caller.report(query.explain_query, sql=sql, verdict=select(sql, 1), params=[1])
    assert (generic.notes, of_one.notes) == ((query.GENERIC_NOTE,), ())
    assert "plan_cache_mode" not in generic.text + str(generic.data)


@pytest.mark.parametrize("tool", [schema.list_indexes, schema.list_constraints])
async def test_schema_and_table_are_taken_together(shop_url: str, tool: ToolSpec) -> None:
    """A bare table is looked for in the schema given; one that contradicts it is not found."""
    async with calling(shop_url) as caller:
        for name in ("orders", "depot.orders"):
            rows = await caller.rows(tool, table=name, schema="depot")
            assert column(rows, "schema") == ["depot"]
        with pytest.raises(NotFoundError, match=r"shop\.orders in schema depot"):
            await caller.rows(tool, table="shop.orders", schema="depot")


async def test_a_schema_where_a_table_is_asked_for_is_pointed_out(shop_url: str) -> None:
    """The hint says what the name is."""
    async with calling(shop_url) as caller:
        with pytest.raises(NotFoundError) as caught:
            await caller.report(schema.describe_table, tables=["depot"])
    assert caught.value.hint == "depot is a schema; list_tables shows what is in it."


async def test_an_error_does_not_repeat_a_name_without_end(shop_url: str) -> None:
    """Whatever was sent as a name, the error about it is short."""
    async with calling(shop_url) as caller:
        for arguments in ({"schema": "x" * 100_000}, {"table": "x" * 100_000}):
            with pytest.raises(NotFoundError) as caught:
                await caller.rows(schema.list_indexes, **arguments)
            assert len(str(caught.value.as_dict())) < 400


async def test_names_that_need_quotes_have_them(shop_url: str) -> None:
    """A column's name can be copied into SQL, and where it ends is plain."""
    async with calling(shop_url) as caller:
        report = await caller.report(schema.describe_table, tables=["shop.orders"])
    assert '- "createdAt" date' in report.text
    assert '- "first name" text' in report.text
    assert "- id integer not null" in report.text


async def test_not_null_is_no_constraint_of_the_list(shop_url: str) -> None:
    """list_constraints says the same on every version of PostgreSQL."""
    async with calling(shop_url) as caller:
        rows = await caller.rows(schema.list_constraints)
    assert sorted(map(str, column(rows, "kind"))) == ["foreign key", "primary key", "primary key"]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("orders status", "shop.orders.status"),
        ("shop.orders.status", "shop.orders.status"),
        ("depot.orders", "depot.orders"),
        ("items secret", "shop.order_items.secret"),
    ],
)
async def test_search_takes_a_name_with_its_table_and_schema(shop_url: str, text: str, first: str) -> None:
    """Words may be spread over schema, table and column, with blanks or dots between."""
    async with calling(shop_url) as caller:
        rows = await caller.rows(schema.search_objects, query=text)
    assert rows.rows[0][1] == first
    assert next(each.type for each in rows.columns if each.name == "score") == "integer"


async def test_privileges_on_the_same_tables_are_named_together(shop_url: str) -> None:
    """The owner's rights are one item, not one a privilege."""
    async with calling(shop_url) as caller:
        rows = await caller.rows(schema.list_roles, schema="shop", filter="postgres")
    grants = str(rows.rows[0][3])
    assert grants.count(" on 3 tables") == 1
    assert "SELECT+TRIGGER+TRUNCATE+UPDATE" in grants


async def test_what_the_role_may_not_read_is_said(shop_url: str) -> None:
    """list_tables names such tables and describe_table says it; a grant on a column is enough to read."""
    with psycopg.connect(shop_url, autocommit=True) as conn:
        conn.execute("DROP ROLE IF EXISTS clerk")
        conn.execute("CREATE ROLE clerk LOGIN PASSWORD 'clerk'")
        conn.execute("GRANT USAGE ON SCHEMA shop TO clerk")
        conn.execute("GRANT SELECT (id) ON shop.order_items TO clerk")
        conn.execute("GRANT SELECT ON shop.open TO clerk")
    try:
        async with calling(psycopg.conninfo.make_conninfo(shop_url, user="clerk", password="clerk")) as caller:
            rows = await caller.rows(schema.list_tables)
            report = await caller.report(schema.describe_table, tables=["shop.orders", "shop.open"])
    finally:
        run_sql(shop_url, "DROP OWNED BY clerk; DROP ROLE clerk")
    assert rows.notes == ("this role may not read depot.orders, shop.orders",)
    assert [table.get("readable") for table in report.data["tables"]] == [False, None]
    assert report.text.count("this role may not read it") == 1
