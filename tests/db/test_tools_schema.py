"""The tools of schema_read, on a schema that is hard to describe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from fix_db import Server, as_plain_role
from pgwarden.catalogue import ToolSpec
from pgwarden.errors import ArgumentError, NotFoundError
from pgwarden.results import Rows
from pgwarden.tools import schema
from tool_calls import NASTY, Caller, calling, column, following, run_sql

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def nasty_url(any_server: Server) -> Iterator[str]:
    """A database with the nasty schema, which no test changes."""
    name = any_server.create_database()
    run_sql(any_server.url(name), NASTY)
    yield any_server.url(name)
    any_server.drop_database(name)


async def _described(url: str, *tables: str, sections: list[str] | None = None) -> list[dict[str, Any]]:
    async with calling(url) as caller:
        report = await caller.report(schema.describe_table, tables=list(tables), sections=sections)
    return list(report.data["tables"])


async def _text(url: str, *tables: str, sections: list[str] | None = None) -> str:
    async with calling(url) as caller:
        return (await caller.report(schema.describe_table, tables=list(tables), sections=sections)).text


# Lists.


async def test_tables_have_kind_rows_size_and_comment(nasty_url: str) -> None:
    """list_tables says what each relation is, and sums a partitioned table's rows and bytes over its partitions."""
    async with calling(nasty_url) as caller:
        rows = await caller.rows(schema.list_tables, schema="shop")
        partitions = await caller.rows(schema.list_tables, schema="shop", kinds=["partition"])
    kinds = dict(zip(column(rows, "name"), column(rows, "kind"), strict=True))
    assert kinds == {
        "customer": "table",
        "item": "table",
        "orders": "partitioned",
        "rich": "view",
        "totals": "matview",
    }
    facts = {row[1]: row for row in rows.rows}
    assert facts["orders"][3] == "3000"
    assert int(facts["orders"][4] or 0) == sum(int(size or 0) for size in column(partitions, "bytes"))
    assert facts["rich"][3:] == (None, None, "the rich")
    assert rows.total == 5


async def test_system_schemas_are_listed_only_when_asked_for(nasty_url: str) -> None:
    """pg_catalog is not part of the list, and is listed when named."""
    async with calling(nasty_url) as caller:
        everything = await caller.rows(schema.list_tables)
        catalog = await caller.rows(schema.list_tables, schema="pg_catalog", filter="pg_class")
    assert set(column(everything, "schema")) == {"shop", "public", "dot.ted", "Größe"}
    assert column(catalog, "name") == ["pg_class"]


async def test_kinds_and_filter_narrow_the_list(nasty_url: str) -> None:
    """`kinds` and `filter` choose tables; the filter ignores case."""
    async with calling(nasty_url) as caller:
        views = await caller.rows(schema.list_tables, kinds=["view", "matview"])
        mixed = await caller.rows(schema.list_tables, filter="MIX")
    assert column(views, "name") == ["rich", "totals"]
    assert column(mixed, "name") == ["Mixed", "Mixed", "mixed"]


@pytest.mark.parametrize(
    ("tool", "key"),
    [
        (schema.list_tables, 2),
        (schema.list_indexes, 2),
        (schema.list_constraints, 3),
        (schema.list_functions, 3),
        (schema.list_schemas, 1),
        (schema.list_databases, 1),
        (schema.list_roles, 1),
    ],
    ids=lambda value: value.name if isinstance(value, ToolSpec) else "",
)
async def test_pages_join_up_to_the_whole_list(nasty_url: str, tool: ToolSpec, key: int) -> None:
    """Pages of any size have every row once, in the order of the whole list, and the same total."""
    async with calling(nasty_url) as caller:
        whole = await caller.rows(tool)
        pages = await caller.pages(tool, max_rows=2)
    paged = [row for page in pages for row in page.rows]
    assert [row[:key] for row in paged] == [row[:key] for row in whole.rows]
    assert len({row[:key] for row in paged}) == len(paged)
    assert {page.total for page in pages} == {len(whole.rows)}
    assert whole.truncated is None


async def test_the_next_page_starts_after_what_was_shown(nasty_url: str) -> None:
    """Where only the first rows of a page fitted into the answer, or none, the next page goes on from there."""
    async with calling(nasty_url) as caller:
        page = await caller.rows(schema.list_tables)
        assert page.next_page is not None
        rest = await caller.rows(schema.list_tables, page=page.next_page(4))
        same = await caller.rows(schema.list_tables, page=page.next_page(0))
        hits = await caller.rows(schema.search_objects, query="i")
        assert hits.next_page is not None
        later = await caller.rows(schema.search_objects, query="i", page=hits.next_page(3))
    assert rest.rows == page.rows[4:]
    assert same.rows == page.rows
    assert later.rows == hits.rows[3:]


async def test_a_page_is_not_moved_by_what_is_created_before_it(any_database_url: str) -> None:
    """The next page starts after the last name shown, whatever was created or dropped meanwhile."""
    run_sql(any_database_url, "create table b (); create table c (); create table d ()")
    async with calling(any_database_url) as caller:
        first = await caller.rows(schema.list_tables, max_rows=2)
        run_sql(any_database_url, "create table a (); drop table c")
        second = await caller.rows(schema.list_tables, max_rows=2, page=following(first))
    assert (column(first, "name"), column(second, "name")) == (["b", "c"], ["d"])


async def test_a_big_database_is_summed_up_by_schema(any_database_url: str) -> None:
    """Above 200 tables an unfiltered list has one row a schema, and says how to see tables; a filter lists them."""
    run_sql(
        any_database_url,
        "create schema wide; create table one (); do $$ begin for i in 1..205 loop"
        " execute format('create table wide.t%s ()', i); end loop; end $$; create view wide.v as select 1",
    )
    async with calling(any_database_url) as caller:
        summary = await caller.rows(schema.list_tables)
        pages = await caller.pages(schema.list_tables, schema="wide")
    assert [(row[0], row[1]) for row in summary.rows] == [("public", "1 table"), ("wide", "205 table, 1 view")]
    assert "207 tables" in summary.notes[0]
    assert [len(page.rows) for page in pages] == [200, 6]


async def test_a_table_locked_exclusively_does_not_hold_up_the_list(any_database_url: str) -> None:
    """The size of a table that somebody rewrites is left out instead of waited for."""
    run_sql(any_database_url, "create table busy (id int primary key check (id > 0)); create table idle (id int)")
    with psycopg.connect(any_database_url) as holder:
        holder.execute("lock table busy in access exclusive mode")
        async with calling(any_database_url) as caller:
            rows = await caller.rows(schema.list_tables, context_timeout_s=3)
            described = await caller.report(schema.describe_table, tables=["busy"], sections=["sizes"])
            indexes = await caller.rows(schema.list_indexes, context_timeout_s=3)
            constraints = await caller.rows(schema.list_constraints, context_timeout_s=3)
    assert column(rows, "bytes") == [None, "0"]
    assert described.data["tables"][0]["sizes"] == {"unknown": "locked exclusively right now"}
    assert (column(indexes, "bytes"), column(indexes, "definition")) == ([None], [None])
    assert set(column(constraints, "definition")) == {None}


async def test_an_unknown_schema_is_an_error_with_a_suggestion(nasty_url: str) -> None:
    """A list of a schema that does not exist is an error that names the nearest, not an empty list."""
    async with calling(nasty_url) as caller:
        with pytest.raises(NotFoundError) as caught:
            await caller.rows(schema.list_tables, schema="sohp")
        with pytest.raises(NotFoundError, match="no schema größe") as folded:
            await caller.report(schema.object_tree, schema="größe")
    assert caught.value.hint == "Did you mean shop?"
    assert folded.value.hint == "Did you mean Größe?"


async def test_an_empty_schema_is_an_empty_list(any_database_url: str) -> None:
    """A schema without tables is no error."""
    run_sql(any_database_url, "create schema hollow")
    async with calling(any_database_url) as caller:
        rows = await caller.rows(schema.list_tables, schema="hollow")
        tree = await caller.report(schema.object_tree, schema="hollow")
    assert rows.rows == []
    assert tree.data == {"schemas": {}}


async def test_indexes_show_definition_uniqueness_and_use(nasty_url: str) -> None:
    """list_indexes shows expression, operator class, INCLUDE and predicate, also under names that look like syntax."""
    async with calling(nasty_url) as caller:
        rows = await caller.rows(schema.list_indexes)
    facts = {row[1]: row for row in rows.rows}
    assert facts["customer_lower"][3] == (
        "btree (lower(name) text_pattern_ops DESC NULLS LAST) INCLUDE (amount) WHERE (amount > (10)::numeric)"
    )
    assert facts["on USING it"][3] == """btree ("Straße", (("a.b" + 1)))"""
    assert facts["orders_pkey"][3] == "btree (region, id, placed)"
    assert facts["customer_pkey"][4:6] == ("primary", "yes")
    assert column(rows, "scans").count(None) == 0


async def test_an_invalid_index_is_flagged(any_database_url: str) -> None:
    """What a failed CREATE INDEX CONCURRENTLY leaves is not shown as valid."""
    run_sql(any_database_url, "create table t (id int); insert into t values (1), (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        run_sql(any_database_url, "create unique index concurrently broken on t (id)")
    async with calling(any_database_url) as caller:
        rows = await caller.rows(schema.list_indexes, table="t")
        text = (await caller.report(schema.describe_table, tables=["t"])).text
    assert column(rows, "valid") == ["NO"]
    assert "- broken: unique btree (id) INVALID" in text


async def test_constraints_of_every_kind_are_listed(nasty_url: str) -> None:
    """list_constraints has keys, checks, exclusions and their state."""
    async with calling(nasty_url) as caller:
        rows = await caller.rows(schema.list_constraints)
        of_one = await caller.rows(schema.list_constraints, table="public.scratch")
    assert {"primary key", "unique", "foreign key", "check", "exclusion"} <= set(column(rows, "kind"))
    assert [row[2:6] for row in of_one.rows] == [("later", "check", "CHECK (id > 0) NOT VALID", "not validated")]


async def test_functions_show_what_they_run_as(nasty_url: str) -> None:
    """list_functions tells overloads apart and shows volatility and security."""
    async with calling(nasty_url) as caller:
        rows = await caller.rows(schema.list_functions, schema="shop")
    facts = [(row[1], row[3], row[4], row[5], row[7]) for row in rows.rows]
    assert ("tax", "numeric", "function", "immutable", "definer") in facts
    assert ("tax", "integer", "function", "volatile", "invoker") in facts
    assert ("close_year", None, "procedure", "volatile", "invoker") in facts


async def test_roles_show_grants_on_a_schema(any_database_url: str) -> None:
    """list_roles shows attributes, and with a schema what each role may do there."""
    run_sql(any_database_url, "create schema s; create table s.t (id int); grant usage on schema s to public")
    async with calling(any_database_url) as caller:
        rows = await caller.rows(schema.list_roles, schema="s")
        with pytest.raises(NotFoundError):
            await caller.rows(schema.list_roles, schema="nowhere")
    facts = {row[0]: row for row in rows.rows}
    assert "superuser" in (facts["postgres"][1] or "")
    assert facts["public"][3] == "schema USAGE"
    assert facts["plain_reader"][3] == "schema USAGE, SELECT on 1 tables"


async def test_extensions_are_installed_or_available(nasty_url: str) -> None:
    """list_extensions lists what is installed, and what could be when asked."""
    async with calling(nasty_url) as caller:
        installed = await caller.rows(schema.list_extensions)
        every = await caller.rows(schema.list_extensions, available=True, max_rows=1000)
    assert column(installed, "name") == ["plpgsql"]
    assert None in column(every, "installed") or len(every.rows) == 1


async def test_schemas_count_what_they_hold(nasty_url: str) -> None:
    """list_schemas counts tables, views and functions and leaves system schemas out unless asked."""
    async with calling(nasty_url) as caller:
        rows = await caller.rows(schema.list_schemas)
        every = await caller.rows(schema.list_schemas, system=True)
    assert [row[2:] for row in rows.rows if row[0] == "shop"] == [("5", "2", "3", "what is sold")]
    assert "pg_catalog" not in column(rows, "schema")
    assert "pg_catalog" in column(every, "schema")


async def test_the_tree_has_every_name_by_kind(nasty_url: str) -> None:
    """object_tree shows schemas, kinds and names, and only counts partitions."""
    async with calling(nasty_url) as caller:
        report = await caller.report(schema.object_tree, schema="shop")
    assert report.data["schemas"]["shop"]["tables"] == {"count": 2, "names": ["customer", "item"]}
    assert "  partitions: 2" in report.text.splitlines()
    assert "  enums (1): mood" in report.text.splitlines()


async def test_database_info_names_the_role_and_its_dangers(any_database_url: str) -> None:
    """get_database_info has version, size and settings, and warns of a superuser."""
    async with calling(any_database_url) as caller:
        report = await caller.report(schema.get_database_info)
    assert report.data["role"] == "postgres"
    assert any("superuser" in warning for warning in report.data["role_warnings"])
    assert report.data["bytes"] > 1_000_000
    assert "max_connections" in report.text


# describe_table.


async def test_columns_have_their_types_and_origins(nasty_url: str) -> None:
    """A column's line has type, collation, default, identity, generation, reference, values, fields and comment."""
    lines = (await _text(nasty_url, "shop.customer")).splitlines()
    assert "- id bigint not null identity always" in lines
    assert "- mail shop.email [domain: text not null CHECK (VALUE ~~ '%@%'::text)] -- where letters go" in lines
    assert """- name text collate pg_catalog."C" not null default 'nobody'::text""" in lines
    assert "- doubled text generated (name || name) stored" in lines
    assert "- moods shop.mood[] [enum: sad, so-so, it's fine]" in lines
    assert """- place shop.point3 [fields: x double precision, "Y" double precision]""" in lines
    assert "- amount numeric(12,2) default 0.00" in lines
    assert "- parent bigint -> shop.customer.id" in lines
    assert not any("gone" in line or "dropped" in line for line in lines)


async def test_the_head_has_comment_kind_and_rows_on_single_lines(nasty_url: str) -> None:
    """A comment of several lines does not break the layout."""
    lines = (await _text(nasty_url, "shop.customer")).splitlines()
    assert lines[0] == "## shop.customer -- who buys over two lines | with a pipe"
    assert lines[1] == "table; about 2,000 rows; owner postgres"


async def test_keys_go_both_ways(nasty_url: str) -> None:
    """Keys of the table and keys of others that reference it, composite ones and those of partitioned tables too."""
    customer, orders, quoted = await _described(nasty_url, "shop.customer", "shop.orders", '"dot.ted"."t.a"')
    assert [(k["table"], k["columns"], k["to"]) for k in customer["referenced_by"]] == [
        ("shop.customer", ["parent"], ["id"]),
        ("shop.orders", ["billed_to"], ["id"]),
        ("shop.orders", ["customer_id"], ["id"]),
    ]
    assert [(k["table"], k["name"], k["columns"]) for k in orders["referenced_by"]] == [
        ("shop.item", "the order", ["region", "order_id", "placed"])
    ]
    assert [key["kind"] for key in orders["keys"]] == ["primary key", "foreign key", "foreign key"]
    assert [k["table"] for k in quoted["referenced_by"]] == ['"Größe"."Tabelle ä"']
    assert customer["keys"][1]["definition"] == "UNIQUE (mail) DEFERRABLE INITIALLY DEFERRED"


async def test_a_table_that_all_others_reference_stays_readable(any_database_url: str) -> None:
    """Of many keys to one table the first hundred are shown, and it is said that there are more."""
    run_sql(
        any_database_url,
        "create table hub (id int primary key); do $$ begin for i in 100..203 loop"
        " execute format('create table spoke_%s (hub int references hub)', i); end loop; end $$",
    )
    async with calling(any_database_url) as caller:
        report = await caller.report(schema.describe_table, tables=["hub"])
    found = report.data["tables"][0]
    assert [key["table"] for key in found["referenced_by"]] == [f"public.spoke_{i}" for i in range(100, 200)]
    assert found["referenced_by_more"] is True
    assert "- ... and more" in report.text


async def test_partitions_and_inheritance_are_shown(nasty_url: str) -> None:
    """Parents, children, bounds and keys of partitions; parents and children of inherited tables."""
    parent, child, base, derived = await _described(
        nasty_url, "shop.orders", "shop.orders_2025", "base", "derived", sections=["columns", "partitions"]
    )
    assert (parent["partition_key"], parent["partition_count"]) == ("RANGE (placed)", 2)
    assert parent["partitions"][0] == {
        "table": "shop.orders_2025",
        "bound": "FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
        "rows": 1660,
    }
    assert child["partition_of"]["table"] == "shop.orders"
    assert base["inherited_by"] == ["public.derived"]
    assert derived["inherits"] == ["public.base"]
    assert "keys" not in parent


async def test_every_section_can_be_asked_for(nasty_url: str) -> None:
    """Triggers, sizes, statistics and definitions come on request, constraints and exclusions by default."""
    async with calling(nasty_url) as caller:
        wanted = ["triggers", "sizes", "statistics", "definition"]
        tables = ["shop.item", "shop.customer", "shop.rich", "base"]
        report = await caller.report(schema.describe_table, tables=tables, sections=wanted)
        default = await caller.report(schema.describe_table, tables=["base", "shop.customer"])
    item, customer, rich, _ = report.data["tables"]
    assert [(t["name"], t["enabled"]) for t in item["triggers"]] == [("on_touch", "no")]
    assert item["row_security"] is True
    assert customer["sizes"]["total"] >= customer["sizes"]["table"] + customer["sizes"]["indexes"]
    assert {"name": "parent", "null_fraction": 1.0}.items() <= customer["statistics"]["columns"][-3].items()
    assert "amount > 1000" in rich["definition"]
    assert "- base_at_excl: EXCLUDE USING gist (at WITH &&)" in default.text
    assert "- amount_positive: CHECK (amount >= 0::numeric) -- no debts" in default.text


async def test_relations_of_every_kind_can_be_described(nasty_url: str) -> None:
    """Views, materialized views, foreign and unlogged tables say what they are."""
    found = await _described(nasty_url, "shop.rich", "shop.totals", "far_away", "scratch")
    assert [each["kind"] for each in found] == ["view", "materialized view", "foreign table", "table"]
    assert found[2]["server"] == "elsewhere"
    assert found[3]["persistence"] == "unlogged"
    assert [c["name"] for c in found[1]["columns"]] == ["n"]


@pytest.mark.parametrize(
    ("written", "ref"),
    [
        ('Order "x".y', 'public."Order ""x"".y"'),
        ('public.Order "x".y', 'public."Order ""x"".y"'),
        ('"Order ""x"".y"', 'public."Order ""x"".y"'),
        ("dot.ted.t.a", '"dot.ted"."t.a"'),
        ('"dot.ted"."t.a"', '"dot.ted"."t.a"'),
        ("Größe.Tabelle ä", '"Größe"."Tabelle ä"'),
        ("SHOP.Customer", "shop.customer"),
        ("mixed", "public.mixed"),
        ('public."Mixed"', 'public."Mixed"'),
        ("dot.ted.Mixed", '"dot.ted"."Mixed"'),
        ("pg_class", "pg_catalog.pg_class"),
    ],
)
async def test_a_table_is_found_as_written_or_as_listed(nasty_url: str, written: str, ref: str) -> None:
    """A name works as SQL writes it and as list_tables shows it."""
    assert [each["ref"] for each in await _described(nasty_url, written, sections=["columns"])] == [ref]


async def test_every_listed_table_can_be_described(nasty_url: str) -> None:
    """schema.name of a row of list_tables means that table, unless SQL would fold it to another one."""
    async with calling(nasty_url) as caller:
        listed = [row[:2] for row in (await caller.rows(schema.list_tables)).rows if row[:2] != ("public", "Mixed")]
        names = [f"{each[0]}.{each[1]}" for each in listed]
        report = await caller.report(schema.describe_table, tables=names)
    assert [(t["schema"], t["name"]) for t in report.data["tables"]] == listed


async def test_an_ambiguous_name_is_an_error_that_names_both(nasty_url: str) -> None:
    """Where a name means one table as SQL and another as listed, the caller must say which."""
    with pytest.raises(ArgumentError) as caught:
        await _described(nasty_url, "public.Mixed")
    assert caught.value.message == """public.Mixed can mean public."Mixed" or public.mixed."""


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ("shop.custmer", "shop.customer"),
        ("customers", "shop.customer"),
        ("public.customer", "shop.customer"),
        ("shop.order", "shop.orders"),
        ("tabele", '"Größe"."Tabelle ä"'),
    ],
)
async def test_an_unknown_table_is_an_error_with_suggestions(nasty_url: str, written: str, near: str) -> None:
    """A misspelt table, or one named without its schema, is met with the nearest names."""
    with pytest.raises(NotFoundError) as caught:
        await _described(nasty_url, "shop.item", written)
    assert written in caught.value.message
    assert caught.value.details["near"][0] == near


@pytest.mark.parametrize("written", ["", " ", "a\0b"])
async def test_an_empty_name_is_refused(nasty_url: str, written: str) -> None:
    """No name, or one that PostgreSQL cannot hold, is an error of the arguments."""
    with pytest.raises(ArgumentError, match="empty"):
        await _described(nasty_url, written)


async def test_a_table_named_twice_is_described_once(nasty_url: str) -> None:
    """Two spellings of one table give one description."""
    assert len(await _described(nasty_url, "shop.item", '"shop"."item"')) == 1


# search_objects.


async def _found(caller: Caller, query: str, **arguments: Any) -> list[tuple[str | None, ...]]:
    return [row[:2] for row in (await caller.rows(schema.search_objects, query=query, **arguments)).rows]


async def test_search_ranks_names_before_comments_before_likeness(nasty_url: str) -> None:
    """An exact name comes first, then its prefix, comments, and names that only look alike."""
    async with calling(nasty_url) as caller:
        exact = await _found(caller, "Customer")
        words = await _found(caller, "id customer")
        by_comment = await _found(caller, "letters go")
        misspelt = await _found(caller, "custommer")
    assert exact[0] == ("table", "shop.customer")
    assert ("column", "shop.orders.customer_id") in exact
    assert ("column", "shop.orders.customer_id") in words
    assert by_comment[0] == ("column", "shop.customer.mail")
    assert ("table", "shop.customer") in misspelt


async def test_search_finds_every_kind_under_its_quoted_name(nasty_url: str) -> None:
    """Functions, types, schemas, indexes and columns are found, quoted as SQL needs them."""
    async with calling(nasty_url) as caller:
        assert ("function", "shop.tax") in await _found(caller, "tax")
        assert ("type", "shop.mood") in await _found(caller, "mood")
        assert ("schema", '"dot.ted"') in await _found(caller, "dot.ted")
        assert ("index", 'public."on USING it"') in await _found(caller, "using it")
        assert ("column", 'public."Order ""x"".y"."Straße"') in await _found(caller, "STRASSE".replace("SS", "ß"))
        assert await _found(caller, "qqqqzzzz") == []


async def test_search_goes_on_where_a_page_ended(nasty_url: str) -> None:
    """Pages of a search have every hit once."""
    async with calling(nasty_url) as caller:
        whole = await caller.rows(schema.search_objects, query="i")
        pages = await caller.pages(schema.search_objects, query="i", max_rows=5)
    assert [row for page in pages for row in page.rows] == whole.rows
    assert len(pages) > 1


async def test_search_can_look_into_the_system_catalog(nasty_url: str) -> None:
    """pg_catalog is searched when it is named, and not otherwise."""
    async with calling(nasty_url) as caller:
        assert ("table", "pg_catalog.pg_class") in await _found(caller, "pg_class", schema="pg_catalog")
        assert ("table", "pg_catalog.pg_class") not in await _found(caller, "pg_class")


# find_join_path.


async def test_a_join_over_several_composite_keys_runs(nasty_url: str) -> None:
    """The text of a path is a FROM clause that PostgreSQL accepts."""
    async with calling(nasty_url) as caller:
        report = await caller.report(schema.find_join_path, from_table="shop.item", to_table="shop.customer")
    paths = report.data["paths"]
    assert [path["keys"] for path in paths] == [
        ["the order", "orders_billed_to_fkey"],
        ["the order", "orders_customer_id_fkey"],
    ]
    assert paths[1]["sql"].splitlines() == [
        "FROM shop.item AS t1",
        "JOIN shop.orders AS t2 ON t2.region = t1.region AND t2.id = t1.order_id AND t2.placed = t1.placed",
        "JOIN shop.customer AS t3 ON t3.id = t2.customer_id",
    ]
    with psycopg.connect(nasty_url) as conn:
        for path in paths:
            conn.execute(f"select 1 {path['sql']}".encode())


async def test_keys_are_walked_both_ways_and_to_the_same_table(nasty_url: str) -> None:
    """A path may go against a key's direction, over quoted names, and from a table to itself."""
    async with calling(nasty_url) as caller:
        back = await caller.report(
            schema.find_join_path, from_table='Order "x".y', to_table="Größe.Tabelle ä", max_hops=2
        )
        own = await caller.report(schema.find_join_path, from_table="shop.customer", to_table="shop.customer")
    assert back.data["paths"][0]["sql"].splitlines()[1:] == [
        'JOIN "dot.ted"."t.a" AS t2 ON t2.id = t1."select"',
        'JOIN "Größe"."Tabelle ä" AS t3 ON t3.ref = t2.id',
    ]
    assert own.data["paths"] == [
        {
            "sql": "FROM shop.customer AS t1\nJOIN shop.customer AS t2 ON t2.id = t1.parent",
            "keys": ["customer_parent_fkey"],
        }
    ]


@pytest.mark.parametrize(
    ("to_table", "max_hops", "code"),
    [
        ("lonely", 6, "no_path"),
        ("Größe.Tabelle ä", 1, "no_path"),
        ("lonley", 6, "not_found"),
        ("Mixed", 6, "ambiguous_name"),
    ],
)
async def test_no_path_says_why(nasty_url: str, to_table: str, max_hops: int, code: str) -> None:
    """Tables without a way between them, too many hops, and names that are wrong are told apart."""
    async with calling(nasty_url) as caller:
        with pytest.raises(ArgumentError) as caught:
            await caller.report(schema.find_join_path, from_table='Order "x".y', to_table=to_table, max_hops=max_hops)
    assert caught.value.error_code == code


# Rights.


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        (schema.list_schemas, {}),
        (schema.list_tables, {}),
        (schema.list_indexes, {}),
        (schema.list_constraints, {}),
        (schema.list_functions, {}),
        (schema.list_extensions, {}),
        (schema.list_roles, {"schema": "shop"}),
        (schema.object_tree, {}),
        (schema.search_objects, {"query": "customer"}),
        (schema.find_join_path, {"from_table": "shop.item", "to_table": "shop.customer"}),
        (
            schema.describe_table,
            {
                "tables": ["shop.customer", "shop.orders", "shop.item", "base", "shop.rich", 'Order "x".y'],
                "sections": [*schema.SECTIONS, "triggers", "partitions", "sizes", "definition"],
            },
        ),
    ],
    ids=lambda value: value.name if isinstance(value, ToolSpec) else "",
)
async def test_a_role_that_may_only_select_sees_the_same(
    any_server: Server, nasty_url: str, tool: ToolSpec, arguments: dict[str, Any]
) -> None:
    """The catalog is shown whole to every role."""
    async with calling(nasty_url) as superuser, calling(as_plain_role(any_server, nasty_url)) as plain:
        answers = [await caller.call(tool, **arguments) for caller in (superuser, plain)]
    shown = [(a.columns, a.rows, a.total) if isinstance(a, Rows) else a for a in answers]
    assert shown[0] == shown[1]
