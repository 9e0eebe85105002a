"""A cluster of our own: made whole or not at all, private, and never confused with something else."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgwarden.errors import ConfigError, UnavailableError
from pgwarden.providers.local import account, cluster, postmaster
from pgwarden.providers.local.binaries import Binaries, find, find_all
from pgwarden.providers.local.cluster import Cluster

Make = Callable[..., Cluster]
FAST = {"fsync": "off", "shared_buffers": "16MB"}


@pytest.fixture
def make() -> Iterator[Make]:
    """A function that makes a cluster object in a directory of its own; all of them are removed afterwards."""
    base = Path(tempfile.mkdtemp(prefix="pgw-"))
    base.chmod(0o711)
    made: list[Cluster] = []

    def of(name: str = "c", binaries: Binaries | None = None, **options: Any) -> Cluster:
        options["settings"] = FAST | options.get("settings", {})
        made.append(Cluster(base / name, binaries or find(), **options))
        return made[-1]

    yield of
    for each in made:
        each.destroy()
    shutil.rmtree(base)


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    """A running cluster for tests that only look: with a port, a quoted setting, and a database with an odd name."""
    base = Path(tempfile.mkdtemp(prefix="pgw-"))
    base.chmod(0o711)
    one = Cluster(base / "c", find(), tcp=True, settings=FAST | {"cluster_name": "it's"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGWARDEN_DATABASE_URL", "postgresql://u:hidden@h/d")
        patch.setenv("PGDATA", "/elsewhere")
        one.create("Odd name")
        one.start()
    yield one
    one.destroy()
    shutil.rmtree(base)


def value(url: str, query: str) -> Any:
    """Return the first column of the first row; None where there are no rows."""
    with psycopg.connect(url, autocommit=True) as conn:
        cursor = conn.execute(query.encode())
        row = cursor.fetchone() if cursor.description and cursor.rownumber is not None else None
        return row[0] if row else None


def pid_of(a_cluster: Cluster) -> int:
    """Return the process number of its postmaster."""
    found = postmaster.running(a_cluster.data_dir)
    assert found is not None
    return found.pid


def wait_until_gone(pid: int) -> None:
    """Wait until a killed process, which is not our child, is gone or a zombie."""
    deadline = time.monotonic() + 10
    while postmaster._command_line(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_starts_answers_and_stops(make: Make) -> None:
    """Created, started, asked, restarted and stopped, it says at each point whether it runs."""
    one = make()
    one.create()
    assert one.exists
    assert not one.is_running()
    one.start()
    assert one.is_running()
    value(one.url(), "CREATE TABLE kept AS SELECT 1 AS a")
    before = pid_of(one)
    one.restart()
    assert pid_of(one) != before
    assert value(one.url(), "SELECT a FROM kept") == 1
    one.stop()
    assert not one.is_running()
    with pytest.raises(UnavailableError, match="does not run"):
        one.url()


def test_starting_twice_and_stopping_twice_changes_nothing(make: Make, running: Cluster) -> None:
    """The second start leaves the running server alone; a stop finds nothing to do where nothing runs."""
    before = pid_of(running)
    running.start()
    assert pid_of(running) == before
    make().stop()


def test_it_is_unicode_and_sorts_by_code_point(running: Cluster) -> None:
    """Encoding and order are the same on every machine."""
    assert value(running.url(), "SHOW server_encoding") == "UTF8"
    assert value(running.url(), "SELECT upper('ä') || ('Z' < 'a')") == "Ätrue"


def test_only_the_socket_is_open_unless_asked(make: Make, running: Cluster) -> None:
    """Without `tcp` there is no port; with it, there is one on loopback."""
    closed = make()
    closed.create()
    closed.start()
    assert value(closed.url(), "SHOW listen_addresses") == ""
    assert value(running.url(tcp=True), "SELECT host(inet_server_addr())") == "127.0.0.1"
    assert value(running.url(), "SELECT inet_server_addr()") is None


def test_a_password_is_always_asked_for(running: Cluster) -> None:
    """Neither the socket nor the port trusts anybody, and passwords are stored as SCRAM verifiers."""
    secret = running.password("postgres")
    assert secret
    for url in (running.url(), running.url(tcp=True)):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(url.replace(secret, "wrong"))
    stored = value(running.url(), "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'")
    assert stored.startswith("SCRAM-SHA-256")


def test_nobody_else_can_read_its_files(running: Cluster) -> None:
    """Directories are 0700 and password files 0600."""
    directories = (running.root, running.data_dir, running.socket_dir, running.root / "passwords")
    assert {stat.S_IMODE(path.stat().st_mode) for path in directories} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (running.root / "passwords").iterdir()} == {0o600}


def test_it_does_not_inherit_our_environment(running: Cluster) -> None:
    """The postmaster lives long: no secret and no PG variable of ours stays in its environment."""
    environ = Path(f"/proc/{pid_of(running)}/environ")
    if not environ.exists():
        pytest.skip("this system does not show environments")
    content = environ.read_bytes()
    assert b"PATH=" in content
    assert b"hidden" not in content
    assert b"/elsewhere" not in content


def test_what_an_interrupted_creation_left_is_remade(make: Make) -> None:
    """A half-made data directory never counts as a cluster."""
    one = make()
    partial = one.root / "data.partial"
    partial.mkdir(parents=True)
    (partial / "PG_VERSION").write_text("18\n")
    assert not one.exists
    one.create()
    one.start()
    assert not partial.exists()
    with pytest.raises(ConfigError, match="already"):
        one.create()


def test_a_failed_creation_leaves_no_cluster(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where initdb fails, its message is the hint and nothing exists."""
    one = make()
    monkeypatch.setattr(cluster, "SUPERUSER", "pg_reserved")
    with pytest.raises(UnavailableError, match="initdb") as caught:
        one.create()
    assert "pg_" in (caught.value.hint or "")
    assert not one.exists


def test_a_database_is_made_with_its_owner(running: Cluster) -> None:
    """The role logs in with its own password, owns the database and is not a superuser. Odd names are quoted."""
    url = running.url("Odd name", "Odd name")
    assert value(url, "SELECT current_database()::text") == "Odd name"
    assert value(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    value(url, "CREATE TABLE public.t ()")
    assert value(url, "SELECT count(*) FROM public.t") == 0


def test_a_script_runs_or_says_why_not(running: Cluster) -> None:
    """A psql script runs in the database that is named; the first error stops it and is the hint."""
    running.run_script("\\set word done\nCREATE TABLE public.script AS SELECT :'word' AS a;", "Odd name")
    assert value(running.url("Odd name"), "SELECT a FROM public.script") == "done"
    with pytest.raises(UnavailableError, match="script") as caught:
        running.run_script("SELECT 1/0;\nCREATE TABLE public.later ();", "Odd name")
    assert "division by zero" in (caught.value.hint or "")
    assert value(running.url("Odd name"), "SELECT to_regclass('public.later')") is None


def test_a_killed_server_starts_again(make: Make) -> None:
    """After kill -9 postmaster.pid still lies there; it is not believed, and the data is recovered."""
    one = make()
    one.create()
    one.start()
    value(one.url(), "CREATE TABLE kept AS SELECT 1 AS a")
    pid = pid_of(one)
    os.kill(pid, signal.SIGKILL)
    wait_until_gone(pid)
    assert (one.data_dir / "postmaster.pid").exists()
    assert not one.is_running()
    one.start()
    assert value(one.url(), "SELECT a FROM kept") == 1


def test_a_reused_process_number_is_not_taken_for_the_server(make: Make) -> None:
    """Lock files may name a living process that is something else: this very test."""
    one = make()
    one.create()
    one.start()
    locks = [one.data_dir / "postmaster.pid", *one.socket_dir.glob(".s.PGSQL.*.lock")]
    contents = [path.read_text().splitlines() for path in locks]
    one.stop()
    for path, lines in zip(locks, contents, strict=True):
        path.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert not one.is_running()
    one.start()
    assert pid_of(one) != os.getpid()


def test_a_port_that_somebody_took_meanwhile_is_replaced(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Address already in use` leads to another port, not to an error."""
    one = make(tcp=True)
    one.create()
    free = cluster._free_port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = iter([taken.getsockname()[1]])
        monkeypatch.setattr(cluster, "_free_port", lambda: next(ports, None) or free())
        one.start()
        assert postmaster.running(one.data_dir).port != taken.getsockname()[1]  # type: ignore[union-attr]
    assert value(one.url(tcp=True), "SELECT 1") == 1


def test_why_it_did_not_start_is_in_the_hint(make: Make) -> None:
    """The end of the log is shown, not only that it failed."""
    one = make(settings={"work_mem": "a lot"})
    one.create()
    with pytest.raises(UnavailableError) as caught:
        one.start()
    assert "work_mem" in (caught.value.hint or "")


def test_settings_are_quoted(running: Cluster) -> None:
    """A quote in a value stays a quote."""
    assert value(running.url(), "SHOW cluster_name") == "it's"


def test_a_long_path_gets_a_short_socket(make: Make) -> None:
    """Sockets have paths of about a hundred bytes; a deeper directory does not stop the server."""
    one = make("deep/" + "x" * 100)
    one.create()
    one.start()
    assert not one.socket_dir.is_relative_to(one.root)
    assert value(one.url(), "SELECT 1") == 1
    one.destroy()
    assert not one.socket_dir.exists()


def test_somebody_elses_socket_directory_is_refused(make: Make) -> None:
    """The short directory has a name that others can guess: a symbolic link in its place is not followed."""
    one = make("deep/" + "x" * 100)
    one.create()
    elsewhere = one.root.parent / "elsewhere"
    elsewhere.mkdir()
    one.socket_dir.symlink_to(elsewhere)
    try:
        with pytest.raises(ConfigError, match="somebody else"):
            one.start()
    finally:
        one.socket_dir.unlink()


def test_root_can_lend_it_to_another_user(make: Make) -> None:
    """Where namespaces are blocked, an unprivileged user runs it and owns its files."""
    system = next((each for each in find_all() if each.source == "system"), None)
    if os.geteuid() != 0 or system is None:
        pytest.skip("needs root, and programs that everybody may run")
    lent = account._lent()
    assert lent.user
    one = make(binaries=system, account=lent, tcp=True)
    one.create("shop")
    one.start()
    assert value(one.url("shop", "shop"), "SELECT 1") == 1
    assert one.data_dir.stat().st_uid == Path(f"/proc/{pid_of(one)}").stat().st_uid == lent.user[0]


def test_root_without_a_namespace_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `unshare` is missing or refused, the account is a lent one."""
    if os.geteuid() != 0:
        pytest.skip("only root needs another account")
    monkeypatch.setattr("pgwarden.providers.local.account.shutil.which", lambda _: "/bin/false")
    assert account._namespace() is None
    assert account.current_account.__wrapped__() == account._lent()


@pytest.mark.parametrize("content", ["", "12\n", "x\ny\nz\n1\n/s\n", "-1\n/d\n0\n5432\n/s\n"])
def test_a_postmaster_file_that_makes_no_sense_is_no_server(tmp_path: Path, content: str) -> None:
    """Half-written and foreign files are read without an error."""
    (tmp_path / "postmaster.pid").write_text(content)
    assert postmaster.running(tmp_path) is None
    postmaster.remove_stale(tmp_path, tmp_path)
