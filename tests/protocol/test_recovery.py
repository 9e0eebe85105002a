"""A database that is down, restarted, hanging or wrongly configured, as a client of the server meets it."""

from __future__ import annotations

import json
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import psycopg
import pytest

from fix_db import SETTINGS, Server
from fix_proxy import Proxy
from pgwarden.providers.local.cluster import Cluster
from raw_server import RawServer, error_of, launched, text_of
from silent import silence

pytestmark = pytest.mark.anyio

Launch = Callable[..., AbstractAsyncContextManager[RawServer]]

AT_ONCE_S = 5.0
"""Seconds within which an answer that waits for nothing comes, on a busy machine and with the process's start."""
SECRET = "correct-horse-battery"  # the password that must never be seen
READ = {"sql": "SELECT 6 * 7 AS answer"}


@pytest.fixture
def launch(server_environment: Callable[..., dict[str, str]], server_log: Path) -> Launch:
    """A function that starts a server on a database; keyword arguments are environment variables."""

    def start(database_url: str, **variables: str) -> AbstractAsyncContextManager[RawServer]:
        return launched(server_environment(database_url, **variables), server_log)

    return start


@pytest.fixture(scope="module")
def cluster(server: Server) -> Iterator[Cluster]:
    """A cluster to stop and start, which keeps its port; it does not run at first."""
    root = Path(tempfile.mkdtemp(prefix="pgw-"))
    root.chmod(0o711)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    own = Cluster(root / "own", server.cluster.binaries, tcp=True, settings={**SETTINGS, "port": port})
    own.create()
    yield own
    own.destroy()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def cluster_url(cluster: Cluster) -> str:
    """The URL that the cluster has whenever it runs."""
    return f"postgresql://postgres:{cluster.password('postgres')}@127.0.0.1:{cluster.settings['port']}/postgres"


@pytest.fixture
def running(cluster: Cluster) -> Cluster:
    """The cluster, started."""
    cluster.start()
    return cluster


async def assert_reads(server: RawServer) -> None:
    """Assert that a read succeeds."""
    assert "\n42\n" in text_of(await server.call("run_query", READ))


async def test_a_database_that_comes_up_later(launch: Launch, cluster: Cluster, cluster_url: str) -> None:
    """Nothing waits for it at the start; a call says what is wrong, and once it is up the next one works by itself."""
    cluster.stop("immediate")
    async with launch(cluster_url, PGWARDEN_RETRY_ATTEMPTS="1") as server:
        with anyio.fail_after(AT_ONCE_S):
            await server.initialize()
            assert (await server.request("tools/list"))["result"]["tools"]
        error = error_of(await server.call("run_query", READ))
        assert (error["code"], error["retryable"]) == ("connection_refused", True)
        assert "running" in error["hint"]
        assert cluster.settings["port"] in error["message"]
        await anyio.to_thread.run_sync(cluster.start)
        await assert_reads(server)


async def test_a_call_that_waits_for_the_start(launch: Launch, cluster: Cluster, cluster_url: str) -> None:
    """A database that comes up while a call tries again answers that very call."""
    cluster.stop("immediate")
    async with launch(cluster_url, PGWARDEN_RETRY_ATTEMPTS="20", PGWARDEN_RETRY_MAX="1") as server:
        await server.initialize()
        call = await server.begin_call("run_query", READ)
        await anyio.to_thread.run_sync(cluster.start)
        assert "\n42\n" in text_of(await server.result(call))


async def test_sessions_that_an_administrator_ends(launch: Launch, database_url: str) -> None:
    """The next reads work by themselves, also when several sessions were ended at once."""
    async with launch(database_url) as server:
        await server.initialize()
        for call in [await server.begin_call("run_query", READ) for _ in range(5)]:
            await server.result(call)
        with psycopg.connect(database_url, autocommit=True) as conn:
            ended = conn.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).rowcount
        assert ended
        for _ in range(5):
            await assert_reads(server)


async def test_a_restart(launch: Launch, running: Cluster, cluster_url: str) -> None:
    """The next read works by itself."""
    async with launch(cluster_url) as server:
        await server.initialize()
        await assert_reads(server)
        await anyio.to_thread.run_sync(running.restart)
        await assert_reads(server)


async def test_a_crash(launch: Launch, running: Cluster, cluster_url: str) -> None:
    """After a crash and the recovery the next read works by itself."""
    async with launch(cluster_url) as server:
        await server.initialize()
        await assert_reads(server)
        await anyio.to_thread.run_sync(running.stop, "immediate")
        await anyio.to_thread.run_sync(running.start)
        await assert_reads(server)


async def test_a_database_that_hangs(launch: Launch) -> None:
    """A call ends with the cause within the time to connect; calls that need no database are answered meanwhile."""
    limits = {"PGWARDEN_CONNECT_TIMEOUT": "2", "PGWARDEN_RETRY_ATTEMPTS": "1"}
    async with silence(SECRET) as database, launch(database.url, **limits) as server:
        await server.initialize()
        started = time.monotonic()
        call = await server.begin_call("run_query", READ)
        await database.reached()
        assert "sql_query" in text_of(await server.call("list_toolsets"))
        assert not server.answered(call)
        error = error_of(await server.result(call))
        assert time.monotonic() - started < 2 + AT_ONCE_S
    assert (error["code"], error["retryable"]) == ("connection_timed_out", True)
    assert "2 s" in error["message"]


async def test_a_network_that_hangs_under_a_session(launch: Launch, database_url: str) -> None:
    """A read on a connection that no longer says anything ends with the cause; once the network is back, reads work."""
    limits = {"PGWARDEN_STATEMENT_TIMEOUT": "1", "PGWARDEN_CONNECT_TIMEOUT": "1", "PGWARDEN_RETRY_ATTEMPTS": "1"}
    async with Proxy(database_url) as network, launch(network.url, **limits) as server:
        await server.initialize()
        await assert_reads(server)
        network.hanging = True
        call = await server.begin_call("run_query", READ)
        assert "sql_query" in text_of(await server.call("list_toolsets"))
        assert not server.answered(call)
        error = error_of(await server.result(call, 15))
        assert error["retryable"]
        assert error["code"] in {"server_not_answering", "connection_timed_out", "connection_lost"}
        network.hanging = False
        await assert_reads(server)


def _with(url: str, *, user: str | None = None, host: str | None = None, database: str | None = None) -> str:
    parts = urlsplit(url)
    login = f"{user or parts.username}:{SECRET}" if user else f"{parts.username}:{parts.password}"
    return f"postgresql://{login}@{host or parts.hostname}:{parts.port}/{database or parts.path[1:]}"


MISTAKES: dict[str, tuple[dict[str, str], str]] = {
    "password": ({"user": "plain_reader"}, "authentication_failed"),
    "role": ({"user": "nobody_of_this_name"}, "authentication_failed"),
    "database": ({"database": "no_such_database"}, "database_does_not_exist"),
}


@pytest.mark.parametrize(("changes", "code"), MISTAKES.values(), ids=MISTAKES)
async def test_a_wrong_connection(
    changes: dict[str, str], code: str, launch: Launch, plain_role_url: str, tmp_path: Path
) -> None:
    """Each mistake is named at once, without trying again and without the password, wherever one looks."""
    url = _with(plain_role_url, **changes)
    async with launch(url, PGWARDEN_LOG_LEVEL="DEBUG") as server:
        await server.initialize()
        with anyio.fail_after(AT_ONCE_S):
            error = error_of(await server.call("run_query", READ))
        await server.call("get_database_info")
        server.end("EOF")
        assert await server.exit_status() == 0
    assert error["code"] == code
    assert error["hint"]
    assert "retryable" not in error
    assert_unseen(urlsplit(url).password, server, tmp_path)


async def test_an_unknown_host(launch: Launch, tmp_path: Path) -> None:
    """The host is named; whether it is unknown or the name service is down, the code says."""
    url = f"postgresql://someone:{SECRET}@no-such-host.invalid:5432/shop"
    async with launch(url, PGWARDEN_RETRY_ATTEMPTS="1", PGWARDEN_LOG_LEVEL="DEBUG") as server:
        await server.initialize()
        error = error_of(await server.call("run_query", READ))
    assert error["code"] in {"host_unknown", "name_resolution_failed"}
    assert "no-such-host.invalid" in error["message"]
    assert_unseen(SECRET, server, tmp_path)


UNREADABLE = {
    "host_with_a_password": f"postgresql://someone:{SECRET}@[::1/shop",
    "port": f"postgresql://someone:{SECRET}@127.0.0.1:port/shop",
    "not_a_url": f"password={SECRET} =",
    "an_at_sign_in_the_password": f"postgresql://someone:p@{SECRET}@127.0.0.1:1/shop",
    "percent_sign": f"postgresql://someone:{SECRET}%zz@127.0.0.1:1/shop",
    "another_scheme": f"postgresql+psycopg://someone:{SECRET}@127.0.0.1:1/shop",
    "an_option_nobody_knows": f"postgresql://someone@127.0.0.1:1/shop?passwort={SECRET}",
}


@pytest.mark.parametrize("url", UNREADABLE.values(), ids=UNREADABLE)
async def test_unreadable_settings(url: str, launch: Launch, tmp_path: Path) -> None:
    """They are an error that quotes nothing of them."""
    async with launch(url, PGWARDEN_RETRY_ATTEMPTS="1", PGWARDEN_LOG_LEVEL="DEBUG") as server:
        await server.initialize()
        error = error_of(await server.call("run_query", READ))
    assert error["message"]
    assert_unseen(SECRET, server, tmp_path)


def assert_unseen(secret: str | None, server: RawServer, tmp_path: Path) -> None:
    """Assert that a password is neither on stdout, nor on stderr, nor in the audit."""
    assert secret
    audit = (tmp_path / "home" / "audit.jsonl").read_text(encoding="utf-8")
    assert json.loads(audit.splitlines()[0])["outcome"] == "failed"
    assert secret not in "".join(server.lines)
    assert secret not in (tmp_path / "server.log").read_text(encoding="utf-8")
    assert secret not in audit
