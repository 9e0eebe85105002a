"""SQL in the audit log: what always goes, what goes on demand, and that nothing can make it fail."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pgwarden.guard import redact
from pgwarden.guard.redact import redact_sql

SECRET = "hunter2"


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER ROLE x PASSWORD 'hunter2'",
        "alter user x with encrypted /* c */ password E'hunter2' valid until '2027-01-01'",
        "CREATE ROLE x LOGIN PASSWORD $$hunter2$$",
        "CREATE ROLE x LOGIN PASSWORD U&'hunter2'",
        "CREATE ROLE x PASSWORD 'hunter2",
        "CREATE SUBSCRIPTION s CONNECTION 'host=a sslkey=hunter2' PUBLICATION p",
        "ALTER SUBSCRIPTION s CONNECTION 'host=a password=hunter2'",
        "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'h', token 'hunter2')",
        "CREATE USER MAPPING FOR u SERVER s OPTIONS (user 'u', \"password\" 'hunter2')",
        "ALTER USER MAPPING FOR u SERVER s OPTIONS (SET pin 'hunter2')",
        "ALTER SYSTEM SET primary_conninfo = 'host=a password=hunter2'",
        "SELECT dblink_connect('dbname=a password = hunter2')",
        "SELECT dblink_connect('postgresql://me:hunter2@host/db')",
        "DO $$ BEGIN ALTER ROLE x PASSWORD 'hunter2'; END $$",
        "DO $$ BEGIN EXECUTE format('ALTER ROLE x PASSWORD %L', 'hunter2'); END $$",
        "SELECT run('ALTER ROLE x PASSWORD ' || quote_literal('hunter2'))",
        "SELECT 1; ALTER ROLE x PASSWORD 'hunter2'",
        "ALTER ROLE x LOGIN -- password 'hunter2'",
        "ALTER ROLE x LOGIN /* postgresql://me:hunter2@host */",
    ],
)
@pytest.mark.parametrize("literals", [True, False])
def test_secrets_always_go(sql: str, literals: bool) -> None:
    """Whatever the setting, a password or connection string is not kept."""
    redacted = redact_sql(sql, literals=literals)
    assert SECRET not in redacted
    assert redacted.split()[0].lower() == sql.split()[0].lower()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'a', 1.5 FROM t -- why",
        "UPDATE users SET password_hash = 'x' WHERE id = 7",
        "CREATE TABLE passwords (id int DEFAULT 5, note text DEFAULT 'none')",
        "SELECT 'https://host/path?x=1'",
        "COMMENT ON COLUMN t.password IS 'Hashed with bcrypt.'",
        "not ' SQL",
    ],
)
def test_nothing_else_goes_where_literals_stay(sql: str) -> None:
    """The log then has the statement as it came."""
    assert redact_sql(sql, literals=True) == sql


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 'a',1.5e3,$$x$$ FROM t", "SELECT ?,?,? FROM t"),
        ("SELECT E'a\\'b', B'01', x'1F'::bit(8), $tag$it's$tag$", "SELECT ?, ?, ?::bit(?), ?"),
        (
            "UPDATE t SET a=-1 /* 'x' */ WHERE b = $1 AND c IN ('y', 2)",
            "UPDATE t SET a=-? WHERE b = $1 AND c IN (?, ?)",
        ),
        ('SELECT "Name 1" FROM "t 2"', 'SELECT "Name 1" FROM "t 2"'),
        ("SELECT'x'FROM t -- 'y'", "SELECT ?FROM t"),
        ("SELECT 'not closed", "SELECT ?"),
        ("  insert into t values (U&'x')", "insert ?"),
        ("'x", "?"),
        ("", ""),
    ],
)
def test_literals_go_on_demand(sql: str, expected: str) -> None:
    """Names and structure stay; what cannot be read is cut down to its first word."""
    assert redact_sql(sql, literals=False) == expected


@given(st.text(), st.booleans())
@example("\x00\ud800", True)
@example("password" + "(" * 100_001, True)
@example("options" * 20_001, False)
def test_it_never_raises(sql: str, literals: bool) -> None:
    """Any text is answered with some text."""
    assert isinstance(redact_sql(sql, literals=literals), str)


@given(st.sampled_from(["'{}'", "$q${}$q$", "E'{}'", "-- {}\n", "/* {} */"]), st.sampled_from(["SELECT ", "x = ", ""]))
def test_no_literal_stays_on_demand(form: str, before: str) -> None:
    """A value is gone in whatever quotes, and in comments."""
    assert SECRET not in redact_sql(before + form.format(SECRET), literals=False)


@pytest.mark.parametrize("text", ["://" + ":" * 90_000, "password " * 10_000, "pass" + " " * 90_000, "://a:" * 18_000])
def test_hostile_text_takes_no_time(text: str) -> None:
    """The log is written on the path of every call."""
    started = time.perf_counter()
    redact_sql(f"SELECT '{text}'", literals=True)
    assert time.perf_counter() - started < 1


def test_a_defect_costs_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where redaction itself fails, only the first word is kept."""

    def fail(_: str) -> None:
        raise RuntimeError

    monkeypatch.setattr(redact, "lex", fail)
    assert redact_sql("ALTER ROLE x PASSWORD 'hunter2'", literals=True) == "ALTER ?"
