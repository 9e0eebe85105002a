"""Hidden objects are absent from every answer of our own SQL."""

from __future__ import annotations

import psycopg
import pytest

from pgwarden.db.blocks import Blocks
from pgwarden.db.hiding import Hiding, veil, veils

SECRET = "zz_secret"

SETUP = f"""
    CREATE SCHEMA {SECRET};
    CREATE TABLE {SECRET}.vault (id int PRIMARY KEY, token text);
    COMMENT ON TABLE {SECRET}.vault IS 'where zz_secret things are';
    CREATE FUNCTION {SECRET}.zz_secret_fn() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE TYPE {SECRET}.zz_secret_enum AS ENUM ('a');
    CREATE TABLE public.zz_secret_table (id int PRIMARY KEY, note text CHECK (note <> ''));
    CREATE INDEX zz_secret_index ON public.zz_secret_table (note);
    CREATE TABLE public.seen (
        id int PRIMARY KEY, other_id int CONSTRAINT zz_secret_fk REFERENCES public.zz_secret_table
    );
    ALTER TABLE public.zz_secret_table ADD CONSTRAINT back FOREIGN KEY (id) REFERENCES public.seen (id);
    CREATE VIEW public.peek AS SELECT id FROM public.zz_secret_table;
    CREATE VIEW public.plain AS SELECT id FROM public.seen;
"""

PARAMETERS = {
    "schema": "", "filter": "", "kinds": [], "summarise_above": 1000, "after_schema": "", "after_name": "",
    "after_table": "", "after_oid": "0", "limit": 1000, "offset": 0, "names": 100, "system": True, "oids": None,
    "oid": 0, "table": "", "constraint": "", "value": "", "qualified": False,
    "query": "secret", "words": ["secret"], "grams": ["sec", "ecr", "cre", "ret"], "available": False,
    "idx": [0, 1, 2, 3], "schemas": ["public", SECRET, "public", "public"],
    "names_": ["seen", "vault", "zz_secret_table", "peek"], "referrers": 100, "max_hops": 3,
    "sections": ["columns", "keys", "indexes", "constraints", "comments", "triggers", "partitions", "sizes",
                 "statistics", "definition"],
}  # fmt: skip


@pytest.fixture
def hiding(database_url: str) -> Hiding:
    """A database with hidden things in it."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SETUP.encode())
        relations = connection.execute(
            "SELECT oid FROM pg_class WHERE relname ~ 'zz_secret' OR relnamespace = %s::regnamespace", [SECRET]
        ).fetchall()
        indexes = connection.execute(
            "SELECT indexrelid FROM pg_index WHERE indrelid = ANY (%s)", [[oid for (oid,) in relations]]
        ).fetchall()
        [[schema]] = connection.execute("SELECT %s::regnamespace::oid", [SECRET]).fetchall()
        [[view]] = connection.execute("SELECT 'peek'::regclass::oid").fetchall()
    oids = frozenset(oid for (oid,) in relations + indexes)
    return Hiding(oids, frozenset({schema}), frozenset({view}), frozenset({"template0", "it's"}))


def test_every_block_that_is_shown(database_url: str, hiding: Hiding) -> None:
    """With nothing hidden the names are in many answers, and with them hidden in none."""
    blocks = Blocks()
    told = 0
    with psycopg.connect(database_url, autocommit=True) as connection:
        version = connection.info.server_version
        cursor = psycopg.RawCursor(connection)
        for name in filter(veils, blocks.names):
            given = {**PARAMETERS, "names": PARAMETERS["names_"]} if name in _BY_NAME else PARAMETERS
            block = blocks.pick(name, version)
            text, values = block.render([connection.info.backend_pid] if "$1" in block.text else given)
            told += "secret" in str(cursor.execute(text.encode(), values).fetchall())
            answer = str(cursor.execute(veil(text, hiding).encode(), values).fetchall())
            assert "zz_secret" not in answer, name
    assert told >= 8


_BY_NAME = {"describe_tables", "resolve_tables", "join_edges"}


def test_what_is_not_hidden_stays(database_url: str, hiding: Hiding) -> None:
    """A table whose foreign key points at a hidden one is shown, without the key; other views keep their text."""
    blocks = Blocks()
    with psycopg.connect(database_url, autocommit=True) as connection:
        given = {**PARAMETERS, "idx": [0, 1], "schemas": ["public", "public"], "names": ["seen", "plain"]}
        text, values = blocks.pick("describe_tables", connection.info.server_version).render(given)
        [[found]] = psycopg.RawCursor(connection).execute(veil(text, hiding).encode(), values).fetchall()
    seen, plain = found
    assert [column["name"] for column in seen["columns"]] == ["id", "other_id"]
    assert [key["kind"] for key in seen["keys"]] == ["primary key"]
    assert "seen" in plain["definition"]


def test_nothing_hidden_changes_nothing() -> None:
    """A block without catalogs stays as it is."""
    assert veil("select 1", Hiding(frozenset({1}))) == "select 1"
    assert not Hiding(views=frozenset({1}))
