"""The embedded server: shared by processes, started late, left by the last, and truthful after a kill."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pytest

from pgwarden.errors import ConfigError
from pgwarden.providers.local import embedded, postmaster
from pgwarden.providers.local.binaries import find, find_all
from pgwarden.providers.local.cluster import Cluster
from pgwarden.providers.local.embedded import Embedded

pytestmark = pytest.mark.anyio

USER_OF_IT = """
import asyncio, sys
from pathlib import Path
from pgwarden.providers.local import embedded

async def main():
    print(await embedded.embedded_url(Path(sys.argv[1])), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await embedded.release()

asyncio.run(main())
"""

Spawn = Callable[[Path], "subprocess.Popen[str]"]


@pytest.fixture
def new_home(tmp_path: Path) -> Iterator[Path]:
    """A state directory with nothing in it; whatever still runs in it is stopped afterwards."""
    yield tmp_path
    Cluster(tmp_path / "embedded", find()).destroy()


@pytest.fixture(scope="module")
def made_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state directory with a cluster in it, shared by the tests of this module."""
    made = tmp_path_factory.mktemp("home")
    cluster = Cluster(made / "embedded", find(), settings={"fsync": "off"})
    cluster.create(embedded.NAME)
    yield made
    cluster.destroy()


@pytest.fixture
def home(made_home: Path) -> Iterator[Path]:
    """The shared state directory; nothing runs in it before and after a test."""
    yield made_home
    Cluster(made_home / "embedded", find()).stop("immediate")


@pytest.fixture
async def server(home: Path) -> AsyncIterator[Embedded]:
    """The embedded server of the state directory, closed afterwards."""
    made = Embedded(home)
    yield made
    await made.close()


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """A function that starts a process which uses a home's server until its stdin is closed."""
    started: list[subprocess.Popen[str]] = []

    def one(home: Path) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", USER_OF_IT, str(home)]
        started.append(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield one
    for process in started:
        process.kill()
        process.communicate()


def url_from(process: subprocess.Popen[str]) -> str:
    """Read the URL that the process prints once it may use the server."""
    assert process.stdout
    return process.stdout.readline().strip()


def leave(process: subprocess.Popen[str]) -> None:
    """Let a process leave the server in good order."""
    process.communicate(timeout=30)
    assert process.returncode == 0


def pid_in(home: Path) -> int | None:
    """Return the process number of the embedded postmaster, or None where it does not run."""
    found = postmaster.running((home / "embedded" / "data").resolve())
    return found.pid if found else None


async def test_nothing_is_written_before_the_first_need(new_home: Path) -> None:
    """Making the object costs nothing; the first url starts an empty database of an ordinary role."""
    one = Embedded(new_home)
    assert os.listdir(new_home) == []
    with psycopg.connect(await one.url()) as conn:
        row = conn.execute(
            "SELECT current_database(), current_user, rolsuper, (SELECT count(*) FROM pg_stat_user_tables)"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == ("pgwarden", "pgwarden", False, 0)
    await one.close()


async def test_closing_stops_it_and_the_data_stays(home: Path) -> None:
    """After close nothing runs; the next one finds what was stored. A second close does nothing."""
    first = Embedded(home)
    with psycopg.connect(await first.url()) as conn:
        conn.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 42 AS a")
    await first.close()
    await first.close()
    assert pid_in(home) is None
    second = Embedded(home)
    with psycopg.connect(await second.url()) as conn:
        assert conn.execute("SELECT a FROM kept").fetchone() == (42,)
    await second.close()


async def test_callers_at_once_share_one_start(server: Embedded) -> None:
    """Ten first calls get the same URL."""
    urls = await asyncio.gather(*(server.url() for _ in range(10)))
    assert len(set(urls)) == 1


async def test_a_cancelled_caller_does_not_lose_the_server(home: Path) -> None:
    """Cancelled in the middle of the start, it is known all the same, and closed."""
    one = Embedded(home)
    call = asyncio.create_task(one.url())
    await asyncio.sleep(0.05)
    call.cancel()
    with suppress(asyncio.CancelledError):
        await call
    await one.close()
    assert pid_in(home) is None


async def test_the_functions_hold_one_server_for_each_home(home: Path) -> None:
    """embedded_url gives the same server again, until release stops it."""
    urls = {await embedded.embedded_url(home), await embedded.embedded_url(home)}
    assert len(urls) == 1
    assert pid_in(home) is not None
    await embedded.release()
    assert pid_in(home) is None


async def test_processes_that_start_at_once_share_one_server(new_home: Path, spawn: Spawn) -> None:
    """Three race to create the cluster; all use one postmaster, which only the last stops."""
    users = [spawn(new_home) for _ in range(3)]
    assert len({url_from(user) for user in users}) == 1
    pid = pid_in(new_home)
    assert pid is not None
    for user in users:
        assert pid_in(new_home) == pid
        leave(user)
    assert pid_in(new_home) is None


async def test_after_a_kill_the_next_one_adopts_the_server(home: Path, spawn: Spawn) -> None:
    """kill -9 leaves the postmaster running; the next start uses the same one, and its end stops it."""
    killed = spawn(home)
    url_from(killed)
    pid = pid_in(home)
    killed.kill()
    killed.wait()
    assert pid_in(home) == pid
    following = spawn(home)
    with psycopg.connect(url_from(following)):
        assert pid_in(home) == pid
    leave(following)
    assert pid_in(home) is None


async def test_a_killed_user_does_not_count_any_more(home: Path, spawn: Spawn) -> None:
    """One of two is killed: the other is the last, and stops the server."""
    killed, last = spawn(home), spawn(home)
    url_from(killed), url_from(last)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    leave(last)
    assert pid_in(home) is None


async def test_a_killed_postmaster_is_started_again(home: Path, spawn: Spawn) -> None:
    """The server crashed while nobody looked: the next start recovers it."""
    first = spawn(home)
    url_from(first)
    pid = pid_in(home)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    second = spawn(home)
    with psycopg.connect(url_from(second)) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
    assert pid_in(home) not in (None, pid)


async def test_the_password_is_in_no_command_line_and_no_log(home: Path, server: Embedded) -> None:
    """The URL's password is stored in its 0600 file alone."""
    url = await server.url()
    password = unquote(url.split("@")[0].rsplit(":", 1)[1])
    assert (home / "embedded" / "passwords" / "pgwarden").read_text() == password
    assert password not in (home / "embedded" / "postmaster.log").read_text()
    pid = pid_in(home)
    assert pid is not None
    assert password not in postmaster._command_line(pid)


async def test_an_existing_cluster_keeps_its_major_version(new_home: Path) -> None:
    """The system's PostgreSQL runs what it made, though the wheel is preferred; an unknown version is refused."""
    system = next((each for each in find_all() if each.source == "system"), None)
    if system is None:
        pytest.skip("no PostgreSQL of the system on this machine")
    Cluster(new_home / "embedded", system).create(embedded.NAME)
    one = Embedded(new_home)
    with psycopg.connect(await one.url()) as conn:
        assert conn.info.server_version // 10_000 == system.major
    await one.close()
    (new_home / "embedded" / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(ConfigError, match="PostgreSQL 9"):
        await Embedded(new_home).url()
