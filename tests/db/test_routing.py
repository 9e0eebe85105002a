"""Which server answers: replicas in good health, else the primary."""

import asyncio
import io
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from fix_database import OpenDatabase, cell, write
from fix_db import SETTINGS, Server, start_server
from fix_gate import Gate
from fix_proxy import Proxy
from pgwarden.db import Database
from pgwarden.db.routing import Health
from pgwarden.errors import OutcomeUnknownError
from pgwarden.exports.encode import Csv
from pgwarden.providers.local.cluster import Cluster
from pgwarden.tools.schema import get_database_info
from tool_calls import calling

pytestmark = pytest.mark.anyio

DELAY = {"max_standby_streaming_delay": "100ms"}
STANDBY = "SELECT pg_is_in_recovery()"


@pytest.fixture(scope="module")
def pair(server: Server) -> Iterator[tuple[Server, Server]]:
    """A primary of its own and a streaming standby of it."""
    root = server.cluster.root.parent
    primary = start_server(server.cluster.binaries, root / "primary")
    standby = Cluster(root / "standby", primary.cluster.binaries, tcp=True, settings=SETTINGS | DELAY)
    try:
        _base_backup(primary, standby)
        standby.start()
        yield primary, Server(standby)
    finally:
        standby.stop()
        primary.cluster.destroy()
        standby.destroy()


@pytest.mark.parametrize(
    ("standby", "position", "age", "caught_up", "expected"),
    [
        (True, 100, 500.0, False, 0.0),
        (True, 99, 7.0, True, 7.0),
        (True, 99, None, True, float("inf")),
    ],
)
def test_lag(standby: bool, position: int, age: float | None, caught_up: bool, expected: float) -> None:
    """The age of the last replayed commit is the lag only where something is missing."""
    primary = Health(False, 100, None, False, 1.0)
    assert Health(standby, position, age, caught_up, 1.0).lag_s(primary) == expected


@pytest.mark.parametrize(("caught_up", "expected"), [(True, 0.0), (False, 30.0)])
def test_lag_without_a_primary(caught_up: bool, expected: float) -> None:
    """Where the primary does not answer, a standby that replayed all it received is current."""
    assert Health(True, 100, 30.0, caught_up, 1.0).lag_s(None) == expected


async def test_reads_go_to_the_standby(open_database: OpenDatabase, pair: tuple[Server, Server]) -> None:
    """A healthy standby answers, unless the caller wants the primary."""
    primary, standby = pair
    async with open_database(primary.url(), replica_urls=(standby.url(),)) as db:
        assert await cell(db, STANDBY) == "f"  # Nothing is known of the standby yet, and nobody waits for it.
        await db.servers.status()
        assert await cell(db, STANDBY) == "t"
        assert await cell(db, STANDBY, primary=True) == "f"


async def test_health_is_looked_at_in_the_background(open_database: OpenDatabase, pair: tuple[Server, Server]) -> None:
    """Reads alone make the router find the standby."""
    primary, standby = pair
    async with open_database(primary.url(), replica_urls=(standby.url(),)) as db:
        await _until(lambda: cell(db, STANDBY), "t")


async def test_exports_go_where_reads_go(open_database: OpenDatabase, pair: tuple[Server, Server]) -> None:
    """A healthy standby answers; one that fails before the first row is replaced by the primary."""
    primary, standby = pair

    async def exported(db: Database) -> bytes:
        file = io.BytesIO()
        await db.export(f"{STANDBY} AS s", sink=Csv(file.write), timeout_s=20)
        return file.getvalue()

    async with Proxy(standby.url()) as network, open_database(primary.url(), replica_urls=(network.url,)) as db:
        await _until(lambda: _looked(db, STANDBY), "t")
        assert await exported(db) == b"s\nt\n"
        await network.refuse()
        network.cut()
        assert await exported(db) == b"s\nf\n"


async def test_a_standby_that_lags_is_not_read(open_database: OpenDatabase, pair: tuple[Server, Server]) -> None:
    """Replay that stands still sends reads to the primary, and back when it goes on."""
    primary, standby = pair
    async with open_database(primary.url(), replica_urls=(standby.url(),), replica_max_lag=0.2) as db:
        with psycopg.connect(primary.url(), autocommit=True) as conn:
            conn.execute("CREATE TABLE IF NOT EXISTS written (at timestamptz)")
            with _paused(standby):
                conn.execute("INSERT INTO written VALUES (now())")
                await asyncio.sleep(0.4)
                [_, seen] = await db.servers.status()
                assert (seen.role, (seen.lag_s or 0) > 0.2) == ("replica", True)
                assert await cell(db, STANDBY) == "f"

        async def again() -> str | None:
            await db.servers.status()
            return await cell(db, STANDBY)

        await _until(again, "t")


async def test_what_was_written_is_read(open_database: OpenDatabase, pair: tuple[Server, Server]) -> None:
    """After a change reads go to the primary until the standby was seen to have replayed it."""
    primary, standby = pair
    with psycopg.connect(primary.url(), autocommit=True) as conn:
        conn.execute("CREATE TABLE mine (n int)")
    count = "SELECT count(*) || ' ' || pg_is_in_recovery() FROM mine"
    async with open_database(primary.url(), replica_urls=(standby.url(),)) as db:
        await _until(lambda: _looked(db, STANDBY), "t")
        for n in range(1, 6):
            await write(db, "INSERT INTO mine VALUES ($1)", n)
            assert await cell(db, count) == f"{n} false"
        await _until(lambda: _looked(db, count), "5 true")
        # Nothing was changed by these.
        await write(db, "DELETE FROM mine", dry_run=True)
        assert await cell(db, count) == "5 true"
        with _paused(standby):
            await write(db, "VACUUM mine", in_transaction=False)
            await write(db, "DELETE FROM mine WHERE n = 1")
            await db.servers.status()
            assert await cell(db, count) == "4 false"
        await _until(lambda: _looked(db, count), "4 true")


async def test_what_a_transaction_committed_is_read(open_database: OpenDatabase, pair: tuple[Server, Server]) -> None:
    """What runs in an interactive transaction runs on the primary; its commit counts as a write."""
    primary, standby = pair
    count = "SELECT count(*) || ' ' || pg_is_in_recovery() FROM ours"
    async with open_database(primary.url(), replica_urls=(standby.url(),)) as db:
        await write(db, "CREATE TABLE ours (n int)")
        await _until(lambda: _looked(db, count), "0 true")
        with _paused(standby):
            made = await db.transactions.begin("read committed", read_only=False, deferrable=False)
            inside = db.transactions.inside(made.id)
            await write(inside, "INSERT INTO ours VALUES (1)")
            assert await cell(inside, count) == "1 false"
            assert await cell(db, count) == "0 true"
            await db.transactions.commit(made)
            assert await cell(db, count) == "1 false"
        await _until(lambda: _looked(db, count), "1 true")


async def test_a_write_of_unknown_outcome(open_database: OpenDatabase, pair: tuple[Server, Server]) -> None:
    """When a change may have been made, reads go to the primary until a look shows that the standby has it all."""
    primary, standby = pair
    async with Gate(primary.url()) as gate, open_database(gate.url, replica_urls=(standby.url(),)) as db:
        await _until(lambda: _looked(db, STANDBY), "t")
        call = asyncio.create_task(write(db, "CREATE TABLE perhaps (n int)"))
        await gate.reached.wait()
        gate.cut()
        with pytest.raises(OutcomeUnknownError):
            await call
        gate.passes.set()
        assert await cell(db, STANDBY) == "f"
        await _until(lambda: _looked(db, STANDBY), "t")


async def test_a_recovery_conflict_goes_to_the_primary(
    open_database: OpenDatabase, pair: tuple[Server, Server]
) -> None:
    """A read that replay has to end on the standby is answered by the primary."""
    primary, standby = pair
    with psycopg.connect(primary.url(), autocommit=True) as conn:
        conn.execute("CREATE TABLE conflict AS SELECT generate_series(1, 100) AS i")
        there = "SELECT pg_is_in_recovery() AND to_regclass('conflict') IS NOT NULL"
        async with open_database(primary.url(), replica_urls=(standby.url(),)) as db:
            await _until(lambda: _looked(db, there), "t")
            call = asyncio.create_task(cell(db, "SELECT pg_is_in_recovery() FROM conflict, pg_sleep(1.5) LIMIT 1"))
            await asyncio.sleep(0.3)
            conn.execute("DROP TABLE conflict")
            # Gone on the primary too by now, which shows that it was asked.
            with pytest.raises(Exception, match=r"conflict.*does not exist"):
                await call


async def test_a_dead_replica_is_passed_over(open_database: OpenDatabase, database_url: str, proxy: Proxy) -> None:
    """When the replica is gone the primary answers, and the status says what is wrong."""
    async with proxy as network, open_database(database_url, replica_urls=(network.url,)) as db:
        [_, seen] = await db.servers.status()
        assert (seen.reachable, seen.role, seen.note is not None) == (True, "primary", True)
        await network.refuse()
        network.cut()
        assert await cell(db, "SELECT 1") == "1"
        [first, second] = await db.servers.status()
        assert (first.reachable, first.last_error) == (True, None)
        assert second.reachable is False
        assert "refused" in (second.last_error or "")


async def test_what_is_no_standby_of_the_primary_is_not_read(
    open_database: OpenDatabase, pair: tuple[Server, Server], database_url: str
) -> None:
    """A statement is judged by one database's catalog, so no other database may answer it."""
    _, standby = pair
    async with open_database(database_url, replica_urls=(standby.url(), database_url)) as db:
        [_, other_cluster, no_standby] = await db.servers.status()
        assert "another cluster" in (other_cluster.note or "")
        assert "no standby" in (no_standby.note or "")
        assert await cell(db, STANDBY) == "f"


async def test_status_of_one_server(open_database: OpenDatabase, server: Server, database_url: str) -> None:
    """The status tells version, role and latency."""
    async with open_database(database_url) as db:
        [seen] = await db.servers.status()
    assert (seen.name, seen.role, seen.lag_s) == ("primary", "primary", None)
    assert seen.server_version.startswith(str(server.major))
    assert 0 < (seen.latency_ms or 0) < 1000


async def test_a_caller_sees_the_servers(pair: tuple[Server, Server]) -> None:
    """get_database_info lists the replicas, their lag, and why one is not read."""
    primary, standby = pair
    replicas = (standby.url(), "postgresql://nobody@127.0.0.1:1/none")
    async with calling(primary.url(), replica_urls=replicas, retry_attempts=1) as caller:
        report = await caller.report(get_database_info)
    first, second, third = report.data["servers"]
    assert first.startswith("primary: ")
    assert "s behind" in second
    assert "refused" in third


async def test_status_of_a_dead_server(open_database: OpenDatabase, proxy: Proxy) -> None:
    """A server that does not answer is reported, not raised."""
    async with proxy as network, open_database(network.url, retry_attempts=1) as db:
        await network.refuse()
        [seen] = await db.servers.status()
    assert (seen.reachable, seen.role, seen.latency_ms) == (False, None, None)


def _base_backup(primary: Server, standby: Cluster) -> None:
    account = standby.account
    standby.root.mkdir(mode=0o700)
    account.own(standby.root)
    argv = [primary.cluster.binaries.program("pg_basebackup"), "-D", str(standby.data_dir), "-R", "-c", "fast"]
    done = account.run([*argv, "-X", "stream", "-d", primary.url()], timeout_s=60)
    assert done.returncode == 0, done.stderr
    shutil.copytree(primary.cluster.root / "passwords", standby.root / "passwords")


@contextmanager
def _paused(standby: Server) -> Iterator[None]:
    """Replay of a standby stands still inside."""
    with psycopg.connect(standby.url(), autocommit=True) as conn:
        conn.execute("SELECT pg_wal_replay_pause()")
        try:
            yield
        finally:
            conn.execute("SELECT pg_wal_replay_resume()")


async def _looked(db: Database, statement: str) -> str | None:
    await db.servers.status()
    return await cell(db, statement)


async def _until(ask: Callable[[], Awaitable[str | None]], wanted: str) -> None:
    for _ in range(60):
        if await ask() == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"never {wanted}")
