"""Profiles x the 17 statement types x representative statements, as the guard describes them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pgwarden.policy import Policy, decide_statement, decide_type
from pgwarden.policy.profiles import SQL_PROFILES, STATEMENT_TYPES, TIERS

ORDER = tuple(SQL_PROFILES)


@dataclass(frozen=True)
class Case:
    """A statement: what the guard says of it, and the first profile that may run it ("" for none)."""

    sql: str
    kinds: str
    command: str
    first: str
    object_class: str = "rows"
    unsafe: str = ""


CASES = (
    Case("SELECT 1", "SELECT", "SELECT", "read_only"),
    Case("SHOW work_mem", "SHOW", "SHOW", "read_only"),
    Case("DESCRIBE t", "DESCRIBE", "DESCRIBE", "read_only"),
    Case("EXPLAIN SELECT 1", "EXPLAIN SELECT", "EXPLAIN", "read_only"),
    Case("EXPLAIN UPDATE t SET a = 1", "EXPLAIN UPDATE", "EXPLAIN", "developer"),
    Case("INSERT INTO t VALUES (1)", "INSERT", "INSERT", "analyst"),
    Case("INSERT INTO t SELECT * FROM u", "INSERT SELECT", "INSERT", "analyst"),
    Case("INSERT ... ON CONFLICT DO UPDATE", "INSERT UPDATE", "INSERT", "developer"),
    Case("SET work_mem = '8MB'", "SET", "SET", "analyst", "session"),
    Case("UPDATE t SET a = 1 WHERE id = 1", "UPDATE", "UPDATE", "developer"),
    Case("DELETE FROM t WHERE id = 1", "DELETE", "DELETE", "developer"),
    Case("WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", "DELETE SELECT", "SELECT", "developer"),
    Case("CREATE TABLE t (a int)", "CREATE", "CREATE TABLE", "developer", "schema"),
    Case("CREATE VIEW v AS SELECT 1", "CREATE SELECT", "CREATE VIEW", "developer", "schema"),
    Case("CREATE FUNCTION f() ...", "CREATE", "CREATE FUNCTION", "admin", "code"),
    Case("CREATE EXTENSION hstore", "CREATE", "CREATE EXTENSION", "admin", "code"),
    Case("CREATE ROLE r", "CREATE", "CREATE ROLE", "admin", "power"),
    Case("ALTER TABLE t ADD COLUMN b int", "ALTER", "ALTER TABLE", "developer", "schema"),
    Case("ALTER TABLE t DROP COLUMN b", "ALTER DROP", "ALTER TABLE", "admin", "schema"),
    Case("ALTER ROLE r LOGIN", "ALTER", "ALTER ROLE", "admin", "power"),
    Case("VACUUM t", "ALTER", "VACUUM", "developer", "maintenance"),
    Case("CALL p()", "CALL", "CALL", "developer"),
    Case("MERGE INTO t USING u ...", "MERGE INSERT UPDATE", "MERGE", "admin"),
    Case("DROP TABLE t", "DROP", "DROP TABLE", "admin", "schema"),
    Case("TRUNCATE t", "TRUNCATE", "TRUNCATE", "admin"),
    Case("GRANT SELECT ON t TO r", "GRANT", "GRANT", "admin", "power"),
    Case("REVOKE SELECT ON t FROM r", "REVOKE", "REVOKE", "admin", "power"),
    Case("USE other", "USE", "USE", "admin"),
    Case("COPY t TO '/tmp/t'", "COPY", "COPY", "", "power", "COPY"),
    Case("DO $$ ... $$", "DO", "DO", "", "power", "DO"),
    Case("ALTER SYSTEM SET x = 1", "ALTER", "ALTER SYSTEM", "", "power", "ALTER SYSTEM"),
    Case("LISTEN x", "LISTEN", "LISTEN", ""),
    Case("what the guard knows no type of", "", "", ""),
    Case("of an unknown class", "SELECT", "SELECT", "", "galaxy"),
)


def allowed(case: Case, policy: Policy) -> bool:
    """Decide a case."""
    kinds, unsafe = case.kinds.split(), case.unsafe
    return decide_statement(
        policy, kinds=kinds, command=case.command, object_class=case.object_class, unsafe=unsafe
    ).allowed


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sql)
@pytest.mark.parametrize("profile", ORDER)
def test_each_profile_allows_what_it_should(profile: str, case: Case) -> None:
    """From the first profile of a statement on, and in none before."""
    expected = case.first != "" and ORDER.index(profile) >= ORDER.index(case.first)
    assert allowed(case, Policy(sql_profile=profile)) is expected


def test_the_table_has_every_type() -> None:
    """Each of the 17 types stands in a case and has a tier."""
    assert set(STATEMENT_TYPES) <= {kind for case in CASES for kind in case.kinds.split()}
    assert set(TIERS) == set(STATEMENT_TYPES)


@pytest.mark.parametrize("profile", ORDER)
@pytest.mark.parametrize("kind", STATEMENT_TYPES)
def test_deny_beats_allow_beats_profile(profile: str, kind: str) -> None:
    """For every type in every profile."""
    one = frozenset({kind})
    assert decide_type(Policy(sql_profile=profile, statements_allowed=one), kind).allowed
    denied = Policy(sql_profile=profile, statements_allowed=one, statements_denied=one)
    assert decide_type(denied, kind).rule == "statements.deny"
    assert not decide_statement(denied, kinds={kind, "SELECT"}).allowed


@pytest.mark.parametrize("case", [case for case in CASES if case.unsafe], ids=lambda case: case.sql)
def test_what_is_unsafe_needs_both_the_list_and_the_profile(case: Case) -> None:
    """Neither alone is enough."""
    listed = frozenset({case.unsafe})
    assert allowed(case, Policy(sql_profile="admin", unsafe=listed))
    assert not allowed(case, Policy(sql_profile="developer", unsafe=listed))
    assert not allowed(case, Policy(sql_profile="admin", unsafe=frozenset({"LOAD"})))


@pytest.mark.parametrize(
    ("rule", "command", "kinds", "blocked"),
    [
        ("VACUUM", "VACUUM", "ALTER", True),
        ("VACUUM FULL", "VACUUM", "ALTER", False),
        ("CREATE INDEX", "CREATE INDEX CONCURRENTLY", "CREATE", True),
        ("CREATE INDEX", "CREATE UNIQUE INDEX", "CREATE", True),
        ("CREATE VIEW", "CREATE OR REPLACE RECURSIVE VIEW", "CREATE ALTER", True),
        ("CREATE TABLE", "CREATE TEMP TABLE", "CREATE", True),
        ("CREATE ROLE", "CREATE USER", "CREATE", True),
        ("DROP USER", "DROP GROUP", "DROP", True),
        ("DROP ROLE", "DROP USER MAPPING", "DROP", False),
        ("DROP FUNCTION", "DROP ROUTINE", "DROP", True),
        ("DROP ROUTINE", "DROP PROCEDURE", "DROP", True),
        ("CREATE TABLE", "CREATE TABLESPACE", "CREATE", False),
        ("CREATE", "CREATE TABLESPACE", "CREATE", True),
        ("ALTER TABLE", "alter  table", "ALTER", True),
        ("DELETE", "SELECT", "DELETE SELECT", True),
        ("ALTER DEFAULT PRIVILEGES", "ALTER DEFAULT PRIVILEGES", "ALTER", True),
        ("DELETE", "TRUNCATE", "TRUNCATE", False),
    ],
)
def test_blocked_commands(rule: str, command: str, kinds: str, blocked: bool) -> None:
    """By whole words from the first on, whatever words stand between that change nothing."""
    policy = Policy(sql_profile="admin", commands_denied=frozenset({rule}))
    decision = decide_statement(policy, kinds=kinds.split(), command=command)
    assert decision.allowed is not blocked
    assert not blocked or decision.rule == f"commands.deny refuses {rule}"


def test_archive_refuses_every_way_to_delete_rows() -> None:
    """With a hint; UPDATE stays."""
    policy = Policy(sql_profile="admin", deletes="archive")
    for kinds in ({"DELETE"}, {"TRUNCATE"}, {"MERGE", "DELETE"}, {"DELETE", "SELECT"}):
        decision = decide_statement(policy, kinds=kinds)
        assert not decision.allowed
        assert "archived" in decision.hint
    assert decide_statement(policy, kinds={"UPDATE"}).allowed
