"""Other servers for PostgreSQL, installed by package name into a cache outside the repository.

A peer that cannot be installed is left out, with a line that says why.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import skipped
from benchmarks.servers import Program

PYTHONS = ("python3.12", "python3.13", "python3.14")
POSTGRES_MCP_NEEDS = (
    "mcp[cli]<2",
    "pglast>=7.2,<8",
    "psycopg[binary]",
    "psycopg-pool",
    "humanize",
    "attrs",
    "instructor",
)
"""Its requirements, with a range in place of its exact pin of pglast, which not every index still has."""
TIMEOUT_S = 600


def programs(url: str) -> list[Program]:
    """Return the peers that can be run, installed where they were not.

    Args:
        url: The database to read, with password.
    """
    found = []
    for name, make in (("postgres-mcp", _postgres_mcp), ("dbhub", _dbhub)):
        try:
            found.append(make(url))
        except (OSError, LookupError, subprocess.SubprocessError) as exc:
            skipped(name, f"it cannot be installed: {_reason(exc)}")
    return found


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "pgwarden-benchmarks"


def _postgres_mcp(url: str) -> Program:
    """Return postgres-mcp in its restricted mode, the one that parses statements."""
    place = _cache() / "postgres-mcp"
    pip = (str(place / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet")

    def install() -> None:
        _run(_python(), "-m", "venv", str(place))
        _run(*pip, "install", *POSTGRES_MCP_NEEDS)
        _run(*pip, "install", "--no-deps", "postgres-mcp")

    _once(place, install)
    version = _run(pip[0], "-c", "import importlib.metadata as m; print(m.version('postgres-mcp'))").strip()
    argv = (str(place / "bin" / "postgres-mcp"), "--access-mode=restricted")
    return Program(f"postgres-mcp {version}", argv, {"DATABASE_URI": url}, "execute_sql")


def _dbhub(url: str) -> Program:
    """Return dbhub as it is by default."""
    place = _cache() / "dbhub"
    if (npm := shutil.which("npm")) is None:
        raise LookupError("there is no npm")
    _once(place, lambda: _run(npm, "install", "--no-fund", "--no-audit", "--prefix", str(place), "@bytebase/dbhub"))
    listed = _run(npm, "ls", "--prefix", str(place), "@bytebase/dbhub")
    version = listed.partition("@bytebase/dbhub@")[2].strip()
    argv = (str(place / "node_modules" / ".bin" / "dbhub"), "--transport=stdio")
    return Program(f"dbhub {version}", argv, {"DSN": f"{url}?sslmode=disable"}, "execute_sql")


def _once(place: Path, install: Callable[[], object]) -> None:
    """Install into a directory unless that was done; a broken attempt is removed."""
    done = place / ".installed"
    if done.exists():
        return
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    install()
    done.touch()


def _python() -> str:
    """Return a Python that postgres-mcp runs on.

    Raises:
        LookupError: There is none.
    """
    on_path = filter(None, map(shutil.which, PYTHONS))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    built = (str(path) for name in PYTHONS for path in pyenv.glob(f"*/bin/{name}"))
    for path in (*on_path, *built):
        # A shim of pyenv is there and fails where the version is not the chosen one.
        if subprocess.run((path, "-V"), capture_output=True, check=False).returncode == 0:
            return path
    raise LookupError(f"it needs one of {', '.join(PYTHONS)}")


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
    return done.stdout


def _reason(exc: Exception) -> str:
    if isinstance(exc, subprocess.CalledProcessError):
        printed: list[str] = exc.stderr.strip().splitlines()
        return printed[-1] if printed else f"exit status {exc.returncode}"
    return str(exc)
