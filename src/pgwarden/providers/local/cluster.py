"""One PostgreSQL cluster of our own.

    <root>/data              the data directory; it appears complete, by a rename, or not at all
    <root>/data/pgwarden.conf  every setting of ours, written anew at each start and included last
    <root>/passwords/<role>  0600, one for each role made here
    <root>/postmaster.log    what the server prints
    <root>/run               the socket's directory, unless its path would be too long

The main address is the unix socket; a loopback port is opened on request. Methods block: call them in a thread. They do
not guard against another process that drives the same cluster: `lease.py` does.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlencode

from pgwarden.errors import ConfigError, UnavailableError
from pgwarden.providers.local import postmaster
from pgwarden.providers.local.account import Account, current_account
from pgwarden.providers.local.binaries import Binaries

SUPERUSER = "postgres"
SETTINGS_FILE = "pgwarden.conf"
SOCKET_PATH_MAX = 103  # bytes: macOS; Linux has four more
START_ATTEMPTS = 6
PASSING = (
    "Address already in use",  # between the test of a port and its use somebody else took it
    "pre-existing shared memory block",  # sessions outlive a killed postmaster by a moment
)
LOG_MAX = 1_000_000  # bytes kept over a start

StopMode = Literal["smart", "fast", "immediate"]


@dataclass(frozen=True)
class Cluster:
    """A cluster in a directory of its own.

    Attributes:
        root: The directory; made by `create`.
        binaries: The installation that runs it.
        tcp: Whether it listens on a free loopback port too.
        settings: Settings of postgresql.conf that win over the defaults.
        account: Who runs the programs.
    """

    root: Path
    binaries: Binaries
    tcp: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    account: Account = field(default_factory=current_account)

    def __post_init__(self) -> None:
        # The postmaster is recognised by the directory on its command line, so there must be one spelling of it.
        object.__setattr__(self, "root", self.root.resolve())

    @property
    def data_dir(self) -> Path:
        """The data directory."""
        return self.root / "data"

    @property
    def log(self) -> Path:
        """The file that the postmaster writes to."""
        return self.root / "postmaster.log"

    @property
    def exists(self) -> bool:
        """Whether it was created completely."""
        return (self.data_dir / "PG_VERSION").is_file()

    def create(self, database: str = "") -> None:
        """Make the data directory, which takes about half a second. What an interrupted attempt left is removed.

        Args:
            database: The name of an empty database to make in it, and of the ordinary role that owns it.

        Raises:
            ConfigError: It exists already.
            UnavailableError: PostgreSQL's programs failed.
        """
        if self.exists:
            raise ConfigError(f"There is a cluster in {self.root} already.")
        partial = self.root / "data.partial"
        for directory in (self.root, self.root / "passwords"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.account.own(directory)
        shutil.rmtree(partial, ignore_errors=True)
        self.make_password(SUPERUSER)
        self._initdb(partial)
        with (partial / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.write(f"\ninclude_if_exists = '{SETTINGS_FILE}'\n")
        if database:
            self._make_database(partial, database)
        partial.rename(self.data_dir)

    def start(self, timeout_s: int = 60) -> None:
        """Start it and wait until it accepts connections; nothing happens where it runs already.

        Args:
            timeout_s: Seconds to wait; recovery after a crash takes the longest.

        Raises:
            UnavailableError: It did not start; the hint has the end of its log.
        """
        if self.is_running():
            return
        self._prepare_start()
        for attempt in range(1, START_ATTEMPTS + 1):
            printed = self._try_start(timeout_s)
            if printed is None:
                return
            if attempt == START_ATTEMPTS or not any(cause in printed for cause in PASSING):
                raise UnavailableError("PostgreSQL did not start.", hint=printed.strip()[-800:])
            time.sleep(0.1 * attempt)

    def stop(self, mode: StopMode = "fast", timeout_s: int = 30) -> None:
        """Stop it and wait; nothing happens where it does not run.

        Args:
            mode: smart waits for sessions, fast ends them, immediate crashes the server.
            timeout_s: Seconds to wait before it is stopped the immediate way.

        Raises:
            UnavailableError: It still runs.
        """
        if not self.is_running():
            return
        self._pg_ctl("stop", "-w", "-m", mode, "-t", str(timeout_s), timeout_s=timeout_s + 10)
        if self.is_running():
            done = self._pg_ctl("stop", "-w", "-m", "immediate", "-t", "10", timeout_s=20)
            if self.is_running():
                raise UnavailableError("PostgreSQL did not stop.", hint=done.stderr.strip()[-800:])

    def restart(self) -> None:
        """Stop it the fast way and start it again.

        Raises:
            UnavailableError: It did not stop, or did not start.
        """
        self.stop()
        self.start()

    def is_running(self) -> bool:
        """Whether a postmaster of exactly this data directory is alive."""
        return postmaster.running(self.data_dir) is not None

    def destroy(self) -> None:
        """Stop it at once, also in the middle of a start, and remove every file of it."""
        self.stop("immediate")
        for pid in postmaster.starting(self.data_dir):  # an interrupted start leaves no complete postmaster.pid
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT)
        for directory in (self.root, self.socket_dir):
            shutil.rmtree(directory, ignore_errors=True)

    def url(self, database: str = "postgres", user: str = SUPERUSER, *, tcp: bool = False) -> str:
        """Return a libpq URL of the running cluster, with the password of a role made here.

        Args:
            database: The database to connect to.
            user: The role; one without a password file gets a URL without a password.
            tcp: Through the loopback port instead of the socket.

        Raises:
            UnavailableError: The cluster does not run.
        """
        found = postmaster.running(self.data_dir)
        if found is None:
            raise UnavailableError(f"The cluster in {self.root} does not run.")
        secret = self.password(user)
        login = quote(user, safe="") + (":" + quote(secret, safe="") if secret else "")
        if tcp:
            return f"postgresql://{login}@127.0.0.1:{found.port}/{quote(database, safe='')}"
        query = urlencode({"host": found.socket_dir, "port": found.port})
        return f"postgresql://{login}@/{quote(database, safe='')}?{query}"

    def run_script(self, script: str, database: str = SUPERUSER) -> None:
        """Run a psql script as superuser in a database of the running cluster; the first error ends it.

        Args:
            script: Statements and psql's own commands. It is not on a command line, so that it may hold passwords.
            database: The database to run it in.

        Raises:
            UnavailableError: The cluster does not run, or the script failed.
        """
        found = postmaster.running(self.data_dir)
        if found is None:
            raise UnavailableError(f"The cluster in {self.root} does not run.")
        argv = [self.binaries.program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", found.socket_dir]
        argv += ["-p", str(found.port), "-U", SUPERUSER, "-d", database, "-f", "-"]
        env = {"PGPASSWORD": self.password(SUPERUSER) or "", "PGCLIENTENCODING": "UTF8"}
        self._check(self.account.run(argv, stdin=script, env=env), "The script")

    def make_password(self, role: str) -> str:
        """Write a new random password for a role and return it. Giving it to the role is the caller's part."""
        path = self.root / "passwords" / role
        path.unlink(missing_ok=True)
        secret = secrets.token_urlsafe(24)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
            out.write(secret)
        self.account.own(path)
        return secret

    def password(self, role: str) -> str | None:
        """Return a role's password, or None where none was made here."""
        path = self.root / "passwords" / role
        return path.read_text(encoding="ascii").strip() if path.is_file() else None

    @property
    def socket_dir(self) -> Path:
        """A private directory whose path leaves room for the socket's name."""
        near = self.root / "run"
        if len(os.fsencode(near)) + len("/.s.PGSQL.65535") <= SOCKET_PATH_MAX:
            return near
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        # Not gettempdir(): two servers with different TMPDIR must agree. _private refuses somebody else's directory.
        return Path("/tmp") / f"pgwarden-{os.geteuid()}-{digest}"  # noqa: S108

    def _try_start(self, timeout_s: int) -> str | None:
        """Start it once; return None where it runs, else what it printed."""
        self._write_settings(_free_port() if self.tcp else postmaster.DEFAULT_PORT)
        seen = self.log.stat().st_size if self.log.exists() else 0
        done = self._pg_ctl("start", "-w", "-t", str(timeout_s), "-l", str(self.log), timeout_s=timeout_s + 10)
        if done.returncode == 0:
            return None
        printed = self.log.read_bytes()[seen:].decode(errors="replace") if self.log.exists() else ""
        return printed or done.stderr

    def _prepare_start(self) -> None:
        _private(self.socket_dir, self.account)
        postmaster.remove_stale(self.data_dir, self.socket_dir)
        if self.log.exists() and self.log.stat().st_size > LOG_MAX:
            self.log.replace(self.log.with_suffix(".log.old"))

    def _write_settings(self, port: int) -> None:
        values = {
            "listen_addresses": "127.0.0.1" if self.tcp else "",
            "port": str(port),
            "unix_socket_directories": str(self.socket_dir),
            "unix_socket_permissions": "0700",
            "lc_messages": "C",
            **self.settings,
        }
        lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in values.items()]
        target = self.data_dir / SETTINGS_FILE
        fresh = target.with_suffix(".new")
        fresh.write_text("# Written by pgwarden at each start.\n" + "\n".join(lines) + "\n", encoding="utf-8")
        self.account.own(fresh)
        fresh.replace(target)

    def _initdb(self, target: Path) -> None:
        argv = [self.binaries.program("initdb"), "-D", str(target), "-U", SUPERUSER, "--encoding=UTF8"]
        argv += ["--auth=scram-sha-256", f"--pwfile={self.root / 'passwords' / SUPERUSER}", "--no-instructions"]
        if self.settings.get("fsync") == "off":  # who does without it later does without it now
            argv.append("--no-sync")
        for locale in self._locales():
            done = self.account.run([*argv, *locale])
            if done.returncode == 0:
                return
            shutil.rmtree(target, ignore_errors=True)
        self._check(done, "initdb")

    def _make_database(self, data_dir: Path, name: str) -> None:
        """Make it in single-user mode: the cluster never exists without it, no password is on a command line."""
        quoted = '"' + name.replace('"', '""') + '"'
        statements = [
            f"CREATE ROLE {quoted} LOGIN PASSWORD '{self.make_password(name)}';",
            f"GRANT pg_monitor TO {quoted};",
            f"CREATE DATABASE {quoted} OWNER {quoted};",
        ]
        argv = [self.binaries.program("postgres"), "--single", "-D", str(data_dir), "-c", "exit_on_error=on", SUPERUSER]
        self._check(self.account.run(argv, stdin="\n".join(statements) + "\n"), "Making the database")

    def _locales(self) -> list[list[str]]:
        """Return initdb's options for C.UTF-8 where it can be had, then for C."""
        if self.binaries.major >= 17:  # its own C.UTF-8, the same on every system
            return [["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]]
        return [["--locale=C.UTF-8"], ["--locale=C"]]

    def _pg_ctl(self, *args: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
        argv = [self.binaries.program("pg_ctl"), "-D", str(self.data_dir), "-s", *args]
        return self.account.run(argv, timeout_s=timeout_s)

    @staticmethod
    def _check(done: subprocess.CompletedProcess[str], what: str) -> None:
        if done.returncode:
            raise UnavailableError(f"{what} failed.", hint=(done.stderr or done.stdout).strip()[-800:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _private(directory: Path, account: Account) -> None:
    """Make a directory that only the account can enter, and refuse one that somebody else put there."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    ours = {os.geteuid(), *(account.user or ())[:1]}
    if directory.is_symlink() or directory.lstat().st_uid not in ours:
        raise ConfigError(f"{directory} belongs to somebody else.", hint="Remove it, or set PGWARDEN_HOME.")
    directory.chmod(0o700)
    account.own(directory)
