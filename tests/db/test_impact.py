"""The plan of a change: what it would do, found out on a real database without doing it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from fix_db import Server
from pgwarden.errors import ArgumentError, QueryError
from pgwarden.guard.parsed import Name
from pgwarden.guard.shields import Masking
from pgwarden.guard.verdict import Change, Target, Use, Verdict
from pgwarden.results import Plan
from pgwarden.settings import LimitSettings
from pgwarden.tools import write
from tool_calls import calling, run_sql

pytestmark = pytest.mark.anyio

SHOP = """
create table orders (id int primary key, total numeric not null default 0, placed date);
create table items (id int primary key, order_id int references orders on delete cascade);
create table notes (id int primary key, item_id int references items on delete cascade on update cascade);
create table payments (id int primary key, order_id int not null references orders on delete restrict);
create table letters (id int primary key, order_id int references orders on delete set null on update cascade);
create view big_orders as select id from orders where total > 100;
create view ids as select id from big_orders;
create function touched() returns trigger language plpgsql as 'begin return null; end';
create trigger touch after update or delete on orders for each row execute function touched();
create trigger emptied before truncate on orders execute function touched();
create trigger asleep after delete on orders for each row execute function touched();
alter table orders disable trigger asleep;
create rule keep as on delete to letters do instead nothing;
create type mood as enum ('glad', 'sad');
create table feelings (id int primary key, mood mood, was mood);
create table happened (id int, at date, primary key (id, at)) partition by range (at);
create table happened_20 partition of happened for values from ('2020-01-01') to ('2021-01-01');
create table happened_21 partition of happened for values from ('2021-01-01') to ('2022-01-01');
create table witnesses (id int, at date, foreign key (id, at) references happened on delete cascade);
create table "Odd.Name" ("The Id" int primary key);
create table "odd refs" ("The Ref" int references "Odd.Name" on delete cascade);
create table secret (order_id int references orders on delete cascade);
create table employees (id int primary key, boss int references employees on delete cascade);
create table ledger (id int);
alter table ledger enable row level security;
alter table ledger force row level security;
insert into orders select g, g * 50, date '2026-01-01' from generate_series(1, 10) g;
insert into items select g, (g + 1) / 2 from generate_series(1, 20) g;
insert into notes select g, g from generate_series(1, 20) g;
insert into payments values (1, 9), (2, 9);
insert into happened values (1, '2020-02-02'), (2, '2021-02-02');
insert into "Odd.Name" values (1); insert into "odd refs" values (1), (1);
insert into employees values (1, null), (2, 1), (3, 2);
analyze;
"""


@pytest.fixture(scope="module")
def shop(any_server: Server) -> Iterator[str]:
    """A database with a small shop, which no plan changes."""
    name = any_server.create_database()
    run_sql(any_server.url(name), SHOP)
    yield any_server.url(name)
    any_server.drop_database(name)


def rows_change(command: str, table: str, canonical: str, **details: Any) -> Verdict:
    """The guard's verdict on a statement that changes rows of one table."""
    name = Name("public", table)
    change = Change("confirm", command, (Target("table", f"public.{table}"),), lock="RowExclusiveLock", **details)
    uses = (Use(command, name), Use("SELECT", name))
    parameters = 1 if "$1" in canonical else 0
    return Verdict(
        False, canonical=canonical, kinds=(command,), command=command, parameters=parameters, uses=uses, change=change
    )


def delete(table: str, where: str = "") -> Verdict:
    """The guard's verdict on a DELETE."""
    name = '"Odd.Name"' if table == "Odd.Name" else table
    tail = f" WHERE {where}" if where else ""
    matching = f"SELECT count(*) FROM public.{name}{tail}"
    return rows_change("DELETE", table, f"DELETE FROM public.{name}{tail}", matching=matching)


def definition(command: str, *targets: tuple[str, str], uses: tuple[Use, ...] = (), **details: Any) -> Verdict:
    """The guard's verdict on a definition; its targets are kinds and names."""
    details = {"object_class": "schema", "lock": "AccessExclusiveLock"} | details
    change = Change("typed", command, tuple(Target(*target) for target in targets), **details)
    kind = command.partition(" ")[0]
    return Verdict(False, canonical=command, kinds=(kind,), command=command, uses=uses, change=change)


def drop(kind: str, table: str, *, cascade: bool = False) -> Verdict:
    """The guard's verdict on a DROP of a relation."""
    uses = (Use("DROP", Name("public", table)),)
    return definition(f"DROP {kind.upper()}", (kind, f"public.{table}"), uses=uses, cascade=cascade)


def truncate(*tables: str, cascade: bool = False) -> Verdict:
    """The guard's verdict on a TRUNCATE."""
    uses = tuple(Use("TRUNCATE", Name("public", table)) for table in tables)
    targets = [("table", f"public.{table}") for table in tables]
    return definition("TRUNCATE", *targets, uses=uses, object_class="rows", cascade=cascade)


async def planned(url: str, verdict: Verdict, params: list[Any] | None = None, **context: Any) -> Plan:
    """The plan of a verdict."""
    async with calling(url) as caller:
        return await caller.plan(write.execute_sql, sql=verdict.canonical, params=params, verdict=verdict, **context)


# Rows.


async def test_rows_that_match_are_counted(shop: str) -> None:
    """The condition is run as a read, with the values of the call."""
    plan = await planned(shop, delete("orders", "id > $1"), [7])
    assert plan.data["rows"] == {"limit": 10_000, "matching": 3}
    assert "rows: 3 match" in plan.text


async def test_more_rows_than_allowed_are_announced(shop: str) -> None:
    """A change that the cap would roll back says so beforehand."""
    limits = LimitSettings.model_validate({"max_affected_rows": 2})
    plan = await planned(shop, delete("orders"), limits=limits)
    assert "rows: 10 match; more than the 2 allowed: it would be rolled back" in plan.text


async def test_values_inserted_are_known_and_selected_ones_estimated(shop: str) -> None:
    """The guard has counted VALUES; for a query there is the planner's estimate."""
    values = rows_change("INSERT", "orders", "INSERT INTO orders VALUES (99), (100)", inserted=2)
    query = rows_change("INSERT", "orders", "INSERT INTO orders SELECT id + 100 FROM orders")
    assert "rows: 2 inserted" in (await planned(shop, values)).text
    assert (await planned(shop, query)).data["rows"] == {"limit": 10_000, "estimated": 10}


async def test_a_deleting_query_is_estimated_by_what_it_deletes(shop: str) -> None:
    """The planner's rows of the change count, and not those of the query around it."""
    canonical = "WITH gone AS (DELETE FROM orders RETURNING id) SELECT count(*) FROM gone"
    plan = await planned(shop, rows_change("DELETE", "orders", canonical))
    assert plan.data["rows"]["estimated"] == 10


async def test_what_is_slow_to_count_is_estimated(shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the time is up, the plan says what it does not know."""
    monkeypatch.setattr("pgwarden.tools._impact.BUDGET_S", 0.3)
    slow = delete("orders", "id > 0")
    assert slow.change is not None
    sleepy = replace(slow.change, matching="SELECT count(pg_catalog.pg_sleep(10)) FROM public.orders")
    plan = await planned(shop, replace(slow, change=sleepy))
    assert plan.data["rows"]["estimated"] == 10
    assert "rows: about 10, not counted, by the planner's estimate" in plan.text
    assert "the number of rows that match" in plan.data["unknown"]
    assert "not known: the number of rows that match" in plan.text
    assert plan.data["referenced_by"][0]["table"] == "public.items"


@pytest.mark.parametrize(
    ("canonical", "code"),
    [
        ("DELETE FROM public.orders WHERE nope", "undefined_column"),
        ("DELETE FROM public.order WHERE true", "undefined_table"),
        ("UPDATE public.orders SET total = 'x'", "invalid_value"),
    ],
)
async def test_nobody_is_asked_for_what_cannot_run(shop: str, canonical: str, code: str) -> None:
    """PostgreSQL's no comes before the question, at the caller's position."""
    with pytest.raises(QueryError) as caught:
        await planned(shop, rows_change("DELETE", "orders", canonical))
    assert caught.value.error_code == code
    assert canonical[caught.value.details["position"] - 1 :].startswith(("nope", "public.order ", "'x'"))


async def test_parameters_must_fit_before_anybody_is_asked(shop: str) -> None:
    """Too few values are an error of the call."""
    with pytest.raises(ArgumentError, match="1 parameters and 0 values"):
        await planned(shop, delete("orders", "id > $1"))


async def test_rows_are_not_counted_by_conditions_that_masks_change(shop: str) -> None:
    """Where masks would be in the count the guard gives none, and nothing else counts."""
    masked = replace(delete("orders", "total = 50"), masking=Masking(scrub=True))
    assert "matching" in (await planned(shop, masked)).data["rows"]
    assert masked.change is not None
    masked = replace(masked, change=replace(masked.change, matching=""))
    plan = await planned(shop, masked)
    assert "matching" not in plan.data["rows"]
    assert not any("referring" in key for key in plan.data["referenced_by"])


# Foreign keys.


async def test_what_a_delete_takes_with_it(shop: str) -> None:
    """Each foreign key at the target says what happens to how many rows, and where that goes on to."""
    plan = await planned(shop, delete("orders", "id <= $1"), [2])
    keys = {key["table"]: key for key in plan.data["referenced_by"]}
    assert (keys["public.items"]["on_delete"], keys["public.items"]["referring"]) == ("CASCADE", 4)
    assert (keys["public.notes"]["level"], keys["public.notes"]["on_delete"]) == (2, "CASCADE")
    assert (keys["public.payments"]["on_delete"], keys["public.payments"]["referring"]) == ("RESTRICT", 0)
    assert "foreign key public.items (order_id), ON DELETE CASCADE: 4 rows deleted too" in plan.text
    assert "foreign key public.letters (order_id), ON DELETE SET NULL: 0 rows set to NULL" in plan.text
    assert "and from there: public.notes (CASCADE)" in plan.text


async def test_a_delete_that_would_be_refused_says_so(shop: str) -> None:
    """Rows that refer without a cascade stand in the way."""
    plan = await planned(shop, delete("orders", "id = 9"))
    assert "public.payments (order_id), ON DELETE RESTRICT: PostgreSQL will refuse while 2 rows refer" in plan.text


async def test_names_are_quoted_where_rows_are_counted(shop: str) -> None:
    """Spaces, dots and capitals are parts of names."""
    plan = await planned(shop, delete("Odd.Name", '"The Id" = 1'))
    [key] = plan.data["referenced_by"]
    assert (key["table"], key["columns"], key["referring"]) == ('public."odd refs"', ['"The Ref"'], 2)


async def test_a_table_that_refers_to_itself(shop: str) -> None:
    """A cycle of foreign keys comes to an end."""
    plan = await planned(shop, delete("employees", "id = 1"))
    assert [(key["table"], key["level"], key["referring"]) for key in plan.data["referenced_by"]] == [
        ("public.employees", 1, 1)
    ]


async def test_a_key_at_a_partitioned_table_is_one(shop: str) -> None:
    """The copies that partitions have of a foreign key are not further ones; one partition is referred to as well."""
    for table in ("happened", "happened_20"):
        plan = await planned(shop, delete(table))
        assert [key["table"] for key in plan.data["referenced_by"]] == ["public.witnesses"], table


async def test_an_update_names_keys_that_follow(shop: str) -> None:
    """Only foreign keys that change with the key are worth a line."""
    verdict = rows_change("UPDATE", "orders", "UPDATE public.orders SET total = 0")
    plan = await planned(shop, verdict)
    assert [key["table"] for key in plan.data["referenced_by"]] == ["public.letters"]
    assert "ON UPDATE CASCADE: changes with the key it refers to" in plan.text


async def test_truncate_without_cascade_is_refused_by_keys(shop: str) -> None:
    """Tables that refer are named, unless they are truncated too."""
    plan = await planned(shop, truncate("items"))
    assert "PostgreSQL will refuse while foreign keys refer to it, from: public.notes (about 20 rows)" in plan.text
    both = await planned(shop, truncate("items", "notes"))
    assert "referenced_by" not in both.data


async def test_truncate_cascade_names_all_that_is_emptied(shop: str) -> None:
    """It follows every foreign key, whatever its action."""
    plan = await planned(shop, truncate("orders", cascade=True))
    tables = {key["table"] for key in plan.data["referenced_by"]}
    assert tables == {f"public.{name}" for name in ("items", "letters", "notes", "payments", "secret")}
    assert "CASCADE empties as well: public.items (about 20 rows)" in plan.text
    assert plan.data["tables"][0]["triggers"][0]["name"] == "emptied"


# Triggers, rules, row security.


async def test_triggers_that_fire_are_named_with_their_functions(shop: str) -> None:
    """Those of the operation, and not the disabled ones."""
    plan = await planned(shop, delete("orders", "id = 1"))
    assert "triggers of public.orders: touch (after each row: public.touched)" in plan.text
    assert "asleep" not in plan.text
    inserted = await planned(shop, rows_change("INSERT", "orders", "INSERT INTO orders VALUES (99)", inserted=1))
    assert "triggers" not in inserted.text


async def test_rules_are_named(shop: str) -> None:
    """A rule that acts instead makes the statement something else."""
    assert "rules of public.letters: keep (instead)" in (await planned(shop, delete("letters", "id = 1"))).text


async def test_row_security_is_mentioned(shop: str, any_server: Server) -> None:
    """Where policies decide which rows are met, for a role that they hold for."""
    url = shop.rsplit("/", 1)[1]
    run_sql(shop, "grant select, delete on ledger to plain_reader")
    assert "row security" not in (await planned(shop, delete("ledger"))).text
    plain = any_server.url(url, "plain_reader")
    assert "row security of public.ledger limits which rows" in (await planned(plain, delete("ledger"))).text


async def test_a_view_names_what_it_is_over(shop: str) -> None:
    """A change of a view is one of the table below."""
    plan = await planned(shop, delete("big_orders", "id = 1"))
    assert "view public.big_orders: a view over public.orders" in plan.text


# Definitions.


async def test_drop_table_names_rows_size_and_dependents(shop: str) -> None:
    """Without CASCADE, PostgreSQL refuses while anything depends on the table."""
    plan = await planned(shop, drop("table", "orders"))
    [table] = plan.data["tables"]
    assert (table["exact"], table["bytes"] > 0) == (10, True)
    assert "table public.orders: 10 rows, " in plan.text
    assert "lock: AccessExclusiveLock (blocks all reads and writes)" in plan.text
    assert plan.data["dependents"] == {
        "total": 6,
        "dropped": False,
        "objects": [
            "table constraint items_order_id_fkey on public.items",
            "table constraint letters_order_id_fkey on public.letters",
            "table constraint payments_order_id_fkey on public.payments",
            "table constraint secret_order_id_fkey on public.secret",
            "view public.big_orders",
            "view public.ids",
        ],
    }
    assert "PostgreSQL will refuse while 6 objects depend on it: " in plan.text


@pytest.mark.parametrize(
    ("verdict", "statement"),
    [
        (drop("table", "orders", cascade=True), "drop table orders cascade"),
        (drop("view", "big_orders", cascade=True), "drop view big_orders cascade"),
        (drop("table", "happened", cascade=True), "drop table happened cascade"),
        (definition("DROP TYPE", ("type", "public.mood"), cascade=True), "drop type mood cascade"),
        (
            definition("DROP FUNCTION", ("function", "public.touched()"), cascade=True),
            "drop function touched() cascade",
        ),
        (definition("DROP SCHEMA", ("schema", "public"), cascade=True), "drop schema public cascade"),
        (
            definition("DROP COLUMN", ("column", "total ON public.orders"), cascade=True),
            "alter table orders drop column total cascade",
        ),
        (
            definition("DROP CONSTRAINT", ("constraint", "orders_pkey ON public.orders"), cascade=True),
            "alter table orders drop constraint orders_pkey cascade",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_cascade_takes_as_many_objects_as_postgresql_says(shop: str, verdict: Verdict, statement: str) -> None:
    """The number of dependents is that of the server's own notice, of a drop that is rolled back."""
    plan = await planned(shop, verdict)
    assert plan.data["dependents"]["total"] == _dropped_with(shop, statement)
    assert plan.data["dependents"]["dropped"] is True
    assert "CASCADE drops " in plan.text


async def test_partitions_are_counted(shop: str) -> None:
    """A parent goes with its partitions, and has the rows and the size of all of them."""
    plan = await planned(shop, drop("table", "happened", cascade=True))
    [table] = plan.data["tables"]
    assert (table["kind"], table["partitions"], table["exact"]) == ("partitioned table", 2, 2)
    assert "2 partitions" in plan.text


async def test_a_locked_table_is_not_waited_for(shop: str) -> None:
    """The size of a table that somebody holds exclusively is left out."""
    with psycopg.connect(shop) as conn:
        conn.execute("lock table feelings in access exclusive mode")
        plan = await planned(shop, drop("table", "feelings"))
    assert "bytes" not in plan.data["tables"][0]
    assert "unknown" not in plan.data


async def test_what_runs_outside_a_transaction_says_so(shop: str) -> None:
    """There is no way back."""
    uses = (Use("ALTER", Name("public", "orders")),)
    verdict = definition("VACUUM", ("table", "public.orders"), uses=uses, in_transaction=False, lock="")
    plan = await planned(shop, verdict)
    assert "runs outside a transaction: cannot be rolled back" in plan.text
    assert "table public.orders: about 10 rows by statistics" in plan.text


async def test_what_does_not_exist_yet_has_a_plan(shop: str) -> None:
    """CREATE meets nothing."""
    uses = (Use("CREATE", Name("public", "new_table")),)
    plan = await planned(shop, definition("CREATE TABLE", ("table", "public.new_table"), uses=uses))
    assert plan.text.splitlines()[0] == "CREATE TABLE on table public.new_table (tier typed)"
    assert "tables" not in plan.data


async def test_event_triggers_are_named(any_server: Server) -> None:
    """They run for definitions, of the commands that they are for."""
    name = any_server.create_database()
    url = any_server.url(name)
    run_sql(
        url,
        "create table t (id int);"
        "create function heard() returns event_trigger language plpgsql as 'begin end';"
        "create event trigger on_drop on sql_drop when tag in ('DROP TABLE') execute function heard()",
    )
    try:
        assert "event triggers: on_drop (public.heard)" in (await planned(url, drop("table", "t"))).text
        assert "event triggers" not in (await planned(url, drop("view", "t"))).text
        assert "event triggers" not in (await planned(url, delete("t"))).text
    finally:
        any_server.drop_database(name)


# What the caller may not see.


async def test_hidden_names_are_counted_and_not_shown(shop: str) -> None:
    """A table that is absent for the caller leaves a number, and no name anywhere."""
    hidden = frozenset({("public", "secret"), ("public", "ids")})
    for verdict in (
        delete("orders", "id = 1"),
        truncate("orders", cascade=True),
        truncate("orders"),
        drop("table", "orders", cascade=True),
    ):
        plan = await planned(shop, verdict, hidden=hidden)
        assert "secret" not in plan.text + str(plan.data)
        assert "public.ids" not in plan.text + str(plan.data)
    plan = await planned(shop, delete("orders", "id = 1"), hidden=hidden)
    assert "1 foreign key of tables that are not shown" in plan.text
    assert (await planned(shop, drop("table", "orders"), hidden=hidden)).data["dependents"]["total"] == 6


async def test_the_text_is_short(shop: str) -> None:
    """However much there is to tell, a person can read it."""
    for verdict in (delete("orders"), truncate("orders", cascade=True), drop("table", "orders", cascade=True)):
        plan = await planned(shop, verdict)
        assert len(plan.text.splitlines()) <= 15
        assert len(plan.text) < 2_000


def _dropped_with(url: str, statement: str) -> int:
    """How many objects PostgreSQL says a DROP ... CASCADE takes with it."""
    notices: list[str] = []
    with psycopg.connect(url) as conn:
        conn.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
        conn.execute(statement.encode())
        conn.rollback()
    counts = [int(notice.split()[3]) if notice.endswith("other objects") else 1 for notice in notices]
    return sum(counts)
