"""lookup_features and list_feature_tables through the whole path of a call, on both servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from fix_tools import OpenCaller, ToolCaller
from pgwarden.db import features
from pgwarden.guard import judge
from pgwarden.guard.catalog import Catalog
from tool_calls import run_sql

pytestmark = pytest.mark.anyio

STORE = """
    CREATE TYPE region AS ENUM ('eu', 'us');
    CREATE DOMAIN sku AS varchar(4);
    CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL CONSTRAINT users_email UNIQUE, clicks int,
        score float8, updated_at timestamptz);
    COMMENT ON TABLE users IS 'features of users';
    INSERT INTO users SELECT k, 'u' || k || '@x', k * 2, k / 4.0, now() FROM generate_series(1, 1000) k;
    UPDATE users SET clicks = NULL WHERE id = 7;
    CREATE TABLE stock (region region, sku sku, found int, PRIMARY KEY (region, sku));
    INSERT INTO stock VALUES ('eu', 'abcd', 1), ('us', 'abcd', 2), ('eu', '"},{', 3);
    CREATE TABLE users_copy AS SELECT k AS id, 'v' || k AS email FROM generate_series(1, 2) k;
    CREATE TABLE keyless (a int);
    CREATE TABLE "We ""ird" ("k;--" uuid PRIMARY KEY, "found" int);
    ANALYZE users;
"""


@pytest.fixture
def url(any_database_url: str) -> str:
    """A database with tables of features."""
    run_sql(any_database_url, STORE)
    return any_database_url


async def lookup(caller: ToolCaller, table: str, keys: list[Any], **arguments: Any) -> list[list[Any]]:
    """The rows of a lookup."""
    rows: list[list[Any]] = (await caller.data("lookup_features", table=table, keys=keys, **arguments))["rows"]
    return rows


async def test_answers_come_in_the_order_of_the_keys(url: str, tool_caller: OpenCaller) -> None:
    """Each key has its row, twice where it is given twice; what is missing is there as missing."""
    async with tool_caller(url) as caller:
        rows = await lookup(caller, "users", [9, "3", 5000, 9, 7], columns=["clicks", "score"])
        assert [[str(each[0]), each[1], each[-1]] for each in rows] == [
            ["9", 18, True],
            ["3", 6, True],
            ["5000", None, False],
            ["9", 18, True],
            ["7", None, True],
        ]
        text = await caller.text("lookup_features", table="users", keys=[1, 2000])
        assert "1 not found" in text
        rows = await lookup(caller, "users", list(range(1000, 0, -1)), columns=["email"])
        assert [each[1] for each in rows] == [f"u{number}@x" for number in range(1000, 0, -1)]


async def test_composite_and_other_keys(url: str, tool_caller: OpenCaller) -> None:
    """Keys of several columns are objects; another unique key is named, or known by its columns."""
    async with tool_caller(url) as caller:
        keys = [{"sku": '"},{', "region": "eu"}, {"region": "us", "sku": "abcd"}, {"region": "us", "sku": '"},{'}]
        rows = await lookup(caller, "stock", keys)
        assert [each[2:] for each in rows] == [[3, True], [2, True], [None, False]]
        assert (await lookup(caller, "users", ["u2@x"], key="users_email", columns=["id"]))[0][1:] == [2, True]
        assert (await lookup(caller, "users", [{"email": "u2@x"}], columns=["id"]))[0][1:] == [2, True]
        # Longer than the column could hold: missing, and not the row of its beginning.
        assert (await lookup(caller, "stock", [{"region": "eu", "sku": "abcdef"}]))[0][-1] is False


async def test_what_does_not_fit_is_refused(url: str, tool_caller: OpenCaller) -> None:
    """Every wrong key, column and table answers with what would be right."""
    async with tool_caller(url) as caller:
        for arguments, code, says in WRONG:
            error = await caller.error("lookup_features", **{"table": "users", **arguments})
            assert error["code"] == code, error
            assert says in f"{error['message']} {error.get('hint')}"


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"keys": [1, None]}, "null_key", "keys[1]"),
    ({"keys": [1, "x"]}, "invalid_value", "keys[1]: id is bigint"),
    ({"keys": []}, "invalid_arguments", "from 1 to 1,000"),
    ({"keys": list(range(1001))}, "invalid_arguments", "from 1 to 1,000"),
    ({"keys": [1], "columns": ["click"]}, "unknown_column", "clicks"),
    ({"keys": [{"clicks": 1}]}, "unknown_key", "(id)"),
    ({"keys": [{"id": 1}, {"email": "x"}]}, "unknown_key", "keys[1]"),
    ({"keys": [{"idd": 1}]}, "unknown_column", "id"),
    ({"keys": [1], "key": "users_mail"}, "unknown_key", "users_email"),
    ({"keys": [1], "table": "keyless"}, "unknown_key", "no primary key"),
    ({"keys": ["eu"], "table": "stock"}, "invalid_arguments", "region, sku"),
    ({"keys": [{"region": "EU", "sku": "a"}], "table": "stock"}, "invalid_value", "Did you mean eu"),
    ({"keys": [1], "table": "user"}, "not_found", "users"),
]


async def test_a_small_policy_cap_refuses_rather_than_drops(url: str, tool_caller: OpenCaller) -> None:
    """No more keys are taken than rows may be returned."""
    async with tool_caller(url, MAX_ROWS="2") as caller:
        assert "from 1 to 2" in (await caller.error("lookup_features", table="users", keys=[1, 2, 3]))["message"]


RULES = """version: 1
masks:
  - {column: public.users.email, mask: redact}
tables:
  - {match: public.stock, hidden: true}
"""


async def test_masks_and_hidden_tables_hold(url: str, tool_caller: OpenCaller) -> None:
    """A masked column is masked, or no key; a hidden table is not listed and answers like a missing one."""
    async with tool_caller(url, RULES) as caller:
        rows = await lookup(caller, "users", [1, 2])
        assert "u1@x" not in str(rows)
        assert [each[-1] for each in rows] == [True, True]
        error = await caller.error("lookup_features", table="users", keys=["u1@x"], key="users_email")
        assert error["code"] == "key_masked"
        hidden, missing = [await caller.error("lookup_features", table=name, keys=[1]) for name in ("stock", "stoc_")]
        assert hidden["code"] == missing["code"]
        assert "stock" not in str(await caller.data("list_feature_tables"))


async def test_rules_and_rights_hold(url: str, any_plain_role_url: str, tool_caller: OpenCaller) -> None:
    """A table that rules deny is refused; columns that the role may not read are not among all of them."""
    run_sql(url, "REVOKE SELECT ON users FROM plain_reader; GRANT SELECT (id, clicks) ON users TO plain_reader")
    rules = "version: 1\ntables:\n  - {match: public.stock, deny: [SELECT]}\n"
    async with tool_caller(any_plain_role_url, rules) as caller:
        assert await lookup(caller, "users", [1]) == [[1, 2, True]]
        error = await caller.error("lookup_features", table="stock", keys=[{"region": "eu", "sku": "abcd"}])
        assert error["code"] == "not_allowed"


async def test_list(url: str, tool_caller: OpenCaller) -> None:
    """Tables with a unique key are listed with it, in pages."""
    async with tool_caller(url) as caller:
        data = await caller.data("list_feature_tables")
        names = [each if isinstance(each, str) else each["name"] for each in data["columns"]]
        found = {row[1]: dict(zip(names, row, strict=True)) for row in data["rows"]}
        assert list(found) == ['We "ird', "stock", "users"]
        assert found["stock"]["key"] == "region region, sku sku"
        users = found["users"]
        assert (users["key"], users["other_keys"], users["updated"]) == ("id bigint", "users_email", "updated_at")
        assert (int(users["columns"]), int(users["rows"]), users["comment"]) == (5, 1000, "features of users")
        first = await caller.data("list_feature_tables", max_rows=2)
        second = await caller.data("list_feature_tables", cursor=first["cursor"])
        assert [row[1] for row in first["rows"] + second["rows"]] == list(found)
        assert (await caller.error("list_feature_tables", schema="publik"))["code"] == "not_found"


async def test_definitions_are_followed(url: str, tool_caller: OpenCaller) -> None:
    """What was made through the server is seen at once, although the catalog is not asked each time."""
    async with tool_caller(url, PROFILE="admin") as caller:
        assert len((await lookup(caller, "users", [1]))[0]) == 6
        await caller.answer("execute_sql", sql="ALTER TABLE users DROP COLUMN score", confirm_name="public.users")
        assert len((await lookup(caller, "users", [1]))[0]) == 5


async def test_a_key_that_another_session_drops_gives_no_wrong_answer(url: str, tool_caller: OpenCaller) -> None:
    """What the catalog said a moment ago is used again, but never to show one of two rows as the one."""
    async with tool_caller(url) as caller:
        await lookup(caller, "users", [1])
        run_sql(url, "ALTER TABLE users DROP CONSTRAINT users_pkey; INSERT INTO users (id, email) TABLE users_copy")
        error = await caller.error("lookup_features", table="users", keys=[1])
        assert error["code"] in ("key_changed", "unknown_key")


def test_the_text_is_the_same_for_any_number_of_entities() -> None:
    """So that the judgement of the one is that of the other."""
    key = [features.KeyColumn("a", ("pg_catalog", "int4")), features.KeyColumn("b", ("pg_catalog", "text"))]
    one, many = [features.statement(("s", "t"), key, ["c"], "found", [("1", "x")] * number) for number in (1, 1000)]
    assert one[0] == many[0]
    assert one[1] == ('{"1"}', '{"x"}')


@pytest.fixture(scope="module")
def scratch(server: Any) -> Iterator[str]:
    """A database for the module."""
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


HOSTILE = (
    "'",
    '"',
    '";DROP TABLE x;--',
    "/*",
    "--",
    "\\",
    "$1",
    "%s",
    "{}",
    "a b",
    "SELECT",
    "ü",
    "{",
    "}",
    ",",
    "NULL",
)
names = st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=4).map("".join)


@given(names, names, st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=9)), min_size=1, max_size=5))
@settings(max_examples=30, deadline=None)
def test_no_name_or_value_changes_the_statement(scratch: str, name: str, other: str, values: list[str]) -> None:
    """Hostile names are names, and hostile values come back as they are, in their order."""
    values = [each.replace("\0", "").encode(errors="ignore").decode() for each in values]
    key = [features.KeyColumn(name, ("pg_catalog", "text"))]
    text, params = features.statement(("public", name), key, [], other + "2", [[each] for each in values])
    verdict = judge(text, Catalog(version=180000, path=("public",)))
    assert verdict.readable, (text, verdict.message)
    with psycopg.connect(scratch) as connection:
        quoted = sql.Identifier(name)
        connection.execute(sql.SQL("CREATE TABLE {} ({} text PRIMARY KEY)").format(quoted, quoted))
        cursor = psycopg.RawCursor(connection)
        cursor.execute(sql.SQL("INSERT INTO {} VALUES ($1)").format(quoted), [values[0]])
        found = cursor.execute(verdict.canonical.encode(), params).fetchall()
        assert found == [(each, each == values[0]) for each in values]
        connection.rollback()
