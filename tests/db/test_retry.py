"""Connections that cannot be made, and connections that break."""

import asyncio
import time

import psycopg
import pytest

from fix_database import OpenDatabase, cell, read
from fix_db import Server
from fix_proxy import Proxy
from pgwarden.db import Database
from pgwarden.errors import ConnectionLostError, UnavailableError
from pgwarden.settings import ConnectionSettings, LimitSettings

pytestmark = pytest.mark.anyio


async def test_making_one_waits_for_nothing() -> None:
    """A database that nothing answers for is described and closed at once."""
    started = time.monotonic()
    db = Database(ConnectionSettings(), LimitSettings(), conninfo="postgresql://nobody@127.0.0.1:1/none")
    await db.close()
    assert time.monotonic() - started < 0.2


@pytest.mark.parametrize("change", ["password", "database", "host", "role", "garbage"])
async def test_what_time_cannot_mend_is_refused_at_once(
    open_database: OpenDatabase, plain_role_url: str, change: str
) -> None:
    """A wrong password, database, host or role is told apart, not tried again, and shows no password."""
    url, code = _broken(plain_role_url, change)
    async with open_database(url) as db:
        started = time.monotonic()
        with pytest.raises(UnavailableError) as caught:
            await read(db, "SELECT 1")
    assert caught.value.error_code == code
    assert caught.value.hint
    assert not caught.value.retryable
    assert "secret-xyz" not in str(caught.value.as_dict())
    assert time.monotonic() - started < 1


async def test_refused_is_tried_again(open_database: OpenDatabase, proxy: Proxy) -> None:
    """A server that comes up while connecting is tried again answers the call."""
    async with proxy as network, open_database(network.url, retry_base=0.1) as db:
        await network.refuse()
        call = asyncio.create_task(cell(db, "SELECT 1"))
        await asyncio.sleep(0.25)
        assert not call.done()
        await network.accept()
        assert await call == "1"


async def test_refused_for_good(open_database: OpenDatabase, proxy: Proxy) -> None:
    """A server that stays away is given up after the attempts that the settings allow, with the cause."""
    async with proxy as network, open_database(network.url, retry_attempts=3, retry_base=0.1) as db:
        await network.refuse()
        started = time.monotonic()
        with pytest.raises(UnavailableError) as caught:
            await read(db, "SELECT 1")
        assert caught.value.error_code == "connection_refused"
        assert caught.value.retryable
        assert 0.3 <= time.monotonic() - started < 2


async def test_a_server_that_never_answers(open_database: OpenDatabase, proxy: Proxy) -> None:
    """A connect that hangs ends with its time limit."""
    async with proxy as network, open_database(network.url, retry_attempts=1, connect_timeout=1) as db:
        network.hanging = True
        with pytest.raises(UnavailableError) as caught:
            await read(db, "SELECT 1")
        assert caught.value.error_code == "connection_timed_out"


@pytest.mark.parametrize("pipeline", ["auto", "off"])
async def test_idle_connections_that_were_ended(open_database: OpenDatabase, database_url: str, pipeline: str) -> None:
    """When all idle connections were terminated, the next reads succeed by themselves."""
    async with open_database(database_url, pipeline=pipeline) as db:
        await asyncio.gather(*(read(db, "SELECT pg_sleep(0.1)") for _ in range(3)))
        _terminate(database_url)
        assert await asyncio.gather(*(cell(db, "SELECT 1") for _ in range(3))) == ["1"] * 3


async def test_ended_in_the_middle(open_database: OpenDatabase, database_url: str) -> None:
    """A read whose session is terminated before its first row is run once more."""
    async with open_database(database_url) as db:
        await read(db, "SELECT 1")
        call = asyncio.create_task(cell(db, "SELECT 'slow' FROM pg_sleep(0.6)"))
        await asyncio.sleep(0.2)
        _terminate(database_url)
        assert await call == "slow"


async def test_ended_twice(open_database: OpenDatabase, database_url: str) -> None:
    """A read that loses its session again is reported, not run for ever."""
    async with open_database(database_url) as db:
        call = asyncio.create_task(cell(db, "SELECT 'slow' FROM pg_sleep(5)"))
        for _ in range(2):
            await _wait_until_running(database_url)
            _terminate(database_url)
        with pytest.raises(ConnectionLostError):
            await call
        assert await cell(db, "SELECT 1") == "1"


async def test_the_network_is_cut(open_database: OpenDatabase, proxy: Proxy) -> None:
    """After the network was cut, the next read succeeds on a new connection."""
    async with proxy as network, open_database(network.url) as db:
        await asyncio.gather(*(read(db, "SELECT pg_sleep(0.1)") for _ in range(3)))
        network.cut()
        assert await cell(db, "SELECT 1") == "1"


async def test_a_server_restart(open_database: OpenDatabase, server: Server, proxy: Proxy, database_url: str) -> None:
    """After a restart of the server the next reads succeed by themselves."""
    async with proxy as network, open_database(network.url) as db:
        await asyncio.gather(*(read(db, "SELECT pg_sleep(0.1)") for _ in range(3)))
        await asyncio.to_thread(server.cluster.restart)
        network.forward_to(server.url(database_url.rsplit("/", 1)[1]))
        assert await asyncio.gather(*(cell(db, "SELECT 1") for _ in range(3))) == ["1"] * 3


async def test_a_pooler_that_cannot_pipeline(open_database: OpenDatabase, proxy: Proxy) -> None:
    """Where batches are not understood, statements go one by one, from the first call on and for good."""
    async with proxy as network, open_database(network.url) as db:
        network.one_sync = True
        assert await cell(db, "SELECT 1") == "1"
        assert network.accepted == 2
        assert await cell(db, "SELECT 2") == "2"
        assert network.accepted == 2


async def test_one_round_trip(open_database: OpenDatabase, proxy: Proxy) -> None:
    """A read on an idle connection costs one round trip."""
    async with proxy as network, open_database(network.url) as db:
        await read(db, "SELECT 1")
        network.delay_s = 0.1
        # The reset of the read before is on its way by itself.
        await asyncio.sleep(0.3)
        started = time.monotonic()
        await read(db, "SELECT 1")
        assert 0.2 <= time.monotonic() - started < 0.39


def _broken(url: str, change: str) -> tuple[str, str]:
    head, _, tail = url.partition("@")
    scheme, _, account = head.partition("://")
    user = account.partition(":")[0]
    return {
        "password": (f"{scheme}://{user}:secret-xyz@{tail}", "authentication_failed"),
        "role": (f"{scheme}://no_such_role:secret-xyz@{tail}", "authentication_failed"),
        "database": (f"{head}@{tail.partition('/')[0]}/no_such_db", "database_does_not_exist"),
        "host": (f"{scheme}://{user}:secret-xyz@no-such-host.invalid/x", "host_unknown"),
        "garbage": (f"{scheme}://{user}:secret-xyz%zz@{tail}", "connection_settings_invalid"),
    }[change]


def _terminate(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def _wait_until_running(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        for _ in range(100):
            found = conn.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(5)%'").fetchone()
            if found and found[0] == 2:
                return
            await asyncio.sleep(0.05)
    raise AssertionError("the statement never ran")
