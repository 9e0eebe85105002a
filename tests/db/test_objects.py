"""Rules bound to objects: what is reached, what is hidden, and when it is read again."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
import pytest

from guard_snapshots import TextRows, connect
from masked import KEY, masked, rule
from pgwarden.db.lineage import origins
from pgwarden.db.objects import Bound, ObjectCache, load
from pgwarden.guard.parsed import Name
from pgwarden.policy.objects import ObjectRules, TableRule

pytestmark = pytest.mark.anyio

SCHEMA = """
CREATE TABLE parent (id serial PRIMARY KEY, secret text);
CREATE TABLE child (id int REFERENCES parent ON DELETE CASCADE ON UPDATE SET NULL, own int PRIMARY KEY);
CREATE TABLE grandchild (own int REFERENCES child ON DELETE SET NULL);
CREATE VIEW inner_view AS SELECT id FROM parent;
CREATE VIEW outer_view AS SELECT * FROM inner_view;
CREATE TABLE parted (id int, secret text) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (9);
CREATE RULE logs AS ON INSERT TO grandchild DO ALSO INSERT INTO parent (secret) VALUES ('x');
CREATE VIEW names AS SELECT relname FROM pg_class;
CREATE SCHEMA other; CREATE TABLE other.t (id int); CREATE INDEX ON other.t (id);
"""


async def bind(url: str, rules: ObjectRules) -> Bound:
    """Create the schema and bind rules to it."""
    async with await connect(url) as connection:
        await connection.execute(SCHEMA)
        return await load(TextRows(connection), rules, KEY)


async def test_what_relations_reach(any_database_url: str) -> None:
    """Views reach what they read, parents their partitions, and changes what foreign keys and rules pass them on to."""
    objects = (await bind(any_database_url, ObjectRules(tables=(TableRule("x", "x"),)))).objects
    public = {name: ("public", name) for name in ("parent", "child", "grandchild", "parted", "parted_1", "inner_view")}
    assert objects.reads["public", "outer_view"] == {public["inner_view"], public["parent"]}
    assert objects.reads[public["parted"]] == {public["parted_1"]}
    deletes = objects.writes["DELETE", public["parent"]]
    assert {("DELETE", public["child"]), ("UPDATE", public["grandchild"])} <= deletes
    assert ("UPDATE", public["child"]) in objects.writes["UPDATE", public["parent"]]
    assert ("TRUNCATE", public["child"]) in objects.writes["TRUNCATE", public["parent"]]
    assert ("INSERT", public["parted_1"]) in objects.writes["INSERT", public["parted"]]
    assert ("UPDATE", public["parent"]) in objects.writes["UPDATE", ("public", "outer_view")]
    assert ("INSERT", public["parent"]) in objects.writes["INSERT", public["grandchild"]]


async def test_what_belongs_to_a_hidden_table_is_hidden(any_database_url: str) -> None:
    """With a table its indexes and sequences, with a partitioned table its partitions, with a schema all of it."""
    hides = (TableRule("public", "par*", hidden=True),)
    bound = await bind(any_database_url, ObjectRules(schemas_denied=("other",), tables=hides))
    hidden = bound.objects.hidden
    assert {("public", name) for name in ("parent", "parent_pkey", "parent_id_seq", "parted", "parted_1")} <= hidden
    assert {("other", "t"), ("other", "t_id_idx")} <= hidden
    assert ("public", "child") not in hidden
    # The guard locates no index without a schema, and a hidden schema has no relation to stand for it.
    assert {("", "t_id_idx"), ("", "parent_pkey"), ("other", "")} <= hidden
    assert ("", "child_pkey") not in hidden
    assert bound.hiding.schema_names == {"other"}
    assert "parent" in bound.hiding.names
    assert bound.shields.hides
    assert len(bound.hiding.schemas) == 1
    assert len(bound.hiding.views) == 1
    assert bound.shields.windows == {Name("public", "names")}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT relname FROM pg_class",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM pg_stat_user_tables",
        "SELECT * FROM names",
        "SELECT 'parent'::regclass",
        "SELECT to_regclass('parent')",
        "SELECT CAST($1 AS regclass[])",
        "SELECT has_table_privilege('parent', 'SELECT')",
        "SELECT pg_relation_size(1)",
        "SELECT obj_description(1, 'pg_class')",
        "SELECT NULL::public.parent",
        "SELECT NULL::nothing_of_this_name",
        "SELECT pg_get_viewdef(1)",
        "SELECT format_type(1, 1)",
    ],
)
async def test_catalogs_are_no_way_to_hidden_names(database_url: str, sql: str) -> None:
    """Whatever turns names into objects, or lists them, is refused where something is hidden, alike for all names."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SCHEMA)
    found = await masked(database_url, objects=ObjectRules(tables=(TableRule("public", "parent", hidden=True),)))
    with found.connection:
        verdict = found.judge(sql)
    assert verdict.code in ("relation_not_allowed", "function_not_allowed", "type_not_allowed"), verdict
    assert not verdict.accepted


async def test_harmless_catalogs_and_casts_stay(database_url: str) -> None:
    """Settings can be read and values cast although something is hidden."""
    found = await masked(database_url, objects=ObjectRules(schemas_denied=("other",)))
    with found.connection:
        assert found.run("SELECT name FROM pg_settings WHERE name = 'port'").rows == [("port",)]
        assert found.run("SELECT '1'::int + CAST('2' AS numeric), date '2020-01-01'").rows == [("3", "2020-01-01")]


async def test_a_change_is_seen(any_database_url: str) -> None:
    """A renamed column and a new view count at the next look; nothing is read while nothing changes."""
    rules = ObjectRules(masks=(rule("public.parent.secret", "redact"),))
    async with await connect(any_database_url) as connection:
        fetch = TextRows(connection)
        await connection.execute(SCHEMA)
        cache = ObjectCache(rules, KEY, ttl_s=0)
        first = await cache.get(fetch)
        assert Name("public", "parent") in first.shields.relations
        fetch.asked.clear()
        assert await cache.get(fetch) is first
        assert fetch.asked == ["objects_fingerprint"]
        await connection.execute("CREATE VIEW late AS SELECT secret FROM parent")
        assert Name("public", "late") in (await cache.get(fetch)).shields.relations
        await connection.execute("DROP VIEW late; ALTER TABLE parent RENAME secret TO open")
        assert not (await cache.get(fetch)).shields.relations


async def test_a_change_made_meanwhile_is_not_missed(any_database_url: str) -> None:
    """What is under way when something is changed from here asked before that: the next look asks again."""
    cache = ObjectCache(ObjectRules(masks=(rule("public.parent.secret", "redact"),)), KEY, ttl_s=3600)
    async with await connect(any_database_url) as connection:
        fetch = TextRows(connection)

        async def changing(block: str, params: Sequence[object]) -> list[tuple[str | None, ...]]:
            rows = await fetch(block, params)
            cache.forget()
            return rows

        await cache.get(changing)
        fetch.asked.clear()
        await cache.get(fetch)
        await cache.get(fetch)
        assert fetch.asked == ["objects_fingerprint"]


async def test_no_rules_cost_nothing(database_url: str) -> None:
    """Without rules the database is not asked."""
    async with await connect(database_url) as connection:
        fetch = TextRows(connection)
        assert not (await ObjectCache(ObjectRules(), KEY).get(fetch)).shields
        assert fetch.asked == []


def test_origins_of_a_stored_query() -> None:
    """Only the outermost select list counts; brackets in names are escaped; whole rows and expressions have none."""
    entry = "{TARGETENTRY :expr {X :y (1)} :resno %d :resname a\\)\\} :ressortgroupref 0 :resorigtbl %d :resorigcol %d"
    inner = entry % (1, 9, 9) + " :resjunk false}"
    listed = " ".join(entry % each + " :resjunk false}" for each in ((1, 7, 2), (2, 0, 0), (3, 7, 0)))
    junk = entry % (4, 7, 3) + " :resjunk true}"
    tree = (
        f"({{QUERY :rtable ({{RTE :subquery {{QUERY :targetList ({inner})}}}}) :targetList ({listed} {junk}) :x <>}})"
    )
    assert origins(tree) == {1: (7, 2)}
