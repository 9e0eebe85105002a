"""What the server says, as the caller gets it."""

import asyncio

import psycopg
import pytest

from fix_database import OpenDatabase, read
from pgwarden.db.errors import Cause, classify, unavailable
from pgwarden.errors import PolicyError, QueryError, StatementTimeoutError
from pgwarden.settings import LimitSettings

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("pipeline", ["auto", "off"])
@pytest.mark.parametrize("wrap", [True, False])
@pytest.mark.parametrize(
    ("statement", "code", "position"),
    [
        ("SELECT 1 AS ä, nope", "undefined_column", 16),
        ("SELEC 1", "syntax_error", None),
        ("SELECT *\nFROM nowhere", "undefined_table", 15),
        ("SELECT nope(1)", "undefined_function", 8),
        ("SELECT 1 +", "syntax_error", 11),
        ("SELECT 1/0", "query_failed", None),
    ],
)
async def test_the_position_is_in_the_callers_text(
    open_database: OpenDatabase,
    database_url: str,
    statement: str,
    code: str,
    position: int | None,
    wrap: bool,
    pipeline: str,
) -> None:
    """Errors bear a code, the SQLSTATE and the place in the text that the caller sent, wrapped or not."""
    async with open_database(database_url, pipeline=pipeline) as db:
        with pytest.raises(QueryError) as caught:
            await read(db, statement, wrap=wrap)
    assert caught.value.error_code == code
    assert len(caught.value.details["sqlstate"]) == 5
    if position is not None:
        assert caught.value.details["position"] == position


async def test_our_own_parenthesis_is_not_mentioned(open_database: OpenDatabase, database_url: str) -> None:
    """A statement that ends too early is told so, and not of what was put behind it."""
    async with open_database(database_url) as db:
        with pytest.raises(QueryError, match="end of input"):
            await read(db, "SELECT 1 +")


async def test_hints_of_the_server_come_through(open_database: OpenDatabase, database_url: str) -> None:
    """PostgreSQL's own did-you-mean reaches the caller."""
    async with open_database(database_url) as db:
        with pytest.raises(QueryError) as caught:
            await read(db, "SELECT relnam FROM pg_class")
    assert "pg_class.relname" in (caught.value.hint or "")


async def test_what_functions_say_has_an_end(open_database: OpenDatabase, database_url: str) -> None:
    """An error that is raised with megabytes of text is cut at a word, and says how long it was."""
    function = """
        CREATE FUNCTION shout() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '%', repeat('word ', 1000000) USING DETAIL = repeat('x', 9999); END $$
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(function.encode())
    async with open_database(database_url) as db:
        with pytest.raises(QueryError) as found:
            await read(db, "SELECT shout()")
    assert found.value.message.endswith("word…[5000000 characters]")
    assert found.value.details["detail"] == "…[9999 characters]"
    assert len(found.value.message) < 5_000


async def test_statement_timeout(open_database: OpenDatabase, database_url: str) -> None:
    """A statement that takes too long is ended by the server and told apart from other errors."""
    async with open_database(database_url) as db:
        with pytest.raises(StatementTimeoutError) as caught:
            await read(db, "SELECT pg_sleep(20)", timeout_s=0.3)
    assert caught.value.error_code == "statement_timeout"


async def test_a_cancel_by_others_is_no_timeout(open_database: OpenDatabase, database_url: str) -> None:
    """A statement that somebody else cancelled did not run out of time."""
    async with open_database(database_url) as db:
        call = asyncio.create_task(read(db, "SELECT pg_sleep(20)"))
        await asyncio.sleep(0.4)
        with psycopg.connect(database_url, autocommit=True) as conn:
            conn.execute(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgwarden'"
                " AND datname = current_database() AND state = 'active'"
            )
        with pytest.raises(QueryError) as caught:
            await call
    assert caught.value.error_code == "query_cancelled"


async def test_lock_timeout(open_database: OpenDatabase, database_url: str) -> None:
    """A read does not wait for a lock longer than the policy says."""
    with psycopg.connect(database_url) as conn:
        conn.execute("CREATE TABLE t (a int)")
        conn.commit()
        conn.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        async with open_database(database_url, limits=LimitSettings(lock_timeout=0.2)) as db:
            with pytest.raises(QueryError) as caught:
                await read(db, "SELECT * FROM t")
    assert caught.value.error_code == "lock_timeout"


async def test_permission_denied(open_database: OpenDatabase, plain_role_url: str) -> None:
    """What the role may not read is told as such."""
    async with open_database(plain_role_url) as db:
        with pytest.raises(QueryError) as caught:
            await read(db, "SELECT * FROM pg_authid")
    assert caught.value.error_code == "permission_denied"


async def test_the_role_is_judged(open_database: OpenDatabase, database_url: str, plain_role_url: str) -> None:
    """A superuser is warned about, a role that may only read is not."""
    async with open_database(database_url) as powerful, open_database(plain_role_url) as plain:
        assert (await powerful.role()).powers[0] == "superuser"
        assert "is a superuser" in (await powerful.role()).warnings[0]
        assert (await plain.role()).least_privilege


@pytest.mark.parametrize(
    ("grant", "power"),
    [
        ("GRANT pg_read_server_files TO {}", "read_server_files"),
        ("ALTER ROLE {} BYPASSRLS", "bypassrls"),
        ("GRANT CREATE ON SCHEMA public TO {}", "create_in_public"),
    ],
)
async def test_powers_are_noticed(open_database: OpenDatabase, database_url: str, grant: str, power: str) -> None:
    """Each power that a role has beyond reading is in its report."""
    role = f"powerful_{power}"
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
        try:
            conn.execute(grant.format(role))
            tail = database_url.partition("@")[2]
            async with open_database(f"postgresql://{role}:x@{tail}") as db:
                assert (await db.role()).powers == (power,)
        finally:
            conn.execute(f"DROP OWNED BY {role}")
            conn.execute(f"DROP ROLE {role}")


async def test_a_powerful_role_is_warned_of_once(
    open_database: OpenDatabase, database_url: str, plain_role_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The first judgement asks what the role could do, and the log says it; a role that only reads is not mentioned."""
    async with open_database(database_url) as powerful, open_database(plain_role_url) as plain:
        await plain.catalog()
        assert not caplog.messages
        await asyncio.gather(*(powerful.catalog() for _ in range(5)))
        await powerful.catalog()
    assert ["is a superuser" in message for message in caplog.messages] == [True]


async def test_least_privilege_can_be_required(
    open_database: OpenDatabase, database_url: str, plain_role_url: str
) -> None:
    """Where the policy requires it, a role that could do more than read reads nothing."""
    async with (
        open_database(database_url, least_privilege=True) as powerful,
        open_database(plain_role_url, least_privilege=True) as plain,
    ):
        with pytest.raises(PolicyError) as caught:
            await read(powerful, "SELECT 1")
        assert caught.value.error_code == "role_too_powerful"
        assert (await read(plain, "SELECT 1")).rows == [("1",)]


@pytest.mark.parametrize(
    ("said", "code", "passing"),
    [
        ('connection to server at "ssl.example", port 5432 failed: Connection refused', "connection_refused", True),
        ('failed: FATAL:  password authentication failed for user "x"', "authentication_failed", False),
        ('failed: FATAL:  no pg_hba.conf entry for host "1.2.3.4", no encryption', "authentication_failed", False),
        ("FATAL:  the database system is starting up", "server_starting", True),
        ("FATAL:  sorry, too many clients already", "too_many_connections", True),
        ('FATAL:  database "refused" does not exist', "database_does_not_exist", False),
        ("[Errno -3] Temporary failure in name resolution", "name_resolution_failed", True),
        ("[Errno -2] Name or service not known", "host_unknown", False),
        ("server does not support SSL, but SSL was required", "tls_failed", False),
        ("server closed the connection unexpectedly", "connection_dropped", True),
        ("connection timeout expired", "connection_timed_out", True),
    ],
)
async def test_causes_of_failed_connects(said: str, code: str, passing: bool) -> None:
    """The cause is told by what was said, whatever hosts and roles are called."""
    cause = classify(said)
    assert cause is not None
    assert (cause.code, cause.passing) == (code, passing)


async def test_unknown_words_have_no_cause() -> None:
    """What is not known is not guessed."""
    assert classify("FATAL:  le role est inconnu") is None


async def test_a_password_is_never_in_the_message() -> None:
    """Whatever was said, the password is taken out of it."""
    error = unavailable(Cause("x", "y"), 'bad: "hunter2"', "hunter2")
    assert "hunter2" not in str(error.as_dict())
