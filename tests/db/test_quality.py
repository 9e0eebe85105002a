"""profile_table through the whole path of a call, on both servers."""

from __future__ import annotations

from typing import Any

import pytest

from fix_db import Servers
from fix_tools import OpenCaller, ToolCaller
from tool_calls import run_sql

pytestmark = pytest.mark.anyio

ALL_TYPES = """
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TYPE pair AS (a int, b text);
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE TABLE every (
        i2 int2, i4 int4, i8 int8 PRIMARY KEY, f4 float4, f8 float8, n numeric, n2 numeric(10, 2), m money, d date,
        ts timestamp, tz timestamptz, t time, ttz timetz, iv interval, tx text, vc varchar(9), bc char(5), nm name,
        lo text, b boolean, u uuid, by bytea, j json, jb jsonb, ia int[], ta text[], ea mood[],
        p point, mo mood, po positive, pr pair, r int4range, mr int4multirange, ip inet, ma macaddr, bi bit(3),
        tv tsvector, o oid, rc regclass, g int GENERATED ALWAYS AS (i4 * 2) STORED, "odd ""name;--" text);
    INSERT INTO every (i2, i4, i8, f4, f8, n, n2, m, d, ts, tz, t, ttz, iv, tx, vc, bc, nm, lo, b, u, by, j, jb, ia, ta,
        ea, p, mo, po, pr, r, mr, ip, ma, bi, tv, o, rc, "odd ""name;--")
    SELECT k % 7, k, k * 1000, k / 3.0,
        CASE k % 50 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' WHEN 2 THEN 1e300 ELSE k END,
        CASE WHEN k = 1 THEN 'NaN' WHEN k = 2 THEN 1e400 WHEN k = 3 THEN 1e-400 ELSE k END, k, k,
        CASE WHEN k = 1 THEN date 'infinity' ELSE date '2026-01-01' + k END,
        timestamp '2026-01-01' + k * interval '1 hour',
        now(), time '00:00' + k * interval '1 min', '12:00+02', k * interval '1 day', 'text ' || k, 'v' || k % 3, 'b',
        'n',
        CASE k % 2 WHEN 0 THEN 'a' ELSE 'A' END, k % 4 = 0, gen_random_uuid(), decode('00ff', 'hex'), '{"a": 1}',
        CASE k % 2 WHEN 0 THEN '[1, 2, 3]' ELSE '{"a": 1}' END::jsonb, ARRAY[k, k], ARRAY['a', NULL],
        ARRAY['ok']::mood[],
        point(k, k), 'ok', k, ROW(NULL, NULL)::pair, int4range(k, k + 1), '{[1,2)}', '127.0.0.1', '08:00:2b:01:02:03',
        '101', 'a b', 1, 'pg_class', repeat('x', 100000)
    FROM generate_series(1, 200) k;
"""


@pytest.fixture
def url(any_database_url: str) -> str:
    """A database with a table of every type."""
    run_sql(any_database_url, ALL_TYPES)
    return any_database_url


async def columns(caller: ToolCaller, table: str, **arguments: Any) -> dict[str, dict[str, Any]]:
    """A profile's columns by name."""
    data = await caller.data("profile_table", table=table, **arguments)
    return {each["name"]: each for each in data["columns"]}


async def test_every_type_is_profiled(url: str, tool_caller: OpenCaller) -> None:
    """No type of PostgreSQL, however odd its values, makes a profile fail; figures are of what can be asked."""
    async with tool_caller(url) as caller:
        data = await caller.data("profile_table", table="every")
        assert data["sample"]["whole"]
        assert "left out" in data["notes"][0]
        found = {each["name"]: each for each in data["columns"]}
        found |= await columns(caller, "every", columns=["rc", "g", 'odd "name;--'])
        assert found["i4"]["verdicts"] == ["unique, looks like a key"]
        assert (found["i4"]["min"], found["i4"]["max"], found["i4"]["mean"]) == ("1", "200", 100.5)
        assert found["i4"]["stddev"] == pytest.approx(57.879, abs=0.001)
        assert found["i4"]["quantiles"]["0.5"] == "100"
        assert sum(found["i4"]["histogram"]["counts"]) == 200
        assert found["f8"]["verdicts"] == ["12 not finite or extreme"]
        assert found["n"]["max"] == "NaN"
        assert (found["d"]["max"], found["d"]["histogram"]["to"]) == ("infinity", "2026-07-20T00:00:00+00:00")
        assert found["ts"]["mean"].startswith("2026-01-05")
        assert found["b"]["true_share"] == 0.25
        assert found["jb"]["json_types"] == {"array": 100, "object": 100}
        assert found["jb"]["elements"] == {"min": 3, "mean": 3, "max": 3}
        assert found["ia"]["elements"]["max"] == 2
        assert found["j"]["distinct_in_sample"] == 1
        assert found["p"]["distinct_in_sample"] == 200
        assert found["lo"]["distinct_in_sample"] == 2
        assert "differ only in case" in found["lo"]["verdicts"][0]
        assert "distinct_in_sample" not in found["pr"]
        assert found["pr"]["null_share"] == 0
        assert len(found['odd "name;--']["top"][0]["value"]) < 250


async def test_text_whose_collation_ignores_case(servers: Servers, tool_caller: OpenCaller) -> None:
    """Texts are compared by their characters, whatever their column's collation finds equal; XML by its text."""
    server = servers.get("system")
    name = server.create_database()
    run_sql(
        server.url(name),
        """CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE t AS SELECT (ARRAY['a', 'A'])[k % 2 + 1] COLLATE loose AS v, xml '<a/>' AS x
        FROM generate_series(1, 10) k""",
    )
    async with tool_caller(server.url(name)) as caller:
        found = await columns(caller, "t")
        assert (found["v"]["distinct_in_sample"], found["x"]["distinct_in_sample"]) == (2, 1)
    server.drop_database(name)


async def test_small_and_empty_tables(any_database_url: str, tool_caller: OpenCaller) -> None:
    """No row, one row and nothing but NULL are said so."""
    run_sql(any_database_url, "CREATE TABLE none (a int, b text); CREATE TABLE one AS SELECT 1 AS a, 'x'::text AS b")
    run_sql(
        any_database_url, "CREATE TABLE nulls AS SELECT NULL::int AS a, NULL::point AS b FROM generate_series(1, 9)"
    )
    async with tool_caller(any_database_url) as caller:
        assert {str(each["verdicts"]) for each in (await columns(caller, "none")).values()} == {"['no rows']"}
        assert (await columns(caller, "one"))["a"]["distinct_in_sample"] == 1
        assert {str(each["verdicts"]) for each in (await columns(caller, "nulls")).values()} == {"['all NULL']"}
        assert "no rows" in await caller.text("profile_table", table="none")


LARGE = """
    CREATE TABLE large AS SELECT k AS id, k % 1000 AS kind, k * 2.0 AS twice, -k AS minus, k % 10 AS digit,
        repeat('f', 40) AS filler FROM generate_series(1, 100000) k;
"""


async def test_a_large_table_is_sampled_and_repeats(any_database_url: str, tool_caller: OpenCaller) -> None:
    """A sample is about as large as asked for, the same every time, and estimates tell of the table."""
    run_sql(any_database_url, f"{LARGE} ANALYZE large")
    async with tool_caller(any_database_url) as caller:
        first = await caller.data("profile_table", table="large", sample=5000)
        assert first == await caller.data("profile_table", table="large", sample=5000)
        assert first["sample"]["method"] == "BERNOULLI"
        assert 4500 < first["sample"]["rows"] < 5500
        found = {each["name"]: each for each in first["columns"]}
        assert found["id"]["distinct_estimate"] == pytest.approx(100_000, rel=0.02)
        assert found["kind"]["distinct_estimate"] == pytest.approx(1000, rel=0.05)
        assert found["digit"]["distinct_estimate"] == 10
        assert found["filler"]["verdicts"][0] == "constant"
        assert "stored in its order" in found["id"]["verdicts"]
        pairs = {tuple(each["columns"]): each["r"] for each in first["correlations"]}
        assert pairs[("id", "twice")] == pytest.approx(1)
        assert pairs[("id", "minus")] == pytest.approx(-1)
        assert ("id", "digit") not in pairs


async def test_missing_and_stale_statistics_do_not_starve_a_sample(
    any_database_url: str, tool_caller: OpenCaller
) -> None:
    """A table that was never analyzed, and one that lost most rows since, give the rows that they have."""
    run_sql(any_database_url, f"{LARGE} ALTER TABLE large SET (autovacuum_enabled = false)")
    run_sql(
        any_database_url, "CREATE TABLE gone WITH (autovacuum_enabled = false) AS SELECT * FROM large; ANALYZE gone"
    )
    run_sql(any_database_url, "DELETE FROM gone WHERE id > 300")
    async with tool_caller(any_database_url) as caller:
        data = await caller.data("profile_table", table="large", sample=1000)
        assert 100 <= data["sample"]["rows"] <= 1000
        data = await caller.data("profile_table", table="gone", sample=1000)
        assert data["sample"]["rows"] == 300


async def test_views_and_partitions(any_database_url: str, tool_caller: OpenCaller) -> None:
    """Views have their first rows; partitioned tables are sampled like tables; materialized views too."""
    run_sql(
        any_database_url,
        f"""{LARGE} CREATE VIEW v AS SELECT id, kind FROM large;
        CREATE MATERIALIZED VIEW mv AS SELECT * FROM large;
        CREATE TABLE parted (id int, kind int, filler text) PARTITION BY RANGE (id);
        CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (50000);
        CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (50000) TO (200000);
        INSERT INTO parted SELECT id, kind, filler FROM large; ANALYZE mv; ANALYZE parted;""",
    )
    async with tool_caller(any_database_url) as caller:
        assert "the first 1,000 rows" in await caller.text("profile_table", table="v", sample=1000)
        for table in ("mv", "parted"):
            data = await caller.data("profile_table", table=table, sample=1000)
            assert data["sample"]["method"] == "BERNOULLI"
            assert 800 < data["sample"]["rows"] < 1200


async def test_wide_and_odd_tables(any_database_url: str, tool_caller: OpenCaller) -> None:
    """Of 300 columns with the longest names the first are profiled, and those left out are counted."""
    names = [f"c{number:03}" + "x" * 59 for number in range(300)]
    kinds = ("numeric", "text", "timestamptz", "jsonb", "text[]")
    listed = ", ".join(f'"{name}" {kinds[at % 5]}' for at, name in enumerate(names))
    run_sql(any_database_url, f'CREATE SCHEMA "Odd.Sch"; CREATE TABLE "Odd.Sch"."We ""ird" ({listed})')
    run_sql(any_database_url, f'INSERT INTO "Odd.Sch"."We ""ird" ("{names[0]}") VALUES (1), (2)')
    async with tool_caller(any_database_url) as caller:
        data = await caller.data("profile_table", table='"Odd.Sch"."We ""ird"')
        assert len(data["columns"]) == 40
        assert "260 left out" in data["notes"][0]
        error = await caller.error("profile_table", table='"Odd.Sch"."We ""ird"', columns=names)
        assert "40 are profiled at a time" in error["message"]
        error = await caller.error("profile_table", table='"Odd.Sch"."We ""ird"', columns=[names[0][:-1] + "y"])
        assert names[0] in error["hint"]


MASKED = """
    CREATE TABLE people AS SELECT k AS id, 'secret' || k || '@x' AS email, 4000000 + k AS pay
    FROM generate_series(1, 50000) k;
    CREATE VIEW mails AS SELECT id, lower(email) AS mail FROM people;
    CREATE TABLE hidden_one (a int); ANALYZE people;
"""
RULES = """version: 1
masks:
  - {column: public.people.email, mask: hash}
  - {column: public.people.pay, mask: "null"}
tables:
  - {match: public.hidden_one, hidden: true}
"""


async def test_masks_and_hidden_tables_hold(any_database_url: str, tool_caller: OpenCaller) -> None:
    """Masked columns are named without statistics; nothing of them, or of a hidden table, is told."""
    run_sql(any_database_url, MASKED)
    async with tool_caller(any_database_url, RULES) as caller:
        for table, hidden in (("people", ["email", "pay"]), ("mails", ["mail"])):
            data = await caller.data("profile_table", table=table, sample=1000)
            assert data["masked"] == hidden
            assert [each["name"] for each in data["columns"]] == ["id"]
            text = await caller.text("profile_table", table=table, sample=1000)
            assert "secret" not in f"{data}{text}"
            assert "400" not in text.replace("4000 ", "")
        error = await caller.error("profile_table", table="people", columns=["email"])
        assert "can be profiled" in error["message"]
        missing = await caller.error("profile_table", table="hidden_onx")
        hidden_one = await caller.error("profile_table", table="hidden_one")
        assert hidden_one["code"] == missing["code"]
        assert "hidden_one" not in str(missing)


async def test_masked_columns_of_any_name(any_database_url: str, tool_caller: OpenCaller) -> None:
    """A masked column may be called like anything in our own statements; the others are profiled and looked up."""
    names = ["s", "v", "n", "d", "f", "i", "lo", "hi", "k", "k0", "q", "c0", "x0", "g0", "b", "t", "bucket", "kind"]
    masked = ", ".join(f"'x' || g AS {name}" for name in names)
    run_sql(
        any_database_url,
        f"CREATE TABLE odd AS SELECT g AS id, g * 2 AS num, md5(g::text) AS txt, now() AS at, {masked} "
        "FROM generate_series(1, 30) AS g; ALTER TABLE odd ADD PRIMARY KEY (id)",
    )
    rules = "version: 1\nmasks:\n" + "".join(f"  - {{column: public.odd.{each}, mask: redact}}\n" for each in names)
    async with tool_caller(any_database_url, rules) as caller:
        data = await caller.data("profile_table", table="odd")
        assert [each["name"] for each in data["columns"]] == ["id", "num", "txt", "at"]
        found = await caller.data("lookup_features", table="odd", keys=[1, 2])
        assert [row[0] for row in found["rows"]] == [1, 2]
        assert "x1" not in str((data, found))


async def test_rules_and_rights_hold(any_database_url: str, any_plain_role_url: str, tool_caller: OpenCaller) -> None:
    """A table that rules deny is refused, and a column that the role may not read is said to be so."""
    run_sql(
        any_database_url,
        """CREATE TABLE part (a int, b int); CREATE TABLE denied (a int);
        REVOKE SELECT ON part FROM plain_reader; GRANT SELECT (a) ON part TO plain_reader;""",
    )
    rules = "version: 1\ntables:\n  - {match: public.denied, deny: [SELECT]}\n"
    async with tool_caller(any_plain_role_url, rules) as caller:
        data = await caller.data("profile_table", table="part")
        assert [each["name"] for each in data["columns"]] == ["a"]
        assert "1 not readable by the role: b" in data["notes"]
        assert (await caller.error("profile_table", table="denied"))["code"] == "not_allowed"


async def test_a_profile_that_takes_too_long_says_what_to_do(any_database_url: str, tool_caller: OpenCaller) -> None:
    """The statement timeout holds, and its error has a hint of this tool's."""
    run_sql(any_database_url, "CREATE VIEW slow AS SELECT a.k FROM generate_series(1, 100000000) a (k)")
    async with tool_caller(any_database_url, STATEMENT_TIMEOUT="0.2") as caller:
        error = await caller.error("profile_table", table="slow", sample=1_000_000)
        assert error["code"] == "statement_timeout", error
        assert "smaller sample" in error["hint"]


async def test_pictures(any_database_url: str, tool_caller: OpenCaller, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture is a PNG beside the text; without the extra a note says how to get it."""
    run_sql(any_database_url, "CREATE TABLE t AS SELECT k AS id FROM generate_series(1, 100) k")
    async with tool_caller(any_database_url) as caller:
        answer = await caller.answer("profile_table", table="t", image=True)
        assert answer.images[0].data.startswith(b"\x89PNG")
        monkeypatch.setitem(__import__("sys").modules, "PIL", None)
        answer = await caller.answer("profile_table", table="t", image=True)
        assert not answer.images
        assert "pip install 'pgwarden[plot]'" in answer.blocks[0]
        assert "▇" in answer.blocks[0] or "█" in answer.blocks[0]
